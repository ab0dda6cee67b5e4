//! Statuses of what runs here, for the status topic.

use super::Herder;
use crate::action::Action;
use crate::config_log::TargetState;
use crate::ids::ConnectorName;
use crate::status_log::{State, Status, StatusRecord, can_write_safely};
use crate::work::Unit;

impl Herder {
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
        let known = match unit {
            Unit::Connector(name) => self.status.connector(name),
            Unit::Task(task) => self.status.tasks(&task.connector).get(&task.task),
        };
        if matches!(state, State::Unassigned | State::Failed) && !can_write_safely(known, &status) {
            return;
        }
        let record = match unit.clone() {
            Unit::Connector(connector) => StatusRecord::Connector { connector, status: Some(status) },
            Unit::Task(task) => StatusRecord::Task { task, status: Some(status) },
        };
        self.write_status_record(&record);
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
