//! Keeping the snapshot fresh: one refresh at a time, shared by all who want one; a slow one in the
//! background.

use std::sync::{Arc, Weak};

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{MetadataRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use tokio::time::{Instant, sleep};
use tracing::warn;

use super::{Cluster, Inner, Metadata};
use crate::BoxFuture;
use crate::codes::ErrorCode;
use crate::connection::{Connection, lock};
use crate::error::ClientError;

impl Cluster {
    /// A snapshot that is newer than this call. Any number of callers share one request.
    pub fn refresh<'a>(&'a self) -> BoxFuture<'a, Result<Arc<Metadata>, ClientError>> {
        Box::pin(async move {
            let called = Instant::now();
            let mut refreshed = self.0.refreshed.lock().await;
            if refreshed.is_some_and(|began| began >= called) {
                return Ok(self.metadata());
            }
            let began = Instant::now();
            let topics: Vec<String> = lock(&self.0.interest).iter().cloned().collect();
            let names: Vec<&str> = topics.iter().map(String::as_str).collect();
            let newer = self.fetch_metadata(Some(&names)).await?;
            self.publish(newer);
            *refreshed = Some(began);
            Ok(self.metadata())
        })
    }

    /// Metadata of `topics`, or of all topics, as one broker knows it now. Only the brokers are kept.
    ///
    /// # Errors
    /// A topic that does not exist is no error here, it is in the answer with its code.
    pub fn fetch_metadata<'a>(&'a self, topics: Option<&'a [&'a str]>) -> BoxFuture<'a, Result<Metadata, ClientError>> {
        Box::pin(async move {
            let connection = self.any().await?;
            let metadata = match ask(&connection, topics).await {
                // KIP-1102: the broker has lost track of the cluster and sends us back to the start.
                Err(error) if error.code() == Some(ErrorCode::REBOOTSTRAP_REQUIRED) && self.config().rebootstrap() => {
                    connection.close("the broker asked for a new bootstrap");
                    ask(&self.bootstrap().await?, topics).await
                }
                answer => answer,
            }?;
            self.0.metadata.send_if_modified(|known| {
                let moved = known.brokers != metadata.brokers || known.controller_id != metadata.controller_id;
                if moved {
                    let (brokers, controller_id) = (metadata.brokers.clone(), metadata.controller_id);
                    *known = Arc::new(Metadata { brokers, controller_id, ..Metadata::clone(known) });
                }
                moved
            });
            Ok(metadata)
        })
    }

    pub(super) fn publish(&self, newer: Metadata) {
        self.0.metadata.send_modify(|known| *known = Arc::new(known.merge(newer)));
        let metadata = self.metadata();
        self.0.pool.retain(|node_id| node_id < 0 || metadata.brokers.contains_key(&node_id));
    }
}

/// Asks one broker. Topics are never created by asking for them: what mirrors and internal topics
/// need is created with the right settings, by name.
pub(super) async fn ask(connection: &Connection, topics: Option<&[&str]>) -> Result<Metadata, ClientError> {
    let fill = |version: i16| {
        let topics = topics.map(|topics| {
            let topic = |name: &&str| {
                let name = TopicName(StrBytes::from_string((*name).to_owned()));
                MetadataRequestTopic::default().with_name(Some(name))
            };
            topics.iter().map(topic).collect()
        });
        // Versions below 4 cannot say it; there the broker decides. `true` is the field's default.
        Ok(MetadataRequest::default().with_topics(topics).with_allow_auto_topic_creation(version < 4))
    };
    let response = connection.call_with(fill, connection.request_timeout()).await?;
    ErrorCode(response.error_code).ok().map_err(|code| ClientError::broker("Metadata", code, None))?;
    Ok(Metadata::from_response(response))
}

/// Refreshes when the snapshot reaches `metadata.max.age.ms`, as long as the cluster is in use.
pub(super) async fn keep_fresh(cluster: Weak<Inner>) {
    loop {
        let Some(max_age) = cluster.upgrade().map(|inner| Cluster(inner).config().metadata_max_age()) else { return };
        sleep(max_age.max(MIN_AGE)).await;
        let Some(cluster) = cluster.upgrade().map(Cluster) else { return };
        if cluster.check_open().is_err() {
            return;
        }
        if let Err(error) = cluster.refresh().await {
            warn!(client_id = cluster.config().client_id(), %error, "metadata could not be refreshed, trying again later");
        }
    }
}

/// A `metadata.max.age.ms` of 0 is legal and must not become a busy loop.
const MIN_AGE: std::time::Duration = std::time::Duration::from_millis(100);
