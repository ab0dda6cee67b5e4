//! What a cluster looks like: brokers, controller, topics with ids, partitions with leaders and their
//! epochs. Snapshots are immutable; [`Metadata::merge`] decides which of two answers is newer.

use std::collections::BTreeMap;

use kafka_protocol::messages::MetadataResponse;
use uuid::Uuid;

use crate::codes::ErrorCode;
use crate::connection::Endpoint;

/// A snapshot of a cluster.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata {
    /// The cluster's id; brokers before 0.10.1 have none.
    pub cluster_id: Option<String>,
    /// The broker to send administrative requests to, if there is one now.
    pub controller_id: Option<i32>,
    /// Live brokers by `node.id`.
    pub brokers: BTreeMap<i32, Broker>,
    /// The topics that were asked for, by name; those that do not exist are there with their error.
    pub topics: BTreeMap<String, TopicInfo>,
}

/// A broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// Where it is, on the listener we came through.
    pub endpoint: Endpoint,
    /// `broker.rack`.
    pub rack: Option<String>,
}

/// A topic.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicInfo {
    /// The topic's id, nil if the broker knows none (before Kafka 2.8). Another id under the same
    /// name means that the topic was deleted and created again.
    pub id: Uuid,
    /// Whether it is one of Kafka's own (`__consumer_offsets`, `__transaction_state`).
    pub is_internal: bool,
    /// `NONE`, or why there is nothing to know.
    pub error: ErrorCode,
    /// Partitions by index.
    pub partitions: BTreeMap<i32, PartitionInfo>,
}

/// A partition.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionInfo {
    /// `node.id` of the leader, if there is one now.
    pub leader: Option<i32>,
    /// Epoch of the leader, -1 if the broker does not tell (before Kafka 2.1).
    pub leader_epoch: i32,
    /// All replicas, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Replicas in sync.
    pub isr: Vec<i32>,
    /// `NONE`, or `LEADER_NOT_AVAILABLE`, `REPLICA_NOT_AVAILABLE`, `LISTENER_NOT_FOUND`.
    pub error: ErrorCode,
}

impl Metadata {
    /// The leader of a partition and its epoch.
    pub fn leader(&self, topic: &str, partition: i32) -> Option<(i32, i32)> {
        let partition = self.topics.get(topic)?.partitions.get(&partition)?;
        Some((partition.leader?, partition.leader_epoch))
    }

    /// Why [`Metadata::leader`] knows no leader, as a retriable code where waiting may help.
    pub fn why_no_leader(&self, topic: &str, partition: i32) -> ErrorCode {
        match self.topics.get(topic) {
            None => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            Some(info) if !info.error.is_ok() => info.error,
            Some(info) if info.partitions.contains_key(&partition) => ErrorCode::LEADER_NOT_AVAILABLE,
            Some(_) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        }
    }

    /// The name of the topic with this id.
    pub fn topic_name(&self, id: Uuid) -> Option<&str> {
        self.topics.iter().find(|(_, topic)| topic.id == id).map(|(name, _)| name.as_str())
    }

    /// The id of a topic, if the broker knows ids and the topic exists.
    pub fn topic_id(&self, topic: &str) -> Option<Uuid> {
        self.topics.get(topic).map(|topic| topic.id).filter(|id| !id.is_nil())
    }

    pub(crate) fn from_response(response: MetadataResponse) -> Metadata {
        let broker = |broker: &kafka_protocol::messages::metadata_response::MetadataResponseBroker| {
            let port = u16::try_from(broker.port).ok()?;
            let endpoint = Endpoint { node_id: broker.node_id.0, host: broker.host.to_string(), port };
            Some((broker.node_id.0, Broker { endpoint, rack: broker.rack.as_ref().map(ToString::to_string) }))
        };
        let ids = |ids: &[kafka_protocol::messages::BrokerId]| ids.iter().map(|id| id.0).collect();
        let topics = response.topics.iter().filter_map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                let info = PartitionInfo {
                    leader: Some(partition.leader_id.0).filter(|id| *id >= 0),
                    leader_epoch: partition.leader_epoch,
                    replicas: ids(&partition.replica_nodes),
                    isr: ids(&partition.isr_nodes),
                    error: ErrorCode(partition.error_code),
                };
                (partition.partition_index, info)
            });
            let info = TopicInfo {
                id: topic.topic_id,
                is_internal: topic.is_internal,
                error: ErrorCode(topic.error_code),
                partitions: partitions.collect(),
            };
            Some((topic.name.as_ref()?.to_string(), info))
        });
        Metadata {
            cluster_id: response.cluster_id.as_ref().map(ToString::to_string),
            controller_id: Some(response.controller_id.0).filter(|id| *id >= 0),
            topics: topics.collect(),
            brokers: response.brokers.iter().filter_map(broker).collect(),
        }
    }

    /// `newer` as the answer to a later request, except where a broker that lags behind told of an
    /// older leader epoch of the same topic than we already know: brokers learn of elections at
    /// different times, and going back would send requests to a leader that is known to be deposed.
    #[must_use]
    pub fn merge(&self, mut newer: Metadata) -> Metadata {
        for (name, topic) in &mut newer.topics {
            let Some(known) = self.topics.get(name).filter(|known| known.id == topic.id && !topic.id.is_nil()) else {
                continue;
            };
            for (index, partition) in &mut topic.partitions {
                if let Some(known) = known.partitions.get(index)
                    && known.leader_epoch > partition.leader_epoch
                    && partition.leader_epoch >= 0
                {
                    *partition = known.clone();
                }
            }
        }
        newer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(id: u128, leader: i32, leader_epoch: i32) -> Metadata {
        let partition = PartitionInfo {
            leader: Some(leader),
            leader_epoch,
            replicas: vec![1, 2],
            isr: vec![1, 2],
            error: ErrorCode::NONE,
        };
        let topic = TopicInfo {
            id: Uuid::from_u128(id),
            is_internal: false,
            error: ErrorCode::NONE,
            partitions: BTreeMap::from([(0, partition)]),
        };
        Metadata { topics: BTreeMap::from([("t".to_owned(), topic)]), ..Metadata::default() }
    }

    #[test]
    fn a_lagging_broker_does_not_take_us_back_to_a_deposed_leader() {
        let known = cluster(1, 2, 7);

        assert_eq!(known.merge(cluster(1, 1, 6)).leader("t", 0), Some((2, 7)));
        assert_eq!(known.merge(cluster(1, 1, 8)).leader("t", 0), Some((1, 8)));
    }

    #[test]
    fn a_recreated_topic_starts_again_with_its_own_epochs() {
        let known = cluster(1, 2, 7);

        assert_eq!(known.merge(cluster(5, 1, 0)).leader("t", 0), Some((1, 0)));
    }
}
