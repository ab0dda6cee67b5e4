//! Deletes that nobody has seen: a compacted topic keeps tombstones for `delete.retention.ms`, and who was away for longer
//! may have missed some, so that the target keeps keys which the source does not have.
//!
//! - After a pause and after a worker was down: named with the range in which they were, in the log once, in status and metrics until
//!   acknowledged, over restarts.
//! - A partition that was idle meanwhile, and one that was written to and not compacted, lose nothing and are not named.

use std::cell::Cell;

use harness::{KafkaCluster, Record, Runtime, Worker, WorkerConfig, clusters, eventually};
use serde_json::Value;

use crate::mirror_losses::{SOON, acknowledge, cries, pause, says, start, traces};

const DAY_MS: i64 = 86_400_000;
const COMPACTED: [(&str, &str); 5] = [
    ("cleanup.policy", "compact"),
    ("delete.retention.ms", "1000"),
    ("min.cleanable.dirty.ratio", "0"),
    ("segment.ms", "1000"),
    ("message.timestamp.after.max.ms", "9223372036854775807"),
];
/// Its deletes are compacted away; it is idle; it is written to.
const DELETED: i32 = 0;
const IDLE: i32 = 1;
const WRITTEN: i32 = 2;

fn keys(from: usize, to: usize) -> Vec<Record> {
    (from..to).map(|i| Record::new(format!("key-{i}"), format!("value {i}"))).collect()
}

/// How many tombstones, and how many records, the deleted partition of a topic has.
async fn tombstones(cluster: &KafkaCluster, topic: &str) -> (usize, usize) {
    let mut read = cluster.consume(topic).await;
    read.retain(|read| read.partition == DELETED);
    (read.iter().filter(|read| read.record.value.is_none()).count(), read.len())
}

/// Waits until a topic's tombstones have come and gone, without a trace but for the offsets.
async fn delete(source: &KafkaCluster, topic: &str, keys: usize) {
    let gone: Vec<Record> = (0..keys).map(|i| Record::tombstone(format!("key-{i}"))).collect();
    source.produce(topic, DELETED, &gone).await;
    let now_ms = chrono::Utc::now().timestamp_millis();
    let days = Cell::new(0);
    eventually(&format!("the tombstones of {topic} are gone"), SOON, async || {
        // Later by a day each time: closes the segment, and only closed ones are compacted.
        days.set(days.get() + 1);
        source.produce(topic, DELETED, &[Record::new("later", "x").at(now_ms + days.get() * DAY_MS)]).await;
        match tombstones(source, topic).await {
            (0, _) => Ok(()),
            left => Err(format!("{left:?} are left")),
        }
    })
    .await;
}

/// What happens while nobody reads.
async fn be_away(source: &KafkaCluster, topic: &str) {
    // A task that is paused has its hands full before the deletes come.
    for i in 10..30 {
        source.produce(topic, WRITTEN, &keys(i, i + 1)).await;
    }
    delete(source, topic, 5).await;
}

/// The end of the source has arrived, the loss is named, and no other.
async fn is_named(worker: &Worker, source: &KafkaCluster, name: &str) {
    let topic = format!("{name}-log");
    says(worker, name, &format!("{topic}-{DELETED}"), "deletes with offsets between 10 and ").await;
    arrived(source, name, [(DELETED, "later"), (IDLE, "key-9"), (WRITTEN, "key-29")]).await;
    let traces = traces(worker, name).await;
    assert_eq!(traces.lines().filter(|line| line.starts_with("partition")).count(), 1, "{traces}");
}

/// The newest key of each partition of the source is on the target.
async fn arrived(source: &KafkaCluster, name: &str, newest: [(i32, &str); 3]) {
    let (target, topic) = (&clusters().await.target, format!("{name}-log"));
    eventually(&format!("all of {topic} has arrived"), SOON, async || {
        target.try_topic(&format!("{name}.{topic}")).await.map_err(|error| error.to_string())?;
        let (here, there) = (source.consume(&topic).await, target.consume(&format!("{name}.{topic}")).await);
        for (partition, key) in newest {
            let last = |read: &[harness::Consumed]| {
                let last = read.iter().rfind(|read| read.partition == partition);
                last.map(|read| (read.record.key.clone(), read.record.timestamp_ms))
            };
            let (here, there) = (last(&here), last(&there));
            assert_eq!(here.as_ref().and_then(|(key, _)| key.as_deref()), Some(key.as_bytes()));
            if here != there {
                return Err(format!("{partition}: {here:?}, {there:?}"));
            }
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn deletes_that_were_compacted_away_unread_are_named() {
    let pair = clusters().await;
    let source = &pair.source;
    let group = |name| WorkerConfig::new(&pair.target, name).with("offset.flush.interval.ms", "200");
    let (paused, down) = (group("deletes-paused"), group("deletes-down"));
    let (up, goes) = tokio::join!(paused.start(Runtime::Portage), down.start(Runtime::Portage));
    for (name, worker) in [("deletes-paused", &up), ("deletes-down", &goes)] {
        let topic = format!("{name}-log");
        source.create_topic_with(&topic, 3, &COMPACTED).await;
        for partition in [DELETED, IDLE, WRITTEN] {
            source.produce(&topic, partition, &keys(0, 10)).await;
        }
        start(worker, source, name, &[]).await;
        arrived(source, name, [DELETED, IDLE, WRITTEN].map(|partition| (partition, "key-9"))).await;
    }

    pause(&up, "deletes-paused").await;
    assert!(goes.stop().await.success());
    tokio::join!(be_away(source, "deletes-paused-log"), be_away(source, "deletes-down-log"));
    up.rest().put("/connectors/deletes-paused/resume", &Value::Null).await;
    let up_again = down.start(Runtime::Portage).await;

    for (name, worker) in [("deletes-paused", &up), ("deletes-down", &up_again)] {
        is_named(worker, source, name).await;
        assert_eq!(cries(worker, &format!("{name}-log")), 1, "{name}");
    }
    // It is a loss: the target still has what the source has deleted.
    let kept = pair.target.consume("deletes-down.deletes-down-log").await;
    assert!(kept.iter().any(|read| read.partition == DELETED && read.record.key.as_deref() == Some(b"key-0")));

    assert!(up.stop().await.success());
    let up = paused.start(Runtime::Portage).await;
    is_named(&up, source, "deletes-paused").await;
    assert_eq!(cries(&up, "deletes-paused-log"), 0, "what is known already is no news");
    acknowledge(&up, source, "deletes-paused").await;
}
