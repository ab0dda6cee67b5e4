//! DescribeConfigs and IncrementalAlterConfigs: the topic settings of Kafka 4.3, with their defaults.
//!
//! They are all kept and told; those that this broker acts on are `max.message.bytes`, `cleanup.policy` and
//! `message.timestamp.type`.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError as E;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::incremental_alter_configs_request::AlterConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{
    DescribeConfigsRequest, DescribeConfigsResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};

use crate::control::Call;
use crate::state::{State, text};
use crate::topics::Refusal;
use crate::{Broker, NODE_ID};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// Kafka's `ConfigSource`.
const DYNAMIC_TOPIC: i8 = 1;
const STATIC_BROKER: i8 = 4;
const DEFAULT: i8 = 5;

/// Kafka's `ConfigType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Boolean = 1,
    String = 2,
    Int = 3,
    Long = 5,
    Double = 6,
    List = 7,
}

const TOPIC_CONFIGS: &[(&str, Kind, &str)] = &[
    ("cleanup.policy", Kind::List, "delete"),
    ("compression.gzip.level", Kind::Int, "-1"),
    ("compression.lz4.level", Kind::Int, "9"),
    ("compression.type", Kind::String, "producer"),
    ("compression.zstd.level", Kind::Int, "3"),
    ("delete.retention.ms", Kind::Long, "86400000"),
    ("file.delete.delay.ms", Kind::Long, "60000"),
    ("flush.messages", Kind::Long, "9223372036854775807"),
    ("flush.ms", Kind::Long, "9223372036854775807"),
    ("follower.replication.throttled.replicas", Kind::List, ""),
    ("index.interval.bytes", Kind::Int, "4096"),
    ("leader.replication.throttled.replicas", Kind::List, ""),
    ("local.retention.bytes", Kind::Long, "-2"),
    ("local.retention.ms", Kind::Long, "-2"),
    ("max.compaction.lag.ms", Kind::Long, "9223372036854775807"),
    ("max.message.bytes", Kind::Int, "1048588"),
    ("message.timestamp.after.max.ms", Kind::Long, "3600000"),
    ("message.timestamp.before.max.ms", Kind::Long, "9223372036854775807"),
    ("message.timestamp.type", Kind::String, "CreateTime"),
    ("min.cleanable.dirty.ratio", Kind::Double, "0.5"),
    ("min.compaction.lag.ms", Kind::Long, "0"),
    ("min.insync.replicas", Kind::Int, "1"),
    ("preallocate", Kind::Boolean, "false"),
    ("remote.log.copy.disable", Kind::Boolean, "false"),
    ("remote.log.delete.on.disable", Kind::Boolean, "false"),
    ("remote.storage.enable", Kind::Boolean, "false"),
    ("retention.bytes", Kind::Long, "-1"),
    ("retention.ms", Kind::Long, "604800000"),
    ("segment.bytes", Kind::Int, "1073741824"),
    ("segment.index.bytes", Kind::Int, "10485760"),
    ("segment.jitter.ms", Kind::Long, "0"),
    ("segment.ms", Kind::Long, "604800000"),
    ("unclean.leader.election.enable", Kind::Boolean, "false"),
];

/// What is true of this broker, and asked for by clients.
const BROKER_CONFIGS: &[(&str, Kind, &str)] = &[
    ("auto.create.topics.enable", Kind::Boolean, "false"),
    ("default.replication.factor", Kind::Int, "1"),
    ("log.cleaner.enable", Kind::Boolean, "false"),
    ("message.max.bytes", Kind::Int, "1048588"),
    ("num.partitions", Kind::Int, "1"),
    ("offsets.topic.replication.factor", Kind::Int, "1"),
];

/// A setting and where it comes from.
pub(crate) struct Config {
    pub(crate) name: &'static str,
    pub(crate) value: String,
    pub(crate) source: i8,
    kind: Kind,
    default: &'static str,
}

/// Every topic setting, `set` over the defaults.
pub(crate) fn describe(set: &BTreeMap<String, String>) -> impl Iterator<Item = Config> {
    TOPIC_CONFIGS.iter().map(|(name, kind, default)| {
        let (value, source) = match set.get(*name) {
            Some(value) => (value.clone(), DYNAMIC_TOPIC),
            None => ((*default).to_owned(), DEFAULT),
        };
        Config { name, value, source, kind: *kind, default }
    })
}

/// The default of a topic setting.
pub(crate) fn default(name: &str) -> &'static str {
    TOPIC_CONFIGS.iter().find(|(known, ..)| *known == name).map_or("", |(_, _, default)| default)
}

/// Refuses what is no setting, and values that are of the wrong kind.
pub(crate) fn check(name: &str, value: &str) -> Result<(), Refusal> {
    let Some((_, kind, _)) = TOPIC_CONFIGS.iter().find(|(known, ..)| *known == name) else {
        return Err((E::InvalidConfig, format!("Unknown topic config name: {name}")));
    };
    let fits = match kind {
        Kind::Boolean => matches!(value, "true" | "false"),
        Kind::Int => value.parse::<i32>().is_ok(),
        Kind::Long => value.parse::<i64>().is_ok(),
        Kind::Double => value.parse::<f64>().is_ok(),
        Kind::String => match name {
            "message.timestamp.type" => matches!(value, "CreateTime" | "LogAppendTime"),
            _ => matches!(value, "producer" | "uncompressed" | "none" | "gzip" | "snappy" | "lz4" | "zstd"),
        },
        Kind::List => {
            name != "cleanup.policy" || value.split(',').all(|p| matches!(p.trim(), "compact" | "delete" | ""))
        }
    };
    if fits { Ok(()) } else { Err((E::InvalidConfig, format!("Invalid value {value} for configuration {name}"))) }
}

impl Broker {
    pub(crate) async fn describe_configs(
        &self,
        _call: &Call,
        request: DescribeConfigsRequest,
    ) -> DescribeConfigsResponse {
        let state = self.state();
        let results = request.resources.iter().map(|wanted| {
            let result = DescribeConfigsResult::default()
                .with_resource_type(wanted.resource_type)
                .with_resource_name(wanted.resource_name.clone());
            match state.describe_configs(wanted, request.include_synonyms) {
                Ok(configs) => result.with_configs(configs),
                Err((error, message)) => result.with_error_code(error.code()).with_error_message(Some(text(message))),
            }
        });
        let results = results.collect();
        DescribeConfigsResponse::default().with_results(results)
    }

    pub(crate) async fn incremental_alter_configs(
        &self,
        _call: &Call,
        request: IncrementalAlterConfigsRequest,
    ) -> IncrementalAlterConfigsResponse {
        let mut state = self.state();
        let responses = request.resources.iter().map(|wanted| {
            let response = AlterConfigsResourceResponse::default()
                .with_resource_type(wanted.resource_type)
                .with_resource_name(wanted.resource_name.clone());
            match state.alter_configs(wanted, request.validate_only) {
                Ok(()) => response.with_error_message(None),
                Err((error, message)) => response.with_error_code(error.code()).with_error_message(Some(text(message))),
            }
        });
        let responses = responses.collect();
        IncrementalAlterConfigsResponse::default().with_responses(responses)
    }
}

impl State {
    fn describe_configs(
        &self,
        wanted: &DescribeConfigsResource,
        synonyms: bool,
    ) -> Result<Vec<DescribeConfigsResourceResult>, Refusal> {
        let asked =
            |name: &str| wanted.configuration_keys.as_ref().is_none_or(|keys| keys.iter().any(|key| &**key == name));
        match wanted.resource_type {
            TOPIC => {
                let topic = self.topics.get(&*wanted.resource_name).ok_or_else(unknown_topic)?;
                let configs = describe(&topic.configs).filter(|config| asked(config.name));
                Ok(configs.map(|config| result(&config, synonyms)).collect())
            }
            BROKER if *wanted.resource_name == NODE_ID.to_string() || wanted.resource_name.is_empty() => {
                let configs = BROKER_CONFIGS.iter().filter(|(name, ..)| asked(name));
                let configs = configs.map(|(name, kind, value)| {
                    let value = (*value).to_owned();
                    result(&Config { name, value, source: STATIC_BROKER, kind: *kind, default: "" }, false)
                });
                Ok(configs.collect())
            }
            other => Err((
                E::InvalidRequest,
                format!("No configs of resource type {other} named {}", &*wanted.resource_name),
            )),
        }
    }

    fn alter_configs(&mut self, wanted: &AlterConfigsResource, validate_only: bool) -> Result<(), Refusal> {
        if wanted.resource_type != TOPIC {
            return Err((E::InvalidRequest, "only the configs of topics can be altered here".to_owned()));
        }
        let topic = self.topics.get_mut(&*wanted.resource_name).ok_or_else(unknown_topic)?;
        let mut configs = topic.configs.clone();
        for change in &wanted.configs {
            let name = change.name.to_string();
            let value = change.value.as_ref().map(|value| value.to_string()).unwrap_or_default();
            let listed = configs.get(&name).cloned().unwrap_or_else(|| default(&name).to_owned());
            let listed = listed.split(',').map(str::trim).filter(|item| !item.is_empty());
            let changed = match change.config_operation {
                0 => Some(value),
                1 => None,
                2 => Some(listed.filter(|item| *item != value).chain([&*value]).collect::<Vec<_>>().join(",")),
                3 => Some(listed.filter(|item| *item != value).collect::<Vec<_>>().join(",")),
                other => return Err((E::InvalidRequest, format!("unknown operation {other} on {name}"))),
            };
            check(&name, changed.as_deref().unwrap_or_else(|| default(&name)))?;
            match changed {
                Some(value) => configs.insert(name, value),
                None => configs.remove(&name),
            };
        }
        if !validate_only {
            topic.configs = configs;
        }
        Ok(())
    }
}

fn unknown_topic() -> Refusal {
    (E::UnknownTopicOrPartition, "This server does not host this topic-partition.".to_owned())
}

fn result(config: &Config, synonyms: bool) -> DescribeConfigsResourceResult {
    let synonym = |value: &str, source| {
        DescribeConfigsSynonym::default().with_name(text(config.name)).with_value(Some(text(value))).with_source(source)
    };
    let mut also = Vec::new();
    if synonyms {
        if config.source == DYNAMIC_TOPIC {
            also.push(synonym(&config.value, DYNAMIC_TOPIC));
        }
        also.push(synonym(config.default, DEFAULT));
    }
    DescribeConfigsResourceResult::default()
        .with_name(text(config.name))
        .with_value(Some(text(&config.value)))
        .with_read_only(config.source == STATIC_BROKER)
        .with_config_source(config.source)
        .with_config_type(config.kind as i8)
        .with_synonyms(also)
}
