//! Statuses: what this worker says about its work, and what the status topic says about it.
//!
//! The topic keeps the last word on everything, but the last word need not come from the one who knows: a worker that was
//! cut off says UNASSIGNED when it is back, long after another one has taken over (KAFKA-12525). Java's readers ignore some
//! of that. Here the owner hears it and says again what is true, and the leader takes back words about what is no more.

use std::collections::{BTreeMap, BTreeSet};

use super::{Herder, Phase};
use crate::action::Action;
use crate::config_log::TargetState;
use crate::ids::ConnectorName;
use crate::status_log::{State, Status, StatusRecord, can_write_safely};
use crate::work::Unit;

/// What has been said about the work of this worker.
#[derive(Debug, Default)]
pub(super) struct Statements {
    /// The last word of this worker about each unit that it has.
    said: BTreeMap<Unit, Status>,
    /// Units about which the topic says something wrong.
    pub(super) disputed: BTreeSet<Unit>,
    /// Units of a worker that stops, of which the topic does not say yet that they have.
    pub(super) last_words: BTreeSet<Unit>,
}

impl Herder {
    pub(super) fn status_record(&mut self, key: &str, value: Option<&[u8]>) {
        let Ok(record) = StatusRecord::decode(key, value) else {
            return;
        };
        if self.status.apply(key, value).is_ok() {
            self.version += 1;
        }
        let (unit, status) = match record {
            StatusRecord::Connector { connector, status } => (Unit::Connector(connector), status),
            StatusRecord::Task { task, status } => (Unit::Task(task), status),
            StatusRecord::Topic { .. } => return,
        };
        let mine = status
            .as_ref()
            .is_some_and(|status| status.worker_id == self.settings.worker_id && status.state == State::Unassigned);
        if mine && self.statements.last_words.remove(&unit) {
            self.tick_due = true;
        }
        if self.phase != Phase::Working {
            return;
        }
        // With a connector's status those of its tasks are gone, too.
        let of_connector =
            |other: &&Unit| status.is_none() && matches!(&unit, Unit::Connector(name) if other.connector() == name);
        let tasks: Vec<Unit> = self.statements.said.keys().filter(of_connector).cloned().collect();
        for unit in tasks.into_iter().chain([unit]) {
            if self.is_wrong(&unit, status.as_ref()) {
                self.statements.disputed.insert(unit);
                self.tick_due = true;
            }
        }
    }

    fn is_wrong(&self, unit: &Unit, status: Option<&Status>) -> bool {
        let generation = self.membership.generation();
        match (self.statements.said.contains_key(unit), status) {
            (true, None) => self.is_configured(unit),
            (true, Some(status)) => {
                let idle = matches!(status.state, State::Unassigned | State::Failed);
                status.worker_id != self.settings.worker_id
                    && (status.generation < generation || (status.generation == generation && idle))
            }
            (false, Some(_)) => self.membership.is_leader() && !self.is_configured(unit),
            (false, None) => false,
        }
    }

    pub(super) fn is_configured(&self, unit: &Unit) -> bool {
        match unit {
            Unit::Connector(name) => self.config.contains(name),
            Unit::Task(task) => self.config.tasks(&task.connector).any(|configured| configured == *task),
        }
    }

    /// With a new generation, words of others about our work may have become older than ours.
    pub(super) fn compare_statuses(&mut self) {
        let wrong = |unit: &&Unit| self.known_status(unit).is_some_and(|known| self.is_wrong(unit, Some(known)));
        let disputed: Vec<Unit> = self.statements.said.keys().filter(wrong).cloned().collect();
        self.statements.disputed.extend(disputed);
    }

    fn known_status(&self, unit: &Unit) -> Option<&Status> {
        match unit {
            Unit::Connector(name) => self.status.connector(name),
            Unit::Task(task) => self.status.tasks(&task.connector).get(&task.task),
        }
    }

    /// Says again what is true, once this worker is sure to be the one who knows.
    pub(super) fn maintain_statuses(&mut self) {
        self.say_what_has_gone();
        if !self.is_settled() {
            return;
        }
        for unit in std::mem::take(&mut self.statements.disputed) {
            if let Some(said) = self.statements.said.get(&unit).cloned() {
                self.write_status(&unit, said.state, said.trace);
            } else if self.is_wrong(&unit, self.known_status(&unit)) {
                self.forget_status(unit);
            }
        }
    }

    /// Work that is taken away between its stop and its start has nothing left to stop, and so nobody who says it.
    fn say_what_has_gone(&mut self) {
        let gone = |unit: &&Unit| self.work.run(unit).is_none() && !self.work.is_assigned(unit);
        let gone: Vec<Unit> = self.statements.said.keys().filter(gone).cloned().collect();
        for unit in gone {
            self.write_status(&unit, State::Unassigned, None);
        }
    }

    /// Says how a unit is. UNASSIGNED and FAILED may be the words of one who has lost the unit; they do not hide what a
    /// newer owner has said.
    pub(super) fn write_status(&mut self, unit: &Unit, state: State, trace: Option<String>) {
        let version = match state {
            State::Unassigned | State::Restarting => None,
            _ => self.settings.version(self.connector_class(unit.connector())),
        };
        let status = Status {
            state,
            trace,
            worker_id: self.settings.worker_id.clone(),
            generation: self.membership.generation(),
            version,
        };
        if state == State::Unassigned {
            self.statements.said.remove(unit);
        } else {
            self.statements.said.insert(unit.clone(), status.clone());
        }
        let careful = matches!(state, State::Unassigned | State::Failed);
        if careful && !can_write_safely(self.known_status(unit), &status) {
            return;
        }
        if state == State::Unassigned && self.phase == Phase::Stopping {
            self.statements.last_words.insert(unit.clone());
        }
        let record = match unit.clone() {
            Unit::Connector(connector) => StatusRecord::Connector { connector, status: Some(status) },
            Unit::Task(task) => StatusRecord::Task { task, status: Some(status) },
        };
        self.write_status_record(&record);
    }

    /// Takes back all that was said about a unit.
    pub(super) fn forget_status(&mut self, unit: Unit) {
        let record = match unit {
            Unit::Connector(connector) => StatusRecord::Connector { connector, status: None },
            Unit::Task(task) => StatusRecord::Task { task, status: None },
        };
        self.write_status_record(&record);
    }

    /// A unit has left without a word.
    pub(super) fn no_more_said(&mut self, unit: &Unit) {
        self.statements.said.remove(unit);
    }

    pub(super) fn write_status_record(&mut self, record: &StatusRecord) {
        let (key, value) = record.encode();
        self.out.push(Action::WriteStatus { key, value });
    }

    /// The status of a unit that runs: it does what its connector should do.
    pub(super) fn write_running_status(&mut self, unit: &Unit) {
        let state = match (self.target(unit.connector()), unit) {
            (TargetState::Started, _) => State::Running,
            (TargetState::Stopped, Unit::Connector(_)) => State::Stopped,
            (TargetState::Paused | TargetState::Stopped, _) => State::Paused,
        };
        self.write_status(unit, state, None);
    }

    /// Forgets the topics that a connector has used.
    pub(super) fn forget_topics(&mut self, name: &ConnectorName) {
        let topics: Vec<String> = self.status.topics(name).keys().cloned().collect();
        for topic in topics {
            self.write_status_record(&StatusRecord::Topic { connector: name.clone(), topic, status: None });
        }
    }

    pub(super) fn connector_class(&self, name: &ConnectorName) -> Option<&str> {
        self.config.connector_config(name)?.get("connector.class").map(String::as_str)
    }

    pub(super) fn target(&self, name: &ConnectorName) -> TargetState {
        self.config.target_state(name).unwrap_or(TargetState::Started)
    }
}
