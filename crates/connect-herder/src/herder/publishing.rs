//! Task configs of connector instances that run here: asked for, compared, and sent to the config topic.

use connect_api::{ConfigMap, ConnectError};

use super::Herder;
use super::jobs::Job;
use crate::action::Action;
use crate::config_log::TargetState;
use crate::error::HerderError;
use crate::ids::{ConnectorName, Now};
use crate::restart::RestartRequest;
use crate::work::{Run, Unit};

impl Herder {
    pub(super) fn maintain_publishing(&mut self) {
        for name in self.publisher.take_questions(self.now) {
            let runs = self.work.run(&Unit::Connector(name.clone())) == Some(Run::Running);
            if runs && self.target(&name) == TargetState::Started {
                let tasks_max = self.tasks_max(&name);
                self.out.push(Action::ComputeTaskConfigs { name, tasks_max });
            } else {
                self.forget_instance(&name);
            }
        }
        if !self.is_settled() {
            return;
        }
        for (name, configs) in self.publisher.take_made() {
            self.published.insert(name.clone(), configs.clone());
            if !self.seals.is_broken(&name) && !self.config.task_configs_changed(&name, &configs) {
                self.publisher.done(&name);
            } else if self.membership.is_leader() {
                self.writer.push(Job::PutTaskConfigs { id: None, name, configs });
            } else if let Some(leader_url) = self.membership.leader_url().map(str::to_owned) {
                self.out.push(Action::ForwardTaskConfigs { name, leader_url, configs });
            } else {
                self.publisher.failed(&name, self.now);
            }
        }
    }

    pub(super) fn task_configs(&mut self, name: &ConnectorName, result: Result<Vec<ConfigMap>, ConnectError>) {
        let Ok(configs) = result else {
            self.publisher.failed(name, self.now);
            return;
        };
        let count = configs.len();
        if !self.publisher.made(name, configs) {
            return;
        }
        let config = self.config.connector_config(name);
        if let Some(error) = config.and_then(|config| too_many_tasks(name, config, count)) {
            let unit = Unit::Connector(name.clone());
            self.forget_instance(name);
            if self.work.broken(&unit) {
                self.fail(&unit, &error);
            }
        }
    }

    pub(super) fn task_configs_forwarded(&mut self, name: &ConnectorName, result: Result<(), HerderError>) {
        match result {
            Ok(()) => self.publisher.done(name),
            Err(_) => {
                self.publisher.failed(name, self.now);
            }
        }
    }

    /// An instance is gone, or does not count any more.
    pub(super) fn forget_instance(&mut self, name: &ConnectorName) {
        self.publisher.forget(name);
        self.published.remove(name);
    }

    /// Has task configs published again that have gone without a seal for too long, by instances that run here.
    pub(super) fn maintain_seals(&mut self) {
        if !self.is_settled() {
            return;
        }
        let (work, config) = (&self.work, &self.config);
        let runs = |name: &ConnectorName| {
            work.run(&Unit::Connector(name.clone())) == Some(Run::Running)
                && config.target_state(name) == Some(TargetState::Started)
        };
        for name in self.seals.take_reseals(runs, self.now) {
            if self.publisher.is_idle(&name) {
                self.publisher.want(&name);
            }
        }
    }

    /// Has connectors restarted that have been inconsistent for too long: when they start, they publish their tasks.
    pub(super) fn maintain_repairs(&mut self) {
        if !self.membership.is_leader() {
            self.seals.forget_repairs();
        } else if self.is_settled() {
            for connector in self.seals.take_repairs(&self.config, self.now) {
                self.writer.push(Job::Repair(RestartRequest::of_instance(connector)));
            }
        }
    }

    pub(super) fn seals_timeout(&self) -> Option<Now> {
        self.seals.next_timeout().filter(|_| self.is_settled())
    }

    /// Someone has committed task configs of a connector whose instance may be here. They should be what the instance
    /// wanted last; if not, two leaders or two instances have written at the same time, and the instance is asked again.
    pub(super) fn compare_published(&mut self, name: &ConnectorName) {
        if self.published.get(name).is_some_and(|published| self.config.task_configs_changed(name, published)) {
            self.publisher.want(name);
        }
    }

    /// Someone else has committed task configs between ours and our commit, which would commit nothing.
    pub(super) fn call_off_task_configs(&mut self, connector: &ConnectorName) {
        let ours = |job: &Job| matches!(job, Job::PutTaskConfigs { name, .. } if name == connector);
        if let Some(job) = self.writer.take_unfinished(ours) {
            let text = format!("other task configs of connector {connector} were written at the same time; try again");
            self.finish(job, Err(HerderError::Conflict(text)));
        }
    }

    fn tasks_max(&self, name: &ConnectorName) -> usize {
        self.config.connector_config(name).map_or(1, |config| tasks_max(config))
    }
}

fn tasks_max(config: &ConfigMap) -> usize {
    config.get("tasks.max").and_then(|value| value.trim().parse().ok()).filter(|max| *max > 0).unwrap_or(1)
}

/// Java's `TooManyTasksException`, unless `tasks.max.enforce` is off. Only another config can help.
pub(super) fn too_many_tasks(name: &ConnectorName, config: &ConfigMap, count: usize) -> Option<ConnectError> {
    let enforced = config.get("tasks.max.enforce").is_none_or(|value| !value.trim().eq_ignore_ascii_case("false"));
    let max = tasks_max(config);
    (enforced && count > max).then(|| {
        ConnectError::config(format!(
            "The connector {name} has generated {count} tasks, which is greater than {max}, the maximum number of \
             tasks it is configured to create. This behaviour should be considered a bug and is disallowed. If \
             necessary, it can be permitted by reconfiguring the connector with 'tasks.max.enforce' set to false; \
             however, this option will be removed in a future release of Kafka Connect."
        ))
    })
}
