//! Fetch: without sessions, with long polls, and with what `read_committed` needs to leave out aborted records.

use std::time::Duration;

use kafka_protocol::ResponseError as E;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::{
    AbortedTransaction, EpochEndOffset, FetchableTopicResponse, PartitionData,
};
use kafka_protocol::messages::{FetchRequest, FetchResponse, ProducerId};
use tokio::time::{Instant, timeout_at};

use crate::Broker;
use crate::control::Call;
use crate::log::{Log, Slice};
use crate::state::State;

/// Kafka's `fetch.max.bytes` of a broker.
const RESPONSE_BYTES_MAX: usize = 55 << 20;

impl Broker {
    /// Waits until there is enough to say or the client's patience is over.
    pub(crate) async fn fetch(&self, _call: &Call, request: FetchRequest) -> FetchResponse {
        if request.session_id != 0 {
            // No session is ever given out.
            return FetchResponse::default().with_error_code(E::FetchSessionIdNotFound.code());
        }
        let patience = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
        let deadline = Instant::now() + patience;
        let mut changes = self.watch_records();
        loop {
            changes.mark_unchanged();
            let (response, enough) = self.state().fetch(&request);
            if enough || timeout_at(deadline, changes.changed()).await.is_err() {
                return response;
            }
        }
    }
}

impl State {
    /// An answer, and whether it is worth sending now.
    fn fetch(&mut self, request: &FetchRequest) -> (FetchResponse, bool) {
        let mut room = usize::try_from(request.max_bytes).unwrap_or(0).min(RESPONSE_BYTES_MAX);
        let (mut sent, mut failed) = (0, false);
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let name = self.name_of(&topic.topic, topic.topic_id);
            let partitions = topic.partitions.iter().map(|wanted| {
                let log = name.as_ref().map_err(|error| *error).and_then(|name| self.log(name, wanted.partition));
                let oversized = sent == 0;
                let data = log.and_then(|log| partition(log, wanted, request.isolation_level == 1, room, oversized));
                let data = data.unwrap_or_else(|error| {
                    PartitionData::default().with_error_code(error.code()).with_high_watermark(-1).with_records(None)
                });
                let bytes = data.records.as_ref().map_or(0, |records| records.len());
                (sent, room) = (sent + bytes, room.saturating_sub(bytes));
                failed |= data.error_code != 0 || data.diverging_epoch.end_offset >= 0;
                data.with_partition_index(wanted.partition)
            });
            topics.push(topic_response(topic, partitions.collect()));
        }
        let enough = failed || sent >= usize::try_from(request.min_bytes).unwrap_or(0) || request.topics.is_empty();
        (FetchResponse::default().with_responses(topics), enough)
    }
}

fn topic_response(topic: &FetchTopic, partitions: Vec<PartitionData>) -> FetchableTopicResponse {
    FetchableTopicResponse::default()
        .with_topic(topic.topic.clone())
        .with_topic_id(topic.topic_id)
        .with_partitions(partitions)
}

fn partition(
    log: &Log,
    wanted: &FetchPartition,
    committed_only: bool,
    room: usize,
    oversized: bool,
) -> Result<PartitionData, E> {
    check_epoch(log, wanted.current_leader_epoch)?;
    let data = PartitionData::default()
        .with_high_watermark(log.end())
        .with_last_stable_offset(log.stable_end())
        .with_log_start_offset(log.start())
        .with_aborted_transactions(committed_only.then(Vec::new));
    if let Some(diverging) = diverging(log, wanted) {
        return Ok(data.with_diverging_epoch(diverging));
    }
    let until = if committed_only { log.stable_end() } else { log.end() };
    let bytes_max = usize::try_from(wanted.partition_max_bytes).unwrap_or(0).min(room);
    let Slice { records, aborted } = log.read(wanted.fetch_offset, until, bytes_max, oversized)?;
    let aborted = aborted.iter().map(|range| {
        AbortedTransaction::default().with_producer_id(ProducerId(range.producer_id)).with_first_offset(range.first)
    });
    let aborted = committed_only.then(|| aborted.collect());
    Ok(data.with_records(Some(records)).with_aborted_transactions(aborted))
}

/// What the client believes of the leader must be so (KIP-320).
pub(crate) fn check_epoch(log: &Log, believed: i32) -> Result<(), E> {
    match believed {
        -1 => Ok(()),
        old if old < log.epoch() => Err(E::FencedLeaderEpoch),
        new if new > log.epoch() => Err(E::UnknownLeaderEpoch),
        _ => Ok(()),
    }
}

/// Where the log that the client has read parted from this one, if it says what it has read (KIP-595).
fn diverging(log: &Log, wanted: &FetchPartition) -> Option<EpochEndOffset> {
    if wanted.last_fetched_epoch < 0 {
        return None;
    }
    let (epoch, end) = log.end_of_epoch(wanted.last_fetched_epoch);
    let parted = epoch < wanted.last_fetched_epoch || end < wanted.fetch_offset;
    parted.then(|| EpochEndOffset::default().with_epoch(epoch).with_end_offset(end))
}
