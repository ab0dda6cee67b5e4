//! `mm2.properties`: MirrorMaker 2's dedicated mode (Java: `MirrorMakerConfig`, `MirrorMaker`).
//!
//! Keys stand for all flows (`tasks.max`), for a cluster (`A.bootstrap.servers`) or for a flow (`A->B.topics`). Every ordered
//! pair of clusters gets a worker group on its target if the flow is enabled, or if its heartbeats are, as they are by
//! default. Topic, group and connector names and every value in them are Java's, so that either can take over from the other.

use std::collections::BTreeSet;

use connect_api::ConfigMap;
use mirror::config_def::{checkpoint_config_def, client_security_keys, heartbeat_config_def, source_config_def};

use crate::finding::FileError;
use crate::flow::{Connector, Flow};
use crate::settings::Settings;

const PACKAGE: &str = "org.apache.kafka.connect.mirror.";
const CLASSES: [&str; 3] = ["MirrorSourceConnector", "MirrorHeartbeatConnector", "MirrorCheckpointConnector"];
const BYTE_ARRAY_CONVERTER: &str = "org.apache.kafka.connect.converters.ByteArrayConverter";
const CONFIG_PROVIDERS: &str = "config.providers";

/// What Java's `ConnectorConfig` declares for every connector: these top-level keys reach all of them.
const CONNECTOR_KEYS: [&str; 19] = [
    "name",
    "connector.class",
    "connector.plugin.version",
    "tasks.max",
    "tasks.max.enforce",
    "key.converter",
    "key.converter.plugin.version",
    "value.converter",
    "value.converter.plugin.version",
    "header.converter",
    "header.converter.plugin.version",
    "transforms",
    "predicates",
    "config.action.reload",
    "errors.retry.timeout",
    "errors.retry.delay.max.ms",
    "errors.tolerance",
    "errors.log.enable",
    "errors.log.include.messages",
];

/// Top-level keys with these beginnings reach the workers; Java ignores all other worker keys without a cluster in front.
pub(crate) const WORKER_PREFIXES: [&str; 9] = [
    "offset.storage",
    "config.storage",
    "status.storage",
    "key.converter",
    "value.converter",
    "header.converter",
    "task",
    "worker",
    "replication.policy",
];

/// Where the workers listen for each other, if they do.
pub const INTERNAL_REST: &str = "dedicated.mode.enable.internal.rest";
const REST_KEYS: [&str; 4] =
    ["listeners", "rest.advertised.host.name", "rest.advertised.port", "rest.advertised.listener"];

/// An `mm2.properties` file.
#[derive(Debug, Clone)]
pub struct Mm2 {
    given: Settings,
    /// The same with references resolved: what decides which flows there are.
    resolved: ConfigMap,
    clusters: Vec<String>,
}

impl Mm2 {
    /// `given` is the file, `resolved` the same with `${provider:…}` replaced.
    ///
    /// # Errors
    /// There is no list of clusters, or a cluster stands in it twice.
    pub fn new(given: Settings, resolved: ConfigMap) -> Result<Self, FileError> {
        let line = given.line("clusters");
        let text = resolved
            .get("clusters")
            .ok_or_else(|| FileError::at(None, "clusters is missing: name the clusters, as in clusters = A, B"))?;
        let clusters: Vec<String> = text.split(',').map(|alias| alias.trim().to_owned()).collect();
        let clusters: Vec<String> = clusters.into_iter().filter(|alias| !alias.is_empty()).collect();
        let distinct: BTreeSet<&String> = clusters.iter().collect();
        if distinct.len() != clusters.len() {
            return Err(FileError::at(line, format!("clusters = {text}: a cluster stands there twice")));
        }
        Ok(Self { given, resolved, clusters })
    }

    /// The file as it is.
    #[must_use]
    pub fn given(&self) -> &Settings {
        &self.given
    }

    /// The aliases, in the file's order.
    #[must_use]
    pub fn clusters(&self) -> &[String] {
        &self.clusters
    }

    /// Every ordered pair of clusters that gets a worker group.
    #[must_use]
    pub fn pairs(&self) -> Vec<(String, String)> {
        let heartbeats = self.flag("emit.heartbeats.enabled").unwrap_or(true);
        let mut pairs = Vec::new();
        for source in &self.clusters {
            for target in self.clusters.iter().filter(|target| *target != source) {
                let enabled = self.flag(&format!("{source}->{target}.enabled")).unwrap_or(false);
                let beats = self.flag(&format!("{source}->{target}.emit.heartbeats.enabled")).unwrap_or(heartbeats);
                if enabled || beats {
                    pairs.push((source.clone(), target.clone()));
                }
            }
        }
        pairs
    }

    /// The groups whose target is one of `targets`; all groups if there are none of those (`--clusters`).
    ///
    /// # Errors
    /// A target that is no cluster of the file, or no group at all.
    pub fn flows(&self, targets: &[String]) -> Result<Vec<Flow>, FileError> {
        if let Some(stranger) = targets.iter().find(|target| !self.clusters.contains(target)) {
            let known = self.clusters.join(", ");
            let message = format!("--clusters names {stranger}, but the file's clusters are {known}");
            return Err(FileError::at(self.given.line("clusters"), message));
        }
        let pairs = self.pairs().into_iter();
        let flows: Vec<Flow> = pairs
            .filter(|(_, target)| targets.is_empty() || targets.contains(target))
            .map(|pair| self.flow(pair))
            .collect();
        if flows.is_empty() {
            let message = "no source->target replication flows: enable one, as in A->B.enabled = true";
            return Err(FileError::at(None, message));
        }
        Ok(flows)
    }

    /// The settings of the workers' own REST listener, if `dedicated.mode.enable.internal.rest` asks for one (KIP-710).
    #[must_use]
    pub fn internal_rest(&self) -> Option<ConfigMap> {
        let wanted = self.flag(INTERNAL_REST).unwrap_or(false);
        let keys = || REST_KEYS.iter().filter_map(|key| Some(((*key).to_owned(), self.resolved.get(*key)?.clone())));
        wanted.then(|| keys().collect())
    }

    fn flag(&self, key: &str) -> Option<bool> {
        self.resolved.get(key).map(|text| text.trim().eq_ignore_ascii_case("true"))
    }

    fn flow(&self, (source, target): (String, String)) -> Flow {
        let connectors = CLASSES.iter().map(|class| Connector {
            name: (*class).to_owned(),
            settings: self.connector(&source, &target, class),
            state: None,
        });
        Flow {
            name: format!("{source}->{target}"),
            connectors: connectors.collect(),
            worker: self.worker(&source, &target),
            pair: Some((source, target)),
        }
    }

    /// `A.…` without the prefix. Addresses and security, given for the cluster or for all, also reach each kind of client.
    fn cluster(&self, alias: &str) -> Settings {
        let mut settings = self.given.below(&format!("{alias}."));
        let own: Vec<_> = client_security_keys().filter_map(|key| Some((key, settings.given(key)?.clone()))).collect();
        let common = client_security_keys().filter_map(|key| Some((key, self.given.given(key)?.clone())));
        for (key, given) in own.into_iter().chain(common) {
            for kind in ["producer", "consumer", "admin"] {
                settings.give(&format!("{kind}.{key}"), &given);
            }
            settings.give(key, &given);
        }
        settings
    }

    /// Java: `workerConfig`. `portage.*` keys reach the workers, too.
    fn worker(&self, source: &str, target: &str) -> Settings {
        let mut worker = self.cluster(target);
        for prefix in WORKER_PREFIXES.iter().chain(&["portage.", CONFIG_PROVIDERS]) {
            worker.extend(self.given.with_prefix(prefix));
        }
        worker.put_if_absent("client.id", format!("{source}->{target}"));
        worker.put_if_absent("group.id", format!("{source}-mm2"));
        for what in ["offset", "status", "config"] {
            let topic = format!("mm2-{what}{}.{source}.internal", if what == "status" { "" } else { "s" });
            worker.put_if_absent(&format!("{what}.storage.topic"), topic);
        }
        for converter in ["key.converter", "value.converter", "header.converter"] {
            worker.put_if_absent(converter, BYTE_ARRAY_CONVERTER);
        }
        worker
    }

    /// Java: `connectorBaseConfig`. References stay: the worker resolves them.
    fn connector(&self, source: &str, target: &str, class: &str) -> Settings {
        let names = inherited_keys();
        let mut connector = self.given.filtered(|key| names.contains(key).then(|| key.to_owned()));
        connector.extend(self.given.with_prefix(CONFIG_PROVIDERS));
        connector.extend(self.given.with_prefix("replication.policy"));
        for (side, alias) in [("source", source), ("target", target)] {
            let of_a_client = |key: &str| ["consumer", "producer", "admin"].iter().any(|kind| key.starts_with(kind));
            connector.extend(self.cluster(alias).filtered(|key| {
                Some(if of_a_client(key) { format!("{side}.{key}") } else { format!("{side}.cluster.{key}") })
            }));
        }
        connector.put_if_absent("name", class);
        connector.put_if_absent("connector.class", format!("{PACKAGE}{class}"));
        connector.put_if_absent("source.cluster.alias", source);
        connector.put_if_absent("target.cluster.alias", target);
        connector.extend(self.given.below(&format!("{source}->{target}.")));
        connector.put_if_absent("enabled", "false");
        connector
    }
}

/// Top-level keys that reach the connectors of every flow (Java: `allConfigNames`).
pub(crate) fn inherited_keys() -> BTreeSet<String> {
    let own = [source_config_def(), checkpoint_config_def(), heartbeat_config_def()];
    let own = own.iter().flat_map(|def| def.keys().iter().map(|key| key.name.to_string()));
    own.chain(CONNECTOR_KEYS.iter().map(|key| (*key).to_owned())).collect()
}

#[cfg(test)]
mod tests;
