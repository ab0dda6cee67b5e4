//! What a resource reads from and writes to ConfigMaps: offsets of connectors, and log levels. Outside of Kubernetes a ConfigMap
//! is a document of the same file, or a directory that the caller reads and writes.

use std::collections::BTreeMap;

use super::connectors::{CONNECTORS, name};
use super::metadata;
use crate::finding::{FileError, Finding};
use crate::flow::{Connector, RunState};
use crate::yaml::Node;

/// What is to be done (`list`, `alter`, `reset`), and for which connector: annotations of the resource, as for Strimzi's operator.
const ACTION: &str = "strimzi.io/connector-offsets";
const CONNECTOR: &str = "strimzi.io/mirrormaker-connector";

/// Texts of ConfigMaps by name and key.
pub type ConfigMaps = BTreeMap<String, BTreeMap<String, String>>;

/// A key of a ConfigMap, and where it is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigMapKey {
    /// The ConfigMap.
    pub config_map: String,
    /// The key.
    pub key: String,
    /// The line.
    pub line: usize,
}

/// What the annotations of a resource ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetsRequest {
    /// The connector, one of the resource's.
    pub connector: String,
    /// What is to be done.
    pub action: OffsetsAction,
}

/// What is to be done with the offsets of a connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OffsetsAction {
    /// `GET /connectors/{c}/offsets` into a ConfigMap.
    List(ConfigMapKey),
    /// `PATCH /connectors/{c}/offsets` with what stands in a ConfigMap; the connector is stopped.
    Alter(ConfigMapKey),
    /// `DELETE /connectors/{c}/offsets`; the connector is stopped.
    Reset,
}

/// Takes over a `ConfigMap` document.
pub(super) fn read(document: &Node, maps: &mut ConfigMaps) -> Result<(), FileError> {
    let name = metadata(document, "name");
    let name = name.ok_or_else(|| FileError::at(document.line, "the ConfigMap has no metadata.name"))?;
    let keys = maps.entry(name.to_owned()).or_default();
    for (key, value) in document.field("data").map(Node::fields).unwrap_or_default() {
        keys.insert(key.name.clone(), value.text().unwrap_or_default().to_owned());
    }
    Ok(())
}

/// The key under which the operator keeps the offsets of a connector.
fn offsets_key(connector: &str) -> String {
    format!("{}.json", connector.replace("->", "--"))
}

/// What the annotations ask for; and what is to be said of `listOffsets` and `alterOffsets` that nobody asks for.
pub(super) fn request(
    resource: &Node,
    connectors: &[Connector],
    findings: &mut Vec<Finding>,
) -> Result<Option<OffsetsRequest>, FileError> {
    let annotations = resource.field("metadata").and_then(|metadata| metadata.field("annotations"));
    let annotation = |name: &str| annotations.and_then(|annotations| annotations.field(name));
    let Some(action) = annotation(ACTION) else {
        findings.extend(idle(resource));
        return Ok(None);
    };
    let wanted = annotation(CONNECTOR).and_then(Node::text).unwrap_or_default();
    let Some(connector) = connectors.iter().find(|connector| connector.name == wanted) else {
        let known: Vec<&str> = connectors.iter().map(|connector| connector.name.as_str()).collect();
        let message = format!("{ACTION} needs {CONNECTOR} beside it, one of {}", known.join(", "));
        return Err(FileError::at(action.line, message));
    };
    let place = |field: &str, inside: &str| {
        let node = of_connector(resource, wanted).and_then(|node| node.field(field)?.field(inside)?.field("name"));
        let found = node.and_then(|node| Some((node.text()?, node.line)));
        let (config_map, line) = found.ok_or_else(|| {
            FileError::at(action.line, format!("{wanted} has no {field}.{inside}.name: say which ConfigMap"))
        })?;
        Ok(ConfigMapKey { config_map: config_map.to_owned(), key: offsets_key(wanted), line })
    };
    let action = match action.text().unwrap_or_default() {
        "list" => OffsetsAction::List(place("listOffsets", "toConfigMap")?),
        "alter" => OffsetsAction::Alter(place("alterOffsets", "fromConfigMap")?),
        "reset" => OffsetsAction::Reset,
        other => {
            let message = format!("{ACTION} is {other}; it must be list, alter or reset");
            return Err(FileError::at(action.line, message));
        }
    };
    if connector.state != Some(RunState::Stopped) && !matches!(action, OffsetsAction::List(_)) {
        let line = annotation(ACTION).map(|node| node.line);
        let what = format!("the offsets of {wanted} are not changed: it is not stopped");
        findings.push(Finding::warning(line, what, "set its state to stopped, or remove the annotation"));
        return Ok(None);
    }
    Ok(Some(OffsetsRequest { connector: wanted.to_owned(), action }))
}

/// The fields of a connector by its name.
fn of_connector<'a>(resource: &'a Node, wanted: &str) -> Option<&'a Node> {
    let spec = resource.field("spec")?;
    let target = match spec.field("target") {
        Some(target) => target.field("alias")?,
        None => spec.field("connectCluster")?,
    };
    let mirrors = spec.field("mirrors")?.items().iter();
    mirrors.flat_map(|mirror| CONNECTORS.map(|(field, class)| (mirror, field, class))).find_map(
        |(mirror, field, class)| {
            let source = match mirror.field("source") {
                Some(source) => source.field("alias")?,
                None => mirror.field("sourceCluster")?,
            };
            let is_it = name(source.text()?, target.text()?, class) == wanted;
            mirror.field(field).filter(|_| is_it)
        },
    )
}

/// Offsets that nobody has asked for.
fn idle(resource: &Node) -> Vec<Finding> {
    let mirrors = resource.field("spec").and_then(|spec| spec.field("mirrors")).map(Node::items).unwrap_or_default();
    let connectors = mirrors.iter().flat_map(Node::fields).filter(|(key, _)| key.name.ends_with("Connector"));
    let fields = connectors.flat_map(|(_, node)| ["listOffsets", "alterOffsets"].map(|name| (name, node.field(name))));
    let found = fields.filter_map(|(name, node)| Some((name, node?.line)));
    found.map(|(name, line)| {
        let action = name.trim_end_matches("Offsets");
        Finding::note(
            Some(line),
            format!("{name} is not done unless it is asked for, as under Strimzi's operator"),
            format!("annotate the resource with {ACTION}: {action} and {CONNECTOR}: the connector's name, and start again"),
        )
    })
    .collect()
}
