//! Many partitions and many groups on one worker: how soon each of them is mirrored and in step, in how much memory, and what
//! the worker takes while nothing happens.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use harness::{GroupOffset, KafkaCluster, Pair, Record, Worker, lab};
use serde_json::json;
use tokio::task::JoinSet;

use crate::meter::Meter;
use crate::subject;

const ALIAS: &str = "scale";
const PATIENCE: Duration = Duration::from_secs(600);
/// How long a worker that has nothing to do is watched.
const IDLE: Duration = Duration::from_secs(20);
/// Commits that are followed to the target, one after the other.
const COMMITS: i64 = 5;
/// Requests of the setup that are under way at a time.
const AT_A_TIME: usize = 32;
/// Every interval of the checkpoint connector.
const INTERVAL_S: &str = "1";

pub(crate) const USAGE: &str =
    "usage: perf scale [--topics 300] [--partitions 10] [--groups 2000] [--reads 2] [--tasks 1]";

/// How much there is of everything.
struct Size {
    topics: usize,
    partitions: u32,
    groups: usize,
    /// Topics that a group reads, all partitions of each.
    reads: usize,
    tasks: usize,
}

impl Size {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut size = Self { topics: 300, partitions: 10, groups: 2000, reads: 2, tasks: 1 };
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(|| format!("{word} wants a number, or is unknown"))?;
            let number = value.parse::<u32>().ok().filter(|number| *number > 0);
            let number = number.ok_or_else(|| format!("{word} {value}: must be a number from 1"))?;
            match word.as_str() {
                "--topics" => size.topics = number as usize,
                "--partitions" => size.partitions = number,
                "--groups" => size.groups = number as usize,
                "--reads" => size.reads = number as usize,
                "--tasks" => size.tasks = number as usize,
                other => return Err(format!("{other} is unknown")),
            }
        }
        Ok(size)
    }

    fn topic(&self, number: usize) -> String {
        format!("scale-{}", number % self.topics)
    }

    /// The offsets of a group that has read the first `offset` records of its partitions, in topics with this prefix.
    fn offsets(&self, group: usize, prefix: &str, offset: i64) -> Vec<GroupOffset> {
        let topics = (0..self.reads).map(|read| format!("{prefix}{}", self.topic(group * self.reads + read)));
        let partitions = self.partitions as i32;
        topics
            .flat_map(|topic| (0..partitions).map(move |partition| GroupOffset::new(&topic, partition, offset)))
            .collect()
    }
}

/// Measures once and prints a table.
pub(crate) async fn scale(words: impl Iterator<Item = String>) {
    let size = Size::parse(words).unwrap_or_else(|error| {
        eprintln!("{error}\n{USAGE}");
        std::process::exit(2);
    });
    let lab = lab().await;
    // Small indexes: thousands of partitions are thousands of mapped files.
    let cluster = |name: &str| lab.cluster(name).as_shipped().config("log.index.size.max.bytes", "65536");
    let (source, target) = tokio::join!(cluster("source").start(), cluster("target").start());
    let pair: &'static Pair = Box::leak(Box::new(Pair { source, target }));
    let size: &'static Size = Box::leak(Box::new(size));
    fill(pair, size).await;

    let started = Instant::now();
    let worker = start(pair, size).await;
    let meter = Meter::of(worker.process().pid());
    let mirrored = async {
        all(size.topics, move |number| has_records(&pair.target, size, format!("{ALIAS}.{}", size.topic(number))))
            .await;
        started.elapsed()
    };
    let in_step = async {
        all(size.groups, move |group| is_at(&pair.target, size, group, 1)).await;
        started.elapsed()
    };
    let (mirrored, in_step) = tokio::join!(mirrored, in_step);
    let (start_cpu_s, start_rss) = (meter.cpu_seconds(), mib(&meter));
    let followed_ms = follow(pair, size).await;
    let idle = share_of_a_core(&meter).await;
    worker.rest().put("/connectors/checkpoint/pause", &serde_json::Value::Null).await;
    let without_checkpoints = share_of_a_core(&meter).await;
    println!(
        "{} topics of {} partitions, {} groups on {} partitions each, one worker, {} task(s) a connector; intervals of \
         {INTERVAL_S} s\n\n\
         | | |\n|---|---|\n\
         | every partition has mirrored its first record after s | {:.1} |\n\
         | all groups are in step on the target after s | {:.1} |\n\
         | CPU seconds up to then | {start_cpu_s:.1} |\n\
         | peak RSS up to then, MiB | {start_rss:.0} |\n\
         | a later commit is on the target after ms (of {COMMITS}: median, longest) | {}, {} |\n\
         | share of a core while idle | {idle:.3} |\n\
         | of which the checkpoint connector | {:.3} |\n\
         | peak RSS, MiB | {:.0} |",
        size.topics,
        size.partitions,
        size.groups,
        size.reads * size.partitions as usize,
        size.tasks,
        mirrored.as_secs_f64(),
        in_step.as_secs_f64(),
        followed_ms[followed_ms.len() / 2],
        followed_ms[followed_ms.len() - 1],
        idle - without_checkpoints,
        mib(&meter),
    );
}

/// Topics with a record in each partition, and groups that have read it.
async fn fill(pair: &'static Pair, size: &'static Size) {
    eprintln!("creating {} topics and {} groups", size.topics, size.groups);
    each(size.topics, move |number| async move {
        pair.source.create_topic(&size.topic(number), size.partitions).await;
        let producer = pair.source.producer().open().await;
        for partition in 0..size.partitions as i32 {
            producer.send(&size.topic(number), partition, &Record::numbered(1)).await;
        }
    })
    .await;
    each(size.groups, move |group| async move {
        pair.source.set_group_offsets(&format!("{ALIAS}-{group}"), &size.offsets(group, "", 1)).await;
    })
    .await;
}

async fn start(pair: &Pair, size: &Size) -> Worker {
    let worker = subject::worker(pair, ALIAS).await;
    for kind in ["source", "checkpoint", "heartbeat"] {
        let class = kind[..1].to_uppercase() + &kind[1..];
        let config = json!({
            "connector.class": format!("org.apache.kafka.connect.mirror.Mirror{class}Connector"),
            "source.cluster.alias": ALIAS,
            "target.cluster.alias": "target",
            "source.cluster.bootstrap.servers": pair.source.bootstrap(),
            "target.cluster.bootstrap.servers": pair.target.bootstrap(),
            "topics": "scale-.*",
            "groups": "scale-.*",
            "tasks.max": size.tasks.to_string(),
            "replication.factor": "1",
            "checkpoints.topic.replication.factor": "1",
            "heartbeats.topic.replication.factor": "1",
            "offset-syncs.topic.replication.factor": "1",
            "offset-syncs.topic.location": "target",
            "emit.checkpoints.interval.seconds": INTERVAL_S,
            "sync.group.offsets.enabled": "true",
            "sync.group.offsets.interval.seconds": INTERVAL_S,
        });
        worker.rest().put_connector(kind, &config).await.expect(201);
    }
    worker
}

/// Milliseconds from a commit to its translation on the target, ascending.
async fn follow(pair: &Pair, size: &Size) -> Vec<u128> {
    let (group, topic) = (format!("{ALIAS}-0"), size.topic(0));
    let remote = format!("{ALIAS}.{topic}");
    let mut followed_ms = Vec::new();
    for offset in 2..2 + COMMITS {
        pair.source.produce(&topic, 0, &Record::numbered(1)).await;
        until("the record is mirrored", async || pair.target.end_offsets(&remote).await[0] == offset).await;
        pair.source.set_group_offsets(&group, &[GroupOffset::new(&topic, 0, offset)]).await;
        let committed = Instant::now();
        until("the commit follows", async || pair.target.group_offset(&group, &remote, 0).await == Some(offset)).await;
        followed_ms.push(committed.elapsed().as_millis());
    }
    followed_ms.sort_unstable();
    followed_ms
}

async fn share_of_a_core(meter: &Meter) -> f64 {
    // What has just happened is over by then.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = meter.cpu_seconds();
    tokio::time::sleep(IDLE).await;
    (meter.cpu_seconds() - before) / IDLE.as_secs_f64()
}

async fn has_records(target: &'static KafkaCluster, size: &'static Size, topic: String) -> bool {
    let exists = target.try_topic(&topic).await.is_ok_and(|info| info.partitions.len() == size.partitions as usize);
    exists && target.end_offsets(&topic).await.iter().all(|end| *end >= 1)
}

async fn is_at(target: &'static KafkaCluster, size: &'static Size, group: usize, offset: i64) -> bool {
    let wanted = size.offsets(group, &format!("{ALIAS}."), offset);
    let found = target.group_offsets(&format!("{ALIAS}-{group}")).await;
    let at = |row: &GroupOffset| (row.topic.clone(), row.partition, row.offset);
    let found: BTreeSet<_> = found.iter().map(at).collect();
    wanted.iter().all(|row| found.contains(&at(row)))
}

/// Does something for every number below `count`, several at a time.
async fn each<F: Future<Output = ()> + Send + 'static>(count: usize, work: impl Fn(usize) -> F) {
    let mut under_way = JoinSet::new();
    for number in 0..count {
        if under_way.len() >= AT_A_TIME {
            under_way.join_next().await;
        }
        under_way.spawn(work(number));
    }
    under_way.join_all().await;
}

/// Waits until something is true of every number below `count`. Looks at some of them at a time: who measures takes little.
async fn all<F: Future<Output = bool> + Send + 'static>(count: usize, is_so: impl Fn(usize) -> F) {
    let mut open: BTreeSet<usize> = (0..count).collect();
    let deadline = Instant::now() + PATIENCE;
    while !open.is_empty() {
        assert!(Instant::now() < deadline, "{} of {count} are not done", open.len());
        let looks = open.iter().take(AT_A_TIME).map(|number| (*number, is_so(*number)));
        let looks: JoinSet<_> = looks.map(|(number, look)| async move { (number, look.await) }).collect();
        let done: Vec<usize> = looks.join_all().await.iter().filter(|(_, is)| *is).map(|(number, _)| *number).collect();
        if done.is_empty() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        done.iter().for_each(|number| {
            open.remove(number);
        });
    }
}

async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn mib(meter: &Meter) -> f64 {
    meter.peak_rss_bytes() as f64 / f64::from(1 << 20)
}
