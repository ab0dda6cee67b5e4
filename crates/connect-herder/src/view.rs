//! What everyone may read without asking: a snapshot that the shell publishes after every event that changed it.

use connect_api::ConfigMap;

use crate::config_log::ClusterConfigState;
use crate::ids::{ConnectorName, Generation, MemberId, TaskId, WorkerId};
use crate::status_log::StatusState;

/// One consistent picture of the cluster as this worker knows it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ClusterView {
    /// The fold of the config topic.
    pub config: ClusterConfigState,
    /// The fold of the status topic.
    pub status: StatusState,
    /// This worker.
    pub worker_id: WorkerId,
    /// The group as this worker sees it.
    pub group: GroupView,
    /// What the worker is doing; for `/health` and for time-outs.
    pub stage: Stage,
}

/// This worker's membership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupView {
    /// The generation; [`Generation::NONE`] outside of a group.
    pub generation: Generation,
    /// This worker's member id.
    pub member_id: Option<MemberId>,
    /// The leader's member id.
    pub leader_id: Option<MemberId>,
    /// The leader's REST address, with trailing slash.
    pub leader_url: Option<String>,
    /// The elected subprotocol: `default`, `compatible` or `sessioned`.
    pub protocol: Option<String>,
    /// Connector instances assigned to this worker.
    pub connectors: Vec<ConnectorName>,
    /// Tasks assigned to this worker.
    pub tasks: Vec<TaskId>,
    /// Whether a rebalance is under way.
    pub rebalancing: bool,
}

impl GroupView {
    /// Whether this worker leads the group.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.member_id.is_some() && self.member_id == self.leader_id
    }
}

/// What the worker is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// Reading the storage topics or joining the group for the first time; the text says what, in Java's manner:
    /// `reading to the end of the config topic`.
    Starting(String),
    /// Ready for requests.
    Ready,
    /// Something it needs does not answer; the text says what.
    Impaired(String),
    /// On its way out.
    Stopping,
}

/// A connector as `GET /connectors/{c}` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorInfo {
    /// The name.
    pub name: ConnectorName,
    /// The config as given, references unresolved.
    pub config: ConfigMap,
    /// Its tasks.
    pub tasks: Vec<TaskId>,
    /// `source`, or `unknown` for a class this worker does not have.
    pub kind: &'static str,
}

/// A connector as `GET /connectors/{c}/status` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorStateInfo {
    /// The name.
    pub name: ConnectorName,
    /// The connector instance.
    pub connector: UnitState,
    /// The tasks, by number.
    pub tasks: Vec<(u32, UnitState)>,
    /// `source`, or `unknown`.
    pub kind: &'static str,
}

/// The state of a connector instance or of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitState {
    /// `RUNNING`, `PAUSED`, …
    pub state: String,
    /// The worker it runs on.
    pub worker_id: String,
    /// The plugin's version, if known.
    pub version: Option<String>,
    /// What went wrong, if anything.
    pub trace: Option<String>,
}
