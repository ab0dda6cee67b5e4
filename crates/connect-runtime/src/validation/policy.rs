//! Which client settings a connector may override (KIP-458; `connector.client.config.override.policy`), and whether a client
//! can read those that it does.

use connect_api::ConfigMap;
use connect_api::config::ConfigProblem;
use kafka_client::ClientConfig;
use kafka_client::config::{ConfigError, Properties};
use kafka_client::producer::ProducerOptions;

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
        .map(|(key, bare)| {
            let message = format!(
                "The '{simple}' policy does not allow '{bare}' to be overridden in the connector configuration."
            );
            ConfigProblem::new(key, message)
        })
        .collect()
}

/// Overrides of the producer and the admin client that these can't read: said now, and not by a task that fails. What is wrong
/// without an override is for the worker to say.
pub(super) fn check_values(worker: &WorkerConfig, config: &ConfigMap) -> Vec<ConfigProblem> {
    let producer =
        |properties: &Properties| ProducerOptions::from_config(&ClientConfig::parse(properties)?).map(|_| ());
    let admin = |properties: &Properties| ClientConfig::parse(properties).map(|_| ());
    let read = [
        ("producer.override.", producer(&worker.producer_properties(config, ""))),
        ("admin.override.", admin(&worker.admin_properties(config, ""))),
    ];
    let problems = read.into_iter().filter_map(|(prefix, read)| {
        let error = read.err()?;
        let bare = match &error {
            ConfigError::Missing(key) => key,
            ConfigError::Invalid { key, .. } => key.as_str(),
        };
        let key = format!("{prefix}{bare}");
        config.contains_key(&key).then(|| ConfigProblem::new(key, error.to_string()))
    });
    problems.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_plugin::config;
    use crate::test_world::worker_config;

    #[test]
    fn what_a_client_cannot_read_is_refused_at_the_override() {
        let keys = |entries: &[(&str, &str)]| {
            let problems = check_values(&worker_config(&[("producer.linger.ms", "5")]), &config(entries));
            problems.into_iter().map(|problem| problem.key).collect::<Vec<_>>()
        };

        assert_eq!(keys(&[("producer.override.acks", "some")]), ["producer.override.acks"]);
        assert_eq!(keys(&[("admin.override.security.protocol", "TLS")]), ["admin.override.security.protocol"]);
        assert!(keys(&[("producer.override.acks", "all"), ("consumer.override.acks", "some")]).is_empty());
    }

    #[test]
    fn each_policy_refuses_what_it_does_not_know() {
        let keys = ["producer.override.linger.ms", "producer.override.sasl.jaas.config", "admin.override.retries"];
        let config: ConfigMap = keys.iter().map(|key| ((*key).to_owned(), "secret".to_owned())).collect();
        const POLICY: &str = "connector.client.config.override.policy";
        const ALLOWLIST: &str = "connector.client.config.override.allowlist";
        let class = "org.apache.kafka.connect.connector.policy.PrincipalConnectorClientConfigOverridePolicy";

        for (worker, refused) in [
            (&[][..], &[][..]),
            (&[(POLICY, "All")], &[]),
            (&[(POLICY, "None")], &["admin.override.retries", keys[0], keys[1]]),
            (&[(POLICY, "Principal")], &["admin.override.retries", keys[0]]),
            (&[(POLICY, class)], &["admin.override.retries", keys[0]]),
            (&[(POLICY, "Allowlist"), (ALLOWLIST, "linger.ms, retries")], &[keys[1]]),
            (&[(POLICY, "Allowlist")], &["admin.override.retries", keys[0], keys[1]]),
        ] {
            let problems = check_overrides(&worker_config(worker), &config);

            let found: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
            assert_eq!(found, refused, "{worker:?}");
            assert!(problems.iter().all(|problem| !problem.message.contains("secret")));
        }
    }
}
