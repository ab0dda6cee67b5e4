//! Rules that span keys (Java: `MirrorSourceConnector.validate`, `MirrorCheckpointConfig.validate`), and keys that no longer
//! mean anything.
//!
//! Where Java finds out only when it loads a class or compiles a pattern, the problem is said here, at the key.

use connect_api::config::{ConfigMap, ConfigProblem};
use connect_api::source::ExactlyOnceSupport;

use super::clients::{ClientRole, client_config};
use crate::config_def::{ACL_PRINCIPALS, FORWARDING_ADMIN_CLASS};
use crate::filter::{ConfigPropertyFilter, FilterError, GroupFilter, TopicFilter};
use crate::policy::ReplicationPolicy;
use crate::principal_rules::PrincipalRules;

/// What is wrong with a MirrorSource config beyond single keys.
#[must_use]
pub fn validate_source(config: &ConfigMap) -> Vec<ConfigProblem> {
    let mut problems = validate_classes(config);
    problems.extend(problem_of(TopicFilter::from_config(config)));
    problems.extend(problem_of(ConfigPropertyFilter::from_config(config)));
    problems.extend(principal_rules(config).err());
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
        let is_setting = |key: &String| key.starts_with("offset-syncs-") || key.starts_with("offset-syncs.topic.");
        if config.keys().any(is_setting) {
            problems.push(ConfigProblem::new(
                "emit.offset-syncs.enabled",
                "MirrorSourceConnector can't setup offset-syncs feature while emit.offset-syncs.enabled set to false",
            ));
        }
    }
    problems
}

/// What is wrong with a MirrorCheckpoint config beyond single keys.
#[must_use]
pub fn validate_checkpoint(config: &ConfigMap) -> Vec<ConfigProblem> {
    let mut problems = validate_classes(config);
    problems.extend(problem_of(TopicFilter::from_config(config)));
    problems.extend(problem_of(GroupFilter::from_config(config)));
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

/// Who a principal of the source is on the target.
pub fn principal_rules(config: &ConfigMap) -> Result<PrincipalRules, ConfigProblem> {
    let text = config.get(ACL_PRINCIPALS).map_or("DEFAULT", String::as_str);
    text.parse().map_err(|error| {
        ConfigProblem::new(ACL_PRINCIPALS, format!("Invalid value {text} for configuration {ACL_PRINCIPALS}: {error}"))
    })
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

/// What is wrong with a MirrorHeartbeat config beyond single keys.
#[must_use]
pub fn validate_heartbeat(config: &ConfigMap) -> Vec<ConfigProblem> {
    validate_classes(config)
}

/// Keys of older versions that a config still has, with what to use instead. They have no effect, as in Kafka 4.
#[must_use]
pub fn removed_keys(config: &ConfigMap) -> Vec<ConfigProblem> {
    const REMOVED: &[(&str, &str)] = &[
        ("topics.blacklist", "use topics.exclude: what it named is mirrored now"),
        ("groups.blacklist", "use groups.exclude: what it named is checkpointed now"),
        ("config.properties.blacklist", "use config.properties.exclude: what it named is copied now"),
        ("add.source.alias.to.metrics", "metrics always say the source"),
        ("use.incremental.alter.configs", "topic configs are always altered incrementally"),
    ];
    let given = REMOVED.iter().filter(|(key, _)| config.contains_key(*key));
    given
        .map(|(key, instead)| {
            ConfigProblem::new(*key, format!("{key} was removed in Kafka 4.0 and has no effect: {instead}"))
        })
        .collect()
}

/// Code that users of Java may plug in, and that cannot run here.
fn validate_classes(config: &ConfigMap) -> Vec<ConfigProblem> {
    let mut problems = Vec::new();
    if let Err(error) = ReplicationPolicy::from_config(config) {
        problems.push(ConfigProblem::new("replication.policy.class", error.to_string()));
    }
    if let Some(class) = config.get("forwarding.admin.class").filter(|class| class.trim() != FORWARDING_ADMIN_CLASS) {
        problems.push(ConfigProblem::new(
            "forwarding.admin.class",
            format!(
                "unknown forwarding.admin.class {class}: known is {FORWARDING_ADMIN_CLASS} (others are Java code and cannot \
                 run here)"
            ),
        ));
    }
    problems
}

fn problem_of<T>(filter: Result<T, FilterError>) -> Option<ConfigProblem> {
    filter.err().map(|error| error.to_problem())
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
    fn settings_for_syncs_that_are_off_are_a_problem() {
        let problems = validate_source(&config(&[
            ("emit.offset-syncs.enabled", "false"),
            ("offset-syncs.topic.location", "target"),
        ]));

        assert_eq!(
            problems,
            [ConfigProblem::new(
                "emit.offset-syncs.enabled",
                "MirrorSourceConnector can't setup offset-syncs feature while emit.offset-syncs.enabled set to false"
            )]
        );
        assert!(validate_source(&config(&[("emit.offset-syncs.enabled", "false")])).is_empty());
    }

    #[test]
    fn code_that_cannot_run_here_and_bad_patterns_are_problems_of_their_keys() {
        let bad = config(&[
            ("replication.policy.class", "com.example.Policy"),
            ("forwarding.admin.class", "com.example.Admin"),
            ("topics", "a("),
            ("groups", "[b"),
            ("config.properties.exclude", "*"),
        ]);
        let keys = |problems: Vec<ConfigProblem>| problems.into_iter().map(|problem| problem.key).collect::<Vec<_>>();

        let classes = ["replication.policy.class", "forwarding.admin.class"];
        assert_eq!(keys(validate_heartbeat(&bad)), classes);
        assert_eq!(keys(validate_source(&bad)), [&classes[..], &["topics", "config.properties.exclude"]].concat());
        assert_eq!(keys(validate_checkpoint(&bad)), [&classes[..], &["topics", "groups"]].concat());
    }

    #[test]
    fn removed_keys_are_named_with_what_to_use_instead() {
        let removed = removed_keys(&config(&[("topics.blacklist", "secret"), ("topics", ".*")]));

        assert_eq!(removed.len(), 1);
        assert!(removed[0].message.contains("use topics.exclude"), "{}", removed[0].message);
    }

    #[test]
    fn a_disabled_checkpoint_connector_is_not_judged() {
        let off = [("enabled", "false"), ("emit.checkpoints.enabled", "false")];

        assert!(validate_checkpoint(&config(&off)).is_empty());
        assert_eq!(validate_checkpoint(&config(&off[1..])).len(), 1);
    }
}
