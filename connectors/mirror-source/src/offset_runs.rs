//! The topic of offset runs, as a task uses it: read once when the task starts, written soon after something has become known,
//! and whatever is left before source offsets are stored. Runs are a help for consumer groups; where they can't be kept,
//! records are mirrored all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use connect_api::config::ConfigMap;
use connect_api::source::BoxFuture;
use kafka_client::admin::{Admin, Isolation, OffsetSpec};
use kafka_client::fetcher::FetcherOptions;
use kafka_client::log::{KafkaLog, LogRecord};
use kafka_client::producer::{ProduceError, Producer, ProducerOptions};
use kafka_client::{Budget, Cluster, ErrorCode, TopicPartition};
use mirror::config::ClientRole;
use mirror::runs::{Begin, RunsKey, RunsRecord, RunsStore, TopicIds};
use mirror::{ReplicationPolicy, TopicId};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};
use uuid::Uuid;

use crate::clients;
use crate::partition_runs::PartitionRuns;
use crate::runs_writer::RunsWriter;

/// What becomes known within this time is written together.
const GATHERED: Duration = Duration::from_millis(500);
/// Many partitions, or ragged ones, are written less often: so much a task writes at most, a quarter of a MB a second.
const BYTES_PER_MS: usize = 256;
const READ_PATIENCE: Duration = Duration::from_secs(60);

/// Where a partition is taken up.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) source: TopicPartition,
    pub(crate) target_topic: Arc<str>,
    pub(crate) from: StartAt,
}

/// The first offset that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StartAt {
    Offset(i64),
    Earliest,
    Latest,
}

/// The maps of a task's partitions, and the way to write them.
pub(crate) struct OffsetRuns {
    partitions: Vec<Option<PartitionRuns>>,
    writer: RunsWriter,
    /// When what has become known since the last write is due.
    due: Option<Instant>,
    not_before: Instant,
}

impl OffsetRuns {
    /// Reads what is stored and takes the partitions up, in the order given. An error is a sentence.
    /// `isolation`: what of the source is read.
    pub(crate) async fn open(
        config: &ConfigMap,
        source: &Admin,
        isolation: Isolation,
        taken: &[Taken],
    ) -> Result<Self, String> {
        let alias = config.get("source.cluster.alias").map(String::as_str).unwrap_or_default();
        let topic = ReplicationPolicy::offset_runs_topic(alias);
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let role = ClientRole::OffsetRunsTargetProducer;
        let client = clients::parse(config, role).map_err(|error| text(&error))?;
        let options = ProducerOptions::from_config(&client).map_err(|error| text(&error))?;
        let cluster = Cluster::connect(client).await.map_err(|error| text(&error))?;
        let admin = cluster.admin();
        let stored = read(config, ClientRole::OffsetRunsTargetConsumer, &topic, fold).await?;
        let missing = stored.is_none();
        if missing {
            // The connector has just created it, and the broker has not heard of it; or it may not.
            info!(topic, "topic of offset runs is not there yet; runs are written once it is");
        }
        let partitions = begin((source, isolation), &admin, taken, &stored.unwrap_or_default()).await?;
        let known = partitions.iter().flatten().count();
        info!(topic, partitions = known, "offset runs taken up");
        let producer =
            Producer::new(cluster, options, Budget::new(Budget::MIN_BYTES)).await.map_err(|error| text(&error))?;
        let writer = RunsWriter::start(producer, topic.into(), admin, missing);
        let mut runs = Self { partitions, writer, due: None, not_before: Instant::now() };
        let has_lost = runs.partitions.iter().flatten().any(PartitionRuns::has_lost);
        // What is copied from now on lies where lost copies were: nobody may translate by those any more.
        if let Some(written) = has_lost.then(|| runs.write()).flatten() {
            written.await;
        }
        Ok(runs)
    }

    /// The runs of a partition, which are about to change.
    pub(crate) fn partition(&mut self, tag: usize) -> Option<&mut PartitionRuns> {
        if self.due.is_none() {
            self.due = Some(self.not_before.max(Instant::now() + GATHERED));
        }
        self.partitions.get_mut(tag)?.as_mut()
    }

    /// When to call [`Self::write_beside`]; `None`: there is nothing to write.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Writes what has become known, and does not wait for it. Groups follow by it long before source offsets are stored.
    pub(crate) fn write_beside(&mut self) {
        if self.writer.has_failed() {
            // Tried again when source offsets are stored, with all there is to say.
            (self.due, self.not_before) = (None, Instant::now() + GATHERED);
        } else if self.writer.is_idle() {
            self.send(None);
        } else {
            self.due = Some(Instant::now() + GATHERED);
        }
    }

    /// Writes what is not written yet, and waits until it is; `None` if everything is.
    pub(crate) fn write(&mut self) -> Option<BoxFuture<'static, ()>> {
        let (written, wait) = oneshot::channel();
        let sent = self.send(Some(written));
        sent.then(|| -> BoxFuture<'static, ()> {
            Box::pin(async move {
                // The writer ends with the task only.
                let _ = wait.await;
            })
        })
    }

    /// Whether there was anything to say, or is still on its way.
    fn send(&mut self, written: Option<oneshot::Sender<()>>) -> bool {
        let again = self.writer.take_failure();
        let mut records = Vec::new();
        for partition in self.partitions.iter_mut().flatten() {
            if again {
                partition.not_written();
            }
            records.extend(partition.take_changes());
        }
        let bytes: usize = records.iter().map(RunsRecord::bytes).sum();
        let pause = Duration::from_millis((bytes / BYTES_PER_MS) as u64).max(GATHERED);
        (self.due, self.not_before) = (None, Instant::now() + pause);
        if records.is_empty() && self.writer.is_idle() {
            return false;
        }
        self.writer.write(records, written);
        true
    }

    pub(crate) async fn close(self) {
        self.writer.close().await;
    }
}

/// A topic of our own up to its end; `None` if there is none.
pub(crate) async fn read<S: Default + Send + 'static>(
    config: &ConfigMap,
    role: ClientRole,
    topic: &str,
    fold: impl Fn(&mut S, &LogRecord) + Send + 'static,
) -> Result<Option<S>, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let client = clients::parse(config, role).map_err(|error| text(&error))?;
    let fetcher = FetcherOptions::from_config(&client).map_err(|error| text(&error))?;
    // A log can append, too; this one never does.
    let producer = ProducerOptions::from_config(&client).map_err(|error| text(&error))?;
    let producer = ProducerOptions { idempotence: false, ..producer };
    let cluster = Cluster::connect(client).await.map_err(|error| text(&error))?;
    let store = Arc::new(Mutex::new(S::default()));
    let folded = Arc::clone(&store);
    let deliver = move |record: LogRecord| fold(&mut folded.lock().unwrap_or_else(PoisonError::into_inner), &record);
    let log = match KafkaLog::open(cluster, topic, fetcher, producer, Box::new(deliver)).await {
        Ok(log) => log,
        Err(ProduceError::Client(error)) if error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => {
            return Ok(None);
        }
        Err(error) => return Err(text(&error)),
    };
    let late =
        |_| format!("topic {topic} of the target could not be read to its end within {} s", READ_PATIENCE.as_secs());
    timeout(READ_PATIENCE, log.read_to_end()).await.map_err(late)?.map_err(|error| text(&error))?;
    drop(log);
    let store = std::mem::take(&mut *store.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Some(store))
}

/// Takes a record of the topic of runs in.
pub(crate) fn fold(store: &mut RunsStore, record: &LogRecord) {
    if let Err(error) = store.apply(record.key.as_deref(), record.value.as_deref()) {
        warn!(offset = record.offset, %error, "record of offset runs can't be read");
    }
}

/// Asks both sides where their logs begin and end. A partition about which a side does not answer has no runs.
async fn begin(
    (source, isolation): (&Admin, Isolation),
    target: &Admin,
    taken: &[Taken],
    stored: &RunsStore,
) -> Result<Vec<Option<PartitionRuns>>, String> {
    let at_source: Vec<TopicPartition> = taken.iter().map(|taken| taken.source.clone()).collect();
    let at_target: Vec<TopicPartition> = taken
        .iter()
        .map(|taken| TopicPartition::new(Arc::clone(&taken.target_topic), taken.source.partition))
        .collect();
    // Nobody has copied what is not to be read yet: where a transaction is open, copies end before it, and so do second copies. The
    // target's end is that of all that it holds.
    let (source, target) = tokio::try_join!(
        Side::look(source, &at_source, isolation),
        Side::look(target, &at_target, Isolation::ReadUncommitted)
    )?;
    let mut mirrored_before = 0;
    let begun = taken.iter().zip(&at_target).map(|(taken, at_target)| {
        let (source_start, source_end) = source.log(&taken.source)?;
        // A topic that is not there holds nothing: it is about to be created, or somebody has deleted it.
        let absent = || target.absent.contains(at_target).then_some((0, 0));
        let (target_start, target_end) = target.log(at_target).or_else(absent)?;
        let first = match taken.from {
            StartAt::Offset(offset) => offset,
            StartAt::Earliest => source_start,
            StartAt::Latest => source_end,
        };
        let ids = TopicIds { source: source.id(&taken.source.topic), target: target.id(&at_target.topic) };
        let key = RunsKey {
            source: mirror::TopicPartition::new(Arc::clone(&taken.source.topic), taken.source.partition),
            target_topic: taken.target_topic.to_string(),
        };
        let stored = stored.stored(&key);
        let no_offset = !matches!(taken.from, StartAt::Offset(_));
        mirrored_before +=
            i32::from(no_offset && stored.as_ref().is_some_and(|stored| stored.map.mirrored_to() > first));
        let begin = Begin { source: first, source_end, target_start, target_end };
        Some(PartitionRuns::resume(key, ids, stored, begin))
    });
    let begun = begun.collect();
    if mirrored_before > 0 {
        // A reset on purpose looks the same.
        warn!(
            partitions = mirrored_before,
            "partitions have no stored offset, though the target holds copies of them: they are mirrored once more; unless the \
             connector's offsets were reset on purpose, see what has become of the offsets topic"
        );
    }
    Ok(begun)
}

/// What one cluster says of its logs.
struct Side {
    ids: BTreeMap<String, Uuid>,
    starts: BTreeMap<TopicPartition, i64>,
    ends: BTreeMap<TopicPartition, i64>,
    /// Those that do not exist.
    absent: BTreeSet<TopicPartition>,
}

impl Side {
    async fn look(admin: &Admin, partitions: &[TopicPartition], isolation: Isolation) -> Result<Self, String> {
        let mut names: Vec<&str> = partitions.iter().map(|partition| &*partition.topic).collect();
        names.sort_unstable();
        names.dedup();
        let described = admin.describe_topics(&names).await.map_err(|error| error.to_string())?;
        let exists = |tp: &TopicPartition| match described.get(&*tp.topic) {
            Some(Ok(info)) => Some(info.partitions.contains_key(&tp.partition)),
            Some(Err(error)) => (error.code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION).then_some(false),
            None => Some(false),
        };
        let there: Vec<&TopicPartition> = partitions.iter().filter(|tp| exists(tp) == Some(true)).collect();
        let absent = partitions.iter().filter(|tp| exists(tp) == Some(false)).cloned().collect();
        let list = async |spec: OffsetSpec| {
            let wanted = there.iter().map(|tp| ((*tp).clone(), spec)).collect();
            let listed = admin.list_offsets(&wanted, isolation).await;
            let listed = listed.map_err(|error| error.to_string())?.into_iter();
            Ok::<BTreeMap<_, _>, String>(listed.filter_map(|(tp, listed)| Some((tp, listed.ok()?.offset?))).collect())
        };
        let (starts, ends) = tokio::try_join!(list(OffsetSpec::Earliest), list(OffsetSpec::Latest))?;
        let ids = described.into_iter().filter_map(|(name, info)| Some((name, info.ok()?.id))).collect();
        Ok(Self { ids, starts, ends, absent })
    }

    fn log(&self, tp: &TopicPartition) -> Option<(i64, i64)> {
        Some((*self.starts.get(tp)?, *self.ends.get(tp)?))
    }

    fn id(&self, topic: &str) -> Option<TopicId> {
        self.ids.get(topic).and_then(|id| TopicId::new(*id.as_bytes()))
    }
}
