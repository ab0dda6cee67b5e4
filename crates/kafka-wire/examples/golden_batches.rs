//! Prints batches that we encode, for Kafka's classes to read: the other half of `tests/golden/README.md`.

use bytes::Bytes;
use kafka_wire::batch::{BatchError, Codec, Header, Record, Stamp, encode};

fn main() -> Result<(), BatchError> {
    let transactional = Stamp { producer_id: 4000, producer_epoch: 3, base_sequence: 17, transactional: true };
    for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        print(&format!("{codec}"), &encode(&small(), codec, Stamp::NONE)?);
        print(&format!("{codec}-large"), &encode(&large(), codec, Stamp::NONE)?);
        print(&format!("{codec}-transactional"), &encode(&small(), codec, transactional)?);
    }
    Ok(())
}

fn print(name: &str, batch: &[u8]) {
    println!("set {name}");
    print!("bytes ");
    batch.iter().for_each(|byte| print!("{byte:02x}"));
    println!();
}

const T: i64 = 1_700_000_000_000;

/// The records of `small` in `GoldenBatches.java`.
fn small() -> Vec<Record> {
    let text = |text: &'static str| Some(Bytes::from_static(text.as_bytes()));
    let header = |key: &'static str, value| Header { key: Bytes::from_static(key.as_bytes()), value };
    let headers = vec![
        header("h", text("1")),
        header("h", text("2")),
        header("null", None),
        header("", text("")),
        header("ü", text("é")),
    ];
    let record = |timestamp, key, value, headers| Record { offset: 0, timestamp, key, value, headers };
    vec![
        record(T, text("key"), text("value"), headers),
        record(T + 1, None, text("no key"), vec![]),
        record(T - 10_000, text(""), text(""), vec![header("h", None)]),
        record(T + 5_000_000_000, text("gone"), None, vec![]),
        record(T, None, None, vec![]),
    ]
}

/// The records of `large` in `GoldenBatches.java`.
fn large() -> Vec<Record> {
    let mut text = String::new();
    (0..50)
        .cycle()
        .take_while(|i| {
            text.push_str(&format!("line {i}\n"));
            text.len() < 300_000
        })
        .for_each(drop);
    let record = |timestamp, key: String, value: String| Record {
        timestamp,
        key: Some(key.into()),
        value: Some(value.into()),
        ..Record::default()
    };
    let small = (0..100).map(|i| record(T + i, format!("k{i}"), format!("v{i}")));
    std::iter::once(record(T, "large".to_owned(), text)).chain(small).collect()
}
