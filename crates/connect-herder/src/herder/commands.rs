//! Commands: who may do it, whether it makes sense, and what is done. Texts are Java's, byte for byte: tools match them.
//!
//! A command that depends on leadership or assignment waits until the group is settled; Java's waits in the queue of its
//! herder thread, which is then busy joining. What any worker may do is done at once.

use std::collections::BTreeMap;

use connect_api::ConfigMap;
use connect_api::record::{SourceOffset, SourcePartition};

use super::fencing::Waiter;
use super::jobs::Job;
use super::{Herder, Phase, shutting_down};
use crate::action::Action;
use crate::command::{Command, Reply};
use crate::config_log::{ConfigRecord, TargetState};
use crate::error::HerderError;
use crate::ids::{ConfigOffset, ConnectorName, OpId, RequestId, TaskId};
use crate::work::Unit;

/// What waits for the answer to an action, outside of the lane of config writes.
#[derive(Debug)]
pub(super) enum Pending {
    /// A config is being checked; then it is stored.
    Validation(PutConnector),
    /// A record that any worker may write, and whose reading back nobody waits for.
    Write(RequestId),
    /// Offsets are being changed.
    Offsets(RequestId),
    /// The leader is asked to fence for a task.
    ForwardedFence(OpId),
    /// A task asks whether it is still wanted.
    Ownership(TaskId, OpId),
}

/// A change of stored offsets on its way to the connector.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AlterOffsets {
    pub(super) id: RequestId,
    pub(super) name: ConnectorName,
    /// `None` resets every partition.
    pub(super) offsets: Option<Vec<(SourcePartition, Option<SourceOffset>)>>,
}

/// A connector config on its way into the config topic.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PutConnector {
    pub(super) id: RequestId,
    pub(super) name: ConnectorName,
    pub(super) config: ConfigMap,
    pub(super) initial_state: Option<TargetState>,
    pub(super) replace: bool,
    /// There was one when this was decided.
    pub(super) existed: bool,
}

impl Herder {
    pub(super) fn accept(&mut self, id: RequestId, command: Command) {
        let deadline = self.after(self.settings.request_timeout_ms);
        if !self.replies.open(id, deadline) {
            return;
        }
        if matches!(self.phase, Phase::Stopping | Phase::Stopped) {
            self.reply(id, Err(shutting_down()));
        } else {
            self.waiting.push_back((id, command));
        }
    }

    /// Does what waits and can be done now, in order.
    pub(super) fn run_commands(&mut self) {
        for (id, command) in std::mem::take(&mut self.waiting) {
            if !self.replies.is_open(id) {
                continue;
            }
            let needs_group = !matches!(
                command,
                Command::SetTargetState { .. } | Command::SetClusterLoggerLevel { .. } | Command::ResetTopics(_)
            );
            if needs_group && !self.is_settled() {
                self.waiting.push_back((id, command));
            } else if let Err(refusal) = self.run(id, command) {
                self.reply(id, Err(refusal));
            }
        }
    }

    /// Begins to do what is asked. `Ok`: the answer is given, or will be.
    fn run(&mut self, id: RequestId, command: Command) -> Result<(), HerderError> {
        if self.config_topic_lost && !matches!(command, Command::Ping | Command::ResetTopics(_)) {
            return Err(config_topic_lost());
        }
        match command {
            Command::PutConnector { name, config, initial_state, replace } => {
                self.validate(PutConnector { id, name, config, initial_state, replace, existed: false })
            }
            Command::PatchConnector { name, patch } => self.patch_connector(id, name, patch),
            Command::DeleteConnector(name) => {
                self.leader_only()?;
                self.existing(&name, "Connector {} not found")?;
                self.writer.push(Job::DeleteConnector { id, name });
                Ok(())
            }
            Command::SetTargetState { name, state } => {
                self.existing(&name, "Unknown connector {}")?;
                self.write_as_anyone(id, &ConfigRecord::TargetState { connector: name, state: Some(state) });
                Ok(())
            }
            Command::StopConnector(name) => {
                self.existing(&name, "Unknown connector {}")?;
                self.leader_only()?;
                self.writer.push(Job::StopConnector { id, name });
                Ok(())
            }
            Command::RestartConnector(name) => self.restart_connector(id, name),
            Command::RestartConnectorAndTasks(request) => {
                self.existing(&request.connector, "Unknown connector: {}")?;
                self.leader_only()?;
                self.writer.push(Job::Restart { id, request });
                Ok(())
            }
            Command::RestartTask(task) => self.restart_task(id, task),
            Command::PutTaskConfigs { name, configs } => {
                self.leader_only()?;
                self.existing(&name, "Connector {} not found")?;
                self.writer.push(Job::PutTaskConfigs { id: Some(id), name, configs });
                Ok(())
            }
            Command::FenceZombies(name) => {
                self.leader_only()?;
                self.fence(name, Waiter::Command(id));
                Ok(())
            }
            Command::AlterOffsets { name, offsets } => {
                self.leader_only()?;
                self.writer.push(Job::AlterOffsets(AlterOffsets { id, name, offsets }));
                Ok(())
            }
            Command::ResetTopics(name) => self.reset_topics(id, &name),
            Command::SetClusterLoggerLevel { logger, level } => {
                self.write_as_anyone(id, &ConfigRecord::LoggerLevel { logger, level });
                Ok(())
            }
            Command::Ping => {
                self.reply(id, Ok(Reply::Done));
                Ok(())
            }
        }
    }

    fn validate(&mut self, mut put: PutConnector) -> Result<(), HerderError> {
        self.leader_only()?;
        self.may_put(&put)?;
        put.config.insert("name".to_owned(), put.name.to_string());
        let op = self.next_op();
        self.out.push(Action::Validate { op, config: put.config.clone() });
        self.pending.insert(op, Pending::Validation(put));
        Ok(())
    }

    fn patch_connector(
        &mut self,
        id: RequestId,
        name: ConnectorName,
        patch: BTreeMap<String, Option<String>>,
    ) -> Result<(), HerderError> {
        self.leader_only()?;
        self.existing(&name, "Connector {} not found")?;
        let mut config = self.config.connector_config(&name).map(|config| config.as_ref().clone()).unwrap_or_default();
        for (key, value) in patch {
            match value {
                Some(value) => config.insert(key, value),
                None => config.remove(&key),
            };
        }
        self.validate(PutConnector { id, name, config, initial_state: None, replace: true, existed: true })
    }

    pub(super) fn validated(&mut self, op: OpId, result: Result<(), HerderError>) {
        match (self.pending.remove(&op), result) {
            (Some(Pending::Validation(put)), Ok(())) => self.writer.push(Job::PutConnector(put)),
            (Some(Pending::Validation(put)), Err(refusal)) => self.reply(put.id, Err(refusal)),
            (Some(other), _) => {
                self.pending.insert(op, other);
            }
            (None, _) => {}
        }
    }

    /// Pause, resume and log levels: written by whoever is asked, and done as soon as they are in the topic.
    fn write_as_anyone(&mut self, id: RequestId, record: &ConfigRecord) {
        let op = self.next_op();
        self.pending.insert(op, Pending::Write(id));
        self.out.push(Action::WriteConfig { op, records: vec![record.encode()], privileged: false });
    }

    pub(super) fn config_written(&mut self, op: OpId, result: Result<ConfigOffset, HerderError>) {
        match self.pending.remove(&op) {
            Some(Pending::Write(id)) => self.reply(id, result.map(|_| Reply::Done)),
            Some(other) => {
                self.pending.insert(op, other);
            }
            None => self.job_has_written(op, result),
        }
    }

    fn restart_connector(&mut self, id: RequestId, name: ConnectorName) -> Result<(), HerderError> {
        self.existing(&name, "Unknown connector: {}")?;
        let unit = Unit::Connector(name);
        if !self.work.is_admitted(&unit) {
            self.leader_only()?;
            return Err(HerderError::NotAssigned {
                owner_url: self.leadership.ownership.connector_url(unit.connector()).map(str::to_owned),
            });
        }
        self.restarts.forget(&unit);
        self.restart(&unit);
        self.starts.push((unit, id));
        Ok(())
    }

    fn restart_task(&mut self, id: RequestId, task: TaskId) -> Result<(), HerderError> {
        self.existing(&task.connector, "Unknown connector: {}")?;
        if self.config.task_config(&task).is_none() {
            return Err(HerderError::NotFound(format!("Unknown task: {task}")));
        }
        let unit = Unit::Task(task);
        if !self.work.is_admitted(&unit) {
            self.leader_only()?;
            let Unit::Task(task) = &unit else { return Ok(()) };
            return Err(HerderError::NotAssigned {
                owner_url: self.leadership.ownership.task_url(task).map(str::to_owned),
            });
        }
        self.restarts.forget(&unit);
        self.restart(&unit);
        self.starts.push((unit, id));
        Ok(())
    }

    fn reset_topics(&mut self, id: RequestId, name: &ConnectorName) -> Result<(), HerderError> {
        if !self.settings.topic_tracking {
            return Err(HerderError::Forbidden("Topic tracking is disabled.".to_owned()));
        }
        if !self.settings.topic_tracking_reset {
            return Err(HerderError::Forbidden("Topic tracking reset is disabled.".to_owned()));
        }
        self.forget_topics(name);
        self.reply(id, Ok(Reply::Done));
        Ok(())
    }

    /// Whether a config may be stored under its name.
    pub(super) fn may_put(&self, put: &PutConnector) -> Result<(), HerderError> {
        if !put.replace && self.config.contains(&put.name) {
            return Err(HerderError::AlreadyExists(format!("Connector {} already exists", put.name)));
        }
        Ok(())
    }

    pub(super) fn leader_only(&self) -> Result<(), HerderError> {
        if self.membership.is_leader() {
            return Ok(());
        }
        Err(HerderError::NotLeader { leader_url: self.membership.leader_url().map(str::to_owned) })
    }

    /// Java words it differently from call to call; `{}` stands for the name.
    pub(super) fn existing(&self, name: &ConnectorName, text: &str) -> Result<(), HerderError> {
        if self.config.contains(name) {
            return Ok(());
        }
        Err(HerderError::NotFound(text.replace("{}", name.as_str())))
    }
}

/// The worker keeps what it knows and what it runs, and takes no orders (reliability, row 45).
pub(super) fn config_topic_lost() -> HerderError {
    HerderError::Unavailable(
        "the config topic has been deleted or truncated while this worker ran; what runs goes on, nothing can be changed: \
         restore the topic, then restart the workers"
            .to_owned(),
    )
}
