//! The connectors of one mirror.

use mirror::policy::DEFAULT_POLICY_CLASS;

use super::clusters::{Cluster, texts};
use super::{Context, Shape};
use crate::finding::{FileError, Finding};
use crate::flow::{Connector, RunState};
use crate::settings::Settings;
use crate::yaml::Node;

const PACKAGE: &str = "org.apache.kafka.connect.mirror.";

/// Fields of a mirror and the connectors they stand for.
pub(super) const CONNECTORS: [(&str, &str); 3] = [
    ("sourceConnector", "MirrorSourceConnector"),
    ("heartbeatConnector", "MirrorHeartbeatConnector"),
    ("checkpointConnector", "MirrorCheckpointConnector"),
];

/// Patterns of a mirror, the key that each sets, older names first.
const PATTERNS: [(&str, &str); 6] = [
    ("topicsPattern", "topics"),
    ("topicsBlacklistPattern", "topics.exclude"),
    ("topicsExcludePattern", "topics.exclude"),
    ("groupsPattern", "groups"),
    ("groupsBlacklistPattern", "groups.exclude"),
    ("groupsExcludePattern", "groups.exclude"),
];

/// Keys that belong to a mirror as a whole, with Kafka's defaults: one connector that has another value than the others works
/// on other topics.
const OF_THE_MIRROR: [(&str, &str); 4] = [
    ("replication.policy.class", DEFAULT_POLICY_CLASS),
    ("replication.policy.separator", "."),
    ("replication.policy.internal.topic.separator.enabled", "true"),
    (LOCATION, "source"),
];
const LOCATION: &str = "offset-syncs.topic.location";

/// The connectors whose fields a mirror has.
pub(super) fn derive(
    mirror: &Node,
    source: &Cluster,
    target: &Cluster,
    shape: &Shape,
    context: &mut Context,
) -> Result<Vec<Connector>, FileError> {
    let own_config =
        |field: &str, context: &mut Context| match mirror.field(field).and_then(|node| node.field("config")) {
            Some(config) => texts(config, context),
            None => Ok(Settings::default()),
        };
    let of_source = own_config("sourceConnector", context)?;
    let mut connectors = Vec::new();
    for (field, class) in CONNECTORS {
        let Some(node) = mirror.field(field).filter(|_| class != CONNECTORS[1].1 || matches!(shape, Shape::Clusters))
        else {
            continue;
        };
        let name = name(&source.alias, &target.alias, class);
        let mut own = own_config(field, context)?;
        inherit(&of_source, &mut own, &name, context);
        let mut settings = Settings::default();
        // The operator of v1beta2 lets the clusters win, that of v1 the connector.
        if matches!(shape, Shape::Clusters) {
            settings.extend(own.clone());
        }
        for (side, cluster) in [("target", target), ("source", source)] {
            let prefix = format!("{side}.cluster.");
            let mut keys = cluster.client(context)?;
            keys.put("alias", cluster.alias.as_str(), Some(cluster.node.line));
            keys.extend(cluster.config(context)?);
            settings.extend(keys.filtered(|key| Some(format!("{prefix}{key}"))));
        }
        if matches!(shape, Shape::Target) {
            settings.extend(own);
        }
        for (field, key) in PATTERNS {
            if let Some(pattern) = mirror.field(field) {
                settings.put(key, pattern.text().unwrap_or_default(), Some(pattern.line));
            }
        }
        for (field, key) in [("tasksMax", "tasks.max"), ("version", "connector.plugin.version")] {
            if let Some(value) = node.field(field) {
                settings.put(key, value.text().unwrap_or_default(), Some(value.line));
            }
        }
        restarts(node, &mut settings);
        settings.put("connector.class", format!("{PACKAGE}{class}"), None);
        settings.put("name", name.as_str(), None);
        connectors.push(Connector { name, settings, state: Some(state(node)?) });
    }
    Ok(connectors)
}

/// How Strimzi's operator calls a connector.
pub(super) fn name(source: &str, target: &str, class: &str) -> String {
    format!("{source}->{target}.{class}")
}

/// What the source connector says for the mirror as a whole holds for the others, unless they say it themselves.
fn inherit(of_source: &Settings, own: &mut Settings, name: &str, context: &mut Context) {
    for (key, default) in OF_THE_MIRROR {
        let heartbeats_need_no_syncs = key == LOCATION && name.ends_with("MirrorHeartbeatConnector");
        let misses = own.get(key).is_none() && !heartbeats_need_no_syncs;
        let Some(given) = of_source.given(key).filter(|given| misses && given.text.trim() != default) else {
            continue;
        };
        own.give(key, given);
        context.findings.push(Finding::warning(
            given.line,
            format!("{key} is given to the source connector only; {name} takes it over here, but not under Strimzi's operator"),
            format!("give {key} to each connector of the mirror: without it they look for each other's topics under other names"),
        ));
    }
}

/// `autoRestart`, in Portage's keys. What the file does not mention stays as the worker has it: on.
fn restarts(node: &Node, settings: &mut Settings) {
    let Some(wanted) = node.field("autoRestart") else { return };
    for (field, key) in [("enabled", "portage.restart.enabled"), ("maxRestarts", "portage.restart.max.attempts")] {
        if let Some(value) = wanted.field(field) {
            settings.put(key, value.text().unwrap_or_default(), Some(value.line));
        }
    }
}

fn state(node: &Node) -> Result<RunState, FileError> {
    let Some(state) = node.field("state") else {
        let paused = node.field("pause").and_then(Node::text) == Some("true");
        return Ok(if paused { RunState::Paused } else { RunState::Running });
    };
    match state.text() {
        Some("running") => Ok(RunState::Running),
        Some("paused") => Ok(RunState::Paused),
        Some("stopped") => Ok(RunState::Stopped),
        _ => Err(FileError::at(state.line, "state must be running, paused or stopped")),
    }
}
