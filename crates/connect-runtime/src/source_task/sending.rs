//! From the line of outgoing pieces to the producer, and from its answers to acknowledged units.
//!
//! The line is short: pieces leave it for the producer, or, when they are small and their lane is busy, for the lane's own
//! queue ([`super::waiting`]), from where they come back, merged, as acknowledgements make room.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use connect_api::ConnectError;
use connect_api::record::{Ack, AckedRun};
use kafka_client::codes::ErrorCode;
use kafka_client::producer::{Delivery, ProduceError, Producer};

use super::TaskEvent;
use super::lane::{Next, Sent, Settled};
use super::path::{Path, Reason};
use super::rewrite::{Piece, halves};
use super::run_loop::{RECORD_LANES, RunLoop, now_ms};
use super::submitted::UnitId;
use super::waiting::Outgoing;

impl RunLoop {
    /// Moves what would only wait in the producer from the line to where it may be merged.
    pub(super) fn hold_back(&mut self) {
        while let Some(front) = self.outgoing.front() {
            let lane = self.lanes.entry(front.lane).or_default();
            if !lane.holds(front) {
                return;
            }
            if let Some(outgoing) = self.outgoing.pop_front() {
                lane.hold(outgoing);
            }
        }
    }

    /// Lines up what waits in a lane, if there is room for it.
    fn release(&mut self, tag: usize) {
        let Some(lane) = self.lanes.get_mut(&tag) else { return };
        let limit = self.limits.values().min().copied().unwrap_or(usize::MAX);
        if let Some((outgoing, merged)) = lane.release(limit) {
            lane.lined_up();
            self.stats.count_many(Path::Rewrite(Reason::Merged), merged);
            self.outgoing.push_front(outgoing);
        }
    }

    /// The first outgoing piece is with the producer, or could not be given to it.
    pub(super) fn on_sent(&mut self, sent: Result<Delivery, ProduceError>) -> Result<(), ConnectError> {
        let Some(outgoing) = self.outgoing.pop_front() else { return Ok(()) };
        let lane = self.lanes.entry(outgoing.lane).or_default();
        lane.left(&outgoing);
        if lane.is_dead() {
            return Ok(());
        }
        if outgoing.passes {
            self.stats.count(Path::Pass);
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
        self.release(tag);
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
            Err(error) if is_too_large(&error) || self.may_be_a_neighbour_s(tag, number, &error) => Settled::TooLarge,
            Err(ProduceError::Closed) => return Err(ConnectError::fatal("the data producer has ended")),
            Err(error) => Settled::Refused(fatal(error)),
        };
        let Some(lane) = self.lanes.get_mut(&tag) else { return Ok(()) };
        if let Some((sent, base_offset)) = lane.settle(number, settled) {
            self.on_acked(tag, &sent, base_offset);
        }
        self.go_on(tag)
    }

    /// Whether a piece was refused for one of its records, and has those of several batches: in parts, all before that one pass.
    fn may_be_a_neighbour_s(&self, tag: usize, number: u64, error: &ProduceError) -> bool {
        let merged =
            self.lanes.get(&tag).and_then(|lane| lane.under_way(number)).is_some_and(|sent| sent.units.len() > 1);
        let of_records = [ErrorCode::INVALID_RECORD, ErrorCode::INVALID_TIMESTAMP];
        merged && matches!(error, ProduceError::Rejected { code, .. } if of_records.contains(code))
    }

    fn go_on(&mut self, tag: usize) -> Result<(), ConnectError> {
        let Some(lane) = self.lanes.get_mut(&tag) else { return Ok(()) };
        match lane.next_step() {
            Next::GoOn => {
                self.release(tag);
                Ok(())
            }
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
                    lane.refused(first.piece.batch.len());
                    let (parts, cut) = first.cut(parts);
                    if let Some(unit) = cut.and_then(|unit| self.units.get_mut(&unit)) {
                        unit.pieces += 1;
                    }
                    // In front of everything that waits: the order of the partition is the order of this queue.
                    let again: Vec<_> = parts.into_iter().chain(rest).collect();
                    for sent in again.into_iter().rev() {
                        lane.lined_up();
                        self.outgoing.push_front(Outgoing::due(tag, sent));
                    }
                    Ok(())
                }
            },
        }
    }

    /// The target has a piece. The task is told of all units that have ended by it at once.
    fn on_acked(&mut self, tag: usize, sent: &Sent, base_offset: Option<i64>) {
        self.stats.written.add(sent.piece.record_count().unsigned_abs(), now_ms());
        if self.topics_used.insert(Arc::clone(&sent.topic)) {
            let _ = self.spec.events.send(TaskEvent::TopicUsed(sent.topic.to_string()));
        }
        let mut acks = Vec::new();
        for (id, runs) in sent.acked_at(base_offset.unwrap_or(0)) {
            let Some(unit) = self.units.get_mut(&id) else { continue };
            // Offsets of another topic than the task's own would be taken for those of its own, and a broker that has
            // forgotten where a resent batch lies says so by giving no offset.
            let known = base_offset.is_some() && unit.topic == sent.topic;
            let somewhere =
                |run: AckedRun| AckedRun { target_offset: if known { run.target_offset } else { -1 }, ..run };
            unit.runs.extend(runs.into_iter().map(somewhere));
            unit.pieces -= 1;
            if unit.pieces == 0 {
                acks.extend(self.close_unit(id));
            }
        }
        self.acked(tag, acks);
    }

    /// A unit is on the target. Answers with what counts by it.
    pub(super) fn close_unit(&mut self, id: UnitId) -> Vec<Ack> {
        let Some(unit) = self.units.remove(&id) else { return Vec::new() };
        self.stats.settled(unit.records);
        if let Some(partition) = &unit.single {
            (0..unit.records).for_each(|_| self.task.record_acked(partition));
        }
        self.submitted.ack(unit.lane, id, unit.runs)
    }

    /// Tells the task, if it is one that mirrors batches.
    pub(super) fn acked(&mut self, tag: usize, acks: Vec<Ack>) {
        if tag < RECORD_LANES && !acks.is_empty() {
            match &mut self.exactly_once {
                // Nothing counts before the commit.
                Some(exactly_once) => exactly_once.acks.extend(acks),
                None => self.task.acked(&acks),
            }
        }
    }

    /// A partition can't go on. The task decides whether it can without it.
    pub(super) fn stand_still(&mut self, tag: usize, error: ConnectError) -> Result<(), ConnectError> {
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

pub(super) fn is_too_large(error: &ProduceError) -> bool {
    matches!(error, ProduceError::Rejected { code, .. } if *code == ErrorCode::MESSAGE_TOO_LARGE || *code == ErrorCode::RECORD_LIST_TOO_LARGE)
}

/// For a batch of one record, which can't be split.
pub(super) fn too_large(topic: &str, partition: i32, piece: &Piece) -> ConnectError {
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
