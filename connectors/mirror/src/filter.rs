//! Which topics, groups and topic configs are mirrored (Java: `DefaultTopicFilter`, `DefaultGroupFilter`,
//! `DefaultConfigPropertyFilter`).
//!
//! A filter has a list to include and a list to exclude. The items of a list are regular expressions ([`JavaRegex`]), joined
//! by `|`; the whole name has to match. Excluding wins. An empty list matches nothing. Commas split lists, so that no item can
//! hold one.

use connect_api::ConfigMap;
use connect_api::config::{ConfigProblem, ConfigType, Parsed, parse_value};
use thiserror::Error;

use crate::java_regex::{JavaRegex, JavaRegexError};

/// The class of [`TopicFilter`].
pub const DEFAULT_TOPIC_FILTER_CLASS: &str = "org.apache.kafka.connect.mirror.DefaultTopicFilter";
/// The class of [`GroupFilter`].
pub const DEFAULT_GROUP_FILTER_CLASS: &str = "org.apache.kafka.connect.mirror.DefaultGroupFilter";
/// The class of [`ConfigPropertyFilter`].
pub const DEFAULT_CONFIG_PROPERTY_FILTER_CLASS: &str = "org.apache.kafka.connect.mirror.DefaultConfigPropertyFilter";

/// Topics that are not mirrored unless the config says otherwise.
pub const TOPICS_EXCLUDE_DEFAULT: &str = r"mm2.*\.internal,.*\.replica,__.*";
/// Groups that are not checkpointed unless the config says otherwise.
pub const GROUPS_EXCLUDE_DEFAULT: &str = "console-consumer-.*,connect-.*,__.*";
/// Topic configs that are not copied unless the config says otherwise.
pub const CONFIG_PROPERTIES_EXCLUDE_DEFAULT: &str = "follower.replication.throttled.replicas,\
    leader.replication.throttled.replicas,message.timestamp.difference.max.ms,log.message.timestamp.before.max.ms,\
    log.message.timestamp.after.max.ms,message.timestamp.type,unclean.leader.election.enable,min.insync.replicas";

const MATCH_ALL: &str = ".*";

/// A filter that cannot be built from a config.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FilterError {
    /// A list holds no valid pattern.
    #[error("{key}: {error}")]
    Pattern {
        /// The config key.
        key: &'static str,
        /// What is wrong.
        error: JavaRegexError,
    },
    /// A filter class that is no part of this program.
    #[error("unknown {key} {class}: known is {known} (others are Java code and cannot run here)")]
    UnknownClass {
        /// The config key.
        key: &'static str,
        /// The class that was asked for.
        class: String,
        /// The class that there is.
        known: &'static str,
    },
}

impl FilterError {
    /// The error as a problem of its key.
    #[must_use]
    pub fn to_problem(&self) -> ConfigProblem {
        match self {
            FilterError::Pattern { key, .. } | FilterError::UnknownClass { key, .. } => {
                ConfigProblem::new(*key, self.to_string())
            }
        }
    }
}

/// A list of patterns as one (Java: `MirrorUtils.compilePatternList`). Matches nothing if it is empty.
#[derive(Debug, Clone)]
struct PatternList(Option<JavaRegex>);

impl PatternList {
    fn new(items: &[String]) -> Result<Self, JavaRegexError> {
        if items.is_empty() {
            return Ok(Self(None));
        }
        let trimmed: Vec<&str> = items.iter().map(|item| item.trim()).collect();
        JavaRegex::new(&trimmed.join("|")).map(|regex| Self(Some(regex)))
    }

    fn of_key(config: &ConfigMap, key: &'static str, default: &str) -> Result<Self, FilterError> {
        let text = config.get(key).map_or(default, String::as_str);
        let items = match parse_value(key, text, ConfigType::List) {
            Ok(Parsed::List(items)) => items,
            // Every text is a list.
            _ => Vec::new(),
        };
        Self::new(&items).map_err(|error| FilterError::Pattern { key, error })
    }

    fn matches(&self, name: &str) -> Result<bool, JavaRegexError> {
        self.0.as_ref().map_or(Ok(false), |regex| regex.matches(name))
    }
}

/// What a filter says of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It passes.
    Accepted,
    /// The list of what to include has nothing for it.
    NotIncluded,
    /// The list of what to exclude names it.
    Excluded,
}

#[derive(Debug, Clone)]
struct IncludeExclude {
    include: PatternList,
    exclude: PatternList,
}

impl IncludeExclude {
    fn verdict(&self, name: &str) -> Result<Verdict, JavaRegexError> {
        Ok(if !self.include.matches(name)? {
            Verdict::NotIncluded
        } else if self.exclude.matches(name)? {
            Verdict::Excluded
        } else {
            Verdict::Accepted
        })
    }
}

/// Which topics are mirrored, as far as their names decide.
#[derive(Debug, Clone)]
pub struct TopicFilter(IncludeExclude);

impl TopicFilter {
    /// A filter of two lists.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self, JavaRegexError> {
        Ok(Self(IncludeExclude { include: PatternList::new(include)?, exclude: PatternList::new(exclude)? }))
    }

    /// The filter of a connector config: `topics`, `topics.exclude`, `topic.filter.class`.
    pub fn from_config(config: &ConfigMap) -> Result<Self, FilterError> {
        require_class(config, "topic.filter.class", DEFAULT_TOPIC_FILTER_CLASS)?;
        Ok(Self(IncludeExclude {
            include: PatternList::of_key(config, "topics", MATCH_ALL)?,
            exclude: PatternList::of_key(config, "topics.exclude", TOPICS_EXCLUDE_DEFAULT)?,
        }))
    }

    /// Whether the topic passes, and why not.
    pub fn verdict(&self, topic: &str) -> Result<Verdict, JavaRegexError> {
        self.0.verdict(topic)
    }

    /// Whether the topic passes.
    pub fn should_replicate_topic(&self, topic: &str) -> Result<bool, JavaRegexError> {
        Ok(self.verdict(topic)? == Verdict::Accepted)
    }
}

/// Which consumer groups are checkpointed, as far as their ids decide.
#[derive(Debug, Clone)]
pub struct GroupFilter(IncludeExclude);

impl GroupFilter {
    /// A filter of two lists.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self, JavaRegexError> {
        Ok(Self(IncludeExclude { include: PatternList::new(include)?, exclude: PatternList::new(exclude)? }))
    }

    /// The filter of a connector config: `groups`, `groups.exclude`, `group.filter.class`.
    pub fn from_config(config: &ConfigMap) -> Result<Self, FilterError> {
        require_class(config, "group.filter.class", DEFAULT_GROUP_FILTER_CLASS)?;
        Ok(Self(IncludeExclude {
            include: PatternList::of_key(config, "groups", MATCH_ALL)?,
            exclude: PatternList::of_key(config, "groups.exclude", GROUPS_EXCLUDE_DEFAULT)?,
        }))
    }

    /// Whether the group passes, and why not.
    pub fn verdict(&self, group: &str) -> Result<Verdict, JavaRegexError> {
        self.0.verdict(group)
    }

    /// Whether the group passes.
    pub fn should_replicate_group(&self, group: &str) -> Result<bool, JavaRegexError> {
        Ok(self.verdict(group)? == Verdict::Accepted)
    }
}

/// Which topic configs are copied, and what becomes of defaults.
#[derive(Debug, Clone)]
pub struct ConfigPropertyFilter {
    exclude: PatternList,
    copies_source_defaults: bool,
}

impl ConfigPropertyFilter {
    /// A filter of a list to exclude. `copies_source_defaults`: what is default on the source is set on the target, rather
    /// than left to the target's default (KIP-894).
    pub fn new(exclude: &[String], copies_source_defaults: bool) -> Result<Self, JavaRegexError> {
        Ok(Self { exclude: PatternList::new(exclude)?, copies_source_defaults })
    }

    /// The filter of a connector config: `config.properties.exclude`, `use.defaults.from`, `config.property.filter.class`.
    pub fn from_config(config: &ConfigMap) -> Result<Self, FilterError> {
        require_class(config, "config.property.filter.class", DEFAULT_CONFIG_PROPERTY_FILTER_CLASS)?;
        Ok(Self {
            exclude: PatternList::of_key(config, "config.properties.exclude", CONFIG_PROPERTIES_EXCLUDE_DEFAULT)?,
            copies_source_defaults: config.get("use.defaults.from").is_some_and(|from| from.trim() == "source"),
        })
    }

    /// Whether the config of this name is copied.
    pub fn should_replicate_config_property(&self, name: &str) -> Result<bool, JavaRegexError> {
        self.exclude.matches(name).map(|excluded| !excluded)
    }

    /// Whether a config that has its default on the source is set on the target.
    #[must_use]
    pub fn should_replicate_source_default(&self) -> bool {
        self.copies_source_defaults
    }
}

fn require_class(config: &ConfigMap, key: &'static str, known: &'static str) -> Result<(), FilterError> {
    match config.get(key).map(|class| class.trim()) {
        Some(class) if class != known => Err(FilterError::UnknownClass { key, class: class.to_owned(), known }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(entries: &[(&str, &str)]) -> ConfigMap {
        entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn topics(entries: &[(&str, &str)]) -> TopicFilter {
        TopicFilter::from_config(&config(entries)).unwrap()
    }

    #[test]
    fn without_a_list_all_topics_pass_but_internal_looking_ones() {
        let filter = topics(&[]);

        assert_eq!(filter.verdict("orders"), Ok(Verdict::Accepted));
        for topic in ["mm2-offset-syncs.B.internal", "x.replica", "__consumer_offsets"] {
            assert_eq!(filter.verdict(topic), Ok(Verdict::Excluded), "{topic}");
        }
    }

    #[test]
    fn items_are_trimmed_and_the_whole_name_has_to_match() {
        let filter = topics(&[("topics", " orders , pay.*")]);

        assert_eq!(filter.verdict("orders"), Ok(Verdict::Accepted));
        assert_eq!(filter.verdict("payments"), Ok(Verdict::Accepted));
        assert_eq!(filter.verdict("orders2"), Ok(Verdict::NotIncluded));
        assert_eq!(filter.verdict("repay"), Ok(Verdict::NotIncluded));
    }

    #[test]
    fn excluding_wins() {
        let filter = topics(&[("topics", "orders"), ("topics.exclude", "ord.*")]);

        assert_eq!(filter.should_replicate_topic("orders"), Ok(false));
    }

    #[test]
    fn an_empty_list_matches_nothing() {
        let nothing = topics(&[("topics", "")]);
        let everything = topics(&[("topics", ".*"), ("topics.exclude", "")]);

        assert_eq!(nothing.should_replicate_topic("orders"), Ok(false));
        assert_eq!(nothing.should_replicate_topic(""), Ok(false));
        assert_eq!(everything.should_replicate_topic("__consumer_offsets"), Ok(true));
    }

    #[test]
    fn look_ahead_chooses_topics() {
        let filter = topics(&[("topics", "(?!.*-changelog$).*")]);

        assert_eq!(filter.should_replicate_topic("orders"), Ok(true));
        assert_eq!(filter.should_replicate_topic("orders-changelog"), Ok(false));
    }

    #[test]
    fn groups_of_tools_do_not_pass() {
        let filter = GroupFilter::from_config(&config(&[])).unwrap();

        assert_eq!(filter.should_replicate_group("billing"), Ok(true));
        assert_eq!(filter.verdict("console-consumer-123"), Ok(Verdict::Excluded));
        assert_eq!(filter.verdict("connect-cluster"), Ok(Verdict::Excluded));
    }

    #[test]
    fn configs_that_belong_to_a_cluster_are_not_copied() {
        let filter = ConfigPropertyFilter::from_config(&config(&[])).unwrap();

        assert_eq!(filter.should_replicate_config_property("retention.ms"), Ok(true));
        assert_eq!(filter.should_replicate_config_property("min.insync.replicas"), Ok(false));
        assert!(!filter.should_replicate_source_default());
        let from_source = ConfigPropertyFilter::from_config(&config(&[("use.defaults.from", "source")])).unwrap();
        assert!(from_source.should_replicate_source_default());
    }

    #[test]
    fn a_bad_pattern_names_its_key() {
        let error = TopicFilter::from_config(&config(&[("topics", "a,(b")])).unwrap_err();

        assert_eq!(error.to_problem().key, "topics");
        assert_eq!(error.to_string(), r#"topics: regex "a|(b": a group is not closed (at character 3)"#);
    }

    #[test]
    fn a_filter_of_somebody_else_is_refused() {
        let error = GroupFilter::from_config(&config(&[("group.filter.class", "com.example.F")])).unwrap_err();

        assert_eq!(error.to_problem().key, "group.filter.class");
        assert!(error.to_string().contains("com.example.F"), "{error}");
    }

    #[test]
    fn too_much_backtracking_is_an_error_and_not_a_no() {
        let filter = topics(&[("topics", r"(x+x+)+\1y")]);

        assert!(filter.should_replicate_topic(&"x".repeat(60)).is_err());
    }
}
