//! Topics: list, describe, create, delete, add partitions.

use std::collections::BTreeMap;

use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::{CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest};
use uuid::Uuid;

use super::batch::{Batch, Results};
use super::{Admin, BrokerError, text, topic_name};
use crate::BoxFuture;
use crate::cluster::TopicInfo;
use crate::error::ClientError;

/// A topic to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions; `None` for the broker's `num.partitions` (Kafka 2.4).
    pub partitions: Option<i32>,
    /// How many replicas; `None` for the broker's `default.replication.factor` (Kafka 2.4).
    pub replication_factor: Option<i16>,
    /// Topic configuration.
    pub configs: BTreeMap<String, String>,
}

/// A topic in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicListing {
    /// Its id, nil before Kafka 2.8.
    pub id: Uuid,
    /// Whether it is one of Kafka's own.
    pub is_internal: bool,
    /// How many partitions it has.
    pub partitions: usize,
}

impl Admin {
    /// All topics we may see, by name.
    pub fn list_topics<'a>(&'a self) -> BoxFuture<'a, Result<BTreeMap<String, TopicListing>, ClientError>> {
        Box::pin(async move {
            let metadata =
                self.cluster.retry("Metadata", self.deadline(), || self.cluster.fetch_metadata(None)).await?;
            let listed = metadata.topics.into_iter().filter(|(_, topic)| topic.error.is_ok());
            Ok(listed
                .map(|(name, topic)| {
                    let partitions = topic.partitions.len();
                    (name, TopicListing { id: topic.id, is_internal: topic.is_internal, partitions })
                })
                .collect())
        })
    }

    /// Partitions, replicas and ids of some topics. A topic that does not exist is an error at once.
    pub fn describe_topics<'a>(
        &'a self,
        names: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Results<String, TopicInfo>, ClientError>> {
        Box::pin(async move {
            let deadline = self.deadline();
            let metadata =
                self.cluster.retry("Metadata", deadline, || self.cluster.fetch_metadata(Some(names))).await?;
            Ok(metadata
                .topics
                .into_iter()
                .map(|(name, topic)| (name, BrokerError::check(topic.error.0, None).map(|()| topic)))
                .collect())
        })
    }

    /// Creates topics, or with `validate_only` says whether it would work. An existing topic is
    /// `TOPIC_ALREADY_EXISTS`. A controller that is over its mutation quota (KIP-599) is asked again.
    pub fn create_topics<'a>(
        &'a self,
        topics: &'a [NewTopic],
        validate_only: bool,
    ) -> BoxFuture<'a, Result<Results<String, Uuid>, ClientError>> {
        Box::pin(async move {
            let mut batch = Batch::new(self, "CreateTopics", topics.iter().map(|topic| (topic.name.clone(), topic)));
            while let Some(pending) = batch.pending() {
                let creatable = |topic: &&NewTopic| {
                    let config = |(name, value): (&String, &String)| {
                        CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value)))
                    };
                    CreatableTopic::default()
                        .with_name(topic_name(&topic.name))
                        .with_num_partitions(topic.partitions.unwrap_or(-1))
                        .with_replication_factor(topic.replication_factor.unwrap_or(-1))
                        .with_configs(topic.configs.iter().map(config).collect())
                };
                let request = CreateTopicsRequest::default()
                    .with_topics(pending.values().map(creatable).collect())
                    .with_timeout_ms(self.broker_timeout_ms())
                    .with_validate_only(validate_only);
                let answer = batch.bounded(async { self.cluster.controller().await?.call(request).await }).await;
                let results = answer.map(|answer| {
                    answer.topics.into_iter().map(|topic| {
                        let result = BrokerError::check(topic.error_code, topic.error_message.as_ref());
                        (topic.name.to_string(), result.map(|()| topic.topic_id))
                    })
                });
                batch.absorb(results).await?;
            }
            Ok(batch.results())
        })
    }

    /// Deletes topics.
    pub fn delete_topics<'a>(
        &'a self,
        names: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Results<String, ()>, ClientError>> {
        Box::pin(async move {
            let mut batch = Batch::new(self, "DeleteTopics", names.iter().map(|name| ((*name).to_owned(), ())));
            while let Some(pending) = batch.pending() {
                let names: Vec<_> = pending.keys().map(|name| topic_name(name)).collect();
                let timeout_ms = self.broker_timeout_ms();
                let fill = |version| {
                    let request = DeleteTopicsRequest::default().with_timeout_ms(timeout_ms);
                    Ok(if version >= 6 {
                        let state = |name| DeleteTopicState::default().with_name(Some(name));
                        request.with_topics(names.into_iter().map(state).collect())
                    } else {
                        request.with_topic_names(names)
                    })
                };
                let timeout = self.cluster.config().request_timeout();
                let answer =
                    batch.bounded(async { self.cluster.controller().await?.call_with(fill, timeout).await }).await;
                let results = answer.map(|answer| {
                    answer.responses.into_iter().filter_map(|topic| {
                        let result = BrokerError::check(topic.error_code, topic.error_message.as_ref());
                        Some((topic.name?.to_string(), result))
                    })
                });
                batch.absorb(results).await?;
            }
            Ok(batch.results())
        })
    }

    /// Raises topics to a total number of partitions each; `INVALID_PARTITIONS` if they have that
    /// many or more.
    pub fn create_partitions<'a>(
        &'a self,
        totals: &'a BTreeMap<String, i32>,
        validate_only: bool,
    ) -> BoxFuture<'a, Result<Results<String, ()>, ClientError>> {
        Box::pin(async move {
            let mut batch =
                Batch::new(self, "CreatePartitions", totals.iter().map(|(name, total)| (name.clone(), *total)));
            while let Some(pending) = batch.pending() {
                let topic = |(name, total): (&String, &i32)| {
                    CreatePartitionsTopic::default()
                        .with_name(topic_name(name))
                        .with_count(*total)
                        .with_assignments(None)
                };
                let request = CreatePartitionsRequest::default()
                    .with_topics(pending.iter().map(topic).collect())
                    .with_timeout_ms(self.broker_timeout_ms())
                    .with_validate_only(validate_only);
                let answer = batch.bounded(async { self.cluster.controller().await?.call(request).await }).await;
                let results = answer.map(|answer| {
                    answer.results.into_iter().map(|topic| {
                        let result = BrokerError::check(topic.error_code, topic.error_message.as_ref());
                        (topic.name.to_string(), result)
                    })
                });
                batch.absorb(results).await?;
            }
            Ok(batch.results())
        })
    }
}
