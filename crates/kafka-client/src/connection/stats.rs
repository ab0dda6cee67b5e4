//! Counters of one cluster's connections, for metrics.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::lock;

/// What has gone over the wire; shared by all connections of a cluster.
#[derive(Debug, Default)]
pub struct Stats {
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    requests: AtomicU64,
    responses: AtomicU64,
    connections: AtomicU64,
    connections_opened: AtomicU64,
    connections_failed: AtomicU64,
    throttled_ms: AtomicU64,
    nodes: Mutex<BTreeMap<i32, Arc<NodeBytes>>>,
}

/// What has gone over the wire from and to one broker.
#[derive(Debug, Default)]
pub(super) struct NodeBytes {
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

impl NodeBytes {
    pub(super) fn read(&self, bytes: usize) {
        self.bytes_in.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn written(&self, bytes: usize) {
        self.bytes_out.fetch_add(bytes as u64, Relaxed);
    }
}

/// The bytes of one broker at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeSnapshot {
    /// `node.id`, negative for an address of the bootstrap list.
    pub node_id: i32,
    /// Bytes read from it.
    pub bytes_in: u64,
    /// Bytes written to it.
    pub bytes_out: u64,
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatsSnapshot {
    /// Bytes read from sockets, after TLS.
    pub bytes_in: u64,
    /// Bytes written to sockets, before TLS.
    pub bytes_out: u64,
    /// Requests started.
    pub requests: u64,
    /// Responses read.
    pub responses: u64,
    /// Connections open now.
    pub connections: u64,
    /// Connections made, TLS included; not all of them got through authentication.
    pub connections_opened: u64,
    /// Attempts that did not lead to a usable connection.
    pub connections_failed: u64,
    /// Time brokers asked us to stay quiet, in milliseconds.
    pub throttled_ms: u64,
}

impl Stats {
    /// The counters now.
    pub fn snapshot(&self) -> StatsSnapshot {
        StatsSnapshot {
            bytes_in: self.bytes_in.load(Relaxed),
            bytes_out: self.bytes_out.load(Relaxed),
            requests: self.requests.load(Relaxed),
            responses: self.responses.load(Relaxed),
            connections: self.connections.load(Relaxed),
            connections_opened: self.connections_opened.load(Relaxed),
            connections_failed: self.connections_failed.load(Relaxed),
            throttled_ms: self.throttled_ms.load(Relaxed),
        }
    }

    /// The bytes of every broker that there has been a connection to.
    pub fn by_node(&self) -> Vec<NodeSnapshot> {
        let nodes = lock(&self.nodes);
        let nodes = nodes.iter().map(|(&node_id, bytes)| NodeSnapshot {
            node_id,
            bytes_in: bytes.bytes_in.load(Relaxed),
            bytes_out: bytes.bytes_out.load(Relaxed),
        });
        nodes.collect()
    }

    /// Where connections to a broker count its bytes.
    pub(super) fn node(&self, node_id: i32) -> Arc<NodeBytes> {
        Arc::clone(lock(&self.nodes).entry(node_id).or_default())
    }

    pub(super) fn read(&self, bytes: usize) {
        self.bytes_in.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn written(&self, bytes: usize) {
        self.bytes_out.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn request(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    pub(super) fn response(&self) {
        self.responses.fetch_add(1, Relaxed);
    }

    pub(super) fn opened(&self) {
        self.connections.fetch_add(1, Relaxed);
        self.connections_opened.fetch_add(1, Relaxed);
    }

    pub(super) fn closed(&self) {
        self.connections.fetch_sub(1, Relaxed);
    }

    pub(super) fn failed(&self) {
        self.connections_failed.fetch_add(1, Relaxed);
    }

    pub(super) fn throttled(&self, pause: Duration) {
        self.throttled_ms.fetch_add(pause.as_millis() as u64, Relaxed);
    }
}
