//! What always holds, and what holds when the world is quiet.
//!
//! Always: a start never comes twice without a stop between, nor a stop without a start; nothing starts that is not
//! assigned; a cooperative worker never joins while something still stops, nor with a task whose config has changed; a
//! command gets one answer; who is told that something is stored can rely on it; and where the world is exactly-once, no task
//! that can still commit is left of a set when one of a later set begins.
//!
//! When quiet: one group of all workers, at rest for a while; all of them know the same config, which is what was written last,
//! whatever compaction has taken away, and so would a worker that came only now; every connector and task of
//! it is assigned to one worker and runs there, from the config of now, doing what it should do, and nothing else runs;
//! task configs are those that the connector makes of its config of now; work is balanced within one; statuses say so; no
//! request is open.

use std::collections::BTreeMap;

use super::instances::{Standing, State, tasks_of};
use super::world::{World, worker_id};
use crate::command::Outcome;
use crate::config_log::record::delete_connector;
use crate::config_log::{ClusterConfigState, ConfigRecord, TargetState};
use crate::ids::{ConnectorName, TaskId};
use crate::status_log;
use crate::work::{Run, Unit};
use crate::{Action, Command, Reply};

impl World {
    pub(super) fn check_actions(&mut self, index: usize, actions: &[Action]) {
        if actions.iter().any(|action| matches!(action, Action::Join { .. })) {
            let stopping = self.workers[index].instances.iter().any(|(_, instance)| instance.state == State::Stopping)
                || actions
                    .iter()
                    .any(|action| matches!(action, Action::StopConnector { .. } | Action::StopTask { .. }));
            assert!(!stopping, "{} joins while something of it stops", self.name(index));
            let overtaken =
                self.workers[index].instances.iter().find(|(_, instance)| instance.set == Standing::Overtaken);
            assert!(overtaken.is_none(), "{} joins with a task of an old set: {overtaken:?}", self.name(index));
        }
    }

    /// What a command's answer says is stored has been written.
    pub(super) fn check_written(&self, name: &str, command: &Command, outcome: &Outcome) {
        let target = |connector: &ConnectorName, state| {
            vec![ConfigRecord::TargetState { connector: connector.clone(), state: Some(state) }]
        };
        let promised = match (command, outcome) {
            (_, Ok(Reply::Created(info) | Reply::Updated(info))) => {
                let config = Some(info.config.clone().into());
                vec![ConfigRecord::Connector { connector: info.name.clone(), config }]
            }
            (Command::DeleteConnector(connector), Ok(_)) => delete_connector(connector).into(),
            (Command::StopConnector(connector), Ok(_)) => target(connector, TargetState::Stopped),
            (Command::SetTargetState { name, state }, Ok(_)) => target(name, *state),
            _ => return,
        };
        for record in promised {
            assert!(self.config.has_had(&record), "{name} promises {record:?}, which nobody has written");
        }
    }

    /// A task begins that may write in transactions. Whoever ran a part of an earlier set must be out.
    pub(super) fn check_predecessors(&self, name: &str, task: &TaskId, set: i64) {
        for (index, worker) in self.workers.iter().enumerate().filter(|(_, worker)| worker.up) {
            for (unit, instance) in worker.instances.iter() {
                let former = matches!(unit, Unit::Task(other) if other.connector == task.connector && other != task);
                assert!(
                    !former || !instance.can_commit() || instance.made_from >= set,
                    "{task} of set {set} begins on {name} while {unit} on {} can commit: {instance:?}",
                    self.name(index)
                );
            }
        }
    }

    pub(super) fn check_quiet(&self, quiet_ms: u64) {
        assert!(self.coordinator.is_stable_with(self.workers.len()), "the group is {}", self.coordinator.describe());
        let config = self.workers[0].herder.view().config;
        for (key, value) in &self.config.last_words {
            if let Ok(ConfigRecord::Connector { connector, config: last }) =
                ConfigRecord::decode(key, value.as_deref().map(str::as_bytes))
            {
                assert_eq!(config.connector_config(&connector), last.as_ref(), "{connector} as it was written last");
            }
        }
        assert_same("a new reader", &self.config.as_a_new_reader_knows_it(), &config);
        let wanted = wanted(&config);
        let mut owners: BTreeMap<Unit, usize> = BTreeMap::new();
        for (index, worker) in self.workers.iter().enumerate() {
            let name = self.name(index);
            assert!(
                worker.joined_at + quiet_ms <= self.now,
                "{name} has joined lately, at {} of {}",
                worker.joined_at,
                self.now
            );
            let view = worker.herder.view();
            assert_eq!(view.config.offset(), config.offset(), "{name} has read another config");
            assert_same(&name, &view.config, &config);
            assert!(worker.open.is_empty(), "{name} has not answered {:?}", worker.open);
            for unit in worker.herder.work().assigned() {
                let other = owners.insert(unit.clone(), index);
                assert_eq!(other, None, "{unit} is assigned to {name} and another worker");
                let here = worker.instances.iter().find(|(here, _)| *here == unit).map(|(_, instance)| instance);
                let Some(instance) = here else {
                    // A compacted topic may hide the tasks of a connector that does not run from who reads it anew.
                    let hidden = view.config.is_inconsistent(unit.connector())
                        && config.target_state(unit.connector()) != Some(TargetState::Started);
                    assert!(
                        hidden || has_too_many_tasks(unit, &config),
                        "{name} does not run {unit}, which is assigned to it"
                    );
                    continue;
                };
                assert_eq!(instance.state, State::Running, "{unit} on {name}");
                assert_eq!(worker.herder.work().run(unit), Some(Run::Running), "{unit} on {name}");
                self.check_instance(&name, unit, instance, &config);
                self.check_status(index, unit, &config);
            }
            for (unit, instance) in worker.instances.iter() {
                assert!(worker.herder.work().is_assigned(unit), "{name} runs {unit}: {instance:?}");
            }
        }
        let runs =
            |unit: &&Unit| is_connector(unit) || config.target_state(unit.connector()) == Some(TargetState::Started);
        let assigned: Vec<_> = owners.keys().filter(runs).cloned().collect();
        let wanted: Vec<_> = wanted.iter().filter(runs).cloned().collect();
        assert_eq!(assigned, wanted, "what is assigned and what is configured");
        self.check_balance(&owners);
        for worker in &self.workers {
            let statuses = worker.herder.view().status;
            for name in statuses.connectors() {
                assert!(config.contains(name), "there is a status of {name}, which does not exist");
                // Where workers may differ, see `assert_same`, somebody has to know the task.
                let runs = config.target_state(name) == Some(TargetState::Started);
                let counts = self.workers.iter().map(|worker| worker.herder.view().config.task_count(name));
                let count = if runs { config.task_count(name) } else { counts.max().unwrap_or(0) };
                for task in statuses.tasks(name).keys() {
                    assert!(*task < count, "there is a status of {name}-{task}, which does not exist");
                }
            }
        }
        for name in config.connectors().filter(|name| config.target_state(name) == Some(TargetState::Started)) {
            let made = tasks_of(config.connector_config(name).expect("it is configured"), &self.people.topics);
            assert!(!config.task_configs_changed(name, &made), "the tasks of {name} are not those it wants");
        }
    }

    fn check_instance(
        &self,
        name: &str,
        unit: &Unit,
        instance: &super::instances::Instance,
        config: &ClusterConfigState,
    ) {
        let connector = unit.connector();
        let target = config.target_state(connector).unwrap_or(TargetState::Started);
        assert_eq!(instance.target, target, "what {unit} on {name} should do");
        let connector_config = config.connector_config(connector).expect("it is configured");
        match unit {
            Unit::Connector(_) => {
                assert_eq!(&instance.connector_config, connector_config.as_ref(), "the config of {unit} on {name}");
            }
            Unit::Task(task) => {
                let known = config.task_config(task).filter(|_| !config.is_inconsistent(connector));
                let Some(task_config) = known else {
                    assert_ne!(target, TargetState::Started, "{unit} on {name} has no config");
                    return;
                };
                assert_eq!(&instance.config, task_config.as_ref(), "the config of {unit} on {name}");
                if target == TargetState::Started {
                    assert_eq!(&instance.connector_config, connector_config.as_ref(), "what {unit} on {name} sees");
                }
            }
        }
    }

    fn check_status(&self, index: usize, unit: &Unit, config: &ClusterConfigState) {
        let target = config.target_state(unit.connector()).unwrap_or(TargetState::Started);
        let expected = match (target, unit) {
            (TargetState::Started, _) => status_log::State::Running,
            (TargetState::Stopped, Unit::Connector(_)) => status_log::State::Stopped,
            _ => status_log::State::Paused,
        };
        for worker in &self.workers {
            let statuses = worker.herder.view().status;
            let status = match unit {
                Unit::Connector(name) => statuses.connector(name).cloned(),
                Unit::Task(task) => statuses.tasks(&task.connector).get(&task.task).cloned(),
            };
            let Some(status) = status else { panic!("{unit} runs on w{index} and has no status") };
            assert_eq!(
                (status.worker_id.as_str(), status.state),
                (worker_id(index).as_str(), expected),
                "the status of {unit}, which runs on w{index}"
            );
        }
    }

    fn check_balance(&self, owners: &BTreeMap<Unit, usize>) {
        for connectors in [true, false] {
            let count = |index: usize| {
                owners.iter().filter(|(unit, owner)| **owner == index && is_connector(unit) == connectors).count()
            };
            let counts: Vec<usize> = (0..self.workers.len()).map(count).collect();
            let (min, max) = (counts.iter().min(), counts.iter().max());
            assert!(max.zip(min).is_none_or(|(max, min)| max - min <= 1), "work is not balanced: {counts:?}");
        }
    }
}

/// Whether the unit is a task of a paused connector whose set of tasks, because of two leaders, was committed under a config
/// that does not allow so many. If it could not start for that reason while the connector ran, it stays FAILED until the
/// connector is resumed and makes a smaller set.
fn has_too_many_tasks(unit: &Unit, config: &ClusterConfigState) -> bool {
    let name = unit.connector();
    let max =
        config.applied_connector_config(name).and_then(|config| config.get("tasks.max")?.parse().ok()).unwrap_or(1);
    !is_connector(unit) && config.target_state(name) != Some(TargetState::Started) && config.task_count(name) > max
}

fn is_connector(unit: &Unit) -> bool {
    matches!(unit, Unit::Connector(_))
}

fn wanted(config: &ClusterConfigState) -> Vec<Unit> {
    let connectors = config.connectors().cloned().map(Unit::Connector);
    let tasks = config.connectors().flat_map(|name| config.tasks(name)).map(Unit::Task);
    connectors.chain(tasks).collect()
}

/// Workers that have lived through a compaction and those that have not may differ in the tasks of a connector that does
/// not run: until it does, nobody publishes them anew. So may one that was away while the connector was deleted and created
/// anew, since compaction leaves it no tombstone.
fn assert_same(name: &str, one: &ClusterConfigState, other: &ClusterConfigState) {
    let connectors = |config: &ClusterConfigState| config.connectors().cloned().collect::<Vec<ConnectorName>>();
    assert_eq!(connectors(one), connectors(other), "the connectors {name} knows");
    for connector in other.connectors() {
        assert_eq!(
            one.connector_config(connector),
            other.connector_config(connector),
            "{connector} as {name} knows it"
        );
        assert_eq!(one.target_state(connector), other.target_state(connector), "the target of {connector} for {name}");
        if other.target_state(connector) != Some(TargetState::Started) {
            continue;
        }
        let tasks = |config: &ClusterConfigState| {
            config.tasks(connector).map(|task| (config.task_config(&task).cloned(), task)).collect::<Vec<_>>()
        };
        assert_eq!(tasks(one), tasks(other), "the tasks of {connector} for {name}");
    }
}
