//! Connections to the two clusters, by role.

use connect_api::ConnectError;
use connect_api::config::ConfigMap;
use kafka_client::{ClientConfig, ClientError, Cluster};
use mirror::config::{ClientRole, client_config};

/// Connects in a role. Which cluster it is, and who we are there, stands in the error.
pub(crate) async fn connect(config: &ConfigMap, role: ClientRole) -> Result<Cluster, ConnectError> {
    let client = ClientConfig::parse(&client_config(config, role))
        .map_err(|error| ConnectError::config(format!("{role}: {error}")))?;
    Cluster::connect(client).await.map_err(|error| refused(role, &error))
}

/// What a client could not do, as the worker wants to hear it.
pub(crate) fn refused(role: ClientRole, error: &ClientError) -> ConnectError {
    let message = format!("{role}: {error}");
    if error.is_retriable() { ConnectError::retriable(message) } else { ConnectError::fatal(message) }
}
