//! Batches decoded and encoded anew: without unwanted records, without holes, with the records' own times.
//!
//! The codec stays that of the source batch, so that the target stores what the source stored.

use bytes::Bytes;
use connect_api::ConnectError;
use connect_api::record::{AckedRun, Payload};
use kafka_wire::batch::{self, BatchError, Codec, DecodeLimits, Record, RecordBatch, Stamp};

/// One batch for the target, and which source offsets its records had.
#[derive(Debug, Clone)]
pub struct Piece {
    /// Dense, create time, base offset 0 or the source's.
    pub batch: RecordBatch,
    /// Source offsets of the records in order, as runs of neighbours.
    pub sources: Vec<SourceRun>,
}

/// `count` records with neighbouring source offsets from `first` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceRun {
    /// The first record's source offset.
    pub first: i64,
    /// How many records.
    pub count: i64,
}

impl Piece {
    /// A batch that passes as it is.
    #[must_use]
    pub fn passed(batch: RecordBatch) -> Self {
        let count = i64::from(batch.last_offset_delta()) + 1;
        Self { sources: vec![SourceRun { first: batch.base_offset(), count }], batch }
    }

    /// How many records are in it.
    #[must_use]
    pub fn record_count(&self) -> i64 {
        self.sources.iter().map(|run| run.count).sum()
    }

    /// Where the records are once the target has answered with a base offset.
    #[must_use]
    pub fn acked_at(&self, base_offset: i64) -> Vec<AckedRun> {
        let mut target_offset = base_offset;
        self.sources
            .iter()
            .map(|run| {
                let acked = AckedRun { source_offset: run.first, target_offset, count: run.count };
                target_offset += run.count;
                acked
            })
            .collect()
    }
}

/// The wanted records of a payload as one piece, or nothing if none is left.
pub fn rewrite(payload: &Payload, first_wanted: i64) -> Result<Option<Piece>, ConnectError> {
    let (records, codec) = wanted_records(payload, first_wanted)?;
    encode(&records, codec)
}

/// The wanted records of a payload, and the codec they were in.
pub fn wanted_records(payload: &Payload, first_wanted: i64) -> Result<(Vec<Record>, Codec), ConnectError> {
    let (mut records, codec) = match payload {
        Payload::Batch(batch) => (decode(batch)?, batch.codec().map_err(unreadable)?),
        Payload::Records(records) => (records.clone(), Codec::None),
    };
    records.retain(|record| record.offset >= first_wanted);
    Ok((records, codec))
}

/// A piece in two halves, for a target that does not take the whole. `None`: it is a single record already.
///
/// The halves keep the source offsets that the piece knows; its own batch may have been encoded anew before.
pub fn halves(piece: &Piece) -> Result<Option<[Piece; 2]>, ConnectError> {
    let mut records = decode(&piece.batch)?;
    if records.len() < 2 {
        return Ok(None);
    }
    let sources = piece.sources.iter().flat_map(|run| run.first..run.first + run.count);
    for (record, source) in records.iter_mut().zip(sources) {
        record.offset = source;
    }
    let codec = piece.batch.codec().map_err(unreadable)?;
    let second = records.split_off(records.len() / 2);
    match (encode(&records, codec)?, encode(&second, codec)?) {
        (Some(first), Some(second)) => Ok(Some([first, second])),
        _ => Ok(None),
    }
}

/// A piece in parts that are smaller than `limit` bytes, as far as it can be split.
pub fn smaller(piece: Piece, limit: usize) -> Result<Vec<Piece>, ConnectError> {
    if piece.batch.len() < limit {
        return Ok(vec![piece]);
    }
    let Some([first, second]) = halves(&piece)? else { return Ok(vec![piece]) };
    let mut parts = smaller(first, limit)?;
    parts.extend(smaller(second, limit)?);
    Ok(parts)
}

fn decode(batch: &RecordBatch) -> Result<Vec<Record>, ConnectError> {
    // What is encoded gets a CRC of its own, so the bytes it comes from must be right.
    batch.verify_crc().and_then(|()| batch.decode(&DecodeLimits::default())).map_err(unreadable)
}

/// Records with their source offsets as one piece.
pub fn encode(records: &[Record], codec: Codec) -> Result<Option<Piece>, ConnectError> {
    if records.is_empty() {
        return Ok(None);
    }
    let bytes: Bytes = batch::encode(records, codec, Stamp::NONE).map_err(unreadable)?;
    let batch = RecordBatch::parse(bytes).map_err(unreadable)?;
    Ok(Some(Piece { batch, sources: source_runs(records) }))
}

fn source_runs(records: &[Record]) -> Vec<SourceRun> {
    let mut runs: Vec<SourceRun> = Vec::new();
    for record in records {
        match runs.last_mut() {
            Some(run) if run.first + run.count == record.offset => run.count += 1,
            _ => runs.push(SourceRun { first: record.offset, count: 1 }),
        }
    }
    runs
}

fn unreadable(error: BatchError) -> ConnectError {
    ConnectError::fatal(format!("a record batch cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(offset: i64) -> Record {
        Record {
            offset,
            timestamp: 1_000 + offset,
            key: Some(Bytes::from(format!("k{offset}"))),
            value: None,
            headers: Vec::new(),
        }
    }

    fn payload(offsets: &[i64]) -> Payload {
        Payload::Records(offsets.iter().map(|offset| record(*offset)).collect())
    }

    #[test]
    fn records_below_the_position_are_left_out() {
        let piece = rewrite(&payload(&[20, 21, 22]), 21).unwrap().unwrap();

        assert_eq!(piece.sources, [SourceRun { first: 21, count: 2 }]);
        assert_eq!(piece.batch.record_count(), 2);
    }

    #[test]
    fn holes_close_and_the_runs_remember_them() {
        let piece = rewrite(&payload(&[5, 6, 9]), 0).unwrap().unwrap();

        assert!(piece.batch.is_dense());
        assert_eq!(
            piece.acked_at(100),
            [
                AckedRun { source_offset: 5, target_offset: 100, count: 2 },
                AckedRun { source_offset: 9, target_offset: 102, count: 1 },
            ]
        );
    }

    #[test]
    fn nothing_wanted_is_no_piece() {
        assert!(rewrite(&payload(&[1, 2]), 3).unwrap().is_none());
    }

    #[test]
    fn halves_keep_the_source_offsets_of_a_piece_that_had_holes() {
        let piece = rewrite(&payload(&[5, 6, 9, 11]), 0).unwrap().unwrap();

        let [first, second] = halves(&piece).unwrap().unwrap();

        assert_eq!(first.sources, [SourceRun { first: 5, count: 2 }]);
        assert_eq!(second.sources, [SourceRun { first: 9, count: 1 }, SourceRun { first: 11, count: 1 }]);
        let keys: Vec<_> =
            second.batch.decode(&DecodeLimits::default()).unwrap().into_iter().map(|record| record.key).collect();
        assert_eq!(keys, [Some(Bytes::from("k9")), Some(Bytes::from("k11"))]);
    }

    #[test]
    fn a_single_record_has_no_halves() {
        let piece = rewrite(&payload(&[5]), 0).unwrap().unwrap();

        assert!(halves(&piece).unwrap().is_none());
    }

    #[test]
    fn parts_are_smaller_than_the_limit_or_single_records() {
        let piece = rewrite(&payload(&[5, 6, 9, 11]), 0).unwrap().unwrap();
        let (whole, single) = (piece.batch.len(), rewrite(&payload(&[5]), 0).unwrap().unwrap().batch.len());

        let count = |limit| smaller(piece.clone(), limit).unwrap().len();

        assert_eq!(count(whole + 1), 1);
        assert_eq!(count(whole), 2);
        assert_eq!(count(single), 4);
        let parts = smaller(piece.clone(), whole).unwrap();
        assert_eq!(parts.iter().flat_map(|part| part.sources.clone()).collect::<Vec<_>>().len(), 3);
    }
}
