//! A group of workers that do as they are told, and its leader.

use super::*;
use crate::protocol::WorkerMetadata;

/// `["c", "c-0"]` is connector `c` and its first task.
pub(super) fn work<'a>(names: impl IntoIterator<Item = &'a str>) -> ConnectorsAndTasks {
    names.into_iter().map(unit).collect()
}

pub(super) fn unit(name: &str) -> Unit {
    match name.rsplit_once('-') {
        Some((connector, task)) => Unit::Task(TaskId::new(connector, task.parse().unwrap())),
        None => Unit::Connector(name.into()),
    }
}

/// The way back from [`work`].
pub(super) fn names(work: &ConnectorsAndTasks) -> Vec<String> {
    let connectors = work.connectors.iter().map(ToString::to_string);
    connectors.chain(work.tasks.iter().map(ToString::to_string)).collect()
}

/// A member that runs `work`; has read the config topic up to `offset`.
pub(super) fn member(work: ConnectorsAndTasks, offset: i64) -> WorkerMetadata {
    let allocation = Assignment {
        error: AssignmentError::None,
        leader: "someone".into(),
        leader_url: "http://someone/".to_owned(),
        config_offset: ConfigOffset(offset),
        assigned: work,
        revoked: ConnectorsAndTasks::default(),
        delay_ms: 0,
    };
    WorkerMetadata { url: "http://w/".to_owned(), config_offset: ConfigOffset(offset), allocation: Some(allocation) }
}

/// A group in which assignments can get lost, and time passes when told so.
#[derive(Clone)]
pub(super) struct Cluster {
    pub(super) members: BTreeMap<MemberId, ConnectorsAndTasks>,
    pub(super) configured: Configured,
    pub(super) memory: Memory,
    pub(super) now: Now,
    /// What its last owner has said it has stopped.
    pub(super) released: ConnectorsAndTasks,
    settings: Settings,
    generation: Generation,
    completed: Generation,
    round: Option<Round>,
}

impl Cluster {
    pub(super) fn new(max_delay_ms: u32) -> Self {
        Self {
            members: BTreeMap::new(),
            configured: Configured { offset: ConfigOffset(1), connectors: BTreeMap::new() },
            memory: Memory::default(),
            now: Now(1_000),
            released: ConnectorsAndTasks::default(),
            settings: Settings { max_delay_ms },
            generation: Generation(1_000),
            completed: Generation::NONE,
            round: None,
        }
    }

    /// Connectors that have been made, or changed, to have so many tasks.
    pub(super) fn configure(&mut self, connectors: impl IntoIterator<Item = (&'static str, u32)>) {
        self.configured.connectors.extend(connectors.into_iter().map(|(name, tasks)| (name.into(), tasks)));
    }

    pub(super) fn delete(&mut self, connector: &str) {
        self.configured.connectors.remove(connector);
    }

    /// Workers that run nothing yet.
    pub(super) fn join(&mut self, workers: impl IntoIterator<Item = &'static str>) {
        for worker in workers {
            self.join_running(worker, ConnectorsAndTasks::default());
        }
    }

    pub(super) fn join_running(&mut self, worker: &str, work: ConnectorsAndTasks) {
        assert!(self.members.insert(worker.into(), work).is_none(), "{worker} is here already");
    }

    pub(super) fn leave(&mut self, worker: &str) {
        assert!(self.members.remove(worker).is_some(), "{worker} is not here");
    }

    /// The leader leaves or dies. Whoever leads now remembers nothing.
    pub(super) fn leader_leaves(&mut self, worker: &str) {
        self.leave(worker);
        self.memory = Memory::default();
    }

    pub(super) fn pass(&mut self, ms: u64) {
        self.now.0 += ms;
    }

    /// A round that everybody hears of.
    pub(super) fn rebalance(&mut self) {
        let everyone: Vec<MemberId> = self.members.keys().cloned().collect();
        self.decide();
        self.completed = self.generation;
        self.follow(&everyone);
    }

    /// A round of which only the leader hears, and those named.
    pub(super) fn rebalance_heard_by(&mut self, workers: &[MemberId]) {
        self.decide();
        self.completed = self.generation;
        self.follow(workers);
    }

    /// A round of which nobody hears, not even the leader.
    pub(super) fn rebalance_unheard(&mut self) {
        self.decide();
    }

    fn decide(&mut self) {
        self.generation.0 += 1;
        let view = AssignView {
            members: self.members.iter().map(|(id, work)| (id.clone(), member(work.clone(), 1))).collect(),
            leader: self.members.keys().next().cloned().unwrap_or_else(|| "nobody".into()),
            configured: self.configured.clone(),
            generation: self.generation,
            last_completed_generation: self.completed,
            released: self.released.clone(),
        };
        let memory = std::mem::take(&mut self.memory);
        let (round, memory) = assign(Subprotocol::Sessioned, &view, memory, self.now, &self.settings);
        self.memory = memory;
        self.round = Some(round);
    }

    fn follow(&mut self, workers: &[MemberId]) {
        let Some(round) = &self.round else { return };
        for (id, assignment) in round.assignments.iter().filter(|(id, _)| workers.contains(id)) {
            let work = self.members.get_mut(id).unwrap();
            work.connectors.retain(|connector| !assignment.revoked.connectors.contains(connector));
            work.tasks.retain(|task| !assignment.revoked.tasks.contains(task));
            for unit in units(&assignment.assigned) {
                assert!(!units(work).contains(&unit), "{id} is given {unit:?}, which it has");
            }
            work.connectors.splice(0..0, assignment.assigned.connectors.iter().cloned());
            work.tasks.splice(0..0, assignment.assigned.tasks.iter().cloned());
        }
    }

    pub(super) fn assignments(&self) -> impl Iterator<Item = &Assignment> {
        self.round.iter().flat_map(|round| round.assignments.values())
    }

    /// The delay that the last round told everyone.
    pub(super) fn delay_ms(&self) -> u32 {
        let delays: BTreeSet<u32> = self.assignments().map(|assignment| assignment.delay_ms).collect();
        assert_eq!(delays.len(), 1, "everyone is told the same");
        delays.into_iter().next().unwrap()
    }

    pub(super) fn gave_out(&self) -> Vec<Unit> {
        self.assignments().flat_map(|assignment| units(&assignment.assigned)).collect()
    }

    pub(super) fn took_away(&self) -> Vec<Unit> {
        self.assignments().flat_map(|assignment| units(&assignment.revoked)).collect()
    }

    pub(super) fn changed_nothing(&self) -> bool {
        self.gave_out().is_empty() && self.took_away().is_empty()
    }

    /// How many connectors the workers run, from few to many.
    pub(super) fn connectors(&self) -> Vec<usize> {
        let mut counts: Vec<usize> = self.members.values().map(|work| work.connectors.len()).collect();
        counts.sort_unstable();
        counts
    }

    /// How many tasks the workers run, from few to many.
    pub(super) fn tasks(&self) -> Vec<usize> {
        let mut counts: Vec<usize> = self.members.values().map(|work| work.tasks.len()).collect();
        counts.sort_unstable();
        counts
    }

    /// Everything that runs, as often as it runs.
    pub(super) fn running(&self) -> Vec<Unit> {
        let mut running: Vec<Unit> = self.members.values().flat_map(units).collect();
        running.sort();
        running
    }

    /// Everything runs once, nothing else runs, and nobody has more than one more than another.
    pub(super) fn assert_complete_and_balanced(&self) {
        assert_eq!(self.running(), self.configured.units().into_iter().collect::<Vec<_>>());
        for counts in [self.connectors(), self.tasks()] {
            assert!(counts.last().unwrap() - counts.first().unwrap() <= 1, "{counts:?}");
        }
    }
}
