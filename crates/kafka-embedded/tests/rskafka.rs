//! rskafka, which shares no code with our client, talks to the embedded broker.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use chrono::{TimeZone, Utc};
use kafka_embedded::{EmbeddedKafka, Options};
use rskafka::client::ClientBuilder;
use rskafka::client::partition::{Compression, OffsetAt, UnknownTopicHandling};
use rskafka::record::Record;

#[tokio::test]
async fn rskafka_creates_writes_reads_deletes() {
    let kafka = EmbeddedKafka::start(Options::default()).await.unwrap();
    let client = ClientBuilder::new(vec![kafka.bootstrap()]).build().await.unwrap();
    client.controller_client().unwrap().create_topic("t", 2, 1, 5_000).await.unwrap();
    let partition = client.partition_client("t", 1, UnknownTopicHandling::Retry).await.unwrap();
    let record = |value: &str| Record {
        key: Some(b"k".to_vec()),
        value: Some(value.as_bytes().to_vec()),
        headers: BTreeMap::from([("h".to_owned(), b"1".to_vec())]),
        timestamp: Utc.timestamp_millis_opt(1_700_000_000_000).unwrap(),
    };

    let offsets = partition.produce(vec![record("a"), record("b")], Compression::NoCompression).await.unwrap();
    let (read, watermark) = partition.fetch_records(0, 1..1_000_000, 1_000).await.unwrap();

    assert_eq!((offsets, watermark), (vec![0, 1], 2));
    assert_eq!(read.into_iter().map(|read| read.record).collect::<Vec<_>>(), [record("a"), record("b")]);
    assert_eq!(partition.get_offset(OffsetAt::Latest).await.unwrap(), 2);
    partition.delete_records(1, 5_000).await.unwrap();
    assert_eq!(partition.get_offset(OffsetAt::Earliest).await.unwrap(), 1);
    let topics = client.list_topics().await.unwrap();
    assert_eq!(topics.iter().map(|topic| (&*topic.name, topic.partitions.len())).collect::<Vec<_>>(), [("t", 2)]);
}
