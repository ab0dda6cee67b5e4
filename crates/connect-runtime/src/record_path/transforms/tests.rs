//! What single transforms make of structs, maps and headers, as Java's do (4.3.0).

use std::sync::Arc;

use bytes::Bytes;
use connect_api::config::ConfigMap;
use connect_api::data::{DATE, Field, Schema, SchemaType, TIME, TIMESTAMP, Value};
use connect_api::record::{RecordHeader, SourceOffset, SourcePartition, SourceRecord};
use connect_api::{ConnectError, PluginKind};

use super::super::catalog::{self, Made, Problem};

fn made(class: &str, config: &[(&str, &str)]) -> Result<Made, Vec<Problem>> {
    let config: ConfigMap = config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    catalog::make(PluginKind::Transformation, class, &config)
}

fn record(schema: Option<Schema>, value: Value) -> SourceRecord {
    SourceRecord {
        source_partition: SourcePartition::new(serde_json::Map::new()),
        source_offset: SourceOffset::new(serde_json::Map::new()),
        topic: "t".into(),
        partition: Some(0),
        key_schema: None,
        key: Value::Null,
        value_schema: schema.map(Arc::new),
        value,
        timestamp_ms: Some(0),
        headers: Vec::new(),
    }
}

fn apply(class: &str, config: &[(&str, &str)], record: SourceRecord) -> Result<SourceRecord, ConnectError> {
    let Ok(Made::Transformation(mut transform)) = made(class, config) else { panic!("{class} with {config:?}") };
    transform.apply(record).map(|record| record.expect("these drop nothing"))
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// A struct schema and its value.
fn structure(fields: Vec<(&str, Schema, Value)>) -> (Option<Schema>, Value) {
    let declared = |(name, schema, _): &(&str, Schema, Value)| Field {
        name: (*name).to_owned(),
        schema: Arc::new(schema.clone()),
    };
    let schema = Schema::new(SchemaType::Struct(fields.iter().map(declared).collect()));
    (Some(schema), Value::Struct(fields.into_iter().map(|(name, _, value)| (name.to_owned(), value)).collect()))
}

fn map(entries: Vec<(&str, Value)>) -> Value {
    Value::Map(entries.into_iter().map(|(key, value)| (text(key), value)).collect())
}

/// As Java's of 4.3.0 has done with the same.
#[test]
fn extract_field_finds_fields_within_fields() {
    let default = Schema { default: Some(text("dd")), ..Schema::new(SchemaType::String).optional() };
    let (inner, of_b) = structure(vec![("c", Schema::new(SchemaType::String), text("C")), ("d", default, Value::Null)]);
    let (other, _) = structure(vec![("c", Schema::new(SchemaType::String), Value::Null)]);
    let (schema, value) = structure(vec![
        ("b", inner.unwrap(), of_b),
        ("o", other.unwrap().optional(), Value::Null),
        ("s", Schema::new(SchemaType::String), text("S")),
    ]);
    let extracted = |path: &str, keeps_null: bool, record: SourceRecord| {
        let default = if keeps_null { "false" } else { "true" };
        let config = [("field", path), ("field.syntax.version", "v2"), ("replace.null.with.default", default)];
        apply("ExtractField$Value", &config, record).map(|record| record.value).map_err(|error| error.to_string())
    };
    let in_struct = |path: &str, keeps_null| extracted(path, keeps_null, record(schema.clone(), value.clone()));
    let in_map = |path: &str| {
        let entries = vec![("b", map(vec![("c", text("C"))])), ("s", text("S")), ("n", Value::Null)];
        extracted(path, false, record(None, map(entries)))
    };

    assert_eq!(in_struct("b.c", false), Ok(text("C")));
    assert_eq!(in_struct("b.d", false), Ok(text("dd")));
    assert_eq!(in_struct("b.d", true), Ok(Value::Null));
    assert_eq!(in_struct("o.c", false), Ok(Value::Null));
    assert_eq!(in_struct("s", false), Ok(text("S")));
    assert!(in_struct("b.x", false).unwrap_err().contains("Unknown field: b.x"));
    assert!(in_struct("x.c", false).unwrap_err().contains("Unknown field: x.c"));
    assert!(in_struct("s.c", false).unwrap_err().contains("Cannot look up fields on non-struct type"));
    assert_eq!(extracted("b.c", false, record(schema.clone(), Value::Null)), Ok(Value::Null));
    assert_eq!(in_map("b.c"), Ok(text("C")));
    for nothing in ["b.x", "x.c", "n.c"] {
        assert_eq!(in_map(nothing), Ok(Value::Null), "{nothing}");
    }
    let found = "Only Map objects supported in absence of schema for [nested field access], found: java.lang.String";
    assert!(in_map("s.c").unwrap_err().contains(found));
    assert!(made("ExtractField$Value", &[("field", "`a"), ("field.syntax.version", "V2")]).is_err());
    assert!(made("ExtractField$Value", &[("field", "a"), ("field.syntax.version", "V3")]).is_err());
}

#[test]
fn drop_headers_takes_every_header_of_its_names() {
    let header = |name: &'static str| RecordHeader {
        name: Bytes::from_static(name.as_bytes()),
        schema: None,
        value: Value::Null,
    };
    let record = SourceRecord { headers: ["a", "b", "a", "c"].map(header).into(), ..record(None, Value::Null) };

    let left = apply("DropHeaders", &[("headers", "a, c,missing")], record).unwrap().headers;

    assert_eq!(left, [header("b")]);
    assert!(made("DropHeaders", &[]).is_err());
}

#[test]
fn mask_field_leaves_the_nothing_of_each_type() {
    let kinds = [
        (SchemaType::Boolean, Value::Boolean(true), Value::Boolean(false)),
        (SchemaType::Int8, Value::Int8(1), Value::Int8(0)),
        (SchemaType::Int16, Value::Int16(1), Value::Int16(0)),
        (SchemaType::Int32, Value::Int32(1), Value::Int32(0)),
        (SchemaType::Int64, Value::Int64(1), Value::Int64(0)),
        (SchemaType::Float32, Value::Float32(1.5), Value::Float32(0.0)),
        (SchemaType::Float64, Value::Float64(1.5), Value::Float64(0.0)),
        (SchemaType::String, text("secret"), text("")),
        (SchemaType::Int64, Value::Date(5), Value::Date(0)),
        (
            SchemaType::Array(Arc::new(Schema::new(SchemaType::Int8))),
            Value::Array(vec![Value::Int8(1)]),
            Value::Array(vec![]),
        ),
    ];
    for (kind, value, masked) in kinds {
        let (schema, whole) =
            structure(vec![("m", Schema::new(kind.clone()), value.clone()), ("k", Schema::new(kind), value.clone())]);
        let changed = apply("MaskField$Value", &[("fields", "m")], record(schema.clone(), whole)).unwrap();
        assert_eq!(changed.value, Value::Struct(vec![("m".into(), masked.clone()), ("k".into(), value.clone())]));
        assert_eq!(changed.value_schema.as_deref(), schema.as_ref());

        let changed = apply("MaskField$Value", &[("fields", "m")], record(None, map(vec![("m", value)]))).unwrap();
        assert_eq!(changed.value, map(vec![("m", masked)]));
    }
}

#[test]
fn mask_field_replaces_numbers_and_text_and_nothing_else() {
    let masked = |value: Value, replacement: &str| {
        let config = [("fields", "m"), ("replacement", replacement)];
        apply("MaskField$Value", &config, record(None, map(vec![("m", value)]))).map(|record| record.value)
    };

    assert_eq!(masked(text("secret"), "***").unwrap(), map(vec![("m", text("***"))]));
    assert_eq!(masked(Value::Int16(1), "-9").unwrap(), map(vec![("m", Value::Int16(-9))]));
    assert_eq!(masked(Value::Float64(1.0), "1.5").unwrap(), map(vec![("m", Value::Float64(1.5))]));
    assert_eq!(masked(Value::Null, "1").unwrap(), map(vec![("m", Value::Null)]));
    let error = masked(Value::Int8(1), "x").unwrap_err();
    assert!(error.message().starts_with("Unable to convert x"), "{error}");
    let error = masked(Value::Boolean(true), "1").unwrap_err();
    let reason = "Cannot mask value of type class java.lang.Boolean with custom replacement.";
    assert_eq!(error.message(), reason);
    let error = apply("MaskField$Value", &[("fields", "m")], record(None, text("x"))).unwrap_err();
    let reason = "Only Map objects supported in absence of schema for [mask fields], found: java.lang.String";
    assert_eq!(error.message(), reason);
    assert!(made("MaskField$Value", &[("fields", "m"), ("replacement", "")]).is_err());
}

#[test]
fn set_schema_metadata_changes_what_it_is_told_and_keeps_the_rest() {
    let (schema, value) = structure(vec![("a", Schema::new(SchemaType::Int8), Value::Int8(1))]);
    let schema =
        schema.map(|schema| Schema { name: Some("old".into()), version: Some(1), doc: Some("d".into()), ..schema });
    let of = |config: &[(&str, &str)]| {
        let changed = apply("SetSchemaMetadata$Value", config, record(schema.clone(), value.clone())).unwrap();
        assert_eq!(changed.value, value);
        let schema = changed.value_schema.unwrap();
        assert_eq!(schema.doc.as_deref(), Some("d"));
        (schema.name.clone().unwrap(), schema.version.unwrap())
    };

    assert_eq!(of(&[("schema.name", "new")]), ("new".into(), 1));
    assert_eq!(of(&[("schema.version", "7")]), ("old".into(), 7));
    assert_eq!(of(&[("schema.name", "new"), ("schema.version", "7")]), ("new".into(), 7));
    let named = [("schema.name", "new")];
    let error = apply("SetSchemaMetadata$Value", &named, record(None, text("x"))).unwrap_err();
    assert_eq!(error.message(), "Schema required for [updating schema metadata]");
    assert_eq!(apply("SetSchemaMetadata$Value", &named, record(None, Value::Null)).unwrap().value_schema, None);
}

#[test]
fn a_null_field_with_a_default_becomes_the_default_unless_told_otherwise() {
    let eight = Schema { default: Some(Value::Int8(8)), ..Schema::new(SchemaType::Int8).optional() };
    let (schema, value) = structure(vec![("a", eight, Value::Null)]);
    for (class, config) in [
        ("SetSchemaMetadata$Value", vec![("schema.name", "n")]),
        ("MaskField$Value", vec![("fields", "other")]),
        ("TimestampConverter$Value", vec![("field", "other"), ("target.type", "unix")]),
    ] {
        let field = |more: &[(&str, &str)]| {
            let config = [&config[..], more].concat();
            apply(class, &config, record(schema.clone(), value.clone())).unwrap().value
        };
        assert_eq!(field(&[]), Value::Struct(vec![("a".into(), Value::Int8(8))]), "{class}");
        let kept = field(&[("replace.null.with.default", "false")]);
        assert_eq!(kept, Value::Struct(vec![("a".into(), Value::Null)]), "{class}");
    }
}

#[test]
fn value_to_key_copies_fields_in_the_order_of_its_config() {
    let int = || Schema::new(SchemaType::Int8);
    let (schema, value) =
        structure(vec![("a", int(), Value::Int8(1)), ("b", int(), Value::Int8(2)), ("c", int(), Value::Int8(3))]);
    let (key_schema, key) = structure(vec![("c", int(), Value::Int8(3)), ("a", int(), Value::Int8(1))]);

    let changed = apply("ValueToKey", &[("fields", "c,a")], record(schema.clone(), value.clone())).unwrap();
    assert_eq!((changed.key_schema.as_deref(), &changed.key), (key_schema.as_ref(), &key));
    assert_eq!((changed.value_schema.as_deref(), &changed.value), (schema.as_ref(), &value));

    let error = apply("ValueToKey", &[("fields", "z")], record(schema, value)).unwrap_err();
    assert_eq!(error.message(), "Field does not exist: z");

    let changed = apply("ValueToKey", &[("fields", "a,z")], record(None, map(vec![("a", Value::Int8(1))]))).unwrap();
    assert_eq!(changed.key, map(vec![("a", Value::Int8(1)), ("z", Value::Null)]));

    let error = apply("ValueToKey", &[("fields", "a")], record(None, Value::Null)).unwrap_err();
    let reason = "Only Map objects supported in absence of schema for [copying fields from value to key], found: null";
    assert_eq!(error.message(), reason);
}

/// 2024-01-02T03:04:05.678Z
const MOMENT_MS: i64 = 1_704_164_645_678;
const FORMAT: (&str, &str) = ("format", "yyyy-MM-dd'T'HH:mm:ss.SSSX");

#[test]
fn timestamp_converter_takes_every_form_to_every_other() {
    let forms = [
        ("string", None, text("2024-01-02T03:04:05.678Z"), text("2024-01-02T03:04:05.678Z")),
        ("unix", None, Value::Int64(MOMENT_MS), Value::Int64(MOMENT_MS)),
        ("Timestamp", Some(TIMESTAMP), Value::Date(MOMENT_MS), Value::Date(MOMENT_MS)),
        ("Date", Some(DATE), Value::Date(MOMENT_MS), Value::Date(1_704_153_600_000)),
        ("Time", Some(TIME), Value::Date(MOMENT_MS), Value::Date(11_045_678)),
    ];
    let schema = |form: &str, name: Option<&str>| match (form, name) {
        (_, Some(name)) => Schema::temporal(name),
        ("string", None) => Schema::new(SchemaType::String),
        _ => Schema::new(SchemaType::Int64),
    };
    for (from, from_name, given, _) in &forms {
        for (to, to_name, _, expected) in &forms {
            let config = [("target.type", *to), FORMAT];
            let (from, to) = (schema(from, *from_name), schema(to, *to_name));

            let changed =
                apply("TimestampConverter$Value", &config, record(Some(from.clone()), given.clone())).unwrap();
            assert_eq!((&changed.value, changed.value_schema.as_deref()), (expected, Some(&to)));

            let changed = apply("TimestampConverter$Value", &config, record(None, given.clone())).unwrap();
            assert_eq!((&changed.value, changed.value_schema), (expected, None));

            let config = [&config[..], &[("field", "at")]].concat();
            let (whole, value) =
                structure(vec![("at", from.optional(), given.clone()), ("x", to.clone(), Value::Null)]);
            let changed = apply("TimestampConverter$Value", &config, record(whole, value)).unwrap();
            let (whole, value) =
                structure(vec![("at", to.clone().optional(), expected.clone()), ("x", to, Value::Null)]);
            assert_eq!((changed.value_schema.as_deref(), changed.value), (whole.as_ref(), value));

            let changed =
                apply("TimestampConverter$Value", &config, record(None, map(vec![("at", given.clone())]))).unwrap();
            assert_eq!(changed.value, map(vec![("at", expected.clone())]));
        }
    }
}

#[test]
fn unix_time_is_counted_as_the_precision_says() {
    for (precision, number) in [
        ("seconds", 1_704_164_645),
        ("milliseconds", MOMENT_MS),
        ("microseconds", MOMENT_MS * 1_000),
        ("nanoseconds", MOMENT_MS * 1_000_000),
    ] {
        let to = |target: &str, value| {
            let config = [("target.type", target), ("unix.precision", precision)];
            apply("TimestampConverter$Value", &config, record(None, value)).unwrap().value
        };
        assert_eq!(to("unix", Value::Date(MOMENT_MS)), Value::Int64(number), "{precision}");
        let read = if precision == "seconds" { MOMENT_MS - 678 } else { MOMENT_MS };
        assert_eq!(to("Timestamp", Value::Int64(number)), Value::Date(read), "{precision}");
    }
}

#[test]
fn timestamp_converter_says_what_it_can_not_take() {
    let refused = |schema: Option<Schema>, value: Value, config: &[(&str, &str)]| {
        let config = [&[("target.type", "Timestamp")], config].concat();
        apply("TimestampConverter$Value", &config, record(schema, value)).unwrap_err().message().to_owned()
    };
    let bytes = || Value::Bytes(Bytes::from_static(b"x"));

    assert_eq!(
        refused(None, Value::Int32(1), &[]),
        "TimestampConverter does not support class java.lang.Integer objects as timestamps"
    );
    assert_eq!(
        refused(Some(Schema::new(SchemaType::Bytes)), bytes(), &[]),
        "Schema Schema{BYTES} does not correspond to a known timestamp type format"
    );
    assert_eq!(
        refused(None, text("x"), &[("format", "yyyy")]),
        "Could not parse timestamp: value (x) does not match pattern (yyyy)"
    );
    assert!(refused(None, text("x"), &[]).contains("no format"));
    assert!(refused(Some(Schema::new(SchemaType::Bytes)), bytes(), &[("field", "f")]).contains("Only Struct objects"));

    for wrong in [
        vec![],
        vec![("target.type", "date")],
        vec![("target.type", "string")],
        vec![("target.type", "string"), ("format", "bbb")],
        vec![("target.type", "unix"), ("unix.precision", "hours")],
    ] {
        assert!(made("TimestampConverter$Value", &wrong).is_err(), "{wrong:?}");
    }
    let nothing = apply("TimestampConverter$Key", &[("target.type", "unix")], record(None, Value::Null)).unwrap();
    assert_eq!(nothing.key, Value::Null);
}

#[test]
fn insert_field_gives_the_time_as_a_moment_or_without_a_schema_as_a_number() {
    let config = [("timestamp.field", "at")];
    let (schema, value) = structure(vec![]);

    let changed = apply("InsertField$Value", &config, record(schema, value)).unwrap();
    let (schema, value) = structure(vec![("at", Schema::temporal(TIMESTAMP).optional(), Value::Date(0))]);
    assert_eq!((changed.value_schema.as_deref(), changed.value), (schema.as_ref(), value));

    let changed = apply("InsertField$Value", &config, record(None, map(vec![]))).unwrap();
    assert_eq!(changed.value, map(vec![("at", Value::Int64(0))]));
}

#[test]
fn cast_reads_a_day_as_its_number() {
    let cast = |name: &str, to: &str| {
        let given = record(Some(Schema::temporal(name)), Value::Date(1_704_153_600_000));
        apply("Cast$Value", &[("spec", to)], given).unwrap().value
    };

    assert_eq!(cast(DATE, "int32"), Value::Int32(19_724));
    assert_eq!(cast(TIMESTAMP, "int64"), Value::Int64(1_704_153_600_000));
    assert_eq!(cast(DATE, "string"), text("2024-01-02"));
}
