//! Three workers, and what becomes of the group when the brokers that it lives on move or go away.
//!
//! - The group's coordinator moves to another broker: no task is restarted, nothing is mirrored twice. Its broker dies, another
//!   takes over, the broker comes back: the group works on, nothing is lost.
//! - The brokers of the storage topics and of the group are away for longer than a session: everything goes on by itself.

use std::time::Duration;

use harness::{KafkaCluster, clusters, eventually, lab};
use serde_json::json;

use crate::lifecycle::{Config, SOON, Stream, end_offset, run, runs, write};
use crate::lifecycle_failure::{all_arrive, quick, soon_missed, task_starts, three, three_of};

#[tokio::test]
async fn a_coordinator_that_moves_or_dies_disturbs_nobody() {
    let lab = lab().await;
    let target = lab.cluster("moving-target").brokers(2).start().await;
    let pair = clusters().await;
    pair.source.create_topic("moving-orders", 1).await;
    // What broker 2 has, broker 1 has, too.
    let storage = ["config", "offset", "status"].map(|topic| format!("{topic}.storage.replication.factor"));
    let group = storage.iter().fold(soon_missed(&target, "moving"), |group, key| group.with(key, "2"));
    let [leader, one, two] = three_of(&group).await;
    let config = quick("moving", &pair.source, &target, "moving-orders")
        .with("replication.factor", "2")
        .with("offset-syncs.topic.replication.factor", "2");
    run(leader.rest(), "moving", &config).await;
    let workers = [&leader, &one, &two];
    let starts = || workers.map(task_starts).iter().sum::<usize>();
    let stream = Stream::start(&pair.source, "moving-orders").await;
    let before = starts();

    let from = coordinator(&target, "moving").await;
    lead(&target, "moving", 3 - from).await;
    // The group works on: a change that needs a rebalance comes into force.
    let beats = Config::heartbeat("moving", &target).with("heartbeats.topic.replication.factor", "2");
    run(one.rest(), "moving-beats", &beats).await;

    let written = stream.stop().await;
    let mirrored = all_arrive(&target, "moving.moving-orders", written).await;
    assert_eq!(mirrored.len(), written, "nothing came twice");
    assert_eq!(starts() - before, 1, "only the task of the new connector was started");

    lead(&target, "moving", 2).await;
    target.broker(2).kill();
    write(&pair.source, "moving-orders", 0, written, written + 500).await;
    eventually("broker 1 coordinates", SOON, async || match coordinator(&target, "moving").await {
        1 => Ok(()),
        other => Err(format!("{other} does")),
    })
    .await;
    run(two.rest(), "moving-more-beats", &beats.clone().with("source.cluster.alias", "more")).await;
    target.broker(2).start().await;
    write(&pair.source, "moving-orders", 0, written + 500, written + 1_000).await;
    run(one.rest(), "moving-most-beats", &beats.with("source.cluster.alias", "most")).await;
    for connector in ["moving", "moving-beats", "moving-more-beats"] {
        runs(one.rest(), connector).await;
    }
    all_arrive(&target, "moving.moving-orders", written + 1_000).await;
}

/// The partition of `__consumer_offsets` whose leader coordinates a group.
async fn coordinated_by(target: &KafkaCluster, group: &str) -> i32 {
    let partitions = target.topic("__consumer_offsets").await.partitions.len();
    i32::try_from(java_hash(group).unsigned_abs() % u32::try_from(partitions).unwrap()).unwrap()
}

/// The broker that coordinates a group.
async fn coordinator(target: &KafkaCluster, group: &str) -> i32 {
    let partition = usize::try_from(coordinated_by(target, group).await).unwrap();
    target.topic("__consumer_offsets").await.partitions[partition].leader
}

/// Lets this one of two brokers coordinate a group.
async fn lead(target: &KafkaCluster, group: &str, broker: i32) {
    let partition = coordinated_by(target, group).await;
    target.move_partition("__consumer_offsets", partition, &[broker, 3 - broker]).await;
    eventually(&format!("{broker} coordinates {group}"), SOON, async || {
        // Not possible before the move is done.
        let preferred = json!({"topic": "__consumer_offsets", "partition": partition});
        let _ = target.try_call("topic.electPreferred", preferred).await;
        match coordinator(target, group).await {
            now if now == broker => Ok(()),
            other => Err(format!("{other} does")),
        }
    })
    .await;
}

/// Java's `String.hashCode`, by which groups are dealt to the partitions of `__consumer_offsets`.
fn java_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

#[tokio::test]
async fn an_outage_of_a_minute_of_the_storage_topics_is_ridden_out() {
    let lab = lab().await;
    let target = lab.cluster("away-target").start().await;
    let pair = clusters().await;
    pair.source.create_topic("away-orders", 1).await;
    let workers = three(&target, "away").await;
    let [leader, ..] = &workers;
    let config = Config::mirror("away", &pair.source, &target, "away-orders");
    run(leader.rest(), "away", &config).await;
    let stream = Stream::start(&pair.source, "away-orders").await;
    eventually("records flow", SOON, async || match end_offset(&target, "away.away-orders", 0).await {
        0 => Err("none yet"),
        _ => Ok(()),
    })
    .await;

    target.broker(1).kill();
    let written = stream.stop().await;
    write(&pair.source, "away-orders", 0, written, written + 1_000).await;
    let written = written + 1_000;
    // That long it is away: longer than session, heartbeats and request time-outs together.
    tokio::time::sleep(Duration::from_secs(60)).await;
    target.broker(1).start().await;

    for worker in &workers {
        assert_eq!(worker.process().exited(), None, "{}", worker.process().log_tail());
        runs(worker.rest(), "away").await;
    }
    all_arrive(&target, "away.away-orders", written).await;
}
