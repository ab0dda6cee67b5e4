//! Connector instances and tasks of a simulated worker, as its shell has them.

use std::collections::{BTreeMap, BTreeSet};

use connect_api::{ConfigMap, ConnectError};

use super::world::{Happening, World};
use crate::config_log::TargetState;
use crate::event::Event;
use crate::ids::{ConnectorName, OpId, TaskId};
use crate::work::Unit;
use crate::{Action, Command, HerderError};

/// One connector instance or task.
#[derive(Debug, Clone)]
pub(super) struct Instance {
    number: u64,
    pub(super) state: State,
    /// The connector's config that it was started with.
    pub(super) connector_config: ConfigMap,
    /// The task's own.
    pub(super) config: ConfigMap,
    pub(super) target: TargetState,
    pub(super) set: Standing,
    /// The offset of the commit of the task configs that it was made from.
    pub(super) made_from: i64,
    /// The producer of a task that writes in transactions.
    producer: Producer,
}

/// What has become of a task's transactional producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Producer {
    /// There is none yet.
    None,
    /// It holds its transactional id.
    Open,
    /// Someone else has taken the id over.
    Fenced,
}

impl Instance {
    /// Whether what it writes may still be committed.
    pub(super) fn can_commit(&self) -> bool {
        self.state == State::Running && self.producer == Producer::Open
    }
}

/// How a task stands to the sets of task configs that its worker has read since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is the same in all of them.
    Same,
    /// There was one without any tasks.
    Gone,
    /// It is another in one of them, or its producer has been fenced for one: it must not run into the next round.
    Overtaken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Starting,
    /// A task that has asked for fencing, or for its ownership.
    Asking,
    Running,
    Stopping,
}

/// The instances of one worker.
#[derive(Debug, Default)]
pub(super) struct Instances {
    all: BTreeMap<Unit, Instance>,
    next: u64,
    questions: BTreeMap<OpId, (Unit, u64, Question)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    Fence,
    Ownership,
}

/// An instance gets on.
#[derive(Debug)]
pub(super) enum Progress {
    Started(Unit, u64),
    Stopped(Unit, u64),
    TaskConfigs(ConnectorName, u64),
}

impl Instances {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Unit, &Instance)> {
        self.all.iter()
    }

    fn get(&mut self, unit: &Unit, number: u64) -> Option<&mut Instance> {
        self.all.get_mut(unit).filter(|instance| instance.number == number)
    }
}

/// The task configs that a connector makes of its config and of the topics that there are: they depend on nothing else.
/// One topic more or less changes one of them.
pub(super) fn tasks_of(config: &ConfigMap, topics: &BTreeSet<u64>) -> Vec<ConfigMap> {
    let count = config.get("tasks.max").and_then(|max| max.parse().ok()).unwrap_or(1);
    let version = config.get("version").cloned().unwrap_or_default();
    let task = |number: u64| {
        let share: Vec<_> = topics.iter().filter(|topic| **topic % count == number).map(u64::to_string).collect();
        let pairs = [("made.from".to_owned(), version.clone()), ("topics".to_owned(), share.join(","))];
        pairs.into_iter().collect()
    };
    (0..count).map(task).collect()
}

impl World {
    /// A worker has read that a set of task configs is committed: what does that say about the tasks that it has?
    pub(super) fn compare_with_set(&mut self, index: usize, connector: &str) {
        let worker = &mut self.workers[index];
        let config = worker.herder.view().config;
        let fenced = self.exactly_once == crate::settings::ExactlyOnce::Enabled;
        for (unit, instance) in &mut worker.instances.all {
            let Unit::Task(task) = unit else { continue };
            if task.connector.as_str() != connector || instance.state == State::Stopping {
                continue;
            }
            let same = config.task_config(task).map(AsRef::as_ref) == Some(&instance.config)
                && config.applied_connector_config(&task.connector).map(AsRef::as_ref)
                    == Some(&instance.connector_config);
            if config.tasks(&task.connector).next().is_none() {
                instance.set = Standing::Gone;
            } else if fenced
                || !same
                || instance.set != Standing::Same
                || task.task >= config.task_count(&task.connector)
            {
                instance.set = Standing::Overtaken;
            } else {
                self.totals.unchanged += 1;
            }
        }
    }

    /// A topic comes or goes, and connectors notice.
    pub(super) fn change_topics(&mut self) {
        let topic = self.random.below(9);
        if !self.people.topics.remove(&topic) {
            self.people.topics.insert(topic);
        }
        for index in 0..self.workers.len() {
            let names: Vec<_> = self.workers[index]
                .instances
                .iter()
                .filter_map(|(unit, instance)| match unit {
                    Unit::Connector(name) if instance.state == State::Running => Some(name.clone()),
                    _ => None,
                })
                .collect();
            for name in names {
                self.later(index, 0, Happening::Event(Event::ReconfigurationRequested { name }));
            }
        }
    }

    pub(super) fn perform_work(&mut self, index: usize, action: Action) {
        match action {
            Action::Validate { op, config } => {
                let bad = config.contains_key("bad");
                let result = if bad { Err(HerderError::BadRequest("bad".to_owned())) } else { Ok(()) };
                self.event(index, Event::Validated { op, result });
            }
            Action::StartConnector { name, config, target } => {
                self.start(index, Unit::Connector(name), config, ConfigMap::new(), target);
            }
            Action::StartTask { task, connector_config, config, target } => {
                self.start(index, Unit::Task(task), connector_config, config, target);
            }
            Action::StopConnector { name } => self.stop(index, Unit::Connector(name)),
            Action::StopTask { task } => self.stop(index, Unit::Task(task)),
            Action::SetTaskTarget { task, target } => {
                if let Some(instance) = self.workers[index].instances.all.get_mut(&Unit::Task(task)) {
                    instance.target = target;
                }
            }
            Action::ComputeTaskConfigs { name, .. } => {
                let unit = Unit::Connector(name.clone());
                let number = self.workers[index].instances.all.get(&unit).map_or(0, |instance| instance.number);
                self.message(index, Happening::Instance(Progress::TaskConfigs(name, number)));
            }
            Action::ForwardTaskConfigs { name, leader_url, configs } => {
                let command = Command::PutTaskConfigs { name: name.clone(), configs };
                self.ask_peer(index, &leader_url, command, super::people::Asker::TaskConfigs(index, name));
            }
            Action::ForwardFence { op, name, leader_url } => {
                let asker = super::people::Asker::Fence(index, op);
                self.ask_peer(index, &leader_url, Command::FenceZombies(name), asker);
            }
            Action::AnswerTask { op, result } => self.answered(index, op, &result),
            Action::AlterOffsets { op, .. } => {
                self.event(index, Event::OffsetsAltered { op, result: Ok("altered".to_owned()) });
            }
            Action::FenceZombies { op, name, tasks, .. } => {
                let fails = self.faults.on && self.random.chance(10);
                if !fails {
                    self.fence(|task| task.connector == name && task.task < tasks);
                }
                let result = if fails { Err(HerderError::Internal("not fenced".to_owned())) } else { Ok(()) };
                self.event(index, Event::ZombiesFenced { op, result });
            }
            other => panic!("nobody performs {other:?}"),
        }
    }

    fn start(&mut self, index: usize, unit: Unit, connector_config: ConfigMap, config: ConfigMap, target: TargetState) {
        self.totals.starts += 1;
        let name = self.name(index);
        assert!(
            self.workers[index].herder.work().is_assigned(&unit),
            "{name} starts {unit}, which is not assigned to it"
        );
        let made_from = self.workers[index].commits.get(unit.connector().as_str()).copied().unwrap_or(-1);
        let instances = &mut self.workers[index].instances;
        instances.next += 1;
        let number = instances.next;
        let instance = Instance {
            number,
            state: State::Starting,
            connector_config,
            config,
            target,
            set: Standing::Same,
            made_from,
            producer: Producer::None,
        };
        let former = instances.all.insert(unit.clone(), instance);
        assert!(former.is_none(), "double start: {name} starts {unit}, which is {former:?}");
        let slow = self.faults.on && self.random.chance(10);
        let delay_ms = if slow { self.random.between(1_000, 20_000) } else { self.random.between(0, 100) };
        self.later(index, delay_ms, Happening::Instance(Progress::Started(unit, number)));
    }

    fn stop(&mut self, index: usize, unit: Unit) {
        let name = self.name(index);
        let instances = &mut self.workers[index].instances;
        // A task that has just failed may be told to stop before the herder knows.
        let number = match instances.all.get_mut(&unit) {
            Some(instance) => {
                assert!(instance.state != State::Stopping, "bad stop: {name} stops {unit} twice");
                instance.state = State::Stopping;
                instance.number
            }
            None => 0,
        };
        let slow = self.faults.on && self.random.chance(20);
        let delay_ms = if slow { self.random.between(500, 6_000) } else { self.random.between(0, 100) };
        self.later(index, delay_ms, Happening::Instance(Progress::Stopped(unit, number)));
    }

    pub(super) fn instance_progress(&mut self, index: usize, progress: Progress) {
        match progress {
            Progress::Started(unit, number) => {
                let eos = self.workers[index].herder.settings().exactly_once == crate::settings::ExactlyOnce::Enabled;
                let Some(instance) = self.workers[index].instances.get(&unit, number) else { return };
                match instance.state {
                    State::Starting if eos && matches!(unit, Unit::Task(_)) => {
                        instance.state = State::Asking;
                        self.task_asks(index, unit, number, Question::Fence);
                    }
                    State::Starting => self.come_up(index, unit, number),
                    _ => {}
                }
            }
            Progress::Stopped(unit, number) => {
                if number > 0 {
                    self.workers[index].instances.all.remove(&unit);
                }
                let event = match unit {
                    Unit::Connector(name) => Event::ConnectorStopped { name },
                    Unit::Task(task) => Event::TaskStopped { task },
                };
                self.apply(index, event.clone());
                if self.random.chance(2) {
                    self.apply(index, event);
                }
            }
            Progress::TaskConfigs(name, number) => {
                let unit = Unit::Connector(name.clone());
                let fails = self.faults.on && self.random.chance(10);
                let Some(instance) = self.workers[index].instances.get(&unit, number) else { return };
                if instance.state == State::Stopping {
                    return;
                }
                let made = tasks_of(&instance.connector_config, &self.people.topics);
                let result = if fails { Err(ConnectError::retriable("busy")) } else { Ok(made) };
                self.apply(index, Event::TaskConfigs { name, result });
            }
        }
    }

    fn task_asks(&mut self, index: usize, unit: Unit, number: u64, question: Question) {
        let Unit::Task(task) = unit.clone() else { return };
        let instances = &mut self.workers[index].instances;
        instances.next += 1;
        // The shell's own numbers; the herder's are small.
        let op = OpId(1 << 40 | instances.next);
        instances.questions.insert(op, (unit, number, question));
        let event = match question {
            Question::Fence => Event::TaskAsksToFence { task, op },
            Question::Ownership => Event::TaskAsksOwnership { task, op },
        };
        self.event(index, event);
    }

    fn answered(&mut self, index: usize, op: OpId, result: &Result<(), HerderError>) {
        let name = self.name(index);
        let asked = self.workers[index].instances.questions.remove(&op);
        let Some((unit, number, question)) = asked else { panic!("{name} answers {op} twice") };
        let Some(instance) = self.workers[index].instances.get(&unit, number) else { return };
        if instance.state != State::Asking {
            return;
        }
        match (result, question) {
            (Ok(()), Question::Fence) => {
                // It opens its producer, which shuts out whoever had its transactional id.
                self.fence(|task| matches!(&unit, Unit::Task(this) if this == task));
                if let Some(instance) = self.workers[index].instances.get(&unit, number) {
                    instance.producer = Producer::Open;
                }
                self.task_asks(index, unit, number, Question::Ownership);
            }
            (Ok(()), Question::Ownership) => self.come_up(index, unit, number),
            (Err(error), _) => self.fail_to_start(index, unit, &error.to_string()),
        }
    }

    /// Takes their transactional ids from these tasks, wherever they run.
    fn fence(&mut self, which: impl Fn(&TaskId) -> bool) {
        for worker in &mut self.workers {
            for (unit, instance) in &mut worker.instances.all {
                if matches!(unit, Unit::Task(task) if which(task)) && instance.producer == Producer::Open {
                    self.totals.shut_out += u64::from(instance.can_commit());
                    instance.producer = Producer::Fenced;
                }
            }
        }
    }

    fn come_up(&mut self, index: usize, unit: Unit, number: u64) {
        if self.faults.on && self.random.chance(8) {
            self.fail_to_start(index, unit, "no luck");
            return;
        }
        if let (Unit::Task(task), Some(instance)) = (&unit, self.workers[index].instances.all.get(&unit))
            && instance.producer == Producer::Open
        {
            self.check_predecessors(&self.name(index), task, instance.made_from);
        }
        if let Some(instance) = self.workers[index].instances.get(&unit, number) {
            instance.state = State::Running;
            self.report_start(index, unit, Ok(()));
        }
    }

    fn fail_to_start(&mut self, index: usize, unit: Unit, reason: &str) {
        self.workers[index].instances.all.remove(&unit);
        self.report_start(index, unit, Err(ConnectError::fatal(reason)));
    }

    /// What an instance says arrives in order, and before it has stopped.
    fn report_start(&mut self, index: usize, unit: Unit, result: Result<(), ConnectError>) {
        let event = match unit {
            Unit::Connector(name) => Event::ConnectorStarted { name, result },
            Unit::Task(task) => Event::TaskStarted { task, result },
        };
        self.later(index, 0, Happening::Event(event));
    }

    /// Something that runs breaks.
    pub(super) fn break_something(&mut self, index: usize) {
        let running: Vec<Unit> = self.workers[index]
            .instances
            .iter()
            .filter(|(_, i)| i.state == State::Running)
            .map(|(u, _)| u.clone())
            .collect();
        let Some(unit) = self.random.pick(&running).cloned() else { return };
        let error = ConnectError::fatal("broken");
        let event = match unit.clone() {
            Unit::Connector(name) if self.random.chance(50) => Event::ReconfigurationRequested { name },
            Unit::Connector(name) => Event::ConnectorFailed { name, error },
            Unit::Task(task) => {
                self.workers[index].instances.all.remove(&unit);
                Event::TaskFailed { task, error }
            }
        };
        self.later(index, 0, Happening::Event(event));
    }
}
