//! Finding the cluster: from `bootstrap.servers` to the first answer, and back there when no known
//! broker answers any more (KIP-899).

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tracing::warn;

use super::pool::{Pool, Purpose};
use super::retry::{Backoff, chance};
use super::{Cluster, Inner, Metadata, refresh};
use crate::BoxFuture;
use crate::config::ClientConfig;
use crate::connection::{Connection, Connector, Endpoint, lock};
use crate::error::ClientError;

impl Cluster {
    /// Connects to a cluster and learns its brokers. Every bootstrap address is tried in turn, with
    /// back-off between rounds, for `default.api.timeout.ms`; some of them may be down.
    ///
    /// # Errors
    /// Refused credentials or certificates fail at once. Otherwise [`ClientError::Connect`] with the
    /// last reason.
    pub fn connect(config: ClientConfig) -> BoxFuture<'static, Result<Cluster, ClientError>> {
        Box::pin(async move {
            warn_of_unknown_keys(&config);
            let cluster = Cluster::unconnected(Connector::new(config)?);
            let deadline = Instant::now() + cluster.config().api_timeout();
            let backoff = Backoff::reconnects(cluster.config());
            for failures in 1.. {
                let error = match cluster.first_contact().await {
                    Ok(()) => break,
                    Err(error) => error,
                };
                let pause = backoff.pause(failures, chance());
                if !error.is_retriable() || Instant::now() + pause >= deadline {
                    return Err(error);
                }
                sleep(pause).await;
            }
            tokio::spawn(refresh::keep_fresh(Arc::downgrade(&cluster.0)));
            Ok(cluster)
        })
    }

    pub(super) fn unconnected(connector: Connector) -> Cluster {
        Cluster(Arc::new(Inner {
            pool: Pool::new(connector),
            metadata: watch::Sender::new(Arc::new(Metadata::default())),
            interest: Mutex::default(),
            refreshed: tokio::sync::Mutex::default(),
            coordinators: Mutex::default(),
            closed: AtomicBool::new(false),
        }))
    }

    async fn first_contact(&self) -> Result<(), ClientError> {
        let connection = self.bootstrap().await?;
        let metadata = refresh::ask(&connection, Some(&[])).await?;
        self.publish(metadata);
        Ok(())
    }

    /// A connection to the first bootstrap address that answers, starting at a random one.
    pub(super) async fn bootstrap(&self) -> Result<Connection, ClientError> {
        self.check_open()?;
        let connector = self.0.pool.connector();
        let servers = self.config().bootstrap_servers();
        let first = (chance() * servers.len() as f64) as usize;
        let mut last = None;
        for index in (0..servers.len()).map(|index| (first + index) % servers.len()) {
            let (host, port) = servers[index].clone();
            let endpoint = Endpoint { node_id: -1 - index as i32, host, port };
            match connector.open(&endpoint, self.config().setup_timeout()).await {
                Ok(connection) => return Ok(connection),
                Err(error) if error.is_retriable() => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| ClientError::Connect {
            broker: "bootstrap.servers".to_owned(),
            reason: "the list is empty".to_owned(),
        }))
    }

    /// A connection to any broker: an open one if there is, else the first that answers.
    pub fn any<'a>(&'a self) -> BoxFuture<'a, Result<Connection, ClientError>> {
        Box::pin(async move {
            self.check_open()?;
            let metadata = self.metadata();
            let mut node_ids: Vec<i32> = metadata.brokers.keys().copied().collect();
            if !node_ids.is_empty() {
                let first = (chance() * node_ids.len() as f64) as usize % node_ids.len();
                node_ids.rotate_left(first);
            }
            if let Some(connection) = node_ids.iter().find_map(|node_id| self.0.pool.open(*node_id, Purpose::Control)) {
                return Ok(connection);
            }
            let mut last = None;
            for node_id in node_ids {
                match self.broker(node_id, Purpose::Control).await {
                    Ok(connection) => return Ok(connection),
                    Err(error) if error.is_retriable() => last = Some(error),
                    Err(error) => return Err(error),
                }
            }
            match last {
                Some(error) if !self.config().rebootstrap() => Err(error),
                _ => self.bootstrap().await,
            }
        })
    }
}

/// Once for each key, however many clients are made with it.
fn warn_of_unknown_keys(config: &ClientConfig) {
    static WARNED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    for unknown in config.unknown_keys() {
        if lock(&WARNED).insert(unknown.key.clone()) {
            let (key, did_you_mean) = (&unknown.key, unknown.did_you_mean);
            warn!(client_id = config.client_id(), key, did_you_mean, "unknown configuration key ignored");
        }
    }
}
