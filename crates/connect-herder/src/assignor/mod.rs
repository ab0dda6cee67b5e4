//! Who does what: the leader's share-out of connectors and tasks among the members of the group.
//!
//! [`assign`] is a function: what the members said, what is configured, what the leader remembers and the time go in, an
//! assignment for every member and the new memory come out. [`cooperative`] moves as little as possible and waits for
//! members that may come back (KIP-415); [`eager`] deals everything out anew.
//!
//! Both do what Java's assignors do, decision for decision, so that it does not matter which worker leads.

pub mod cooperative;
pub mod eager;
pub mod memory;

use std::collections::{BTreeMap, BTreeSet};

use crate::config_log::ClusterConfigState;
use crate::ids::{ConfigOffset, ConnectorName, Generation, MemberId, Now, TaskId};
use crate::protocol::{Assignment, AssignmentError, ConnectorsAndTasks, Subprotocol, WorkerMetadata};

pub use memory::Memory;

/// What the leader knows when it has to assign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignView {
    /// The members that have joined, with what they said. The leader is one of them.
    pub members: BTreeMap<MemberId, WorkerMetadata>,
    /// The leader.
    pub leader: MemberId,
    /// What there is to do.
    pub configured: Configured,
    /// The generation that the members have just joined.
    pub generation: Generation,
    /// The last generation of which the leader got its own assignment; [`Generation::NONE`] before the first.
    pub last_completed_generation: Generation,
    /// Work that whoever had it has stopped since the last round, and has said so: nobody comes back for it. (Java does not
    /// ask.)
    pub released: ConnectorsAndTasks,
}

/// What there is to do, according to the config topic up to an offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configured {
    /// How far the leader has read. May be further than when it joined, as Java's may after a read to the end.
    pub offset: ConfigOffset,
    /// The connectors, each with the number of its tasks: 0 for an inconsistent one.
    pub connectors: BTreeMap<ConnectorName, u32>,
}

impl From<&ClusterConfigState> for Configured {
    fn from(state: &ClusterConfigState) -> Self {
        let tasks = |name: &ConnectorName| if state.is_inconsistent(name) { 0 } else { state.task_count(name) };
        Self {
            offset: state.offset(),
            connectors: state.connectors().map(|name| (name.clone(), tasks(name))).collect(),
        }
    }
}

/// The settings of the assignor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long lost work waits for the member that lost it, and the most that revocations are put off
    /// (`scheduled.rebalance.max.delay.ms`, 300,000 by default).
    pub max_delay_ms: u32,
}

/// The outcome of one rebalance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// What to tell every member.
    pub assignments: BTreeMap<MemberId, Assignment>,
    /// Who has what when all have done as they were told.
    pub ownership: Ownership,
}

/// Who has what, for requests that only the owner can answer (Java: `LeaderState`). True until the next rebalance begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ownership {
    owners: BTreeMap<Unit, MemberId>,
    urls: BTreeMap<MemberId, String>,
}

impl Ownership {
    /// The REST address of the worker that has this connector instance.
    #[must_use]
    pub fn connector_url(&self, connector: &ConnectorName) -> Option<&str> {
        self.url(&Unit::Connector(connector.clone()))
    }

    /// The REST address of the worker that has this task.
    #[must_use]
    pub fn task_url(&self, task: &TaskId) -> Option<&str> {
        self.url(&Unit::Task(task.clone()))
    }

    fn url(&self, unit: &Unit) -> Option<&str> {
        self.urls.get(self.owners.get(unit)?).map(String::as_str)
    }
}

/// Shares out the work by the protocol that the group has elected.
///
/// `memory` is the leader's from its last round, whether or not it was leader in between; a new leader starts with
/// [`Memory::default`] and so forgets, as in Java, whom the group was waiting for. If the leader has read less of the config
/// topic than some member, everyone is told so and nothing is remembered.
#[must_use]
pub fn assign(
    protocol: Subprotocol,
    view: &AssignView,
    memory: Memory,
    now: Now,
    settings: &Settings,
) -> (Round, Memory) {
    if view.offset_max() > view.configured.offset {
        return (view.config_mismatch(), memory);
    }
    match protocol {
        Subprotocol::Eager => (eager::assign(view), memory),
        Subprotocol::Compatible | Subprotocol::Sessioned => cooperative::assign(view, memory, now, settings),
    }
}

/// The least that can be assigned. Connectors come first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Unit {
    Connector(ConnectorName),
    Task(TaskId),
}

/// Connectors are balanced among themselves, and so are tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Connector,
    Task,
}

impl Unit {
    fn kind(&self) -> Kind {
        match self {
            Self::Connector(_) => Kind::Connector,
            Self::Task(_) => Kind::Task,
        }
    }
}

/// The units of `work`, without repetitions, in order.
fn units(work: &ConnectorsAndTasks) -> Vec<Unit> {
    let connectors = work.connectors.iter().cloned().map(Unit::Connector);
    let tasks = work.tasks.iter().cloned().map(Unit::Task);
    let mut seen = BTreeSet::new();
    connectors.chain(tasks).filter(|unit| seen.insert(unit.clone())).collect()
}

impl FromIterator<Unit> for ConnectorsAndTasks {
    fn from_iter<I: IntoIterator<Item = Unit>>(units: I) -> Self {
        let mut work = Self::default();
        for unit in units {
            match unit {
                Unit::Connector(connector) => work.connectors.push(connector),
                Unit::Task(task) => work.tasks.push(task),
            }
        }
        work
    }
}

impl Configured {
    fn units(&self) -> BTreeSet<Unit> {
        let connectors = self.connectors.keys().cloned().map(Unit::Connector);
        let tasks = self
            .connectors
            .iter()
            .flat_map(|(name, tasks)| (0..*tasks).map(move |task| Unit::Task(TaskId::new(name.clone(), task))));
        connectors.chain(tasks).collect()
    }
}

impl AssignView {
    fn offset_max(&self) -> ConfigOffset {
        self.members.values().map(|member| member.config_offset).max().unwrap_or(ConfigOffset::EMPTY)
    }

    /// Nobody does anything but read to the end and join again.
    fn config_mismatch(&self) -> Round {
        let assignment = Assignment {
            error: AssignmentError::ConfigMismatch,
            config_offset: self.offset_max(),
            ..self.assignment(ConnectorsAndTasks::default())
        };
        Round {
            assignments: self.members.keys().map(|id| (id.clone(), assignment.clone())).collect(),
            ownership: Ownership::default(),
        }
    }

    /// An assignment of something new, and no more.
    fn assignment(&self, assigned: ConnectorsAndTasks) -> Assignment {
        Assignment {
            error: AssignmentError::None,
            leader: self.leader.clone(),
            leader_url: self.members.get(&self.leader).map(|leader| leader.url.clone()).unwrap_or_default(),
            config_offset: self.configured.offset,
            assigned,
            revoked: ConnectorsAndTasks::default(),
            delay_ms: 0,
        }
    }

    fn ownership(&self, owners: impl IntoIterator<Item = (Unit, MemberId)>) -> Ownership {
        let urls = self.members.iter().map(|(id, member)| (id.clone(), member.url.clone()));
        Ownership { owners: owners.into_iter().collect(), urls: urls.collect() }
    }
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
