//! The workers: child processes of this program, each with its own properties file, REST port and log.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::options::Demo;
use super::picture::{Picture, WorkerState};
use super::rest;
use super::stage::port_error;

/// How long the coordinator waits for a worker that is silent (`session.timeout.ms`).
pub(crate) const SESSION_MS: u32 = 3_000;
/// How long the leader waits for a lost worker to come back (`scheduled.rebalance.max.delay.ms`, by default five minutes).
pub(crate) const DELAY_MS: u32 = 2_000;

const READY_TIMEOUT: Duration = Duration::from_secs(60);
const STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// One of them.
pub(crate) struct Worker {
    /// Its REST address, which is its id in the group too.
    pub(crate) address: String,
    file: PathBuf,
    log: PathBuf,
    child: Option<Child>,
}

/// All of them.
pub(crate) struct Workers {
    all: Vec<Worker>,
    /// Dead ones that were started again.
    replaced: usize,
}

impl Workers {
    /// Starts them without waiting.
    pub(crate) fn start(options: &Demo, target: &str, folder: &Path) -> Result<Self, String> {
        let mut workers = Vec::new();
        for port in ports(options)? {
            let address = format!("127.0.0.1:{port}");
            let file = folder.join(format!("worker-{port}.properties"));
            std::fs::write(&file, properties(&address, target))
                .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
            let mut worker = Worker { address, log: file.with_extension("log"), file, child: None };
            worker.spawn()?;
            workers.push(worker);
        }
        Ok(Self { all: workers, replaced: 0 })
    }

    /// Waits until each has joined the group and read its topics.
    pub(crate) async fn ready(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + READY_TIMEOUT;
        for worker in &mut self.all {
            loop {
                worker.check()?;
                if rest::get(&worker.address, "/health").await.is_ok_and(|answer| answer.status == 200) {
                    break;
                }
                if Instant::now() > deadline {
                    return Err(format!(
                        "the worker {} did not come up; its log: {}",
                        worker.address,
                        worker.log.display()
                    ));
                }
                sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }

    /// Their addresses, dead or alive.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|worker| &*worker.address)
    }

    /// Which of them are running processes.
    pub(crate) fn states(&mut self) -> Vec<WorkerState> {
        let state = |worker: &mut Worker| {
            let pid = if worker.is_alive() { worker.child.as_ref().and_then(Child::id) } else { None };
            WorkerState { address: worker.address.clone(), pid }
        };
        self.all.iter_mut().map(state).collect()
    }

    /// `kill -9` for the living one that mirrors most, so that there is something to be seen.
    pub(crate) fn kill_busiest(&mut self, picture: &Picture) {
        let load = |worker: &Worker| {
            let units = || picture.placement.iter().filter(|unit| unit.worker == worker.address);
            (units().filter(|unit| unit.name.starts_with("mirror-source-")).count(), units().count())
        };
        let alive = self.all.iter_mut().filter_map(|worker| worker.is_alive().then_some(worker));
        if let Some(worker) = alive.max_by_key(|worker| load(worker))
            && let Some(child) = &mut worker.child
        {
            // One that ended this moment needs no killing.
            let _ = child.start_kill();
        }
    }

    /// How many have ended without being asked to, by a key or by anybody's `kill`.
    pub(crate) fn killed(&mut self) -> usize {
        self.replaced + self.all.iter_mut().filter_map(|worker| (!worker.is_alive()).then_some(())).count()
    }

    /// Starts those that are dead.
    pub(crate) fn restart_dead(&mut self) -> Result<(), String> {
        for worker in &mut self.all {
            if !worker.is_alive() {
                worker.spawn()?;
                self.replaced += 1;
            }
        }
        Ok(())
    }

    /// The first answer that any living worker gives.
    pub(crate) async fn get(&mut self, path: &str) -> Option<Value> {
        for worker in &mut self.all {
            if worker.is_alive()
                && let Ok(answer) = rest::get(&worker.address, path).await
                && answer.status == 200
            {
                return serde_json::from_str(&answer.body).ok();
            }
        }
        None
    }

    /// Ends them in order, as SIGTERM does: each leaves the group and stores its offsets.
    pub(crate) async fn stop(&mut self) {
        for worker in &mut self.all {
            if let Some(child) = &mut worker.child {
                // They end when their standard input does.
                drop(child.stdin.take());
            }
        }
        for worker in &mut self.all {
            let Some(mut child) = worker.child.take() else { continue };
            if timeout(STOP_TIMEOUT, child.wait()).await.is_err() {
                let _ = child.kill().await;
            }
        }
    }
}

impl Worker {
    fn spawn(&mut self) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("cannot start the worker {}: {error}", self.address);
        let log = std::fs::File::options().create(true).append(true).open(&self.log).map_err(failed)?;
        let child = Command::new(std::env::current_exe().map_err(failed)?)
            .args(["worker", "--until-stdin-closes"])
            .arg(&self.file)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            // Ctrl-C is for the demo, which ends them when it is done with them.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        self.child = Some(child);
        Ok(())
    }

    fn is_alive(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    fn check(&mut self) -> Result<(), String> {
        if self.is_alive() {
            return Ok(());
        }
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(3).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        Err(format!("the worker {} ended at once; its log ends:\n{}", self.address, last.join("\n")))
    }
}

/// Free ports, tried before anybody is told to use them.
fn ports(options: &Demo) -> Result<Vec<u16>, String> {
    let mut held = Vec::new();
    for n in 0..u16::from(options.workers) {
        let wanted = if options.rest_port == 0 { Some(0) } else { options.rest_port.checked_add(n) };
        let wanted =
            wanted.ok_or_else(|| format!("--rest-port {} leaves no ports for all workers", options.rest_port))?;
        let listener = TcpListener::bind(("127.0.0.1", wanted));
        held.push(listener.map_err(|error| port_error(&error, "REST API of a worker", "--rest-port", wanted))?);
    }
    held.iter().map(|held| held.local_addr().map(|address| address.port()).map_err(|error| error.to_string())).collect()
}

fn properties(address: &str, target: &str) -> String {
    format!(
        "# A worker of `portage demo`. Run by itself: portage worker THIS-FILE\n\
         bootstrap.servers={target}\n\
         group.id=portage-demo\n\
         listeners=http://{address}\n\
         key.converter=org.apache.kafka.connect.converters.ByteArrayConverter\n\
         value.converter=org.apache.kafka.connect.converters.ByteArrayConverter\n\
         config.storage.topic=demo-configs\n\
         offset.storage.topic=demo-offsets\n\
         status.storage.topic=demo-status\n\
         config.storage.replication.factor=1\n\
         offset.storage.replication.factor=1\n\
         status.storage.replication.factor=1\n\
         offset.storage.partitions=5\n\
         offset.flush.interval.ms=1000\n\
         # So that a killed worker is missed soon. The defaults are 10 seconds and 5 minutes.\n\
         session.timeout.ms={SESSION_MS}\n\
         heartbeat.interval.ms=500\n\
         scheduled.rebalance.max.delay.ms={DELAY_MS}\n"
    )
}
