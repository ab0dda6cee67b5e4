//! Groups: who there is, in which state, with which members.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::messages::{ApiKey, GroupId};
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, DeleteGroupsRequest, DescribeGroupsRequest,
    DescribeGroupsResponse, ListGroupsRequest,
};

use super::batch::{Batch, Results, fail};
use super::{Admin, BrokerError, text};
use crate::BoxFuture;
use crate::TopicPartition;
use crate::cluster::{CoordinatorKind, Purpose};
use crate::codes::ErrorCode;
use crate::connection::Connection;
use crate::error::ClientError;

/// A group in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupListing {
    /// `group.id`.
    pub group_id: String,
    /// `consumer`, `connect`, or empty for offsets without members.
    pub protocol_type: String,
    /// `Stable`, `Empty`, ...; empty before Kafka 2.6.
    pub state: String,
    /// `classic`, `consumer`, `share`, `streams`; empty before Kafka 3.8.
    pub group_type: String,
}

/// The groups of all brokers that answered, and what was wrong with the others.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupListings {
    /// Groups.
    pub groups: Vec<GroupListing>,
    /// By `node.id`: these brokers' groups are missing.
    pub errors: BTreeMap<i32, ClientError>,
}

/// Which protocol a group speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupKind {
    /// JoinGroup and SyncGroup: consumers by default, Connect.
    Classic,
    /// KIP-848.
    Consumer,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDescription {
    /// Which protocol it speaks.
    pub kind: GroupKind,
    /// `Stable`, `Empty`, `PreparingRebalance`, ...
    pub state: String,
    /// `consumer`, `connect`.
    pub protocol_type: String,
    /// The assignor, or Connect's protocol (`sessioned`).
    pub protocol: String,
    /// Members.
    pub members: Vec<GroupMemberDescription>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMemberDescription {
    /// `member.id`.
    pub member_id: String,
    /// `group.instance.id`.
    pub group_instance_id: Option<String>,
    /// `client.id`.
    pub client_id: String,
    /// `/address`.
    pub client_host: String,
    /// What it told the group, in the bytes of its protocol (classic groups).
    pub metadata: Bytes,
    /// What the group told it, in the bytes of its protocol (classic groups).
    pub assignment: Bytes,
    /// Its partitions (KIP-848 groups).
    pub partitions: Vec<TopicPartition>,
}

impl Admin {
    /// The groups of the cluster. Every broker knows its own; one that does not answer is named.
    pub fn list_groups<'a>(&'a self) -> BoxFuture<'a, Result<GroupListings, ClientError>> {
        Box::pin(async move {
            let brokers = self.cluster.refresh().await?;
            let items = brokers.brokers.keys().map(|node_id| (*node_id, ()));
            let mut batch = Batch::new(self, "ListGroups", items);
            while let Some(pending) = batch.pending() {
                let attempt = async {
                    let mut results = Vec::new();
                    let mut underway = Vec::new();
                    for node_id in pending.keys() {
                        let started = async {
                            let connection = self.cluster.broker(*node_id, Purpose::Control).await?;
                            connection.start(|_| Ok(ListGroupsRequest::default()), connection.request_timeout()).await
                        };
                        match started.await {
                            Ok(answer) => underway.push((*node_id, answer)),
                            Err(error) => fail(&mut results, [*node_id], error)?,
                        }
                    }
                    for (node_id, answer) in underway {
                        match answer.await {
                            Ok(response) => {
                                let listing = |group: &kafka_protocol::messages::list_groups_response::ListedGroup| {
                                    GroupListing {
                                        group_id: group.group_id.to_string(),
                                        protocol_type: group.protocol_type.to_string(),
                                        state: group.group_state.to_string(),
                                        group_type: group.group_type.to_string(),
                                    }
                                };
                                let groups: Vec<GroupListing> = response.groups.iter().map(listing).collect();
                                let checked = BrokerError::check(response.error_code, None);
                                results.push((node_id, checked.map(|()| groups)));
                            }
                            Err(error) => fail(&mut results, [node_id], error)?,
                        }
                    }
                    Ok(results)
                };
                let results = batch.bounded(attempt).await;
                batch.absorb(results).await?;
            }
            let mut listings = GroupListings { groups: Vec::new(), errors: BTreeMap::new() };
            for (node_id, result) in batch.results() {
                match result {
                    Ok(groups) => listings.groups.extend(groups),
                    Err(error) => {
                        let message = error.message.as_deref();
                        let error = ClientError::broker(format!("ListGroups of broker {node_id}"), error.code, message);
                        listings.errors.insert(node_id, error);
                    }
                }
            }
            Ok(listings)
        })
    }

    /// State and members of some groups, classic ones and those of KIP-848. A group that does not
    /// exist is `GROUP_ID_NOT_FOUND`, from old brokers too, which call it dead.
    pub fn describe_groups<'a>(
        &'a self,
        ids: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Results<String, GroupDescription>, ClientError>> {
        Box::pin(async move {
            let mut batch = Batch::new(self, "DescribeGroups", ids.iter().map(|id| ((*id).to_owned(), ())));
            while let Some(pending) = batch.pending() {
                let attempt = async {
                    let mut results = Vec::new();
                    for (connection, ids) in self.by_coordinator(pending.keys(), &mut results).await? {
                        match describe_at(&connection, &ids).await {
                            Ok(described) => results.extend(described),
                            Err(error) => fail(&mut results, ids, error)?,
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

    /// Deletes groups with all their offsets; `NON_EMPTY_GROUP` if somebody is in them.
    pub fn delete_groups<'a>(&'a self, ids: &'a [&'a str]) -> BoxFuture<'a, Result<Results<String, ()>, ClientError>> {
        Box::pin(async move {
            let mut batch = Batch::new(self, "DeleteGroups", ids.iter().map(|id| ((*id).to_owned(), ())));
            while let Some(pending) = batch.pending() {
                let attempt =
                    async {
                        let mut results = Vec::new();
                        for (connection, ids) in self.by_coordinator(pending.keys(), &mut results).await? {
                            let request = DeleteGroupsRequest::default().with_groups_names(group_ids(&ids));
                            match connection.call(request).await {
                                Ok(response) => results.extend(response.results.iter().map(|group| {
                                    (group.group_id.to_string(), BrokerError::check(group.error_code, None))
                                })),
                                Err(error) => fail(&mut results, ids, error)?,
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

    /// Groups by coordinator, each looked up anew. Groups without one get their result at once.
    pub(super) async fn by_coordinator<T>(
        &self,
        groups: impl Iterator<Item = &String>,
        results: &mut Vec<(String, Result<T, BrokerError>)>,
    ) -> Result<Vec<(Connection, Vec<String>)>, ClientError> {
        let groups: Vec<&str> = groups.map(String::as_str).collect();
        let found = self.cluster.find_coordinators(CoordinatorKind::Group, &groups).await?;
        let mut by_endpoint: Vec<(_, Vec<String>)> = Vec::new();
        for (group, endpoint) in found {
            match endpoint {
                Ok(endpoint) => match by_endpoint.iter_mut().find(|(known, _)| *known == endpoint) {
                    Some((_, groups)) => groups.push(group),
                    None => by_endpoint.push((endpoint, vec![group])),
                },
                Err((code, message)) => results.push((group, Err(BrokerError { code, message }))),
            }
        }
        let mut routed = Vec::new();
        for (endpoint, groups) in by_endpoint {
            match self.cluster.connect_to(&endpoint, Purpose::Control).await {
                Ok(connection) => routed.push((connection, groups)),
                Err(error) => fail(results, groups, error)?,
            }
        }
        Ok(routed)
    }
}

fn group_ids(ids: &[String]) -> Vec<GroupId> {
    ids.iter().map(|id| GroupId(text(id))).collect()
}

/// Classic groups first, since most are; what is none of those may be a group of KIP-848.
async fn describe_at(
    connection: &Connection,
    ids: &[String],
) -> Result<Vec<(String, Result<GroupDescription, BrokerError>)>, ClientError> {
    let request = DescribeGroupsRequest::default().with_groups(group_ids(ids));
    let mut described = classic(connection.call(request).await?);
    let unknown = |result: &Result<GroupDescription, BrokerError>| {
        result.as_ref().is_err_and(|error| error.code == ErrorCode::GROUP_ID_NOT_FOUND)
    };
    let others: Vec<String> =
        described.iter().filter(|(_, result)| unknown(result)).map(|(id, _)| id.clone()).collect();
    if !others.is_empty() && connection.version_of(ApiKey::ConsumerGroupDescribe).is_some() {
        let request = ConsumerGroupDescribeRequest::default().with_group_ids(group_ids(&others));
        described.retain(|(_, result)| !unknown(result));
        described.extend(consumer(connection.call(request).await?));
    }
    Ok(described)
}

fn classic(response: DescribeGroupsResponse) -> Vec<(String, Result<GroupDescription, BrokerError>)> {
    let describe = |group: kafka_protocol::messages::describe_groups_response::DescribedGroup| {
        BrokerError::check(group.error_code, group.error_message.as_ref())?;
        if &*group.group_state == "Dead" {
            return Err(BrokerError { code: ErrorCode::GROUP_ID_NOT_FOUND, message: None });
        }
        let member =
            |member: kafka_protocol::messages::describe_groups_response::DescribedGroupMember| GroupMemberDescription {
                member_id: member.member_id.to_string(),
                group_instance_id: member.group_instance_id.as_ref().map(ToString::to_string),
                client_id: member.client_id.to_string(),
                client_host: member.client_host.to_string(),
                metadata: member.member_metadata,
                assignment: member.member_assignment,
                partitions: Vec::new(),
            };
        Ok(GroupDescription {
            kind: GroupKind::Classic,
            state: group.group_state.to_string(),
            protocol_type: group.protocol_type.to_string(),
            protocol: group.protocol_data.to_string(),
            members: group.members.into_iter().map(member).collect(),
        })
    };
    response.groups.into_iter().map(|group| (group.group_id.to_string(), describe(group))).collect()
}

fn consumer(response: ConsumerGroupDescribeResponse) -> Vec<(String, Result<GroupDescription, BrokerError>)> {
    let describe = |group: kafka_protocol::messages::consumer_group_describe_response::DescribedGroup| {
        BrokerError::check(group.error_code, group.error_message.as_ref())?;
        let member = |member: kafka_protocol::messages::consumer_group_describe_response::Member| {
            let partitions = member.assignment.topic_partitions.iter().flat_map(|topic| {
                topic.partitions.iter().map(|index| TopicPartition::new(topic.topic_name.as_str(), *index))
            });
            GroupMemberDescription {
                partitions: partitions.collect(),
                member_id: member.member_id.to_string(),
                group_instance_id: member.instance_id.as_ref().map(ToString::to_string),
                client_id: member.client_id.to_string(),
                client_host: member.client_host.to_string(),
                metadata: Bytes::new(),
                assignment: Bytes::new(),
            }
        };
        Ok(GroupDescription {
            kind: GroupKind::Consumer,
            state: group.group_state.to_string(),
            protocol_type: "consumer".to_owned(),
            protocol: group.assignor_name.to_string(),
            members: group.members.into_iter().map(member).collect(),
        })
    };
    response.groups.into_iter().map(|group| (group.group_id.to_string(), describe(group))).collect()
}
