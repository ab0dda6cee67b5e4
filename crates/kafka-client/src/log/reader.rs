//! The reading half of a log: delivers records, and knows how far it is.

use std::collections::BTreeMap;

use kafka_wire::batch::{BatchError, DecodeLimits, FetchedEntry, Record};
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, error, warn};

use super::LogRecord;
use crate::TopicPartition;
use crate::fetcher::{Fetched, FetchedPartition, Fetcher, PartitionEvent, Position};

/// Someone who waits until these ends have been reached.
pub(super) struct Wait {
    /// End by partition.
    pub(super) ends: BTreeMap<i32, i64>,
    pub(super) done: oneshot::Sender<()>,
}

pub(super) struct Reader {
    fetcher: Fetcher,
    waits: mpsc::UnboundedReceiver<Wait>,
    waiting: Vec<Wait>,
    /// Behind what has been delivered, by partition.
    positions: BTreeMap<i32, i64>,
    deliver: Box<dyn FnMut(LogRecord) + Send>,
}

impl Reader {
    pub(super) fn new(
        fetcher: Fetcher,
        waits: mpsc::UnboundedReceiver<Wait>,
        deliver: Box<dyn FnMut(LogRecord) + Send>,
    ) -> Self {
        Self { fetcher, waits, waiting: Vec::new(), positions: BTreeMap::new(), deliver }
    }

    /// Runs until nobody holds the log any more.
    pub(super) async fn run(mut self) {
        loop {
            tokio::select! {
                wait = self.waits.recv() => match wait {
                    Some(wait) => self.waiting.push(wait),
                    None => return,
                },
                fetched = self.fetcher.next() => match fetched {
                    Ok(Fetched::Partition(fetched)) => self.read(fetched),
                    Ok(Fetched::Event(tp, event)) => self.on_event(tp, &event),
                    Err(error) => return error!(%error, "log reader has ended; restart the worker"),
                },
            }
            self.settle();
        }
    }

    fn settle(&mut self) {
        let positions = &self.positions;
        let reached = |wait: &Wait| {
            wait.ends.iter().all(|(partition, end)| *end == 0 || positions.get(partition).is_some_and(|at| at >= end))
        };
        for wait in self.waiting.extract_if(.., |wait| reached(wait)) {
            // Whoever waited may have given up.
            let _ = wait.done.send(());
        }
    }

    fn read(&mut self, fetched: FetchedPartition) {
        for entry in &fetched.batches {
            let records = match decode(entry) {
                Ok(records) => records,
                Err(reason) => {
                    let (topic, partition) = (&*fetched.topic, fetched.partition);
                    error!(topic, partition, %reason, "batch of a log can't be read and is skipped; restore the topic if its other readers miss it too");
                    continue;
                }
            };
            for record in records.into_iter().filter(|record| record.offset >= fetched.position_before) {
                (self.deliver)(LogRecord {
                    partition: fetched.partition,
                    offset: record.offset,
                    timestamp_ms: record.timestamp,
                    key: record.key,
                    value: record.value,
                });
            }
        }
        self.positions.insert(fetched.partition, fetched.next_position);
    }

    fn on_event(&mut self, tp: TopicPartition, event: &PartitionEvent) {
        let (topic, partition) = (&*tp.topic.clone(), tp.partition);
        match event {
            PartitionEvent::Positioned { offset, .. } => {
                self.positions.insert(partition, *offset);
            }
            PartitionEvent::OutOfRange { position, log_start, .. } => {
                warn!(topic, partition, position, log_start, "log was cut at its start, reading it anew");
                self.fetcher.seek(tp, Position::earliest());
            }
            PartitionEvent::Diverged { position, common_end, .. } => {
                warn!(topic, partition, position, common_end, "log was cut at its end, reading on from there");
                self.fetcher.seek(tp, common_end.map_or(Position::earliest(), Position::offset));
            }
            PartitionEvent::TopicRecreated { .. } => {
                error!(
                    topic,
                    partition,
                    "topic was deleted and created again; write anew what it held before this process ends, which still knows it"
                );
                self.fetcher.seek(tp, Position::earliest());
            }
            PartitionEvent::Corrupt { offset, reason } => {
                error!(
                    topic,
                    partition,
                    offset,
                    reason,
                    "log is damaged and can't be read on; restore the partition from a replica, then restart the worker"
                );
            }
            PartitionEvent::AuthorizationFailed => {
                error!(
                    topic,
                    partition, "no permission to read the topic; grant the principal the operation Read on it"
                );
            }
            PartitionEvent::TopicGone => error!(
                topic,
                partition, "topic does not exist any more; restart the worker to have it created again, empty"
            ),
            PartitionEvent::Failed { code } => warn!(topic, partition, %code, "partition can't be read"),
            PartitionEvent::Unavailable { error } => warn!(topic, partition, %error, "partition is not served"),
            PartitionEvent::Recovered => debug!(topic, partition, "partition can be read again"),
        }
    }
}

fn decode(entry: &FetchedEntry) -> Result<Vec<Record>, BatchError> {
    let limits = DecodeLimits::default();
    match entry {
        FetchedEntry::Batch(batch) if batch.is_control() => Ok(Vec::new()),
        FetchedEntry::Batch(batch) => batch.decode(&limits),
        FetchedEntry::Legacy(set) => set.decode(&limits),
    }
}
