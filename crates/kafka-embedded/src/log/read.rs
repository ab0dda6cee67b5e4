//! Reading a log: slices of batches, offsets by time, ends of epochs.

use bytes::{Bytes, BytesMut};
use kafka_protocol::ResponseError as E;
use kafka_wire::batch::{DecodeLimits, RecordBatch, TimestampType};

use super::Log;

/// An aborted transaction: its first offset and that of its marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AbortedRange {
    pub(crate) producer_id: i64,
    pub(crate) first: i64,
    pub(crate) last: i64,
}

/// What a fetch gets of a partition.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slice {
    pub(crate) records: Bytes,
    pub(crate) aborted: Vec<AbortedRange>,
}

/// A record that was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) offset: i64,
    pub(crate) timestamp_ms: i64,
    pub(crate) epoch: i32,
}

impl Log {
    /// Batches from the one that holds `offset` on, before `until` and within `bytes_max`; one batch at least if `oversized`.
    pub(crate) fn read(&self, offset: i64, until: i64, bytes_max: usize, oversized: bool) -> Result<Slice, E> {
        if offset < self.start || offset > self.end {
            return Err(E::OffsetOutOfRange);
        }
        let first = self.batches.partition_point(|batch| batch.last_offset() < offset);
        let (mut records, mut next) = (BytesMut::new(), offset);
        for batch in self.batches.iter().skip(first).take_while(|batch| batch.last_offset() < until) {
            if records.len() + batch.len() > bytes_max && !(oversized && records.is_empty()) {
                break;
            }
            records.extend_from_slice(batch.as_bytes());
            next = batch.next_offset();
        }
        let overlap = |aborted: &&AbortedRange| aborted.last >= offset && aborted.first < next;
        Ok(Slice { records: records.freeze(), aborted: self.aborted.iter().filter(overlap).copied().collect() })
    }

    /// The first record at or after a time, before `until`.
    pub(crate) fn find_time(&self, timestamp_ms: i64, until: i64) -> Result<Option<Found>, E> {
        for batch in self.readable(until).filter(|batch| batch.max_timestamp() >= timestamp_ms) {
            for (offset, time) in times(batch)? {
                if time >= timestamp_ms && offset >= self.start {
                    return Ok(Some(found(batch, offset, time)));
                }
            }
        }
        Ok(None)
    }

    /// The (first) record with the latest timestamp.
    pub(crate) fn find_latest_time(&self, until: i64) -> Result<Option<Found>, E> {
        let Some(latest) = self.readable(until).map(RecordBatch::max_timestamp).max() else { return Ok(None) };
        self.find_time(latest, until)
    }

    fn readable(&self, until: i64) -> impl Iterator<Item = &RecordBatch> {
        self.batches.iter().filter(move |batch| batch.last_offset() < until && !batch.is_control())
    }

    /// The largest epoch up to `epoch`, and where it ended; `(-1, -1)` for one that is yet to come.
    pub(crate) fn end_of_epoch(&self, epoch: i32) -> (i32, i64) {
        if epoch > self.epoch() || epoch < 0 {
            return (-1, -1);
        }
        let after = self.epochs.partition_point(|(known, _)| *known <= epoch);
        let end = self.epochs.get(after).map_or(self.end, |(_, first)| *first);
        match after.checked_sub(1).and_then(|at| self.epochs.get(at)) {
            Some((known, _)) => (*known, end),
            None => (epoch, self.start),
        }
    }

    /// The epoch in which `offset` was written, or will be.
    pub(crate) fn epoch_at(&self, offset: i64) -> i32 {
        let after = self.epochs.partition_point(|(_, first)| *first <= offset);
        after.checked_sub(1).and_then(|at| self.epochs.get(at)).map_or(0, |(epoch, _)| *epoch)
    }
}

fn found(batch: &RecordBatch, offset: i64, timestamp_ms: i64) -> Found {
    Found { offset, timestamp_ms, epoch: batch.partition_leader_epoch() }
}

/// Offset and time of every record.
fn times(batch: &RecordBatch) -> Result<Vec<(i64, i64)>, E> {
    if batch.timestamp_type() == TimestampType::LogAppendTime {
        return Ok(vec![(batch.base_offset(), batch.max_timestamp())]);
    }
    let records = batch.decode(&DecodeLimits::default()).map_err(|_| E::CorruptMessage)?;
    Ok(records.iter().map(|record| (record.offset, record.timestamp)).collect())
}
