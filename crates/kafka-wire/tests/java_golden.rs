//! Batches that Apache Kafka 4.3.0 wrote, read by us, held against what Kafka read (`tests/golden/README.md`).
//!
//! - every field of a header, every record, every header of a record is what Java sees;
//! - every checksum verifies;
//! - restamped batches, too, hold the same records and a right checksum;
//! - records that Java wrote, encoded by us, are the same records.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;

use bytes::{Bytes, BytesMut};
use kafka_wire::batch::{
    BatchError, Codec, ControlRecord, DecodeLimits, FetchedEntry, Record, RecordBatch, Stamp, TimestampType, encode,
    split,
};

const GOLDEN: &str = include_str!("golden/java-4.3.0.txt");
const LIMITS: DecodeLimits = DecodeLimits { decompressed_bytes_max: 1 << 20, list_bytes_max: 1 << 20 };

struct GoldenSet {
    name: &'static str,
    bytes: Bytes,
    /// Kafka's reading: the lines `batch`, `record` and `control`.
    reading: Vec<&'static str>,
}

impl GoldenSet {
    fn entries(&self) -> Vec<FetchedEntry> {
        let mut batches = split(self.bytes.clone());
        let entries: Vec<_> = batches.by_ref().collect::<Result<_, _>>().unwrap();
        assert_eq!(batches.trailing(), 0, "{}", self.name);
        entries
    }

    fn batch(&self) -> RecordBatch {
        RecordBatch::parse(self.bytes.clone()).unwrap()
    }
}

fn golden_sets() -> Vec<GoldenSet> {
    let mut sets: Vec<GoldenSet> = Vec::new();
    for line in GOLDEN.lines() {
        match (line.split_once(' ').unwrap(), sets.last_mut()) {
            (("set", name), _) => sets.push(GoldenSet { name, bytes: Bytes::new(), reading: Vec::new() }),
            (("bytes", hex), Some(set)) => set.bytes = from_hex(hex),
            (_, Some(set)) => set.reading.push(line),
            (_, None) => panic!("{line} before the first set"),
        }
    }
    sets
}

fn golden(name: &str) -> GoldenSet {
    golden_sets().into_iter().find(|set| set.name == name).unwrap()
}

fn from_hex(hex: &str) -> Bytes {
    hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// The lines that `GoldenBatches.java` prints, from our reading.
fn describe(entries: &[FetchedEntry]) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in entries {
        let records = match entry {
            FetchedEntry::Legacy(set) => {
                set.verify_crc().unwrap();
                set.decode(&LIMITS).unwrap()
            }
            FetchedEntry::Batch(batch) => {
                batch.verify_crc().unwrap();
                lines.push(batch_line(batch));
                if batch.is_control() {
                    lines.push(control_line(batch.control_type().unwrap()).to_owned());
                    continue;
                }
                batch.decode(&LIMITS).unwrap()
            }
        };
        lines.extend(records.iter().map(record_line));
    }
    lines
}

fn batch_line(batch: &RecordBatch) -> String {
    format!(
        "batch {} {} {} {} {} {} {} {} {} {} {} {} {} {}",
        batch.base_offset(),
        batch.last_offset(),
        batch.record_count(),
        batch.codec().unwrap(),
        match batch.timestamp_type() {
            TimestampType::CreateTime => "CreateTime",
            TimestampType::LogAppendTime => "LogAppendTime",
        },
        batch.is_transactional(),
        batch.is_control(),
        batch.has_delete_horizon(),
        batch.partition_leader_epoch(),
        batch.max_timestamp(),
        batch.producer_id(),
        batch.producer_epoch(),
        batch.base_sequence(),
        batch.crc(),
    )
}

fn control_line(control: ControlRecord) -> &'static str {
    match control {
        ControlRecord::Abort => "control ABORT",
        ControlRecord::Commit => "control COMMIT",
        ControlRecord::Other(2) => "control LEADER_CHANGE",
        ControlRecord::Other(_) => "control UNKNOWN",
    }
}

fn record_line(record: &Record) -> String {
    let headers: Vec<_> = record
        .headers
        .iter()
        .map(|header| format!("{}:{}", to_hex(Some(&header.key)), to_hex(header.value.as_ref())))
        .collect();
    let (key, value) = (to_hex(record.key.as_ref()), to_hex(record.value.as_ref()));
    format!("record {} {} {key} {value} [{}]", record.offset, record.timestamp, headers.join(","))
}

fn to_hex(bytes: Option<&Bytes>) -> String {
    match bytes {
        None => "null".to_owned(),
        Some(bytes) if bytes.len() > 1000 => format!("crc32c:{}:{}", bytes.len(), crc32c::crc32c(bytes)),
        Some(bytes) => bytes.iter().fold("x".to_owned(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        }),
    }
}

#[test]
fn every_batch_reads_as_kafka_reads_it() {
    let sets = golden_sets();
    assert_eq!(sets.len(), 32, "the golden file is not cut short");

    for set in sets {
        assert_eq!(describe(&set.entries()), set.reading, "{}", set.name);
    }
}

#[test]
fn sets_in_a_row_read_as_each_alone() {
    let sets = golden_sets();
    let all: BytesMut = sets.iter().flat_map(|set| set.bytes.clone()).collect();

    let entries: Vec<_> = split(all.freeze()).collect::<Result<_, _>>().unwrap();

    let one_by_one: Vec<_> = sets.iter().flat_map(|set| set.reading.clone()).collect();
    assert_eq!(describe(&entries), one_by_one);
    assert!(entries.len() < sets.len(), "message sets of magic 0 and 1 are taken together");
}

#[test]
fn a_fetch_cut_anywhere_in_its_last_batch_gives_the_ones_before() {
    let (first, last) = (golden("zstd").bytes, golden("lz4").bytes);
    let whole: Bytes = [&first[..], &last[..]].concat().into();

    for cut in 0..last.len() {
        let mut batches = split(whole.slice(..first.len() + cut));
        let entries: Vec<_> = batches.by_ref().collect::<Result<_, _>>().unwrap();

        assert_eq!(entries.len(), 1, "{cut}");
        assert_eq!(batches.trailing(), cut);
    }
}

#[test]
fn restamped_batches_keep_their_records_and_carry_their_crc() {
    let stamp = Stamp { producer_id: 77_000_000_001, producer_epoch: 12, base_sequence: i32::MAX, transactional: true };
    for set in golden_sets() {
        for entry in set.entries() {
            let FetchedEntry::Batch(batch) = entry else { continue };

            let restamped = RecordBatch::parse(batch.restamp(stamp).to_bytes()).unwrap();

            restamped.verify_crc().unwrap();
            assert_eq!(restamped.base_offset(), 0);
            assert_eq!(restamped.partition_leader_epoch(), -1);
            assert_eq!(restamped.producer_id(), stamp.producer_id);
            assert_eq!(restamped.producer_epoch(), stamp.producer_epoch);
            assert_eq!(restamped.base_sequence(), stamp.base_sequence);
            assert!(restamped.is_transactional());
            assert!(!restamped.has_delete_horizon());
            assert_eq!(restamped.payload(), batch.payload());
            if batch.is_control() {
                continue;
            }
            let mut records = batch.decode(&LIMITS).unwrap();
            records.iter_mut().for_each(|record| record.offset -= batch.base_offset());
            assert_eq!(restamped.decode(&LIMITS).unwrap(), records, "{}", set.name);
        }
    }
}

#[test]
fn a_payload_bit_that_flips_is_still_found_after_a_restamp() {
    let batch = golden("lz4").batch();
    let mut bytes = BytesMut::from(&batch.as_bytes()[..]);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let flipped = RecordBatch::parse(bytes.freeze()).unwrap();

    let restamped = RecordBatch::parse(flipped.restamp(Stamp::NONE).to_bytes()).unwrap();

    assert!(matches!(restamped.verify_crc(), Err(BatchError::CrcMismatch { base_offset: 0, .. })));
}

#[test]
fn a_restamp_with_the_batchs_own_identity_gives_the_batch() {
    let batch = golden("none").batch();

    let restamped = batch.restamp(Stamp::NONE);

    // Base offset apart, which is outside the checksum.
    assert_eq!(restamped.to_bytes()[8..], batch.as_bytes()[8..]);
    assert_eq!(restamped.len(), batch.len());
}

#[test]
fn records_of_kafka_encode_to_the_same_records() {
    for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        for name in ["none", "lz4-large"] {
            let mut records = golden(name).batch().decode(&LIMITS).unwrap();
            let base_offset = records[0].offset;

            let encoded = RecordBatch::parse(encode(&records, codec, Stamp::NONE).unwrap()).unwrap();

            encoded.verify_crc().unwrap();
            records.iter_mut().for_each(|record| record.offset -= base_offset);
            assert_eq!(encoded.decode(&LIMITS).unwrap(), records, "{codec}");
            assert!(encoded.is_dense());
        }
    }
}

#[test]
fn without_compression_we_write_byte_for_byte_what_kafka_writes() {
    for name in ["none", "no-timestamp"] {
        let batch = golden(name).batch();

        let encoded = encode(&batch.decode(&LIMITS).unwrap(), Codec::None, Stamp::NONE).unwrap();

        assert_eq!(encoded[8..], batch.as_bytes()[8..], "{name}");
    }
}

#[test]
fn compaction_leaves_batches_that_are_not_dense() {
    for (name, dense) in [("none", true), ("compacted", false), ("emptied", false), ("delete-horizon", true)] {
        assert_eq!(golden(name).batch().is_dense(), dense, "{name}");
    }
    assert_eq!(golden("emptied").batch().next_offset(), 65);
}

#[test]
fn a_control_batch_has_no_records_and_others_have_no_markers() {
    assert_eq!(golden("commit").batch().decode(&LIMITS), Err(BatchError::ControlBatch { base_offset: 50 }));
    assert_eq!(golden("none").batch().control_type(), Err(BatchError::NotControlBatch { base_offset: 100 }));
}

#[test]
fn a_corrupt_message_of_an_old_set_is_found() {
    // A byte of the first key, and one of the compressed message set.
    for (name, at) in [("magic0-none", 22), ("magic1-gzip", 60)] {
        let mut bytes = BytesMut::from(&golden(name).bytes[..]);
        bytes[at] ^= 1;

        let Some(Ok(FetchedEntry::Legacy(set))) = split(bytes.freeze()).next() else { panic!("{name}") };

        assert!(matches!(set.verify_crc(), Err(BatchError::CrcMismatch { .. })), "{name}");
    }
}
