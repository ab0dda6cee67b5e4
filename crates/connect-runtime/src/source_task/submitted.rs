//! What has been handed to the producer and not yet been stored as progress (Java: `SubmittedRecords`).
//!
//! Progress of a source partition is the *contiguous* acknowledged prefix: acknowledgements may come in any order, a stored
//! offset never passes a record that the target does not have.

use std::collections::{BTreeMap, VecDeque};

use connect_api::record::{Ack, AckedRun, SourceOffset, SourcePartition};

/// The number of one submitted unit.
pub type UnitId = u64;

/// Units in flight, by lane: a lane is a source partition of the task.
#[derive(Debug, Default)]
pub struct Submitted {
    lanes: BTreeMap<usize, Lane>,
    next: UnitId,
    unacked: usize,
}

/// How far one lane has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The lane.
    pub lane: usize,
    /// Its source partition.
    pub partition: SourcePartition,
    /// The offset to store.
    pub offset: SourceOffset,
}

#[derive(Debug)]
struct Lane {
    partition: SourcePartition,
    units: VecDeque<Unit>,
    /// The offset of the acknowledged prefix, not yet taken by [`Submitted::committable`].
    committable: Option<SourceOffset>,
}

#[derive(Debug)]
struct Unit {
    id: UnitId,
    offset: SourceOffset,
    acked: Option<Vec<AckedRun>>,
}

impl Submitted {
    /// A unit of a lane goes to the producer. Units of one lane are submitted in source order.
    pub fn submit(&mut self, lane: usize, partition: &SourcePartition, offset: SourceOffset) -> UnitId {
        let id = self.next;
        self.next += 1;
        self.unacked += 1;
        let lane = self.lanes.entry(lane).or_insert_with(|| Lane {
            partition: partition.clone(),
            units: VecDeque::new(),
            committable: None,
        });
        lane.units.push_back(Unit { id, offset, acked: None });
        id
    }

    /// The target has the unit. Answers with what is now part of the prefix, in source order.
    pub fn ack(&mut self, lane: usize, id: UnitId, runs: Vec<AckedRun>) -> Vec<Ack> {
        let Some(queue) = self.lanes.get_mut(&lane) else { return Vec::new() };
        let Some(unit) = queue.units.iter_mut().find(|unit| unit.id == id && unit.acked.is_none()) else {
            return Vec::new();
        };
        unit.acked = Some(runs);
        self.unacked -= 1;
        let mut acks = Vec::new();
        while let Some(runs) = queue.units.front_mut().and_then(|unit| unit.acked.take()) {
            // There is a front: its acknowledgement has just been taken.
            if let Some(unit) = queue.units.pop_front() {
                queue.committable = Some(unit.offset);
            }
            acks.push(Ack { tag: lane, runs });
        }
        acks
    }

    /// Nothing of this lane that is still in flight will ever be acknowledged; what was acknowledged stays.
    pub fn abandon(&mut self, lane: usize) {
        if let Some(lane) = self.lanes.get_mut(&lane) {
            self.unacked -= lane.units.iter().filter(|unit| unit.acked.is_none()).count();
            lane.units.clear();
        }
    }

    /// Progress since the last call, to be stored. Linear in the number of lanes.
    pub fn committable(&mut self) -> Vec<Progress> {
        self.lanes
            .iter_mut()
            .filter_map(|(lane, state)| {
                let offset = state.committable.take()?;
                Some(Progress { lane: *lane, partition: state.partition.clone(), offset })
            })
            .collect()
    }

    /// Whether [`Self::committable`] would answer with anything.
    #[must_use]
    pub fn has_progress(&self) -> bool {
        self.lanes.values().any(|lane| lane.committable.is_some())
    }

    /// Progress that could not be stored comes back; newer progress of the same partition stays.
    pub fn restore(&mut self, progress: Vec<Progress>) {
        for entry in progress {
            if let Some(lane) = self.lanes.get_mut(&entry.lane) {
                lane.committable.get_or_insert(entry.offset);
            }
        }
    }

    /// How many units wait for the target.
    #[must_use]
    pub fn unacked(&self) -> usize {
        self.unacked
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, json};

    use super::*;

    fn partition(name: &str) -> SourcePartition {
        SourcePartition::new(Map::from_iter([("partition".to_owned(), json!(name))]))
    }

    fn offset(value: i64) -> SourceOffset {
        SourceOffset::new(Map::from_iter([("offset".to_owned(), json!(value))]))
    }

    fn progress(lane: usize, name: &str, value: i64) -> Progress {
        Progress { lane, partition: partition(name), offset: offset(value) }
    }

    fn run(source_offset: i64) -> Vec<AckedRun> {
        vec![AckedRun { source_offset, target_offset: source_offset, count: 1 }]
    }

    #[test]
    fn an_offset_is_not_committable_before_all_earlier_ones_are_acknowledged() {
        let mut submitted = Submitted::default();
        let first = submitted.submit(0, &partition("a"), offset(1));
        let second = submitted.submit(0, &partition("a"), offset(2));

        assert!(submitted.ack(0, second, run(2)).is_empty());
        assert!(submitted.committable().is_empty());

        assert_eq!(submitted.ack(0, first, run(1)), [Ack { tag: 0, runs: run(1) }, Ack { tag: 0, runs: run(2) }]);
        assert_eq!(submitted.committable(), [progress(0, "a", 2)]);
        assert!(submitted.committable().is_empty());
    }

    #[test]
    fn a_partition_that_waits_does_not_hold_back_another() {
        let mut submitted = Submitted::default();
        submitted.submit(0, &partition("a"), offset(1));
        let other = submitted.submit(1, &partition("b"), offset(7));

        submitted.ack(1, other, run(7));

        assert_eq!(submitted.committable(), [progress(1, "b", 7)]);
        assert_eq!(submitted.unacked(), 1);
    }

    #[test]
    fn an_abandoned_lane_keeps_what_was_acknowledged() {
        let mut submitted = Submitted::default();
        let first = submitted.submit(0, &partition("a"), offset(1));
        let second = submitted.submit(0, &partition("a"), offset(2));
        let third = submitted.submit(0, &partition("a"), offset(3));
        submitted.ack(0, first, run(1));
        submitted.ack(0, third, run(3));

        submitted.abandon(0);

        assert_eq!(submitted.unacked(), 0);
        assert!(submitted.ack(0, second, run(2)).is_empty());
        assert_eq!(submitted.committable(), [progress(0, "a", 1)]);
    }

    #[test]
    fn progress_that_could_not_be_stored_comes_back_unless_newer_is_there() {
        let mut submitted = Submitted::default();
        let first = submitted.submit(0, &partition("a"), offset(1));
        submitted.ack(0, first, run(1));
        let taken = submitted.committable();

        submitted.restore(taken.clone());
        assert_eq!(submitted.committable(), taken);

        let second = submitted.submit(0, &partition("a"), offset(2));
        submitted.ack(0, second, run(2));
        submitted.restore(taken);
        assert_eq!(submitted.committable(), [progress(0, "a", 2)]);
    }

    proptest! {
        #[test]
        fn acks_in_any_order_give_the_same_offsets_and_never_pass_an_unacked_one(
            order in Just((0..20usize).collect::<Vec<_>>()).prop_shuffle(),
            stop_after in 0..=20usize,
        ) {
            let mut submitted = Submitted::default();
            let ids: Vec<_> = (0..20).map(|at| submitted.submit(0, &partition("a"), offset(at))).collect();

            let mut delivered = Vec::new();
            for at in &order[..stop_after] {
                for ack in submitted.ack(0, ids[*at], run(*at as i64)) {
                    delivered.push(ack.runs[0].source_offset);
                }
            }

            let acked = &order[..stop_after];
            let prefix = (0..20).take_while(|at| acked.contains(at)).count();
            prop_assert_eq!(delivered, (0..prefix as i64).collect::<Vec<_>>());
            let expected: Vec<_> = (prefix > 0).then(|| progress(0, "a", prefix as i64 - 1)).into_iter().collect();
            prop_assert_eq!(submitted.committable(), expected);
        }
    }
}
