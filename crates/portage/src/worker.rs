//! `portage worker FILE`: bind, start, serve, stop.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use connect_herder::service::HerderService;
use connect_rest::Server;
use connect_runtime::loggers::Loggers;
use connect_runtime::worker::{RunningWorker, Worker};
use connect_runtime::worker_config::{
    WorkerConfig, WorkerConfigError, environment_levels, environment_overrides, read_properties,
};
use kafka_client::Budget;
use tokio::sync::{oneshot, watch};
use tracing::{error, info, warn};

use crate::exit;
use crate::java_options::allow_oauth_urls_of;
use crate::peers::Peers;
use crate::plugins::plugins;
use crate::rest::{listen, peer_tls};
use crate::signals::Signals;

/// Runs a worker until it is told to stop, and answers with the exit code.
pub(crate) async fn run(
    file: Option<&Path>,
    set: Vec<(String, String)>,
    loggers: Arc<Loggers>,
    until_stdin_closes: bool,
) -> u8 {
    let config = match properties(file, set).and_then(WorkerConfig::from_properties) {
        Ok(config) => config,
        Err(error) => {
            let file = file.map_or_else(|| "the environment".to_owned(), |file| file.display().to_string());
            error!(file, "the worker's configuration can't be used; correct it and start again: {error}");
            return exit::FATAL;
        }
    };
    allow_oauth_urls_of(&config);
    for (logger, level) in environment_levels(std::env::vars_os().filter_map(text)) {
        if loggers.set(&logger, &level, 0).is_none() {
            warn!(logger, level, "unknown log level in CONNECT_LOG4J_*, left as it was");
        }
    }
    for key in config.unknown_keys() {
        warn!(key, "unknown worker key, ignored");
    }
    let (config, servers) = match listen(config).await {
        Ok(bound) => bound,
        Err((code, error)) => {
            error!("the REST API can't be served; see to this and start again: {error}");
            return code;
        }
    };
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => {
            error!(%error, "cannot listen for signals; look at the limits of the process and start again");
            return exit::FATAL;
        }
    };
    let peers = match peer_tls(&config) {
        Ok(tls) => Arc::new(Peers::new(tls)),
        Err(error) => {
            error!("requests to other workers can't use TLS; correct the keys of listeners.https: {error}");
            return exit::FATAL;
        }
    };
    let budget = Budget::new(config.memory_bytes() as u64);
    let worker = match Worker::start(config, plugins(&budget), loggers, peers, budget) {
        Ok(worker) => worker,
        Err(error) => {
            error!("the worker's configuration can't be used; correct it and start again: {error}");
            return exit::FATAL;
        }
    };
    let (stop_serving, serving) = serve(servers, &worker);

    let failed = tokio::select! {
        failed = worker.wait_fatal() => Some(failed),
        () = signals.next() => None,
        () = stdin_closed(), if until_stdin_closes => None,
    };
    if let Some(failed) = failed {
        error!("the worker can't go on; see to this and start it again: {failed}");
        return exit::FAILED;
    }
    info!("stopping; a second signal ends at once");
    stop_serving.send_replace(true);
    tokio::select! {
        code = stop(&worker, serving) => code,
        () = signals.next() => exit::KILLED,
    }
}

/// The worker's keys: the command line wins over the environment, and that over the file.
pub(crate) fn properties(
    file: Option<&Path>,
    set: Vec<(String, String)>,
) -> Result<BTreeMap<String, String>, WorkerConfigError> {
    let mut properties = file.map(read_properties).transpose()?.unwrap_or_default();
    properties.extend(environment());
    properties.extend(set);
    Ok(properties)
}

/// The keys that `CONNECT_*` variables stand for.
pub(crate) fn environment() -> BTreeMap<String, String> {
    environment_overrides(std::env::vars_os().filter_map(text))
}

/// Variables that are no text are nobody's keys.
fn text((name, value): (OsString, OsString)) -> Option<(String, String)> {
    Some((name.into_string().ok()?, value.into_string().ok()?))
}

type Serving = Vec<tokio::task::JoinHandle<()>>;

fn serve(servers: Vec<Server>, worker: &RunningWorker) -> (watch::Sender<bool>, Serving) {
    let (stop, stopping) = watch::channel(false);
    let serving = servers.into_iter().map(|server| {
        let service: Arc<dyn HerderService> = Arc::new(worker.service());
        let mut stopping = stopping.clone();
        tokio::spawn(server.serve(service, async move {
            // No sender left means the worker is gone, which ends serving too.
            let _ = stopping.wait_for(|stop| *stop).await;
        }))
    });
    let serving = serving.collect();
    (stop, serving)
}

async fn stop(worker: &RunningWorker, serving: Serving) -> u8 {
    let code = match worker.shutdown().await {
        Ok(()) => exit::OK,
        Err(error) => {
            error!(
                "the worker did not stop in order; start it again when you want: nothing is lost, but records may repeat: {error}"
            );
            exit::FAILED
        }
    };
    for server in serving {
        let _ = tokio::time::timeout(Duration::from_secs(1), server).await;
    }
    info!("stopped");
    code
}

async fn stdin_closed() {
    let (closed, closing) = oneshot::channel();
    // A read can't be called off; the thread ends with the process.
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        let _ = closed.send(());
    });
    let _ = closing.await;
}
