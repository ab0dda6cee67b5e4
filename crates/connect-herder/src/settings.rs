//! What the herder has to be told once: who this worker is, and the worker properties that steer its decisions.
//!
//! Defaults are Kafka's (connect-runtime §4); keys that begin with `portage.` are our own.

use std::collections::BTreeMap;

use connect_api::ConfigMap;

use crate::ids::WorkerId;
use crate::protocol::Subprotocol;

/// The settings of a [`Herder`](crate::herder::Herder). Times are milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// This worker, as statuses name it.
    pub worker_id: WorkerId,
    /// This worker's REST address as others reach it, with trailing slash.
    pub advertised_url: String,
    /// `connect.protocol`: the subprotocol this worker wants most.
    pub protocol: Subprotocol,
    /// `scheduled.rebalance.max.delay.ms`.
    pub scheduled_rebalance_max_delay_ms: u32,
    /// `worker.sync.timeout.ms`: how long catching up with the config topic may take.
    pub worker_sync_timeout_ms: u64,
    /// `worker.unsync.backoff.ms`: how long an eager worker stays out after that.
    pub worker_unsync_backoff_ms: u64,
    /// How long the coordinator may not have been heard of before the work is stopped. Java: until
    /// [`GroupEvent::CoordinatorUnknown`](crate::GroupEvent::CoordinatorUnknown). What is safe is the session timeout less
    /// the heartbeat interval: nobody else gets the work before the session has ended.
    pub coordinator_grace_ms: u64,
    /// `inter.worker.key.ttl.ms`; 0 means that keys do not age.
    pub session_key_ttl_ms: u64,
    /// `inter.worker.key.generation.algorithm`: a key made for another one is replaced.
    pub session_key_algorithm: String,
    /// `inter.worker.key.size` in bytes: a key of another size is replaced.
    pub session_key_bytes: Option<usize>,
    /// How long a command may wait for its answer. Java: 90 s, fixed.
    pub request_timeout_ms: u64,
    /// How long one write to the config topic may take until it has been read back. Java: 30 s, fixed.
    pub config_write_timeout_ms: u64,
    /// `topic.tracking.enable`.
    pub topic_tracking: bool,
    /// `topic.tracking.allow.reset`.
    pub topic_tracking_reset: bool,
    /// `exactly.once.source.support`.
    pub exactly_once: ExactlyOnce,
    /// `portage.restart.*`.
    pub restart: AutoRestart,
    /// The connectors this worker has, by every name that configs may use for them.
    pub connectors: BTreeMap<String, ConnectorPlugin>,
    /// The wall clock when [`Now`](crate::ids::Now) was 0, milliseconds since 1970. For the age of session keys and for
    /// texts; no interval depends on a clock that may jump.
    pub epoch_ms: i64,
}

/// `exactly.once.source.support` (KIP-618).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExactlyOnce {
    /// No transactions.
    Disabled,
    /// The leader writes the config topic in transactions, tasks do not.
    Preparing,
    /// The leader and all tasks use transactions.
    Enabled,
}

/// Restarts of what has failed, without being asked (`portage.restart.*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AutoRestart {
    /// `portage.restart.enabled`; off is Java's behaviour.
    pub enabled: bool,
    /// `portage.restart.max.attempts`, in a row; running well for ten times the longest back-off begins a new row.
    pub max_attempts: u32,
    /// `portage.restart.backoff.ms`: before the first attempt; doubles with every further one.
    pub backoff_ms: u64,
    /// `portage.restart.backoff.max.ms`.
    pub backoff_max_ms: u64,
}

/// What the herder has to know of a connector plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorPlugin {
    /// Its version, for statuses.
    pub version: String,
}

impl AutoRestart {
    /// For one connector, whose config may say it otherwise: `portage.restart.enabled` and `portage.restart.max.attempts`.
    #[must_use]
    pub fn of(self, connector: &ConfigMap) -> Self {
        let enabled = match connector.get("portage.restart.enabled").map(|text| text.trim().to_ascii_lowercase()) {
            Some(text) if text == "true" => true,
            Some(text) if text == "false" => false,
            _ => self.enabled,
        };
        let max_attempts = connector.get("portage.restart.max.attempts").and_then(|text| text.trim().parse().ok());
        Self { enabled, max_attempts: max_attempts.unwrap_or(self.max_attempts), ..self }
    }
}

impl Default for AutoRestart {
    fn default() -> Self {
        Self { enabled: true, max_attempts: 10, backoff_ms: 1_000, backoff_max_ms: 60_000 }
    }
}

impl Settings {
    /// Kafka's defaults for a worker.
    pub fn new(worker_id: impl Into<WorkerId>, advertised_url: impl Into<String>) -> Self {
        Self {
            worker_id: worker_id.into(),
            advertised_url: advertised_url.into(),
            protocol: Subprotocol::Sessioned,
            scheduled_rebalance_max_delay_ms: 300_000,
            worker_sync_timeout_ms: 3_000,
            worker_unsync_backoff_ms: 300_000,
            coordinator_grace_ms: 7_000,
            session_key_ttl_ms: 3_600_000,
            session_key_algorithm: "HmacSHA256".to_owned(),
            session_key_bytes: None,
            request_timeout_ms: 90_000,
            config_write_timeout_ms: 30_000,
            topic_tracking: true,
            topic_tracking_reset: true,
            exactly_once: ExactlyOnce::Disabled,
            restart: AutoRestart::default(),
            connectors: BTreeMap::new(),
            epoch_ms: 0,
        }
    }

    /// `source` for a connector class that this worker has, else `unknown`.
    pub(crate) fn kind(&self, class: Option<&str>) -> &'static str {
        if class.is_some_and(|class| self.connectors.contains_key(class)) { "source" } else { "unknown" }
    }

    /// The version of a connector class, if this worker has it.
    pub(crate) fn version(&self, class: Option<&str>) -> Option<String> {
        class.and_then(|class| self.connectors.get(class)).map(|plugin| plugin.version.clone())
    }
}
