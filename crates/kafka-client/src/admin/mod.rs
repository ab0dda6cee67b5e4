//! The administrative calls we use, batched: one call for many topics, partitions, resources or
//! groups, and a result of its own for each of them.
//!
//! A call goes on until every item has a final result or `default.api.timeout.ms` is over (see
//! [`Admin::with_timeout`]): items that failed with a retriable code are sent again, alone. The outer
//! error is for what concerns all items, such as no broker that answers.

mod acls;
mod batch;
mod configs;
mod group_offsets;
mod groups;
mod kinds;
mod partitions;
mod producers;
mod topics;

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::messages::{DescribeClusterRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use thiserror::Error;
use tokio::time::Instant;

use crate::BoxFuture;
use crate::cluster::{Broker, Cluster};
use crate::codes::ErrorCode;
use crate::connection::Endpoint;
use crate::error::ClientError;

pub use crate::fetcher::Isolation;
pub use acls::{AclBinding, AclFilter};
pub use configs::{AlterConfig, AlterOp, ConfigEntry, ConfigResource};
pub use group_offsets::{CommittedOffset, GroupOffsets};
pub use groups::{GroupDescription, GroupKind, GroupListing, GroupListings, GroupMemberDescription};
pub use kinds::{AclOperation, AclPermission, ConfigSource, PatternType, ResourceType};
pub use partitions::{EpochEnd, ListedOffset, OffsetSpec};
pub use producers::{FencedProducer, OpenTransaction};
pub use topics::{NewTopic, TopicListing};

/// What a broker said about one item of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{code}{}", message.as_deref().map(|m| format!(": {m}")).unwrap_or_default())]
pub struct BrokerError {
    /// The code.
    pub code: ErrorCode,
    /// The broker's own words.
    pub message: Option<String>,
}

impl BrokerError {
    fn check(code: i16, message: Option<&StrBytes>) -> Result<(), BrokerError> {
        ErrorCode(code).ok().map_err(|code| BrokerError { code, message: message.map(ToString::to_string) })
    }
}

/// Administration of a [`Cluster`], over its connections for control.
#[derive(Debug, Clone)]
pub struct Admin {
    cluster: Cluster,
    timeout: Duration,
}

/// A cluster as it describes itself.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterDescription {
    /// The id.
    pub cluster_id: Option<String>,
    /// The controller, or with KRaft any broker: it forwards.
    pub controller_id: Option<i32>,
    /// Live brokers by `node.id`.
    pub brokers: BTreeMap<i32, Broker>,
}

impl Cluster {
    /// Administrative calls, each within `default.api.timeout.ms`.
    pub fn admin(&self) -> Admin {
        Admin { cluster: self.clone(), timeout: self.config().api_timeout() }
    }
}

impl Admin {
    /// The same with another limit for each call.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Admin {
        self.timeout = timeout;
        self
    }

    /// Brokers, controller and id, asked now.
    pub fn describe_cluster<'a>(&'a self) -> BoxFuture<'a, Result<ClusterDescription, ClientError>> {
        Box::pin(async move {
            self.cluster
                .retry("DescribeCluster", self.deadline(), || async {
                    let connection = self.cluster.any().await?;
                    if connection.version_of(kafka_protocol::messages::ApiKey::DescribeCluster).is_none() {
                        let metadata = self.cluster.fetch_metadata(Some(&[])).await?;
                        return Ok(ClusterDescription {
                            cluster_id: metadata.cluster_id,
                            controller_id: metadata.controller_id,
                            brokers: metadata.brokers,
                        });
                    }
                    let response = connection.call(DescribeClusterRequest::default()).await?;
                    let message = response.error_message.as_deref();
                    ErrorCode(response.error_code)
                        .ok()
                        .map_err(|code| ClientError::broker("DescribeCluster", code, message))?;
                    let broker =
                        |broker: &kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker| {
                            let (node_id, host) = (broker.broker_id.0, broker.host.to_string());
                            let port = u16::try_from(broker.port).ok()?;
                            let rack = broker.rack.as_ref().map(ToString::to_string);
                            Some((node_id, Broker { endpoint: Endpoint { node_id, host, port }, rack }))
                        };
                    Ok(ClusterDescription {
                        cluster_id: Some(response.cluster_id.to_string()),
                        controller_id: Some(response.controller_id.0).filter(|id| *id >= 0),
                        brokers: response.brokers.iter().filter_map(broker).collect(),
                    })
                })
                .await
        })
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// How long the broker may work on a request: less than we wait for its answer.
    fn broker_timeout_ms(&self) -> i32 {
        let timeout = self.timeout.min(self.cluster.config().request_timeout());
        i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX)
    }
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}
