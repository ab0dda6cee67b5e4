//! A Kafka cluster of one to three brokers on loopback, in KRaft mode, with small heaps.
//!
//! [`builder`] says what it shall be, [`broker`] is one server process and what can be done to it, [`listeners`] the ways
//! in; [`topics`], [`records`], [`groups`] and [`security`] are what specs do with a running cluster, all through the
//! oracle; [`witness`] hands out rskafka.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use crate::{Certificates, Oracle, OracleError};

mod broker;
mod builder;
mod groups;
mod listeners;
mod probe;
mod records;
mod security;
mod segments;
mod topics;
mod witness;

pub use broker::Broker;
pub use builder::ClusterBuilder;
pub use groups::{GroupOffset, JavaMember};
pub use listeners::{Listener, PASSWORD, SHORT_SESSION_MS, Sasl, USER};
pub use records::{JavaProducer, ProducerBuilder, Read};
pub use security::Acl;
pub use segments::Batch;
pub use topics::{PartitionInfo, TopicInfo};

/// A running cluster. Dropping it kills its brokers and removes their data; the logs stay.
#[derive(Debug)]
pub struct KafkaCluster {
    name: String,
    id: String,
    brokers: Vec<Broker>,
    certificates: Option<Certificates>,
}

impl KafkaCluster {
    /// What it was called when it was built.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The cluster id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// `bootstrap.servers` without encryption.
    pub fn bootstrap(&self) -> String {
        self.bootstrap_at(Listener::Plaintext)
    }

    /// `bootstrap.servers` for `listener`.
    pub fn bootstrap_at(&self, listener: Listener) -> String {
        self.brokers.iter().map(|broker| broker.address(listener)).collect::<Vec<_>>().join(",")
    }

    /// The broker with this node id: 1, 2, 3.
    pub fn broker(&self, node_id: usize) -> &Broker {
        node_id.checked_sub(1).and_then(|index| self.brokers.get(index)).unwrap_or_else(|| {
            panic!("{} has brokers 1 to {}, not {node_id}", self.name, self.brokers.len());
        })
    }

    /// Its brokers, by node id.
    pub fn brokers(&self) -> &[Broker] {
        &self.brokers
    }

    /// The certificates of a [`secured`](ClusterBuilder::secured) cluster.
    pub fn certificates(&self) -> &Certificates {
        self.certificates.as_ref().unwrap_or_else(|| panic!("{} was built without .secured()", self.name))
    }

    /// Asks the oracle, as the super user of this cluster, and expects a result.
    pub async fn call(&self, call: &str, arguments: Value) -> Value {
        let asked = arguments.to_string();
        self.try_call(call, arguments).await.unwrap_or_else(|error| {
            let asked: String = asked.chars().take(300).collect();
            panic!("{call} {asked} on {}: {error}", self.name);
        })
    }

    /// Asks the oracle, as the super user of this cluster.
    ///
    /// # Errors
    /// Whatever the Java client threw.
    pub async fn try_call(&self, call: &str, arguments: Value) -> Result<Value, OracleError> {
        Oracle::shared().call(call, &self.client(Listener::Plaintext), arguments).await
    }

    /// Waits until every broker that runs answers and knows `brokers` members of the cluster.
    pub(crate) async fn is_ready(&self, brokers: usize) {
        for broker in self.brokers.iter().filter(|broker| broker.is_running()) {
            broker.answers(brokers, Duration::from_secs(60)).await;
        }
    }
}

impl Drop for KafkaCluster {
    fn drop(&mut self) {
        for broker in &self.brokers {
            broker.kill();
            broker.remove_data();
        }
        Oracle::forget(&self.client(Listener::Plaintext));
    }
}

/// A fresh cluster id, of the form Kafka gives: 16 bytes in 22 characters, never beginning with a dash.
pub(crate) fn new_id() -> String {
    let random = || RandomState::new().build_hasher().finish().to_be_bytes();
    let mut bytes = [random(), random()].concat();
    bytes[0] &= 0x7f;
    URL_SAFE_NO_PAD.encode(bytes)
}
