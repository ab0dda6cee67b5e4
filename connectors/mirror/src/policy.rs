//! How topics are named after they have crossed (Java: `ReplicationPolicy` and its two implementations).
//!
//! A policy is a value with pure functions between a topic's name on the source and its name on the target, and the names
//! of MirrorMaker's own topics. All odd cases are Java's and are held by vectors made with Kafka 4.3.0: a name that ends
//! with the separator is not remote, a name that starts with it comes from the cluster with the empty alias, the identity
//! policy renames every topic that ends with `heartbeats`.

use connect_api::ConfigMap;
use thiserror::Error;

/// Class name of [`ReplicationPolicy`]'s default naming.
pub const DEFAULT_POLICY_CLASS: &str = "org.apache.kafka.connect.mirror.DefaultReplicationPolicy";
/// Class name of the naming that leaves topics as they are.
pub const IDENTITY_POLICY_CLASS: &str = "org.apache.kafka.connect.mirror.IdentityReplicationPolicy";
/// Strimzi's own identity policy, gone since Strimzi 0.46 but still in many files.
pub const STRIMZI_IDENTITY_POLICY_CLASS: &str = "io.strimzi.kafka.connect.mirror.IdentityReplicationPolicy";
/// The topic of heartbeats, whatever the policy.
pub const HEARTBEATS_TOPIC: &str = "heartbeats";

const OFFSET_RUNS_PREFIX: &str = "portage-offset-runs.";
const COPIED_CONFIGS_PREFIX: &str = "portage-copied-configs.";
const OUR_SUFFIX: &str = ".internal";

/// A replication policy that is no part of this program.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "unknown replication.policy.class {class}: known are {DEFAULT_POLICY_CLASS}, {IDENTITY_POLICY_CLASS} and \
     {STRIMZI_IDENTITY_POLICY_CLASS} (other policies are Java code and cannot run here)"
)]
pub struct UnknownPolicy {
    /// The class that was asked for.
    pub class: String,
}

/// The naming of remote topics and of MirrorMaker's internal topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicationPolicy {
    naming: Naming,
    separator: String,
    internal_separator: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Naming {
    /// `alias` + separator + `topic` (Java: `DefaultReplicationPolicy`).
    Prefixed,
    /// Names stay (Java: `IdentityReplicationPolicy`); every topic is said to come from the configured source.
    Identity { source_alias: Option<String> },
}

impl Default for ReplicationPolicy {
    fn default() -> Self {
        Self::prefixed(".")
    }
}

impl ReplicationPolicy {
    /// The default policy with a separator, also used in internal names.
    #[must_use]
    pub fn prefixed(separator: &str) -> Self {
        Self { naming: Naming::Prefixed, separator: separator.to_owned(), internal_separator: separator.to_owned() }
    }

    /// The identity policy with separator `.`; `source_alias` is what [`Self::topic_source`] answers for every topic.
    #[must_use]
    pub fn identity(source_alias: Option<&str>) -> Self {
        Self { naming: Naming::Identity { source_alias: source_alias.map(str::to_owned) }, ..Self::default() }
    }

    /// The policy of a connector config: `replication.policy.class`, `.separator`,
    /// `.internal.topic.separator.enabled` (KIP-949) and, for the identity policy, `source.cluster.alias`.
    ///
    /// As in Java, the internal separator flag is looked at only if a separator is given.
    pub fn from_config(config: &ConfigMap) -> Result<Self, UnknownPolicy> {
        let class = config.get("replication.policy.class").map_or(DEFAULT_POLICY_CLASS, |class| class.trim());
        let naming = match class {
            DEFAULT_POLICY_CLASS => Naming::Prefixed,
            IDENTITY_POLICY_CLASS | STRIMZI_IDENTITY_POLICY_CLASS => {
                Naming::Identity { source_alias: config.get("source.cluster.alias").cloned() }
            }
            other => return Err(UnknownPolicy { class: other.to_owned() }),
        };
        let Some(separator) = config.get("replication.policy.separator") else {
            return Ok(Self { naming, ..Self::default() });
        };
        let in_internal_names = config
            .get("replication.policy.internal.topic.separator.enabled")
            .is_none_or(|enabled| enabled.eq_ignore_ascii_case("true"));
        Ok(Self {
            naming,
            separator: separator.clone(),
            internal_separator: if in_internal_names { separator.clone() } else { ".".to_owned() },
        })
    }

    /// Whether topics keep their names.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        matches!(self.naming, Naming::Identity { .. })
    }

    /// The name on the target of a topic that comes from the cluster `source_alias` (Java: `formatRemoteTopic`).
    #[must_use]
    pub fn remote_topic(&self, source_alias: &str, topic: &str) -> String {
        if self.keeps_name(topic) { topic.to_owned() } else { format!("{source_alias}{}{topic}", self.separator) }
    }

    /// The alias of the cluster from which a topic came; `None` for a topic that is not remote.
    #[must_use]
    pub fn topic_source<'a>(&'a self, topic: &'a str) -> Option<&'a str> {
        match &self.naming {
            Naming::Identity { source_alias } if !looks_like_heartbeats(topic) => source_alias.as_deref(),
            _ => self.prefix(topic),
        }
    }

    /// The topic's name one hop upstream; `None` for a topic that is not remote.
    #[must_use]
    pub fn upstream_topic<'a>(&self, topic: &'a str) -> Option<&'a str> {
        if self.keeps_name(topic) {
            return Some(topic);
        }
        let source = self.prefix(topic)?;
        topic.get(source.len() + self.separator.len()..)
    }

    /// The topic's name where it was first written: all hops undone.
    #[must_use]
    pub fn original_topic<'a>(&self, topic: &'a str) -> &'a str {
        let mut name = topic;
        // Every step drops at least one byte, or stays and ends the loop.
        while let Some(upstream) = self.upstream_topic(name).filter(|upstream| *upstream != name) {
            name = upstream;
        }
        name
    }

    /// Whether mirroring the topic to the cluster `target_alias` would bring it back to where it has been
    /// (Java: `MirrorSourceConnector.isCycle`). The identity policy cannot tell and answers `false`.
    #[must_use]
    pub fn is_cycle(&self, topic: &str, target_alias: &str) -> bool {
        let mut name = topic;
        loop {
            match (self.topic_source(name), self.upstream_topic(name)) {
                (Some(source), _) if source == target_alias => return true,
                (Some(_), Some(upstream)) if upstream != name => name = upstream,
                _ => return false,
            }
        }
    }

    /// The topic of offset syncs that is named after the cluster `alias`: the target's alias when the topic lives on the
    /// source, the source's when it lives on the target.
    #[must_use]
    pub fn offset_syncs_topic(&self, alias: &str) -> String {
        let separator = &self.internal_separator;
        format!("mm2-offset-syncs{separator}{alias}{separator}internal")
    }

    /// The topic of checkpoints of groups from the cluster `source_alias`.
    #[must_use]
    pub fn checkpoints_topic(&self, source_alias: &str) -> String {
        format!("{source_alias}{}", self.checkpoints_suffix())
    }

    /// The topic of our own exact offset runs for data from the cluster `source_alias`. It lives on the target.
    /// Separators are always dots: no Java program reads it, so it needs no old name.
    #[must_use]
    pub fn offset_runs_topic(source_alias: &str) -> String {
        format!("{OFFSET_RUNS_PREFIX}{source_alias}{OUR_SUFFIX}")
    }

    /// The topic in which MirrorSource notes which topic configs of the cluster `source_alias` it has copied. It lives on the target.
    #[must_use]
    pub fn copied_configs_topic(source_alias: &str) -> String {
        format!("{COPIED_CONFIGS_PREFIX}{source_alias}{OUR_SUFFIX}")
    }

    /// Whether the topic holds heartbeats, its own cluster's or another's.
    #[must_use]
    pub fn is_heartbeats_topic(&self, topic: &str) -> bool {
        self.original_topic(topic) == HEARTBEATS_TOPIC
    }

    /// Whether the topic has the name of a checkpoints topic.
    #[must_use]
    pub fn is_checkpoints_topic(&self, topic: &str) -> bool {
        topic.ends_with(&self.checkpoints_suffix())
    }

    /// Whether the topic has the name of one of MirrorMaker's internal topics (Java: `isMM2InternalTopic`).
    #[must_use]
    pub fn is_mm2_internal_topic(&self, topic: &str) -> bool {
        let internal = || topic.ends_with(&format!("{}internal", self.internal_separator));
        (topic.starts_with("mm2") && internal()) || self.is_checkpoints_topic(topic)
    }

    /// Whether the topic must never be mirrored: MirrorMaker's, Kafka's (`__` or `.` in front), or one of ours.
    #[must_use]
    pub fn is_internal_topic(&self, topic: &str) -> bool {
        let is_ours = || [OFFSET_RUNS_PREFIX, COPIED_CONFIGS_PREFIX].iter().any(|prefix| topic.starts_with(prefix));
        self.is_mm2_internal_topic(topic)
            || topic.starts_with("__")
            || topic.starts_with('.')
            || (topic.ends_with(OUR_SUFFIX) && is_ours())
    }

    fn keeps_name(&self, topic: &str) -> bool {
        self.is_identity() && !looks_like_heartbeats(topic)
    }

    fn checkpoints_suffix(&self) -> String {
        let separator = &self.internal_separator;
        format!("{separator}checkpoints{separator}internal")
    }

    /// The first part of a name that has two. Parts are Java's `String.split`: empty ones at the end do not count, and an
    /// empty separator splits between all characters.
    fn prefix<'a>(&self, topic: &'a str) -> Option<&'a str> {
        if self.separator.is_empty() {
            let mut chars = topic.char_indices();
            chars.next()?;
            let (second, _) = chars.next()?;
            return topic.get(..second);
        }
        let (head, rest) = topic.split_once(&self.separator)?;
        rest.split(&self.separator).any(|part| !part.is_empty()).then_some(head)
    }
}

fn looks_like_heartbeats(topic: &str) -> bool {
    topic.ends_with(HEARTBEATS_TOPIC)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn config(entries: &[(&str, &str)]) -> ConfigMap {
        entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn all_names_are_those_of_the_java_classes() {
        let cases: Vec<Value> = serde_json::from_str(include_str!("../golden/replication_policy.json")).unwrap();
        assert_eq!(cases.len(), 45);
        for case in &cases {
            let mut config: ConfigMap = case["config"]
                .as_object()
                .unwrap()
                .iter()
                .map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()))
                .collect();
            config.insert("replication.policy.class".into(), case["class"].as_str().unwrap().into());
            let policy = ReplicationPolicy::from_config(&config).unwrap();

            assert_eq!(case["offset_syncs"], policy.offset_syncs_topic("B"), "{config:?}");
            assert_eq!(case["checkpoints"], policy.checkpoints_topic("A"), "{config:?}");
            for row in case["topics"].as_array().unwrap() {
                let topic = row[0].as_str().unwrap();
                let mut flags = String::new();
                for (flag, holds) in [
                    ('h', policy.is_heartbeats_topic(topic)),
                    ('c', policy.is_checkpoints_topic(topic)),
                    ('m', policy.is_mm2_internal_topic(topic)),
                    ('i', policy.is_internal_topic(topic)),
                ] {
                    flags.extend(holds.then_some(flag));
                }
                let ours = serde_json::json!([
                    topic,
                    policy.remote_topic("A", topic),
                    policy.topic_source(topic),
                    policy.upstream_topic(topic),
                    policy.original_topic(topic),
                    flags,
                ]);
                assert_eq!(*row, ours, "{config:?}");
            }
        }
    }

    #[test]
    fn a_name_that_ends_with_the_separator_is_not_remote() {
        let policy = ReplicationPolicy::default();

        assert_eq!(policy.topic_source("x."), None);
        assert_eq!(policy.topic_source(".x"), Some(""));
        assert_eq!(policy.topic_source("a.b.c"), Some("a"));
        assert_eq!(policy.original_topic("a.b.c"), "c");
    }

    #[test]
    fn the_identity_policy_renames_what_ends_with_heartbeats() {
        let policy = ReplicationPolicy::identity(Some("A"));

        assert_eq!(policy.remote_topic("A", "t"), "t");
        assert_eq!(policy.remote_topic("A", "myheartbeats"), "A.myheartbeats");
        assert_eq!(policy.topic_source("anything"), Some("A"));
        assert_eq!(ReplicationPolicy::identity(None).topic_source("anything"), None);
    }

    #[test]
    fn a_topic_does_not_go_back_to_a_cluster_it_has_been_on() {
        let policy = ReplicationPolicy::default();

        assert!(policy.is_cycle("B.t", "B"));
        assert!(policy.is_cycle("C.B.t", "B"));
        assert!(!policy.is_cycle("A.t", "B"));
        assert!(!policy.is_cycle("t", "B"));
        assert!(!ReplicationPolicy::identity(Some("A")).is_cycle("t", "B"));
    }

    #[test]
    fn the_old_strimzi_class_is_the_identity_policy() {
        let policy =
            ReplicationPolicy::from_config(&config(&[("replication.policy.class", STRIMZI_IDENTITY_POLICY_CLASS)]));

        assert!(policy.unwrap().is_identity());
    }

    #[test]
    fn an_unknown_class_is_an_error_that_names_the_known_ones() {
        let error =
            ReplicationPolicy::from_config(&config(&[("replication.policy.class", "com.example.P")])).unwrap_err();

        let text = error.to_string();
        assert!(text.starts_with("unknown replication.policy.class com.example.P"), "{text}");
        assert!(text.contains(DEFAULT_POLICY_CLASS) && text.contains(IDENTITY_POLICY_CLASS), "{text}");
    }

    #[test]
    fn our_own_topics_are_never_mirrored() {
        let topics = [ReplicationPolicy::offset_runs_topic("A"), ReplicationPolicy::copied_configs_topic("A")];

        assert_eq!(topics, ["portage-offset-runs.A.internal", "portage-copied-configs.A.internal"]);
        for topic in topics {
            assert!(ReplicationPolicy::default().is_internal_topic(&topic));
            assert!(ReplicationPolicy::prefixed("__").is_internal_topic(&topic));
        }
    }

    proptest! {
        #[test]
        fn upstream_undoes_remote(
            separator in "[._-]{1,2}",
            // An alias that holds the separator is ambiguous in Java too.
            alias in "[a-zA-Z0-9]{1,8}",
            topic in "[a-z._-]{0,8}[a-z]",
        ) {
            let policy = ReplicationPolicy::prefixed(&separator);
            let remote = policy.remote_topic(&alias, &topic);

            prop_assert_eq!(policy.topic_source(&remote), Some(alias.as_str()));
            prop_assert_eq!(policy.upstream_topic(&remote), Some(topic.as_str()));
            prop_assert!(policy.is_cycle(&remote, &alias));
        }

        #[test]
        fn no_name_is_too_odd(separator in ".{0,2}", topic in ".{0,12}", alias in ".{0,3}") {
            for policy in [ReplicationPolicy::prefixed(&separator), ReplicationPolicy::identity(Some(&alias))] {
                let _ = policy.original_topic(&topic);
                let _ = policy.is_cycle(&topic, &alias);
                let _ = policy.is_internal_topic(&policy.remote_topic(&alias, &topic));
            }
        }
    }
}
