//! Strimzi's `KafkaMirrorMaker2` without Kubernetes, in both shapes: v1beta2 (`clusters`, `connectCluster`) and v1 (`target`).
//!
//! Group, topic and connector names and every value in the connector configs are those that Strimzi's operator derives, with
//! the same references to secrets, so that either can take over from the other. Secrets come from `Secret` documents of the
//! same file, or from a directory that the caller reads ([`Secrets`]).

mod clusters;
mod config_maps;
mod connectors;
mod fields;
mod oauth;
mod secrets;
mod worker;

use std::collections::BTreeSet;

use crate::finding::{FileError, Finding};
use crate::flow::Flow;
use crate::yaml::{self, Node};

use clusters::Cluster;
pub use config_maps::{ConfigMapKey, ConfigMaps, OffsetsAction, OffsetsRequest};
pub use secrets::{Reference, Secrets};

const KIND: &str = "KafkaMirrorMaker2";

/// Name of the config provider that Strimzi refers to secrets by: `${strimzisecrets:namespace/secret:key}`.
pub const SECRETS_PROVIDER: &str = "strimzisecrets";

/// A `KafkaMirrorMaker2` and what stands around it in its file.
#[derive(Debug, Clone)]
pub struct Resource {
    /// The one worker group, with the connectors of all mirrors.
    pub flow: Flow,
    /// Where secrets come from.
    pub secrets: Secrets,
    /// ConfigMaps of the file itself.
    pub config_maps: ConfigMaps,
    /// What its annotations want done with the offsets of a connector.
    pub offsets: Option<OffsetsRequest>,
    /// `spec.logging`: loggers and levels, `root` for all.
    pub levels: Vec<(String, String)>,
    /// The log4j file with the levels, for `spec.logging` of type external.
    pub external_levels: Option<ConfigMapKey>,
    /// What the file's owner should know.
    pub findings: Vec<Finding>,
}

/// Whether a text is YAML of Kubernetes, rather than a properties file.
#[must_use]
pub fn is_kubernetes(text: &str) -> bool {
    let first = text.lines().map(str::trim_end).find(|line| !line.is_empty() && !line.starts_with('#'));
    let opens = first.is_some_and(|line| line == "---" || line.starts_with('{') || line.starts_with("--- "));
    opens || text.lines().any(|line| line.starts_with("kind:") || line.starts_with("apiVersion:"))
}

/// What the derivation has gathered so far.
struct Context {
    namespace: String,
    name: String,
    secrets: Secrets,
    findings: Vec<Finding>,
    /// Where its clients get tokens from.
    oauth_urls: BTreeSet<String>,
}

/// Reads a file.
///
/// # Errors
/// What is no YAML, holds no `KafkaMirrorMaker2` or more than one, or one that can't be run; with the line.
pub fn read(text: &str) -> Result<Resource, FileError> {
    let documents = yaml::read(text)?;
    let mut findings = Vec::new();
    let (mut resource, mut secrets, mut config_maps) = (None, Secrets::default(), ConfigMaps::new());
    for document in &documents {
        let kind = document.field("kind").and_then(Node::text).unwrap_or("document without a kind");
        let name = metadata(document, "name").unwrap_or_default();
        match kind {
            KIND if resource.is_some() => {
                let message = format!("a second {KIND} ({name}): put each into a file of its own");
                return Err(FileError::at(document.line, message));
            }
            KIND => resource = Some(document),
            "Secret" => secrets.read(document)?,
            "ConfigMap" => config_maps::read(document, &mut config_maps)?,
            _ => findings.push(Finding::note(
                Some(document.line),
                format!("{kind} {name} is not used"),
                "it means something to Kubernetes only",
            )),
        }
    }
    let resource = resource.ok_or_else(|| FileError::at(None, format!("the file has no {KIND}")))?;
    let context = Context {
        namespace: metadata(resource, "namespace").unwrap_or("default").to_owned(),
        name: metadata(resource, "name").unwrap_or("mirror").to_owned(),
        secrets,
        findings,
        oauth_urls: BTreeSet::new(),
    };
    let resource = derive(resource, context)?;
    Ok(Resource { config_maps, ..resource })
}

fn metadata<'a>(document: &'a Node, field: &str) -> Option<&'a str> {
    document.field("metadata")?.field(field)?.text()
}

fn derive(resource: &Node, mut context: Context) -> Result<Resource, FileError> {
    let spec = required(resource, "spec")?;
    let shape = Shape::of(spec)?;
    fields::check(spec, &shape, &mut context.findings);
    let target = shape.target(spec)?;
    let mut flow = Flow {
        name: context.name.clone(),
        pair: None,
        worker: worker::derive(&target, &shape, &mut context)?,
        connectors: Vec::new(),
    };
    for mirror in required(spec, "mirrors")?.items() {
        let source = shape.source(spec, mirror, &target)?;
        flow.connectors.extend(connectors::derive(mirror, &source, &target, &shape, &mut context)?);
    }
    if flow.connectors.is_empty() {
        let message = "no mirror has a sourceConnector: there is nothing to run";
        return Err(FileError::at(spec.line, message));
    }
    worker::allow(&context.oauth_urls, &mut flow.worker);
    let offsets = config_maps::request(resource, &flow.connectors, &mut context.findings)?;
    let logging = spec.field("logging");
    context.findings.extend(logging.and_then(worker::nameless));
    let Context { secrets, findings, .. } = context;
    Ok(Resource {
        flow,
        secrets,
        config_maps: ConfigMaps::new(),
        offsets,
        levels: logging.map(worker::levels).unwrap_or_default(),
        external_levels: logging.and_then(worker::external),
        findings,
    })
}

/// Which version of the resource a file has. What is said stands for it, whatever its `apiVersion`.
enum Shape {
    /// v1beta2: a list of clusters, of which `connectCluster` is the target.
    Clusters,
    /// v1: a target, and a source for each mirror.
    Target,
}

impl Shape {
    fn of(spec: &Node) -> Result<Self, FileError> {
        match (spec.field("target"), spec.field("clusters")) {
            (Some(_), None) => Ok(Shape::Target),
            (None, Some(_)) => Ok(Shape::Clusters),
            (Some(target), Some(_)) => {
                let message = "spec has both target (v1) and clusters (v1beta2): keep one of the two shapes";
                Err(FileError::at(target.line, message))
            }
            (None, None) => Err(FileError::at(spec.line, "spec has neither target (v1) nor clusters (v1beta2)")),
        }
    }

    fn target<'a>(&self, spec: &'a Node) -> Result<Cluster<'a>, FileError> {
        match self {
            Shape::Target => Cluster::new(required(spec, "target")?),
            Shape::Clusters => find(spec, required_text(spec, "connectCluster")?),
        }
    }

    fn source<'a>(&self, spec: &'a Node, mirror: &'a Node, target: &Cluster) -> Result<Cluster<'a>, FileError> {
        if let Shape::Target = self {
            return Cluster::new(required(mirror, "source")?);
        }
        let to = required_text(mirror, "targetCluster")?;
        if to.0 != target.alias {
            let message = format!("targetCluster {} must be the connectCluster, {}", to.0, target.alias);
            return Err(FileError::at(to.1, message));
        }
        find(spec, required_text(mirror, "sourceCluster")?)
    }
}

/// A cluster of v1beta2 by its alias.
fn find<'a>(spec: &'a Node, (alias, line): (&str, usize)) -> Result<Cluster<'a>, FileError> {
    let clusters = spec.field("clusters").map(Node::items).unwrap_or_default();
    for node in clusters {
        let cluster = Cluster::new(node)?;
        if cluster.alias == alias {
            return Ok(cluster);
        }
    }
    let known: Vec<&str> = clusters.iter().filter_map(|node| node.field("alias")?.text()).collect();
    Err(FileError::at(line, format!("{alias} is none of the clusters: {}", known.join(", "))))
}

fn required<'a>(node: &'a Node, name: &str) -> Result<&'a Node, FileError> {
    node.field(name).ok_or_else(|| FileError::at(node.line, format!("{name} is missing")))
}

fn required_text<'a>(node: &'a Node, name: &str) -> Result<(&'a str, usize), FileError> {
    let field = required(node, name)?;
    let text = field.text().ok_or_else(|| FileError::at(field.line, format!("{name} must be text")))?;
    Ok((text, field.line))
}

#[cfg(test)]
mod tests;
