//! The loop of one task: poll, send, take acknowledgements back, store progress, stop.
//!
//! Everything that can happen arrives in one `select!`; every arm is cancel-safe. Plug-in code is awaited only in `poll`,
//! `committed` and `stop`, and, within bounds, before source offsets are stored (`before_commit`).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use connect_api::ConnectError;
use connect_api::record::{AckedRun, Polled, SourceOffset, SourcePartition};
use connect_api::source::{BoxFuture, DynSourceTask};
use connect_herder::config_log::TargetState;
use futures_util::future::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use kafka_client::cluster::Cluster;
use kafka_client::producer::{ProduceError, Producer};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tracing::{debug, info, warn};

use super::exactly_once::{self, ExactlyOnceTask};
use super::lane::Lane;
use super::sending;
use super::stats::TaskStats;
use super::submitted::{Progress, Submitted, UnitId};
use super::waiting::Outgoing;
use super::{Ended, Limits, Parts, TaskSpec, stopped};
use crate::record_path::RecordPath;
use crate::storage::connector_offsets::ConnectorOffsets;
use crate::topic_creation::TopicCreation;

/// Tags of batches come from the plug-in and are small; lanes of single records are numbered from here.
pub(super) const RECORD_LANES: usize = 1 << 32;
const POLL_RETRY_AFTER: Duration = Duration::from_millis(100);

type Flush = Pin<Box<dyn Future<Output = (Vec<Progress>, Result<(), ConnectError>)> + Send>>;
pub(super) type Answer = Pin<Box<dyn Future<Output = (usize, u64, Result<Option<i64>, ProduceError>)> + Send>>;

/// A unit until all of its pieces are acknowledged.
pub(super) struct OpenUnit {
    pub(super) lane: usize,
    /// Where its records belong, unless a transform has sent them elsewhere.
    pub(super) topic: Arc<str>,
    pub(super) pieces: usize,
    /// For the count of what is under way.
    pub(super) records: u64,
    pub(super) runs: Vec<AckedRun>,
    /// Of single records: what the task is told when they are acknowledged.
    pub(super) single: Option<SourcePartition>,
    /// Given back with the last acknowledgement.
    pub(super) _hold: Option<Box<dyn std::any::Any + Send>>,
}

pub(super) struct RunLoop {
    pub(super) spec: Arc<TaskSpec>,
    pub(super) target: watch::Receiver<TargetState>,
    offsets: Arc<ConnectorOffsets>,
    pub(super) cluster: Cluster,
    pub(super) producer: Producer,
    pub(super) task: Box<dyn DynSourceTask>,
    pub(super) stats: Arc<TaskStats>,
    pub(super) submitted: Submitted,
    pub(super) units: BTreeMap<UnitId, OpenUnit>,
    pub(super) lanes: BTreeMap<usize, Lane<ConnectError>>,
    pub(super) record_lanes: BTreeMap<String, usize>,
    pub(super) outgoing: VecDeque<Outgoing>,
    pub(super) answers: FuturesUnordered<Answer>,
    flush: Option<Flush>,
    next_flush: Instant,
    poll_not_before: Instant,
    /// When the last poll was answered.
    pub(super) polled_at_ms: i64,
    flush_began_ms: i64,
    pub(super) topics_used: BTreeSet<Arc<str>>,
    pub(super) exactly_once: Option<ExactlyOnceTask>,
    pub(super) limits: Limits,
    pub(super) record_path: RecordPath,
    topic_creation: Option<TopicCreation>,
}

impl RunLoop {
    pub(super) fn new(spec: Arc<TaskSpec>, parts: Parts, stats: Arc<TaskStats>, limits: Limits) -> Self {
        let Parts { cluster, producer, task, offsets, exactly_once, record_path, topic_creation } = parts;
        let next_flush = Instant::now() + spec.environment.worker.offset_flush_interval();
        Self {
            target: spec.target.clone(),
            spec,
            offsets,
            cluster,
            producer,
            task,
            stats,
            submitted: Submitted::default(),
            units: BTreeMap::new(),
            lanes: BTreeMap::new(),
            record_lanes: BTreeMap::new(),
            outgoing: VecDeque::new(),
            answers: FuturesUnordered::new(),
            flush: None,
            next_flush,
            poll_not_before: Instant::now(),
            polled_at_ms: now_ms(),
            flush_began_ms: 0,
            topics_used: BTreeSet::new(),
            exactly_once,
            limits,
            record_path,
            topic_creation,
        }
    }

    /// Runs until the task is told to stop (then everything acknowledged is stored) or has failed.
    pub(super) async fn run(mut self) -> Result<Ended, ConnectError> {
        self.note_target();
        let result = self.steady().await;
        let too_large = self.exactly_once.as_mut().and_then(|exactly_once| exactly_once.too_large.take());
        if let Err(error) = &result {
            // What is on its way may still arrive; it is acknowledged progress worth keeping.
            debug!(%error, "task failed, storing its progress");
        }
        self.finish(result.is_err()).await;
        match too_large {
            Some((topic, bytes)) => Ok(Ended::TooLarge { topic, bytes }),
            None => result.map(|()| Ended::Stopped),
        }
    }

    async fn steady(&mut self) -> Result<(), ConnectError> {
        let mut stop = self.spec.stop.clone();
        loop {
            self.advance_transaction();
            self.hold_back();
            // What is paid for is lined up without waiting, and needs no turn of its own.
            if let Some(paid) = self.outgoing.front_mut().filter(|outgoing| outgoing.permit.is_some()) {
                let sent = sending::send(&self.producer, Some(paid)).await;
                self.on_sent(sent)?;
                continue;
            }
            let (polls, transaction_end) = (self.polls(), self.transaction_end());
            tokio::select! {
                biased;
                () = stopped(&mut stop) => return Ok(()),
                Some(answer) = self.answers.next(), if !self.answers.is_empty() => {
                    self.on_answer(answer)?;
                    // A request is answered for all of its partitions at once.
                    while let Some(Some(answer)) = self.answers.next().now_or_never() {
                        self.on_answer(answer)?;
                    }
                }
                (progress, result) = flushed(&mut self.flush) => self.on_flushed(progress, result).await?,
                committed = exactly_once::committed(&mut self.exactly_once) => self.on_committed(committed).await?,
                () = sleep_until(self.next_flush), if self.flush.is_none() => self.begin_flush(),
                sent = sending::send(&self.producer, self.outgoing.front_mut()), if !self.outgoing.is_empty() => {
                    self.on_sent(sent)?;
                }
                // Wakes on a change; `polls` is looked at anew above.
                Ok(()) = self.target.changed() => {
                    info!(target = ?*self.target.borrow(), "task target changed");
                    self.note_target();
                }
                polled = poll(&mut self.task, self.poll_not_before), if polls => match polled {
                    Ok(polled) => {
                        self.take(polled)?;
                        self.create_topics().await?;
                        self.begin_transaction().await?;
                    }
                    Err(error) if error.is_retriable() => {
                        warn!(%error, "poll failed, trying again");
                        self.stats.errors.retried(now_ms());
                        self.poll_not_before = Instant::now() + POLL_RETRY_AFTER;
                    }
                    Err(error) => return Err(error),
                },
                // Last: what can be polled at once goes into the same transaction.
                () = sleep_until(transaction_end.unwrap_or_else(Instant::now)), if transaction_end.is_some() => {
                    self.end_transaction();
                }
            }
        }
    }

    /// Makes the topics that the outgoing records need, if the connector says how (KIP-158).
    async fn create_topics(&mut self) -> Result<(), ConnectError> {
        let Some(creation) = &mut self.topic_creation else { return Ok(()) };
        for outgoing in &self.outgoing {
            creation.ensure(&outgoing.sent.topic).await?;
        }
        Ok(())
    }

    fn polls(&self) -> bool {
        self.outgoing.is_empty() && *self.target.borrow() == TargetState::Started && self.transaction_takes_more()
    }

    fn note_target(&self) {
        self.stats.clock.set(*self.target.borrow() != TargetState::Started, now_ms());
    }

    fn begin_flush(&mut self) {
        self.next_flush = Instant::now() + self.spec.environment.worker.offset_flush_interval();
        let before = self.task.before_commit();
        let progress = self.progress_to_store();
        if before.is_some() || !progress.is_empty() {
            self.flush_began_ms = now_ms();
            self.flush = Some(self.store(before, progress));
        }
    }

    /// Progress that is stored by itself; with exactly-once support it is part of the transactions.
    fn progress_to_store(&mut self) -> Vec<Progress> {
        if self.exactly_once.is_some() { Vec::new() } else { self.submitted.committable() }
    }

    /// Lets the task make durable what it has to, then stores the offsets.
    fn store(&self, before: Option<BoxFuture<'static, ()>>, progress: Vec<Progress>) -> Flush {
        let environment = Arc::clone(&self.spec.environment);
        let store = Arc::clone(&self.offsets);
        Box::pin(async move {
            if let Some(before) = before
                && timeout(environment.worker.offset_flush_timeout(), before).await.is_err()
            {
                warn!("the task's own progress was not stored within offset.flush.timeout.ms");
            }
            if progress.is_empty() {
                return (progress, Ok(()));
            }
            let write = store.write(to_offsets(&progress));
            let result = match timeout(environment.worker.offset_flush_timeout(), write).await {
                Ok(result) => result,
                Err(_) => Err(ConnectError::retriable("offset.flush.timeout.ms has passed")),
            };
            (progress, result)
        })
    }

    async fn on_flushed(
        &mut self,
        progress: Vec<Progress>,
        result: Result<(), ConnectError>,
    ) -> Result<(), ConnectError> {
        let now_ms = now_ms();
        self.stats.committed(result.is_ok(), now_ms - self.flush_began_ms, now_ms);
        match result {
            Ok(()) => {
                debug!(partitions = progress.len(), "source offsets stored");
                self.task.committed().await
            }
            Err(error) => {
                warn!(%error, "source offsets could not be stored, trying again after offset.flush.interval.ms");
                self.submitted.restore(progress);
                Ok(())
            }
        }
    }

    /// Waits for what is on its way, within the graceful time, and stores the progress made.
    async fn finish(mut self, failed: bool) {
        let worker = &self.spec.environment.worker;
        let patience = worker.task_shutdown_graceful_timeout().min(worker.offset_flush_timeout());
        let deadline = Instant::now() + patience * 3 / 4;
        self.finish_transaction(failed, deadline).await;
        while let Ok(Some(answer)) = timeout_at(deadline, self.answers.next()).await {
            if self.on_answer(answer).is_err() {
                break;
            }
        }
        if let Some(flush) = self.flush.take()
            && let Ok((progress, Err(_))) = timeout_at(deadline, flush).await
        {
            self.submitted.restore(progress);
        }
        // Offsets matter more than what comes before them: a repetition is worse than a gap in the task's notes.
        let before = self.task.before_commit().map(|before| -> BoxFuture<'static, ()> {
            Box::pin(async move {
                let _ = timeout(patience / 4, before).await;
            })
        });
        let progress = self.progress_to_store();
        if before.is_some() || !progress.is_empty() {
            self.flush_began_ms = now_ms();
            let (progress, result) = self.store(before, progress).await;
            let _ = self.on_flushed(progress, result).await;
        }
        if self.submitted.unacked() > 0 {
            warn!(
                units = self.submitted.unacked(),
                "stopped before the target had acknowledged everything; it is read again"
            );
        }
        self.task.stop().await;
        let _ = self.producer.close(Duration::ZERO).await;
        info!("task stopped");
    }
}

/// Polls, but not before a moment. Cancel-safe, as `poll` is.
async fn poll(task: &mut Box<dyn DynSourceTask>, not_before: Instant) -> Result<Polled, ConnectError> {
    sleep_until(not_before).await;
    task.poll().await
}

/// The flush under way, once; never if there is none.
async fn flushed(flush: &mut Option<Flush>) -> (Vec<Progress>, Result<(), ConnectError>) {
    let Some(under_way) = flush else { return std::future::pending().await };
    let outcome = under_way.await;
    *flush = None;
    outcome
}

pub(super) fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

/// Progress as the offsets topic takes it.
pub(super) fn to_offsets(progress: &[Progress]) -> Vec<(SourcePartition, Option<SourceOffset>)> {
    progress.iter().map(|entry| (entry.partition.clone(), Some(entry.offset.clone()))).collect()
}
