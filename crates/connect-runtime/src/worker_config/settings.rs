//! The settings one by one, as the parts of a worker ask for them: in the units of their keys, defaults filled in.

use std::collections::BTreeMap;
use std::time::Duration;

use connect_herder::settings::ExactlyOnce;

use super::{Listener, RestartPolicy, WorkerConfig, WorkerConfigError};
use crate::metrics::profile::Profile;

impl WorkerConfig {
    /// `topic.creation.enable`.
    #[must_use]
    pub fn topic_creation(&self) -> bool {
        self.typed.boolean("topic.creation.enable")
    }

    /// `group.id`: the worker group.
    #[must_use]
    pub fn group_id(&self) -> &str {
        self.typed.string("group.id")
    }

    /// `config.storage.topic`.
    #[must_use]
    pub fn config_storage_topic(&self) -> &str {
        self.typed.string("config.storage.topic")
    }

    /// `offset.storage.topic`.
    #[must_use]
    pub fn offset_storage_topic(&self) -> &str {
        self.typed.string("offset.storage.topic")
    }

    /// `status.storage.topic`.
    #[must_use]
    pub fn status_storage_topic(&self) -> &str {
        self.typed.string("status.storage.topic")
    }

    /// `offset.storage.partitions`; -1 for the broker's default.
    #[must_use]
    pub fn offset_storage_partitions(&self) -> i32 {
        self.number("offset.storage.partitions")
    }

    /// `status.storage.partitions`; -1 for the broker's default.
    #[must_use]
    pub fn status_storage_partitions(&self) -> i32 {
        self.number("status.storage.partitions")
    }

    /// `<which>.storage.replication.factor` for `config`, `offset` or `status`; -1 for the broker's default.
    #[must_use]
    pub fn storage_replication_factor(&self, which: &str) -> i16 {
        self.number(&format!("{which}.storage.replication.factor"))
    }

    /// Topic configs given as `<which>.storage.<topic config>`, `cleanup.policy` and the worker's own keys aside.
    #[must_use]
    pub fn storage_topic_configs(&self, which: &str) -> BTreeMap<String, String> {
        let prefix = format!("{which}.storage.");
        self.properties
            .iter()
            .filter_map(|(key, value)| Some((key.strip_prefix(&prefix)?.to_owned(), value.clone())))
            .filter(|(key, _)| {
                !matches!(key.as_str(), "topic" | "partitions" | "replication.factor" | "cleanup.policy")
            })
            .collect()
    }

    /// `portage.metrics.profile`.
    #[must_use]
    pub fn metrics_profiles(&self) -> Vec<Profile> {
        // Was checked with the config.
        Profile::parse_list(self.typed.string("portage.metrics.profile")).unwrap_or_default()
    }

    /// `portage.metrics.listeners`: where `/metrics` and `/health` are served, and nothing else.
    ///
    /// # Errors
    /// An entry that is no address; not of a config that has been checked.
    pub fn metrics_listeners(&self) -> Result<Vec<Listener>, WorkerConfigError> {
        const KEY: &str = "portage.metrics.listeners";
        let named = |error| match error {
            WorkerConfigError::Invalid { message, .. } => WorkerConfigError::Invalid { key: KEY.to_owned(), message },
            other => other,
        };
        self.typed.list(KEY).iter().map(|text| Listener::parse(text).map_err(named)).collect()
    }

    /// `portage.metrics.series.max`: how many series a metric may have.
    #[must_use]
    pub fn metrics_series_max(&self) -> usize {
        usize::try_from(self.typed.int("portage.metrics.series.max")).unwrap_or(usize::MAX)
    }

    /// `offset.flush.interval.ms`.
    #[must_use]
    pub fn offset_flush_interval(&self) -> Duration {
        self.millis("offset.flush.interval.ms")
    }

    /// `offset.flush.timeout.ms`.
    #[must_use]
    pub fn offset_flush_timeout(&self) -> Duration {
        self.millis("offset.flush.timeout.ms")
    }

    /// `task.shutdown.graceful.timeout.ms`.
    #[must_use]
    pub fn task_shutdown_graceful_timeout(&self) -> Duration {
        self.millis("task.shutdown.graceful.timeout.ms")
    }

    /// `session.timeout.ms`.
    #[must_use]
    pub fn session_timeout(&self) -> Duration {
        self.millis("session.timeout.ms")
    }

    /// `rebalance.timeout.ms`.
    #[must_use]
    pub fn rebalance_timeout(&self) -> Duration {
        self.millis("rebalance.timeout.ms")
    }

    /// `heartbeat.interval.ms`.
    #[must_use]
    pub fn heartbeat_interval(&self) -> Duration {
        self.millis("heartbeat.interval.ms")
    }

    /// `scheduled.rebalance.max.delay.ms`.
    #[must_use]
    pub fn scheduled_rebalance_max_delay(&self) -> Duration {
        self.millis("scheduled.rebalance.max.delay.ms")
    }

    /// `worker.sync.timeout.ms`.
    #[must_use]
    pub fn worker_sync_timeout(&self) -> Duration {
        self.millis("worker.sync.timeout.ms")
    }

    /// `worker.unsync.backoff.ms`.
    #[must_use]
    pub fn worker_unsync_backoff(&self) -> Duration {
        self.millis("worker.unsync.backoff.ms")
    }

    /// `inter.worker.key.ttl.ms`.
    #[must_use]
    pub fn key_ttl(&self) -> Duration {
        self.millis("inter.worker.key.ttl.ms")
    }

    /// `inter.worker.key.generation.algorithm`.
    #[must_use]
    pub fn key_generation_algorithm(&self) -> &str {
        self.typed.string("inter.worker.key.generation.algorithm")
    }

    /// `inter.worker.key.size` in bits, if given.
    #[must_use]
    pub fn key_size_bits(&self) -> Option<u32> {
        self.get("inter.worker.key.size").and_then(|text| text.trim().parse().ok())
    }

    /// `inter.worker.signature.algorithm`.
    #[must_use]
    pub fn signature_algorithm(&self) -> &str {
        self.typed.string("inter.worker.signature.algorithm")
    }

    /// `inter.worker.verification.algorithms`.
    #[must_use]
    pub fn verification_algorithms(&self) -> &[String] {
        self.typed.list("inter.worker.verification.algorithms")
    }

    /// `connect.protocol`, in lower case: `eager`, `compatible` or `sessioned`.
    #[must_use]
    pub fn connect_protocol(&self) -> String {
        self.typed.string("connect.protocol").to_ascii_lowercase()
    }

    /// `exactly.once.source.support`.
    #[must_use]
    pub fn exactly_once(&self) -> ExactlyOnce {
        // The definition of the key has refused any fourth value.
        match self.typed.string("exactly.once.source.support").to_ascii_lowercase().as_str() {
            "enabled" => ExactlyOnce::Enabled,
            "preparing" => ExactlyOnce::Preparing,
            _ => ExactlyOnce::Disabled,
        }
    }

    /// The transactional id with which the leader writes the config topic (KIP-618).
    #[must_use]
    pub fn leader_transactional_id(&self) -> String {
        format!("connect-cluster-{}", self.group_id())
    }

    /// The transactional id of an exactly-once task (KIP-618).
    #[must_use]
    pub fn task_transactional_id(&self, connector: &str, task: u32) -> String {
        format!("{}-{connector}-{task}", self.group_id())
    }

    /// `topic.tracking.enable`.
    #[must_use]
    pub fn topic_tracking(&self) -> bool {
        self.typed.boolean("topic.tracking.enable")
    }

    /// `topic.tracking.allow.reset`.
    #[must_use]
    pub fn topic_tracking_allow_reset(&self) -> bool {
        self.typed.boolean("topic.tracking.allow.reset")
    }

    /// `connector.client.config.override.policy`.
    #[must_use]
    pub fn override_policy(&self) -> &str {
        self.typed.string("connector.client.config.override.policy")
    }

    /// `connector.client.config.override.allowlist`.
    #[must_use]
    pub fn override_allowlist(&self) -> &[String] {
        self.typed.list("connector.client.config.override.allowlist")
    }

    /// `portage.memory.bytes`: how many record bytes the worker holds at most, over all its tasks.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        usize::try_from(self.typed.int("portage.memory.bytes")).unwrap_or(usize::MAX)
    }

    /// `portage.sasl.oauthbearer.allowed.urls`: where clients may get OAuth tokens from.
    #[must_use]
    pub fn oauth_urls_allowed(&self) -> &[String] {
        self.typed.list("portage.sasl.oauthbearer.allowed.urls")
    }

    /// `portage.restart.*`: automatic restarts of what has failed; `None` when switched off.
    #[must_use]
    pub fn restart_policy(&self) -> Option<RestartPolicy> {
        self.typed.boolean("portage.restart.enabled").then(|| RestartPolicy {
            attempts_max: self.number("portage.restart.max.attempts"),
            backoff: self.millis("portage.restart.backoff.ms"),
            backoff_max: self.millis("portage.restart.backoff.max.ms"),
        })
    }

    fn millis(&self, key: &str) -> Duration {
        Duration::from_millis(u64::try_from(self.typed.int(key)).unwrap_or(0))
    }

    fn number<N: TryFrom<i64> + Default>(&self, key: &str) -> N {
        // The type of the key has bounded the number before.
        N::try_from(self.typed.int(key)).unwrap_or_default()
    }
}
