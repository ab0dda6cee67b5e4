//! Writing and reading records through the oracle.

use std::sync::atomic::{AtomicU32, Ordering};

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
}

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

pub(super) fn new_handle(kind: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{kind}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}
