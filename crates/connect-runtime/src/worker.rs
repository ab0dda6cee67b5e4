//! A whole worker: from its config to its end.
//!
//! [`Worker::start`] returns at once; the [`Service`] answers from the first moment, saying that the worker is starting.
//! Behind it run two tasks: the *driver* (what to do) and the *backstage* (the topics and the group that it does it with).
//! The worker ends when it is told to, when nobody holds it any more, or when it can't go on.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use connect_api::PluginRegistry;
use connect_herder::Event;
use connect_herder::herder::Herder;
use kafka_client::{Budget, ClientConfig, ConfigError};
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tracing::{Instrument, info, info_span, warn};

use crate::backstage::Backstage;
use crate::driver::ports::Ports;
use crate::driver::{Driver, Ended, Inbox, Tools};
use crate::herder_settings;
use crate::loggers::Loggers;
use crate::peer::PeerClient;
use crate::plugin_call::{Guarded, deadline};
use crate::service::{COMMANDS_MAX, Service, Shared};
use crate::signature::MacAlgorithm;
use crate::source_task::threads::DataThreads;
use crate::source_task::{self, TaskEnvironment};
use crate::storage::OffsetStore;
use crate::worker_config::WorkerConfig;

/// How long last statuses and the farewell to the group may take once everything has stopped. More than the client's own
/// patience with a LeaveGroup, 3 s.
const FAREWELL: Duration = Duration::from_secs(4);

/// Why a worker can't start or go on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WorkerError {
    /// The worker config names a client key with a value that can't be used.
    #[error(transparent)]
    Client(#[from] ConfigError),
    /// A worker key has a value that can't be used.
    #[error("invalid {key}: {reason}")]
    Config {
        /// The key.
        key: &'static str,
        /// What is wrong and what is expected.
        reason: String,
    },
    /// Something that only a change of the cluster or the config cures; the sentence says which.
    #[error("{0}")]
    Fatal(String),
}

/// Where workers come from.
pub struct Worker;

/// A worker from start to end. Dropping it shuts it down and waits for nothing.
pub struct RunningWorker {
    service: Service,
    events: mpsc::UnboundedSender<Event>,
    ended: watch::Receiver<Option<Result<(), WorkerError>>>,
    /// The longest that a shutdown can take.
    patience: Duration,
}

impl Worker {
    /// Starts a worker. Must be called within a tokio runtime. `budget` bounds the record bytes of all its tasks.
    ///
    /// # Errors
    /// The config can't work. That the brokers can't be reached is no error: the worker goes on trying, and says so.
    pub fn start(
        config: WorkerConfig,
        plugins: PluginRegistry,
        loggers: Arc<Loggers>,
        peers: Arc<dyn PeerClient>,
        budget: Budget,
    ) -> Result<RunningWorker, WorkerError> {
        check_algorithms(&config)?;
        let client = ClientConfig::parse(&config.storage_client_properties())?;
        let worker = Arc::new(config);

        let (events, happened) = mpsc::unbounded_channel();
        let (commands, commanded) = mpsc::channel(COMMANDS_MAX);
        let (driver_ports, ports) = Ports::new();
        let (offsets, offsets_end) = OffsetStore::new();
        let (stage, startup) = watch::channel("connecting to the Kafka cluster");
        let cluster_id = Arc::new(OnceLock::new());

        let herder = Herder::new(herder_settings::settings(&worker, &plugins));
        let (views, view) = watch::channel(Arc::new(herder.view()));
        let environment = TaskEnvironment::new(Arc::clone(&worker), offsets.clone(), budget);
        let environment = environment.with_threads(DataThreads::of_all_cores());
        let environment = Arc::new(environment);
        let service = Service::new(Shared {
            worker: Arc::clone(&worker),
            plugins: plugins.clone(),
            loggers: Arc::clone(&loggers),
            commands,
            view,
            offsets: offsets.clone(),
            environment: Arc::clone(&environment),
            cluster_id: Arc::clone(&cluster_id),
        });
        let inbox = Inbox { commands: commanded, events: happened, startup };
        let metrics = Arc::clone(&environment.metrics);
        let tools = Tools {
            worker: Arc::clone(&worker),
            plugins,
            environment,
            task_body: |spec| Box::pin(source_task::run(spec)),
            peers,
            loggers,
            ports: driver_ports,
            events: events.clone(),
        };
        let driver = Driver::new(herder, inbox, tools, views);
        let (patience, worker_id) = (patience(&worker), worker.worker_id());
        let backstage = Backstage {
            worker,
            client,
            offsets,
            offsets_end,
            ports,
            events: events.clone(),
            stage,
            cluster_id,
            metrics,
        };

        let (end, ended) = watch::channel(None);
        let running = run(driver, backstage, events.clone());
        let span = info_span!("worker", %worker_id);
        tokio::spawn(async move { end.send_replace(Some(running.await)) }.instrument(span));
        Ok(RunningWorker { service, events, ended, patience })
    }
}

impl RunningWorker {
    /// The worker as the REST API sees it.
    #[must_use]
    pub fn service(&self) -> Service {
        self.service.clone()
    }

    /// Stops everything, leaves the group and waits for the end: `task.shutdown.graceful.timeout.ms` and a few seconds at
    /// most.
    ///
    /// # Errors
    /// The worker had failed before, or did not end in time.
    pub async fn shutdown(&self) -> Result<(), WorkerError> {
        self.tell_to_end();
        let patience = self.patience;
        timeout(patience, self.ended()).await.unwrap_or_else(|_| {
            Err(WorkerError::Fatal(format!("the worker did not stop within {} s", patience.as_secs())))
        })
    }

    /// Waits until the worker can't go on; for ever, if it never comes to that.
    pub async fn wait_fatal(&self) -> WorkerError {
        match self.ended().await {
            Ok(()) => std::future::pending().await,
            Err(error) => error,
        }
    }

    async fn ended(&self) -> Result<(), WorkerError> {
        let mut ended = self.ended.clone();
        let ended = ended.wait_for(Option::is_some).await.map(|ended| ended.clone());
        let gone = || WorkerError::Fatal("the worker's task ended abnormally".to_owned());
        ended.ok().flatten().unwrap_or_else(|| Err(gone()))
    }

    fn tell_to_end(&self) {
        // If nobody hears it, the worker has ended already.
        let _ = self.events.send(Event::ShutDown);
    }
}

impl Drop for RunningWorker {
    fn drop(&mut self) {
        self.tell_to_end();
    }
}

/// The longest that a shutdown can take.
fn patience(worker: &WorkerConfig) -> Duration {
    worker.task_shutdown_graceful_timeout().max(deadline::STOP) + deadline::STOP + FAREWELL
}

async fn run(driver: Driver, backstage: Backstage, events: mpsc::UnboundedSender<Event>) -> Result<(), WorkerError> {
    let mut driver = Guarded::spawn(driver.run());
    let mut backstage = Guarded::spawn(backstage.run());
    let ended = tokio::select! {
        biased;
        ended = &mut driver => driver_ended(ended),
        failed = &mut backstage => {
            let failed = match failed {
                Ok(failed) => failed,
                Err(error) => Err(WorkerError::Fatal(format!("the storage topics are not served any more: {error}"))),
            };
            // If it has not failed, it has seen the driver's end before us.
            let _ = events.send(Event::ShutDown);
            return failed.and(driver_ended(driver.await));
        }
    };
    // The driver's ends of the ports are gone: what is backstage finishes and ends.
    match timeout(FAREWELL, backstage).await {
        Ok(_) => info!("worker stopped"),
        Err(_) => warn!("worker stopped without a word to the cluster: it could not be reached in time"),
    }
    ended
}

fn driver_ended(ended: Result<Ended, tokio::task::JoinError>) -> Result<(), WorkerError> {
    match ended {
        Ok(ended) => ended.map_err(WorkerError::Fatal),
        Err(error) => Err(WorkerError::Fatal(format!("the worker's loop ended abnormally: {error}"))),
    }
}

/// Every algorithm that the worker is to use has to be one that it knows (Java checks the same against its JVM).
fn check_algorithms(config: &WorkerConfig) -> Result<(), WorkerError> {
    let known = |key: &'static str, name: &str| match MacAlgorithm::find(name) {
        Some(algorithm) => Ok(algorithm),
        None => Err(WorkerError::Config {
            key,
            reason: format!("{name} is not supported; use HmacSHA256, HmacSHA384 or HmacSHA512"),
        }),
    };
    known("inter.worker.key.generation.algorithm", config.key_generation_algorithm())?;
    let signing = known("inter.worker.signature.algorithm", config.signature_algorithm())?;
    const VERIFICATION: &str = "inter.worker.verification.algorithms";
    let mut verified = Vec::new();
    for name in config.verification_algorithms() {
        verified.push(known(VERIFICATION, name)?);
    }
    if !verified.contains(&signing) {
        let reason = format!("must contain inter.worker.signature.algorithm, which is {}", signing.as_str());
        return Err(WorkerError::Config { key: VERIFICATION, reason });
    }
    Ok(())
}
