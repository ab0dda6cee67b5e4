//! Latency at a steady rate: from the moment a record was made, which is its timestamp, to the moment a consumer of the copy
//! has it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use harness::{Pair, Process, dist, tools, workspace};
use rskafka::client::partition::PartitionClient;

use crate::meter::Meter;
use crate::subject::Subject;

const PARTITIONS: u32 = 4;
const RECORDS_PER_S: u64 = 20_000;
const RECORD_BYTES: u64 = 100;
/// From the first record on the target to the first that counts: JVMs get warm meanwhile.
const WARM_UP: Duration = Duration::from_secs(15);
const PATIENCE: Duration = Duration::from_secs(120);

/// Latencies in milliseconds, and what the mirror has used meanwhile.
struct Latencies {
    sorted_ms: Vec<f64>,
    cores: f64,
}

/// Measures the subjects, and a consumer of the source itself, for `seconds` each, and answers with a table.
pub(crate) async fn steady(pair: &Pair, subjects: &[Subject], seconds: u64) -> String {
    let mut text = format!(
        "**{RECORDS_PER_S} records of {RECORD_BYTES} B a second**\n\n\
         | | p50 ms | p99 ms | p99.9 ms | max ms | share of a core |\n|---|---|---|---|---|---|\n"
    );
    let mut row = |title: &str, latencies: &Latencies| {
        let at = |share: f64| {
            let index = (latencies.sorted_ms.len() as f64 * share) as usize;
            latencies.sorted_ms.get(index).or(latencies.sorted_ms.last()).copied().unwrap_or(f64::NAN)
        };
        text.push_str(&format!(
            "| {title} | {:.1} | {:.1} | {:.1} | {:.1} | {:.2} |\n",
            at(0.5),
            at(0.99),
            at(0.999),
            at(1.0),
            latencies.cores
        ));
    };
    row("the source itself", &measure(pair, None, seconds).await);
    for subject in subjects {
        eprintln!("steady: {}", subject.title());
        row(subject.title(), &measure(pair, Some(*subject), seconds).await);
    }
    text
}

async fn measure(pair: &Pair, subject: Option<Subject>, seconds: u64) -> Latencies {
    let name = subject.map_or("source", Subject::name);
    let topic = format!("steady-{name}");
    pair.source.create_topic(&topic, PARTITIONS).await;
    let records = (seconds + WARM_UP.as_secs() + PATIENCE.as_secs()) * RECORDS_PER_S;
    let load = load(pair, &topic, records);
    let alias = format!("{name}-steady");
    let running = match subject {
        Some(subject) => Some(subject.start(pair, &alias, &topic).await),
        None => None,
    };
    let mut partitions = Vec::new();
    for partition in 0..PARTITIONS as i32 {
        partitions.push(match &running {
            Some(running) => {
                let copy = format!("{alias}.{topic}");
                let found =
                    crate::run::partition(&pair.target.rskafka().await, &copy, partition, running.process()).await;
                found.unwrap_or_else(|error| panic!("{error}"))
            }
            None => pair.source.rskafka_partition(&topic, partition).await,
        });
    }
    let meter = running.as_ref().map(|running| Meter::of(running.process().pid()));
    let begin = Instant::now() + WARM_UP;
    let end = begin + Duration::from_secs(seconds);
    let readers = partitions.into_iter().map(|partition| tokio::spawn(read(partition, begin, end)));
    let readers: Vec<_> = readers.collect();
    tokio::time::sleep_until(begin.into()).await;
    let cpu_before = meter.as_ref().map_or(0.0, Meter::cpu_seconds);
    let mut sorted_ms = Vec::new();
    for reader in readers {
        sorted_ms.extend(reader.await.unwrap_or_else(|error| panic!("a reader has ended: {error}")));
    }
    let cores = (meter.as_ref().map_or(0.0, Meter::cpu_seconds) - cpu_before) / seconds as f64;
    let expected = (seconds * RECORDS_PER_S) as usize;
    assert!(sorted_ms.len() > expected / 2, "{} of about {expected} records were seen", sorted_ms.len());
    load.kill();
    sorted_ms.sort_by(f64::total_cmp);
    Latencies { sorted_ms, cores }
}

/// Java's load generator, at its steady rate; it sends each record at once.
fn load(pair: &Pair, topic: &str, records: u64) -> Process {
    let mut java = dist::java_as_shipped(&["-Xmx256m"]);
    java.arg("-Dharness.log.level=warn").arg(tools::PRODUCER_PERFORMANCE);
    java.args(["--topic", topic, "--num-records", &records.to_string()]);
    java.args(["--record-size", &RECORD_BYTES.to_string(), "--throughput", &RECORDS_PER_S.to_string()]);
    java.args(["--producer-props", &format!("bootstrap.servers={}", pair.source.bootstrap()), "linger.ms=0"]);
    Process::spawn("load", &mut java, &workspace::service_dir("load").join("output.log"))
}

/// Reads to its present end, then what comes, and notes how old the records are that come between `begin` and `end`.
async fn read(partition: PartitionClient, begin: Instant, end: Instant) -> Vec<f64> {
    let mut latencies = Vec::new();
    let mut next = 0;
    while Instant::now() < end {
        let fetched = partition.fetch_records(next, 1..4_000_000, 500).await;
        let (records, _) = fetched.unwrap_or_else(|error| panic!("reading the copy: {error}"));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64() * 1e3);
        let counts = Instant::now() >= begin;
        for record in records {
            next = record.offset + 1;
            if counts {
                latencies.push(now - record.record.timestamp.timestamp_millis() as f64);
            }
        }
    }
    latencies
}
