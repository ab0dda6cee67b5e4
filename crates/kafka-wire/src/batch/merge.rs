//! Several batches as one: the same records in the same order, so that a request can carry many of them.
//!
//! A produce request takes one batch per partition, and every request costs both brokers and us the same, however small its
//! batches are. Records of batches without compression are copied as they stand, only their deltas are written anew; others are
//! unpacked, and packed again together.

use super::decode::RecordSection;
use super::encode::BatchBuilder;
use super::{BatchError, DecodeLimits, RecordBatch, RecordError, Stamp, TimestampType};

/// The records of all `batches`, in order, as one dense batch in the codec of the first. Timestamps, keys, values, headers and
/// the records' attributes stay; offsets become 0 to n-1. Under [`TimestampType::LogAppendTime`] records take the time that a
/// consumer sees, as in [`RecordBatch::decode`].
///
/// # Errors
/// [`BatchError::CrcMismatch`] for a batch that is damaged: the result has a checksum of its own, which would hide that.
/// [`BatchError::ControlBatch`] for a marker, [`BatchError::Empty`] without any record, and what decoding finds.
pub fn merge(batches: &[RecordBatch], limits: &DecodeLimits) -> Result<RecordBatch, BatchError> {
    let first = batches.first().ok_or(BatchError::Empty)?;
    let bytes = batches.iter().map(RecordBatch::len).sum();
    let mut builder = BatchBuilder::with_capacity(first.codec()?, bytes);
    for batch in batches {
        append(&mut builder, batch, limits)?;
    }
    RecordBatch::parse(builder.build(Stamp::NONE)?)
}

fn append(builder: &mut BatchBuilder, batch: &RecordBatch, limits: &DecodeLimits) -> Result<(), BatchError> {
    if batch.is_control() {
        return Err(BatchError::ControlBatch { base_offset: batch.base_offset() });
    }
    batch.verify_crc()?;
    let section = RecordSection::of(batch, limits)?;
    let mut reader = section.reader();
    let highest = i64::from(batch.last_offset_delta());
    let mut lowest = 0;
    for index in 0..batch.record_count() {
        let bad = |reason| BatchError::BadRecord { index, reason };
        let raw = RecordSection::raw(&mut reader).map_err(bad)?;
        let offset_delta = i64::from(raw.offset_delta);
        if offset_delta < lowest || offset_delta > highest {
            return Err(bad(RecordError::OffsetDelta { offset_delta, lowest, highest }));
        }
        lowest = offset_delta + 1;
        let timestamp = match batch.timestamp_type() {
            // Wraps as in `RecordBatch::decode`.
            TimestampType::CreateTime => batch.base_timestamp().wrapping_add(raw.timestamp_delta),
            TimestampType::LogAppendTime => batch.max_timestamp(),
        };
        builder.push_raw(timestamp, raw.attributes, raw.rest)?;
    }
    match reader.remaining() {
        0 => Ok(()),
        trailing => Err(BatchError::TrailingRecordBytes { trailing, record_count: batch.record_count() }),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::batch::{Codec, Record, encode};

    fn batch(value: &'static str) -> RecordBatch {
        let record = Record { value: Some(Bytes::from_static(value.as_bytes())), ..Record::default() };
        RecordBatch::parse(encode(&[record], Codec::None, Stamp::NONE).unwrap()).unwrap()
    }

    #[test]
    fn a_damaged_batch_is_found_and_not_given_a_checksum_that_fits() {
        let mut bytes = batch("sound").as_bytes().to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        let damaged = RecordBatch::parse(bytes.into()).unwrap();

        let merged = merge(&[batch("sound"), damaged], &DecodeLimits::default());

        assert!(matches!(merged, Err(BatchError::CrcMismatch { .. })));
    }

    #[test]
    fn a_transaction_marker_is_not_merged() {
        let mut bytes = batch("marker").as_bytes().to_vec();
        bytes[22] |= 1 << 5;
        let crc = crc32c::crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        let marker = RecordBatch::parse(bytes.into()).unwrap();

        let merged = merge(&[batch("records"), marker], &DecodeLimits::default());

        assert_eq!(merged, Err(BatchError::ControlBatch { base_offset: 0 }));
    }

    #[test]
    fn nothing_makes_no_batch() {
        assert_eq!(merge(&[], &DecodeLimits::default()), Err(BatchError::Empty));
    }
}
