//! One run: start, watch the target's offsets until everything is there, and read the meters at the first and the last record.

use std::fmt;
use std::time::{Duration, Instant};

use harness::{KafkaCluster, Pair, Process};
use rskafka::client::Client;
use rskafka::client::partition::{OffsetAt, PartitionClient, UnknownTopicHandling};

use crate::meter::Meter;
use crate::subject::{Running, Subject};
use crate::workload::Workload;

/// What one run has cost. CPU and rates are from the first record on the target to the last, so that a start, which is
/// told apart, weighs the same whatever the size of the run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) mb_per_s: f64,
    pub(crate) records_per_s: f64,
    pub(crate) cpu_s_per_gb: f64,
    pub(crate) target_cpu_s_per_gb: f64,
    pub(crate) peak_rss_mib: f64,
    pub(crate) first_record_s: f64,
    pub(crate) last_record_s: f64,
    pub(crate) start_cpu_s: f64,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mb_per_s, records_per_s, cpu_s_per_gb, peak_rss_mib, first_record_s, .. } = self;
        write!(
            f,
            "{mb_per_s:.1} MB/s, {records_per_s:.0} records/s, {cpu_s_per_gb:.2} CPU s/GB, {peak_rss_mib:.0} MiB, first record \
             after {first_record_s:.2} s"
        )
    }
}

/// The meters at one moment.
struct Reading {
    at: Instant,
    arrived: u64,
    cpu_s: f64,
    target_cpu_s: f64,
}

/// For the first record.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long brokers are warmed up at most.
const WARM_UP: Duration = Duration::from_secs(15);

/// Runs `subject` once, under an alias of its own, for at most `limit` from its first record on, and removes the copy
/// afterwards. An error is the end of the log of a subject that did not get on.
pub(crate) async fn run(
    pair: &Pair,
    subject: Subject,
    workload: &Workload,
    round: usize,
    limit: Duration,
) -> Result<Figures, String> {
    let (topic, alias) = (workload.topic(), format!("{}-{}-{round}", subject.name(), workload.name));
    let copies = [format!("{alias}.{topic}")];
    let started = Instant::now();
    let running = subject.start(pair, &alias, &topic).await;
    watch(pair, running, &copies, workload, started, limit).await
}

/// Has the bare loop mirror the workload once. A broker's code is compiled while it runs: whoever came first would pay for it.
pub(crate) async fn warm_up(pair: &Pair, workload: &Workload) {
    if let Err(error) = run(pair, Subject::Bare, workload, usize::MAX, WARM_UP).await {
        eprintln!("{}: to warm up: {error}", workload.name);
    }
}

/// Watches what was started at `started` until all copies are complete or `limit` is over, then ends it.
pub(crate) async fn watch(
    pair: &Pair,
    running: Running,
    copies: &[String],
    workload: &Workload,
    started: Instant,
    limit: Duration,
) -> Result<Figures, String> {
    let result = figures(pair, running.process(), copies, workload, started, limit).await;
    running.process().kill();
    for copy in copies {
        pair.target.delete_topic(copy).await;
    }
    result
}

async fn figures(
    pair: &Pair,
    process: &Process,
    copies: &[String],
    workload: &Workload,
    started: Instant,
    limit: Duration,
) -> Result<Figures, String> {
    let (target, meter) = (Meter::of(pair.target.broker(1).pid()), Meter::of(process.pid()));
    let ends = Ends::of(pair, copies, workload.partitions, process).await?;
    let reading = async || {
        let arrived = ends.records().await;
        Reading { at: Instant::now(), arrived, cpu_s: meter.cpu_seconds(), target_cpu_s: target.cpu_seconds() }
    };
    let first = loop {
        let reading = reading().await;
        if reading.arrived > 0 {
            break reading;
        }
        gets_on(started, process)?;
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let records = workload.records * copies.len() as u64;
    let last = loop {
        let reading = reading().await;
        if reading.arrived >= records || reading.at - first.at > limit {
            break reading;
        }
        if process.exited().is_some() {
            return Err(stuck(process));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    if last.arrived == first.arrived {
        return Err(format!("all had arrived at the first look, or nothing more came; {}", stuck(process)));
    }
    let records = (last.arrived - first.arrived) as f64;
    let bytes = workload.bytes() * records / workload.records as f64;
    let seconds = (last.at - first.at).as_secs_f64();
    Ok(Figures {
        mb_per_s: bytes / 1e6 / seconds,
        records_per_s: records / seconds,
        cpu_s_per_gb: (last.cpu_s - first.cpu_s) / (bytes / 1e9),
        target_cpu_s_per_gb: (last.target_cpu_s - first.target_cpu_s) / (bytes / 1e9),
        peak_rss_mib: meter.peak_rss_bytes() as f64 / f64::from(1 << 20),
        first_record_s: (first.at - started).as_secs_f64(),
        last_record_s: (last.at - started).as_secs_f64(),
        start_cpu_s: first.cpu_s,
    })
}

/// Waits until a partition of the copy exists.
pub(crate) async fn partition(
    client: &Client,
    copy: &str,
    index: i32,
    process: &Process,
) -> Result<PartitionClient, String> {
    let started = Instant::now();
    loop {
        match client.partition_client(copy, index, UnknownTopicHandling::Error).await {
            Ok(partition) => return Ok(partition),
            Err(error) => {
                gets_on(started, process).map_err(|log| format!("{copy} is not there: {error}; {log}"))?;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

/// How it is found out what is on the target.
enum Ends<'a> {
    /// One client a partition: quick.
    Few(Vec<PartitionClient>),
    /// Java's admin client, which asks for all partitions at once.
    Many(&'a KafkaCluster, &'a [String]),
}

/// Partitions that have a client each.
const FEW: u32 = 16;

impl<'a> Ends<'a> {
    /// Waits until the copies exist.
    async fn of(pair: &'a Pair, copies: &'a [String], partitions: u32, process: &Process) -> Result<Self, String> {
        if partitions * copies.len() as u32 > FEW {
            for copy in copies {
                let started = Instant::now();
                while !matches!(pair.target.try_topic(copy).await, Ok(info) if info.partitions.len() >= partitions as usize)
                {
                    gets_on(started, process).map_err(|log| format!("{copy} is not there; {log}"))?;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
            return Ok(Self::Many(&pair.target, copies));
        }
        let client = pair.target.rskafka().await;
        let mut clients = Vec::new();
        for copy in copies {
            for index in 0..partitions as i32 {
                clients.push(partition(&client, copy, index, process).await?);
            }
        }
        Ok(Self::Few(clients))
    }

    /// Records on the target.
    async fn records(&self) -> u64 {
        let mut sum = 0;
        match self {
            Self::Few(partitions) => {
                for partition in partitions {
                    sum += partition.get_offset(OffsetAt::Latest).await.map_or(0, i64::unsigned_abs);
                }
            }
            Self::Many(cluster, copies) => {
                for copy in *copies {
                    sum += cluster.end_offsets(copy).await.into_iter().map(i64::unsigned_abs).sum::<u64>();
                }
            }
        }
        sum
    }
}

fn gets_on(since: Instant, process: &Process) -> Result<(), String> {
    if process.exited().is_some() || since.elapsed() > PATIENCE { Err(stuck(process)) } else { Ok(()) }
}

fn stuck(process: &Process) -> String {
    format!("the mirror's log ends:\n{}", process.log_tail())
}
