//! Which client gets which keys of a connector config (Java: `MirrorConnectorConfig.sourceConsumerConfig` and its siblings).
//!
//! Three layers, the later ones win: `source.cluster.*` (addresses and security only), `consumer.*`, `source.consumer.*`;
//! likewise for `target`, `producer` and `admin`. Consumers commit nothing, and begin at the earliest record unless told
//! otherwise. Values are passed as they are, secrets among them: never print the result.

use std::collections::BTreeMap;
use std::fmt;

use connect_api::config::{ConfigMap, ConfigProblem};

use crate::config_def::is_client_security_key;

/// What a client is for; also the end of its `client.id`, which dashboards match on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ClientRole {
    /// Reads the records to mirror.
    ReplicationConsumer,
    /// Lists and describes the topics of the source.
    SourceAdmin,
    /// Creates topics on the target.
    TargetAdmin,
    /// Writes offset syncs to the source cluster.
    OffsetSyncsSourceProducer,
    /// Writes offset syncs to the target cluster.
    OffsetSyncsTargetProducer,
    /// Creates the offset-syncs topic on the source cluster.
    OffsetSyncsSourceAdmin,
    /// Creates the offset-syncs topic on the target cluster.
    OffsetSyncsTargetAdmin,
    /// Reads offset syncs from the source cluster.
    OffsetSyncsSourceConsumer,
    /// Reads offset syncs from the target cluster.
    OffsetSyncsTargetConsumer,
    /// Reads the groups of the source.
    CheckpointSourceAdmin,
    /// Writes the groups of the target.
    CheckpointTargetAdmin,
    /// Reads checkpoints.
    CheckpointsTargetConsumer,
    /// Creates the heartbeats topic.
    HeartbeatsTargetAdmin,
    /// Writes offset runs (no role of Java's).
    OffsetRunsTargetProducer,
    /// Reads offset runs (no role of Java's).
    OffsetRunsTargetConsumer,
}

/// What kind of client it is: which of `consumer.`, `producer.` and `admin.` are its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientKind {
    /// Reads.
    Consumer,
    /// Writes.
    Producer,
    /// Asks and changes.
    Admin,
}

impl ClientKind {
    fn as_str(self) -> &'static str {
        match self {
            ClientKind::Consumer => "consumer",
            ClientKind::Producer => "producer",
            ClientKind::Admin => "admin",
        }
    }
}

impl ClientRole {
    /// Java's name of the role.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ClientRole::ReplicationConsumer => "replication-consumer",
            ClientRole::SourceAdmin => "replication-source-admin",
            ClientRole::TargetAdmin => "replication-target-admin",
            ClientRole::OffsetSyncsSourceProducer => "offset-syncs-source-producer",
            ClientRole::OffsetSyncsTargetProducer => "offset-syncs-target-producer",
            ClientRole::OffsetSyncsSourceAdmin => "offset-syncs-source-admin",
            ClientRole::OffsetSyncsTargetAdmin => "offset-syncs-target-admin",
            ClientRole::OffsetSyncsSourceConsumer => "offset-syncs-source-consumer",
            ClientRole::OffsetSyncsTargetConsumer => "offset-syncs-target-consumer",
            ClientRole::CheckpointSourceAdmin => "checkpoint-source-admin",
            ClientRole::CheckpointTargetAdmin => "checkpoint-target-admin",
            ClientRole::CheckpointsTargetConsumer => "checkpoints-target-consumer",
            ClientRole::HeartbeatsTargetAdmin => "heartbeats-target-admin",
            ClientRole::OffsetRunsTargetProducer => "offset-runs-target-producer",
            ClientRole::OffsetRunsTargetConsumer => "offset-runs-target-consumer",
        }
    }

    /// `source` or `target`.
    fn side(self) -> &'static str {
        match self {
            ClientRole::ReplicationConsumer
            | ClientRole::SourceAdmin
            | ClientRole::OffsetSyncsSourceProducer
            | ClientRole::OffsetSyncsSourceAdmin
            | ClientRole::OffsetSyncsSourceConsumer
            | ClientRole::CheckpointSourceAdmin => "source",
            ClientRole::TargetAdmin
            | ClientRole::OffsetSyncsTargetProducer
            | ClientRole::OffsetSyncsTargetAdmin
            | ClientRole::OffsetSyncsTargetConsumer
            | ClientRole::CheckpointTargetAdmin
            | ClientRole::CheckpointsTargetConsumer
            | ClientRole::HeartbeatsTargetAdmin
            | ClientRole::OffsetRunsTargetProducer
            | ClientRole::OffsetRunsTargetConsumer => "target",
        }
    }

    /// What kind of client it is.
    #[must_use]
    pub fn kind(self) -> ClientKind {
        match self.as_str().rsplit('-').next() {
            Some("consumer") => ClientKind::Consumer,
            Some("producer") => ClientKind::Producer,
            _ => ClientKind::Admin,
        }
    }
}

impl fmt::Display for ClientRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The settings of a client, for `kafka_client::ClientConfig`.
#[must_use]
pub fn client_config(config: &ConfigMap, role: ClientRole) -> BTreeMap<String, String> {
    let (side, kind) = (role.side(), role.kind().as_str());
    let mut client: BTreeMap<String, String> = below(config, &format!("{side}.cluster."))
        .filter(|(key, _)| is_client_security_key(key))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    for prefix in [format!("{kind}."), format!("{side}.{kind}.")] {
        let layer = below(config, &prefix)
            .filter(|(key, _)| !is_connector_key(&prefix, key) && !is_override(key))
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        client.extend(layer);
    }
    if role.kind() == ClientKind::Consumer {
        client.insert("enable.auto.commit".to_owned(), "false".to_owned());
        client.entry("auto.offset.reset".to_owned()).or_insert_with(|| "earliest".to_owned());
    }
    // Kafka's minute is too long for a person who waits to hear that an address is wrong; what fails is tried again anyway.
    client.entry("default.api.timeout.ms".to_owned()).or_insert_with(|| "15000".to_owned());
    let id = client_id(config, role, client.get("client.id").map(String::as_str));
    client.insert("client.id".to_owned(), id);
    client
}

/// What is wrong with the settings of the clients of `roles`, each at the key that says it. `check` reads the settings of
/// one client and names the client's key that it can't read. A missing address is not among it: it is found at the start.
pub fn check_clients(
    config: &ConfigMap,
    roles: &[ClientRole],
    check: impl Fn(ClientRole, &BTreeMap<String, String>) -> Result<(), (String, String)>,
) -> Vec<ConfigProblem> {
    let mut problems: Vec<ConfigProblem> = Vec::new();
    for role in roles {
        let client = client_config(config, *role);
        if let Err((key, message)) = check(*role, &client)
            && let Some(key) = origin(config, *role, &key)
            && !problems.iter().any(|problem| problem.key == key)
        {
            problems.push(ConfigProblem::new(key, message));
        }
    }
    problems
}

/// The key of the connector config from which a client has a setting; `None` if the config does not say it.
fn origin(config: &ConfigMap, role: ClientRole, key: &str) -> Option<String> {
    let (side, kind) = (role.side(), role.kind().as_str());
    let layers = [format!("{side}.{kind}.{key}"), format!("{kind}.{key}"), format!("{side}.cluster.{key}")];
    layers.into_iter().find(|key| config.contains_key(key))
}

/// `[<given>|]<source>-><target>|<connector>[-<task>]|<role>`
fn client_id(config: &ConfigMap, role: ClientRole, given: Option<&str>) -> String {
    let text = |key: &str| config.get(key).map_or("", |value| value.trim());
    let target = config.get("target.cluster.alias").map_or("target", |alias| alias.trim());
    let task = config.get("task.index").map(|index| format!("-{index}")).unwrap_or_default();
    let given = given.map(|given| format!("{given}|")).unwrap_or_default();
    format!("{given}{}->{target}|{}{task}|{role}", text("source.cluster.alias"), text("name"))
}

fn below<'a>(config: &'a ConfigMap, prefix: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let prefix = prefix.to_owned();
    config.iter().filter_map(move |(key, value)| Some((key.strip_prefix(&prefix)?, value.as_str())))
}

/// Overrides are the worker's producer's.
fn is_override(key: &str) -> bool {
    key.starts_with("override.")
}

/// Keys of the connector itself that look like settings of a client: `consumer.poll.timeout.ms`, `admin.timeout.ms`.
fn is_connector_key(prefix: &str, key: &str) -> bool {
    matches!((prefix, key), ("consumer.", "poll.timeout.ms") | ("admin.", "timeout.ms"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(entries: &[(&str, &str)]) -> ConfigMap {
        entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_most_specific_layer_wins() {
        let config = config(&[
            ("source.cluster.bootstrap.servers", "a:1"),
            ("source.cluster.security.protocol", "SSL"),
            ("source.cluster.alias", "a"),
            ("source.cluster.max.poll.records", "9"),
            ("target.cluster.bootstrap.servers", "b:1"),
            ("consumer.fetch.max.bytes", "1"),
            ("source.consumer.fetch.max.bytes", "2"),
            ("source.consumer.security.protocol", "PLAINTEXT"),
            ("consumer.poll.timeout.ms", "1000"),
            ("consumer.override.fetch.max.bytes", "3"),
        ]);

        let client = client_config(&config, ClientRole::ReplicationConsumer);

        assert_eq!(client["bootstrap.servers"], "a:1");
        assert_eq!(client["fetch.max.bytes"], "2");
        assert_eq!(client["security.protocol"], "PLAINTEXT");
        for key in ["alias", "poll.timeout.ms", "max.poll.records"] {
            assert!(!client.contains_key(key), "{client:?}");
        }
        assert!(!client.keys().any(|key| is_override(key)), "{client:?}");
    }

    #[test]
    fn consumers_commit_nothing_and_begin_at_the_earliest_record_unless_told_otherwise() {
        let told =
            config(&[("source.consumer.enable.auto.commit", "true"), ("target.consumer.auto.offset.reset", "latest")]);

        let source = client_config(&told, ClientRole::ReplicationConsumer);
        let target = client_config(&told, ClientRole::CheckpointsTargetConsumer);

        assert_eq!((&*source["enable.auto.commit"], &*source["auto.offset.reset"]), ("false", "earliest"));
        assert_eq!(target["auto.offset.reset"], "latest");
        assert!(!client_config(&told, ClientRole::OffsetRunsTargetProducer).contains_key("auto.offset.reset"));
    }

    #[test]
    fn each_side_has_its_own_address() {
        let config = config(&[
            ("source.cluster.bootstrap.servers", "a:1"),
            ("target.cluster.bootstrap.servers", "b:1"),
            ("target.admin.request.timeout.ms", "7"),
        ]);

        assert_eq!(client_config(&config, ClientRole::TargetAdmin)["bootstrap.servers"], "b:1");
        assert_eq!(client_config(&config, ClientRole::TargetAdmin)["request.timeout.ms"], "7");
        assert_eq!(client_config(&config, ClientRole::SourceAdmin)["bootstrap.servers"], "a:1");
    }

    #[test]
    fn what_a_client_cannot_read_is_a_problem_of_the_key_that_says_it() {
        let config = config(&[
            ("consumer.isolation.level", "read_all"),
            ("source.cluster.security.protocol", "TLS"),
            ("source.admin.security.protocol", "SSL"),
        ]);
        let roles = [ClientRole::ReplicationConsumer, ClientRole::SourceAdmin, ClientRole::TargetAdmin];
        let check = |key: &'static str, bad: &'static str| {
            check_clients(&config, &roles, move |_, client| match client.get(key) {
                Some(value) if value == bad => Err((key.to_owned(), "no".to_owned())),
                Some(_) => Ok(()),
                None => Err((key.to_owned(), "missing".to_owned())),
            })
        };

        assert_eq!(check("isolation.level", "read_all"), [ConfigProblem::new("consumer.isolation.level", "no")]);
        assert_eq!(check("security.protocol", "TLS"), [ConfigProblem::new("source.cluster.security.protocol", "no")]);
    }

    #[test]
    fn the_client_id_names_flow_connector_task_and_role() {
        let config = config(&[
            ("name", "m"),
            ("source.cluster.alias", "a"),
            ("target.cluster.alias", "b"),
            ("task.index", "3"),
            ("source.consumer.client.id", "mine"),
        ]);

        let id = &client_config(&config, ClientRole::ReplicationConsumer)["client.id"];

        assert_eq!(id, "mine|a->b|m-3|replication-consumer");
    }
}
