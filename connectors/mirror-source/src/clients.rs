//! Connections to the two clusters, by role.

use std::time::{SystemTime, UNIX_EPOCH};

use connect_api::ConnectError;
use connect_api::config::{ConfigMap, ConfigProblem};
use connect_api::metrics::{ClientKind, ClientNumbers, Metric, MetricSource};
use kafka_client::config::ConfigError;
use kafka_client::fetcher::FetcherOptions;
use kafka_client::producer::ProducerOptions;
use kafka_client::{ClientConfig, ClientError, Cluster};
use mirror::config::{ClientRole, check_clients, client_config};

/// Connects in a role. Which cluster it is, and who we are there, stands in the error.
pub(crate) async fn connect(config: &ConfigMap, role: ClientRole) -> Result<Cluster, ConnectError> {
    Cluster::connect(parse(config, role)?).await.map_err(|error| refused(role, &error))
}

/// The client settings of a role.
pub(crate) fn parse(config: &ConfigMap, role: ClientRole) -> Result<ClientConfig, ConnectError> {
    let properties = client_config(config, role);
    ClientConfig::parse(&properties).map_err(|error| ConnectError::config(format!("{role}: {error}")))
}

/// What is wrong with the client settings of a connector config.
pub(crate) fn problems(config: &ConfigMap) -> Vec<ConfigProblem> {
    const ROLES: [ClientRole; 7] = [
        ClientRole::ReplicationConsumer,
        ClientRole::SourceAdmin,
        ClientRole::TargetAdmin,
        ClientRole::OffsetSyncsSourceProducer,
        ClientRole::OffsetSyncsTargetProducer,
        ClientRole::OffsetRunsTargetProducer,
        ClientRole::OffsetRunsTargetConsumer,
    ];
    check_clients(config, &ROLES, |role, properties| {
        let read = || {
            let client = ClientConfig::parse(properties)?;
            match role {
                ClientRole::ReplicationConsumer | ClientRole::OffsetRunsTargetConsumer => {
                    FetcherOptions::from_config(&client).map(|_| ())
                }
                ClientRole::SourceAdmin | ClientRole::TargetAdmin => Ok(()),
                _ => ProducerOptions::from_config(&client).map(|_| ()),
            }
        };
        read().map_err(|error| match &error {
            ConfigError::Missing(key) => ((*key).to_owned(), error.to_string()),
            ConfigError::Invalid { key, .. } => (key.clone(), error.to_string()),
        })
    })
}

/// What a client could not do, as the worker wants to hear it.
pub(crate) fn refused(role: ClientRole, error: &ClientError) -> ConnectError {
    let message = format!("{role}: {error}");
    if error.is_retriable() { ConnectError::retriable(message) } else { ConnectError::fatal(message) }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// What a client has done, for metrics.
pub(crate) fn numbers(cluster: &Cluster) -> ClientNumbers {
    let stats = cluster.stats();
    ClientNumbers {
        incoming_bytes: stats.bytes_in,
        outgoing_bytes: stats.bytes_out,
        requests: stats.requests,
        responses: stats.responses,
        connections: stats.connections,
        connections_created: stats.connections_opened,
    }
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
