//! What crosses the worker: whole record batches where bytes may stay as they are, single records elsewhere.
//!
//! Every unit that a task hands out carries the *source partition* and *source offset* under which the worker stores its
//! progress once all of it is acknowledged by the target.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use kafka_wire::batch::{Record, RecordBatch};
use serde_json::{Map, Value as Json};

use crate::data::{Schema, Value};

/// What a task reads from, as the JSON object that is part of the key in the offsets topic.
///
/// Byte equality matters: Java finds and compacts offsets by the exact key bytes, so the order of fields is the order of
/// Java's `HashMap` for that connector (connect-runtime §2.6). The worker writes the map as it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourcePartition(Arc<Map<String, Json>>);

impl SourcePartition {
    /// A source partition from its fields, in the order in which they will be written.
    #[must_use]
    pub fn new(fields: Map<String, Json>) -> Self {
        Self(Arc::new(fields))
    }

    /// The fields, in order.
    #[must_use]
    pub fn fields(&self) -> &Map<String, Json> {
        &self.0
    }

    /// The fields as compact JSON, as they stand in the offsets topic's key.
    #[must_use]
    pub fn to_json(&self) -> String {
        Json::Object(self.0.as_ref().clone()).to_string()
    }
}

/// Where a task stands in a source partition: the JSON object that is the value in the offsets topic.
///
/// Every unit that is handed out has one, and few of them are ever stored, so the fields may be made when somebody looks.
#[derive(Clone)]
pub struct SourceOffset(Arc<Fields>);

type Fields = LazyLock<Map<String, Json>, Box<dyn FnOnce() -> Map<String, Json> + Send>>;

impl SourceOffset {
    /// A source offset from its fields, in order.
    #[must_use]
    pub fn new(fields: Map<String, Json>) -> Self {
        Self::later(move || fields)
    }

    /// A source offset whose fields are made when they are first looked at.
    #[must_use]
    pub fn later(fields: impl FnOnce() -> Map<String, Json> + Send + 'static) -> Self {
        Self(Arc::new(LazyLock::new(Box::new(fields))))
    }

    /// The fields, in order.
    #[must_use]
    pub fn fields(&self) -> &Map<String, Json> {
        &self.0
    }

    /// The fields as compact JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        Json::Object(self.fields().clone()).to_string()
    }
}

impl fmt::Debug for SourceOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SourceOffset").field(self.fields()).finish()
    }
}

impl PartialEq for SourceOffset {
    fn eq(&self, other: &Self) -> bool {
        self.fields() == other.fields()
    }
}

impl Eq for SourceOffset {}

/// One record for the target (Java: `SourceRecord`).
#[derive(Debug, Clone, PartialEq)]
pub struct SourceRecord {
    /// What it was read from.
    pub source_partition: SourcePartition,
    /// Where the task stands once this record is acknowledged.
    pub source_offset: SourceOffset,
    /// The target topic.
    pub topic: Arc<str>,
    /// The target partition; `None` lets the producer choose by key.
    pub partition: Option<i32>,
    /// The key's schema.
    pub key_schema: Option<Arc<Schema>>,
    /// The key.
    pub key: Value,
    /// The value's schema.
    pub value_schema: Option<Arc<Schema>>,
    /// The value; [`Value::Null`] is a tombstone.
    pub value: Value,
    /// Milliseconds since 1970; `None` lets the producer set the time.
    pub timestamp_ms: Option<i64>,
    /// Headers, in order; a name may occur more than once.
    pub headers: Vec<RecordHeader>,
}

/// One header of a [`SourceRecord`].
#[derive(Debug, Clone, PartialEq)]
pub struct RecordHeader {
    /// The header's name as raw bytes (UTF-8 by Kafka's rule, but a mirror does not judge).
    pub name: Bytes,
    /// The value's schema.
    pub schema: Option<Arc<Schema>>,
    /// The value.
    pub value: Value,
}

/// A run of records of one source partition that the task hands out as one unit.
pub struct SourceBatch {
    /// The task's own number for the partition; comes back in [`Ack`] and [`SourceTask::failed`](crate::SourceTask::failed).
    pub tag: usize,
    /// The target topic.
    pub topic: Arc<str>,
    /// The target partition.
    pub partition: i32,
    /// What it was read from.
    pub source_partition: SourcePartition,
    /// Where the task stands once the whole unit is acknowledged.
    pub source_offset: SourceOffset,
    /// The records.
    pub payload: Payload,
    /// Records below this source offset are not wanted: a fetch may answer with a batch that begins before the position.
    pub first_wanted: i64,
    /// Dropped when the unit is acknowledged: holds, for instance, a share of the byte budget.
    pub hold: Option<Box<dyn Any + Send>>,
}

impl fmt::Debug for SourceBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceBatch")
            .field("tag", &self.tag)
            .field("topic", &self.topic)
            .field("partition", &self.partition)
            .field("first_wanted", &self.first_wanted)
            .finish_non_exhaustive()
    }
}

/// The records of a [`SourceBatch`].
#[derive(Debug, Clone)]
pub enum Payload {
    /// A record batch as the source broker sent it.
    Batch(RecordBatch),
    /// Records with their source offsets, where the batch could not be kept (message format 0 and 1).
    Records(Vec<Record>),
}

/// What [`SourceTask::poll`](crate::SourceTask::poll) found. Empty means: nothing now, call again.
#[derive(Debug)]
pub enum Polled {
    /// Single records, for converters and the producer's partitioner.
    Records(Vec<SourceRecord>),
    /// Whole batches, for the pass-through path.
    Batches(Vec<SourceBatch>),
}

impl Polled {
    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Polled::Records(records) => records.is_empty(),
            Polled::Batches(batches) => batches.is_empty(),
        }
    }
}

/// The target's answer to one [`SourceBatch`]: where its records are now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// The tag of the batch.
    pub tag: usize,
    /// How source offsets map to target offsets, ascending. Empty if every record was filtered out.
    pub runs: Vec<AckedRun>,
}

/// `count` records, from `source_offset` on the source and `target_offset` on the target, without a hole on either side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AckedRun {
    /// The first record's offset at the source.
    pub source_offset: i64,
    /// The first record's offset at the target; -1 if the target has the records but does not say where (the answer to a
    /// batch that was sent twice, when the broker has forgotten it).
    pub target_offset: i64,
    /// How many records.
    pub count: i64,
}
