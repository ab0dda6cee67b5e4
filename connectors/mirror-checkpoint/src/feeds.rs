//! The topics that a task reads: offset syncs and offset runs, which it follows; checkpoints, which it restores once.
//!
//! A topic that does not exist yet is looked for again with every round: the source connector may not have started.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use connect_api::ConnectError;
use connect_api::config::ConfigMap;
use kafka_client::ErrorCode;
use kafka_client::fetcher::FetcherOptions;
use kafka_client::log::{KafkaLog, LogRecord};
use kafka_client::producer::{ProduceError, ProducerOptions};
use mirror::checkpoint_view::CheckpointView;
use mirror::config::ClientRole;
use mirror::runs::RunsStore;
use mirror::{Checkpoint, OffsetSync, OffsetSyncStore, ReplicationPolicy};
use tokio::time::timeout;
use tracing::{debug, info, warn};

use crate::clients;

/// How long a round waits for the ends of the topics that it follows, before it goes on with what it has.
const CATCH_UP: Duration = Duration::from_secs(10);

/// A topic that is followed into a store.
pub(crate) struct Feed<S> {
    role: ClientRole,
    topic: String,
    store: Arc<Mutex<S>>,
    log: Option<KafkaLog>,
    /// That it is missing has been said.
    missed: bool,
}

impl<S: Default + Send + 'static> Feed<S> {
    fn new(role: ClientRole, topic: String, store: S) -> Self {
        Self { role, topic, store: Arc::new(Mutex::new(store)), log: None, missed: false }
    }

    pub(crate) fn store(&self) -> MutexGuard<'_, S> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the topic if need be, and reads what it has now. Whether that has been possible.
    async fn catch_up(&mut self, config: &ConfigMap, fold: fn(&mut S, &LogRecord)) -> Result<bool, ConnectError> {
        if self.log.is_none() {
            self.log = self.open(config, fold).await?;
        }
        let Some(log) = &self.log else {
            if !std::mem::replace(&mut self.missed, true) {
                warn!(topic = self.topic, role = %self.role, "topic does not exist; waiting for the source connector");
            }
            return Ok(false);
        };
        match timeout(CATCH_UP, log.read_to_end()).await {
            Ok(Ok(())) => Ok(true),
            Ok(Err(error)) => {
                self.log = None;
                Err(clients::refused(self.role, &error))
            }
            Err(_) => {
                warn!(topic = self.topic, "topic could not be read to its end in time; going on with what is known");
                Ok(false)
            }
        }
    }

    async fn open(&self, config: &ConfigMap, fold: fn(&mut S, &LogRecord)) -> Result<Option<KafkaLog>, ConnectError> {
        let cluster = clients::connect(config, self.role).await?;
        let wrong = |error: &dyn std::fmt::Display| ConnectError::config(format!("{}: {error}", self.role));
        let fetcher = FetcherOptions::from_config(cluster.config()).map_err(|error| wrong(&error))?;
        let producer = ProducerOptions::from_config(cluster.config()).map_err(|error| wrong(&error))?;
        // A log can append, too; these never do.
        let producer = ProducerOptions { idempotence: false, ..producer };
        let store = Arc::clone(&self.store);
        let deliver = move |record: LogRecord| fold(&mut store.lock().unwrap_or_else(PoisonError::into_inner), &record);
        match KafkaLog::open(cluster, &self.topic, fetcher, producer, Box::new(deliver)).await {
            Ok(log) => {
                info!(topic = self.topic, "following topic");
                Ok(Some(log))
            }
            Err(ProduceError::Client(error)) if error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => Ok(None),
            Err(ProduceError::Client(error)) => Err(clients::refused(self.role, &error)),
            Err(error) => Err(ConnectError::retriable(format!("{}: {error}", self.role))),
        }
    }
}

/// Offset syncs, in a store that can be made before it is known how it begins.
#[derive(Default)]
pub(crate) struct Syncs(Option<OffsetSyncStore>);

impl Syncs {
    pub(crate) fn get(&mut self) -> &mut OffsetSyncStore {
        self.0.get_or_insert_with(|| OffsetSyncStore::new(true))
    }
}

/// All feeds of a task.
pub(crate) struct Feeds {
    pub(crate) syncs: Feed<Syncs>,
    /// `None`: runs are not asked for.
    pub(crate) runs: Option<Feed<RunsStore>>,
}

impl Feeds {
    /// `restored`: checkpoints of an earlier life are known, so that older syncs may be used as well (KAFKA-15905). Exact
    /// translation uses all of them in any case: checkpoints do not go back from it, and no sync lies too late.
    pub(crate) fn new(config: &ConfigMap, policy: &ReplicationPolicy, exact: bool, restored: bool) -> Self {
        let text = |key: &str, default: &'static str| config.get(key).map_or(default, |value| value.trim()).to_owned();
        let source = text("source.cluster.alias", "");
        let (role, topic) = if text("offset-syncs.topic.location", "source") == "target" {
            (ClientRole::OffsetSyncsTargetConsumer, policy.offset_syncs_topic(&source))
        } else {
            let target = text("target.cluster.alias", "target");
            (ClientRole::OffsetSyncsSourceConsumer, policy.offset_syncs_topic(&target))
        };
        let syncs = Feed::new(role, topic, Syncs(Some(OffsetSyncStore::new(!exact && !restored))));
        let runs = exact.then(|| {
            let topic = ReplicationPolicy::offset_runs_topic(&source);
            Feed::new(ClientRole::OffsetRunsTargetConsumer, topic, RunsStore::default())
        });
        Self { syncs, runs }
    }

    /// Takes in what both topics have now.
    pub(crate) async fn catch_up(&mut self, config: &ConfigMap) -> Result<(), ConnectError> {
        let syncs = self.syncs.catch_up(config, |store, record| {
            match OffsetSync::decode(record.key.as_deref(), record.value.as_deref()) {
                Ok(sync) => store.get().apply(&sync),
                Err(error) => debug!(offset = record.offset, %error, "record is no offset sync"),
            }
        });
        let runs = async {
            match &mut self.runs {
                None => Ok(false),
                Some(runs) => {
                    let fold = |store: &mut RunsStore, record: &LogRecord| {
                        if let Err(error) = store.apply(record.key.as_deref(), record.value.as_deref()) {
                            warn!(offset = record.offset, %error, "record of offset runs can't be read");
                        }
                    };
                    runs.catch_up(config, fold).await
                }
            }
        };
        let (syncs, runs) = tokio::join!(syncs, runs);
        // One of them is enough to go on; what is missing is named.
        if let Err(error) = &runs {
            warn!(%error, "offset runs can't be followed; translating by offset syncs");
        }
        match syncs {
            Ok(true) => self.syncs.store().get().set_read_to_end(),
            Ok(false) => {}
            Err(error) if runs.unwrap_or(false) => warn!(%error, "offset syncs can't be followed"),
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// The checkpoints that were written for some groups before, and whether they could be read.
pub(crate) async fn restore(config: &ConfigMap, topic: &str, groups: &BTreeSet<String>) -> (CheckpointView, bool) {
    let mut feed = Feed::new(ClientRole::CheckpointsTargetConsumer, topic.to_owned(), Vec::<Checkpoint>::new());
    let read = feed.catch_up(config, |checkpoints, record| {
        match Checkpoint::decode(record.key.as_deref(), record.value.as_deref()) {
            Ok(checkpoint) => checkpoints.push(checkpoint),
            Err(error) => debug!(offset = record.offset, %error, "record is no checkpoint"),
        }
    });
    let restored = match read.await {
        Ok(restored) => restored,
        Err(error) => {
            warn!(topic, %error, "checkpoints of an earlier time can't be read");
            false
        }
    };
    let mut view = CheckpointView::default();
    if restored {
        for checkpoint in feed.store().drain(..).filter(|checkpoint| groups.contains(&checkpoint.group)) {
            view.apply(checkpoint);
        }
    }
    (view, restored)
}
