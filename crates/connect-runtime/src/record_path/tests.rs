//! Configs in, records out: what each transform, predicate and converter makes of what a mirror hands out.

use bytes::Bytes;
use connect_api::data::{Schema, SchemaType, Value};
use connect_api::record::{RecordHeader, SourceOffset, SourcePartition};

use super::*;
use crate::test_world::worker_config;

fn map(entries: &[(&str, &str)]) -> ConfigMap {
    entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn path(entries: &[(&str, &str)]) -> RecordPath {
    RecordPath::from_config(&worker_config(&[]), &map(entries)).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn problems(entries: &[(&str, &str)]) -> Vec<(String, String)> {
    let read = RecordPath::from_config(&worker_config(&[]), &map(entries));
    let problems = read.err().unwrap_or_default();
    problems.into_iter().map(|problem| (problem.key, problem.message)).collect()
}

/// A record as a mirror hands it out.
fn record() -> SourceRecord {
    let bytes = |optional| Some(Arc::new(Schema { optional, ..Schema::new(SchemaType::Bytes) }));
    SourceRecord {
        source_partition: SourcePartition::new(serde_json::Map::new()),
        source_offset: SourceOffset::new(serde_json::Map::new()),
        topic: "src.orders".into(),
        partition: Some(2),
        key_schema: bytes(true),
        key: Value::Bytes(Bytes::from_static(b"k")),
        value_schema: bytes(true),
        value: Value::Bytes(Bytes::from_static(b"v")),
        timestamp_ms: Some(1_795_361_166_054),
        headers: vec![RecordHeader {
            name: Bytes::from_static(b"trace"),
            schema: bytes(false),
            value: Value::Bytes(Bytes::from_static(&[0xff])),
        }],
    }
}

fn run(entries: &[(&str, &str)]) -> Converted {
    path(entries).apply(record()).unwrap().expect("not dropped")
}

#[test]
fn a_connector_without_any_of_it_lets_batches_pass() {
    assert_eq!(path(&[]).reason(), None);
    assert_eq!(path(&[("header.converter", "SimpleHeaderConverter")]).reason(), None);
    assert_eq!(path(&[("value.converter", "JsonConverter")]).reason(), Some(Reason::Converters));
    let filter = [("transforms", "f"), ("transforms.f.type", "org.apache.kafka.connect.transforms.Filter")];
    assert_eq!(path(&filter).reason(), Some(Reason::Transforms));
}

#[test]
fn nothing_is_changed_that_nobody_asked_to_change() {
    let converted = run(&[]);

    assert_eq!((&*converted.topic, converted.partition), ("src.orders", Some(2)));
    let Record { timestamp, key, value, headers, .. } = converted.record;
    assert_eq!((timestamp, key.unwrap(), value.unwrap()), (1_795_361_166_054, "k".into(), "v".into()));
    assert_eq!(headers[0].value.as_deref(), Some(&[0xff][..]));
}

#[test]
fn transforms_follow_each_other_in_their_order() {
    let converted = run(&[
        ("transforms", "route, day, head"),
        ("transforms.route.type", "org.apache.kafka.connect.transforms.RegexRouter"),
        ("transforms.route.regex", r"src\.(.*)"),
        ("transforms.route.replacement", "$1-copy"),
        ("transforms.day.type", "org.apache.kafka.connect.transforms.TimestampRouter"),
        ("transforms.head.type", "org.apache.kafka.connect.transforms.InsertHeader"),
        ("transforms.head.header", "site"),
        ("transforms.head.value.literal", "17"),
    ]);

    assert_eq!(&*converted.topic, "orders-copy-20261122");
    let last = converted.record.headers.last().unwrap();
    assert_eq!((&last.key[..], last.value.as_deref()), (&b"site"[..], Some(&b"17"[..])));
}

#[test]
fn a_predicate_decides_and_can_be_turned_round() {
    let filtered = |predicate: &[(&str, &str)], negate: &str| {
        let config = [
            &[
                ("transforms", "f"),
                ("transforms.f.type", "Filter"),
                ("transforms.f.predicate", "p"),
                ("transforms.f.negate", negate),
                ("predicates", "p"),
            ],
            predicate,
        ]
        .concat();
        path(&config).apply(record()).unwrap().is_none()
    };
    let class = |name: &'static str| ("predicates.p.type", name);

    for (predicate, matches) in [
        (vec![class("TopicNameMatches"), ("predicates.p.pattern", "src.*")], true),
        (vec![class("TopicNameMatches"), ("predicates.p.pattern", "src")], false),
        (vec![class("HasHeaderKey"), ("predicates.p.name", "trace")], true),
        (vec![class("HasHeaderKey"), ("predicates.p.name", "other")], false),
        (vec![class("org.apache.kafka.connect.transforms.predicates.RecordIsTombstone")], false),
    ] {
        assert_eq!(filtered(&predicate, "false"), matches, "{predicate:?}");
        assert_eq!(filtered(&predicate, "true"), !matches, "not {predicate:?}");
    }
}

#[test]
fn values_take_the_way_of_their_converter() {
    let value = |class: &str, more: &[(&str, &str)]| {
        let converted = run(&[&[("value.converter", class)], more].concat());
        String::from_utf8(converted.record.value.unwrap().to_vec()).unwrap()
    };

    assert_eq!(value("org.apache.kafka.connect.storage.StringConverter", &[]), "v");
    assert_eq!(value("JsonConverter", &[("value.converter.schemas.enable", "false")]), "\"dg==\"");
    let enveloped = r#"{"schema":{"type":"bytes","optional":true},"payload":"dg=="}"#;
    assert_eq!(value("org.apache.kafka.connect.json.JsonConverter", &[]), enveloped);
}

#[test]
fn fields_of_what_was_hoisted_can_be_worked_on() {
    let value = |more: &[(&str, &str)]| {
        let config = [
            &[
                ("value.converter", "JsonConverter"),
                ("value.converter.schemas.enable", "false"),
                ("transforms", "h,x"),
                ("transforms.h.type", "HoistField$Value"),
                ("transforms.h.field", "line"),
            ],
            more,
        ]
        .concat();
        String::from_utf8(run(&config).record.value.unwrap().to_vec()).unwrap()
    };
    let class = |name: &'static str| ("transforms.x.type", name);

    for (transform, expected) in [
        (vec![class("ExtractField$Value"), ("transforms.x.field", "line")], "\"dg==\""),
        (vec![class("ReplaceField$Value"), ("transforms.x.renames", "line:text")], r#"{"text":"dg=="}"#),
        (vec![class("ReplaceField$Value"), ("transforms.x.exclude", "line")], "{}"),
        (
            vec![
                class("InsertField$Value"),
                ("transforms.x.topic.field", "topic!"),
                ("transforms.x.partition.field", "partition"),
                ("transforms.x.static.field", "site"),
                ("transforms.x.static.value", "a"),
            ],
            r#"{"line":"dg==","topic":"src.orders","partition":2,"site":"a"}"#,
        ),
        (vec![class("Cast$Value"), ("transforms.x.spec", "line:string")], r#"{"line":"dg=="}"#),
        (vec![class("Flatten$Value")], r#"{"line":"dg=="}"#),
        (
            vec![
                class("HeaderFrom$Value"),
                ("transforms.x.fields", "line"),
                ("transforms.x.headers", "h"),
                ("transforms.x.operation", "move"),
            ],
            "{}",
        ),
    ] {
        assert_eq!(value(&transform), expected, "{transform:?}");
    }
}

#[test]
fn a_transform_that_can_not_take_a_record_ends_the_task_or_skips_the_record() {
    let extract = [("transforms", "x"), ("transforms.x.type", "ExtractField$Key"), ("transforms.x.field", "id")];

    let error = path(&extract).apply(record()).unwrap_err();
    assert!(error.message().starts_with("Tolerance exceeded in error handler"), "{error}");
    let reason = "Only Struct objects supported for [field extraction], found: [B";
    assert!(error.message().contains(reason), "{error}");

    let tolerant = [&extract[..], &[("errors.tolerance", "all")]].concat();
    assert_eq!(path(&tolerant).apply(record()).unwrap(), None);
}

#[test]
fn wrong_configs_are_named_by_their_whole_key() {
    let keys = |entries: &[_]| problems(entries).into_iter().map(|(key, _)| key).collect::<Vec<_>>();

    assert_eq!(keys(&[("transforms", "a")]), ["transforms.a.type"]);
    assert_eq!(keys(&[("transforms", "a"), ("transforms.a.type", "NoSuch")]), ["transforms.a.type"]);
    let router = [("transforms", "a"), ("transforms.a.type", "RegexRouter"), ("transforms.a.regex", "(")];
    assert_eq!(keys(&router), ["transforms.a.replacement"]);
    let router = [&router[..], &[("transforms.a.replacement", "x")]].concat();
    assert_eq!(keys(&router), ["transforms.a.regex"]);
    let filter = [("transforms", "a"), ("transforms.a.type", "Filter"), ("transforms.a.predicate", "p")];
    assert_eq!(keys(&filter), ["transforms.a.predicate"]);
    let negated = [("transforms", "a"), ("transforms.a.type", "Filter"), ("transforms.a.negate", "true")];
    assert_eq!(keys(&negated), ["transforms.a.type"]);
    assert_eq!(keys(&[("predicates", "p")]), ["predicates.p.type"]);
    assert_eq!(keys(&[("key.converter", "AvroConverter")]), ["key.converter"]);

    let (_, message) = &problems(&[("transforms", "a"), ("transforms.a.type", "InsertHeader")])[0];
    assert!(message.contains("transforms.a.header"), "{message}");
}

#[test]
fn every_plug_in_is_found_by_its_class_and_has_the_keys_of_java() {
    let classes: Vec<_> = catalog::all().into_iter().map(|builtin| (builtin.kind, builtin.class)).collect();
    let count = |kind| classes.iter().filter(|(other, _)| *other == kind).count();

    assert_eq!(count(PluginKind::Transformation), 26);
    assert_eq!(count(PluginKind::Predicate), 3);
    assert_eq!(count(PluginKind::Converter), 9);
    assert_eq!(count(PluginKind::HeaderConverter), 10);
    let def = catalog::config_def("org.apache.kafka.connect.transforms.InsertField$Key").unwrap();
    let keys: Vec<_> = def.keys().iter().map(|key| key.name.as_ref()).collect();
    assert_eq!(
        keys,
        [
            "topic.field",
            "partition.field",
            "offset.field",
            "timestamp.field",
            "static.field",
            "static.value",
            "replace.null.with.default"
        ]
    );
}

/// What is logged while something runs.
fn logged(run: impl FnOnce()) -> String {
    use std::io::Write;
    use std::sync::Mutex;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let lines = Lines::default();
    let to = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || to.clone()).finish();
    tracing::subscriber::with_default(subscriber, run);
    String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
}

#[test]
fn errors_are_logged_when_tolerated_or_asked_for_and_records_only_when_asked_for() {
    let lines = |errors: &[(&str, &str)]| {
        let extract = [("transforms", "x"), ("transforms.x.type", "ExtractField$Key"), ("transforms.x.field", "id")];
        let mut path = path(&[&extract[..], errors].concat());
        logged(|| drop(path.apply(record())))
    };
    let (all, log, records) =
        (("errors.tolerance", "all"), ("errors.log.enable", "true"), ("errors.log.include.messages", "true"));

    // An error that ends the task is in its status.
    assert_eq!(lines(&[]), "");
    // What is left out is never left out in silence.
    for errors in [&[all][..], &[log], &[all, log]] {
        let lines = lines(errors);
        assert!(lines.contains("transform x") && lines.contains("src.orders"), "{lines}");
        assert!(!lines.contains("SourceRecord"), "{lines}");
    }
    // The record goes with an error that is logged because somebody asked for it.
    assert!(lines(&[log, records]).contains("SourceRecord"));
    assert!(!lines(&[all, records]).contains("SourceRecord"));
}
