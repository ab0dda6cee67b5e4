//! Nothing is lost silently: when the source has lost records, what still exists is mirrored and the loss is named.
//!
//! Each while the task runs, while it is paused, and while the worker is down:
//!
//! - a topic that is deleted and created again, with more records than had been mirrored, with fewer, and with as many: all
//!   records of the new topic arrive behind those of the old one;
//! - records that are deleted before they were mirrored: those that are left arrive, and the range is named;
//! - a log that is cut off and written anew after an unclean restart: everything from the cut on arrives, and what the target
//!   holds of the history that is gone is named.
//!
//! A log that is cut off is noticed with exactly-once support, too; for the others and for retention see `mirror_losses_exact`.
//!
//! Each loss is an error in the log once, stands in the task's status and among the metrics over restarts of the worker, and
//! goes when it is acknowledged. With `portage.on.data.loss=stop` that partition stands still until somebody decides, and the others go on.

use std::fs;
use std::time::Duration;

use bytes::Buf;
use harness::{Consumed, KafkaCluster, Runtime, Worker, WorkerConfig, clusters, eventually, lab};
use serde_json::{Value, json};

use crate::delivery::named;
use crate::lifecycle::Config;

pub(crate) const SOON: Duration = Duration::from_secs(60);
const RECREATED: &str = "was deleted and created again";

/// A connector between two clusters, for the topics `<name>-…`.
pub(crate) async fn start(worker: &Worker, source: &KafkaCluster, name: &str, settings: &[(&str, &str)]) {
    put(worker, source, name, settings).await;
    runs(worker, name).await;
}

async fn put(worker: &Worker, source: &KafkaCluster, name: &str, settings: &[(&str, &str)]) {
    let target = &clusters().await.target;
    let mut config = Config::flow("Source", (name, source), ("target", target))
        .with("topics", &format!("{name}-.*"))
        .with("refresh.topics.interval.seconds", "1")
        .with("source.consumer.isolation.level", "read_committed")
        .with("source.consumer.metadata.max.age.ms", "1000");
    for (key, value) in settings {
        config = config.with(key, value);
    }
    worker.rest().put_connector(name, config.json()).await;
}

async fn runs(worker: &Worker, name: &str) {
    eventually(&format!("{name} runs"), SOON, async || worker.rest().connector_runs(name).await).await;
}

/// What the tasks of a connector have to say.
pub(crate) async fn traces(worker: &Worker, name: &str) -> String {
    let status = worker.rest().get(&format!("/connectors/{name}/status")).await.expect(200);
    let tasks = status["tasks"].as_array().map_or(&[][..], Vec::as_slice).iter();
    tasks.filter_map(|task| task["trace"].as_str()).collect::<Vec<_>>().join("\n")
}

pub(crate) async fn says(worker: &Worker, name: &str, partition: &str, words: &str) {
    eventually(&format!("the status of {name} says {words:?} of {partition}"), SOON, async || {
        let traces = traces(worker, name).await;
        let said =
            traces.lines().any(|line| line.starts_with(&format!("partition {partition}")) && line.contains(words));
        if said { Ok(()) } else { Err(traces) }
    })
    .await;
}

/// Waits until a remote topic holds these records in one partition.
pub(crate) async fn holds(name: &str, topic: &str, partition: i32, wanted: &[String]) {
    let (target, remote) = (&clusters().await.target, format!("{name}.{topic}"));
    eventually(&format!("{remote}-{partition} holds {} records", wanted.len()), SOON, async || {
        target.try_topic(&remote).await.map_err(|error| error.to_string())?;
        let mut read = target.consume(&remote).await;
        read.retain(|record| record.partition == partition);
        let read: Vec<String> = read.iter().map(Consumed::text).collect();
        if read == wanted { Ok(()) } else { Err(format!("{read:?}")) }
    })
    .await;
}

pub(crate) fn texts(prefix: &str, n: usize) -> Vec<String> {
    (0..n).map(|i| format!("{prefix}{i}")).collect()
}

/// Old records and then new ones.
pub(crate) fn both(old: usize, new: usize) -> Vec<String> {
    [texts("old", old), texts("new", new)].concat()
}

/// Records of a topic before anything happens to it.
pub(crate) const OLD: usize = 10;
/// What happens to which topic of a connector, and how many new records there are then.
const AGAIN: [(&str, usize); 3] = [("longer", 15), ("shorter", 4), ("same", OLD)];

pub(crate) async fn prepare(source: &KafkaCluster, name: &str) {
    for topic in AGAIN.iter().map(|(topic, _)| topic).chain(&["purged"]) {
        let topic = format!("{name}-{topic}");
        source.create_topic(&topic, 1).await;
        source.produce(&topic, 0, &named("old", OLD)).await;
    }
}

pub(crate) async fn create_again(source: &KafkaCluster, name: &str) {
    for (topic, _) in AGAIN {
        source.delete_topic(&format!("{name}-{topic}")).await;
    }
    for (topic, new) in AGAIN {
        let topic = format!("{name}-{topic}");
        eventually(&format!("{topic} exists again"), SOON, async || {
            let arguments = json!({"topic": topic, "partitions": 1, "replicationFactor": 1});
            source.try_call("topic.create", arguments).await.map(|_| ()).map_err(|error| error.to_string())
        })
        .await;
        source.produce(&topic, 0, &named("new", new)).await;
    }
}

/// Records 10 to 39 come and go before anybody who reads committed records has seen them.
pub(crate) async fn purge(source: &KafkaCluster, name: &str) {
    let topic = format!("{name}-purged");
    let open = source.producer().transactional(&topic).open().await;
    open.begin().await;
    open.send(&topic, 0, &named("lost", 1)).await;
    source.produce(&topic, 0, &named("lost", 29)).await;
    source.delete_records(&topic, 0, 40).await;
    open.abort().await;
    source.produce(&topic, 0, &named("new", 5)).await;
}

pub(crate) async fn all_is_there_and_named(worker: &Worker, name: &str) {
    for (topic, new) in AGAIN {
        let topic = format!("{name}-{topic}");
        holds(name, &topic, 0, &both(OLD, new)).await;
        says(worker, name, &format!("{topic}-0"), RECREATED).await;
    }
    let topic = format!("{name}-purged");
    holds(name, &topic, 0, &both(OLD, 5)).await;
    says(worker, name, &format!("{topic}-0"), "records with offsets 10 to 39 were deleted at the source").await;
}

/// How often the worker's log calls for somebody because of a partition.
pub(crate) fn cries(worker: &Worker, topic: &str) -> usize {
    let topic = format!("topic=\"{topic}\"");
    worker
        .process()
        .log()
        .lines()
        .filter(|line| line.contains("data loss at the source") && line.contains(&topic))
        .count()
}

/// Acknowledges all that the status names now.
pub(crate) async fn acknowledge(worker: &Worker, source: &KafkaCluster, name: &str) {
    let traces = traces(worker, name).await;
    let numbers = traces.split("portage.data.loss.acknowledged=").skip(1);
    let latest = numbers.filter_map(|rest| rest.split(' ').next()?.parse::<i64>().ok()).max().unwrap();
    put(worker, source, name, &[("portage.data.loss.acknowledged", &latest.to_string())]).await;
    eventually(&format!("{name} has nothing to say any more"), SOON, async || {
        let status = worker.rest().connector_runs(name).await?;
        let quiet = |task: &Value| task["trace"].is_null();
        if status["tasks"].as_array().unwrap().iter().all(quiet) { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn topics_created_anew_and_deleted_records_are_noticed_whatever_the_worker_does() {
    let pair = clusters().await;
    let source = &pair.source;
    let group = WorkerConfig::new(&pair.target, "losses").with("offset.flush.interval.ms", "200");
    let names = ["loss-running", "loss-paused", "loss-down"];
    for name in names {
        prepare(source, name).await;
    }
    let worker = group.start(Runtime::Portage).await;
    for name in names {
        start(&worker, source, name, &[]).await;
        for topic in ["longer", "shorter", "same", "purged"] {
            holds(name, &format!("{name}-{topic}"), 0, &both(OLD, 0)).await;
        }
    }

    tokio::join!(create_again(source, names[0]), purge(source, names[0]));
    all_is_there_and_named(&worker, names[0]).await;

    pause(&worker, "loss-paused").await;
    tokio::join!(create_again(source, names[1]), purge(source, names[1]));
    worker.rest().put("/connectors/loss-paused/resume", &Value::Null).await;
    all_is_there_and_named(&worker, names[1]).await;
    for name in &names[..2] {
        for topic in ["longer", "shorter", "same", "purged"] {
            assert_eq!(cries(&worker, &format!("{name}-{topic}")), 1, "{name}-{topic}");
        }
    }

    assert!(worker.stop().await.success());
    tokio::join!(create_again(source, names[2]), purge(source, names[2]));
    let worker = group.start(Runtime::Portage).await;
    for name in names {
        all_is_there_and_named(&worker, name).await;
    }
    for topic in ["longer", "shorter", "same", "purged"] {
        let cries = names.map(|name| cries(&worker, &format!("{name}-{topic}")));
        assert_eq!(cries, [0, 0, 1], "{topic}: what is known already is no news");
    }
    for name in names {
        acknowledge(&worker, source, name).await;
    }
}

#[tokio::test]
async fn told_to_stop_a_partition_with_a_loss_stands_still_and_the_others_go_on() {
    let pair = clusters().await;
    let (source, name, topic) = (&pair.source, "loss-stop", "loss-stop-two");
    source.create_topic(topic, 2).await;
    for partition in 0..2 {
        source.produce(topic, partition, &named("old", OLD)).await;
    }
    let worker = WorkerConfig::new(&pair.target, "losses-stop").with("offset.flush.interval.ms", "200");
    let worker = worker.start(Runtime::Portage).await;
    start(&worker, source, name, &[("portage.on.data.loss", "stop")]).await;
    for partition in 0..2 {
        holds(name, topic, partition, &both(OLD, 0)).await;
    }

    let open = source.producer().transactional(topic).open().await;
    open.begin().await;
    open.send(topic, 0, &named("lost", 5)).await;
    source.delete_records(topic, 0, 15).await;
    open.abort().await;
    for partition in 0..2 {
        source.produce(topic, partition, &named("new", 3)).await;
    }

    says(&worker, name, "loss-stop-two-0 stands still", "offsets 10 to 14 were deleted at the source").await;
    holds(name, topic, 1, &both(OLD, 3)).await;
    holds(name, topic, 0, &both(OLD, 0)).await;
    start(&worker, source, name, &[("portage.on.data.loss", "continue")]).await;
    holds(name, topic, 0, &both(OLD, 3)).await;
    holds(name, topic, 1, &both(OLD, 3)).await;
}

/// Cuts a log off behind its first `records` records: what a disk has lost that was not flushed. The broker must be dead.
fn cut(cluster: &KafkaCluster, topic: &str, records: i64) {
    let folder = cluster.broker(1).partition_dir(topic, 0);
    let log = folder.join("00000000000000000000.log");
    let bytes = fs::read(&log).unwrap();
    let mut end = 0;
    while end + 12 <= bytes.len() && (&bytes[end..]).get_i64() < records {
        end += 12 + (&bytes[end + 8..]).get_u32() as usize;
    }
    assert!(end < bytes.len(), "nothing to cut off");
    fs::write(&log, &bytes[..end]).unwrap();
    for index in ["index", "timeindex"] {
        let _ = fs::remove_file(folder.join(format!("00000000000000000000.{index}")));
    }
}

#[tokio::test]
async fn a_log_cut_off_and_written_anew_is_noticed_whatever_the_worker_does() {
    let lab = lab().await;
    let source = lab.cluster("losing").start().await;
    let target = &clusters().await.target;
    let names = ["cut-running", "cut-paused", "cut-down", "cut-exact"];
    for name in names {
        let topic = format!("{name}-log");
        source.create_topic(&topic, 1).await;
        let producer = source.producer().open().await;
        producer.send(&topic, 0, &named("kept", 10)).await;
        producer.send(&topic, 0, &named("gone", 10)).await;
    }
    let old = [texts("kept", 10), texts("gone", 10)].concat();
    let group = |name: &str| WorkerConfig::new(target, name).with("offset.flush.interval.ms", "200");
    let (up, down) = (group("cut-up"), group("cut-down"));
    let once = group("cut-once").with("exactly.once.source.support", "enabled");
    let (worker, other, exact) =
        tokio::join!(up.start(Runtime::Portage), down.start(Runtime::Portage), once.start(Runtime::Portage));
    for (worker, name) in [(&worker, names[0]), (&worker, names[1]), (&other, names[2]), (&exact, names[3])] {
        start(worker, &source, name, &[]).await;
        holds(name, &format!("{name}-log"), 0, &old).await;
    }
    assert!(other.stop().await.success());
    worker.rest().put("/connectors/cut-paused/pause", &Value::Null).await;

    source.broker(1).kill();
    for name in names {
        cut(&source, &format!("{name}-log"), 10);
    }
    let _ = fs::remove_file(source.broker(1).data_dir().join(".kafka_cleanshutdown"));
    source.broker(1).start().await;
    for name in names {
        let topic = format!("{name}-log");
        assert_eq!(source.end_offsets(&topic).await, [10]);
        source.produce(&topic, 0, &named("new", 15)).await;
    }
    worker.rest().put("/connectors/cut-paused/resume", &Value::Null).await;
    let other = down.start(Runtime::Portage).await;

    let wanted = [old, texts("new", 15)].concat();
    for (worker, name) in [(&worker, names[0]), (&worker, names[1]), (&other, names[2]), (&exact, names[3])] {
        let topic = format!("{name}-log");
        holds(name, &topic, 0, &wanted).await;
        let words =
            "was cut off at offset 10 and written anew; offsets 10 to 19 on the target are of the history that is gone";
        says(worker, name, &format!("{topic}-0"), words).await;
        assert_eq!(cries(worker, &topic), 1, "{topic}");
        assert_eq!(unacknowledged(worker, &topic).await, Some(1.0), "{topic}");
        acknowledge(worker, &source, name).await;
        assert_eq!(unacknowledged(worker, &topic).await, None, "{topic}");
    }
}

/// How many losses of a topic nobody has acknowledged, as `/metrics` has it.
pub(crate) async fn unacknowledged(worker: &Worker, topic: &str) -> Option<f64> {
    let metrics = worker.rest().get("/metrics").await.expect_text();
    let (name, topic) = ("portage_data_losses_unacknowledged{", format!("topic=\"{topic}\""));
    let line = metrics.lines().find(|line| line.starts_with(name) && line.contains(&topic))?;
    line.rsplit(' ').next()?.parse().ok()
}

pub(crate) async fn pause(worker: &Worker, name: &str) {
    worker.rest().put(&format!("/connectors/{name}/pause"), &Value::Null).await;
    eventually(&format!("{name} is paused"), SOON, async || {
        let status = worker.rest().get(&format!("/connectors/{name}/status")).await.expect(200);
        if status["tasks"][0]["state"] == "PAUSED" { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
}
