//! The offset runs of one partition while a task mirrors it: what has been handed out, what is acknowledged, and how far the
//! source has been read without anything to copy (pure).
//!
//! It also notices when copies land below where they have to: the target has lost what it held.
//!
//! A map may say "read up to here" only when everything handed out before is acknowledged: until then it would deny records
//! that are on their way.

use connect_api::record::AckedRun;
use kafka_wire::runs::OffsetRun;
use mirror::TopicId;
use mirror::runs::{Begin, DEFAULT_MAX_RUNS, RunsKey, RunsRecord, StoredMap, TopicIds, TrackedMap};

use crate::losses::LossKind;

/// The map of a partition, fed by a task.
#[derive(Debug)]
pub struct PartitionRuns {
    key: RunsKey,
    ids: TopicIds,
    target_start: i64,
    map: TrackedMap,
    handed_out: u64,
    acked: u64,
    /// Acknowledgements up to this number are of a topic that is gone.
    outlived: u64,
    read_to: Option<i64>,
    /// A lower bound of where the next copy will be.
    target_end: i64,
    lost: Option<LossKind>,
}

impl PartitionRuns {
    /// Takes a partition up, with the map that is stored for it.
    #[must_use]
    pub fn resume(key: RunsKey, ids: TopicIds, stored: Option<StoredMap>, begin: Begin) -> Self {
        let lost = stored.as_ref().and_then(|stored| gone(stored, ids, begin));
        let map = TrackedMap::resume(key.clone(), ids, stored, begin, DEFAULT_MAX_RUNS);
        let (target_start, target_end) = (begin.target_start, begin.target_end);
        Self { key, ids, target_start, map, handed_out: 0, acked: 0, outlived: 0, read_to: None, target_end, lost }
    }

    /// Whether the target has lost copies since that was asked last.
    #[must_use]
    pub const fn has_lost(&self) -> bool {
        self.lost.is_some()
    }

    /// What the target has lost since this was asked last.
    pub fn take_loss(&mut self) -> Option<LossKind> {
        self.lost.take()
    }

    /// A batch goes to the target.
    pub fn handed_out(&mut self) {
        self.handed_out += 1;
    }

    /// The source has been read up to `source` (exclusive): what was not handed out is not to be copied.
    pub fn read_to(&mut self, source: i64) {
        self.read_to = Some(source);
        self.settle();
    }

    /// The oldest batch that was handed out and not acknowledged is on the target.
    pub fn acked(&mut self, runs: &[AckedRun]) {
        self.acked += 1;
        if self.acked > self.outlived {
            for run in runs {
                match OffsetRun::new(run.source_offset, run.target_offset, run.count) {
                    Ok(run) => {
                        if run.target() < self.target_end {
                            self.target_lost(&run);
                        }
                        self.target_end = self.target_end.max(run.target_end());
                        self.map.push(run);
                    }
                    // Copied, but nobody knows where to.
                    Err(_) => self.forget(run.source_offset.saturating_add(run.count)),
                }
            }
        }
        self.settle();
    }

    /// The source was cut off at `source` and written anew.
    pub fn rewound(&mut self, source: i64) {
        self.read_to = None;
        self.map.rewind(source);
    }

    /// The source topic was deleted and created again; it is read from its beginning.
    pub fn recreated(&mut self, source_id: Option<TopicId>) {
        self.ids.source = source_id;
        self.outlived = self.handed_out;
        self.read_to = None;
        self.begin_anew(0);
    }

    /// What has to be written for the topic of runs to know all this.
    pub fn take_changes(&mut self) -> Vec<RunsRecord> {
        self.map.take_changes(Some(self.target_start))
    }

    /// What [`Self::take_changes`] gave last may not have been written.
    pub fn not_written(&mut self) {
        self.map.not_written();
    }

    /// The map.
    #[must_use]
    pub fn map(&self) -> &TrackedMap {
        &self.map
    }

    /// This copy lies where there were others: those are gone, and with them what the map knew. Whether it is another topic by
    /// now nobody has asked.
    fn target_lost(&mut self, run: &OffsetRun) {
        self.lost = Some(LossKind::TargetLost { before: run.source(), from: run.target(), to: self.target_end });
        self.ids.target = None;
        self.target_start = 0;
        self.target_end = run.target();
        self.begin_anew(run.source());
    }

    fn begin_anew(&mut self, source: i64) {
        self.map.begin_anew(self.ids, self.begin(source));
    }

    /// Begins anew at `source`, with copies of everything from there on after all that is known of the target.
    fn forget(&mut self, source: i64) {
        self.map = TrackedMap::resume(self.key.clone(), self.ids, None, self.begin(source), DEFAULT_MAX_RUNS);
    }

    fn begin(&self, source: i64) -> Begin {
        Begin { source, source_end: source, target_start: self.target_start, target_end: self.target_end }
    }

    fn settle(&mut self) {
        if self.acked == self.handed_out
            && let Some(source) = self.read_to.take()
        {
            self.map.advance(source);
        }
    }
}

/// What the target held when the map was written, and does not hold any more, unless all of it is mirrored again.
fn gone(stored: &StoredMap, ids: TopicIds, begin: Begin) -> Option<LossKind> {
    let held_to = stored.map.target_end().filter(|_| begin.source > stored.map.mirrored_from())?;
    let recreated = matches!((stored.ids.target, ids.target), (Some(before), Some(now)) if before != now);
    let from = if recreated { 0 } else { begin.target_end };
    (from < held_to).then_some(LossKind::TargetLost { before: begin.source, from, to: held_to })
}

#[cfg(test)]
mod tests {
    use mirror::TopicPartition;
    use mirror::runs::Translation;

    use super::*;

    fn fresh(source: i64, source_end: i64) -> PartitionRuns {
        let key = RunsKey { source: TopicPartition::new("t", 0), target_topic: "A.t".into() };
        let begin = Begin { source, source_end, target_start: 0, target_end: 0 };
        PartitionRuns::resume(key, TopicIds::default(), None, begin)
    }

    fn run(source_offset: i64, target_offset: i64, count: i64) -> AckedRun {
        AckedRun { source_offset, target_offset, count }
    }

    #[test]
    fn the_end_of_a_retained_topic_is_the_end_of_its_copy() {
        let mut runs = fresh(750, 1000);

        runs.handed_out();
        runs.read_to(1000);
        runs.acked(&[run(750, 0, 250)]);

        assert_eq!(runs.map().map().translate(1000), Translation::Exact(250));
        assert_eq!(runs.map().map().translate(10), Translation::Exact(0));
        assert_eq!(runs.map().map().translate(800), Translation::Exact(50));
    }

    #[test]
    fn markers_are_passed_only_when_the_records_before_them_are_acknowledged() {
        let mut runs = fresh(0, 12);

        runs.handed_out();
        runs.read_to(11);
        assert!(matches!(runs.map().map().translate(11), Translation::NotYetMirrored { mirrored_to: 0, .. }));

        runs.acked(&[run(0, 0, 10)]);
        assert_eq!(runs.map().map().translate(11), Translation::Exact(10));
    }

    #[test]
    fn a_copy_whose_place_is_unknown_is_never_passed() {
        let mut runs = fresh(0, 30);
        runs.handed_out();
        runs.acked(&[run(0, 0, 10)]);

        runs.handed_out();
        runs.acked(&[run(10, -1, 10)]);
        runs.handed_out();
        runs.acked(&[run(20, 20, 10)]);

        for committed in 0..20 {
            assert!(runs.map().map().translate(committed).safe().is_none_or(|target| target <= committed));
        }
        assert_eq!(runs.map().map().translate(25), Translation::Exact(25));
    }

    #[test]
    fn acknowledgements_of_a_topic_that_is_gone_say_nothing_of_the_new_one() {
        let mut runs = fresh(0, 10);
        runs.handed_out();

        runs.recreated(TopicId::new([2; 16]));
        runs.acked(&[run(0, 0, 10)]);
        runs.handed_out();
        runs.acked(&[run(0, 10, 3)]);

        assert_eq!(runs.map().map().translate(2), Translation::Exact(12));
    }
    const LOST: LossKind = LossKind::TargetLost { before: 20, from: 0, to: 20 };

    #[test]
    fn a_copy_where_others_were_says_that_they_are_gone() {
        let mut runs = fresh(0, 30);
        runs.handed_out();
        runs.acked(&[run(0, 0, 20)]);
        assert_eq!(runs.take_loss(), None);

        runs.handed_out();
        runs.acked(&[run(20, 0, 10)]);

        assert_eq!((runs.take_loss(), runs.take_loss()), (Some(LOST), None));
        assert_eq!(runs.map().map().translate(25), Translation::Exact(5));
        // Nothing older is there: who has not read that far begins at the beginning.
        assert_eq!(runs.map().map().translate(10), Translation::Exact(0));
    }

    #[test]
    fn a_target_that_is_another_or_shorter_at_the_start_has_lost_its_copies() {
        let ids = |target| TopicIds { source: None, target: TopicId::new([target; 16]) };
        let mut before = fresh(0, 20);
        before.ids = ids(1);
        before.handed_out();
        before.acked(&[run(0, 0, 20)]);
        let stored = || Some(StoredMap { ids: ids(1), map: before.map().map().clone(), chunks: 1 });
        let begin = |target_end| Begin { source: 20, source_end: 20, target_start: 0, target_end };
        let resumed = |target, end| PartitionRuns::resume(before.key.clone(), ids(target), stored(), begin(end)).lost;

        assert_eq!(resumed(2, 0), Some(LOST));
        assert_eq!(resumed(2, 50), Some(LOST), "whatever it holds by now");
        assert_eq!(resumed(1, 15), Some(LossKind::TargetLost { before: 20, from: 15, to: 20 }));
        assert_eq!(resumed(1, 20), None);
        assert_eq!(resumed(1, 25), None);
        let from_the_beginning = Begin { source: 0, ..begin(0) };
        assert_eq!(PartitionRuns::resume(before.key.clone(), ids(2), stored(), from_the_beginning).lost, None);
    }
}
