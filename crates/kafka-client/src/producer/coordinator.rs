//! The requests of a producer that are not Produce: producer ids, and what a transaction coordinator is asked.
//!
//! Transactions are Kafka's first protocol (KIP-98, with the epoch bumps of KIP-360), which every broker since 0.11 speaks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, EndTxnRequest, InitProducerIdRequest, ProducerId, TopicName,
    TransactionalId,
};
use kafka_protocol::protocol::StrBytes;
use tokio::time::{Instant, sleep};

use super::options::ProducerOptions;
use super::state::Identity;
use crate::cluster::{Cluster, CoordinatorKind};
use crate::codes::ErrorCode;
use crate::connection::Connection;
use crate::error::ClientError;

/// An id for an idempotent producer, from any broker.
pub(super) async fn idempotent(cluster: &Cluster) -> Result<Identity, ClientError> {
    let deadline = Instant::now() + cluster.config().api_timeout();
    cluster.retry("InitProducerId", deadline, async || init(cluster.any().await?, None, i32::MAX, None).await).await
}

/// The id of a transactional producer. Ends an open transaction of whoever had the transactional id before, and shuts that
/// producer out. With `known`, the caller's own id, only the epoch moves on, unless somebody else has taken over (KIP-360).
pub(super) async fn transactional(
    cluster: &Cluster,
    options: &ProducerOptions,
    transactional_id: &str,
    known: Option<Identity>,
) -> Result<Identity, ClientError> {
    let deadline = Instant::now() + cluster.config().api_timeout();
    let timeout_ms = i32::try_from(options.transaction_timeout.as_millis()).unwrap_or(i32::MAX);
    let kind = CoordinatorKind::Transaction;
    cluster
        .retry_coordinator("InitProducerId", kind, transactional_id, deadline, async |connection| {
            promptly(|| init(connection.clone(), Some(transactional_id), timeout_ms, known)).await
        })
        .await
}

/// Tries again soon while the markers of the transaction before are being written, which takes milliseconds; the ordinary
/// pause between tries would be most of the time of a short transaction. (Java has 20 ms for one of these cases.)
async fn promptly<T, F>(attempt: impl Fn() -> F) -> Result<T, ClientError>
where
    F: Future<Output = Result<T, ClientError>>,
{
    for pause_ms in [2, 4, 8, 16, 20, 20, 20, 20] {
        match attempt().await {
            Err(error) if error.code() == Some(ErrorCode::CONCURRENT_TRANSACTIONS) => {
                sleep(Duration::from_millis(pause_ms)).await;
            }
            result => return result,
        }
    }
    attempt().await
}

async fn init(
    connection: Connection,
    transactional_id: Option<&str>,
    transaction_timeout_ms: i32,
    known: Option<Identity>,
) -> Result<Identity, ClientError> {
    let fill = |version: i16| {
        let id = transactional_id.map(|id| TransactionalId(StrBytes::from_string(id.to_owned())));
        let request = InitProducerIdRequest::default()
            .with_transactional_id(id)
            .with_transaction_timeout_ms(transaction_timeout_ms);
        // Older coordinators take no id, and give a new epoch to everybody who asks.
        Ok(match known.filter(|_| version >= 3) {
            Some(known) => request.with_producer_id(ProducerId(known.producer_id)).with_producer_epoch(known.epoch),
            None => request,
        })
    };
    let response = connection.call_with(fill, connection.request_timeout()).await?;
    let about = || match transactional_id {
        Some(id) => format!("InitProducerId for {id}"),
        None => "InitProducerId".to_owned(),
    };
    ErrorCode(response.error_code).ok().map_err(|code| ClientError::broker(about(), code, None))?;
    Ok(Identity { producer_id: response.producer_id.0, epoch: response.producer_epoch })
}

/// Announces partitions to the coordinator.
pub(super) async fn add_partitions(
    cluster: &Cluster,
    transactional_id: &str,
    identity: Identity,
    topics: BTreeMap<Arc<str>, Vec<i32>>,
) -> Result<(), ClientError> {
    let topics: Vec<_> = topics
        .into_iter()
        .map(|(topic, partitions)| {
            let name = TopicName(StrBytes::from_string(topic.to_string()));
            AddPartitionsToTxnTopic::default().with_name(name).with_partitions(partitions)
        })
        .collect();
    let deadline = Instant::now() + cluster.config().api_timeout();
    let kind = CoordinatorKind::Transaction;
    cluster
        .retry_coordinator("AddPartitionsToTxn", kind, transactional_id, deadline, async |connection| {
            promptly(|| ask_to_add(connection.clone(), transactional_id, identity, topics.clone())).await
        })
        .await
}

async fn ask_to_add(
    connection: Connection,
    transactional_id: &str,
    identity: Identity,
    topics: Vec<AddPartitionsToTxnTopic>,
) -> Result<(), ClientError> {
    let request = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(TransactionalId(StrBytes::from_string(transactional_id.to_owned())))
        .with_v3_and_below_producer_id(ProducerId(identity.producer_id))
        .with_v3_and_below_producer_epoch(identity.epoch)
        .with_v3_and_below_topics(topics);
    check_added(&connection.call(request).await?)
}

/// The error of the partition to blame; the others say OPERATION_NOT_ATTEMPTED.
fn check_added(response: &AddPartitionsToTxnResponse) -> Result<(), ClientError> {
    let results = response.results_by_topic_v3_and_below.iter().flat_map(|topic| {
        topic.results_by_partition.iter().map(|partition| {
            let about = format!("AddPartitionsToTxn for {}-{}", topic.name.as_str(), partition.partition_index);
            (about, ErrorCode(partition.partition_error_code))
        })
    });
    let failed = results.filter(|(_, code)| !code.is_ok());
    match failed.min_by_key(|(_, code)| *code == ErrorCode::OPERATION_NOT_ATTEMPTED) {
        None => Ok(()),
        Some((about, code)) => Err(ClientError::broker(about, code, None)),
    }
}

/// Ends the transaction.
pub(super) async fn end(
    cluster: &Cluster,
    transactional_id: &str,
    identity: Identity,
    committed: bool,
) -> Result<(), ClientError> {
    let deadline = Instant::now() + cluster.config().api_timeout();
    let kind = CoordinatorKind::Transaction;
    cluster
        .retry_coordinator("EndTxn", kind, transactional_id, deadline, async |connection| {
            let request = EndTxnRequest::default()
                .with_transactional_id(TransactionalId(StrBytes::from_string(transactional_id.to_owned())))
                .with_producer_id(ProducerId(identity.producer_id))
                .with_producer_epoch(identity.epoch)
                .with_committed(committed);
            let response = connection.call(request).await?;
            let about = || format!("EndTxn for {transactional_id}");
            ErrorCode(response.error_code).ok().map_err(|code| ClientError::broker(about(), code, None))
        })
        .await
}
