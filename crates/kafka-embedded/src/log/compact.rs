//! Compaction, when somebody asks for it: of every key the latest record stays, at the offset where it is.
//!
//! As with Kafka's cleaner, batches keep their offsets, get holes, and disappear when nothing is left in them. Unlike it, the
//! whole log takes part, up to the first open transaction, and nothing waits for `delete.retention.ms`.

use std::collections::HashMap;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::ResponseError as E;
use kafka_wire::batch::{BatchBuilder, Codec, DecodeLimits, Record, RecordBatch, Stamp};

use super::{Log, set_checksum};

const LAST_OFFSET_DELTA_AT: usize = 23;

impl Log {
    /// Removes every record whose key has a later one, aborted records, and tombstones too if `drop_tombstones`.
    pub(crate) fn compact(&mut self, drop_tombstones: bool) -> Result<(), E> {
        let until = self.stable_end();
        let mut latest: HashMap<Bytes, i64> = HashMap::new();
        let mut decoded = Vec::with_capacity(self.batches.len());
        for batch in &self.batches {
            let cleanable = batch.last_offset() < until && !batch.is_control();
            let mut records = Vec::new();
            if cleanable && !self.is_aborted(batch) {
                records = batch.decode(&DecodeLimits::default()).map_err(|_| E::CorruptMessage)?;
                latest.extend(records.iter().filter_map(|record| Some((record.key.clone()?, record.offset))));
            }
            decoded.push((cleanable, records));
        }
        let mut kept = std::collections::VecDeque::new();
        for (batch, (cleanable, records)) in self.batches.iter().zip(decoded) {
            if !cleanable {
                kept.push_back(batch.clone());
                continue;
            }
            let count = batch.record_count();
            let stays = |record: &Record| {
                let newest = record.key.as_ref().is_none_or(|key| latest.get(key) == Some(&record.offset));
                newest && !(drop_tombstones && record.value.is_none())
            };
            let staying: Vec<Record> = records.into_iter().filter(stays).collect();
            if staying.len() == count {
                kept.push_back(batch.clone());
            } else if !staying.is_empty() {
                kept.push_back(with_holes(batch, &staying)?);
            }
        }
        self.bytes = kept.iter().map(RecordBatch::len).sum();
        self.batches = kept;
        Ok(())
    }

    fn is_aborted(&self, batch: &RecordBatch) -> bool {
        batch.is_transactional()
            && self.aborted.iter().any(|aborted| {
                aborted.producer_id == batch.producer_id()
                    && (aborted.first..aborted.last).contains(&batch.base_offset())
            })
    }
}

/// `batch` with nothing but `records`, each at its offset.
fn with_holes(batch: &RecordBatch, records: &[Record]) -> Result<RecordBatch, E> {
    let stamp = Stamp {
        producer_id: batch.producer_id(),
        producer_epoch: batch.producer_epoch(),
        base_sequence: batch.base_sequence(),
        transactional: batch.is_transactional(),
    };
    // The builder numbers records 0, 1, …; holes are numbered by hand, in a batch that is not compressed.
    let mut builder = BatchBuilder::new(Codec::None);
    for record in records {
        builder.push(record).map_err(|_| E::CorruptMessage)?;
    }
    let dense = builder.build(stamp).map_err(|_| E::CorruptMessage)?;
    let mut bytes = BytesMut::from(&dense[..kafka_wire::batch::HEADER_LEN]);
    let first_timestamp = records.first().map_or(0, |record| record.timestamp);
    for record in records {
        put_record(&mut bytes, record, batch.base_offset(), first_timestamp);
    }
    let length = u32::try_from(bytes.len() - 12).map_err(|_| E::CorruptMessage)?;
    bytes[..8].copy_from_slice(&batch.base_offset().to_be_bytes());
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes[12..16].copy_from_slice(&batch.partition_leader_epoch().to_be_bytes());
    bytes[LAST_OFFSET_DELTA_AT..LAST_OFFSET_DELTA_AT + 4].copy_from_slice(&batch.last_offset_delta().to_be_bytes());
    set_checksum(&mut bytes);
    RecordBatch::parse(bytes.freeze()).map_err(|_| E::CorruptMessage)
}

fn put_record(batch: &mut BytesMut, record: &Record, base_offset: i64, base_timestamp: i64) {
    let mut body = BytesMut::new();
    body.put_i8(0);
    put_varint(&mut body, record.timestamp.wrapping_sub(base_timestamp));
    put_varint(&mut body, record.offset - base_offset);
    put_bytes(&mut body, record.key.as_ref());
    put_bytes(&mut body, record.value.as_ref());
    put_varint(&mut body, record.headers.len() as i64);
    for header in &record.headers {
        put_bytes(&mut body, Some(&header.key));
        put_bytes(&mut body, header.value.as_ref());
    }
    put_varint(batch, body.len() as i64);
    batch.extend_from_slice(&body);
}

fn put_bytes(body: &mut BytesMut, bytes: Option<&Bytes>) {
    put_varint(body, bytes.map_or(-1, |bytes| bytes.len() as i64));
    body.extend_from_slice(bytes.map_or(&[], |bytes| &bytes[..]));
}

/// Zigzag, seven bits at a time.
fn put_varint(body: &mut BytesMut, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        body.put_u8((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    body.put_u8(rest as u8);
}
