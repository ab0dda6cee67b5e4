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
            let sealed = !self.unsealed_starts.contains(&name);
            if sealed && !self.config.task_configs_changed(&name, &configs) {
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
        if let Some(error) = self.too_many_tasks(name, count) {
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
        self.unsealed_starts.remove(name);
    }

    /// Has connectors restarted that have been inconsistent for too long: when they start, they publish their tasks.
    pub(super) fn maintain_repairs(&mut self) {
        if !self.membership.is_leader() {
            self.seals.forget_repairs();
        } else if self.is_settled() {
            for connector in self.seals.take_repairs(&self.config, self.now) {
                let request = RestartRequest { connector, only_failed: false, include_tasks: false };
                self.writer.push(Job::Repair(request));
            }
        }
    }

    pub(super) fn repair_timeout(&self) -> Option<Now> {
        self.seals.next_timeout().filter(|_| self.is_settled() && self.membership.is_leader())
    }

    /// Someone has committed task configs of a connector whose instance may be here. They should be what the instance
    /// wanted last; if not, two leaders or two instances have written at the same time, and the instance is asked again.
    pub(super) fn compare_published(&mut self, name: &ConnectorName) {
        if !self.seals.is_broken(name) {
            self.unsealed_starts.remove(name);
        }
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
        let value = self.config.connector_config(name).and_then(|config| config.get("tasks.max"));
        value.and_then(|value| value.trim().parse().ok()).filter(|max| *max > 0).unwrap_or(1)
    }

    /// Java's `TooManyTasksException`, unless `tasks.max.enforce` is off. Only another config can help.
    pub(super) fn too_many_tasks(&self, name: &ConnectorName, count: usize) -> Option<ConnectError> {
        let enforced = self
            .config
            .connector_config(name)
            .and_then(|config| config.get("tasks.max.enforce"))
            .is_none_or(|value| !value.trim().eq_ignore_ascii_case("false"));
        let max = self.tasks_max(name);
        (enforced && count > max).then(|| {
            ConnectError::config(format!(
                "The connector {name} has generated {count} tasks, which is greater than {max}, the maximum number of \
                 tasks it is configured to create. This behaviour should be considered a bug and is disallowed. If \
                 necessary, it can be permitted by reconfiguring the connector with 'tasks.max.enforce' set to false; \
                 however, this option will be removed in a future release of Kafka Connect."
            ))
        })
    }
}
