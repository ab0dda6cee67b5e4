//! Connections to the two clusters, by role.

use std::time::{SystemTime, UNIX_EPOCH};

use connect_api::ConnectError;
use connect_api::config::ConfigMap;
use kafka_client::{ClientConfig, ClientError, Cluster};
use mirror::config::{ClientRole, client_config};

/// Connects in a role. Which cluster it is, and who we are there, stands in the error.
pub(crate) async fn connect(config: &ConfigMap, role: ClientRole) -> Result<Cluster, ConnectError> {
    Cluster::connect(parse(config, role)?).await.map_err(|error| refused(role, &error))
}

/// The client settings of a role.
pub(crate) fn parse(config: &ConfigMap, role: ClientRole) -> Result<ClientConfig, ConnectError> {
    let properties = client_config(config, role);
    ClientConfig::parse(&properties).map_err(|error| ConnectError::config(format!("{role}: {error}")))
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
