//! Fencing producers: whoever holds one of these transactional ids cannot write any more.

use std::collections::BTreeMap;

use kafka_protocol::messages::{InitProducerIdRequest, ProducerId, TransactionalId};

use super::batch::Results;
use super::{Admin, BrokerError, text};
use crate::BoxFuture;
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

impl Admin {
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
