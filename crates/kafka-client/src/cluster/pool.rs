//! Connections by broker and purpose. One attempt at a time per broker and purpose, with back-off
//! after failures; credentials that a broker refused are not shown to it again for a while.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tracing::debug;

use super::retry::{Backoff, chance};
use crate::BoxFuture;
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
    /// Group membership: a JoinGroup is answered when the rebalance ends. Two members of groups with the
    /// same coordinator want a [`super::Cluster`] each.
    Group,
    /// Transaction coordinator: must not wait behind a group or a batch.
    Transaction,
}

/// Brokers that refused our credentials are left alone this long, so that no account gets locked.
const AUTH_RETRY_MIN: Duration = Duration::from_secs(30);

pub(super) struct Pool {
    dialer: Arc<Dialer>,
    slots: Mutex<BTreeMap<(i32, Purpose), Arc<Slot>>>,
}

/// Makes connections.
struct Dialer {
    connector: Connector,
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
        Pool { dialer: Arc::new(Dialer { connector, refused: Mutex::default() }), slots: Mutex::default() }
    }

    pub(super) fn connector(&self) -> &Connector {
        &self.dialer.connector
    }

    /// The open connection to a broker, if there is one.
    pub(super) fn open(&self, node_id: i32, purpose: Purpose) -> Option<Connection> {
        let slot = lock(&self.slots).get(&(node_id, purpose))?.clone();
        slot.open()
    }

    /// The connection to `endpoint`, made if need be. Whoever asks may give up: the attempt goes on,
    /// or a caller with little patience would begin it again and again and never end it.
    pub(super) fn get<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        purpose: Purpose,
    ) -> BoxFuture<'a, Result<Connection, ClientError>> {
        Box::pin(async move {
            let slot = lock(&self.slots).entry((endpoint.node_id, purpose)).or_default().clone();
            if let Some(connection) = slot.open_to(endpoint) {
                return Ok(connection);
            }
            let (dialer, wanted) = (self.dialer.clone(), endpoint.clone());
            let attempt = tokio::spawn(async move { dialer.dial(&slot, &wanted, purpose).await });
            attempt.await.unwrap_or_else(|error| {
                Err(ClientError::Connect {
                    broker: endpoint.seen_by(self.connector().config().client_id()),
                    reason: format!("attempt ended early: {error}"),
                })
            })
        })
    }

    /// Forgets brokers that are no longer part of the cluster.
    pub(super) fn retain(&self, is_member: impl Fn(i32) -> bool) {
        lock(&self.slots).retain(|(node_id, _), _| is_member(*node_id));
        lock(&self.dialer.refused).retain(|node_id, _| is_member(*node_id));
    }

    pub(super) fn close(&self) {
        for slot in std::mem::take(&mut *lock(&self.slots)).into_values() {
            if let Some(connection) = lock(&slot.current).take() {
                connection.close("client closed");
            }
        }
    }
}

impl Dialer {
    async fn dial(&self, slot: &Slot, endpoint: &Endpoint, purpose: Purpose) -> Result<Connection, ClientError> {
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
                let client_id = config.client_id();
                debug!(client_id, ?purpose, failures = attempt.failures, %error, "connection attempt failed");
                if matches!(error, ClientError::Auth { .. }) {
                    lock(&self.refused).insert(endpoint.node_id, (Instant::now(), error.clone()));
                }
                Err(error)
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::config::ClientConfig;

    async fn pool_and_broker() -> (Pool, TcpListener, Endpoint) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let props = BTreeMap::from([
            ("bootstrap.servers".to_owned(), format!("127.0.0.1:{port}")),
            ("socket.connection.setup.timeout.ms".to_owned(), "60000".to_owned()),
            ("socket.connection.setup.timeout.max.ms".to_owned(), "60000".to_owned()),
        ]);
        let pool = Pool::new(Connector::new(ClientConfig::parse(&props).unwrap()).unwrap());
        (pool, listener, Endpoint { node_id: 1, host: "127.0.0.1".to_owned(), port })
    }

    #[tokio::test]
    async fn all_who_want_a_connection_get_the_same_even_if_the_first_gives_up() {
        let (pool, listener, endpoint) = pool_and_broker().await;
        let pool = Arc::new(pool);
        let wanted = |_| {
            let (pool, endpoint) = (pool.clone(), endpoint.clone());
            tokio::spawn(async move { pool.get(&endpoint, Purpose::Fetch).await })
        };

        let first = wanted(0);
        let (mut socket, _) = listener.accept().await.unwrap();
        let others: Vec<_> = (1..10).map(wanted).collect();
        first.abort();
        // ApiVersions 3: its size first, then whatever it holds; the answer names no API at all.
        let size = socket.read_i32().await.unwrap();
        socket.read_exact(&mut vec![0; size as usize]).await.unwrap();
        socket.write_all(&[0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]).await.unwrap();

        for one in others {
            assert!(one.await.unwrap().is_ok());
        }
        assert_eq!(pool.connector().stats().snapshot().connections_opened, 1);
    }

    #[tokio::test]
    async fn a_broker_that_refused_us_is_not_asked_again_at_once() {
        let (pool, listener, endpoint) = pool_and_broker().await;
        let refused =
            ClientError::Auth { broker: "b".to_owned(), mechanism: "PLAIN".to_owned(), reason: "no".to_owned() };
        lock(&pool.dialer.refused).insert(1, (Instant::now(), refused.clone()));

        let result = pool.get(&endpoint, Purpose::Group).await;

        assert_eq!(result.err(), Some(refused));
        drop(listener);
        assert_eq!(pool.connector().stats().snapshot().connections_failed, 0);
    }
}
