//! A cluster: who leads what, connections to whom it takes, and the one way to retry.
//!
//! A [`Cluster`] is a handle; clones share connections, metadata and counters. It keeps a snapshot
//! of the brokers and of the topics somebody is interested in, refreshed when it is old
//! (`metadata.max.age.ms`) and whenever an answer says that it is wrong.

mod bootstrap;
mod coordinator;
mod metadata;
mod pool;
mod refresh;
pub mod retry;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::debug;

use crate::BoxFuture;
use crate::config::ClientConfig;
use crate::connection::{Connection, Endpoint, NodeSnapshot, StatsSnapshot, lock};
use crate::error::ClientError;
use pool::Pool;
use retry::{Backoff, Decision, Refresh, chance, decide};

pub use coordinator::CoordinatorKind;
pub use metadata::{Broker, Metadata, PartitionInfo, TopicInfo};
pub use pool::Purpose;

/// A Kafka cluster.
#[derive(Clone)]
pub struct Cluster(Arc<Inner>);

struct Inner {
    pool: Pool,
    metadata: watch::Sender<Arc<Metadata>>,
    interest: Mutex<BTreeSet<String>>,
    /// When the last refresh began that succeeded; held while one is under way.
    refreshed: tokio::sync::Mutex<Option<Instant>>,
    coordinators: Mutex<HashMap<(CoordinatorKind, String), Endpoint>>,
    closed: AtomicBool,
}

impl Cluster {
    /// The configuration it was made with.
    pub fn config(&self) -> &ClientConfig {
        self.0.pool.connector().config()
    }

    /// The last snapshot. Holds the brokers and the topics of interest.
    pub fn metadata(&self) -> Arc<Metadata> {
        self.0.metadata.borrow().clone()
    }

    /// Snapshots as they come.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Metadata>> {
        self.0.metadata.subscribe()
    }

    /// Keeps `topics` in the snapshots from the next refresh on.
    pub fn track<'a>(&self, topics: impl IntoIterator<Item = &'a str>) {
        lock(&self.0.interest).extend(topics.into_iter().map(str::to_owned));
    }

    /// Drops `topics` from the snapshots at the next refresh.
    pub fn untrack<'a>(&self, topics: impl IntoIterator<Item = &'a str>) {
        let mut interest = lock(&self.0.interest);
        for topic in topics {
            interest.remove(topic);
        }
    }

    /// A connection to the leader of a partition, for `Control`, and the leader's epoch.
    pub fn leader<'a>(
        &'a self,
        topic: &'a str,
        partition: i32,
    ) -> BoxFuture<'a, Result<(Connection, i32), ClientError>> {
        Box::pin(async move { self.leader_for(topic, partition, Purpose::Control).await })
    }

    /// A connection to the leader of a partition, and the leader's epoch (-1 if unknown). A topic that
    /// was of no interest yet is from now on. Refreshes metadata at most once.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION` or `LEADER_NOT_AVAILABLE` as [`ClientError::Broker`], both
    /// retriable, and what [`Cluster::broker`] says.
    pub fn leader_for<'a>(
        &'a self,
        topic: &'a str,
        partition: i32,
        purpose: Purpose,
    ) -> BoxFuture<'a, Result<(Connection, i32), ClientError>> {
        Box::pin(async move {
            let mut known = self.metadata().leader(topic, partition);
            if known.is_none() {
                self.track([topic]);
                known = self.refresh().await?.leader(topic, partition);
            }
            let Some((node_id, epoch)) = known else {
                let code = self.metadata().why_no_leader(topic, partition);
                return Err(ClientError::broker(format!("Metadata for {topic}-{partition}"), code, None));
            };
            Ok((self.broker(node_id, purpose).await?, epoch))
        })
    }

    /// A connection to a broker. Connects if there is none, after the reconnect back-off if the
    /// last attempt failed.
    ///
    /// # Errors
    /// `BROKER_NOT_AVAILABLE` in a retriable form ([`ClientError::Connect`]) if the broker is not
    /// part of the cluster as far as we know.
    pub fn broker<'a>(&'a self, node_id: i32, purpose: Purpose) -> BoxFuture<'a, Result<Connection, ClientError>> {
        Box::pin(async move {
            self.check_open()?;
            let metadata = self.metadata();
            let broker = metadata.brokers.get(&node_id).ok_or_else(|| ClientError::Connect {
                broker: format!("broker {node_id}"),
                reason: "not among the live brokers of the cluster".to_owned(),
            })?;
            self.0.pool.get(&broker.endpoint, purpose).await
        })
    }

    /// A connection to the controller, or to any broker where the cluster names none: with KRaft
    /// every broker forwards administrative requests.
    pub fn controller<'a>(&'a self) -> BoxFuture<'a, Result<Connection, ClientError>> {
        Box::pin(async move {
            match self.metadata().controller_id {
                Some(node_id) => self.broker(node_id, Purpose::Control).await,
                None => self.any().await,
            }
        })
    }

    /// Runs `attempt` until it succeeds, fails for good, or `deadline` comes; then the last error is
    /// returned. Between attempts it waits with exponential back-off and refreshes what the code
    /// table says has moved. For requests to coordinators see [`Cluster::retry_coordinator`], for
    /// loops with a shape of their own [`Cluster::retrying`].
    pub async fn retry<T, F, A>(&self, what: &'static str, deadline: Instant, mut attempt: F) -> Result<T, ClientError>
    where
        F: FnMut() -> A,
        A: Future<Output = Result<T, ClientError>>,
    {
        let mut retry = self.retrying(what, deadline);
        loop {
            match retry.bounded(attempt()).await {
                Ok(done) => return Ok(done),
                Err(error) => retry.after(error).await?,
            }
        }
    }

    /// The state of a retry loop: see [`Retry::after`].
    pub fn retrying(&self, what: &'static str, deadline: Instant) -> Retry<'_> {
        Retry { cluster: self, what, deadline, started: Instant::now(), failures: 0 }
    }

    /// The counters of all connections.
    pub fn stats(&self) -> StatsSnapshot {
        self.0.pool.connector().stats().snapshot()
    }

    /// What has gone over the connections to each broker.
    pub fn stats_by_node(&self) -> Vec<NodeSnapshot> {
        self.0.pool.connector().stats().by_node()
    }

    /// Closes all connections. Calls under way fail, and so does every later one.
    pub async fn close(&self) {
        self.0.closed.store(true, Relaxed);
        self.0.pool.close();
    }

    fn check_open(&self) -> Result<(), ClientError> {
        if self.0.closed.load(Relaxed) {
            return Err(ClientError::Closed { broker: "the cluster".to_owned(), reason: "client closed".to_owned() });
        }
        Ok(())
    }
}

/// A retry loop's memory.
#[derive(Debug)]
pub struct Retry<'a> {
    cluster: &'a Cluster,
    what: &'static str,
    deadline: Instant,
    started: Instant,
    failures: u32,
}

impl Retry<'_> {
    /// Runs one attempt, not beyond the deadline.
    pub async fn bounded<T>(&self, attempt: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
        match timeout_at(self.deadline, attempt).await {
            Ok(result) => result,
            Err(_) => Err(ClientError::timeout(self.what, self.started.elapsed())),
        }
    }

    /// After a failed attempt: returns when it is time for the next one, with metadata refreshed if
    /// the error calls for it.
    ///
    /// # Errors
    /// `error` itself, if it is fatal or there is no time left.
    pub async fn after(&mut self, error: ClientError) -> Result<(), ClientError> {
        self.failures += 1;
        let left = self.deadline.saturating_duration_since(Instant::now());
        let backoff = Backoff::retries(self.cluster.config());
        match decide(&error, self.failures, left, backoff, chance()) {
            Decision::GiveUp => Err(error),
            Decision::Again { pause, refresh } => {
                debug!(what = self.what, failures = self.failures, %error, "request failed, trying again");
                sleep(pause).await;
                if refresh == Refresh::Metadata {
                    // If this fails too, the next attempt says why.
                    let _ = timeout_at(self.deadline, self.cluster.refresh()).await;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("cluster_id", &self.metadata().cluster_id)
            .field("client_id", &self.config().client_id())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::codes::ErrorCode;
    use crate::connection::Connector;

    /// Nobody listens at its address; retriable codes that need no refresh never go there.
    fn cluster() -> Cluster {
        let props = BTreeMap::from([("bootstrap.servers".to_owned(), "127.0.0.1:1".to_owned())]);
        Cluster::unconnected(Connector::new(ClientConfig::parse(&props).unwrap()).unwrap())
    }

    fn failure(code: ErrorCode) -> ClientError {
        ClientError::broker("Test", code, None)
    }

    #[tokio::test(start_paused = true)]
    async fn a_retriable_failure_is_tried_again_with_growing_pauses() {
        let (cluster, began) = (cluster(), Instant::now());
        let attempts = Cell::new(0);

        let result = cluster.retry("test", began + Duration::from_secs(60), || async {
            attempts.set(attempts.get() + 1);
            if attempts.get() < 4 { Err(failure(ErrorCode::REQUEST_TIMED_OUT)) } else { Ok(attempts.get()) }
        });

        assert_eq!(result.await, Ok(4));
        // 100 + 200 + 400, each give or take a fifth (the clock of tests ticks in milliseconds).
        let pauses = began.elapsed();
        assert!((Duration::from_millis(560)..=Duration::from_millis(843)).contains(&pauses), "{pauses:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_fatal_failure_is_reported_at_once() {
        let (cluster, began) = (cluster(), Instant::now());
        let attempts = Cell::new(0);

        let result: Result<(), _> = cluster
            .retry("test", began + Duration::from_secs(60), || async {
                attempts.set(attempts.get() + 1);
                Err(failure(ErrorCode::TOPIC_AUTHORIZATION_FAILED))
            })
            .await;

        assert_eq!(result, Err(failure(ErrorCode::TOPIC_AUTHORIZATION_FAILED)));
        assert_eq!((attempts.get(), began.elapsed()), (1, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_deadline_the_last_failure_is_reported() {
        let (cluster, began) = (cluster(), Instant::now());

        let result: Result<(), _> = cluster
            .retry("test", began + Duration::from_secs(5), || async { Err(failure(ErrorCode::NOT_ENOUGH_REPLICAS)) })
            .await;

        assert_eq!(result, Err(failure(ErrorCode::NOT_ENOUGH_REPLICAS)));
        assert!(began.elapsed() <= Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_hangs_ends_at_the_deadline() {
        let (cluster, began) = (cluster(), Instant::now());

        let result: Result<(), _> = cluster.retry("test", began + Duration::from_secs(5), std::future::pending).await;

        assert_eq!(result, Err(ClientError::timeout("test", Duration::from_secs(5))));
    }

    #[tokio::test]
    async fn a_closed_cluster_refuses_every_call() {
        let cluster = cluster();

        cluster.close().await;

        for error in
            [cluster.any().await.err(), cluster.refresh().await.err(), cluster.broker(1, Purpose::Fetch).await.err()]
        {
            assert!(matches!(error, Some(ClientError::Closed { .. })), "{error:?}");
        }
    }

    #[test]
    fn what_callers_await_can_be_spawned() {
        fn is_send<F: Send>(_: impl Fn(Cluster) -> F) {}
        is_send(|cluster| async move { cluster.admin().list_topics().await });
        is_send(|cluster| async move { cluster.admin().create_topics(&[], true).await });
        is_send(|cluster| async move { cluster.admin().list_offsets(&BTreeMap::new(), Default::default()).await });
        is_send(|cluster| async move { cluster.admin().describe_groups(&[]).await });
        is_send(|cluster| async move { cluster.admin().list_group_offsets(&[], true).await });
        is_send(|cluster| async move { cluster.admin().fence_producers(&["a"]).await });
        is_send(|cluster| async move {
            let group = String::from("g");
            let ask = |connection: Connection| async move { Ok(connection.node_id()) };
            cluster.retry_coordinator("x", CoordinatorKind::Group, &group, Instant::now(), ask).await
        });
    }
}
