//! When an offset sync is due (Java: `OffsetSyncWriter` and its `PartitionState`).
//!
//! A sync is due at once if readers would otherwise be translated more than `offset.lag.max` records too early, or if offsets
//! stopped advancing in step. In between, the latest pair of each partition waits as *delayed* and becomes due with the next
//! commit of source offsets, so that quiet partitions end exact (KAFKA-15906).
//!
//! Batches are observed as runs: [`PartitionState::observe_run`] gives the decisions that Java's record-by-record loop
//! would give, in time proportional to the syncs that are due instead of the records.

use std::collections::{HashMap, VecDeque};

use crate::record::OffsetSync;
use crate::topic_partition::TopicPartition;

/// The target offset of a reader that has read past the synced record: one after it. What lies between the sync and the
/// reader may or may not have been copied, so that more would be a guess (Java: `OffsetSyncStore.translateDownstream`).
/// The writer judges staleness by the same rule.
#[must_use]
pub const fn past_sync(downstream: i64) -> i64 {
    downstream.saturating_add(1)
}

/// What has been seen and synced of one partition (Java: `OffsetSyncWriter.PartitionState`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionState {
    offset_lag_max: i64,
    previous: Option<(i64, i64)>,
    last_sync_downstream: Option<i64>,
}

/// What to do with the pairs of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDecision {
    source: i64,
    target: i64,
    count: i64,
    /// Index in the run of the first sync that is due, then of every `stride`-th record after it.
    first_due: Option<i64>,
    second_due: i64,
    stride: i64,
}

impl PartitionState {
    /// Nothing seen yet. `offset_lag_max` is the connector's `offset.lag.max`, in records.
    #[must_use]
    pub const fn new(offset_lag_max: i64) -> Self {
        Self { offset_lag_max, previous: None, last_sync_downstream: None }
    }

    /// Looks at one record; whether a sync of it is due now.
    pub fn observe(&mut self, upstream: i64, downstream: i64) -> bool {
        let stale = |last: i64| downstream.wrapping_sub(past_sync(last)) >= self.offset_lag_max;
        let (in_step, truncated) = match self.previous {
            Some((up, down)) => (upstream.wrapping_sub(up) == 1, downstream < down),
            None => (upstream == 0, false),
        };
        let due = self.last_sync_downstream.is_none_or(stale) || !in_step || truncated;
        if due {
            self.last_sync_downstream = Some(downstream);
        }
        self.previous = Some((upstream, downstream));
        due
    }

    /// Looks at `count` records, from `source` and `target` on without holes: the decisions of [`Self::observe`] for each.
    pub fn observe_run(&mut self, source: i64, target: i64, count: i64) -> RunDecision {
        let mut decision = RunDecision {
            source,
            target,
            count: count.max(0),
            first_due: None,
            second_due: i64::MAX,
            stride: self.offset_lag_max.max(0).saturating_add(1),
        };
        if count <= 0 {
            return decision;
        }
        // Inside the run only staleness can make a sync due; whatever the first record does, a sync has been sent by then.
        decision.first_due = self.observe(source, target).then_some(0);
        let last_sync = self.last_sync_downstream.unwrap_or(target);
        let stale_at = past_sync(last_sync).saturating_add(self.offset_lag_max.max(0)).saturating_sub(target);
        decision.second_due = stale_at.max(1);
        if let Some(last) = decision.due_indices().last() {
            self.last_sync_downstream = Some(target.saturating_add(last));
        }
        self.previous = Some((source.saturating_add(count - 1), target.saturating_add(count - 1)));
        decision
    }
}

impl RunDecision {
    /// The pairs that are due now, ascending: upstream and downstream offset.
    pub fn due(&self) -> impl Iterator<Item = (i64, i64)> + '_ {
        self.due_indices().map(|index| self.pair(index))
    }

    /// The pair that waits for the next commit: the last of the run, unless it is due.
    #[must_use]
    pub fn delayed(&self) -> Option<(i64, i64)> {
        let last = self.count - 1;
        (last >= 0 && self.due_indices().last() != Some(last)).then(|| self.pair(last))
    }

    /// Saturates: offsets come from brokers, and a bad one must not end the task.
    fn pair(&self, index: i64) -> (i64, i64) {
        (self.source.saturating_add(index), self.target.saturating_add(index))
    }

    fn due_indices(&self) -> DueIndices {
        DueIndices { first: self.first_due, next: self.second_due, stride: self.stride, count: self.count }
    }
}

/// Indices of due records: maybe the first, then an arithmetic sequence. `last` takes no loop.
struct DueIndices {
    first: Option<i64>,
    next: i64,
    stride: i64,
    count: i64,
}

impl Iterator for DueIndices {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        let index = self.next;
        (index < self.count).then(|| {
            self.next = index.saturating_add(self.stride);
            index
        })
    }

    fn last(self) -> Option<i64> {
        if self.next >= self.count {
            return self.first;
        }
        Some(self.count - 1 - (self.count - 1 - self.next) % self.stride)
    }
}

/// The syncs of a task: which are due, which wait.
///
/// Due syncs are sent in order, so that a reader sees them ascending. Should the target of the syncs be slow, the newest one
/// of a partition takes the place of the one before, as in Java, where a partition has at most one due sync.
#[derive(Debug, Clone)]
pub struct OffsetSyncWriter {
    offset_lag_max: i64,
    due_max: usize,
    partitions: HashMap<TopicPartition, PartitionState>,
    due: VecDeque<OffsetSync>,
    /// In order of arrival, one per partition.
    delayed: Vec<OffsetSync>,
    delayed_at: HashMap<TopicPartition, usize>,
}

impl OffsetSyncWriter {
    /// A writer without syncs. `offset_lag_max` as in the config, in records; `due_max` is the number of due syncs above
    /// which the newest of a partition replaces the one before.
    #[must_use]
    pub fn new(offset_lag_max: i64, due_max: usize) -> Self {
        Self {
            offset_lag_max,
            due_max,
            partitions: HashMap::new(),
            due: VecDeque::new(),
            delayed: Vec::new(),
            delayed_at: HashMap::new(),
        }
    }

    /// Looks at one acknowledged record (Java: `maybeQueueOffsetSyncs`).
    pub fn observe(&mut self, partition: &TopicPartition, upstream: i64, downstream: i64) {
        self.observe_run(partition, upstream, downstream, 1);
    }

    /// Looks at an acknowledged run of records.
    pub fn observe_run(&mut self, partition: &TopicPartition, source: i64, target: i64, count: i64) {
        let state = match self.partitions.get_mut(partition) {
            Some(state) => state,
            None => self.partitions.entry(partition.clone()).or_insert(PartitionState::new(self.offset_lag_max)),
        };
        let decision = state.observe_run(source, target, count);
        let sync = |(upstream, downstream)| OffsetSync { topic_partition: partition.clone(), upstream, downstream };
        let mut due = decision.due().map(sync).peekable();
        if due.peek().is_some() {
            self.drop_delayed(partition);
        }
        for sync in due {
            self.push_due(sync);
        }
        if let Some(pair) = decision.delayed() {
            self.drop_delayed(partition);
            self.delayed_at.insert(partition.clone(), self.delayed.len());
            self.delayed.push(sync(pair));
        }
    }

    /// Source offsets have been committed: what was delayed is due (Java: `promoteDelayedOffsetSyncs`).
    pub fn promote_delayed(&mut self) {
        self.delayed_at.clear();
        for sync in std::mem::take(&mut self.delayed) {
            self.push_due(sync);
        }
    }

    /// Takes up to `max` due syncs, to be sent in this order.
    pub fn take_due(&mut self, max: usize) -> Vec<OffsetSync> {
        self.due.drain(..max.min(self.due.len())).collect()
    }

    /// Whether a sync is due.
    #[must_use]
    pub fn has_due(&self) -> bool {
        !self.due.is_empty()
    }

    fn push_due(&mut self, sync: OffsetSync) {
        if self.due.len() >= self.due_max
            && let Some(newest) = self.due.iter_mut().rev().find(|due| due.topic_partition == sync.topic_partition)
        {
            *newest = sync;
        } else {
            self.due.push_back(sync);
        }
    }

    fn drop_delayed(&mut self, partition: &TopicPartition) {
        if let Some(index) = self.delayed_at.remove(partition) {
            self.delayed.swap_remove(index);
            if let Some(moved) = self.delayed.get(index) {
                self.delayed_at.insert(moved.topic_partition.clone(), index);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn partition(number: i32) -> TopicPartition {
        TopicPartition::new("t", number)
    }

    fn sync(number: i32, upstream: i64, downstream: i64) -> OffsetSync {
        OffsetSync { topic_partition: partition(number), upstream, downstream }
    }

    #[test]
    fn syncs_are_due_when_they_are_in_java() {
        let cases: Vec<Value> = serde_json::from_str(include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/golden/offset_sync_emit.json"
        )))
        .unwrap();
        assert_eq!(cases.len(), 24);
        for case in cases {
            let mut state = PartitionState::new(case["max_offset_lag"].as_i64().unwrap());
            for step in case["steps"].as_array().unwrap() {
                let [up, down, due] = [0, 1, 2].map(|index| step[index].as_i64().unwrap());
                assert_eq!(state.observe(up, down), due == 1, "{} at {up} {down}", case["max_offset_lag"]);
            }
        }
    }

    #[test]
    fn a_quiet_partition_is_synced_at_the_next_commit() {
        let mut writer = OffsetSyncWriter::new(100, 10);
        writer.observe_run(&partition(0), 0, 0, 30);
        assert_eq!(writer.take_due(10), [sync(0, 0, 0)]);
        assert!(!writer.has_due());

        writer.promote_delayed();

        assert_eq!(writer.take_due(10), [sync(0, 29, 29)]);
        writer.promote_delayed();
        assert!(!writer.has_due());
    }

    #[test]
    fn a_due_sync_makes_the_delayed_one_of_its_partition_needless() {
        let mut writer = OffsetSyncWriter::new(100, 10);
        writer.observe_run(&partition(0), 0, 0, 2);
        writer.observe_run(&partition(1), 0, 0, 2);
        writer.take_due(10);

        writer.observe(&partition(0), 50, 2);
        writer.promote_delayed();

        assert_eq!(writer.take_due(10), [sync(0, 50, 2), sync(1, 1, 1)]);
    }

    #[test]
    fn with_too_many_due_the_newest_of_a_partition_replaces_the_one_before() {
        let mut writer = OffsetSyncWriter::new(0, 3);
        writer.observe_run(&partition(0), 0, 0, 2);
        writer.observe_run(&partition(1), 7, 7, 1);

        writer.observe_run(&partition(0), 2, 2, 5);

        assert_eq!(writer.take_due(10), [sync(0, 0, 0), sync(0, 6, 6), sync(1, 7, 7)]);
    }

    #[test]
    fn no_offsets_are_too_odd() {
        for (source, target, count) in
            [(i64::MAX, i64::MAX, 9), (i64::MIN, i64::MIN, 9), (-1, -1, i64::MAX), (0, 0, -5)]
        {
            let mut state = PartitionState::new(i64::MAX);
            let decision = state.observe_run(source, target, count);
            let _ = (decision.due().next(), decision.delayed(), state.observe(0, 0));
        }
    }

    #[test]
    fn a_run_of_nothing_changes_nothing() {
        let mut state = PartitionState::new(10);

        let decision = state.observe_run(5, 5, 0);

        assert_eq!((decision.due().count(), decision.delayed()), (0, None));
        assert_eq!(state, PartitionState::new(10));
    }

    proptest! {
        #[test]
        fn runs_decide_as_records_do(
            lag in prop_oneof![-2..3_i64, 0..40_i64, Just(i64::MAX)],
            runs in prop::collection::vec((0..4_i64, -3..4_i64, 1..120_i64), 1..20),
        ) {
            let (mut by_run, mut by_record) = (PartitionState::new(lag), PartitionState::new(lag));
            let (mut source, mut target) = (0, 10);
            for (source_gap, target_gap, count) in runs {
                source += source_gap;
                target = (target + target_gap).max(0);

                let decision = by_run.observe_run(source, target, count);
                let mut due = Vec::new();
                let mut delayed = None;
                for index in 0..count {
                    let pair = (source + index, target + index);
                    if by_record.observe(pair.0, pair.1) {
                        due.push(pair);
                        delayed = None;
                    } else {
                        delayed = Some(pair);
                    }
                }

                prop_assert_eq!(decision.due().collect::<Vec<_>>(), due);
                prop_assert_eq!(decision.delayed(), delayed);
                prop_assert_eq!(&by_run, &by_record);
                source += count;
                target += count;
            }
        }

        #[test]
        fn after_every_record_a_reader_at_the_end_is_translated_less_than_the_lag_too_early(
            lag in 1..50_i64, records in 1..300_i64,
        ) {
            let mut state = PartitionState::new(lag);
            let mut last_due = 0;
            for offset in 0..records {
                if state.observe(offset, offset) {
                    last_due = offset;
                }
                prop_assert!(offset - past_sync(last_due) < lag);
            }
        }
    }
}
