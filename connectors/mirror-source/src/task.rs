//! One task: fetches its partitions and hands their batches out, as they are (Java: `MirrorSourceTask`).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use connect_api::ConnectError;
use connect_api::config::ConfigMap;
use connect_api::record::{Ack, Payload, Polled, SourceBatch, SourcePartition};
use connect_api::source::{BoxFuture, PartitionFault, SourceTask, SourceTaskContext};
use kafka_client::fetcher::{Fetched, FetchedPartition, Fetcher, FetcherOptions, PartitionEvent, Position};
use kafka_client::{Budget, Cluster, TopicPartition};
use kafka_wire::batch::{DecodeLimits, FetchedEntry};
use mirror::config::ClientRole;
use mirror::config_def::DATA_LOSS_ACKNOWLEDGED;
use mirror::source_offsets::source_partition;
use mirror::{ReplicationPolicy, SavedPosition, TopicId};
use tokio::time::{Instant, sleep_until};
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::clients;
use crate::loss_book::LossBook;
use crate::losses::{LossKind, OnDataLoss, Seen, loss};
use crate::numbers::{Labels, Ledger, TaskNumbers};
use crate::offset_runs::{OffsetRuns, StartAt, Taken};
use crate::syncs::{OffsetSyncs, SyncsTopic};
use crate::throttle::{Limits, Throttle};

/// A running task.
pub struct MirrorSourceTask {
    fetcher: Fetcher,
    partitions: Vec<Partition>,
    tags: HashMap<TopicPartition, usize>,
    /// What is wrong with a partition at the moment; by tag.
    faults: BTreeMap<usize, PartitionFault>,
    losses: LossBook,
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
    /// The topic that is read, if its id is known.
    topic_id: Option<TopicId>,
    /// Where it begins is to be stored as soon as it is known, also without a record: later it could not be told from
    /// another place.
    marks_position: bool,
    ledger: Ledger,
}

impl MirrorSourceTask {
    pub(crate) async fn start(
        config: ConfigMap,
        context: Arc<dyn SourceTaskContext>,
        budget: Budget,
    ) -> Result<Self, ConnectError> {
        let wrong = |error: &dyn std::fmt::Display| ConnectError::config(error.to_string());
        let policy = ReplicationPolicy::from_config(&config).map_err(|error| wrong(&error))?;
        let alias = config.get("source.cluster.alias").map(String::as_str).unwrap_or_default();
        let target_alias = config.get("target.cluster.alias").map_or("target", |alias| alias.trim());
        let assigned = mirror::assignment::decode_partitions(
            config.get("task.assigned.partitions").map(String::as_str).unwrap_or_default(),
        )
        .map_err(|error| wrong(&error))?;
        let role = ClientRole::ReplicationConsumer;
        let client = clients::parse(&config, role)?;
        let options = FetcherOptions::from_config(&client).map_err(|error| wrong(&error))?;
        let first_start = first_start(client.get("auto.offset.reset"))?;
        let on_data_loss = OnDataLoss::from_config(&config)?;
        let throttle = Throttle::new(&Limits::from_config(&config)?, Instant::now());

        let mut partitions: Vec<Partition> = assigned
            .iter()
            .map(|tp| Partition {
                tp: TopicPartition::new(Arc::clone(&tp.topic), tp.partition),
                synced: tp.clone(),
                remote_topic: policy.remote_topic(alias, &tp.topic).into(),
                source_partition: source_partition(alias, tp),
                stopped: false,
                seen: Seen::default(),
                topic_id: None,
                marks_position: false,
                ledger: Ledger::new(Labels {
                    source: alias.to_owned(),
                    target: target_alias.to_owned(),
                    source_topic: tp.topic.to_string(),
                    remote_topic: policy.remote_topic(alias, &tp.topic),
                    partition: tp.partition.to_string(),
                }),
            })
            .collect();
        let keys: Vec<SourcePartition> =
            partitions.iter().map(|partition| partition.source_partition.clone()).collect();
        let stored = context.offsets(&keys).await?;

        let cluster = clients::connect(&config, role).await?;
        let mut starts = Vec::with_capacity(partitions.len());
        let mut taken = Vec::with_capacity(partitions.len());
        let losses = LossBook::new(
            acknowledged(&config)?,
            partitions.iter().map(|partition| &partition.tp).zip(stored.iter().map(Option::as_ref)),
        );
        for (partition, stored) in partitions.iter_mut().zip(&stored) {
            let saved = match stored {
                Some(stored) => SavedPosition::from_source_offset(stored)
                    .map_err(|error| wrong(&format!("stored offset of {}: {error}", partition.tp)))?,
                None => None,
            };
            let start = saved.as_ref().map_or(first_start, resume_at);
            partition.seen.position = saved.as_ref().map(SavedPosition::next);
            partition.topic_id = saved.and_then(|saved| saved.topic_id);
            // A second start would find another end, and skip what has come in between.
            partition.marks_position = start == Position::latest();
            starts.push((partition.tp.clone(), start));
            let from = match &saved {
                Some(saved) => StartAt::Offset(saved.next()),
                None if first_start == Position::latest() => StartAt::Latest,
                None => StartAt::Earliest,
            };
            let target_topic = Arc::clone(&partition.remote_topic);
            taken.push(Taken { source: partition.tp.clone(), target_topic, from });
        }
        if first_start == Position::latest() {
            know_topics(&cluster, &mut partitions).await?;
        }
        let resumed = starts.iter().filter(|(_, start)| *start != first_start).count();
        let runs = match OffsetRuns::open(&config, &cluster.admin(), &taken).await {
            Ok(runs) => Some(runs),
            Err(error) => {
                warn!(
                    error,
                    "offset runs are not kept: consumer groups are translated by offset syncs until a restart"
                );
                None
            }
        };
        let syncs = match SyncsTopic::of(&config, &policy) {
            Some(topic) => Some(OffsetSyncs::open(&config, topic).await?),
            None => None,
        };
        info!(partitions = partitions.len(), resumed, "mirroring");
        let shown = Arc::new(TaskNumbers {
            partitions: partitions.iter().map(|partition| partition.ledger.numbers()).collect(),
            cluster: cluster.clone(),
        });
        context.publish(Arc::clone(&shown) as _);
        let mut fetcher = Fetcher::new(cluster, options, budget);
        fetcher.assign(starts);
        let tags = partitions.iter().enumerate().map(|(tag, partition)| (partition.tp.clone(), tag)).collect();
        context.publish(losses.numbers());
        Ok(Self {
            fetcher,
            partitions,
            tags,
            faults: BTreeMap::new(),
            losses,
            reported: false,
            on_data_loss,
            throttle,
            context,
            runs,
            syncs,
            _shown: shown,
        })
    }

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
        let mut unreadable = None;
        let mut batches = Vec::with_capacity(fetched.batches.len());
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
            let saved = SavedPosition { offset: last_offset, topic_id, leader_epoch };
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
            PartitionEvent::TopicGone => self.fault(tag, None, "the source topic does not exist".to_owned()),
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

    /// Something is lost. Says so, and goes on or not, as the policy says.
    fn lost(&mut self, tag: usize, loss: LossKind) -> Option<SourceBatch> {
        let tp = self.partitions[tag].tp.clone();
        let (topic, partition, reason) = (&*tp.topic, tp.partition, loss.reason());
        self.partitions[tag].ledger.lost(loss.records());
        if self.on_data_loss == OnDataLoss::Stop {
            error!(
                topic,
                partition,
                reason,
                "data loss at the source, partition stopped; set portage.on.data.loss=continue or reset its offset: {loss}"
            );
            let remedy = "set portage.on.data.loss=continue, or reset the connector's offset of this partition";
            let message = format!("{loss}; {remedy}");
            self.losses.note(tag, clients::now_ms(), loss);
            self.stop_partition(tag, None, message);
            return None;
        }
        error!(
            topic,
            partition,
            reason,
            "data loss at the source, going on with what exists; see what readers of the target miss: {loss}"
        );
        self.losses.note(tag, clients::now_ms(), loss.clone());
        // Whatever was wrong with the log that is gone.
        self.faults.remove(&tag);
        self.report();
        self.note(tag, &loss);
        let go_on_at = loss.go_on_at();
        self.fetcher.seek(tp, go_on_at);
        match loss {
            LossKind::Truncated { to: next, .. } | LossKind::Diverged { common_end: Some(next), .. } => {
                self.partitions[tag].seen.position = Some(next);
                Some(self.marker(tag, next, None))
            }
            LossKind::Diverged { common_end: None, .. } | LossKind::Recreated { .. } => {
                let partition = &mut self.partitions[tag];
                if let LossKind::Recreated { new_id, .. } = loss {
                    partition.topic_id = TopicId::new(*new_id.as_bytes());
                }
                partition.seen = Seen::default();
                partition.marks_position = true;
                None
            }
        }
    }

    /// A batch without records: stores that the next record to read is `next`, and what has been lost before it.
    fn marker(&mut self, tag: usize, next: i64, leader_epoch: Option<i32>) -> SourceBatch {
        if let Some(runs) = self.runs.as_mut().and_then(|runs| runs.partition(tag)) {
            runs.handed_out();
        }
        let partition = &mut self.partitions[tag];
        partition.ledger.handed_out_old_format(next);
        let saved = SavedPosition { offset: next - 1, topic_id: partition.topic_id, leader_epoch };
        SourceBatch {
            tag,
            topic: Arc::clone(&partition.remote_topic),
            partition: partition.tp.partition,
            source_partition: partition.source_partition.clone(),
            source_offset: self.losses.remembered_with(tag, saved.to_source_offset()),
            payload: Payload::Records(Vec::new()),
            first_wanted: next,
            hold: None,
        }
    }

    /// What a loss means for the offsets that were known.
    fn note(&mut self, tag: usize, loss: &LossKind) {
        let Some(runs) = self.runs.as_mut().and_then(|runs| runs.partition(tag)) else { return };
        match loss {
            LossKind::Truncated { to, .. } => runs.read_to(*to),
            LossKind::Diverged { common_end, .. } => runs.rewound(common_end.unwrap_or(0)),
            LossKind::Recreated { new_id, .. } => runs.recreated(TopicId::new(*new_id.as_bytes())),
        }
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
            faults.extend(lost.chain(self.faults.get(&tag).cloned()));
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
        if let Some(open_at) = self.throttle.open_at() {
            sleep_until(open_at).await;
        }
        let rested_at = self.throttle.rested_at();
        let fetched = tokio::select! {
            fetched = self.fetcher.next() => fetched,
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
            if let Some(runs) = &mut self.runs {
                runs.acked(ack.tag, &ack.runs);
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
        if self.partitions.iter().all(|partition| partition.stopped) { Err(error) } else { Ok(()) }
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

/// Bytes of batches, as they crossed the wire.
fn record_bytes(fetched: &FetchedPartition) -> usize {
    let bytes = |entry: &FetchedEntry| match entry {
        FetchedEntry::Batch(batch) => batch.len(),
        FetchedEntry::Legacy(set) => set.as_bytes().len(),
    };
    fetched.batches.iter().map(bytes).sum()
}

/// Behind the last record that is on the target.
fn resume_at(saved: &SavedPosition) -> Position {
    let mut position = Position::offset(saved.next());
    if let Some(leader_epoch) = saved.leader_epoch {
        position = position.with_leader_epoch(leader_epoch);
    }
    if let Some(topic_id) = saved.topic_id {
        position = position.with_topic_id(Uuid::from_bytes(*topic_id.as_bytes()));
    }
    position
}

/// The ids of the topics of partitions that have no stored position.
async fn know_topics(cluster: &Cluster, partitions: &mut [Partition]) -> Result<(), ConnectError> {
    let mut names: Vec<&str> = partitions.iter().map(|partition| &*partition.tp.topic).collect();
    names.dedup();
    let described = cluster.admin().describe_topics(&names).await;
    let described = described.map_err(|error| clients::refused(ClientRole::ReplicationConsumer, &error))?;
    for partition in partitions.iter_mut().filter(|partition| partition.topic_id.is_none()) {
        let info = described.get(&*partition.tp.topic).and_then(|info| info.as_ref().ok());
        partition.topic_id = info.and_then(|info| TopicId::new(*info.id.as_bytes()));
    }
    Ok(())
}

/// `auto.offset.reset` of the source consumer: where a partition without a stored offset begins.
fn first_start(reset: Option<&str>) -> Result<Position, ConnectError> {
    match reset.map(str::trim) {
        None | Some("" | "earliest") => Ok(Position::earliest()),
        Some("latest") => Ok(Position::latest()),
        Some(other) => Err(ConnectError::config(format!(
            "invalid auto.offset.reset {other} of the source consumer: must be earliest or latest"
        ))),
    }
}

/// `portage.data.loss.acknowledged`.
fn acknowledged(config: &ConfigMap) -> Result<Option<i64>, ConnectError> {
    let parse = |text: &String| {
        let problem = |_| ConnectError::config(format!("invalid {DATA_LOSS_ACKNOWLEDGED} {text}: must be a number"));
        text.trim().parse().map_err(problem)
    };
    config.get(DATA_LOSS_ACKNOWLEDGED).map(parse).transpose()
}
