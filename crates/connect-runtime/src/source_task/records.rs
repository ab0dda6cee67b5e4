//! Single records to batches: heartbeats, checkpoints, and whatever other connectors hand out one by one.

use std::sync::Arc;

use bytes::Bytes;
use connect_api::ConnectError;
use connect_api::data::Value;
use connect_api::record::{SourceOffset, SourcePartition, SourceRecord};
use kafka_wire::batch::{self, Codec, Header, Record, RecordBatch, Stamp};
use kafka_wire::murmur2::partition_for_key;

use super::rewrite::{Piece, SourceRun};

/// Neighbouring records of one source partition and one target partition.
#[derive(Debug)]
pub struct Group {
    /// What they were read from.
    pub source_partition: SourcePartition,
    /// Where the task stands once all of them are acknowledged.
    pub source_offset: SourceOffset,
    /// The target topic.
    pub topic: Arc<str>,
    /// The target partition.
    pub partition: i32,
    records: Vec<Record>,
}

impl Group {
    /// The records as one batch. Source offsets of single records mean nothing to a run, so they are numbered from 0.
    pub fn encode(&self, codec: Codec) -> Result<Piece, ConnectError> {
        let unreadable = |error| ConnectError::fatal(format!("records for {} cannot be encoded: {error}", self.topic));
        let bytes = batch::encode(&self.records, codec, Stamp::NONE).map_err(unreadable)?;
        let batch = RecordBatch::parse(bytes).map_err(unreadable)?;
        Ok(Piece { batch, sources: vec![SourceRun { first: 0, count: self.records.len() as i64 }] })
    }
}

/// Splits records into groups, in order. `partitions` tells how many partitions a topic has, for records without one;
/// `now_ms` is the time of records without one.
pub fn group(
    records: Vec<SourceRecord>,
    mut partitions: impl FnMut(&str) -> i32,
    now_ms: i64,
) -> Result<Vec<Group>, ConnectError> {
    let mut groups: Vec<Group> = Vec::new();
    for record in records {
        let key = bytes_of(&record, "key", &record.key)?;
        let partition = match (record.partition, &key) {
            (Some(partition), _) => partition,
            (None, Some(key)) => partition_for_key(key, partitions(&record.topic)),
            (None, None) => 0,
        };
        let headers = record
            .headers
            .iter()
            .map(|header| Ok(Header { key: header.name.clone(), value: bytes_of(&record, "header", &header.value)? }))
            .collect::<Result<_, ConnectError>>()?;
        let value = bytes_of(&record, "value", &record.value)?;
        let wire = Record { offset: 0, timestamp: record.timestamp_ms.unwrap_or(now_ms), key, value, headers };
        match groups.last_mut() {
            Some(group)
                if group.partition == partition
                    && group.topic == record.topic
                    && group.source_partition == record.source_partition =>
            {
                group.source_offset = record.source_offset;
                group.records.push(wire);
            }
            _ => groups.push(Group {
                source_partition: record.source_partition,
                source_offset: record.source_offset,
                topic: record.topic,
                partition,
                records: vec![wire],
            }),
        }
    }
    Ok(groups)
}

/// Bytes and null are all that passes while `ByteArrayConverter` is the only converter.
fn bytes_of(record: &SourceRecord, what: &str, value: &Value) -> Result<Option<Bytes>, ConnectError> {
    match value {
        Value::Null => Ok(None),
        Value::Bytes(bytes) => Ok(Some(bytes.clone())),
        other => Err(ConnectError::fatal(format!(
            "ByteArrayConverter takes bytes, but the {what} of a record for {} is {other:?}",
            record.topic
        ))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    fn record(source: &str, partition: Option<i32>, key: Value) -> SourceRecord {
        SourceRecord {
            source_partition: SourcePartition::new(Map::from_iter([("p".to_owned(), json!(source))])),
            source_offset: SourceOffset::new(Map::from_iter([("offset".to_owned(), json!(0))])),
            topic: "t".into(),
            partition,
            key_schema: None,
            key,
            value_schema: None,
            value: Value::Bytes(Bytes::from_static(b"v")),
            timestamp_ms: None,
            headers: Vec::new(),
        }
    }

    #[test]
    fn neighbours_of_one_partition_share_a_batch() {
        let records = vec![
            record("a", Some(0), Value::Null),
            record("a", Some(0), Value::Null),
            record("b", Some(0), Value::Null),
            record("a", Some(1), Value::Null),
        ];

        let groups = group(records, |_| 1, 5).unwrap();

        let counts: Vec<_> =
            groups.iter().map(|group| group.encode(Codec::None).unwrap().batch.record_count()).collect();
        assert_eq!(counts, [2, 1, 1]);
        assert_eq!(groups[0].encode(Codec::None).unwrap().batch.max_timestamp(), 5);
    }

    #[test]
    fn a_key_chooses_the_partition_as_java_does() {
        let key = Value::Bytes(Bytes::from_static(b"status-connector-mirror-1"));

        let groups = group(vec![record("a", None, key)], |_| 5, 0).unwrap();

        assert_eq!(groups[0].partition, 2);
    }

    #[test]
    fn what_is_not_bytes_is_named() {
        let error = group(vec![record("a", None, Value::Int32(1))], |_| 1, 0).unwrap_err();

        assert!(error.message().contains("key") && error.message().contains("Int32(1)"), "{error}");
    }
}
