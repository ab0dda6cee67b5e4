//! Producers with transactions: fencing them, so that whoever holds one of these transactional ids cannot write any more, and
//! finding those that have one open.

use std::collections::BTreeMap;

use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::{DescribeProducersRequest, InitProducerIdRequest, ProducerId, TransactionalId};

use super::batch::Results;
use super::partitions::ByTopic;
use super::{Admin, BrokerError, text, topic_name};
use crate::BoxFuture;
use crate::TopicPartition;
use crate::cluster::CoordinatorKind;
use crate::codes::ErrorCode;
use crate::error::ClientError;

/// The producer id and epoch that were taken from the fenced producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FencedProducer {
    /// Producer id.
    pub producer_id: i64,
    /// Epoch: any producer with a lower one is fenced.
    pub epoch: i16,
}

/// A transaction that is open in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenTransaction {
    /// Who has begun it.
    pub producer_id: i64,
    /// The producer's epoch.
    pub epoch: i32,
    /// Its first record.
    pub first_offset: i64,
    /// When the producer has written to the partition last, in milliseconds since 1970.
    pub last_written_ms: i64,
}

impl Admin {
    /// The transactions that are open in each partition, the oldest first (KIP-664, Kafka 2.8; `Read` on the topic).
    pub fn open_transactions<'a>(
        &'a self,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, Result<Results<TopicPartition, Vec<OpenTransaction>>, ClientError>> {
        Box::pin(async move {
            let items = partitions.iter().map(|partition| (partition.clone(), ()));
            let request = |topics: ByTopic<()>, _version| {
                let topic = |(name, partitions): (String, Vec<(i32, i32, ())>)| {
                    let indexes = partitions.into_iter().map(|(index, ..)| index).collect();
                    TopicRequest::default().with_name(topic_name(&name)).with_partition_indexes(indexes)
                };
                Ok(DescribeProducersRequest::default().with_topics(topics.into_iter().map(topic).collect()))
            };
            self.at_leaders("DescribeProducers", items, request, |response| {
                let mut results = Vec::new();
                for topic in response.topics {
                    for partition in topic.partitions {
                        let open =
                            partition.active_producers.iter().filter(|state| state.current_txn_start_offset >= 0);
                        let mut open: Vec<_> = open
                            .map(|state| OpenTransaction {
                                producer_id: state.producer_id.0,
                                epoch: state.producer_epoch,
                                first_offset: state.current_txn_start_offset,
                                last_written_ms: state.last_timestamp,
                            })
                            .collect();
                        open.sort_by_key(|transaction| transaction.first_offset);
                        let key = TopicPartition::new(topic.name.as_str(), partition.partition_index);
                        let checked = BrokerError::check(partition.error_code, partition.error_message.as_ref());
                        results.push((key, checked.map(|()| open)));
                    }
                }
                results
            })
            .await
        })
    }

    /// Fences the producers of some transactional ids, and aborts what they have left open
    /// (`Admin.fenceProducers` in Java; the worker does it before it writes new task configs).
    pub fn fence_producers<'a>(
        &'a self,
        ids: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Results<String, FencedProducer>, ClientError>> {
        Box::pin(async move {
            let deadline = self.deadline();
            let mut results = BTreeMap::new();
            for id in ids {
                let fenced = self.cluster.retry_coordinator(
                    "InitProducerId",
                    CoordinatorKind::Transaction,
                    id,
                    deadline,
                    |connection| async move {
                        let request = InitProducerIdRequest::default()
                            .with_transactional_id(Some(TransactionalId(text(id))))
                            // Nobody will begin a transaction; the broker wants a legal value all the same.
                            .with_transaction_timeout_ms(self.broker_timeout_ms())
                            .with_producer_id(ProducerId(-1));
                        let response = connection.call(request).await?;
                        ErrorCode(response.error_code)
                            .ok()
                            .map_err(|code| ClientError::broker(format!("InitProducerId for {id}"), code, None))?;
                        Ok(FencedProducer { producer_id: response.producer_id.0, epoch: response.producer_epoch })
                    },
                );
                let result = match fenced.await {
                    Ok(fenced) => Ok(fenced),
                    Err(ClientError::Broker { code, message, .. }) => Err(BrokerError { code, message }),
                    Err(error) => return Err(error),
                };
                results.insert((*id).to_owned(), result);
            }
            Ok(results)
        })
    }
}
