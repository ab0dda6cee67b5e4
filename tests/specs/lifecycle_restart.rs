//! A worker that dies, that is told to stop, and whose brokers die: what is mirrored, once or twice, and what is stored.
//!
//! - A worker that is killed while it mirrors loses nothing: all records are on the target, in order of first occurrence;
//!   what is there twice are records behind the last stored offset, and only those.
//! - A worker that was told to stop ends with exit code 0, has stored all that it has written, leaves statuses that say
//!   UNASSIGNED, and goes on without a repetition.
//! - A source broker that hangs, and one that dies, and comes back is ridden out: no task fails, the status says what is not
//!   served as long as it is so, everything arrives, nothing twice.
//! - So is a target broker that dies and comes back within the worker's session, although it holds the worker's storage
//!   topics and its group.
//! - Leaders that move, of the source's partition as of the target's, change nothing.

use harness::{KafkaCluster, Runtime, WorkerConfig, clusters, eventually, lab};
use serde_json::{Value, json};

use crate::lifecycle::{
    Config, Runs, SOON, Stream, arrive, end_offset, run, runs, shows, stop, stored_offset, stored_states,
};

/// Waits until the target has some records more of a topic than now: the mirror is in the middle of its work.
async fn flows(target: &KafkaCluster, topic: &str) {
    let before = end_offset(target, topic, 0).await;
    eventually("more records flow", SOON, async || match end_offset(target, topic, 0).await {
        now if now >= before + 50 => Ok(()),
        now => Err(format!("{} more", now - before)),
    })
    .await;
}

#[tokio::test]
async fn a_killed_worker_loses_nothing_and_repeats_only_what_was_not_stored() {
    let pair = clusters().await;
    pair.source.create_topic("killed-orders", 1).await;
    let group = WorkerConfig::new(&pair.target, "killed").with("offset.flush.interval.ms", "500");
    let config = Config::mirror("killed", &pair.source, &pair.target, "killed-orders");
    let stored = async || stored_offset(&pair.target, "killed-offsets", "killed", "killed-orders").await;
    let worker = group.start(Runtime::Portage).await;
    run(worker.rest(), "killed", &config).await;
    let stream = Stream::start(&pair.source, "killed-orders").await;
    eventually("an offset is stored", SOON, async || stored().await.ok_or("none")).await;
    flows(&pair.target, "killed.killed-orders").await;

    worker.process().kill();

    let resumes_at = usize::try_from(stored().await.unwrap()).unwrap() + 1;
    let died_at = usize::try_from(end_offset(&pair.target, "killed.killed-orders", 0).await).unwrap();
    assert!(resumes_at <= died_at, "{resumes_at} is stored as the next of {died_at}");
    let worker = group.start(Runtime::Portage).await;
    runs(worker.rest(), "killed").await;
    flows(&pair.target, "killed.killed-orders").await;
    let written = stream.stop().await;
    let mirrored = arrive(&pair.target, "killed.killed-orders", 0, written + died_at - resumes_at).await;
    assert_eq!(Runs::of(&mirrored), Runs::twice(died_at, resumes_at, written));
}

#[tokio::test]
async fn a_worker_that_was_told_to_stop_goes_on_without_a_repetition() {
    let pair = clusters().await;
    pair.source.create_topic("stopped-orders", 1).await;
    let group = WorkerConfig::new(&pair.target, "stopped").with("offset.flush.interval.ms", "600000");
    let config = Config::mirror("stopped", &pair.source, &pair.target, "stopped-orders");
    let worker = group.start(Runtime::Portage).await;
    run(worker.rest(), "stopped", &config).await;
    let stream = Stream::start(&pair.source, "stopped-orders").await;
    flows(&pair.target, "stopped.stopped-orders").await;

    stop(&worker).await;

    let stored = stored_offset(&pair.target, "stopped-offsets", "stopped", "stopped-orders").await;
    let mirrored = end_offset(&pair.target, "stopped.stopped-orders", 0).await;
    assert_eq!(stored, Some(mirrored - 1), "the last that was written is stored");
    let (states, _) = stored_states(&pair.target, "stopped-status").await;
    let unassigned = |key: &str| (key.to_owned(), "UNASSIGNED".to_owned());
    assert_eq!(states, [unassigned("status-connector-stopped"), unassigned("status-task-stopped-0")].into());
    let worker = group.start(Runtime::Portage).await;
    runs(worker.rest(), "stopped").await;
    flows(&pair.target, "stopped.stopped-orders").await;
    let written = stream.stop().await;
    let mirrored = arrive(&pair.target, "stopped.stopped-orders", 0, written).await;
    assert_eq!(Runs::of(&mirrored), Runs::once(written));
}

#[tokio::test]
async fn a_source_broker_that_hangs_and_dies_is_ridden_out() {
    let (lab, pair) = (lab().await, clusters().await);
    let source = lab.cluster("dying-source").start().await;
    source.create_topic("orders", 1).await;
    let worker = WorkerConfig::new(&pair.target, "source-dies").start(Runtime::Portage).await;
    let mirror = Config::mirror("source-dies", &source, &pair.target, "orders");
    run(worker.rest(), "source-dies", &mirror.with("source.consumer.request.timeout.ms", "1000")).await;
    let stream = Stream::start(&source, "orders").await;
    flows(&pair.target, "source-dies.orders").await;

    // Connections stay open, and nothing answers.
    source.broker(1).freeze();
    let not_served = |status: &Value| {
        let task = &status["tasks"][0];
        task["state"] == "RUNNING" && task["trace"].as_str().is_some_and(|said| said.contains("does not serve it"))
    };
    shows(worker.rest(), "/connectors/source-dies/status", "what is not served", not_served).await;
    source.broker(1).thaw();
    flows(&pair.target, "source-dies.orders").await;
    let served = |status: &Value| status["tasks"][0]["trace"].is_null();
    shows(worker.rest(), "/connectors/source-dies/status", "nothing any more", served).await;

    source.broker(1).kill();
    source.broker(1).start().await;

    flows(&pair.target, "source-dies.orders").await;
    let written = stream.stop().await;
    let mirrored = arrive(&pair.target, "source-dies.orders", 0, written).await;
    assert_eq!(Runs::of(&mirrored), Runs::once(written));
    runs(worker.rest(), "source-dies").await;
    let (_, states) = stored_states(&pair.target, "source-dies-status").await;
    assert!(!states.contains(&"FAILED".to_owned()), "{states:?}");
}

#[tokio::test]
async fn a_target_broker_that_dies_within_a_session_is_ridden_out() {
    let (lab, pair) = (lab().await, clusters().await);
    let target = lab.cluster("dying-target").start().await;
    pair.source.create_topic("target-dies-orders", 1).await;
    let group = WorkerConfig::new(&target, "target-dies").with("session.timeout.ms", "60000");
    let worker = group.start(Runtime::Portage).await;
    run(worker.rest(), "target-dies", &Config::mirror("source", &pair.source, &target, "target-dies-orders")).await;
    let stream = Stream::start(&pair.source, "target-dies-orders").await;
    flows(&target, "source.target-dies-orders").await;

    target.broker(1).kill();
    target.broker(1).start().await;

    flows(&target, "source.target-dies-orders").await;
    let written = stream.stop().await;
    let mirrored = arrive(&target, "source.target-dies-orders", 0, written).await;
    assert_eq!(Runs::of(&mirrored), Runs::once(written));
    runs(worker.rest(), "target-dies").await;
    let (_, states) = stored_states(&target, "target-dies-status").await;
    assert!(!states.contains(&"FAILED".to_owned()), "{states:?}");
}

#[tokio::test]
async fn leaders_that_move_change_nothing() {
    let lab = lab().await;
    let cluster = lab.cluster("moving").brokers(2).start().await;
    cluster.create_replicated_topic("orders", 1, 2, &[]).await;
    let worker = WorkerConfig::new(&cluster, "leaders").start(Runtime::Portage).await;
    // The cluster is its own target: each side's leader moves.
    let mirror = Config::mirror("here", &cluster, &cluster, "orders").with("replication.factor", "2");
    run(worker.rest(), "leaders", &mirror).await;
    let stream = Stream::start(&cluster, "orders").await;

    for topic in ["orders", "here.orders", "orders", "here.orders"] {
        flows(&cluster, "here.orders").await;
        let leader = async || cluster.topic(topic).await.partitions[0].leader;
        let before = leader().await;
        cluster.move_partition(topic, 0, &[3 - before, before]).await;
        eventually(&format!("{topic} has another leader"), SOON, async || {
            // Not possible before the move is done.
            let _ = cluster.try_call("topic.electPreferred", json!({"topic": topic, "partition": 0})).await;
            if leader().await == before { Err(before) } else { Ok(()) }
        })
        .await;
    }

    flows(&cluster, "here.orders").await;
    let written = stream.stop().await;
    let mirrored = arrive(&cluster, "here.orders", 0, written).await;
    assert_eq!(Runs::of(&mirrored), Runs::once(written));
    runs(worker.rest(), "leaders").await;
}
