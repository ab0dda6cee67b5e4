//! The keys of the source connector and its tasks.

use connect_api::ConfigDef;
use connect_api::config::ConfigType::{Boolean, Class, Int, List, Long, Short, String};
use connect_api::config::Importance::{High, Low};
use connect_api::config::{ConfigKey, DefaultValue, Validator};
use connect_api::source::TASK_THREADS;

use super::common::{TASK_INDEX, common_keys, metric_names_formats, offset_syncs_location};
use super::{ACL_PRINCIPALS, ACL_REMOVAL, DATA_LOSS_ACKNOWLEDGED, MIRROR_BACK, ON_DATA_LOSS, Row, define, key};
use crate::filter::{
    CONFIG_PROPERTIES_EXCLUDE_DEFAULT, DEFAULT_CONFIG_PROPERTY_FILTER_CLASS, DEFAULT_TOPIC_FILTER_CLASS,
    TOPICS_EXCLUDE_DEFAULT,
};

/// The declared keys of the source connector.
#[must_use]
pub fn source_config_def() -> ConfigDef {
    let def = LISTS.iter().fold(common_keys(), |def, row| def.define(key(row).valid(Validator::NoDuplicates)));
    define(def, KEYS)
        .define(offset_syncs_location())
        .define(key(&EMIT_OFFSET_SYNCS))
        .define(key(&HEARTBEATS_REPLICATION))
        .define(metric_names_formats())
        .define(key(&THREADS).valid(Validator::between(1, 64)))
        .define(key(&DATA_LOSS).valid(Validator::OneOf(&["continue", "stop"])))
        .define(key(&ACKNOWLEDGED))
        .define(key(&BACK))
        .define(key(&REMOVAL))
        .define(key(&PRINCIPALS))
}

/// The declared keys of a task of the source connector.
#[must_use]
pub fn source_task_config_def() -> ConfigDef {
    let assigned = ConfigKey::new(
        "task.assigned.partitions",
        List,
        DefaultValue::Required,
        Low,
        "The partitions that the task mirrors, as topic-partition.",
    );
    source_config_def().define(assigned.valid(Validator::NoDuplicates)).define(key(&TASK_INDEX))
}

#[rustfmt::skip]
const LISTS: &[Row] = &[
    ("topics", List, Some(".*"), High,
     "Topics to mirror: names and regular expressions, separated by commas. The whole name has to match."),
    ("topics.exclude", List, Some(TOPICS_EXCLUDE_DEFAULT), High,
     "Topics not to mirror, even if they are included: names and regular expressions, separated by commas."),
    ("config.properties.exclude", List, Some(CONFIG_PROPERTIES_EXCLUDE_DEFAULT), High,
     "Topic configs not to copy: names and regular expressions, separated by commas."),
];

#[rustfmt::skip]
const KEYS: &[Row] = &[
    ("topic.filter.class", Class, Some(DEFAULT_TOPIC_FILTER_CLASS), Low,
     "What decides which topics are mirrored. Others than Kafka's own are Java code and cannot run here."),
    ("config.property.filter.class", Class, Some(DEFAULT_CONFIG_PROPERTY_FILTER_CLASS), Low,
     "What decides which topic configs are copied. Others than Kafka's own are Java code and cannot run here."),
    ("consumer.poll.timeout.ms", Long, Some("1000"), Low,
     "Milliseconds to wait for records of the source."),
    ("refresh.topics.enabled", Boolean, Some("true"), Low,
     "Whether to look for new topics and partitions."),
    ("refresh.topics.interval.seconds", Long, Some("600"), Low,
     "Seconds between looking for new topics and partitions."),
    ("sync.topic.configs.enabled", Boolean, Some("true"), Low,
     "Whether to keep the configs of remote topics like those of their sources."),
    ("sync.topic.configs.interval.seconds", Long, Some("600"), Low,
     "Seconds between copying topic configs."),
    ("sync.topic.acls.enabled", Boolean, Some("true"), Low,
     "Whether to copy who may read a topic to its remote topic."),
    ("sync.topic.acls.interval.seconds", Long, Some("600"), Low,
     "Seconds between copying ACLs."),
    ("replication.factor", Int, Some("2"), Low,
     "Replicas of the remote topics that are created; -1 leaves it to the brokers."),
    ("offset-syncs.topic.replication.factor", Short, Some("3"), Low,
     "Replicas of the topic of offset syncs, if it is created."),
    ("offset.lag.max", Long, Some("100"), Low,
     "How many records too early an offset sync may translate before the next one is written. 0 writes one for each record."),
    ("portage.throttle.bytes.per.second", Long, Some("-1"), Low,
     "The most bytes a second that the connector reads, all its tasks together; -1 is without limit."),
    ("portage.throttle.topics", List, Some(""), Low,
     "The most bytes a second of single topics, as topic:bytes, separated by commas."),
];

const EMIT_OFFSET_SYNCS: Row = (
    "emit.offset-syncs.enabled",
    Boolean,
    Some("true"),
    Low,
    "Whether to write offset syncs, which the checkpoint connector needs.",
);
const HEARTBEATS_REPLICATION: Row = (
    "heartbeats.replication.enabled",
    Boolean,
    Some("true"),
    Low,
    "Whether to mirror topics of heartbeats even if the topic filter does not accept them (KIP-1089).",
);
const THREADS: Row = (
    TASK_THREADS,
    Int,
    None,
    Low,
    "The most threads that each task uses, its partitions split over them. If it is not given, the tasks of the connector share \
     half of the worker's cores, with at most four for each. A task with exactly-once support uses one.",
);
const DATA_LOSS: Row = (
    ON_DATA_LOSS,
    String,
    Some("continue"),
    Low,
    "What to do when the source has lost records that were not mirrored yet (retention, truncation, a topic created anew): \
     continue with all that still exists and report the range, or stop the partition until somebody decides.",
);
const ACKNOWLEDGED: Row = (
    DATA_LOSS_ACKNOWLEDGED,
    Long,
    None,
    Low,
    "Losses that were noticed up to this time (milliseconds since 1970) have been dealt with and are not shown any more. Each \
     loss in a task's status says the number.",
);
const BACK: Row = (
    MIRROR_BACK,
    Boolean,
    Some("false"),
    Low,
    "Whether topics that have come from the target under the same name (identity policy) are mirrored back. While the flow \
     from there runs, they would grow for ever.",
);
const REMOVAL: Row = (
    ACL_REMOVAL,
    Boolean,
    Some("false"),
    Low,
    "Whether ACLs of remote topics that were copied are removed when they are revoked at the source. False leaves them, as \
     MirrorMaker does, and names them in the connector's status.",
);
const PRINCIPALS: Row = (
    ACL_PRINCIPALS,
    String,
    Some("DEFAULT"),
    Low,
    "Who a principal of the source is on the target: rules as in ssl.principal.mapping.rules, on the whole principal, such \
     as RULE:User:(.*)/User:$1-dr/,DEFAULT.",
);
