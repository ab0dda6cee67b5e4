//! Delivery, held to its word: workers that are killed again and again in the middle of their work, over eight partitions in
//! four codecs. Afterwards every record of both sides is compared: keys, values, headers, timestamps, codecs, order.
//!
//! - At least once, by two tasks of two threads each: after 30 kills nothing is lost. What is there twice was mirrored again by a worker that began where the
//!   killed one had stored its position: at most one step back a kill and partition, and none without.
//! - Exactly once: after 30 kills readers of committed records find none lost and none twice, and groups at any offset are
//!   translated to the very next record, also where a kill fell between a commit and the notes of it.

use std::collections::BTreeMap;

use harness::{Consumed, GroupOffset, Pair, Record, Runtime, Worker, WorkerConfig, clusters, eventually};
use serde_json::json;

use crate::lifecycle::{Config, SOON, end_offset, run, runs};

const KILLS: usize = 30;
const PARTITIONS: u32 = 8;
const CODECS: [&str; 4] = ["gzip", "snappy", "lz4", "zstd"];
/// Records of one batch; two batches a partition are written for each kill.
const BATCH: usize = 20;
/// How many records each partition has in the end.
const WRITTEN: usize = (KILLS + 1) * 2 * BATCH;

fn partitions() -> std::ops::Range<i32> {
    0..i32::try_from(PARTITIONS).unwrap()
}

fn codec(partition: i32) -> &'static str {
    CODECS[usize::try_from(partition).unwrap() % CODECS.len()]
}

fn number(read: &Consumed) -> usize {
    read.text().parse().unwrap()
}

/// What a partition holds: its records in order, each once, and how often the log steps back.
fn once(log: &[Consumed]) -> (Vec<Record>, usize) {
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

/// A flow and what has become of it.
struct Killed {
    pair: &'static Pair,
    name: &'static str,
    /// The last worker.
    worker: Worker,
    /// The logs, by partition.
    sent: BTreeMap<i32, Vec<Consumed>>,
    mirrored: BTreeMap<i32, Vec<Consumed>>,
}

impl Killed {
    /// Mirrors the topic `<name>-orders` through workers of which each but the last is killed amid its work.
    async fn after_thirty_kills(name: &'static str, mirror: Config, group: impl Fn(usize) -> WorkerConfig) -> Self {
        let pair = clusters().await;
        let (topic, remote) = (format!("{name}-orders"), format!("{name}.{name}-orders"));
        pair.source.create_topic(&topic, PARTITIONS).await;
        let mut producers = BTreeMap::new();
        for codec in CODECS {
            producers.insert(codec, pair.source.producer().codec(codec).open().await);
        }
        let mut written = 0;
        let mut last = None;
        for kill in 0..=KILLS {
            let worker = group(kill).start(Runtime::Portage).await;
            match kill {
                0 => run(worker.rest(), name, &mirror).await,
                _ => runs(worker.rest(), name).await,
            }
            let before = end_offset(&pair.target, &remote, 0).await;
            for _ in 0..2 {
                for partition in partitions() {
                    let records: Vec<Record> = (written..written + BATCH)
                        .map(|number| Record::new(format!("key-{}", number % 7), number.to_string()).header("of", name))
                        .collect();
                    producers[codec(partition)].send(&topic, partition, &records).await;
                }
                written += BATCH;
            }
            if kill < KILLS {
                // Sometimes early, sometimes late.
                let some = i64::try_from(1 + kill % (2 * BATCH)).unwrap();
                eventually("some of it is mirrored", SOON, async || match end_offset(&pair.target, &remote, 0).await {
                    end if end >= before + some => Ok(()),
                    end => Err(format!("{end} after {before}")),
                })
                .await;
                worker.process().kill();
            }
            last = Some(worker);
        }
        assert_eq!(written, WRITTEN);
        eventually("all of it is mirrored", SOON, async || {
            let mut log = pair.target.consume(&remote).await;
            log.retain(|read| number(read) == WRITTEN - 1);
            if log.len() >= PARTITIONS as usize { Ok(()) } else { Err(format!("{} of {PARTITIONS} ends", log.len())) }
        })
        .await;
        let by_partition = |log: Vec<Consumed>| {
            let mut partitions = BTreeMap::<i32, Vec<Consumed>>::new();
            for read in log {
                partitions.entry(read.partition).or_default().push(read);
            }
            partitions
        };
        let sent = by_partition(pair.source.consume(&topic).await);
        let mirrored = by_partition(pair.target.consume(&remote).await);
        Self { pair, name, worker: last.unwrap(), sent, mirrored }
    }

    fn topic(&self) -> String {
        format!("{}-orders", self.name)
    }

    fn remote(&self) -> String {
        format!("{0}.{0}-orders", self.name)
    }

    fn sent(&self, partition: i32) -> Vec<Record> {
        self.sent[&partition].iter().map(|read| read.record.clone()).collect()
    }

    async fn codecs_are_kept(&self) {
        for partition in partitions() {
            let batches = self.pair.target.batches(&self.remote(), partition).await;
            let kept = |batch: &harness::Batch| batch.control || batch.codec == codec(partition);
            assert!(batches.iter().all(|batch| batch.valid && kept(batch)), "{batches:?}");
        }
    }
}

#[tokio::test]
async fn thirty_kills_lose_nothing_and_change_nothing() {
    let pair = clusters().await;
    let mirror = Config::mirror("kills", &pair.source, &pair.target, "kills-orders")
        .with("tasks.max", "2")
        .with("portage.task.threads", "2");
    let workers = WorkerConfig::new(&pair.target, "kills").with("offset.flush.interval.ms", "150");
    // A group of its own for each: nobody has to wait for the dead member's session to end.
    let group = |kill| workers.clone().with("group.id", &format!("kills-{kill}"));

    let killed = Killed::after_thirty_kills("kills", mirror, group).await;

    let mut repeated = 0;
    for partition in partitions() {
        let (sent, mirrored) = (killed.sent(partition), &killed.mirrored[&partition]);
        let (records, steps_back) = once(mirrored);
        assert!(records == sent, "partition {partition}: {} records of {}", records.len(), sent.len());
        assert!(steps_back <= KILLS, "partition {partition} steps back {steps_back} times");
        repeated += mirrored.len() - sent.len();
    }
    killed.codecs_are_kept().await;
    println!("{KILLS} kills, {} records: none lost, {repeated} mirrored twice", WRITTEN * PARTITIONS as usize);
}

#[tokio::test]
async fn thirty_kills_leave_every_record_once_with_exactly_once_support() {
    let pair = clusters().await;
    let mirror = Config::mirror("exact-kills", &pair.source, &pair.target, "exact-kills-orders")
        .with("tasks.max", "2")
        .with("exactly.once.support", "required")
        .with("source.consumer.isolation.level", "read_committed")
        .with("offset-syncs.topic.replication.factor", "1")
        .with("emit.offset-syncs.enabled", "true");
    // One group: whoever comes next shuts the killed one's transactions out.
    let group = WorkerConfig::new(&pair.target, "exact-kills")
        .with("exactly.once.source.support", "enabled")
        .with("session.timeout.ms", "1000")
        .with("heartbeat.interval.ms", "300")
        .with("offset.flush.interval.ms", "150");

    let killed = Killed::after_thirty_kills("exact-kills", mirror, |_| group.clone()).await;

    for partition in partitions() {
        let mirrored: Vec<Record> = killed.mirrored[&partition].iter().map(|read| read.record.clone()).collect();
        let sent = killed.sent(partition);
        assert!(mirrored == sent, "partition {partition}: {} records of {}", mirrored.len(), sent.len());
    }
    killed.codecs_are_kept().await;
    groups_go_on_at_the_very_next_record(&killed).await;
}

/// Groups all over the log, each at another offset of each partition, and one at the end.
async fn groups_go_on_at_the_very_next_record(killed: &Killed) {
    const GROUPS: usize = 12;
    let (topic, remote, name) = (killed.topic(), killed.remote(), killed.name);
    let group = |index: usize| format!("{name}-{index}");
    let committed = |index: usize, partition: i32| match index {
        0 => WRITTEN,
        index => (index * 104_729 + usize::try_from(partition).unwrap() * 7_919) % WRITTEN,
    };
    for index in 0..GROUPS {
        let at = |partition| GroupOffset::new(&topic, partition, i64::try_from(committed(index, partition)).unwrap());
        killed.pair.source.set_group_offsets(&group(index), &partitions().map(at).collect::<Vec<_>>()).await;
    }
    let config = json!({
        "connector.class": "org.apache.kafka.connect.mirror.MirrorCheckpointConnector",
        "source.cluster.alias": name,
        "target.cluster.alias": "target",
        "source.cluster.bootstrap.servers": killed.pair.source.bootstrap(),
        "target.cluster.bootstrap.servers": killed.pair.target.bootstrap(),
        "groups": format!("{name}-[0-9]+"),
        "topics": topic,
        "checkpoints.topic.replication.factor": "1",
        "emit.checkpoints.interval.seconds": "1",
        "sync.group.offsets.enabled": "true",
        "sync.group.offsets.interval.seconds": "1",
    });
    killed.worker.rest().put_connector(&format!("{name}-checkpoint"), &config).await;
    for index in 0..GROUPS {
        eventually(&format!("{} goes on at the very next record", group(index)), SOON, async || {
            let offsets = killed.pair.target.group_offsets(&group(index)).await;
            for partition in partitions() {
                let at = offsets.iter().find(|at| at.topic == remote && at.partition == partition);
                let at = at.ok_or_else(|| format!("no offset of partition {partition}"))?.offset;
                let next = killed.mirrored[&partition].iter().find(|read| read.offset >= at).map_or(WRITTEN, number);
                let wanted = committed(index, partition);
                if next != wanted {
                    return Err(format!("partition {partition}: {next} is next at {at}, and not {wanted}"));
                }
            }
            Ok(())
        })
        .await;
    }
}
