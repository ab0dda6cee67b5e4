//! Who waits for whom, and what holds a mirror back.
//!
//! - A partition that is flooded starves no other: what comes to them arrives while the flood is still under way.
//! - `portage.throttle.bytes.per.second` bounds what a connector reads, `portage.throttle.topics` what it reads of a topic;
//!   topics without a limit of their own do not wait for those that have one.
//! - A source broker that throttles the mirror (a quota) is waited for: nothing fails, and no more is read than it allows.
//! - A target that stands still stops fetching within `portage.memory.bytes`, and all arrives when it comes back.
//!
//! Limits are held from above: bytes by the time that has passed, which a busy machine only makes easier.

use std::time::Instant;

use chrono::DateTime;
use harness::{KafkaCluster, Rest, Runtime, WorkerConfig, clusters, eventually, lab, tools};
use rskafka::client::partition::Compression;
use serde_json::json;

use crate::delivery::{ARRIVES, Flow, worker};

const RECORD_BYTES: usize = 10_000;
/// A fetch that was under way, and what one of a partition may hold: a limit counts what has been read.
const SLACK_BYTES: usize = 3 << 20;

/// Writes `count` records of [`RECORD_BYTES`], in batches of fifty.
pub(crate) async fn flood(cluster: &KafkaCluster, topic: &str, partition: i32, count: usize) {
    let producer = cluster.rskafka_partition(topic, partition).await;
    let record = rskafka::record::Record {
        key: None,
        value: Some(vec![b'x'; RECORD_BYTES]),
        headers: [].into(),
        timestamp: DateTime::from_timestamp_millis(1_700_000_000_000).unwrap(),
    };
    for _ in 0..count / 50 {
        producer.produce(vec![record.clone(); 50], Compression::NoCompression).await.unwrap();
    }
}

/// How many records each partition of a copy has; nothing while there is no copy.
async fn copied(target: &KafkaCluster, remote: &str) -> Vec<usize> {
    match target.try_topic(remote).await {
        Ok(_) => target.end_offsets(remote).await.into_iter().map(|end| usize::try_from(end).unwrap()).collect(),
        Err(_) => Vec::new(),
    }
}

/// Waits until these partitions of a copy have so many records; gives what all have.
async fn have(target: &KafkaCluster, remote: &str, partitions: &[usize], count: usize) -> Vec<usize> {
    eventually(&format!("{count} records in {partitions:?} of {remote}"), ARRIVES, async || {
        let copied = copied(target, remote).await;
        let there = partitions.iter().all(|partition| copied.get(*partition).is_some_and(|have| *have >= count));
        if there { Ok(copied) } else { Err(format!("{copied:?}")) }
    })
    .await
}

/// So many bytes a second allow so many records in this time.
fn allowed(bytes_per_second: usize, since: Instant) -> usize {
    (since.elapsed().as_millis() as usize * bytes_per_second / 1000 + SLACK_BYTES) / RECORD_BYTES
}

async fn end(flow: &Flow) {
    worker().await.rest().delete(&format!("/connectors/{}", flow.name)).await;
}

#[tokio::test]
async fn a_hot_partition_starves_nobody_and_a_throttled_connector_reads_no_faster_than_it_may() {
    const FLOOD: usize = 5_000;
    const LIMIT: usize = 5_000_000;
    let pair = clusters().await;
    let topic = "fair-hot";
    pair.source.create_topic(topic, 3).await;
    flood(&pair.source, topic, 1, FLOOD).await;
    let flow = Flow::new("fair-hot-flow", topic).await;
    let flow = flow.with("portage.throttle.bytes.per.second", &LIMIT.to_string());
    let started = Instant::now();
    flow.start().await;
    have(&pair.target, &flow.remote(topic), &[1], 1).await;

    for partition in [0, 2] {
        flood(&pair.source, topic, partition, 50).await;
    }

    let copied = have(&pair.target, &flow.remote(topic), &[0, 2], 50).await;
    assert!(copied[1] < FLOOD, "the flood was over: {copied:?}");
    let copied: usize = copied.into_iter().sum();
    let allowed = allowed(LIMIT, started);
    assert!(copied <= allowed, "{copied} records after {:?}, {allowed} allowed", started.elapsed());
    end(&flow).await;
}

#[tokio::test]
async fn a_throttled_topic_holds_no_other_up() {
    const LIMIT: usize = 500_000;
    let pair = clusters().await;
    let (slow, free) = ("fair-slow", "fair-free");
    for topic in [slow, free] {
        pair.source.create_topic(topic, 1).await;
        flood(&pair.source, topic, 0, 2_000).await;
    }
    let flow = Flow::new("fair-topics", "fair-slow|fair-free").await;
    let flow = flow.with("portage.throttle.topics", &format!("{slow}:{LIMIT}"));
    let started = Instant::now();
    flow.start().await;

    have(&pair.target, &flow.remote(free), &[0], 2_000).await;

    let copied = have(&pair.target, &flow.remote(slow), &[0], 1).await[0];
    let allowed = allowed(LIMIT, started);
    assert!(copied <= allowed, "{copied} records after {:?}, {allowed} allowed", started.elapsed());
    end(&flow).await;
}

#[tokio::test]
async fn a_broker_that_throttles_is_waited_for() {
    const QUOTA: usize = 500_000;
    const RECORDS: usize = 1_000;
    let pair = clusters().await;
    let (name, topic) = ("fair-quota", "fair-quota-orders");
    pair.source.create_topic(topic, 1).await;
    flood(&pair.source, topic, 0, RECORDS).await;
    let client = format!("{name}->target|{name}-0|replication-consumer");
    let (servers, quota) = (pair.source.bootstrap(), format!("consumer_byte_rate={QUOTA}"));
    let arguments = ["--bootstrap-server", &servers, "--alter", "--add-config", &quota];
    let arguments = [&arguments[..], &["--entity-type", "clients", "--entity-name", &client]].concat();
    tools::run(tools::CONFIGS, &arguments).await.expect_success();
    let flow = Flow::new(name, topic).await;
    let started = Instant::now();
    flow.start().await;

    let copied = have(&pair.target, &flow.remote(topic), &[0], RECORDS).await[0];

    // Quotas are means over eleven seconds by default.
    let allowed = allowed(QUOTA, started) + 11 * QUOTA / RECORD_BYTES;
    assert!(copied <= allowed, "{copied} records after {:?}, {allowed} allowed", started.elapsed());
    let throttled = sum(worker().await.rest(), "portage_client_throttled_seconds_total", &client).await;
    assert!(throttled > 0.0, "the broker has not asked for a pause");
    assert_eq!(flow.status().await["tasks"][0]["state"], "RUNNING");
    end(&flow).await;
}

/// The sum of a metric's lines with this connector.
pub(crate) async fn sum(rest: &Rest, metric: &str, connector: &str) -> f64 {
    let shown = rest.get("/metrics").await.expect_text();
    let lines = shown.lines().filter(|line| line.starts_with(metric) && line.contains(connector));
    lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}

#[tokio::test]
async fn a_target_that_stands_still_stops_fetching_within_the_budget() {
    const BUDGET: usize = 8 << 20;
    const RECORDS: usize = 3_000;
    let lab = lab().await;
    let target = lab.cluster("fair-target").start().await;
    let pair = clusters().await;
    let (name, topic) = ("fair-frozen", "fair-frozen-orders");
    pair.source.create_topic(topic, 2).await;
    for partition in 0..2 {
        flood(&pair.source, topic, partition, RECORDS / 2).await;
    }
    let config = WorkerConfig::new(&target, name).with("portage.memory.bytes", &BUDGET.to_string());
    // It is away for some seconds, and is not to be taken for lost.
    let worker = config.with("session.timeout.ms", "60000").start(Runtime::Portage).await;
    let rest = worker.rest();
    let mirror = json!({
        "connector.class": "org.apache.kafka.connect.mirror.MirrorSourceConnector",
        "source.cluster.alias": name,
        "target.cluster.alias": "target",
        "source.cluster.bootstrap.servers": pair.source.bootstrap(),
        "target.cluster.bootstrap.servers": target.bootstrap(),
        "topics": topic,
        "replication.factor": "1",
        "offset-syncs.topic.replication.factor": "1",
        "heartbeats.replication.enabled": "false",
        // So that it is still under way when the target stops.
        "portage.throttle.bytes.per.second": "4000000",
    });
    rest.put_connector(name, &mirror).await.expect(201);
    let remote = format!("{name}.{topic}");
    have(&target, &remote, &[0], 1).await;

    target.broker(1).freeze();

    let mut last = (0.0, 0);
    let read = eventually("nothing more is read", ARRIVES, async || {
        let read = sum(rest, "portage_mirror_bytes_total", name).await;
        let used = sum(rest, "portage_memory_used_bytes", "").await;
        assert!(used <= BUDGET as f64, "{used} bytes held");
        last = if (read - last.0).abs() < 1.0 { (read, last.1 + 1) } else { (read, 0) };
        // A throttled poll takes less than half a second.
        if last.1 > 5 { Ok(read) } else { Err(format!("{read} bytes read")) }
    })
    .await;
    target.broker(1).thaw();

    let all = (RECORDS * RECORD_BYTES) as f64;
    assert!(read < all, "{read} bytes of {all} were read while the target stood still");
    have(&target, &remote, &[0, 1], RECORDS / 2).await;
    let copied = copied(&target, &remote).await;
    assert_eq!(copied, [RECORDS / 2; 2], "nothing is there twice");
}
