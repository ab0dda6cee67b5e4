//! One Kafka server process, and what can be done to it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::builder::STOP_TIMEOUT;
use super::listeners::{Listener, PASSWORD, USER};
use super::probe;
use crate::process::{Process, Signal};
use crate::{Properties, Proxy, dist, eventually, properties_text};

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
    proxy: Option<Proxy>,
    java: Java,
    /// How large a file may be from the next start on.
    room_bytes: Mutex<Option<u64>>,
    process: Mutex<Option<Process>>,
}

impl Broker {
    pub(super) fn new(
        name: &str,
        folder: PathBuf,
        cluster_id: &str,
        listeners: Vec<(Listener, u16)>,
        proxy: Option<Proxy>,
        properties: &Properties,
        java: Java,
    ) -> Self {
        let mut properties = properties.clone();
        properties.insert("log.dirs".to_owned(), folder.join("data").display().to_string());
        let file = folder.join("server.properties");
        let text = properties_text(&properties);
        fs::write(&file, text).unwrap_or_else(|e| panic!("cannot write {}: {e}", file.display()));
        let process = Mutex::new(None);
        Self {
            name: name.to_owned(),
            folder,
            cluster_id: cluster_id.to_owned(),
            listeners,
            proxy,
            java,
            room_bytes: Mutex::new(None),
            process,
        }
    }

    pub(super) fn with_room(self, bytes: Option<u64>) -> Self {
        Self { room_bytes: Mutex::new(bytes), ..self }
    }

    /// `127.0.0.1:port` of `listener`.
    pub fn address(&self, listener: Listener) -> String {
        let found = self.listeners.iter().find(|(name, _)| *name == listener);
        let (_, port) = found.unwrap_or_else(|| panic!("{} was built without {listener:?}", self.name));
        format!("127.0.0.1:{port}")
    }

    /// The proxy of a [`proxied`](crate::ClusterBuilder::proxied) cluster.
    pub fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().unwrap_or_else(|| panic!("{} was built without .proxied()", self.name))
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

    /// From its next start on it has all the room there is.
    pub fn give_room(&self) {
        *self.room_bytes.lock().unwrap_or_else(PoisonError::into_inner) = None;
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
        if self.listeners.iter().any(|(listener, _)| *listener == Listener::SaslPlaintext) {
            for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
                java.arg("--add-scram").arg(format!("{mechanism}=[name={USER},password={PASSWORD}]"));
            }
        }
        if let Some(bytes) = *self.room_bytes.lock().unwrap_or_else(PoisonError::into_inner) {
            java = limited(&java, bytes);
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

/// The same program, none of whose files may become larger.
fn limited(program: &Command, bytes: u64) -> Command {
    let mut shell = Command::new("sh");
    // In blocks of 512 bytes, as POSIX has it.
    shell.args(["-c", r#"ulimit -f "$1" && shift && exec "$@""#, "sh", &(bytes / 512).to_string()]);
    shell.arg(program.get_program()).args(program.get_args());
    shell
}

fn tail(log: &Path) -> String {
    let text = String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(25)..].join("\n")
}
