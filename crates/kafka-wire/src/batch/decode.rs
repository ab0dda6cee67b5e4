//! From a batch of magic 2 to its records.

use bytes::Bytes;

use super::compression::decompress;
use super::{BatchError, Header, Record, RecordBatch, RecordError, TimestampType};
use crate::primitives::Reader;

/// What decoding may cost. A few kilobytes of crafted (or corrupt) input can ask for gigabytes; these say when to refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Most bytes that the records of one batch may decompress to. Enforced while decompressing.
    ///
    /// The default of 128 MiB is 128 times Kafka's default `max.message.bytes`, more than text compresses by, and small
    /// enough that a handful of partitions decoding at once do not exhaust a worker.
    pub decompressed_bytes_max: usize,
    /// Most bytes that the decoded list ([`Record`]s and [`Header`]s, without the keys and values they point to) may take.
    ///
    /// A record can be 7 bytes in the batch and is some hundred in memory. The default of 256 MiB is above what 128 MiB of
    /// records of 60 bytes and more need.
    pub list_bytes_max: usize,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self { decompressed_bytes_max: 128 << 20, list_bytes_max: 256 << 20 }
    }
}

impl DecodeLimits {
    /// The budget for a list of records and headers.
    pub(super) const fn budget(&self) -> ListBudget {
        ListBudget { limit: self.list_bytes_max, left: self.list_bytes_max }
    }
}

/// What is left of [`DecodeLimits::list_bytes_max`].
pub(super) struct ListBudget {
    limit: usize,
    left: usize,
}

impl ListBudget {
    /// Takes room for `count` values of `T`.
    pub(super) fn take<T>(&mut self, count: usize) -> Result<(), BatchError> {
        match count.checked_mul(size_of::<T>()).and_then(|bytes| self.left.checked_sub(bytes)) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(BatchError::OverLimit { what: "the decoded records", limit: self.limit }),
        }
    }
}

/// The smallest record: length, attributes, timestamp delta, offset delta, key length, value length, header count.
const RECORD_LEN_MIN: usize = 7;
/// The smallest header: key length, value length.
const HEADER_LEN_MIN: usize = 2;

/// A record as it stands in the batch, with deltas.
pub(super) struct RawRecord {
    pub(super) timestamp_delta: i64,
    pub(super) offset_delta: i32,
    pub(super) key: Option<Bytes>,
    pub(super) value: Option<Bytes>,
    pub(super) headers: Vec<Header>,
}

/// A record of which only what depends on its batch is read.
pub(super) struct UnreadRecord<'a> {
    pub(super) attributes: i8,
    pub(super) timestamp_delta: i64,
    pub(super) offset_delta: i32,
    /// Key, value and headers, as they are written.
    pub(super) rest: &'a [u8],
}

/// The decompressed record section of a batch.
pub(super) struct RecordSection(Bytes);

impl RecordSection {
    pub(super) fn of(batch: &RecordBatch, limits: &DecodeLimits) -> Result<Self, BatchError> {
        decompress(batch.codec()?, &batch.payload(), limits.decompressed_bytes_max).map(Self)
    }

    pub(super) fn reader(&self) -> Reader<'_> {
        Reader::new(&self.0)
    }

    /// The next record; `index` is for the error.
    pub(super) fn next<'a>(
        &'a self,
        reader: &mut Reader<'a>,
        budget: &mut ListBudget,
        index: usize,
    ) -> Result<RawRecord, BatchError> {
        let bad = |reason| BatchError::BadRecord { index, reason };
        let (mut record, header_count, mut fields) = self.fields(reader).map_err(bad)?;
        // The count is known to be possible in the bytes that are left, and is paid for before anything is reserved.
        budget.take::<Header>(header_count)?;
        record.headers.reserve_exact(header_count);
        for _ in 0..header_count {
            record.headers.push(self.header(&mut fields).map_err(bad)?);
        }
        match fields.remaining() {
            0 => Ok(record),
            trailing => Err(bad(RecordError::TrailingBytes { trailing })),
        }
    }

    /// A record up to its headers, their number, and a reader that stands at the first of them.
    fn fields<'a>(&'a self, reader: &mut Reader<'a>) -> Result<(RawRecord, usize, Reader<'a>), RecordError> {
        let length = reader.varint()?;
        let length = usize::try_from(length).map_err(|_| RecordError::NegativeLength { length: i64::from(length) })?;
        let mut fields = reader.section(length, "record")?;
        let _attributes = fields.i8()?; // no bit of it has a meaning yet
        let record = RawRecord {
            timestamp_delta: fields.varlong()?,
            offset_delta: fields.varint()?,
            key: fields.nullable_varint_bytes("record key")?.map(|key| self.0.slice_ref(key)),
            value: fields.nullable_varint_bytes("record value")?.map(|value| self.0.slice_ref(value)),
            headers: Vec::new(),
        };
        let count = fields.varint()?;
        match usize::try_from(count) {
            Ok(count) if count <= fields.remaining() / HEADER_LEN_MIN => Ok((record, count, fields)),
            _ => Err(RecordError::HeaderCount { count: i64::from(count), available: fields.remaining() }),
        }
    }

    /// The next record, without a look at its key, value and headers.
    pub(super) fn raw<'a>(reader: &mut Reader<'a>) -> Result<UnreadRecord<'a>, RecordError> {
        let length = reader.varint()?;
        let length = usize::try_from(length).map_err(|_| RecordError::NegativeLength { length: i64::from(length) })?;
        let mut fields = reader.section(length, "record")?;
        let (attributes, timestamp_delta, offset_delta) = (fields.i8()?, fields.varlong()?, fields.varint()?);
        let rest = fields.take(fields.remaining(), "record")?;
        Ok(UnreadRecord { attributes, timestamp_delta, offset_delta, rest })
    }

    fn header(&self, fields: &mut Reader<'_>) -> Result<Header, RecordError> {
        let key = fields.nullable_varint_bytes("header key")?.ok_or(RecordError::NullHeaderKey)?;
        let value = fields.nullable_varint_bytes("header value")?;
        Ok(Header { key: self.0.slice_ref(key), value: value.map(|value| self.0.slice_ref(value)) })
    }
}

impl RecordBatch {
    /// All records, with absolute offsets. Keys, values and headers are slices of the (decompressed) batch.
    ///
    /// Timestamps are what a consumer sees: under [`TimestampType::LogAppendTime`] every record has the batch's
    /// [`max_timestamp`](Self::max_timestamp). Offsets are strictly ascending and within the batch, or it is an error. The
    /// checksum is not looked at ([`verify_crc`](Self::verify_crc)). Control batches are an error of their own.
    ///
    /// A batch read from its middle (after a seek) gives all its records: drop those below the position.
    pub fn decode(&self, limits: &DecodeLimits) -> Result<Vec<Record>, BatchError> {
        if self.is_control() {
            return Err(BatchError::ControlBatch { base_offset: self.base_offset() });
        }
        let section = RecordSection::of(self, limits)?;
        let mut reader = section.reader();
        let mut budget = limits.budget();
        let count = self.record_count();
        // No more than the bytes can hold; if the header counts more, a record will be found missing.
        let possible = count.min(reader.remaining() / RECORD_LEN_MIN);
        budget.take::<Record>(possible)?;
        let mut records = Vec::with_capacity(possible);
        let highest = i64::from(self.last_offset_delta());
        let mut lowest = 0;
        for index in 0..count {
            let raw = section.next(&mut reader, &mut budget, index)?;
            let offset_delta = i64::from(raw.offset_delta);
            if offset_delta < lowest || offset_delta > highest {
                let reason = RecordError::OffsetDelta { offset_delta, lowest, highest };
                return Err(BatchError::BadRecord { index, reason });
            }
            lowest = offset_delta + 1;
            records.push(self.record(raw));
        }
        match reader.remaining() {
            0 => Ok(records),
            trailing => Err(BatchError::TrailingRecordBytes { trailing, record_count: count }),
        }
    }

    /// From deltas to absolute values. The offset delta has been checked to lie within the batch.
    fn record(&self, raw: RawRecord) -> Record {
        let timestamp = match self.timestamp_type() {
            // Wraps as in Java: the encoder's subtraction wraps too, so extreme timestamps survive.
            TimestampType::CreateTime => self.base_timestamp().wrapping_add(raw.timestamp_delta),
            TimestampType::LogAppendTime => self.max_timestamp(),
        };
        Record {
            offset: self.base_offset() + i64::from(raw.offset_delta),
            timestamp,
            key: raw.key,
            value: raw.value,
            headers: raw.headers,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::batch::{Codec, HEADER_LEN, Stamp, encode};
    use crate::primitives::ReadError;

    /// What decoding says of these record bytes, in a batch of `count` records with offsets 0 to 9.
    fn decode(count: i32, records: &[u8]) -> Result<Vec<Record>, BatchError> {
        let mut bytes = BytesMut::from(&encode(&[Record::default()], Codec::None, Stamp::NONE).unwrap()[..HEADER_LEN]);
        bytes.extend_from_slice(records);
        let length = bytes.len() as i32 - 12;
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        bytes[23..27].copy_from_slice(&9_i32.to_be_bytes());
        bytes[57..61].copy_from_slice(&count.to_be_bytes());
        RecordBatch::parse(bytes.freeze()).unwrap().decode(&DecodeLimits::default())
    }

    fn bad(index: usize, reason: impl Into<RecordError>) -> Result<Vec<Record>, BatchError> {
        Err(BatchError::BadRecord { index, reason: reason.into() })
    }

    /// The smallest record, with this offset delta (below 64).
    fn tiny(offset_delta: i8) -> [u8; 7] {
        [12, 0, 0, (offset_delta << 1) as u8, 1, 1, 0]
    }

    #[test]
    fn offsets_may_have_holes_but_never_repeat_go_back_or_leave_the_batch() {
        let holes = decode(3, &[tiny(2), tiny(5), tiny(9)].concat()).unwrap();
        let error = |offset_delta, lowest| RecordError::OffsetDelta { offset_delta, lowest, highest: 9 };

        assert_eq!(holes.iter().map(|record| record.offset).collect::<Vec<_>>(), [2, 5, 9]);
        assert_eq!(decode(2, &[tiny(2), tiny(2)].concat()), bad(1, error(2, 3)));
        assert_eq!(decode(2, &[tiny(2), tiny(1)].concat()), bad(1, error(1, 3)));
        assert_eq!(decode(1, &tiny(10)), bad(0, error(10, 0)));
        assert_eq!(decode(1, &[12, 0, 0, 1, 1, 1, 0]), bad(0, error(-1, 0)));
    }

    #[test]
    fn a_wrong_record_count_is_an_error_either_way() {
        let end = ReadError::CutShort { expected: "VARINT", position: 7, needed: 1, available: 0 };

        assert_eq!(decode(2, &tiny(0)), bad(1, end));
        assert_eq!(
            decode(1, &[tiny(0), tiny(1)].concat()),
            Err(BatchError::TrailingRecordBytes { trailing: 7, record_count: 1 })
        );
        assert_eq!(decode(0, &[]), Ok(vec![]));
    }

    #[test]
    fn lengths_that_are_negative_or_too_long_are_named() {
        let cut = |expected, position, needed, available| ReadError::CutShort { expected, position, needed, available };
        let negative = |expected, position| ReadError::BadLength { expected, position, length: -2 };

        assert_eq!(decode(1, &[1]), bad(0, RecordError::NegativeLength { length: -1 }));
        assert_eq!(decode(1, &[14, 0, 0, 0, 1, 1, 0]), bad(0, cut("record", 1, 7, 6)));
        assert_eq!(decode(1, &[12, 0, 0, 0, 8, 1, 0]), bad(0, cut("record key", 5, 4, 2)));
        assert_eq!(decode(1, &[12, 0, 0, 0, 3, 1, 0]), bad(0, negative("record key", 4)));
        assert_eq!(decode(1, &[12, 0, 0, 0, 1, 3, 0]), bad(0, negative("record value", 5)));
        assert_eq!(decode(1, &[12, 0, 0, 0, 1, 1, 1]), bad(0, RecordError::HeaderCount { count: -1, available: 0 }));
        assert_eq!(
            decode(1, &[16, 0, 0, 0, 1, 1, 4, 0, 1]),
            bad(0, RecordError::HeaderCount { count: 2, available: 2 })
        );
        assert_eq!(decode(1, &[16, 0, 0, 0, 1, 1, 2, 1, 1]), bad(0, RecordError::NullHeaderKey));
        assert_eq!(decode(1, &[16, 0, 0, 0, 1, 1, 2, 0, 3]), bad(0, negative("header value", 8)));
        assert_eq!(decode(1, &[14, 0, 0, 0, 1, 1, 0, 0]), bad(0, RecordError::TrailingBytes { trailing: 1 }));
    }

    #[test]
    fn errors_say_which_record_and_what_was_expected_where() {
        let error = decode(2, &[&tiny(0)[..], &[12, 0, 0, 2, 8, 1, 0]].concat()).unwrap_err();

        assert_eq!(
            error.to_string(),
            "record 1 of the batch: expected record key at byte 12: it needs 4 bytes, 2 are left"
        );
    }

    #[test]
    fn a_count_of_two_thousand_million_reserves_nothing() {
        let end = ReadError::CutShort { expected: "VARINT", position: 0, needed: 1, available: 0 };

        assert_eq!(decode(i32::MAX, &[]), bad(0, end));
    }

    #[test]
    fn keys_and_values_are_slices_of_the_batch() {
        let record = Record { value: Some(Bytes::from_static(b"shared")), ..Record::default() };
        let batch = RecordBatch::parse(encode(&[record], Codec::None, Stamp::NONE).unwrap()).unwrap();

        let records = batch.decode(&DecodeLimits::default()).unwrap();

        let value = records[0].value.as_ref().unwrap();
        assert!(batch.as_bytes().as_ptr_range().contains(&value.as_ptr()));
    }
}
