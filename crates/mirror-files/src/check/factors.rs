//! Replication factors that a cluster must have brokers for.

use crate::finding::Finding;
use crate::flow::{Connector, Flow};
use crate::settings::Settings;

use super::is_enabled;

/// Which of the two clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// Where records come from.
    Source,
    /// Where they go.
    Target,
}

/// A replication factor that a worker or a connector creates topics with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Factor {
    /// Whose it is: the name of a connector, or `the worker`.
    pub of: String,
    /// The cluster.
    pub side: Side,
    /// The key.
    pub key: &'static str,
    /// How many replicas.
    pub replicas: i64,
    /// The line, if it is not the default.
    pub line: Option<usize>,
}

/// Every factor that a flow needs. Those that leave it to the broker (-1) are left out.
#[must_use]
pub fn factors(flow: &Flow) -> Vec<Factor> {
    let worker =
        ["config.storage.replication.factor", "offset.storage.replication.factor", "status.storage.replication.factor"];
    let mut factors: Vec<Factor> =
        worker.iter().filter_map(|key| factor("the worker", &flow.worker, Side::Target, key, 3)).collect();
    for connector in &flow.connectors {
        factors.extend(of_connector(connector));
    }
    factors
}

fn of_connector(connector: &Connector) -> Vec<Factor> {
    let settings = &connector.settings;
    let is_off = |key: &str| settings.get(key).is_some() && !settings.is_true(key);
    let of = |side, key, default| factor(&connector.name, settings, side, key, default);
    let location = match settings.get("offset-syncs.topic.location").map(str::trim) {
        Some("target") => Side::Target,
        _ => Side::Source,
    };
    let wanted = match connector.class() {
        "MirrorHeartbeatConnector" if !is_off("emit.heartbeats.enabled") => {
            vec![of(Side::Target, "heartbeats.topic.replication.factor", 3)]
        }
        "MirrorCheckpointConnector" if is_enabled(connector) => {
            vec![of(Side::Target, "checkpoints.topic.replication.factor", 3)]
        }
        "MirrorSourceConnector" if is_enabled(connector) => {
            let syncs = of(location, "offset-syncs.topic.replication.factor", 3);
            vec![of(Side::Target, "replication.factor", 2), syncs.filter(|_| !is_off("emit.offset-syncs.enabled"))]
        }
        _ => Vec::new(),
    };
    wanted.into_iter().flatten().collect()
}

fn factor(of: &str, settings: &Settings, side: Side, key: &'static str, default: i64) -> Option<Factor> {
    // What is no number, the connector's own check says.
    let replicas = settings.get(key).map_or(Some(default), |text| text.trim().parse().ok())?;
    (replicas > 0).then(|| Factor { of: of.to_owned(), side, key, replicas, line: settings.line(key) })
}

/// What there are too few brokers for.
#[must_use]
pub fn too_large(factors: &[Factor], side: Side, brokers: usize) -> Vec<Finding> {
    let brokers = i64::try_from(brokers).unwrap_or(i64::MAX);
    let too_large = factors.iter().filter(|factor| factor.side == side && factor.replicas > brokers);
    let finding = |factor: &Factor| {
        let Factor { of, key, replicas, line, .. } = factor;
        let default = if line.is_none() { " (the default)" } else { "" };
        let cluster = if side == Side::Source { "source" } else { "target" };
        let what = format!(
            "{key} of {of} is {replicas}{default}, but the {cluster} cluster has {brokers} broker(s): the topic can't be created"
        );
        Finding::error(*line, what, format!("set {key} to at most {brokers}, or to -1 for the cluster's default"))
    };
    too_large.map(finding).collect()
}
