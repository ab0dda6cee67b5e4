//! What only the leader of a partition knows or does: offsets, ends of epochs, deleting records.

use std::collections::BTreeMap;

use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use kafka_protocol::messages::{ApiKey, BrokerId};
use kafka_protocol::messages::{DeleteRecordsRequest, ListOffsetsRequest, OffsetForLeaderEpochRequest};

use super::batch::{Batch, Results, fail};
use super::{Admin, BrokerError, topic_name};
use crate::BoxFuture;
use crate::TopicPartition;
use crate::cluster::{Metadata, Purpose};
use crate::connection::{Connection, Pending};
use crate::error::ClientError;
use crate::fetcher::Isolation;
use crate::proto::KafkaRequest;

/// Which offset of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The first that is still there.
    Earliest,
    /// The next to be written; with [`Isolation::ReadCommitted`] the last stable offset.
    Latest,
    /// That of the record with the highest timestamp (KIP-734, Kafka 3.0).
    MaxTimestamp,
    /// The first whose timestamp is not below this, in milliseconds.
    AtOrAfter(i64),
}

/// An offset that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedOffset {
    /// The offset, `None` if there is no such record.
    pub offset: Option<i64>,
    /// Its timestamp where one was looked for, in milliseconds.
    pub timestamp_ms: Option<i64>,
    /// Its leader epoch, if known.
    pub leader_epoch: Option<i32>,
}

/// Where a leader epoch ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochEnd {
    /// The largest epoch not above the one asked for, `None` if the leader knows none.
    pub leader_epoch: Option<i32>,
    /// The offset behind its last record, `None` if the leader knows no such epoch.
    pub end_offset: Option<i64>,
}

impl OffsetSpec {
    /// What stands for it in the field of the timestamp, and the first version that knows it.
    fn on_wire(self) -> (i64, i16) {
        match self {
            OffsetSpec::Latest => (-1, 1),
            OffsetSpec::Earliest => (-2, 1),
            OffsetSpec::MaxTimestamp => (-3, 7),
            OffsetSpec::AtOrAfter(timestamp_ms) => (timestamp_ms, 1),
        }
    }
}

/// Partitions with their leader's epoch and what is wanted of them, by topic.
pub(super) type ByTopic<I> = BTreeMap<String, Vec<(i32, i32, I)>>;

impl Admin {
    /// One offset of each partition.
    pub fn list_offsets<'a>(
        &'a self,
        wanted: &'a BTreeMap<TopicPartition, OffsetSpec>,
        isolation: Isolation,
    ) -> BoxFuture<'a, Result<Results<TopicPartition, ListedOffset>, ClientError>> {
        Box::pin(async move {
            let items = wanted.iter().map(|(partition, spec)| (partition.clone(), *spec));
            let request = |topics: ByTopic<OffsetSpec>, version: i16| -> Result<_, ClientError> {
                let mut request = ListOffsetsRequest::default().with_replica_id(BrokerId(-1));
                if version >= 2 {
                    request.isolation_level = i8::from(isolation == Isolation::ReadCommitted);
                }
                for (name, partitions) in topics {
                    let mut topic = ListOffsetsTopic::default().with_name(topic_name(&name));
                    for (index, leader_epoch, spec) in partitions {
                        let (timestamp, since) = spec.on_wire();
                        if version < since {
                            let reason = format!("{spec:?} needs version {since}, the broker has {version}");
                            return Err(ClientError::protocol(ApiKey::ListOffsets, reason));
                        }
                        let mut partition =
                            ListOffsetsPartition::default().with_partition_index(index).with_timestamp(timestamp);
                        if version >= 4 {
                            partition.current_leader_epoch = leader_epoch;
                        }
                        topic.partitions.push(partition);
                    }
                    request.topics.push(topic);
                }
                Ok(request)
            };
            self.at_leaders("ListOffsets", items, request, |response| {
                let known = |value: i64| Some(value).filter(|value| *value >= 0);
                let mut results = Vec::new();
                for topic in response.topics {
                    for partition in topic.partitions {
                        let listed = ListedOffset {
                            offset: known(partition.offset),
                            timestamp_ms: known(partition.timestamp),
                            leader_epoch: Some(partition.leader_epoch).filter(|epoch| *epoch >= 0),
                        };
                        let key = TopicPartition::new(topic.name.as_str(), partition.partition_index);
                        results.push((key, BrokerError::check(partition.error_code, None).map(|()| listed)));
                    }
                }
                results
            })
            .await
        })
    }

    /// Where each partition's given leader epoch ends (KIP-320): an end below one's own position means
    /// that the log was cut and written anew.
    pub fn offset_for_leader_epoch<'a>(
        &'a self,
        wanted: &'a BTreeMap<TopicPartition, i32>,
    ) -> BoxFuture<'a, Result<Results<TopicPartition, EpochEnd>, ClientError>> {
        Box::pin(async move {
            let items = wanted.iter().map(|(partition, epoch)| (partition.clone(), *epoch));
            let request = |topics: ByTopic<i32>, version: i16| {
                let mut request = OffsetForLeaderEpochRequest::default();
                if version >= 3 {
                    request.replica_id = BrokerId(-1);
                }
                for (name, partitions) in topics {
                    let partition = |(index, leader_epoch, epoch)| {
                        OffsetForLeaderPartition::default()
                            .with_partition(index)
                            .with_current_leader_epoch(leader_epoch)
                            .with_leader_epoch(epoch)
                    };
                    let topic = OffsetForLeaderTopic::default()
                        .with_topic(topic_name(&name))
                        .with_partitions(partitions.into_iter().map(partition).collect());
                    request.topics.push(topic);
                }
                Ok(request)
            };
            self.at_leaders("OffsetForLeaderEpoch", items, request, |response| {
                let mut results = Vec::new();
                for topic in response.topics {
                    for partition in topic.partitions {
                        let end = EpochEnd {
                            leader_epoch: Some(partition.leader_epoch).filter(|epoch| *epoch >= 0),
                            end_offset: Some(partition.end_offset).filter(|offset| *offset >= 0),
                        };
                        let key = TopicPartition::new(topic.topic.as_str(), partition.partition);
                        results.push((key, BrokerError::check(partition.error_code, None).map(|()| end)));
                    }
                }
                results
            })
            .await
        })
    }

    /// Deletes the records below an offset of each partition (-1 for all there are). Returns where the
    /// logs begin afterwards.
    pub fn delete_records<'a>(
        &'a self,
        below: &'a BTreeMap<TopicPartition, i64>,
    ) -> BoxFuture<'a, Result<Results<TopicPartition, i64>, ClientError>> {
        Box::pin(async move {
            let items = below.iter().map(|(partition, offset)| (partition.clone(), *offset));
            let request = |topics: ByTopic<i64>, _version| {
                let topic = |(name, partitions): (String, Vec<(i32, i32, i64)>)| {
                    let partition = |(index, _, offset)| {
                        DeleteRecordsPartition::default().with_partition_index(index).with_offset(offset)
                    };
                    DeleteRecordsTopic::default()
                        .with_name(topic_name(&name))
                        .with_partitions(partitions.into_iter().map(partition).collect())
                };
                Ok(DeleteRecordsRequest::default()
                    .with_topics(topics.into_iter().map(topic).collect())
                    .with_timeout_ms(self.broker_timeout_ms()))
            };
            self.at_leaders("DeleteRecords", items, request, |response| {
                let mut results = Vec::new();
                for topic in response.topics {
                    for partition in topic.partitions {
                        let key = TopicPartition::new(topic.name.as_str(), partition.partition_index);
                        let checked = BrokerError::check(partition.error_code, None);
                        results.push((key, checked.map(|()| partition.low_watermark)));
                    }
                }
                results
            })
            .await
        })
    }

    /// Sends one request to each leader, all at once, until every partition has its result.
    pub(super) async fn at_leaders<R: KafkaRequest, I: Copy + Send, T>(
        &self,
        api: &'static str,
        items: impl Iterator<Item = (TopicPartition, I)>,
        request: impl Fn(ByTopic<I>, i16) -> Result<R, ClientError> + Send + Sync,
        read: impl Fn(R::Response) -> Vec<(TopicPartition, Result<T, BrokerError>)>,
    ) -> Result<Results<TopicPartition, T>, ClientError> {
        let mut batch = Batch::new(self, api, items).patient();
        while let Some(pending) = batch.pending() {
            let attempt = async {
                let mut results = Vec::new();
                let mut underway = Vec::new();
                let names: Vec<&str> = {
                    let mut names: Vec<&str> = pending.keys().map(|partition| &*partition.topic).collect();
                    names.dedup();
                    names
                };
                let metadata = self.cluster.fetch_metadata(Some(&names)).await?;
                let (routed, unrouted) = route(&metadata, pending);
                results.extend(unrouted.into_iter().map(|(partition, error)| (partition, Err(error))));
                for (node_id, topics) in routed {
                    let asked: Vec<TopicPartition> = partitions(&topics);
                    match self.start_at(node_id, |version| request(topics, version)).await {
                        Ok(answer) => underway.push((asked, answer)),
                        Err(error) => fail(&mut results, asked, error)?,
                    }
                }
                for (asked, answer) in underway {
                    match answer.await {
                        Ok(response) => results.extend(read(response)),
                        Err(error) => fail(&mut results, asked, error)?,
                    }
                }
                Ok(results)
            };
            let results = batch.bounded(attempt).await;
            batch.absorb(results).await?;
        }
        Ok(batch.results())
    }

    async fn start_at<R: KafkaRequest>(
        &self,
        node_id: i32,
        fill: impl FnOnce(i16) -> Result<R, ClientError> + Send,
    ) -> Result<Pending<R::Response>, ClientError> {
        let connection: Connection = self.cluster.broker(node_id, Purpose::Control).await?;
        connection.start(fill, connection.request_timeout()).await
    }
}

/// A partition without a leader, and why.
type Unrouted = (TopicPartition, BrokerError);

/// Partitions by leader, and those that have none now.
fn route<I: Copy>(
    metadata: &Metadata,
    pending: &BTreeMap<TopicPartition, I>,
) -> (BTreeMap<i32, ByTopic<I>>, Vec<Unrouted>) {
    let mut routed: BTreeMap<i32, ByTopic<I>> = BTreeMap::new();
    let mut unrouted = Vec::new();
    for (key, item) in pending {
        match metadata.leader(&key.topic, key.partition) {
            Some((node_id, epoch)) => {
                let topics = routed.entry(node_id).or_default();
                topics.entry(key.topic.to_string()).or_default().push((key.partition, epoch, *item));
            }
            None => {
                let code = metadata.why_no_leader(&key.topic, key.partition);
                unrouted.push((key.clone(), BrokerError { code, message: None }));
            }
        }
    }
    (routed, unrouted)
}

fn partitions<I>(topics: &ByTopic<I>) -> Vec<TopicPartition> {
    let of_topic = |(name, partitions): (&String, &Vec<(i32, i32, I)>)| -> Vec<TopicPartition> {
        partitions.iter().map(|(index, ..)| TopicPartition::new(name.as_str(), *index)).collect()
    };
    topics.iter().flat_map(of_topic).collect()
}
