//! Real Apache Kafka for the specs: clusters, Java Connect and MirrorMaker beside our worker, and an oracle.
//!
//! A spec in ten lines:
//!
//! ```no_run
//! use harness::{Record, clusters};
//!
//! # async fn spec() {
//! let pair = clusters().await;
//! pair.source.create_topic("orders", 3).await;
//!
//! pair.source.produce("orders", 0, &[Record::new("k", "v").header("h", "1").null_header("h")]).await;
//!
//! let read = pair.source.consume("orders").await;
//! assert_eq!(read[0].record.headers.len(), 2);
//! # }
//! ```
//!
//! Reading order: [`shared`] (whose cluster), [`cluster`] (what can be done with one), [`record`], [`oracle`] (Java's
//! clients as a service), [`eventually`]; then [`worker`] (Connect workers, Java's and ours), [`rest`], [`tools`],
//! [`prometheus`], [`token_server`], [`proxy`] (faults of networks and brokers).
//! Underneath: [`dist`] (fetching Kafka), [`process`] and [`leash`] (nothing stays behind), [`workspace`] (folders).
//!
//! Everything here panics with a message when it fails: a harness has no better use for an error. Whatever a spec may
//! want to see fail has a `try_` twin.

use std::collections::BTreeMap;

pub mod certs;
pub mod cluster;
pub mod dist;
mod eventually;
mod leash;
pub mod oracle;
pub mod portage;
mod ports;
pub mod process;
pub mod prometheus;
pub mod proxy;
pub mod record;
pub mod rest;
pub mod shared;
pub mod token_server;
pub mod tools;
pub mod worker;
pub mod workspace;

pub use certs::{CLIENT_PRINCIPAL, Certificates, Identity};
pub use cluster::{
    Acl, Batch, Broker, ClusterBuilder, GroupOffset, JavaMember, JavaProducer, KafkaCluster, Listener, PASSWORD,
    PartitionInfo, ProducerBuilder, Read, SHORT_SESSION_MS, Sasl, TopicInfo, USER,
};
pub use eventually::eventually;
pub use oracle::{Oracle, OracleError};
pub use ports::free_port;
pub use process::{Process, Signal};
pub use proxy::{Fate, Frame, Line, Proxy, Ruled};
pub use record::{Consumed, Record, TimestampType};
pub use rest::{Response, Rest};
pub use shared::{Lab, Pair, clusters, lab, proxied_cluster, secured_cluster};
pub use token_server::{TokenServer, unsecured_token};
pub use worker::{MirrorMaker, Runtime, Worker, WorkerConfig};

/// Settings in Kafka's words, sorted.
pub type Properties = BTreeMap<String, String>;

/// As a Java properties file.
pub fn properties_text(properties: &Properties) -> String {
    properties
        .iter()
        .map(|(key, value)| format!("{key}={}\n", value.replace('\\', "\\\\").replace('\n', "\\n")))
        .collect()
}
