//! One task: fetches its partitions and hands their batches out, as they are (Java: `MirrorSourceTask`).

mod loss;
mod start;
mod transactions;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use connect_api::ConnectError;
use connect_api::record::{Ack, Payload, Polled, SourceBatch, SourcePartition};
use connect_api::source::{BoxFuture, PartitionFault, SourceTask, SourceTaskContext};
use kafka_client::TopicPartition;
use kafka_client::fetcher::{Fetched, FetchedPartition, Fetcher, PartitionEvent};
use kafka_wire::batch::{DecodeLimits, FetchedEntry};
use mirror::config::ClientRole;
use mirror::{SavedPosition, TopicId};
use tokio::time::{Instant, sleep_until};
use tracing::{error, warn};

use crate::clients;
use crate::loss_book::LossBook;
use crate::losses::{OnDataLoss, Seen, loss};
use crate::numbers::{Ledger, TaskNumbers};
use crate::offset_runs::OffsetRuns;
use crate::syncs::OffsetSyncs;
use crate::throttle::Throttle;
use crate::unread::{Answer, Unread};
use transactions::OpenTransactions;

/// A running task.
pub struct MirrorSourceTask {
    fetcher: Fetcher,
    partitions: Vec<Partition>,
    tags: HashMap<TopicPartition, usize>,
    /// What is wrong with a partition at the moment; by tag.
    faults: BTreeMap<usize, PartitionFault>,
    losses: LossBook,
    open_transactions: OpenTransactions,
    /// What is to be stored with the next poll, whatever is read.
    marks: Vec<SourceBatch>,
    /// The worker has been told of both since the task started.
    reported: bool,
    on_data_loss: OnDataLoss,
    throttle: Throttle,
    context: Arc<dyn SourceTaskContext>,
    /// `None`: the target's topic of offset runs can't be used.
    runs: Option<OffsetRuns>,
    /// `None`: not wanted.
    syncs: Option<OffsetSyncs>,
    /// What is shown: held here for as long as the task is.
    _shown: Arc<TaskNumbers>,
}

struct Partition {
    tp: TopicPartition,
    /// The same, as it is named in offset syncs.
    synced: mirror::TopicPartition,
    remote_topic: Arc<str>,
    source_partition: SourcePartition,
    /// Refused by the target, or stopped after a loss: nothing more is handed out.
    stopped: bool,
    seen: Seen,
    unread: Unread,
    /// The topic that is read, if its id is known.
    topic_id: Option<TopicId>,
    /// Of the last record that was read, if it is known.
    leader_epoch: Option<i32>,
    /// Where it begins is to be stored as soon as it is known, also without a record: later it could not be told from
    /// another place.
    marks_position: bool,
    ledger: Ledger,
}

impl MirrorSourceTask {
    fn batches(&mut self, fetched: FetchedPartition) -> Vec<SourceBatch> {
        let tp = TopicPartition::new(Arc::clone(&fetched.topic), fetched.partition);
        let Some(&tag) = self.tags.get(&tp) else { return Vec::new() };
        let partition = &mut self.partitions[tag];
        if partition.stopped {
            return Vec::new();
        }
        partition.seen = Seen { position: Some(fetched.next_position), end: Some(fetched.high_watermark) };
        let now_ms = clients::now_ms();
        let topic_id = TopicId::new(*fetched.topic_id.as_bytes());
        partition.topic_id = topic_id;
        if self.open_transactions.fetched(tag, &fetched, Instant::now()) {
            self.reported = false;
        }
        let before_ms = self.partitions[tag].unread.since_ms();
        let missed = self.partitions[tag].unread.read(answer(&fetched, now_ms));
        let is_named = missed.is_some();
        if missed.is_some_and(|missed| !self.goes_on_after(tag, missed)) {
            return Vec::new();
        }
        let partition = &mut self.partitions[tag];
        let after_ms = partition.unread.since_ms();
        let mut unreadable = None;
        let count = fetched.batches.len();
        let mut batches = Vec::with_capacity(count);
        for entry in fetched.batches {
            let (payload, last_offset, leader_epoch) = match entry {
                FetchedEntry::Batch(batch) => {
                    partition.ledger.handed_out(&batch, now_ms);
                    let (last, epoch) = (batch.last_offset(), batch.partition_leader_epoch());
                    (Payload::Batch(batch), last, Some(epoch).filter(|epoch| *epoch >= 0))
                }
                FetchedEntry::Legacy(set) => match set.decode(&DecodeLimits::default()) {
                    Ok(records) => {
                        partition.ledger.handed_out_old_format(set.last_offset().saturating_add(1));
                        (Payload::Records(records), set.last_offset(), fetched.leader_epoch)
                    }
                    Err(error) => {
                        unreadable = Some((set.last_offset(), format!("old record set can't be read: {error}")));
                        break;
                    }
                },
            };
            partition.leader_epoch = leader_epoch;
            let is_last = batches.len() + 1 == count;
            let seen_ms = if is_last || is_named { after_ms } else { before_ms };
            let saved = SavedPosition { offset: last_offset, topic_id, leader_epoch, seen_ms };
            batches.push(SourceBatch {
                tag,
                topic: Arc::clone(&partition.remote_topic),
                partition: fetched.partition,
                source_partition: partition.source_partition.clone(),
                source_offset: self.losses.remembered_with(tag, saved.to_source_offset()),
                payload,
                first_wanted: fetched.position_before,
                hold: Some(Box::new(fetched.permit.clone())),
            });
        }
        partition.ledger.read(fetched.position_before, fetched.next_position, fetched.high_watermark, now_ms);
        if is_named && batches.is_empty() {
            let mark = self.marker(tag, fetched.next_position, fetched.leader_epoch);
            batches.push(mark);
        }
        if let Some((offset, message)) = unreadable {
            self.stop_partition(tag, Some(offset), message);
        }
        if let Some(runs) = self.runs.as_mut().and_then(|runs| runs.partition(tag)) {
            batches.iter().for_each(|_| runs.handed_out());
            if !self.partitions[tag].stopped {
                runs.read_to(fetched.next_position);
            }
        }
        batches
    }

    /// What an event asks for, and what of it is to be stored.
    fn on_event(&mut self, tp: &TopicPartition, event: &PartitionEvent) -> Vec<SourceBatch> {
        let Some(&tag) = self.tags.get(tp) else { return Vec::new() };
        if let Some(loss) = loss(event, self.partitions[tag].seen) {
            return self.lost(tag, loss).into_iter().collect();
        }
        match event {
            PartitionEvent::TopicGone => {
                let unread = self.partitions[tag].seen.unread();
                let unread =
                    unread.map(|(from, to)| format!("; its records with offsets {from} to {to} were not mirrored"));
                self.fault(tag, None, format!("the source topic does not exist{}", unread.unwrap_or_default()));
            }
            PartitionEvent::AuthorizationFailed => self.fault(
                tag,
                None,
                "no permission to read the source topic: the principal needs the operation Read on it".to_owned(),
            ),
            PartitionEvent::Corrupt { offset, reason } => {
                error!(
                    topic = &*tp.topic,
                    partition = tp.partition,
                    offset,
                    reason,
                    "damaged batch at the source, partition stopped; restore it from a replica, or alter the offset to go past it"
                );
                self.stop_partition(tag, Some(*offset), format!("the batch there is damaged: {reason}"));
            }
            PartitionEvent::Failed { code } => {
                self.fault(tag, None, format!("the source broker refuses it with {code}: {}", code.reason()));
            }
            PartitionEvent::Unavailable { error } => {
                warn!(topic = &*tp.topic, partition = tp.partition, %error, "source partition is not served");
                self.fault(tag, None, format!("the source does not serve it: {error}"));
            }
            PartitionEvent::Recovered => self.recovered(tag),
            PartitionEvent::Positioned { offset, leader_epoch } => {
                self.partitions[tag].seen.position = Some(*offset);
                self.partitions[tag].leader_epoch = *leader_epoch;
                if let Some(runs) = self.runs.as_mut().and_then(|runs| runs.partition(tag)) {
                    runs.read_to(*offset);
                }
                if std::mem::take(&mut self.partitions[tag].marks_position) {
                    return vec![self.marker(tag, *offset, *leader_epoch)];
                }
            }
            // Handled as losses above.
            PartitionEvent::OutOfRange { .. }
            | PartitionEvent::Diverged { .. }
            | PartitionEvent::TopicRecreated { .. } => {}
        }
        Vec::new()
    }

    fn recovered(&mut self, tag: usize) {
        if !self.partitions[tag].stopped && self.faults.remove(&tag).is_some() {
            self.report();
        }
    }

    /// Nothing more of the partition is read until the task is restarted; the others go on.
    fn stop_partition(&mut self, tag: usize, offset: Option<i64>, message: String) {
        self.partitions[tag].stopped = true;
        self.partitions[tag].ledger.stopped();
        self.fetcher.remove(&[self.partitions[tag].tp.clone()]);
        self.fault(tag, offset, message);
        // Other strands of the task count on it.
        self.nothing_left();
    }

    /// Whether all partitions of the whole task have stopped.
    fn nothing_left(&self) -> bool {
        self.partitions.iter().all(|partition| partition.stopped) && self.context.nothing_left()
    }

    fn fault(&mut self, tag: usize, offset: Option<i64>, message: String) {
        let partition = self.partitions[tag].tp.to_string();
        self.faults.insert(tag, PartitionFault { partition, offset, stands_still: true, message });
        self.report();
    }

    /// The partitions of a topic that are still read.
    fn partitions_of(&self, topic: &str) -> Vec<TopicPartition> {
        let read = self.partitions.iter().filter(|partition| !partition.stopped && &*partition.tp.topic == topic);
        read.map(|partition| partition.tp.clone()).collect()
    }

    fn report(&mut self) {
        self.reported = true;
        let mut faults = Vec::new();
        for (tag, partition) in self.partitions.iter().enumerate() {
            // A partition that has stopped for a loss says so once.
            let lost = self.losses.open(tag).iter().filter(|_| !partition.stopped).map(|loss| PartitionFault {
                partition: partition.tp.to_string(),
                offset: None,
                stands_still: false,
                message: format!(
                    "{}; mirroring has gone on (set portage.data.loss.acknowledged={} when this has been dealt with)",
                    loss.kind, loss.noticed_ms
                ),
            });
            let waits = self.open_transactions.said(tag).filter(|_| !partition.stopped).map(|words| PartitionFault {
                partition: partition.tp.to_string(),
                offset: None,
                stands_still: false,
                message: words.to_owned(),
            });
            faults.extend(lost.chain(waits).chain(self.faults.get(&tag).cloned()));
        }
        self.context.report_faults(faults);
    }
}

impl SourceTask for MirrorSourceTask {
    async fn poll(&mut self) -> Result<Polled, ConnectError> {
        if !self.reported {
            // What former tasks have lost. A worker listens once the task runs.
            self.report();
        }
        if !self.marks.is_empty() {
            return Ok(Polled::Batches(std::mem::take(&mut self.marks)));
        }
        if let Some(open_at) = self.throttle.open_at() {
            sleep_until(open_at).await;
        }
        let (rested_at, runs_due) = (self.throttle.rested_at(), self.runs.as_ref().and_then(OffsetRuns::due));
        let fetched = tokio::select! {
            fetched = self.fetcher.next() => fetched,
            () = sleep_until(runs_due.unwrap_or_else(Instant::now)), if runs_due.is_some() => {
                self.runs.iter_mut().for_each(OffsetRuns::write_beside);
                return Ok(Polled::Batches(Vec::new()));
            }
            () = self.open_transactions.news() => {
                self.report();
                return Ok(Polled::Batches(Vec::new()));
            }
            () = sleep_until(rested_at.unwrap_or_else(Instant::now)), if rested_at.is_some() => {
                while let Some(topic) = self.throttle.rested(Instant::now()) {
                    self.fetcher.resume(&self.partitions_of(&topic));
                }
                return Ok(Polled::Batches(Vec::new()));
            }
        };
        match fetched {
            Ok(Fetched::Partition(fetched)) => {
                if self.throttle.pay(&fetched.topic, record_bytes(&fetched), Instant::now()) {
                    self.fetcher.pause(&self.partitions_of(&fetched.topic));
                }
                Ok(Polled::Batches(self.batches(fetched)))
            }
            Ok(Fetched::Event(tp, event)) => {
                let marks = self.on_event(&tp, &event);
                Ok(Polled::Batches(marks))
            }
            Err(error) => Err(clients::refused(ClientRole::ReplicationConsumer, &error)),
        }
    }

    fn acked(&mut self, acks: &[Ack]) {
        let now_ms = clients::now_ms();
        for ack in acks {
            if let Some(partition) = self.partitions.get_mut(ack.tag) {
                let records = ack.runs.iter().map(|run| run.count.unsigned_abs()).sum();
                partition.ledger.acked(records, now_ms);
            }
            if let Some(runs) = self.runs.as_mut().and_then(|runs| runs.partition(ack.tag)) {
                runs.acked(&ack.runs);
                if let Some(loss) = runs.take_loss() {
                    self.target_lost(ack.tag, loss);
                }
            }
            if let (Some(syncs), Some(partition)) = (&self.syncs, self.partitions.get(ack.tag)) {
                syncs.acked(&partition.synced, &ack.runs);
            }
        }
    }

    fn before_commit(&mut self) -> Option<BoxFuture<'static, ()>> {
        self.runs.as_mut()?.write()
    }

    async fn committed(&mut self) -> Result<(), ConnectError> {
        if let Some(syncs) = &self.syncs {
            syncs.committed();
        }
        Ok(())
    }

    fn failed(&mut self, tag: usize, error: ConnectError) -> Result<(), ConnectError> {
        if tag >= self.partitions.len() {
            return Err(error);
        }
        let tp = &self.partitions[tag].tp;
        error!(topic = &*tp.topic, partition = tp.partition, %error, "partition stopped, the target refuses a batch; see to the error, then restart the task");
        self.stop_partition(tag, None, error.message().to_owned());
        // With nothing left to read there is nothing that this task could still do.
        if self.nothing_left() { Err(error) } else { Ok(()) }
    }

    async fn stop(self) {
        if let Some(runs) = self.runs {
            runs.close().await;
        }
        if let Some(syncs) = self.syncs {
            syncs.close().await;
        }
    }
}

/// When it came, although it may have waited since.
fn answer(fetched: &FetchedPartition, now_ms: i64) -> Answer {
    let waited_ms = i64::try_from(fetched.fetched_at.elapsed().as_millis()).unwrap_or(i64::MAX);
    Answer {
        next: fetched.next_position,
        end: fetched.high_watermark,
        first_missing: fetched.first_missing,
        at_ms: now_ms.saturating_sub(waited_ms),
    }
}

/// Bytes of batches, as they crossed the wire.
fn record_bytes(fetched: &FetchedPartition) -> usize {
    fetched.batches.iter().map(FetchedEntry::byte_len).sum()
}
