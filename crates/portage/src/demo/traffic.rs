//! Applications that write to the source: rskafka, which shares no code with what mirrors.
//!
//! Every partition begins with records that are deleted again, as by retention, so that source and target offsets differ and
//! a translated offset can be right or wrong.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use chrono::Utc;
use kafka_embedded::EmbeddedKafka;
use rskafka::client::Client;
use rskafka::client::partition::{Compression, PartitionClient, UnknownTopicHandling};
use rskafka::record::Record;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::options::Demo;
use super::stage::TOPICS;

/// Records at the beginning of each partition that are gone before anything is mirrored: this many, and a few more by
/// partition, so that no two partitions have the same distance.
const GONE: usize = 1_000;
/// A batch of each partition is written so often.
const PACE: Duration = Duration::from_millis(50);
/// Traffic stops when this part of a cluster's memory is taken.
const FULL: f64 = 0.85;

/// The producers.
pub(crate) struct Traffic {
    shared: Arc<Shared>,
    /// Told once that it may begin, and once that it shall end.
    stage: watch::Sender<Stage>,
    running: Arc<Semaphore>,
    producers: u32,
    failed: Arc<std::sync::Mutex<Option<String>>>,
    _tasks: JoinSet<()>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    Going,
    Over,
}

struct Shared {
    /// Taken before records are written, so that exactly so many are.
    left: Option<AtomicU64>,
    full: AtomicBool,
    clusters: [Arc<EmbeddedKafka>; 2],
}

impl Traffic {
    /// Creates the topics, and deletes what was in them before.
    pub(crate) async fn prepare(
        client: &Client,
        options: &Demo,
        source: Arc<EmbeddedKafka>,
        target: Arc<EmbeddedKafka>,
    ) -> Result<Self, String> {
        let shared = Arc::new(Shared {
            left: options.records_max().map(AtomicU64::new),
            full: AtomicBool::new(false),
            clusters: [source, target],
        });
        let partitions: i32 = TOPICS.iter().map(|topic| topic.partitions).sum();
        let producers = u32::try_from(partitions).unwrap_or(1);
        let running = Arc::new(Semaphore::new(0));
        let (stage, _) = watch::channel(Stage::Waiting);
        let failed = Arc::default();
        let mut tasks = JoinSet::new();
        let controller = client.controller_client().map_err(|error| error.to_string())?;
        for topic in TOPICS {
            let created = controller.create_topic(topic.name, topic.partitions, 1, 10_000).await;
            created.map_err(|error| format!("cannot create the topic {}: {error}", topic.name))?;
            for partition in 0..topic.partitions {
                let log = client.partition_client(topic.name, partition, UnknownTopicHandling::Retry).await;
                let log = log.map_err(|error| format!("{}-{partition}: {error}", topic.name))?;
                let gone = GONE + 10 * usize::try_from(partition).unwrap_or(0);
                let written = write(&log, topic.name, &mut 0, gone).await;
                written.map_err(|error| format!("cannot write to {}-{partition}: {error}", topic.name))?;
                let deleted = log.delete_records(i64::try_from(gone).unwrap_or(0), 10_000).await;
                deleted.map_err(|error| format!("cannot delete records of {}-{partition}: {error}", topic.name))?;
                let producer = Producer {
                    log,
                    topic: topic.name,
                    next: gone as u64,
                    per_second: options.rate as f64 / f64::from(partitions),
                    shared: Arc::clone(&shared),
                };
                let (stage, running, failed) = (stage.subscribe(), Arc::clone(&running), Arc::clone(&failed));
                tasks.spawn(async move {
                    if let Err(error) = producer.run(stage).await {
                        let failed: &std::sync::Mutex<Option<String>> = &failed;
                        *failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(error);
                    }
                    running.add_permits(1);
                });
            }
        }
        Ok(Self { shared, stage, running, producers, failed, _tasks: tasks })
    }

    /// Lets them write.
    pub(crate) fn start(&self) {
        self.stage.send_replace(Stage::Going);
    }

    /// All that was to be written is.
    pub(crate) fn is_done(&self) -> bool {
        self.running.available_permits() == self.producers as usize
    }

    /// The clusters have no room for more.
    pub(crate) fn is_full(&self) -> bool {
        self.shared.full.load(Relaxed)
    }

    /// Lets nothing more be written, and waits for what is under way.
    pub(crate) async fn stop(&self) -> Result<(), String> {
        self.stage.send_replace(Stage::Over);
        // Never closed.
        let _ = self.running.acquire_many(self.producers).await;
        let failed = self.failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        failed.map_or(Ok(()), Err)
    }
}

struct Producer {
    log: PartitionClient,
    topic: &'static str,
    next: u64,
    per_second: f64,
    shared: Arc<Shared>,
}

impl Producer {
    async fn run(mut self, mut stage: watch::Receiver<Stage>) -> Result<(), String> {
        // Gone with the demo.
        let _ = stage.wait_for(|stage| *stage != Stage::Waiting).await;
        let mut ticks = tokio::time::interval(PACE);
        let mut due = 0.0;
        while *stage.borrow() == Stage::Going {
            ticks.tick().await;
            due += self.per_second * PACE.as_secs_f64();
            let wanted = due as u64;
            due -= wanted as f64;
            if self.shared.clusters.iter().any(|cluster| is_full(cluster)) {
                self.shared.full.store(true, Relaxed);
                return Ok(());
            }
            let count = self.shared.take(wanted);
            if count > 0 {
                let written = write(&self.log, self.topic, &mut self.next, count as usize).await;
                written.map_err(|error| format!("an application could not write to {}: {error}", self.topic))?;
            } else if wanted > 0 {
                return Ok(());
            }
        }
        Ok(())
    }
}

impl Shared {
    /// As many of `wanted` records as may still be written.
    fn take(&self, wanted: u64) -> u64 {
        let Some(left) = &self.left else { return wanted };
        let before = left.fetch_update(Relaxed, Relaxed, |left| Some(left.saturating_sub(wanted)));
        before.unwrap_or(0).min(wanted)
    }
}

fn is_full(cluster: &EmbeddedKafka) -> bool {
    let (used, max) = cluster.memory();
    used as f64 > max as f64 * FULL
}

/// Writes one batch of `count` records that are numbered from `next` on.
async fn write(
    log: &PartitionClient,
    topic: &str,
    next: &mut u64,
    count: usize,
) -> Result<(), rskafka::client::error::Error> {
    let now = Utc::now();
    // Kafka keeps milliseconds.
    let timestamp = chrono::DateTime::from_timestamp_millis(now.timestamp_millis()).unwrap_or(now);
    let records = (*next..).take(count).map(|number| Record {
        key: Some(format!("customer-{}", number % 1_000).into_bytes()),
        value: Some(
            format!(r#"{{"n":{number},"topic":"{topic}","amount":{}.{:02}}}"#, number % 500, number % 100).into_bytes(),
        ),
        headers: BTreeMap::from([("trace".to_owned(), number.to_be_bytes().to_vec())]),
        timestamp,
    });
    log.produce(records.collect(), Compression::NoCompression).await?;
    *next += count as u64;
    Ok(())
}
