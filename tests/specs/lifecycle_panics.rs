//! Code that panics: a plug-in made for it, in a worker of this process that has the REST API, the group and the storage topics of
//! any other. (No connector that is shipped panics when asked to.)
//!
//! - A task that panics is FAILED; its status says with which words, and when it is started again. Each try waits twice as
//!   long as the one before, and when the cause is gone the task goes on where it had stored to be.
//! - The other tasks of its connector, and other connectors, go on meanwhile; nobody starts them anew.
//! - A connector that panics in its start is FAILED as well, and comes back in the same way.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use connect_api::config::{ConfigDef, ConfigKey, ConfigType, DefaultValue, Importance};
use connect_api::data::Value as Data;
use connect_api::record::SourceRecord;
use connect_api::source::{ConnectorContext, SourceTaskContext};
use connect_api::{
    BoxFuture, ConfigMap, ConnectError, PluginRegistry, Polled, SourceConnector, SourceOffset, SourcePartition,
    SourcePlugin, SourceTask,
};
use connect_herder::HerderError;
use connect_herder::service::HerderService;
use connect_runtime::loggers::{Level, Loggers};
use connect_runtime::peer::{PeerClient, PeerRequest};
use connect_runtime::worker::{RunningWorker, Worker};
use connect_runtime::worker_config::WorkerConfig as Config;
use harness::{KafkaCluster, Rest, WorkerConfig, clusters, eventually};
use serde_json::{Map, Value, json};

use crate::lifecycle::{Runs, SOON, end_offset, first_occurrences, runs, shows, texts};

const CLASS: &str = "org.example.CountingConnector";

/// What the plug-in does, and what became of its tasks.
#[derive(Default)]
struct Stage {
    /// Whether what may panic does.
    panics: AtomicBool,
    /// How often each task has been started.
    starts: Mutex<BTreeMap<String, usize>>,
}

impl Stage {
    fn trip(&self, panics: bool, words: &str) {
        assert!(!(panics && self.panics.load(Ordering::Relaxed)), "{words}");
    }

    fn starts(&self, task: &str) -> usize {
        self.starts.lock().unwrap().get(task).copied().unwrap_or(0)
    }
}

/// Each task counts into its partition of `topic`; task 1 panics while the [`Stage`] says so, as does the start of an
/// instance with `start` = `panics`.
struct Counting(Arc<Stage>);

struct Counter(ConfigMap);

struct CounterTask {
    stage: Arc<Stage>,
    topic: Arc<str>,
    number: u32,
    next: i64,
}

impl CounterTask {
    fn partition(number: u32) -> SourcePartition {
        SourcePartition::new(Map::from_iter([("counter".to_owned(), json!(number))]))
    }
}

impl SourcePlugin for Counting {
    type Connector = Counter;
    type Task = CounterTask;

    fn class(&self) -> &'static str {
        CLASS
    }

    fn version(&self) -> &'static str {
        "1"
    }

    fn config_def(&self) -> ConfigDef {
        let key =
            |name| ConfigKey::new(name, ConfigType::String, DefaultValue::is(""), Importance::Low, "for this spec");
        ConfigDef::default().define(key("topic")).define(key("start"))
    }

    async fn start(&self, config: ConfigMap, _: Arc<dyn ConnectorContext>) -> Result<Counter, ConnectError> {
        self.0.trip(config.get("start").is_some_and(|how| how == "panics"), "no counter is to be had");
        Ok(Counter(config))
    }

    async fn start_task(
        &self,
        config: ConfigMap,
        context: Arc<dyn SourceTaskContext>,
    ) -> Result<CounterTask, ConnectError> {
        let number = context.task();
        *self.0.starts.lock().unwrap().entry(format!("{}-{number}", context.connector())).or_default() += 1;
        let stored = context.offsets(&[CounterTask::partition(number)]).await?;
        let last = stored.into_iter().flatten().next().and_then(|offset| offset.fields()["last"].as_i64());
        Ok(CounterTask {
            stage: Arc::clone(&self.0),
            topic: config["topic"].as_str().into(),
            number,
            next: last.map_or(0, |last| last + 1),
        })
    }
}

impl SourceConnector for Counter {
    async fn task_configs(&self, tasks_max: usize) -> Result<Vec<ConfigMap>, ConnectError> {
        Ok(vec![self.0.clone(); tasks_max])
    }
}

impl SourceTask for CounterTask {
    async fn poll(&mut self) -> Result<Polled, ConnectError> {
        // So fast does it count.
        tokio::time::sleep(Duration::from_millis(5)).await;
        self.stage.trip(self.number == 1, "the numbers are used up");
        let record = SourceRecord {
            source_partition: Self::partition(self.number),
            source_offset: SourceOffset::new(Map::from_iter([("last".to_owned(), json!(self.next))])),
            topic: Arc::clone(&self.topic),
            partition: i32::try_from(self.number).ok(),
            key_schema: None,
            key: Data::Null,
            value_schema: None,
            value: Data::Bytes(self.next.to_string().into()),
            timestamp_ms: None,
            headers: Vec::new(),
        };
        self.next += 1;
        Ok(Polled::Records(vec![record]))
    }

    async fn stop(self) {}
}

/// There are no other workers.
struct Alone;

impl PeerClient for Alone {
    fn put_task_configs(&self, _: PeerRequest) -> BoxFuture<'_, Result<(), HerderError>> {
        Box::pin(async { Err(HerderError::Unavailable("there is no other worker".to_owned())) })
    }

    fn fence(&self, _: PeerRequest) -> BoxFuture<'_, Result<(), HerderError>> {
        Box::pin(async { Err(HerderError::Unavailable("there is no other worker".to_owned())) })
    }
}

/// A worker with the plug-in, its REST API served.
async fn worker(target: &KafkaCluster, stage: &Arc<Stage>) -> (RunningWorker, Rest) {
    let server = connect_rest::bind("127.0.0.1", 0).await.unwrap();
    let address = server.address().to_string();
    let group = WorkerConfig::new(target, "panics")
        .with("listeners", &format!("http://{address}"))
        .with("portage.restart.backoff.ms", "200");
    let worker = Worker::start(
        Config::from_properties(group.properties().clone()).unwrap(),
        PluginRegistry::default().with_source(Arc::new(Counting(Arc::clone(stage)))),
        Arc::new(Loggers::new(Level::Info, |_| {})),
        Arc::new(Alone),
        kafka_client::Budget::new(1 << 20),
    )
    .unwrap();
    let service: Arc<dyn HerderService> = Arc::new(worker.service());
    tokio::spawn(server.serve(service, std::future::pending()));
    let rest = Rest::new(&address);
    shows(&rest, "/health", "healthy", |health| health["status"] == "healthy").await;
    (worker, rest)
}

fn config(topic: &str, changes: &[(&str, &str)]) -> Value {
    let mut config = json!({"connector.class": CLASS, "tasks.max": "3", "topic": topic});
    for (key, value) in changes {
        config[key] = json!(value);
    }
    config
}

/// Waits until there are more numbers in a partition than now.
async fn counts_on(target: &KafkaCluster, topic: &str, partition: i32) {
    let before = end_offset(target, topic, partition).await;
    eventually(&format!("{topic}-{partition} grows"), SOON, async || {
        match end_offset(target, topic, partition).await {
            now if now >= before + 20 => Ok(()),
            now => Err(format!("{now} after {before}")),
        }
    })
    .await;
}

/// The waits before the tries that the statuses of a unit have announced, in ms, by the number of the try.
async fn announced(target: &KafkaCluster, unit: &str) -> BTreeMap<u32, u64> {
    let mut waits = BTreeMap::new();
    for read in target.consume("panics-status").await {
        let of_unit = read.record.key.as_deref() == Some(unit.as_bytes());
        let status: Value =
            serde_json::from_slice(read.record.value.as_deref().unwrap_or_default()).unwrap_or_default();
        let trace = status["trace"].as_str().filter(|_| of_unit && status["state"] == "FAILED").unwrap_or_default();
        let number = |after: &str| {
            let digits: String = trace.split(after).nth(1)?.chars().take_while(char::is_ascii_digit).collect();
            digits.parse::<u64>().ok()
        };
        if let Some((wait, attempt)) = number("restarts it in ").zip(number("(attempt ")) {
            assert!(trace.contains("the numbers are used up"), "{trace}");
            waits.insert(u32::try_from(attempt).unwrap(), wait);
        }
    }
    waits
}

#[tokio::test(flavor = "multi_thread")]
async fn what_panics_is_failed_and_comes_back_and_nothing_else_notices() {
    let target = &clusters().await.target;
    for topic in ["panicking", "calm"] {
        target.create_topic(topic, 3).await;
    }
    let stage = Arc::new(Stage::default());
    let (worker, rest) = worker(target, &stage).await;
    rest.put_connector("panicking", &config("panicking", &[])).await;
    runs(&rest, "panicking").await;
    counts_on(target, "panicking", 1).await;

    stage.panics.store(true, Ordering::Relaxed);

    let failed =
        shows(&rest, "/connectors/panicking/status", "a failed task", |status| status["tasks"][1]["state"] == "FAILED")
            .await;
    let trace = failed["tasks"][1]["trace"].as_str().unwrap();
    assert!(trace.contains("panicked: the numbers are used up"), "{trace}");
    for unit in [&failed["connector"], &failed["tasks"][0], &failed["tasks"][2]] {
        assert_eq!(unit["state"], "RUNNING", "{failed}");
    }
    for partition in [0, 2] {
        counts_on(target, "panicking", partition).await;
    }
    rest.put_connector("tripping", &config("calm", &[("start", "panics")])).await;
    let tripping =
        shows(&rest, "/connectors/tripping/status", "FAILED", |status| status["connector"]["state"] == "FAILED").await;
    assert!(tripping["connector"]["trace"].as_str().unwrap().contains("no counter is to be had"), "{tripping}");
    rest.put_connector("calm", &config("calm", &[("tasks.max", "1")])).await;
    runs(&rest, "calm").await;
    counts_on(target, "calm", 0).await;
    let waits = eventually("four tries are announced", SOON, async || {
        let waits = announced(target, "status-task-panicking-1").await;
        if waits.len() >= 4 { Ok(waits) } else { Err(format!("{waits:?}")) }
    })
    .await;
    assert_eq!([waits[&1], waits[&2], waits[&3], waits[&4]], [200, 400, 800, 1600]);

    stage.panics.store(false, Ordering::Relaxed);

    runs(&rest, "panicking").await;
    runs(&rest, "tripping").await;
    counts_on(target, "panicking", 1).await;
    worker.shutdown().await.unwrap();
    for partition in 0..3 {
        let values = texts(&target.read("panicking").partition(partition).all().await);
        let end = values.iter().map(|value| value.parse::<usize>().unwrap()).max().unwrap();
        assert_eq!(first_occurrences(&values), Runs::once(end + 1), "partition {partition}");
    }
    assert!(stage.starts("panicking-1") >= 5, "{:?}", stage.starts);
    for untouched in ["panicking-0", "panicking-2", "calm-0"] {
        assert_eq!(stage.starts(untouched), 1, "{untouched}");
    }
}
