//! One source task: records from its plug-in to the target, and its progress into the offsets topic.
//!
//! | file | idea |
//! |---|---|
//! | [`path`](mod@path) | which way a batch takes (pure) |
//! | [`rewrite`](mod@rewrite) | decoding and encoding anew where it must be (pure) |
//! | [`submitted`] | the contiguous acknowledged prefix (pure) |
//! | [`lane`] | what is under way in one partition, and what happens when the target refuses (pure) |
//! | [`waiting`] | small batches that wait become one (pure) |
//! | [`run_loop`] | the loop that owns all of it |
//! | [`intake`], [`sending`] | what it does with what was polled, and with what is to be sent and what comes of it |
//! | [`transaction`] | where transactions begin and end (pure) |
//! | [`exactly_once`] | what exactly-once tasks do beside: fencing, transactions, offsets in them |
//! | [`records`] | single records to batches |
//! | [`stats`] | what has been counted |
//! | [`strands`] | a task on several threads |
//! | [`threads`] | where tasks run |
//!
//! A task owns everything it touches; acknowledgements return into the loop that sent, so nothing is locked.

pub(crate) mod exactly_once;
mod intake;
pub mod lane;
pub mod path;
pub mod records;
pub mod rewrite;
mod run_loop;
mod sending;
pub mod stats;
pub mod strands;
pub mod submitted;
pub mod threads;
pub mod transaction;
pub mod waiting;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use connect_api::metrics::MetricSource;
use connect_api::plugin::DynSourcePlugin;
use connect_api::record::{SourceOffset, SourcePartition};
use connect_api::source::{BoxFuture, DynSourceTask, PartitionFault, SourceTaskContext};
use connect_api::{ConfigMap, ConnectError};
use connect_herder::HerderError;
use connect_herder::config_log::TargetState;
use connect_herder::ids::TaskId;
use connect_herder::settings::ExactlyOnce;
use dashmap::DashMap;
use kafka_client::budget::Budget;
use kafka_client::cluster::Cluster;
use kafka_client::config::ClientConfig;
use kafka_client::producer::{Producer, ProducerOptions};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{oneshot, watch};
use tracing::{info, warn};

use crate::metrics::{DataProducer, Metrics};
use crate::record_path::RecordPath;
use crate::storage::OffsetStore;
use crate::storage::connector_offsets::ConnectorOffsets;
use crate::topic_creation::{CreationGroups, TopicCreation};
use crate::worker_config::WorkerConfig;
use exactly_once::ExactlyOnceTask;
use run_loop::RunLoop;
use stats::TaskStats;
use strands::Strand;
use threads::DataThreads;

/// What all tasks of a worker share.
pub struct TaskEnvironment {
    /// The worker's configuration.
    pub worker: Arc<WorkerConfig>,
    /// Where progress is stored.
    pub offsets: OffsetStore,
    /// The bytes that may be between two brokers at one time.
    pub budget: Budget,
    /// What running tasks have counted, each of their strands for itself.
    pub stats: DashMap<TaskId, Vec<Arc<TaskStats>>>,
    /// Who else has numbers to show.
    pub metrics: Arc<Metrics>,
    /// Where tasks run.
    pub threads: DataThreads,
}

impl TaskEnvironment {
    /// The environment of a worker's tasks, which run where they are started.
    #[must_use]
    pub fn new(worker: Arc<WorkerConfig>, offsets: OffsetStore, budget: Budget) -> Self {
        let (metrics, threads) = (Arc::default(), DataThreads::none());
        Self { worker, offsets, budget, stats: DashMap::new(), metrics, threads }
    }

    /// The same, with threads for the tasks.
    #[must_use]
    pub fn with_threads(self, threads: DataThreads) -> Self {
        Self { threads, ..self }
    }
}

/// What a task is made from.
#[derive(Clone)]
pub struct TaskSpec {
    /// The task.
    pub id: TaskId,
    /// Which part of it.
    pub strand: Strand,
    /// The plug-in of its connector's class.
    pub plugin: Arc<dyn DynSourcePlugin>,
    /// Its connector's config, references resolved.
    pub connector_config: ConfigMap,
    /// Its own config, references resolved.
    pub task_config: ConfigMap,
    /// What all tasks share.
    pub environment: Arc<TaskEnvironment>,
    /// Whether it polls.
    pub target: watch::Receiver<TargetState>,
    /// Becomes true, or loses its sender, when the task is to end.
    pub stop: watch::Receiver<bool>,
    /// Where it reports.
    pub events: UnboundedSender<TaskEvent>,
}

/// What a task reports while it runs.
#[derive(Debug)]
pub enum TaskEvent {
    /// It has started.
    Started,
    /// Partitions that stand still, one a line, or none any more.
    Faults(Option<String>),
    /// A target topic has been written to for the first time (KIP-558).
    TopicUsed(String),
    /// It must not go on before the herder has answered.
    Asks(Question, oneshot::Sender<Result<(), HerderError>>),
}

/// What an exactly-once task has to know before it writes (KIP-618).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Have the producers of the tasks before been fenced?
    Fence,
    /// Is the task still wanted, and here?
    Ownership,
}

/// Runs a task until it is told to stop or has failed for good, on one thread or on several.
pub async fn run(spec: TaskSpec) -> Result<(), ConnectError> {
    let strands = strands::split(&spec);
    let stats = strands.iter().map(|spec| Arc::clone(&spec.strand.stats)).collect();
    spec.environment.stats.insert(spec.id.clone(), stats);
    let _gone = Unregister { environment: Arc::clone(&spec.environment), id: spec.id.clone() };
    match <[TaskSpec; 1]>::try_from(strands) {
        Ok([whole]) => run_strand(whole).await,
        Err(strands) => strands::run(spec, strands, |strand| Box::pin(run_strand(strand))).await,
    }
}

/// One strand of a task, or all of it.
async fn run_strand(spec: TaskSpec) -> Result<(), ConnectError> {
    let mut stop = spec.stop.clone();
    let stats = Arc::clone(&spec.strand.stats);
    let spec = Arc::new(spec);
    let mut limits = Limits::default();
    loop {
        let parts = tokio::select! {
            started = start(&spec) => started?,
            () = stopped(&mut stop) => return Ok(()),
        };
        if limits.is_empty() {
            // The receiver lives as long as the worker; without it nobody needs to know.
            let _ = spec.events.send(TaskEvent::Started);
        }
        let tells_memory = spec.strand.number == 0;
        let environment = Arc::clone(&spec.environment);
        let producer = DataProducer { cluster: parts.cluster.clone(), environment, tells_memory };
        let shown: Arc<dyn MetricSource> = Arc::new(producer);
        spec.environment.metrics.publish_task(&spec.id, spec.strand.number, &shown);
        info!("task started");
        match RunLoop::new(Arc::clone(&spec), parts, Arc::clone(&stats), limits.clone()).run().await? {
            Ended::Stopped => return Ok(()),
            Ended::TooLarge { topic, bytes } => {
                warn!(
                    topic = &*topic,
                    bytes,
                    "a transaction was given up: the topic takes no batch of that size; beginning again with smaller ones"
                );
                limits.insert(topic, bytes);
            }
        }
    }
}

/// How a task that has not failed has ended.
enum Ended {
    /// It was told to.
    Stopped,
    /// The target refused a batch of that size, and with it a whole transaction. It has to begin again from its stored
    /// offsets, with smaller batches.
    TooLarge { topic: Arc<str>, bytes: usize },
}

/// Batches of so many bytes are known to be too large, by target topic.
type Limits = BTreeMap<Arc<str>, usize>;

/// What a running task consists of.
struct Parts {
    cluster: Cluster,
    producer: Producer,
    task: Box<dyn DynSourceTask>,
    offsets: Arc<ConnectorOffsets>,
    exactly_once: Option<ExactlyOnceTask>,
    record_path: RecordPath,
    topic_creation: Option<TopicCreation>,
}

/// Ends when the task is to end, or nobody holds it any more.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

struct Unregister {
    environment: Arc<TaskEnvironment>,
    id: TaskId,
}

impl Drop for Unregister {
    fn drop(&mut self) {
        self.environment.stats.remove(&self.id);
    }
}

async fn start(spec: &TaskSpec) -> Result<Parts, ConnectError> {
    let worker = &spec.environment.worker;
    let record_path = RecordPath::from_config(worker, &spec.connector_config).map_err(ConnectError::config_problems)?;
    let groups = CreationGroups::from_config(worker, &spec.connector_config).map_err(ConnectError::config_problems)?;
    let topic_creation = groups.map(|groups| TopicCreation::new(spec, groups));
    let exact = worker.exactly_once() == ExactlyOnce::Enabled;
    let (cluster, producer) = if exact {
        ask(spec, Question::Fence).await?;
        let (cluster, producer) = producer(spec).await?;
        exactly_once::take_over(&producer).await?;
        ask(spec, Question::Ownership).await?;
        (cluster, producer)
    } else {
        producer(spec).await?
    };
    let connector = spec.id.connector.as_str();
    let store = &spec.environment.offsets;
    let offsets = Arc::new(ConnectorOffsets::open(connector, worker, store, &spec.connector_config).await?);
    let exactly_once = match exact {
        true => Some(ExactlyOnceTask::new(spec, &cluster, &offsets).await?),
        false => None,
    };
    let mut config = spec.task_config.clone();
    // Connectors hand out complete task configs; what the worker itself needs to know stands in the connector's.
    for (key, value) in &spec.connector_config {
        config.entry(key.clone()).or_insert_with(|| value.clone());
    }
    let context = Arc::new(Context {
        id: spec.id.clone(),
        strand: spec.strand.clone(),
        environment: Arc::clone(&spec.environment),
        offsets: Arc::clone(&offsets),
        events: spec.events.clone(),
    });
    let task = spec.plugin.start_task(config, context).await?;
    Ok(Parts { cluster, producer, task, offsets, exactly_once, record_path, topic_creation })
}

/// Waits for the herder's answer.
async fn ask(spec: &TaskSpec, question: Question) -> Result<(), ConnectError> {
    let (answer, answered) = oneshot::channel();
    let _ = spec.events.send(TaskEvent::Asks(question, answer));
    match answered.await {
        Ok(result) => result.map_err(|error| ConnectError::fatal(error.to_string())),
        Err(_) => Err(ConnectError::fatal("the worker is shutting down")),
    }
}

/// The data producer. A target that does not answer is waited for; a target that refuses us ends the task.
async fn producer(spec: &TaskSpec) -> Result<(Cluster, Producer), ConnectError> {
    const RETRY_AFTER: Duration = Duration::from_secs(2);
    let mut properties: BTreeMap<String, String> =
        spec.environment.worker.producer_properties(&spec.connector_config, &spec.id.to_string());
    exactly_once::force(&spec.environment.worker, &spec.id, &mut properties);
    let config =
        ClientConfig::parse(&properties).map_err(|error| ConnectError::config(format!("data producer: {error}")))?;
    let options = ProducerOptions::from_config(&config)
        .map_err(|error| ConnectError::config(format!("data producer: {error}")))?;
    loop {
        let cluster = match Cluster::connect(config.clone()).await {
            Ok(cluster) => cluster,
            Err(error) if error.is_retriable() => {
                warn!(%error, "target cluster does not answer, trying again");
                tokio::time::sleep(RETRY_AFTER).await;
                continue;
            }
            Err(error) => return Err(ConnectError::fatal(format!("data producer: {error}"))),
        };
        return match Producer::new(cluster.clone(), options, spec.environment.budget.clone()).await {
            Ok(producer) => Ok((cluster, producer)),
            Err(error) => Err(ConnectError::fatal(format!("data producer: {error}"))),
        };
    }
}

/// What a task may ask of its worker.
struct Context {
    id: TaskId,
    strand: Strand,
    environment: Arc<TaskEnvironment>,
    offsets: Arc<ConnectorOffsets>,
    events: UnboundedSender<TaskEvent>,
}

impl SourceTaskContext for Context {
    fn connector(&self) -> &str {
        self.id.connector.as_str()
    }

    fn task(&self) -> u32 {
        self.id.task
    }

    fn offsets<'a>(
        &'a self,
        partitions: &'a [SourcePartition],
    ) -> BoxFuture<'a, Result<Vec<Option<SourceOffset>>, ConnectError>> {
        Box::pin(self.offsets.read(partitions))
    }

    fn publish(&self, numbers: Arc<dyn MetricSource>) {
        self.environment.metrics.publish_task(&self.id, self.strand.number, &numbers);
    }

    fn report_faults(&self, faults: Vec<PartitionFault>) {
        let mut text = String::new();
        for fault in faults {
            let at = fault.offset.map(|offset| format!(" at offset {offset}")).unwrap_or_default();
            let stands_still = if fault.stands_still { " stands still" } else { "" };
            // Writing to a string can't fail.
            let _ = writeln!(text, "partition {}{stands_still}{at}: {}", fault.partition, fault.message);
        }
        let text = Some(text.trim_end().to_owned()).filter(|text| !text.is_empty());
        let _ = self.events.send(TaskEvent::Faults(text));
    }

    fn nothing_left(&self) -> bool {
        self.strand.nothing_left()
    }
}
