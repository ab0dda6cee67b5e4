//! Applications that read the source: two groups without members, which assign partitions to themselves and commit.
//!
//! Records are read with rskafka, which has no groups; positions are committed with our own admin client, as
//! `kafka-consumer-groups --reset-offsets` would.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_client::admin::CommittedOffset;
use kafka_client::{ClientConfig, Cluster, TopicPartition};
use kafka_embedded::EmbeddedKafka;
use rskafka::client::partition::{OffsetAt, PartitionClient, UnknownTopicHandling};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::stage::{self, TOPICS};

/// A group: its name, what it reads, and how much of that each half second.
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) topics: &'static [&'static str],
    bytes_per_round: i32,
}

/// Billing keeps up. Audit is slow, so that its offsets are far from the ends.
pub(crate) const GROUPS: &[Group] = &[
    Group { name: "billing", topics: &["orders", "payments"], bytes_per_round: 2 << 20 },
    Group { name: "audit", topics: &["orders"], bytes_per_round: 8 << 10 },
];

const ROUND: Duration = Duration::from_millis(500);

/// The consumers.
pub(crate) struct Consumers {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<Result<(), String>>>,
}

impl Group {
    /// The partitions it reads: topic on the source, topic on the target, partition.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = (&'static str, &'static str, i32)> {
        let topics = TOPICS.iter().filter(|topic| self.topics.contains(&topic.name));
        topics.flat_map(|topic| (0..topic.partitions).map(|partition| (topic.name, topic.mirrored, partition)))
    }
}

impl Consumers {
    pub(crate) async fn start(source: &EmbeddedKafka) -> Result<Self, String> {
        let (stop, stopping) = watch::channel(false);
        let mut tasks = Vec::new();
        for group in GROUPS {
            let client = stage::client(source).await?;
            let admin = connect(source).await?;
            let mut logs = Vec::new();
            for (topic, _, partition) in group.partitions() {
                let log = client.partition_client(topic, partition, UnknownTopicHandling::Retry).await;
                let log = log.map_err(|error| format!("{}: {error}", group.name))?;
                let position = log.get_offset(OffsetAt::Earliest).await;
                let position = position.map_err(|error| format!("{}: {error}", group.name))?;
                logs.push((TopicPartition::new(topic, partition), log, position));
            }
            tasks.push(tokio::spawn(consume(group, admin, logs, stopping.clone())));
        }
        Ok(Self { stop, tasks })
    }

    /// Reads no more; what was read is committed when this returns.
    pub(crate) async fn stop(&mut self) -> Result<(), String> {
        self.stop.send_replace(true);
        for task in std::mem::take(&mut self.tasks) {
            task.await.unwrap_or_else(|error| Err(error.to_string()))?;
        }
        Ok(())
    }
}

/// Our client, for commits and for looking at groups.
pub(crate) async fn connect(cluster: &EmbeddedKafka) -> Result<Cluster, String> {
    let properties = BTreeMap::from([("bootstrap.servers".to_owned(), cluster.bootstrap())]);
    let config = ClientConfig::parse(&properties).map_err(|error| error.to_string())?;
    Cluster::connect(config).await.map_err(|error| error.to_string())
}

async fn consume(
    group: &'static Group,
    cluster: Cluster,
    mut logs: Vec<(TopicPartition, PartitionClient, i64)>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), String> {
    let failed = |error: &dyn std::fmt::Display| format!("the consumer {}: {error}", group.name);
    let mut rounds = tokio::time::interval(ROUND);
    while !*stop.borrow_and_update() {
        for (_, log, position) in &mut logs {
            let (read, _) = log.fetch_records(*position, 0..group.bytes_per_round, 0).await.map_err(|e| failed(&e))?;
            *position = read.last().map_or(*position, |last| last.offset + 1);
        }
        let offset = |position| CommittedOffset { offset: position, leader_epoch: Some(0), metadata: String::new() };
        let offsets = logs.iter().map(|(partition, _, position)| (partition.clone(), offset(*position))).collect();
        let committed = cluster.admin().alter_group_offsets(group.name, &offsets).await.map_err(|e| failed(&e))?;
        committed.into_values().collect::<Result<Vec<()>, _>>().map_err(|e| failed(&e))?;
        tokio::select! {
            _ = rounds.tick() => {}
            _ = stop.changed() => {}
        }
    }
    Ok(())
}
