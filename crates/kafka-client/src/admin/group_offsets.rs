//! Committed offsets of groups: read for many groups in one request (KIP-709), altered for a group
//! without members.

use std::collections::BTreeMap;

use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::{ApiKey, GroupId, OffsetCommitRequest, OffsetFetchRequest, OffsetFetchResponse};
use kafka_protocol::protocol::StrBytes;
use tracing::warn;

use super::batch::{Batch, Results, fail};
use super::{Admin, BrokerError, text, topic_name};
use crate::BoxFuture;
use crate::TopicPartition;
use crate::cluster::CoordinatorKind;
use crate::codes::ErrorCode;
use crate::connection::Connection;
use crate::error::ClientError;

/// What a group has committed for a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset to read.
    pub offset: i64,
    /// Leader epoch of the last record read, if the group said so.
    pub leader_epoch: Option<i32>,
    /// The group's own words.
    pub metadata: String,
}

/// What a group has committed.
pub type GroupOffsets = BTreeMap<TopicPartition, CommittedOffset>;

/// First version that asks for many groups at once.
const MANY_GROUPS_VERSION: i16 = 8;
/// First version that waits for open transactions over the offsets (KIP-447).
const STABLE_VERSION: i16 = 7;

impl Admin {
    /// All committed offsets of some groups. A group that does not exist has none. With
    /// `require_stable`, offsets under an open transaction are waited for.
    pub fn list_group_offsets<'a>(
        &'a self,
        groups: &'a [&'a str],
        require_stable: bool,
    ) -> BoxFuture<'a, Result<Results<String, GroupOffsets>, ClientError>> {
        Box::pin(async move {
            let mut batch = Batch::new(self, "OffsetFetch", groups.iter().map(|group| ((*group).to_owned(), ())));
            while let Some(pending) = batch.pending() {
                let attempt = async {
                    let mut results = Vec::new();
                    let mut underway = Vec::new();
                    for (connection, groups) in self.by_coordinator(pending.keys(), &mut results).await? {
                        let many = connection.version_of(ApiKey::OffsetFetch).is_some_and(|v| v >= MANY_GROUPS_VERSION);
                        let size = if many { groups.len() } else { 1 };
                        for groups in groups.chunks(size) {
                            let fill = |version| Ok(offset_fetch(groups, require_stable, version));
                            match connection.start(fill, connection.request_timeout()).await {
                                Ok(answer) => underway.push((groups.to_vec(), answer)),
                                Err(error) => fail(&mut results, groups.to_vec(), error)?,
                            }
                        }
                    }
                    for (groups, answer) in underway {
                        match answer.await {
                            Ok(response) => results.extend(offsets(response, &groups)),
                            Err(error) => fail(&mut results, groups, error)?,
                        }
                    }
                    Ok(results)
                };
                let results = batch.bounded(attempt).await;
                batch.absorb(results).await?;
            }
            Ok(batch.results())
        })
    }

    /// Commits offsets in the name of a group that has no members now.
    ///
    /// # Errors
    /// By partition; `UNKNOWN_MEMBER_ID` on all of them if the group has members.
    pub fn alter_group_offsets<'a>(
        &'a self,
        group: &'a str,
        offsets: &'a GroupOffsets,
    ) -> BoxFuture<'a, Result<Results<TopicPartition, ()>, ClientError>> {
        Box::pin(async move {
            let items = offsets.iter().map(|(partition, offset)| (partition.clone(), offset));
            let mut batch = Batch::new(self, "OffsetCommit", items);
            while let Some(pending) = batch.pending() {
                let attempt = async {
                    let purpose = crate::cluster::Purpose::Control;
                    let connection = self.cluster.coordinator_for(CoordinatorKind::Group, group, purpose).await?;
                    commit(&connection, group, pending).await
                };
                let results = batch.bounded(attempt).await;
                let moved = match &results {
                    Ok(results) => {
                        results.iter().any(|(_, result)| result.as_ref().is_err_and(|e| e.code.is_retriable()))
                    }
                    Err(error) => error.is_retriable(),
                };
                if moved {
                    self.cluster.forget_coordinator(CoordinatorKind::Group, group);
                }
                batch.absorb(results).await?;
            }
            Ok(batch.results())
        })
    }
}

fn offset_fetch(groups: &[String], require_stable: bool, version: i16) -> OffsetFetchRequest {
    let mut request = OffsetFetchRequest::default();
    if version >= STABLE_VERSION {
        request.require_stable = require_stable;
    }
    if version >= MANY_GROUPS_VERSION {
        let group = |id: &String| OffsetFetchRequestGroup::default().with_group_id(GroupId(text(id))).with_topics(None);
        return request.with_groups(groups.iter().map(group).collect());
    }
    let id = groups.first().map(|id| text(id)).unwrap_or_default();
    request.with_group_id(GroupId(id)).with_topics(None)
}

/// Results by group, whatever the version of the answer.
fn offsets(response: OffsetFetchResponse, groups: &[String]) -> Vec<(String, Result<GroupOffsets, BrokerError>)> {
    if response.groups.is_empty() {
        let partitions = response.topics.iter().flat_map(|topic| {
            topic.partitions.iter().map(|p| {
                let key = TopicPartition::new(topic.name.as_str(), p.partition_index);
                (key, p.error_code, p.committed_offset, p.committed_leader_epoch, p.metadata.as_ref())
            })
        });
        let Some(group) = groups.first() else { return Vec::new() };
        return vec![(group.clone(), of_group(group, response.error_code, partitions))];
    }
    let of = |group: &kafka_protocol::messages::offset_fetch_response::OffsetFetchResponseGroup| {
        let partitions = group.topics.iter().flat_map(|topic| {
            topic.partitions.iter().map(|p| {
                let key = TopicPartition::new(topic.name.as_str(), p.partition_index);
                (key, p.error_code, p.committed_offset, p.committed_leader_epoch, p.metadata.as_ref())
            })
        });
        (group.group_id.to_string(), of_group(&group.group_id, group.error_code, partitions))
    };
    response.groups.iter().map(of).collect()
}

/// A retriable code of one partition makes the group be asked again; another one leaves the partition
/// out, as Java's admin client does, but not in silence.
fn of_group<'a>(
    group: &str,
    error_code: i16,
    partitions: impl Iterator<Item = (TopicPartition, i16, i64, i32, Option<&'a StrBytes>)>,
) -> Result<GroupOffsets, BrokerError> {
    BrokerError::check(error_code, None)?;
    let mut offsets = GroupOffsets::new();
    for (partition, code, offset, leader_epoch, metadata) in partitions {
        let code = ErrorCode(code);
        if code.is_retriable() {
            return Err(BrokerError { code, message: Some(partition.to_string()) });
        }
        if !code.is_ok() {
            warn!(group, topic = %partition.topic, partition = partition.partition, error = %code, "offset cannot be read");
        } else if offset >= 0 {
            let leader_epoch = Some(leader_epoch).filter(|epoch| *epoch >= 0);
            let metadata = metadata.map(ToString::to_string).unwrap_or_default();
            offsets.insert(partition, CommittedOffset { offset, leader_epoch, metadata });
        }
    }
    Ok(offsets)
}

async fn commit(
    connection: &Connection,
    group: &str,
    offsets: &BTreeMap<TopicPartition, &CommittedOffset>,
) -> Result<Vec<(TopicPartition, Result<(), BrokerError>)>, ClientError> {
    let mut by_topic: BTreeMap<&str, Vec<(i32, &CommittedOffset)>> = BTreeMap::new();
    for (partition, offset) in offsets {
        by_topic.entry(&partition.topic).or_default().push((partition.partition, offset));
    }
    let fill = |version| {
        let topic = |(name, partitions): (&str, Vec<(i32, &CommittedOffset)>)| {
            let partition = |(index, offset): (i32, &CommittedOffset)| {
                let mut partition = OffsetCommitRequestPartition::default()
                    .with_partition_index(index)
                    .with_committed_offset(offset.offset)
                    .with_committed_metadata(Some(text(&offset.metadata)));
                if version >= 6 {
                    partition.committed_leader_epoch = offset.leader_epoch.unwrap_or(-1);
                }
                partition
            };
            OffsetCommitRequestTopic::default()
                .with_name(topic_name(name))
                .with_partitions(partitions.into_iter().map(partition).collect())
        };
        // Generation -1 and no member: nobody in particular, which is refused while the group has members.
        Ok(OffsetCommitRequest::default()
            .with_group_id(GroupId(text(group)))
            .with_generation_id_or_member_epoch(-1)
            .with_topics(by_topic.into_iter().map(topic).collect()))
    };
    let response = connection.call_with(fill, connection.request_timeout()).await?;
    let results = response.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|partition| {
            let key = TopicPartition::new(topic.name.as_str(), partition.partition_index);
            (key, BrokerError::check(partition.error_code, None))
        })
    });
    Ok(results.collect())
}
