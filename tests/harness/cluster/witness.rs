//! rskafka as a second witness: an independent Rust client.
//!
//! It does not read partitions with transaction markers or null header values, and it loses repeated headers; for those
//! there is the oracle.

use std::time::Duration;

use rskafka::client::partition::{PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};

use super::KafkaCluster;

impl KafkaCluster {
    /// An rskafka client; it lives as long as the spec's own runtime.
    pub async fn rskafka(&self) -> Client {
        let brokers = self.bootstrap().split(',').map(str::to_owned).collect();
        let connecting = tokio::time::timeout(Duration::from_secs(30), ClientBuilder::new(brokers).build()).await;
        let client = connecting.unwrap_or_else(|_| panic!("rskafka did not connect to {}", self.name()));
        client.unwrap_or_else(|error| panic!("rskafka and {}: {error}", self.name()))
    }

    /// rskafka for one partition.
    pub async fn rskafka_partition(&self, topic: &str, partition: i32) -> PartitionClient {
        let client = self.rskafka().await.partition_client(topic, partition, UnknownTopicHandling::Retry).await;
        client.unwrap_or_else(|error| panic!("rskafka and {topic}-{partition} of {}: {error}", self.name()))
    }
}
