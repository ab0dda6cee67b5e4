//! The declared keys of the three connectors, with MirrorMaker 2's names, types and defaults (Java: `MirrorConnectorConfig`,
//! `MirrorSourceConfig`, `MirrorCheckpointConfig`, `MirrorHeartbeatConfig`), and Portage's own.

use connect_api::config::{ConfigDef, ConfigKey, ConfigType, DefaultValue, Importance, Validator};

use ConfigType::{Boolean, Class, Int, List, Long, Password, Short, String};
use DefaultValue::{Null, Required};
use Importance::{High, Low, Medium};

const fn is(text: &'static str) -> DefaultValue {
    DefaultValue::is(text)
}

fn key(
    name: &'static str,
    kind: ConfigType,
    default: DefaultValue,
    importance: Importance,
    documentation: &'static str,
) -> ConfigKey {
    ConfigKey::new(name, kind, default, importance, documentation)
}

fn seconds(name: &'static str, default: &'static str, documentation: &'static str) -> ConfigKey {
    key(name, Long, is(default), Low, documentation)
}

fn switch(name: &'static str, default: &'static str, documentation: &'static str) -> ConfigKey {
    key(name, Boolean, is(default), Low, documentation)
}

const LOCATION: Validator = Validator::OneOf(&["source", "target"]);
const METRIC_FORMATS: Validator = Validator::OneOf(&["legacy", "new"]);

fn define(def: ConfigDef, keys: impl IntoIterator<Item = ConfigKey>) -> ConfigDef {
    keys.into_iter().fold(def, ConfigDef::define)
}

/// The keys that all three have.
fn shared() -> ConfigDef {
    let def = define(
        ConfigDef::new(),
        [
            switch("enabled", "true", "Whether to replicate source->target."),
            key("source.cluster.alias", String, Required, High, "Alias of the source cluster."),
            key("target.cluster.alias", String, is("target"), High, "Alias of the target cluster. Used in metrics."),
            key("admin.timeout.ms", Long, is("60000"), Low, "Time for admin tasks, such as finding new topics, in ms."),
            key(
                "replication.policy.class",
                Class,
                is("org.apache.kafka.connect.mirror.DefaultReplicationPolicy"),
                Low,
                "How mirrored topics are named: DefaultReplicationPolicy or IdentityReplicationPolicy. Must be the same on \
                 all connectors of a flow.",
            ),
            key("replication.policy.separator", String, is("."), Low, "What stands between alias and topic name."),
            switch(
                "replication.policy.internal.topic.separator.enabled",
                "true",
                "Whether replication.policy.separator is used in the names of MirrorMaker's own topics too.",
            ),
            key(
                "forwarding.admin.class",
                Class,
                is("org.apache.kafka.clients.admin.ForwardingAdmin"),
                Low,
                "Accepted for compatibility; Portage has one admin client.",
            ),
            key(
                "metric.reporters",
                List,
                is("org.apache.kafka.common.metrics.JmxReporter"),
                Low,
                "Accepted for compatibility; Portage's metrics are on /metrics.",
            ),
            key("config.providers", List, is(""), Low, "Not allowed here: providers are declared by the worker."),
            key("security.protocol", String, is("PLAINTEXT"), Medium, "Protocol used to communicate with brokers.")
                .valid(Validator::OneOfIgnoringCase(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"])),
        ],
    );
    security(def)
}

/// Client security at the top level of a connector config.
fn security(def: ConfigDef) -> ConfigDef {
    let text =
        |name: &'static str, default: DefaultValue| key(name, String, default, Medium, "A Kafka client setting.");
    let secret = |name: &'static str| key(name, Password, Null, Medium, "A Kafka client secret.");
    define(
        def,
        [
            text("ssl.protocol", is("TLSv1.3")),
            text("ssl.provider", Null),
            key("ssl.cipher.suites", List, is(""), Low, "A Kafka client setting."),
            key("ssl.enabled.protocols", List, is("TLSv1.2,TLSv1.3"), Medium, "A Kafka client setting."),
            text("ssl.keystore.type", is("JKS")),
            text("ssl.keystore.location", Null),
            secret("ssl.keystore.password"),
            secret("ssl.key.password"),
            secret("ssl.keystore.key"),
            secret("ssl.keystore.certificate.chain"),
            secret("ssl.truststore.certificates"),
            text("ssl.truststore.type", is("JKS")),
            text("ssl.truststore.location", Null),
            secret("ssl.truststore.password"),
            text("ssl.endpoint.identification.algorithm", is("https")),
            text("sasl.mechanism", is("GSSAPI")),
            secret("sasl.jaas.config"),
        ],
    )
}

/// `MirrorSourceConnector`.
#[must_use]
pub fn source_config_def() -> ConfigDef {
    define(
        shared(),
        [
            key("topics", List, is(".*"), High, "Topics to replicate: names and regular expressions, comma-separated."),
            key(
                "topics.exclude",
                List,
                is(r"mm2.*\.internal,.*\.replica,__.*"),
                High,
                "Topics not to replicate: names and regular expressions. Excludes take precedence over includes.",
            ),
            key(
                "config.properties.exclude",
                List,
                is(r"follower\.replication\.throttled\.replicas,leader\.replication\.throttled\.replicas,message\.timestamp\.difference\.max\.ms,log\.message\.timestamp\.before\.max\.ms,log\.message\.timestamp\.after\.max\.ms,message\.timestamp\.type,unclean\.leader\.election\.enable,min\.insync\.replicas"),
                High,
                "Topic configs that are not replicated: names and regular expressions.",
            ),
            key(
                "use.defaults.from",
                String,
                is("target"),
                Low,
                "Whose defaults a mirrored topic has where the source topic sets nothing: source or target (KIP-894).",
            )
            .valid(LOCATION),
            key(
                "topic.filter.class",
                Class,
                is("org.apache.kafka.connect.mirror.DefaultTopicFilter"),
                Low,
                "Accepted for compatibility; topics and topics.exclude decide.",
            ),
            key(
                "config.property.filter.class",
                Class,
                is("org.apache.kafka.connect.mirror.DefaultConfigPropertyFilter"),
                Low,
                "Accepted for compatibility; config.properties.exclude decides.",
            ),
            key("consumer.poll.timeout.ms", Long, is("1000"), Low, "Accepted for compatibility; polls are long polls."),
            switch("refresh.topics.enabled", "true", "Whether to look for new topics and partitions from time to time."),
            seconds("refresh.topics.interval.seconds", "600", "Time between two looks, in seconds."),
            switch("sync.topic.configs.enabled", "true", "Whether to keep topic configs in step with the source."),
            seconds("sync.topic.configs.interval.seconds", "600", "Time between two config syncs, in seconds."),
            switch("sync.topic.acls.enabled", "true", "Whether to keep topic ACLs in step with the source."),
            seconds("sync.topic.acls.interval.seconds", "600", "Time between two ACL syncs, in seconds."),
            key("replication.factor", Int, is("2"), Low, "Replication factor of new target topics; -1 for the broker's default."),
            key("offset-syncs.topic.replication.factor", Short, is("3"), Low, "Replication factor of the offset-syncs topic."),
            key("offset.lag.max", Long, is("100"), Low, "How far apart offset syncs of a partition are at most, in records."),
            key("offset-syncs.topic.location", String, is("source"), Low, "The cluster of the offset-syncs topic: source or target.")
                .valid(LOCATION),
            switch("emit.offset-syncs.enabled", "true", "Whether to write offset syncs, which checkpoints are made from."),
            switch("heartbeats.replication.enabled", "true", "Whether heartbeats are mirrored whatever topics says."),
            key("metric.names.formats", List, is("legacy"), Low, "Names of the connector's metrics: legacy, new or both.")
                .valid(METRIC_FORMATS),
            key(
                "portage.on.data.loss",
                String,
                is("continue"),
                Medium,
                "What to do when source records were gone before they could be mirrored, or the source log is another one \
                 (topic created anew, log cut): continue mirrors all that exists, and says what was lost; stop stops the \
                 partition until someone decides.",
            )
            .valid(Validator::OneOf(&["continue", "stop"])),
        ],
    )
}

/// `MirrorCheckpointConnector`.
#[must_use]
pub fn checkpoint_config_def() -> ConfigDef {
    define(
        shared(),
        [
            key("groups", List, is(".*"), High, "Groups to replicate: names and regular expressions, comma-separated."),
            key(
                "groups.exclude",
                List,
                is("console-consumer-.*,connect-.*,__.*"),
                High,
                "Groups not to replicate: names and regular expressions. Excludes take precedence over includes.",
            ),
            key(
                "group.filter.class",
                Class,
                is("org.apache.kafka.connect.mirror.DefaultGroupFilter"),
                Low,
                "Accepted for compatibility; groups and groups.exclude decide.",
            ),
            key(
                "topic.filter.class",
                Class,
                is("org.apache.kafka.connect.mirror.DefaultTopicFilter"),
                Low,
                "Accepted for compatibility; topics and topics.exclude decide.",
            ),
            key("consumer.poll.timeout.ms", Long, is("1000"), Low, "Accepted for compatibility."),
            switch("refresh.groups.enabled", "true", "Whether to look for new groups from time to time."),
            seconds("refresh.groups.interval.seconds", "600", "Time between two looks, in seconds."),
            switch("emit.checkpoints.enabled", "true", "Whether to write checkpoints."),
            seconds("emit.checkpoints.interval.seconds", "60", "Time between two checkpoints, in seconds."),
            switch(
                "sync.group.offsets.enabled",
                "false",
                "Whether to write translated offsets into the target's groups.",
            ),
            seconds("sync.group.offsets.interval.seconds", "60", "Time between two group syncs, in seconds."),
            key(
                "checkpoints.topic.replication.factor",
                Short,
                is("3"),
                Low,
                "Replication factor of the checkpoints topic.",
            ),
            key(
                "offset-syncs.topic.location",
                String,
                is("source"),
                Low,
                "The cluster of the offset-syncs topic: source or target.",
            )
            .valid(LOCATION),
            key(
                "metric.names.formats",
                List,
                is("legacy"),
                Low,
                "Names of the connector's metrics: legacy, new or both.",
            )
            .valid(METRIC_FORMATS),
        ],
    )
}

/// `MirrorHeartbeatConnector`.
#[must_use]
pub fn heartbeat_config_def() -> ConfigDef {
    define(
        shared(),
        [
            switch("emit.heartbeats.enabled", "true", "Whether to write heartbeats."),
            seconds("emit.heartbeats.interval.seconds", "1", "Time between two heartbeats, in seconds."),
            key(
                "heartbeats.topic.replication.factor",
                Short,
                is("3"),
                Low,
                "Replication factor of the heartbeats topic.",
            ),
        ],
    )
}
