//! All that a target holds, as lines of what and how, read by Java's clients.

use std::collections::BTreeMap;

use bytes::{Buf, Bytes};
use harness::{Consumed, KafkaCluster};
use serde_json::Value;

/// What, and how it is there.
pub(crate) type Dump = BTreeMap<String, String>;

/// Looks at everything.
pub(crate) async fn dump(target: &KafkaCluster) -> Dump {
    let mut dump = Dump::new();
    for topic in target.topics().await {
        if topic.starts_with("__") {
            continue;
        }
        let Ok(info) = target.try_topic(&topic).await else { continue };
        dump.insert(format!("topic {topic} partitions"), info.partitions.len().to_string());
        for (key, value) in target.topic_config(&topic).await {
            dump.insert(format!("topic {topic} config {key}"), value);
        }
        let records = target.consume(&topic).await;
        match &*topic {
            "mm2-offset-syncs.source.internal" => last(&mut dump, "sync", &records, sync),
            "source.checkpoints.internal" => last(&mut dump, "checkpoint", &records, checkpoint),
            "heartbeats" => {
                last(&mut dump, "heartbeat", &records, |key, _| Some((format!("{key:?}"), "beats".to_owned())))
            }
            "mm2-configs.source.internal" => last(&mut dump, "connector", &records, connector),
            "mm2-offsets.source.internal" => last(&mut dump, "position", &records, position),
            mirrored if mirrored.starts_with("source.") => {
                for read in &records {
                    let place = format!("record {topic}-{} {}", read.partition, read.offset);
                    dump.insert(place, format!("{:?}", read.record));
                }
            }
            // Statuses name their worker; runs are our own.
            _ => {}
        }
    }
    for (group, _) in target.groups().await {
        let offsets = target.group_offsets(&group).await;
        for at in &offsets {
            let place = format!("group {group} {}-{}", at.topic, at.partition);
            dump.insert(place, format!("{} {:?}", at.offset, at.metadata));
        }
        // What a comparison waits for: a group that has arrived.
        if !offsets.is_empty() {
            dump.insert(format!("group {group} end"), "there".to_owned());
        }
    }
    // The one thing in which they must differ.
    let address = target.bootstrap();
    for (_, config) in dump.iter_mut().filter(|(place, _)| place.starts_with("connector ")) {
        *config = config.replace(&address, "TARGET");
    }
    for acl in target.acls().await {
        dump.insert(format!("acl {acl:?}"), "there".to_owned());
    }
    dump
}

/// The last value of every key of a compacted topic.
fn last(dump: &mut Dump, kind: &str, records: &[Consumed], read: fn(&Bytes, &Bytes) -> Option<(String, String)>) {
    for record in records {
        let (Some(key), Some(value)) = (&record.record.key, &record.record.value) else { continue };
        if let Some((place, value)) = read(key, value) {
            dump.insert(format!("{kind} {place}"), value);
        }
    }
}

/// A Kafka `STRING`.
fn string(bytes: &mut Bytes) -> Option<String> {
    let length = usize::from(bytes.try_get_u16().ok()?);
    (bytes.len() >= length).then(|| String::from_utf8_lossy(&bytes.split_to(length)).into_owned())
}

fn sync(key: &Bytes, value: &Bytes) -> Option<(String, String)> {
    let (mut key, mut value) = (key.clone(), value.clone());
    let place = format!("{}-{}", string(&mut key)?, key.try_get_i32().ok()?);
    Some((place, format!("{} is at {}", value.try_get_i64().ok()?, value.try_get_i64().ok()?)))
}

fn checkpoint(key: &Bytes, value: &Bytes) -> Option<(String, String)> {
    let (mut key, mut value) = (key.clone(), value.clone());
    let place = format!("{} {}-{}", string(&mut key)?, string(&mut key)?, key.try_get_i32().ok()?);
    let version = value.try_get_i16().ok()?;
    let (upstream, downstream) = (value.try_get_i64().ok()?, value.try_get_i64().ok()?);
    Some((place, format!("{downstream} for {upstream} {:?} v{version}", string(&mut value)?)))
}

/// Configs of connectors.
fn connector(key: &Bytes, value: &Bytes) -> Option<(String, String)> {
    let key = String::from_utf8_lossy(key).into_owned();
    let config: Value = serde_json::from_slice(value).ok()?;
    if !key.starts_with("connector-") {
        return None;
    }
    let mut properties = config["properties"].as_object()?.clone();
    properties.sort_keys();
    Some((key, Value::Object(properties).to_string()))
}

/// Stored positions, of which Java knows the offset.
fn position(key: &Bytes, value: &Bytes) -> Option<(String, String)> {
    let value: Value = serde_json::from_slice(value).ok()?;
    Some((String::from_utf8_lossy(key).into_owned(), value["offset"].to_string()))
}
