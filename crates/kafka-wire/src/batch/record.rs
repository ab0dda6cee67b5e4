//! A record and its headers, as values.

use bytes::Bytes;

/// One record. Key and value are slices of the (decompressed) batch they came from and keep it alive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Absolute offset; ignored by [`encode`](super::encode), which numbers from 0.
    pub offset: i64,
    /// Milliseconds since the epoch; -1 is Kafka's "none".
    pub timestamp: i64,
    /// The key; null and empty are different things.
    pub key: Option<Bytes>,
    /// The value; null is a tombstone in a compacted topic.
    pub value: Option<Bytes>,
    /// The headers, in order, duplicates kept.
    pub headers: Vec<Header>,
}

/// One record header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// UTF-8 in theory; kept as the bytes it was, so that nothing is lost on the way through.
    pub key: Bytes,
    /// The value; null is kept apart from empty.
    pub value: Option<Bytes>,
}
