//! Which broker coordinates a group or a transactional id.

use std::future::Future;

use kafka_protocol::messages::FindCoordinatorRequest;
use kafka_protocol::protocol::StrBytes;
use tokio::time::Instant;

use super::{Cluster, Purpose};
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
    pub async fn coordinator(&self, kind: CoordinatorKind, key: &str) -> Result<Connection, ClientError> {
        self.coordinator_for(kind, key, kind.purpose()).await
    }

    /// The same on a connection for another purpose: administration of a group must not share the
    /// connection of a member that waits in JoinGroup.
    pub async fn coordinator_for(
        &self,
        kind: CoordinatorKind,
        key: &str,
        purpose: Purpose,
    ) -> Result<Connection, ClientError> {
        let known = lock(&self.0.coordinators).get(&(kind, key.to_owned())).cloned();
        let endpoint = match known {
            Some(endpoint) => endpoint,
            None => {
                let endpoint = self.find_coordinator(kind, key).await?;
                lock(&self.0.coordinators).insert((kind, key.to_owned()), endpoint.clone());
                endpoint
            }
        };
        let connection = self.0.pool.get(&endpoint, purpose).await;
        if connection.is_err() {
            self.forget_coordinator(kind, key);
        }
        connection
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
        let name = StrBytes::from_string(key.to_owned());
        let fill = |version| {
            let request = FindCoordinatorRequest::default();
            let request = if version >= 1 { request.with_key_type(kind.key_type()) } else { request };
            // KIP-699: from version 4 on, many keys in one request.
            Ok(match version {
                4.. => request.with_coordinator_keys(vec![name]),
                _ => request.with_key(name),
            })
        };
        let response = self.any().await?.call_with(fill, self.config().request_timeout()).await?;
        let (code, message, node_id, host, port) = match response.coordinators.first() {
            Some(found) => (found.error_code, &found.error_message, found.node_id, &found.host, found.port),
            None => (response.error_code, &response.error_message, response.node_id, &response.host, response.port),
        };
        let failed = |code, message: Option<&str>| {
            ClientError::broker(format!("FindCoordinator for {kind:?} {key}"), code, message)
        };
        if code != 0 {
            return Err(failed(ErrorCode(code), message.as_deref()));
        }
        let port = u16::try_from(port).map_err(|_| failed(ErrorCode::COORDINATOR_NOT_AVAILABLE, None))?;
        Ok(Endpoint { node_id: node_id.0, host: host.to_string(), port })
    }
}
