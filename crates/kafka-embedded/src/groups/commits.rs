//! OffsetCommit, OffsetFetch, OffsetDelete.

use kafka_protocol::ResponseError as E;
use kafka_protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use kafka_protocol::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestTopic, OffsetFetchRequestTopics};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse, OffsetFetchRequest,
    OffsetFetchResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use tokio::time::Instant;

use super::{Committed, Group, Partition, Phase};
use crate::Broker;
use crate::control::Call;
use crate::state::{State, code, text};

/// Kafka's `offset.metadata.max.bytes`.
const METADATA_BYTES_MAX: usize = 4096;

static NONE: Committed = Committed { offset: -1, leader_epoch: -1, metadata: StrBytes::new() };

impl Broker {
    pub(crate) async fn offset_commit(&self, _call: &Call, request: OffsetCommitRequest) -> OffsetCommitResponse {
        let mut state = self.state();
        let allowed = state.may_commit(&request);
        let group_id = request.group_id.to_string();
        let topics = request.topics.into_iter().map(|topic| {
            let name = topic.name.to_string();
            let partitions = topic.partitions.into_iter().map(|wanted| {
                let index = wanted.partition_index;
                let committed = Committed {
                    offset: wanted.committed_offset,
                    leader_epoch: wanted.committed_leader_epoch,
                    metadata: wanted.committed_metadata.unwrap_or_default(),
                };
                let done = allowed.and_then(|()| state.commit(&group_id, (name.clone(), index), committed));
                OffsetCommitResponsePartition::default().with_partition_index(index).with_error_code(code(&done))
            });
            let partitions = partitions.collect();
            OffsetCommitResponseTopic::default().with_name(topic.name).with_partitions(partitions)
        });
        OffsetCommitResponse::default().with_topics(topics.collect())
    }

    pub(crate) async fn offset_fetch(&self, call: &Call, request: OffsetFetchRequest) -> OffsetFetchResponse {
        let state = self.state();
        if call.version < 8 {
            let named = |topic: OffsetFetchRequestTopic| {
                OffsetFetchRequestTopics::default()
                    .with_name(topic.name)
                    .with_partition_indexes(topic.partition_indexes)
            };
            let wanted = request.topics.map(|topics| topics.into_iter().map(named).collect::<Vec<_>>());
            let group = state.groups.get(&*request.group_id.0);
            let topics = committed(group, wanted.as_deref(), request.require_stable).into_iter().map(old_topic);
            return OffsetFetchResponse::default().with_topics(topics.collect());
        }
        let groups = request.groups.into_iter().map(|wanted| {
            let topics =
                committed(state.groups.get(&*wanted.group_id.0), wanted.topics.as_deref(), request.require_stable);
            OffsetFetchResponseGroup::default().with_group_id(wanted.group_id).with_topics(topics)
        });
        OffsetFetchResponse::default().with_groups(groups.collect())
    }

    pub(crate) async fn offset_delete(&self, _call: &Call, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
        let mut state = self.state();
        let Some(group) = state.groups.get_mut(&*request.group_id.0) else {
            return OffsetDeleteResponse::default().with_error_code(E::GroupIdNotFound.code());
        };
        // What members subscribe to is the consumers' secret; as long as there are any, nothing is deleted.
        if group.phase != Phase::Empty {
            return OffsetDeleteResponse::default().with_error_code(E::NonEmptyGroup.code());
        }
        let topics = request.topics.into_iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|wanted| {
                group.offsets.remove(&(topic.name.to_string(), wanted.partition_index));
                OffsetDeleteResponsePartition::default().with_partition_index(wanted.partition_index)
            });
            let partitions = partitions.collect();
            OffsetDeleteResponseTopic::default().with_name(topic.name).with_partitions(partitions)
        });
        OffsetDeleteResponse::default().with_topics(topics.collect())
    }
}

impl State {
    /// Members commit within their generation; anybody commits for a group that nobody is in.
    fn may_commit(&mut self, request: &OffsetCommitRequest) -> Result<(), E> {
        let group_id = request.group_id.to_string();
        let generation = request.generation_id_or_member_epoch;
        if generation >= 0 && !self.groups.contains_key(&group_id) {
            return Err(E::IllegalGeneration);
        }
        let group = self.groups.entry(group_id).or_insert_with(Group::new);
        if generation < 0 && group.members.is_empty() {
            return Ok(());
        }
        group.check_member(&request.member_id, request.group_instance_id.as_deref(), generation)?;
        if matches!(group.phase, Phase::CompletingRebalance { .. }) {
            return Err(E::RebalanceInProgress);
        }
        if let Some(member) = group.members.get_mut(&*request.member_id) {
            member.seen = Instant::now();
        }
        Ok(())
    }

    fn commit(&mut self, group: &str, partition: Partition, committed: Committed) -> Result<(), E> {
        self.log(&partition.0, partition.1)?;
        if committed.metadata.len() > METADATA_BYTES_MAX {
            return Err(E::OffsetMetadataTooLarge);
        }
        if let Some(group) = self.groups.get_mut(group) {
            group.offsets.insert(partition, committed);
        }
        Ok(())
    }
}

/// What is committed of what is wanted; of everything that is committed, if nothing in particular is.
fn committed(
    group: Option<&Group>,
    wanted: Option<&[OffsetFetchRequestTopics]>,
    stable: bool,
) -> Vec<OffsetFetchResponseTopics> {
    let partition = |name: &str, index: i32| {
        let key = (name.to_owned(), index);
        let unstable = stable && group.is_some_and(|group| group.held.values().any(|held| held.contains_key(&key)));
        let found = group.and_then(|group| group.offsets.get(&key)).filter(|_| !unstable).unwrap_or(&NONE);
        OffsetFetchResponsePartitions::default()
            .with_partition_index(index)
            .with_committed_offset(found.offset)
            .with_committed_leader_epoch(found.leader_epoch)
            .with_metadata(Some(found.metadata.clone()))
            .with_error_code(if unstable { E::UnstableOffsetCommit.code() } else { 0 })
    };
    let topic = |name: TopicName, partitions: Vec<i32>| {
        let partitions = partitions.into_iter().map(|index| partition(&name, index)).collect();
        OffsetFetchResponseTopics::default().with_name(name).with_partitions(partitions)
    };
    if let Some(wanted) = wanted {
        return wanted.iter().map(|wanted| topic(wanted.name.clone(), wanted.partition_indexes.clone())).collect();
    }
    let mut all: std::collections::BTreeMap<&str, Vec<i32>> = std::collections::BTreeMap::new();
    for (name, index) in group.iter().flat_map(|group| group.offsets.keys()) {
        all.entry(name).or_default().push(*index);
    }
    all.into_iter().map(|(name, partitions)| topic(TopicName(text(name)), partitions)).collect()
}

/// As it was before there were several groups in a request.
fn old_topic(topic: OffsetFetchResponseTopics) -> OffsetFetchResponseTopic {
    let partitions = topic.partitions.into_iter().map(|partition| {
        OffsetFetchResponsePartition::default()
            .with_partition_index(partition.partition_index)
            .with_committed_offset(partition.committed_offset)
            .with_committed_leader_epoch(partition.committed_leader_epoch)
            .with_metadata(partition.metadata)
            .with_error_code(partition.error_code)
    });
    OffsetFetchResponseTopic::default().with_name(topic.name).with_partitions(partitions.collect())
}
