//! Any bytes as the payload of a batch, in the codec that the first byte names: the decompressors neither panic nor exceed
//! their limit, and whatever records come out go in again and come out the same.
//!
//! `cargo +nightly fuzz run payload` in the folder above, with cargo-fuzz installed.
#![no_main]

use bytes::{Bytes, BytesMut};
use kafka_wire::batch::{Codec, DecodeLimits, HEADER_LEN, Record, RecordBatch, Stamp, encode};
use libfuzzer_sys::fuzz_target;

const LIMITS: DecodeLimits = DecodeLimits { decompressed_bytes_max: 1 << 20, list_bytes_max: 1 << 20 };

fuzz_target!(|data: &[u8]| {
    let [codec, count, payload @ ..] = data else { return };
    let codec = Codec::from_attributes(i16::from(codec % 5)).expect("0 to 4 are codecs");
    if let Ok(mut records) = batch(codec, *count, payload).decode(&LIMITS)
        && !records.is_empty()
    {
        let encoded = encode(&records, codec, Stamp::NONE).expect("what fits the limits fits a batch");
        records.iter_mut().zip(0..).for_each(|(record, offset)| record.offset = offset);
        let limits = DecodeLimits { decompressed_bytes_max: 2 << 20, ..LIMITS };
        let again = RecordBatch::parse(encoded).and_then(|batch| batch.decode(&limits));
        assert_eq!(again.expect("what we encode we decode"), records);
    }
});

fn batch(codec: Codec, count: u8, payload: &[u8]) -> RecordBatch {
    let header = encode(&[Record::default()], codec, Stamp::NONE).expect("one record is a batch");
    let mut bytes = BytesMut::from(&header[..HEADER_LEN]);
    bytes.extend_from_slice(payload);
    let length = bytes.len() as i32 - 12;
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes[23..27].copy_from_slice(&255_i32.to_be_bytes());
    bytes[57..61].copy_from_slice(&i32::from(count).to_be_bytes());
    RecordBatch::parse(Bytes::from(bytes)).expect("the header is right")
}
