//! A cluster in memory for this crate's tests: three topics that outlive workers, and a group with a seat for one worker.
//!
//! The driver, the service and the storage actors are the real ones; what is played is the log behind each
//! [`LogHandle`](crate::storage::LogHandle) and the coordinator behind the group's port.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use connect_api::source::{PartitionFault, SourceTaskContext};
use connect_api::{BoxFuture, ConnectError, PluginRegistry, SourceOffset, SourcePartition};
use connect_herder::herder::Herder;
use connect_herder::ids::{Generation, MemberId, TaskId};
use connect_herder::protocol::{Assignment, Subprotocol};
use connect_herder::view::ClusterView;
use connect_herder::{Event, GroupEvent, HerderError};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::driver::ports::{GroupRequest, PortEnds, Ports};
use crate::driver::{Driver, Ended, Inbox, Tools};
use crate::herder_settings;
use crate::loggers::{Level, Loggers};
use crate::peer::{PeerClient, PeerRequest};
use crate::service::{COMMANDS_MAX, Service, Shared};
use crate::source_task::{TaskEnvironment, TaskEvent, TaskSpec};
use crate::storage::log::LogRequest;
use crate::storage::status_topic::StatusTopic;
use crate::storage::{LogEnd, LogHandle, LogRecord, OffsetStore, config_topic, fold_offsets};
use crate::test_plugin::{TestPlugin, Witness};
use crate::worker_config::WorkerConfig;

/// The records of a topic.
pub(crate) type Topic = Arc<Mutex<Vec<LogRecord>>>;

/// What was asked of the group, once nobody asks any more.
pub(crate) type Group = JoinHandle<Vec<GroupRequest>>;

/// What outlives a worker.
#[derive(Clone, Default)]
pub(crate) struct World {
    pub(crate) config: Topic,
    pub(crate) status: Topic,
    pub(crate) offsets: Topic,
    pub(crate) witness: Witness,
    /// Requests to other workers.
    pub(crate) sent: Arc<Mutex<Vec<PeerRequest>>>,
    /// If set, another worker leads, and this is what it assigns to us.
    pub(crate) assigned_by_other: Option<Assignment>,
}

/// A worker of the world.
pub(crate) struct TestWorker {
    pub(crate) service: Service,
    pub(crate) views: watch::Receiver<Arc<ClusterView>>,
    pub(crate) events: UnboundedSender<Event>,
    pub(crate) driver: JoinHandle<Ended>,
    pub(crate) group: Group,
}

/// A worker config with test values, and these on top.
pub(crate) fn worker_config(extra: &[(&str, &str)]) -> WorkerConfig {
    let bytes = "org.apache.kafka.connect.converters.ByteArrayConverter";
    let properties: BTreeMap<&str, &str> = [
        ("bootstrap.servers", "127.0.0.1:1"),
        ("group.id", "connect"),
        ("key.converter", bytes),
        ("value.converter", bytes),
        ("config.storage.topic", "configs"),
        ("offset.storage.topic", "offsets"),
        ("status.storage.topic", "statuses"),
        ("listeners", "http://127.0.0.1:8083"),
        ("portage.restart.enabled", "false"),
    ]
    .into_iter()
    .chain(extra.iter().copied())
    .collect();
    let properties = properties.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
    WorkerConfig::from_properties(properties.collect()).unwrap()
}

impl World {
    /// Puts a record into the config topic, as if it had been there all along.
    pub(crate) fn with_config(self, (key, value): (String, Option<String>)) -> Self {
        let record =
            |offset| LogRecord { offset, timestamp_ms: 0, key: Some(key.into()), value: value.map(Bytes::from) };
        append(&self.config, record);
        self
    }

    /// What a driver works with, over the topics and the group of this world; and what else its worker needs.
    pub(crate) fn tools(&self, extra: &[(&str, &str)]) -> (Tools, UnboundedReceiver<Event>, Group) {
        let worker = Arc::new(worker_config(extra));
        let (events, happened) = unbounded_channel();
        let (ports, ends) = Ports::new();
        let (offsets, offsets_end) = OffsetStore::new();
        tokio::spawn(memory_log(Arc::clone(&self.offsets), offsets_end, fold_offsets(&offsets)));
        let group = self.serve(ends, &events);
        let budget = kafka_client::Budget::default();
        let tools = Tools {
            environment: Arc::new(TaskEnvironment::new(Arc::clone(&worker), offsets, budget)),
            worker,
            plugins: PluginRegistry::default().with_source(Arc::new(TestPlugin(self.witness.clone()))),
            task_body,
            peers: Arc::new(Peers(Arc::clone(&self.sent))),
            loggers: Arc::new(Loggers::new(Level::Info, |_| {})),
            ports,
            events,
        };
        (tools, happened, group)
    }

    /// A worker that begins now.
    pub(crate) fn worker(&self, extra: &[(&str, &str)]) -> TestWorker {
        let (tools, happened, group) = self.tools(extra);
        let (commands, commanded) = mpsc::channel(COMMANDS_MAX);
        let (_, startup) = watch::channel("starting");
        let herder = Herder::new(herder_settings::settings(&tools.worker, &tools.plugins));
        let (view_sender, views) = watch::channel(Arc::new(herder.view()));
        let service = Service::new(Shared {
            worker: Arc::clone(&tools.worker),
            plugins: tools.plugins.clone(),
            loggers: Arc::clone(&tools.loggers),
            commands,
            view: views.clone(),
            offsets: tools.environment.offsets.clone(),
            environment: Arc::clone(&tools.environment),
            cluster_id: Arc::default(),
        });
        let events = tools.events.clone();
        let inbox = Inbox { commands: commanded, events: happened, startup };
        let driver = tokio::spawn(Driver::new(herder, inbox, tools, view_sender).run());
        TestWorker { service, views, events, driver, group }
    }

    fn serve(&self, ends: PortEnds, events: &UnboundedSender<Event>) -> Group {
        let (config, config_end) = LogHandle::new();
        let (status, status_end) = LogHandle::new();
        let statuses = StatusTopic::default();
        tokio::spawn(memory_log(Arc::clone(&self.config), config_end, config_topic::deliver(events.clone())));
        tokio::spawn(memory_log(Arc::clone(&self.status), status_end, statuses.deliver(events.clone())));
        tokio::spawn(config_topic::serve(config, None, ends.config, events.clone()));
        tokio::spawn(statuses.serve(status.clone(), ends.status));
        let read = events.clone();
        tokio::spawn(async move {
            status.read_to_end().await.unwrap();
            read.send(Event::StatusReadToEnd)
        });
        tokio::spawn(coordinator(self.assigned_by_other.clone(), ends.group, events.clone()))
    }

    /// The keys in the config topic, in order.
    pub(crate) fn config_keys(&self) -> Vec<String> {
        self.config.lock().unwrap().iter().map(|record| text(record.key.as_ref())).collect()
    }

    /// The newest value of a key of a topic; `None` for a tombstone or none.
    pub(crate) fn newest(topic: &Topic, key: &str) -> Option<String> {
        let topic = topic.lock().unwrap();
        let newest = topic.iter().rev().find(|record| record.key.as_deref() == Some(key.as_bytes()))?;
        newest.value.as_ref().map(|value| text(Some(value)))
    }
}

fn text(bytes: Option<&Bytes>) -> String {
    String::from_utf8(bytes.unwrap().to_vec()).unwrap()
}

fn append(topic: &Topic, record: impl FnOnce(i64) -> LogRecord) -> LogRecord {
    let mut topic = topic.lock().unwrap();
    let record = record(i64::try_from(topic.len()).unwrap());
    topic.push(record.clone());
    record
}

/// A log that is as durable as the test.
async fn memory_log(topic: Topic, mut end: LogEnd, mut deliver: impl FnMut(LogRecord)) {
    let stored = topic.lock().unwrap().clone();
    stored.into_iter().for_each(&mut deliver);
    while let Some(request) = end.recv().await {
        match request {
            LogRequest::Append { records, done } => {
                let mut last = -1;
                for (key, value) in records {
                    let record = append(&topic, |offset| LogRecord { offset, timestamp_ms: 0, key: Some(key), value });
                    last = record.offset;
                    deliver(record);
                }
                let _ = done.send(Ok(last));
            }
            LogRequest::ReadToEnd { done } => {
                let _ = done.send(Ok(()));
            }
        }
    }
}

/// A coordinator with one member, which leads unless there is an assignment by another.
async fn coordinator(
    by_other: Option<Assignment>,
    mut asked: UnboundedReceiver<GroupRequest>,
    events: UnboundedSender<Event>,
) -> Vec<GroupRequest> {
    let me = MemberId::from("me");
    let mut generation = Generation(0);
    let mut log = Vec::new();
    while let Some(request) = asked.recv().await {
        let event = match &request {
            GroupRequest::Join { protocols } => {
                generation.0 += 1;
                let leads = by_other.is_none();
                Some(GroupEvent::Joined {
                    generation,
                    member_id: me.clone(),
                    leader_id: if leads { me.clone() } else { "other".into() },
                    protocol: protocols[0].0.clone(),
                    members: if leads { vec![(me.clone(), protocols[0].1.clone())] } else { Vec::new() },
                })
            }
            GroupRequest::Sync { generation, assignments } => {
                let mine = assignments.iter().find(|(member, _)| *member == me).map(|(_, bytes)| bytes.clone());
                let by_other = || by_other.as_ref().unwrap().encode(Subprotocol::Sessioned).unwrap();
                Some(GroupEvent::Synced { generation: *generation, assignment: mine.unwrap_or_else(by_other) })
            }
            GroupRequest::Leave => None,
        };
        log.push(request);
        if let Some(event) = event {
            let _ = events.send(Event::Group(event));
        }
    }
    log
}

/// Runs a task without a target: its records go nowhere. It says that it uses the topic of its config's key `topic`.
fn task_body(spec: TaskSpec) -> BoxFuture<'static, Result<(), ConnectError>> {
    Box::pin(async move {
        let context = Arc::new(TaskContext(spec.id.clone()));
        let topic = spec.task_config.get("topic").cloned();
        let mut task = spec.plugin.start_task(spec.task_config, context).await?;
        spec.events.send(TaskEvent::Started).unwrap();
        if let Some(topic) = topic {
            spec.events.send(TaskEvent::TopicUsed(topic)).unwrap();
        }
        let mut stop = spec.stop;
        loop {
            tokio::select! {
                _ = async { stop.wait_for(|stop| *stop).await.map(drop) } => break,
                polled = task.poll() => drop(polled?),
            }
        }
        task.stop().await;
        Ok(())
    })
}

struct TaskContext(TaskId);

impl SourceTaskContext for TaskContext {
    fn connector(&self) -> &str {
        self.0.connector.as_str()
    }

    fn task(&self) -> u32 {
        self.0.task
    }

    fn offsets<'a>(
        &'a self,
        partitions: &'a [SourcePartition],
    ) -> BoxFuture<'a, Result<Vec<Option<SourceOffset>>, ConnectError>> {
        Box::pin(async { Ok(vec![None; partitions.len()]) })
    }

    fn report_faults(&self, _faults: Vec<PartitionFault>) {}
}

/// Other workers that are content with everything.
struct Peers(Arc<Mutex<Vec<PeerRequest>>>);

impl PeerClient for Peers {
    fn put_task_configs(&self, request: PeerRequest) -> BoxFuture<'_, Result<(), HerderError>> {
        self.0.lock().unwrap().push(request);
        Box::pin(async { Ok(()) })
    }

    fn fence(&self, request: PeerRequest) -> BoxFuture<'_, Result<(), HerderError>> {
        self.put_task_configs(request)
    }
}

impl TestWorker {
    /// Waits for a view.
    pub(crate) async fn sees(&mut self, what: impl FnMut(&Arc<ClusterView>) -> bool) {
        self.views.wait_for(what).await.unwrap();
    }

    /// Ends the worker as a signal would, and tells what was asked of the group.
    pub(crate) async fn shut_down(self) -> (Ended, Vec<GroupRequest>) {
        self.events.send(Event::ShutDown).unwrap();
        (self.driver.await.unwrap(), self.group.await.unwrap())
    }
}
