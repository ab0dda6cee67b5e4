//! From a file to what is to run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use connect_api::ConfigMap;
use connect_runtime::config_providers::{ConfigResolver, SecretSource};
use connect_runtime::worker_config::{WorkerConfig, WorkerConfigError};
use mirror_files::mm2::Mm2;
use mirror_files::strimzi::OffsetsRequest;
use mirror_files::{FileError, Finding, Flow, Severity, properties, strimzi};

use super::config_maps::Texts;
use super::secrets::SecretTexts;
use crate::java_options::allow_oauth_urls_of;
use crate::logging::log4j_levels;

/// What the command line says beside the file.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// Targets to run flows to; none means all.
    pub(crate) clusters: Vec<String>,
    /// Secrets as `DIR/<secret>/<key>`.
    pub(crate) secrets_dir: Option<PathBuf>,
    /// ConfigMaps as `DIR/<config map>/<key>`.
    pub(crate) config_maps_dir: Option<PathBuf>,
    /// Settings that win over those of the file.
    pub(crate) set: BTreeMap<String, String>,
}

/// Where values come from that the command line gives.
pub(crate) const SET: &str = "--set";

/// What a file asks for.
pub(crate) struct Mirroring {
    /// Groups with their connectors.
    pub(crate) flows: Vec<Flow>,
    /// What listens.
    pub(crate) front: Front,
    /// The file, if it is an `mm2.properties`.
    pub(crate) mm2: Option<Mm2>,
    /// Where secrets come from that the file names by Kubernetes' names.
    pub(crate) secrets: Option<Arc<dyn SecretSource>>,
    /// Where ConfigMaps are that the file names.
    pub(crate) config_maps: Texts,
    /// What the file wants done with the offsets of a connector.
    pub(crate) offsets: Option<OffsetsRequest>,
    /// Loggers and the levels that the file gives them.
    pub(crate) levels: Vec<(String, String)>,
    /// What the file's owner should know.
    pub(crate) findings: Vec<Finding>,
}

/// What the workers of a file listen on.
pub(crate) enum Front {
    /// Nothing: there is one node.
    Nothing,
    /// Requests of other nodes, with these settings (MirrorMaker's dedicated mode).
    Internal(ConfigMap),
    /// The whole REST API (Strimzi's workers).
    Public,
}

/// Reads a file, which of the two kinds it is by its content.
pub(crate) fn load(file: &Path, options: &Options) -> Result<Mirroring, FileError> {
    let bytes = std::fs::read(file).map_err(|error| FileError::at(None, format!("cannot be read: {error}")))?;
    match std::str::from_utf8(&bytes) {
        Ok(text) if strimzi::is_kubernetes(text) => resource(text, options),
        _ => mm2(&bytes, options),
    }
}

fn mm2(bytes: &[u8], options: &Options) -> Result<Mirroring, FileError> {
    let mut given = properties::read(bytes)?;
    given.put_all(options.set.clone(), SET);
    let config = given.to_config();
    let at = |message: String| FileError::at(given.line("config.providers"), message);
    let resolver = ConfigResolver::from_worker(&config).map_err(at)?;
    let resolved = resolver.resolve(&config).map_err(|error| at(error.to_string()))?;
    let mm2 = Mm2::new(given, resolved)?;
    Ok(Mirroring {
        flows: mm2.flows(&options.clusters)?,
        front: mm2.internal_rest().map_or(Front::Nothing, Front::Internal),
        mm2: Some(mm2),
        secrets: None,
        config_maps: Texts::default(),
        offsets: None,
        levels: Vec::new(),
        findings: Vec::new(),
    })
}

fn resource(text: &str, options: &Options) -> Result<Mirroring, FileError> {
    let mut resource = strimzi::read(text)?;
    resource.flow.worker.put_all(options.set.clone(), SET);
    let config_maps = Texts::new(resource.config_maps, options.config_maps_dir.as_deref());
    if let Some(wanted) = resource.external_levels {
        match config_maps.get(&wanted) {
            Ok(text) => resource.levels = log4j_levels(&properties::read(text.as_bytes())?.to_config()),
            Err(error) => resource.findings.push(Finding::warning(
                Some(wanted.line),
                format!("logging of type external: {error}"),
                "or use type inline, or --log-level",
            )),
        }
    }
    let secrets = SecretTexts::new(resource.secrets, options.secrets_dir.as_deref());
    let mut findings = resource.findings;
    findings.extend(secrets.missing());
    if !options.clusters.is_empty() {
        let remedy = "a KafkaMirrorMaker2 has one target: leave the option out";
        findings.push(Finding::warning(None, "--clusters has no effect", remedy));
    }
    Ok(Mirroring {
        flows: vec![resource.flow],
        front: Front::Public,
        mm2: None,
        secrets: Some(Arc::new(secrets)),
        config_maps,
        offsets: resource.offsets,
        levels: resource.levels,
        findings,
    })
}

impl Mirroring {
    /// Why the file can't be run, if so.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.severity == Severity::Error)
    }

    /// The worker of a flow. What it allows to its clients is allowed from now on.
    pub(crate) fn worker(&self, flow: &Flow) -> Result<WorkerConfig, FileError> {
        let properties = flow.worker.to_config();
        let worker = WorkerConfig::from_properties_with(properties, self.secrets.as_ref());
        worker.inspect(allow_oauth_urls_of).map_err(|error| {
            let of = |key: &str| flow.worker.line(key);
            let line = match &error {
                WorkerConfigError::Problems(problems) => problems.iter().find_map(|problem| of(&problem.key)),
                WorkerConfigError::Invalid { key, .. } => of(key),
                WorkerConfigError::Unreadable { .. } => None,
            };
            FileError::at(line, format!("the worker of {}: {error}", flow.name))
        })
    }
}
