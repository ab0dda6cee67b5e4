//! What the specs on a worker's life share: mirrors as people configure them, records that keep coming, and looks at what
//! a worker has stored.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use harness::{Consumed, KafkaCluster, Record, Rest, Runtime, Worker, WorkerConfig, clusters, eventually};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;

/// So long things may take on a machine that is busy with other specs.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// The class of the connector that most of these specs run.
pub(crate) const MIRROR_SOURCE: &str = "org.apache.kafka.connect.mirror.MirrorSourceConnector";
/// The other one.
pub(crate) const MIRROR_HEARTBEAT: &str = "org.apache.kafka.connect.mirror.MirrorHeartbeatConnector";

/// A config in the making.
#[derive(Clone, Debug)]
pub(crate) struct Config(Value);

impl Config {
    /// Mirrors `topics` between two clusters; `alias` is what the source is called. Every key in it means the same to Java.
    pub(crate) fn mirror(alias: &str, source: &KafkaCluster, target: &KafkaCluster, topics: &str) -> Self {
        Self(json!({
            "connector.class": MIRROR_SOURCE,
            "source.cluster.alias": alias,
            "target.cluster.alias": "target",
            "source.cluster.bootstrap.servers": source.bootstrap(),
            "target.cluster.bootstrap.servers": target.bootstrap(),
            "topics": topics,
            "replication.factor": "1",
            "refresh.topics.interval.seconds": "1",
            "emit.offset-syncs.enabled": "false",
            "heartbeats.replication.enabled": "false",
            "sync.topic.acls.enabled": "false",
        }))
    }

    /// A mirror connector (`Source`, `Checkpoint`, `Heartbeat`) of a flow between clusters and their aliases, each of one broker.
    pub(crate) fn flow(kind: &str, from: (&str, &KafkaCluster), to: (&str, &KafkaCluster)) -> Self {
        Self(json!({
            "connector.class": format!("org.apache.kafka.connect.mirror.Mirror{kind}Connector"),
            "source.cluster.alias": from.0,
            "target.cluster.alias": to.0,
            "source.cluster.bootstrap.servers": from.1.bootstrap(),
            "target.cluster.bootstrap.servers": to.1.bootstrap(),
            "replication.factor": "1",
            "offset-syncs.topic.replication.factor": "1",
            "checkpoints.topic.replication.factor": "1",
            "heartbeats.topic.replication.factor": "1",
            "heartbeats.replication.enabled": "false",
        }))
    }

    /// With intervals of a second, offset syncs on the target, and groups that follow.
    #[must_use]
    pub(crate) fn prompt(self) -> Self {
        self.with("offset-syncs.topic.location", "target")
            .with("refresh.topics.interval.seconds", "1")
            .with("refresh.groups.interval.seconds", "1")
            .with("emit.checkpoints.interval.seconds", "1")
            .with("sync.group.offsets.enabled", "true")
            .with("sync.group.offsets.interval.seconds", "1")
            .with("sync.topic.acls.enabled", "false")
    }

    /// Heartbeats of a flow from `alias` into `target`.
    pub(crate) fn heartbeat(alias: &str, target: &KafkaCluster) -> Self {
        Self(json!({
            "connector.class": MIRROR_HEARTBEAT,
            "source.cluster.alias": alias,
            "target.cluster.alias": "target",
            "target.cluster.bootstrap.servers": target.bootstrap(),
            "heartbeats.topic.replication.factor": "1",
        }))
    }

    /// With this setting.
    #[must_use]
    pub(crate) fn with(mut self, key: &str, value: &str) -> Self {
        self.0[key] = json!(value);
        self
    }

    /// As the body of a request.
    pub(crate) fn json(&self) -> &Value {
        &self.0
    }

    /// As a worker shows it: the connector's name is part of it.
    pub(crate) fn named(&self, name: &str) -> Value {
        self.clone().with("name", name).0
    }
}

/// Creates (or changes) a connector and waits until it and its tasks run.
pub(crate) async fn run(rest: &Rest, name: &str, config: &Config) {
    rest.put_connector(name, config.json()).await;
    runs(rest, name).await;
}

/// Waits until a connector and its tasks run, of which there must be one.
pub(crate) async fn runs(rest: &Rest, name: &str) {
    eventually(&format!("{name} runs"), SOON, async || rest.connector_runs(name).await).await;
}

/// Waits until `GET path` answers 200 with a body that is `wanted`.
pub(crate) async fn shows(rest: &Rest, path: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    eventually(&format!("{path} shows {what}"), SOON, async || {
        let answer = rest.try_send("GET", path, None).await.map_err(|error| error.to_string())?;
        if answer.status == 200 && wanted(&answer.json()) {
            return Ok(answer.json());
        }
        Err(format!("{} {}", answer.status, answer.body))
    })
    .await
}

/// Waits until the connector and all of its `tasks` tasks are in this state.
pub(crate) async fn all_in_state(rest: &Rest, name: &str, state: &str, tasks: usize) -> Value {
    shows(rest, &format!("/connectors/{name}/status"), state, |status| states(status) == vec![state; tasks + 1]).await
}

/// The states in a `/status`: of the connector, then of its tasks.
pub(crate) fn states(status: &Value) -> Vec<&str> {
    let tasks = status["tasks"].as_array().map_or(&[][..], Vec::as_slice);
    let units = std::iter::once(&status["connector"]).chain(tasks);
    units.map(|unit| unit["state"].as_str().unwrap_or_default()).collect()
}

/// Waits until one partition of a topic has `count` records, and gives the values of all that are there.
pub(crate) async fn arrive(cluster: &KafkaCluster, topic: &str, partition: i32, count: usize) -> Vec<String> {
    eventually(&format!("{count} records are in {topic}-{partition}"), SOON, async || {
        cluster.try_topic(topic).await.map_err(|error| error.to_string())?;
        let end = end_offset(cluster, topic, partition).await;
        if end >= i64::try_from(count).unwrap_or(i64::MAX) { Ok(()) } else { Err(format!("{end} are there")) }
    })
    .await;
    texts(&cluster.read(topic).partition(partition).all().await)
}

/// The end of a partition, 0 while it does not exist.
pub(crate) async fn end_offset(cluster: &KafkaCluster, topic: &str, partition: i32) -> i64 {
    if cluster.try_topic(topic).await.is_err() {
        return 0;
    }
    let ends = cluster.end_offsets(topic).await;
    usize::try_from(partition).ok().and_then(|partition| ends.get(partition)).copied().unwrap_or(0)
}

/// The values of records.
pub(crate) fn texts(records: &[Consumed]) -> Vec<String> {
    records.iter().map(Consumed::text).collect()
}

/// `from`, `from + 1`, … up to but without `to`, as the values of records.
pub(crate) fn numbers(from: usize, to: usize) -> Vec<String> {
    (from..to).map(|number| number.to_string()).collect()
}

/// Writes the records `from..to` of [`numbers`] into a partition.
pub(crate) async fn write(cluster: &KafkaCluster, topic: &str, partition: i32, from: usize, to: usize) {
    let records: Vec<Record> = numbers(from, to).into_iter().map(Record::value).collect();
    cluster.produce(topic, partition, &records).await;
}

/// Someone who writes numbers into partition 0 of a topic, one after the other, until told to stop.
pub(crate) struct Stream {
    stop: Arc<AtomicBool>,
    writing: JoinHandle<usize>,
}

impl Stream {
    /// Starts to write, with a Java producer that waits for brokers that are away.
    pub(crate) async fn start(cluster: &KafkaCluster, topic: &str) -> Self {
        let producer = cluster.producer().config("delivery.timeout.ms", "120000").open().await;
        let (stop, topic) = (Arc::new(AtomicBool::new(false)), topic.to_owned());
        let stopped = Arc::clone(&stop);
        let writing = tokio::spawn(async move {
            let mut written = 0;
            while !stopped.load(Ordering::Relaxed) {
                producer.send(&topic, 0, &[Record::value(written.to_string())]).await;
                written += 1;
            }
            written
        });
        Self { stop, writing }
    }

    /// Stops, and tells how many records it has written.
    pub(crate) async fn stop(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.writing.await.unwrap_or_else(|error| panic!("the writer ended: {error}"))
    }
}

/// A compacted topic as whoever starts reads it: the last value of every key, both as the bytes that are there.
pub(crate) async fn live(cluster: &KafkaCluster, topic: &str) -> BTreeMap<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut live = BTreeMap::new();
    for read in cluster.consume(topic).await {
        let key = text(read.record.key.as_deref().unwrap_or_default());
        match read.record.value {
            Some(value) => live.insert(key, text(&value)),
            None => live.remove(&key),
        };
    }
    live
}

/// The last record of partition 0 of `topic` that a mirror has stored as done, read from the offsets topic itself.
pub(crate) async fn stored_offset(cluster: &KafkaCluster, offsets: &str, mirror: &str, topic: &str) -> Option<i64> {
    let stored = live(cluster, offsets).await;
    let of_topic = |(key, value): (&String, &String)| {
        let key: Value = serde_json::from_str(key).ok()?;
        let mine = key[0] == mirror && key[1]["topic"] == topic && key[1]["partition"] == 0;
        let value: Value = serde_json::from_str(value).ok()?;
        mine.then(|| value["offset"].as_i64())?
    };
    stored.iter().find_map(of_topic)
}

/// The states in a status topic, by key, as the last record of each key has them; and all that there ever were.
pub(crate) async fn stored_states(cluster: &KafkaCluster, statuses: &str) -> (BTreeMap<String, String>, Vec<String>) {
    let (mut last, mut all) = (BTreeMap::new(), Vec::new());
    for read in cluster.consume(statuses).await {
        let key = String::from_utf8_lossy(read.record.key.as_deref().unwrap_or_default()).into_owned();
        let status: Value = read.record.value.and_then(|value| serde_json::from_slice(&value).ok()).unwrap_or_default();
        if let Some(state) = status["state"].as_str() {
            last.insert(key, state.to_owned());
            all.push(state.to_owned());
        }
    }
    (last, all)
}

/// Numbers that were read, as the runs of neighbours that they are: `0..57 0..913` is what one repetition looks like.
#[derive(PartialEq, Eq)]
pub(crate) struct Runs(Vec<Range<usize>>);

impl Runs {
    /// Of the values of records.
    pub(crate) fn of(values: &[String]) -> Self {
        let mut runs: Vec<Range<usize>> = Vec::new();
        for value in values {
            let number: usize = value.parse().unwrap_or_else(|_| panic!("not a number: {value}"));
            match runs.last_mut() {
                Some(run) if run.end == number => run.end += 1,
                _ => runs.push(number..number + 1),
            }
        }
        Self(runs)
    }

    /// Each number below `count`, once, in order.
    pub(crate) fn once(count: usize) -> Self {
        Self(std::iter::once(0..count).collect())
    }

    /// How often a number follows that does not come after the one before it.
    pub(crate) fn steps_back(&self) -> usize {
        self.0.windows(2).filter(|pair| pair[1].start < pair[0].end).count()
    }

    /// Each number below `count` in order, beginning anew at `resumed` once: after the number before `died`.
    pub(crate) fn twice(died: usize, resumed: usize, count: usize) -> Self {
        if died == resumed { Self::once(count) } else { Self(vec![0..died, resumed..count]) }
    }
}

/// Numbers in the order in which each was read first: what at-least-once delivery keeps.
pub(crate) fn first_occurrences(values: &[String]) -> Runs {
    let mut seen = BTreeSet::new();
    let first: Vec<String> = values.iter().filter(|value| seen.insert(value.as_str())).cloned().collect();
    Runs::of(&first)
}

/// Who runs the connector and the tasks of a status.
pub(crate) fn workers(status: &Value) -> Vec<&str> {
    let units = std::iter::once(&status["connector"]).chain(status["tasks"].as_array().into_iter().flatten());
    units.filter_map(|unit| unit["worker_id"].as_str()).collect()
}

/// What statuses call a worker.
pub(crate) fn id(worker: &Worker) -> String {
    worker.rest().url().replace("http://", "")
}

impl std::fmt::Debug for Runs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

/// SIGTERM; the worker has to end well.
pub(crate) async fn stop(worker: &Worker) {
    let status = worker.process().terminate(Duration::from_secs(15)).await;
    assert_eq!(status.code(), Some(0), "{}", worker.process().log_tail());
}

/// The worker of all specs that leave it alone; its group is `lifecycle`.
pub(crate) async fn worker() -> &'static Worker {
    static WORKER: OnceCell<Worker> = OnceCell::const_new();
    WORKER
        .get_or_init(async || WorkerConfig::new(&clusters().await.target, "lifecycle").start(Runtime::Portage).await)
        .await
}

/// A name as one segment of a path.
pub(crate) fn encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    name.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// Waits until a connector and all its statuses are gone.
pub(crate) async fn gone(rest: &Rest, name: &str) {
    let path = format!("/connectors/{}/status", encoded(name));
    eventually(&format!("{name} is gone"), SOON, async || match rest.get(&path).await {
        answer if answer.status == 404 => Ok(()),
        answer => Err(format!("{} {}", answer.status, answer.body)),
    })
    .await;
}
