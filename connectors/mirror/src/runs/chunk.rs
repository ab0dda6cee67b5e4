//! A map as records of the compacted topic `portage-offset-runs.<alias>.internal`.
//!
//! A map is written as chunks, one record each. A chunk is a statement of its own: *"between source offsets `from` and `to`
//! this is everything"*. So a reader needs no transaction over the chunks of a map: what it has is true, and what is not
//! there (torn writes, compaction, deleted chunks) is simply not known. Growing maps rewrite their last chunk only.
//!
//! ```text
//! key    {"topic":"orders","partition":3,"target":"A.orders","chunk":0}
//! value  {"version":1,"sourceTopicId":"…","targetTopicId":"…","from":0,"to":171,"end":171,"targetFrom":0,"targetTo":160,
//!         "tailExact":true,"nothingBefore":true,"anew":false,"runs":[0,0,100, 1,0,50, 10,0,10],"holes":[151,10]}
//! ```
//! `runs` holds three numbers a run: source offsets skipped since the run before (or `from`), target offsets skipped (or
//! since `targetFrom`, 0 if that is null), records. `holes` holds two numbers a hole: source offsets since the hole before
//! (or `from`), length. `end` is where the whole map ended when this chunk was written. The fields of the key stand in this
//! order and without spaces: compaction compares bytes.

use bytes::Bytes;
use kafka_wire::runs::{OffsetRun, OffsetRuns};
use serde_json::{Map, Value, json};
use thiserror::Error;

use super::map::{Hole, PartitionMap};
use crate::topic_partition::{TopicId, TopicPartition};

/// Runs in a chunk: its record has about 2 to 8 KiB.
pub(super) const CHUNK_RUNS: usize = 256;
/// The largest value that is read.
const MAX_VALUE_BYTES: usize = 1 << 20;
/// The highest chunk number that is read, plus one: room for a million runs. Numbers come from a topic, and lists are made of
/// so many items.
pub(super) const MAX_CHUNKS: usize = 4096;
const VERSION: i64 = 1;

/// Which mapping: a source partition, and the topic it is copied to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunsKey {
    /// The partition, by its name on the source. It has the same number on the target.
    pub source: TopicPartition,
    /// The topic's name on the target.
    pub target_topic: String,
}

/// Which topics a map is about: a topic of the same name with another id has other offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TopicIds {
    /// The source topic's id, if the source cluster has ids.
    pub source: Option<TopicId>,
    /// The target topic's id, if the target cluster has ids.
    pub target: Option<TopicId>,
}

impl TopicIds {
    /// Whether both may be about the same topics: ids that are known on both sides are equal.
    #[must_use]
    pub fn agree_with(&self, other: &TopicIds) -> bool {
        let agree = |a: Option<TopicId>, b: Option<TopicId>| a.is_none() || b.is_none() || a == b;
        agree(self.source, other.source) && agree(self.target, other.target)
    }
}

/// A record to write to the topic of runs; without a value it deletes a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunsRecord {
    /// The record's key.
    pub key: Bytes,
    /// The record's value.
    pub value: Option<Bytes>,
}

impl RunsRecord {
    /// Its key and its value together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.key.len() + self.value.as_ref().map_or(0, Bytes::len)
    }
}

/// A record of the topic of runs that cannot be read. What older records said stays true.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RunsRecordError {
    /// The key is not one of ours.
    #[error("the key is not an offset runs key")]
    BadKey,
    /// The value was written by a later version.
    #[error("the value has version {0}, this program reads version 1")]
    UnknownVersion(i64),
    /// The value is too large to be one of ours.
    #[error("the value has {0} bytes, more than 1 MiB")]
    TooLarge(usize),
    /// The value does not make sense.
    #[error("the value is no chunk of offset runs: {0}")]
    BadValue(&'static str),
}

/// One statement about a part of a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) ids: TopicIds,
    /// Where the whole map ended.
    pub(super) end: i64,
    pub(super) map: PartitionMap,
}

/// The key of a chunk.
pub(super) fn encode_key(key: &RunsKey, chunk: usize) -> Bytes {
    let fields: [(&str, Value); 4] = [
        ("topic", json!(&*key.source.topic)),
        ("partition", json!(key.source.partition)),
        ("target", json!(key.target_topic)),
        ("chunk", json!(chunk)),
    ];
    object(fields).into()
}

/// The mapping and the number of a chunk.
pub(super) fn decode_key(bytes: &[u8]) -> Result<(RunsKey, usize), RunsRecordError> {
    let fields: Map<String, Value> = serde_json::from_slice(bytes).map_err(|_| RunsRecordError::BadKey)?;
    let text = |name: &str| fields.get(name).and_then(Value::as_str).ok_or(RunsRecordError::BadKey);
    let number = |name: &str| fields.get(name).and_then(Value::as_i64).ok_or(RunsRecordError::BadKey);
    let partition = i32::try_from(number("partition")?).map_err(|_| RunsRecordError::BadKey)?;
    let chunk = usize::try_from(number("chunk")?).ok().filter(|chunk| *chunk < MAX_CHUNKS);
    let chunk = chunk.ok_or(RunsRecordError::BadKey)?;
    let source = TopicPartition::new(text("topic")?, partition);
    Ok((RunsKey { source, target_topic: text("target")?.to_owned() }, chunk))
}

/// The chunks of a map, in order; at least one.
pub(super) fn chunks(map: &PartitionMap, ids: TopicIds) -> impl Iterator<Item = Chunk> + '_ {
    let runs = map.runs();
    let count = runs.len().div_ceil(CHUNK_RUNS).max(1);
    let boundary = move |index: usize| {
        index.checked_sub(1).and_then(|before| map.runs().get(before)).map_or(map.from, OffsetRun::source_end)
    };
    (0..count).map(move |index| {
        let from = boundary(index * CHUNK_RUNS);
        let to = if index + 1 == count { map.to } else { boundary((index + 1) * CHUNK_RUNS) };
        Chunk { ids, end: map.to, map: map.part(from, to) }
    })
}

impl PartitionMap {
    /// What this map says about the source offsets from `from` to before `to`, both inside it.
    pub(super) fn part(&self, from: i64, to: i64) -> PartitionMap {
        let mut part = PartitionMap::framed(
            from,
            to,
            if from == self.from { self.target_from } else { self.target_at_least(from) },
            if to == self.to { self.target_to } else { self.target_at_least(to) },
            to == self.to && self.tail_exact,
            from == self.from && self.nothing_before,
        );
        part.anew = self.anew;
        part.runs = self
            .runs
            .iter()
            .filter_map(|run| {
                let cut = (from - run.source()).max(0);
                let count = run.count().min(to - run.source()) - cut;
                OffsetRun::new(run.source() + cut, run.target() + cut, count).ok()
            })
            .collect();
        part.holes = self
            .holes
            .iter()
            .map(|hole| Hole { from: hole.from.max(from), to: hole.to.min(to) })
            .filter(|hole| hole.from < hole.to)
            .collect();
        part
    }

    /// A target offset below which no copy of a record from `source` on lies.
    fn target_at_least(&self, source: i64) -> Option<i64> {
        let runs = self.runs();
        match runs.get(runs.partition_point(|run| run.source_end() <= source)) {
            Some(run) if run.source() <= source => Some(run.target() + (source - run.source())),
            _ => self.target_before(source),
        }
    }
}

impl Chunk {
    /// The chunk's value.
    pub(super) fn encode(&self) -> Bytes {
        let map = &self.map;
        let mut runs = Vec::with_capacity(map.runs().len() * 3);
        let (mut source, mut target) = (map.from, map.target_from.unwrap_or(0));
        for run in map.runs() {
            runs.extend([run.source() - source, run.target() - target, run.count()]);
            (source, target) = (run.source_end(), run.target_end());
        }
        let mut holes = Vec::with_capacity(map.holes.len() * 2);
        let mut at = map.from;
        for hole in &map.holes {
            holes.extend([hole.from - at, hole.to - hole.from]);
            at = hole.to;
        }
        let id = |id: Option<TopicId>| id.map(|id| id.to_string());
        let fields: [(&str, Value); 13] = [
            ("version", json!(VERSION)),
            ("sourceTopicId", json!(id(self.ids.source))),
            ("targetTopicId", json!(id(self.ids.target))),
            ("from", json!(map.from)),
            ("to", json!(map.to)),
            ("end", json!(self.end)),
            ("targetFrom", json!(map.target_from)),
            ("targetTo", json!(map.target_to)),
            ("tailExact", json!(map.tail_exact)),
            ("nothingBefore", json!(map.nothing_before)),
            ("anew", json!(map.anew)),
            ("runs", json!(runs)),
            ("holes", json!(holes)),
        ];
        object(fields).into()
    }

    /// The chunk of a value.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, RunsRecordError> {
        use RunsRecordError::BadValue;
        if bytes.len() > MAX_VALUE_BYTES {
            return Err(RunsRecordError::TooLarge(bytes.len()));
        }
        let fields: Map<String, Value> = serde_json::from_slice(bytes).map_err(|_| BadValue("it is no JSON object"))?;
        match fields.get("version").and_then(Value::as_i64) {
            Some(VERSION) => {}
            Some(version) => return Err(RunsRecordError::UnknownVersion(version)),
            None => return Err(BadValue("it has no version")),
        }
        let offset = |name| optional_offset(&fields, name)?.ok_or(BadValue("an offset is missing"));
        let flag = |name: &str| fields.get(name).and_then(Value::as_bool).ok_or(BadValue("a flag is missing"));
        let (from, to, end) = (offset("from")?, offset("to")?, offset("end")?);
        if from > to || to > end {
            return Err(BadValue("its offsets are not in order"));
        }
        let mut map = PartitionMap::framed(
            from,
            to,
            optional_offset(&fields, "targetFrom")?,
            optional_offset(&fields, "targetTo")?,
            flag("tailExact")?,
            flag("nothingBefore")?,
        );
        // Absent in what was written before there was this field.
        map.anew = fields.get("anew").and_then(Value::as_bool).unwrap_or(false);
        map.runs = decode_runs(&numbers(&fields, "runs")?, &map)?;
        map.holes = decode_holes(&numbers(&fields, "holes")?, &map)?;
        let ids = TopicIds { source: topic_id(&fields, "sourceTopicId")?, target: topic_id(&fields, "targetTopicId")? };
        Ok(Self { ids, end, map })
    }
}

fn decode_runs(numbers: &[i64], map: &PartitionMap) -> Result<OffsetRuns, RunsRecordError> {
    let bad = || RunsRecordError::BadValue("a run does not fit");
    let (mut source, mut target) = (map.from, map.target_from.unwrap_or(0));
    let mut runs = OffsetRuns::new();
    let (triples, rest) = numbers.as_chunks::<3>();
    for [source_gap, target_gap, count] in triples {
        let start = source.checked_add(*source_gap).ok_or_else(bad)?;
        let copy = target.checked_add(*target_gap).ok_or_else(bad)?;
        let run = OffsetRun::new(start, copy, *count).map_err(|_| bad())?;
        runs.push(run);
        (source, target) = (run.source_end(), run.target_end());
    }
    let tail = map.target_to.is_none_or(|to| target <= to || triples.is_empty());
    if rest.is_empty() && source <= map.to && tail { Ok(runs) } else { Err(bad()) }
}

fn decode_holes(numbers: &[i64], map: &PartitionMap) -> Result<Vec<Hole>, RunsRecordError> {
    let bad = || RunsRecordError::BadValue("a hole does not fit");
    let mut at = map.from;
    let mut holes = Vec::new();
    let (pairs, rest) = numbers.as_chunks::<2>();
    for [gap, length] in pairs {
        let from = at.checked_add(*gap).ok_or_else(bad)?;
        let to = from.checked_add(*length).filter(|to| *to > from).ok_or_else(bad)?;
        let run = map.runs().get(map.runs().partition_point(|run| run.source_end() <= from));
        if to > map.to || run.is_some_and(|run| run.source() < to) {
            return Err(bad());
        }
        holes.push(Hole { from, to });
        at = to;
    }
    if rest.is_empty() { Ok(holes) } else { Err(bad()) }
}

/// An offset that is there and not negative, or null.
fn optional_offset(fields: &Map<String, Value>, name: &str) -> Result<Option<i64>, RunsRecordError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_i64() {
            Some(offset @ 0..) => Ok(Some(offset)),
            _ => Err(RunsRecordError::BadValue("an offset is not a number from 0")),
        },
    }
}

/// Numbers from 0.
fn numbers(fields: &Map<String, Value>, name: &str) -> Result<Vec<i64>, RunsRecordError> {
    let bad = RunsRecordError::BadValue("runs and holes are lists of numbers from 0");
    let items = fields.get(name).and_then(Value::as_array).ok_or_else(|| bad.clone())?;
    items.iter().map(|item| item.as_i64().filter(|number| *number >= 0).ok_or_else(|| bad.clone())).collect()
}

fn topic_id(fields: &Map<String, Value>, name: &str) -> Result<Option<TopicId>, RunsRecordError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_str().and_then(|text| text.parse().ok()) {
            Some(id) => Ok(Some(id)),
            None => Err(RunsRecordError::BadValue("a topic id cannot be read")),
        },
    }
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> String {
    Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::map::Begin;
    use super::*;

    fn key() -> RunsKey {
        RunsKey { source: TopicPartition::new("orders", 3), target_topic: "A.orders".into() }
    }

    fn map() -> PartitionMap {
        let begin = Begin { source: 0, source_end: 171, target_start: 0, target_end: 0 };
        let mut map = PartitionMap::new(begin);
        map.push(OffsetRun::new(0, 0, 100).unwrap());
        map.push(OffsetRun::new(101, 100, 50).unwrap());
        map.resume(Begin { source: 161, target_end: 160, ..begin });
        map.push(OffsetRun::new(161, 160, 10).unwrap());
        map
    }

    #[test]
    fn the_format_is_the_documented_one() {
        let ids = TopicIds { source: "ASNFZ4mrze_-3LqYdlQyEA".parse().ok(), target: None };

        let chunk = chunks(&map(), ids).next().unwrap();

        assert_eq!(encode_key(&key(), 0), r#"{"topic":"orders","partition":3,"target":"A.orders","chunk":0}"#);
        assert_eq!(
            chunk.encode(),
            concat!(
                r#"{"version":1,"sourceTopicId":"ASNFZ4mrze_-3LqYdlQyEA","targetTopicId":null,"from":0,"to":171,"#,
                r#""end":171,"targetFrom":0,"targetTo":170,"tailExact":true,"nothingBefore":true,"anew":false,"#,
                r#""runs":[0,0,100,1,0,50,10,10,10],"holes":[151,10]}"#
            )
        );
        assert_eq!(Chunk::decode(&chunk.encode()), Ok(chunk));
    }

    #[test]
    fn keys_come_back() {
        assert_eq!(decode_key(&encode_key(&key(), 7)), Ok((key(), 7)));
        for bad in [
            r#"{"topic":"t","partition":0,"chunk":0}"#,
            "[]",
            "x",
            r#"{"topic":"t","partition":-1e9,"chunk":0}"#,
            r#"{"topic":"t","partition":0,"target":"t","chunk":4096}"#,
        ] {
            assert_eq!(decode_key(bad.as_bytes()), Err(RunsRecordError::BadKey), "{bad}");
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let good = String::from_utf8(chunks(&map(), TopicIds::default()).next().unwrap().encode().to_vec()).unwrap();
        for (part, instead) in [
            (r#""version":1"#, r#""version":2"#),
            (r#""from":0"#, r#""from":172"#),
            (r#""from":0"#, r#""from":-1"#),
            (r#""to":171"#, r#""to":170"#),
            (r#""targetTo":170"#, r#""targetTo":169"#),
            (r#""runs":[0"#, r#""runs":[9223372036854775807"#),
            (r#""runs":[0"#, r#""runs":[-1"#),
            (r#",10,10,10]"#, r#",10,10]"#),
            (r#""holes":[151,10]"#, r#""holes":[150,10]"#),
            (r#""holes":[151,10]"#, r#""holes":[151,11]"#),
            (r#""holes":[151,10]"#, r#""holes":[151,0]"#),
            (r#""sourceTopicId":null"#, r#""sourceTopicId":"x""#),
        ] {
            let bad = good.replacen(part, instead, 1);
            assert_ne!(bad, good, "{part}");
            assert!(Chunk::decode(bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(
            Chunk::decode(&vec![b' '; MAX_VALUE_BYTES + 1]),
            Err(RunsRecordError::TooLarge(MAX_VALUE_BYTES + 1))
        );
    }

    #[test]
    fn a_growing_map_changes_its_last_chunk_only() {
        let mut map = map();
        for number in 0..1000 {
            map.push(OffsetRun::new(200 + number * 2, 200 + number, 1).unwrap());
        }
        let before: Vec<_> = chunks(&map, TopicIds::default()).map(|chunk| chunk.map).collect();

        map.push(OffsetRun::new(5000, 5000, 7).unwrap());
        let after: Vec<_> = chunks(&map, TopicIds::default()).map(|chunk| chunk.map).collect();

        assert_eq!(before.len(), 4);
        assert_eq!(before[..3], after[..3]);
        assert_ne!(before[3], after[3]);
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd(bytes: Vec<u8>, numbers: Vec<i64>) {
            let _ = decode_key(&bytes);
            let _ = Chunk::decode(&bytes);
            let value = format!(
                r#"{{"version":1,"from":0,"to":9223372036854775807,"end":9223372036854775807,"tailExact":true,"nothingBefore":true,"runs":{numbers:?},"holes":{numbers:?}}}"#
            );
            let _ = Chunk::decode(value.as_bytes());
        }
    }
}
