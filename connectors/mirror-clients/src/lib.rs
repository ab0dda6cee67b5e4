//! The clients of the three mirror connectors, by role: how they connect, and what is wrong with their settings before they
//! do. The same for all of them, so that a setting that one refuses is not ignored by another.
#![cfg_attr(test, allow(clippy::unwrap_used))]

use connect_api::ConnectError;
use connect_api::config::{ConfigMap, ConfigProblem};
use connect_api::metrics::ClientNumbers;
use kafka_client::config::{ConfigError, Properties};
use kafka_client::fetcher::FetcherOptions;
use kafka_client::producer::ProducerOptions;
use kafka_client::{ClientConfig, ClientError, Cluster};
use mirror::config::{ClientKind, ClientRole, check_clients, client_config, removed_keys};
use tracing::warn;

/// Connects in a role. Which cluster it is, and who we are there, stands in the error.
pub async fn connect(config: &ConfigMap, role: ClientRole) -> Result<Cluster, ConnectError> {
    Cluster::connect(parse(config, role)?).await.map_err(|error| refused(role, &error))
}

/// The client settings of a role.
pub fn parse(config: &ConfigMap, role: ClientRole) -> Result<ClientConfig, ConnectError> {
    let properties = client_config(config, role);
    ClientConfig::parse(&properties).map_err(|error| ConnectError::config(format!("{role}: {error}")))
}

/// What a client could not do, as the worker wants to hear it.
#[must_use]
pub fn refused(role: ClientRole, error: &ClientError) -> ConnectError {
    let message = format!("{role}: {error}");
    if error.is_retriable() { ConnectError::retriable(message) } else { ConnectError::fatal(message) }
}

/// What a client has done, for metrics.
#[must_use]
pub fn numbers(cluster: &Cluster) -> ClientNumbers {
    let stats = cluster.stats();
    ClientNumbers {
        incoming_bytes: stats.bytes_in,
        outgoing_bytes: stats.bytes_out,
        requests: stats.requests,
        responses: stats.responses,
        connections: stats.connections,
        connections_created: stats.connections_opened,
        throttled_ms: stats.throttled_ms,
    }
}

/// What is wrong with the settings of the clients of `roles`, at the keys of the connector config that say it.
#[must_use]
pub fn problems(config: &ConfigMap, roles: &[ClientRole]) -> Vec<ConfigProblem> {
    check_clients(config, roles, |role, properties| {
        read(role.kind(), properties).map_err(|error| match &error {
            ConfigError::Missing(key) => ((*key).to_owned(), error.to_string()),
            ConfigError::Invalid { key, .. } => (key.clone(), error.to_string()),
        })
    })
}

fn read(kind: ClientKind, properties: &Properties) -> Result<(), ConfigError> {
    let client = ClientConfig::parse(properties)?;
    match kind {
        ClientKind::Consumer => FetcherOptions::from_config(&client).map(|_| ()),
        ClientKind::Producer => ProducerOptions::from_config(&client).map(|_| ()),
        ClientKind::Admin => Ok(()),
    }
}

/// Names the keys of older versions that a config still has.
pub fn warn_of_removed_keys(config: &ConfigMap) {
    for removed in removed_keys(config) {
        warn!(key = removed.key, "{}", removed.message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_client_is_read_to_the_last_key() {
        let given = [
            ("source.cluster.bootstrap.servers", "a:1"),
            ("target.cluster.bootstrap.servers", "b:1"),
            ("consumer.isolation.level", "read_all"),
            ("target.producer.acks", "some"),
            ("admin.request.timeout.ms", "soon"),
            ("source.cluster.sasl.jaas.config", "s3cret"),
            ("source.cluster.security.protocol", "SASL_SSL"),
        ];
        let config: ConfigMap = given.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let keys = |role| problems(&config, &[role]).into_iter().map(|problem| problem.key).collect::<Vec<_>>();

        assert_eq!(keys(ClientRole::CheckpointsTargetConsumer), ["consumer.isolation.level"]);
        assert_eq!(keys(ClientRole::OffsetRunsTargetProducer), ["target.producer.acks"]);
        assert_eq!(keys(ClientRole::HeartbeatsTargetAdmin), ["admin.request.timeout.ms"]);
        let refused = problems(&config, &[ClientRole::ReplicationConsumer]);
        assert!(!format!("{refused:?}").contains("s3cret"), "{refused:?}");
    }
}
