//! What a partition remembers of idempotent producers: the last five batches of each, so that one that comes again is seen.

use std::collections::{HashMap, VecDeque};

use kafka_protocol::ResponseError as E;
use kafka_wire::batch::RecordBatch;

/// As many batches as a producer may have in flight.
const REMEMBERED: usize = 5;

#[derive(Clone, Copy, Debug)]
struct Remembered {
    first_sequence: i32,
    last_sequence: i32,
    base_offset: i64,
}

#[derive(Debug, Default)]
struct Producer {
    epoch: i16,
    batches: VecDeque<Remembered>,
}

/// Producers by id.
#[derive(Debug, Default)]
pub(super) struct Producers(HashMap<i64, Producer>);

/// What the sequence number of a batch says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sequence {
    /// It is the next one.
    Next,
    /// It is there already.
    Duplicate { base_offset: i64 },
}

impl Producers {
    /// A producer that is not known may begin with any number, as after its state has expired.
    pub(super) fn check(&self, batch: &RecordBatch) -> Result<Sequence, E> {
        if batch.producer_id() < 0 {
            return Ok(Sequence::Next);
        }
        let Some(known) = self.0.get(&batch.producer_id()) else { return Ok(Sequence::Next) };
        let (first, last) = sequences(batch);
        if batch.producer_epoch() < known.epoch {
            return Err(E::InvalidProducerEpoch);
        }
        if batch.producer_epoch() > known.epoch {
            return if first == 0 { Ok(Sequence::Next) } else { Err(E::OutOfOrderSequenceNumber) };
        }
        let same = known.batches.iter().find(|seen| (seen.first_sequence, seen.last_sequence) == (first, last));
        match (same, known.batches.back()) {
            (Some(seen), _) => Ok(Sequence::Duplicate { base_offset: seen.base_offset }),
            (None, Some(newest)) if first == after(newest.last_sequence) => Ok(Sequence::Next),
            (None, Some(newest)) if first <= newest.last_sequence && last <= newest.last_sequence => {
                Err(E::DuplicateSequenceNumber)
            }
            (None, Some(_)) => Err(E::OutOfOrderSequenceNumber),
            // All that is left of it is a marker.
            (None, None) if first == 0 => Ok(Sequence::Next),
            (None, None) => Err(E::OutOfOrderSequenceNumber),
        }
    }

    pub(super) fn appended(&mut self, batch: &RecordBatch, base_offset: i64) {
        if batch.producer_id() < 0 {
            return;
        }
        let producer = self.0.entry(batch.producer_id()).or_default();
        if producer.epoch != batch.producer_epoch() {
            *producer = Producer { epoch: batch.producer_epoch(), batches: VecDeque::new() };
        }
        let (first_sequence, last_sequence) = sequences(batch);
        producer.batches.push_back(Remembered { first_sequence, last_sequence, base_offset });
        if producer.batches.len() > REMEMBERED {
            producer.batches.pop_front();
        }
    }

    /// A marker with a newer epoch fences what the old one may still send.
    pub(super) fn ended(&mut self, producer_id: i64, epoch: i16) {
        let producer = self.0.entry(producer_id).or_default();
        if epoch > producer.epoch {
            *producer = Producer { epoch, batches: VecDeque::new() };
        }
    }

    /// Batches from `offset` on were lost.
    pub(super) fn forget_from(&mut self, offset: i64) {
        for producer in self.0.values_mut() {
            producer.batches.retain(|batch| batch.base_offset < offset);
        }
        self.0.retain(|_, producer| !producer.batches.is_empty());
    }
}

/// First and last number of a batch; they begin again at 0 after the largest.
fn sequences(batch: &RecordBatch) -> (i32, i32) {
    let first = batch.base_sequence();
    (first, add(first, batch.last_offset_delta()))
}

fn after(sequence: i32) -> i32 {
    add(sequence, 1)
}

fn add(sequence: i32, more: i32) -> i32 {
    sequence.checked_add(more).unwrap_or_else(|| more - (i32::MAX - sequence) - 1)
}
