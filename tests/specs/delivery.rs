//! What the specs on delivery share: one worker for all of them, a flow for each, and whole logs compared.
//!
//! A log is read by Java's consumer, which hands out everything a record can be; rskafka reads the same log where it can
//! (nothing compressed, no markers, no absent header values).

use std::collections::BTreeMap;
use std::time::Duration;

use harness::{Consumed, KafkaCluster, Record, Runtime, Worker, WorkerConfig, clusters, eventually};
use rskafka::client::partition::OffsetAt;
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;

/// So long records may take, on a machine that is busy with other specs.
pub(crate) const ARRIVES: Duration = Duration::from_secs(60);

/// The topic of stored offsets of [`worker`]; it has one partition.
pub(crate) const OFFSETS: &str = "delivery-offsets";

/// The worker that runs all flows.
pub(crate) async fn worker() -> &'static Worker {
    static WORKER: OnceCell<Worker> = OnceCell::const_new();
    WORKER
        .get_or_init(async || {
            let config = WorkerConfig::new(&clusters().await.target, "delivery");
            config.with("offset.storage.partitions", "1").start(Runtime::Portage).await
        })
        .await
}

/// A MirrorSource connector between the shared clusters. Its name is also the alias of the source.
pub(crate) struct Flow {
    pub(crate) name: String,
    config: Map<String, Value>,
}

impl Flow {
    /// One that mirrors `topics`: names and patterns.
    pub(crate) async fn new(name: &str, topics: &str) -> Self {
        let pair = clusters().await;
        let config = json!({
            "connector.class": "org.apache.kafka.connect.mirror.MirrorSourceConnector",
            "source.cluster.alias": name,
            "target.cluster.alias": "target",
            "source.cluster.bootstrap.servers": pair.source.bootstrap(),
            "target.cluster.bootstrap.servers": pair.target.bootstrap(),
            "topics": topics,
            "replication.factor": "1",
            "offset-syncs.topic.replication.factor": "1",
            // A broker may not list a topic yet that another has just confirmed.
            "refresh.topics.interval.seconds": "1",
            // Other specs may have a topic of heartbeats on the source.
            "heartbeats.replication.enabled": "false",
        });
        let Value::Object(config) = config else { unreachable!("it is written as an object above") };
        Self { name: name.to_owned(), config }
    }

    /// With this setting.
    pub(crate) fn with(mut self, key: &str, value: &str) -> Self {
        self.config.insert(key.to_owned(), json!(value));
        self
    }

    /// Creates it and waits until it and its tasks run.
    pub(crate) async fn start(&self) {
        let rest = worker().await.rest();
        rest.put_connector(&self.name, &Value::Object(self.config.clone())).await;
        eventually(&format!("{} runs", self.name), ARRIVES, async || rest.connector_runs(&self.name).await).await;
    }

    /// The name of a source topic on the target, by the default policy.
    pub(crate) fn remote(&self, topic: &str) -> String {
        format!("{}.{topic}", self.name)
    }

    /// Waits until the target has as many records of `topic` as the source shows to applications now, and holds the two
    /// logs against each other, record by record. Gives what the target has.
    pub(crate) async fn arrives(&self, topic: &str) -> Vec<Consumed> {
        let sent = clusters().await.source.consume(topic).await;
        arrive(&sent, &self.remote(topic)).await
    }

    /// What `/status` says of it.
    pub(crate) async fn status(&self) -> Value {
        worker().await.rest().get(&format!("/connectors/{}/status", self.name)).await.expect(200)
    }

    /// The partitions of each task, as its config says.
    pub(crate) async fn shares(&self) -> Vec<String> {
        let tasks = worker().await.rest().get(&format!("/connectors/{}/tasks", self.name)).await.expect(200);
        let share = |task: &Value| task["config"]["task.assigned.partitions"].as_str().unwrap_or_default().to_owned();
        tasks.as_array().map_or(&[][..], Vec::as_slice).iter().map(share).collect()
    }
}

/// Waits until `remote` on the target has as many records as were sent, and holds them against those, partition by
/// partition: keys, values, headers, times, order. Gives what the target has.
pub(crate) async fn arrive(sent: &[Consumed], remote: &str) -> Vec<Consumed> {
    let target = &clusters().await.target;
    let wanted = by_partition(sent);
    eventually(&format!("{} records are in {remote}", sent.len()), ARRIVES, async || {
        target.try_topic(remote).await.map_err(|error| error.to_string())?;
        let ends = target.end_offsets(remote).await;
        let arrived = |(partition, records): (&i32, &Vec<&Consumed>)| {
            let end = usize::try_from(*partition).ok().and_then(|partition| ends.get(partition));
            end.is_some_and(|end| *end >= i64::try_from(records.len()).unwrap())
        };
        if wanted.iter().all(arrived) { Ok(()) } else { Err(format!("end offsets {ends:?}")) }
    })
    .await;
    let read = target.read(remote).uncommitted().all().await;
    assert_same(sent, &read);
    read
}

/// The two logs hold the same records: partition by partition, in the same order, with nothing more and nothing less.
pub(crate) fn assert_same(source: &[Consumed], target: &[Consumed]) {
    let (source, target) = (by_partition(source), by_partition(target));
    assert_eq!(source.keys().collect::<Vec<_>>(), target.keys().collect::<Vec<_>>(), "partitions with records");
    for (partition, sent) in source {
        let read = &target[&partition];
        for (sent, read) in sent.iter().zip(read) {
            assert!(sent.record == read.record, "they differ:\n{}\n{}", shown(sent), shown(read));
        }
        let extra = sent.get(read.len()).or(read.get(sent.len()));
        let extra = extra.map(|record| shown(record));
        assert_eq!(extra, None, "partition {partition}: {} records sent, {} read", sent.len(), read.len());
    }
}

/// What rskafka reads in a partition.
pub(crate) async fn witnessed(cluster: &KafkaCluster, topic: &str, partition: i32) -> Vec<rskafka::record::Record> {
    let witness = cluster.rskafka_partition(topic, partition).await;
    let end = witness.get_offset(OffsetAt::Latest).await.unwrap();
    let mut records = Vec::new();
    let mut next = 0;
    while next < end {
        let (read, _) = witness.fetch_records(next, 1..8 << 20, 5_000).await.unwrap();
        let last = read.last().unwrap_or_else(|| panic!("rskafka reads nothing at {topic}-{partition} {next}"));
        next = last.offset + 1;
        records.extend(read.into_iter().map(|read| read.record));
    }
    records
}

/// The texts of the values, in order.
pub(crate) fn texts(records: &[Consumed]) -> Vec<String> {
    records.iter().map(Consumed::text).collect()
}

/// `n` records with the values `prefix0`, `prefix1`, …
pub(crate) fn named(prefix: &str, n: usize) -> Vec<Record> {
    (0..n).map(|i| Record::value(format!("{prefix}{i}"))).collect()
}

fn by_partition(records: &[Consumed]) -> BTreeMap<i32, Vec<&Consumed>> {
    let mut partitions = BTreeMap::<_, Vec<_>>::new();
    for record in records {
        partitions.entry(record.partition).or_default().push(record);
    }
    partitions
}

/// A record with its place, cut to a readable length.
fn shown(read: &Consumed) -> String {
    let mut text = format!("{}-{} at {}: {:?}", read.topic, read.partition, read.offset, read.record);
    let cut = text.char_indices().nth(600).map_or(text.len(), |(at, _)| at);
    text.truncate(cut);
    text
}
