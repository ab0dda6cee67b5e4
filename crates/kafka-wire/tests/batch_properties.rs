//! What holds for every batch, and for every input that is none.
//!
//! - what is encoded decodes to the same records, in every codec;
//! - the builder knows the length before it is done;
//! - a merged batch has the records of all its parts;
//! - a restamp leaves a right checksum right, and records as they were;
//! - no bytes, random or a real batch with bytes changed, make anything panic, or take more memory than the limits;
//! - compressed bombs are refused.
#![allow(clippy::unwrap_used)]

use bytes::{Bytes, BytesMut};
use kafka_wire::batch::{
    BatchBuilder, BatchError, Codec, DecodeLimits, FetchedEntry, HEADER_LEN, Header, Record, RecordBatch, Stamp,
    encode, merge, split,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};

const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];
const LIMITS: DecodeLimits = DecodeLimits { decompressed_bytes_max: 4 << 20, list_bytes_max: 4 << 20 };

fn any_bytes(length_max: usize) -> impl Strategy<Value = Bytes> {
    prop_oneof![
        vec(any::<u8>(), 0..=length_max).prop_map(Bytes::from),
        // Something that compresses.
        (any::<u8>(), 0..=length_max).prop_map(|(byte, length)| Bytes::from(vec![byte; length])),
    ]
}

fn any_timestamp() -> impl Strategy<Value = i64> {
    prop_oneof![4 => 1_600_000_000_000..1_900_000_000_000_i64, 1 => Just(-1), 1 => any::<i64>()]
}

prop_compose! {
    fn any_header()(key in any_bytes(20), value in option::of(any_bytes(40))) -> Header {
        Header { key, value }
    }
}

prop_compose! {
    fn any_record()(
        timestamp in any_timestamp(),
        key in option::of(any_bytes(40)),
        value in option::of(prop_oneof![8 => any_bytes(200).boxed(), 1 => any_bytes(100_000).boxed()]),
        mut headers in vec(any_header(), 0..5),
        duplicate in any::<bool>(),
    ) -> Record {
        if duplicate && let Some(first) = headers.first() {
            headers.push(Header { key: first.key.clone(), value: None });
        }
        Record { offset: 0, timestamp, key, value, headers }
    }
}

fn any_records() -> impl Strategy<Value = Vec<Record>> {
    vec(any_record(), 1..20).prop_map(|mut records| {
        records.iter_mut().zip(0..).for_each(|(record, offset)| record.offset = offset);
        records
    })
}

prop_compose! {
    fn any_stamp()(
        producer_id in any::<i64>(),
        producer_epoch in any::<i16>(),
        base_sequence in any::<i32>(),
        transactional in any::<bool>(),
    ) -> Stamp {
        Stamp { producer_id, producer_epoch, base_sequence, transactional }
    }
}

/// A real batch, encoded by us or by Kafka, of any codec and magic.
fn any_batch_bytes() -> impl Strategy<Value = Bytes> {
    let golden: Vec<Bytes> = include_str!("golden/java-4.3.0.txt")
        .lines()
        .filter_map(|line| line.strip_prefix("bytes "))
        .map(|hex| {
            hex.as_bytes()
                .chunks(2)
                .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
                .collect()
        })
        .collect();
    prop_oneof![
        select(golden),
        (any_records(), select(CODECS.to_vec()))
            .prop_map(|(records, codec)| encode(&records, codec, Stamp::NONE).unwrap()),
    ]
}

/// Calls everything that reads. The result does not matter; coming back does.
fn read_everything(bytes: &Bytes) {
    let _ = RecordBatch::parse(bytes.clone());
    for entry in split(bytes.clone()).flatten() {
        match entry {
            FetchedEntry::Legacy(set) => {
                let _ = (set.verify_crc(), set.next_offset());
                let _ = set.decode(&LIMITS);
            }
            FetchedEntry::Batch(batch) => {
                let _ =
                    (batch.verify_crc(), batch.codec(), batch.timestamp_type(), batch.next_offset(), batch.is_dense());
                let _ = (format!("{batch:?}"), batch.control_type(), batch.restamp(Stamp::NONE).to_bytes());
                if let Ok(records) = batch.decode(&LIMITS) {
                    assert_eq!(records.len(), batch.record_count());
                    assert!(records.is_sorted_by(|a, b| a.offset < b.offset));
                    assert!(records.last().is_none_or(|last| last.offset <= batch.last_offset()));
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same_records(
        records in any_records(),
        codec in select(CODECS.to_vec()),
        stamp in any_stamp(),
    ) {
        let batch = RecordBatch::parse(encode(&records, codec, stamp).unwrap()).unwrap();

        prop_assert_eq!(batch.verify_crc(), Ok(()));
        prop_assert_eq!(batch.codec(), Ok(codec));
        prop_assert_eq!((batch.base_offset(), batch.next_offset()), (0, records.len() as i64));
        prop_assert_eq!(batch.max_timestamp(), records.iter().map(|record| record.timestamp).max().unwrap());
        prop_assert_eq!(batch.producer_id(), stamp.producer_id);
        prop_assert_eq!(batch.producer_epoch(), stamp.producer_epoch);
        prop_assert_eq!(batch.base_sequence(), stamp.base_sequence);
        prop_assert_eq!(batch.is_transactional(), stamp.transactional);
        prop_assert!(batch.is_dense() && !batch.is_control());
        prop_assert_eq!(batch.decode(&LIMITS).unwrap(), records);
    }

    #[test]
    fn merged_batches_decode_to_the_records_of_all_of_them(
        parts in vec((any_records(), select(CODECS.to_vec()), any_stamp()), 1..6),
    ) {
        let encoded = parts.iter().map(|(records, codec, stamp)| encode(records, *codec, *stamp).unwrap());
        let batches: Vec<_> = encoded.map(|bytes| RecordBatch::parse(bytes).unwrap()).collect();
        let records = batches.iter().flat_map(|batch| batch.decode(&LIMITS).unwrap()).zip(0..);
        let expected: Vec<_> = records.map(|(record, offset)| Record { offset, ..record }).collect();

        let merged = merge(&batches, &LIMITS).unwrap();

        prop_assert_eq!(merged.verify_crc(), Ok(()));
        prop_assert_eq!(merged.codec(), batches[0].codec());
        prop_assert_eq!((merged.record_count(), merged.is_dense()), (expected.len(), true));
        prop_assert_eq!(merged.max_timestamp(), expected.iter().map(|record| record.timestamp).max().unwrap());
        prop_assert!(!merged.is_transactional() && merged.producer_id() == -1);
        prop_assert_eq!(merged.decode(&LIMITS).unwrap(), expected);
    }

    #[test]
    fn merging_what_was_changed_on_its_way_does_no_harm(first in any_batch_bytes(), second in any_batch_bytes(), at in any::<Index>(), flip in 1..=255_u8) {
        let mut bytes = second.to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        let batches: Vec<_> = [first, bytes.into()].into_iter().filter_map(|bytes| RecordBatch::parse(bytes).ok()).collect();

        if let Ok(merged) = merge(&batches, &LIMITS) {
            let decoded: Vec<_> = batches.iter().map(|batch| batch.decode(&LIMITS)).collect();
            let count: usize = batches.iter().map(RecordBatch::record_count).sum();
            prop_assert_eq!(merged.record_count(), count, "{:?}", decoded);
        }
    }

    #[test]
    fn the_builder_knows_the_length_before_it_is_done(records in any_records()) {
        let mut builder = BatchBuilder::new(Codec::None);
        for record in &records {
            let length = builder.len_after(record);
            builder.push(record).unwrap();
            prop_assert_eq!(builder.uncompressed_len(), length);
        }

        prop_assert_eq!(builder.record_count(), records.len());
        let length = builder.uncompressed_len();
        prop_assert_eq!(builder.build(Stamp::NONE).unwrap().len(), length);
    }

    #[test]
    fn a_restamp_keeps_the_records_and_carries_the_crc(
        records in any_records(),
        codec in select(CODECS.to_vec()),
        first in any_stamp(),
        second in any_stamp(),
    ) {
        let batch = RecordBatch::parse(encode(&records, codec, first).unwrap()).unwrap();

        let restamped = batch.restamp(second);

        // Byte for byte what encoding with the second stamp gives, so the carried crc is the computed one.
        prop_assert_eq!(restamped.len(), batch.len());
        prop_assert_eq!(restamped.to_bytes(), encode(&records, codec, second).unwrap());
    }

    #[test]
    fn random_bytes_do_no_harm(bytes in vec(any::<u8>(), 0..300)) {
        read_everything(&Bytes::from(bytes));
    }

    #[test]
    fn random_records_in_a_real_header_do_no_harm(
        payload in vec(any::<u8>(), 0..300),
        codec in 0..8_u8,
        count in prop_oneof![0..40_i32, any::<i32>()],
    ) {
        let mut bytes = BytesMut::zeroed(HEADER_LEN);
        bytes.extend_from_slice(&payload);
        let length = bytes.len() as i32 - 12;
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        bytes[16] = 2;
        bytes[22] = codec;
        bytes[23..27].copy_from_slice(&count.saturating_sub(1).to_be_bytes());
        bytes[57..61].copy_from_slice(&count.to_be_bytes());
        read_everything(&bytes.freeze());
    }

    #[test]
    fn real_batches_with_bytes_changed_do_no_harm(
        batch in any_batch_bytes(),
        changes in vec((any::<Index>(), any::<u8>()), 1..6),
        cut in option::of(any::<Index>()),
    ) {
        let mut bytes = BytesMut::from(&batch[..]);
        for (at, byte) in changes {
            *at.get_mut(&mut bytes) = byte;
        }
        if let Some(cut) = cut {
            // Cut, with a length that says so: what is missing is missing inside.
            bytes.truncate(cut.index(bytes.len()).max(12));
            let length = bytes.len() as i32 - 12;
            bytes[8..12].copy_from_slice(&length.to_be_bytes());
        }
        read_everything(&bytes.freeze());
    }

    #[test]
    fn a_changed_byte_behind_the_crc_is_always_found(batch in any_batch_bytes(), at in any::<Index>(), flip in 1..=255_u8) {
        let Ok(valid) = RecordBatch::parse(batch.clone()) else { return Ok(()) };
        prop_assume!(batch.len() > HEADER_LEN);
        let mut bytes = BytesMut::from(&batch[..]);
        *at.get_mut(&mut bytes[HEADER_LEN..]) ^= flip;

        let changed = RecordBatch::parse(bytes.freeze()).unwrap();

        prop_assert_eq!(valid.verify_crc(), Ok(()));
        prop_assert!(changed.verify_crc().is_err());
        // And a restamp does not hide it.
        prop_assert!(RecordBatch::parse(changed.restamp(Stamp::NONE).to_bytes()).unwrap().verify_crc().is_err());
    }
}

#[test]
fn repetitions_of_every_length_survive_every_codec() {
    // Long matches have codes of their own in LZ4 and Zstandard; 65,538 and 131,074 are borders.
    for codec in CODECS {
        for period in [1, 3, 7, 1000] {
            for length in [65_535, 65_538, 65_539, 65_540, 98_306, 131_071, 131_072, 131_074, 131_075, 400_000] {
                let value: Bytes = (0..length).map(|i| (i % period) as u8).collect();
                let records = [Record { value: Some(value), ..Record::default() }];

                let batch = RecordBatch::parse(encode(&records, codec, Stamp::NONE).unwrap()).unwrap();

                assert!(batch.decode(&LIMITS).unwrap() == records, "{codec} {period} {length}");
            }
        }
    }
}

#[test]
fn a_batch_that_decompresses_beyond_the_limit_is_refused() {
    for codec in &CODECS[1..] {
        let records = [Record { value: Some(vec![7; 3 << 20].into()), ..Record::default() }];
        let batch = RecordBatch::parse(encode(&records, *codec, Stamp::NONE).unwrap()).unwrap();

        let refused = batch.decode(&DecodeLimits { decompressed_bytes_max: 3 << 20, ..LIMITS });
        let taken = batch.decode(&DecodeLimits { decompressed_bytes_max: (3 << 20) + 100, ..LIMITS });

        let over = BatchError::OverLimit { what: "the decompressed records", limit: 3 << 20 };
        assert_eq!(refused, Err(over), "{codec}");
        assert!(taken.is_ok(), "{codec}");
    }
}

#[test]
fn many_tiny_records_are_refused_by_what_they_take_in_memory() {
    let records = vec![Record::default(); 10_000];
    let headers = [Record { headers: vec![Header::default(); 10_000], ..Record::default() }];
    for records in [&records[..], &headers[..]] {
        let batch = RecordBatch::parse(encode(records, Codec::None, Stamp::NONE).unwrap()).unwrap();

        let refused = batch.decode(&DecodeLimits { list_bytes_max: 500_000, ..LIMITS });

        assert_eq!(refused, Err(BatchError::OverLimit { what: "the decoded records", limit: 500_000 }));
        assert!(batch.decode(&LIMITS).is_ok());
    }
}

/// A batch header before `payload`, counting one record.
fn batch_of(codec: Codec, payload: &[u8]) -> RecordBatch {
    let record = [Record::default()];
    let mut bytes = BytesMut::from(&encode(&record, codec, Stamp::NONE).unwrap()[..HEADER_LEN]);
    bytes.extend_from_slice(payload);
    let length = bytes.len() as i32 - 12;
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    RecordBatch::parse(bytes.freeze()).unwrap()
}

#[test]
fn a_zstd_frame_is_stopped_at_the_limit_whatever_window_it_claims() {
    // Magic, no flags, a window of 64 MiB; then blocks of 128 KiB of one byte, 4 bytes each: 2 GiB from 64 KiB.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 16 << 3];
    for _ in 0..16_384 {
        frame.extend_from_slice(&[2, 0, 16, 7]);
    }

    let refused = batch_of(Codec::Zstd, &frame).decode(&LIMITS);

    assert_eq!(refused, Err(BatchError::OverLimit { what: "the decompressed records", limit: 4 << 20 }));
}

#[test]
fn a_snappy_block_cannot_claim_more_than_it_could_hold() {
    // A length of 3 MiB, and nothing to back it.
    let refused = batch_of(Codec::Snappy, &[0x80, 0x80, 0xc0, 0x01, 0]).decode(&LIMITS);

    assert!(matches!(refused, Err(BatchError::Decompress { codec: Codec::Snappy, .. })), "{refused:?}");
}

#[test]
fn snappy_without_xerials_framing_is_read_too() {
    let record = [Record { value: Some(Bytes::from_static(b"bare")), ..Record::default() }];
    let plain = encode(&record, Codec::None, Stamp::NONE).unwrap();
    let bare = snap::raw::Encoder::new().compress_vec(&plain[HEADER_LEN..]).unwrap();

    assert_eq!(batch_of(Codec::Snappy, &bare).decode(&LIMITS).unwrap(), record);
}

#[test]
fn frames_in_a_row_are_read_as_one_stream() {
    let record = [Record { value: Some(Bytes::from_static(b"in two parts")), ..Record::default() }];
    let plain = encode(&record, Codec::None, Stamp::NONE).unwrap();
    let (front, back) = plain[HEADER_LEN..].split_at(9);
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Zstd] {
        let payload = [frame(codec, front), frame(codec, back)].concat();

        assert_eq!(batch_of(codec, &payload).decode(&LIMITS).unwrap(), record, "{codec}");
    }
}

/// A whole stream of `codec` that holds `part`.
fn frame(codec: Codec, part: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    match codec {
        Codec::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(part).unwrap();
            encoder.finish().unwrap()
        }
        Codec::Snappy => {
            let block = snap::raw::Encoder::new().compress_vec(part).unwrap();
            let length = (block.len() as u32).to_be_bytes();
            [&b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01"[..], &length, &block].concat()
        }
        Codec::Zstd => {
            // A skippable frame of 3 bytes before it, which a reader has to pass over.
            let frame = ruzstd::encoding::compress_to_vec(part, ruzstd::encoding::CompressionLevel::Fastest);
            [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3], &frame[..]].concat()
        }
        Codec::None | Codec::Lz4 => unreachable!("not part of the test"),
    }
}
