//! The line of batches of one partition: what may be sent next, and what an answer means for the rest of the line.
//!
//! A value without clock and I/O. The shell takes a batch ([`Line::take`]), sends it, and brings the answer
//! ([`Line::answer`]); times are milliseconds of any monotonic clock, handed in.
//!
//! ```text
//!            in flight (≤ 5)          waiting
//!        ┌────┬────┬────┐      ┌────┬────┬────┐
//!  acked │ 40 │ 41 │ 42 │      │ 43 │  … │    │ ◄── push          numbers: base sequence, fixed at the first sending
//!        └────┴────┴────┘      └────┴────┴────┘
//! ```
//!
//! What it promises, whatever fails and however often:
//!
//! * **Order.** A batch is never in the log before one that was pushed earlier, unless that one is reported as failed.
//! * **Once.** A batch keeps its sequence number over all tries, so that the broker recognises it. It gets another only under
//!   a new epoch, and that only when the broker has said that it is not in the log. An acknowledged batch is never sent again.
//! * **No writing ahead.** When a batch fails for good, everything pushed after it fails too ([`Outcome::Skipped`]), until
//!   the caller has seen it and calls [`Line::reset`].
//!
//! One thing of the broker's shapes it: **without producer state in the partition, a broker accepts any sequence number**
//! (`ProducerAppendInfo.checkSequence`; the first batch of a producer, a topic re-created, state expired). Two batches in
//! flight would then be written in the wrong order if only the first fails. So a batch goes *alone* until an acknowledgement
//! has proven that the broker knows us, and again after every failure.

mod values;

use std::collections::VecDeque;

use kafka_wire::batch::Stamp;

use super::verdict::{Verdict, verdict};
use crate::codes::ErrorCode;

pub use values::Ack;
pub(super) use values::{Answer, Identity, Outcome, Rules, Settled, Ticket};

/// Batches of one partition that may be under way: as many as a broker remembers of a producer
/// (`ProducerStateEntry.NUM_BATCHES_TO_RETAIN`).
pub(super) const MAX_IN_FLIGHT: u64 = 5;

/// Tries of a batch that arrives damaged.
const MAX_DAMAGED: u32 = 3;

/// An acknowledgement older than this proves nothing: brokers forget producers (`producer.id.expiration.ms`, 1 day; tests
/// and some operators set less).
const PROOF_MS: u64 = 600_000;

/// See the module.
#[derive(Debug)]
pub(super) struct Line<B> {
    rules: Rules,
    identity: Identity,
    next_sequence: i32,
    entries: VecDeque<Entry<B>>,
    in_flight: usize,
    /// The broker that the batches in flight went to.
    broker: i32,
    /// When the broker last showed that it has our state; `None`: one batch at a time.
    proven_at_ms: Option<u64>,
    retry_at_ms: u64,
    /// A batch failed for good: nothing is accepted until `reset`.
    halted: bool,
    /// The first batch pushed after a reset starts under a new identity.
    renew_at_push: bool,
    /// The identity cannot be renewed by counting up.
    spent: bool,
    next_ticket: u64,
}

#[derive(Debug)]
struct Entry<B> {
    batch: B,
    records: i32,
    ticket: Ticket,
    deadline_ms: u64,
    phase: Phase,
    /// Fixed by the first sending under the present identity.
    sequence: Option<i32>,
    attempts: u32,
    damaged: u32,
    last_code: Option<ErrorCode>,
    maybe_written: bool,
    /// To be sent only first in line and under a new identity.
    renew: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Waiting,
    InFlight,
    /// In flight, and a batch before it has failed: whatever comes back, it is not sent again.
    Doomed,
}

impl<B> Line<B> {
    pub(super) fn new(rules: Rules, identity: Identity) -> Self {
        Self {
            rules,
            identity,
            next_sequence: 0,
            entries: VecDeque::new(),
            in_flight: 0,
            broker: -1,
            proven_at_ms: None,
            retry_at_ms: 0,
            halted: false,
            renew_at_push: false,
            spent: false,
            next_ticket: 0,
        }
    }

    /// Batches pushed and not settled.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The batch that everything waits for, if it has failed before: how often, and the last code.
    pub(super) fn stuck(&self) -> Option<(u32, Option<ErrorCode>)> {
        self.entries.front().filter(|front| front.attempts > 0).map(|front| (front.attempts, front.last_code))
    }

    /// The earliest deadline of a batch that is not in flight. (One in flight expires with its answer.)
    pub(super) fn next_deadline_ms(&self) -> Option<u64> {
        self.entries.iter().find(|entry| entry.phase == Phase::Waiting).map(|entry| entry.deadline_ms)
    }

    /// Lines up a batch of `records` records (at least one). Gives it back if the line is halted.
    pub(super) fn push(&mut self, batch: B, records: i32, deadline_ms: u64) -> Result<(), B> {
        if self.halted {
            return Err(batch);
        }
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.entries.push_back(Entry {
            batch,
            records,
            ticket,
            deadline_ms,
            phase: Phase::Waiting,
            sequence: None,
            attempts: 0,
            damaged: 0,
            last_code: None,
            maybe_written: false,
            renew: std::mem::take(&mut self.renew_at_push),
        });
        Ok(())
    }

    /// Accepts batches again after one has failed for good. They follow under a new epoch, once everything that is in flight
    /// has been answered. Without effect on a line that is not halted.
    pub(super) fn reset(&mut self) {
        if std::mem::take(&mut self.halted) {
            self.renew_at_push = self.identity != Identity::NONE && !self.rules.transactional;
        }
    }

    /// Waits for a new producer id ([`renewed`](Self::renewed)) before it can go on.
    pub(super) fn wants_identity(&self) -> bool {
        self.in_flight == 0 && self.entries.front().is_some_and(|front| front.renew) && self.renewal().is_none()
    }

    /// Goes on under a new producer id. Only while nothing is in flight.
    pub(super) fn renewed(&mut self, identity: Identity) {
        debug_assert_eq!(self.in_flight, 0, "a new identity while batches are in flight");
        self.identity = identity;
        self.next_sequence = 0;
        self.proven_at_ms = None;
        self.spent = false;
        for entry in &mut self.entries {
            entry.sequence = None;
        }
        if let Some(front) = self.entries.front_mut() {
            front.renew = false;
        }
    }

    fn renewal(&self) -> Option<Identity> {
        if self.spent { None } else { self.identity.bumped() }
    }

    /// The batch that [`take`](Self::take) would give.
    pub(super) fn first_to_send(&self) -> Option<&B> {
        self.entries.get(self.first_waiting()?).map(|entry| &entry.batch)
    }

    /// When the next batch may go to `broker`, the leader at present: now or earlier (then [`take`](Self::take) it), later,
    /// or only after an answer, a push or a new identity (`None`).
    pub(super) fn sendable_at(&self, broker: i32, now_ms: u64) -> Option<u64> {
        let entry = self.entries.get(self.first_waiting()?)?;
        if self.in_flight == 0 {
            // First in line. The identity is renewed on the way out, if that takes no broker.
            return (!entry.renew || self.renewal().is_some()).then_some(self.retry_at_ms);
        }
        let proven = self.proven_at_ms.is_some_and(|at| now_ms.saturating_sub(at) < PROOF_MS);
        // Counted from the first batch without an acknowledgement, not by what is in flight: a batch that was appended with
        // an error is known to the broker as a duplicate only until five others follow it.
        let span = entry.ticket.0 - self.entries.front().map_or(0, |front| front.ticket.0);
        let pipelined = proven && self.identity != Identity::NONE && !entry.renew && span < MAX_IN_FLIGHT;
        (pipelined && self.broker == broker).then_some(self.retry_at_ms)
    }

    fn first_waiting(&self) -> Option<usize> {
        self.entries.iter().position(|entry| entry.phase == Phase::Waiting)
    }

    /// The next batch and what to put on it, if there is one to be sent to `broker` now.
    pub(super) fn take(&mut self, broker: i32, now_ms: u64) -> Option<(Ticket, Stamp, &B)> {
        self.sendable_at(broker, now_ms).filter(|&at| at <= now_ms)?;
        let index = self.first_waiting()?;
        if self.entries[index].renew {
            let identity = self.renewal()?;
            self.renewed(identity);
        }
        self.broker = broker;
        self.in_flight += 1;
        let idempotent = self.identity != Identity::NONE;
        let next_sequence = &mut self.next_sequence;
        let entry = &mut self.entries[index];
        entry.phase = Phase::InFlight;
        let base_sequence = match entry.sequence {
            _ if !idempotent => -1,
            Some(sequence) => sequence,
            None => {
                let sequence = *next_sequence;
                *next_sequence = following(sequence, entry.records);
                entry.sequence = Some(sequence);
                sequence
            }
        };
        let stamp = Stamp {
            producer_id: self.identity.producer_id,
            producer_epoch: self.identity.epoch,
            base_sequence,
            transactional: self.rules.transactional,
        };
        Some((entry.ticket, stamp, &entry.batch))
    }

    /// Takes in what came back for a batch in flight. Whatever ends by it goes to `settled`, in the order of the line.
    /// Answers whether the metadata look old. An answer that nobody waits for is ignored.
    pub(super) fn answer(
        &mut self,
        ticket: Ticket,
        answer: Answer,
        now_ms: u64,
        settled: &mut Vec<Settled<B>>,
    ) -> bool {
        let Some(index) = self.entries.iter().position(|e| e.ticket == ticket && e.phase != Phase::Waiting) else {
            return false;
        };
        self.in_flight -= 1;
        let (said, code, message) = match answer {
            Answer::Acked(ack) => {
                self.acked(index, ack, now_ms, settled);
                return false;
            }
            Answer::Failed { code, message } => (verdict(code), Some(code), message),
            Answer::Lost => (Verdict::Retry { stale_metadata: true, maybe_written: true }, None, None),
            Answer::NotSent => (Verdict::Retry { stale_metadata: true, maybe_written: false }, None, None),
        };
        let first = index == 0;
        let entry = &mut self.entries[index];
        entry.attempts += 1;
        entry.last_code = code;
        entry.maybe_written |=
            matches!(said, Verdict::Retry { maybe_written: true, .. } | Verdict::Rejected { maybe_written: true });
        entry.damaged += u32::from(said == Verdict::Damaged);
        let doomed = entry.phase == Phase::Doomed;
        let code = code.unwrap_or(ErrorCode::NETWORK_EXCEPTION);
        let stale_metadata = matches!(said, Verdict::Retry { stale_metadata: true, .. });

        match said {
            // DUPLICATE_SEQUENCE_NUMBER as an error: in the log for so long that its place is forgotten.
            Verdict::Written => {
                self.acked(index, Ack { base_offset: None, log_append_time_ms: None }, now_ms, settled);
            }
            _ if doomed => {
                if let Some(entry) = self.entries.remove(index) {
                    settled.push((entry.batch, Outcome::Skipped { maybe_written: entry.maybe_written }));
                }
            }
            Verdict::Retry { .. } => self.retry(index, now_ms, settled),
            Verdict::Damaged if entry.damaged < MAX_DAMAGED => self.retry(index, now_ms, settled),
            // What is missing is a batch before this one, and that is still in line.
            Verdict::Gap if !first => self.retry(index, now_ms, settled),
            Verdict::Gap | Verdict::Fenced if !self.rules.transactional => {
                self.spent |= said == Verdict::Fenced;
                self.entries[0].renew = true;
                // A fence can meet a batch in the middle; then the first one renews the identity for it.
                self.retry(index, now_ms, settled);
            }
            Verdict::Damaged | Verdict::Gap | Verdict::Fenced | Verdict::Rejected { .. } => {
                self.fail(index, |maybe_written| Outcome::Rejected { code, message, maybe_written }, settled);
            }
        }
        stale_metadata
    }

    fn acked(&mut self, index: usize, ack: Ack, now_ms: u64, settled: &mut Vec<Settled<B>>) {
        if let Some(entry) = self.entries.remove(index) {
            self.proven_at_ms = Some(now_ms);
            settled.push((entry.batch, Outcome::Acked(ack)));
        }
    }

    /// Puts a batch back to where it was in the line, to go alone after a pause.
    fn retry(&mut self, index: usize, now_ms: u64, settled: &mut Vec<Settled<B>>) {
        let entry = &mut self.entries[index];
        if entry.deadline_ms <= now_ms {
            let last_code = entry.last_code;
            return self.fail(index, |maybe_written| Outcome::Expired { last_code, maybe_written }, settled);
        }
        entry.phase = Phase::Waiting;
        self.proven_at_ms = None;
        let attempts = self.entries.front().map_or(1, |front| front.attempts);
        self.retry_at_ms = now_ms + self.rules.backoff_ms(attempts);
    }

    /// Fails the batch at `index` for good, and everything behind it. What is before it still goes out.
    fn fail(&mut self, index: usize, outcome: impl FnOnce(bool) -> Outcome, settled: &mut Vec<Settled<B>>) {
        self.halted = true;
        self.renew_at_push = false;
        let behind = self.entries.split_off(index + 1);
        if let Some(failed) = self.entries.pop_back() {
            settled.push((failed.batch, outcome(failed.maybe_written)));
        }
        self.doom(behind, settled);
    }

    fn doom(&mut self, entries: VecDeque<Entry<B>>, settled: &mut Vec<Settled<B>>) {
        for mut entry in entries {
            if entry.phase == Phase::Waiting {
                settled.push((entry.batch, Outcome::Skipped { maybe_written: entry.maybe_written }));
            } else {
                entry.phase = Phase::Doomed;
                self.entries.push_back(entry);
            }
        }
    }

    /// The cluster will not take what waits: fails the first of it with `code`, and what is behind it.
    pub(super) fn refuse(&mut self, code: ErrorCode, settled: &mut Vec<Settled<B>>) {
        if let Some(index) = self.first_waiting() {
            self.fail(index, |maybe_written| Outcome::Rejected { code, message: None, maybe_written }, settled);
        }
    }

    /// Ends what has waited longer than its deadline, and what is behind it.
    pub(super) fn expire(&mut self, now_ms: u64, settled: &mut Vec<Settled<B>>) {
        let Some(index) = self.first_waiting() else { return };
        let entry = &self.entries[index];
        if entry.deadline_ms <= now_ms {
            let last_code = entry.last_code;
            self.fail(index, |maybe_written| Outcome::Expired { last_code, maybe_written }, settled);
        }
    }

    /// Gives up everything that waits; what is in flight is settled by its answer. The line stays halted.
    pub(super) fn abandon(&mut self, settled: &mut Vec<Settled<B>>) {
        self.halted = true;
        self.renew_at_push = false;
        let entries = std::mem::take(&mut self.entries);
        self.doom(entries, settled);
    }

    /// Begins anew under `identity`, after an aborted transaction. Only when everything is settled.
    pub(super) fn restart(&mut self, identity: Identity) {
        debug_assert!(self.entries.is_empty(), "a restart while batches are not settled");
        self.halted = false;
        self.renew_at_push = false;
        if self.identity != identity {
            self.renewed(identity);
        }
    }
}

/// The sequence number after `records` records from `sequence` on; wraps to 0 after `i32::MAX`, as brokers count.
fn following(sequence: i32, records: i32) -> i32 {
    let next = i64::from(sequence) + i64::from(records);
    // Below 2^31 by the remainder.
    (next % (i64::from(i32::MAX) + 1)) as i32
}

#[cfg(test)]
mod tests;
