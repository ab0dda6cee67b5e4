//! Single records to batches: heartbeats, checkpoints, whatever other connectors hand out one by one, and what transforms and
//! converters make of fetched batches.

use std::sync::Arc;

use connect_api::ConnectError;
use connect_api::data::{Schema, SchemaType};
use connect_api::record::{RecordHeader, SourceBatch, SourceOffset, SourcePartition, SourceRecord};
use kafka_wire::batch::{self, Codec, Header, Record, RecordBatch, Stamp};
use kafka_wire::murmur2::partition_for_key;

use super::rewrite::{Piece, SourceRun, encode, wanted_records};
use crate::record_path::Converted;

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
    /// The records as one batch, or nothing if all of them were dropped. Source offsets of single records mean nothing to a
    /// run, so they are numbered from 0.
    pub fn encode(&self, codec: Codec) -> Result<Option<Piece>, ConnectError> {
        if self.records.is_empty() {
            return Ok(None);
        }
        let unreadable = |error| ConnectError::fatal(format!("records for {} cannot be encoded: {error}", self.topic));
        let bytes = batch::encode(&self.records, codec, Stamp::NONE).map_err(unreadable)?;
        let batch = RecordBatch::parse(bytes).map_err(unreadable)?;
        Ok(Some(Piece { batch, sources: vec![SourceRun { first: 0, count: self.records.len() as i64 }] }))
    }
}

/// Splits records into groups, in order. `convert` makes of each what the target gets, if anything: the progress of what is
/// dropped counts all the same. `partitions` tells how many partitions a topic has, for records without one.
pub fn group(
    records: Vec<SourceRecord>,
    mut convert: impl FnMut(SourceRecord) -> Result<Option<Converted>, ConnectError>,
    mut partitions: impl FnMut(&str) -> i32,
) -> Result<Vec<Group>, ConnectError> {
    let mut groups: Vec<Group> = Vec::new();
    for record in records {
        let (source_partition, source_offset) = (record.source_partition.clone(), record.source_offset.clone());
        let given = (Arc::clone(&record.topic), record.partition.unwrap_or(0));
        let converted = convert(record)?;
        let (topic, partition) = match &converted {
            None => groups.last().map_or(given, |last| (Arc::clone(&last.topic), last.partition)),
            Some(converted) => {
                let by_key = |key| partition_for_key(key, partitions(&converted.topic));
                let partition = converted.partition.or_else(|| converted.record.key.as_deref().map(by_key));
                (Arc::clone(&converted.topic), partition.unwrap_or(0))
            }
        };
        let record = converted.map(|converted| converted.record);
        match groups.last_mut() {
            Some(group)
                if group.partition == partition
                    && group.topic == topic
                    && group.source_partition == source_partition =>
            {
                group.source_offset = source_offset;
                group.records.extend(record);
            }
            _ => groups.push(Group {
                source_partition,
                source_offset,
                topic,
                partition,
                records: record.into_iter().collect(),
            }),
        }
    }
    Ok(groups)
}

/// A topic and a partition of it.
type Target = (Arc<str>, i32);

/// The records of one fetched batch on their way through transforms and converters: pieces by target, in order.
pub fn transform(
    batch: &SourceBatch,
    mut convert: impl FnMut(SourceRecord) -> Result<Option<Converted>, ConnectError>,
) -> Result<Vec<(Arc<str>, i32, Piece)>, ConnectError> {
    let (records, codec) = wanted_records(&batch.payload, batch.first_wanted)?;
    let mut targets: Vec<(Target, Vec<Record>)> = Vec::new();
    for record in records {
        let offset = record.offset;
        let Some(converted) = convert(source_record(batch, record))? else { continue };
        let target = (converted.topic, converted.partition.unwrap_or(batch.partition));
        let record = Record { offset, ..converted.record };
        match targets.last_mut() {
            Some((last, records)) if *last == target => records.push(record),
            _ => targets.push((target, vec![record])),
        }
    }
    let mut pieces = Vec::with_capacity(targets.len());
    for ((topic, partition), records) in targets {
        pieces.extend(encode(&records, codec)?.map(|piece| (topic, partition, piece)));
    }
    Ok(pieces)
}

/// A record as Java's mirror hands it out: keys are optional bytes, values and headers bytes. (Java's converters of JSON fail
/// over tombstones for that; so a value that is not there is optional.)
fn source_record(batch: &SourceBatch, record: Record) -> SourceRecord {
    let bytes = Arc::new(Schema::new(SchemaType::Bytes));
    let optional = Arc::new(Schema::new(SchemaType::Bytes).optional());
    let header = |header: Header| RecordHeader {
        name: header.key,
        schema: Some(Arc::clone(&bytes)),
        value: header.value.into(),
    };
    let value_schema = if record.value.is_some() { &bytes } else { &optional };
    SourceRecord {
        source_partition: batch.source_partition.clone(),
        source_offset: batch.source_offset.clone(),
        topic: Arc::clone(&batch.topic),
        partition: Some(batch.partition),
        key_schema: Some(Arc::clone(&optional)),
        key: record.key.into(),
        value_schema: Some(Arc::clone(value_schema)),
        value: record.value.into(),
        timestamp_ms: Some(record.timestamp),
        headers: record.headers.into_iter().map(header).collect(),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use connect_api::data::Value;
    use connect_api::record::Payload;
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

    fn as_it_is(record: SourceRecord) -> Result<Option<Converted>, ConnectError> {
        let bytes = |value| match value {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        };
        let record_value = bytes(record.value);
        let wire = Record { offset: 0, timestamp: 5, key: bytes(record.key), value: record_value, headers: Vec::new() };
        Ok(Some(Converted { topic: record.topic, partition: record.partition, record: wire }))
    }

    #[test]
    fn neighbours_of_one_partition_share_a_batch() {
        let records = vec![
            record("a", Some(0), Value::Null),
            record("a", Some(0), Value::Null),
            record("b", Some(0), Value::Null),
            record("a", Some(1), Value::Null),
        ];

        let groups = group(records, as_it_is, |_| 1).unwrap();

        let pieces: Vec<_> = groups.iter().map(|group| group.encode(Codec::None).unwrap().unwrap()).collect();
        assert_eq!(pieces.iter().map(|piece| piece.batch.record_count()).collect::<Vec<_>>(), [2, 1, 1]);
        assert_eq!(pieces[0].batch.max_timestamp(), 5);
    }

    #[test]
    fn a_key_chooses_the_partition_as_java_does() {
        let key = Value::Bytes(Bytes::from_static(b"status-connector-mirror-1"));

        let groups = group(vec![record("a", None, key)], as_it_is, |_| 5).unwrap();

        assert_eq!(groups[0].partition, 2);
    }

    #[test]
    fn the_progress_of_dropped_records_counts() {
        let mut records = vec![record("a", Some(0), Value::Null); 2];
        records[1].source_offset = SourceOffset::new(Map::from_iter([("offset".to_owned(), json!(7))]));
        let expected = records[1].source_offset.clone();

        let groups = group(records, |_| Ok(None), |_| 1).unwrap();

        assert_eq!(groups.len(), 1);
        assert_eq!(groups[0].source_offset, expected);
        assert!(groups[0].encode(Codec::None).unwrap().is_none());
    }

    #[test]
    fn a_batch_goes_where_its_records_are_sent_and_remembers_what_was_dropped() {
        let wire = |offset: i64| Record {
            offset,
            timestamp: 1,
            key: None,
            value: Some(Bytes::from(offset.to_string())),
            headers: Vec::new(),
        };
        let template = record("a", Some(0), Value::Null);
        let batch = SourceBatch {
            tag: 0,
            topic: "t".into(),
            partition: 3,
            source_partition: template.source_partition,
            source_offset: template.source_offset,
            payload: Payload::Records((10..15).map(wire).collect()),
            first_wanted: 11,
            hold: None,
        };

        let pieces = transform(&batch, |record| {
            assert_eq!(record.key_schema.as_deref(), Some(&Schema::new(SchemaType::Bytes).optional()));
            assert_eq!(record.value_schema.as_deref(), Some(&Schema::new(SchemaType::Bytes)));
            let Value::Bytes(value) = &record.value else { panic!("no bytes") };
            let topic: Arc<str> = if value == "14" { "u".into() } else { Arc::clone(&record.topic) };
            let dropped = value == "12";
            Ok(as_it_is(record)?.filter(|_| !dropped).map(|converted| Converted { topic, ..converted }))
        })
        .unwrap();

        let shown: Vec<_> =
            pieces.iter().map(|(topic, partition, piece)| (&**topic, *partition, piece.sources.clone())).collect();
        let run = |first, count| SourceRun { first, count };
        assert_eq!(shown, [("t", 3, vec![run(11, 1), run(13, 1)]), ("u", 3, vec![run(14, 1)])]);
    }
}
