//! One partition of one topic, and the id that tells a topic from its namesakes.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use thiserror::Error;

/// A partition of a topic (Java: `TopicPartition`). Ordered by topic, then by number.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's number, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// A partition of a topic.
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// The id that a cluster gives to a topic when it is created (KIP-516). A topic that is deleted and created again has the
/// same name and another id. Printed as Kafka prints it: 22 characters of URL-safe base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicId([u8; 16]);

impl TopicId {
    /// The id of these bytes; `None` for all zeros, which is how brokers without topic ids answer.
    #[must_use]
    pub fn new(bytes: [u8; 16]) -> Option<Self> {
        (bytes != [0; 16]).then_some(Self(bytes))
    }

    /// The 16 bytes, in network order.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// A text that is not a topic id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not a topic id: expected 22 characters of URL-safe base64, not all of them A")]
pub struct BadTopicId(String);

impl FromStr for TopicId {
    type Err = BadTopicId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Bounded before decoding: the text may come from a topic that anyone can write to.
        let bytes = (text.len() == 22).then(|| URL_SAFE_NO_PAD.decode(text).ok()).flatten();
        bytes
            .and_then(|bytes| bytes.try_into().ok())
            .and_then(Self::new)
            .ok_or_else(|| BadTopicId(text.chars().take(40).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_ids_are_printed_as_kafka_prints_them() {
        // org.apache.kafka.common.Uuid(0x0123456789abcdef, 0xfedcba9876543210).toString()
        let id = TopicId::new(0x0123_4567_89ab_cdef_fedc_ba98_7654_3210_u128.to_be_bytes()).unwrap();

        assert_eq!(id.to_string(), "ASNFZ4mrze_-3LqYdlQyEA");
        assert_eq!("ASNFZ4mrze_-3LqYdlQyEA".parse(), Ok(id));
    }

    #[test]
    fn zero_and_nonsense_are_not_topic_ids() {
        assert_eq!(TopicId::new([0; 16]), None);
        for text in ["", "AAAAAAAAAAAAAAAAAAAAAA", "ASNFZ4mrze_-3LqYdlQyE", "ASNFZ4mrze_-3LqYdlQy==", "é"] {
            assert!(text.parse::<TopicId>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_partition_reads_as_in_java() {
        assert_eq!(TopicPartition::new("a-b", 3).to_string(), "a-b-3");
    }
}
