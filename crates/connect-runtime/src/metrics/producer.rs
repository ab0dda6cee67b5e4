//! The data producer of a task, under the names of Java's producers.

use std::sync::Arc;

use connect_api::metrics::{ClientKind, ClientNumbers, Family, Metric, MetricSource};
use kafka_client::Cluster;

use crate::source_task::TaskEnvironment;

const AVAILABLE: Family = Family::bean(
    "kafka.producer",
    "producer-metrics",
    "buffer-available-bytes",
    "What is left of portage.memory.bytes, which all tasks of the worker share.",
);
const TOTAL: Family = Family::bean("kafka.producer", "producer-metrics", "buffer-total-bytes", "portage.memory.bytes.");
const BY_NODE: (&str, &str) = ("kafka.producer", "producer-node-metrics");
const NODE_IN: Family = Family::bean(BY_NODE.0, BY_NODE.1, "incoming-byte-total", "Bytes read from the broker.");
const NODE_OUT: Family = Family::bean(BY_NODE.0, BY_NODE.1, "outgoing-byte-total", "Bytes sent to the broker.");

/// A task's data producer, to be shown.
pub(crate) struct DataProducer {
    pub(crate) cluster: Cluster,
    pub(crate) environment: Arc<TaskEnvironment>,
    /// The memory that all tasks share: told once a task, where the numbers of its strands are added up.
    pub(crate) tells_memory: bool,
}

impl MetricSource for DataProducer {
    fn collect(&self, _: i64, sink: &mut dyn FnMut(Metric<'_>)) {
        let stats = self.cluster.stats();
        let client_id = self.cluster.config().client_id();
        let numbers = ClientNumbers {
            incoming_bytes: stats.bytes_in,
            outgoing_bytes: stats.bytes_out,
            requests: stats.requests,
            responses: stats.responses,
            connections: stats.connections,
            connections_created: stats.connections_opened,
            throttled_ms: stats.throttled_ms,
        };
        numbers.tell(ClientKind::Producer, client_id, sink);
        let limit = self.environment.worker.memory_bytes() as u64;
        let labels = [("client-id", client_id)];
        if self.tells_memory {
            sink(AVAILABLE.count(&labels, limit.saturating_sub(self.environment.budget.in_use())));
            sink(TOTAL.count(&labels, limit));
        }
        for node in self.cluster.stats_by_node() {
            let id = format!("node-{}", node.node_id);
            let labels = [("client-id", client_id), ("node-id", &*id)];
            sink(NODE_IN.count(&labels, node.bytes_in));
            sink(NODE_OUT.count(&labels, node.bytes_out));
        }
    }
}
