//! How cost grows: the same bytes over more and more partitions, in records of more and more bytes, for more and more
//! connectors of one worker; and what a worker takes that has nothing to do.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use harness::Pair;

use crate::meter::Meter;
use crate::options::Options;
use crate::run::{self, Figures};
use crate::subject::{self, Running};
use crate::workload::{BY_PARTITIONS, BY_RECORD, Workload};

/// One is the row of 4 partitions.
const CONNECTORS: [usize; 2] = [3, 10];
/// How long a worker at rest is watched, after as long for it to come to rest.
const REST: Duration = Duration::from_secs(30);

pub(crate) async fn curves(pair: &Pair, options: &Options) -> String {
    let mut text = String::from("| | MB/s | CPU s/GB | peak RSS MiB | first record s |\n|---|---|---|---|---|\n");
    let mut row = |title: &str, figures: Result<Figures, String>| {
        match figures {
            Ok(run) => {
                let Figures { mb_per_s, cpu_s_per_gb, peak_rss_mib, first_record_s, .. } = run;
                // Writing to a string can't fail.
                let _ = writeln!(
                    text,
                    "| {title} | {mb_per_s:.0} | {cpu_s_per_gb:.2} | {peak_rss_mib:.0} | {first_record_s:.2} |"
                );
                eprintln!("{title}: {run}");
            }
            Err(error) => eprintln!("{title}: {error}"),
        }
    };
    for (index, workload) in BY_PARTITIONS.iter().chain(&BY_RECORD).enumerate() {
        workload.load(&pair.source).await;
        if index == 0 {
            run::warm_up(pair, workload).await;
        }
        row(workload.title, measure(pair, workload, 1, options).await);
        pair.source.delete_topic(&workload.topic()).await;
    }
    let workload = BY_PARTITIONS[1];
    workload.load(&pair.source).await;
    for connectors in CONNECTORS {
        row(&format!("{connectors} connectors of one worker"), measure(pair, &workload, connectors, options).await);
    }
    pair.source.delete_topic(&workload.topic()).await;
    for partitions in [0, 1_000] {
        let (cores, rss_mib) = at_rest(pair, partitions).await;
        let title = format!("at rest, {partitions} partitions");
        eprintln!("{title}: {:.2} % of a core, {rss_mib:.0} MiB", cores * 100.0);
        let _ = writeln!(text, "\n{title}: {:.2} % of a core, {rss_mib:.0} MiB", cores * 100.0);
    }
    text
}

/// One worker that mirrors the workload's topic once for each connector.
async fn measure(pair: &Pair, workload: &Workload, connectors: usize, options: &Options) -> Result<Figures, String> {
    let (topic, alias) = (workload.topic(), format!("curve-{}-{connectors}", workload.name));
    let aliases: Vec<String> = (0..connectors).map(|index| format!("{alias}-{index}")).collect();
    let copies: Vec<String> = aliases.iter().map(|alias| format!("{alias}.{topic}")).collect();
    let started = Instant::now();
    let worker = subject::worker(pair, &alias).await;
    for alias in &aliases {
        subject::connect(&worker, pair, alias, &topic, &[("source", "MirrorSourceConnector")], &[]).await;
    }
    let limit = Duration::from_secs(options.seconds);
    run::watch(pair, Running::Portage(worker), &copies, workload, started, limit).await
}

/// The share of a core, and resident MiB, of a worker that mirrors a topic into which nobody writes.
async fn at_rest(pair: &Pair, partitions: u32) -> (f64, f64) {
    let (topic, alias) = (format!("idle-{partitions}"), format!("rest-{partitions}"));
    if partitions > 0 {
        pair.source.create_topic(&topic, partitions).await;
    }
    let worker = subject::portage(pair, &alias, &topic, &[]).await;
    let meter = Meter::of(worker.process().pid());
    tokio::time::sleep(REST).await;
    let before = meter.cpu_seconds();
    tokio::time::sleep(REST).await;
    let cores = (meter.cpu_seconds() - before) / REST.as_secs_f64();
    let rss_mib = meter.peak_rss_bytes() as f64 / f64::from(1 << 20);
    worker.process().kill();
    if partitions > 0 {
        pair.source.delete_topic(&topic).await;
    }
    (cores, rss_mib)
}
