//! The loop of one task: poll, send, take acknowledgements back, store progress, stop.
//!
//! Everything that can happen arrives in one `select!`; every arm is cancel-safe. Plug-in code is awaited only in `poll`,
//! `committed` and `stop`, and, within bounds, before source offsets are stored (`before_commit`).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use connect_api::ConnectError;
use connect_api::record::{Ack, AckedRun, Payload, Polled, SourceBatch, SourceOffset, SourcePartition, SourceRecord};
use connect_api::source::{BoxFuture, DynSourceTask};
use connect_herder::config_log::TargetState;
use futures_util::stream::{FuturesUnordered, StreamExt};
use kafka_client::budget::BudgetPermit;
use kafka_client::cluster::Cluster;
use kafka_client::codes::ErrorCode;
use kafka_client::producer::{Delivery, ProduceError, Producer};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tracing::{debug, info, warn};

use super::exactly_once::{self, ExactlyOnceTask};
use super::lane::{Lane, Next, Sent, Settled};
use super::path::{Path, Reason, path};
use super::records;
use super::rewrite::{Piece, halves, rewrite, smaller};
use super::stats::TaskStats;
use super::submitted::{Progress, Submitted, UnitId};
use super::{Ended, Limits, Parts, TaskEvent, TaskSpec, stopped};
use crate::record_path::RecordPath;
use crate::storage::connector_offsets::ConnectorOffsets;
use crate::topic_creation::TopicCreation;

/// Tags of batches come from the plug-in and are small; lanes of single records are numbered from here.
const RECORD_LANES: usize = 1 << 32;
const POLL_RETRY_AFTER: Duration = Duration::from_millis(100);

type Flush = Pin<Box<dyn Future<Output = (Vec<Progress>, Result<(), ConnectError>)> + Send>>;
pub(super) type Answer = Pin<Box<dyn Future<Output = (usize, u64, Result<Option<i64>, ProduceError>)> + Send>>;

/// A piece that is not with the producer yet.
pub(super) struct Outgoing {
    lane: usize,
    pub(super) sent: Sent,
    /// The fetch budget that the batch holds, if it passes as it is.
    permit: Option<BudgetPermit>,
}

/// A unit until all of its pieces are acknowledged.
struct OpenUnit {
    lane: usize,
    /// Where its records belong, unless a transform has sent them elsewhere.
    topic: Arc<str>,
    pieces: usize,
    /// For the count of what is under way.
    records: u64,
    runs: Vec<AckedRun>,
    /// Of single records: what the task is told when they are acknowledged.
    single: Option<SourcePartition>,
    /// Given back with the last acknowledgement.
    _hold: Option<Box<dyn std::any::Any + Send>>,
}

pub(super) struct RunLoop {
    pub(super) spec: Arc<TaskSpec>,
    pub(super) target: watch::Receiver<TargetState>,
    offsets: Arc<ConnectorOffsets>,
    cluster: Cluster,
    pub(super) producer: Producer,
    pub(super) task: Box<dyn DynSourceTask>,
    stats: Arc<TaskStats>,
    pub(super) submitted: Submitted,
    units: BTreeMap<UnitId, OpenUnit>,
    pub(super) lanes: BTreeMap<usize, Lane<ConnectError>>,
    record_lanes: BTreeMap<String, usize>,
    pub(super) outgoing: VecDeque<Outgoing>,
    pub(super) answers: FuturesUnordered<Answer>,
    flush: Option<Flush>,
    next_flush: Instant,
    poll_not_before: Instant,
    /// When the last poll was answered.
    polled_at_ms: i64,
    flush_began_ms: i64,
    topics_used: BTreeSet<Arc<str>>,
    pub(super) exactly_once: Option<ExactlyOnceTask>,
    limits: Limits,
    record_path: RecordPath,
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
            let (polls, transaction_end) = (self.polls(), self.transaction_end());
            tokio::select! {
                biased;
                () = stopped(&mut stop) => return Ok(()),
                Some(answer) = self.answers.next(), if !self.answers.is_empty() => self.on_answer(answer)?,
                (progress, result) = flushed(&mut self.flush) => self.on_flushed(progress, result).await?,
                committed = exactly_once::committed(&mut self.exactly_once) => self.on_committed(committed).await?,
                () = sleep_until(self.next_flush), if self.flush.is_none() => self.begin_flush(),
                sent = send(&self.producer, self.outgoing.front_mut()), if !self.outgoing.is_empty() => {
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

    fn note_poll(&mut self, records: u64) {
        let now_ms = now_ms();
        if records > 0 {
            self.stats.polled(records, now_ms - self.polled_at_ms, now_ms);
        }
        self.polled_at_ms = now_ms;
    }

    fn take(&mut self, polled: Polled) -> Result<(), ConnectError> {
        match polled {
            Polled::Batches(batches) => {
                self.note_poll(batches.iter().map(|batch| payload_records(&batch.payload)).sum());
                batches.into_iter().try_for_each(|batch| self.take_batch(batch))
            }
            Polled::Records(records) => self.take_records(records),
        }
    }

    fn take_batch(&mut self, batch: SourceBatch) -> Result<(), ConnectError> {
        if self.lanes.get(&batch.tag).is_some_and(Lane::is_dead) {
            return Ok(());
        }
        let way = match (self.record_path.reason(), &batch.payload) {
            (Some(reason), _) => Path::Rewrite(reason),
            (None, Payload::Batch(wire)) => path(wire, batch.first_wanted),
            (None, Payload::Records(_)) => Path::Rewrite(Reason::OldFormat),
        };
        self.stats.count(way);
        let records = payload_records(&batch.payload);
        let pieces = match self.pieces(way, &batch) {
            Ok(pieces) => pieces,
            Err(error) => return self.stand_still(batch.tag, error),
        };
        let (mut hold, mut permit) = (batch.hold, None);
        if way == Path::Pass {
            // A batch that passes is paid for by its fetch until it is acknowledged.
            match hold.map(|hold| hold.downcast::<BudgetPermit>()) {
                Some(Ok(paid)) => (hold, permit) = (None, Some(*paid)),
                Some(Err(other)) => hold = Some(other),
                None => hold = None,
            }
        }
        let unit = self.submitted.submit(batch.tag, &batch.source_partition, batch.source_offset);
        self.stats.taken(records, self.polled_at_ms);
        let (lane, topic) = (batch.tag, batch.topic);
        let open = OpenUnit { lane, topic, pieces: pieces.len(), records, runs: Vec::new(), single: None, _hold: hold };
        self.open_unit(unit, open, pieces, permit);
        Ok(())
    }

    /// What a batch becomes, and for which partitions of the target.
    fn pieces(&mut self, way: Path, batch: &SourceBatch) -> Result<Vec<(Arc<str>, i32, Piece)>, ConnectError> {
        let whole = |piece| vec![(Arc::clone(&batch.topic), batch.partition, piece)];
        let pieces = match (way, &batch.payload) {
            (Path::Pass, Payload::Batch(wire)) => whole(Piece::passed(wire.clone())),
            (Path::Rewrite(Reason::Transforms | Reason::Converters), _) => {
                records::transform(batch, |record| self.record_path.apply(record))?
            }
            (_, payload) => rewrite(payload, batch.first_wanted)?.map(whole).unwrap_or_default(),
        };
        self.fit(pieces)
    }

    /// Lines up the pieces of a unit; without any it is done.
    fn open_unit(
        &mut self,
        unit: UnitId,
        open: OpenUnit,
        pieces: Vec<(Arc<str>, i32, Piece)>,
        mut permit: Option<BudgetPermit>,
    ) {
        let lane = open.lane;
        self.units.insert(unit, open);
        if pieces.is_empty() {
            return self.close_unit(unit);
        }
        for (topic, partition, piece) in pieces {
            let sent = Sent { unit, topic, partition, piece };
            self.outgoing.push_back(Outgoing { lane, sent, permit: permit.take() });
        }
    }

    /// Pieces in parts, where the topic is known to take none of their size.
    fn fit(&self, pieces: Vec<(Arc<str>, i32, Piece)>) -> Result<Vec<(Arc<str>, i32, Piece)>, ConnectError> {
        if self.limits.is_empty() {
            return Ok(pieces);
        }
        let mut fitting = Vec::with_capacity(pieces.len());
        for (topic, partition, piece) in pieces {
            let limit = self.limits.get(&topic).copied().unwrap_or(usize::MAX);
            for part in smaller(piece, limit)? {
                if part.batch.len() >= limit {
                    return Err(too_large(&topic, partition, &part));
                }
                fitting.push((Arc::clone(&topic), partition, part));
            }
        }
        Ok(fitting)
    }

    fn take_records(&mut self, records: Vec<SourceRecord>) -> Result<(), ConnectError> {
        self.note_poll(records.len() as u64);
        let metadata = self.cluster.metadata();
        let partitions = |topic: &str| metadata.topics.get(topic).map_or(1, |info| info.partitions.len().max(1)) as i32;
        let now_ms = now_ms();
        for group in records::group(records, |record| self.record_path.apply(record), partitions)? {
            let piece = group.encode(self.producer.options().codec)?;
            let records = piece.as_ref().map_or(0, |piece| piece.record_count().unsigned_abs());
            let target = (Arc::clone(&group.topic), group.partition);
            let pieces = self.fit(piece.map(|piece| (target.0, target.1, piece)).into_iter().collect())?;
            let lane = self.record_lane(&group.source_partition);
            let unit = self.submitted.submit(lane, &group.source_partition, group.source_offset);
            self.stats.taken(records, now_ms);
            let (topic, single) = (group.topic, Some(group.source_partition));
            let open = OpenUnit { lane, topic, pieces: pieces.len(), records, runs: Vec::new(), single, _hold: None };
            self.open_unit(unit, open, pieces, None);
        }
        Ok(())
    }

    fn record_lane(&mut self, partition: &SourcePartition) -> usize {
        let next = RECORD_LANES + self.record_lanes.len();
        *self.record_lanes.entry(partition.to_json()).or_insert(next)
    }

    /// The first outgoing piece is with the producer, or could not be given to it.
    pub(super) fn on_sent(&mut self, sent: Result<Delivery, ProduceError>) -> Result<(), ConnectError> {
        let Some(outgoing) = self.outgoing.pop_front() else { return Ok(()) };
        let lane = self.lanes.entry(outgoing.lane).or_default();
        if lane.is_dead() {
            return Ok(());
        }
        if lane.is_blocked() {
            // The producer will skip it; it is sent again behind what has failed.
            lane.park(outgoing.sent);
            return Ok(());
        }
        let delivery = sent.map_err(|error| ConnectError::fatal(error.to_string()))?;
        self.stats.bytes_sent.fetch_add(outgoing.sent.piece.batch.len() as u64, Relaxed);
        let (tag, number) = (outgoing.lane, lane.sent(outgoing.sent));
        self.answers.push(Box::pin(async move { (tag, number, delivery.await.map(|ack| ack.base_offset)) }));
        Ok(())
    }

    pub(super) fn on_answer(
        &mut self,
        (tag, number, result): (usize, u64, Result<Option<i64>, ProduceError>),
    ) -> Result<(), ConnectError> {
        if let Err(error) = &result
            && self.exactly_once.is_some()
        {
            return self.transaction_failed(tag, number, error);
        }
        let settled = match result {
            Ok(base_offset) => Settled::Acked(base_offset),
            Err(ProduceError::Skipped { .. }) => Settled::Skipped,
            Err(error) if is_too_large(&error) => Settled::TooLarge,
            Err(ProduceError::Closed) => return Err(ConnectError::fatal("the data producer has ended")),
            Err(error) => Settled::Refused(fatal(error)),
        };
        let Some(lane) = self.lanes.get_mut(&tag) else { return Ok(()) };
        if let Some((sent, base_offset)) = lane.settle(number, settled) {
            self.on_acked(&sent, base_offset);
        }
        self.go_on(tag)
    }

    fn go_on(&mut self, tag: usize) -> Result<(), ConnectError> {
        let Some(lane) = self.lanes.get_mut(&tag) else { return Ok(()) };
        match lane.next_step() {
            Next::GoOn => Ok(()),
            Next::Fail(error) => self.stand_still(tag, error),
            Next::Orphaned => {
                let reason =
                    "another source partition that transforms send to the same target partition was refused there";
                self.stand_still(tag, ConnectError::fatal(reason))
            }
            Next::Split { first, rest } => match halves(&first.piece)? {
                None => self.stand_still(tag, too_large(&first.topic, first.partition, &first.piece)),
                Some(parts) => {
                    self.stats.count(Path::Rewrite(Reason::TooLarge));
                    self.producer.reset_partition(&first.topic, first.partition).map_err(fatal)?;
                    if let Some(unit) = self.units.get_mut(&first.unit) {
                        unit.pieces += 1;
                    }
                    let parts = parts.into_iter().map(|piece| Sent { piece, ..first.clone() });
                    // In front of everything that waits: the order of the partition is the order of this queue.
                    let again: Vec<_> = parts.chain(rest).collect();
                    for sent in again.into_iter().rev() {
                        self.outgoing.push_front(Outgoing { lane: tag, sent, permit: None });
                    }
                    Ok(())
                }
            },
        }
    }

    fn on_acked(&mut self, sent: &Sent, base_offset: Option<i64>) {
        self.stats.written.add(sent.piece.record_count().unsigned_abs(), now_ms());
        if self.topics_used.insert(Arc::clone(&sent.topic)) {
            let _ = self.spec.events.send(TaskEvent::TopicUsed(sent.topic.to_string()));
        }
        let Some(unit) = self.units.get_mut(&sent.unit) else { return };
        // Offsets of another topic than the task's own would be taken for those of its own.
        let base_offset = base_offset.filter(|_| unit.topic == sent.topic);
        // A broker that has forgotten where a resent batch lies says so by giving no offset.
        let somewhere =
            |run: AckedRun| AckedRun { target_offset: base_offset.map_or(-1, |_| run.target_offset), ..run };
        unit.runs.extend(sent.piece.acked_at(base_offset.unwrap_or(0)).into_iter().map(somewhere));
        unit.pieces -= 1;
        if unit.pieces == 0 {
            self.close_unit(sent.unit);
        }
    }

    fn close_unit(&mut self, id: UnitId) {
        let Some(unit) = self.units.remove(&id) else { return };
        self.stats.settled(unit.records);
        let acks: Vec<Ack> = self.submitted.ack(unit.lane, id, unit.runs);
        if unit.lane < RECORD_LANES && !acks.is_empty() {
            match &mut self.exactly_once {
                // Nothing counts before the commit.
                Some(exactly_once) => exactly_once.acks.extend(acks),
                None => self.task.acked(&acks),
            }
        }
        if let Some(partition) = &unit.single {
            (0..unit.records).for_each(|_| self.task.record_acked(partition));
        }
    }

    /// A partition can't go on. The task decides whether it can without it.
    fn stand_still(&mut self, tag: usize, error: ConnectError) -> Result<(), ConnectError> {
        self.stats.errors.failed(now_ms());
        if tag >= RECORD_LANES {
            return Err(error);
        }
        self.lanes.entry(tag).or_default().die();
        self.submitted.abandon(tag);
        self.stats.settled(self.units.values().filter(|unit| unit.lane == tag).map(|unit| unit.records).sum());
        self.units.retain(|_, unit| unit.lane != tag);
        self.outgoing.retain(|outgoing| outgoing.lane != tag);
        self.task.failed(tag, error)
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

/// Hands the first outgoing piece to the producer. Cancel-safe: it is either lined up when this returns, or not at all.
pub(super) async fn send(producer: &Producer, outgoing: Option<&mut Outgoing>) -> Result<Delivery, ProduceError> {
    let Some(outgoing) = outgoing else { return std::future::pending().await };
    let Sent { topic, partition, piece, .. } = &outgoing.sent;
    match outgoing.permit.take() {
        Some(permit) => producer.send_held(topic, *partition, piece.batch.clone(), permit),
        None => producer.send_batch(topic, *partition, piece.batch.clone()).await,
    }
}

/// The flush under way, once; never if there is none.
async fn flushed(flush: &mut Option<Flush>) -> (Vec<Progress>, Result<(), ConnectError>) {
    let Some(under_way) = flush else { return std::future::pending().await };
    let outcome = under_way.await;
    *flush = None;
    outcome
}

fn payload_records(payload: &Payload) -> u64 {
    match payload {
        Payload::Batch(batch) => u64::try_from(batch.record_count()).unwrap_or(0),
        Payload::Records(records) => records.len() as u64,
    }
}

fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

pub(super) fn is_too_large(error: &ProduceError) -> bool {
    matches!(error, ProduceError::Rejected { code, .. } if *code == ErrorCode::MESSAGE_TOO_LARGE || *code == ErrorCode::RECORD_LIST_TOO_LARGE)
}

/// Progress as the offsets topic takes it.
pub(super) fn to_offsets(progress: &[Progress]) -> Vec<(SourcePartition, Option<SourceOffset>)> {
    progress.iter().map(|entry| (entry.partition.clone(), Some(entry.offset.clone()))).collect()
}

/// For a batch of one record, which can't be split.
fn too_large(topic: &str, partition: i32, piece: &Piece) -> ConnectError {
    let record = piece.sources.first().map(|run| format!(" with source offset {}", run.first)).unwrap_or_default();
    let bytes = piece.batch.len();
    ConnectError::fatal(format!(
        "{topic}-{partition} takes no batch of {bytes} bytes, and the record{record} makes one: raise max.message.bytes of \
         topic {topic} on the target, then restart the task"
    ))
}

fn fatal(error: ProduceError) -> ConnectError {
    ConnectError::fatal(error.to_string())
}
