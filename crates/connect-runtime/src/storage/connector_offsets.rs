//! The offsets of one connector: in the worker's topic, or in a topic of its own (`offsets.storage.topic`, KIP-618) with the
//! worker's behind it.
//!
//! A connector with its own topic is read there first; what is missing is taken from the worker's topic, so that the key can
//! be set on a connector that has run before. What is written there is copied to the worker's topic afterwards: a copy that
//! fails is only said. Tombstones take the other way, or a forgotten offset would come back from behind (KAFKA-15018).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use connect_api::{ConfigMap, ConnectError, SourceOffset, SourcePartition};
use connect_herder::service::StoredOffsets;
use connect_herder::settings::ExactlyOnce;
use kafka_client::fetcher::Isolation;
use kafka_client::producer::Producer;
use kafka_client::{ClientConfig, Cluster};
use kafka_wire::batch::{Codec, Record};
use kafka_wire::murmur2::partition_for_key;
use tracing::{debug, warn};

use super::topics::{self, StorageTopic};
use super::{OffsetStore, fold_offsets, kafka_log};
use crate::plugin_call::Guarded;
use crate::worker_config::WorkerConfig;

/// How long an append of offsets may take.
const APPEND: Duration = Duration::from_secs(30);

type Offsets = Vec<(SourcePartition, Option<SourceOffset>)>;

/// Where one connector's offsets are.
pub(crate) struct ConnectorOffsets {
    connector: String,
    worker: OffsetStore,
    topic: Arc<str>,
    own: Option<Own>,
}

struct Own {
    store: OffsetStore,
    _serving: Guarded<()>,
}

impl ConnectorOffsets {
    /// Whether a config, its references unresolved, can name another topic than the worker's.
    pub(crate) fn may_be_elsewhere(worker: &WorkerConfig, config: &ConfigMap) -> bool {
        config.contains_key("offsets.storage.topic") || worker.exactly_once() == ExactlyOnce::Enabled
    }

    /// The offsets of a connector, its own topic made and read to its end if it has one.
    ///
    /// # Errors
    /// The connector's own topic can't be used.
    pub(crate) async fn open(
        connector: &str,
        worker: &WorkerConfig,
        store: &OffsetStore,
        config: &ConfigMap,
    ) -> Result<Self, ConnectError> {
        let topic = own_topic(worker, config);
        let own = match &topic {
            None => None,
            Some(topic) => Some(open(connector, worker, config, topic).await?),
        };
        let topic = topic.unwrap_or_else(|| worker.offset_storage_topic().to_owned()).into();
        Ok(Self { connector: connector.to_owned(), worker: store.clone(), topic, own })
    }

    /// The stored offsets of partitions, in the order asked.
    ///
    /// # Errors
    /// A topic can't be read.
    pub(crate) async fn read(&self, partitions: &[SourcePartition]) -> Result<Vec<Option<SourceOffset>>, ConnectError> {
        let behind = self.worker.read(&self.connector, partitions).await?;
        match &self.own {
            None => Ok(behind),
            Some(own) => {
                let first = own.store.read(&self.connector, partitions).await?;
                Ok(first.into_iter().zip(behind).map(|(own, worker)| own.or(worker)).collect())
            }
        }
    }

    /// Everything that is stored for the connector.
    ///
    /// # Errors
    /// A topic can't be read.
    pub(crate) async fn all(&self) -> Result<StoredOffsets, ConnectError> {
        let behind = self.worker.all(&self.connector).await?;
        let Some(own) = &self.own else { return Ok(behind) };
        let mut all = own.store.all(&self.connector).await?;
        let missing: Vec<_> = behind.into_iter().filter(|(partition, _)| !holds(&all, partition)).collect();
        all.extend(missing);
        Ok(all)
    }

    /// Stores offsets; when this returns, every in-sync replica of the connector's topic has them.
    ///
    /// # Errors
    /// They could not be written; some may have been.
    pub(crate) async fn write(&self, offsets: Offsets) -> Result<(), ConnectError> {
        let Some(own) = &self.own else { return self.worker.write(&self.connector, offsets).await };
        self.forget_behind(&offsets).await?;
        own.store.write(&self.connector, offsets.clone()).await?;
        self.copy_behind(offsets).await;
        Ok(())
    }

    /// Stores offsets in the open transaction of a producer. To be committed by the caller, who then calls
    /// [`Self::committed`].
    ///
    /// # Errors
    /// The transaction has to be aborted.
    pub(crate) async fn write_in_transaction(
        &self,
        producer: &Producer,
        partitions: i32,
        offsets: &Offsets,
    ) -> Result<(), ConnectError> {
        self.forget_behind(offsets).await?;
        let store = self.own.as_ref().map_or(&self.worker, |own| &own.store);
        let timestamp = chrono::Utc::now().timestamp_millis();
        let mut batches: BTreeMap<i32, Vec<Record>> = BTreeMap::new();
        for (key, value) in store.records(&self.connector, offsets) {
            let partition = partition_for_key(&key, partitions);
            let record = Record { offset: 0, timestamp, key: Some(key), value, headers: Vec::new() };
            batches.entry(partition).or_default().push(record);
        }
        let failed = |error| ConnectError::fatal(format!("source offsets could not be stored: {error}"));
        let mut deliveries = Vec::with_capacity(batches.len());
        for (partition, records) in batches {
            deliveries
                .push(producer.send_records(&self.topic, partition, &records, Codec::None).await.map_err(failed)?);
        }
        for delivery in deliveries {
            delivery.await.map_err(failed)?;
        }
        Ok(())
    }

    /// The transaction with these offsets has been committed.
    pub(crate) async fn committed(&self, offsets: Offsets) {
        if self.own.is_some() {
            self.copy_behind(offsets).await;
        }
    }

    /// The topic that [`Self::write_in_transaction`] writes to.
    pub(crate) fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    async fn forget_behind(&self, offsets: &Offsets) -> Result<(), ConnectError> {
        let forgotten: Offsets = offsets.iter().filter(|(_, offset)| offset.is_none()).cloned().collect();
        if self.own.is_none() || forgotten.is_empty() {
            return Ok(());
        }
        self.worker.write(&self.connector, forgotten).await
    }

    async fn copy_behind(&self, offsets: Offsets) {
        let kept: Offsets = offsets.into_iter().filter(|(_, offset)| offset.is_some()).collect();
        if let Err(error) = self.worker.write(&self.connector, kept).await {
            warn!(%error, "source offsets are in the connector's own topic but could not be copied to the worker's");
        }
    }
}

fn holds(offsets: &StoredOffsets, partition: &SourcePartition) -> bool {
    let canonical = super::offset_key::canonical(partition);
    offsets.iter().any(|(other, _)| super::offset_key::canonical(other) == canonical)
}

/// The topic that only this connector writes to; `None` if its offsets are where the worker's are. With exactly-once support
/// they are wherever its producer writes (Java: `Worker.offsetStoreForExactlyOnceSourceTask`, `sameOffsetTopicAsWorker`).
fn own_topic(worker: &WorkerConfig, config: &ConfigMap) -> Option<String> {
    let given = config.get("offsets.storage.topic").map(|topic| topic.trim().to_owned());
    let topic = match (given, worker.exactly_once()) {
        (Some(topic), _) => topic,
        (None, ExactlyOnce::Enabled) => worker.offset_storage_topic().to_owned(),
        (None, _) => return None,
    };
    let theirs = worker.producer_properties(config, "").remove("bootstrap.servers").unwrap_or_default();
    let ours = worker.storage_client_properties().remove("bootstrap.servers").unwrap_or_default();
    let servers = |text: &str| {
        let mut servers: Vec<String> = text.split(',').map(|server| server.trim().to_owned()).collect();
        servers.sort();
        servers
    };
    let same = topic == worker.offset_storage_topic() && servers(&theirs) == servers(&ours);
    (!same).then_some(topic)
}

async fn open(connector: &str, worker: &WorkerConfig, config: &ConfigMap, topic: &str) -> Result<Own, ConnectError> {
    let failed = |error: String| ConnectError::retriable(format!("offsets topic {topic} can't be used: {error}"));
    let admin = ClientConfig::parse(&worker.admin_properties(config, connector)).map_err(|e| failed(e.to_string()))?;
    let cluster = Cluster::connect(admin).await.map_err(|error| failed(error.to_string()))?;
    let wanted = StorageTopic::connector_offsets(worker, topic);
    topics::ensure(&cluster.admin(), &wanted).await.map_err(|error| failed(error.to_string()))?;

    let (store, end) = OffsetStore::new();
    let client =
        ClientConfig::parse(&worker.producer_properties(config, connector)).map_err(|e| failed(e.to_string()))?;
    let isolation = match worker.exactly_once() {
        ExactlyOnce::Enabled => Isolation::ReadCommitted,
        ExactlyOnce::Preparing | ExactlyOnce::Disabled => Isolation::ReadUncommitted,
    };
    let client_id = format!("{}-{connector}-offsets", worker.group_id());
    let log = kafka_log::open(&client, client_id, topic, APPEND, isolation, fold_offsets(&store))
        .await
        .map_err(|error| failed(error.to_string()))?;
    log.read_to_end().await.map_err(|error| failed(error.to_string()))?;
    debug!(topic, "offsets topic of the connector was read to its end");
    Ok(Own { store, _serving: Guarded::spawn(kafka_log::serve(log, end)) })
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};
    use std::sync::Mutex;

    use super::*;
    use crate::storage::LogRecord;
    use crate::storage::log::LogRequest;
    use crate::test_world::worker_config;

    fn map(entries: &[(&str, &str)]) -> ConfigMap {
        entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_topic_is_the_connector_s_own_unless_the_worker_has_the_same_on_the_same_cluster() {
        let (plain, exact) = (worker_config(&[]), worker_config(&[("exactly.once.source.support", "enabled")]));
        let other_cluster = ("producer.override.bootstrap.servers", "elsewhere:1");

        for (worker, config, expected) in [
            (&plain, map(&[]), None),
            (&plain, map(&[("offsets.storage.topic", "offsets")]), None),
            (&plain, map(&[("offsets.storage.topic", "mine")]), Some("mine")),
            (&plain, map(&[other_cluster]), None),
            (&exact, map(&[]), None),
            (&exact, map(&[other_cluster]), Some("offsets")),
            (&exact, map(&[("offsets.storage.topic", "mine"), other_cluster]), Some("mine")),
        ] {
            assert_eq!(own_topic(worker, &config).as_deref(), expected, "{config:?}");
        }
    }

    /// A store over a topic in memory, and what was written to it.
    fn memory() -> (OffsetStore, Arc<Mutex<Vec<String>>>, Guarded<()>) {
        let (store, mut end) = OffsetStore::new();
        let (written, mut fold) = (Arc::new(Mutex::new(Vec::new())), fold_offsets(&store));
        let seen = Arc::clone(&written);
        let serving = Guarded::spawn(async move {
            while let Some(request) = end.recv().await {
                match request {
                    LogRequest::Append { records, done } => {
                        for (key, value) in records {
                            let text = value.as_ref().map_or("-", |value| std::str::from_utf8(value).unwrap());
                            seen.lock().unwrap().push(text.to_owned());
                            fold(LogRecord { offset: 0, timestamp_ms: 0, key: Some(key), value });
                        }
                        done.send(Ok(0)).unwrap();
                    }
                    LogRequest::ReadToEnd { done } => drop(done.send(Ok(()))),
                }
            }
        });
        (store, written, serving)
    }

    fn partition(name: &str) -> SourcePartition {
        SourcePartition::new(Map::from_iter([("p".to_owned(), json!(name))]))
    }

    fn offset(value: i64) -> Option<SourceOffset> {
        Some(SourceOffset::new(Map::from_iter([("offset".to_owned(), json!(value))])))
    }

    #[tokio::test]
    async fn the_own_topic_wins_and_what_it_misses_is_taken_from_the_worker_s() {
        let ((worker, worker_wrote, _w), (store, own_wrote, serving)) = (memory(), memory());
        worker.write("m", vec![(partition("a"), offset(1)), (partition("b"), offset(2))]).await.unwrap();
        let own = Some(Own { store, _serving: serving });
        let offsets = ConnectorOffsets { connector: "m".to_owned(), worker, topic: "mine".into(), own };

        offsets.write(vec![(partition("a"), offset(5))]).await.unwrap();

        let read = offsets.read(&[partition("a"), partition("b"), partition("c")]).await.unwrap();
        assert_eq!(read, [offset(5), offset(2), None]);
        assert_eq!(offsets.all().await.unwrap().len(), 2);
        assert_eq!(*own_wrote.lock().unwrap(), [r#"{"offset":5}"#]);
        assert_eq!(worker_wrote.lock().unwrap().last().unwrap(), r#"{"offset":5}"#);

        offsets.write(vec![(partition("b"), None)]).await.unwrap();
        assert_eq!(offsets.read(&[partition("b")]).await.unwrap(), [None]);
        assert_eq!(worker_wrote.lock().unwrap().last().unwrap(), "-");
    }
}
