//! Control batches: the markers that end transactions.

use super::decode::{DecodeLimits, RecordSection};
use super::{BatchError, RecordBatch, RecordError};
use crate::primitives::Reader;

/// What a control batch says. Types are Kafka's `ControlRecordType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlRecord {
    /// The producer's open transaction on this partition was aborted.
    Abort,
    /// The producer's open transaction on this partition was committed.
    Commit,
    /// Another type: KRaft's own (leader change, snapshot header, …), which clients skip.
    Other(i16),
}

impl RecordBatch {
    /// The type of a control batch, from the key of its (first) record: version i16, type i16.
    ///
    /// A control batch that the cleaner has emptied is [`BatchError::Empty`]: it says nothing any more.
    pub fn control_type(&self) -> Result<ControlRecord, BatchError> {
        if !self.is_control() {
            return Err(BatchError::NotControlBatch { base_offset: self.base_offset() });
        }
        if self.record_count() == 0 {
            return Err(BatchError::Empty);
        }
        let limits = DecodeLimits::default();
        let section = RecordSection::of(self, &limits)?;
        let record = section.next(&mut section.reader(), &mut limits.budget(), 0)?;
        let key = record.key.unwrap_or_default();
        let mut key = Reader::new(&key);
        match key.i16().and_then(|_version| key.i16()) {
            Ok(0) => Ok(ControlRecord::Abort),
            Ok(1) => Ok(ControlRecord::Commit),
            Ok(other) => Ok(ControlRecord::Other(other)),
            Err(error) => Err(BatchError::BadRecord { index: 0, reason: RecordError::Read(error) }),
        }
    }
}
