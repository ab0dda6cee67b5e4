//! At-least-once, held to its word: a worker that is killed again and again in the middle of its work.
//!
//! - After 30 kills, eight partitions in four codecs hold every record, in order, equal in key, value, headers, timestamp and
//!   codec. What is there twice was mirrored again by a worker that began where the killed one had stored its position: at most
//!   one step back a kill and partition.

use std::collections::BTreeMap;

use harness::{Consumed, Record, Runtime, WorkerConfig, clusters, eventually};

use crate::lifecycle::{Config, SOON, end_offset, run, runs};

const KILLS: usize = 30;
const PARTITIONS: u32 = 8;
const CODECS: [&str; 4] = ["gzip", "snappy", "lz4", "zstd"];
/// Records of one batch; two batches a partition are written for each kill.
const BATCH: usize = 20;

fn partitions() -> std::ops::Range<i32> {
    0..i32::try_from(PARTITIONS).unwrap()
}

fn codec(partition: i32) -> &'static str {
    CODECS[usize::try_from(partition).unwrap() % CODECS.len()]
}

/// What a partition holds: its records in order, each once, and how often the log steps back.
fn once(log: &[&Consumed]) -> (Vec<Record>, usize) {
    let number = |read: &Consumed| read.text().parse::<usize>().unwrap();
    let (mut records, mut steps_back) = (Vec::new(), 0);
    let mut last = None;
    for read in log {
        let at = number(read);
        assert!(at <= last.map_or(0, |last| last + 1), "{at} follows {last:?}");
        steps_back += usize::from(last.is_some_and(|last| at <= last));
        last = Some(at);
        match records.get(at) {
            None => records.push(read.record.clone()),
            Some(before) => assert!(*before == read.record, "{at} is there twice, and they differ"),
        }
    }
    (records, steps_back)
}

#[tokio::test]
async fn thirty_kills_lose_nothing_and_change_nothing() {
    let pair = clusters().await;
    let (topic, remote) = ("kills-orders", "kills.kills-orders");
    pair.source.create_topic(topic, PARTITIONS).await;
    let mut producers = BTreeMap::new();
    for codec in CODECS {
        producers.insert(codec, pair.source.producer().codec(codec).open().await);
    }
    let mirror = Config::mirror("kills", &pair.source, &pair.target, topic).with("tasks.max", "2");
    // On one broker the topic of offset runs can't be created with the default, and each start would wait for it.
    let mirror = mirror.with("emit.offset-syncs.enabled", "true").with("offset-syncs.topic.location", "target");
    let mirror = mirror.with("offset-syncs.topic.replication.factor", "1");
    let group = WorkerConfig::new(&pair.target, "kills").with("offset.flush.interval.ms", "150");
    let mut written = 0;
    for kill in 0..=KILLS {
        // A group of its own: nobody has to wait for the dead member's session to end.
        let worker = group.clone().with("group.id", &format!("kills-{kill}")).start(Runtime::Portage).await;
        match kill {
            0 => run(worker.rest(), "kills", &mirror).await,
            _ => runs(worker.rest(), "kills").await,
        }
        let before = end_offset(&pair.target, remote, 0).await;
        for _ in 0..2 {
            for partition in partitions() {
                let records: Vec<Record> = (written..written + BATCH)
                    .map(|number| Record::new(format!("key-{}", number % 7), number.to_string()).header("of", "kills"))
                    .collect();
                producers[codec(partition)].send(topic, partition, &records).await;
            }
            written += BATCH;
        }
        if kill < KILLS {
            // Sometimes early, sometimes late.
            let some = i64::try_from(1 + kill % (2 * BATCH)).unwrap();
            eventually("some of it is mirrored", SOON, async || match end_offset(&pair.target, remote, 0).await {
                end if end >= before + some => Ok(()),
                end => Err(format!("{end} after {before}")),
            })
            .await;
        } else {
            eventually("all of it is mirrored", SOON, async || {
                let mut log = pair.target.consume(remote).await;
                log.retain(|read| read.text() == (written - 1).to_string());
                if log.len() >= CODECS.len() * 2 { Ok(()) } else { Err(format!("{} of {PARTITIONS} ends", log.len())) }
            })
            .await;
        }
        worker.process().kill();
    }

    let (here, there) = (pair.source.consume(topic).await, pair.target.consume(remote).await);
    let mut repeated = 0;
    for partition in partitions() {
        let of = |log: &'_ [Consumed]| -> Vec<Consumed> {
            log.iter().filter(|read| read.partition == partition).cloned().collect()
        };
        let (sent, mirrored) = (of(&here), of(&there));
        let (records, steps_back) = once(&mirrored.iter().collect::<Vec<_>>());
        let sent: Vec<Record> = sent.into_iter().map(|read| read.record).collect();
        assert!(records == sent, "partition {partition}: {} records of {}", records.len(), sent.len());
        assert!(steps_back <= KILLS, "partition {partition} steps back {steps_back} times");
        repeated += mirrored.len() - sent.len();
        let batches = pair.target.batches(remote, partition).await;
        assert!(batches.iter().all(|batch| batch.valid && batch.codec == codec(partition)), "{batches:?}");
    }
    println!("{KILLS} kills, {} records: none lost, {repeated} mirrored twice", here.len());
}
