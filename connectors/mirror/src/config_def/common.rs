//! The keys that all three connectors share (Java: `MirrorConnectorConfig`).

use connect_api::ConfigDef;
use connect_api::config::ConfigType::{Boolean, Class, Int, List, Long, String};
use connect_api::config::Importance::{High, Low, Medium};
use connect_api::config::{ConfigKey, DefaultValue, Validator};

use super::security::security_keys;
use super::{Row, define, key};
use crate::policy::DEFAULT_POLICY_CLASS;

/// Class name of Kafka's own admin client, the only one there is here.
pub(crate) const FORWARDING_ADMIN_CLASS: &str = "org.apache.kafka.clients.admin.ForwardingAdmin";

const SECURITY_PROTOCOLS: Validator = Validator::OneOfIgnoringCase(&["SASL_SSL", "PLAINTEXT", "SSL", "SASL_PLAINTEXT"]);

/// Everything before the keys of the connector itself.
pub(super) fn common_keys() -> ConfigDef {
    let alias_of_source = ConfigKey::new(
        "source.cluster.alias",
        String,
        DefaultValue::Required,
        High,
        "Alias of the source cluster: part of the names of remote topics and of stored offsets.",
    );
    let def = define(ConfigDef::new(), &[ENABLED]).define(alias_of_source);
    let def = define(def, NAMES)
        .define(key(&METRIC_REPORTERS).valid(Validator::NoDuplicates))
        .define(key(&SECURITY_PROTOCOL).valid(SECURITY_PROTOCOLS))
        .define(key(&CONFIG_PROVIDERS).valid(Validator::NoDuplicates));
    def.merge(security_keys())
}

const ENABLED: Row = ("enabled", Boolean, Some("true"), Low, "Whether data flows from the source to the target.");

#[rustfmt::skip]
const NAMES: &[Row] = &[
    ("target.cluster.alias", String, Some("target"), High,
     "Alias of the target cluster: part of the names of internal topics, and what tells cycles."),
    ("admin.timeout.ms", Long, Some("60000"), Low,
     "Milliseconds to wait for an administrative step, such as finding new topics."),
    ("replication.policy.class", Class, Some(DEFAULT_POLICY_CLASS), Low,
     "How remote topics are named. The same for all connectors of a flow."),
    ("replication.policy.separator", String, Some("."), Low,
     "What stands between alias and topic in the name of a remote topic."),
    ("replication.policy.internal.topic.separator.enabled", Boolean, Some("true"), Low,
     "Whether the separator is used in the names of the topics of checkpoints and offset syncs, too. False keeps the names of \
      versions before 3.6, with dots (KIP-949)."),
    ("forwarding.admin.class", Class, Some(FORWARDING_ADMIN_CLASS), Low,
     "The admin client for topics, configs and ACLs (KIP-787). Others than Kafka's own are Java code and cannot run here."),
];

const METRIC_REPORTERS: Row = (
    "metric.reporters",
    List,
    Some("org.apache.kafka.common.metrics.JmxReporter"),
    Low,
    "Classes that report metrics in Java. Read and not used: metrics are at /metrics.",
);
const SECURITY_PROTOCOL: Row =
    ("security.protocol", String, Some("PLAINTEXT"), Medium, "How to talk to brokers. Cluster prefixes override it.");
const CONFIG_PROVIDERS: Row =
    ("config.providers", List, Some(""), Low, "Names of providers of config values; the worker's own are meant.");

/// Where the topic of offset syncs lives.
pub(super) fn offset_syncs_location() -> ConfigKey {
    key(&(
        "offset-syncs.topic.location",
        String,
        Some("source"),
        Low,
        "The cluster that holds the topic of offset syncs: source or target. The same for source and checkpoint connector.",
    ))
    .valid(Validator::OneOf(&["source", "target"]))
}

/// Which names metrics have.
pub(super) fn metric_names_formats() -> ConfigKey {
    key(&(
        "metric.names.formats",
        List,
        Some("legacy"),
        Low,
        "Names of the connector's metrics: legacy, new, or both (KIP-1280).",
    ))
    .valid(Validator::SomeOf(&["legacy", "new"]))
}

/// The index that the worker's task configs carry.
pub(super) const TASK_INDEX: Row = ("task.index", Int, None, Low, "The number of the task, for its clients' names.");
