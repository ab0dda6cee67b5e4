//! The keys of the heartbeat connector.

use connect_api::ConfigDef;
use connect_api::config::ConfigType::{Boolean, Long, Short};
use connect_api::config::Importance::Low;

use super::common::common_keys;
use super::{Row, define};

/// The declared keys of the heartbeat connector. Its task has no keys of its own.
#[must_use]
pub fn heartbeat_config_def() -> ConfigDef {
    define(common_keys(), KEYS)
}

#[rustfmt::skip]
const KEYS: &[Row] = &[
    ("emit.heartbeats.enabled", Boolean, Some("true"), Low,
     "Whether to write heartbeats to the target."),
    ("emit.heartbeats.interval.seconds", Long, Some("1"), Low,
     "Seconds between heartbeats."),
    ("heartbeats.topic.replication.factor", Short, Some("3"), Low,
     "Replicas of the topic of heartbeats, if it is created."),
];
