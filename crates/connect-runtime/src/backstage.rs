//! What the driver works with: the storage topics and the group, brought up in Java's order and kept up.
//!
//! Brokers that do not answer, or are too few, are waited for, with a warning each time; what only people can change ends
//! the worker. The driver's ports exist before all this: what it asks meanwhile waits in them.

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use connect_herder::Event;
use connect_herder::settings::ExactlyOnce;
use kafka_client::fetcher::Isolation;
use kafka_client::group::GroupMember;
use kafka_client::log::KafkaLog;
use kafka_client::producer::ProduceError;
use kafka_client::{Admin, ClientConfig, ClientError, Cluster};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::{Instrument, info, warn};

use crate::driver::ports::PortEnds;
use crate::group;
use crate::metrics::Metrics;
use crate::plugin_call::Guarded;
use crate::storage::leader_writes::{LeaderProducer, LeaderWrites};
use crate::storage::status_topic::StatusTopic;
use crate::storage::topics::{self, StorageTopic, TopicError};
use crate::storage::{LogEnd, LogHandle, LogRecord, OffsetStore, config_topic, fold_offsets, kafka_log};
use crate::worker::WorkerError;
use crate::worker_config::WorkerConfig;

/// The pause after the first failure; doubled up to [`RETRY_MAX`].
const RETRY_MIN: Duration = Duration::from_secs(1);
/// The longest pause.
const RETRY_MAX: Duration = Duration::from_secs(10);
/// How long the first attempt to reach the cluster lasts before a warning says why it does not work.
const FIRST_CONTACT: Duration = Duration::from_secs(5);
/// How long an append to the config topic may take (Java: `READ_WRITE_TOTAL_TIMEOUT_MS`).
const CONFIG_APPEND: Duration = Duration::from_secs(30);
/// How long an append of statuses may take; they are tried again unless overtaken.
const STATUS_APPEND: Duration = Duration::from_secs(10);
/// How long an append of offsets may take; they are committed again with the next flush.
const OFFSET_APPEND: Duration = Duration::from_secs(30);

/// What goes on behind the driver.
pub(crate) struct Backstage {
    pub(crate) worker: Arc<WorkerConfig>,
    /// For the storage topics and the group.
    pub(crate) client: ClientConfig,
    pub(crate) offsets: OffsetStore,
    pub(crate) offsets_end: LogEnd,
    pub(crate) ports: PortEnds,
    pub(crate) events: UnboundedSender<Event>,
    /// What is being done, for people. Its receiver is the driver's.
    pub(crate) stage: watch::Sender<&'static str>,
    pub(crate) cluster_id: Arc<OnceLock<String>>,
    pub(crate) metrics: Arc<Metrics>,
}

/// Everything that has been brought up.
struct Up {
    /// Ends with the driver, once the last words are out.
    actors: JoinSet<()>,
    /// Offsets are asked for by others too, and end with this.
    _offsets: Guarded<()>,
}

impl Backstage {
    /// Runs until the driver is gone and its last words are out.
    ///
    /// # Errors
    /// Something that waiting does not cure.
    pub(crate) async fn run(self) -> Result<(), WorkerError> {
        let stage = self.stage.clone();
        let mut up = tokio::select! {
            up = self.bring_up() => up?,
            () = stage.closed() => return Ok(()),
        };
        while let Some(ended) = up.actors.join_next().await {
            ended.map_err(|error| WorkerError::Fatal(format!("a part of the worker ended abnormally: {error}")))?;
        }
        Ok(())
    }

    async fn bring_up(self) -> Result<Up, WorkerError> {
        let Self { worker, client, offsets, offsets_end, ports, events, stage, cluster_id, metrics } = self;
        let crew = Crew { worker, client, stage };
        let admin = crew.connect(&cluster_id).await?;
        let mut actors = JoinSet::new();

        crew.begins("reading to the end of the offsets topic");
        let topic = StorageTopic::offsets(&crew.worker);
        let isolation = isolation(&crew.worker);
        let log = crew.open(&admin, &topic, "offsets", OFFSET_APPEND, isolation, || fold_offsets(&offsets)).await?;
        // With exactly-once support a task that was killed may have left a transaction open there. It ends when the task
        // starts again; waiting for it here would be waiting for transaction.timeout.ms. Whoever needs offsets reads to the
        // end himself.
        if isolation == Isolation::ReadUncommitted {
            crew.read_to_end(&log, &topic).await?;
        }
        let _offsets = Guarded::spawn(kafka_log::serve(log, offsets_end));

        crew.begins("reading to the end of the status topic");
        let statuses = StatusTopic::default();
        let topic = StorageTopic::statuses(&crew.worker);
        let deliver = || statuses.deliver(events.clone());
        let log = crew.open(&admin, &topic, "statuses", STATUS_APPEND, Isolation::ReadUncommitted, deliver).await?;
        let (handle, end) = LogHandle::new();
        actors.spawn(kafka_log::serve(log, end).in_current_span());
        actors.spawn(statuses.serve(handle, ports.status).in_current_span());
        let _ = events.send(Event::StatusReadToEnd);

        crew.begins("reading to the end of the config topic");
        let topic = StorageTopic::config(&crew.worker);
        let deliver = || config_topic::deliver(events.clone());
        let log = crew.open(&admin, &topic, "configs", CONFIG_APPEND, isolation, deliver).await?;
        crew.read_to_end(&log, &topic).await?;
        let (handle, end) = LogHandle::new();
        actors.spawn(kafka_log::serve(log, end).in_current_span());
        let leader = crew.leader_producer().map(|producer| {
            let (writes, asked) = LeaderWrites::new();
            actors.spawn(producer.serve(asked).in_current_span());
            writes
        });
        actors.spawn(config_topic::serve(handle, leader, ports.config, events.clone()).in_current_span());

        crew.begins("joining the group");
        let cluster = crew.patiently("connecting for the group", || Cluster::connect(crew.member_client())).await?;
        let (member, happened) = GroupMember::start(cluster, group::settings(&crew.worker));
        metrics.publish_member(member.stats());
        actors.spawn(group::serve(member, happened, ports.group, events).in_current_span());
        Ok(Up { actors, _offsets })
    }
}

/// The means of the start.
struct Crew {
    worker: Arc<WorkerConfig>,
    client: ClientConfig,
    stage: watch::Sender<&'static str>,
}

impl Crew {
    fn begins(&self, stage: &'static str) {
        info!(stage, "worker is starting");
        self.stage.send_replace(stage);
    }

    /// Reaches the cluster for the first time. The client would try in silence for `default.api.timeout.ms`; people want
    /// to hear sooner that their brokers do not answer.
    async fn connect(&self, cluster_id: &OnceLock<String>) -> Result<Admin, WorkerError> {
        self.begins("connecting to the Kafka cluster");
        let mut properties = self.worker.storage_client_properties();
        let soon = self.client.api_timeout().min(FIRST_CONTACT).as_millis();
        properties.insert("default.api.timeout.ms".to_owned(), soon.to_string());
        let client = ClientConfig::parse(&properties)?.with_client_id(self.client_id("shared-admin"));
        let cluster = self.patiently("connecting to the Kafka cluster", || Cluster::connect(client.clone())).await?;
        if let Some(id) = cluster.metadata().cluster_id.clone() {
            info!(kafka_cluster_id = id, "connected");
            let _ = cluster_id.set(id);
        }
        Ok(cluster.admin().with_timeout(self.client.api_timeout()))
    }

    /// Makes sure of a topic, opens it, and begins to read it.
    async fn open<D: FnMut(LogRecord) + Send + 'static>(
        &self,
        admin: &Admin,
        topic: &StorageTopic,
        role: &str,
        give_up_after: Duration,
        isolation: Isolation,
        deliver: impl Fn() -> D,
    ) -> Result<KafkaLog, WorkerError> {
        self.patiently("checking a storage topic", || topics::ensure(admin, topic)).await?;
        let open =
            || kafka_log::open(&self.client, self.client_id(role), &topic.name, give_up_after, isolation, deliver());
        self.patiently("opening a storage topic", open).await
    }

    async fn read_to_end(&self, log: &KafkaLog, topic: &StorageTopic) -> Result<(), WorkerError> {
        self.patiently("reading a storage topic", || log.read_to_end()).await?;
        info!(topic = topic.name, partitions = log.partitions(), "storage topic was read to its end");
        Ok(())
    }

    /// Tries until it works, or can't.
    async fn patiently<T, E: Failure, F: Future<Output = Result<T, E>>>(
        &self,
        what: &'static str,
        attempt: impl Fn() -> F,
    ) -> Result<T, WorkerError> {
        let mut pause = RETRY_MIN;
        loop {
            match attempt().await {
                Ok(value) => return Ok(value),
                Err(error) if error.may_pass() => warn!(what, error = error.text(), "not yet, trying again"),
                Err(error) => return Err(WorkerError::Fatal(error.text())),
            }
            sleep(pause).await;
            pause = (pause * 2).min(RETRY_MAX);
        }
    }

    /// Who writes the config topic while this worker leads, if the group fences its leaders.
    fn leader_producer(&self) -> Option<LeaderProducer> {
        (self.worker.exactly_once() != ExactlyOnce::Disabled).then(|| LeaderProducer {
            client: self.client.clone().with_client_id(self.client_id("configs-leader")),
            topic: self.worker.config_storage_topic().into(),
            transactional_id: self.worker.leader_transactional_id(),
        })
    }

    /// Java's client ids: the group, the worker's own `client.id` if it has one, the role.
    fn client_id(&self, role: &str) -> String {
        match self.client.client_id() {
            "" => format!("{}-{role}", self.worker.group_id()),
            own => format!("{}-{own}-{role}", self.worker.group_id()),
        }
    }

    /// For the group: the coordinator makes member ids of the client id.
    fn member_client(&self) -> ClientConfig {
        match self.client.client_id() {
            "" => self.client.clone().with_client_id(format!("connect-{}", self.worker.worker_id())),
            _ => self.client.clone(),
        }
    }
}

/// How configs and offsets are read: with exactly-once support only what is committed.
fn isolation(worker: &WorkerConfig) -> Isolation {
    match worker.exactly_once() {
        ExactlyOnce::Enabled => Isolation::ReadCommitted,
        ExactlyOnce::Preparing | ExactlyOnce::Disabled => Isolation::ReadUncommitted,
    }
}

/// What stands in the way of a start.
trait Failure {
    /// Whether it may go away by itself.
    fn may_pass(&self) -> bool;
    /// The sentence for people.
    fn text(&self) -> String;
}

impl Failure for ClientError {
    fn may_pass(&self) -> bool {
        self.is_retriable()
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

impl Failure for ProduceError {
    fn may_pass(&self) -> bool {
        match self {
            ProduceError::Client(error) => error.is_retriable(),
            _ => true,
        }
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

impl Failure for TopicError {
    fn may_pass(&self) -> bool {
        match self {
            TopicError::NotYet(_) => true,
            TopicError::Refused(_) => false,
            TopicError::Client(error) => error.is_retriable(),
        }
    }

    fn text(&self) -> String {
        self.to_string()
    }
}
