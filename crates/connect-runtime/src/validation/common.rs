//! The keys that every source connector has beside its own (Java: `ConnectorConfig`, `SourceConnectorConfig`).

use connect_api::config::{ConfigDef, ConfigKey, ConfigType, DefaultValue, Importance, Validator, Width};

use ConfigType::{Boolean, Class, Int, List, Long, String};
use DefaultValue::{Null, Required};
use Importance::{High, Low, Medium};

const COMMON: &str = "Common";
const TRANSFORMS: &str = "Transforms";
const PREDICATES: &str = "Predicates";
const ERRORS: &str = "Error Handling";
const TOPIC_CREATION: &str = "Topic Creation";
const EXACTLY_ONCE: &str = "Exactly Once Support";
const OFFSETS_TOPIC: &str = "offsets.topic";

const fn is(text: &'static str) -> DefaultValue {
    DefaultValue::is(text)
}

/// The common keys, in Java's order.
#[must_use]
pub fn source_connector_def() -> ConfigDef {
    restarts(exactly_once(topic_creation(errors(transforms(common(ConfigDef::new()))))))
}

/// What source connectors have beside what all connectors have (Java: `SourceConnectorConfig`).
pub(super) fn is_of_sources(key: &ConfigKey) -> bool {
    matches!(key.group.as_deref(), Some(TOPIC_CREATION | EXACTLY_ONCE | OFFSETS_TOPIC))
}

fn common(def: ConfigDef) -> ConfigDef {
    let converter = |name: &'static str, display: &'static str, what: &'static str| {
        ConfigKey::new(name, Class, Null, Low, what).shown(COMMON, Width::Short, display)
    };
    let version =
        |name: &'static str, display: &'static str| {
            ConfigKey::new(name, String, Null, Low, "The version of the plugin; the worker has one version of each.")
                .shown(COMMON, Width::Short, display)
        };
    def.define(
        ConfigKey::new("name", String, Required, High, "Globally unique name to use for this connector.")
            .valid(Validator::NonEmptyWithoutControlChars)
            .shown(COMMON, Width::Medium, "Connector name"),
    )
    .define(
        ConfigKey::new(
            "connector.class",
            String,
            Required,
            High,
            "Name or alias of the class for this connector, such as \
             org.apache.kafka.connect.mirror.MirrorSourceConnector, MirrorSourceConnector or MirrorSource.",
        )
        .shown(COMMON, Width::Long, "Connector class"),
    )
    .define(ConfigKey::new("connector.plugin.version", String, Null, Medium, "Version of the connector.").shown(
        COMMON,
        Width::Medium,
        "Connector version",
    ))
    .define(
        ConfigKey::new("tasks.max", Int, is("1"), High, "Maximum number of tasks to use for this connector.")
            .valid(Validator::at_least(1))
            .shown(COMMON, Width::Short, "Tasks max"),
    )
    .define(
        ConfigKey::new(
            "tasks.max.enforce",
            Boolean,
            is("true"),
            Low,
            "Whether a connector that asks for more than tasks.max tasks fails.",
        )
        .shown(COMMON, Width::Short, "Enforce tasks max"),
    )
    .define(converter("key.converter", "Key converter class", "Turns record keys into bytes; the worker's by default."))
    .define(version("key.converter.plugin.version", "Key converter version"))
    .define(converter(
        "value.converter",
        "Value converter class",
        "Turns record values into bytes; the worker's by default.",
    ))
    .define(version("value.converter.plugin.version", "Value converter version"))
    .define(converter(
        "header.converter",
        "Header converter class",
        "Accepted for compatibility: header bytes of mirrored records are never rewritten.",
    ))
    .define(version("header.converter.plugin.version", "Header converter version"))
}

fn transforms(def: ConfigDef) -> ConfigDef {
    def.define(
        ConfigKey::new("transforms", List, is(""), Low, "Aliases for the transformations to be applied to records.")
            .valid(Validator::UniqueAliases)
            .shown(TRANSFORMS, Width::Long, "Transforms")
            .placed(12),
    )
    .define(
        ConfigKey::new("predicates", List, is(""), Low, "Aliases for the predicates used by transformations.")
            .valid(Validator::UniqueAliases)
            .shown(PREDICATES, Width::Long, "Predicates")
            .placed(13),
    )
    .define(
        ConfigKey::new(
            "config.action.reload",
            String,
            is("restart"),
            Low,
            "What to do when a referenced external value changes.",
        )
        .valid(Validator::OneOf(&["none", "restart"]))
        .shown(COMMON, Width::Medium, "Reload Action")
        .placed(14),
    )
}

fn errors(def: ConfigDef) -> ConfigDef {
    def.define(
        ConfigKey::new(
            "errors.retry.timeout",
            Long,
            is("0"),
            Medium,
            "How long a failed operation is retried, in ms; -1 for ever.",
        )
        .shown(ERRORS, Width::Medium, "Retry Timeout for Errors"),
    )
    .define(
        ConfigKey::new("errors.retry.delay.max.ms", Long, is("60000"), Medium, "Longest wait between retries, in ms.")
            .shown(ERRORS, Width::Medium, "Maximum Delay Between Retries for Errors"),
    )
    .define(
        ConfigKey::new(
            "errors.tolerance",
            String,
            is("none"),
            Medium,
            "none: an error ends the task. all: the record is skipped.",
        )
        .valid(Validator::OneOf(&["none", "all"]))
        .shown(ERRORS, Width::Short, "Error Tolerance"),
    )
    .define(
        ConfigKey::new("errors.log.enable", Boolean, is("false"), Medium, "Whether tolerated errors are logged too.")
            .shown(ERRORS, Width::Short, "Log Errors"),
    )
    .define(
        ConfigKey::new(
            "errors.log.include.messages",
            Boolean,
            is("false"),
            Medium,
            "Whether the log of an error shows the record.",
        )
        .shown(ERRORS, Width::Short, "Log Error Details"),
    )
}

fn topic_creation(def: ConfigDef) -> ConfigDef {
    def.define(
        ConfigKey::new(
            "topic.creation.groups",
            List,
            is(""),
            Low,
            "Groups of configurations for topics created by source connectors.",
        )
        .valid(Validator::UniqueAliases)
        .shown(TOPIC_CREATION, Width::Long, "Topic Creation Groups"),
    )
}

/// Portage's own: Java's connectors stay FAILED.
fn restarts(def: ConfigDef) -> ConfigDef {
    def.define(ConfigKey::new(
        "portage.restart.enabled",
        Boolean,
        Null,
        Low,
        "Whether the connector and its tasks are restarted when they fail; as the worker says if it is not given.",
    ))
    .define(
        ConfigKey::new(
            "portage.restart.max.attempts",
            Int,
            Null,
            Low,
            "The most restarts in a row; as the worker says if it is not given.",
        )
        .valid(Validator::at_least(0)),
    )
}

fn exactly_once(def: ConfigDef) -> ConfigDef {
    def.define(
        ConfigKey::new(
            "exactly.once.support",
            String,
            is("requested"),
            Medium,
            "required: the config is refused unless the connector keeps exactly-once semantics with it.",
        )
        .valid(Validator::OneOfIgnoringCase(&["REQUIRED", "REQUESTED"]))
        .shown(EXACTLY_ONCE, Width::Short, "Exactly once support")
        .placed(2),
    )
    .define(
        ConfigKey::new(
            "transaction.boundary",
            String,
            is("poll"),
            Medium,
            "Where transactions of exactly-once tasks end.",
        )
        .valid(Validator::OneOfIgnoringCase(&["INTERVAL", "POLL", "CONNECTOR"]))
        .shown(EXACTLY_ONCE, Width::Short, "Transaction Boundary")
        .placed(3),
    )
    .define(
        ConfigKey::new(
            "transaction.boundary.interval.ms",
            Long,
            Null,
            Low,
            "Time between transactions with the boundary interval, in ms.",
        )
        .valid(Validator::at_least(0))
        .shown(EXACTLY_ONCE, Width::Short, "Transaction boundary interval")
        .placed(4),
    )
    .define(
        ConfigKey::new("offsets.storage.topic", String, Null, Low, "A separate offsets topic for this connector.")
            .valid(Validator::NonEmpty)
            .shown(OFFSETS_TOPIC, Width::Long, "Offsets topic"),
    )
}
