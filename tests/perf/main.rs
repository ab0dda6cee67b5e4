//! `perf`: what mirroring costs, measured on two real brokers; `cargo xtask perf` runs it.
//!
//! Three topics are loaded by Java's own load generator, then mirrored one after the other by one worker in release build.
//! For each: MB/s and CPU seconds of the worker process for a logical GB (uncompressed record bytes), and at the end its
//! peak memory. The figures are for people to read and compare; nothing is asserted but that everything has arrived.

mod meter;

use std::time::{Duration, Instant};

use harness::{Pair, Runtime, Worker, WorkerConfig, eventually, tools};
use serde_json::json;

use meter::Meter;

/// What is mirrored.
struct Workload {
    name: &'static str,
    topic: &'static str,
    records: u64,
    record_bytes: u64,
    codec: &'static str,
    batch_bytes: u32,
}

const PARTITIONS: u32 = 4;

const WORKLOADS: [Workload; 3] = [
    Workload {
        name: "1 kB, uncompressed",
        topic: "perf-none",
        records: 600_000,
        record_bytes: 1_000,
        codec: "none",
        batch_bytes: 131_072,
    },
    Workload {
        name: "1 kB, zstd",
        topic: "perf-zstd",
        records: 600_000,
        record_bytes: 1_000,
        codec: "zstd",
        batch_bytes: 131_072,
    },
    Workload {
        name: "100 B, lz4",
        topic: "perf-lz4",
        records: 5_000_000,
        record_bytes: 100,
        codec: "lz4",
        batch_bytes: 131_072,
    },
];

/// One line of the table.
struct Figures {
    seconds: f64,
    cpu_seconds: f64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let pair = harness::clusters().await;
    for workload in &WORKLOADS {
        load(pair, workload).await;
    }
    let worker = WorkerConfig::new(&pair.target, "perf").start(Runtime::Portage).await;
    let meter = Meter::of(worker.process().pid());
    println!("| workload | MB | MB/s | records/s | CPU s/GB |");
    println!("|---|---|---|---|---|");
    for workload in &WORKLOADS {
        let figures = mirror(pair, &worker, &meter, workload).await;
        let bytes = (workload.records * workload.record_bytes) as f64;
        println!(
            "| {} | {:.0} | {:.0} | {:.0} | {:.2} |",
            workload.name,
            bytes / 1e6,
            bytes / 1e6 / figures.seconds,
            workload.records as f64 / figures.seconds,
            figures.cpu_seconds / (bytes / 1e9),
        );
    }
    println!("\npeak RSS of the worker: {:.0} MiB", meter.peak_rss_bytes() as f64 / f64::from(1 << 20));
    worker.stop().await;
}

async fn load(pair: &Pair, workload: &Workload) {
    pair.source.create_topic(workload.topic, PARTITIONS).await;
    let arguments = [
        "--topic".to_owned(),
        workload.topic.to_owned(),
        "--num-records".to_owned(),
        workload.records.to_string(),
        "--record-size".to_owned(),
        workload.record_bytes.to_string(),
        "--throughput".to_owned(),
        "-1".to_owned(),
        "--producer-props".to_owned(),
        format!("bootstrap.servers={}", pair.source.bootstrap()),
        format!("batch.size={}", workload.batch_bytes),
        format!("compression.type={}", workload.codec),
        "linger.ms=100".to_owned(),
        "buffer.memory=134217728".to_owned(),
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    tools::run("org.apache.kafka.tools.ProducerPerformance", &arguments).await.expect_success();
}

async fn mirror(pair: &Pair, worker: &Worker, meter: &Meter, workload: &Workload) -> Figures {
    let config = json!({
        "connector.class": "org.apache.kafka.connect.mirror.MirrorSourceConnector",
        "source.cluster.alias": "source",
        "target.cluster.alias": "target",
        "source.cluster.bootstrap.servers": pair.source.bootstrap(),
        "target.cluster.bootstrap.servers": pair.target.bootstrap(),
        "topics": workload.topic,
        "tasks.max": "1",
        "replication.factor": "1",
        "offset-syncs.topic.replication.factor": "1",
    });
    let remote = format!("source.{}", workload.topic);
    let (started, cpu_before) = (Instant::now(), meter.cpu_seconds());
    worker.rest().put_connector(workload.topic, &config).await.expect(201);
    eventually("every record is on the target", Duration::from_secs(600), async || {
        if pair.target.try_topic(&remote).await.is_err() {
            return Err("the target topic does not exist yet".to_owned());
        }
        let arrived: i64 = pair.target.end_offsets(&remote).await.iter().sum();
        if arrived == workload.records as i64 {
            Ok(())
        } else {
            Err(format!("{arrived} of {} arrived", workload.records))
        }
    })
    .await;
    Figures { seconds: started.elapsed().as_secs_f64(), cpu_seconds: meter.cpu_seconds() - cpu_before }
}
