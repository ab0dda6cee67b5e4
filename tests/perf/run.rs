//! One run: start, watch the target's offsets until everything is there, and read the meters at the first and the last record.

use std::time::{Duration, Instant};

use harness::{Pair, Process};
use rskafka::client::Client;
use rskafka::client::partition::{OffsetAt, PartitionClient, UnknownTopicHandling};

use crate::meter::Meter;
use crate::subject::Subject;
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

/// The meters at one moment.
struct Reading {
    at: Instant,
    arrived: u64,
    cpu_s: f64,
    target_cpu_s: f64,
}

const PATIENCE: Duration = Duration::from_secs(170);

/// Runs `subject` once, under an alias of its own, and removes the copy afterwards.
pub(crate) async fn run(pair: &Pair, subject: Subject, workload: &Workload, round: usize) -> Figures {
    let (topic, alias) = (workload.topic(), format!("{}-{}-{round}", subject.name(), workload.name));
    let copy = format!("{alias}.{topic}");
    let client = pair.target.rskafka().await;
    let target = Meter::of(pair.target.broker(1).pid());
    let started = Instant::now();
    let running = subject.start(pair, &alias, &topic).await;
    let process = running.process();
    let meter = Meter::of(process.pid());
    let partitions = partitions(&client, &copy, workload.partitions, process).await;
    let reading = async || {
        let arrived = ends(&partitions).await;
        Reading { at: Instant::now(), arrived, cpu_s: meter.cpu_seconds(), target_cpu_s: target.cpu_seconds() }
    };
    let first = loop {
        let reading = reading().await;
        if reading.arrived > 0 {
            break reading;
        }
        wait(started, Duration::from_millis(10), process, 0, workload).await;
    };
    let last = loop {
        let reading = reading().await;
        if reading.arrived >= workload.records {
            break reading;
        }
        wait(started, Duration::from_millis(50), process, reading.arrived, workload).await;
    };
    let figures = figures(workload, started, &first, &last, meter.peak_rss_bytes());
    process.kill();
    pair.target.delete_topic(&copy).await;
    figures
}

fn figures(workload: &Workload, started: Instant, first: &Reading, last: &Reading, peak_rss_bytes: u64) -> Figures {
    let records = (last.arrived - first.arrived) as f64;
    let bytes = workload.bytes() * records / workload.records as f64;
    let seconds = (last.at - first.at).as_secs_f64();
    Figures {
        mb_per_s: bytes / 1e6 / seconds,
        records_per_s: records / seconds,
        cpu_s_per_gb: (last.cpu_s - first.cpu_s) / (bytes / 1e9),
        target_cpu_s_per_gb: (last.target_cpu_s - first.target_cpu_s) / (bytes / 1e9),
        peak_rss_mib: peak_rss_bytes as f64 / f64::from(1 << 20),
        first_record_s: (first.at - started).as_secs_f64(),
        last_record_s: (last.at - started).as_secs_f64(),
        start_cpu_s: first.cpu_s,
    }
}

/// Waits until the copy exists.
async fn partitions(client: &Client, copy: &str, count: u32, process: &Process) -> Vec<PartitionClient> {
    let mut partitions = Vec::new();
    for index in 0..count as i32 {
        partitions.push(partition(client, copy, index, process).await);
    }
    partitions
}

/// Waits until a partition of the copy exists.
pub(crate) async fn partition(client: &Client, copy: &str, index: i32, process: &Process) -> PartitionClient {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match client.partition_client(copy, index, UnknownTopicHandling::Error).await {
            Ok(partition) => return partition,
            Err(error) => {
                let stuck = process.exited().is_some() || Instant::now() > deadline;
                assert!(!stuck, "{copy} is not there: {error}; the mirror's log ends:\n{}", process.log_tail());
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

/// Records on the target.
async fn ends(partitions: &[PartitionClient]) -> u64 {
    let mut sum = 0;
    for partition in partitions {
        sum += partition.get_offset(OffsetAt::Latest).await.map_or(0, i64::unsigned_abs);
    }
    sum
}

async fn wait(started: Instant, pause: Duration, process: &Process, arrived: u64, workload: &Workload) {
    let stuck = process.exited().is_some() || started.elapsed() > PATIENCE;
    assert!(!stuck, "{arrived} of {} have arrived; the mirror's log ends:\n{}", workload.records, process.log_tail());
    tokio::time::sleep(pause).await;
}
