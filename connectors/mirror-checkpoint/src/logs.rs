//! What topics are now: their ids on both sides, and where the target's partitions begin and end.

use std::collections::{BTreeMap, BTreeSet};

use connect_api::ConnectError;
use kafka_client::TopicPartition;
use kafka_client::admin::{Admin, Isolation, OffsetSpec};
use mirror::TopicId;
use mirror::config::ClientRole;
use mirror::runs::TargetLog;

use crate::clients;

/// Ids of topics by name; `None` where brokers have none.
pub(crate) type TopicIds = BTreeMap<String, Option<TopicId>>;

/// The answers of both clusters.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    source_ids: TopicIds,
    target_ids: TopicIds,
    target: BTreeMap<TopicPartition, TargetLog>,
}

impl Logs {
    /// Asks about pairs of a source partition and the name of its target topic.
    pub(crate) async fn look<'a>(
        source: &Admin,
        target: &Admin,
        pairs: impl Iterator<Item = (&'a TopicPartition, &'a str)>,
    ) -> Result<Self, ConnectError> {
        let (mut at_source, mut at_target, mut partitions) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for (partition, target_topic) in pairs {
            at_source.insert(&*partition.topic);
            at_target.insert(target_topic);
            partitions.insert((target_topic, partition.partition));
        }
        let (source_ids, (target_ids, there)) = tokio::try_join!(
            async {
                ids(source, ClientRole::CheckpointSourceAdmin, at_source.iter().copied()).await.map(|(ids, _)| ids)
            },
            ids(target, ClientRole::CheckpointTargetAdmin, at_target.iter().copied()),
        )?;
        let wanted: Vec<TopicPartition> = partitions
            .into_iter()
            .map(|(topic, partition)| TopicPartition::new(topic, partition))
            .filter(|partition| there.contains(partition))
            .collect();
        let list = async |spec: OffsetSpec| {
            let wanted = wanted.iter().map(|partition| (partition.clone(), spec)).collect();
            let listed = target.list_offsets(&wanted, Isolation::ReadUncommitted).await;
            let listed = listed.map_err(|error| clients::refused(ClientRole::CheckpointTargetAdmin, &error))?;
            let known = listed.into_iter().filter_map(|(partition, listed)| Some((partition, listed.ok()?.offset?)));
            Ok::<BTreeMap<_, _>, ConnectError>(known.collect())
        };
        let (starts, ends) = tokio::try_join!(list(OffsetSpec::Earliest), list(OffsetSpec::Latest))?;
        let logs = starts.into_iter().filter_map(|(partition, start)| {
            let end = *ends.get(&partition)?;
            Some((partition, TargetLog { start, end }))
        });
        Ok(Self { source_ids, target_ids, target: logs.collect() })
    }

    /// The ids of a source topic and its target topic, as far as they are known.
    pub(crate) fn ids(&self, source_topic: &str, target_topic: &str) -> mirror::runs::TopicIds {
        let id = |ids: &TopicIds, topic: &str| ids.get(topic).copied().flatten();
        mirror::runs::TopicIds {
            source: id(&self.source_ids, source_topic),
            target: id(&self.target_ids, target_topic),
        }
    }

    /// The ids of the target's topics.
    pub(crate) fn target_ids(&self) -> &TopicIds {
        &self.target_ids
    }

    /// What a target partition holds; `None` if there is none, or it did not answer.
    pub(crate) fn target(&self, partition: &TopicPartition) -> Option<TargetLog> {
        self.target.get(partition).copied()
    }
}

/// Ids of those topics that exist, and their partitions.
pub(crate) async fn ids(
    admin: &Admin,
    role: ClientRole,
    topics: impl Iterator<Item = &str>,
) -> Result<(TopicIds, BTreeSet<TopicPartition>), ConnectError> {
    let names: Vec<&str> = topics.collect();
    let described = if names.is_empty() {
        BTreeMap::new()
    } else {
        admin.describe_topics(&names).await.map_err(|error| clients::refused(role, &error))?
    };
    let (mut ids, mut partitions) = (BTreeMap::new(), BTreeSet::new());
    for (name, info) in described {
        let Ok(info) = info else { continue };
        partitions.extend(info.partitions.keys().map(|partition| TopicPartition::new(name.as_str(), *partition)));
        ids.insert(name, TopicId::new(*info.id.as_bytes()));
    }
    Ok((ids, partitions))
}
