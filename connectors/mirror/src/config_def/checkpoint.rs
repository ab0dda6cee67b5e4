//! The keys of the checkpoint connector and its tasks.

use connect_api::ConfigDef;
use connect_api::config::ConfigType::{Boolean, Class, List, Long, Short, String};
use connect_api::config::Importance::{High, Low};
use connect_api::config::{ConfigKey, DefaultValue, Validator};

use super::common::{TASK_INDEX, common_keys, metric_names_formats, offset_syncs_location};
use super::{OFFSET_TRANSLATION, Row, define, key};
use crate::filter::{DEFAULT_GROUP_FILTER_CLASS, DEFAULT_TOPIC_FILTER_CLASS, GROUPS_EXCLUDE_DEFAULT};

/// The declared keys of the checkpoint connector.
#[must_use]
pub fn checkpoint_config_def() -> ConfigDef {
    let def = define(common_keys(), &[POLL_TIMEOUT]);
    let def = LISTS.iter().fold(def, |def, row| def.define(key(row).valid(Validator::NoDuplicates)));
    define(def, KEYS)
        .define(offset_syncs_location())
        .define(key(&TOPIC_FILTER))
        .define(metric_names_formats())
        .define(key(&TRANSLATION).valid(Validator::OneOf(&["exact", "mm2"])))
}

/// The declared keys of a task of the checkpoint connector.
#[must_use]
pub fn checkpoint_task_config_def() -> ConfigDef {
    let assigned = ConfigKey::new(
        "task.assigned.groups",
        List,
        DefaultValue::Required,
        Low,
        "The consumer groups that the task checkpoints, except those that a list cannot hold.",
    );
    checkpoint_config_def().define(assigned.valid(Validator::NoDuplicates)).define(key(&TASK_INDEX))
}

const POLL_TIMEOUT: Row =
    ("consumer.poll.timeout.ms", Long, Some("1000"), Low, "Milliseconds between looking whether the task has to stop.");

#[rustfmt::skip]
const LISTS: &[Row] = &[
    ("groups", List, Some(".*"), High,
     "Consumer groups to checkpoint: ids and regular expressions, separated by commas. The whole id has to match."),
    ("groups.exclude", List, Some(GROUPS_EXCLUDE_DEFAULT), High,
     "Consumer groups not to checkpoint, even if they are included: ids and regular expressions, separated by commas."),
];

#[rustfmt::skip]
const KEYS: &[Row] = &[
    ("group.filter.class", Class, Some(DEFAULT_GROUP_FILTER_CLASS), Low,
     "What decides which groups are checkpointed. Others than Kafka's own are Java code and cannot run here."),
    ("refresh.groups.enabled", Boolean, Some("true"), Low,
     "Whether to look for new consumer groups."),
    ("refresh.groups.interval.seconds", Long, Some("600"), Low,
     "Seconds between looking for new consumer groups."),
    ("emit.checkpoints.enabled", Boolean, Some("true"), Low,
     "Whether to write checkpoints."),
    ("emit.checkpoints.interval.seconds", Long, Some("60"), Low,
     "Seconds between checkpoints."),
    ("sync.group.offsets.enabled", Boolean, Some("false"), Low,
     "Whether to commit translated offsets on the target, for groups that have no member there (KIP-545)."),
    ("sync.group.offsets.interval.seconds", Long, Some("60"), Low,
     "Seconds between committing translated offsets."),
    ("checkpoints.topic.replication.factor", Short, Some("3"), Low,
     "Replicas of the topic of checkpoints, if it is created."),
];

const TOPIC_FILTER: Row = (
    "topic.filter.class",
    Class,
    Some(DEFAULT_TOPIC_FILTER_CLASS),
    Low,
    "What decides which topics are checkpointed. Others than Kafka's own are Java code and cannot run here.",
);
const TRANSLATION: Row = (
    OFFSET_TRANSLATION,
    String,
    Some("exact"),
    Low,
    "How committed offsets are translated: exact, from the runs that the source connector writes (where they know nothing, from \
     offset syncs), or mm2, from offset syncs alone, as MirrorMaker does.",
);
