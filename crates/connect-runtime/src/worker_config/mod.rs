//! The worker's own configuration: the same file as `connect-distributed.sh` takes (Java: `DistributedConfig`).

mod def;
mod environment;
mod layers;
mod listeners;
mod properties;
mod rest;
mod settings;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use connect_api::config::{ConfigProblem, TypedConfig};
use connect_herder::ids::WorkerId;
use thiserror::Error;

use crate::config_providers::{ConfigResolver, SecretSource};

pub use def::worker_config_def;
pub use environment::{environment_levels, environment_overrides};
pub use listeners::{Listener, local_host_name};
pub use properties::{parse_properties, read_properties};
pub use rest::AdminListeners;

/// Why a worker config can't be used.
#[derive(Debug, Error)]
pub enum WorkerConfigError {
    /// The file can't be read or parsed.
    #[error("cannot read {path}: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// One or more values are wrong.
    #[error("{}", sentences(.0))]
    Problems(Vec<ConfigProblem>),
    /// One value is wrong.
    #[error("invalid {key}: {message}")]
    Invalid {
        /// The key.
        key: String,
        /// What is wrong and what is expected.
        message: String,
    },
}

fn sentences(problems: &[ConfigProblem]) -> String {
    problems.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("\n")
}

/// A worker's configuration, checked.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// References resolved.
    properties: BTreeMap<String, String>,
    typed: TypedConfig,
    listeners: Vec<Listener>,
    admin_listeners: AdminListeners,
    /// Host and port that others are told.
    advertised: (bool, String, u16),
    /// Name and address of a worker that is one of several in its process.
    identity: Option<(WorkerId, String)>,
    resolver: Arc<ConfigResolver>,
}

impl WorkerConfig {
    /// Reads and checks a worker file.
    pub fn load(path: &Path) -> Result<Self, WorkerConfigError> {
        Self::from_properties(read_properties(path)?)
    }

    /// Checks the properties of a worker. References such as `${file:…}` are resolved first.
    pub fn from_properties(raw: BTreeMap<String, String>) -> Result<Self, WorkerConfigError> {
        Self::from_properties_with(raw, None)
    }

    /// The same; `secrets` stands in for Strimzi's config provider, which would ask Kubernetes.
    pub fn from_properties_with(
        raw: BTreeMap<String, String>,
        secrets: Option<&Arc<dyn SecretSource>>,
    ) -> Result<Self, WorkerConfigError> {
        let resolver = ConfigResolver::from_worker_with(&raw, secrets)
            .map_err(|message| WorkerConfigError::Invalid { key: "config.providers".into(), message })?;
        let properties = resolver.resolve(&raw).map_err(|error| WorkerConfigError::Invalid {
            key: "config.providers".into(),
            message: error.to_string(),
        })?;
        let typed = worker_config_def().parse(&properties).map_err(WorkerConfigError::Problems)?;
        let listeners =
            typed.list("listeners").iter().map(|text| Listener::parse(text)).collect::<Result<Vec<_>, _>>()?;
        let admin_listeners = AdminListeners::parse(&properties)?;
        let advertised = advertised(&typed, &listeners)?;
        let config = Self {
            properties,
            typed,
            listeners,
            admin_listeners,
            advertised,
            identity: None,
            resolver: Arc::new(resolver),
        };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), WorkerConfigError> {
        let invalid = |key: &str, message: &str| {
            Err(WorkerConfigError::Invalid { key: key.to_owned(), message: message.to_owned() })
        };
        self.metrics_listeners()?;
        if self.session_timeout() <= self.heartbeat_interval() {
            return invalid("heartbeat.interval.ms", "must be lower than session.timeout.ms, at best a third of it");
        }
        Ok(())
    }

    /// Keys that neither Kafka nor Portage knows, prefixes for clients and plugins aside.
    #[must_use]
    pub fn unknown_keys(&self) -> Vec<String> {
        const PREFIXES: &[&str] = &[
            "producer.",
            "consumer.",
            "admin.",
            "config.providers.",
            "config.storage.",
            "offset.storage.",
            "status.storage.",
            "key.converter.",
            "value.converter.",
            "header.converter.",
            "listeners.https.",
            "admin.listeners.https.",
            "sasl.oauthbearer.",
            "metrics.",
        ];
        let known = worker_config_def();
        self.properties
            .keys()
            .filter(|key| known.key(key).is_none() && !PREFIXES.iter().any(|prefix| key.starts_with(prefix)))
            .cloned()
            .collect()
    }

    /// A property as given, references resolved.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.properties.get(key).map(String::as_str)
    }

    /// The properties whose keys begin with a prefix, without it.
    #[must_use]
    pub fn with_prefix(&self, prefix: &str) -> BTreeMap<String, String> {
        let own = self.properties.iter();
        own.filter_map(|(key, value)| Some((key.strip_prefix(prefix)?.to_owned(), value.clone()))).collect()
    }

    /// `listeners`.
    #[must_use]
    pub fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    /// The address that other workers and statuses use: `http://host:port/`.
    #[must_use]
    pub fn advertised_url(&self) -> String {
        if let Some((_, url)) = &self.identity {
            return url.clone();
        }
        let (https, host, port) = &self.advertised;
        format!("{}://{}/", if *https { "https" } else { "http" }, authority(host, *port))
    }

    /// `host:port` of the advertised address: the worker's name in statuses.
    #[must_use]
    pub fn worker_id(&self) -> WorkerId {
        if let Some((id, _)) = &self.identity {
            return id.clone();
        }
        WorkerId::from(authority(&self.advertised.1, self.advertised.2))
    }

    /// Gives a worker that shares its process with others a name and an address of its own (MirrorMaker's dedicated mode).
    #[must_use]
    pub fn with_identity(mut self, worker_id: WorkerId, advertised_url: String) -> Self {
        self.identity = Some((worker_id, advertised_url));
        self
    }

    /// Whether others are told an `https` address.
    #[must_use]
    pub fn advertises_https(&self) -> bool {
        self.advertised.0
    }

    /// Says which port the system chose for listeners with port 0.
    #[must_use]
    pub fn with_bound_port(mut self, port: u16) -> Self {
        if self.advertised.2 == 0 {
            self.advertised.2 = port;
        }
        self
    }

    /// Resolves `${provider:…}` references with the worker's providers.
    #[must_use]
    pub fn resolver(&self) -> Arc<ConfigResolver> {
        Arc::clone(&self.resolver)
    }
}

/// How failed connectors and tasks are restarted without being asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestartPolicy {
    /// How many times in a row.
    pub attempts_max: u32,
    /// Wait before the first; doubles each time.
    pub backoff: Duration,
    /// The longest wait.
    pub backoff_max: Duration,
}

fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn advertised(typed: &TypedConfig, listeners: &[Listener]) -> Result<(bool, String, u16), WorkerConfigError> {
    let wanted = typed.optional_string("rest.advertised.listener").map(str::to_ascii_lowercase);
    let listener = match &wanted {
        // Java's preference: plain HTTP, wherever it stands in the list.
        None => listeners.iter().find(|listener| !listener.https).or(listeners.first()),
        Some(scheme) => listeners.iter().find(|listener| listener.scheme() == scheme),
    };
    let listener = listener.ok_or_else(|| WorkerConfigError::Invalid {
        key: "rest.advertised.listener".into(),
        message: "no entry of listeners has this scheme".into(),
    })?;
    let host = match typed.optional_string("rest.advertised.host.name") {
        Some(host) if !host.is_empty() => host.to_owned(),
        _ if listener.host.is_empty() || listener.host == "0.0.0.0" => local_host_name(),
        _ => listener.host.clone(),
    };
    let port = match typed.get("rest.advertised.port") {
        Some(connect_api::config::Parsed::Int(port)) => u16::try_from(*port).map_err(|_| {
            WorkerConfigError::Invalid { key: "rest.advertised.port".into(), message: format!("{port} is no port") }
        })?,
        _ => listener.port,
    };
    Ok((listener.https, host, port))
}

#[cfg(test)]
mod tests {
    use connect_herder::settings::ExactlyOnce;

    use super::*;

    fn worker(extra: &[(&str, &str)]) -> Result<WorkerConfig, WorkerConfigError> {
        let mut properties: BTreeMap<String, String> = [
            ("bootstrap.servers", "127.0.0.1:9092"),
            ("group.id", "connect"),
            ("key.converter", "org.apache.kafka.connect.converters.ByteArrayConverter"),
            ("value.converter", "org.apache.kafka.connect.converters.ByteArrayConverter"),
            ("config.storage.topic", "c"),
            ("offset.storage.topic", "o"),
            ("status.storage.topic", "s"),
            ("listeners", "http://127.0.0.1:8083"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        properties.extend(extra.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        WorkerConfig::from_properties(properties)
    }

    #[test]
    fn the_defaults_are_kafkas() {
        let config = worker(&[]).unwrap();

        assert_eq!(config.offset_storage_partitions(), 25);
        assert_eq!(config.storage_replication_factor("config"), 3);
        assert_eq!(config.offset_flush_interval(), Duration::from_secs(60));
        assert_eq!(config.connect_protocol(), "sessioned");
        assert_eq!(config.advertised_url(), "http://127.0.0.1:8083/");
        assert_eq!(config.worker_id().as_str(), "127.0.0.1:8083");
    }

    #[test]
    fn a_missing_key_is_named() {
        let error = worker(&[("group.id", "")]).unwrap_err().to_string();

        assert!(error.contains("group.id"), "{error}");
    }

    #[test]
    fn storage_settings_pass_through_but_the_cleanup_policy_does_not() {
        let config =
            worker(&[("config.storage.segment.bytes", "1048576"), ("config.storage.cleanup.policy", "delete")])
                .unwrap();

        let configs = config.storage_topic_configs("config");

        assert_eq!(configs.into_iter().collect::<Vec<_>>(), [("segment.bytes".to_owned(), "1048576".to_owned())]);
    }

    #[test]
    fn unknown_keys_are_reported_and_prefixed_ones_are_not() {
        let config = worker(&[("offset.flush.intervall.ms", "1"), ("producer.linger.ms", "5")]).unwrap();

        assert_eq!(config.unknown_keys(), ["offset.flush.intervall.ms"]);
    }

    #[test]
    fn the_transactional_ids_are_java_s() {
        let config = worker(&[("group.id", "probe"), ("exactly.once.source.support", "Enabled")]).unwrap();

        assert_eq!(config.exactly_once(), ExactlyOnce::Enabled);
        assert_eq!(config.leader_transactional_id(), "connect-cluster-probe");
        assert_eq!(config.task_transactional_id("mirror-1", 0), "probe-mirror-1-0");
        assert!(worker(&[("exactly.once.source.support", "maybe")]).is_err());
    }

    #[test]
    fn advertised_host_and_port_win_over_the_listener() {
        let config = worker(&[("rest.advertised.host.name", "w1"), ("rest.advertised.port", "18083")]).unwrap();

        assert_eq!(config.worker_id().as_str(), "w1:18083");
    }
}
