//! What may happen to a record between task and producer: transforms, predicates, converters.
//!
//! A connector that uses none of them keeps the pass-through path: batches are not even decoded.

use bytes::Bytes;

use crate::data::{Schema, Value};
use crate::error::ConnectError;
use crate::record::SourceRecord;

/// Turns Connect data into the bytes of a key or value (Java: `Converter::fromConnectData`).
pub trait Converter: Send + Sync {
    /// Encodes one value for a topic (Java: `fromConnectData`). `None` is a null key or a tombstone.
    fn encode(&self, topic: &str, schema: Option<&Schema>, value: &Value) -> Result<Option<Bytes>, ConnectError>;

    /// Whether bytes go through unchanged, which allows whole batches to pass.
    fn passes_bytes(&self) -> bool {
        false
    }
}

/// Changes, replaces or drops one record (Java: `Transformation`).
pub trait Transformation: Send {
    /// The record to go on with, or `None` to drop it.
    fn apply(&mut self, record: SourceRecord) -> Result<Option<SourceRecord>, ConnectError>;
}

/// Decides whether a [`Transformation`] applies to a record (KIP-585).
pub trait Predicate: Send {
    /// Whether the record matches.
    fn test(&self, record: &SourceRecord) -> bool;
}
