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

    /// Its bytes, as they crossed the wire.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        match self {
            Self::Batch(batch) => batch.len(),
            Self::Legacy(set) => set.as_bytes().len(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Codec, Record, Stamp, encode};

    fn batch() -> Bytes {
        encode(&[Record::default()], Codec::None, Stamp::NONE).unwrap()
    }

    /// A message of magic 0 or 1 with null key and value; the checksum is left out.
    fn message(offset: i64, magic: u8) -> Vec<u8> {
        let timestamp: &[u8] = if magic == 0 { &[] } else { &[0; 8] };
        let body = [&[0; 4], &[magic, 0][..], timestamp, &[0xff; 8]].concat();
        [&offset.to_be_bytes()[..], &(body.len() as i32).to_be_bytes(), &body].concat()
    }

    #[test]
    fn nothing_is_no_batches() {
        assert_eq!(split(Bytes::new()).next(), None);
    }

    #[test]
    fn batches_share_the_memory_of_the_fetch() {
        let records: Bytes = [batch(), batch()].concat().into();

        let entries: Vec<_> = split(records.clone()).collect::<Result<_, _>>().unwrap();

        assert_eq!(entries.len(), 2);
        let Some(FetchedEntry::Batch(second)) = entries.last() else { panic!("not a batch") };
        assert_eq!(second.as_bytes().as_ptr(), records[batch().len()..].as_ptr());
    }

    #[test]
    fn old_messages_in_a_row_are_one_set() {
        let records = [message(7, 0), message(8, 1), message(9, 1), batch().to_vec(), message(12, 1)].concat();

        let entries: Vec<_> = split(records.into()).collect::<Result<_, _>>().unwrap();

        let next: Vec<_> = entries.iter().map(FetchedEntry::next_offset).collect();
        assert_eq!(next, [10, 1, 13]);
    }

    #[test]
    fn a_set_of_old_messages_ends_before_the_cut() {
        let records = [message(7, 0), message(8, 1)].concat();

        let mut batches = split(Bytes::from(records).slice(..message(7, 0).len() + 20));

        assert_eq!(batches.next().unwrap().unwrap().next_offset(), 8);
        assert_eq!(batches.next(), None);
        assert_eq!(batches.trailing(), 20);
    }

    #[test]
    fn after_something_malformed_nothing_more_is_returned() {
        let cases: [(usize, &[u8], BatchError); 4] = [
            (16, &[3], BatchError::UnsupportedMagic { magic: 3, expected: "0, 1 or 2" }),
            (8, &(-5_i32).to_be_bytes(), BatchError::BadLength { length: -5, minimum: 14 }),
            (8, &20_i32.to_be_bytes(), BatchError::Truncated { needed: 61, available: 32 }),
            (57, &(-1_i32).to_be_bytes(), BatchError::BadHeader { field: "recordsCount", value: -1 }),
        ];
        for (at, field, error) in cases {
            let mut bad = batch().to_vec();
            bad[at..at + field.len()].copy_from_slice(field);

            let entries: Vec<_> = split([&batch(), &bad[..], &batch()].concat().into()).collect();

            assert_eq!(entries.len(), 2, "{error}");
            assert!(entries[0].is_ok());
            assert_eq!(entries[1], Err(error));
        }
    }

    #[test]
    fn an_old_message_without_a_possible_offset_is_refused() {
        let entry = split(message(-1, 1).into()).next().unwrap();

        assert_eq!(entry, Err(BatchError::BadHeader { field: "offset", value: -1 }));
    }
}
