//! People, and workers among each other, who ask for things; and the REST layer that forwards what they ask.

use std::collections::{BTreeMap, BTreeSet};

use connect_api::ConfigMap;

use super::world::{CLASS, World, url};
use crate::command::{Command, Outcome};
use crate::config_log::TargetState;
use crate::event::Event;
use crate::ids::{ConnectorName, OpId, RequestId, TaskId};
use crate::restart::RestartRequest;
use crate::{HerderError, Reply};

/// The requests that are under way.
#[derive(Debug, Default)]
pub(super) struct People {
    next: u64,
    version: u64,
    /// What there is for connectors to do.
    pub(super) topics: BTreeSet<u64>,
    asked: BTreeMap<RequestId, Asked>,
}

#[derive(Debug)]
struct Asked {
    asker: Asker,
    command: Command,
    /// Whether it may go one hop further.
    forward: bool,
    since: u64,
}

/// Who wants the answer.
#[derive(Debug, Clone)]
pub(super) enum Asker {
    Person,
    /// A connector instance on this worker.
    TaskConfigs(usize, ConnectorName),
    /// A task on this worker.
    Fence(usize, OpId),
}

impl World {
    /// Someone asks some worker for something.
    pub(super) fn command(&mut self) {
        let up: Vec<usize> = (0..self.workers.len()).filter(|index| self.workers[*index].up).collect();
        let Some(index) = self.random.pick(&up).copied() else { return };
        let command = self.some_command();
        self.ask(index, command, Asker::Person, true);
    }

    fn ask(&mut self, index: usize, command: Command, asker: Asker, forward: bool) {
        self.people.next += 1;
        let id = RequestId(self.people.next);
        let asked = Asked { asker, command: command.clone(), forward, since: self.now };
        self.people.asked.insert(id, asked);
        self.command_for(index, id, command);
    }

    /// A worker asks another one, by its address.
    pub(super) fn ask_peer(&mut self, from: usize, address: &str, command: Command, asker: Asker) {
        let peer = (0..self.workers.len()).find(|index| url(*index) == address);
        match peer.filter(|index| self.workers[*index].up && !self.workers[*index].frozen) {
            Some(index) => self.ask(index, command, asker, false),
            None => {
                let result = Err(HerderError::Internal("connection refused".to_owned()));
                self.tell(from, asker, result);
            }
        }
    }

    fn tell(&mut self, from: usize, asker: Asker, result: Result<(), HerderError>) {
        match asker {
            Asker::Person => {}
            Asker::TaskConfigs(_, name) => self.event(from, Event::TaskConfigsForwarded { name, result }),
            Asker::Fence(_, op) => self.event(from, Event::FenceForwarded { op, result }),
        }
    }

    pub(super) fn replied(&mut self, index: usize, id: RequestId, outcome: Outcome) {
        let name = self.name(index);
        assert!(self.workers[index].open.remove(&id), "{name} answers request {id} twice, or nobody asked it");
        let Some(asked) = self.people.asked.remove(&id) else { return };
        let waited = self.now - asked.since.max(self.workers[index].thawed_at);
        assert!(waited <= 120_000, "{name} answers request {id} after {waited} ms");
        self.check_written(&name, &asked.command, &outcome);
        match asked.asker {
            Asker::Person => {
                if let Err(
                    HerderError::NotLeader { leader_url: Some(url) }
                    | HerderError::NotAssigned { owner_url: Some(url) },
                ) = &outcome
                    && asked.forward
                {
                    self.ask_peer(index, &url.clone(), asked.command, Asker::Person);
                }
            }
            Asker::TaskConfigs(from, _) | Asker::Fence(from, _) => {
                self.tell(from, asked.asker, outcome.map(|_: Reply| ()));
            }
        }
    }

    /// A worker died with these requests: whoever sent them on gets no answer, but an error.
    pub(super) fn break_connections(&mut self, requests: &BTreeSet<RequestId>) {
        for id in requests {
            if let Some(asked) = self.people.asked.remove(id)
                && let Asker::TaskConfigs(from, _) | Asker::Fence(from, _) = asked.asker
            {
                self.tell(from, asked.asker, Err(HerderError::Internal("connection reset".to_owned())));
            }
        }
    }

    fn some_command(&mut self) -> Command {
        let name = ConnectorName::from(format!("c{}", self.random.below(4)));
        match self.random.below(20) {
            0 | 1 => Command::PutConnector {
                name,
                config: self.some_config(),
                initial_state: match self.random.below(4) {
                    0 => Some(TargetState::Paused),
                    1 => Some(TargetState::Stopped),
                    _ => None,
                },
                replace: false,
            },
            2..=4 => Command::PutConnector { name, config: self.some_config(), initial_state: None, replace: true },
            5 => Command::PatchConnector { name, patch: [("tasks.max".to_owned(), Some("2".to_owned()))].into() },
            6 | 7 => Command::DeleteConnector(name),
            8 | 9 => Command::SetTargetState { name, state: TargetState::Paused },
            10 | 11 => Command::SetTargetState { name, state: TargetState::Started },
            12 => Command::StopConnector(name),
            13 => Command::RestartConnector(name),
            14 => Command::RestartTask(TaskId::new(name, self.random.below(3) as u32)),
            15 | 16 => Command::RestartConnectorAndTasks(RestartRequest {
                connector: name,
                only_failed: self.random.chance(50),
                include_tasks: self.random.chance(70),
            }),
            17 => Command::AlterOffsets { name, offsets: None },
            18 => Command::SetClusterLoggerLevel { logger: "x".to_owned(), level: "DEBUG".to_owned() },
            _ => Command::Ping,
        }
    }

    fn some_config(&mut self) -> ConfigMap {
        // Now and then an old version comes back.
        if self.random.chance(80) {
            self.people.version += 1;
        }
        let version = if self.random.chance(10) { 1 } else { self.people.version };
        let mut pairs = vec![
            ("connector.class".to_owned(), CLASS.to_owned()),
            ("tasks.max".to_owned(), self.random.between(1, 4).to_string()),
            ("version".to_owned(), version.to_string()),
        ];
        if self.random.chance(5) {
            pairs.push(("bad".to_owned(), "yes".to_owned()));
        }
        pairs.into_iter().collect()
    }
}
