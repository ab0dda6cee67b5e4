//! One Kafka server process, and what can be done to it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::builder::STOP_TIMEOUT;
use super::listeners::{Listener, PASSWORD, USER};
use super::probe;
use crate::process::{Process, Signal};
use crate::{Properties, dist, eventually, properties_text};

/// How a broker's JVM is started.
#[derive(Clone, Copy, Debug)]
pub(super) enum Java {
    /// For specs: little memory, quick to start.
    Small {
        /// `-Xmx`.
        heap_mb: u32,
    },
    /// As `kafka-server-start.sh` does it.
    AsShipped,
}

/// A broker: started, stopped, killed, frozen, restarted, always on the same ports and data.
#[derive(Debug)]
pub struct Broker {
    name: String,
    folder: PathBuf,
    cluster_id: String,
    listeners: Vec<(Listener, u16)>,
    java: Java,
    process: Mutex<Option<Process>>,
}

impl Broker {
    pub(super) fn new(
        name: &str,
        folder: PathBuf,
        cluster_id: &str,
        listeners: Vec<(Listener, u16)>,
        properties: &Properties,
        java: Java,
    ) -> Self {
        let mut properties = properties.clone();
        properties.insert("log.dirs".to_owned(), folder.join("data").display().to_string());
        let file = folder.join("server.properties");
        let text = properties_text(&properties);
        fs::write(&file, text).unwrap_or_else(|e| panic!("cannot write {}: {e}", file.display()));
        let process = Mutex::new(None);
        Self { name: name.to_owned(), folder, cluster_id: cluster_id.to_owned(), listeners, java, process }
    }

    /// `127.0.0.1:port` of `listener`.
    pub fn address(&self, listener: Listener) -> String {
        let found = self.listeners.iter().find(|(name, _)| *name == listener);
        let (_, port) = found.unwrap_or_else(|| panic!("{} was built without .secured()", self.name));
        format!("127.0.0.1:{port}")
    }

    /// The folder of a partition's segments.
    pub fn partition_dir(&self, topic: &str, partition: i32) -> PathBuf {
        self.data_dir().join(format!("{topic}-{partition}"))
    }

    /// `log.dirs`.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Where it logs.
    pub fn log_path(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    /// Is there a process (frozen ones count)?
    pub fn is_running(&self) -> bool {
        self.process().as_ref().is_some_and(|process| process.exited().is_none())
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process().as_ref().unwrap_or_else(|| panic!("{} does not run", self.name)).pid()
    }

    /// `kill -9`.
    pub fn kill(&self) {
        self.process().take();
    }

    /// SIGSTOP: connections stay open, nothing answers.
    pub fn freeze(&self) {
        self.signal(Signal::Stop);
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.signal(Signal::Cont);
    }

    /// SIGTERM, and waits for the end: leaders move away, logs are closed cleanly.
    pub async fn stop(&self) {
        let process = self.process().take();
        if let Some(process) = process {
            process.terminate(STOP_TIMEOUT).await;
        }
    }

    /// Starts it again and waits until it answers, as a member of the cluster.
    pub async fn start(&self) {
        self.spawn();
        self.answers(1, Duration::from_secs(60)).await;
    }

    /// [`stop`](Self::stop), then [`start`](Self::start).
    pub async fn restart(&self) {
        self.stop().await;
        self.start().await;
    }

    pub(super) fn spawn(&self) {
        let mut process = self.process();
        assert!(process.is_none(), "{} runs already", self.name);
        let mut java = match self.java {
            Java::Small { heap_mb } => dist::java(heap_mb),
            Java::AsShipped => dist::java_as_shipped(&["-Xms1G", "-Xmx1G"]),
        };
        java.arg("portage.BrokerMain").arg(self.folder.join("server.properties")).arg(self.data_dir());
        java.arg(&self.cluster_id);
        if self.listeners.len() > 1 {
            for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
                java.arg("--add-scram").arg(format!("{mechanism}=[name={USER},password={PASSWORD}]"));
            }
        }
        *process = Some(Process::spawn(&self.name, &mut java, &self.log_path()));
    }

    /// Waits until it answers a metadata request that names at least `members` brokers.
    pub(super) async fn answers(&self, members: usize, timeout: Duration) {
        let address = self.address(Listener::Plaintext);
        eventually(&format!("{} answers", self.name), timeout, async || match probe::members(&address).await {
            Ok(seen) if seen >= members => Ok(()),
            Ok(seen) => Err(format!("{seen} of {members} brokers are members; log: {}", self.log_path().display())),
            Err(error) => {
                assert!(self.is_running(), "{} ended; its log ends:\n{}", self.name, tail(&self.log_path()));
                Err(format!("{error}; log: {}", self.log_path().display()))
            }
        })
        .await;
    }

    pub(super) fn remove_data(&self) {
        let _ = fs::remove_dir_all(self.data_dir());
    }

    fn signal(&self, signal: Signal) {
        match &*self.process() {
            Some(process) => process.signal(signal),
            None => panic!("{} does not run", self.name),
        }
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tail(log: &Path) -> String {
    let text = String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(25)..].join("\n")
}
