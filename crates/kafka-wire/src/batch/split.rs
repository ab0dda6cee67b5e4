//! From the `records` field of a fetch response to batches.

use bytes::Bytes;

use super::view::{LENGTH_END, MAGIC_AT};
use super::{BatchError, LegacySet, RecordBatch};

/// What a fetch response holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchedEntry {
    /// A batch of magic 2.
    Batch(RecordBatch),
    /// Consecutive messages of magic 0 or 1, from before Kafka 0.11 or from a very old producer.
    Legacy(LegacySet),
}

impl FetchedEntry {
    /// Where to read on after this entry.
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        match self {
            Self::Batch(batch) => batch.next_offset(),
            Self::Legacy(set) => set.next_offset(),
        }
    }
}

/// Splits the `records` field of a fetch response into batches, without copying.
///
/// A fetch may cut its last batch; that ends the iteration cleanly (see [`Batches::trailing`]). Anything else that is wrong
/// is an `Err`, after which the iteration ends too: nothing after a malformed batch can be trusted.
#[must_use]
pub const fn split(records: Bytes) -> Batches {
    Batches { rest: records, failed: false }
}

/// Iterator over the entries of a fetch response; made by [`split`].
#[derive(Clone, Debug)]
pub struct Batches {
    rest: Bytes,
    failed: bool,
}

/// The frame that magic 0, 1 and 2 have in common.
struct Frame {
    /// Bytes of the whole entry.
    total: usize,
    magic: i8,
}

impl Batches {
    /// Bytes not yet returned: after the last entry, the length of the partial batch at the end.
    #[must_use]
    pub const fn trailing(&self) -> usize {
        self.rest.len()
    }

    /// The frame at `at`; `None` when it is cut.
    fn frame(&self, at: usize) -> Result<Option<Frame>, BatchError> {
        let rest = self.rest.get(at..).unwrap_or_default();
        let (Some(length), Some(magic)) = (rest.get(8..LENGTH_END).and_then(<[u8]>::first_chunk), rest.get(MAGIC_AT))
        else {
            return Ok(None);
        };
        // Offset and length, then at least what magic 0 needs; magic 2 is checked by RecordBatch::parse.
        let minimum = LegacySet::LENGTH_MIN;
        let length = i32::from_be_bytes(*length);
        if length < minimum {
            return Err(BatchError::BadLength { length, minimum });
        }
        // At least 14, so not negative.
        let total = LENGTH_END + length as usize;
        Ok((total <= rest.len()).then_some(Frame { total, magic: *magic as i8 }))
    }

    fn entry(&mut self) -> Result<Option<FetchedEntry>, BatchError> {
        let Some(first) = self.frame(0)? else {
            return Ok(None);
        };
        match first.magic {
            2 => RecordBatch::parse(self.rest.split_to(first.total)).map(FetchedEntry::Batch).map(Some),
            0 | 1 => {
                // Before batches, every message was an entry of its own: take all that follow as one set.
                let mut end = first.total;
                while let Ok(Some(next)) = self.frame(end)
                    && (0..=1).contains(&next.magic)
                {
                    end += next.total;
                }
                LegacySet::new(self.rest.split_to(end)).map(FetchedEntry::Legacy).map(Some)
            }
            magic => Err(BatchError::UnsupportedMagic { magic, expected: "0, 1 or 2" }),
        }
    }
}

impl Iterator for Batches {
    type Item = Result<FetchedEntry, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let entry = self.entry().transpose();
        self.failed = matches!(entry, Some(Err(_)));
        entry
    }
}

impl std::iter::FusedIterator for Batches {}
