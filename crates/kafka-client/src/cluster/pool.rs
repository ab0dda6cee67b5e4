//! Connections by broker and purpose. One attempt at a time per broker and purpose, with back-off
//! after failures; credentials that a broker refused are not shown to it again for a while.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tracing::debug;

use super::retry::{Backoff, chance};
use crate::connection::{Connection, Connector, Endpoint, lock};
use crate::error::ClientError;

/// What a connection is for. Brokers execute the requests of a connection one after the other, so a
/// long poll, a large batch or a rebalance would hold up whatever shares a connection with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// Metadata and administration.
    Control,
    /// Fetches: long polls.
    Fetch,
    /// Produce: large writes.
    Produce,
    /// Group membership: a JoinGroup is answered when the rebalance ends.
    Group,
    /// Transaction coordinator: must not wait behind a group or a batch.
    Transaction,
}

/// Brokers that refused our credentials are left alone this long, so that no account gets locked.
const AUTH_RETRY_MIN: Duration = Duration::from_secs(30);

pub(super) struct Pool {
    connector: Connector,
    slots: Mutex<BTreeMap<(i32, Purpose), Arc<Slot>>>,
    refused: Mutex<HashMap<i32, (Instant, ClientError)>>,
}

#[derive(Default)]
struct Slot {
    current: Mutex<Option<Connection>>,
    /// Held while connecting.
    attempt: tokio::sync::Mutex<Attempt>,
}

#[derive(Default)]
struct Attempt {
    failures: u32,
    not_before: Option<Instant>,
}

impl Pool {
    pub(super) fn new(connector: Connector) -> Pool {
        Pool { connector, slots: Mutex::default(), refused: Mutex::default() }
    }

    pub(super) fn connector(&self) -> &Connector {
        &self.connector
    }

    /// The open connection to a broker, if there is one.
    pub(super) fn open(&self, node_id: i32, purpose: Purpose) -> Option<Connection> {
        let slot = lock(&self.slots).get(&(node_id, purpose))?.clone();
        slot.open()
    }

    /// The connection to `endpoint`, made if need be.
    pub(super) async fn get(&self, endpoint: &Endpoint, purpose: Purpose) -> Result<Connection, ClientError> {
        let slot = lock(&self.slots).entry((endpoint.node_id, purpose)).or_default().clone();
        if let Some(connection) = slot.open_to(endpoint) {
            return Ok(connection);
        }
        let mut attempt = slot.attempt.lock().await;
        // Somebody else may have connected while we waited for our turn.
        if let Some(connection) = slot.open_to(endpoint) {
            return Ok(connection);
        }
        if let Some((when, error)) = lock(&self.refused).get(&endpoint.node_id)
            && when.elapsed() < AUTH_RETRY_MIN
        {
            return Err(error.clone());
        }
        if let Some(not_before) = attempt.not_before {
            sleep_until(not_before).await;
        }
        let config = self.connector.config();
        // KIP-601: patience doubles with every failure.
        let patience = config
            .setup_timeout()
            .saturating_mul(1 << attempt.failures.min(8))
            .min(config.setup_timeout_max().max(config.setup_timeout()));
        match self.connector.open(endpoint, patience).await {
            Ok(connection) => {
                *attempt = Attempt::default();
                lock(&self.refused).remove(&endpoint.node_id);
                *lock(&slot.current) = Some(connection.clone());
                Ok(connection)
            }
            Err(error) => {
                attempt.failures = attempt.failures.saturating_add(1);
                let pause = Backoff::reconnects(config).pause(attempt.failures, chance());
                attempt.not_before = Some(Instant::now() + pause);
                debug!(broker = %endpoint, ?purpose, failures = attempt.failures, %error, "connection attempt failed");
                if matches!(error, ClientError::Auth { .. }) {
                    lock(&self.refused).insert(endpoint.node_id, (Instant::now(), error.clone()));
                }
                Err(error)
            }
        }
    }

    /// Forgets brokers that are no longer part of the cluster.
    pub(super) fn retain(&self, is_member: impl Fn(i32) -> bool) {
        lock(&self.slots).retain(|(node_id, _), _| is_member(*node_id));
        lock(&self.refused).retain(|node_id, _| is_member(*node_id));
    }

    pub(super) fn close(&self) {
        for slot in std::mem::take(&mut *lock(&self.slots)).into_values() {
            if let Some(connection) = lock(&slot.current).take() {
                connection.close("client closed");
            }
        }
    }
}

impl Slot {
    fn open(&self) -> Option<Connection> {
        lock(&self.current).as_ref().filter(|connection| !connection.is_closed()).cloned()
    }

    /// A broker that was given another address is another broker.
    fn open_to(&self, endpoint: &Endpoint) -> Option<Connection> {
        self.open().filter(|connection| connection.endpoint() == endpoint)
    }
}
