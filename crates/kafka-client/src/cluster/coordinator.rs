//! Which broker coordinates a group or a transactional id.

use std::collections::BTreeMap;
use std::future::Future;

use kafka_protocol::messages::{ApiKey, FindCoordinatorRequest};
use kafka_protocol::protocol::StrBytes;
use tokio::time::Instant;

use super::{Cluster, Purpose};
use crate::BoxFuture;
use crate::codes::ErrorCode;
use crate::connection::{Connection, Endpoint, lock};
use crate::error::ClientError;

/// What is coordinated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CoordinatorKind {
    /// A group, by `group.id`.
    Group,
    /// A transaction, by `transactional.id`.
    Transaction,
}

impl CoordinatorKind {
    fn purpose(self) -> Purpose {
        match self {
            CoordinatorKind::Group => Purpose::Group,
            CoordinatorKind::Transaction => Purpose::Transaction,
        }
    }

    fn key_type(self) -> i8 {
        match self {
            CoordinatorKind::Group => 0,
            CoordinatorKind::Transaction => 1,
        }
    }
}

impl Cluster {
    /// A connection to the coordinator of `key`, looked up once and remembered until
    /// [`Cluster::forget_coordinator`]. Asks once; `COORDINATOR_NOT_AVAILABLE` is for
    /// [`Cluster::retry_coordinator`] to wait out.
    pub fn coordinator<'a>(
        &'a self,
        kind: CoordinatorKind,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Connection, ClientError>> {
        Box::pin(async move { self.coordinator_for(kind, key, kind.purpose()).await })
    }

    /// The same on a connection for another purpose: administration of a group must not share the
    /// connection of a member that waits in JoinGroup.
    pub fn coordinator_for<'a>(
        &'a self,
        kind: CoordinatorKind,
        key: &'a str,
        purpose: Purpose,
    ) -> BoxFuture<'a, Result<Connection, ClientError>> {
        Box::pin(async move {
            let known = lock(&self.0.coordinators).get(&(kind, key.to_owned())).cloned();
            let endpoint = match known {
                Some(endpoint) => endpoint,
                None => {
                    let endpoint = self.find_coordinator(kind, key).await?;
                    lock(&self.0.coordinators).insert((kind, key.to_owned()), endpoint.clone());
                    endpoint
                }
            };
            let connection = self.connect_to(&endpoint, purpose).await;
            if connection.is_err() {
                self.forget_coordinator(kind, key);
            }
            connection
        })
    }

    /// Look the coordinator up again next time.
    pub fn forget_coordinator(&self, kind: CoordinatorKind, key: &str) {
        lock(&self.0.coordinators).remove(&(kind, key.to_owned()));
    }

    /// [`Cluster::retry`] for requests to a coordinator: every attempt gets a connection to it, and
    /// after a failure that may mean that it has moved it is looked up again.
    pub async fn retry_coordinator<T, F, A>(
        &self,
        what: &'static str,
        kind: CoordinatorKind,
        key: &str,
        deadline: Instant,
        mut attempt: F,
    ) -> Result<T, ClientError>
    where
        F: FnMut(Connection) -> A,
        A: Future<Output = Result<T, ClientError>>,
    {
        let mut retry = self.retrying(what, deadline);
        loop {
            let result = match retry.bounded(self.coordinator(kind, key)).await {
                Ok(connection) => retry.bounded(attempt(connection)).await,
                Err(error) => Err(error),
            };
            let error = match result {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            // COORDINATOR_LOAD_IN_PROGRESS is the right coordinator; all else may mean another one.
            if error.code() != Some(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS) {
                self.forget_coordinator(kind, key);
            }
            retry.after(error).await?;
        }
    }

    async fn find_coordinator(&self, kind: CoordinatorKind, key: &str) -> Result<Endpoint, ClientError> {
        let found = self.find_coordinators(kind, &[key]).await?.remove(key);
        let missing = (ErrorCode::COORDINATOR_NOT_AVAILABLE, None);
        found.unwrap_or(Err(missing)).map_err(|(code, message)| {
            ClientError::broker(format!("FindCoordinator for {kind:?} {key}"), code, message.as_deref())
        })
    }

    /// The coordinators of many keys, asked now: in one request (KIP-699), or from brokers before
    /// Kafka 3.0 in many requests at once.
    pub(crate) async fn find_coordinators(&self, kind: CoordinatorKind, keys: &[&str]) -> Result<Found, ClientError> {
        let connection = self.any().await?;
        let timeout = self.config().request_timeout();
        let many = connection.version_of(ApiKey::FindCoordinator).is_some_and(|version| version >= MANY_KEYS_VERSION);
        let mut underway = Vec::new();
        for keys in keys.chunks(if many { keys.len().max(1) } else { 1 }) {
            let fill = |version| Ok(find(kind, keys, version));
            underway.push((keys, connection.start(fill, timeout).await?));
        }
        let mut found = Found::new();
        for (keys, answer) in underway {
            let answer = answer.await?;
            if many {
                found.extend(answer.coordinators.iter().map(|c| {
                    let message = c.error_message.as_ref();
                    (c.key.to_string(), endpoint(c.error_code, message, c.node_id.0, &c.host, c.port))
                }));
            } else {
                let (code, message) = (answer.error_code, answer.error_message.as_ref());
                let result = endpoint(code, message, answer.node_id.0, &answer.host, answer.port);
                found.extend(keys.iter().map(|key| ((*key).to_owned(), result.clone())));
            }
        }
        Ok(found)
    }

    /// A connection to a broker of which only the address is known.
    pub(crate) async fn connect_to(&self, endpoint: &Endpoint, purpose: Purpose) -> Result<Connection, ClientError> {
        self.check_open()?;
        self.0.pool.get(endpoint, purpose).await
    }
}

/// First version with many keys.
const MANY_KEYS_VERSION: i16 = 4;

/// Coordinators by key, or the code and words of the broker.
pub(crate) type Found = BTreeMap<String, Result<Endpoint, (ErrorCode, Option<String>)>>;

fn find(kind: CoordinatorKind, keys: &[&str], version: i16) -> FindCoordinatorRequest {
    let mut request = FindCoordinatorRequest::default();
    if version >= 1 {
        request.key_type = kind.key_type();
    }
    let mut keys = keys.iter().map(|key| StrBytes::from_string((*key).to_owned()));
    if version >= MANY_KEYS_VERSION {
        request.with_coordinator_keys(keys.collect())
    } else {
        request.with_key(keys.next().unwrap_or_default())
    }
}

fn endpoint(
    code: i16,
    message: Option<&StrBytes>,
    node_id: i32,
    host: &StrBytes,
    port: i32,
) -> Result<Endpoint, (ErrorCode, Option<String>)> {
    ErrorCode(code).ok().map_err(|code| (code, message.map(ToString::to_string)))?;
    match u16::try_from(port) {
        Ok(port) if node_id >= 0 => Ok(Endpoint { node_id, host: host.to_string(), port }),
        _ => Err((ErrorCode::COORDINATOR_NOT_AVAILABLE, None)),
    }
}
