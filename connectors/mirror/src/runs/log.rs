//! The writer's side: a map that knows which of its chunks the topic does not have yet.

use std::hash::{DefaultHasher, Hash, Hasher};

use kafka_wire::runs::OffsetRun;

use super::chunk::{CHUNK_RUNS, Chunk, MAX_CHUNKS, RunsKey, RunsRecord, TopicIds, chunks, encode_key};
use super::map::{Begin, PartitionMap};
use super::store::StoredMap;

/// The map of one partition as the source task keeps it: fed with acknowledged runs, drained of changes at every commit.
#[derive(Debug, Clone)]
pub struct TrackedMap {
    key: RunsKey,
    ids: TopicIds,
    map: PartitionMap,
    max_runs: usize,
    /// A hash of each chunk as it was last handed out; `None`: the topic may have something else there.
    written: Vec<Option<u64>>,
    /// How many chunks the topic may hold.
    present: usize,
    changed: bool,
}

impl TrackedMap {
    /// Takes a partition up. `stored` is what the topic holds for it ([`RunsStore::stored`](super::RunsStore::stored)); it
    /// goes on if it is about the same topics, and is replaced otherwise. `ids` are the topics as they are now; `max_runs`
    /// bounds the map ([`DEFAULT_MAX_RUNS`](super::DEFAULT_MAX_RUNS); at most a million).
    #[must_use]
    pub fn resume(key: RunsKey, ids: TopicIds, stored: Option<StoredMap>, begin: Begin, max_runs: usize) -> Self {
        let present = stored.as_ref().map_or(0, |stored| stored.chunks);
        let map = match stored {
            Some(StoredMap { ids: about, mut map, .. }) if about.agree_with(&ids) => {
                map.resume(begin);
                map
            }
            Some(_) => PartitionMap::anew(begin),
            None => PartitionMap::new(begin),
        };
        Self {
            key,
            ids,
            map,
            max_runs: max_runs.min(MAX_CHUNKS * CHUNK_RUNS),
            written: vec![None; present],
            present,
            changed: true,
        }
    }

    /// One of the topics has been created anew, or the target has lost its copies: begins a new map, beside which nothing that the
    /// topic of runs or offset syncs say of the partition counts.
    pub fn begin_anew(&mut self, ids: TopicIds, begin: Begin) {
        self.ids = ids;
        self.map = PartitionMap::anew(begin);
        self.not_written();
    }

    /// The map.
    #[must_use]
    pub fn map(&self) -> &PartitionMap {
        &self.map
    }

    /// See [`PartitionMap::push`].
    pub fn push(&mut self, run: OffsetRun) {
        self.map.push(run);
        self.changed = true;
    }

    /// See [`PartitionMap::advance`].
    pub fn advance(&mut self, source: i64) {
        if source > self.map.mirrored_to() {
            self.map.advance(source);
            self.changed = true;
        }
    }

    /// See [`PartitionMap::rewind`].
    pub fn rewind(&mut self, source: i64) {
        self.map.rewind(source);
        self.changed = true;
    }

    /// The records that bring the topic up to the map, and none if it is. Keeps the map in bounds before: forgets what the
    /// target has deleted (`target_start` is its log start, if known), then thins.
    ///
    /// Linear in the runs, if there was a change. Call [`Self::not_written`] if the records could not be written.
    pub fn take_changes(&mut self, target_start: Option<i64>) -> Vec<RunsRecord> {
        if !std::mem::take(&mut self.changed) {
            return Vec::new();
        }
        if let Some(start) = target_start.filter(|_| self.map.runs().len() > self.max_runs) {
            self.map.forget_target_before(start);
        }
        self.map.thin(self.max_runs);
        let chunks: Vec<Chunk> = chunks(&self.map, self.ids).collect();
        let hashes = chunks.iter().map(|chunk| Some(hash(chunk))).collect();
        let before = std::mem::replace(&mut self.written, hashes);
        self.present = before.len().max(chunks.len());
        let changed = chunks.iter().enumerate().filter(|(index, _)| before.get(*index) != self.written.get(*index));
        let mut records: Vec<RunsRecord> = changed
            .map(|(index, chunk)| RunsRecord { key: encode_key(&self.key, index), value: Some(chunk.encode()) })
            .collect();
        let gone = chunks.len()..self.present;
        records.extend(gone.map(|index| RunsRecord { key: encode_key(&self.key, index), value: None }));
        records
    }

    /// The records of the last [`Self::take_changes`] may not have reached the topic: all of them are due again.
    pub fn not_written(&mut self) {
        self.written = vec![None; self.present];
        self.changed = true;
    }
}

/// A chunk is written again when its own part changes; that the map has grown elsewhere is no reason.
fn hash(chunk: &Chunk) -> u64 {
    let mut hasher = DefaultHasher::new();
    let map = &chunk.map;
    (chunk.ids, map.runs(), &map.holes, map.from, map.to).hash(&mut hasher);
    (map.target_from, map.target_to, map.tail_exact, map.nothing_before, map.anew).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::super::RunsStore;
    use super::*;
    use crate::topic_partition::TopicPartition;

    const BEGIN: Begin = Begin { source: 0, source_end: 0, target_start: 0, target_end: 0 };

    fn key() -> RunsKey {
        RunsKey { source: TopicPartition::new("t", 0), target_topic: "A.t".into() }
    }

    fn tracked(max_runs: usize) -> TrackedMap {
        TrackedMap::resume(key(), TopicIds::default(), None, BEGIN, max_runs)
    }

    /// A record and a marker, `count` times.
    fn push_transactions(map: &mut TrackedMap, count: i64) {
        let (source, target) = (map.map().mirrored_to(), map.map().runs().last().map_or(0, OffsetRun::target_end));
        for number in 0..count {
            map.push(OffsetRun::new(source + 1 + number * 2, target + number, 1).unwrap());
        }
    }

    fn apply(store: &mut RunsStore, records: &[RunsRecord]) {
        for record in records {
            store.apply(Some(&record.key), record.value.as_deref()).unwrap();
        }
    }

    #[test]
    fn only_what_has_changed_is_written() {
        let mut map = tracked(10_000);
        push_transactions(&mut map, 600);

        assert_eq!(map.take_changes(None).len(), 3);
        assert_eq!(map.take_changes(None), []);
        push_transactions(&mut map, 1);
        assert_eq!(map.take_changes(None).len(), 1);
        map.advance(3);
        assert_eq!(map.take_changes(None), []);
        map.advance(5000);
        assert_eq!(map.take_changes(None).len(), 1);
    }

    #[test]
    fn what_begins_anew_deletes_what_was_said_before() {
        let mut map = tracked(10_000);
        push_transactions(&mut map, 600);
        let mut store = RunsStore::default();
        apply(&mut store, &map.take_changes(None));
        let end = map.map().mirrored_to();

        map.begin_anew(TopicIds::default(), Begin { source: end, source_end: end, target_start: 0, target_end: 0 });
        map.push(OffsetRun::new(end, 0, 5).unwrap());
        apply(&mut store, &map.take_changes(None));

        assert_eq!(store.stored(&key()).unwrap().map, *map.map());
        assert!(store.is_anew(&key()));
        assert_eq!(store.translate(&key(), TopicIds::default(), end + 2).exact(), Some(2));
    }

    #[test]
    fn a_map_past_its_bound_is_thinned_and_its_old_chunks_are_deleted() {
        let mut map = tracked(600);
        push_transactions(&mut map, 600);
        let mut store = RunsStore::default();
        apply(&mut store, &map.take_changes(None));

        push_transactions(&mut map, 1);
        let records = map.take_changes(None);
        apply(&mut store, &records);

        assert!(map.map().runs().len() <= 450, "{}", map.map().runs().len());
        assert_eq!(records.iter().filter(|record| record.value.is_none()).count(), 1);
        assert_eq!(store.stored(&key()).unwrap().map, *map.map());
    }

    #[test]
    fn what_the_target_has_deleted_goes_before_anything_is_thinned() {
        let mut map = tracked(600);
        push_transactions(&mut map, 601);

        map.take_changes(Some(200));

        assert_eq!(map.map().runs().len(), 401);
        assert_eq!(map.map().unknown_offsets(), 0);
    }

    #[test]
    fn what_was_not_written_is_due_again_with_the_deletions() {
        let mut map = tracked(600);
        push_transactions(&mut map, 600);
        map.take_changes(None);
        push_transactions(&mut map, 1);
        let lost = map.take_changes(None);

        map.not_written();

        assert_eq!(map.take_changes(None), lost);
    }

    #[test]
    fn a_stored_map_of_other_topics_is_replaced() {
        let ids = |id: &str| TopicIds { source: id.parse().ok(), target: None };
        let mut map = TrackedMap::resume(key(), ids("ASNFZ4mrze_-3LqYdlQyEA"), None, BEGIN, 100);
        push_transactions(&mut map, 5);
        let mut store = RunsStore::default();
        apply(&mut store, &map.take_changes(None));

        let stored = || store.stored(&key());
        let same =
            TrackedMap::resume(key(), ids("ASNFZ4mrze_-3LqYdlQyEA"), stored(), Begin { target_end: 5, ..BEGIN }, 100);
        let other = TrackedMap::resume(key(), ids("ASNFZ4mrze_-3LqYdlQyEQ"), stored(), BEGIN, 100);

        assert_eq!(same.map().runs().len(), 5);
        assert_eq!(other.map().runs().len(), 0);
    }
}
