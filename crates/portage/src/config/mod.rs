//! `portage config show|check FILE`: what a file comes to, and what is wrong with it. The file is one of a worker, an
//! `mm2.properties`, or a Strimzi `KafkaMirrorMaker2`.

mod check;
mod online;
mod show;

use std::path::Path;

use connect_runtime::worker_config::WorkerConfig;
use mirror_files::{FileError, Flow, Settings, properties, strimzi};

use crate::mirror::load::{self, Front, Mirroring, Options};
use crate::worker::environment;

pub(crate) use check::{check, offline};
pub(crate) use show::show;

/// How `show` and `check` answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// One JSON document.
    Json,
}

/// Reads any of the files that Portage runs. A worker's file is a flow without connectors.
fn load(file: &Path, options: &Options) -> Result<Mirroring, FileError> {
    let bytes = std::fs::read(file).map_err(|error| FileError::at(None, format!("cannot be read: {error}")))?;
    let is_resource = std::str::from_utf8(&bytes).is_ok_and(strimzi::is_kubernetes);
    if !is_resource {
        let given = properties::read(&bytes)?;
        if given.get("clusters").is_none() && given.get("group.id").is_some() {
            return Ok(worker_file(file, given, options));
        }
    }
    load::load(file, options)
}

fn worker_file(file: &Path, mut worker: Settings, options: &Options) -> Mirroring {
    worker.put_all(environment(), "CONNECT_* of the environment");
    worker.put_all(options.set.clone(), load::SET);
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Mirroring {
        flows: vec![Flow { name, pair: None, worker, connectors: Vec::new() }],
        front: Front::Public,
        mm2: None,
        secrets: None,
        config_maps: Default::default(),
        offsets: None,
        levels: Vec::new(),
        findings: Vec::new(),
    }
}

/// The worker of a flow, whose listeners are not bound.
fn worker(mirroring: &Mirroring, flow: &Flow) -> Result<WorkerConfig, FileError> {
    mirroring.worker(flow)
}
