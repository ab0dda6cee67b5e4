//! Every record arrives byte for byte, judged by Java's consumer and by rskafka.
//!
//! - Keys and values arrive as they are: absent, empty, both; not UTF-8; with a Schema Registry's magic byte and id.
//! - Headers arrive in their order, none or a hundred, with repeated names, without value, with an empty name or value, with
//!   bytes that are no text; and a `header.converter` changes none of them.
//! - Timestamps arrive as the producer gave them: none, 0, before 1970, in 2038, going down within a batch.
//! - With each codec, batches of 1, 2 and 500 records arrive as the batches they were.
//! - Records arrive up to the last byte that the source takes, and larger ones where the source's topic is set so.

use chrono::DateTime;
use harness::{Record, TimestampType, clusters};
use rskafka::client::partition::Compression;

use crate::delivery::{Flow, witnessed};

#[tokio::test]
async fn keys_and_values_arrive_as_they_are() {
    let pair = clusters().await;
    let topic = "bytes-payloads";
    pair.source.create_topic(topic, 3).await;
    let not_utf8 = vec![0xff, 0x00, 0xc3, 0x28, 0xfe];
    let confluent = |payload: &[u8]| [&[0, 0x00, 0x01, 0xe2, 0x40], payload].concat();
    let records = [
        Record::new("key", "value"),
        Record::value("no key"),
        Record::tombstone("gone"),
        Record::default(),
        Record::new("", ""),
        Record::new("", "empty key"),
        Record::new("empty value", ""),
        Record::tombstone(""),
        Record::value(""),
        Record::new(not_utf8.clone(), not_utf8),
        Record::new(confluent(b"\x06key"), confluent(b"\x02\x0cpayload")),
        Record::new("json", r#"{"schema":null,"payload":{"a":1}}"#),
        Record::new("zeros", vec![0; 4096]),
    ];
    for (partition, records) in (0..).zip([&records[..5], &records[5..], &records[..]]) {
        pair.source.produce(topic, partition, records).await;
    }

    let flow = Flow::new("bytes-payloads-flow", topic).await;
    flow.start().await;

    let read = flow.arrives(topic).await;
    assert_eq!(read.len(), 2 * records.len());
    assert!(read.iter().all(|read| read.timestamp_type == TimestampType::CreateTime));
    for partition in 0..3 {
        let source = witnessed(&pair.source, topic, partition).await;
        assert_eq!(source, witnessed(&pair.target, &flow.remote(topic), partition).await);
    }
}

/// Every header that a converter could be tempted to understand, and those that it could not keep.
fn headers() -> Vec<Record> {
    let odd = Record::new("odd", "headers")
        .header("twice", "1")
        .header("other", "x")
        .header("twice", "2")
        .null_header("twice")
        .null_header("absent")
        .header("empty", "")
        .header("", "no name")
        .header("", "")
        .header("bytes", vec![0x80, 0xff, 0x00])
        .header("größe", "12 €");
    let readable = Record::new("readable", "headers")
        .header("int", "42")
        .header("float", "1.50")
        .header("bool", "TRUE")
        .header("null", "null")
        .header("quoted", r#""text""#)
        .header("list", "[1, 2, 3]")
        .header("map", r#"{"b" : 1,"a":2}"#)
        .header("date", "2024-02-29")
        .header("spaces", "  x  ")
        .header("escaped", r"a\,b\\");
    let hundred =
        (0..100).fold(Record::value("hundred"), |record, i| record.header(&format!("h{}", i % 60), i.to_string()));
    vec![Record::value("none"), odd, readable, hundred, Record::tombstone("gone").header("why", "moved")]
}

#[tokio::test]
async fn headers_arrive_in_order_with_repeats_and_without_values() {
    let pair = clusters().await;
    let topic = "bytes-headers";
    pair.source.create_topic(topic, 1).await;
    pair.source.produce(topic, 0, &headers()).await;

    let flow = Flow::new("bytes-headers-flow", topic).await;
    flow.start().await;

    let read = flow.arrives(topic).await;
    assert_eq!(read.iter().map(|read| read.record.headers.len()).collect::<Vec<_>>(), [0, 10, 10, 100, 1]);
    assert_eq!(read[1].record.headers, headers()[1].headers);
}

#[tokio::test]
async fn a_header_converter_changes_no_header() {
    let pair = clusters().await;
    let topic = "bytes-converter";
    pair.source.create_topic(topic, 1).await;
    pair.source.produce(topic, 0, &headers()).await;

    let flow = Flow::new("bytes-converter-flow", topic).await;
    let flow = flow.with("header.converter", "org.apache.kafka.connect.storage.SimpleHeaderConverter");
    flow.start().await;

    assert_eq!(flow.arrives(topic).await.len(), headers().len());
}

#[tokio::test]
async fn timestamps_arrive_as_the_producer_gave_them() {
    let pair = clusters().await;
    let topic = "bytes-times";
    // A broker refuses times more than an hour ahead unless it is told to take them.
    pair.source.create_topic_with(topic, 2, &[("message.timestamp.after.max.ms", "9223372036854775807")]).await;
    let in_2038 = 2_147_483_648_000;
    let down = [in_2038, 1_700_000_000_000, 1_699_999_999_999, 1_000, 1, 0, 1_700_000_000_000];
    pair.source.produce(topic, 0, &down.map(|at| Record::value(at.to_string()).at(at))).await;
    // Java's producer refuses negative times; brokers don't.
    let negative = [-1, 5, -1, -2_000];
    let records = negative.map(|at| rskafka::record::Record {
        key: None,
        value: Some(at.to_string().into_bytes()),
        headers: [].into(),
        timestamp: DateTime::from_timestamp_millis(at).unwrap(),
    });
    let producer = pair.source.rskafka_partition(topic, 1).await;
    producer.produce(records.to_vec(), Compression::NoCompression).await.unwrap();
    producer.produce(vec![records[0].clone()], Compression::NoCompression).await.unwrap();

    let flow = Flow::new("bytes-times-flow", topic).await;
    flow.start().await;

    let read = flow.arrives(topic).await;
    for (partition, wanted) in [(0, &down[..]), (1, &[-1, 5, -1, -2_000, -1])] {
        let times = read.iter().filter(|read| read.partition == partition).filter_map(|read| read.record.timestamp_ms);
        assert_eq!(times.collect::<Vec<_>>(), wanted);
        let source = witnessed(&pair.source, topic, partition).await;
        assert_eq!(source, witnessed(&pair.target, &flow.remote(topic), partition).await);
    }
}

#[tokio::test]
async fn batches_arrive_as_the_batches_they_were_with_every_codec() {
    let pair = clusters().await;
    let topic = "bytes-codecs";
    let codecs = ["none", "gzip", "snappy", "lz4", "zstd"];
    pair.source.create_topic(topic, 5).await;
    let five_hundred: Vec<_> = (0..500_u16)
        .map(|i| {
            let noise: Vec<u8> = (0..i % 97).map(|j| (i.wrapping_mul(j ^ 0x5bd1) >> 3) as u8).collect();
            let record = Record::new(i.to_string(), noise).at(1_700_000_000_000 + i64::from(i * 7 % 13));
            if i % 3 == 0 { record.header("i", i.to_string()).null_header("i") } else { record }
        })
        .collect();
    for (partition, codec) in (0..).zip(codecs) {
        let producer = pair.source.producer().codec(codec).open().await;
        for records in [&five_hundred[..1], &headers()[1..3], &five_hundred[..]] {
            producer.send(topic, partition, records).await;
        }
    }

    let flow = Flow::new("bytes-codecs-flow", topic).await;
    flow.start().await;

    assert_eq!(flow.arrives(topic).await.len(), 5 * 503);
    for (partition, codec) in (0..).zip(codecs) {
        let batches = pair.target.batches(&flow.remote(topic), partition).await;
        let seen: Vec<_> = batches.iter().map(|batch| (batch.codec.as_str(), batch.count, batch.valid)).collect();
        assert_eq!(seen, [(codec, 1, true), (codec, 2, true), (codec, 500, true)]);
    }
}

/// The largest value whose record, alone in a batch and without key and headers, makes a batch of 1,048,588 bytes: what
/// brokers take by default (`max.message.bytes`). The batch's header is 61 bytes, the record's fields 11.
const LARGEST_VALUE_BYTES: usize = 1_048_588 - 61 - 11;

#[tokio::test]
async fn records_arrive_up_to_the_last_byte_that_the_source_takes() {
    let pair = clusters().await;
    let (normal, raised) = ("bytes-large", "bytes-larger");
    pair.source.create_topic(normal, 1).await;
    pair.source.create_topic_with(raised, 1, &[("max.message.bytes", "3145728")]).await;
    let value = |len: usize| Record::value((0..len).map(|i| (i % 251) as u8).collect::<Vec<_>>());
    let producer = pair.source.producer().open().await;
    let sizes = [10, 1_000_000, LARGEST_VALUE_BYTES];
    for size in sizes {
        producer.send(normal, 0, &[value(size)]).await;
    }
    assert!(producer.try_send(normal, 0, &[value(LARGEST_VALUE_BYTES + 1)]).await.is_err(), "it was the largest");
    producer.send(raised, 0, &[value(3_000_000)]).await;
    producer.send(raised, 0, &[value(1_000_000), value(1_500_000), value(17)]).await;

    let flow = Flow::new("bytes-large-flow", "bytes-large,bytes-larger").await;
    flow.start().await;

    let read = flow.arrives(normal).await;
    assert_eq!(read.iter().filter_map(|read| Some(read.record.value.as_ref()?.len())).collect::<Vec<_>>(), sizes);
    assert_eq!(flow.arrives(raised).await.len(), 4);
    assert_eq!(pair.target.topic_config(&flow.remote(raised)).await["max.message.bytes"], "3145728");
    let source = witnessed(&pair.source, raised, 0).await;
    assert_eq!(source, witnessed(&pair.target, &flow.remote(raised), 0).await);
}
