//! The door between the REST API and the worker, so that neither crate knows the other.

use std::sync::Arc;

use connect_api::config::{ConfigKey, ConfigValue};
use connect_api::record::{SourceOffset, SourcePartition};
use connect_api::source::BoxFuture;
use connect_api::{ConfigMap, PluginKind};

use crate::command::{Command, Outcome};
use crate::error::HerderError;
use crate::ids::ConnectorName;
use crate::view::ClusterView;

/// What the REST API needs of a worker. Implemented by `connect-runtime`.
pub trait HerderService: Send + Sync + 'static {
    /// The latest snapshot. Never blocks.
    fn view(&self) -> Arc<ClusterView>;

    /// Hands a command to the herder and waits for its answer.
    fn submit(&self, command: Command) -> BoxFuture<'_, Outcome>;

    /// The Kafka cluster id of the cluster that holds the storage topics.
    fn kafka_cluster_id(&self) -> Option<String>;

    /// Every plugin.
    fn plugins(&self) -> Vec<PluginInfo>;

    /// The keys of a plugin, found by full name or alias.
    fn plugin_config(&self, class: &str) -> Result<Vec<ConfigKey>, HerderError>;

    /// Checks a connector config without touching a broker: every key, its value and what is wrong with it.
    fn validate(&self, class: &str, config: ConfigMap) -> BoxFuture<'_, Result<ConfigReport, HerderError>>;

    /// The stored offsets of a connector, read to the end first.
    fn offsets(&self, name: &ConnectorName) -> BoxFuture<'_, Result<StoredOffsets, HerderError>>;

    /// Every number of this worker in Prometheus' text format, in the names of these profiles (a list; `None`: those of the
    /// worker's config).
    ///
    /// # Errors
    /// An unknown profile.
    fn metrics(&self, profiles: Option<&str>) -> Result<String, HerderError>;

    /// `source` for a connector class that this worker has, else `unknown`.
    fn connector_kind(&self, class: &str) -> &'static str;

    /// Whether topics that connectors use are tracked (`topic.tracking.enable`).
    fn topic_tracking(&self) -> bool;

    /// Whether a word is a log level.
    fn is_logger_level(&self, level: &str) -> bool;

    /// Level names by logger, for `/admin/loggers`.
    fn loggers(&self) -> Vec<LoggerLevel>;

    /// Sets a logger's level on this worker. Answers with the names of the loggers that changed, sorted; `None` for an
    /// unknown level.
    fn set_logger_level(&self, logger: &str, level: &str) -> Option<Vec<String>>;

    /// Checks the signature of a request of another worker over its body (KIP-507). Only with the `sessioned` protocol.
    fn verify_signature(
        &self,
        body: &[u8],
        signature: Option<&str>,
        algorithm: Option<&str>,
    ) -> Result<(), SignatureError>;
}

/// Stored offsets, by source partition.
pub type StoredOffsets = Vec<(SourcePartition, SourceOffset)>;

/// A plugin as `GET /connector-plugins` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginInfo {
    /// The Java class name.
    pub class: String,
    /// What it is.
    pub kind: PluginKind,
    /// Its version.
    pub version: String,
}

/// The report over a connector config (Java: `ConfigInfos`).
#[derive(Debug, Clone)]
pub struct ConfigReport {
    /// The connector class.
    pub name: String,
    /// The groups, in order.
    pub groups: Vec<String>,
    /// Every declared key with its value, then given keys that are not declared (without definition).
    pub configs: Vec<(Option<ConfigKey>, ConfigValue)>,
}

impl ConfigReport {
    /// The number of errors over all keys, as Java counts.
    #[must_use]
    pub fn error_count(&self) -> usize {
        self.configs.iter().map(|(_, value)| value.errors.len()).sum()
    }

    /// All errors, in order.
    pub fn errors(&self) -> impl Iterator<Item = &str> {
        self.configs.iter().flat_map(|(_, value)| value.errors.iter().map(String::as_str))
    }
}

/// A logger as `/admin/loggers` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggerLevel {
    /// The logger, in Java's names; `root` for all.
    pub name: String,
    /// The level, in Java's names.
    pub level: String,
    /// When it was last changed, milliseconds since 1970.
    pub last_modified_ms: Option<i64>,
}

/// Why a request of another worker is not believed (connect-runtime §1.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignatureError {
    /// No signature, or one that can't be read. The sentence is Java's.
    Malformed(String),
    /// The signature is wrong.
    Invalid,
    /// This worker has no session key yet.
    NotReady,
}
