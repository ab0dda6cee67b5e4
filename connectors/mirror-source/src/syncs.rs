//! Offset syncs on their way to their topic (Java: `OffsetSyncWriter`). One place owns them: the task tells it what was
//! acknowledged and never waits; one request with syncs is under way at a time, and there are at most ten a second, because
//! at full rate a partition has more syncs than anybody needs; one that fails is named and not tried again, because the next
//! one of its partition says more.

use std::sync::Arc;
use std::time::Duration;

use connect_api::ConnectError;
use connect_api::config::ConfigMap;
use connect_api::record::AckedRun;
use kafka_client::producer::{ProduceError, Producer, ProducerOptions};
use kafka_client::{Budget, Cluster};
use kafka_wire::batch::Record;
use mirror::config::ClientRole;
use mirror::{OffsetSync, OffsetSyncWriter, ReplicationPolicy, TopicPartition};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::warn;

use crate::clients;

/// Syncs of one request.
const MAX_OUTSTANDING: usize = 1_000;
/// Syncs that may wait before the newest of a partition takes the place of the one before.
const MAX_DUE: usize = 1_000;
/// From one request to the next. Syncs are read once a minute or so.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a task that ends waits for its last syncs: well below `task.shutdown.graceful.timeout.ms`, because their topic may
/// not exist.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The cluster that holds the topic of offset syncs (`offset-syncs.topic.location`), and the topic's name there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyncsTopic {
    pub(crate) name: String,
    pub(crate) admin: ClientRole,
    pub(crate) producer: ClientRole,
}

impl SyncsTopic {
    /// `None`: no syncs are written (`emit.offset-syncs.enabled`).
    pub(crate) fn of(config: &ConfigMap, policy: &ReplicationPolicy) -> Option<Self> {
        let text = |key: &str| config.get(key).map(|value| value.trim());
        if text("emit.offset-syncs.enabled").is_some_and(|value| value.eq_ignore_ascii_case("false")) {
            return None;
        }
        // The topic is named after the other cluster.
        Some(if text("offset-syncs.topic.location") == Some("target") {
            Self {
                name: policy.offset_syncs_topic(text("source.cluster.alias").unwrap_or_default()),
                admin: ClientRole::OffsetSyncsTargetAdmin,
                producer: ClientRole::OffsetSyncsTargetProducer,
            }
        } else {
            Self {
                name: policy.offset_syncs_topic(text("target.cluster.alias").unwrap_or("target")),
                admin: ClientRole::OffsetSyncsSourceAdmin,
                producer: ClientRole::OffsetSyncsSourceProducer,
            }
        })
    }
}

/// What the task tells.
enum News {
    Acked(TopicPartition, Vec<AckedRun>),
    Committed,
}

/// The task's end of the line.
pub(crate) struct OffsetSyncs {
    news: mpsc::UnboundedSender<News>,
    sending: JoinHandle<()>,
}

impl OffsetSyncs {
    pub(crate) async fn open(config: &ConfigMap, topic: SyncsTopic) -> Result<Self, ConnectError> {
        let role = topic.producer;
        let wrong = |error: &dyn std::fmt::Display| ConnectError::config(format!("{role}: {error}"));
        let lag_max = match config.get("offset.lag.max").map(|value| value.trim()) {
            None => 100,
            Some(text) => {
                text.parse().map_err(|_| wrong(&format!("invalid offset.lag.max {text}: must be a number")))?
            }
        };
        let client = clients::parse(config, role)?;
        let options = ProducerOptions::from_config(&client).map_err(|error| wrong(&error))?;
        let cluster = Cluster::connect(client).await.map_err(|error| clients::refused(role, &error))?;
        let producer = Producer::new(cluster, options, Budget::new(Budget::MIN_BYTES)).await;
        let producer = producer.map_err(|error| ConnectError::retriable(format!("{role}: {error}")))?;
        let (news, told) = mpsc::unbounded_channel();
        let writer = OffsetSyncWriter::new(lag_max, MAX_DUE);
        let sender = Sender { writer, producer, topic: topic.name.into() };
        Ok(Self { news, sending: tokio::spawn(sender.run(told)) })
    }

    /// The target holds these records. Does not wait.
    pub(crate) fn acked(&self, partition: &TopicPartition, runs: &[AckedRun]) {
        // The other end lives as long as this one.
        let _ = self.news.send(News::Acked(partition.clone(), runs.to_vec()));
    }

    /// Source offsets are stored: syncs that waited for that are due.
    pub(crate) fn committed(&self) {
        let _ = self.news.send(News::Committed);
    }

    /// Sends what is due, within bounds, and ends.
    pub(crate) async fn close(self) {
        let Self { news, sending } = self;
        drop(news);
        let abort = sending.abort_handle();
        if timeout(LAST_WORDS, sending).await.is_err() {
            abort.abort();
        }
    }
}

struct Sender {
    writer: OffsetSyncWriter,
    producer: Producer,
    topic: Arc<str>,
}

impl Sender {
    /// Until the task is gone and nothing is due any more.
    async fn run(mut self, mut told: mpsc::UnboundedReceiver<News>) {
        while self.writer.has_due() || self.hear(&mut told).await {
            if self.writer.has_due() {
                let next = Instant::now() + PAUSE;
                self.send_due().await;
                // Ends at once when the task is gone.
                let _ = timeout_at(next, async { while self.hear(&mut told).await {} }).await;
            }
        }
        let _ = self.producer.close(Duration::ZERO).await;
    }

    /// Takes in what there is, or waits for some; `false`: there will be no more. Cancel-safe.
    async fn hear(&mut self, told: &mut mpsc::UnboundedReceiver<News>) -> bool {
        let mut news = Vec::new();
        let heard = told.recv_many(&mut news, usize::MAX).await > 0;
        news.iter().for_each(|news| self.take_in(news));
        heard
    }

    async fn send_due(&mut self) {
        let syncs = self.writer.take_due(MAX_OUTSTANDING);
        send(self.producer.clone(), Arc::clone(&self.topic), syncs).await;
    }

    fn take_in(&mut self, news: &News) {
        match news {
            News::Committed => self.writer.promote_delayed(),
            News::Acked(partition, runs) => {
                // A negative target offset: nobody knows where the records are.
                for run in runs.iter().filter(|run| run.target_offset >= 0) {
                    self.writer.observe_run(partition, run.source_offset, run.target_offset, run.count);
                }
            }
        }
    }
}

/// Sends syncs as one batch and waits for the answer.
async fn send(producer: Producer, topic: Arc<str>, syncs: Vec<OffsetSync>) {
    let timestamp = clients::now_ms();
    let records: Vec<Record> = syncs
        .iter()
        .filter_map(|sync| match sync.encode() {
            Ok(encoded) => Some(Record {
                offset: 0,
                timestamp,
                key: Some(encoded.key),
                value: Some(encoded.value),
                headers: Vec::new(),
            }),
            Err(error) => {
                warn!(topic = &*sync.topic_partition.topic, %error, "offset sync can't be written");
                None
            }
        })
        .collect();
    if records.is_empty() {
        return;
    }
    let codec = producer.options().codec;
    let sent: Result<_, ProduceError> = async { producer.send_records(&topic, 0, &records, codec).await?.await }.await;
    if let Err(error) = sent {
        warn!(topic = &*topic, %error, "offset syncs could not be written; later ones of the same partitions follow");
        let _ = producer.reset_partition(&topic, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(pairs: &[(&str, &str)]) -> Option<SyncsTopic> {
        let aliases = [("source.cluster.alias", "A"), ("target.cluster.alias", "B")];
        let pairs = aliases.iter().chain(pairs).map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let config: ConfigMap = pairs.collect();
        SyncsTopic::of(&config, &ReplicationPolicy::from_config(&config).unwrap())
    }

    #[test]
    fn the_topic_lives_on_the_source_unless_it_is_told_otherwise_and_is_named_after_the_other_cluster() {
        let (at_source, at_target) =
            (topic(&[]).unwrap(), topic(&[("offset-syncs.topic.location", "target")]).unwrap());

        assert_eq!(
            (&*at_source.name, at_source.producer),
            ("mm2-offset-syncs.B.internal", ClientRole::OffsetSyncsSourceProducer)
        );
        assert_eq!(
            (&*at_target.name, at_target.producer),
            ("mm2-offset-syncs.A.internal", ClientRole::OffsetSyncsTargetProducer)
        );
    }

    #[test]
    fn no_syncs_no_topic() {
        assert_eq!(topic(&[("emit.offset-syncs.enabled", "false")]), None);
    }
}
