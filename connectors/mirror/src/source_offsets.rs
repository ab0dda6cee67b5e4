//! What the three connectors keep in the offsets topic, byte for byte (Java: `MirrorUtils.wrapPartition` and friends).
//!
//! | connector | source partition | source offset |
//! |---|---|---|
//! | source | `{"cluster":…,"partition":…,"topic":…}` | `{"offset":N}`: the last record that has crossed |
//! | checkpoint | `{"partition":…,"topic":…,"group":…}` | `{"offset":0}`, without meaning |
//! | heartbeat | `{"sourceClusterAlias":…,"targetClusterAlias":…}` | `{"offset":0}`, without meaning |
//!
//! The order of fields is part of the format: the topic is compacted by raw key bytes, and another order would be another
//! key. It is read in any order. The source connector adds `topicId` and `leaderEpoch` beside `offset`, which tell a
//! re-created or rewritten log from the one that was read, and `seenMs`, which tells for how long it has not been read; Java
//! reads over them.

use connect_api::{SourceOffset, SourcePartition};
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::topic_partition::{TopicId, TopicPartition};

pub(crate) const CLUSTER: &str = "cluster";
pub(crate) const TOPIC: &str = "topic";
pub(crate) const PARTITION: &str = "partition";
pub(crate) const GROUP: &str = "group";
pub(crate) const SOURCE_ALIAS: &str = "sourceClusterAlias";
pub(crate) const TARGET_ALIAS: &str = "targetClusterAlias";
pub(crate) const OFFSET: &str = "offset";
pub(crate) const TOPIC_ID: &str = "topicId";
pub(crate) const LEADER_EPOCH: &str = "leaderEpoch";
pub(crate) const SEEN: &str = "seenMs";

/// The source partition of the source connector: a partition of the source cluster, by its name there.
#[must_use]
pub fn source_partition(source_alias: &str, topic_partition: &TopicPartition) -> SourcePartition {
    fields([
        (CLUSTER, json!(source_alias)),
        (PARTITION, json!(topic_partition.partition)),
        (TOPIC, json!(&*topic_partition.topic)),
    ])
}

/// The source partition of the checkpoint connector: a group and a partition by its name on the target.
#[must_use]
pub fn checkpoint_partition(group: &str, topic_partition: &TopicPartition) -> SourcePartition {
    fields([
        (PARTITION, json!(topic_partition.partition)),
        (TOPIC, json!(&*topic_partition.topic)),
        (GROUP, json!(group)),
    ])
}

/// The source partition of the heartbeat connector: a flow.
#[must_use]
pub fn heartbeat_partition(source_alias: &str, target_alias: &str) -> SourcePartition {
    fields([(SOURCE_ALIAS, json!(source_alias)), (TARGET_ALIAS, json!(target_alias))])
}

/// The source offset of the checkpoint and heartbeat connectors, which read nothing back.
#[must_use]
pub fn meaningless_offset() -> SourceOffset {
    SourceOffset::new(Map::from_iter([(OFFSET.to_owned(), json!(0))]))
}

fn fields<const N: usize>(fields: [(&str, Value); N]) -> SourcePartition {
    SourcePartition::new(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// The cluster and partition of the source connector's source partition; `None` for any other map.
#[must_use]
pub fn parse_source_partition(partition: &SourcePartition) -> Option<(&str, TopicPartition)> {
    let fields = partition.fields();
    let number = fields.get(PARTITION)?.as_i64().and_then(|number| i32::try_from(number).ok())?;
    let topic = fields.get(TOPIC)?.as_str()?;
    Some((fields.get(CLUSTER)?.as_str()?, TopicPartition::new(topic, number)))
}

/// How far a source partition has been mirrored, and of which log that is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SavedPosition {
    /// The offset of the last record that has crossed. Reading goes on at the next one. -1: none has, of a topic whose id is
    /// known.
    pub offset: i64,
    /// The id of the topic that was read; unknown if Java, a person or an old broker wrote the offset.
    pub topic_id: Option<TopicId>,
    /// The leader epoch of the last record that has crossed; unknown as above.
    pub leader_epoch: Option<i32>,
    /// A time, in milliseconds since 1970, before all records that are still to be read; unknown as above.
    pub seen_ms: Option<i64>,
}

/// A stored offset that says something, but no offset.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "the stored source offset {stored} has no integer in 'offset': alter it with PATCH /connectors/<name>/offsets, or \
     delete it to start over"
)]
pub struct BadSavedPosition {
    stored: String,
}

impl SavedPosition {
    /// A position as Java stores it.
    #[must_use]
    pub fn of_offset(offset: i64) -> Self {
        Self { offset, topic_id: None, leader_epoch: None, seen_ms: None }
    }

    /// The offset at which reading goes on.
    #[must_use]
    pub fn next(&self) -> i64 {
        self.offset.saturating_add(1)
    }

    /// The position as it is stored.
    #[must_use]
    pub fn to_source_offset(&self) -> SourceOffset {
        let Self { offset, topic_id, leader_epoch, seen_ms } = *self;
        SourceOffset::later(move || {
            let mut fields = Map::new();
            fields.insert(OFFSET.to_owned(), json!(offset));
            if let Some(id) = topic_id {
                fields.insert(TOPIC_ID.to_owned(), json!(id.to_string()));
            }
            if let Some(epoch) = leader_epoch {
                fields.insert(LEADER_EPOCH.to_owned(), json!(epoch));
            }
            if let Some(seen_ms) = seen_ms {
                fields.insert(SEEN.to_owned(), json!(seen_ms));
            }
            fields
        })
    }

    /// The position of a stored offset. `None` where Java starts from `auto.offset.reset`: no `offset`, null or negative
    /// (except -1 beside a topic id). A topic id, epoch or time that cannot be read counts as unknown.
    pub fn from_source_offset(stored: &SourceOffset) -> Result<Option<Self>, BadSavedPosition> {
        let fields = stored.fields();
        let offset = match fields.get(OFFSET) {
            None | Some(Value::Null) => return Ok(None),
            Some(value) => value.as_i64().ok_or_else(|| BadSavedPosition { stored: stored.to_json() })?,
        };
        let topic_id = fields.get(TOPIC_ID).and_then(Value::as_str).and_then(|text| text.parse().ok());
        if offset < -1 || (offset == -1 && topic_id.is_none()) {
            return Ok(None);
        }
        let leader_epoch = fields
            .get(LEADER_EPOCH)
            .and_then(Value::as_i64)
            .and_then(|epoch| i32::try_from(epoch).ok())
            .filter(|epoch| *epoch >= 0);
        let seen_ms = fields.get(SEEN).and_then(Value::as_i64);
        Ok(Some(Self { offset, topic_id, leader_epoch, seen_ms }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset(json: &str) -> SourceOffset {
        SourceOffset::new(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn source_partitions_have_the_bytes_of_java() {
        assert_eq!(
            source_partition("us-west", &TopicPartition::new("animals", 3)).to_json(),
            r#"{"cluster":"us-west","partition":3,"topic":"animals"}"#
        );
        assert_eq!(
            checkpoint_partition("group-1", &TopicPartition::new("us-west.animals", 3)).to_json(),
            r#"{"partition":3,"topic":"us-west.animals","group":"group-1"}"#
        );
        assert_eq!(
            heartbeat_partition("us-west", "us-east").to_json(),
            r#"{"sourceClusterAlias":"us-west","targetClusterAlias":"us-east"}"#
        );
        assert_eq!(meaningless_offset().to_json(), r#"{"offset":0}"#);
    }

    #[test]
    fn a_source_partition_is_read_in_any_order_of_fields() {
        let partition =
            SourcePartition::new(serde_json::from_str(r#"{"topic":"t","cluster":"A","partition":1}"#).unwrap());

        assert_eq!(parse_source_partition(&partition), Some(("A", TopicPartition::new("t", 1))));
        assert_eq!(parse_source_partition(&heartbeat_partition("A", "B")), None);
    }

    #[test]
    fn a_position_of_java_is_the_last_record_read() {
        let position = SavedPosition::from_source_offset(&offset(r#"{"offset":41}"#)).unwrap().unwrap();

        assert_eq!(position, SavedPosition::of_offset(41));
        assert_eq!(position.next(), 42);
        assert_eq!(position.to_source_offset().to_json(), r#"{"offset":41}"#);
    }

    #[test]
    fn topic_id_epoch_and_time_stand_beside_the_offset_and_come_back() {
        let position = SavedPosition {
            offset: 41,
            topic_id: Some("ASNFZ4mrze_-3LqYdlQyEA".parse().unwrap()),
            leader_epoch: Some(7),
            seen_ms: Some(1_700_000_000_123),
        };

        let stored = position.to_source_offset();

        assert_eq!(
            stored.to_json(),
            r#"{"offset":41,"topicId":"ASNFZ4mrze_-3LqYdlQyEA","leaderEpoch":7,"seenMs":1700000000123}"#
        );
        assert_eq!(SavedPosition::from_source_offset(&stored), Ok(Some(position)));
        let reordered =
            offset(r#"{"seenMs":1700000000123,"leaderEpoch":7,"topicId":"ASNFZ4mrze_-3LqYdlQyEA","offset":41}"#);
        assert_eq!(SavedPosition::from_source_offset(&reordered), Ok(Some(position)));
    }

    #[test]
    fn without_an_offset_there_is_no_position() {
        for json in ["{}", r#"{"offset":null}"#, r#"{"offset":-1}"#] {
            assert_eq!(SavedPosition::from_source_offset(&offset(json)), Ok(None), "{json}");
        }
    }

    #[test]
    fn the_beginning_of_a_topic_with_an_id_is_a_position() {
        let stored = offset(r#"{"offset":-1,"topicId":"ASNFZ4mrze_-3LqYdlQyEA"}"#);

        let position = SavedPosition::from_source_offset(&stored).unwrap().unwrap();

        assert_eq!((position.next(), position.to_source_offset()), (0, stored));
    }

    #[test]
    fn an_offset_that_is_no_integer_is_an_error_that_quotes_it() {
        let error = SavedPosition::from_source_offset(&offset(r#"{"offset":"5"}"#)).unwrap_err();

        assert!(error.to_string().contains(r#"{"offset":"5"}"#), "{error}");
    }

    #[test]
    fn an_id_an_epoch_or_a_time_that_cannot_be_read_is_unknown() {
        let stored = offset(r#"{"offset":1,"topicId":"nonsense","leaderEpoch":-1,"seenMs":"then"}"#);

        assert_eq!(SavedPosition::from_source_offset(&stored), Ok(Some(SavedPosition::of_offset(1))));
    }
}
