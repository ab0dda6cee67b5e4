//! Connector instances and tasks that run here: starts, stops, failures, restarts.

use connect_api::error::ErrorKind;
use connect_api::{ConfigMap, ConnectError};

use super::Herder;
use super::publishing::too_many_tasks;
use crate::action::Action;
use crate::command::{Outcome, Reply};
use crate::config_log::TargetState;
use crate::error::HerderError;
use crate::ids::TaskId;
use crate::restart::RestartPlan;
use crate::status_log::State;
use crate::work::{Run, Step, StopReason, Unit};

impl Herder {
    /// Stops what is too much here and starts what is missing.
    pub(super) fn reconcile(&mut self) {
        let steps = self.work.reconcile();
        self.take_steps(steps);
    }

    /// Stops what is too much here. What is missing may turn out not to be wanted before the event is dealt with.
    pub(super) fn stop_excess(&mut self) {
        let steps = self.work.stop_excess();
        self.take_steps(steps);
    }

    fn take_steps(&mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Stop(Unit::Connector(name)) => {
                    self.forget_instance(&name);
                    self.out.push(Action::StopConnector { name });
                }
                Step::Stop(Unit::Task(task)) => self.out.push(Action::StopTask { task }),
                Step::Start(unit) => self.start(unit),
                Step::Forget(unit) => {
                    self.restarts.forget(&unit);
                    self.no_more_said(&unit);
                }
            }
        }
    }

    fn start(&mut self, unit: Unit) {
        let target = self.target(unit.connector());
        let config = match &unit {
            Unit::Connector(name) => self.config.connector_config(name),
            // What its set was made from: a newer config reaches all tasks of the connector with the set that follows.
            Unit::Task(task) => self
                .config
                .applied_connector_config(&task.connector)
                .or_else(|| self.config.connector_config(&task.connector)),
        };
        let Some(config) = config.map(|config| config.as_ref().clone()) else {
            // Deleted a moment ago: the rebalance that takes it away from us is on its way.
            self.work.failed(&unit);
            return;
        };
        match &unit {
            Unit::Connector(name) => {
                self.out.push(Action::StartConnector { name: name.clone(), config, target });
            }
            Unit::Task(task) => match self.task_config_to_start(task, &config) {
                Ok(task_config) => {
                    self.task_generations.insert(task.clone(), self.config.task_config_generation(&task.connector));
                    let action =
                        Action::StartTask { task: task.clone(), connector_config: config, config: task_config, target };
                    self.out.push(action);
                    self.answer_starts(&unit, &Ok(Reply::Done));
                }
                Err(error) => self.unit_failed_to_start(&unit, &error),
            },
        }
    }

    /// `made_from` is the connector config of the task's set. A newer one may allow fewer tasks; that is a matter of the set
    /// that follows, if one does.
    fn task_config_to_start(&self, task: &TaskId, made_from: &ConfigMap) -> Result<ConfigMap, ConnectError> {
        let count = self.config.task_count(&task.connector) as usize;
        // Java checks paused connectors too; their tasks could then not even be paused until someone resumes them.
        let runs = self.target(&task.connector) == TargetState::Started;
        if let Some(error) = too_many_tasks(&task.connector, made_from, count).filter(|_| runs) {
            return Err(error);
        }
        self.config
            .task_config(task)
            .map(|config| config.as_ref().clone())
            .ok_or_else(|| ConnectError::config(format!("there are no configs for task {task} in the config topic")))
    }

    pub(super) fn unit_started(&mut self, unit: Unit, result: Result<(), ConnectError>) {
        if let Err(error) = result {
            self.unit_failed_to_start(&unit, &error);
            return;
        }
        if !self.work.started(&unit) {
            return;
        }
        self.restarts.started(&unit, self.now);
        self.write_running_status(&unit);
        if let Unit::Connector(name) = &unit {
            if self.target(name) == TargetState::Started {
                self.publisher.want(name);
            }
            self.answer_starts(&unit, &Ok(Reply::Done));
        }
    }

    fn unit_failed_to_start(&mut self, unit: &Unit, error: &ConnectError) {
        if !self.work.failed(unit) {
            return;
        }
        self.fail(unit, error);
        let kind = if matches!(unit, Unit::Connector(_)) { "connector" } else { "task" };
        let refusal = HerderError::Internal(format!("Failed to start {kind}: {unit}"));
        self.answer_starts(unit, &Err(refusal));
    }

    pub(super) fn unit_failed(&mut self, unit: Unit, error: &ConnectError) {
        let news = match &unit {
            Unit::Connector(_) => self.work.broken(&unit),
            Unit::Task(_) => self.work.failed(&unit),
        };
        if news {
            self.fail(&unit, error);
        }
    }

    /// FAILED, and perhaps another try: not if only another config can help.
    pub(super) fn fail(&mut self, unit: &Unit, error: &ConnectError) {
        if let Unit::Connector(name) = unit {
            self.forget_instance(name);
        }
        let mut trace = error.trace();
        let config = self.config.connector_config(unit.connector());
        let settings = config.map_or(self.settings.restart, |config| self.settings.restart.of(config));
        if error.kind() != ErrorKind::Config
            && let Some(attempt) = self.restarts.failed(unit, settings, self.now)
        {
            let of = settings.max_attempts;
            trace.push_str(&format!(
                "\n\tthis worker restarts it in {} ms (attempt {} of {of}, portage.restart.*)",
                attempt.delay_ms, attempt.number
            ));
        }
        self.write_status(unit, State::Failed, Some(trace));
    }

    pub(super) fn unit_stopped(&mut self, unit: &Unit) {
        let Some(reason) = self.work.stopped(unit) else {
            return;
        };
        let stays = self.work.is_admitted(unit);
        if let Unit::Task(task) = unit {
            self.task_generations.remove(task);
        }
        match reason {
            StopReason::Restart if stays => self.write_status(unit, State::Restarting, None),
            StopReason::Change if stays => {}
            _ => self.write_status(unit, State::Unassigned, None),
        }
        if !self.work.is_assigned(unit) {
            self.restarts.forget(unit);
            let text = "Request cannot be completed because a rebalance is expected".to_owned();
            self.answer_starts(unit, &Err(HerderError::Conflict(text)));
            if self.settings.topic_tracking && !self.config.contains(unit.connector()) {
                self.forget_topics(&unit.connector().clone());
            }
        }
    }

    /// What a unit has to say while it runs stands in its status.
    pub(super) fn say_of_running(&mut self, unit: &Unit, text: Option<String>) {
        if self.work.run(unit) == Some(Run::Running) && self.target(unit.connector()) == TargetState::Started {
            self.write_status(unit, State::Running, text);
        }
    }

    /// Restarts a unit that is admitted here.
    pub(super) fn restart(&mut self, unit: &Unit) {
        if self.work.bounce(unit, StopReason::Restart) {
            self.write_status(unit, State::Restarting, None);
        }
    }

    /// Restarts that are due: those that people want, once the group is settled, and those of failed units.
    pub(super) fn maintain_work_requests(&mut self) {
        if !self.is_settled() {
            return;
        }
        for request in std::mem::take(&mut self.changes.restarts).into_values() {
            let Some(plan) = RestartPlan::new(request, &self.status) else {
                continue;
            };
            let part = plan.part_of(&self.membership.assigned().cloned().unwrap_or_default());
            let units = part.connectors.into_iter().map(Unit::Connector).chain(part.tasks.into_iter().map(Unit::Task));
            for unit in units {
                self.restarts.forget(&unit);
                self.restart(&unit);
            }
        }
        for unit in self.restarts.take_due(self.now) {
            if matches!(self.work.run(&unit), Some(Run::Failed | Run::Broken)) {
                self.restart(&unit);
            }
        }
    }

    /// Answers the commands that wait for a start of this unit.
    fn answer_starts(&mut self, unit: &Unit, outcome: &Outcome) {
        for (_, id) in self.starts.extract_if(.., |(waits_for, _)| waits_for == unit).collect::<Vec<_>>() {
            self.reply(id, outcome.clone());
        }
    }
}
