//! Mistakes that a file allows and nobody wants: what is wrong, where, and the remedy.
//!
//! What a single key may be, the worker's and the connectors' own checks say; here is what spans keys, connectors and flows, and
//! keys that nobody reads ([`keys`]). What clusters know, only a caller with a connection can tell ([`factors`], [`clusters`]).

pub mod clusters;
pub mod factors;
pub mod keys;

use std::collections::{BTreeMap, BTreeSet};

use mirror::config::removed_keys;
use mirror::policy::{DEFAULT_POLICY_CLASS, IDENTITY_POLICY_CLASS, STRIMZI_IDENTITY_POLICY_CLASS};

use crate::finding::Finding;
use crate::flow::{Connector, Flow};

const POLICY: &str = "replication.policy.class";
const SEPARATOR: &str = "replication.policy.separator";
const LOCATION: &str = "offset-syncs.topic.location";
const SOURCE: &str = "MirrorSourceConnector";

/// What is to be said about flows and their connectors.
#[must_use]
pub fn flows(flows: &[Flow]) -> Vec<Finding> {
    let connectors: Vec<&Connector> = flows.iter().flat_map(|flow| &flow.connectors).collect();
    let mut findings = one_policy(&connectors);
    findings.extend(loops(&connectors));
    findings.extend(nothing_flows(&connectors));
    for connector in connectors.iter().filter(|connector| is_enabled(connector)) {
        findings.extend(of_connector(connector));
    }
    findings.sort_by(|a, b| (a.line, &a.what).cmp(&(b.line, &b.what)));
    findings.dedup();
    findings
}

/// Whether records or checkpoints flow through a connector.
pub(crate) fn is_enabled(connector: &Connector) -> bool {
    connector.settings.get("enabled").is_none_or(|_| connector.settings.is_true("enabled"))
}

fn pair(connector: &Connector) -> (String, String) {
    let alias = |side: &str| connector.settings.get(&format!("{side}.cluster.alias")).unwrap_or_default().to_owned();
    (alias("source"), alias("target"))
}

/// All connectors of a flow have to name topics alike (Strimzi #4498).
fn one_policy(connectors: &[&Connector]) -> Vec<Finding> {
    let mut by_pair: BTreeMap<(String, String), Vec<&Connector>> = BTreeMap::new();
    for connector in connectors {
        by_pair.entry(pair(connector)).or_default().push(connector);
    }
    let mut findings = Vec::new();
    for of_one in by_pair.values() {
        for (key, default) in [(POLICY, DEFAULT_POLICY_CLASS), (SEPARATOR, "."), (LOCATION, "source")] {
            // Heartbeats need no offset syncs.
            let concerned =
                || of_one.iter().filter(|connector| key != LOCATION || !connector.class().contains("Heartbeat"));
            let values: BTreeSet<&str> =
                concerned().map(|connector| connector.settings.get(key).map_or(default, str::trim)).collect();
            if values.len() > 1 {
                let line = concerned().find_map(|connector| connector.settings.line(key));
                let names: Vec<String> = concerned()
                    .map(|connector| {
                        format!("{} has {}", connector.name, connector.settings.get(key).unwrap_or(default))
                    })
                    .collect();
                findings.push(Finding::error(
                    line,
                    format!("{key} differs: {}", names.join(", ")),
                    "give every connector of the flow the same value: they look for each other's topics by it",
                ));
            }
        }
    }
    findings
}

/// What comes back to where it came from, for ever.
fn loops(connectors: &[&Connector]) -> Vec<Finding> {
    let sources = || connectors.iter().filter(|connector| connector.class() == SOURCE && is_enabled(connector));
    let mut findings = Vec::new();
    for connector in sources() {
        let servers = |side: &str| connector.settings.get(&format!("{side}.cluster.bootstrap.servers"));
        if servers("source").is_some() && servers("source") == servers("target") {
            findings.push(Finding::error(
                connector.settings.line("source.cluster.bootstrap.servers"),
                format!(
                    "{} mirrors a cluster into itself: source and target have the same bootstrap.servers",
                    connector.name
                ),
                "give the source its own address",
            ));
        }
    }
    for one in sources().filter(|connector| is_identity(connector)) {
        let (source, target) = pair(one);
        let opposite = sources().find(|other| is_identity(other) && pair(other) == (target.clone(), source.clone()));
        if let Some(other) = opposite.filter(|_| source < target) {
            let topics = |connector: &Connector| connector.settings.get("topics").unwrap_or(".*").to_owned();
            let (there, back) = (topics(one), topics(other));
            let line = one.settings.line(POLICY).or_else(|| other.settings.line(POLICY));
            let remedy = "use DefaultReplicationPolicy, or make sure that no topic is of both topics patterns";
            let what = format!("{source}->{target} and {target}->{source} both keep topic names");
            findings.push(if there == back || there.trim() == ".*" || back.trim() == ".*" {
                Finding::error(line, format!("{what}: every record goes round for ever"), remedy)
            } else {
                Finding::warning(line, format!("{what}: a topic of both goes round for ever"), remedy)
            });
        }
    }
    findings
}

fn is_identity(connector: &Connector) -> bool {
    let class = connector.settings.get(POLICY).map(str::trim);
    matches!(class, Some(IDENTITY_POLICY_CLASS | STRIMZI_IDENTITY_POLICY_CLASS))
}

fn nothing_flows(connectors: &[&Connector]) -> Option<Finding> {
    let flows = connectors.iter().any(|connector| connector.class() == SOURCE && is_enabled(connector));
    (!flows).then(|| {
        Finding::warning(
            None,
            "no flow is enabled: there are heartbeats at most",
            "enable one, as in A->B.enabled = true",
        )
    })
}

fn of_connector(connector: &Connector) -> Vec<Finding> {
    let settings = &connector.settings;
    let mut findings: Vec<Finding> = removed_keys(&settings.to_config())
        .into_iter()
        .map(|problem| Finding::warning(settings.line(&problem.key), problem.message, "remove the key or rename it"))
        .collect();
    if settings.get(POLICY).map(str::trim) == Some(STRIMZI_IDENTITY_POLICY_CLASS) {
        findings.push(Finding::note(
            settings.line(POLICY),
            format!(
                "{STRIMZI_IDENTITY_POLICY_CLASS} is no part of Strimzi any more since 0.46; here it means Kafka's own"
            ),
            format!("write {IDENTITY_POLICY_CLASS}"),
        ));
    }
    if settings.get(SEPARATOR).is_some_and(str::is_empty) {
        findings.push(Finding::warning(
            settings.line(SEPARATOR),
            "an empty separator: nobody can tell alias and topic apart, and internal topics have other names",
            "use a dot, or IdentityReplicationPolicy if names shall stay",
        ));
    }
    let tasks = settings.get("tasks.max").map_or(Some(1), |text| text.trim().parse::<u32>().ok());
    if connector.class() == SOURCE && tasks == Some(1) {
        findings.push(Finding::note(
            settings.line("tasks.max"),
            format!("{} has one task for all partitions", connector.name),
            "set tasks.max (tasksMax) to spread them over tasks and workers",
        ));
    }
    if connector.class() == "MirrorCheckpointConnector" && !settings.is_true("sync.group.offsets.enabled") {
        findings.push(Finding::note(
            settings.line("sync.group.offsets.enabled"),
            format!("{} writes checkpoints, but no offsets of groups on the target", connector.name),
            "set sync.group.offsets.enabled = true if groups are to move",
        ));
    }
    findings
}

#[cfg(test)]
mod tests;
