//! Questions about offsets, other than fetching: where a log begins and ends, where an epoch ends. One broker, many
//! partitions; each gets its own answer or error.

use std::collections::{BTreeMap, HashMap};

use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use kafka_protocol::messages::{BrokerId, ListOffsetsRequest, OffsetForLeaderEpochRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::options::{Isolation, OffsetReset};
use super::partition::{Question, Reply};
use crate::TopicPartition;
use crate::cluster::{Cluster, Purpose};
use crate::codes::ErrorCode;
use crate::connection::Connection;
use crate::error::ClientError;

/// A question, and the leader epoch that we expect the broker to have (-1: any).
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) tp: TopicPartition,
    pub(super) version: u64,
    pub(super) leader_epoch: i32,
    pub(super) question: Question,
}

/// The answers, for as many of the questions as the broker has answered.
pub(super) type Replies = HashMap<TopicPartition, Result<Reply, ErrorCode>>;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;

/// An offset and its leader epoch, by partition.
type Offsets = HashMap<TopicPartition, Result<(i64, i32), ErrorCode>>;

/// Asks the leader `node_id`. With read_committed, the end of a log is its last stable offset.
pub(super) async fn ask(
    cluster: &Cluster,
    node_id: i32,
    isolation: Isolation,
    asked: &[Asked],
) -> Result<Replies, ClientError> {
    let connection = cluster.broker(node_id, Purpose::Control).await?;
    let of = |wanted: &[Question]| -> Vec<&Asked> {
        asked.iter().filter(|asked| wanted.contains(&asked.question)).collect()
    };
    let start = of(&[Question::Where(OffsetReset::Earliest), Question::Range]);
    let end = of(&[Question::Where(OffsetReset::Latest), Question::Range]);
    let epochs: Vec<&Asked> = asked.iter().filter(|asked| matches!(asked.question, Question::EpochEnd(_))).collect();
    let start = list_offsets(&connection, isolation, EARLIEST, &start).await?;
    let end = list_offsets(&connection, isolation, LATEST, &end).await?;
    let epochs = epoch_ends(&connection, &epochs).await?;

    let position = |found: Option<&Result<(i64, i32), ErrorCode>>| {
        found.map(|found| {
            found.map(|(offset, epoch)| Reply::Where { offset, leader_epoch: Some(epoch).filter(|&epoch| epoch >= 0) })
        })
    };
    let reply = |asked: &Asked| match asked.question {
        Question::Where(OffsetReset::Earliest) => position(start.get(&asked.tp)),
        Question::Where(_) => position(end.get(&asked.tp)),
        Question::Range => match (start.get(&asked.tp)?, end.get(&asked.tp)?) {
            (Ok((log_start, _)), Ok((log_end, _))) => {
                Some(Ok(Reply::Range { log_start: *log_start, log_end: *log_end }))
            }
            (Err(code), _) | (_, Err(code)) => Some(Err(*code)),
        },
        Question::EpochEnd(_) => epochs.get(&asked.tp).copied(),
    };
    Ok(asked.iter().filter_map(|asked| Some((asked.tp.clone(), reply(asked)?))).collect())
}

/// The questions by topic.
fn by_topic<'a>(asked: &[&'a Asked]) -> BTreeMap<&'a str, Vec<&'a Asked>> {
    let mut topics: BTreeMap<&str, Vec<&Asked>> = BTreeMap::new();
    for asked in asked {
        topics.entry(&asked.tp.topic).or_default().push(asked);
    }
    topics
}

fn topic_name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}

async fn list_offsets(
    connection: &Connection,
    isolation: Isolation,
    timestamp: i64,
    asked: &[&Asked],
) -> Result<Offsets, ClientError> {
    if asked.is_empty() {
        return Ok(Offsets::new());
    }
    let fill = |version: i16| {
        let partition = |asked: &&Asked| {
            let partition =
                ListOffsetsPartition::default().with_partition_index(asked.tp.partition).with_timestamp(timestamp);
            if version >= 4 { partition.with_current_leader_epoch(asked.leader_epoch) } else { partition }
        };
        let topics = by_topic(asked).into_iter().map(|(topic, asked)| {
            ListOffsetsTopic::default()
                .with_name(topic_name(topic))
                .with_partitions(asked.iter().map(partition).collect())
        });
        let request = ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(topics.collect());
        let committed = isolation == Isolation::ReadCommitted;
        Ok(if version >= 2 { request.with_isolation_level(i8::from(committed)) } else { request })
    };
    let response = connection.call_with(fill, connection.request_timeout()).await?;
    let partitions = response.topics.iter().flat_map(|topic| topic.partitions.iter().map(move |p| (topic, p)));
    let offset = |(topic, partition): (
        &kafka_protocol::messages::list_offsets_response::ListOffsetsTopicResponse,
        &kafka_protocol::messages::list_offsets_response::ListOffsetsPartitionResponse,
    )| {
        let found = ErrorCode(partition.error_code).ok().map(|()| (partition.offset, partition.leader_epoch));
        (TopicPartition::new(topic.name.as_str(), partition.partition_index), found)
    };
    Ok(partitions.map(offset).collect())
}

async fn epoch_ends(connection: &Connection, asked: &[&Asked]) -> Result<Replies, ClientError> {
    if asked.is_empty() {
        return Ok(Replies::new());
    }
    let fill = |version: i16| {
        let partition = |asked: &&Asked| {
            let epoch = match asked.question {
                Question::EpochEnd(epoch) => epoch,
                Question::Where(_) | Question::Range => -1,
            };
            OffsetForLeaderPartition::default()
                .with_partition(asked.tp.partition)
                .with_current_leader_epoch(asked.leader_epoch)
                .with_leader_epoch(epoch)
        };
        let topics = by_topic(asked).into_iter().map(|(topic, asked)| {
            OffsetForLeaderTopic::default()
                .with_topic(topic_name(topic))
                .with_partitions(asked.iter().map(partition).collect())
        });
        let request = OffsetForLeaderEpochRequest::default().with_topics(topics.collect());
        // -1: a consumer. The field's default is the debugging replica, -2.
        Ok(if version >= 3 { request.with_replica_id(BrokerId(-1)) } else { request })
    };
    let response = connection.call_with(fill, connection.request_timeout()).await?;
    let mut replies = Replies::new();
    for topic in &response.topics {
        for partition in &topic.partitions {
            let end = (partition.leader_epoch, partition.end_offset);
            let reply = ErrorCode(partition.error_code).ok().map(|()| {
                // Both are -1 when the leader knows no such epoch, nor one before it.
                Reply::EpochEnd(Some(end).filter(|&(epoch, offset)| epoch >= 0 && offset >= 0))
            });
            replies.insert(TopicPartition::new(topic.topic.as_str(), partition.partition), reply);
        }
    }
    Ok(replies)
}
