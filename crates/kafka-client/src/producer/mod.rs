//! Writing to a cluster: batches as they are, or records encoded into one.
//!
//! A [`Producer`] is idempotent: a batch is in the log once, however often it had to be sent, and the batches of a partition
//! are in the log in the order in which they were given. Brokers that restart, move or time out are waited for, by default
//! for ever; back-pressure is a byte [`Budget`], taken by [`Producer::send_batch`] and given back with the acknowledgement.
//!
//! **When a batch fails for good** (too large, not authorised, timed out, …) its [`Delivery`] says so, and every batch after
//! it *in that partition* fails as [`ProduceError::Skipped`], so that nothing is written past the hole. Other partitions do
//! not notice. When the caller has decided what to do, it calls [`Producer::reset_partition`], and goes on under a new
//! producer epoch.
//!
//! | file | idea |
//! |---|---|
//! | `state` | the line of batches of one partition: order, sequence numbers, retries (pure) |
//! | `verdict` | what each error code means for a batch (pure) |
//! | `driver` | which batches go together into a request, and when |
//! | `link` | one broker: write in order, answer |
//! | `transaction`, `coordinator` | transactions, producer ids |
//! | `progress` | flush |

mod coordinator;
mod driver;
mod error;
mod link;
mod options;
mod progress;
mod state;
mod transaction;
mod verdict;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use kafka_wire::batch::{Codec, Record, RecordBatch, Stamp, TimestampType, encode};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::BoxFuture;
use crate::budget::{Budget, BudgetPermit};
use crate::cluster::Cluster;
use crate::codes::ErrorCode;
use crate::error::ClientError;
use driver::{Command, Driver, Job};
use state::Identity;

pub use error::{ProduceError, Unfit};
pub use options::ProducerOptions;
pub use state::Ack;

/// Writes batches to the partitions of a cluster. Clones share it; dropping the last one gives up what is not acknowledged
/// (see [`close`](Self::close)).
///
/// It shares the connections of its [`Cluster`]. Two busy producers want a cluster handle each, because brokers execute the
/// requests of a connection one after the other.
#[derive(Clone)]
pub struct Producer {
    shared: Arc<Shared>,
}

struct Shared {
    cluster: Cluster,
    options: Arc<ProducerOptions>,
    budget: Budget,
    commands: mpsc::UnboundedSender<Command>,
    /// The transactional identity, while its state is known. Held during the calls that change it.
    transaction: tokio::sync::Mutex<Option<Identity>>,
}

/// A partition whose first batch has failed at least once and is tried again, or that has no leader to send it to.
#[derive(Clone, Debug, PartialEq)]
pub struct Stalled {
    /// Topic.
    pub topic: Arc<str>,
    /// Partition.
    pub partition: i32,
    /// Failed tries of the first batch.
    pub attempts: u32,
    /// The broker's last error for it, or what metadata say; `None` if there was no answer.
    pub last_code: Option<ErrorCode>,
    /// Why the leader's last request had no answer, if so: unreachable, credentials refused, timed out.
    pub silence: Option<ClientError>,
    /// Batches that wait, the first included.
    pub batches: usize,
}

/// Resolves when a batch is acknowledged, or has failed for good. Dropping it changes nothing for the batch.
#[derive(Debug)]
#[must_use = "a batch whose failure nobody sees is lost silently"]
pub struct Delivery(oneshot::Receiver<Result<Ack, ProduceError>>);

impl Future for Delivery {
    type Output = Result<Ack, ProduceError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|result| result.unwrap_or(Err(ProduceError::Closed)))
    }
}

impl Producer {
    /// A producer on `cluster`. Asks the cluster for a producer id (unless transactional or not idempotent), for at most
    /// `default.api.timeout.ms`.
    pub fn new(
        cluster: Cluster,
        options: ProducerOptions,
        budget: Budget,
    ) -> BoxFuture<'static, Result<Self, ProduceError>> {
        Box::pin(async move {
            let identity = if options.idempotence && options.transactional_id.is_none() {
                coordinator::idempotent(&cluster).await?
            } else {
                Identity::NONE
            };
            let (commands, received) = mpsc::unbounded_channel();
            let options = Arc::new(options);
            tokio::spawn(Driver::new(cluster.clone(), Arc::clone(&options), identity, received).run());
            let transaction = tokio::sync::Mutex::default();
            Ok(Self { shared: Arc::new(Shared { cluster, options, budget, commands, transaction }) })
        })
    }

    /// Its settings.
    #[must_use]
    pub fn options(&self) -> &ProducerOptions {
        &self.shared.options
    }

    /// Lines up a batch behind all others of its partition. Waits while the producing side of the budget is exhausted.
    /// Cancel-safe: the batch is lined up when this returns, and not at all if it is dropped before.
    ///
    /// Called from one task, batches keep the order of the calls.
    ///
    /// # Errors
    /// [`ProduceError::Unfit`] for a batch that brokers would refuse or damage.
    pub async fn send_batch(
        &self,
        topic: &Arc<str>,
        partition: i32,
        batch: RecordBatch,
    ) -> Result<Delivery, ProduceError> {
        let permit = self.shared.budget.produce(batch.len()).await;
        self.send_held(topic, partition, batch, permit)
    }

    /// Like [`send_batch`](Self::send_batch), for bytes that are paid for already, as fetched batches are
    /// ([`BudgetPermit::split`]). Does not wait.
    pub fn send_held(
        &self,
        topic: &Arc<str>,
        partition: i32,
        batch: RecordBatch,
        permit: BudgetPermit,
    ) -> Result<Delivery, ProduceError> {
        if let Err(reason) = fit(&batch) {
            return Err(ProduceError::Unfit { topic: Arc::clone(topic), partition, reason });
        }
        let (reply, delivered) = oneshot::channel();
        let job = Job { batch, reply, permit, generation: 0 };
        self.command(Command::Send { topic: Arc::clone(topic), partition, job })?;
        Ok(Delivery(delivered))
    }

    /// Encodes `records` as one batch and lines it up: either all of them are written or none. Their offsets are ignored.
    pub async fn send_records(
        &self,
        topic: &Arc<str>,
        partition: i32,
        records: &[Record],
        codec: Codec,
    ) -> Result<Delivery, ProduceError> {
        // The stamp is put on when it is sent.
        let batch = encode(records, codec, Stamp::NONE).and_then(RecordBatch::parse).map_err(|error| {
            ProduceError::Unfit { topic: Arc::clone(topic), partition, reason: Unfit::Encode(error) }
        })?;
        self.send_batch(topic, partition, batch).await
    }

    /// Accepts batches for a partition again in which one has failed for good. To be called when all deliveries of that
    /// partition have been seen: what is sent after this comes after the hole.
    pub fn reset_partition(&self, topic: &Arc<str>, partition: i32) -> Result<(), ProduceError> {
        self.command(Command::Reset { topic: Arc::clone(topic), partition })
    }

    /// Waits until every batch sent before this call is settled, one way or the other. Cancel-safe.
    pub async fn flush(&self) -> Result<(), ProduceError> {
        self.ask(Command::Flush).await
    }

    /// The partitions that are not getting on at the moment, and why. For statuses and metrics.
    pub async fn stalled(&self) -> Result<Vec<Stalled>, ProduceError> {
        self.ask(Command::Stalled).await
    }

    /// Waits for what is under way, at most for `patience`, then ends the producer for all its clones. What is not
    /// acknowledged by then ends as [`ProduceError::Closed`], and so does this call.
    pub async fn close(self, patience: Duration) -> Result<(), ProduceError> {
        let flushed = timeout(patience, self.flush()).await;
        self.command(Command::Stop)?;
        flushed.unwrap_or(Err(ProduceError::Closed))
    }

    fn command(&self, command: Command) -> Result<(), ProduceError> {
        self.shared.commands.send(command).map_err(|_| ProduceError::Closed)
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, ProduceError> {
        let (reply, answer) = oneshot::channel();
        self.command(command(reply))?;
        answer.await.map_err(|_| ProduceError::Closed)
    }
}

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer").field("cluster", &self.shared.cluster).finish_non_exhaustive()
    }
}

/// Whether brokers take the batch as it is, and store what its records say.
fn fit(batch: &RecordBatch) -> Result<(), Unfit> {
    if batch.is_control() {
        return Err(Unfit::Control);
    }
    if !batch.is_dense() {
        let offsets = i64::from(batch.last_offset_delta()) + 1;
        return Err(Unfit::Sparse { records: batch.record_count(), offsets });
    }
    match batch.timestamp_type() {
        TimestampType::CreateTime => Ok(()),
        TimestampType::LogAppendTime => Err(Unfit::LogAppendTime),
    }
}
