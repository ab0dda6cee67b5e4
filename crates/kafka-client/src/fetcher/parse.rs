//! From a fetch response to answers by partition: names instead of ids, batches instead of bytes, checksums compared.

use bytes::Bytes;
use kafka_protocol::messages::FetchResponse;
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_wire::batch::{BatchError, FetchedEntry, split};
use uuid::Uuid;

use super::filter::Aborted;
use super::partition::Answer;
use crate::TopicPartition;
use crate::codes::ErrorCode;

/// The answers in a response. `name` finds a topic by its name (before version 13) or its id; partitions of topics that it
/// does not know are left out.
pub(super) fn answers(
    response: FetchResponse,
    check_crcs: bool,
    name: impl Fn(&str, Uuid) -> Option<std::sync::Arc<str>>,
) -> Vec<(TopicPartition, Answer)> {
    let mut answers = Vec::new();
    for topic in response.responses {
        let Some(name) = name(&topic.topic, topic.topic_id) else { continue };
        for partition in topic.partitions {
            let tp = TopicPartition { topic: name.clone(), partition: partition.partition_index };
            answers.push((tp, answer(partition, check_crcs)));
        }
    }
    answers
}

/// Bytes of records in a response.
pub(super) fn record_bytes(response: &FetchResponse) -> usize {
    let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
    partitions.filter_map(|partition| partition.records.as_ref()).map(Bytes::len).sum()
}

fn answer(partition: PartitionData, check_crcs: bool) -> Answer {
    let (entries, damage) = entries(partition.records.unwrap_or_default(), check_crcs);
    let diverging = (partition.diverging_epoch.epoch, partition.diverging_epoch.end_offset);
    let aborted = partition.aborted_transactions.unwrap_or_default();
    Answer {
        code: ErrorCode(partition.error_code),
        high_watermark: partition.high_watermark,
        last_stable_offset: partition.last_stable_offset,
        log_start_offset: partition.log_start_offset,
        // Both are -1 when the logs agree.
        diverging: Some(diverging).filter(|&(epoch, end_offset)| epoch >= 0 || end_offset >= 0),
        preferred_replica: Some(partition.preferred_read_replica.0).filter(|&replica| replica >= 0),
        aborted: aborted
            .into_iter()
            .map(|transaction| Aborted {
                producer_id: transaction.producer_id.0,
                first_offset: transaction.first_offset,
            })
            .collect(),
        entries,
        damage: damage.map(|error| error.to_string()),
    }
}

/// The entries up to the first damaged one, and what is wrong with that.
fn entries(records: Bytes, check_crcs: bool) -> (Vec<FetchedEntry>, Option<BatchError>) {
    let mut entries = Vec::new();
    for entry in split(records) {
        let checked = entry.and_then(|entry| {
            let checked = match &entry {
                _ if !check_crcs => Ok(()),
                FetchedEntry::Batch(batch) => batch.verify_crc(),
                FetchedEntry::Legacy(set) => set.verify_crc(),
            };
            checked.map(|()| entry)
        });
        match checked {
            Ok(entry) => entries.push(entry),
            Err(error) => return (entries, Some(error)),
        }
    }
    (entries, None)
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use kafka_wire::batch::{Codec, Record, Stamp, encode};

    use super::*;

    fn two_batches() -> BytesMut {
        let record = Record { value: Some(Bytes::from_static(b"value")), ..Record::default() };
        let batch = encode(&[record], Codec::None, Stamp::NONE).unwrap();
        BytesMut::from(&[&batch[..], &batch[..]].concat()[..])
    }

    #[test]
    fn what_is_before_a_damaged_batch_is_kept() {
        let mut records = two_batches();
        let last = records.len() - 1;
        records[last] ^= 1;

        let (good, error) = entries(records.clone().freeze(), true);
        assert_eq!(good.len(), 1);
        assert!(matches!(error, Some(BatchError::CrcMismatch { .. })));

        let (unchecked, error) = entries(records.freeze(), false);
        assert_eq!((unchecked.len(), error), (2, None));
    }

    #[test]
    fn a_batch_that_the_broker_has_cut_is_not_damage() {
        let mut records = two_batches();
        records.truncate(records.len() - 1);

        let (entries, error) = entries(records.freeze(), true);
        assert_eq!((entries.len(), error), (1, None));
    }
}
