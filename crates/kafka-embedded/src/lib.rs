//! A Kafka cluster of one broker, in memory, on loopback: the real protocol for `portage demo`, for fast tests and for
//! scripted faults. **Never production, and never proof of compatibility**: that is Apache Kafka's job in `tests/`.
//!
//! It is small, and honest about what it keeps: batches are checked as a broker checks them (checksum, offsets, sequence
//! numbers, transactions) and stored as they came; groups, transactions and leader epochs behave as Kafka's classic ones. What
//! it does not have: replicas, disks, authentication, quotas, fetch sessions (it answers as a broker whose session cache is
//! full), KIP-848 groups, transactions of version 2, retention by time. Space is bounded by [`Options::memory_bytes_max`].
//!
//! | file | idea |
//! |---|---|
//! | `server`, `request`, `dispatch`, `control` | connections and frames; reading; versions and handlers; faults |
//! | `state`, `topics`, `configs` | what the broker knows; topics and their settings |
//! | `log/` | one partition: accepting, reading, transactions, compaction (pure) |
//! | `produce`, `fetch`, `offsets`, `metadata`, `acls` | the APIs above it |
//! | `groups/`, `transactions` | the coordinators |
#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod acls;
mod configs;
mod control;
mod dispatch;
mod fetch;
mod groups;
mod hands;
mod log;
mod metadata;
mod offsets;
mod produce;
mod request;
mod server;
mod state;
mod topics;
mod transactions;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use control::{Call, Fault};
pub use hands::Tombstones;
pub use kafka_protocol::messages::ApiKey;

use control::Controls;
use state::State;

/// The id of the only broker.
pub(crate) const NODE_ID: i32 = 1;
/// How often sessions, rebalances and transactions are looked at for being overdue.
const TICK: Duration = Duration::from_millis(20);

/// What a cluster is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// The cluster's id.
    pub cluster_id: String,
    /// Most bytes of record batches, all partitions together. What would exceed it is refused with `KAFKA_STORAGE_ERROR`.
    pub memory_bytes_max: usize,
    /// Most bytes of one request. A connection that asks for more is closed, as by a broker.
    pub request_bytes_max: usize,
    /// How long the first rebalance of an empty group waits for more members (`group.initial.rebalance.delay.ms`).
    pub group_initial_rebalance_delay: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            cluster_id: "embedded".to_owned(),
            memory_bytes_max: 256 << 20,
            request_bytes_max: 100 << 20,
            group_initial_rebalance_delay: Duration::ZERO,
        }
    }
}

/// A running cluster. Dropping it ends it and closes all its connections; what was in it is gone.
#[derive(Debug)]
pub struct EmbeddedKafka {
    broker: Arc<Broker>,
    tasks: [JoinHandle<()>; 2],
}

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Broker {
    pub(crate) address: SocketAddr,
    pub(crate) options: Options,
    state: Mutex<State>,
    /// Counts changes that a waiting fetch may want to know of.
    records: watch::Sender<u64>,
    controls: Controls,
}

impl EmbeddedKafka {
    /// Starts a cluster.
    ///
    /// # Errors
    /// The port is taken, or may not be bound.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", options.port)).await?;
        let broker = Arc::new(Broker {
            address: listener.local_addr()?,
            state: Mutex::new(State::new(&options)),
            records: watch::channel(0).0,
            controls: Controls::default(),
            options,
        });
        Ok(Self::serve(broker, listener))
    }

    // Not async, so that the broker is compiled in its own crate.
    fn serve(broker: Arc<Broker>, listener: TcpListener) -> Self {
        let serving = tokio::spawn(server::serve(listener, Arc::clone(&broker)));
        let ticking = tokio::spawn(tick(Arc::clone(&broker)));
        Self { broker, tasks: [serving, ticking] }
    }

    /// `127.0.0.1:port`, as in `bootstrap.servers`.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        self.broker.address.to_string()
    }

    /// From now on, every request of `api` is shown to `fault` before it is handled; the latest `fault` of an API counts.
    ///
    /// ```no_run
    /// # use kafka_embedded::{ApiKey, EmbeddedKafka, Fault};
    /// # fn test(kafka: &EmbeddedKafka) {
    /// kafka.control(ApiKey::Produce, |_| Fault::LoseAnswer);
    /// # }
    /// ```
    pub fn control(&self, api: ApiKey, fault: impl FnMut(&Call) -> Fault + Send + 'static) {
        self.broker.controls.set(api, Box::new(fault));
    }

    /// Requests of `api` are handled as they should be again.
    pub fn release(&self, api: ApiKey) {
        self.broker.controls.clear(api);
    }
}

impl Drop for EmbeddedKafka {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Broker {
    /// Looks at or changes what the broker knows. No handler holds it while it waits.
    pub(crate) fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // A handler that panicked leaves a broker that is as good for a test as it was.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Wakes the fetches that wait.
    pub(crate) fn records_changed(&self) {
        self.records.send_modify(|count| *count += 1);
    }

    pub(crate) fn watch_records(&self) -> watch::Receiver<u64> {
        self.records.subscribe()
    }
}

async fn tick(broker: Arc<Broker>) {
    let mut ticks = tokio::time::interval(TICK);
    loop {
        let now = ticks.tick().await;
        let ended = {
            let mut state = broker.state();
            state.expire_members(now);
            state.expire_transactions(now)
        };
        if ended {
            broker.records_changed();
        }
    }
}

/// Milliseconds since 1970, by the machine's clock.
pub(crate) fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.ok().and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or_default()
}
