//! One hot function many times, for instruction counts: `cargo xtask perf micro` runs this under callgrind.
//!
//! `hot` lists what there is; `hot NAME TIMES` does it. The difference between two runs is what the function takes, without
//! what comes before.
#![allow(clippy::unwrap_used)]

use std::hint::black_box;

use bytes::Bytes;
use kafka_wire::batch::{Codec, DecodeLimits, Record, RecordBatch, Stamp, encode, merge, split};

const STAMP: Stamp = Stamp { producer_id: 4000, producer_epoch: 3, base_sequence: 17, transactional: false };

type Hot = Box<dyn Fn()>;

fn main() {
    let mut words = std::env::args().skip(1);
    let hot = all();
    let (Some(name), Some(times)) = (words.next(), words.next()) else {
        hot.iter().for_each(|(name, _)| println!("{name}"));
        return;
    };
    let (_, run) = hot.iter().find(|(known, _)| *known == name).unwrap();
    for _ in 0..times.parse::<u32>().unwrap() {
        run();
    }
}

fn all() -> Vec<(&'static str, Hot)> {
    let (large, default) = (batch(128, Codec::None), batch(16, Codec::None));
    let lz4 = batch(16, Codec::Lz4);
    let (one_record, eight): (Vec<_>, Vec<_>) =
        ((0..100).map(|_| batch(1, Codec::None)).collect(), vec![default.clone(); 8]);
    let fetched = Bytes::from(vec![default.as_bytes().clone(); 64].concat());
    let records = records(16);
    let limits = DecodeLimits::default();
    vec![
        ("restamp_128_records", hot(move || drop(black_box(large.restamp(STAMP))))),
        ("split_64_batches", hot(move || split(fetched.clone()).for_each(|entry| drop(black_box(entry))))),
        ("verify_crc_16_kb", with(&default, |batch| drop(black_box(batch.verify_crc())))),
        ("decode_16_records", with(&default, move |batch| drop(black_box(batch.decode(&limits))))),
        ("decode_16_records_lz4", with(&lz4, move |batch| drop(black_box(batch.decode(&limits))))),
        ("encode_16_records", hot(move || drop(black_box(encode(&records, Codec::None, STAMP))))),
        ("merge_100_single_records", hot(move || drop(black_box(merge(&one_record, &limits))))),
        ("merge_8_batches_of_16_kb", hot(move || drop(black_box(merge(&eight, &limits))))),
    ]
}

fn hot(run: impl Fn() + 'static) -> Hot {
    Box::new(run)
}

fn with(batch: &RecordBatch, run: impl Fn(&RecordBatch) + 'static) -> Hot {
    let batch = batch.clone();
    Box::new(move || run(&batch))
}

/// Records of a kilobyte.
fn records(count: i64) -> Vec<Record> {
    let value = |i: i64| Bytes::from((0..1_000).map(|at| (at * 7 + i) as u8 % 61).collect::<Vec<_>>());
    let record = |i: i64| Record { timestamp: 1_700_000_000_000 + i, value: Some(value(i)), ..Record::default() };
    (0..count).map(record).collect()
}

fn batch(count: i64, codec: Codec) -> RecordBatch {
    RecordBatch::parse(encode(&records(count), codec, STAMP).unwrap()).unwrap()
}
