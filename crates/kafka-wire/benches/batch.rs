//! What a batch costs on its way through: restamp, checksum, decode, encode. Throughput is of uncompressed bytes.
//!
//! Records are 1 KiB of JSON-like text, as in an event topic; run with `cargo bench -p kafka-wire`.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kafka_wire::batch::{Codec, DecodeLimits, Record, RecordBatch, Stamp, encode, split};

const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];
const SIZES: [usize; 2] = [16 << 10, 128 << 10];
const STAMP: Stamp = Stamp { producer_id: 4000, producer_epoch: 3, base_sequence: 17, transactional: false };

/// Records of about 1 KiB each, `bytes` in all; different, but alike.
fn records(bytes: usize) -> Vec<Record> {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    (0..bytes as i64 / 1024)
        .map(|i| {
            let mut value = format!(r#"{{"id":{i},"customer":"{:x}","items":["#, random());
            while value.len() < 1000 {
                value.push_str(&format!(
                    r#"{{"sku":"{:08x}","quantity":{},"price":{}.99}},"#,
                    random() as u32,
                    i % 7,
                    random() % 500
                ));
            }
            value.push_str("{}]}");
            Record {
                timestamp: 1_700_000_000_000 + i,
                key: Some(Bytes::from(format!("order-{i}"))),
                value: Some(Bytes::from(value)),
                ..Record::default()
            }
        })
        .collect()
}

fn batch(bytes: usize, codec: Codec) -> RecordBatch {
    RecordBatch::parse(encode(&records(bytes), codec, STAMP).unwrap()).unwrap()
}

fn pass_through(c: &mut Criterion) {
    for (name, run) in [
        ("restamp", (|batch| drop(black_box(batch.restamp(STAMP)))) as fn(&RecordBatch)),
        ("verify_crc", |batch| drop(black_box(batch.verify_crc()))),
        ("split", |batch| split(batch.as_bytes().clone()).for_each(|entry| drop(black_box(entry)))),
    ] {
        let mut group = c.benchmark_group(name);
        for size in SIZES {
            let batch = batch(size, Codec::None);
            group.throughput(Throughput::Bytes(batch.len() as u64));
            group.bench_with_input(BenchmarkId::from_parameter(size), &batch, |b, batch| b.iter(|| run(batch)));
        }
        group.finish();
    }
}

fn rewrite(c: &mut Criterion) {
    for size in SIZES {
        let records = records(size);
        let mut group = c.benchmark_group(format!("rewrite_{}k", size >> 10));
        group.throughput(Throughput::Bytes(batch(size, Codec::None).len() as u64));
        for codec in CODECS {
            let batch = batch(size, codec);
            group.bench_function(format!("decode_{codec}"), |b| {
                b.iter(|| batch.decode(black_box(&DecodeLimits::default())).unwrap());
            });
            group.bench_function(format!("encode_{codec}"), |b| {
                b.iter(|| encode(black_box(&records), codec, STAMP).unwrap());
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(1)).warm_up_time(Duration::from_millis(300));
    targets = pass_through, rewrite
}
criterion_main!(benches);
