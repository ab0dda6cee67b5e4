//! What Apache Kafka accepts of a foreign batch: the facts on which a batch may cross from cluster to cluster as it is.
//!
//! Java writes the source batches, they are taken from the source broker's disk, our client offers them, and Java says
//! what then is on the target.
//!
//! - Accepted: a dense batch of any codec under no identity or ours, once or in a transaction; one of a transaction whose
//!   bit was cleared; one for a topic with another codec (stored as it is) or with the broker's clock.
//! - Refused: a base offset, control batches, two batches of a partition in one request, holes, old formats, a transactional
//!   bit without a producer id, sequence gaps, too large ones, keyless records in a compacted topic, append-time stamps in an
//!   append-time topic, and a payload that changed on the way while the checksum was carried.
//! - Accepted, and wrong: a foreign producer id, forged offset deltas, append-time batches in a create-time topic, a
//!   recomputed checksum over a changed payload. Nobody but us keeps these from happening.

use bytes::Bytes;
use harness::{Batch, Consumed, KafkaCluster, Pair, Record, TimestampType, clusters, eventually};
use kafka_wire::batch::{Codec, DecodeLimits, RecordBatch, Stamp, encode};
use std::time::Duration;

use crate::raw::{RawClient, Refused, changed, forged};

const UNKNOWN_SERVER_ERROR: i16 = -1;
const CORRUPT_MESSAGE: i16 = 2;
const MESSAGE_TOO_LARGE: i16 = 10;
const INVALID_TIMESTAMP: i16 = 32;
const OUT_OF_ORDER_SEQUENCE_NUMBER: i16 = 45;
const TRANSACTIONAL_ID_AUTHORIZATION_FAILED: i16 = 53;
const INVALID_RECORD: i16 = 87;

/// Header fields that the forgeries below put their hands on.
const LOW_ATTRIBUTES_AT: usize = 22;
const LAST_OFFSET_DELTA_AT: usize = 23;
const LOG_APPEND_TIME_BIT: u8 = 1 << 3;
const DELETE_HORIZON_BIT: u8 = 1 << 6;

fn refused(code: i16) -> Result<i64, Refused> {
    Err(Refused { code, records: Vec::new() })
}

/// A source topic with one batch of `records`, and an empty target topic of the same name.
async fn source_batch(topic: &str, codec: &str, records: &[Record]) -> (&'static Pair, RawClient, RecordBatch) {
    source_batch_with(topic, codec, records, &[], &[]).await
}

async fn source_batch_with(
    topic: &str,
    codec: &str,
    records: &[Record],
    source_configs: &[(&str, &str)],
    target_configs: &[(&str, &str)],
) -> (&'static Pair, RawClient, RecordBatch) {
    let pair = clusters().await;
    pair.source.create_topic_with(topic, 1, source_configs).await;
    pair.target.create_topic_with(topic, 1, target_configs).await;
    pair.source.producer().codec(codec).open().await.send(topic, 0, records).await;
    let batch = pair.source.raw_batches(topic, 0).await.remove(0);
    (pair, RawClient::to(&pair.target).await, RecordBatch::parse(batch).unwrap())
}

fn records() -> Vec<Record> {
    vec![
        Record::new("a", "1").header("h", "x").header("h", "y").null_header("h").at(1_700_000_000_000),
        Record::tombstone("b").at(1_600_000_000_000),
        Record::new("", "").at(1_700_000_000_001),
    ]
}

fn contents(read: &[Consumed]) -> Vec<Record> {
    read.iter().map(|consumed| consumed.record.clone()).collect()
}

async fn stored(cluster: &KafkaCluster, topic: &str) -> Batch {
    cluster.batches(topic, 0).await.remove(0)
}

#[tokio::test]
async fn a_restamped_batch_of_any_codec_is_accepted_as_it_is() {
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let topic = format!("accepts-{codec}");
        let (pair, client, batch) = source_batch(&topic, codec, &records()).await;

        let offset = client.offer_stamped(&topic, &batch.restamp(Stamp::NONE)).await;

        assert_eq!(offset, Ok(0));
        assert_eq!(contents(&pair.target.consume(&topic).await), records());
        let stored = stored(&pair.target, &topic).await;
        assert_eq!((stored.codec.as_str(), stored.count, stored.valid, stored.producer_id), (codec, 3, true, -1));
    }
}

#[tokio::test]
async fn a_base_offset_is_refused() {
    let (_, client, batch) = source_batch("accepts-base-offset", "none", &records()).await;
    let elsewhere = changed(&batch.restamp(Stamp::NONE).to_bytes(), |bytes| bytes[7] = 9);

    assert_eq!(client.offer("accepts-base-offset", elsewhere).await, refused(INVALID_RECORD));
}

#[tokio::test]
async fn a_foreign_producer_id_is_accepted_and_becomes_the_targets_state() {
    let topic = "accepts-foreign-id";
    let (pair, client, batch) = source_batch(topic, "none", &records()).await;
    assert!(batch.producer_id() >= 0);

    let offset = client.offer(topic, batch.as_bytes()).await;

    assert_eq!(offset, Ok(0));
    let known = pair.target.active_producers(topic, 0).await;
    assert_eq!(known, [(batch.producer_id(), i32::from(batch.producer_epoch()), 2)]);
}

#[tokio::test]
async fn a_transactional_bit_needs_a_producer_id() {
    let topic = "accepts-transactional";
    let pair = clusters().await;
    pair.source.create_topic(topic, 1).await;
    pair.target.create_topic(topic, 1).await;
    let producer = pair.source.producer().transactional(topic).open().await;
    producer.begin().await;
    producer.send(topic, 0, &records()).await;
    producer.commit().await;
    let batch = RecordBatch::parse(pair.source.raw_batches(topic, 0).await.remove(0)).unwrap();
    assert!(batch.is_transactional());
    let client = RawClient::to(&pair.target).await;

    let with_bit = client.offer_stamped(topic, &batch.restamp(Stamp { transactional: true, ..Stamp::NONE })).await;
    let without = client.offer_stamped(topic, &batch.restamp(Stamp::NONE)).await;

    assert_eq!(with_bit, refused(TRANSACTIONAL_ID_AUTHORIZATION_FAILED));
    assert_eq!(without, Ok(0));
    assert_eq!(contents(&pair.target.consume(topic).await), records());
    assert!(!stored(&pair.target, topic).await.transactional);
}

#[tokio::test]
async fn a_control_batch_is_refused() {
    let topic = "accepts-control";
    let pair = clusters().await;
    pair.source.create_topic(topic, 1).await;
    pair.target.create_topic(topic, 1).await;
    let producer = pair.source.producer().transactional(topic).open().await;
    producer.begin().await;
    producer.send(topic, 0, &records()).await;
    producer.commit().await;
    let marker = eventually("the marker is written", Duration::from_secs(10), async || {
        // The broker answers a commit before it has written the markers.
        pair.source.raw_batches(topic, 0).await.get(1).cloned().ok_or("records only")
    })
    .await;
    let marker = RecordBatch::parse(marker).unwrap();
    assert!(marker.is_control());

    let answer = RawClient::to(&pair.target).await.offer_stamped(topic, &marker.restamp(Stamp::NONE)).await;

    assert_eq!(answer, refused(INVALID_RECORD));
}

#[tokio::test]
async fn sequence_numbers_of_ours_make_a_raw_batch_idempotent() {
    let topic = "accepts-sequences";
    let (pair, client, batch) = source_batch(topic, "lz4", &records()).await;
    let us = client.identity().await;

    assert_eq!(client.offer_stamped(topic, &batch.restamp(us.stamp(0))).await, Ok(0));
    assert_eq!(client.offer_stamped(topic, &batch.restamp(us.stamp(0))).await, Ok(0), "the same again");
    assert_eq!(client.offer_stamped(topic, &batch.restamp(us.stamp(9))).await, refused(OUT_OF_ORDER_SEQUENCE_NUMBER));
    assert_eq!(client.offer_stamped(topic, &batch.restamp(us.stamp(3))).await, Ok(3));
    assert_eq!(pair.target.consume(topic).await.len(), 6);
    assert_eq!(pair.target.active_producers(topic, 0).await, [(us.id, i32::from(us.epoch), 5)]);
}

#[tokio::test]
async fn a_raw_batch_can_be_part_of_our_transaction() {
    let topic = "accepts-our-transaction";
    let (pair, client, batch) = source_batch(topic, "zstd", &records()).await;

    client.offer_in_transaction("accepts-ours", topic, &batch, false).await;
    client.offer_in_transaction("accepts-ours", topic, &batch, true).await;

    let committed = pair.target.read(topic).at_least(3).await;
    assert_eq!(contents(&committed), records());
    assert_eq!(committed[0].offset, 4, "three aborted records and their marker come before");
    assert_eq!(pair.target.read(topic).uncommitted().all().await.len(), 6);
}

#[tokio::test]
async fn two_batches_of_one_partition_in_a_request_are_refused() {
    let topic = "accepts-two";
    let (_, client, batch) = source_batch(topic, "none", &records()).await;
    let one = batch.restamp(Stamp::NONE).to_bytes();

    assert_eq!(client.offer(topic, [&one[..], &one[..]].concat()).await, refused(INVALID_RECORD));
}

/// A batch that was written with ten records and has lost the first four to compaction.
async fn batch_with_holes(topic: &str, codec: &str) -> (&'static Pair, RawClient, RecordBatch) {
    // The first four keys are written again at the end.
    let keys = ["a", "b", "c", "d", "e", "f", "a", "b", "c", "d"];
    let records: Vec<_> = keys.iter().zip(0..).map(|(&key, i)| Record::new(key, format!("v{i}")).at(i)).collect();
    let (pair, client, _) = source_batch_with(topic, codec, &records, COMPACT_NOW, &[]).await;
    let batch = compacted(&pair.source, topic, |batch| batch.record_count() < 10).await;
    (pair, client, batch)
}

const COMPACT_NOW: &[(&str, &str)] =
    &[("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0.001"), ("segment.ms", "100")];

/// The topic's first batch, once the cleaner has been there and it is `as_wanted`. The cleaner leaves the active segment
/// alone, so segments must roll, which needs new records.
async fn compacted(cluster: &KafkaCluster, topic: &str, as_wanted: impl Fn(&RecordBatch) -> bool) -> RecordBatch {
    eventually(&format!("{topic} is compacted"), Duration::from_secs(30), async || {
        cluster.produce(topic, 0, &[Record::new("roll", "over")]).await;
        let first = RecordBatch::parse(cluster.raw_batches(topic, 0).await.remove(0)).unwrap();
        if as_wanted(&first) { Ok(first) } else { Err("it is as it was") }
    })
    .await
}

#[tokio::test]
async fn holes_in_the_offsets_are_refused_and_a_batch_encoded_anew_is_accepted() {
    let topic = "accepts-holes";
    let (pair, client, batch) = batch_with_holes(topic, "lz4").await;
    assert_eq!((batch.record_count(), batch.last_offset_delta(), batch.is_dense()), (6, 9, false));

    let as_it_is = client.offer_stamped(topic, &batch.restamp(Stamp::NONE)).await;
    let records = batch.decode(&DecodeLimits::default()).unwrap();
    let anew = client.offer(topic, encode(&records, Codec::Lz4, Stamp::NONE).unwrap()).await;

    assert_eq!(as_it_is, refused(INVALID_RECORD));
    assert_eq!(anew, Ok(0));
    let texts: Vec<_> = pair.target.consume(topic).await.iter().map(Consumed::text).collect();
    assert_eq!(texts, ["v4", "v5", "v6", "v7", "v8", "v9"]);
}

#[tokio::test]
async fn a_forged_last_offset_in_a_compressed_batch_confuses_the_broker() {
    let topic = "accepts-forged-lz4";
    let (_, client, batch) = batch_with_holes(topic, "lz4").await;
    let restamped = batch.restamp(Stamp::NONE).to_bytes();

    let forged = forged(&restamped, |bytes| bytes[LAST_OFFSET_DELTA_AT + 3] = 5);

    assert_eq!(client.offer(topic, forged).await, refused(UNKNOWN_SERVER_ERROR));
}

#[tokio::test]
async fn a_forged_last_offset_is_accepted_and_corrupts_the_offsets() {
    let topic = "accepts-forged";
    let (pair, client, batch) = batch_with_holes(topic, "none").await;
    let restamped = batch.restamp(Stamp::NONE).to_bytes();

    let forged = forged(&restamped, |bytes| bytes[LAST_OFFSET_DELTA_AT + 3] = 5);

    assert_eq!(client.offer(topic, forged).await, Ok(0));
    assert_eq!(pair.target.end_offsets(topic).await, [6]);
    let read = pair.target.consume(topic).await;
    assert_eq!(read.iter().map(|r| r.offset).collect::<Vec<_>>(), [4, 5, 6, 7, 8, 9], "beyond the end of the log");
}

#[tokio::test]
async fn a_delete_horizon_is_kept_unless_it_is_cleared() {
    let topic = "accepts-horizon";
    let records = [Record::new("k", "v").at(1_700_000_000_000), Record::tombstone("t").at(1_600_000_000_000)];
    let (pair, client, _) = source_batch_with(topic, "lz4", &records, COMPACT_NOW, &[]).await;
    let batch = compacted(&pair.source, topic, RecordBatch::has_delete_horizon).await;
    assert!(batch.has_delete_horizon() && batch.is_dense());
    let cleared = batch.restamp(Stamp::NONE).to_bytes();
    let kept = forged(&cleared, |bytes| bytes[LOW_ATTRIBUTES_AT] |= DELETE_HORIZON_BIT);

    assert_eq!(client.offer(topic, kept).await, Ok(0));
    assert_eq!(client.offer(topic, cleared).await, Ok(2));

    let batches = pair.target.batches(topic, 0).await;
    assert_eq!((batches[0].delete_horizon, batches[1].delete_horizon), (true, false));
    let read = contents(&pair.target.consume(topic).await);
    assert_eq!(read[..2], records, "with the bit");
    assert_eq!(read[2..], records, "without it");
}

#[tokio::test]
async fn append_time_batches_lose_their_time_in_a_create_time_topic() {
    let topic = "accepts-append-to-create";
    let append = [("message.timestamp.type", "LogAppendTime")];
    let (pair, client, batch) = source_batch_with(topic, "none", &[Record::value("v").at(7)], &append, &[]).await;

    assert_eq!(client.offer_stamped(topic, &batch.restamp(Stamp::NONE)).await, Ok(0));

    let (at_source, at_target) = (pair.source.consume(topic).await, pair.target.consume(topic).await);
    assert_eq!(at_source[0].timestamp_type, TimestampType::LogAppendTime);
    assert_eq!((at_target[0].timestamp_type, at_target[0].record.timestamp_ms), (TimestampType::CreateTime, Some(7)));
}

#[tokio::test]
async fn append_time_batches_are_refused_by_an_append_time_topic_unless_the_bit_is_cleared() {
    let topic = "accepts-append-to-append";
    let append = [("message.timestamp.type", "LogAppendTime")];
    let (pair, client, batch) = source_batch_with(topic, "lz4", &[Record::value("v").at(7)], &append, &append).await;
    let restamped = batch.restamp(Stamp::NONE).to_bytes();

    let answer = client.offer(topic, &restamped).await;
    assert_eq!(answer, Err(Refused { code: INVALID_TIMESTAMP, records: vec![0] }));
    let cleared = forged(&restamped, |bytes| bytes[LOW_ATTRIBUTES_AT] &= !LOG_APPEND_TIME_BIT);
    assert_eq!(client.offer(topic, cleared).await, Ok(0));

    let read = pair.target.consume(topic).await;
    assert_eq!(read[0].timestamp_type, TimestampType::LogAppendTime);
    assert!(read[0].record.timestamp_ms > Some(1_600_000_000_000));
}

#[tokio::test]
async fn create_time_batches_get_the_brokers_time_in_an_append_time_topic() {
    let topic = "accepts-create-to-append";
    let append = [("message.timestamp.type", "LogAppendTime")];
    let (pair, client, batch) = source_batch_with(topic, "lz4", &records(), &[], &append).await;

    assert_eq!(client.offer_stamped(topic, &batch.restamp(Stamp::NONE)).await, Ok(0));

    let read = pair.target.consume(topic).await;
    assert!(read.iter().all(|r| r.timestamp_type == TimestampType::LogAppendTime));
    assert!(stored(&pair.target, topic).await.valid);
}

#[tokio::test]
async fn old_formats_are_refused() {
    let topic = "accepts-old";
    let (_, client, _) = source_batch(topic, "none", &records()).await;

    for magic in [0, 1] {
        assert_eq!(client.offer(topic, old_message(magic)).await, refused(INVALID_RECORD), "magic {magic}");
    }
}

/// A message set of one message without key, as producers wrote it before Kafka 0.11.
fn old_message(magic: u8) -> Vec<u8> {
    let mut message = vec![magic, 0];
    if magic == 1 {
        message.extend(7_i64.to_be_bytes());
    }
    message.extend((-1_i32).to_be_bytes());
    message.extend(100_i32.to_be_bytes());
    message.extend([b'v'; 100]);
    let crc = crc32(&message);
    let size = u32::try_from(message.len() + 4).unwrap();
    [&0_i64.to_be_bytes()[..], &size.to_be_bytes(), &crc.to_be_bytes(), &message].concat()
}

/// The checksum of those days (CRC-32 as in gzip).
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
}

#[tokio::test]
async fn a_batch_above_the_targets_limit_is_refused() {
    let topic = "accepts-large";
    let large = [Record::value(vec![b'x'; 2_000])];
    let limit = [("max.message.bytes", "1000")];
    let (_, client, batch) = source_batch_with(topic, "none", &large, &[], &limit).await;

    assert_eq!(client.offer_stamped(topic, &batch.restamp(Stamp::NONE)).await, refused(MESSAGE_TOO_LARGE));
}

#[tokio::test]
async fn a_record_without_key_is_refused_by_name_in_a_compacted_topic() {
    let topic = "accepts-keyless";
    let keyless = [Record::new("k", "0"), Record::value("1"), Record::new("k", "2")];
    let compact = [("cleanup.policy", "compact")];
    let (_, client, batch) = source_batch_with(topic, "lz4", &keyless, &[], &compact).await;

    let answer = client.offer_stamped(topic, &batch.restamp(Stamp::NONE)).await;

    assert_eq!(answer, Err(Refused { code: INVALID_RECORD, records: vec![1] }));
}

#[tokio::test]
async fn a_topic_with_another_codec_stores_its_own() {
    let topic = "accepts-codec";
    let zstd = [("compression.type", "zstd")];
    let (pair, client, batch) = source_batch_with(topic, "lz4", &records(), &[], &zstd).await;

    assert_eq!(client.offer_stamped(topic, &batch.restamp(Stamp::NONE)).await, Ok(0));

    assert_eq!(stored(&pair.target, topic).await.codec, "zstd");
    assert_eq!(contents(&pair.target.consume(topic).await), records());
}

#[tokio::test]
async fn a_flipped_bit_is_found_by_a_carried_checksum_and_hidden_by_a_new_one() {
    let topic = "accepts-flipped";
    let (pair, client, batch) = source_batch(topic, "none", &[Record::value("value")]).await;
    let restamped = batch.restamp(Stamp::NONE).to_bytes();
    let flip = |bytes: &mut [u8]| {
        let at = bytes.windows(5).position(|window| window == b"value").unwrap();
        bytes[at] ^= 0x20;
    };

    assert_eq!(client.offer(topic, changed(&restamped, flip)).await, refused(CORRUPT_MESSAGE));
    assert_eq!(client.offer(topic, forged(&restamped, flip)).await, Ok(0));
    assert_eq!(pair.target.consume(topic).await[0].text(), "Value");
}

#[tokio::test]
async fn a_fetch_from_inside_a_batch_answers_the_whole_batch() {
    let topic = "accepts-inside";
    let (pair, _, batch) = source_batch(topic, "lz4", &Record::numbered(20)).await;
    assert_eq!((batch.base_offset(), batch.last_offset()), (0, 19));

    let fetched: Bytes = RawClient::to(&pair.source).await.fetch(topic, 5).await;

    assert_eq!(fetched, batch.as_bytes());
}
