//! CreateTopics, DeleteTopics, CreatePartitions.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError as E;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest,
    DeleteTopicsResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::Broker;
use crate::configs;
use crate::control::Call;
use crate::log::Log;
use crate::state::{PARTITIONS_MAX, State, Topic, text};

/// A code and words for it.
pub(crate) type Refusal = (E, String);

impl Broker {
    pub(crate) async fn create_topics(&self, _call: &Call, request: CreateTopicsRequest) -> CreateTopicsResponse {
        let mut state = self.state();
        let topics = request.topics.iter().map(|wanted| {
            let result = CreatableTopicResult::default().with_name(wanted.name.clone());
            match state.create_topic(wanted, request.validate_only) {
                Ok((id, partitions)) => {
                    let set: BTreeMap<String, String> = set_configs(wanted);
                    let configs = configs::describe(&set).map(|config| {
                        CreatableTopicConfigs::default()
                            .with_name(text(config.name))
                            .with_value(Some(text(config.value)))
                            .with_config_source(config.source)
                    });
                    result
                        .with_topic_id(id)
                        .with_num_partitions(partitions)
                        .with_replication_factor(1)
                        .with_configs(Some(configs.collect()))
                }
                Err((error, message)) => {
                    result.with_error_code(error.code()).with_error_message(Some(text(message))).with_configs(None)
                }
            }
        });
        let topics = topics.collect();
        CreateTopicsResponse::default().with_topics(topics)
    }

    pub(crate) async fn delete_topics(&self, call: &Call, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
        let by_name = |name| DeleteTopicState::default().with_name(Some(name));
        let wanted =
            if call.version < 6 { request.topic_names.into_iter().map(by_name).collect() } else { request.topics };
        let responses = {
            let mut state = self.state();
            wanted.into_iter().map(|wanted| state.delete_topic(wanted)).collect()
        };
        // Whoever waits at a topic that is gone wants to know.
        self.records_changed();
        DeleteTopicsResponse::default().with_responses(responses)
    }

    pub(crate) async fn create_partitions(
        &self,
        _call: &Call,
        request: CreatePartitionsRequest,
    ) -> CreatePartitionsResponse {
        let mut state = self.state();
        let results = request.topics.iter().map(|wanted| {
            let result = CreatePartitionsTopicResult::default().with_name(wanted.name.clone());
            match state.create_partitions(wanted, request.validate_only) {
                Ok(()) => result.with_error_message(None),
                Err((error, message)) => result.with_error_code(error.code()).with_error_message(Some(text(message))),
            }
        });
        let results = results.collect();
        CreatePartitionsResponse::default().with_results(results)
    }
}

impl State {
    fn create_topic(&mut self, wanted: &CreatableTopic, validate_only: bool) -> Result<(Uuid, i32), Refusal> {
        let name = wanted.name.to_string();
        check_name(&name)?;
        if self.topics.contains_key(&name) {
            return Err((E::TopicAlreadyExists, format!("Topic '{name}' already exists.")));
        }
        let partitions = match (wanted.assignments.len(), wanted.num_partitions) {
            (0, -1) => 1,
            (0, partitions) => partitions,
            (assigned, _) => i32::try_from(assigned).unwrap_or(i32::MAX),
        };
        if !(1..=PARTITIONS_MAX).contains(&partitions) {
            let message = format!("Number of partitions was {partitions}, and must be 1 to {PARTITIONS_MAX}.");
            return Err((E::InvalidPartitions, message));
        }
        let factor = wanted.replication_factor;
        if wanted.assignments.is_empty() && factor != -1 && factor != 1 {
            let message = format!(
                "Unable to replicate the partition {factor} time(s): The target replication factor of {factor} cannot be \
                 reached because only 1 broker(s) are registered."
            );
            return Err((E::InvalidReplicationFactor, message));
        }
        let set = set_configs(wanted);
        for (key, value) in &set {
            configs::check(key, value)?;
        }
        let id = Uuid::new_v4();
        if !validate_only {
            let partitions = (0..partitions).map(|_| Log::new()).collect();
            self.topics.insert(name, Topic { id, configs: set, partitions });
        }
        Ok((id, partitions))
    }

    fn delete_topic(&mut self, wanted: DeleteTopicState) -> DeletableTopicResult {
        let unnamed = TopicName::default();
        let name = self.name_of(wanted.name.as_ref().unwrap_or(&unnamed), wanted.topic_id);
        let deleted = name.and_then(|name| match self.topics.remove(&name) {
            Some(topic) => Ok((name, topic.id)),
            None => Err(E::UnknownTopicOrPartition),
        });
        match deleted {
            Ok((name, id)) => {
                for group in self.groups.values_mut() {
                    group.forget_topic(&name);
                }
                self.transactions.forget_topic(&name);
                DeletableTopicResult::default().with_name(Some(TopicName(text(name)))).with_topic_id(id)
            }
            Err(error) => DeletableTopicResult::default()
                .with_name(wanted.name)
                .with_topic_id(wanted.topic_id)
                .with_error_code(error.code())
                .with_error_message(Some(text(error.to_string()))),
        }
    }

    fn create_partitions(&mut self, wanted: &CreatePartitionsTopic, validate_only: bool) -> Result<(), Refusal> {
        let unknown = || (E::UnknownTopicOrPartition, "This server does not host this topic-partition.".to_owned());
        let topic = self.topics.get_mut(&*wanted.name.0).ok_or_else(unknown)?;
        let count = usize::try_from(wanted.count).unwrap_or(0);
        let have = topic.partitions.len();
        if count <= have || wanted.count > PARTITIONS_MAX {
            let message = format!(
                "The topic {} currently has {have} partition(s); {} would not be an increase.",
                &*wanted.name.0, wanted.count
            );
            return Err((E::InvalidPartitions, message));
        }
        if !validate_only {
            topic.partitions.resize_with(count, Log::new);
        }
        Ok(())
    }
}

fn set_configs(wanted: &CreatableTopic) -> BTreeMap<String, String> {
    let value = |value: &Option<StrBytes>| value.as_ref().map(|value| value.to_string()).unwrap_or_default();
    wanted.configs.iter().map(|config| (config.name.to_string(), value(&config.value))).collect()
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > 249 || name == "." || name == ".." || !name.chars().all(legal) {
        return Err((E::InvalidTopicException, format!("Topic name is invalid: '{name}'")));
    }
    Ok(())
}
