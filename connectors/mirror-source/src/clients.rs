//! Connections to the two clusters, by role.

use std::time::{SystemTime, UNIX_EPOCH};

use connect_api::config::{ConfigMap, ConfigProblem};
use connect_api::metrics::{ClientKind, Metric, MetricSource};
use kafka_client::Cluster;
use mirror::config::ClientRole;
pub(crate) use mirror_clients::{connect, numbers, parse, refused};

/// What is wrong with the client settings of a connector config.
pub(crate) fn problems(config: &ConfigMap) -> Vec<ConfigProblem> {
    const ROLES: [ClientRole; 9] = [
        ClientRole::ReplicationConsumer,
        ClientRole::SourceAdmin,
        ClientRole::TargetAdmin,
        ClientRole::OffsetSyncsSourceProducer,
        ClientRole::OffsetSyncsTargetProducer,
        ClientRole::OffsetSyncsSourceAdmin,
        ClientRole::OffsetSyncsTargetAdmin,
        ClientRole::OffsetRunsTargetProducer,
        ClientRole::OffsetRunsTargetConsumer,
    ];
    mirror_clients::problems(config, &ROLES)
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Admin clients, to be shown.
pub(crate) struct Admins(pub(crate) Vec<Cluster>);

impl MetricSource for Admins {
    fn collect(&self, _: i64, sink: &mut dyn FnMut(Metric<'_>)) {
        for cluster in &self.0 {
            numbers(cluster).tell(ClientKind::Admin, cluster.config().client_id(), sink);
        }
    }
}
