//! Who mirrors: MirrorMaker 2 in two configurations, Portage, and the bare loop that has no worker around it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use harness::{MirrorMaker, Pair, Process, Properties, Runtime, Worker, WorkerConfig, workspace};
use serde_json::json;

/// One way to mirror.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// `connect-mirror-maker.sh` with the properties that its documentation starts with.
    Mm2,
    /// The same with larger batches and polls and two tasks.
    Mm2Tuned,
    /// `portage worker` with the three connectors, PUT as soon as it answers.
    Portage,
    /// The same with two tasks, each on a core of its own.
    Portage2,
    /// The same with one task on two threads.
    PortageThreads,
    /// Fetcher and producer of `kafka-client` in a loop (`examples/mirror_loop.rs`).
    Bare,
}

/// A mirror under way, a process of its own.
pub(crate) enum Running {
    Mm2(MirrorMaker),
    Portage(Worker),
    Bare(Process),
}

impl Subject {
    pub(crate) const ALL: [Self; 6] =
        [Self::Mm2, Self::Mm2Tuned, Self::Portage, Self::Portage2, Self::PortageThreads, Self::Bare];

    /// For the command line and for aliases.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mm2 => "mm2",
            Self::Mm2Tuned => "mm2-tuned",
            Self::Portage => "portage",
            Self::Portage2 => "portage-2-tasks",
            Self::PortageThreads => "portage-2-threads",
            Self::Bare => "bare",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Mm2 => "MM2 4.3.0",
            Self::Mm2Tuned => "MM2 4.3.0, tuned",
            Self::Portage => "Portage",
            Self::Portage2 => "Portage, 2 tasks",
            Self::PortageThreads => "Portage, 2 threads",
            Self::Bare => "bare loop",
        }
    }

    /// What its connections to the source have room for by default: Java's consumer asks for 64 KiB (`receive.buffer.bytes`);
    /// ours leaves it to the system, which lets it grow to half of 6 MiB (`net.ipv4.tcp_rmem` of Linux).
    pub(crate) fn window_bytes(self) -> u64 {
        match self {
            Self::Mm2 | Self::Mm2Tuned => 64 << 10,
            Self::Portage | Self::Portage2 | Self::PortageThreads | Self::Bare => 3 << 20,
        }
    }

    /// Starts it from nothing, to mirror `topic` into `<alias>.<topic>`.
    pub(crate) async fn start(self, pair: &Pair, alias: &str, topic: &str) -> Running {
        match self {
            Self::Mm2 => Running::Mm2(MirrorMaker::start_as_shipped(alias, &mm2(pair, alias, topic))),
            Self::Mm2Tuned => {
                let mut properties = mm2(pair, alias, topic);
                properties.extend(tuned(alias));
                Running::Mm2(MirrorMaker::start_as_shipped(alias, &properties))
            }
            Self::Portage => Running::Portage(portage(pair, alias, topic, &[]).await),
            Self::Portage2 => Running::Portage(portage(pair, alias, topic, &[("tasks.max", "2")]).await),
            Self::PortageThreads => {
                Running::Portage(portage(pair, alias, topic, &[("portage.task.threads", "2")]).await)
            }
            Self::Bare => Running::Bare(bare(pair, alias, topic)),
        }
    }
}

impl Running {
    pub(crate) fn process(&self) -> &Process {
        match self {
            Self::Mm2(mm2) => mm2.process(),
            Self::Portage(worker) => worker.process(),
            Self::Bare(process) => process,
        }
    }
}

/// The example of Kafka's documentation ("Running a dedicated MirrorMaker cluster"), for clusters of one broker.
fn mm2(pair: &Pair, alias: &str, topic: &str) -> Properties {
    let target = format!("{alias}-t");
    let mut properties: Properties = [
        ("clusters".to_owned(), format!("{alias}, {target}")),
        (format!("{alias}.bootstrap.servers"), pair.source.bootstrap()),
        (format!("{target}.bootstrap.servers"), pair.target.bootstrap()),
        (format!("{alias}->{target}.enabled"), "true".to_owned()),
        (format!("{alias}->{target}.topics"), topic.to_owned()),
    ]
    .into();
    let replicated = [
        "replication.factor",
        "checkpoints.topic.replication.factor",
        "heartbeats.topic.replication.factor",
        "offset-syncs.topic.replication.factor",
        "offset.storage.replication.factor",
        "status.storage.replication.factor",
        "config.storage.replication.factor",
    ];
    properties.extend(replicated.map(|key| (key.to_owned(), "1".to_owned())));
    properties
}

/// What is usually turned up: tasks, polls, batches.
fn tuned(alias: &str) -> Properties {
    [
        ("tasks.max".to_owned(), "2".to_owned()),
        (format!("{alias}.consumer.max.poll.records"), "5000".to_owned()),
        (format!("{alias}.consumer.max.partition.fetch.bytes"), "4194304".to_owned()),
        (format!("{alias}-t.producer.batch.size"), "1000000".to_owned()),
        (format!("{alias}-t.producer.linger.ms"), "20".to_owned()),
        (format!("{alias}-t.producer.buffer.memory"), "134217728".to_owned()),
    ]
    .into()
}

/// A worker of a group of its own, with everything that MirrorMaker 2 runs, and these settings.
pub(crate) async fn portage(pair: &Pair, alias: &str, topic: &str, settings: &[(&str, &str)]) -> Worker {
    let worker = worker(pair, alias).await;
    let kinds = [
        ("source", "MirrorSourceConnector"),
        ("checkpoint", "MirrorCheckpointConnector"),
        ("heartbeat", "MirrorHeartbeatConnector"),
    ];
    connect(&worker, pair, alias, topic, &kinds, settings).await;
    worker
}

/// A worker of a group of its own that is ready.
pub(crate) async fn worker(pair: &Pair, name: &str) -> Worker {
    let worker =
        WorkerConfig::new(&pair.target, name).with("offset.flush.interval.ms", "60000").spawn(Runtime::Portage);
    let patience = Instant::now() + Duration::from_secs(60);
    while !matches!(worker.rest().try_send("GET", "/health", None).await, Ok(answer) if answer.status == 200) {
        assert!(Instant::now() < patience, "the worker is not ready:\n{}", worker.process().log_tail());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    worker
}

/// Gives a worker connectors: names and classes, and what is set for all of them.
pub(crate) async fn connect(
    worker: &Worker,
    pair: &Pair,
    alias: &str,
    topic: &str,
    kinds: &[(&str, &str)],
    settings: &[(&str, &str)],
) {
    for (name, class) in kinds {
        let mut config = json!({
            "connector.class": format!("org.apache.kafka.connect.mirror.{class}"),
            "source.cluster.alias": alias,
            "target.cluster.alias": format!("{alias}-t"),
            "source.cluster.bootstrap.servers": pair.source.bootstrap(),
            "target.cluster.bootstrap.servers": pair.target.bootstrap(),
            "topics": topic,
            "replication.factor": "1",
            "checkpoints.topic.replication.factor": "1",
            "heartbeats.topic.replication.factor": "1",
            "offset-syncs.topic.replication.factor": "1",
        });
        for (key, value) in settings {
            config[*key] = json!(value);
        }
        worker.rest().put_connector(&format!("{alias}-{name}"), &config).await.expect(201);
    }
}

fn bare(pair: &Pair, alias: &str, topic: &str) -> Process {
    let mut command = std::process::Command::new(example("mirror_loop"));
    command.args([
        "copy".to_owned(),
        format!("from={}", pair.source.bootstrap()),
        format!("topic={topic}"),
        format!("to={}", pair.target.bootstrap()),
        format!("into={alias}.{topic}"),
        // As much as a worker has.
        "budget_mb=64".to_owned(),
        // It is ended from outside, so that it can be measured up to its last record.
        "follow=true".to_owned(),
    ]);
    let log = workspace::service_dir(alias).join("loop.log");
    Process::spawn(alias, &mut command, &log)
}

/// An example program, which `cargo xtask perf` has built beside this one.
fn example(name: &str) -> PathBuf {
    let here = std::env::current_exe().unwrap_or_else(|error| panic!("where is this program? {error}"));
    here.with_file_name("examples").join(name)
}
