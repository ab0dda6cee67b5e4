//! The records of MirrorMaker's own topics, byte for byte (Java: `OffsetSync`, `Checkpoint`, `Heartbeat`).
//!
//! All are big-endian; text is a 16-bit length and UTF-8. Reading is as tolerant as Java's: bytes after the last field are
//! left alone, any version is read as version 0, text that is not UTF-8 gets replacement characters. It never panics.
//!
//! | record | topic | key | value |
//! |---|---|---|---|
//! | [`OffsetSync`] | offset-syncs, partition 0 | topic (name on the source), partition i32 | upstream offset i64, downstream offset i64 |
//! | [`Checkpoint`] | checkpoints, partition 0 | group, topic (name on the target), partition i32 | version i16, upstream offset i64, downstream offset i64, metadata |
//! | [`Heartbeat`] | heartbeats, partition 0 | source alias, target alias | version i16, timestamp i64 ms |

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

use crate::topic_partition::TopicPartition;

const VERSION: i16 = 0;

/// Why a record cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RecordError {
    /// The record has no key or no value: a tombstone, or no record of ours.
    #[error("the record has no {0}")]
    Missing(&'static str),
    /// The bytes end inside a field.
    #[error("{field} needs {needed} bytes, {left} are left")]
    TooShort {
        /// The field.
        field: &'static str,
        /// The bytes that it takes.
        needed: usize,
        /// The bytes that are there.
        left: usize,
    },
    /// A text has a negative length.
    #[error("{field} has length {length}")]
    NegativeLength {
        /// The field.
        field: &'static str,
        /// The length as it stands in the bytes.
        length: i16,
    },
    /// A text does not fit into 32767 bytes.
    #[error("{field} has {bytes} bytes, at most 32767 fit into the record")]
    TooLong {
        /// The field.
        field: &'static str,
        /// Its length.
        bytes: usize,
    },
}

/// A key and a value as they are written to a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValue {
    /// The record's key.
    pub key: Bytes,
    /// The record's value.
    pub value: Bytes,
}

/// "The source record at `upstream` is the target record at `downstream`."
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetSync {
    /// The partition, by its name on the source.
    pub topic_partition: TopicPartition,
    /// The offset on the source.
    pub upstream: i64,
    /// The offset on the target.
    pub downstream: i64,
}

impl OffsetSync {
    /// The record's bytes.
    pub fn encode(&self) -> Result<KeyValue, RecordError> {
        let mut key = BytesMut::new();
        put_text(&mut key, "topic", &self.topic_partition.topic)?;
        key.put_i32(self.topic_partition.partition);
        let mut value = BytesMut::with_capacity(16);
        value.put_i64(self.upstream);
        value.put_i64(self.downstream);
        Ok(KeyValue { key: key.freeze(), value: value.freeze() })
    }

    /// The record of these bytes.
    pub fn decode(key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Self, RecordError> {
        let mut key = Fields::of("key", key)?;
        let mut value = Fields::of("value", value)?;
        Ok(Self {
            topic_partition: key.topic_partition()?,
            upstream: value.i64("upstreamOffset")?,
            downstream: value.i64("offset")?,
        })
    }
}

/// "The group has read the source up to `upstream`: that is `downstream` on the target."
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The consumer group.
    pub group: String,
    /// The partition, by its name on the **target**.
    pub topic_partition: TopicPartition,
    /// The group's committed offset on the source: the next record to read.
    pub upstream: i64,
    /// The same position on the target.
    pub downstream: i64,
    /// The metadata that the group committed with its offset.
    pub metadata: String,
}

impl Checkpoint {
    /// The record's bytes.
    pub fn encode(&self) -> Result<KeyValue, RecordError> {
        let mut key = BytesMut::new();
        put_text(&mut key, "group", &self.group)?;
        put_text(&mut key, "topic", &self.topic_partition.topic)?;
        key.put_i32(self.topic_partition.partition);
        let mut value = BytesMut::with_capacity(20 + self.metadata.len());
        value.put_i16(VERSION);
        value.put_i64(self.upstream);
        value.put_i64(self.downstream);
        put_text(&mut value, "metadata", &self.metadata)?;
        Ok(KeyValue { key: key.freeze(), value: value.freeze() })
    }

    /// The record of these bytes.
    pub fn decode(key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Self, RecordError> {
        let mut key = Fields::of("key", key)?;
        let mut value = Fields::of("value", value)?;
        value.i16("version")?;
        Ok(Self {
            group: key.text("group")?,
            topic_partition: key.topic_partition()?,
            upstream: value.i64("upstreamOffset")?,
            downstream: value.i64("offset")?,
            metadata: value.text("metadata")?,
        })
    }
}

/// "The flow from `source_alias` to `target_alias` was alive at `timestamp_ms`."
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// The source cluster's alias.
    pub source_alias: String,
    /// The target cluster's alias.
    pub target_alias: String,
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
}

impl Heartbeat {
    /// The record's bytes.
    pub fn encode(&self) -> Result<KeyValue, RecordError> {
        let mut key = BytesMut::new();
        put_text(&mut key, "sourceClusterAlias", &self.source_alias)?;
        put_text(&mut key, "targetClusterAlias", &self.target_alias)?;
        let mut value = BytesMut::with_capacity(10);
        value.put_i16(VERSION);
        value.put_i64(self.timestamp_ms);
        Ok(KeyValue { key: key.freeze(), value: value.freeze() })
    }

    /// The record of these bytes.
    pub fn decode(key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Self, RecordError> {
        let mut key = Fields::of("key", key)?;
        let mut value = Fields::of("value", value)?;
        value.i16("version")?;
        Ok(Self {
            source_alias: key.text("sourceClusterAlias")?,
            target_alias: key.text("targetClusterAlias")?,
            timestamp_ms: value.i64("timestamp")?,
        })
    }
}

fn put_text(buffer: &mut BytesMut, field: &'static str, text: &str) -> Result<(), RecordError> {
    let length = i16::try_from(text.len()).map_err(|_| RecordError::TooLong { field, bytes: text.len() })?;
    buffer.put_i16(length);
    buffer.put_slice(text.as_bytes());
    Ok(())
}

/// Fields read one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn of(part: &'static str, bytes: Option<&'a [u8]>) -> Result<Self, RecordError> {
        bytes.map(Self).ok_or(RecordError::Missing(part))
    }

    fn take(&mut self, field: &'static str, needed: usize) -> Result<&'a [u8], RecordError> {
        let (taken, rest) =
            self.0.split_at_checked(needed).ok_or(RecordError::TooShort { field, needed, left: self.0.len() })?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], RecordError> {
        let (taken, rest) =
            self.0.split_first_chunk().ok_or(RecordError::TooShort { field, needed: N, left: self.0.len() })?;
        self.0 = rest;
        Ok(*taken)
    }

    fn i16(&mut self, field: &'static str) -> Result<i16, RecordError> {
        self.array(field).map(i16::from_be_bytes)
    }

    fn i32(&mut self, field: &'static str) -> Result<i32, RecordError> {
        self.array(field).map(i32::from_be_bytes)
    }

    fn i64(&mut self, field: &'static str) -> Result<i64, RecordError> {
        self.array(field).map(i64::from_be_bytes)
    }

    fn text(&mut self, field: &'static str) -> Result<String, RecordError> {
        let length = self.i16(field)?;
        let needed = usize::try_from(length).map_err(|_| RecordError::NegativeLength { field, length })?;
        self.take(field, needed).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    fn topic_partition(&mut self) -> Result<TopicPartition, RecordError> {
        Ok(TopicPartition::new(self.text("topic")?, self.i32("partition")?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    // The bytes are those of the Kafka 4.3.0 classes.
    #[test]
    fn a_checkpoint_has_the_bytes_of_java() {
        let checkpoint = Checkpoint {
            group: "group-1".into(),
            topic_partition: TopicPartition::new("us-west.animals", 3),
            upstream: 1000,
            downstream: 250,
            metadata: "meta".into(),
        };

        let bytes = checkpoint.encode().unwrap();

        assert_eq!(hex(&bytes.key), "000767726f75702d31000f75732d776573742e616e696d616c7300000003");
        assert_eq!(hex(&bytes.value), "000000000000000003e800000000000000fa00046d657461");
        assert_eq!(Checkpoint::decode(Some(&bytes.key), Some(&bytes.value)), Ok(checkpoint));
    }

    #[test]
    fn a_checkpoint_without_metadata_has_the_bytes_of_java() {
        let checkpoint = Checkpoint {
            group: "g".into(),
            topic_partition: TopicPartition::new("t", 0),
            upstream: 0,
            downstream: -1,
            metadata: String::new(),
        };

        let bytes = checkpoint.encode().unwrap();

        assert_eq!(hex(&bytes.key), "00016700017400000000");
        assert_eq!(hex(&bytes.value), "00000000000000000000ffffffffffffffff0000");
    }

    #[test]
    fn a_heartbeat_has_the_bytes_of_java() {
        let heartbeat = Heartbeat {
            source_alias: "us-west".into(),
            target_alias: "us-east".into(),
            timestamp_ms: 1_700_000_000_000,
        };

        let bytes = heartbeat.encode().unwrap();

        assert_eq!(hex(&bytes.key), "000775732d77657374000775732d65617374");
        assert_eq!(hex(&bytes.value), "00000000018bcfe56800");
        assert_eq!(Heartbeat::decode(Some(&bytes.key), Some(&bytes.value)), Ok(heartbeat));
    }

    #[test]
    fn an_offset_sync_has_the_bytes_of_java_and_no_version() {
        let sync = OffsetSync { topic_partition: TopicPartition::new("animals", 3), upstream: 1000, downstream: 250 };

        let bytes = sync.encode().unwrap();

        assert_eq!(hex(&bytes.key), "0007616e696d616c7300000003");
        assert_eq!(hex(&bytes.value), "00000000000003e800000000000000fa");
        assert_eq!(OffsetSync::decode(Some(&bytes.key), Some(&bytes.value)), Ok(sync));
    }

    #[test]
    fn another_version_and_bytes_at_the_end_are_read_over() {
        let key = [0, 1, b's', 0, 1, b't', 9, 9];
        let value = [0, 7, 0, 0, 0, 0, 0, 0, 0, 5, 1, 2, 3];

        let heartbeat = Heartbeat::decode(Some(&key), Some(&value)).unwrap();

        assert_eq!(heartbeat.timestamp_ms, 5);
        assert_eq!(heartbeat.target_alias, "t");
    }

    #[test]
    fn text_that_is_not_utf_8_is_replaced() {
        let key = [0, 2, 0xff, b't', 0, 0, 0, 1];

        let sync = OffsetSync::decode(Some(&key), Some(&[0; 16])).unwrap();

        assert_eq!(&*sync.topic_partition.topic, "\u{fffd}t");
    }

    #[test]
    fn what_is_no_record_is_named() {
        assert_eq!(OffsetSync::decode(Some(b"\0\x01t\0\0\0\0"), None), Err(RecordError::Missing("value")));
        assert_eq!(
            OffsetSync::decode(Some(b"\xff\xff"), Some(&[0; 16])),
            Err(RecordError::NegativeLength { field: "topic", length: -1 })
        );
        assert_eq!(
            OffsetSync::decode(Some(b"\0\x05ab"), Some(&[0; 16])),
            Err(RecordError::TooShort { field: "topic", needed: 5, left: 2 })
        );
        let long = Heartbeat { source_alias: "x".repeat(40_000), target_alias: String::new(), timestamp_ms: 0 };
        assert_eq!(long.encode(), Err(RecordError::TooLong { field: "sourceClusterAlias", bytes: 40_000 }));
    }

    proptest! {
        #[test]
        fn a_checkpoint_comes_back(
            group in ".{0,20}", topic in ".{0,20}", partition: i32, upstream: i64, downstream: i64, metadata in ".{0,20}",
        ) {
            let topic_partition = TopicPartition::new(topic, partition);
            let checkpoint = Checkpoint { group, topic_partition, upstream, downstream, metadata };

            let bytes = checkpoint.encode().unwrap();

            prop_assert_eq!(Checkpoint::decode(Some(&bytes.key), Some(&bytes.value)), Ok(checkpoint));
        }

        #[test]
        fn no_bytes_are_too_odd(key: Vec<u8>, value: Vec<u8>) {
            let _ = Checkpoint::decode(Some(&key), Some(&value));
            let _ = Heartbeat::decode(Some(&key), Some(&value));
            let _ = OffsetSync::decode(Some(&key), Some(&value));
        }
    }
}
