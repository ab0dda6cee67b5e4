//! Rules that span keys (Java: `MirrorSourceConnector.validate`, `MirrorCheckpointConfig.validate`).

use connect_api::config::{ConfigMap, ConfigProblem};
use connect_api::source::ExactlyOnceSupport;

use super::clients::{ClientRole, client_config};
use crate::policy::ReplicationPolicy;

/// What is wrong with a MirrorSource config beyond single keys.
#[must_use]
pub fn validate_source(config: &ConfigMap) -> Vec<ConfigProblem> {
    let mut problems = validate_policy(config);
    let required =
        config.get("exactly.once.support").is_some_and(|value| value.trim().eq_ignore_ascii_case("required"));
    if required && source_exactly_once(config) == ExactlyOnceSupport::Unsupported {
        problems.push(ConfigProblem::new(
            "exactly.once.support",
            "MirrorSourceConnector can only provide exactly-once guarantees when its source consumer is configured with \
             isolation.level set to 'read_committed'; otherwise, records from aborted and uncommitted transactions will be \
             replicated from the source cluster to the target cluster.",
        ));
    }
    if is_false(config, "emit.offset-syncs.enabled") {
        let settings =
            config.keys().filter(|key| key.starts_with("offset-syncs-") || key.starts_with("offset-syncs.topic."));
        let settings: Vec<&str> = settings.map(String::as_str).collect();
        if !settings.is_empty() {
            problems.push(ConfigProblem::new(
                "emit.offset-syncs.enabled",
                format!(
                    "emit.offset-syncs.enabled is false, but settings for offset syncs are given: {}",
                    settings.join(", ")
                ),
            ));
        }
    }
    problems
}

/// What is wrong with a MirrorCheckpoint config beyond single keys.
#[must_use]
pub fn validate_checkpoint(config: &ConfigMap) -> Vec<ConfigProblem> {
    let mut problems = validate_policy(config);
    if is_false(config, "enabled") {
        return problems;
    }
    if is_false(config, "emit.checkpoints.enabled") {
        problems.push(ConfigProblem::new(
            "emit.checkpoints.enabled",
            "MirrorCheckpointConnector can't run with emit.checkpoints.enabled set to false",
        ));
    }
    if is_false(config, "emit.offset-syncs.enabled") {
        problems.push(ConfigProblem::new(
            "emit.offset-syncs.enabled",
            "MirrorCheckpointConnector can't run without offset syncs",
        ));
    }
    problems
}

/// Exactly once needs a source consumer that does not see aborted records.
#[must_use]
pub fn source_exactly_once(config: &ConfigMap) -> ExactlyOnceSupport {
    let consumer = client_config(config, ClientRole::ReplicationConsumer);
    match consumer.get("isolation.level").map(|level| level.trim()) {
        Some("read_committed") => ExactlyOnceSupport::Supported,
        _ => ExactlyOnceSupport::Unsupported,
    }
}

fn validate_policy(config: &ConfigMap) -> Vec<ConfigProblem> {
    let problem = ReplicationPolicy::from_config(config).err();
    problem.map(|error| ConfigProblem::new("replication.policy.class", error.to_string())).into_iter().collect()
}

fn is_false(config: &ConfigMap, key: &str) -> bool {
    config.get(key).is_some_and(|value| value.trim().eq_ignore_ascii_case("false"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(entries: &[(&str, &str)]) -> ConfigMap {
        entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn exactly_once_needs_a_read_committed_consumer() {
        let required = [("exactly.once.support", "required")];
        let committed = [("exactly.once.support", "required"), ("source.consumer.isolation.level", "read_committed")];

        assert_eq!(validate_source(&config(&required)).len(), 1);
        assert!(validate_source(&config(&committed)).is_empty());
    }

    #[test]
    fn settings_for_syncs_that_are_off_are_named() {
        let problems = validate_source(&config(&[
            ("emit.offset-syncs.enabled", "false"),
            ("offset-syncs.topic.location", "target"),
        ]));

        assert!(problems[0].message.contains("offset-syncs.topic.location"), "{problems:?}");
    }

    #[test]
    fn a_disabled_checkpoint_connector_is_not_judged() {
        let off = [("enabled", "false"), ("emit.checkpoints.enabled", "false")];

        assert!(validate_checkpoint(&config(&off)).is_empty());
        assert_eq!(validate_checkpoint(&config(&off[1..])).len(), 1);
    }
}
