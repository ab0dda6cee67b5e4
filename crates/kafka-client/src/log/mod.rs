//! A topic as a log that is replayed from its beginning, followed for ever, and appended to (Java: `KafkaBasedLog`).
//!
//! Every record is handed to a function, in order within its partition, also those that this log appended itself.
//! [`KafkaLog::read_to_end`] is how a reader knows that it is up to date.

mod reader;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use kafka_wire::batch::{Codec, Record};
use kafka_wire::murmur2::partition_for_key;
use tokio::sync::{mpsc, oneshot};

use crate::BoxFuture;
use crate::TopicPartition;
use crate::admin::{Isolation as Offsets, OffsetSpec};
use crate::budget::Budget;
use crate::cluster::Cluster;
use crate::codes::ErrorCode;
use crate::error::ClientError;
use crate::fetcher::{Fetcher, FetcherOptions, Position};
use crate::producer::{ProduceError, Producer, ProducerOptions};
use reader::{Reader, Wait};

/// A record as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its timestamp, milliseconds since 1970.
    pub timestamp_ms: i64,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value; `None` is a tombstone.
    pub value: Option<Bytes>,
}

/// A topic that is replayed, followed and appended to. Dropping it ends all three.
pub struct KafkaLog {
    cluster: Cluster,
    topic: Arc<str>,
    partitions: i32,
    producer: Producer,
    waits: mpsc::UnboundedSender<Wait>,
    /// One append after the other: one that fails for good must be dealt with before the next is sent.
    appending: tokio::sync::Mutex<()>,
}

impl KafkaLog {
    /// Opens an existing topic and begins to read it. The cluster handle must not be shared with another log: a long poll
    /// would hold it up. `deliver` must not block.
    ///
    /// # Errors
    /// The topic does not exist (`UNKNOWN_TOPIC_OR_PARTITION`), or the cluster does not answer in time.
    pub fn open<'a>(
        cluster: Cluster,
        topic: &'a str,
        fetcher: FetcherOptions,
        producer: ProducerOptions,
        deliver: Box<dyn FnMut(LogRecord) + Send>,
    ) -> BoxFuture<'a, Result<Self, ProduceError>> {
        Box::pin(async move {
            let described = cluster.admin().describe_topics(&[topic]).await?;
            let info = match described.into_iter().find(|(name, _)| name == topic) {
                Some((_, Ok(info))) => info,
                Some((_, Err(error))) => {
                    let api = format!("Metadata for {topic}");
                    return Err(ClientError::broker(api, error.code, error.message.as_deref()).into());
                }
                None => {
                    let code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
                    return Err(ClientError::broker(format!("Metadata for {topic}"), code, None).into());
                }
            };
            let topic: Arc<str> = topic.into();
            let budget = Budget::new(Budget::MIN_BYTES);
            let producer = Producer::new(cluster.clone(), producer, budget.clone()).await?;
            let mut reading = Fetcher::new(cluster.clone(), fetcher, budget);
            reading.assign(
                info.partitions
                    .keys()
                    .map(|partition| (TopicPartition::new(Arc::clone(&topic), *partition), Position::earliest())),
            );
            let (waits, waited) = mpsc::unbounded_channel();
            tokio::spawn(Reader::new(reading, waited, deliver).run());
            let partitions = i32::try_from(info.partitions.len()).unwrap_or(i32::MAX);
            Ok(Self { cluster, topic, partitions, producer, waits, appending: tokio::sync::Mutex::default() })
        })
    }

    /// How many partitions the topic has.
    #[must_use]
    pub fn partitions(&self) -> i32 {
        self.partitions
    }

    /// Returns when every record that was in the topic at the time of the call has been delivered. Takes as long as it
    /// takes; cancel-safe.
    pub fn read_to_end<'a>(&'a self) -> BoxFuture<'a, Result<(), ClientError>> {
        Box::pin(async move {
            let wanted: BTreeMap<TopicPartition, OffsetSpec> = (0..self.partitions)
                .map(|partition| (TopicPartition::new(Arc::clone(&self.topic), partition), OffsetSpec::Latest))
                .collect();
            let mut ends = BTreeMap::new();
            for (tp, listed) in self.cluster.admin().list_offsets(&wanted, Offsets::ReadUncommitted).await? {
                let listed = listed.map_err(|error| {
                    ClientError::broker(format!("ListOffsets for {tp}"), error.code, error.message.as_deref())
                })?;
                ends.insert(tp.partition, listed.offset.unwrap_or(0));
            }
            let (done, reached) = oneshot::channel();
            let gone = || ClientError::Closed {
                broker: format!("log {}", self.topic),
                reason: "its reader has ended".to_owned(),
            };
            self.waits.send(Wait { ends, done }).map_err(|_| gone())?;
            reached.await.map_err(|_| gone())
        })
    }

    /// Appends records; those of one partition are one batch, so that all of them are in the log or none. Returns the
    /// highest offset once every in-sync replica has them. Tries for as long as the producer's `delivery.timeout.ms`.
    ///
    /// A dropped call may or may not have appended.
    pub fn append<'a>(&'a self, records: Vec<(Bytes, Option<Bytes>)>) -> BoxFuture<'a, Result<i64, ProduceError>> {
        Box::pin(async move {
            let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
            let mut batches: BTreeMap<i32, Vec<Record>> = BTreeMap::new();
            for (key, value) in records {
                let partition = partition_for_key(&key, self.partitions);
                let record = Record { offset: 0, timestamp, key: Some(key), value, headers: Vec::new() };
                batches.entry(partition).or_default().push(record);
            }
            let _in_turn = self.appending.lock().await;
            let mut deliveries = Vec::with_capacity(batches.len());
            for (partition, records) in batches {
                let count = records.len() as i64;
                let sent = self.producer.send_records(&self.topic, partition, &records, Codec::None).await;
                deliveries.push((partition, count, sent));
            }
            let mut last = Ok(-1);
            for (partition, count, sent) in deliveries {
                let delivered = match sent {
                    Ok(delivery) => delivery.await,
                    Err(error) => Err(error),
                };
                match (delivered, &mut last) {
                    (Ok(ack), Ok(last)) => *last = (*last).max(ack.base_offset.unwrap_or(-1) + count - 1),
                    (Ok(_), Err(_)) => {}
                    (Err(error), _) => {
                        // Its deliveries have all been seen: the partition can go on behind the hole.
                        self.producer.reset_partition(&self.topic, partition)?;
                        last = Err(error);
                    }
                }
            }
            last
        })
    }
}

impl fmt::Debug for KafkaLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaLog")
            .field("topic", &self.topic)
            .field("partitions", &self.partitions)
            .finish_non_exhaustive()
    }
}
