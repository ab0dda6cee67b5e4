//! What an exactly-once task does beside the others (KIP-618): it takes its transactional id over, writes records and source
//! offsets in one transaction, and tells the plug-in of nothing that is not committed.
//!
//! A batch that fails takes its whole transaction with it, so the task fails, and is read again from its last commit. One
//! failure is cured here: a batch too large for its topic. The task begins again by itself, with batches of that topic split.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use connect_api::record::{Ack, SourceOffset, SourcePartition};
use connect_api::{ConfigMap, ConnectError};
use connect_herder::config_log::TargetState;
use connect_herder::ids::{ConnectorName, TaskId};
use connect_herder::settings::ExactlyOnce;
use futures_util::stream::StreamExt;
use kafka_client::producer::{ProduceError, Producer, ProducerOptions};
use kafka_client::{Budget, ClientConfig, ClientError, Cluster};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{debug, warn};

use super::TaskSpec;
use super::run_loop::{RunLoop, now_ms, to_offsets};
use super::sending::{self, is_too_large};
use super::transaction::{Boundary, Transaction};
use crate::storage::connector_offsets::ConnectorOffsets;
use crate::worker_config::WorkerConfig;

type Offsets = Vec<(SourcePartition, Option<SourceOffset>)>;
type Commit = Pin<Box<dyn Future<Output = Result<(), ConnectError>> + Send>>;

/// The part of a task's state that only exactly-once tasks have.
pub(super) struct ExactlyOnceTask {
    transaction: Transaction,
    offsets: Arc<ConnectorOffsets>,
    /// Of the offsets topic.
    partitions: i32,
    /// Acknowledged in the open transaction; the plug-in hears of it after the commit.
    pub(super) acks: Vec<Ack>,
    commit: Option<Commit>,
    /// The target topic refused a batch of so many bytes.
    pub(super) too_large: Option<(Arc<str>, usize)>,
}

impl ExactlyOnceTask {
    /// For a producer on `cluster`, which has the offsets topic too.
    pub(super) async fn new(
        spec: &TaskSpec,
        cluster: &Cluster,
        offsets: &Arc<ConnectorOffsets>,
    ) -> Result<Self, ConnectError> {
        let boundary = Boundary::from_config(&spec.connector_config, spec.environment.worker.offset_flush_interval())?;
        Ok(Self {
            transaction: Transaction::new(boundary),
            offsets: Arc::clone(offsets),
            partitions: partition_count(cluster, offsets.topic()).await?,
            acks: Vec::new(),
            commit: None,
            too_large: None,
        })
    }
}

/// What the producer of an exactly-once task must have, whatever the user says.
pub(super) fn force(worker: &WorkerConfig, task: &TaskId, properties: &mut BTreeMap<String, String>) {
    if worker.exactly_once() != ExactlyOnce::Enabled {
        return;
    }
    let id = worker.task_transactional_id(task.connector.as_str(), task.task);
    for (key, value) in [("enable.idempotence", "true".to_owned()), ("transactional.id", id)] {
        if let Some(given) = properties.insert(key.to_owned(), value.clone()).filter(|given| *given != value) {
            warn!(key, given, value, "producer setting can't be chosen with exactly-once support");
        }
    }
}

/// Shuts the producer before out, and ends what it left open.
pub(super) async fn take_over(producer: &Producer) -> Result<(), ConnectError> {
    producer.init_transactions().await.map_err(|error| failed("the transactional id could not be taken over", &error))
}

/// Stores changed offsets of a stopped connector, with the transactional id of its first task (KIP-875).
///
/// # Errors
/// Nothing was stored.
pub(crate) async fn alter_offsets(
    name: &ConnectorName,
    worker: &WorkerConfig,
    config: &ConfigMap,
    store: &ConnectorOffsets,
    offsets: Offsets,
) -> Result<(), ConnectError> {
    let task = TaskId::new(name.clone(), 0);
    let mut properties = worker.producer_properties(config, &task.to_string());
    force(worker, &task, &mut properties);
    let what = "offsets could not be changed";
    let client = |error: ClientError| failed(what, &error.into());
    let config = ClientConfig::parse(&properties).map_err(|error| client(error.into()))?;
    let options = ProducerOptions::from_config(&config).map_err(|error| client(error.into()))?;
    let cluster = Cluster::connect(config).await.map_err(client)?;
    let partitions = partition_count(&cluster, store.topic()).await?;
    let producer =
        Producer::new(cluster, options, Budget::new(Budget::MIN_BYTES)).await.map_err(|error| failed(what, &error))?;
    take_over(&producer).await?;
    producer.begin_transaction().await.map_err(|error| failed(what, &error))?;
    store.write_in_transaction(&producer, partitions, &offsets).await?;
    producer.commit_transaction().await.map_err(|error| failed(what, &error))?;
    store.committed(offsets).await;
    Ok(())
}

async fn partition_count(cluster: &Cluster, topic: &Arc<str>) -> Result<i32, ConnectError> {
    let unknown = |reason: String| ConnectError::retriable(format!("offsets topic {topic} can't be used: {reason}"));
    let described = cluster.admin().describe_topics(&[topic]).await.map_err(|error| unknown(error.to_string()))?;
    match described.into_iter().find(|(name, _)| *name == **topic) {
        Some((_, Ok(info))) => Ok(i32::try_from(info.partitions.len()).unwrap_or(i32::MAX)),
        Some((_, Err(error))) => Err(unknown(error.to_string())),
        None => Err(unknown("it does not exist".to_owned())),
    }
}

/// The end of the commit under way; never if there is none.
pub(super) async fn committed(exactly_once: &mut Option<ExactlyOnceTask>) -> Result<(), ConnectError> {
    let commit = exactly_once.as_mut().map(|exactly_once| &mut exactly_once.commit);
    let Some(Some(under_way)) = commit else { return std::future::pending().await };
    let result = under_way.await;
    if let Some(exactly_once) = exactly_once {
        exactly_once.commit = None;
    }
    result
}

impl RunLoop {
    /// Whether records may be polled for the transaction of now.
    pub(super) fn transaction_takes_more(&self) -> bool {
        self.exactly_once.as_ref().is_none_or(|exactly_once| !exactly_once.transaction.is_ending())
    }

    /// Begins a transaction if something has been polled that needs one.
    pub(super) async fn begin_transaction(&mut self) -> Result<(), ConnectError> {
        let anything = !self.outgoing.is_empty() || self.submitted.has_progress();
        match &mut self.exactly_once {
            Some(exactly_once) if anything && !exactly_once.transaction.is_open() => {
                let begun = self.producer.begin_transaction().await;
                begun.map_err(|error| failed("a transaction could not be begun", &error))?;
                exactly_once.transaction.begin(Instant::now());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// When the transaction may end, if it can be ended now.
    pub(super) fn transaction_end(&self) -> Option<Instant> {
        let exactly_once = self.exactly_once.as_ref().filter(|_| self.outgoing.is_empty())?;
        exactly_once.transaction.ends_at()
    }

    pub(super) fn end_transaction(&mut self) {
        if let Some(exactly_once) = &mut self.exactly_once {
            exactly_once.transaction.end();
        }
    }

    /// Ends a transaction whose time has come, and commits it once all of it is acknowledged.
    pub(super) fn advance_transaction(&mut self) {
        let Some(exactly_once) = &mut self.exactly_once else { return };
        let paused = *self.target.borrow() != TargetState::Started;
        if paused || exactly_once.transaction.is_over(Instant::now()) {
            exactly_once.transaction.end();
        }
        let rests = self.outgoing.is_empty() && self.answers.is_empty() && exactly_once.commit.is_none();
        if exactly_once.transaction.is_ending() && rests {
            let offsets = to_offsets(&self.submitted.committable());
            let (producer, store) = (self.producer.clone(), Arc::clone(&exactly_once.offsets));
            let (partitions, patience) = (exactly_once.partitions, self.spec.environment.worker.offset_flush_timeout());
            exactly_once.commit = Some(Box::pin(async move {
                store.write_in_transaction(&producer, partitions, &offsets).await?;
                let committed = producer.commit_transaction().await;
                committed.map_err(|error| failed("a transaction could not be committed", &error))?;
                debug!(partitions = offsets.len(), "transaction committed");
                // A copy for readers of the worker's topic; the truth is in the transaction.
                let _ = timeout(patience, store.committed(offsets)).await;
                Ok(())
            }));
        }
    }

    /// What was acknowledged counts now.
    pub(super) async fn on_committed(&mut self, result: Result<(), ConnectError>) -> Result<(), ConnectError> {
        result?;
        let Some(exactly_once) = &mut self.exactly_once else { return Ok(()) };
        exactly_once.transaction.closed();
        let acks = std::mem::take(&mut exactly_once.acks);
        if !acks.is_empty() {
            let records = acks.iter().flat_map(|ack| &ack.runs).map(|run| run.count).sum();
            self.stats.transaction_records.record(records, now_ms());
            self.task.acked(&acks);
        }
        self.task.committed().await
    }

    /// A piece of the transaction will not be in the log, so nothing of it counts.
    pub(super) fn transaction_failed(
        &mut self,
        tag: usize,
        number: u64,
        error: &ProduceError,
    ) -> Result<(), ConnectError> {
        if matches!(error, ProduceError::Skipped { .. }) {
            // The one it was skipped for says why.
            return Ok(());
        }
        let sent = self.lanes.get(&tag).and_then(|lane| lane.under_way(number));
        if let (Some(sent), true, Some(exactly_once)) = (sent, is_too_large(error), &mut self.exactly_once) {
            exactly_once.too_large = Some((Arc::clone(&sent.topic), sent.piece.batch.len()));
        }
        Err(failed("a transaction failed", error))
    }

    /// The last commit of a task that was told to stop. What a task that has failed left open is aborted, lest readers of
    /// committed records wait for it.
    pub(super) async fn finish_transaction(&mut self, failed: bool, deadline: Instant) {
        if self.exactly_once.is_none() {
            return;
        }
        let committed = match failed {
            true => false,
            false => matches!(timeout_at(deadline, self.last_commit()).await, Ok(Ok(()))),
        };
        let is_open = self.exactly_once.as_ref().is_some_and(|exactly_once| exactly_once.transaction.is_open());
        if is_open && !committed {
            let aborted = timeout_at(deadline, self.producer.abort_transaction()).await;
            warn!(
                aborted = matches!(aborted, Ok(Ok(()))),
                "the open transaction was given up; its records are read again"
            );
        }
    }

    async fn last_commit(&mut self) -> Result<(), ConnectError> {
        self.end_transaction();
        loop {
            self.advance_transaction();
            let is_open = self.exactly_once.as_ref().is_some_and(|exactly_once| exactly_once.transaction.is_open());
            if !is_open {
                return Ok(());
            }
            tokio::select! {
                biased;
                Some(answer) = self.answers.next(), if !self.answers.is_empty() => self.on_answer(answer)?,
                committed = committed(&mut self.exactly_once) => self.on_committed(committed).await?,
                sent = sending::send(&self.producer, self.outgoing.front_mut()), if !self.outgoing.is_empty() => {
                    self.on_sent(sent)?;
                }
            }
        }
    }
}

/// With what can be done about it.
fn failed(what: &str, error: &ProduceError) -> ConnectError {
    let fenced = matches!(error, ProduceError::Transaction { fenced: true, .. });
    let hint = if fenced {
        ": either the task has been started elsewhere, and this one must not write any more, or a transaction was open for \
         longer than transaction.timeout.ms, which producer.override.transaction.timeout.ms or a shorter \
         transaction.boundary.interval.ms cures"
    } else {
        ""
    };
    ConnectError::fatal(format!("{what}: {error}{hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_world::worker_config;

    fn forced(worker: &[(&str, &str)]) -> BTreeMap<String, String> {
        let mut properties = BTreeMap::from([
            ("enable.idempotence".to_owned(), "false".to_owned()),
            ("transactional.id".to_owned(), "mine".to_owned()),
        ]);
        force(&worker_config(worker), &TaskId::new("mirror-1", 0), &mut properties);
        properties
    }

    #[test]
    fn the_transactional_id_is_java_s_whatever_the_user_says() {
        let properties = forced(&[("exactly.once.source.support", "enabled")]);

        assert_eq!(properties["transactional.id"], "connect-mirror-1-0");
        assert_eq!(properties["enable.idempotence"], "true");
    }

    #[test]
    fn without_exactly_once_support_nothing_is_forced() {
        assert_eq!(forced(&[("exactly.once.source.support", "preparing")])["transactional.id"], "mine");
    }

    #[test]
    fn who_is_fenced_is_told_what_it_can_mean() {
        let error = |fenced| ProduceError::Transaction { transactional_id: "t".into(), reason: "no".into(), fenced };

        assert!(failed("x", &error(true)).message().contains("transaction.timeout.ms"));
        assert!(!failed("x", &error(false)).message().contains("transaction.timeout.ms"));
    }
}
