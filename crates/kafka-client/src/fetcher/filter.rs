//! What of a fetched range is delivered: a pure function of the batches and the broker's list of aborted transactions.
//!
//! Everything happens at the granularity of batches, without decompressing any: a transactional batch belongs to one
//! transaction, and the fetch response says which transactions in its range were aborted, by producer and first offset. The
//! algorithm is that of Java's `CompletedFetch`: a producer counts as aborted from the first offset of its aborted
//! transaction to its abort marker.

use std::collections::BTreeSet;

use kafka_wire::batch::{BatchError, ControlRecord, FetchedEntry, RecordBatch};

/// A transaction that was aborted, as the fetch response lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Aborted {
    pub(super) producer_id: i64,
    pub(super) first_offset: i64,
}

/// What is left of a fetched range.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Filtered {
    /// To be delivered, in order. The first may begin before the position.
    pub(super) entries: Vec<FetchedEntry>,
    /// Where to read on: after everything looked at, delivered or not.
    pub(super) next_position: i64,
    /// Leader epoch of the last batch looked at.
    pub(super) leader_epoch: Option<i32>,
    /// Transactional batches left out because their transaction was aborted.
    pub(super) aborted_batches: u64,
    /// The first offset that the log does not have any more, or a little before it.
    pub(super) first_missing: Option<i64>,
}

/// Leaves out control batches, empty ones, those before `position`, and (for read_committed, when `aborted` is given) those of
/// aborted transactions. An error names the offset at which reading cannot go on; what is before it has been looked at in vain
/// and will be fetched again.
pub(super) fn filter(
    entries: Vec<FetchedEntry>,
    position: i64,
    aborted: Option<&[Aborted]>,
) -> Result<Filtered, (i64, BatchError)> {
    let mut transactions = aborted.map(Transactions::new);
    let mut filtered = Filtered { next_position: position, ..Filtered::default() };
    for entry in entries {
        filtered.first_missing = filtered.first_missing.or_else(|| missing(&entry, filtered.next_position));
        filtered.next_position = filtered.next_position.max(entry.next_offset());
        let FetchedEntry::Batch(batch) = &entry else {
            // Message sets from before transactions; they have no leader epoch either.
            filtered.leader_epoch = None;
            if entry.next_offset() > position {
                filtered.entries.push(entry);
            }
            continue;
        };
        filtered.leader_epoch = Some(batch.partition_leader_epoch()).filter(|&epoch| epoch >= 0);
        let is_aborted = match &mut transactions {
            Some(transactions) => transactions.is_aborted(batch).map_err(|error| (batch.base_offset(), error))?,
            None => false,
        };
        filtered.aborted_batches += u64::from(is_aborted);
        let wanted = !is_aborted && !batch.is_control() && batch.record_count() > 0 && batch.next_offset() > position;
        if wanted {
            filtered.entries.push(entry);
        }
    }
    Ok(filtered)
}

/// The first offset from `from` to the end of an entry that it has no record for, or a little before it: the cleaner has been
/// there. Of old formats that is not known. Control batches have nothing that anybody could miss.
fn missing(entry: &FetchedEntry, from: i64) -> Option<i64> {
    let FetchedEntry::Batch(batch) = entry else { return Some(from) };
    let offsets = batch.next_offset() - batch.base_offset();
    let has_holes = !batch.is_control() && i64::try_from(batch.record_count()).is_ok_and(|records| records < offsets);
    let is_wanted = batch.next_offset() > from;
    (batch.base_offset() > from || (is_wanted && has_holes)).then_some(from)
}

/// The aborted transactions that a reader is inside of.
struct Transactions {
    /// Still to come, the next one last.
    ahead: Vec<Aborted>,
    open: BTreeSet<i64>,
}

impl Transactions {
    fn new(aborted: &[Aborted]) -> Self {
        let mut ahead = aborted.to_vec();
        ahead.sort_by_key(|transaction| std::cmp::Reverse(transaction.first_offset));
        Self { ahead, open: BTreeSet::new() }
    }

    /// Moves past `batch`, and says whether it belongs to an aborted transaction.
    fn is_aborted(&mut self, batch: &RecordBatch) -> Result<bool, BatchError> {
        if batch.producer_id() < 0 {
            return Ok(false);
        }
        while let Some(next) = self.ahead.pop_if(|next| next.first_offset <= batch.last_offset()) {
            self.open.insert(next.producer_id);
        }
        if !batch.is_control() {
            return Ok(batch.is_transactional() && self.open.contains(&batch.producer_id()));
        }
        match batch.control_type() {
            Ok(ControlRecord::Abort) => {
                self.open.remove(&batch.producer_id());
                Ok(false)
            }
            // The cleaner has emptied the marker: all batches of its transaction went before it.
            Ok(_) | Err(BatchError::Empty) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};
    use kafka_wire::batch::{Codec, Record, Stamp, encode, split};

    use super::*;

    const TRANSACTIONAL: u8 = 1 << 4;
    const CONTROL: u8 = 1 << 5;

    /// A batch of `records` records from `offset` on, by `producer`.
    fn batch(offset: i64, records: usize, producer: i64, flags: u8, key: &'static [u8]) -> FetchedEntry {
        let record = Record { key: Some(Bytes::from_static(key)), ..Record::default() };
        let stamp = Stamp { producer_id: producer, producer_epoch: 0, base_sequence: 0, transactional: false };
        let mut bytes = BytesMut::from(&encode(&vec![record; records], Codec::None, stamp).unwrap()[..]);
        bytes[0..8].copy_from_slice(&offset.to_be_bytes());
        bytes[12..16].copy_from_slice(&5_i32.to_be_bytes());
        bytes[22] |= flags;
        split(bytes.freeze()).next().unwrap().unwrap()
    }

    fn transactional(offset: i64, producer: i64) -> FetchedEntry {
        batch(offset, 10, producer, TRANSACTIONAL, b"k")
    }

    fn plain(offset: i64) -> FetchedEntry {
        batch(offset, 10, -1, 0, b"k")
    }

    fn abort(offset: i64, producer: i64) -> FetchedEntry {
        batch(offset, 1, producer, TRANSACTIONAL | CONTROL, &[0, 0, 0, 0])
    }

    fn commit(offset: i64, producer: i64) -> FetchedEntry {
        batch(offset, 1, producer, TRANSACTIONAL | CONTROL, &[0, 0, 0, 1])
    }

    fn offsets(filtered: &Filtered) -> Vec<i64> {
        let base = |entry: &FetchedEntry| match entry {
            FetchedEntry::Batch(batch) => batch.base_offset(),
            FetchedEntry::Legacy(_) => -1,
        };
        filtered.entries.iter().map(base).collect()
    }

    #[test]
    fn an_aborted_transaction_is_left_out_from_its_first_batch_to_its_marker() {
        let log = vec![
            transactional(0, 1),
            transactional(10, 2),
            transactional(20, 1),
            abort(30, 1),
            transactional(31, 1),
            commit(41, 2),
            commit(42, 1),
        ];
        let aborted = [Aborted { producer_id: 1, first_offset: 0 }];

        let filtered = filter(log, 0, Some(&aborted)).unwrap();

        assert_eq!(offsets(&filtered), [10, 31]);
        assert_eq!((filtered.next_position, filtered.aborted_batches), (43, 2));
    }

    #[test]
    fn batches_before_the_first_aborted_offset_of_their_producer_were_committed() {
        let log = vec![transactional(0, 1), commit(10, 1), transactional(11, 1), abort(21, 1)];
        let aborted = [Aborted { producer_id: 1, first_offset: 11 }];

        assert_eq!(offsets(&filter(log, 0, Some(&aborted)).unwrap()), [0]);
    }

    #[test]
    fn two_aborted_transactions_of_one_producer_are_told_apart() {
        let log = vec![
            transactional(0, 1),
            abort(10, 1),
            transactional(11, 1),
            commit(21, 1),
            transactional(22, 1),
            abort(32, 1),
        ];
        let aborted = [Aborted { producer_id: 1, first_offset: 22 }, Aborted { producer_id: 1, first_offset: 0 }];

        assert_eq!(offsets(&filter(log, 0, Some(&aborted)).unwrap()), [11]);
    }

    #[test]
    fn other_batches_of_an_aborted_producer_id_stay_if_they_are_not_transactional() {
        let log = vec![batch(0, 10, 1, 0, b"k")];
        let aborted = [Aborted { producer_id: 1, first_offset: 0 }];

        assert_eq!(offsets(&filter(log, 0, Some(&aborted)).unwrap()), [0]);
    }

    #[test]
    fn read_uncommitted_leaves_out_markers_only() {
        let filtered = filter(vec![transactional(0, 1), abort(10, 1), plain(11)], 0, None).unwrap();

        assert_eq!(offsets(&filtered), [0, 11]);
        assert_eq!((filtered.next_position, filtered.leader_epoch), (21, Some(5)));
    }

    #[test]
    fn a_range_without_anything_to_deliver_still_moves_the_position() {
        let aborted = [Aborted { producer_id: 1, first_offset: 0 }];
        let filtered = filter(vec![transactional(0, 1), abort(10, 1)], 3, Some(&aborted)).unwrap();

        assert_eq!((offsets(&filtered), filtered.next_position), (vec![], 11));
        assert_eq!(filter(vec![], 7, None).unwrap().next_position, 7);
    }

    #[test]
    fn the_batch_around_the_position_is_delivered_and_those_before_are_not() {
        let filtered = filter(vec![plain(0), plain(10)], 14, None).unwrap();

        assert_eq!((offsets(&filtered), filtered.next_position), (vec![10], 20));
    }

    /// A batch of ten records that has lost some of them.
    fn compacted(offset: i64, left: i32) -> FetchedEntry {
        let FetchedEntry::Batch(batch) = plain(offset) else { unreachable!() };
        let mut bytes = BytesMut::from(&batch.as_bytes()[..]);
        bytes[57..61].copy_from_slice(&left.to_be_bytes());
        split(bytes.freeze()).next().unwrap().unwrap()
    }

    #[test]
    fn what_the_cleaner_has_taken_is_noticed_and_what_is_left_out_here_is_not() {
        let first_missing = |log: Vec<FetchedEntry>, position, aborted: &[Aborted]| {
            filter(log, position, Some(aborted)).unwrap().first_missing
        };
        let aborted = [Aborted { producer_id: 1, first_offset: 0 }];

        assert_eq!(first_missing(vec![transactional(0, 1), abort(10, 1), plain(11)], 0, &aborted), None);
        assert_eq!(first_missing(vec![plain(0), plain(10)], 4, &[]), None);
        assert_eq!(first_missing(vec![], 4, &[]), None);
        assert_eq!(first_missing(vec![plain(10)], 4, &[]), Some(4));
        assert_eq!(first_missing(vec![plain(0), plain(12), plain(30)], 0, &[]), Some(10));
        assert_eq!(first_missing(vec![plain(0), compacted(10, 7)], 0, &[]), Some(10));
        assert_eq!(first_missing(vec![plain(0), compacted(10, 0)], 0, &[]), Some(10));
        assert_eq!(first_missing(vec![compacted(0, 7), plain(10)], 10, &[]), None, "read before");
    }

    #[test]
    fn a_marker_that_cannot_be_read_stops_at_its_offset() {
        let log = vec![plain(0), batch(10, 1, 1, TRANSACTIONAL | CONTROL, b"")];

        assert_eq!(filter(log, 0, Some(&[])).unwrap_err().0, 10);
    }
}
