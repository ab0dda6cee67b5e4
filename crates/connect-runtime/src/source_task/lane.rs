//! What is under way in one partition of a task, and what to do when the target refuses some of it.
//!
//! The producer settles the batches of a partition in order: after one has failed for good, all behind it fail as skipped.
//! It may learn of a later failure first: answers overtake each other, and an earlier batch may be tried again meanwhile. A lane
//! waits until all of them are settled, then takes the earliest that failed, and either sends it in halves and the others
//! behind it, or stands still for good. Nothing is ever written past a hole.

use std::collections::VecDeque;
use std::sync::Arc;

use connect_api::record::AckedRun;

use super::rewrite::Piece;
use super::submitted::UnitId;
use super::waiting::{Outgoing, UNDER_WAY_MAX, Waiting};

/// A piece on its way.
#[derive(Debug, Clone)]
pub struct Sent {
    /// Whose records are in it, in order.
    pub units: Vec<Share>,
    /// The target topic.
    pub topic: Arc<str>,
    /// The target partition.
    pub partition: i32,
    /// What was sent.
    pub piece: Piece,
}

/// What a unit has in a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// The unit.
    pub unit: UnitId,
    /// So many neighbouring records.
    pub records: i64,
}

impl Sent {
    /// A piece that is all or part of one unit.
    #[must_use]
    pub fn of(unit: UnitId, topic: Arc<str>, partition: i32, piece: Piece) -> Self {
        Self { units: vec![Share { unit, records: piece.record_count() }], topic, partition, piece }
    }

    /// The same as two pieces that it has been cut into. Answers also with the unit that has records in both, if one has.
    #[must_use]
    pub fn cut(self, [first, second]: [Piece; 2]) -> ([Self; 2], Option<UnitId>) {
        let (mut room, mut cut) = (first.record_count(), None);
        let (mut before, mut behind) = (Vec::new(), Vec::new());
        for Share { unit, records } in self.units {
            let (here, there) = (records.min(room), records - records.min(room));
            room -= here;
            before.extend((here > 0).then_some(Share { unit, records: here }));
            behind.extend((there > 0).then_some(Share { unit, records: there }));
            cut = cut.or((here > 0 && there > 0).then_some(unit));
        }
        let (topic, partition) = (self.topic, self.partition);
        let first = Self { units: before, topic: Arc::clone(&topic), partition, piece: first };
        ([first, Self { units: behind, topic, partition, piece: second }], cut)
    }

    /// Where each unit's records are once the target has answered with a base offset.
    #[must_use]
    pub fn acked_at(&self, base_offset: i64) -> Vec<(UnitId, Vec<AckedRun>)> {
        if let [Share { unit, .. }] = self.units[..] {
            return vec![(unit, self.piece.acked_at(base_offset))];
        }
        let mut runs = self.piece.acked_at(base_offset).into_iter();
        let mut rest: Option<AckedRun> = None;
        let mut of_unit = |mut records: i64| {
            let mut its = Vec::with_capacity(1);
            while records > 0
                && let Some(run) = rest.take().or_else(|| runs.next())
            {
                let count = run.count.min(records);
                records -= count;
                its.push(AckedRun { count, ..run });
                rest = (run.count > count).then_some(AckedRun {
                    source_offset: run.source_offset + count,
                    target_offset: run.target_offset + count,
                    count: run.count - count,
                });
            }
            its
        };
        self.units.iter().map(|share| (share.unit, of_unit(share.records))).collect()
    }
}

/// How the target settled a piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled<E> {
    /// It is in the log, from this offset on if the broker still knows.
    Acked(Option<i64>),
    /// The target takes no batch of this size, or not all of those that are merged in it: it is to be sent in parts.
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
    /// What is sent when something of this lane is acknowledged.
    waiting: Waiting,
    /// Pieces that are due and not with the producer yet.
    due: usize,
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
            waiting: Waiting::default(),
            due: 0,
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
        self.waiting.clear();
    }

    /// Whether a piece is to wait here, rather than in the producer: small ones do when as many are under way as can be, and
    /// all do behind what waits already.
    #[must_use]
    pub fn holds(&self, outgoing: &Outgoing) -> bool {
        let full = self.under_way.len() >= UNDER_WAY_MAX && !self.is_blocked();
        !self.dead && !outgoing.due && (!self.waiting.is_empty() || (outgoing.small && full))
    }

    /// Keeps a piece until there is room for it.
    pub fn hold(&mut self, outgoing: Outgoing) {
        self.waiting.push(outgoing);
    }

    /// What is to be sent now of what waits, and how many batches of the source have been merged in it. See [`Waiting::next`].
    pub fn release(&mut self, limit: usize) -> Option<(Outgoing, u64)> {
        if self.dead || self.is_blocked() || self.due > 0 || self.under_way.len() >= UNDER_WAY_MAX {
            return None;
        }
        self.waiting.next(limit)
    }

    /// A piece has been lined up that goes out before all that waits.
    pub fn lined_up(&mut self) {
        self.due += 1;
    }

    /// A piece has left the line.
    pub fn left(&mut self, outgoing: &Outgoing) {
        self.due = self.due.saturating_sub(usize::from(outgoing.due));
    }

    /// The target takes no batch of so many bytes.
    pub fn refused(&mut self, bytes: usize) {
        self.waiting.refused(bytes);
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
        Sent::of(unit, "t".into(), 0, piece)
    }

    fn units(sent: &[Sent]) -> Vec<UnitId> {
        sent.iter().flat_map(|sent| sent.units.iter().map(|share| share.unit)).collect()
    }

    /// A piece of three units: two records, three with a hole after the first, one.
    fn merged() -> Sent {
        let records: Vec<Record> = (0..6).map(|offset| Record { offset, ..Record::default() }).collect();
        let batch = RecordBatch::parse(encode(&records, Codec::None, Stamp::NONE).unwrap()).unwrap();
        let run = |first, count| SourceRun { first, count };
        let piece = Piece { batch, sources: vec![run(10, 3), run(20, 3)] };
        let units = [(7, 2), (8, 3), (9, 1)].map(|(unit, records)| Share { unit, records }).to_vec();
        Sent { units, topic: "t".into(), partition: 0, piece }
    }

    #[test]
    fn each_unit_of_a_merged_piece_learns_where_its_own_records_are() {
        let run = |source_offset, target_offset, count| AckedRun { source_offset, target_offset, count };

        assert_eq!(
            merged().acked_at(100),
            [(7, vec![run(10, 100, 2)]), (8, vec![run(12, 102, 1), run(20, 103, 2)]), (9, vec![run(22, 105, 1)]),]
        );
    }

    #[test]
    fn a_merged_piece_that_is_cut_still_knows_whose_records_are_where() {
        let whole = merged();
        let halves = crate::source_task::rewrite::halves(&whole.piece).unwrap().unwrap();

        let ([first, second], cut) = whole.clone().cut(halves);

        assert_eq!(cut, Some(8));
        assert_eq!(
            (units(std::slice::from_ref(&first)), units(std::slice::from_ref(&second))),
            (vec![7, 8], vec![8, 9])
        );
        let again: Vec<_> = first.acked_at(100).into_iter().chain(second.acked_at(103)).collect();
        let runs =
            |acked: Vec<(UnitId, Vec<AckedRun>)>| acked.into_iter().flat_map(|(_, runs)| runs).collect::<Vec<_>>();
        assert_eq!(runs(again), runs(whole.acked_at(100)));
    }

    #[test]
    fn small_pieces_wait_behind_five_and_everything_waits_behind_them() {
        let mut lane = Lane::<&str>::default();
        let outgoing = |unit| Outgoing::new(0, sent(unit), None, true);
        let numbers: Vec<_> = (0..5).map(|unit| lane.sent(sent(unit))).collect();
        let large = Outgoing { small: false, ..outgoing(5) };

        assert!(lane.holds(&outgoing(5)) && !lane.holds(&large));
        lane.hold(outgoing(5));
        assert!(lane.holds(&large));
        lane.hold(large);
        assert!(lane.release(usize::MAX).is_none());

        lane.settle(numbers[0], Settled::Acked(Some(0)));
        let (released, merged) = lane.release(usize::MAX).unwrap();
        assert_eq!((units(std::slice::from_ref(&released.sent)), merged), (vec![5], 0));
        assert!(!lane.holds(&released));
        lane.lined_up();
        assert!(lane.release(usize::MAX).is_none());
        lane.left(&released);
        assert!(lane.release(usize::MAX).is_some());
    }

    #[test]
    fn nothing_is_released_past_a_failure() {
        let mut lane = Lane::<&str>::default();
        let numbers: Vec<_> = (0..5).map(|unit| lane.sent(sent(unit))).collect();
        lane.hold(Outgoing::new(0, sent(5), None, true));

        lane.settle(numbers[0], Settled::TooLarge);

        assert!(lane.release(usize::MAX).is_none());
        assert!(lane.holds(&Outgoing::new(0, sent(6), None, true)));
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
        assert_eq!(units(&[first]), [1]);
        assert_eq!(units(&rest), [2, 9]);
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
            assert_eq!(units(&[first]), [0]);
            assert_eq!(units(&rest), [1, 2]);
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
