//! Which client settings a connector may override (KIP-458; `connector.client.config.override.policy`).

use connect_api::ConfigMap;
use connect_api::config::ConfigProblem;

use crate::worker_config::WorkerConfig;

/// What the worker's policy says to the overrides in a connector config.
pub(super) fn check_overrides(worker: &WorkerConfig, config: &ConfigMap) -> Vec<ConfigProblem> {
    let policy = worker.override_policy();
    let simple = policy.rsplit('.').next().unwrap_or(policy);
    let simple = simple.strip_suffix("ConnectorClientConfigOverridePolicy").unwrap_or(simple);
    let allows = |key: &str| match simple {
        "All" => true,
        "Principal" => matches!(key, "sasl.jaas.config" | "sasl.mechanism" | "security.protocol"),
        "Allowlist" => worker.override_allowlist().iter().any(|allowed| allowed == key),
        _ => false,
    };
    WorkerConfig::client_overrides(config)
        .filter(|(_, bare)| !allows(bare))
        .map(|(key, _)| {
            let message = format!(
                "The '{simple}' policy does not allow '{key}' to be overridden in the connector configuration."
            );
            ConfigProblem::new(key, message)
        })
        .collect()
}
