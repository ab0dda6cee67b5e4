//! The storage topics: made with the right settings, refused with the wrong ones (Java: `TopicAdmin`,
//! `KafkaTopicBasedBackingStore`).

use std::collections::BTreeMap;

use kafka_client::admin::{ConfigResource, NewTopic};
use kafka_client::{Admin, BrokerError, ClientError, ErrorCode};
use thiserror::Error;
use tracing::{debug, info, warn};

use crate::worker_config::WorkerConfig;

const CLEANUP_POLICY: &str = "cleanup.policy";
const COMPACT: &str = "compact";

/// Why a storage topic can't be used.
#[derive(Debug, Error)]
pub(crate) enum TopicError {
    /// Waiting may help: for a broker, for a topic that someone else makes.
    #[error("{0}")]
    NotYet(String),
    /// Only a change of the topic, the cluster or the worker config helps.
    #[error("{0}")]
    Refused(String),
    /// The cluster does not answer, or not as it should.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// One of the three, as the worker config wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StorageTopic {
    /// The topic.
    pub(crate) name: String,
    /// The config key that names it.
    pub(crate) key: &'static str,
    /// What is lost if it is not compacted, in Java's words.
    pub(crate) purpose: &'static str,
    /// -1 for the broker's default.
    pub(crate) partitions: i32,
    /// -1 for the broker's default.
    pub(crate) replication_factor: i16,
    /// Topic configs, `cleanup.policy=compact` among them.
    pub(crate) configs: BTreeMap<String, String>,
    /// Whether more than one partition would break the order of its records.
    pub(crate) single_partition: bool,
}

impl StorageTopic {
    /// `config.storage.*`. One partition, whatever the worker config says: the order of its records is the truth.
    pub(crate) fn config(worker: &WorkerConfig) -> Self {
        let (key, purpose) = ("config.storage.topic", "connector configurations");
        Self { single_partition: true, ..Self::new(worker, "config", worker.config_storage_topic(), key, purpose, 1) }
    }

    /// `offset.storage.*`.
    pub(crate) fn offsets(worker: &WorkerConfig) -> Self {
        let (key, purpose) = ("offset.storage.topic", "source connector offsets");
        Self::new(worker, "offset", worker.offset_storage_topic(), key, purpose, worker.offset_storage_partitions())
    }

    /// A connector's own `offsets.storage.topic`: made like the worker's.
    pub(crate) fn connector_offsets(worker: &WorkerConfig, name: &str) -> Self {
        Self { name: name.to_owned(), key: "offsets.storage.topic", ..Self::offsets(worker) }
    }

    /// `status.storage.*`.
    pub(crate) fn statuses(worker: &WorkerConfig) -> Self {
        let (key, purpose) = ("status.storage.topic", "connector and task statuses");
        Self::new(worker, "status", worker.status_storage_topic(), key, purpose, worker.status_storage_partitions())
    }

    fn new(
        worker: &WorkerConfig,
        which: &str,
        name: &str,
        key: &'static str,
        purpose: &'static str,
        partitions: i32,
    ) -> Self {
        let mut configs = worker.storage_topic_configs(which);
        configs.insert(CLEANUP_POLICY.to_owned(), COMPACT.to_owned());
        let replication_factor = worker.storage_replication_factor(which);
        Self { name: name.to_owned(), key, purpose, partitions, replication_factor, configs, single_partition: false }
    }

    /// Why the topic as it is must not be used. The sentences are Java's.
    pub(crate) fn refusal(&self, cleanup_policy: Option<&str>, partitions: usize) -> Option<String> {
        let Self { name, key, purpose, .. } = self;
        if let Some(policy) = cleanup_policy.filter(|policy| *policy != COMPACT) {
            return Some(format!(
                "Topic '{name}' supplied via the '{key}' property is required to have '{CLEANUP_POLICY}={COMPACT}' to \
                 guarantee consistency and durability of {purpose}, but found the topic currently has \
                 '{CLEANUP_POLICY}={policy}'. Continuing would likely result in eventually losing {purpose} and \
                 problems restarting this Connect cluster in the future. Change the '{key}' property in the Connect \
                 worker configurations to use a topic with '{CLEANUP_POLICY}={COMPACT}'."
            ));
        }
        (self.single_partition && partitions > 1).then(|| {
            format!(
                "Topic '{name}' supplied via the '{key}' property is required to have a single partition in order to \
                 guarantee consistency of {purpose}, but found {partitions} partitions."
            )
        })
    }
}

/// Makes a storage topic unless it is there, and checks it in any case.
///
/// # Errors
/// It can't be used, or not yet.
pub(crate) async fn ensure(admin: &Admin, topic: &StorageTopic) -> Result<(), TopicError> {
    create(admin, topic).await?;
    let partitions = partitions(admin, topic).await?;
    let policy = cleanup_policy(admin, topic).await?;
    match topic.refusal(policy.as_deref(), partitions) {
        Some(refusal) => Err(TopicError::Refused(refusal)),
        None => Ok(()),
    }
}

async fn create(admin: &Admin, topic: &StorageTopic) -> Result<(), TopicError> {
    let name = &topic.name;
    let new = NewTopic {
        name: name.clone(),
        partitions: (topic.partitions != -1).then_some(topic.partitions),
        replication_factor: (topic.replication_factor != -1).then_some(topic.replication_factor),
        configs: topic.configs.clone(),
    };
    let created = match admin.create_topics(&[new], false).await {
        Ok(mut results) => results.remove(name),
        Err(ClientError::UnsupportedVersion { .. }) => {
            warn!(topic = name, "brokers can't create topics for us; assuming that the topic exists");
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    match created {
        Some(Err(error)) => not_created(topic, &error),
        _ => {
            info!(topic = name, partitions = topic.partitions, "storage topic created");
            Ok(())
        }
    }
}

/// What it means that a topic was not created.
fn not_created(topic: &StorageTopic, error: &BrokerError) -> Result<(), TopicError> {
    let name = &topic.name;
    match error.code {
        ErrorCode::TOPIC_ALREADY_EXISTS => {
            debug!(topic = name, "storage topic exists");
            Ok(())
        }
        ErrorCode::TOPIC_AUTHORIZATION_FAILED | ErrorCode::CLUSTER_AUTHORIZATION_FAILED => {
            warn!(
                topic = name,
                "no permission to create the topic; assuming that it exists or that the broker makes it"
            );
            Ok(())
        }
        // KAFKA-7790 and friends: a worker may be there before the brokers are.
        ErrorCode::INVALID_REPLICATION_FACTOR => {
            let key = topic.key.replace("topic", "replication.factor");
            let factor = topic.replication_factor;
            Err(TopicError::NotYet(format!(
                "topic {name} can't be created: {error}. {key} is {factor}; start more brokers or lower it"
            )))
        }
        _ if error.code.is_retriable() => Err(TopicError::NotYet(format!("topic {name} can't be created: {error}"))),
        _ => Err(TopicError::Refused(format!("topic {name} (of {}) can't be created: {error}", topic.key))),
    }
}

async fn partitions(admin: &Admin, topic: &StorageTopic) -> Result<usize, TopicError> {
    let name = &topic.name;
    match admin.describe_topics(&[name]).await?.remove(name) {
        Some(Ok(info)) => Ok(info.partitions.len()),
        Some(Err(error)) if !error.code.is_retriable() => {
            Err(TopicError::Refused(format!("topic {name} (of {}) can't be described: {error}", topic.key)))
        }
        Some(Err(error)) => Err(TopicError::NotYet(format!("topic {name} is not there yet: {error}"))),
        None => Err(TopicError::NotYet(format!("topic {name} is not there yet"))),
    }
}

/// The topic's policy, the broker's default included; `None` if we may not know.
async fn cleanup_policy(admin: &Admin, topic: &StorageTopic) -> Result<Option<String>, TopicError> {
    let name = &topic.name;
    let resource = ConfigResource::Topic(name.clone());
    let described = match admin.describe_configs(std::slice::from_ref(&resource)).await {
        Ok(mut results) => results.remove(&resource),
        Err(ClientError::UnsupportedVersion { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    match described {
        Some(Ok(mut configs)) => Ok(configs.remove(CLEANUP_POLICY).and_then(|entry| entry.value)),
        Some(Err(error)) if error.code.is_retriable() => {
            Err(TopicError::NotYet(format!("the configuration of topic {name} can't be read: {error}")))
        }
        _ => {
            info!(
                topic = name,
                "can't see whether the topic is compacted: no permission to describe its configuration"
            );
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_world::worker_config;

    fn failed(code: ErrorCode) -> BrokerError {
        BrokerError { code, message: Some("said the broker".to_owned()) }
    }

    #[test]
    fn the_three_topics_have_kafka_s_defaults() {
        let worker = worker_config(&[]);

        let config = StorageTopic::config(&worker);
        assert_eq!((config.partitions, config.replication_factor, config.single_partition), (1, 3, true));
        let offsets = StorageTopic::offsets(&worker);
        assert_eq!((offsets.partitions, offsets.replication_factor, offsets.single_partition), (25, 3, false));
        let statuses = StorageTopic::statuses(&worker);
        assert_eq!((statuses.partitions, statuses.replication_factor, statuses.single_partition), (5, 3, false));
    }

    #[test]
    fn topic_settings_are_passed_through_but_the_policy_is_always_compact() {
        let worker = worker_config(&[
            ("config.storage.min.insync.replicas", "2"),
            ("config.storage.cleanup.policy", "delete"),
            ("config.storage.partitions", "7"),
        ]);

        let topic = StorageTopic::config(&worker);

        let configs = [("cleanup.policy", "compact"), ("min.insync.replicas", "2")];
        assert_eq!(topic.configs, configs.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
        assert_eq!(topic.partitions, 1);
    }

    #[test]
    fn a_topic_that_would_lose_data_is_refused_with_java_s_reason() {
        let worker = worker_config(&[]);

        let refusal = StorageTopic::offsets(&worker).refusal(Some("delete"), 25).unwrap();
        assert!(refusal.starts_with(
            "Topic 'offsets' supplied via the 'offset.storage.topic' property is required to have \
             'cleanup.policy=compact' to guarantee consistency and durability of source connector offsets, but found the \
             topic currently has 'cleanup.policy=delete'."
        ));
        let refusal = StorageTopic::config(&worker).refusal(Some("compact"), 2).unwrap();
        assert!(refusal.ends_with("guarantee consistency of connector configurations, but found 2 partitions."));
        assert!(StorageTopic::statuses(&worker).refusal(Some("compact,delete"), 5).is_some());
    }

    #[test]
    fn a_compacted_topic_is_taken_and_so_is_one_that_we_may_not_look_at() {
        let worker = worker_config(&[]);

        assert_eq!(StorageTopic::config(&worker).refusal(Some("compact"), 1), None);
        assert_eq!(StorageTopic::config(&worker).refusal(None, 1), None);
        assert_eq!(StorageTopic::offsets(&worker).refusal(Some("compact"), 7), None);
    }

    #[test]
    fn too_few_brokers_are_waited_for_and_missing_permissions_are_not_minded() {
        let topic = StorageTopic::config(&worker_config(&[]));

        let too_few = not_created(&topic, &failed(ErrorCode::INVALID_REPLICATION_FACTOR));
        assert!(
            matches!(too_few, Err(TopicError::NotYet(text)) if text.contains("config.storage.replication.factor is 3"))
        );
        assert!(not_created(&topic, &failed(ErrorCode::TOPIC_AUTHORIZATION_FAILED)).is_ok());
        assert!(not_created(&topic, &failed(ErrorCode::TOPIC_ALREADY_EXISTS)).is_ok());
        let refused = not_created(&topic, &failed(ErrorCode::POLICY_VIOLATION));
        assert!(matches!(refused, Err(TopicError::Refused(_))));
    }
}
