//! The config topic and the status topic of a world.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::random::Random;
use crate::config_log::{ClusterConfigState, ConfigRecord};

/// A record of the config topic.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) offset: i64,
    pub(super) key: String,
    pub(super) value: Option<Bytes>,
}

/// One partition, compacted, with holes where transaction markers would be.
#[derive(Debug, Default)]
pub(super) struct ConfigTopic {
    records: Vec<Record>,
    next_offset: i64,
    /// How often the right to write as leader has been claimed. Who holds an older claim is fenced.
    claims: u64,
    /// All that was ever written, and the last of each key: what no compaction may change.
    written: BTreeSet<(String, Option<String>)>,
    pub(super) last_words: BTreeMap<String, Option<String>>,
}

impl ConfigTopic {
    /// Someone takes the leaders' transactional id over.
    pub(super) fn claim(&mut self) -> u64 {
        self.claims += 1;
        self.claims
    }

    /// Whether nobody has claimed the right since.
    pub(super) fn is_newest(&self, claim: u64) -> bool {
        self.claims == claim
    }

    /// Appends a batch. Answers with the position after its last record.
    pub(super) fn append(&mut self, batch: Vec<(String, Option<String>)>, random: &mut Random) -> i64 {
        for (key, value) in batch {
            self.written.insert((key.clone(), value.clone()));
            self.last_words.insert(key.clone(), value.clone());
            self.records.push(Record { offset: self.next_offset, key, value: value.map(Bytes::from) });
            self.next_offset += 1;
        }
        let end = self.next_offset;
        if random.chance(30) {
            self.next_offset += 1;
        }
        end
    }

    /// Whether this has ever been written.
    pub(super) fn has_had(&self, record: &ConfigRecord) -> bool {
        self.written.contains(&record.encode())
    }

    /// The offset of the last record.
    pub(super) fn last(&self) -> i64 {
        self.records.last().map_or(-1, |record| record.offset)
    }

    /// The records from an offset on.
    pub(super) fn from(&self, offset: i64) -> &[Record] {
        let index = self.records.partition_point(|record| record.offset < offset);
        &self.records[index..]
    }

    /// Does what the broker's cleaner may do up to some point: removes what a later record before that point replaces, and
    /// perhaps tombstones that everyone has read. The last record always stays, as the active segment is never cleaned.
    pub(super) fn compact(&mut self, read_by_all: i64, random: &mut Random) {
        let clean = random.below(self.records.len() as u64 + 1) as usize;
        let clean = clean.min(self.records.len().saturating_sub(1));
        let drop_tombstones = random.chance(50);
        let mut index = 0;
        let head: Vec<Record> = self.records[..clean].to_vec();
        self.records.retain(|record| {
            let at = index;
            index += 1;
            if at >= clean {
                return true;
            }
            let replaced = head[at + 1..].iter().any(|later| later.key == record.key);
            let forgotten = drop_tombstones && record.value.is_none() && record.offset < read_by_all;
            !replaced && !forgotten
        });
    }

    /// What a reader makes of the topic once a cleaner has gone through all of it.
    pub(super) fn as_a_new_reader_knows_it(&self) -> ClusterConfigState {
        let last = |record: &&Record| self.last_of(&record.key) == Some(record.offset) && record.value.is_some();
        let mut state = ClusterConfigState::new();
        for record in self.records.iter().filter(last) {
            state.apply(record.offset, &record.key, record.value.as_deref());
        }
        state
    }

    fn last_of(&self, key: &str) -> Option<i64> {
        self.records.iter().rfind(|record| record.key == key).map(|record| record.offset)
    }
}

/// The status topic; its partitions are one here.
#[derive(Debug, Default)]
pub(super) struct StatusTopic {
    pub(super) records: Vec<(String, Option<Bytes>)>,
}
