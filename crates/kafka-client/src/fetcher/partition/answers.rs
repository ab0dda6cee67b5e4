//! What answers mean for a partition: those to fetches, and those to questions.

use kafka_wire::batch::FetchedEntry;
use tokio::time::Instant;

use super::super::event::PartitionEvent;
use super::super::filter::{self, Filtered};
use super::super::options::{Isolation, OffsetReset};
use super::{
    Answer, HOPELESS_PAUSE, MAX_DAMAGED, Partition, Phase, Progress, Question, REPLICA_FOR, Reply, Step, Target,
};
use crate::codes::{Class, ErrorCode};
use crate::error::ClientError;

/// Room for a batch of about this size: the next one may be a few bytes larger, and would be cut.
fn room_for(bytes: usize) -> u32 {
    let step = (bytes.next_power_of_two() / 64).max(1);
    u32::try_from((bytes + step / 2).next_multiple_of(step)).unwrap_or(u32::MAX)
}

impl Partition {
    /// Takes in the answer to a fetch from `position` on.
    pub(in crate::fetcher) fn fetched(&mut self, answer: Answer, now: Instant) -> Step {
        let mut step = Step::default();
        let Target::At { offset, leader_epoch } = self.target else { return step };
        if self.phase != Phase::Fetching {
            return step;
        }
        if !answer.code.is_ok() {
            self.failed(answer.code, now, &mut step);
            return step;
        }
        if let Some((epoch, end_offset)) = answer.diverging {
            self.diverged(offset, leader_epoch, Some((epoch, end_offset)), &mut step);
            return step;
        }
        if let Some(replica) = answer.preferred_replica {
            // The answer has no records then.
            self.replica = Some((replica, now + REPLICA_FOR));
        }
        if let Some(bytes) = answer.entries.iter().map(FetchedEntry::byte_len).max() {
            // Small batches between large ones: an eighth less each time, until large ones come again.
            self.batch_bytes = room_for(bytes).max(self.batch_bytes - self.batch_bytes / 8);
        }
        let aborted = (self.rules.isolation == Isolation::ReadCommitted).then_some(&*answer.aborted);
        let (filtered, damage) = match filter::filter(answer.entries, offset, aborted) {
            Ok(filtered) => (filtered, answer.damage),
            Err((_, error)) => (Filtered { next_position: offset, ..Filtered::default() }, Some(error.to_string())),
        };
        let next_position = filtered.next_position;
        let moved = next_position > offset;
        if moved {
            self.target = Target::At { offset: next_position, leader_epoch: filtered.leader_epoch };
            self.damaged = 0;
        }
        let watermarks = (answer.high_watermark, answer.last_stable_offset, answer.log_start_offset);
        if moved || self.watermarks != watermarks {
            self.watermarks = watermarks;
            step.progress = Some(Progress {
                position_before: offset,
                filtered,
                high_watermark: answer.high_watermark,
                last_stable_offset: answer.last_stable_offset,
                log_start_offset: answer.log_start_offset,
            });
        }
        match damage {
            None => self.recovered(&mut step),
            Some(reason) => self.damage(next_position, reason, now, &mut step),
        }
        step
    }

    fn damage(&mut self, offset: i64, reason: String, now: Instant, step: &mut Step) {
        self.damaged += 1;
        if self.damaged > MAX_DAMAGED {
            return self.stop(PartitionEvent::Corrupt { offset, reason }, step);
        }
        step.reconnect = true;
        self.pause(now);
    }

    pub(super) fn failed(&mut self, code: ErrorCode, now: Instant, step: &mut Step) {
        match code {
            ErrorCode::OFFSET_OUT_OF_RANGE if self.replica.take().is_some() => self.pause(now),
            ErrorCode::OFFSET_OUT_OF_RANGE => self.phase = Phase::Ask(Question::Range),
            ErrorCode::CORRUPT_MESSAGE => {
                if let Target::At { offset, .. } = self.target {
                    self.damage(offset, "the broker finds it damaged on its disk".to_owned(), now, step);
                }
            }
            _ if code.is_retriable() => {
                step.refresh |= code.class() == Class::RefreshMetadata;
                self.replica = None;
                self.pause(now);
                self.trouble(ClientError::broker("Fetch", code, None), now, step);
            }
            ErrorCode::TOPIC_AUTHORIZATION_FAILED => {
                self.retry_at = Some(now + HOPELESS_PAUSE);
                self.report(PartitionEvent::AuthorizationFailed, step);
            }
            _ => {
                self.retry_at = Some(now + HOPELESS_PAUSE);
                self.report(PartitionEvent::Failed { code }, step);
            }
        }
    }

    /// Takes in the answer to a question.
    pub(in crate::fetcher) fn replied(&mut self, reply: Result<Reply, ErrorCode>, now: Instant) -> Step {
        let mut step = Step::default();
        let Phase::Asked(question) = self.phase else { return step };
        let reply = match reply {
            Ok(reply) => reply,
            Err(code) => {
                self.phase = Phase::Ask(question);
                self.failed(code, now, &mut step);
                return step;
            }
        };
        let here = match self.target {
            Target::At { offset, leader_epoch } => Some((offset, leader_epoch)),
            Target::End(_) => None,
        };
        match (reply, here) {
            (Reply::Where { offset, leader_epoch }, _) => {
                self.target = Target::At { offset, leader_epoch };
                self.phase = Phase::Fetching;
                step.events.push(PartitionEvent::Positioned { offset, leader_epoch });
                self.recovered(&mut step);
            }
            (Reply::Range { log_start, log_end }, Some((offset, epoch))) => match epoch {
                // Below the start is retention; above the end, or an epoch the leader has not heard of, is another history.
                _ if offset < log_start => self.out_of_range(offset, log_start, log_end, &mut step),
                Some(epoch) => self.phase = Phase::Ask(Question::EpochEnd(epoch)),
                None if offset > log_end => self.out_of_range(offset, log_start, log_end, &mut step),
                None => {
                    // In range by now: the leader had not caught up with its own high watermark.
                    self.phase = Phase::Fetching;
                    self.pause(now);
                }
            },
            (Reply::EpochEnd(end), Some((offset, epoch))) => match end {
                Some((end_epoch, end_offset)) if Some(end_epoch) == epoch && end_offset >= offset => {
                    self.validated = self.leader.map(|(_, epoch)| epoch);
                    self.phase = Phase::Fetching;
                    self.pause(now);
                }
                end => self.diverged(offset, epoch, end, &mut step),
            },
            (Reply::Range { .. } | Reply::EpochEnd(_), None) => {}
        }
        step
    }

    fn out_of_range(&mut self, position: i64, log_start: i64, log_end: i64, step: &mut Step) {
        let resumed_at = match self.rules.offset_reset {
            OffsetReset::None => None,
            OffsetReset::Earliest => Some(log_start),
            OffsetReset::Latest => Some(log_end),
        };
        self.stop(PartitionEvent::OutOfRange { position, log_start, log_end, resumed_at }, step);
        self.resume(resumed_at);
    }

    fn diverged(&mut self, position: i64, leader_epoch: Option<i32>, end: Option<(i32, i64)>, step: &mut Step) {
        let end = end.filter(|(_, end_offset)| *end_offset >= 0);
        // Any reset goes on where the histories part, as Java does: everything from there on is new.
        let resumed_at = end.map(|(_, end_offset)| end_offset.min(position));
        let resumed_at = resumed_at.filter(|_| self.rules.offset_reset != OffsetReset::None);
        let event = PartitionEvent::Diverged {
            position,
            leader_epoch,
            common_epoch: end.map(|(epoch, _)| epoch),
            common_end: end.map(|(_, end_offset)| end_offset),
            resumed_at,
        };
        self.stop(event, step);
        self.resume(resumed_at);
    }
}
