//! Whatever a source log is made of, the target gets the records that applications see.
//!
//! - With `source.consumer.isolation.level=read_committed`, committed records arrive in order and aborted ones do not;
//!   records behind an open transaction wait for its end, and the status says whose it is. Without it, as in Java, all arrive. No
//!   marker and no transaction gets to the target.
//! - What compaction has left arrives, with holes in batches and with batches of which nothing is left.
//! - Records of a topic with `LogAppendTime` carry the source broker's times on the target.
//! - A stored offset inside a batch resumes behind its record: nothing twice, nothing missing.
//! - A batch that is too large for the target arrives in parts, its records in order.
//! - A record that is too large for the target stops its partition, which the status names with the remedy; the others go
//!   on, and so does it once the target takes the record. So does one whose time the target does not take.

use harness::{Record, TimestampType, clusters, eventually};
use serde_json::json;

use crate::delivery::{ARRIVES, Flow, OFFSETS, arrive, assert_same, named, texts, worker};

#[tokio::test]
async fn of_transactions_only_the_committed_records_arrive() {
    let pair = clusters().await;
    let topic = "logs-transactions";
    pair.source.create_topic(topic, 1).await;
    let plain = pair.source.producer().open().await;
    let one = pair.source.producer().transactional("logs-one").open().await;
    let other = pair.source.producer().transactional("logs-other").codec("lz4").open().await;
    one.begin().await;
    other.begin().await;
    one.send(topic, 0, &named("aborted", 2)).await;
    other.send(topic, 0, &named("committed", 2)).await;
    one.send(topic, 0, &named("aborted", 1)).await;
    plain.send(topic, 0, &named("plain", 1)).await;
    other.send(topic, 0, &named("committed", 3)).await;
    one.abort().await;
    other.commit().await;
    one.begin().await;
    one.send(topic, 0, &named("committed later", 2)).await;
    one.commit().await;
    other.begin().await;
    other.send(topic, 0, &named("aborted", 3)).await;
    other.abort().await;
    eventually("the markers are written", ARRIVES, async || {
        let (stable, end) = (pair.source.stable_offsets(topic).await, pair.source.end_offsets(topic).await);
        if stable == end { Ok(()) } else { Err(format!("stable {stable:?}, end {end:?}")) }
    })
    .await;

    let committed = Flow::new("logs-committed", topic).await.with("source.consumer.isolation.level", "read_committed");
    let all = Flow::new("logs-uncommitted", topic).await;
    tokio::join!(committed.start(), all.start());

    let arrived = committed.arrives(topic).await;
    assert_eq!(arrived.len(), 8);
    assert!(texts(&arrived).iter().all(|text| !text.starts_with("aborted")));
    arrive(&pair.source.read(topic).uncommitted().all().await, &all.remote(topic)).await;

    let waits = async |words: &str| {
        eventually(&format!("the status says {words:?}"), ARRIVES, async || {
            let status = committed.status().await;
            let said = status["tasks"][0]["trace"].as_str().unwrap_or_default();
            let right = if words.is_empty() { said.is_empty() } else { said.contains(words) };
            if right && status["tasks"][0]["state"] == "RUNNING" { Ok(()) } else { Err(status.to_string()) }
        })
        .await;
    };
    let open_from = pair.source.end_offsets(topic).await[0];
    one.begin().await;
    one.send(topic, 0, &named("open", 2)).await;
    plain.send(topic, 0, &named("behind it", 1)).await;
    arrive(&pair.source.read(topic).uncommitted().all().await, &all.remote(topic)).await;
    assert_same(&arrived, &pair.target.consume(&committed.remote(topic)).await);
    waits(&format!("records from offset {open_from} on wait for the end of a transaction of producer id")).await;
    waits(&format!("kafka-transactions.sh abort --topic {topic} --partition 0 --start-offset {open_from}")).await;
    one.commit().await;
    eventually("the transaction is over", ARRIVES, async || match pair.source.consume(topic).await.len() {
        11 => Ok(()),
        seen => Err(format!("{seen} records seen")),
    })
    .await;
    committed.arrives(topic).await;
    waits("").await;
    for flow in [&committed, &all] {
        let batches = pair.target.batches(&flow.remote(topic), 0).await;
        assert!(batches.iter().all(|batch| batch.valid && !batch.transactional && !batch.control), "{batches:?}");
    }
}

#[tokio::test]
async fn what_compaction_has_left_arrives() {
    let pair = clusters().await;
    let topic = "logs-compacted";
    let configs = [("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0"), ("segment.ms", "1000")];
    pair.source.create_topic_with(topic, 2, &configs).await;
    let keyed = |version: &'static str, keys: &[u8]| {
        let record =
            |key: &u8| Record::new(format!("k{key}"), version).at(1_000 + i64::from(*key)).header("v", version);
        keys.iter().map(record).collect::<Vec<_>>()
    };
    for (partition, codec) in [(0, "none"), (1, "zstd")] {
        // A producer each: of the first one's only batch nothing will be left but its empty shell.
        for records in [
            keyed("first", &[0, 1, 2]),
            keyed("second", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
            [keyed("third", &[0, 2, 6, 7, 9, 2]), vec![Record::tombstone("k4").at(999)]].concat(),
            // A day later: closes the segment, and only closed ones are compacted.
            vec![Record::new("last", "last").at(86_400_000)],
        ] {
            pair.source.producer().codec(codec).open().await.send(topic, partition, &records).await;
        }
    }
    eventually("the source is compacted", ARRIVES, async || match pair.source.consume(topic).await.len() {
        22 => Ok(()),
        seen => Err(format!("{seen} records are there")),
    })
    .await;
    let batches = pair.source.batches(topic, 0).await;
    let span = |batch: &harness::Batch| batch.last_offset - batch.base_offset + 1;
    assert!(batches.iter().any(|batch| 0 < batch.count && batch.count < span(batch)), "no holes: {batches:?}");
    assert!(batches.iter().any(|batch| batch.count == 0), "no empty batch: {batches:?}");
    assert!(batches.iter().any(|batch| batch.delete_horizon), "no delete horizon: {batches:?}");

    let flow = Flow::new("logs-compacted-flow", topic).await;
    flow.start().await;

    flow.arrives(topic).await;
    pair.source.produce(topic, 1, &[Record::new("later", "later").at(86_400_001)]).await;
    assert_eq!(flow.arrives(topic).await.len(), 23);
    let batches = pair.target.batches(&flow.remote(topic), 1).await;
    assert!(batches.iter().all(|batch| batch.valid && batch.count == span(batch)), "{batches:?}");
}

#[tokio::test]
async fn append_times_of_the_source_arrive() {
    let pair = clusters().await;
    let topic = "logs-append-time";
    pair.source.create_topic_with(topic, 2, &[("message.timestamp.type", "LogAppendTime")]).await;
    for (partition, codec) in [(0, "none"), (1, "zstd")] {
        let producer = pair.source.producer().codec(codec).open().await;
        for _ in 0..2 {
            let records = [Record::new("k", "old").at(1).header("h", "1"), Record::tombstone("k").at(1_000)];
            producer.send(topic, partition, &records).await;
        }
    }

    let flow = Flow::new("logs-append-time-flow", topic).await;
    flow.start().await;

    let read = flow.arrives(topic).await;
    assert!(read.iter().all(|read| read.record.timestamp_ms > Some(1_600_000_000_000)));
    assert!(read.iter().all(|read| read.timestamp_type == TimestampType::CreateTime));
}

#[tokio::test]
async fn a_stored_offset_inside_a_batch_resumes_behind_its_record() {
    let pair = clusters().await;
    let topic = "logs-resumed";
    pair.source.create_topic(topic, 3).await;
    for (partition, codec) in [(0, "none"), (1, "gzip"), (2, "zstd")] {
        let producer = pair.source.producer().codec(codec).open().await;
        producer.send(topic, partition, &named("first", 10)).await;
        producer.send(topic, partition, &named("second", 10)).await;
    }
    let flow = Flow::new("logs-resumed-flow", topic).await;
    worker().await;
    // The last one that is on the target: inside the first batch, at its end, at the start of the second.
    let stored = [3, 9, 10];
    for (partition, offset) in stored.iter().enumerate() {
        // Java's bytes: no spaces, and the fields in the order in which MirrorMaker puts them.
        let key = format!(r#"["{0}",{{"cluster":"{0}","partition":{partition},"topic":"{topic}"}}]"#, flow.name);
        pair.target.produce(OFFSETS, 0, &[Record::new(key, format!(r#"{{"offset":{offset}}}"#))]).await;
    }

    flow.start().await;

    let mut rest = pair.source.consume(topic).await;
    rest.retain(|sent| sent.offset > stored[usize::try_from(sent.partition).unwrap()]);
    assert_eq!(rest.len(), 16 + 10 + 9);
    arrive(&rest, &flow.remote(topic)).await;
}

/// `n` records of about `size` bytes that no codec makes much smaller.
pub(crate) fn noise(n: usize, size: usize) -> Vec<Record> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..n).map(|i| Record::new(i.to_string(), (0..size).map(|_| byte()).collect::<Vec<_>>())).collect()
}

#[tokio::test]
async fn a_batch_too_large_for_the_target_arrives_in_parts() {
    let pair = clusters().await;
    let topic = "logs-split";
    pair.source.create_topic(topic, 2).await;
    let flow = Flow::new("logs-split-flow", topic).await.with("sync.topic.configs.enabled", "false");
    pair.target.create_topic_with(&flow.remote(topic), 2, &[("max.message.bytes", "20000")]).await;
    for (partition, codec) in [(0, "none"), (1, "lz4")] {
        let producer = pair.source.producer().codec(codec).open().await;
        for records in [named("before", 3), noise(100, 1_000), noise(40, 1_000), named("behind", 3)] {
            producer.send(topic, partition, &records).await;
        }
    }

    flow.start().await;

    assert_eq!(flow.arrives(topic).await.len(), 2 * 146);
    for (partition, codec) in [(0, "none"), (1, "lz4")] {
        let batches = pair.target.batches(&flow.remote(topic), partition).await;
        assert!(batches.iter().all(|batch| batch.size_bytes <= 20_000 && batch.codec == codec), "{batches:?}");
    }
}

#[tokio::test]
async fn a_record_too_large_for_the_target_stops_its_partition_only() {
    let pair = clusters().await;
    let topic = "logs-refused";
    pair.source.create_topic(topic, 2).await;
    let flow = Flow::new("logs-refused-flow", topic).await.with("sync.topic.configs.enabled", "false");
    let remote = flow.remote(topic);
    pair.target.create_topic_with(&remote, 2, &[("max.message.bytes", "20000")]).await;
    let producer = pair.source.producer().open().await;
    for records in [named("before", 3), noise(1, 30_000), named("behind", 3)] {
        producer.send(topic, 0, &records).await;
    }

    flow.start().await;

    let trace = eventually("the status names the partition", ARRIVES, async || {
        let status = flow.status().await;
        let trace = status["tasks"][0]["trace"].as_str().unwrap_or_default().to_owned();
        let named = [topic, "-0", &remote, "max.message.bytes"].iter().all(|word| trace.contains(word));
        if named && status["tasks"][0]["state"] == "RUNNING" { Ok(trace) } else { Err(status.to_string()) }
    })
    .await;
    assert!(!trace.contains(&format!("{topic}-1")), "{trace}");
    producer.send(topic, 1, &named("other", 5)).await;
    let sent = pair.source.consume(topic).await;
    let mut taken = sent.clone();
    taken.retain(|sent| sent.partition == 1 || sent.offset < 3);
    arrive(&taken, &remote).await;

    pair.target.set_topic_config(&remote, &[("max.message.bytes", Some("40000"))]).await;
    let restart = format!("/connectors/{}/restart?includeTasks=true", flow.name);
    let restarted = worker().await.rest().post(&restart, &json!({})).await;

    assert_eq!(restarted.status, 202, "{}", restarted.body);
    assert_eq!(flow.arrives(topic).await.len(), sent.len());
    let status = flow.status().await;
    assert_eq!(status["tasks"][0]["trace"].as_str(), None, "{status}");
}

#[tokio::test]
async fn a_record_whose_time_the_target_refuses_stops_its_partition_only() {
    let pair = clusters().await;
    let topic = "logs-late";
    pair.source.create_topic(topic, 2).await;
    let flow = Flow::new("logs-late-flow", topic).await.with("sync.topic.configs.enabled", "false");
    let remote = flow.remote(topic);
    pair.target.create_topic_with(&remote, 2, &[("message.timestamp.before.max.ms", "3600000")]).await;
    let old: Vec<Record> = named("old", 1).into_iter().map(|record| record.at(1_700_000_000_000)).collect();
    let producer = pair.source.producer().open().await;
    for records in [named("before", 3), old, named("behind", 3)] {
        producer.send(topic, 0, &records).await;
    }

    flow.start().await;

    eventually("the status names the partition", ARRIVES, async || {
        let status = flow.status().await;
        let trace = status["tasks"][0]["trace"].as_str().unwrap_or_default();
        let named = trace.contains(&format!("{topic}-0")) && trace.to_lowercase().contains("timestamp");
        let others = !trace.contains(&format!("{topic}-1")) && status["tasks"][0]["state"] == "RUNNING";
        if named && others { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
    producer.send(topic, 1, &named("other", 5)).await;
    let mut taken = pair.source.consume(topic).await;
    taken.retain(|sent| sent.partition == 1 || sent.offset < 3);
    arrive(&taken, &remote).await;
}
