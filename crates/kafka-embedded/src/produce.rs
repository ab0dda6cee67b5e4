//! Produce.

use bytes::Bytes;
use kafka_protocol::ResponseError as E;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse,
};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse};

use crate::control::Call;
use crate::log::{Appended, Refused, accept};
use crate::state::{State, text};
use crate::{Broker, now_ms};

impl Broker {
    pub(crate) async fn produce(&self, _call: &Call, request: ProduceRequest) -> ProduceResponse {
        let valid_acks = matches!(request.acks, -1..=1);
        let transactional_id = request.transactional_id.as_ref().map(|id| id.to_string());
        let responses = {
            let mut state = self.state();
            let topics = request.topic_data.iter();
            topics.map(|topic| state.produce(topic, valid_acks, transactional_id.as_deref())).collect()
        };
        self.records_changed();
        ProduceResponse::default().with_responses(responses)
    }
}

impl State {
    fn produce(&mut self, topic: &TopicProduceData, valid_acks: bool, id: Option<&str>) -> TopicProduceResponse {
        let name = self.name_of(&topic.name, topic.topic_id);
        let partitions = topic.partition_data.iter().map(|data| {
            let appended = match &name {
                _ if !valid_acks => Err(Refused::new(E::InvalidRequiredAcks, "acks must be -1, 0 or 1")),
                Ok(name) => self.append(name, data, id),
                Err(error) => Err(Refused::new(*error, error.to_string())),
            };
            let start =
                name.as_ref().ok().and_then(|name| self.log(name, data.index).ok()).map_or(-1, |log| log.start());
            partition_response(data.index, appended, start)
        });
        let partition_responses = partitions.collect();
        TopicProduceResponse::default()
            .with_name(topic.name.clone())
            .with_topic_id(topic.topic_id)
            .with_partition_responses(partition_responses)
    }

    fn append(&mut self, topic: &str, data: &PartitionProduceData, id: Option<&str>) -> Result<Appended, Refused> {
        let plain = |error: E| Refused::new(error, error.to_string());
        self.log(topic, data.index).map_err(plain)?;
        // Just looked up.
        let Some(rules) = self.topics.get(topic).map(|topic| topic.rules()) else {
            return Err(plain(E::UnknownTopicOrPartition));
        };
        let empty = Bytes::new();
        let batch = accept(data.records.as_ref().unwrap_or(&empty), &rules)?;
        if batch.is_transactional() && !self.transactions.holds(id, &batch, topic, data.index) {
            return Err(Refused::new(E::InvalidTxnState, "the partition was not added to the producer's transaction"));
        }
        if !self.has_room(batch.len()) {
            return Err(Refused::new(E::KafkaStorageError, "the embedded broker's memory is full"));
        }
        self.log(topic, data.index).and_then(|log| log.append(&batch, &rules, now_ms())).map_err(plain)
    }
}

fn partition_response(index: i32, appended: Result<Appended, Refused>, start: i64) -> PartitionProduceResponse {
    let response = PartitionProduceResponse::default().with_index(index).with_log_start_offset(start);
    match appended {
        Ok(at) => response.with_base_offset(at.base_offset).with_log_append_time_ms(at.append_time_ms),
        Err(refused) => {
            let single = refused.records.iter().map(|index| {
                BatchIndexAndErrorMessage::default()
                    .with_batch_index(*index)
                    .with_batch_index_error_message(Some(text(&refused.message)))
            });
            response
                .with_base_offset(-1)
                .with_log_append_time_ms(-1)
                .with_error_code(refused.error.code())
                .with_record_errors(single.collect())
                .with_error_message(Some(text(refused.message.clone())))
        }
    }
}
