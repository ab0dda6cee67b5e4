//! How a task begins: from a task config and stored offsets to a fetcher with positions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use connect_api::ConnectError;
use connect_api::config::ConfigMap;
use connect_api::record::SourcePartition;
use connect_api::source::SourceTaskContext;
use kafka_client::fetcher::{Fetcher, FetcherOptions, Position};
use kafka_client::{Budget, Cluster, TopicPartition};
use mirror::config::ClientRole;
use mirror::config_def::DATA_LOSS_ACKNOWLEDGED;
use mirror::source_offsets::source_partition;
use mirror::{ReplicationPolicy, SavedPosition, TopicId};
use tokio::time::Instant;
use tracing::{info, warn};
use uuid::Uuid;

use super::transactions::OpenTransactions;
use super::{MirrorSourceTask, Partition};
use crate::clients;
use crate::loss_book::LossBook;
use crate::losses::{OnDataLoss, Seen};
use crate::numbers::{Labels, Ledger, TaskNumbers};
use crate::offset_runs::{OffsetRuns, StartAt, Taken};
use crate::strands;
use crate::syncs::{OffsetSyncs, SyncsTopic};
use crate::throttle::{Limits, Throttle};
use crate::topic_configs::described;
use crate::unread::{self, Unread};

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
        let assigned = strands::assigned(&config)?;
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
                unread: Unread::default(),
                topic_id: None,
                leader_epoch: None,
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
        let mirrored =
            assigned.iter().map(|tp| &*tp.topic).filter(|topic| !policy.is_heartbeats_topic(topic)).collect();
        let deletes_kept_ms = deletes_kept_ms(&cluster, mirrored).await?;
        for (partition, stored) in partitions.iter_mut().zip(&stored) {
            let saved = match stored {
                Some(stored) => SavedPosition::from_source_offset(stored)
                    .map_err(|error| wrong(&format!("stored offset of {}: {error}", partition.tp)))?,
                None => None,
            };
            let start = saved.as_ref().map_or(first_start, resume_at);
            partition.seen.position = saved.as_ref().map(SavedPosition::next);
            partition.topic_id = saved.and_then(|saved| saved.topic_id);
            partition.leader_epoch = saved.and_then(|saved| saved.leader_epoch);
            let kept_ms = deletes_kept_ms.get(&*partition.tp.topic).copied();
            partition.unread = Unread::new(saved.and_then(|saved| saved.seen_ms), kept_ms);
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
        let runs = match OffsetRuns::open(&config, &cluster.admin(), options.isolation, &taken).await {
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
        let open_transactions = OpenTransactions::new(cluster.admin());
        let mut fetcher = Fetcher::new(cluster, options, budget);
        fetcher.assign(starts);
        let tags = partitions.iter().enumerate().map(|(tag, partition)| (partition.tp.clone(), tag)).collect();
        context.publish(losses.numbers());
        let mut task = Self {
            fetcher,
            partitions,
            tags,
            faults: BTreeMap::new(),
            losses,
            open_transactions,
            marks: Vec::new(),
            reported: false,
            on_data_loss,
            throttle,
            context,
            runs,
            syncs,
            _shown: shown,
        };
        for tag in 0..task.partitions.len() {
            if let Some(loss) = task.runs.as_mut().and_then(|runs| runs.partition(tag)?.take_loss()) {
                task.target_lost(tag, loss);
            }
        }
        Ok(task)
    }
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

/// How long compacted topics keep deletes. Of heartbeats nothing is ever deleted.
async fn deletes_kept_ms(cluster: &Cluster, topics: BTreeSet<&str>) -> Result<BTreeMap<String, i64>, ConnectError> {
    let topics: Vec<String> = topics.into_iter().map(str::to_owned).collect();
    let described = described(&cluster.admin(), &topics).await;
    let described = described.map_err(|error| clients::refused(ClientRole::ReplicationConsumer, &error))?;
    let mut kept_ms = BTreeMap::new();
    for (topic, configs) in described {
        match configs {
            Ok(configs) => kept_ms.extend(unread::deletes_kept_ms(&configs).map(|kept_ms| (topic, kept_ms))),
            Err(error) => {
                info!(topic, %error, "configs can't be read at the source: deletes that are compacted away unread are not noticed");
            }
        }
    }
    Ok(kept_ms)
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
