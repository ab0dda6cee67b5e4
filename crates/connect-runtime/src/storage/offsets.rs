//! Source offsets: read by tasks when they start, written as they go, shown and changed by the REST API.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use connect_api::{ConnectError, SourceOffset, SourcePartition};
use connect_herder::service::StoredOffsets;
use tracing::warn;

use super::log::LogWrite;
use super::offset_view::OffsetView;
use super::{LogEnd, LogHandle, LogRecord, offset_key};

/// The offsets topic of the worker. Cheap to clone.
#[derive(Clone)]
pub struct OffsetStore {
    log: LogHandle,
    view: Arc<Mutex<OffsetView>>,
}

impl OffsetStore {
    /// A store over a topic that someone serves at the other end.
    pub(crate) fn new() -> (Self, LogEnd) {
        let (log, end) = LogHandle::new();
        (Self { log, view: Arc::default() }, end)
    }

    /// The stored offsets of partitions, in the order asked. Reads to the end of the topic first, so it sees everything
    /// that was acknowledged before the call, also to other workers. Waits while the topic can't be reached.
    ///
    /// # Errors
    /// The topic can't be read.
    pub async fn read(
        &self,
        connector: &str,
        partitions: &[SourcePartition],
    ) -> Result<Vec<Option<SourceOffset>>, ConnectError> {
        self.log.read_to_end().await?;
        let view = self.lock();
        Ok(partitions.iter().map(|partition| view.get(connector, partition).cloned()).collect())
    }

    /// Stores offsets; `None` forgets one. When this returns, every in-sync replica has them. A call that is dropped may
    /// still have its effect; two calls take effect in their order.
    ///
    /// # Errors
    /// They could not be written; some may have been.
    pub async fn write(
        &self,
        connector: &str,
        offsets: Vec<(SourcePartition, Option<SourceOffset>)>,
    ) -> Result<(), ConnectError> {
        let records = self.records(connector, &offsets);
        if records.is_empty() {
            return Ok(());
        }
        self.log.append(records).await.map(drop)
    }

    /// The records that store these offsets, for whoever writes them another way (in a transaction).
    pub(crate) fn records(
        &self,
        connector: &str,
        offsets: &[(SourcePartition, Option<SourceOffset>)],
    ) -> Vec<LogWrite> {
        let view = self.lock();
        let offsets = offsets.iter().map(|(partition, offset)| (partition, offset.as_ref()));
        offsets.flat_map(|(partition, offset)| view.records_for(connector, partition, offset)).collect()
    }

    /// Everything that is stored for a connector, read to the end first.
    ///
    /// # Errors
    /// The topic can't be read.
    pub async fn all(&self, connector: &str) -> Result<StoredOffsets, ConnectError> {
        self.log.read_to_end().await?;
        Ok(self.lock().all(connector))
    }

    /// Offsets as a user gave them, with the fields of their partitions in the order in which Java would write them.
    pub(crate) fn as_java_writes(
        offsets: Vec<(SourcePartition, Option<SourceOffset>)>,
    ) -> Vec<(SourcePartition, Option<SourceOffset>)> {
        offsets.into_iter().map(|(partition, offset)| (offset_key::java_order(&partition), offset)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, OffsetView> {
        // Nothing in there panics half-way.
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Folds what is read into the store.
pub(crate) fn fold_offsets(store: &OffsetStore) -> impl FnMut(LogRecord) + Send + 'static {
    let store = store.clone();
    move |LogRecord { offset, key, value, .. }| {
        let Some(key) = key else { return warn!(offset, "offset record without a key is ignored") };
        if let Err(error) = store.lock().apply(&key, value.as_deref()) {
            warn!(offset, %error, "offset record can't be read");
        }
    }
}
