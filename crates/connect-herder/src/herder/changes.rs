//! Records of the config topic, and what follows from them.
//!
//! What a config change asks for (connect-runtime §3.3): a new or deleted connector and new task configs ask for a
//! rebalance, since there is more or less to share out; another config of a known connector only for a bounce of its
//! instance, by the owner; another target state for a word to what runs here. Changes are collected and acted on at the
//! next tick, so that a batch of them makes one rebalance.

use std::collections::{BTreeMap, BTreeSet};

use super::commands::Pending;
use super::{Herder, Phase};
use crate::action::Action;
use crate::config_log::{ConfigChange, TargetState};
use crate::error::HerderError;
use crate::ids::{ConfigOffset, ConnectorName, OpId};
use crate::restart::RestartRequest;
use crate::settings::ExactlyOnce;
use crate::work::{Run, StopReason, Unit};

/// What has changed in the config and has not been acted on.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// There is something else to share out.
    rebalance: bool,
    /// Known connectors with another config.
    configs: BTreeSet<ConnectorName>,
    /// Connectors with another target state.
    targets: BTreeSet<ConnectorName>,
    /// Connectors of which someone has committed a set of task configs, whether complete or not.
    commits: BTreeSet<ConnectorName>,
    /// Connectors with a new set of task configs, and the tasks for which every such set has been the same.
    tasks: BTreeMap<ConnectorName, BTreeSet<u32>>,
    /// Restarts that wait for the group to be settled; for each connector the one with the greatest impact.
    pub(super) restarts: BTreeMap<ConnectorName, RestartRequest>,
}

impl Herder {
    pub(super) fn config_record(&mut self, offset: i64, key: &str, value: Option<&[u8]>) {
        // A topic that begins anew has been deleted and made again. What we know is then worth more than what it says:
        // an empty config topic never means that all connectors have been deleted.
        if ConfigOffset(offset) < self.config.offset() {
            if ConfigOffset(offset.saturating_add(1)) < self.config.offset() && !self.config_topic_lost {
                self.config_topic_lost = true;
                self.version += 1;
                self.tick_due = true;
            }
            return;
        }
        self.version += 1;
        self.tick_due = true;
        self.seals.record(key);
        for change in self.config.apply(offset, key, value) {
            if self.phase == Phase::Working {
                self.note(change);
            }
        }
    }

    fn note(&mut self, change: ConfigChange) {
        let changes = &mut self.changes;
        match change {
            ConfigChange::ConnectorUpdated { connector, created } => {
                changes.rebalance |= created;
                changes.configs.insert(connector);
            }
            ConfigChange::ConnectorRemoved(connector) => {
                changes.rebalance = true;
                changes.configs.remove(&connector);
                changes.restarts.remove(&connector);
                self.forget_instance(&connector);
            }
            ConfigChange::TasksUpdated { connector, tasks, unchanged } => {
                changes.rebalance = true;
                if !tasks.is_empty() {
                    let known = changes.tasks.entry(connector.clone()).or_insert_with(|| unchanged.clone());
                    known.retain(|task| unchanged.contains(task));
                }
                changes.commits.insert(connector.clone());
                self.end_fencing_of_former_tasks(&connector);
                self.call_off_task_configs(&connector);
            }
            ConfigChange::TargetStateChanged(connector) => {
                changes.targets.insert(connector);
            }
            ConfigChange::RestartRequested(request) => {
                let known = changes.restarts.entry(request.connector.clone()).or_insert_with(|| request.clone());
                if *known < request {
                    *known = request;
                }
            }
            ConfigChange::LoggerLevel { logger, level } => self.out.push(Action::SetLoggerLevel { logger, level }),
            ConfigChange::SessionKeyUpdated | ConfigChange::Ignored { .. } => {}
        }
    }

    pub(super) fn process_changes(&mut self) {
        let restarts = std::mem::take(&mut self.changes.restarts);
        let changes = std::mem::replace(&mut self.changes, Changes { restarts, ..Changes::default() });
        for name in &changes.configs {
            let unit = Unit::Connector(name.clone());
            self.restarts.forget(&unit);
            self.work.bounce(&unit, StopReason::Change);
        }
        for name in &changes.targets {
            self.apply_target(name);
        }
        for (name, unchanged) in &changes.tasks {
            self.hold_tasks(name, unchanged);
        }
        for name in &changes.commits {
            self.compare_published(name);
        }
        if changes.rebalance {
            self.membership.want_rejoin();
        }
    }

    /// Tasks with new configs stop at once, everywhere, and start after the rebalance: until then, two of them might do
    /// the same work. Those for which nothing has changed run on; those that have failed get another try. (Java stops all
    /// of a connector's tasks.)
    ///
    /// *Unchanged* means in every set since the one that the task was started from, not just the same as in the end: what
    /// another task has done in between would be done again.
    fn hold_tasks(&mut self, name: &ConnectorName, unchanged: &BTreeSet<u32>) {
        // The fencing that a new set needs (KIP-618) takes their producers from all tasks of the set before.
        let fenced = self.settings.exactly_once == ExactlyOnce::Enabled;
        let runs_on = |unit: &Unit| {
            let same = matches!(unit, Unit::Task(task) if unchanged.contains(&task.task));
            same && !fenced && matches!(self.work.run(unit), Some(Run::Starting | Run::Running))
        };
        let of_connector = self.work.assigned().filter(|unit| is_task_of(unit, name));
        let held: Vec<Unit> = of_connector.filter(|unit| !runs_on(unit)).cloned().collect();
        for unit in held {
            self.restarts.forget(&unit);
            self.work.hold(&unit);
        }
    }

    fn apply_target(&mut self, name: &ConnectorName) {
        let Some(target) = self.config.target_state(name).filter(|_| self.config.contains(name)) else {
            return;
        };
        // The instance is built anew with the target, so that it also sees a config that changed while it was paused. One
        // that has failed stays so, unless it is to stop (Java: WorkerConnector).
        let unit = Unit::Connector(name.clone());
        let failed = matches!(self.work.run(&unit), Some(Run::Failed | Run::Broken));
        if !failed || target == TargetState::Stopped {
            self.work.bounce(&unit, StopReason::Change);
        }
        let tasks: Vec<(Unit, Run)> = self
            .work
            .here()
            .filter(|(unit, run)| is_task_of(unit, name) && matches!(run, Run::Starting | Run::Running))
            .map(|(unit, run)| (unit.clone(), run))
            .collect();
        for (unit, run) in tasks {
            if let Unit::Task(task) = &unit {
                self.out.push(Action::SetTaskTarget { task: task.clone(), target });
            }
            // The tasks of a connector that stops go with the commit before. Where they stay, two leaders have written at the
            // same time; then they wait.
            if run == Run::Running && (target != TargetState::Stopped || self.is_configured(&unit)) {
                self.write_running_status(&unit);
            }
        }
    }

    pub(super) fn config_read_to_end(&mut self, op: OpId, result: Result<(), HerderError>) {
        match &mut self.phase {
            Phase::Reading { config, .. } if *config == Some(op) => {
                if result.is_ok() {
                    *config = None;
                    self.maybe_work();
                } else {
                    // Without the config there is nothing to be done but to try again; the shell has taken its time.
                    self.begin_reading_again();
                }
            }
            _ if self.catch_up.ended(op) => self.caught_up(result),
            _ => match self.pending.remove(&op) {
                Some(Pending::Ownership(task, ask)) => self.answer_ownership(task, ask, result),
                Some(other) => {
                    self.pending.insert(op, other);
                }
                None => self.job_has_read(op, result),
            },
        }
    }

    fn begin_reading_again(&mut self) {
        let op = self.next_op();
        if let Phase::Reading { config, .. } = &mut self.phase {
            *config = Some(op);
            self.out.push(Action::ReadConfigToEnd { op, timeout_ms: super::FIRST_READ_TIMEOUT_MS });
        }
    }
}

fn is_task_of(unit: &Unit, name: &ConnectorName) -> bool {
    matches!(unit, Unit::Task(task) if task.connector == *name)
}
