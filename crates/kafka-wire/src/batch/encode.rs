//! From records to a batch.

use bytes::Bytes;

use super::compression::compress;
use super::view::{CRC_START, HEADER_LEN, LENGTH_END, TRANSACTIONAL_BIT};
use super::{BatchError, Codec, Record, Stamp};
use crate::primitives::{Writer, varint_len, varlong_len};

/// The length field of a batch has 31 bits, and so have all lengths inside it.
const BATCH_LEN_MAX: usize = i32::MAX as usize;

/// Encodes records as one dense batch: offsets in it are 0 to n-1, whatever the records' own are. Timestamps are create
/// times, kept as they are. At least one record is needed.
pub fn encode(records: &[Record], codec: Codec, stamp: Stamp) -> Result<Bytes, BatchError> {
    let mut builder = BatchBuilder::new(codec);
    for record in records {
        builder.push(record)?;
    }
    builder.build(stamp)
}

/// A batch in the making: records go in one by one, the size is known before compression.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    codec: Codec,
    /// Room for the header, then the records so far, not compressed.
    writer: Writer,
    record_count: i32,
    base_timestamp: i64,
    max_timestamp: i64,
}

impl BatchBuilder {
    /// An empty batch that will be compressed with `codec`.
    #[must_use]
    pub fn new(codec: Codec) -> Self {
        Self::with_capacity(codec, HEADER_LEN)
    }

    /// The same, with room for a batch of so many bytes before compression.
    #[must_use]
    pub fn with_capacity(codec: Codec, bytes: usize) -> Self {
        let mut writer = Writer::with_capacity(bytes);
        writer.raw(&[0; HEADER_LEN]);
        Self { codec, writer, record_count: 0, base_timestamp: -1, max_timestamp: -1 }
    }

    /// Appends a record. On an error nothing is appended, and the batch can still be built.
    pub fn push(&mut self, record: &Record) -> Result<(), BatchError> {
        fits(self.len_after(record))?;
        // No length inside is longer than the whole, so from here on everything fits its field.
        let timestamp_delta = self.note(record.timestamp);
        let body = body_len(record, timestamp_delta, self.record_count);
        let writer = &mut self.writer;
        writer.varint(body as i32).i8(0).varlong(timestamp_delta).varint(self.record_count);
        writer.nullable_varint_bytes(record.key.as_deref()).nullable_varint_bytes(record.value.as_deref());
        writer.varint(record.headers.len() as i32);
        for header in &record.headers {
            writer.nullable_varint_bytes(Some(&header.key)).nullable_varint_bytes(header.value.as_deref());
        }
        self.record_count += 1;
        Ok(())
    }

    /// Appends a record whose key, value and headers are encoded already.
    pub(super) fn push_raw(&mut self, timestamp: i64, attributes: i8, rest: &[u8]) -> Result<(), BatchError> {
        // Attributes, and the longest that the two deltas and the length itself can be.
        fits(self.writer.len() + 1 + 10 + 5 + 5 + rest.len())?;
        let timestamp_delta = self.note(timestamp);
        let body = 1 + varlong_len(timestamp_delta) + varint_len(self.record_count) + rest.len();
        let writer = &mut self.writer;
        writer.varint(body as i32).i8(attributes).varlong(timestamp_delta).varint(self.record_count).raw(rest);
        self.record_count += 1;
        Ok(())
    }

    /// Takes in the time of the next record, and answers with how it is written.
    fn note(&mut self, timestamp: i64) -> i64 {
        if self.record_count == 0 {
            (self.base_timestamp, self.max_timestamp) = (timestamp, timestamp);
        }
        self.max_timestamp = self.max_timestamp.max(timestamp);
        timestamp.wrapping_sub(self.base_timestamp)
    }

    /// Length of the batch so far, in bytes, header included, before compression.
    #[must_use]
    pub const fn uncompressed_len(&self) -> usize {
        self.writer.len()
    }

    /// What [`uncompressed_len`](Self::uncompressed_len) would be with `record` too. Compression seldom makes it more.
    #[must_use]
    pub fn len_after(&self, record: &Record) -> usize {
        let base = if self.record_count == 0 { record.timestamp } else { self.base_timestamp };
        let body = body_len(record, record.timestamp.wrapping_sub(base), self.record_count);
        // A body beyond 31 bits has no varint; any length will do, the sum is too long anyway.
        self.writer.len() + varint_len(i32::try_from(body).unwrap_or(i32::MAX)) + body
    }

    /// Number of records so far.
    #[must_use]
    pub const fn record_count(&self) -> usize {
        // Not negative: it only ever counts up, and a batch cannot hold more than 2^31 / 7 records.
        self.record_count as usize
    }

    /// No record has been pushed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.record_count == 0
    }

    /// Compresses, and puts the header before it. An empty batch is an error.
    pub fn build(self, stamp: Stamp) -> Result<Bytes, BatchError> {
        if self.is_empty() {
            return Err(BatchError::Empty);
        }
        // Cannot fail: `push` has checked every length.
        let plain = self.writer.finish().map_err(|error| BatchError::TooLong {
            what: error.what,
            bytes: error.length,
            max: error.max,
        })?;
        let mut batch = if self.codec == Codec::None {
            plain
        } else {
            let mut compressed = Vec::with_capacity(HEADER_LEN + plain.len() / 2);
            compressed.resize(HEADER_LEN, 0);
            compress(self.codec, &plain[HEADER_LEN..], &mut compressed)?;
            compressed
        };
        if batch.len() > BATCH_LEN_MAX {
            return Err(BatchError::TooLong { what: "the batch", bytes: batch.len(), max: BATCH_LEN_MAX });
        }

        let length = (batch.len() - LENGTH_END) as i32;
        let attributes = self.codec.bits() | if stamp.transactional { TRANSACTIONAL_BIT } else { 0 };
        batch[8..12].copy_from_slice(&length.to_be_bytes());
        batch[12..16].copy_from_slice(&(-1_i32).to_be_bytes());
        batch[16] = 2;
        batch[21..23].copy_from_slice(&attributes.to_be_bytes());
        batch[23..27].copy_from_slice(&(self.record_count - 1).to_be_bytes());
        batch[27..35].copy_from_slice(&self.base_timestamp.to_be_bytes());
        batch[35..43].copy_from_slice(&self.max_timestamp.to_be_bytes());
        batch[43..51].copy_from_slice(&stamp.producer_id.to_be_bytes());
        batch[51..53].copy_from_slice(&stamp.producer_epoch.to_be_bytes());
        batch[53..57].copy_from_slice(&stamp.base_sequence.to_be_bytes());
        batch[57..61].copy_from_slice(&self.record_count.to_be_bytes());
        let crc = crc32c::crc32c(&batch[CRC_START..]);
        batch[17..21].copy_from_slice(&crc.to_be_bytes());
        Ok(Bytes::from(batch))
    }
}

fn fits(bytes: usize) -> Result<(), BatchError> {
    if bytes > BATCH_LEN_MAX {
        return Err(BatchError::TooLong { what: "the batch", bytes, max: BATCH_LEN_MAX });
    }
    Ok(())
}

/// Bytes of a record after its length field.
fn body_len(record: &Record, timestamp_delta: i64, offset_delta: i32) -> usize {
    let bytes = |value: Option<&Bytes>| match value {
        Some(value) => varint_len(i32::try_from(value.len()).unwrap_or(i32::MAX)) + value.len(),
        None => varint_len(-1),
    };
    let headers = record.headers.iter().map(|header| bytes(Some(&header.key)) + bytes(header.value.as_ref()));
    1 + varlong_len(timestamp_delta)
        + varint_len(offset_delta)
        + bytes(record.key.as_ref())
        + bytes(record.value.as_ref())
        + varint_len(i32::try_from(record.headers.len()).unwrap_or(i32::MAX))
        + headers.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{DecodeLimits, Header, RecordBatch};

    #[test]
    fn a_batch_without_records_is_refused() {
        assert_eq!(encode(&[], Codec::Lz4, Stamp::NONE), Err(BatchError::Empty));
    }

    #[test]
    fn a_record_that_does_not_fit_is_refused_and_the_rest_stands() {
        // 33 headers that share 64 MiB are more than 2 GiB on the wire.
        let large = Header { key: Bytes::new(), value: Some(Bytes::from(vec![0; 64 << 20])) };
        let too_large = Record { headers: vec![large; 33], ..Record::default() };
        let mut builder = BatchBuilder::new(Codec::None);
        builder.push(&Record::default()).unwrap();

        let refused = builder.push(&too_large);

        assert!(matches!(refused, Err(BatchError::TooLong { what: "the batch", max: BATCH_LEN_MAX, .. })));
        let batch = RecordBatch::parse(builder.build(Stamp::NONE).unwrap()).unwrap();
        assert_eq!(batch.decode(&DecodeLimits::default()).unwrap(), [Record::default()]);
    }

    #[test]
    fn the_records_own_offsets_are_ignored() {
        let records = [7, 3].map(|offset| Record { offset, ..Record::default() });

        let batch = RecordBatch::parse(encode(&records, Codec::None, Stamp::NONE).unwrap()).unwrap();

        let offsets: Vec<_> = batch.decode(&DecodeLimits::default()).unwrap().iter().map(|r| r.offset).collect();
        assert_eq!(offsets, [0, 1]);
    }
}
