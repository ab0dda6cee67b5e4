//! The reader's side: the records of the topic, folded into maps.

use std::collections::{BTreeMap, HashMap};

use kafka_wire::runs::OffsetRun;

use super::chunk::{Chunk, RunsKey, RunsRecordError, TopicIds, decode_key};
use super::map::{Hole, PartitionMap};
use super::translation::{Translation, UnknownReason};

/// All maps of a topic of runs. Translates for checkpoints; gives source tasks what they wrote before.
#[derive(Debug, Default)]
pub struct RunsStore {
    partitions: HashMap<RunsKey, Statements>,
    applied: u64,
}

/// A map as the topic has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMap {
    /// The topics that it is about.
    pub ids: TopicIds,
    /// The map.
    pub map: PartitionMap,
    /// How many chunks the topic has for it, counting up to the highest number.
    pub chunks: usize,
}

/// The chunks of one map, by number, and the map they make. Newer chunks have higher ages.
#[derive(Debug, Default)]
struct Statements {
    chunks: BTreeMap<usize, (u64, Chunk)>,
    joined: Option<(TopicIds, PartitionMap)>,
}

impl RunsStore {
    /// Takes in one record, in the order of the topic. On an error the store is as before; what it knew stays true.
    pub fn apply(&mut self, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<(), RunsRecordError> {
        let (key, number) = decode_key(key.ok_or(RunsRecordError::BadKey)?)?;
        self.applied += 1;
        match value {
            Some(value) => {
                let statement = (self.applied, Chunk::decode(value)?);
                let statements = self.partitions.entry(key).or_default();
                statements.chunks.insert(number, statement);
                statements.joined = None;
            }
            None => {
                if let Some(statements) = self.partitions.get_mut(&key) {
                    statements.chunks.remove(&number);
                    statements.joined = None;
                    if statements.chunks.is_empty() {
                        self.partitions.remove(&key);
                    }
                }
            }
        }
        Ok(())
    }

    /// Where a reader that goes on at `committed` on the source goes on at the target. `ids` are the topics as they are now:
    /// a map of their predecessors answers nothing. Linear in the runs after a change of the map, logarithmic otherwise.
    #[must_use]
    pub fn translate(&mut self, key: &RunsKey, ids: TopicIds, committed: i64) -> Translation {
        let unknown = |reason| Translation::Unknown { reason, earliest: None };
        let Some(statements) = self.partitions.get_mut(key) else {
            return unknown(UnknownReason::NoMap);
        };
        match statements.joined.take().or_else(|| join(&statements.chunks)) {
            Some((about, map)) => {
                let answer =
                    if about.agree_with(&ids) { map.translate(committed) } else { unknown(UnknownReason::Recreated) };
                statements.joined = Some((about, map));
                answer
            }
            None => unknown(UnknownReason::NoMap),
        }
    }

    /// Whether offset syncs of the partition may be about topics that are gone ([`PartitionMap::is_anew`]).
    #[must_use]
    pub fn is_anew(&self, key: &RunsKey) -> bool {
        let newest = self.partitions.get(key).and_then(|known| known.chunks.values().max_by_key(|(age, _)| *age));
        newest.is_some_and(|(_, chunk)| chunk.map.is_anew())
    }

    /// The map of a partition, for the task that goes on writing it.
    #[must_use]
    pub fn stored(&self, key: &RunsKey) -> Option<StoredMap> {
        let statements = self.partitions.get(key)?;
        let chunks = statements.chunks.keys().next_back().map_or(0, |number| number.saturating_add(1));
        let (ids, map) = statements.joined.clone().or_else(|| join(&statements.chunks))?;
        Some(StoredMap { ids, map, chunks })
    }

    /// The mappings of which something is known.
    pub fn keys(&self) -> impl Iterator<Item = &RunsKey> {
        self.partitions.keys()
    }
}

/// The map that chunks make together. Each says all about its part of the source when it was written; where two speak of
/// the same part, the newer one counts; where none speaks, there is a hole. The newest one also says which topics the map
/// is about and where it ends.
fn join(chunks: &BTreeMap<usize, (u64, Chunk)>) -> Option<(TopicIds, PartitionMap)> {
    let mut by_age: Vec<&(u64, Chunk)> = chunks.values().collect();
    by_age.sort_by_key(|(age, _)| std::cmp::Reverse(*age));
    let (_, newest) = by_age.first()?;
    let mut parts: Vec<(u64, PartitionMap)> = Vec::new();
    for (age, chunk) in by_age.iter().filter(|(_, chunk)| chunk.ids == newest.ids) {
        let (mut from, end) = (chunk.map.from, chunk.map.to.min(newest.end));
        for (start, stop) in spoken_for(&parts, from, end) {
            if from < start {
                parts.push((*age, chunk.map.part(from, start)));
            }
            from = stop;
        }
        if from < end || parts.is_empty() {
            parts.push((*age, chunk.map.part(from, end.max(from))));
        }
    }
    parts.sort_by_key(|(_, part)| (part.from, part.to));
    parts.into_iter().reduce(|(age, map), (part_age, part)| (age.max(part_age), follow(map, age, part, part_age))).map(
        |(_, mut map)| {
            map.join_holes();
            (newest.ids, map)
        },
    )
}

/// The stretches of `from..end` that parts speak of, ascending.
fn spoken_for(parts: &[(u64, PartitionMap)], from: i64, end: i64) -> Vec<(i64, i64)> {
    let mut stretches: Vec<(i64, i64)> = parts
        .iter()
        .map(|(_, part)| (part.from.max(from), part.to.min(end)))
        .filter(|(start, stop)| start < stop)
        .collect();
    stretches.sort_unstable();
    stretches
}

/// A map and the part after it. Copies must ascend with their records: where they do not (a topic written by two tasks at
/// once), the older statement becomes a hole.
fn follow(map: PartitionMap, age: u64, part: PartitionMap, part_age: u64) -> PartitionMap {
    let (mut runs, mut holes) = (map.runs().to_vec(), map.holes);
    let mut later: &[OffsetRun] = part.runs();
    let hole = |run: &OffsetRun| Hole { from: run.source(), to: run.source_end() };
    while let (Some(last), Some(first)) = (runs.last(), later.first())
        && last.target_end() > first.target()
    {
        if age < part_age {
            holes.push(hole(last));
            runs.pop();
        } else {
            holes.push(hole(first));
            later = later.get(1..).unwrap_or_default();
        }
    }
    runs.extend_from_slice(later);
    if map.to < part.from {
        holes.push(Hole { from: map.to, to: part.from });
    }
    holes.extend_from_slice(&part.holes);
    let mut joined = PartitionMap::framed(
        map.from,
        part.to,
        map.target_from,
        // A lower bound of an older statement may lie above what a newer one says.
        part.target_to.map(|target| target.max(runs.last().map_or(0, OffsetRun::target_end))),
        part.tail_exact,
        map.nothing_before,
    );
    joined.runs = runs.into_iter().collect();
    joined.holes = holes;
    joined.anew = map.anew || part.anew;
    joined
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::chunk::RunsRecord;
    use super::super::{Begin, TrackedMap};
    use super::*;
    use crate::topic_partition::{TopicId, TopicPartition};

    const BEGIN: Begin = Begin { source: 0, source_end: 0, target_start: 0, target_end: 0 };

    fn key() -> RunsKey {
        RunsKey { source: TopicPartition::new("t", 0), target_topic: "A.t".into() }
    }

    fn ids(source: u128) -> TopicIds {
        TopicIds { source: TopicId::new(source.to_be_bytes()), target: None }
    }

    /// A record and a marker, `count` times.
    fn push_transactions(map: &mut TrackedMap, count: i64) {
        let first = map.map().runs().len() as i64;
        for number in first..first + count {
            map.push(OffsetRun::new(number * 2, number, 1).unwrap());
        }
    }

    fn apply(store: &mut RunsStore, records: &[RunsRecord]) {
        for record in records {
            store.apply(Some(&record.key), record.value.as_deref()).unwrap();
        }
    }

    #[test]
    fn a_chunk_that_is_missing_is_a_hole() {
        let mut map = TrackedMap::resume(key(), ids(1), None, BEGIN, 10_000);
        push_transactions(&mut map, 700);
        let records = map.take_changes(None);
        let mut store = RunsStore::default();

        apply(&mut store, &[records[0].clone(), records[2].clone()]);

        assert_eq!(store.translate(&key(), ids(1), 510), Translation::Exact(255));
        let reason = UnknownReason::Hole { from: 511, to: 1023 };
        assert_eq!(store.translate(&key(), ids(1), 600), Translation::Unknown { reason, earliest: Some(256) });
        assert_eq!(store.translate(&key(), ids(1), 1200), Translation::Exact(600));
    }

    #[test]
    fn copies_that_do_not_ascend_leave_the_newer_statement() {
        // The task of a map of 300 records is a zombie; another one has copied the first record anew, far behind, and says that
        // the next 599 offsets hold none.
        let mut zombie = TrackedMap::resume(key(), ids(1), None, BEGIN, 10_000);
        push_transactions(&mut zombie, 300);
        let of_zombie = zombie.take_changes(None);
        let mut other = TrackedMap::resume(key(), ids(1), None, BEGIN, 10_000);
        other.push(OffsetRun::new(0, 5000, 1).unwrap());
        other.advance(600);
        let mut store = RunsStore::default();

        apply(&mut store, &of_zombie);
        apply(&mut store, &other.take_changes(None));
        apply(&mut store, &of_zombie[1..]);

        // The zombie's second chunk is the newest and goes up to 599; the other's word counts before it.
        assert_eq!(store.translate(&key(), ids(1), 599), Translation::Exact(300));
        let reason = UnknownReason::Hole { from: 0, to: 1 };
        assert_eq!(store.translate(&key(), ids(1), 0), Translation::Unknown { reason, earliest: Some(0) });
    }

    #[test]
    fn a_map_of_other_topics_answers_nothing() {
        let mut map = TrackedMap::resume(key(), ids(1), None, BEGIN, 100);
        push_transactions(&mut map, 3);
        let mut store = RunsStore::default();
        apply(&mut store, &map.take_changes(None));

        let reason = |answer| match answer {
            Translation::Unknown { reason, earliest: None } => reason,
            other => panic!("{other:?}"),
        };

        assert_eq!(reason(store.translate(&key(), ids(2), 0)), UnknownReason::Recreated);
        let other = RunsKey { target_topic: "t".into(), ..key() };
        assert_eq!(reason(store.translate(&other, ids(1), 0)), UnknownReason::NoMap);
        assert_eq!(store.translate(&key(), TopicIds::default(), 2), Translation::Exact(1));
    }

    #[test]
    fn a_deleted_map_is_gone_and_what_cannot_be_read_changes_nothing() {
        let mut map = TrackedMap::resume(key(), ids(1), None, BEGIN, 100);
        push_transactions(&mut map, 3);
        let records = map.take_changes(None);
        let mut store = RunsStore::default();
        apply(&mut store, &records);

        assert!(store.apply(Some(&records[0].key), Some(b"{\"version\":2}")).is_err());
        assert!(store.apply(None, Some(b"{}")).is_err());
        assert_eq!(store.translate(&key(), ids(1), 2), Translation::Exact(1));
        store.apply(Some(&records[0].key), None).unwrap();

        assert_eq!(store.keys().count(), 0);
        assert_eq!(store.stored(&key()), None);
    }

    proptest! {
        #[test]
        fn whatever_part_of_the_topic_is_left_no_answer_lies_too_late(
            first in 1..900_i64, second in 1..900_i64, max_runs in prop_oneof![Just(10_000_usize), 8..600_usize],
            kept in prop::collection::vec(any::<bool>(), 20),
            questions in prop::collection::vec(0..3700_i64, 1..50),
        ) {
            let mut map = TrackedMap::resume(key(), ids(1), None, BEGIN, max_runs);
            push_transactions(&mut map, 0);
            let mut exact = PartitionMap::new(BEGIN);
            let mut records = Vec::new();
            let mut number = 0;
            for count in [first, second] {
                for _ in 0..count {
                    let run = OffsetRun::new(number * 2, number, 1).unwrap();
                    map.push(run);
                    exact.push(run);
                    number += 1;
                }
                records.extend(map.take_changes(None));
            }
            let mut store = RunsStore::default();
            for (record, _) in records.iter().zip(kept.iter().cycle()).filter(|(_, kept)| **kept) {
                store.apply(Some(&record.key), record.value.as_deref()).unwrap();
            }

            for question in questions {
                let answer = store.translate(&key(), ids(1), question);
                let truth = exact.translate(question.min(exact.mirrored_to())).exact().unwrap();
                prop_assert!(answer.safe().is_none_or(|position| position <= truth), "{}: {:?}", question, answer);
                if let Some(position) = answer.exact() {
                    prop_assert_eq!(position, truth, "{}", question);
                }
            }
        }
    }
}
