//! What is under way in one partition of a task, and what to do when the target refuses some of it.
//!
//! The producer settles the batches of a partition in order: after one has failed for good, all behind it fail as skipped.
//! It may learn of a later failure first: answers overtake each other, and an earlier batch may be tried again meanwhile. A lane
//! waits until all of them are settled, then takes the earliest that failed, and either sends it in halves and the others
//! behind it, or stands still for good. Nothing is ever written past a hole.

use std::collections::VecDeque;
use std::sync::Arc;

use super::rewrite::Piece;
use super::submitted::UnitId;

/// A piece on its way.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The unit that it is all or part of.
    pub unit: UnitId,
    /// The target topic.
    pub topic: Arc<str>,
    /// The target partition.
    pub partition: i32,
    /// What was sent.
    pub piece: Piece,
}

/// How the target settled a piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled<E> {
    /// It is in the log, from this offset on if the broker still knows.
    Acked(Option<i64>),
    /// The target takes no batch of this size.
    TooLarge,
    /// The target will never take it.
    Refused(E),
    /// A piece before it failed.
    Skipped,
}

/// What a lane needs once all of it is settled.
#[derive(Debug)]
pub enum Next<E> {
    /// Nothing: go on.
    GoOn,
    /// Reset the partition, send the first piece in halves, then the others as they are.
    Split {
        /// The piece that was too large.
        first: Sent,
        /// Those behind it, in order.
        rest: Vec<Sent>,
    },
    /// The partition stands still.
    Fail(E),
    /// Pieces were skipped for one that is not of this lane, so they are for nobody to send again.
    Orphaned,
}

/// Pieces of one partition between producer and acknowledgement.
#[derive(Debug)]
pub struct Lane<E> {
    under_way: VecDeque<(u64, Sent)>,
    /// The earliest piece that has failed.
    failed: Option<(u64, Sent, Failure<E>)>,
    /// Pieces that have not been written because of it, in no order.
    skipped: Vec<(u64, Sent)>,
    parked: VecDeque<Sent>,
    dead: bool,
    next: u64,
}

#[derive(Debug)]
enum Failure<E> {
    TooLarge,
    Refused(E),
}

impl<E> Default for Lane<E> {
    fn default() -> Self {
        Self {
            under_way: VecDeque::new(),
            failed: None,
            skipped: Vec::new(),
            parked: VecDeque::new(),
            dead: false,
            next: 0,
        }
    }
}

impl<E> Lane<E> {
    /// Whether pieces must wait because an earlier one has failed and is not dealt with yet.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.failed.is_some()
    }

    /// Whether the partition stands still for good.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.dead
    }

    /// Nothing of this lane is sent any more, and what is parked is forgotten.
    pub fn die(&mut self) {
        self.dead = true;
        self.failed = None;
        self.skipped.clear();
        self.parked.clear();
    }

    /// Keeps a piece until the lane is free again.
    pub fn park(&mut self, sent: Sent) {
        self.parked.push_back(sent);
    }

    /// A piece has been handed to the producer. Answers with its number.
    pub fn sent(&mut self, sent: Sent) -> u64 {
        let number = self.next;
        self.next += 1;
        self.under_way.push_back((number, sent));
        number
    }

    /// A piece that has not been settled.
    #[must_use]
    pub fn under_way(&self, number: u64) -> Option<&Sent> {
        self.under_way.iter().find_map(|(other, sent)| (*other == number).then_some(sent))
    }

    /// A piece has been settled. Answers with the piece if the target has it.
    pub fn settle(&mut self, number: u64, settled: Settled<E>) -> Option<(Sent, Option<i64>)> {
        let index = self.under_way.iter().position(|(other, _)| *other == number)?;
        let (_, sent) = self.under_way.remove(index)?;
        match settled {
            Settled::Acked(base_offset) => return Some((sent, base_offset)),
            _ if self.dead => {}
            Settled::TooLarge => self.fail(number, sent, Failure::TooLarge),
            Settled::Refused(error) => self.fail(number, sent, Failure::Refused(error)),
            Settled::Skipped => self.skipped.push((number, sent)),
        }
        None
    }

    fn fail(&mut self, number: u64, sent: Sent, failure: Failure<E>) {
        let (mut earlier, mut later) = (Some((number, sent, failure)), self.failed.take());
        if later.as_ref().is_some_and(|(other, ..)| *other < number) {
            std::mem::swap(&mut earlier, &mut later);
        }
        self.failed = earlier;
        // It will be sent again, and fail again if it must.
        self.skipped.extend(later.map(|(number, sent, _)| (number, sent)));
    }

    /// What to do now. Asks for something only when all pieces are settled.
    pub fn next_step(&mut self) -> Next<E> {
        if !self.under_way.is_empty() {
            return Next::GoOn;
        }
        match self.failed.take() {
            None if !self.skipped.is_empty() => Next::Orphaned,
            None => Next::GoOn,
            Some((_, _, Failure::Refused(error))) => Next::Fail(error),
            Some((_, first, Failure::TooLarge)) => {
                // Answers may be seen in any order; numbers ascend in source order.
                self.skipped.sort_by_key(|(number, _)| *number);
                let skipped = self.skipped.drain(..).map(|(_, sent)| sent);
                let rest = skipped.chain(self.parked.drain(..)).collect();
                Next::Split { first, rest }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kafka_wire::batch::{Codec, Record, RecordBatch, Stamp, encode};

    use super::*;
    use crate::source_task::rewrite::SourceRun;

    fn sent(unit: UnitId) -> Sent {
        let record =
            Record { offset: 0, timestamp: 0, key: Some(Bytes::from_static(b"k")), value: None, headers: vec![] };
        let batch = RecordBatch::parse(encode(&[record], Codec::None, Stamp::NONE).unwrap()).unwrap();
        let piece = Piece { batch, sources: vec![SourceRun { first: unit as i64, count: 1 }] };
        Sent { unit, topic: "t".into(), partition: 0, piece }
    }

    #[test]
    fn a_lane_waits_until_everything_behind_a_failure_is_settled() {
        let mut lane = Lane::<&str>::default();
        let numbers: Vec<_> = (0..3).map(|unit| lane.sent(sent(unit))).collect();

        assert!(lane.settle(numbers[0], Settled::Acked(Some(7))).is_some());
        lane.settle(numbers[1], Settled::TooLarge);
        assert!(lane.is_blocked());
        assert!(matches!(lane.next_step(), Next::GoOn));

        lane.park(sent(9));
        lane.settle(numbers[2], Settled::Skipped);
        let Next::Split { first, rest } = lane.next_step() else { panic!("not split") };
        assert_eq!(first.unit, 1);
        assert_eq!(rest.iter().map(|sent| sent.unit).collect::<Vec<_>>(), [2, 9]);
        assert!(!lane.is_blocked());
    }

    #[test]
    fn of_several_failures_the_earliest_is_dealt_with_in_whatever_order_they_are_seen() {
        for seen in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
            let mut lane = Lane::default();
            let numbers: Vec<_> = (0..3).map(|unit| lane.sent(sent(unit))).collect();

            for index in seen {
                let settled = if index == 2 { Settled::Refused("no") } else { Settled::TooLarge };
                lane.settle(numbers[index], settled);
            }

            let Next::Split { first, rest } = lane.next_step() else { panic!("not split") };
            assert_eq!(first.unit, 0);
            assert_eq!(rest.iter().map(|sent| sent.unit).collect::<Vec<_>>(), [1, 2]);
        }
    }

    #[test]
    fn a_refusal_ends_the_lane_and_only_it() {
        let mut lane = Lane::default();
        let number = lane.sent(sent(0));

        lane.settle(number, Settled::Refused("no"));

        assert!(matches!(lane.next_step(), Next::Fail("no")));
        lane.die();
        assert!(lane.is_dead() && !lane.is_blocked());
    }

    #[test]
    fn what_was_skipped_for_another_lane_s_piece_is_not_forgotten() {
        let mut lane = Lane::<&str>::default();
        let number = lane.sent(sent(0));

        lane.settle(number, Settled::Skipped);

        assert!(matches!(lane.next_step(), Next::Orphaned));
    }
}
