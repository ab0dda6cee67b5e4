//! Losses with exactly-once support, where they are stored in transactions: each is named once, stays in the status over
//! restarts, and goes when it is acknowledged.
//!
//! - Retention that overtakes the mirror: while its task runs and waits for an open transaction, while it is paused, while the worker
//!   is down.
//! - Topics that are created anew and records that are deleted while the task runs.

use harness::{KafkaCluster, Record, Runtime, WorkerConfig, clusters, eventually};
use serde_json::Value;

use crate::delivery::named;
use crate::mirror_losses::{
    OLD, SOON, acknowledge, all_is_there_and_named, both, create_again, cries, holds, pause, prepare, purge, says,
    start, unacknowledged,
};

const ANEW: &str = "loss-exact";

/// Two records come that are so old that retention takes all there is, before anybody who reads committed records has seen
/// them; then three new ones.
async fn expire(source: &KafkaCluster, topic: &str, end: i64) {
    let open = source.producer().transactional(topic).open().await;
    open.begin().await;
    open.send(topic, 0, &old_records("expired", 1)).await;
    source.produce(topic, 0, &old_records("expired", 1)).await;
    source.set_topic_config(topic, &[("retention.ms", Some("86400000"))]).await;
    eventually(&format!("retention has passed {topic}"), SOON, async || match source.start_offsets(topic).await[0] {
        start if start == end + 2 => Ok(()),
        start => Err(format!("it begins at {start}")),
    })
    .await;
    open.abort().await;
    source.produce(topic, 0, &named("new", 3)).await;
}

/// Records of three days ago.
fn old_records(prefix: &str, count: usize) -> Vec<Record> {
    let then = chrono::Utc::now().timestamp_millis() - 3 * 86_400_000;
    named(prefix, count).into_iter().map(|record| record.at(then)).collect()
}

#[tokio::test]
async fn losses_are_noticed_and_stored_in_transactions() {
    let pair = clusters().await;
    let source = &pair.source;
    let group = WorkerConfig::new(&pair.target, "losses-exact").with("exactly.once.source.support", "enabled");
    let names = ["expired-running", "expired-paused", "expired-down"];
    let log = |name: &str| format!("{name}-log");
    for name in names {
        source.create_topic(&log(name), 1).await;
        source.produce(&log(name), 0, &old_records("old", OLD)).await;
    }
    prepare(source, ANEW).await;
    let worker = group.start(Runtime::Portage).await;
    for name in names {
        // The target would expire its copies, too.
        start(&worker, source, name, &[("sync.topic.configs.enabled", "false")]).await;
        holds(name, &log(name), 0, &both(OLD, 0)).await;
    }
    start(&worker, source, ANEW, &[]).await;
    for topic in ["longer", "shorter", "same", "purged"] {
        holds(ANEW, &format!("{ANEW}-{topic}"), 0, &both(OLD, 0)).await;
    }
    let words = "records with offsets 10 to 11 were deleted at the source";
    let is_named = async |worker, name| {
        says(worker, name, &format!("{}-0", log(name)), words).await;
        holds(name, &log(name), 0, &both(OLD, 3)).await;
    };

    pause(&worker, names[1]).await;
    tokio::join!(expire(source, "expired-running-log", 10), expire(source, "expired-paused-log", 10), async {
        tokio::join!(create_again(source, ANEW), purge(source, ANEW));
    });
    is_named(&worker, names[0]).await;
    worker.rest().put("/connectors/expired-paused/resume", &Value::Null).await;
    is_named(&worker, names[1]).await;
    all_is_there_and_named(&worker, ANEW).await;
    for name in &names[..2] {
        assert_eq!(cries(&worker, &log(name)), 1, "{name}");
    }
    assert!(worker.stop().await.success());
    expire(source, "expired-down-log", 10).await;
    let worker = group.start(Runtime::Portage).await;

    for (name, cried) in names.into_iter().zip([0, 0, 1]) {
        is_named(&worker, name).await;
        assert_eq!(cries(&worker, &log(name)), cried, "{name}: what is known already is no news");
        assert_eq!(unacknowledged(&worker, &log(name)).await, Some(1.0));
        acknowledge(&worker, source, name).await;
    }
    all_is_there_and_named(&worker, ANEW).await;
    acknowledge(&worker, source, ANEW).await;
}
