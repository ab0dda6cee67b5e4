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
mod tests {
    use super::*;
    use crate::batch::{DecodeLimits, Header, Record};

    /// Put together by hand from "Record Batch" and "Record" in Kafka's documentation (implementation, message format).
    fn by_hand() -> Vec<u8> {
        let record = [
            &[33 << 1][..],         // length: 33, zigzag
            &[0],                   // attributes
            &[3],                   // timestampDelta: -2
            &[10],                  // offsetDelta: 5
            &[6, b'k', b'e', b'y'], // keyLength 3, key
            &[1],                   // valueLength -1: null
            &[6],                   // headersCount: 3
            &[2, b'a', 8],          // headerKeyLength 1, headerKey, headerValueLength 4
            b"\x00\x01\x02\x03",    // headerValue
            &[2, b'a', 1],          // the same key again, with null
            &[14],                  // headerKeyLength 7
            b"headers",             // headerKey
            &[10, b'v', b'a', b'l', b'u', b'e'],
        ]
        .concat();
        let after_crc = [
            &0b0101_1000_i16.to_be_bytes()[..], // attributes: no codec, append time, transactional, delete horizon
            &9_i32.to_be_bytes(),               // lastOffsetDelta
            &1_000_i64.to_be_bytes(),           // baseTimestamp
            &2_000_i64.to_be_bytes(),           // maxTimestamp
            &77_i64.to_be_bytes(),              // producerId
            &5_i16.to_be_bytes(),               // producerEpoch
            &66_i32.to_be_bytes(),              // baseSequence
            &1_i32.to_be_bytes(),               // records count
            &record,
        ]
        .concat();
        [
            &1_000_000_i64.to_be_bytes()[..],            // baseOffset
            &(9 + after_crc.len() as i32).to_be_bytes(), // batchLength: leader epoch, magic, crc, and what follows
            &12_i32.to_be_bytes(),                       // partitionLeaderEpoch
            &[2],                                        // magic
            &crc32c::crc32c(&after_crc).to_be_bytes(),   // crc
            &after_crc,
        ]
        .concat()
    }

    fn changed(at: usize, field: &[u8]) -> Result<RecordBatch, BatchError> {
        let mut bytes = by_hand();
        bytes[at..at + field.len()].copy_from_slice(field);
        RecordBatch::parse(bytes.into())
    }

    #[test]
    fn fields_are_where_the_documentation_puts_them() {
        let batch = RecordBatch::parse(by_hand().into()).unwrap();

        assert_eq!(batch.len(), by_hand().len());
        assert_eq!((batch.base_offset(), batch.last_offset(), batch.next_offset()), (1_000_000, 1_000_009, 1_000_010));
        assert_eq!((batch.last_offset_delta(), batch.record_count(), batch.is_dense()), (9, 1, false));
        assert_eq!(batch.partition_leader_epoch(), 12);
        assert_eq!(batch.codec(), Ok(Codec::None));
        assert_eq!(batch.timestamp_type(), TimestampType::LogAppendTime);
        assert!(batch.is_transactional() && batch.has_delete_horizon() && !batch.is_control());
        assert_eq!((batch.base_timestamp(), batch.max_timestamp()), (1_000, 2_000));
        assert_eq!((batch.producer_id(), batch.producer_epoch(), batch.base_sequence()), (77, 5, 66));
        assert_eq!(batch.verify_crc(), Ok(()));
    }

    #[test]
    fn the_record_in_it_reads_as_the_documentation_says() {
        let create_time = changed(21, &[0, 0]).unwrap();
        let append_time = RecordBatch::parse(by_hand().into()).unwrap();
        let header = |key: &'static str, value| Header { key: Bytes::from_static(key.as_bytes()), value };
        let mut record = Record {
            offset: 1_000_005,
            timestamp: 998,
            key: Some(Bytes::from_static(b"key")),
            value: None,
            headers: vec![
                header("a", Some(Bytes::from_static(&[0, 1, 2, 3]))),
                header("a", None),
                header("headers", Some(Bytes::from_static(b"value"))),
            ],
        };

        assert_eq!(create_time.decode(&DecodeLimits::default()).unwrap(), [record.clone()]);
        record.timestamp = 2_000;
        assert_eq!(append_time.decode(&DecodeLimits::default()).unwrap(), [record]);
    }

    #[test]
    fn bytes_that_are_no_batch_are_refused_by_name() {
        let bytes = by_hand();
        let length = bytes.len();
        let parse = |bytes: &[u8]| RecordBatch::parse(Bytes::copy_from_slice(bytes)).unwrap_err();

        assert_eq!(parse(&[]), BatchError::Truncated { needed: 61, available: 0 });
        assert_eq!(parse(&bytes[..60]), BatchError::Truncated { needed: 61, available: 60 });
        assert_eq!(parse(&bytes[..length - 1]), BatchError::Truncated { needed: length, available: length - 1 });
        assert_eq!(parse(&[&bytes[..], b"!"].concat()), BatchError::TrailingBytes { trailing: 1 });
        assert_eq!(changed(16, &[1]), Err(BatchError::UnsupportedMagic { magic: 1, expected: "2" }));
        for bad in [-1, i32::MIN, 48] {
            assert_eq!(changed(8, &bad.to_be_bytes()), Err(BatchError::BadLength { length: bad, minimum: 49 }));
        }
    }

    #[test]
    fn headers_that_no_batch_can_have_are_refused_by_name() {
        let bad = |field, value| Err(BatchError::BadHeader { field, value });

        assert_eq!(changed(0, &(-1_i64).to_be_bytes()), bad("baseOffset", -1));
        assert_eq!(changed(0, &(i64::MAX - 9).to_be_bytes()), bad("baseOffset", i64::MAX - 9));
        assert_eq!(changed(0, &(i64::MAX - 10).to_be_bytes()).unwrap().next_offset(), i64::MAX);
        assert_eq!(changed(23, &(-1_i32).to_be_bytes()), bad("lastOffsetDelta", -1));
        assert_eq!(changed(57, &(-2_i32).to_be_bytes()), bad("recordsCount", -2));
    }

    #[test]
    fn codecs_that_kafka_does_not_have_are_an_error_that_names_the_bits() {
        for bits in 5..=7 {
            let batch = changed(21, &[0, bits]).unwrap();

            assert_eq!(batch.codec(), Err(BatchError::UnknownCodec { bits }));
            assert_eq!(batch.decode(&DecodeLimits::default()), Err(BatchError::UnknownCodec { bits }));
        }
    }

    #[test]
    fn a_changed_bit_behind_the_crc_is_found() {
        let stored = RecordBatch::parse(by_hand().into()).unwrap().crc();

        let Err(BatchError::CrcMismatch { base_offset, stored: found, computed }) =
            changed(27, &[1]).unwrap().verify_crc()
        else {
            panic!("the change went unnoticed")
        };

        assert_eq!((base_offset, found), (1_000_000, stored));
        assert_ne!(computed, stored);
    }

    #[test]
    fn debug_shows_the_header_and_no_payload() {
        let shown = format!("{:?}", RecordBatch::parse(by_hand().into()).unwrap());

        assert!(shown.contains("base_offset: 1000000"), "{shown}");
        assert!(!shown.contains("key"), "{shown}");
    }
}
