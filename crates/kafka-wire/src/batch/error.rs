//! Why bytes are not a record batch, or cannot become one.

use super::Codec;

/// What is wrong with a batch, its codec, or one of its records. None of these is retriable: the same bytes fail the same way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Fewer bytes than the header or the length field ask for.
    #[error("batch is cut short: {available} bytes of {needed}")]
    Truncated {
        /// Bytes the batch needs.
        needed: usize,
        /// Bytes that are there.
        available: usize,
    },
    /// More bytes than the length field accounts for.
    #[error("{trailing} bytes after the end of the batch")]
    TrailingBytes {
        /// Bytes too many.
        trailing: usize,
    },
    /// The length field is negative or smaller than the smallest batch.
    #[error("batch length field is {length}, the smallest possible is {minimum}")]
    BadLength {
        /// What the field says, in bytes after the field itself.
        length: i32,
        /// The smallest value it may have.
        minimum: i32,
    },
    /// Not a magic this place understands.
    #[error("batch has magic {magic}, expected {expected}")]
    UnsupportedMagic {
        /// What was found.
        magic: i8,
        /// What was expected, in words.
        expected: &'static str,
    },
    /// A header field holds a value that no batch can have.
    #[error("batch header field {field} is {value}")]
    BadHeader {
        /// Kafka's name of the field.
        field: &'static str,
        /// Its value.
        value: i64,
    },
    /// The attributes name a codec that Kafka does not have.
    #[error("compression bits {bits} are no codec of Kafka's (0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd)")]
    UnknownCodec {
        /// The three lowest bits of the attributes.
        bits: u8,
    },
    /// The stored checksum is not that of the bytes: they changed since they were written.
    #[error("batch at offset {base_offset} is corrupt: stored crc {stored:#010x}, computed {computed:#010x}")]
    CrcMismatch {
        /// Offset of the batch (of the message, in a legacy set).
        base_offset: i64,
        /// The checksum in the header.
        stored: u32,
        /// The checksum of the bytes.
        computed: u32,
    },
    /// A control batch holds transaction markers, not records: skip it, and go on at its next offset.
    #[error("batch at offset {base_offset} is a control batch and has no records to decode")]
    ControlBatch {
        /// Offset of the batch.
        base_offset: i64,
    },
    /// Asked for the control record of a batch that holds ordinary records.
    #[error("batch at offset {base_offset} is not a control batch")]
    NotControlBatch {
        /// Offset of the batch.
        base_offset: i64,
    },
    /// The codec could not make sense of the compressed bytes.
    #[error("{codec} data cannot be decompressed: {reason}")]
    Decompress {
        /// The codec.
        codec: Codec,
        /// What the codec said.
        reason: String,
    },
    /// The codec refused to compress.
    #[error("records cannot be compressed with {codec}: {reason}")]
    Compress {
        /// The codec.
        codec: Codec,
        /// What the codec said.
        reason: String,
    },
    /// Decoding would take more memory than [`DecodeLimits`](super::DecodeLimits) allows.
    #[error("{what} of the batch exceed the limit of {limit} bytes; raise the limit if this data is genuine")]
    OverLimit {
        /// Which of the limits: decompressed records, or the decoded record list.
        what: &'static str,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The record section does not hold what the header says, or a record is malformed.
    #[error("record {index} of the batch: {reason}")]
    BadRecord {
        /// Position of the record in the batch, from 0.
        index: usize,
        /// What is wrong with it.
        reason: RecordError,
    },
    /// The record section goes on after the last record that the header counts.
    #[error("{trailing} bytes after the last of {record_count} records")]
    TrailingRecordBytes {
        /// Bytes too many.
        trailing: usize,
        /// Records that the header counts.
        record_count: usize,
    },
    /// A batch without records cannot be produced.
    #[error("a batch needs at least one record")]
    Empty,
    /// Lengths in a batch are 32-bit: what was to be encoded does not fit.
    #[error("{what} is {bytes} bytes long, the most a batch can hold is {max}")]
    TooLong {
        /// What is too long.
        what: &'static str,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        max: usize,
    },
}

/// What is wrong with one record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A field is cut short or malformed.
    #[error(transparent)]
    Read(#[from] crate::primitives::ReadError),
    /// The record's length field is negative.
    #[error("length is {length}")]
    NegativeLength {
        /// What the field says.
        length: i64,
    },
    /// The header count is negative or more than the record's bytes can hold.
    #[error("header count is {count}, the {available} bytes left cannot hold that")]
    HeaderCount {
        /// What the field says.
        count: i64,
        /// Bytes left in the record.
        available: usize,
    },
    /// A header without a key.
    #[error("a header key is null")]
    NullHeaderKey,
    /// The fields end before the record's length says.
    #[error("{trailing} bytes after the last header")]
    TrailingBytes {
        /// Bytes too many.
        trailing: usize,
    },
    /// The offset is not after the one before, or is outside the batch.
    #[error("offset delta {offset_delta} is not between {lowest} and {highest}")]
    OffsetDelta {
        /// What the record says.
        offset_delta: i64,
        /// The lowest that may follow the record before.
        lowest: i64,
        /// The batch's last offset delta.
        highest: i64,
    },
    /// A message inside a compressed message set is itself compressed.
    #[error("a compressed message set is nested in another")]
    NestedCompression,
    /// A message set inside a compressed message has another magic than the message itself.
    #[error("magic {inner} inside a message of magic {outer}")]
    MixedMagic {
        /// Magic of the message inside.
        inner: i8,
        /// Magic of the message around it.
        outer: i8,
    },
}
