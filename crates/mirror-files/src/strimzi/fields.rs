//! Which fields of a resource mean something, here or in Kubernetes only; all others are probably typing mistakes.

use super::Shape;
use crate::finding::Finding;
use crate::nearest::did_you_mean;
use crate::yaml::Node;

/// Fields of `spec` that only an operator can do something with.
const OF_KUBERNETES: [&str; 15] = [
    "version",
    "replicas",
    "image",
    "resources",
    "livenessProbe",
    "readinessProbe",
    "jvmOptions",
    "jmxOptions",
    "clientRackInitImage",
    "rack",
    "metricsConfig",
    "tracing",
    "template",
    "externalConfiguration",
    "affinity",
];
const CLUSTER: [&str; 5] = ["alias", "bootstrapServers", "tls", "authentication", "config"];
const TARGET: [&str; 4] = ["groupId", "configStorageTopic", "offsetStorageTopic", "statusStorageTopic"];
const PATTERNS: [&str; 6] = [
    "topicsPattern",
    "topicsExcludePattern",
    "topicsBlacklistPattern",
    "groupsPattern",
    "groupsExcludePattern",
    "groupsBlacklistPattern",
];
const CONNECTOR: [&str; 8] =
    ["tasksMax", "version", "config", "state", "pause", "autoRestart", "listOffsets", "alterOffsets"];

pub(super) fn check(spec: &Node, shape: &Shape, findings: &mut Vec<Finding>) {
    let clusters = matches!(shape, Shape::Clusters);
    let of_shape: &[&str] = if clusters { &["connectCluster", "clusters"] } else { &["target"] };
    let known = [&OF_KUBERNETES[..], &["mirrors", "logging"], of_shape].concat();
    unknown("spec", spec, &known, findings);
    let unused = spec.fields().iter().filter(|(key, _)| OF_KUBERNETES.contains(&key.name.as_str()));
    let unused: Vec<_> = unused.collect();
    if let Some((first, _)) = unused.first() {
        let names: Vec<&str> = unused.iter().map(|(key, _)| key.name.as_str()).collect();
        findings.push(Finding::note(
            Some(first.line),
            format!("not used here: {}", names.join(", ")),
            "they mean something to Kubernetes only; for more than one replica start more processes with this file",
        ));
    }
    for cluster in spec.field("clusters").map(Node::items).unwrap_or_default() {
        unknown("a cluster", cluster, &CLUSTER, findings);
    }
    if let Some(target) = spec.field("target") {
        unknown("target", target, &[&CLUSTER[..], &TARGET].concat(), findings);
    }
    let ends: &[&str] = if clusters { &["sourceCluster", "targetCluster", "heartbeatConnector"] } else { &["source"] };
    let mirror_fields = [ends, &["sourceConnector", "checkpointConnector"], &PATTERNS].concat();
    for mirror in spec.field("mirrors").map(Node::items).unwrap_or_default() {
        unknown("a mirror", mirror, &mirror_fields, findings);
        if let Some(source) = mirror.field("source") {
            unknown("source", source, &CLUSTER, findings);
        }
        for (key, connector) in mirror.fields().iter().filter(|(key, _)| key.name.ends_with("Connector")) {
            unknown(&key.name, connector, &CONNECTOR, findings);
        }
    }
}

fn unknown(what: &str, node: &Node, known: &[&str], findings: &mut Vec<Finding>) {
    for (key, _) in node.fields().iter().filter(|(key, _)| !known.contains(&key.name.as_str())) {
        if key.name == "heartbeatConnector" {
            let remedy = "Strimzi's v1 has no heartbeats; use the shape of v1beta2, or create the connector over REST";
            findings.push(Finding::warning(
                Some(key.line),
                "heartbeatConnector has no effect in a v1 resource",
                remedy,
            ));
            continue;
        }
        let meant = did_you_mean(&key.name, known.iter().copied());
        let what = format!("{what} has an unknown field {}{meant}", key.name);
        findings.push(Finding::warning(Some(key.line), what, "it has no effect: correct or remove it"));
    }
}
