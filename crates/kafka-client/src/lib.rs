//! Talking to a Kafka cluster: connections, authentication, metadata, routing and retries, and on top of
//! them records, groups and administration. Knows nothing of Connect.
//!
//! Reading order: [`config`] (Kafka's client keys), [`connection`] (one pipelined connection to one
//! broker), [`cluster`] (who leads what, and the one way to retry), [`codes`] (every error of Kafka's and
//! what to do about it). Above these, each usable alone: [`fetcher`] and [`producer`] (whole batches, in
//! and out, within a [`budget`]), [`group`] (membership of any type), [`log`] (a topic as a log), [`admin`]
//! (batched typed calls).
#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod admin;
mod auth;
mod boxed;
pub mod budget;
pub mod cluster;
pub mod codes;
pub mod config;
pub mod connection;
pub mod error;
pub mod fetcher;
pub mod group;
pub mod log;
pub mod producer;
pub mod proto;
pub mod tls;
mod topic_partition;

pub use admin::{Admin, BrokerError};
pub use boxed::BoxFuture;
pub use budget::{Budget, BudgetPermit};
pub use cluster::{Cluster, CoordinatorKind, Metadata, Purpose};
pub use codes::{Class, ErrorCode};
pub use config::{ClientConfig, ConfigError, Properties};
pub use connection::{Connection, Pending};
pub use error::ClientError;
pub use topic_partition::TopicPartition;
