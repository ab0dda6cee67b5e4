use bytes::Bytes;
use kafka_wire::batch::{BatchBuilder, DecodeLimits, RecordBatch};

use super::*;

const PLAIN: Rules = Rules { batch_bytes_max: 1 << 20, compacted: false, append_time: false };

fn record(key: &str, value: Option<&str>) -> Record {
    let bytes = |text: &str| Bytes::from(text.to_owned());
    Record { timestamp: 7, key: Some(bytes(key)), value: value.map(bytes), ..Record::default() }
}

fn batch(records: &[Record], stamp: Stamp) -> RecordBatch {
    RecordBatch::parse(encode(records, Codec::None, stamp).unwrap()).unwrap()
}

fn stamp(epoch: i16, sequence: i32) -> Stamp {
    Stamp { producer_id: 1, producer_epoch: epoch, base_sequence: sequence, transactional: false }
}

/// Base offsets that the log gives to batches of two records with these epochs and sequence numbers.
fn offsets(log: &mut Log, numbers: &[(i16, i32)]) -> Vec<Result<i64, E>> {
    let two = [record("a", Some("1")), record("b", Some("2"))];
    let append = |(epoch, sequence): &(i16, i32)| {
        log.append(&batch(&two, stamp(*epoch, *sequence)), &PLAIN, 0).map(|appended| appended.base_offset)
    };
    numbers.iter().map(append).collect()
}

fn read_all(log: &Log) -> Vec<Record> {
    let slice = log.read(log.start(), log.end(), usize::MAX, true).unwrap();
    let entries = kafka_wire::batch::split(slice.records).map(Result::unwrap);
    let mut records = Vec::new();
    for entry in entries {
        let kafka_wire::batch::FetchedEntry::Batch(batch) = entry else { panic!("{entry:?}") };
        if !batch.is_control() {
            records.extend(batch.decode(&DecodeLimits::default()).unwrap());
        }
    }
    records
}

#[test]
fn sequence_numbers_are_held_to_be_dense_and_each_batch_is_kept_once() {
    let mut log = Log::new();

    let appended = offsets(&mut log, &[(0, 0), (0, 2), (0, 0), (0, 6), (0, 4), (1, 4), (1, 0), (0, 6)]);

    assert_eq!(
        appended,
        [
            Ok(0),
            Ok(2),
            Ok(0),
            Err(E::OutOfOrderSequenceNumber),
            Ok(4),
            Err(E::OutOfOrderSequenceNumber),
            Ok(6),
            Err(E::InvalidProducerEpoch)
        ]
    );
    assert_eq!(log.end(), 8);
}

#[test]
fn only_five_batches_are_remembered() {
    let mut log = Log::new();
    let numbers: Vec<(i16, i32)> = (0..6).map(|n| (0, 2 * n)).collect();
    offsets(&mut log, &numbers);

    assert_eq!(offsets(&mut log, &[(0, 2), (0, 0)]), [Ok(2), Err(E::DuplicateSequenceNumber)]);
}

#[test]
fn sequence_numbers_go_on_at_zero_after_the_largest() {
    let mut log = Log::new();

    assert_eq!(offsets(&mut log, &[(0, i32::MAX), (0, 1), (0, 3)]), [Ok(0), Ok(2), Ok(4)]);
}

#[test]
fn nothing_behind_an_open_transaction_is_stable_and_aborted_ranges_are_told() {
    let mut log = Log::new();
    let transactional = |id| Stamp { producer_id: id, producer_epoch: 0, base_sequence: 0, transactional: true };
    for id in [1, 2] {
        log.append(&batch(&[record("k", None)], transactional(id)), &PLAIN, 0).unwrap();
    }
    assert_eq!((log.stable_end(), log.end()), (0, 2));

    log.end_transaction(1, 0, false, 0).unwrap();
    assert_eq!(log.stable_end(), 1);
    log.end_transaction(2, 0, true, 0).unwrap();

    assert_eq!((log.stable_end(), log.end()), (4, 4));
    let aborted = AbortedRange { producer_id: 1, first: 0, last: 2 };
    assert_eq!(log.read(0, 4, usize::MAX, true).unwrap().aborted, [aborted]);
    assert_eq!(log.read(3, 4, usize::MAX, true).unwrap().aborted, []);
}

#[test]
fn compaction_keeps_the_latest_of_each_key_where_it_was() {
    let mut log = Log::new();
    let written = [record("a", Some("1")), record("b", Some("1")), record("a", Some("2")), record("b", None)];
    log.append(&batch(&written, Stamp::NONE), &PLAIN, 0).unwrap();
    log.append(&batch(&[record("c", Some("1"))], Stamp::NONE), &PLAIN, 0).unwrap();

    log.compact(false).unwrap();
    let kept = read_all(&log);

    assert_eq!(kept.iter().map(|record| record.offset).collect::<Vec<_>>(), [2, 3, 4]);
    assert_eq!((kept[0].value.as_deref(), kept[1].value.as_deref()), (Some(&b"2"[..]), None));
    assert_eq!(kept[0].timestamp, 7);

    log.compact(true).unwrap();
    assert_eq!(read_all(&log).iter().map(|record| record.offset).collect::<Vec<_>>(), [2, 4]);
    assert_eq!(log.end(), 5);
}

#[test]
fn compaction_drops_aborted_records_and_leaves_open_transactions_alone() {
    let mut log = Log::new();
    let transactional = |id| Stamp { producer_id: id, producer_epoch: 0, base_sequence: 0, transactional: true };
    log.append(&batch(&[record("a", Some("kept"))], Stamp::NONE), &PLAIN, 0).unwrap();
    log.append(&batch(&[record("a", Some("aborted"))], transactional(1)), &PLAIN, 0).unwrap();
    log.end_transaction(1, 0, false, 0).unwrap();
    log.append(&batch(&[record("a", Some("open"))], transactional(2)), &PLAIN, 0).unwrap();

    log.compact(true).unwrap();

    let values: Vec<_> = read_all(&log).into_iter().filter_map(|record| record.value).collect();
    assert_eq!(values, ["kept", "open"]);
}

#[test]
fn epochs_end_where_the_next_begins_and_truncation_is_seen() {
    let mut log = Log::new();
    offsets(&mut log, &[(0, 0), (0, 2)]);
    log.elect(None);
    offsets(&mut log, &[(0, 4)]);

    assert_eq!((log.end_of_epoch(0), log.end_of_epoch(1), log.end_of_epoch(2)), ((0, 4), (1, 6), (-1, -1)));
    assert_eq!((log.epoch_at(3), log.epoch_at(4)), (0, 1));

    log.elect(Some(4));
    assert_eq!((log.epoch(), log.end(), log.end_of_epoch(1)), (2, 4, (0, 4)));
    // What was lost may come again.
    assert_eq!(offsets(&mut log, &[(0, 4)]), [Ok(4)]);
}

#[test]
fn records_are_found_by_time() {
    let mut log = Log::new();
    let at = |timestamp| Record { timestamp, ..record("k", None) };
    log.append(&batch(&[at(10), at(30)], Stamp::NONE), &PLAIN, 0).unwrap();
    log.append(&batch(&[at(20)], Stamp::NONE), &PLAIN, 0).unwrap();
    let offset = |found: Result<Option<Found>, E>| found.unwrap().map(|found| found.offset);

    assert_eq!(offset(log.find_time(0, 3)), Some(0));
    assert_eq!(offset(log.find_time(11, 3)), Some(1));
    assert_eq!(offset(log.find_time(31, 3)), None);
    assert_eq!(offset(log.find_latest_time(3)), Some(1));
}

#[test]
fn deleted_records_are_out_of_range_and_their_memory_is_free() {
    let mut log = Log::new();
    offsets(&mut log, &[(0, 0), (0, 2)]);
    let before = log.bytes();

    assert_eq!(log.delete_before(3), Ok(3));

    assert_eq!((log.start(), log.bytes()), (3, before / 2));
    assert_eq!(log.read(2, 4, 100, true).unwrap_err(), E::OffsetOutOfRange);
    assert_eq!(log.delete_before(5), Err(E::OffsetOutOfRange));
    assert_eq!(log.delete_before(-1), Ok(4));
}

#[test]
fn the_brokers_clock_replaces_the_producers_and_the_checksum_follows() {
    let mut log = Log::new();
    let rules = Rules { append_time: true, ..PLAIN };

    let appended = log.append(&batch(&[record("k", None)], Stamp::NONE), &rules, 99).unwrap();

    assert_eq!(appended, Appended { base_offset: 0, append_time_ms: 99 });
    let stored = RecordBatch::parse(log.read(0, 1, 1000, true).unwrap().records).unwrap();
    assert_eq!((stored.verify_crc(), stored.max_timestamp()), (Ok(()), 99));
    assert_eq!(read_all(&log)[0].timestamp, 99);
}

#[test]
fn batches_that_kafka_refuses_are_refused_as_by_kafka() {
    let good = encode(&[record("k", None)], Codec::None, Stamp::NONE).unwrap();
    let changed = |at: usize, to: u8, checksum: bool| {
        let mut bytes = BytesMut::from(&good[..]);
        bytes[at] = to;
        if checksum {
            set_checksum(&mut bytes);
        }
        bytes.freeze()
    };
    let twice: Bytes = [&good[..], &good[..]].concat().into();
    let mut keyless = BatchBuilder::new(Codec::None);
    keyless.push(&record("k", None)).unwrap();
    keyless.push(&Record::default()).unwrap();
    let keyless = keyless.build(Stamp::NONE).unwrap();
    let refusal = |bytes: &Bytes, rules: Rules| accept(bytes, &rules).map(|_| ()).map_err(|refused| refused.error);
    let compacted = Rules { compacted: true, ..PLAIN };

    assert_eq!(refusal(&good, PLAIN), Ok(()));
    assert_eq!(refusal(&Bytes::new(), PLAIN), Err(E::CorruptMessage));
    assert_eq!(refusal(&good.slice(..40), PLAIN), Err(E::CorruptMessage));
    assert_eq!(refusal(&changed(good.len() - 1, 9, false), PLAIN), Err(E::CorruptMessage));
    assert_eq!(refusal(&changed(7, 9, false), PLAIN), Err(E::InvalidRecord));
    assert_eq!(refusal(&twice, PLAIN), Err(E::InvalidRecord));
    assert_eq!(refusal(&changed(22, CONTROL_BIT, true), PLAIN), Err(E::InvalidRecord));
    assert_eq!(refusal(&changed(26, 9, true), PLAIN), Err(E::InvalidRecord));
    assert_eq!(refusal(&changed(16, 1, true), PLAIN), Err(E::InvalidRecord));
    assert_eq!(refusal(&changed(22, 1 << 4, true), PLAIN), Err(E::TransactionalIdAuthorizationFailed));
    assert_eq!(refusal(&good, Rules { batch_bytes_max: good.len() - 1, ..PLAIN }), Err(E::MessageTooLarge));
    assert_eq!(
        refusal(&changed(22, LOG_APPEND_TIME_BIT, true), Rules { append_time: true, ..PLAIN }),
        Err(E::InvalidTimestamp)
    );
    assert_eq!(accept(&keyless, &compacted).unwrap_err().records, [1]);
    assert_eq!(refusal(&keyless, PLAIN), Ok(()));
}
