//! ListOffsets, OffsetForLeaderEpoch, DeleteRecords: where things are in a log.

use kafka_protocol::ResponseError as E;
use kafka_protocol::messages::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use kafka_protocol::messages::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use kafka_protocol::messages::{
    DeleteRecordsRequest, DeleteRecordsResponse, ListOffsetsRequest, ListOffsetsResponse, OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
};

use crate::Broker;
use crate::control::Call;
use crate::fetch::check_epoch;
use crate::log::{Found, Log};
use crate::state::code;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;

impl Broker {
    pub(crate) async fn list_offsets(&self, call: &Call, request: ListOffsetsRequest) -> ListOffsetsResponse {
        let mut state = self.state();
        let committed_only = request.isolation_level == 1;
        // Before version 4 there was no room for epochs.
        let tells_epochs = call.version >= 4;
        let topics = request.topics.into_iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|wanted| {
                let log = state.log(&topic.name, wanted.partition_index);
                let found = log.and_then(|log| find(log, wanted, committed_only));
                let error = code(&found);
                let found = found.ok().flatten().unwrap_or(Found { offset: -1, timestamp_ms: -1, epoch: -1 });
                ListOffsetsPartitionResponse::default()
                    .with_partition_index(wanted.partition_index)
                    .with_error_code(error)
                    .with_offset(found.offset)
                    .with_timestamp(found.timestamp_ms)
                    .with_leader_epoch(if tells_epochs { found.epoch } else { -1 })
            });
            let partitions = partitions.collect();
            ListOffsetsTopicResponse::default().with_name(topic.name).with_partitions(partitions)
        });
        ListOffsetsResponse::default().with_topics(topics.collect())
    }

    pub(crate) async fn offset_for_leader_epoch(
        &self,
        _call: &Call,
        request: OffsetForLeaderEpochRequest,
    ) -> OffsetForLeaderEpochResponse {
        let mut state = self.state();
        let topics = request.topics.into_iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|wanted| {
                let log = state.log(&topic.topic, wanted.partition);
                let end = log.and_then(|log| {
                    check_epoch(log, wanted.current_leader_epoch)?;
                    Ok(log.end_of_epoch(wanted.leader_epoch))
                });
                let error = code(&end);
                let (epoch, offset) = end.unwrap_or((-1, -1));
                EpochEndOffset::default()
                    .with_partition(wanted.partition)
                    .with_error_code(error)
                    .with_leader_epoch(epoch)
                    .with_end_offset(offset)
            });
            let partitions = partitions.collect();
            OffsetForLeaderTopicResult::default().with_topic(topic.topic).with_partitions(partitions)
        });
        OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
    }

    pub(crate) async fn delete_records(&self, _call: &Call, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
        let mut state = self.state();
        let topics = request.topics.into_iter().map(|topic| {
            let only_compacted =
                state.topics.get(&*topic.name.0).is_some_and(|known| known.config("cleanup.policy") == "compact");
            let partitions = topic.partitions.iter().map(|wanted| {
                let log = state.log(&topic.name, wanted.partition_index);
                let deleted = match log {
                    Ok(_) if only_compacted => Err(E::PolicyViolation),
                    log => log.and_then(|log| log.delete_before(wanted.offset)),
                };
                DeleteRecordsPartitionResult::default()
                    .with_partition_index(wanted.partition_index)
                    .with_error_code(code(&deleted))
                    .with_low_watermark(deleted.unwrap_or(-1))
            });
            let partitions = partitions.collect();
            DeleteRecordsTopicResult::default().with_name(topic.name).with_partitions(partitions)
        });
        DeleteRecordsResponse::default().with_topics(topics.collect())
    }
}

fn find(log: &Log, wanted: &ListOffsetsPartition, committed_only: bool) -> Result<Option<Found>, E> {
    check_epoch(log, wanted.current_leader_epoch)?;
    let until = if committed_only { log.stable_end() } else { log.end() };
    let at = |offset| Some(Found { offset, timestamp_ms: -1, epoch: log.epoch_at(offset) });
    match wanted.timestamp {
        LATEST => Ok(Some(Found { offset: until, timestamp_ms: -1, epoch: log.epoch() })),
        EARLIEST | EARLIEST_LOCAL => Ok(at(log.start())),
        MAX_TIMESTAMP => log.find_latest_time(until),
        LATEST_TIERED => Ok(None),
        timestamp_ms if timestamp_ms < 0 => Err(E::InvalidRequest),
        timestamp_ms => log.find_time(timestamp_ms, until),
    }
}
