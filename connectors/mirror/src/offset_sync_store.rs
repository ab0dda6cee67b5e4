//! Offset syncs as MirrorMaker's checkpoint task keeps them: 64 per partition, dense near the end, exponentially sparser behind
//! it (Java: `OffsetSyncStore`; KAFKA-12468, KAFKA-14666, KAFKA-15202).
//!
//! The algorithm is Java's step by step, because Java tools and a Java worker of the same group must come to the same
//! checkpoints. Exact translation is [`runs`](crate::runs). Invariants, for slots i < j that hold different syncs:
//!
//! - A: slot 0 holds the latest sync.
//! - B: slot i is at most 2^j - 2^i source offsets ahead of slot j.
//! - C: slot i is at least 2^max(i-2, 0) source offsets ahead of slot j.
//! - D: slot 63 holds the earliest usable sync.
//!
//! (A sync that repeats the source offset before it breaks C between slots 0 and 1, in Java as here; nothing depends on it.)

use std::collections::HashMap;

use crate::offset_sync_writer::past_sync;
use crate::record::OffsetSync;
use crate::topic_partition::TopicPartition;

/// Slots per partition: one for each bit of an offset.
const SLOTS: usize = 64;

/// The answer to "a group goes on at this source offset: where is that on the target?".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Translated {
    /// At this target offset, or some records later.
    Offset(i64),
    /// The group is behind the earliest usable sync (Java: -1).
    TooOld,
    /// The partition has no sync yet.
    NoSync,
    /// The syncs have not been read to their end yet.
    NotReady,
}

impl Translated {
    /// The target offset, if there is one.
    #[must_use]
    pub const fn offset(self) -> Option<i64> {
        match self {
            Self::Offset(offset) => Some(offset),
            Self::TooOld | Self::NoSync | Self::NotReady => None,
        }
    }
}

/// The syncs of all partitions.
#[derive(Debug, Clone)]
pub struct OffsetSyncStore {
    must_read_to_end: bool,
    read_to_end: bool,
    partitions: HashMap<TopicPartition, Slots>,
}

/// The 64 slots of a partition. Neighbouring slots mostly hold the same sync, so each is kept once, with its first slot.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Slots {
    /// Ascending slots, starting with 0; descending source offsets.
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    first_slot: u8,
    upstream: i64,
    downstream: i64,
}

/// A sync during an update. Java compares references: two syncs with the same offsets are different ones.
#[derive(Debug, Clone, Copy)]
struct Slot {
    id: usize,
    upstream: i64,
    downstream: i64,
}

impl OffsetSyncStore {
    /// An empty store. `must_read_to_end`: no checkpoints of an earlier life are known, so that syncs from before the first
    /// read to the end must not be used, lest checkpoints go back (KAFKA-15905).
    #[must_use]
    pub fn new(must_read_to_end: bool) -> Self {
        Self { must_read_to_end, read_to_end: false, partitions: HashMap::new() }
    }

    /// The topic of syncs has been read to its end once: translation starts.
    pub fn set_read_to_end(&mut self) {
        self.read_to_end = true;
    }

    /// Takes in one sync, in the order of the topic.
    pub fn apply(&mut self, sync: &OffsetSync) {
        let only_the_latest = !self.read_to_end && self.must_read_to_end;
        match self.partitions.get_mut(&sync.topic_partition) {
            // After an upstream rewind all earlier syncs are about offsets that name other records now.
            Some(slots) if only_the_latest || sync.upstream < slots.latest_upstream() => {
                *slots = Slots::filled(sync.upstream, sync.downstream);
            }
            Some(slots) => slots.update(sync.upstream, sync.downstream),
            None => {
                let slots = Slots::filled(sync.upstream, sync.downstream);
                self.partitions.insert(sync.topic_partition.clone(), slots);
            }
        }
    }

    /// Where a group that goes on at `upstream` goes on at the target, as Java answers. Never past an unread record; may be
    /// early, by up to the group's own distance from the end.
    #[must_use]
    pub fn translate(&self, partition: &TopicPartition, upstream: i64) -> Translated {
        if !self.read_to_end {
            return Translated::NotReady;
        }
        match self.partitions.get(partition) {
            Some(slots) => slots.translate(upstream),
            None => Translated::NoSync,
        }
    }

    /// Forgets a partition: its source or target topic has been created anew.
    pub fn forget(&mut self, partition: &TopicPartition) {
        self.partitions.remove(partition);
    }

    #[cfg(test)]
    fn entries(&self, partition: &TopicPartition) -> &[Entry] {
        &self.partitions[partition].entries
    }
}

impl Slots {
    fn filled(upstream: i64, downstream: i64) -> Self {
        Self { entries: vec![Entry { first_slot: 0, upstream, downstream }] }
    }

    fn latest_upstream(&self) -> i64 {
        self.entries.first().map_or(i64::MIN, |entry| entry.upstream)
    }

    fn translate(&self, upstream: i64) -> Translated {
        let before = self.entries.partition_point(|entry| entry.upstream > upstream);
        match self.entries.get(before) {
            Some(sync) if sync.upstream == upstream => Translated::Offset(sync.downstream),
            Some(sync) => Translated::Offset(past_sync(sync.downstream)),
            None => Translated::TooOld,
        }
    }

    /// Java's `updateSyncArray`: the new sync goes to slot 0, and each old one moves on to a later slot where it keeps B
    /// and C, or is lost.
    fn update(&mut self, upstream: i64, downstream: i64) {
        let original = self.spread();
        let newest = Slot { id: SLOTS, upstream, downstream };
        let mut slots = original;
        slots[0] = newest;
        let mut replacement = newest;
        let mut candidate = 0;
        for current in 1..SLOTS {
            let previous = current - 1;
            loop {
                let old = original[candidate];
                let recent = keeps_b(slots[previous], old, previous, current);
                let far_from_previous = keeps_c(slots[previous], old, previous);
                let far_from_next = current + 1 >= SLOTS || keeps_c(old, slots[current + 1], current);
                let repeated = candidate + 1 < SLOTS && old.id == original[candidate + 1].id;
                let promoted = recent && far_from_previous && far_from_next;
                if promoted {
                    replacement = old;
                }
                let skipped = repeated || !far_from_previous;
                if promoted || skipped {
                    candidate += 1;
                }
                if candidate >= current || !skipped {
                    break;
                }
            }
            if keeps_b(slots[previous], slots[current], previous, current) {
                break;
            }
            slots[current] = replacement;
        }
        self.gather(&slots);
    }

    fn spread(&self) -> [Slot; SLOTS] {
        let mut slots = [Slot { id: 0, upstream: 0, downstream: 0 }; SLOTS];
        for (id, entry) in self.entries.iter().enumerate() {
            for slot in slots.iter_mut().skip(usize::from(entry.first_slot)) {
                *slot = Slot { id, upstream: entry.upstream, downstream: entry.downstream };
            }
        }
        slots
    }

    fn gather(&mut self, slots: &[Slot; SLOTS]) {
        self.entries.clear();
        let mut last = None;
        for (first_slot, slot) in (0_u8..).zip(slots) {
            if last != Some(slot.id) {
                debug_assert!(last.is_none_or(|last| last == SLOTS || last < slot.id), "a sync in two places");
                self.entries.push(Entry { first_slot, upstream: slot.upstream, downstream: slot.downstream });
                last = Some(slot.id);
            }
        }
    }
}

/// Invariant B between slots `i` < `j`, with Java's guard: a bound that overflows holds.
fn keeps_b(at_i: Slot, at_j: Slot, i: usize, j: usize) -> bool {
    let bound = at_j.upstream.wrapping_add(1_i64 << j).wrapping_sub(1_i64 << i);
    at_i.id == at_j.id || bound < 0 || at_i.upstream <= bound
}

/// Invariant C from slot `i` on, with Java's guard: a bound that overflows does not hold.
fn keeps_c(at_i: Slot, at_j: Slot, i: usize) -> bool {
    let bound = at_j.upstream.wrapping_add(1_i64 << i.saturating_sub(2));
    at_i.id == at_j.id || (bound >= 0 && at_i.upstream >= bound)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn partition() -> TopicPartition {
        TopicPartition::new("topic1", 2)
    }

    fn sync(upstream: i64, downstream: i64) -> OffsetSync {
        OffsetSync { topic_partition: partition(), upstream, downstream }
    }

    fn pairs(value: &Value) -> Vec<Vec<i64>> {
        serde_json::from_value(value.clone()).unwrap()
    }

    #[test]
    fn slots_and_translations_are_those_of_java() {
        let cases: Vec<Value> = serde_json::from_str(include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/golden/offset_sync_store.json"
        )))
        .unwrap();
        assert_eq!(cases.len(), 81);
        for case in cases {
            let mut store = OffsetSyncStore::new(case["must_read_to_end"].as_bool().unwrap());
            let read_to_end_after = case["read_to_end_after"].as_u64().unwrap() as usize;
            for (index, pair) in pairs(&case["syncs"]).iter().enumerate() {
                if index == read_to_end_after {
                    store.set_read_to_end();
                }
                store.apply(&sync(pair[0], pair[1]));
            }
            store.set_read_to_end();

            let state: Vec<Vec<i64>> = store
                .entries(&partition())
                .iter()
                .map(|entry| vec![i64::from(entry.first_slot), entry.upstream, entry.downstream])
                .collect();
            assert_eq!(state, pairs(&case["state"]), "{}", case["name"]);
            for question in pairs(&case["translate"]) {
                let answer = match store.translate(&partition(), question[0]) {
                    Translated::Offset(offset) => offset,
                    Translated::TooOld => -1,
                    Translated::NoSync | Translated::NotReady => -2,
                };
                assert_eq!(answer, question[1], "{} at {}", case["name"], question[0]);
            }
        }
    }

    /// The spacing that Kafka's own OffsetSyncStoreTest expects of syncs 0, 10, …, 10000.
    #[test]
    fn evenly_spaced_syncs_are_kept_at_the_places_of_java() {
        let kept = |must_read_to_end| {
            let mut store = OffsetSyncStore::new(must_read_to_end);
            for offset in (0..=1000).step_by(10) {
                store.apply(&sync(offset, offset));
            }
            store.set_read_to_end();
            for offset in (1000..=10_000).step_by(10) {
                store.apply(&sync(offset, offset));
            }
            let mut kept: Vec<i64> = store.entries(&partition()).iter().map(|entry| entry.upstream).collect();
            kept.reverse();
            kept
        };

        assert_eq!(kept(true), [1000, 4840, 6760, 8680, 9160, 9640, 9880, 9940, 9970, 9990, 10_000]);
        assert_eq!(kept(false), [0, 3840, 7680, 8640, 9120, 9600, 9840, 9900, 9960, 9990, 10_000]);
    }

    #[test]
    fn nothing_is_translated_before_the_syncs_are_read_or_without_one() {
        let mut store = OffsetSyncStore::new(true);
        store.apply(&sync(0, 0));
        assert_eq!(store.translate(&partition(), 5), Translated::NotReady);

        store.set_read_to_end();

        assert_eq!(store.translate(&partition(), 5), Translated::Offset(1));
        assert_eq!(store.translate(&TopicPartition::new("other", 0), 5), Translated::NoSync);
        store.forget(&partition());
        assert_eq!(store.translate(&partition(), 5), Translated::NoSync);
    }

    fn syncs(first_step: i64) -> impl Strategy<Value = Vec<(i64, i64)>> {
        let step = prop_oneof![first_step..20_i64, 1..100_000_i64, 1..(1_i64 << 40), -1000..0_i64];
        // Every sync is about a record of its own on the target: its downstream offset is a new one, also after a rewind.
        prop::collection::vec((step, 1..1000_i64), 1..200).prop_map(|steps| {
            let (mut upstream, mut downstream) = (1000_i64 * 200, 0_i64);
            steps
                .into_iter()
                .map(|(up, down)| {
                    upstream += up;
                    downstream += down;
                    (upstream, downstream)
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn the_invariants_hold_after_every_sync(syncs in syncs(1)) {
            let mut store = OffsetSyncStore::new(false);
            store.set_read_to_end();
            for (upstream, downstream) in syncs {
                store.apply(&sync(upstream, downstream));

                let slots = store.partitions[&partition()].spread();
                prop_assert_eq!((slots[0].upstream, slots[0].downstream), (upstream, downstream));
                for i in 0..SLOTS {
                    for j in i + 1..SLOTS {
                        prop_assert!(keeps_b(slots[i], slots[j], i, j), "B between {} and {}", i, j);
                        prop_assert!(keeps_c(slots[i], slots[j], i), "C between {} and {}", i, j);
                    }
                }
                let kept = store.entries(&partition());
                prop_assert!(kept.is_sorted_by(|a, b| a.upstream > b.upstream && a.first_slot < b.first_slot));
            }
        }

        #[test]
        fn the_earliest_sync_is_usable_until_the_source_rewinds(offsets in prop::collection::vec(0..1000_i64, 1..100)) {
            let mut store = OffsetSyncStore::new(false);
            store.set_read_to_end();
            let mut upstream = 7;
            store.apply(&sync(upstream, 3));
            for step in offsets {
                upstream += step;
                store.apply(&sync(upstream, upstream));
            }

            prop_assert_eq!(store.entries(&partition()).last().map(|entry| entry.upstream), Some(7));
        }

        #[test]
        fn translation_ascends_and_stays_below_the_downstream_end(
            syncs in syncs(0),
            questions in prop::collection::vec(0..(1_i64 << 41), 1..50),
        ) {
            let mut store = OffsetSyncStore::new(false);
            store.set_read_to_end();
            for (upstream, downstream) in &syncs {
                store.apply(&sync(*upstream, *downstream));
            }
            let end = syncs.iter().map(|(_, downstream)| downstream + 1).max().unwrap();

            let mut questions = questions;
            questions.extend(syncs.iter().map(|(upstream, _)| *upstream));
            questions.sort_unstable();
            let answers: Vec<i64> = questions
                .iter()
                .map(|question| store.translate(&partition(), *question).offset().unwrap_or(-1))
                .collect();

            prop_assert!(answers.is_sorted(), "{:?}", answers);
            prop_assert!(answers.iter().all(|answer| *answer <= end));
        }
    }
}
