//! Any bytes as the records field of a fetch response: nothing panics, and what decodes is in order.
//!
//! `cargo +nightly fuzz run fetch` in the folder above, with cargo-fuzz installed. Good seeds are the `bytes` lines of
//! `tests/golden/java-4.3.0.txt`, as binary files in `fuzz/corpus/fetch`.
#![no_main]

use bytes::Bytes;
use kafka_wire::batch::{DecodeLimits, FetchedEntry, RecordBatch, Stamp, split};
use libfuzzer_sys::fuzz_target;

const LIMITS: DecodeLimits = DecodeLimits { decompressed_bytes_max: 1 << 20, list_bytes_max: 1 << 20 };

fuzz_target!(|data: &[u8]| {
    for entry in split(Bytes::copy_from_slice(data)).flatten() {
        match entry {
            FetchedEntry::Legacy(set) => drop((set.verify_crc(), set.decode(&LIMITS))),
            FetchedEntry::Batch(batch) => read(&batch),
        }
    }
});

fn read(batch: &RecordBatch) {
    let restamped = RecordBatch::parse(batch.restamp(Stamp::NONE).to_bytes()).expect("restamped batches are batches");
    assert_eq!(
        restamped.verify_crc().is_ok(),
        batch.verify_crc().is_ok(),
        "the carried checksum is as good as the old one"
    );
    drop(batch.control_type());
    if let Ok(records) = batch.decode(&LIMITS) {
        assert_eq!(records.len(), batch.record_count());
        assert!(records.is_sorted_by(|a, b| a.offset < b.offset));
    }
}
