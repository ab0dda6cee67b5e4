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

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};

    use super::*;
    use crate::batch::{Codec, Record, Stamp, encode};

    fn control_batch(key: Option<&'static [u8]>) -> RecordBatch {
        let record = Record { key: key.map(Bytes::from_static), ..Record::default() };
        let mut bytes = BytesMut::from(&encode(&[record], Codec::None, Stamp::NONE).unwrap()[..]);
        bytes[22] |= 1 << 5;
        RecordBatch::parse(bytes.freeze()).unwrap()
    }

    #[test]
    fn the_key_says_what_it_is() {
        assert_eq!(control_batch(Some(&[0, 0, 0, 0])).control_type(), Ok(ControlRecord::Abort));
        assert_eq!(control_batch(Some(&[0, 0, 0, 1])).control_type(), Ok(ControlRecord::Commit));
        // A later version may have more fields behind the type.
        assert_eq!(control_batch(Some(&[0, 1, 0, 1, 9, 9])).control_type(), Ok(ControlRecord::Commit));
        assert_eq!(control_batch(Some(&[0, 0, 0, 2])).control_type(), Ok(ControlRecord::Other(2)));
    }

    #[test]
    fn a_key_that_is_missing_or_too_short_is_an_error() {
        for key in [None, Some(&[0, 0, 0][..])] {
            assert!(matches!(control_batch(key).control_type(), Err(BatchError::BadRecord { index: 0, .. })));
        }
    }

    #[test]
    fn an_emptied_control_batch_says_nothing() {
        let mut bytes = BytesMut::from(&control_batch(None).as_bytes()[..]);
        bytes[57..61].fill(0);

        assert_eq!(RecordBatch::parse(bytes.freeze()).unwrap().control_type(), Err(BatchError::Empty));
    }
}
