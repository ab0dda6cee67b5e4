//! A record batch of magic 2, looked at in place.
//!
//! ```text
//!  0 baseOffset i64            23 lastOffsetDelta i32      51 producerEpoch i16
//!  8 batchLength i32 (bytes    27 baseTimestamp i64        53 baseSequence i32
//!    from 12 to the end)       35 maxTimestamp i64         57 recordsCount i32
//! 12 partitionLeaderEpoch i32  43 producerId i64           61 records, compressed or not
//! 16 magic i8                  21 attributes i16: 0-2 codec, 3 timestamp type, 4 transactional, 5 control, 6 delete horizon
//! 17 crc u32, CRC-32C of everything from 21 to the end
//! ```

use bytes::Bytes;

use super::{BatchError, Codec};

/// Bytes before the records of a batch.
pub const HEADER_LEN: usize = 61;
/// Bytes before and including the batch length field, which does not count itself.
pub(super) const LENGTH_END: usize = 12;
/// Where the checksummed part begins.
pub(super) const CRC_START: usize = 21;
pub(super) const MAGIC_AT: usize = 16;

pub(super) const LOG_APPEND_TIME_BIT: i16 = 1 << 3;
pub(super) const TRANSACTIONAL_BIT: i16 = 1 << 4;
pub(super) const CONTROL_BIT: i16 = 1 << 5;
pub(super) const DELETE_HORIZON_BIT: i16 = 1 << 6;

/// Who set the timestamps of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimestampType {
    /// The producer; every record has its own.
    CreateTime,
    /// The broker; every record has the batch's `max_timestamp`.
    LogAppendTime,
}

/// One complete record batch of magic 2, whose length field agrees with the bytes. Cloning shares the bytes.
///
/// Holds for every value of this type: at least [`HEADER_LEN`] bytes, magic 2, offsets neither negative nor overflowing,
/// counts not negative. The checksum and the records are *not* looked at; see [`verify_crc`](Self::verify_crc) and
/// [`decode`](Self::decode).
#[derive(Clone, PartialEq, Eq)]
pub struct RecordBatch(Bytes);

impl RecordBatch {
    /// Exactly one batch, neither cut short nor followed by anything.
    pub fn parse(bytes: Bytes) -> Result<Self, BatchError> {
        let available = bytes.len();
        if available < HEADER_LEN {
            return Err(BatchError::Truncated { needed: HEADER_LEN, available });
        }
        // From here on, the header is there, and `get` cannot go out of bounds.
        let batch = Self(bytes);
        let magic = batch.get::<1>(MAGIC_AT)[0] as i8;
        if magic != 2 {
            return Err(BatchError::UnsupportedMagic { magic, expected: "2" });
        }
        let length = i32::from_be_bytes(batch.get(8));
        let needed = match usize::try_from(length) {
            Ok(after_length) if after_length >= HEADER_LEN - LENGTH_END => LENGTH_END + after_length,
            _ => return Err(BatchError::BadLength { length, minimum: (HEADER_LEN - LENGTH_END) as i32 }),
        };
        if available < needed {
            return Err(BatchError::Truncated { needed, available });
        }
        if available > needed {
            return Err(BatchError::TrailingBytes { trailing: available - needed });
        }
        batch.check_offsets()?;
        Ok(batch)
    }

    /// What the accessors promise about numbers, once for all.
    fn check_offsets(&self) -> Result<(), BatchError> {
        let bad = |field, value| Err(BatchError::BadHeader { field, value });
        let delta = i64::from(self.last_offset_delta());
        if delta < 0 {
            return bad("lastOffsetDelta", delta);
        }
        if self.base_offset() < 0 || self.base_offset().checked_add(delta + 1).is_none() {
            return bad("baseOffset", self.base_offset());
        }
        let count = i32::from_be_bytes(self.get(57));
        if count < 0 {
            return bad("recordsCount", i64::from(count));
        }
        Ok(())
    }

    /// `N` header bytes from `at`. `parse` has made sure of [`HEADER_LEN`] bytes, and every caller stays below it.
    fn get<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut field = [0; N];
        field.copy_from_slice(&self.0[at..at + N]);
        field
    }

    /// The whole batch.
    #[must_use]
    pub const fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// The whole batch, given away.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// The record section, compressed as [`codec`](Self::codec) says; shares the batch's memory.
    #[must_use]
    pub fn payload(&self) -> Bytes {
        self.0.slice(HEADER_LEN..)
    }

    /// The header's bytes.
    pub(super) fn header(&self) -> [u8; HEADER_LEN] {
        self.get(0)
    }

    /// Length in bytes, header included. Never less than [`HEADER_LEN`], so there is no `is_empty`.
    #[must_use]
    #[allow(clippy::len_without_is_empty)]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Offset of the first record, or of where it was before compaction removed it.
    #[must_use]
    pub fn base_offset(&self) -> i64 {
        i64::from_be_bytes(self.get(0))
    }

    /// Offset of the last record, or of where it was before compaction removed it.
    #[must_use]
    pub fn last_offset(&self) -> i64 {
        self.base_offset() + i64::from(self.last_offset_delta())
    }

    /// Where to read on after this batch.
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        self.last_offset() + 1
    }

    /// [`last_offset`](Self::last_offset) minus [`base_offset`](Self::base_offset); not negative.
    #[must_use]
    pub fn last_offset_delta(&self) -> i32 {
        i32::from_be_bytes(self.get(23))
    }

    /// Epoch of the leader that appended the batch; -1 when it has not been appended yet.
    #[must_use]
    pub fn partition_leader_epoch(&self) -> i32 {
        i32::from_be_bytes(self.get(12))
    }

    /// The attribute bits as they are.
    #[must_use]
    pub fn attributes(&self) -> i16 {
        i16::from_be_bytes(self.get(21))
    }

    /// How the payload is compressed; an error for the three bit patterns that Kafka has not given out.
    pub fn codec(&self) -> Result<Codec, BatchError> {
        Codec::from_attributes(self.attributes())
    }

    /// Who set the timestamps.
    #[must_use]
    pub fn timestamp_type(&self) -> TimestampType {
        if self.attributes() & LOG_APPEND_TIME_BIT == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// Written inside a transaction. Whether that was committed is said by a later control batch.
    #[must_use]
    pub fn is_transactional(&self) -> bool {
        self.attributes() & TRANSACTIONAL_BIT != 0
    }

    /// Holds a transaction marker instead of records.
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.attributes() & CONTROL_BIT != 0
    }

    /// The cleaner has put the delete horizon where the base timestamp was (KIP-534). Record times are still right: the
    /// cleaner rewrites their deltas with it.
    #[must_use]
    pub fn has_delete_horizon(&self) -> bool {
        self.attributes() & DELETE_HORIZON_BIT != 0
    }

    /// What the records' timestamp deltas count from, in ms; the delete horizon if the batch has one.
    #[must_use]
    pub fn base_timestamp(&self) -> i64 {
        i64::from_be_bytes(self.get(27))
    }

    /// Latest timestamp of the records, in ms; the append time under [`TimestampType::LogAppendTime`].
    #[must_use]
    pub fn max_timestamp(&self) -> i64 {
        i64::from_be_bytes(self.get(35))
    }

    /// Id of the idempotent producer, or -1.
    #[must_use]
    pub fn producer_id(&self) -> i64 {
        i64::from_be_bytes(self.get(43))
    }

    /// Epoch of the idempotent producer, or -1.
    #[must_use]
    pub fn producer_epoch(&self) -> i16 {
        i16::from_be_bytes(self.get(51))
    }

    /// Sequence number of the first record, or -1.
    #[must_use]
    pub fn base_sequence(&self) -> i32 {
        i32::from_be_bytes(self.get(53))
    }

    /// Records in the batch; 0 for the shell that compaction leaves of an idempotent producer's last batch.
    #[must_use]
    pub fn record_count(&self) -> usize {
        // Not negative: checked by `parse`.
        u32::from_be_bytes(self.get(57)) as usize
    }

    /// The stored checksum.
    #[must_use]
    pub fn crc(&self) -> u32 {
        u32::from_be_bytes(self.get(17))
    }

    /// Every offset from the first to the last has its record: the batch can be produced elsewhere as it is, and record `i`
    /// gets the `i`-th offset there.
    #[must_use]
    pub fn is_dense(&self) -> bool {
        self.record_count() as u64 == self.last_offset_delta() as u64 + 1
    }

    /// Compares the stored checksum with that of the bytes (CRC-32C from the attributes to the end).
    pub fn verify_crc(&self) -> Result<(), BatchError> {
        let (stored, computed) = (self.crc(), crc32c::crc32c(&self.0[CRC_START..]));
        if stored == computed {
            Ok(())
        } else {
            Err(BatchError::CrcMismatch { base_offset: self.base_offset(), stored, computed })
        }
    }
}

impl std::fmt::Debug for RecordBatch {
    /// The header only: payloads are long, and may be private.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordBatch")
            .field("base_offset", &self.base_offset())
            .field("last_offset", &self.last_offset())
            .field("record_count", &self.record_count())
            .field("attributes", &self.attributes())
            .field("producer_id", &self.producer_id())
            .field("producer_epoch", &self.producer_epoch())
            .field("base_sequence", &self.base_sequence())
            .field("bytes", &self.len())
            .finish()
    }
}

#[cfg(test)]
mod tests;
