//! What may happen to records on their way: transforms, predicates, converters, topics to be made.
//!
//! - A mirror that filters by a header, puts values into structs and takes them out again, routes by a regular expression, inserts
//!   a header and writes JSON leaves the same records as Java's worker does with the same config, in a topic made as `topic.creation` says, and stores that it has come to the end. Its
//!   metrics name the steps.

use harness::{Record, Runtime, WorkerConfig, clusters, eventually};

use crate::lifecycle::{Config, SOON, run, stop, stored_offset};

/// Mirrors with this worker, and gives what is in the topic that the records are routed to.
async fn mirrored(name: &str, runtime: Runtime) -> Vec<(i32, Record)> {
    let pair = clusters().await;
    let routed = format!("{name}-routed");
    let worker = WorkerConfig::new(&pair.target, name).start(runtime).await;
    let config = Config::mirror(name, &pair.source, &pair.target, "path-orders")
        .with("emit.offset-syncs.enabled", "true")
        .with("offset-syncs.topic.replication.factor", "1")
        .with("transforms", "public,inner,outer,back,route,site")
        .with("transforms.inner.type", "org.apache.kafka.connect.transforms.HoistField$Value")
        .with("transforms.inner.field", "in.ner")
        .with("transforms.outer.type", "org.apache.kafka.connect.transforms.HoistField$Value")
        .with("transforms.outer.field", "outer")
        .with("transforms.back.type", "org.apache.kafka.connect.transforms.ExtractField$Value")
        .with("transforms.back.field", "outer.`in.ner`")
        .with("transforms.back.field.syntax.version", "V2")
        .with("value.converter", "org.apache.kafka.connect.json.JsonConverter")
        .with("transforms.public.type", "org.apache.kafka.connect.transforms.Filter")
        .with("transforms.public.predicate", "internal")
        .with("transforms.route.type", "org.apache.kafka.connect.transforms.RegexRouter")
        .with("transforms.route.regex", r"(.*)\.path-orders")
        .with("transforms.route.replacement", "$1-routed")
        .with("transforms.site.type", "org.apache.kafka.connect.transforms.InsertHeader")
        .with("transforms.site.header", "site")
        .with("transforms.site.value.literal", "17")
        .with("predicates", "internal")
        .with("predicates.internal.type", "org.apache.kafka.connect.transforms.predicates.HasHeaderKey")
        .with("predicates.internal.name", "internal")
        .with("topic.creation.default.replication.factor", "1")
        .with("topic.creation.default.partitions", "3");
    run(worker.rest(), name, &config).await;
    let read = eventually(&format!("15 records are in {routed}"), SOON, async || {
        pair.target.try_topic(&routed).await.map_err(|error| error.to_string())?;
        let read = pair.target.consume(&routed).await;
        if read.len() >= 15 { Ok(read) } else { Err(format!("{} are", read.len())) }
    })
    .await;
    assert_eq!(pair.target.topic(&routed).await.partitions.len(), 3);
    if runtime == Runtime::Portage {
        // Java does not count what it has dropped; the last record here is one that is dropped.
        eventually("the end is stored", SOON, async || {
            match stored_offset(&pair.target, &format!("{name}-offsets"), name, "path-orders").await {
                Some(19) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        let metrics = worker.rest().get("/metrics?profile=strimzi-reporter").await.expect_text();
        for step in [
            format!(
                "transform_class_info{{connector=\"{name}\",task=\"0\",transform=\"route\",transform_class=\"org.apache.kafka.connect.transforms.RegexRouter\"}} 1"
            ),
            format!(
                "predicate_version_info{{connector=\"{name}\",task=\"0\",predicate=\"internal\",predicate_version=\"4.3.0\"}} 1"
            ),
        ] {
            assert!(metrics.contains(&step), "{step}: {metrics}");
        }
        stop(&worker).await;
    }
    let mut read: Vec<_> = read.into_iter().map(|consumed| (consumed.partition, consumed.record)).collect();
    read.sort_by(|(_, one), (_, other)| (one.timestamp_ms, &one.key).cmp(&(other.timestamp_ms, &other.key)));
    read
}

#[tokio::test]
async fn transforms_and_predicates_leave_what_java_s_leave() {
    let pair = clusters().await;
    pair.source.create_topic("path-orders", 2).await;
    let record = |number: i64| Record::new(format!("k{number}"), format!("v{number}")).at(1_700_000_000_000 + number);
    let records: Vec<Record> = (0..20)
        .map(|number| if number % 4 == 3 { record(number).header("internal", "yes") } else { record(number) })
        .collect();
    pair.source.produce("path-orders", 0, &records).await;

    let ours = mirrored("path-ours", Runtime::Portage).await;
    let java = mirrored("path-java", Runtime::Java).await;

    assert_eq!(ours.len(), 15);
    assert_eq!(ours[0].1.headers, [("site".to_owned(), Some("17".into()))]);
    let value: serde_json::Value = serde_json::from_slice(ours[0].1.value.as_deref().unwrap()).unwrap();
    assert_eq!(value["payload"], "djA=", "v0 in base64: {value}");
    assert_eq!(ours, java);
}
