//! Maps against a world that knows where every record is: a source log, a target log, a mirror that is killed at any point,
//! a topic of runs that tears, a target topic that is created anew. After every step, for every source offset: no answer lies past
//! the copy of an unread record; nor does an offset sync that counts.

use std::collections::BTreeSet;

use kafka_wire::runs::OffsetRun;
use proptest::prelude::*;

use super::*;
use crate::offset_sync_store::OffsetSyncStore;
use crate::offset_sync_writer::OffsetSyncWriter;
use crate::topic_partition::{TopicId, TopicPartition};

#[derive(Debug, Clone)]
enum Step {
    /// Copies records of the source, skipping those that are gaps; acknowledged in one go.
    Copy(u8),
    /// Copies records and is killed before anything of it is noted.
    CopyUnnoted(u8),
    /// Commits the source position and writes the map; the first `u8` records of the change reach the topic.
    Commit(Option<u8>),
    /// Commits the source position, and is killed before the map is written.
    CommitOffsetsOnly,
    /// Killed; starts again from what is durable.
    Restart,
    /// Somebody else's record, or a marker, on the target.
    Foreign,
    /// The target's retention.
    ExpireTarget(u8),
    /// The user sets the committed offset back.
    SetBack(u8),
    /// The source loses its last offsets and gets other records there.
    Rewrite(u8),
    /// The target topic is deleted and created again, while the mirror runs or not.
    RecreateTarget { running: bool },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (1..30_u8).prop_map(Step::Copy),
        1 => (1..30_u8).prop_map(Step::CopyUnnoted),
        4 => Just(Step::Commit(None)),
        1 => (0..4_u8).prop_map(|count| Step::Commit(Some(count))),
        1 => Just(Step::CommitOffsetsOnly),
        2 => Just(Step::Restart),
        1 => Just(Step::Foreign),
        1 => (1..20_u8).prop_map(Step::ExpireTarget),
        1 => (1..60_u8).prop_map(Step::SetBack),
        1 => (1..60_u8).prop_map(Step::Rewrite),
        1 => any::<bool>().prop_map(|running| Step::RecreateTarget { running }),
    ];
    prop::collection::vec(step, 1..60)
}

struct World {
    /// Source offsets that hold no record.
    gaps: BTreeSet<i64>,
    /// What each target offset holds: a source offset, or something foreign.
    target: Vec<Option<i64>>,
    target_start: i64,
    /// Which target topic it is, and which one the task means.
    target_id: u128,
    taken_id: u128,
    syncs: OffsetSyncStore,
    sync_writer: OffsetSyncWriter,
    /// Where the mirror reads next.
    position: i64,
    /// How far anybody has read: the source's log end is there, or later.
    read_to: i64,
    committed: i64,
    /// Where the source parts from the history of the committed offset.
    parting: Option<i64>,
    map: TrackedMap,
    topic: RunsStore,
    max_runs: usize,
    /// Records that the source holds and nobody has read.
    slack: i64,
    /// Whether some offset has been copied more than once.
    doubled: bool,
    /// Whether copies went with their topic, so that what was read may be copied again.
    recreated: bool,
}

fn key() -> RunsKey {
    RunsKey { source: TopicPartition::new("t", 0), target_topic: "A.t".into() }
}

fn ids(target: u128) -> TopicIds {
    TopicIds { source: None, target: TopicId::new(target.to_be_bytes()) }
}

fn sync_writer() -> OffsetSyncWriter {
    OffsetSyncWriter::new(5, 1000)
}

impl World {
    fn ids(&self) -> TopicIds {
        ids(self.target_id)
    }

    fn new(gaps: BTreeSet<i64>, held_before: usize, max_runs: usize, slack: i64) -> Self {
        let target = vec![None; held_before];
        let begin = Begin { source: 0, source_end: 0, target_start: 0, target_end: held_before as i64 };
        let mut syncs = OffsetSyncStore::new(false);
        syncs.set_read_to_end();
        Self {
            target_id: 1,
            taken_id: 1,
            syncs,
            sync_writer: sync_writer(),
            gaps,
            target,
            target_start: 0,
            position: 0,
            read_to: 0,
            committed: 0,
            parting: None,
            map: TrackedMap::resume(key(), ids(1), None, begin, max_runs),
            topic: RunsStore::default(),
            max_runs,
            slack,
            doubled: false,
            recreated: false,
        }
    }

    fn copy(&mut self, offsets: u8, noted: bool) {
        for source in self.position..self.position + i64::from(offsets) {
            if self.gaps.contains(&source) {
                continue;
            }
            self.doubled |= self.target.contains(&Some(source));
            let target = self.target.len() as i64;
            self.target.push(Some(source));
            self.sync_writer.observe(&key().source, source, target);
            if noted {
                self.map.push(OffsetRun::new(source, target, 1).unwrap());
            }
        }
        for sync in self.sync_writer.take_due(1000) {
            self.syncs.apply(&sync);
        }
        self.position += i64::from(offsets);
        self.read_to = self.read_to.max(self.position);
        if noted {
            self.map.advance(self.position);
        }
    }

    fn restart(&mut self) {
        self.position = self.parting.map_or(self.committed, |parting| parting.min(self.committed));
        let begin = Begin {
            source: self.position,
            source_end: self.read_to + self.slack,
            target_start: self.target_start,
            target_end: self.target.len() as i64,
        };
        self.map = TrackedMap::resume(key(), self.ids(), self.topic.stored(&key()), begin, self.max_runs);
        self.taken_id = self.target_id;
        self.sync_writer = sync_writer();
        if let Some(parting) = self.parting {
            self.map.rewind(parting);
        }
    }

    fn commit_offsets(&mut self) {
        self.committed = self.position;
        self.parting = None;
    }

    fn write_map(&mut self, reaching: Option<u8>) {
        let records = self.map.take_changes(Some(self.target_start));
        let count = reaching.map_or(records.len(), usize::from);
        for record in records.iter().take(count) {
            self.topic.apply(Some(&record.key), record.value.as_deref()).unwrap();
        }
        if count < records.len() {
            self.map.not_written();
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Copy(offsets) => self.copy(*offsets, true),
            Step::CopyUnnoted(offsets) => {
                self.copy(*offsets, false);
                self.restart();
            }
            Step::Commit(reaching) => {
                self.write_map(*reaching);
                self.commit_offsets();
                if reaching.is_some() {
                    self.restart();
                }
            }
            Step::CommitOffsetsOnly => {
                self.commit_offsets();
                self.restart();
            }
            Step::Restart => self.restart(),
            Step::Foreign => self.target.push(None),
            Step::ExpireTarget(count) => {
                self.target_start = (self.target_start + i64::from(*count)).min(self.target.len() as i64);
            }
            Step::Rewrite(count) => {
                let parting = (self.position - i64::from(*count)).max(0);
                for source in &mut self.target {
                    *source = source.filter(|source| *source < parting);
                }
                self.parting = Some(self.parting.map_or(parting, |before| before.min(parting)));
                self.position = parting;
                self.read_to = parting;
                self.doubled = true;
                self.map.rewind(parting);
            }
            // Before the first map is written, nobody knows which topic the syncs are about.
            Step::RecreateTarget { .. } if self.topic.stored(&key()).is_none() => {}
            Step::RecreateTarget { running } => {
                self.target.clear();
                self.target_start = 0;
                self.target_id += 1;
                self.recreated = true;
                if !running {
                    self.restart();
                }
            }
            Step::SetBack(count) => {
                self.committed = (self.committed - i64::from(*count)).max(0);
                self.restart();
            }
        }
    }

    fn truth(&self) -> Truth {
        let sources = self.target.iter().flatten().max().map_or(0, |last| *last as usize + 1);
        let mut last_copies = vec![i64::MAX; sources];
        for (target, source) in self.target.iter().enumerate().skip(self.target_start as usize) {
            if let Some(source) = source {
                last_copies[*source as usize] = target as i64;
            }
        }
        let by_target = self.target.iter().map(|source| source.unwrap_or(i64::MAX)).collect();
        Truth { latest_for_unread: suffix_minima(last_copies), oldest_ahead: suffix_minima(by_target) }
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        let truth = self.truth();
        let log = TargetLog { start: self.target_start, end: self.target.len() as i64 };
        let mut last = 0;
        for committed in 0..self.position + 5 {
            let of_task = self.map.map().translate(committed).within(log);
            let of_topic = self.topic.translate(&key(), self.ids(), committed).within(log);
            let of_task = (self.taken_id == self.target_id).then_some(of_task);
            let recreated = Translation::Unknown { reason: UnknownReason::Recreated, earliest: None };
            // A sync may point at a second copy while the second copies of later records are yet to come.
            if of_topic != recreated && !self.doubled && !self.topic.is_anew(&key()) {
                let by_syncs = self.syncs.translate(&key().source, committed).offset();
                if let Some(position) = by_syncs.filter(|offset| *offset <= log.end) {
                    let misses = truth.misses(committed, position.max(log.start));
                    prop_assert!(!misses, "{} -> {} by syncs", committed, position);
                }
            }
            for answer in of_task.into_iter().chain([of_topic]) {
                if let Some(position) = answer.safe() {
                    prop_assert!(!truth.misses(committed, position), "{} -> {:?}", committed, answer);
                    prop_assert!((log.start..=log.end).contains(&position));
                }
                if let Some(position) = answer.exact().filter(|_| !self.doubled && !self.recreated) {
                    prop_assert!(!truth.repeats(committed, position), "{} -> {:?}", committed, answer);
                }
            }
            if let Some(position) = of_task.and_then(Translation::safe) {
                prop_assert!(position >= last, "{} -> {:?} after {}", committed, of_task, last);
                last = position;
            }
        }
        Ok(())
    }
}

/// What is right, for every question at once.
struct Truth {
    /// By source offset: the latest target offset from which a reader still sees a copy of every record from there on.
    latest_for_unread: Vec<i64>,
    /// By target offset: the lowest source offset that a reader from there on sees.
    oldest_ahead: Vec<i64>,
}

impl Truth {
    fn misses(&self, committed: i64, position: i64) -> bool {
        self.latest_for_unread.get(committed as usize).is_some_and(|latest| *latest < position)
    }

    fn repeats(&self, committed: i64, position: i64) -> bool {
        self.oldest_ahead.get(position as usize).is_some_and(|oldest| *oldest < committed)
    }
}

fn suffix_minima(mut values: Vec<i64>) -> Vec<i64> {
    for index in (1..values.len()).rev() {
        values[index - 1] = values[index - 1].min(values[index]);
    }
    values
}

proptest! {
    #[test]
    fn no_answer_lies_past_an_unread_record(
        gaps in prop::collection::btree_set(0..600_i64, 0..200),
        held_before in prop_oneof![Just(0_usize), 1..10_usize],
        max_runs in prop_oneof![Just(8_usize), Just(30), Just(10_000)],
        slack in prop_oneof![Just(0_i64), Just(1000)],
        steps in steps(),
    ) {
        let mut world = World::new(gaps, held_before, max_runs, slack);
        for step in &steps {
            world.step(step);
            world.check()?;
        }
    }

    #[test]
    fn a_mirror_that_is_not_killed_answers_exactly_everywhere(
        gaps in prop::collection::btree_set(0..600_i64, 0..200),
        copies in prop::collection::vec(1..30_u8, 1..20),
    ) {
        let mut world = World::new(gaps, 0, 10_000, 0);
        for offsets in copies {
            world.copy(offsets, true);
            world.write_map(None);
        }

        let truth = world.truth();
        for committed in 0..=world.position {
            let answer = world.topic.translate(&key(), world.ids(), committed);
            let position = answer.exact();
            prop_assert!(position.is_some(), "{} -> {:?}", committed, answer);
            prop_assert!(!truth.misses(committed, position.unwrap()));
            prop_assert!(!truth.repeats(committed, position.unwrap()));
        }
    }
}

#[test]
fn two_tasks_that_write_at_once_leave_holes_and_no_lies() {
    let begin = |source, target_end| Begin { source, source_end: 0, target_start: 0, target_end };
    let run = |source, target, count| OffsetRun::new(source, target, count).unwrap();
    let mut store = RunsStore::default();
    let mut apply = |map: &mut TrackedMap| {
        for record in map.take_changes(None) {
            store.apply(Some(&record.key), record.value.as_deref()).unwrap();
        }
        store.stored(&key()).unwrap().map
    };

    // The first task copies 600 records in runs of one, so that it writes three chunks; then another one, started from
    // nothing, copies the first 10 again and writes its single chunk.
    let mut first = TrackedMap::resume(key(), TopicIds::default(), None, begin(0, 0), 10_000);
    for record in 0..600 {
        first.push(run(record * 2, record, 1));
    }
    apply(&mut first);
    let mut second = TrackedMap::resume(key(), TopicIds::default(), None, begin(0, 600), 10_000);
    for record in 0..10 {
        second.push(run(record * 2, 600 + record, 1));
    }
    let map = apply(&mut second);

    assert_eq!(map.translate(4), Translation::Exact(602));
    assert_eq!(map.translate(700), Translation::NotYetMirrored { mirrored_to: 19, earliest: Some(610) });
}
