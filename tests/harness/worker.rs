//! Connect workers: Java's and ours, from the same properties, so that one scenario can run on either or on both.
//!
//! ```no_run
//! # use harness::{Runtime, WorkerConfig, clusters};
//! # async fn spec() {
//! let pair = clusters().await;
//! let group = WorkerConfig::new(&pair.target, "my-group").with("offset.flush.interval.ms", "500");
//! let java = group.start(Runtime::Java).await;
//! let ours = group.start(Runtime::Portage).await; // the same group
//! ours.rest().get("/connectors").await.expect(200);
//! java.process().kill();
//! # }
//! ```

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::process::Process;
use crate::{
    KafkaCluster, Listener, Properties, Rest, dist, eventually, free_port, portage, properties_text, workspace,
};

/// Whose worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// Apache Kafka's `ConnectDistributed`.
    Java,
    /// `portage worker`.
    Portage,
}

/// The properties of the workers of one group.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    group: String,
    properties: Properties,
    environment: Vec<(String, String)>,
}

const READY_TIMEOUT: Duration = Duration::from_secs(90);

impl WorkerConfig {
    /// A group of this name on `cluster`, its internal topics named after it, all with one replica. Connectors' records
    /// are bytes; offsets are flushed often; nothing waits long for a lost worker.
    pub fn new(cluster: &KafkaCluster, group: &str) -> Self {
        let mut properties = cluster.client(Listener::Plaintext);
        let bytes = "org.apache.kafka.connect.converters.ByteArrayConverter";
        let configs = format!("{group}-configs");
        let offsets = format!("{group}-offsets");
        let statuses = format!("{group}-status");
        let defaults = [
            ("group.id", group),
            ("key.converter", bytes),
            ("value.converter", bytes),
            ("config.storage.topic", &configs),
            ("config.storage.replication.factor", "1"),
            ("offset.storage.topic", &offsets),
            ("offset.storage.partitions", "5"),
            ("offset.storage.replication.factor", "1"),
            ("status.storage.topic", &statuses),
            ("status.storage.partitions", "2"),
            ("status.storage.replication.factor", "1"),
            ("offset.flush.interval.ms", "1000"),
            ("session.timeout.ms", "6000"),
            ("heartbeat.interval.ms", "1000"),
            ("scheduled.rebalance.max.delay.ms", "0"),
        ];
        properties.extend(defaults.map(|(key, value)| (key.to_owned(), value.to_owned())));
        Self { group: group.to_owned(), properties, environment: Vec::new() }
    }

    /// With this setting.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.properties.insert(key.to_owned(), value.to_owned());
        self
    }

    /// With this environment variable.
    #[must_use]
    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With all of these.
    #[must_use]
    pub fn with_all(mut self, properties: Properties) -> Self {
        self.properties.extend(properties);
        self
    }

    /// What stands in its file.
    pub fn properties(&self) -> &Properties {
        &self.properties
    }

    /// Starts one more worker of the group, on a REST port of its own, and waits until it has joined and answers.
    pub async fn start(&self, runtime: Runtime) -> Worker {
        let worker = self.spawn(runtime);
        worker.ready().await;
        worker
    }

    /// Starts one without waiting: for workers that shall not come up. One that was given `listeners` of its own has to be
    /// spoken to by a [`Rest`] of the spec's own.
    pub fn spawn(&self, runtime: Runtime) -> Worker {
        let address = format!("127.0.0.1:{}", free_port());
        let mut properties = self.properties.clone();
        properties.entry("listeners".to_owned()).or_insert_with(|| format!("http://{address}"));
        let name = format!("{}-{}", self.group, if runtime == Runtime::Java { "java" } else { "portage" });
        let folder = workspace::service_dir(&name);
        let mut command = match runtime {
            Runtime::Java => {
                // Scanning a class path of a hundred jars takes longer than everything else.
                properties.entry("plugin.discovery".to_owned()).or_insert_with(|| "service_load".to_owned());
                let mut java = dist::java(400);
                java.arg("org.apache.kafka.connect.cli.ConnectDistributed");
                java
            }
            Runtime::Portage => {
                let mut portage = Command::new(portage::binary());
                portage.arg("worker");
                portage
            }
        };
        let file = write(&folder.join("worker.properties"), &properties);
        let process = Process::spawn(
            &name,
            command.arg(&file).envs(self.environment.iter().cloned()),
            &folder.join("worker.log"),
        );
        Worker { name, rest: Rest::new(&address), process }
    }
}

/// A worker process. Dropping it kills it.
#[derive(Debug)]
pub struct Worker {
    name: String,
    rest: Rest,
    process: Process,
}

impl Worker {
    /// Its REST API.
    pub fn rest(&self) -> &Rest {
        &self.rest
    }

    /// Its process: to kill, freeze, and read the log of.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// SIGTERM, and waits for the end.
    pub async fn stop(&self) -> std::process::ExitStatus {
        self.process.terminate(Duration::from_secs(30)).await
    }

    /// Waits until it has read its topics and joined its group: `/health` says 200 then (KIP-1017).
    pub async fn ready(&self) {
        eventually(&format!("{} is ready", self.name), READY_TIMEOUT, async || {
            let ended = self.process.exited();
            assert!(ended.is_none(), "{} ended ({ended:?}); its log ends:\n{}", self.name, self.process.log_tail());
            match self.rest.try_send("GET", "/health", None).await {
                Ok(answer) if answer.status == 200 => Ok(()),
                other => Err(format!("{other:?}; log: {}", self.process.log_path().display())),
            }
        })
        .await;
    }
}

/// A node of MirrorMaker 2's dedicated mode, Java's or ours, with an `mm2.properties` of these settings.
#[derive(Debug)]
pub struct MirrorMaker {
    process: Process,
}

impl MirrorMaker {
    /// An `mm2.properties` of these settings between clusters of one broker each: no topic has a second replica, and the
    /// workers' own have few partitions.
    pub fn properties<'a>(settings: impl IntoIterator<Item = (&'a str, &'a str)>) -> Properties {
        let of_one_broker = [
            ("replication.factor", "1"),
            ("offset-syncs.topic.replication.factor", "1"),
            ("checkpoints.topic.replication.factor", "1"),
            ("heartbeats.topic.replication.factor", "1"),
            ("config.storage.replication.factor", "1"),
            ("offset.storage.replication.factor", "1"),
            ("offset.storage.partitions", "2"),
            ("status.storage.replication.factor", "1"),
            ("status.storage.partitions", "2"),
        ];
        let all = of_one_broker.into_iter().chain(settings);
        all.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    /// Starts it; what it mirrors shows when it runs.
    pub fn start(runtime: Runtime, name: &str, properties: &Properties) -> Self {
        match runtime {
            Runtime::Java => Self::java(name, properties, dist::java(400)),
            Runtime::Portage => {
                let mut portage = Command::new(portage::binary());
                portage.arg("mirror");
                Self::spawn(name, properties, portage)
            }
        }
    }

    /// Java's, with the JVM options and the heap of `connect-mirror-maker.sh`.
    pub fn start_as_shipped(name: &str, properties: &Properties) -> Self {
        Self::java(name, properties, dist::java_as_shipped(&["-Xms256M", "-Xmx2G"]))
    }

    fn java(name: &str, properties: &Properties, mut java: Command) -> Self {
        java.arg("org.apache.kafka.connect.mirror.MirrorMaker");
        Self::spawn(name, properties, java)
    }

    fn spawn(name: &str, properties: &Properties, mut command: Command) -> Self {
        let folder = workspace::service_dir(name);
        let file = write(&folder.join("mm2.properties"), properties);
        Self { process: Process::spawn(name, command.arg(&file), &folder.join("mm2.log")) }
    }

    /// Its process: to kill, freeze, and read the log of.
    pub fn process(&self) -> &Process {
        &self.process
    }
}

fn write(file: &std::path::Path, properties: &Properties) -> PathBuf {
    std::fs::write(file, properties_text(properties))
        .unwrap_or_else(|e| panic!("cannot write {}: {e}", file.display()));
    file.to_owned()
}
