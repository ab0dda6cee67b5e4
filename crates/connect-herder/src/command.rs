//! What people and other workers ask of the herder, and how it answers.

use std::collections::BTreeMap;

use connect_api::ConfigMap;
use connect_api::record::{SourceOffset, SourcePartition};

use crate::config_log::TargetState;
use crate::error::HerderError;
use crate::ids::{ConnectorName, TaskId};
use crate::restart::RestartRequest;
use crate::view::{ConnectorInfo, ConnectorStateInfo};

/// A request that changes something, or needs the herder's attention. Reads are answered from the
/// [`ClusterView`](crate::view::ClusterView) without asking.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Creates a connector, or with `replace` also gives an existing one a new config. Leader only.
    PutConnector {
        /// The name.
        name: ConnectorName,
        /// The whole config; `name` is filled in.
        config: ConfigMap,
        /// The state a new connector starts in (KIP-980).
        initial_state: Option<TargetState>,
        /// Whether an existing connector is changed rather than refused.
        replace: bool,
    },
    /// Changes some keys of a connector's config; `None` removes a key (KIP-477). Leader only.
    PatchConnector {
        /// The name.
        name: ConnectorName,
        /// The changes.
        patch: BTreeMap<String, Option<String>>,
    },
    /// Removes a connector. Its offsets stay. Leader only.
    DeleteConnector(ConnectorName),
    /// Pauses or resumes; any worker writes it.
    SetTargetState {
        /// The name.
        name: ConnectorName,
        /// [`TargetState::Paused`] or [`TargetState::Started`].
        state: TargetState,
    },
    /// Stops: no tasks, offsets may be changed (KIP-875). Leader only.
    StopConnector(ConnectorName),
    /// Restarts the connector instance alone, as before KIP-745. Owner only.
    RestartConnector(ConnectorName),
    /// Restarts what the request selects (KIP-745). Leader only.
    RestartConnectorAndTasks(RestartRequest),
    /// Restarts one task. Owner only.
    RestartTask(TaskId),
    /// Another worker's connector instance has new task configs (internal). Leader only.
    PutTaskConfigs {
        /// The connector.
        name: ConnectorName,
        /// One config a task.
        configs: Vec<ConfigMap>,
    },
    /// Another worker is about to start exactly-once tasks (internal, KIP-618). Leader only.
    FenceZombies(ConnectorName),
    /// Stores offsets of a stopped connector; `None` resets a partition, no list at all resets every partition.
    /// Leader only.
    AlterOffsets {
        /// The connector.
        name: ConnectorName,
        /// The changes, or `None` for all.
        offsets: Option<Vec<(SourcePartition, Option<SourceOffset>)>>,
    },
    /// Forgets the topics a connector has used.
    ResetTopics(ConnectorName),
    /// Sets a logger's level on every worker of the group.
    SetClusterLoggerLevel {
        /// The logger's name.
        logger: String,
        /// The level as typed.
        level: String,
    },
    /// Answers as soon as the herder comes to it: the health check.
    Ping,
}

/// The answer to a [`Command`].
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// The connector is new.
    Created(ConnectorInfo),
    /// The connector existed.
    Updated(ConnectorInfo),
    /// It is done, or will be without further ado.
    Done,
    /// The restart is on its way; the plan shows what will restart.
    Restarting(ConnectorStateInfo),
    /// It is done, and this sentence says how.
    Message(String),
}

/// What a command ends with: exactly one of these a command.
pub type Outcome = Result<Reply, HerderError>;
