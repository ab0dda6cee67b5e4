//! Topics of a cluster, through the oracle.

use serde_json::{Map, Value, json};

use super::KafkaCluster;
use crate::record::int;
use crate::{OracleError, Properties};

/// A topic as Java's admin client describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicInfo {
    /// The topic id, as Kafka prints it.
    pub id: String,
    /// By partition.
    pub partitions: Vec<PartitionInfo>,
}

/// A partition's place in the cluster, node ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionInfo {
    /// The leader, -1 without one.
    pub leader: i32,
    /// All replicas, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Those in sync.
    pub isr: Vec<i32>,
}

impl KafkaCluster {
    /// Makes a topic with one replica a partition.
    pub async fn create_topic(&self, topic: &str, partitions: u32) {
        self.create_topic_with(topic, partitions, &[]).await;
    }

    /// Makes a topic with one replica a partition and these settings.
    pub async fn create_topic_with(&self, topic: &str, partitions: u32, configs: &[(&str, &str)]) {
        self.create_replicated_topic(topic, partitions, 1, configs).await;
    }

    /// Makes a topic.
    pub async fn create_replicated_topic(&self, topic: &str, partitions: u32, replicas: u32, configs: &[(&str, &str)]) {
        let configs: Properties = configs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
        let arguments =
            json!({"topic": topic, "partitions": partitions, "replicationFactor": replicas, "configs": configs});
        self.call("topic.create", arguments).await;
    }

    /// Deletes a topic.
    pub async fn delete_topic(&self, topic: &str) {
        self.call("topic.delete", json!({"topic": topic})).await;
    }

    /// Adds partitions until there are `partitions`.
    pub async fn grow_topic(&self, topic: &str, partitions: u32) {
        self.call("topic.grow", json!({"topic": topic, "partitions": partitions})).await;
    }

    /// All topics by name, internal ones too.
    pub async fn topics(&self) -> Vec<String> {
        let names = self.call("topic.list", json!({})).await;
        serde_json::from_value(names).unwrap_or_else(|e| panic!("topic names: {e}"))
    }

    /// Where a topic is.
    ///
    /// # Errors
    /// `UnknownTopicOrPartitionException`, mostly.
    pub async fn try_topic(&self, topic: &str) -> Result<TopicInfo, OracleError> {
        let answer = self.try_call("topic.describe", json!({"topic": topic})).await?;
        let ids = |ids: &Value| ids.as_array().map(|ids| ids.iter().map(int).collect()).unwrap_or_default();
        let partitions = answer["partitions"].as_array().map_or(&[][..], Vec::as_slice).iter();
        Ok(TopicInfo {
            id: answer["id"].as_str().unwrap_or_default().to_owned(),
            partitions: partitions
                .map(|row| PartitionInfo {
                    leader: int(&row["leader"]),
                    replicas: ids(&row["replicas"]),
                    isr: ids(&row["isr"]),
                })
                .collect(),
        })
    }

    /// Where a topic is, which must exist.
    pub async fn topic(&self, topic: &str) -> TopicInfo {
        self.try_topic(topic).await.unwrap_or_else(|error| panic!("topic {topic} of {}: {error}", self.name()))
    }

    /// The settings of a topic that differ from the defaults.
    pub async fn topic_config(&self, topic: &str) -> Properties {
        let answer = self.call("config.describe", json!({"type": "topic", "name": topic})).await;
        serde_json::from_value(answer).unwrap_or_else(|e| panic!("settings of {topic}: {e}"))
    }

    /// Changes settings of a topic; `None` takes one away.
    pub async fn set_topic_config(&self, topic: &str, configs: &[(&str, Option<&str>)]) {
        let configs: Map<String, Value> = configs.iter().map(|&(key, value)| (key.to_owned(), json!(value))).collect();
        self.call("config.alter", json!({"type": "topic", "name": topic, "configs": configs})).await;
    }

    /// Changes a setting of a broker, or of all with an empty `broker`.
    pub async fn set_broker_config(&self, broker: &str, key: &str, value: &str) {
        self.call("config.alter", json!({"type": "broker", "name": broker, "configs": {key: value}})).await;
    }

    /// The first offset of each partition.
    pub async fn start_offsets(&self, topic: &str) -> Vec<i64> {
        self.offsets(topic, json!({"at": "earliest"})).await
    }

    /// The next offset of each partition.
    pub async fn end_offsets(&self, topic: &str) -> Vec<i64> {
        self.offsets(topic, json!({"at": "latest"})).await
    }

    /// The last stable offset of each partition: where a reader of committed records stops.
    pub async fn stable_offsets(&self, topic: &str) -> Vec<i64> {
        self.offsets(topic, json!({"at": "latest", "isolation": "read_committed"})).await
    }

    async fn offsets(&self, topic: &str, mut arguments: Value) -> Vec<i64> {
        arguments["topic"] = json!(topic);
        let answer = self.call("topic.offsets", arguments).await;
        let count = answer.as_object().map_or(0, Map::len);
        (0..count).map(|partition| answer[partition.to_string()].as_i64().unwrap_or(-1)).collect()
    }

    /// Makes a partition start at `before`.
    pub async fn delete_records(&self, topic: &str, partition: i32, before: i64) {
        let arguments = json!({"topic": topic, "partition": partition, "before": before});
        self.call("topic.deleteRecords", arguments).await;
    }

    /// The producers a partition's leader remembers: id, epoch and last sequence number.
    pub async fn active_producers(&self, topic: &str, partition: i32) -> Vec<(i64, i32, i32)> {
        let rows = self.call("topic.producers", json!({"topic": topic, "partition": partition})).await;
        let rows = rows.as_array().map_or(&[][..], Vec::as_slice).iter();
        rows.map(|row| {
            (row["producerId"].as_i64().unwrap_or(-1), int(&row["producerEpoch"]), int(&row["lastSequence"]))
        })
        .collect()
    }

    /// Moves a partition to these brokers, the first one preferred as leader. Returns when it was asked for, not done.
    pub async fn move_partition(&self, topic: &str, partition: i32, replicas: &[i32]) {
        self.call("topic.reassign", json!({"topic": topic, "partition": partition, "replicas": replicas})).await;
    }

    /// Makes the preferred replica the leader.
    pub async fn elect_preferred_leader(&self, topic: &str, partition: i32) {
        self.call("topic.electPreferred", json!({"topic": topic, "partition": partition})).await;
    }
}
