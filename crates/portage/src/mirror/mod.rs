//! `portage mirror FILE`: a worker for each flow of an `mm2.properties` (Java: `MirrorMaker`), or the one worker of a Strimzi
//! `KafkaMirrorMaker2`, in one process.

pub(crate) mod config_maps;
mod configure;
pub(crate) mod load;
mod secrets;

use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use connect_herder::ids::WorkerId;
use connect_herder::service::HerderService;
use connect_rest::{ClientTls, FlowServices, Server, flow_path};
use connect_runtime::loggers::Loggers;
use connect_runtime::peer::PeerClient;
use connect_runtime::worker::{RunningWorker, Worker, WorkerError};
use connect_runtime::worker_config::{WorkerConfig, local_host_name};
use futures_util::future::{join_all, select_all};
use kafka_client::Budget;
use mirror_files::{Finding, Flow, Severity};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

use crate::config;
use crate::exit;
use crate::peers::{NoPeers, Peers};
use crate::plugins::plugins;
use crate::rest::{listen, listen_for_monitoring, peer_tls};
use crate::signals::Signals;
use load::{Front, Mirroring, Options};

/// What Java tells others as the address of a node that can't be asked.
const NO_ADDRESS: &str = "NOTUSED";

/// Runs the flows of a file until it is told to stop, and answers with the exit code.
pub(crate) async fn run(file: &Path, options: &Options, loggers: Arc<Loggers>) -> u8 {
    let mirroring = match load::load(file, options) {
        Ok(mirroring) => mirroring,
        Err(error) => {
            error!(file = %file.display(), "the file can't be used; correct it and start again: {error}");
            return exit::FATAL;
        }
    };
    report(&config::offline(&mirroring));
    if mirroring.refusals().next().is_some() {
        return exit::FATAL;
    }
    for (logger, level) in &mirroring.levels {
        if loggers.set(logger, level, 0).is_none() {
            warn!(logger, level, "unknown log level, left as it was");
        }
    }
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => {
            error!(%error, "cannot listen for signals; look at the limits of the process and start again");
            return exit::FATAL;
        }
    };
    let running = match start(&mirroring, &loggers).await {
        Ok(running) => running,
        Err((code, error)) => {
            error!(file = %file.display(), "cannot start; see to this and start again: {error}");
            return code;
        }
    };
    let failed = tokio::select! {
        failed = running.wait_fatal() => Some(failed),
        () = signals.next() => None,
    };
    if let Some((flow, error)) = failed {
        error!(flow, "the worker can't go on; see to this and start it again: {error}");
        return exit::FAILED;
    }
    info!("stopping; a second signal ends at once");
    tokio::select! {
        code = running.stop() => code,
        () = signals.next() => exit::KILLED,
    }
}

/// Says what is wrong with the file. What is good to know, `config check` says.
fn report(findings: &[Finding]) {
    for Finding { severity, line, what, remedy } in findings {
        match severity {
            Severity::Error => error!(line, "{what}; {remedy}"),
            Severity::Warning => warn!(line, "{what}; {remedy}"),
            Severity::Note => {}
        }
    }
}

/// All workers of this process.
struct Running {
    workers: Vec<(String, RunningWorker)>,
    stop_serving: watch::Sender<bool>,
    serving: Vec<JoinHandle<()>>,
}

async fn start(mirroring: &Mirroring, loggers: &Arc<Loggers>) -> Result<Running, (u8, String)> {
    let unusable = |error: String| (exit::FATAL, error);
    let mut configs = Vec::new();
    for flow in &mirroring.flows {
        configs.push((flow, mirroring.worker(flow).map_err(|error| unusable(error.to_string()))?));
    }
    let (servers, node) = front(mirroring, &mut configs).await?;
    // One budget for the process: the largest that any of its workers is allowed.
    let memory_bytes = configs.iter().map(|(_, config)| config.memory_bytes()).max().unwrap_or_default();
    let budget = Budget::new(memory_bytes as u64);
    let public = matches!(mirroring.front, Front::Public);
    let retire = if public { configure::Retire::OfFlows } else { configure::Retire::Nothing };
    let mut workers = Vec::new();
    for (flow, config) in configs {
        let (config, peers) = place(flow, config, node.as_ref(), public);
        let worker = Worker::start(config, plugins(&budget), Arc::clone(loggers), peers, budget.clone())
            .map_err(|error| unusable(format!("the worker of {}: {error}", flow.name)))?;
        let offsets = mirroring.offsets.clone().map(|request| (request, mirroring.config_maps.clone()));
        tokio::spawn(configure::keep_configured(worker.service(), flow.connectors.clone(), retire, offsets));
        workers.push((flow, worker));
    }
    let (stop_serving, serving) = serve(servers, &workers);
    info!(flows = workers.len(), "mirroring");
    let workers = workers.into_iter().map(|(flow, worker)| (flow.name.clone(), worker)).collect();
    Ok(Running { workers, stop_serving, serving })
}

/// Where other nodes reach this one.
struct Node {
    url: String,
    /// `host:port`.
    name: String,
    tls: Option<ClientTls>,
}

/// Binds what the file wants to listen on.
async fn front(
    mirroring: &Mirroring,
    configs: &mut Vec<(&Flow, WorkerConfig)>,
) -> Result<(Vec<Server>, Option<Node>), (u8, String)> {
    match &mirroring.front {
        Front::Nothing => match configs.first() {
            Some((_, config)) => Ok((listen_for_monitoring(config).await?, None)),
            None => Ok((Vec::new(), None)),
        },
        Front::Internal(rest) => {
            let Some((flow, _)) = configs.first() else { return Ok((Vec::new(), None)) };
            let mut properties = flow.worker.to_config();
            properties.extend(rest.clone());
            let config = WorkerConfig::from_properties(properties).map_err(|error| (exit::FATAL, error.to_string()))?;
            let (config, servers) = listen(config).await?;
            let tls = peer_tls(&config).map_err(|error| (exit::FATAL, error))?;
            let node = Node { url: config.advertised_url(), name: config.worker_id().to_string(), tls };
            Ok((servers, Some(node)))
        }
        Front::Public => {
            let (mut bound, mut all) = (Vec::new(), Vec::new());
            for (flow, config) in configs.drain(..) {
                let (config, servers) = listen(config).await?;
                bound.push((flow, config));
                all.extend(servers);
            }
            *configs = bound;
            Ok((all, None))
        }
    }
}

type Serving = (watch::Sender<bool>, Vec<JoinHandle<()>>);

fn serve(servers: Vec<Server>, workers: &[(&Flow, RunningWorker)]) -> Serving {
    let (stop, stopping) = watch::channel(false);
    let service = |worker: &RunningWorker| -> Arc<dyn HerderService> { Arc::new(worker.service()) };
    let flows: FlowServices =
        workers.iter().filter_map(|(flow, worker)| Some((flow.pair.clone()?, service(worker)))).collect();
    let serving = servers.into_iter().map(|server| {
        let mut stopping = stopping.clone();
        let stop = async move {
            // No sender left means that the workers are gone, which ends serving too.
            let _ = stopping.wait_for(|stop| *stop).await;
        };
        match workers.first().filter(|(flow, _)| flow.pair.is_none()) {
            Some((_, worker)) => tokio::spawn(server.serve(service(worker), stop)),
            None => tokio::spawn(server.serve_flows(flows.clone(), stop)),
        }
    });
    let serving = serving.collect();
    (stop, serving)
}

/// Who a worker is to others, and how it reaches them.
fn place(flow: &Flow, config: WorkerConfig, node: Option<&Node>, public: bool) -> (WorkerConfig, Arc<dyn PeerClient>) {
    match (&flow.pair, node) {
        // What can be wrong with it has been said when it was bound.
        _ if public => {
            let tls = peer_tls(&config).ok().flatten();
            (config, Arc::new(Peers::new(tls)))
        }
        (Some((source, target)), Some(node)) => {
            let id = WorkerId::from(format!("{}/{}", node.name, flow.name));
            (
                config.with_identity(id, node.url.clone()),
                Arc::new(Peers::new(node.tls.clone()).below(flow_path(source, target))),
            )
        }
        _ => {
            let id = WorkerId::from(format!("{}/{}/{:016x}", local_host_name(), flow.name, chance()));
            (config.with_identity(id, NO_ADDRESS.to_owned()), Arc::new(NoPeers))
        }
    }
}

/// What tells two nodes apart that think they have the same name; two containers may, and each is process 1.
fn chance() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

impl Running {
    /// Waits until one of the workers can't go on.
    async fn wait_fatal(&self) -> (&str, WorkerError) {
        let failures = self
            .workers
            .iter()
            .map(|(flow, worker)| Box::pin(async move { (flow.as_str(), worker.wait_fatal().await) }));
        select_all(failures).await.0
    }

    async fn stop(self) -> u8 {
        self.stop_serving.send_replace(true);
        let ends = join_all(self.workers.iter().map(|(_, worker)| worker.shutdown())).await;
        let mut code = exit::OK;
        for ((flow, _), end) in self.workers.iter().zip(ends) {
            if let Err(error) = end {
                error!(
                    flow,
                    "the worker did not stop in order; start it again when you want: nothing is lost, but records may repeat: {error}"
                );
                code = exit::FAILED;
            }
        }
        for server in self.serving {
            let _ = tokio::time::timeout(Duration::from_secs(1), server).await;
        }
        info!("stopped");
        code
    }
}
