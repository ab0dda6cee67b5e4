//! Message sets of magic 0 and 1: what Kafka wrote before 0.11, and what old logs still hold.
//!
//! ```text
//! 0 offset i64, 8 size i32 (bytes after it), 12 crc u32 (CRC-32 of the rest), 16 magic i8,
//! 17 attributes i8 (0-2 codec, 3 append time), [magic 1: timestamp i64], key BYTES, value BYTES
//! ```
//!
//! A compressed message's value is a message set. Inside, offsets are absolute for magic 0; for magic 1 they count from 0,
//! and the message around them has the offset of the last.

use bytes::{Bytes, BytesMut};

use super::compression::decompress;
use super::decode::ListBudget;
use super::view::LOG_APPEND_TIME_BIT;
use super::{BatchError, Codec, DecodeLimits, Record, RecordError};
use crate::primitives::Reader;

/// Consecutive messages of magic 0 or 1, as they stand in a fetch response. Cloning shares the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacySet {
    messages: Bytes,
    last_offset: i64,
}

/// One message, not yet decompressed.
struct Message {
    offset: i64,
    stored_crc: u32,
    /// What the checksum is of.
    checked: Bytes,
    magic: i8,
    attributes: i16,
    timestamp: i64,
    key: Option<Bytes>,
    value: Option<Bytes>,
}

/// "No timestamp", which is what messages of magic 0 have.
const NO_TIMESTAMP: i64 = -1;

impl LegacySet {
    /// The smallest value of the size field: checksum, magic, attributes, and two lengths.
    pub(super) const LENGTH_MIN: i32 = 4 + 1 + 1 + 4 + 4;

    /// `messages` are complete entries of magic 0 or 1, at least one.
    pub(super) fn new(messages: Bytes) -> Result<Self, BatchError> {
        let mut last_offset = -1;
        let mut reader = Reader::new(&messages);
        while reader.remaining() > 0 {
            let frame = reader.i64().and_then(|offset| Ok((offset, reader.bytes()?)));
            // Cannot fail: the caller has split the entries off by the same two fields.
            (last_offset, _) = frame.map_err(|error| bad_record(0, error))?;
        }
        if (0..i64::MAX).contains(&last_offset) {
            Ok(Self { messages, last_offset })
        } else {
            Err(BatchError::BadHeader { field: "offset", value: last_offset })
        }
    }

    /// The messages as they are.
    #[must_use]
    pub const fn as_bytes(&self) -> &Bytes {
        &self.messages
    }

    /// Offset of the last record.
    #[must_use]
    pub const fn last_offset(&self) -> i64 {
        self.last_offset
    }

    /// Where to read on after this set.
    #[must_use]
    pub const fn next_offset(&self) -> i64 {
        self.last_offset + 1
    }

    /// Compares the stored checksum of every (outer) message with that of its bytes.
    pub fn verify_crc(&self) -> Result<(), BatchError> {
        for message in messages(&self.messages) {
            let message = message?;
            let mut crc = flate2::Crc::new();
            crc.update(&message.checked);
            if crc.sum() != message.stored_crc {
                return Err(BatchError::CrcMismatch {
                    base_offset: message.offset,
                    stored: message.stored_crc,
                    computed: crc.sum(),
                });
            }
        }
        Ok(())
    }

    /// All records, compressed or not, with absolute offsets; they have no headers. Magic 0 has no timestamps: -1.
    pub fn decode(&self, limits: &DecodeLimits) -> Result<Vec<Record>, BatchError> {
        let mut budget = limits.budget();
        let mut decompressed_bytes_left = limits.decompressed_bytes_max;
        let mut records = Vec::new();
        for message in messages(&self.messages) {
            let message = message?;
            match Codec::from_attributes(message.attributes)? {
                Codec::None => push(&mut records, &mut budget, message.into_record())?,
                codec => {
                    let inner = message.decompress(codec, decompressed_bytes_left)?;
                    decompressed_bytes_left = decompressed_bytes_left.saturating_sub(inner.len());
                    message.unwrap(&inner, &mut records, &mut budget)?;
                }
            }
        }
        Ok(records)
    }
}

fn bad_record(index: usize, error: impl Into<RecordError>) -> BatchError {
    BatchError::BadRecord { index, reason: error.into() }
}

fn push(records: &mut Vec<Record>, budget: &mut ListBudget, record: Record) -> Result<(), BatchError> {
    budget.take::<Record>(1)?;
    records.push(record);
    Ok(())
}

/// The messages of a set, in order.
fn messages(set: &Bytes) -> impl Iterator<Item = Result<Message, BatchError>> {
    let mut reader = Reader::new(set);
    let mut index = 0;
    std::iter::from_fn(move || {
        (reader.remaining() > 0).then(|| {
            let message = Message::read(&mut reader, set).map_err(|error| bad_record(index, error));
            index += 1;
            message
        })
    })
    .fuse()
}

impl Message {
    fn read(reader: &mut Reader<'_>, set: &Bytes) -> Result<Self, RecordError> {
        let offset = reader.i64()?;
        let size = reader.i32()?;
        let size = usize::try_from(size).map_err(|_| RecordError::NegativeLength { length: i64::from(size) })?;
        let mut fields = reader.section(size, "message")?;
        let stored_crc = fields.u32()?;
        let checked = set.slice(fields.position()..fields.position() + fields.remaining());
        let magic = fields.i8()?;
        let attributes = i16::from(fields.i8()?);
        let timestamp = if magic == 0 { NO_TIMESTAMP } else { fields.i64()? };
        let key = fields.nullable_bytes()?.map(|key| set.slice_ref(key));
        let value = fields.nullable_bytes()?.map(|value| set.slice_ref(value));
        match fields.remaining() {
            0 => Ok(Self { offset, stored_crc, checked, magic, attributes, timestamp, key, value }),
            trailing => Err(RecordError::TrailingBytes { trailing }),
        }
    }

    fn into_record(self) -> Record {
        Record { offset: self.offset, timestamp: self.timestamp, key: self.key, value: self.value, headers: Vec::new() }
    }

    /// The message set in a compressed message.
    fn decompress(&self, codec: Codec, bytes_max: usize) -> Result<Bytes, BatchError> {
        let value = self.value.clone().unwrap_or_default();
        if codec == Codec::Lz4 && self.magic == 0 {
            return decompress(codec, &lz4_repaired(&value), bytes_max);
        }
        decompress(codec, &value, bytes_max)
    }

    /// Adds the records of `inner`, this message's decompressed value, to `records`.
    fn unwrap(&self, inner: &Bytes, records: &mut Vec<Record>, budget: &mut ListBudget) -> Result<(), BatchError> {
        let first = records.len();
        for (index, message) in messages(inner).enumerate() {
            let message = message?;
            if message.magic != self.magic {
                let reason = RecordError::MixedMagic { inner: message.magic, outer: self.magic };
                return Err(bad_record(index, reason));
            }
            if Codec::from_attributes(message.attributes)? != Codec::None {
                return Err(bad_record(index, RecordError::NestedCompression));
            }
            push(records, budget, message.into_record())?;
        }
        if self.magic == 0 {
            return Ok(());
        }
        let added = records.get_mut(first..).unwrap_or_default();
        // The last of them has this message's offset. Wraps like Java: offsets that overflow are nobody's.
        let base = self.offset.wrapping_sub(added.last().map_or(0, |last| last.offset));
        for record in added {
            record.offset = record.offset.wrapping_add(base);
            if self.attributes & LOG_APPEND_TIME_BIT != 0 {
                record.timestamp = self.timestamp;
            }
        }
        Ok(())
    }
}

/// An LZ4 frame of magic 0, with the header checksum that the format wants. Kafka 0.8 and 0.9 computed it over the frame's
/// magic number too (KAFKA-3160), and Java ignores it for magic 0.
fn lz4_repaired(frame: &[u8]) -> Bytes {
    const MAGIC_LEN: usize = 4;
    const CONTENT_SIZE_BIT: u8 = 1 << 3;
    const DICTIONARY_BIT: u8 = 1 << 0;
    let mut repaired = BytesMut::from(frame);
    if let Some(flags) = frame.get(MAGIC_LEN) {
        let descriptor_len =
            2 + if flags & CONTENT_SIZE_BIT != 0 { 8 } else { 0 } + if flags & DICTIONARY_BIT != 0 { 4 } else { 0 };
        let checksum_at = MAGIC_LEN + descriptor_len;
        if let Some(checksum) = repaired.get_mut(checksum_at) {
            *checksum = (xxh32_short(&frame[MAGIC_LEN..checksum_at]) >> 8) as u8;
        }
    }
    repaired.freeze()
}

/// xxHash32 with seed 0 of less than 16 bytes, which is all that an LZ4 frame descriptor can be.
fn xxh32_short(data: &[u8]) -> u32 {
    const PRIMES: [u32; 5] = [0x9e37_79b1, 0x85eb_ca77, 0xc2b2_ae3d, 0x27d4_eb2f, 0x1656_67b1];
    debug_assert!(data.len() < 16, "longer input starts with a loop of its own");
    let mut hash = PRIMES[4].wrapping_add(data.len() as u32);
    let (words, tail) = data.as_chunks::<4>();
    for word in words {
        hash = hash.wrapping_add(u32::from_le_bytes(*word).wrapping_mul(PRIMES[2]));
        hash = hash.rotate_left(17).wrapping_mul(PRIMES[3]);
    }
    for byte in tail {
        hash = hash.wrapping_add(u32::from(*byte).wrapping_mul(PRIMES[4]));
        hash = hash.rotate_left(11).wrapping_mul(PRIMES[0]);
    }
    hash = (hash ^ (hash >> 15)).wrapping_mul(PRIMES[1]);
    hash = (hash ^ (hash >> 13)).wrapping_mul(PRIMES[2]);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{FetchedEntry, split};

    /// One entry of magic 1 without a key. The checksum is left out: decoding does not look at it.
    fn message(offset: i64, magic: u8, codec: u8, value: &[u8]) -> Vec<u8> {
        let timestamp: &[u8] = if magic == 0 { &[] } else { &[0, 0, 0, 0, 0, 0, 0, 9] };
        let value_len = (value.len() as i32).to_be_bytes();
        let body = [&[0; 4], &[magic, codec][..], timestamp, &[0xff; 4], &value_len, value].concat();
        [&offset.to_be_bytes()[..], &(body.len() as i32).to_be_bytes(), &body].concat()
    }

    fn snappy(set: &[u8]) -> Vec<u8> {
        snap::raw::Encoder::new().compress_vec(set).unwrap()
    }

    fn decode(set: Vec<u8>, limits: &DecodeLimits) -> Result<Vec<Record>, BatchError> {
        match split(set.into()).next() {
            Some(Ok(FetchedEntry::Legacy(set))) => set.decode(limits),
            other => panic!("not a legacy set: {other:?}"),
        }
    }

    #[test]
    fn offsets_inside_a_compressed_message_of_magic_1_count_up_to_its_own() {
        let inner = [message(0, 1, 0, b"a"), message(3, 1, 0, b"b")].concat();

        let records = decode(message(100, 1, 2, &snappy(&inner)), &DecodeLimits::default()).unwrap();

        assert_eq!(records.iter().map(|record| record.offset).collect::<Vec<_>>(), [97, 100]);
        assert_eq!(records[0].timestamp, 9);
    }

    #[test]
    fn what_may_not_be_inside_a_compressed_message_is_refused_by_name() {
        let limits = DecodeLimits::default();
        let bad = |reason| Err(BatchError::BadRecord { index: 0, reason });

        let nested = message(1, 1, 2, &snappy(&message(0, 1, 2, b"")));
        assert_eq!(decode(nested, &limits), bad(RecordError::NestedCompression));
        let mixed = message(1, 1, 2, &snappy(&message(0, 0, 0, b"")));
        assert_eq!(decode(mixed, &limits), bad(RecordError::MixedMagic { inner: 0, outer: 1 }));
        let unknown = message(1, 1, 5, b"");
        assert_eq!(decode(unknown, &limits), Err(BatchError::UnknownCodec { bits: 5 }));
    }

    #[test]
    fn the_limits_hold_for_a_whole_set() {
        let inner = snappy(&message(0, 1, 0, &[7; 600]));
        let set = [message(1, 1, 2, &inner), message(2, 1, 2, &inner)].concat();
        let decompressed = DecodeLimits { decompressed_bytes_max: 1000, ..DecodeLimits::default() };
        let list = DecodeLimits { list_bytes_max: size_of::<Record>(), ..DecodeLimits::default() };

        assert!(matches!(decode(set.clone(), &decompressed), Err(BatchError::OverLimit { .. })));
        assert!(matches!(decode(set.clone(), &list), Err(BatchError::OverLimit { .. })));
        assert_eq!(decode(set, &DecodeLimits::default()).unwrap().len(), 2);
    }

    #[test]
    fn the_header_checksum_of_a_frame_is_mended() {
        // Frames of Kafka's own magic 1 have the right one: taken away and mended, it is there again.
        let right = Bytes::from_static(&[0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82, 1, 2, 3]);
        let mut wrong = right.to_vec();
        wrong[6] = 0x1a;

        assert_eq!(lz4_repaired(&wrong), right);
        assert_eq!(lz4_repaired(&[]), Bytes::new());
        assert_eq!(lz4_repaired(&right[..6]), right[..6]);
    }
}
