//! Writing and reading records through the oracle, and looking at the batches on disk.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::{Buf, Bytes};
use serde_json::{Map, Value, json};

use super::{KafkaCluster, Listener};
use crate::{Consumed, Oracle, OracleError, Properties, Record};

impl KafkaCluster {
    /// Writes `records` as one batch, uncompressed, and gives their offsets.
    pub async fn produce(&self, topic: &str, partition: i32, records: &[Record]) -> Vec<i64> {
        self.producer().open().await.send(topic, partition, records).await
    }

    /// A Java producer to be: `cluster.producer().codec("lz4").open().await`.
    pub fn producer(&self) -> ProducerBuilder {
        ProducerBuilder { client: self.client(Listener::Plaintext), config: Properties::new() }
    }

    /// All records that are there now, as an application with `read_committed` sees them; in order within a partition.
    pub async fn consume(&self, topic: &str) -> Vec<Consumed> {
        self.read(topic).all().await
    }

    /// A reader to be: `cluster.read("t").partition(0).from(0, 17).uncommitted().all().await`.
    pub fn read(&self, topic: &str) -> Read {
        let mut arguments = Map::new();
        arguments.insert("topic".to_owned(), json!(topic));
        arguments.insert("isolation".to_owned(), json!("read_committed"));
        Read { client: self.client(Listener::Plaintext), arguments }
    }

    /// The batches in a partition's segments, as they lie on the disk of the broker that leads it.
    pub async fn batches(&self, topic: &str, partition: i32) -> Vec<Batch> {
        let folder = self.leader_dir(topic, partition).await;
        let rows = self.call("batches", json!({"folder": folder})).await;
        rows.as_array().map_or(&[][..], Vec::as_slice).iter().map(Batch::from_json).collect()
    }

    /// The same batches as bytes: what a fetch would answer, by nobody's client.
    pub async fn raw_batches(&self, topic: &str, partition: i32) -> Vec<Bytes> {
        let folder = self.leader_dir(topic, partition).await;
        let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("cannot read {}: {e}", folder.display()));
        let mut segments: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        segments.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
        segments.sort();
        let mut batches = Vec::new();
        for segment in segments {
            let read = fs::read(&segment);
            let mut rest = Bytes::from(read.unwrap_or_else(|e| panic!("cannot read {}: {e}", segment.display())));
            while rest.len() > BATCH_LENGTH_END {
                let length = (&rest[BATCH_LENGTH_END - 4..]).get_u32() as usize;
                batches.push(rest.split_to(BATCH_LENGTH_END + length));
            }
        }
        batches
    }

    async fn leader_dir(&self, topic: &str, partition: i32) -> PathBuf {
        let info = self.topic(topic).await;
        let leader = usize::try_from(partition).ok().and_then(|index| info.partitions.get(index)).map(|p| p.leader);
        let leader = leader.and_then(|leader| usize::try_from(leader).ok());
        let leader = leader.unwrap_or_else(|| panic!("{topic}-{partition} of {} has no leader", self.name()));
        self.broker(leader).partition_dir(topic, partition)
    }
}

/// A batch begins with its offset (8 bytes) and the length of what follows these two (4 bytes).
const BATCH_LENGTH_END: usize = 12;

/// A Java producer before it is opened.
#[derive(Clone, Debug)]
pub struct ProducerBuilder {
    client: Properties,
    config: Properties,
}

impl ProducerBuilder {
    /// `compression.type`: `none`, `gzip`, `snappy`, `lz4` or `zstd`.
    #[must_use]
    pub fn codec(self, codec: &str) -> Self {
        self.config("compression.type", codec)
    }

    /// With this `transactional.id`: then [`JavaProducer::begin`] before the first send.
    #[must_use]
    pub fn transactional(self, id: &str) -> Self {
        self.config("transactional.id", id)
    }

    /// Any producer setting. The harness's own are those that keep a send together in one batch.
    #[must_use]
    pub fn config(mut self, key: &str, value: &str) -> Self {
        self.config.insert(key.to_owned(), value.to_owned());
        self
    }

    /// As a client with these properties (other listener, other user) instead of the super user.
    #[must_use]
    pub fn client(mut self, client: Properties) -> Self {
        self.client = client;
        self
    }

    /// Opens it. With a transactional id this fences whoever had it.
    pub async fn open(self) -> JavaProducer {
        self.try_open().await.unwrap_or_else(|error| panic!("opening a producer: {error}"))
    }

    /// Opens it.
    ///
    /// # Errors
    /// Whatever Java threw.
    pub async fn try_open(self) -> Result<JavaProducer, OracleError> {
        let handle = new_handle("producer");
        let arguments = json!({"handle": handle, "config": self.config});
        Oracle::shared().call("producer.open", &self.client, arguments).await?;
        Ok(JavaProducer { handle })
    }
}

/// An open Java producer. Dropping it closes it without waiting for anything.
#[derive(Debug)]
pub struct JavaProducer {
    handle: String,
}

impl JavaProducer {
    /// Writes `records` as one batch and gives their offsets.
    pub async fn send(&self, topic: &str, partition: i32, records: &[Record]) -> Vec<i64> {
        self.try_send(topic, partition, records).await.unwrap_or_else(|e| panic!("sending to {topic}-{partition}: {e}"))
    }

    /// Writes `records` as one batch and gives their offsets.
    ///
    /// # Errors
    /// Whatever Java threw.
    pub async fn try_send(&self, topic: &str, partition: i32, records: &[Record]) -> Result<Vec<i64>, OracleError> {
        let records: Vec<Value> = records.iter().map(Record::to_json).collect();
        let acks =
            self.call("producer.send", json!({"topic": topic, "partition": partition, "records": records})).await?;
        let acks = acks.as_array().map_or(&[][..], Vec::as_slice);
        Ok(acks.iter().map(|ack| ack["o"].as_i64().unwrap_or(-1)).collect())
    }

    /// Begins a transaction.
    pub async fn begin(&self) {
        self.end("producer.begin").await;
    }

    /// Commits it. The broker answers before its markers are written, so the records may become visible a little later:
    /// read them with [`Read::at_least`].
    pub async fn commit(&self) {
        self.end("producer.commit").await;
    }

    /// Aborts it.
    pub async fn abort(&self) {
        self.end("producer.abort").await;
    }

    async fn end(&self, call: &str) {
        self.call(call, json!({})).await.unwrap_or_else(|error| panic!("{call}: {error}"));
    }

    async fn call(&self, call: &str, mut arguments: Value) -> Result<Value, OracleError> {
        arguments["handle"] = json!(self.handle);
        Oracle::shared().call(call, &Properties::new(), arguments).await
    }
}

impl Drop for JavaProducer {
    fn drop(&mut self) {
        Oracle::tell("producer.close", json!({"handle": self.handle}));
    }
}

/// A Java consumer before it reads: committed records of all partitions from their start, unless told otherwise.
#[derive(Clone, Debug)]
pub struct Read {
    client: Properties,
    arguments: Map<String, Value>,
}

impl Read {
    /// Of this partition only.
    #[must_use]
    pub fn partition(mut self, partition: i32) -> Self {
        self.arguments.insert("partitions".to_owned(), json!([partition]));
        self
    }

    /// Of this partition from this offset on.
    #[must_use]
    pub fn from(mut self, partition: i32, offset: i64) -> Self {
        let from = self.arguments.entry("from").or_insert_with(|| json!({}));
        from[partition.to_string()] = json!(offset);
        self
    }

    /// Records of aborted and open transactions too.
    #[must_use]
    pub fn uncommitted(mut self) -> Self {
        self.arguments.insert("isolation".to_owned(), json!("read_uncommitted"));
        self
    }

    /// As a client with these properties (other listener, other user) instead of the super user.
    #[must_use]
    pub fn client(mut self, client: Properties) -> Self {
        self.client = client;
        self
    }

    /// Reads what is there now.
    pub async fn all(self) -> Vec<Consumed> {
        self.try_all().await.unwrap_or_else(|error| panic!("consuming: {error}"))
    }

    /// Waits for so many records, up to 30 s, and gives what had come by then (it may be a few more).
    pub async fn at_least(mut self, count: usize) -> Vec<Consumed> {
        self.arguments.insert("count".to_owned(), json!(count));
        self.all().await
    }

    /// Reads what is there now.
    ///
    /// # Errors
    /// Whatever Java threw.
    pub async fn try_all(self) -> Result<Vec<Consumed>, OracleError> {
        let rows = Oracle::shared().call("consume", &self.client, Value::Object(self.arguments)).await?;
        Ok(rows.as_array().map_or(&[][..], Vec::as_slice).iter().map(Consumed::from_json).collect())
    }
}

/// A batch as it lies in a segment, in the words of Java's `RecordBatch`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "Kafka's own names")]
pub struct Batch {
    pub base_offset: i64,
    pub last_offset: i64,
    pub count: i64,
    pub size_bytes: i64,
    pub magic: i64,
    /// `none`, `gzip`, `snappy`, `lz4` or `zstd`.
    pub codec: String,
    /// `CreateTime` or `LogAppendTime`.
    pub timestamp_type: String,
    pub max_timestamp: i64,
    pub producer_id: i64,
    pub producer_epoch: i64,
    pub base_sequence: i64,
    pub leader_epoch: i64,
    pub transactional: bool,
    pub control: bool,
    pub delete_horizon: bool,
    /// Does the CRC fit the bytes?
    pub valid: bool,
}

impl Batch {
    fn from_json(row: &Value) -> Self {
        let number = |field: &str| row[field].as_i64().unwrap_or(-1);
        let text = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
        let flag = |field: &str| row[field].as_bool().unwrap_or(false);
        Self {
            base_offset: number("baseOffset"),
            last_offset: number("lastOffset"),
            count: number("count"),
            size_bytes: number("sizeBytes"),
            magic: number("magic"),
            codec: text("codec"),
            timestamp_type: text("timestampType"),
            max_timestamp: number("maxTimestamp"),
            producer_id: number("producerId"),
            producer_epoch: number("producerEpoch"),
            base_sequence: number("baseSequence"),
            leader_epoch: number("leaderEpoch"),
            transactional: flag("transactional"),
            control: flag("control"),
            delete_horizon: flag("deleteHorizon"),
            valid: flag("valid"),
        }
    }
}

pub(super) fn new_handle(kind: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{kind}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}
