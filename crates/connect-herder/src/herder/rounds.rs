//! The worker in its group: joins, assignments, and what stands between an assignment and its work.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{Herder, Phase};
use crate::action::Action;
use crate::assignor::{self, AssignView, Configured};
use crate::catch_up::AfterFailure;
use crate::error::HerderError;
use crate::event::GroupEvent;
use crate::ids::{Generation, MemberId, Now, TaskId};
use crate::membership::Next;
use crate::protocol::{Assignment, AssignmentError, ConnectorsAndTasks, Subprotocol, WorkerMetadata};
use crate::settings::ExactlyOnce;
use crate::status_log::{State, Status};
use crate::work::Unit;

impl Herder {
    pub(super) fn group_event(&mut self, event: GroupEvent) {
        if self.phase != Phase::Working {
            return;
        }
        self.version += 1;
        match event {
            GroupEvent::Joined { generation, member_id, leader_id, protocol, members } => {
                self.joined(generation, member_id, leader_id, &protocol, members);
            }
            GroupEvent::Synced { generation, assignment } => self.synced(generation, &assignment),
            GroupEvent::RebalanceNeeded => {
                self.coordinator_unknown_since = None;
                self.membership.sync_failed();
            }
            GroupEvent::CoordinatorUnknown { unheard_ms } => {
                self.coordinator_unknown_since.get_or_insert(Now(self.now.0.saturating_sub(unheard_ms)));
            }
            GroupEvent::CoordinatorKnown => self.coordinator_unknown_since = None,
            // A coordinator that is unknown stays so until it has let us join.
            GroupEvent::Lost { .. } => {
                self.catch_up.abandon();
                self.membership.lost();
            }
            GroupEvent::Fatal { reason } => self.out.push(Action::Fail { reason }),
        }
    }

    fn joined(
        &mut self,
        generation: Generation,
        member_id: MemberId,
        leader_id: MemberId,
        protocol: &str,
        members: Vec<(MemberId, Bytes)>,
    ) {
        self.coordinator_unknown_since = None;
        let Some(protocol) = Subprotocol::from_name(protocol) else {
            let reason = format!("the group has elected protocol {protocol:?}, which this worker did not offer");
            self.out.push(Action::Fail { reason });
            return;
        };
        if !self.membership.joined(generation, member_id.clone(), Some(protocol)) {
            return;
        }
        let assignments =
            if member_id == leader_id { self.assign(protocol, generation, &leader_id, members) } else { Vec::new() };
        self.out.push(Action::Sync { generation, assignments });
    }

    fn assign(
        &mut self,
        protocol: Subprotocol,
        generation: Generation,
        leader: &MemberId,
        members: Vec<(MemberId, Bytes)>,
    ) -> Vec<(MemberId, Bytes)> {
        let mut known = BTreeMap::new();
        let mut strangers = Vec::new();
        for (id, bytes) in members {
            match WorkerMetadata::decode(&bytes) {
                Ok(metadata) => {
                    known.insert(id, metadata);
                }
                // Whoever talks nonsense gets nothing to do. Java's leader fails over it, and the group with it.
                Err(_) => strangers.push(id),
            }
        }
        let view = AssignView {
            members: known,
            leader: leader.clone(),
            configured: Configured::from(&self.config),
            generation,
            last_completed_generation: self.membership.last_completed(),
            released: self.released_work(),
        };
        let memory = std::mem::take(&mut self.leadership.memory);
        let (round, memory) = assignor::assign(protocol, &view, memory, self.now, &self.assignor_settings());
        self.leadership.memory = memory;
        self.leadership.ownership = round.ownership;
        let nothing = Assignment {
            error: AssignmentError::None,
            leader: leader.clone(),
            leader_url: self.settings.advertised_url.clone(),
            config_offset: self.config.offset(),
            assigned: ConnectorsAndTasks::default(),
            revoked: ConnectorsAndTasks::default(),
            delay_ms: 0,
        };
        let strangers = strangers.into_iter().map(|id| (id, nothing.clone()));
        round
            .assignments
            .into_iter()
            .chain(strangers)
            // Only a name of more than 32,767 bytes can't be written; then nobody can be told about it.
            .map(|(id, assignment)| (id, assignment.encode(protocol).unwrap_or_default()))
            .collect()
    }

    /// Work of the last round that its owner has stopped since, by the status topic.
    fn released_work(&self) -> ConnectorsAndTasks {
        let last = self.membership.last_completed();
        let released = |status: &Status| status.state == State::Unassigned && status.generation == last;
        let mut work = ConnectorsAndTasks::default();
        for name in self.status.connectors() {
            if self.status.connector(name).is_some_and(released) {
                work.connectors.push(name.clone());
            }
            let tasks = self.status.tasks(name).iter().filter(|(_, status)| released(status));
            work.tasks.extend(tasks.map(|(task, _)| TaskId::new(name.clone(), *task)));
        }
        work
    }

    fn synced(&mut self, generation: Generation, bytes: &[u8]) {
        self.coordinator_unknown_since = None;
        let Ok(assignment) = Assignment::decode(bytes) else {
            self.membership.sync_failed();
            return;
        };
        if self.membership.synced(self.now, generation, assignment) {
            self.catch_up.abandon();
            self.work.assign(self.membership.units());
            if !self.membership.is_leader() {
                self.leadership.resign();
                self.end_all_fencing();
            } else if self.settings.exactly_once != ExactlyOnce::Disabled {
                // Before anything is read or written as leader: what an overtaken leader still writes comes before it.
                self.out.push(Action::ClaimConfigWrites);
            }
        }
    }

    /// From an assignment to its work, as far as it goes now.
    pub(super) fn maintain_round(&mut self) {
        if self.coordinator_deadline().is_some_and(|at| at <= self.now) {
            // Others may get our work any time from now on (Java: WorkerCoordinator.poll).
            self.give_up_work();
        }
        match self.membership.next(self.config.offset(), self.now) {
            Next::Nothing => {}
            Next::Rejoin => self.membership.want_rejoin(),
            Next::ReadToEnd => {
                if !self.catch_up.is_reading() && !self.catch_up.is_blocked() {
                    self.read_to_catch_up();
                }
            }
            // What is revoked has to have stopped before anything new starts.
            Next::Resolve if self.work.stopping().next().is_some() => {}
            Next::Resolve => {
                self.catch_up.abandon();
                self.membership.resolve();
                self.version += 1;
                self.work.admit();
                self.hold_strays();
                self.compare_statuses();
                if self.membership.is_leader() {
                    self.forget_deleted_statuses();
                }
            }
        }
    }

    /// Work that is ours but does not exist any more does not run, and the group is asked to take it back. (A leader that
    /// remembers nothing, because it is new or its last round failed, does not revoke what was deleted: it compares with
    /// what it remembers. In the next round it does.)
    fn hold_strays(&mut self) {
        let strays: BTreeSet<Unit> = self.work.assigned().filter(|unit| self.is_stray(unit)).cloned().collect();
        for unit in &strays {
            self.work.hold(unit);
        }
        // Once, lest a leader who knows better be asked for ever.
        if !strays.is_subset(&self.strays) {
            self.membership.want_rejoin();
        }
        self.strays = strays;
    }

    fn is_stray(&self, unit: &Unit) -> bool {
        match unit {
            Unit::Connector(name) => !self.config.contains(name),
            // Whose tasks are hidden from us by compaction may have them all the same.
            Unit::Task(task) if self.config.is_inconsistent(&task.connector) => false,
            Unit::Task(task) => task.task >= self.config.task_count(&task.connector),
        }
    }

    fn read_to_catch_up(&mut self) {
        let op = self.next_op();
        self.catch_up.reading(op);
        self.out.push(Action::ReadConfigToEnd { op, timeout_ms: self.settings.worker_sync_timeout_ms });
    }

    pub(super) fn caught_up(&mut self, result: Result<(), HerderError>) {
        match result {
            Ok(()) => {
                self.catch_up.succeeded();
                self.membership.caught_up();
            }
            Err(_) => {
                let after = self.catch_up.failed(self.now, self.membership.protocol(), &self.settings);
                self.out.push(Action::Leave);
                self.membership.lost();
                if after == AfterFailure::GiveUpWork {
                    self.give_up_work();
                }
            }
        }
    }

    fn give_up_work(&mut self) {
        self.membership.give_up_work();
        self.work.assign(BTreeSet::new());
        self.version += 1;
    }

    pub(super) fn coordinator_deadline(&self) -> Option<Now> {
        self.coordinator_unknown_since
            .filter(|_| self.membership.assigned().is_some())
            .map(|since| Now(since.0.saturating_add(self.settings.coordinator_grace_ms)))
    }

    /// An eager worker gives up everything before it joins.
    pub(super) fn maintain_eager(&mut self) {
        if self.is_eager() && self.membership.wants_join() && !self.catch_up.is_blocked() {
            self.membership.revoke_all();
            self.work.assign(BTreeSet::new());
        }
    }

    /// Joins if it is wanted and nothing stands against it. Whatever stops here stops first: in the next round someone
    /// else may start it.
    pub(super) fn maintain_join(&mut self) {
        if !self.membership.wants_join() {
            return;
        }
        if self.catch_up.is_blocked() {
            if self.catch_up.must_read(self.now) {
                self.read_to_catch_up();
            }
            return;
        }
        if self.work.stopping().next().is_some() {
            return;
        }
        self.catch_up.abandon();
        self.leadership.ownership = assignor::Ownership::default();
        self.version += 1;
        let protocols = self.membership.join(&self.settings.advertised_url, self.config.offset());
        self.out.push(Action::Join { protocols });
    }

    /// Statuses of what is no more. After the round, since during it the former owners may say UNASSIGNED.
    fn forget_deleted_statuses(&mut self) {
        let mut tombstones = Vec::new();
        for name in self.status.connectors() {
            let tasks: BTreeSet<u32> = self.config.tasks(name).map(|task| task.task).collect();
            for task in self.status.tasks(name).keys().filter(|task| !tasks.contains(task)) {
                tombstones.push(Unit::Task(TaskId::new(name.clone(), *task)));
            }
            if !self.config.contains(name) && self.status.connector(name).is_some() {
                tombstones.push(Unit::Connector(name.clone()));
            }
        }
        for unit in tombstones {
            self.statements.disputed.remove(&unit);
            self.forget_status(unit);
        }
    }
}
