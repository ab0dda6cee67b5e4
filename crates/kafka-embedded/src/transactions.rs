//! The transaction coordinator, version 1: InitProducerId, AddPartitionsToTxn, AddOffsetsToTxn, TxnOffsetCommit, EndTxn.
//!
//! Markers are written before the answer, so nobody ever meets a transaction that is being ended.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka_protocol::ResponseError as E;
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
    EndTxnRequest, EndTxnResponse, InitProducerIdRequest, InitProducerIdResponse, ProducerId, TxnOffsetCommitRequest,
    TxnOffsetCommitResponse,
};
use kafka_wire::batch::RecordBatch;
use tokio::time::Instant;

use crate::control::Call;
use crate::groups::{Committed, Group};
use crate::state::{State, code};
use crate::{Broker, now_ms};

/// Producer ids begin here, so that none looks like an index or a flag.
const FIRST_PRODUCER_ID: i64 = 1000;

/// Transactional ids, and the next producer id.
#[derive(Debug, Default)]
pub(crate) struct Transactions {
    ids: BTreeMap<String, Transaction>,
    given_out: i64,
}

#[derive(Debug)]
struct Transaction {
    producer_id: i64,
    epoch: i16,
    timeout: Duration,
    open: Option<Open>,
    /// How the last one ended, for an EndTxn that comes again.
    ended: Option<bool>,
}

#[derive(Debug)]
struct Open {
    since: Instant,
    partitions: BTreeSet<(String, i32)>,
    groups: BTreeSet<String>,
}

impl Transactions {
    fn next_producer_id(&mut self) -> i64 {
        self.given_out += 1;
        FIRST_PRODUCER_ID + self.given_out - 1
    }

    /// Is `batch` part of an open transaction that knows of its partition?
    pub(crate) fn holds(&self, id: Option<&str>, batch: &RecordBatch, topic: &str, partition: i32) -> bool {
        let transaction = id.and_then(|id| self.ids.get(id));
        let Some(transaction) = transaction.filter(|known| known.producer_id == batch.producer_id()) else {
            return false;
        };
        // An old epoch is let through to the log, whose answer about it is the better one.
        transaction.epoch != batch.producer_epoch()
            || transaction.open.as_ref().is_some_and(|open| open.partitions.contains(&(topic.to_owned(), partition)))
    }

    pub(crate) fn forget_topic(&mut self, topic: &str) {
        for open in self.ids.values_mut().filter_map(|transaction| transaction.open.as_mut()) {
            open.partitions.retain(|(name, _)| name != topic);
        }
    }

    /// The transaction that a producer means, if it still has a say in it.
    fn of(&mut self, id: &str, producer: ProducerId, epoch: i16, version: i16) -> Result<&mut Transaction, E> {
        let known = self.ids.get_mut(id).filter(|known| known.producer_id == producer.0);
        let known = known.ok_or(E::InvalidProducerIdMapping)?;
        if known.epoch != epoch {
            return Err(if version >= 2 { E::ProducerFenced } else { E::InvalidProducerEpoch });
        }
        Ok(known)
    }
}

impl Transaction {
    fn open(&mut self) -> &mut Open {
        self.ended = None;
        let fresh = || Open { since: Instant::now(), partitions: BTreeSet::new(), groups: BTreeSet::new() };
        self.open.get_or_insert_with(fresh)
    }
}

impl Broker {
    pub(crate) async fn init_producer_id(
        &self,
        _call: &Call,
        request: InitProducerIdRequest,
    ) -> InitProducerIdResponse {
        let mut state = self.state();
        let given = match &request.transactional_id {
            None => Ok((state.transactions.next_producer_id(), 0)),
            Some(id) if id.is_empty() => Err(E::InvalidRequest),
            Some(id) => state.init_transactional(&id.to_string(), &request),
        };
        drop(state);
        self.records_changed();
        let error = code(&given);
        let (producer_id, epoch) = given.unwrap_or((-1, -1));
        InitProducerIdResponse::default()
            .with_error_code(error)
            .with_producer_id(ProducerId(producer_id))
            .with_producer_epoch(epoch)
    }

    pub(crate) async fn add_partitions_to_txn(
        &self,
        call: &Call,
        request: AddPartitionsToTxnRequest,
    ) -> AddPartitionsToTxnResponse {
        let mut state = self.state();
        let (id, epoch) = (request.v3_and_below_transactional_id.to_string(), request.v3_and_below_producer_epoch);
        let producer = request.v3_and_below_producer_id;
        let allowed = state.transactions.of(&id, producer, epoch, call.version).map(|_| ());
        let exists = |state: &mut State, topic: &str, partition| state.log(topic, partition).map(|_| ());
        // All or none: one unknown partition keeps the others out.
        let mut wanted = Vec::new();
        for topic in &request.v3_and_below_topics {
            for partition in &topic.partitions {
                let known = allowed.and_then(|()| exists(&mut state, &topic.name, *partition));
                wanted.push((topic.name.to_string(), *partition, known));
            }
        }
        let all_known = wanted.iter().all(|(.., known)| known.is_ok());
        if let (true, Ok(transaction)) = (all_known, state.transactions.of(&id, producer, epoch, call.version)) {
            transaction
                .open()
                .partitions
                .extend(wanted.iter().map(|(topic, partition, _)| (topic.clone(), *partition)));
        }
        let mut verdicts = wanted.into_iter().map(|(.., known)| match known {
            Ok(()) if !all_known => E::OperationNotAttempted.code(),
            known => code(&known),
        });
        let topics = request.v3_and_below_topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().zip(&mut verdicts).map(|(partition, code)| {
                AddPartitionsToTxnPartitionResult::default()
                    .with_partition_index(*partition)
                    .with_partition_error_code(code)
            });
            AddPartitionsToTxnTopicResult::default()
                .with_name(topic.name.clone())
                .with_results_by_partition(partitions.collect())
        });
        let topics = topics.collect();
        AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(topics)
    }

    pub(crate) async fn add_offsets_to_txn(
        &self,
        call: &Call,
        request: AddOffsetsToTxnRequest,
    ) -> AddOffsetsToTxnResponse {
        let mut state = self.state();
        let id = request.transactional_id.to_string();
        let found = state.transactions.of(&id, request.producer_id, request.producer_epoch, call.version);
        let added = found.map(|transaction| {
            transaction.open().groups.insert(request.group_id.to_string());
        });
        AddOffsetsToTxnResponse::default().with_error_code(code(&added))
    }

    pub(crate) async fn txn_offset_commit(
        &self,
        call: &Call,
        request: TxnOffsetCommitRequest,
    ) -> TxnOffsetCommitResponse {
        let mut state = self.state();
        let held = state.hold_offsets(&request, call.version);
        let topics = request.topics.into_iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|wanted| {
                let known = state.log(&topic.name, wanted.partition_index).map(|_| ());
                TxnOffsetCommitResponsePartition::default()
                    .with_partition_index(wanted.partition_index)
                    .with_error_code(code(&held.and(known)))
            });
            let partitions = partitions.collect();
            TxnOffsetCommitResponseTopic::default().with_name(topic.name).with_partitions(partitions)
        });
        TxnOffsetCommitResponse::default().with_topics(topics.collect())
    }

    pub(crate) async fn end_txn(&self, call: &Call, request: EndTxnRequest) -> EndTxnResponse {
        let ended = {
            let mut state = self.state();
            let id = request.transactional_id.to_string();
            let found = state.transactions.of(&id, request.producer_id, request.producer_epoch, call.version);
            match found.map(|transaction| (transaction.open.is_some(), transaction.ended)) {
                Ok((true, _)) => {
                    state.end_transaction(&id, request.committed);
                    Ok(())
                }
                // The answer to the first try was lost.
                Ok((false, Some(committed))) if committed == request.committed => Ok(()),
                Ok(_) => Err(E::InvalidTxnState),
                Err(error) => Err(error),
            }
        };
        self.records_changed();
        EndTxnResponse::default().with_error_code(code(&ended))
    }
}

impl State {
    /// A new epoch, after what the old one left open has been aborted.
    fn init_transactional(&mut self, id: &str, request: &InitProducerIdRequest) -> Result<(i64, i16), E> {
        let timeout = u64::try_from(request.transaction_timeout_ms).map_err(|_| E::InvalidTransactionTimeout)?;
        if timeout == 0 {
            return Err(E::InvalidTransactionTimeout);
        }
        let timeout = Duration::from_millis(timeout);
        if let Some(known) = self.transactions.ids.get(id) {
            // A producer that says who it is may only go on if it still is (KIP-360).
            let claims = request.producer_id.0 >= 0;
            if claims && (known.producer_id, known.epoch) != (request.producer_id.0, request.producer_epoch) {
                return Err(E::ProducerFenced);
            }
            self.fence(id);
        }
        let fresh = self.transactions.next_producer_id();
        let transaction = self.transactions.ids.entry(id.to_owned());
        let transaction =
            transaction.or_insert(Transaction { producer_id: fresh, epoch: 0, timeout, open: None, ended: None });
        transaction.timeout = timeout;
        transaction.ended = None;
        Ok((transaction.producer_id, transaction.epoch))
    }

    /// Raises the epoch (to a new producer id when there is none left) and aborts what is open.
    fn fence(&mut self, id: &str) {
        let fresh = self.transactions.next_producer_id();
        let Some(transaction) = self.transactions.ids.get_mut(id) else { return };
        transaction.epoch += 1;
        if transaction.open.is_some() {
            self.end_transaction(id, false);
        }
        let Some(transaction) = self.transactions.ids.get_mut(id) else { return };
        if transaction.epoch == i16::MAX {
            (transaction.producer_id, transaction.epoch) = (fresh, 0);
        }
    }

    /// Writes the markers, and commits or drops the offsets.
    fn end_transaction(&mut self, id: &str, committed: bool) {
        let Some(transaction) = self.transactions.ids.get_mut(id) else { return };
        let (producer_id, epoch) = (transaction.producer_id, transaction.epoch);
        transaction.ended = Some(committed);
        let Some(open) = transaction.open.take() else { return };
        for (topic, partition) in open.partitions {
            // A topic that was deleted has no need of a marker.
            if let Ok(log) = self.log(&topic, partition) {
                let _ = log.end_transaction(producer_id, epoch, committed, now_ms());
            }
        }
        for group in open.groups {
            if let Some(group) = self.groups.get_mut(&group) {
                group.end_transaction(producer_id, committed);
            }
        }
    }

    /// Keeps the offsets of a transaction aside until it ends.
    fn hold_offsets(&mut self, request: &TxnOffsetCommitRequest, version: i16) -> Result<(), E> {
        let id = request.transactional_id.to_string();
        self.transactions.of(&id, request.producer_id, request.producer_epoch, version)?;
        let group_id = request.group_id.to_string();
        let group = self.groups.entry(group_id).or_insert_with(Group::new);
        if request.generation_id >= 0 || !request.member_id.is_empty() {
            group.check_member(&request.member_id, request.group_instance_id.as_deref(), request.generation_id)?;
        }
        for topic in &request.topics {
            for wanted in &topic.partitions {
                let committed = Committed {
                    offset: wanted.committed_offset,
                    leader_epoch: wanted.committed_leader_epoch,
                    metadata: wanted.committed_metadata.clone().unwrap_or_default(),
                };
                group.hold(request.producer_id.0, (topic.name.to_string(), wanted.partition_index), committed);
            }
        }
        Ok(())
    }

    /// Aborts transactions that are open for too long, and fences their producers; true if there were any.
    pub(crate) fn expire_transactions(&mut self, now: Instant) -> bool {
        let overdue = |transaction: &Transaction| {
            transaction
                .open
                .as_ref()
                .is_some_and(|open| now.saturating_duration_since(open.since) > transaction.timeout)
        };
        let ids = self.transactions.ids.iter().filter(|(_, transaction)| overdue(transaction));
        let ids: Vec<String> = ids.map(|(id, _)| id.clone()).collect();
        for id in &ids {
            self.fence(id);
        }
        !ids.is_empty()
    }
}
