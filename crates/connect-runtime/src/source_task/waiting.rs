//! Small batches of one lane that would wait in the producer anyway, and what they become: one batch instead of many.
//!
//! A produce request takes one batch per partition, and five of them are under way at most. Behind those, small batches wait
//! here, and when one of the five is acknowledged, as many as fit go out together. Nothing waits that could be sent, so a
//! quiet partition's batches cross as they are, and so do large ones at any time.

use std::collections::VecDeque;

use kafka_client::budget::BudgetPermit;
use kafka_wire::batch::{BatchError, Codec, DecodeLimits, RecordBatch, merge};

use super::lane::Sent;
use super::rewrite::Piece;

/// As many batches of a partition as the producer has under way.
pub const UNDER_WAY_MAX: usize = 5;
/// Batches up to this size are worth a copy: it costs less than requests of their own. Java's default `batch.size` is below.
const SMALL_BYTES: usize = 20 << 10;
/// The same for compressed ones, which must be unpacked and packed.
const SMALL_COMPRESSED_BYTES: usize = 2 << 10;
/// A merged batch is of about this size, before compression of what it adds.
const MERGED_BYTES_MAX: usize = 128 << 10;

/// A piece that is not with the producer yet.
#[derive(Debug)]
pub struct Outgoing {
    /// Its lane.
    pub lane: usize,
    /// What is to be sent.
    pub sent: Sent,
    /// The fetch budget that the batch holds, if it passes as it is.
    pub permit: Option<BudgetPermit>,
    /// A batch as the source has it, not counted yet as one that passed.
    pub passes: bool,
    /// Its turn has come: it is sent before all of its lane that waits.
    pub due: bool,
    /// May share a batch with its neighbours.
    pub small: bool,
}

impl Outgoing {
    /// A piece for the first time.
    #[must_use]
    pub fn new(lane: usize, sent: Sent, permit: Option<BudgetPermit>, passes: bool) -> Self {
        let small = is_small(&sent.piece.batch);
        Self { lane, sent, permit, passes, due: false, small }
    }

    /// A piece that goes out before others, and as it is.
    #[must_use]
    pub fn due(lane: usize, sent: Sent) -> Self {
        Self { lane, sent, permit: None, passes: false, due: true, small: false }
    }
}

fn is_small(batch: &RecordBatch) -> bool {
    let limit = if batch.codec() == Ok(Codec::None) { SMALL_BYTES } else { SMALL_COMPRESSED_BYTES };
    batch.len() <= limit
}

/// The pieces of one lane that wait, in order.
#[derive(Debug)]
pub struct Waiting {
    queue: VecDeque<Outgoing>,
    merged_bytes_max: usize,
}

impl Default for Waiting {
    fn default() -> Self {
        Self { queue: VecDeque::new(), merged_bytes_max: MERGED_BYTES_MAX }
    }
}

impl Waiting {
    /// Nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Behind all others.
    pub fn push(&mut self, outgoing: Outgoing) {
        self.queue.push_back(outgoing);
    }

    /// Nothing of it is sent any more.
    pub fn clear(&mut self) {
        self.queue.clear();
    }

    /// The target takes no batch of so many bytes.
    pub fn refused(&mut self, bytes: usize) {
        self.merged_bytes_max = self.merged_bytes_max.min(bytes / 2);
    }

    /// What is to be sent next, due: the first piece, with those behind it that fit into one batch of less than `limit` bytes.
    /// Answers also with how many batches of the source have been merged in it.
    ///
    /// Batches that can't be merged, because one of them is damaged, go out as they are: the target says what it thinks of them.
    pub fn next(&mut self, limit: usize) -> Option<(Outgoing, u64)> {
        let count = self.mergeable(self.merged_bytes_max.min(limit.saturating_sub(1)));
        if count > 1 {
            match self.merged(count) {
                Ok(merged) => return Some(merged),
                Err(error) => {
                    tracing::debug!(%error, batches = count, "batches not merged");
                    self.queue.iter_mut().take(count).for_each(|outgoing| outgoing.small = false);
                }
            }
        }
        self.queue.pop_front().map(|outgoing| (Outgoing { due: true, ..outgoing }, 0))
    }

    /// How many from the first on share a batch.
    fn mergeable(&self, bytes_max: usize) -> usize {
        let Some(first) = self.queue.front() else { return 0 };
        let mut bytes = 0;
        let fits = |outgoing: &&Outgoing| {
            let (batch, sent) = (&outgoing.sent.piece.batch, &outgoing.sent);
            bytes += batch.len();
            outgoing.small
                && bytes <= bytes_max
                && batch.codec() == first.sent.piece.batch.codec()
                && (sent.partition, &sent.topic) == (first.sent.partition, &first.sent.topic)
        };
        self.queue.iter().take_while(fits).count()
    }

    fn merged(&mut self, count: usize) -> Result<(Outgoing, u64), BatchError> {
        let batches: Vec<RecordBatch> =
            self.queue.iter().take(count).map(|outgoing| outgoing.sent.piece.batch.clone()).collect();
        let batch = merge(&batches, &DecodeLimits::default())?;
        let (mut units, mut sources) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let (mut passed, mut target) = (0, None);
        for outgoing in self.queue.drain(..count) {
            let Sent { units: its_units, topic, partition, piece } = outgoing.sent;
            units.extend(its_units);
            sources.extend(piece.sources);
            passed += u64::from(outgoing.passes);
            target.get_or_insert((outgoing.lane, topic, partition));
        }
        let (lane, topic, partition) = target.ok_or(BatchError::Empty)?;
        Ok((Outgoing::due(lane, Sent { units, topic, partition, piece: Piece { batch, sources } }), passed))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kafka_wire::batch::{Record, Stamp, encode};

    use super::*;
    use crate::source_task::lane::Share;
    use crate::source_task::rewrite::SourceRun;

    fn outgoing(unit: u64, value_bytes: usize, codec: Codec) -> Outgoing {
        let value = Some(Bytes::from(vec![unit as u8; value_bytes]));
        let record = Record { timestamp: 1_000 + unit as i64, value, ..Record::default() };
        let batch = RecordBatch::parse(encode(&[record], codec, Stamp::NONE).unwrap()).unwrap();
        let piece = Piece { batch, sources: vec![SourceRun { first: 10 * unit as i64, count: 1 }] };
        Outgoing::new(3, Sent::of(unit, "t".into(), 0, piece), None, true)
    }

    fn waiting(pieces: impl IntoIterator<Item = Outgoing>) -> Waiting {
        let mut waiting = Waiting::default();
        pieces.into_iter().for_each(|piece| waiting.push(piece));
        waiting
    }

    fn units(outgoing: &Outgoing) -> Vec<u64> {
        outgoing.sent.units.iter().map(|share| share.unit).collect()
    }

    #[test]
    fn small_neighbours_become_one_batch_that_knows_whose_records_it_has() {
        let mut waiting = waiting((0..4).map(|unit| outgoing(unit, 10, Codec::None)));

        let (merged, count) = waiting.next(usize::MAX).unwrap();

        assert!(waiting.is_empty() && merged.due && !merged.small);
        assert_eq!((count, merged.sent.piece.batch.record_count()), (4, 4));
        assert_eq!(merged.sent.units, (0..4).map(|unit| Share { unit, records: 1 }).collect::<Vec<_>>());
        assert_eq!(merged.sent.piece.sources[3], SourceRun { first: 30, count: 1 });
        let records = merged.sent.piece.batch.decode(&DecodeLimits::default()).unwrap();
        assert_eq!(records[3].timestamp, 1_003);
    }

    #[test]
    fn large_batches_and_other_codecs_stay_alone_and_in_order() {
        let pieces = [
            outgoing(0, 10, Codec::None),
            outgoing(1, 30 << 10, Codec::None),
            outgoing(2, 10, Codec::None),
            outgoing(3, 10, Codec::None),
            outgoing(4, 10, Codec::Lz4),
        ];
        let mut waiting = waiting(pieces);

        let sent: Vec<_> = std::iter::from_fn(|| waiting.next(usize::MAX)).map(|(next, n)| (units(&next), n)).collect();

        assert_eq!(sent, [(vec![0], 0), (vec![1], 0), (vec![2, 3], 2), (vec![4], 0)]);
    }

    #[test]
    fn a_merged_batch_is_not_larger_than_the_target_takes() {
        let piece = |unit| outgoing(unit, 1_000, Codec::None);
        let one = piece(0).sent.piece.batch.len();

        let (limited, _) = waiting((0..10).map(piece)).next(3 * one + 1).unwrap();
        assert_eq!(units(&limited), [0, 1, 2]);

        let mut waiting = waiting((0..10).map(piece));
        waiting.refused(4 * one);
        assert_eq!(units(&waiting.next(usize::MAX).unwrap().0), [0, 1]);
    }

    #[test]
    fn a_damaged_batch_goes_out_as_it_is_and_so_do_its_neighbours() {
        let mut damaged = outgoing(1, 10, Codec::None);
        let mut bytes = damaged.sent.piece.batch.as_bytes().to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        damaged.sent.piece.batch = RecordBatch::parse(bytes.into()).unwrap();
        let mut waiting = waiting([outgoing(0, 10, Codec::None), damaged, outgoing(2, 10, Codec::None)]);

        for unit in 0..3 {
            let (next, merged) = waiting.next(usize::MAX).unwrap();
            assert_eq!((units(&next), merged, next.passes), (vec![unit], 0, true));
        }
    }
}
