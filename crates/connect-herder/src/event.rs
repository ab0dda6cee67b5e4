//! Everything that can happen to a herder. The shell turns the outside world into these, one at a time.

use bytes::Bytes;
use connect_api::{ConfigMap, ConnectError};

use crate::command::Command;
use crate::error::HerderError;
use crate::ids::{ConfigOffset, ConnectorName, Generation, MemberId, OpId, RequestId, TaskId};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Someone asks for something. Answered by exactly one [`Action::Reply`](crate::action::Action::Reply).
    Command {
        /// Comes back in the reply.
        id: RequestId,
        /// What is asked.
        command: Command,
    },
    /// The config topic has a record. Delivered in order, each once, also what this worker wrote itself.
    ConfigRecord {
        /// The record's offset in partition 0.
        offset: i64,
        /// The key.
        key: String,
        /// The value; `None` is a tombstone.
        value: Option<Bytes>,
        /// The record's create time, milliseconds since 1970.
        timestamp_ms: i64,
    },
    /// The config topic has been read to an end that was looked up after the
    /// [`Action::ReadConfigToEnd`](crate::action::Action::ReadConfigToEnd) of this id; every record up to there has been
    /// delivered. `Err`: it could not be read in time.
    ConfigReadToEnd {
        /// The action's id.
        op: OpId,
        /// Whether it worked.
        result: Result<(), HerderError>,
    },
    /// Records are in the config topic (but not yet delivered), or could not be written.
    ConfigWritten {
        /// The action's id.
        op: OpId,
        /// The position after the last of them, as [`ConfigOffset`] counts.
        result: Result<ConfigOffset, HerderError>,
    },
    /// The status topic has a record.
    StatusRecord {
        /// The key.
        key: String,
        /// The value; `None` is a tombstone.
        value: Option<Bytes>,
    },
    /// The status topic has been read to its end for the first time.
    StatusReadToEnd,
    /// Something about the group.
    Group(GroupEvent),
    /// A config has been checked.
    Validated {
        /// The action's id.
        op: OpId,
        /// `Err` carries Java's sentence with all errors.
        result: Result<(), HerderError>,
    },
    /// A connector instance has started, or could not.
    ConnectorStarted {
        /// The name.
        name: ConnectorName,
        /// How it went.
        result: Result<(), ConnectError>,
    },
    /// A connector instance has ended after [`Action::StopConnector`](crate::action::Action::StopConnector), in time or
    /// abandoned.
    ConnectorStopped {
        /// The name.
        name: ConnectorName,
    },
    /// A running connector instance raised an error, or panicked. It counts as there until it is stopped.
    ConnectorFailed {
        /// The name.
        name: ConnectorName,
        /// Why.
        error: ConnectError,
    },
    /// A running connector instance wants its task configs made anew.
    ReconfigurationRequested {
        /// The name.
        name: ConnectorName,
    },
    /// A connector instance has answered with task configs, `task.class` added, references replaced by their text again.
    /// Never after the instance's `ConnectorStopped`.
    TaskConfigs {
        /// The name.
        name: ConnectorName,
        /// The configs; a retriable error is asked again later.
        result: Result<Vec<ConfigMap>, ConnectError>,
    },
    /// The leader has taken task configs that were sent to it, or not.
    TaskConfigsForwarded {
        /// The name.
        name: ConnectorName,
        /// How it went.
        result: Result<(), HerderError>,
    },
    /// A task runs, or could not start.
    TaskStarted {
        /// The task.
        task: TaskId,
        /// How it went.
        result: Result<(), ConnectError>,
    },
    /// A task has ended after [`Action::StopTask`](crate::action::Action::StopTask), in time or abandoned.
    TaskStopped {
        /// The task.
        task: TaskId,
    },
    /// A running task has failed, or panicked, and has ended. It need not be stopped; a stop that was under way is still
    /// answered.
    TaskFailed {
        /// The task.
        task: TaskId,
        /// Why.
        error: ConnectError,
    },
    /// A running task names the partitions that stand still: the text for its status, or none any more.
    TaskFaults {
        /// The task.
        task: TaskId,
        /// One line a partition.
        text: Option<String>,
    },
    /// A running connector names what is not as it should be: the text for its status, or nothing any more.
    ConnectorFindings {
        /// The connector.
        name: ConnectorName,
        /// One line a finding.
        text: Option<String>,
    },
    /// Offsets of a stopped connector have been changed, or not.
    OffsetsAltered {
        /// The action's id.
        op: OpId,
        /// The sentence for the user.
        result: Result<String, HerderError>,
    },
    /// Producers of former tasks have been fenced, or not (KIP-618).
    ZombiesFenced {
        /// The action's id.
        op: OpId,
        /// How it went.
        result: Result<(), HerderError>,
    },
    /// A task asks, before it opens its producer, that the leader fence its predecessors (KIP-618). For exactly-once
    /// workers. Answered by [`Action::AnswerTask`](crate::action::Action::AnswerTask).
    TaskAsksToFence {
        /// The task.
        task: TaskId,
        /// The asker's own number; comes back in the answer.
        op: OpId,
    },
    /// A task asks, once its producer is open, whether its configs are still the latest and it still belongs here
    /// (KIP-618). Answered by [`Action::AnswerTask`](crate::action::Action::AnswerTask).
    TaskAsksOwnership {
        /// The task.
        task: TaskId,
        /// The asker's own number; comes back in the answer.
        op: OpId,
    },
    /// The leader has fenced for [`Action::ForwardFence`](crate::action::Action::ForwardFence), or not.
    FenceForwarded {
        /// The action's id.
        op: OpId,
        /// How it went.
        result: Result<(), HerderError>,
    },
    /// A fresh session key has been made for [`Action::MakeSessionKey`](crate::action::Action::MakeSessionKey).
    SessionKeyMade {
        /// The key, base64.
        key_base64: String,
        /// Milliseconds since 1970.
        created_ms: i64,
    },
    /// The moment asked for by [`Herder::next_timeout`](crate::herder::Herder::next_timeout) has come.
    Timer,
    /// The worker is to end: stop everything, leave the group.
    ShutDown,
}

/// What the group's coordinator says, or its absence. Classic protocol, type `connect`.
///
/// A join ends with `Joined`, `Lost` or `Fatal`, a sync with `Synced`, `RebalanceNeeded`, `Lost` or `Fatal`; what can be
/// retried, the shell retries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupEvent {
    /// A join has completed. The leader gets every member's metadata for the elected protocol and must answer with
    /// [`Action::Sync`](crate::action::Action::Sync); followers answer with an empty one.
    Joined {
        /// The new generation.
        generation: Generation,
        /// This worker's id.
        member_id: MemberId,
        /// The leader's id.
        leader_id: MemberId,
        /// The elected protocol's name.
        protocol: String,
        /// Member metadata, for the leader only.
        members: Vec<(MemberId, Bytes)>,
    },
    /// The assignment has arrived.
    Synced {
        /// The generation it belongs to.
        generation: Generation,
        /// The bytes of the assignment.
        assignment: Bytes,
    },
    /// The coordinator wants everyone to join again.
    RebalanceNeeded,
    /// The coordinator does not answer.
    CoordinatorUnknown {
        /// For how long it has not been heard of.
        unheard_ms: u64,
    },
    /// The coordinator has answered again, and this worker is still a member.
    CoordinatorKnown,
    /// The coordinator does not know this member any more (session expired, fenced, or left on purpose).
    Lost {
        /// Why, for the log.
        reason: String,
    },
    /// Joining can't work: no permission, or inconsistent protocols. The worker must end.
    Fatal {
        /// Why and what to do.
        reason: String,
    },
}
