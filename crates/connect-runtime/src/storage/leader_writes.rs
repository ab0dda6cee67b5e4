//! Writes to the config topic that only the leader may make, with exactly-once support (KIP-618).
//!
//! Each batch is a transaction of the transactional id that all leaders of the group share. Whoever takes the id over shuts
//! the leader before out: its writes fail from then on, and what it left open is aborted. A writer that has failed takes the
//! id again with the next write, but not at once: a former leader that was asleep hears from its group first that it is none
//! any more (Java: the same 250 ms).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use connect_api::ConnectError;
use kafka_client::producer::{ProduceError, Producer, ProducerOptions};
use kafka_client::{Budget, ClientConfig, ClientError, Cluster};
use kafka_wire::batch::{Codec, Record};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, info, warn};

use super::log::LogWrite;

/// From a failure to the next claim.
const CLAIM_AGAIN: Duration = Duration::from_millis(250);
/// How long a claim or a write may take (Java: `READ_WRITE_TOTAL_TIMEOUT_MS`).
const PATIENCE: Duration = Duration::from_secs(30);
/// The config topic has one partition.
const PARTITION: i32 = 0;

/// What is asked of the leader's writer.
#[derive(Debug)]
pub(crate) enum LeaderRequest {
    /// Take the transactional id over.
    Claim,
    /// Write these records in one transaction, after all earlier ones.
    Append {
        records: Vec<LogWrite>,
        /// Gets the offset of the last record once the transaction is committed.
        done: oneshot::Sender<Result<i64, ConnectError>>,
    },
}

/// The asker's end.
#[derive(Debug)]
pub(crate) struct LeaderWrites(UnboundedSender<LeaderRequest>);

impl LeaderWrites {
    pub(crate) fn new() -> (Self, UnboundedReceiver<LeaderRequest>) {
        let (requests, asked) = unbounded_channel();
        (Self(requests), asked)
    }

    pub(crate) fn claim(&self) {
        let _ = self.0.send(LeaderRequest::Claim);
    }

    /// Begins to append; the order of appends is the order of calls.
    pub(crate) fn append(
        &self,
        records: Vec<LogWrite>,
    ) -> impl Future<Output = Result<i64, ConnectError>> + Send + 'static {
        let (done, answer) = oneshot::channel();
        let _ = self.0.send(LeaderRequest::Append { records, done });
        async move { answer.await.unwrap_or_else(|_| Err(ConnectError::retriable("the worker is shutting down"))) }
    }
}

/// The leader's writer, over connections of its own.
pub(crate) struct LeaderProducer {
    /// With the client id that the brokers' logs show.
    pub(crate) client: ClientConfig,
    pub(crate) topic: Arc<str>,
    pub(crate) transactional_id: String,
}

/// Where the right to write is.
enum Right {
    Held(Producer),
    /// Not before this moment.
    None(Instant),
}

impl LeaderProducer {
    /// Serves until nobody asks any more.
    pub(crate) async fn serve(self, mut asked: UnboundedReceiver<LeaderRequest>) {
        let mut right = Right::None(Instant::now());
        while let Some(request) = asked.recv().await {
            match request {
                LeaderRequest::Claim => {
                    right = match timed(self.claim()).await {
                        Ok(producer) => Right::Held(producer),
                        Err(error) => {
                            warn!(
                                error = error.message(),
                                "config topic is not ours to write yet, trying again with the next write"
                            );
                            Right::None(Instant::now() + CLAIM_AGAIN)
                        }
                    };
                }
                LeaderRequest::Append { records, done } => {
                    let appended = self.append(&mut right, records).await;
                    if let Err(error) = &appended {
                        warn!(error = error.message(), "leader could not write to the config topic");
                        right = Right::None(Instant::now() + CLAIM_AGAIN);
                    }
                    let _ = done.send(appended);
                }
            }
        }
    }

    async fn append(&self, right: &mut Right, records: Vec<LogWrite>) -> Result<i64, ConnectError> {
        if let Right::None(not_before) = right {
            sleep_until(*not_before).await;
            *right = Right::Held(timed(self.claim()).await?);
        }
        match right {
            Right::Held(producer) => timed(write(producer, &self.topic, records)).await,
            // Set just now.
            Right::None(_) => Err(ConnectError::retriable("the right to write is not held")),
        }
    }

    async fn claim(&self) -> Result<Producer, ProduceError> {
        let cluster = Cluster::connect(self.client.clone()).await?;
        let options = ProducerOptions::from_config(cluster.config()).map_err(ClientError::from)?;
        let transactional_id = Some(self.transactional_id.clone());
        let options =
            ProducerOptions { acks: -1, idempotence: true, transactional_id, delivery_timeout: PATIENCE, ..options };
        let producer = Producer::new(cluster, options, Budget::new(Budget::MIN_BYTES)).await?;
        producer.init_transactions().await?;
        info!(transactional_id = self.transactional_id, "this worker writes the config topic as leader");
        Ok(producer)
    }
}

/// One transaction. Answers with the offset of its last record.
async fn write(producer: &Producer, topic: &Arc<str>, records: Vec<LogWrite>) -> Result<i64, ProduceError> {
    let timestamp = chrono::Utc::now().timestamp_millis();
    let record = |(key, value): (Bytes, Option<Bytes>)| Record {
        offset: 0,
        timestamp,
        key: Some(key),
        value,
        headers: Vec::new(),
    };
    let records: Vec<Record> = records.into_iter().map(record).collect();
    producer.begin_transaction().await?;
    let ack = producer.send_records(topic, PARTITION, &records, Codec::None).await?.await?;
    producer.commit_transaction().await?;
    debug!(records = records.len(), offset = ack.base_offset, "written as leader");
    // A broker that has forgotten where a resent batch lies has it all the same.
    Ok(ack.base_offset.unwrap_or(-1) + records.len() as i64 - 1)
}

async fn timed<T>(attempt: impl Future<Output = Result<T, ProduceError>>) -> Result<T, ConnectError> {
    match timeout(PATIENCE, attempt).await {
        Ok(result) => result.map_err(|error| ConnectError::retriable(error.to_string())),
        Err(_) => Err(ConnectError::retriable(format!("no answer within {} s", PATIENCE.as_secs()))),
    }
}
