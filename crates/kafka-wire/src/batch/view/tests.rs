//! The header, against a batch put together by hand.

use super::*;
use crate::batch::{DecodeLimits, Header, Record};

/// Put together by hand from "Record Batch" and "Record" in Kafka's documentation (implementation, message format).
fn by_hand() -> Vec<u8> {
    let record = [
        &[33 << 1][..],         // length: 33, zigzag
        &[0],                   // attributes
        &[3],                   // timestampDelta: -2
        &[10],                  // offsetDelta: 5
        &[6, b'k', b'e', b'y'], // keyLength 3, key
        &[1],                   // valueLength -1: null
        &[6],                   // headersCount: 3
        &[2, b'a', 8],          // headerKeyLength 1, headerKey, headerValueLength 4
        b"\x00\x01\x02\x03",    // headerValue
        &[2, b'a', 1],          // the same key again, with null
        &[14],                  // headerKeyLength 7
        b"headers",             // headerKey
        &[10, b'v', b'a', b'l', b'u', b'e'],
    ]
    .concat();
    let after_crc = [
        &0b0101_1000_i16.to_be_bytes()[..], // attributes: no codec, append time, transactional, delete horizon
        &9_i32.to_be_bytes(),               // lastOffsetDelta
        &1_000_i64.to_be_bytes(),           // baseTimestamp
        &2_000_i64.to_be_bytes(),           // maxTimestamp
        &77_i64.to_be_bytes(),              // producerId
        &5_i16.to_be_bytes(),               // producerEpoch
        &66_i32.to_be_bytes(),              // baseSequence
        &1_i32.to_be_bytes(),               // records count
        &record,
    ]
    .concat();
    [
        &1_000_000_i64.to_be_bytes()[..],            // baseOffset
        &(9 + after_crc.len() as i32).to_be_bytes(), // batchLength: leader epoch, magic, crc, and what follows
        &12_i32.to_be_bytes(),                       // partitionLeaderEpoch
        &[2],                                        // magic
        &crc32c::crc32c(&after_crc).to_be_bytes(),   // crc
        &after_crc,
    ]
    .concat()
}

fn changed(at: usize, field: &[u8]) -> Result<RecordBatch, BatchError> {
    let mut bytes = by_hand();
    bytes[at..at + field.len()].copy_from_slice(field);
    RecordBatch::parse(bytes.into())
}

#[test]
fn fields_are_where_the_documentation_puts_them() {
    let batch = RecordBatch::parse(by_hand().into()).unwrap();

    assert_eq!(batch.len(), by_hand().len());
    assert_eq!((batch.base_offset(), batch.last_offset(), batch.next_offset()), (1_000_000, 1_000_009, 1_000_010));
    assert_eq!((batch.last_offset_delta(), batch.record_count(), batch.is_dense()), (9, 1, false));
    assert_eq!(batch.partition_leader_epoch(), 12);
    assert_eq!(batch.codec(), Ok(Codec::None));
    assert_eq!(batch.timestamp_type(), TimestampType::LogAppendTime);
    assert!(batch.is_transactional() && batch.has_delete_horizon() && !batch.is_control());
    assert_eq!((batch.base_timestamp(), batch.max_timestamp()), (1_000, 2_000));
    assert_eq!((batch.producer_id(), batch.producer_epoch(), batch.base_sequence()), (77, 5, 66));
    assert_eq!(batch.verify_crc(), Ok(()));
}

#[test]
fn the_record_in_it_reads_as_the_documentation_says() {
    let create_time = changed(21, &[0, 0]).unwrap();
    let append_time = RecordBatch::parse(by_hand().into()).unwrap();
    let header = |key: &'static str, value| Header { key: Bytes::from_static(key.as_bytes()), value };
    let mut record = Record {
        offset: 1_000_005,
        timestamp: 998,
        key: Some(Bytes::from_static(b"key")),
        value: None,
        headers: vec![
            header("a", Some(Bytes::from_static(&[0, 1, 2, 3]))),
            header("a", None),
            header("headers", Some(Bytes::from_static(b"value"))),
        ],
    };

    assert_eq!(create_time.decode(&DecodeLimits::default()).unwrap(), [record.clone()]);
    record.timestamp = 2_000;
    assert_eq!(append_time.decode(&DecodeLimits::default()).unwrap(), [record]);
}

#[test]
fn bytes_that_are_no_batch_are_refused_by_name() {
    let bytes = by_hand();
    let length = bytes.len();
    let parse = |bytes: &[u8]| RecordBatch::parse(Bytes::copy_from_slice(bytes)).unwrap_err();

    assert_eq!(parse(&[]), BatchError::Truncated { needed: 61, available: 0 });
    assert_eq!(parse(&bytes[..60]), BatchError::Truncated { needed: 61, available: 60 });
    assert_eq!(parse(&bytes[..length - 1]), BatchError::Truncated { needed: length, available: length - 1 });
    assert_eq!(parse(&[&bytes[..], b"!"].concat()), BatchError::TrailingBytes { trailing: 1 });
    assert_eq!(changed(16, &[1]), Err(BatchError::UnsupportedMagic { magic: 1, expected: "2" }));
    for bad in [-1, i32::MIN, 48] {
        assert_eq!(changed(8, &bad.to_be_bytes()), Err(BatchError::BadLength { length: bad, minimum: 49 }));
    }
}

#[test]
fn headers_that_no_batch_can_have_are_refused_by_name() {
    let bad = |field, value| Err(BatchError::BadHeader { field, value });

    assert_eq!(changed(0, &(-1_i64).to_be_bytes()), bad("baseOffset", -1));
    assert_eq!(changed(0, &(i64::MAX - 9).to_be_bytes()), bad("baseOffset", i64::MAX - 9));
    assert_eq!(changed(0, &(i64::MAX - 10).to_be_bytes()).unwrap().next_offset(), i64::MAX);
    assert_eq!(changed(23, &(-1_i32).to_be_bytes()), bad("lastOffsetDelta", -1));
    assert_eq!(changed(57, &(-2_i32).to_be_bytes()), bad("recordsCount", -2));
}

#[test]
fn codecs_that_kafka_does_not_have_are_an_error_that_names_the_bits() {
    for bits in 5..=7 {
        let batch = changed(21, &[0, bits]).unwrap();

        assert_eq!(batch.codec(), Err(BatchError::UnknownCodec { bits }));
        assert_eq!(batch.decode(&DecodeLimits::default()), Err(BatchError::UnknownCodec { bits }));
    }
}

#[test]
fn a_changed_bit_behind_the_crc_is_found() {
    let stored = RecordBatch::parse(by_hand().into()).unwrap().crc();

    let Err(BatchError::CrcMismatch { base_offset, stored: found, computed }) = changed(27, &[1]).unwrap().verify_crc()
    else {
        panic!("the change went unnoticed")
    };

    assert_eq!((base_offset, found), (1_000_000, stored));
    assert_ne!(computed, stored);
}

#[test]
fn debug_shows_the_header_and_no_payload() {
    let shown = format!("{:?}", RecordBatch::parse(by_hand().into()).unwrap());

    assert!(shown.contains("base_offset: 1000000"), "{shown}");
    assert!(!shown.contains("key"), "{shown}");
}
