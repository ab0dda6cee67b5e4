//! Everything a herder can ask of its shell. Nothing here returns a value: outcomes come back as events.

use bytes::Bytes;
use connect_api::ConfigMap;
use connect_api::record::{SourceOffset, SourcePartition};

use crate::command::Outcome;
use crate::config_log::TargetState;
use crate::error::HerderError;
use crate::ids::{ConnectorName, Generation, MemberId, OpId, RequestId, TaskId};

/// One thing to do. Actions of one `apply` are performed in order; those that take time are begun in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Answer a command.
    Reply {
        /// The command's id.
        id: RequestId,
        /// The answer.
        outcome: Outcome,
    },
    /// Join the group (again) with these protocols, most wanted first.
    Join {
        /// Name and metadata.
        protocols: Vec<(String, Bytes)>,
    },
    /// Complete a join: the leader's assignments, or nothing from a follower.
    Sync {
        /// The generation of that join.
        generation: Generation,
        /// Assignment bytes by member.
        assignments: Vec<(MemberId, Bytes)>,
    },
    /// Leave the group.
    Leave,
    /// Append to the config topic, all in one batch (one transaction where the worker is exactly-once). Answered by
    /// `ConfigWritten`.
    WriteConfig {
        /// Comes back in the answer.
        op: OpId,
        /// Keys and values; `None` is a tombstone.
        records: Vec<(String, Option<String>)>,
        /// Only the leader may write this: with exactly-once support it goes through the fencable producer.
        privileged: bool,
    },
    /// Read the config topic to its end as of now. Answered by `ConfigReadToEnd`.
    ReadConfigToEnd {
        /// Comes back in the answer.
        op: OpId,
        /// How long it may take.
        timeout_ms: u64,
    },
    /// Append to the status topic; retried until it is in or superseded by a later write of the same key.
    WriteStatus {
        /// The key.
        key: String,
        /// The value; `None` is a tombstone.
        value: Option<String>,
    },
    /// Check a connector config as the leader does before it stores it. Answered by `Validated`.
    Validate {
        /// Comes back in the answer.
        op: OpId,
        /// The config, references unresolved.
        config: ConfigMap,
    },
    /// Start a connector instance. Answered by `ConnectorStarted`.
    StartConnector {
        /// The name.
        name: ConnectorName,
        /// Its config, references unresolved.
        config: ConfigMap,
        /// Paused and stopped instances are built but not started.
        target: TargetState,
    },
    /// Stop a connector instance. Answered by `ConnectorStopped`, always.
    StopConnector {
        /// The name.
        name: ConnectorName,
    },
    /// Ask a running connector instance for task configs. Answered by `TaskConfigs`.
    ComputeTaskConfigs {
        /// The name.
        name: ConnectorName,
        /// At most so many.
        tasks_max: usize,
    },
    /// Send task configs to the leader, signed. Answered by `TaskConfigsForwarded`.
    ForwardTaskConfigs {
        /// The connector.
        name: ConnectorName,
        /// The leader's REST address.
        leader_url: String,
        /// One config a task.
        configs: Vec<ConfigMap>,
    },
    /// Start a task. Answered by `TaskStarted`.
    StartTask {
        /// The task.
        task: TaskId,
        /// The connector's config, references unresolved.
        connector_config: ConfigMap,
        /// The task's own config, references unresolved.
        config: ConfigMap,
        /// Whether it polls from the start.
        target: TargetState,
    },
    /// Stop a task: flush, store offsets, end. Answered by `TaskStopped`, always.
    StopTask {
        /// The task.
        task: TaskId,
    },
    /// Let running tasks of a connector poll, or not.
    SetTaskTarget {
        /// The task.
        task: TaskId,
        /// The state it should be in.
        target: TargetState,
    },
    /// Change stored offsets of a stopped connector. Answered by `OffsetsAltered`.
    AlterOffsets {
        /// Comes back in the answer.
        op: OpId,
        /// The connector.
        name: ConnectorName,
        /// Its config, references unresolved.
        config: ConfigMap,
        /// The changes, or `None` for "reset every partition".
        offsets: Option<Vec<(SourcePartition, Option<SourceOffset>)>>,
    },
    /// Fence the producers of former tasks (KIP-618). Answered by `ZombiesFenced`.
    FenceZombies {
        /// Comes back in the answer.
        op: OpId,
        /// The connector.
        name: ConnectorName,
        /// Its config, references unresolved.
        config: ConfigMap,
        /// Tasks 0 up to here.
        tasks: u32,
    },
    /// Ask the leader, signed, to fence the producers of former tasks (KIP-618). Answered by `FenceForwarded`.
    ForwardFence {
        /// Comes back in the answer.
        op: OpId,
        /// The connector.
        name: ConnectorName,
        /// The leader's REST address.
        leader_url: String,
    },
    /// The answer to a task's `TaskAsksToFence` or `TaskAsksOwnership`. Not `Ok` means: do not start, fail.
    AnswerTask {
        /// The asker's number.
        op: OpId,
        /// Whether the task may go on.
        result: Result<(), HerderError>,
    },
    /// Take the right to write the config topic as leader (KIP-618, Java: `claimWritePrivileges`): whoever led before can't
    /// write any more. Only with `exactly.once.source.support` preparing or enabled; a claim that fails is made again by the
    /// next privileged write.
    ClaimConfigWrites,
    /// Make a new session key of the configured algorithm and size (KIP-507). Answered by `SessionKeyMade`.
    MakeSessionKey,
    /// Set a logger's level on this worker.
    SetLoggerLevel {
        /// The logger's name.
        logger: String,
        /// The level as typed.
        level: String,
    },
    /// Everything has stopped and the group has been left.
    Stopped,
    /// The worker can't go on and must end with an error.
    Fail {
        /// Why and what to do.
        reason: String,
    },
}
