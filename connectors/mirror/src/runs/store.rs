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
    joined
}
