//! From what the plug-in hands out to units and the pieces they are sent as.

use std::sync::Arc;

use connect_api::ConnectError;
use connect_api::record::{Payload, Polled, SourceBatch, SourcePartition, SourceRecord};
use kafka_client::budget::BudgetPermit;

use super::lane::{Lane, Sent};
use super::path::{Path, Reason, path};
use super::records;
use super::rewrite::{Piece, rewrite, smaller};
use super::run_loop::{OpenUnit, RECORD_LANES, RunLoop, now_ms};
use super::sending::too_large;
use super::submitted::UnitId;
use super::waiting::Outgoing;

impl RunLoop {
    fn note_poll(&mut self, records: u64) {
        let now_ms = now_ms();
        if records > 0 {
            self.stats.polled(records, now_ms - self.polled_at_ms, now_ms);
        }
        self.polled_at_ms = now_ms;
    }

    pub(super) fn take(&mut self, polled: Polled) -> Result<(), ConnectError> {
        match polled {
            Polled::Batches(batches) => {
                self.note_poll(batches.iter().map(|batch| payload_records(&batch.payload)).sum());
                batches.into_iter().try_for_each(|batch| self.take_batch(batch))
            }
            Polled::Records(records) => self.take_records(records),
        }
    }

    fn take_batch(&mut self, batch: SourceBatch) -> Result<(), ConnectError> {
        if self.lanes.get(&batch.tag).is_some_and(Lane::is_dead) {
            return Ok(());
        }
        let way = match (self.record_path.reason(), &batch.payload) {
            (Some(reason), _) => Path::Rewrite(reason),
            (None, Payload::Batch(wire)) => path(wire, batch.first_wanted),
            (None, Payload::Records(_)) => Path::Rewrite(Reason::OldFormat),
        };
        if way != Path::Pass {
            // Those that pass are counted when it is known that they do.
            self.stats.count(way);
        }
        let records = payload_records(&batch.payload);
        let pieces = match self.pieces(way, &batch) {
            Ok(pieces) => pieces,
            Err(error) => return self.stand_still(batch.tag, error),
        };
        let (mut hold, mut permit) = (batch.hold, None);
        if way == Path::Pass {
            // A batch that passes is paid for by its fetch until it is acknowledged.
            match hold.map(|hold| hold.downcast::<BudgetPermit>()) {
                Some(Ok(paid)) => (hold, permit) = (None, Some(*paid)),
                Some(Err(other)) => hold = Some(other),
                None => hold = None,
            }
        }
        let unit = self.submitted.submit(batch.tag, &batch.source_partition, batch.source_offset);
        self.stats.taken(records, self.polled_at_ms);
        let (lane, topic) = (batch.tag, batch.topic);
        let open = OpenUnit { lane, topic, pieces: pieces.len(), records, runs: Vec::new(), single: None, _hold: hold };
        self.open_unit(unit, open, pieces, permit, way == Path::Pass);
        Ok(())
    }

    /// What a batch becomes, and for which partitions of the target.
    fn pieces(&mut self, way: Path, batch: &SourceBatch) -> Result<Vec<(Arc<str>, i32, Piece)>, ConnectError> {
        let whole = |piece| vec![(Arc::clone(&batch.topic), batch.partition, piece)];
        let pieces = match (way, &batch.payload) {
            (Path::Pass, Payload::Batch(wire)) => whole(Piece::passed(wire.clone())),
            (Path::Rewrite(Reason::Transforms | Reason::Converters), _) => {
                records::transform(batch, |record| self.record_path.apply(record))?
            }
            (_, payload) => rewrite(payload, batch.first_wanted)?.map(whole).unwrap_or_default(),
        };
        self.fit(pieces)
    }

    /// Lines up the pieces of a unit; without any it is done.
    fn open_unit(
        &mut self,
        unit: UnitId,
        open: OpenUnit,
        pieces: Vec<(Arc<str>, i32, Piece)>,
        mut permit: Option<BudgetPermit>,
        passes: bool,
    ) {
        let lane = open.lane;
        self.units.insert(unit, open);
        if pieces.is_empty() {
            let acks = self.close_unit(unit);
            return self.acked(lane, acks);
        }
        for (topic, partition, piece) in pieces {
            let sent = Sent::of(unit, topic, partition, piece);
            let outgoing = Outgoing::new(lane, sent, permit.take(), passes);
            // Single records are not paid for, so none of them may wait where polling does not notice.
            let small = outgoing.small && lane < RECORD_LANES;
            self.outgoing.push_back(Outgoing { small, ..outgoing });
        }
    }

    /// Pieces in parts, where the topic is known to take none of their size.
    fn fit(&self, pieces: Vec<(Arc<str>, i32, Piece)>) -> Result<Vec<(Arc<str>, i32, Piece)>, ConnectError> {
        if self.limits.is_empty() {
            return Ok(pieces);
        }
        let mut fitting = Vec::with_capacity(pieces.len());
        for (topic, partition, piece) in pieces {
            let limit = self.limits.get(&topic).copied().unwrap_or(usize::MAX);
            for part in smaller(piece, limit)? {
                if part.batch.len() >= limit {
                    return Err(too_large(&topic, partition, &part));
                }
                fitting.push((Arc::clone(&topic), partition, part));
            }
        }
        Ok(fitting)
    }

    fn take_records(&mut self, records: Vec<SourceRecord>) -> Result<(), ConnectError> {
        self.note_poll(records.len() as u64);
        let metadata = self.cluster.metadata();
        let partitions = |topic: &str| metadata.topics.get(topic).map_or(1, |info| info.partitions.len().max(1)) as i32;
        let now_ms = now_ms();
        for group in records::group(records, |record| self.record_path.apply(record), partitions)? {
            let piece = group.encode(self.producer.options().codec)?;
            let records = piece.as_ref().map_or(0, |piece| piece.record_count().unsigned_abs());
            let target = (Arc::clone(&group.topic), group.partition);
            let pieces = self.fit(piece.map(|piece| (target.0, target.1, piece)).into_iter().collect())?;
            let lane = self.record_lane(&group.source_partition);
            let unit = self.submitted.submit(lane, &group.source_partition, group.source_offset);
            self.stats.taken(records, now_ms);
            let (topic, single) = (group.topic, Some(group.source_partition));
            let open = OpenUnit { lane, topic, pieces: pieces.len(), records, runs: Vec::new(), single, _hold: None };
            self.open_unit(unit, open, pieces, None, false);
        }
        Ok(())
    }

    fn record_lane(&mut self, partition: &SourcePartition) -> usize {
        let next = RECORD_LANES + self.record_lanes.len();
        *self.record_lanes.entry(partition.to_json()).or_insert(next)
    }
}

fn payload_records(payload: &Payload) -> u64 {
    match payload {
        Payload::Batch(batch) => u64::try_from(batch.record_count()).unwrap_or(0),
        Payload::Records(records) => records.len() as u64,
    }
}
