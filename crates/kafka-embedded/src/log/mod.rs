//! One partition: batches in order, and all that is derived from them. Pure: time and settings are arguments.

mod accept;
mod compact;
mod producers;
mod read;

use std::collections::{BTreeMap, VecDeque};

use bytes::{BufMut, BytesMut};
use kafka_protocol::ResponseError as E;
use kafka_wire::batch::{Codec, Record, RecordBatch, Stamp, encode};

pub(crate) use accept::{Refused, accept};
use producers::{Producers, Sequence};
pub(crate) use read::{AbortedRange, Found, Slice};

/// Where the checksummed part of a batch begins, and where its checksum is.
const CRC_AT: usize = 17;
const CHECKED_FROM: usize = 21;
const ATTRIBUTES_LOW_AT: usize = 22;
const LOG_APPEND_TIME_BIT: u8 = 1 << 3;
const CONTROL_BIT: u8 = 1 << 5;

/// How a topic wants its batches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// `max.message.bytes`.
    pub(crate) batch_bytes_max: usize,
    /// `cleanup.policy` contains `compact`: every record needs a key.
    pub(crate) compacted: bool,
    /// `message.timestamp.type` is `LogAppendTime`.
    pub(crate) append_time: bool,
}

/// Where a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Appended {
    pub(crate) base_offset: i64,
    /// The broker's time, if it stamped the batch.
    pub(crate) append_time_ms: i64,
}

/// A partition's log.
#[derive(Debug)]
pub(crate) struct Log {
    batches: VecDeque<RecordBatch>,
    start: i64,
    end: i64,
    /// Leader epochs and the first offset of each, oldest first. Never empty.
    epochs: Vec<(i32, i64)>,
    producers: Producers,
    /// Open transactions: first offset and producer id.
    open: BTreeMap<i64, i64>,
    aborted: Vec<AbortedRange>,
    bytes: usize,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self {
            batches: VecDeque::new(),
            start: 0,
            end: 0,
            epochs: vec![(0, 0)],
            producers: Producers::default(),
            open: BTreeMap::new(),
            aborted: Vec::new(),
            bytes: 0,
        }
    }

    /// The first offset that may be read.
    pub(crate) fn start(&self) -> i64 {
        self.start
    }

    /// The next offset; the high watermark too, since there are no replicas to wait for.
    pub(crate) fn end(&self) -> i64 {
        self.end
    }

    /// Before this offset every transaction has ended.
    pub(crate) fn stable_end(&self) -> i64 {
        self.open.keys().next().copied().unwrap_or(self.end)
    }

    /// Bytes of all batches.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The leader's epoch.
    pub(crate) fn epoch(&self) -> i32 {
        self.epochs.last().map_or(0, |(epoch, _)| *epoch)
    }

    /// Appends a batch that [`accept`] has let through. One that is there already is answered with where it is.
    pub(crate) fn append(&mut self, batch: &RecordBatch, rules: &Rules, now_ms: i64) -> Result<Appended, E> {
        let not_stamped = |base_offset| Appended { base_offset, append_time_ms: -1 };
        if let Sequence::Duplicate { base_offset } = self.producers.check(batch)? {
            return Ok(not_stamped(base_offset));
        }
        let mut bytes = BytesMut::from(&batch.as_bytes()[..]);
        if rules.append_time {
            bytes[ATTRIBUTES_LOW_AT] |= LOG_APPEND_TIME_BIT;
            bytes[35..43].copy_from_slice(&now_ms.to_be_bytes());
            set_checksum(&mut bytes);
        }
        let base_offset = self.push(bytes)?;
        self.producers.appended(batch, base_offset);
        if batch.is_transactional() && !self.open.values().any(|id| *id == batch.producer_id()) {
            self.open.insert(base_offset, batch.producer_id());
        }
        Ok(Appended { append_time_ms: if rules.append_time { now_ms } else { -1 }, ..not_stamped(base_offset) })
    }

    /// Ends a producer's transaction here with a marker.
    pub(crate) fn end_transaction(
        &mut self,
        producer_id: i64,
        epoch: i16,
        committed: bool,
        now_ms: i64,
    ) -> Result<(), E> {
        let mut key = BytesMut::new();
        key.put_i16(0);
        key.put_i16(i16::from(committed));
        let mut value = BytesMut::new();
        value.put_i16(0);
        value.put_i32(0); // the coordinator's epoch
        let record =
            Record { timestamp: now_ms, key: Some(key.freeze()), value: Some(value.freeze()), ..Record::default() };
        let stamp = Stamp { producer_id, producer_epoch: epoch, base_sequence: -1, transactional: true };
        let marker = encode(&[record], Codec::None, stamp).map_err(|_| E::UnknownServerError)?;
        let mut marker = BytesMut::from(&marker[..]);
        marker[ATTRIBUTES_LOW_AT] |= CONTROL_BIT;
        set_checksum(&mut marker);
        let last = self.push(marker)?;
        self.producers.ended(producer_id, epoch);
        let first = self.open.iter().find(|(_, id)| **id == producer_id).map(|(first, _)| *first);
        if let Some(first) = first {
            self.open.remove(&first);
            if !committed {
                self.aborted.push(AbortedRange { producer_id, first, last });
            }
        }
        Ok(())
    }

    /// Stamps offset and epoch, which no checksum covers, and stores.
    fn push(&mut self, mut bytes: BytesMut) -> Result<i64, E> {
        let base_offset = self.end;
        bytes[..8].copy_from_slice(&base_offset.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.epoch().to_be_bytes());
        let stored = RecordBatch::parse(bytes.freeze()).map_err(|_| E::CorruptMessage)?;
        self.end = stored.next_offset();
        self.bytes += stored.len();
        self.batches.push_back(stored);
        Ok(base_offset)
    }

    /// Forgets all records before `offset`; whole batches at a time, as a broker forgets segments.
    pub(crate) fn delete_before(&mut self, offset: i64) -> Result<i64, E> {
        let offset = if offset == -1 { self.end } else { offset };
        if offset < 0 || offset > self.end {
            return Err(E::OffsetOutOfRange);
        }
        self.start = self.start.max(offset);
        while self.batches.front().is_some_and(|batch| batch.last_offset() < self.start) {
            self.bytes -= self.batches.pop_front().map_or(0, |batch| batch.len());
        }
        self.aborted.retain(|aborted| aborted.last >= self.start);
        Ok(self.start)
    }

    /// A new leader, who may not have had everything: records from `truncate_to` on are lost (an unclean election).
    pub(crate) fn elect(&mut self, truncate_to: Option<i64>) {
        let epoch = self.epoch() + 1;
        if let Some(to) = truncate_to {
            while self.batches.back().is_some_and(|batch| batch.last_offset() >= to) {
                self.bytes -= self.batches.pop_back().map_or(0, |batch| batch.len());
            }
            self.end = self.batches.back().map_or(self.start, RecordBatch::next_offset);
            self.open.retain(|first, _| *first < self.end);
            self.aborted.retain(|aborted| aborted.last < self.end);
            self.epochs.retain(|(epoch, first)| *epoch == 0 || *first < self.end);
            self.producers.forget_from(self.end);
        }
        self.epochs.push((epoch, self.end));
    }
}

fn set_checksum(batch: &mut BytesMut) {
    let checksum = crc32c::crc32c(&batch[CHECKED_FROM..]);
    batch[CRC_AT..CHECKED_FROM].copy_from_slice(&checksum.to_be_bytes());
}

#[cfg(test)]
mod tests;
