//! What to change in a remote topic's config so that it is like its source's (Java: `MirrorSourceConnector.targetConfig`,
//! `incrementalAlterConfigs`).
//!
//! MirrorMaker sets every value anew every ten minutes, which floods audit logs and wipes what was set on the target by
//! hand. Here only what differs is changed ([`config_changes`]), and [`ConfigMemory`] tells a change at the source from one
//! at the target: an override that only the target has is left alone, and a value that somebody has put back is not written
//! again. Both are *drift*, which shows in reports.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::filter::ConfigPropertyFilter;
use crate::java_regex::JavaRegexError;

/// Where the value of a config comes from (Java: `ConfigEntry.ConfigSource`), as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigOrigin {
    /// Set on the topic.
    Topic,
    /// In the brokers' files.
    StaticBroker,
    /// Kafka's default: nobody has set it.
    Default,
    /// Anywhere else, such as dynamic broker configs.
    Other,
}

impl ConfigOrigin {
    /// The origin of this number in a DescribeConfigs answer.
    #[must_use]
    pub const fn from_code(code: i8) -> Self {
        match code {
            1 => Self::Topic,
            4 => Self::StaticBroker,
            5 => Self::Default,
            _ => Self::Other,
        }
    }
}

/// One config of a topic, as a cluster describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicConfig {
    /// Its value; `None` if it has none or may not be shown.
    pub value: Option<String>,
    /// Where the value comes from.
    pub origin: ConfigOrigin,
    /// It cannot be altered.
    pub read_only: bool,
    /// It is a secret.
    pub sensitive: bool,
}

/// The configs of a topic, by name.
pub type TopicConfigs = BTreeMap<String, TopicConfig>;

/// One change of the target's config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigChange {
    /// The config.
    pub name: String,
    /// The value to set; `None` goes back to the target's default.
    pub value: Option<String>,
    /// What is set on the target topic now, if anything is.
    pub was: Option<String>,
}

/// The changes that make the target's config follow the source's. Empty if it does.
///
/// Values set on the source topic, or for all topics by a dynamic broker config, are set on the target; what is default on the
/// source goes back to the target's default, or is set if the filter copies defaults. Values from the source brokers' files,
/// secrets, read-only and excluded configs are left alone.
pub fn config_changes(
    source: &TopicConfigs,
    target: &TopicConfigs,
    filter: &ConfigPropertyFilter,
) -> Result<Vec<ConfigChange>, JavaRegexError> {
    let mut changes = Vec::new();
    for (name, config) in copied(source, filter)? {
        let now = target.get(name).filter(|config| config.origin == ConfigOrigin::Topic);
        let was = now.and_then(|config| config.value.clone());
        if config.origin == ConfigOrigin::Default && !filter.should_replicate_source_default() {
            if now.is_some() {
                changes.push(ConfigChange { name: name.clone(), value: None, was });
            }
        } else if config.value.is_some() && config.value != was {
            changes.push(ConfigChange { name: name.clone(), value: config.value.clone(), was });
        }
    }
    Ok(changes)
}

/// What is done about the difference between a topic and its remote topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigPlan {
    /// To be written.
    pub changes: Vec<ConfigChange>,
    /// Somebody's wish on the target: to be reported.
    pub drift: Vec<ConfigChange>,
}

/// What has been seen of a topic and written for it, from one look to the next.
#[derive(Debug, Clone, Default)]
pub struct ConfigMemory {
    /// Configs that the source had set and whose removal has not been passed on.
    own: BTreeSet<String>,
    /// What was written last.
    written: BTreeMap<String, Option<String>>,
}

impl ConfigMemory {
    /// These were seen set at the source before.
    pub fn remember(&mut self, names: BTreeSet<String>) {
        self.own.extend(names);
    }

    /// The configs that the source has been seen to set, and whose removal has not been passed on.
    #[must_use]
    pub fn own(&self) -> &BTreeSet<String> {
        &self.own
    }

    /// Sorts [`config_changes`]. A config that the source has lost goes back to the target's default; one that the source has
    /// never been seen to have does not. A value is written once for each value of the source.
    pub fn plan(
        &mut self,
        source: &TopicConfigs,
        target: &TopicConfigs,
        filter: &ConfigPropertyFilter,
    ) -> Result<ConfigPlan, JavaRegexError> {
        let mut plan = ConfigPlan::default();
        let mut changes = config_changes(source, target, filter)?;
        for (name, config) in source {
            match config.origin {
                ConfigOrigin::Topic | ConfigOrigin::Other => {
                    self.own.insert(name.clone());
                }
                // Java never looks at what shines through from the brokers' files, and leaves what it had copied before.
                ConfigOrigin::StaticBroker if self.own.contains(name) => {
                    changes.extend(set_on(target, name).map(|was| ConfigChange {
                        name: name.clone(),
                        value: None,
                        was: Some(was),
                    }))
                }
                ConfigOrigin::StaticBroker | ConfigOrigin::Default => {}
            }
            // The target follows by itself: the next difference is a new one.
            let differs = changes.iter().any(|change| change.name == *name);
            if !differs && self.written.get(name).is_some_and(|written| *written != config.value) {
                self.written.remove(name);
            }
        }
        for change in changes {
            let at_target = match &change.value {
                None => !self.own.contains(&change.name),
                Some(_) => self.written.get(&change.name) == Some(&change.value),
            };
            if at_target { plan.drift.push(change) } else { plan.changes.push(change) }
        }
        Ok(plan)
    }

    /// The target has taken these changes.
    pub fn written(&mut self, changes: &[ConfigChange]) {
        for change in changes {
            self.written.insert(change.name.clone(), change.value.clone());
            if change.value.is_none() {
                self.own.remove(&change.name);
            }
        }
    }
}

impl fmt::Display for ConfigChange {
    /// What is set on the target and what should be.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: &Option<String>| value.clone().map_or("not set".to_owned(), |value| format!("{value:?}"));
        write!(f, "{} is {} on the target and {} at the source", self.name, text(&self.was), text(&self.value))
    }
}

/// The value that is set on a topic itself.
fn set_on(configs: &TopicConfigs, name: &str) -> Option<String> {
    configs.get(name).filter(|config| config.origin == ConfigOrigin::Topic).and_then(|config| config.value.clone())
}

/// The configs with which a remote topic is created.
pub fn configs_at_creation(
    source: &TopicConfigs,
    filter: &ConfigPropertyFilter,
) -> Result<BTreeMap<String, String>, JavaRegexError> {
    let with_defaults = filter.should_replicate_source_default();
    Ok(copied(source, filter)?
        .into_iter()
        .filter(|(_, config)| with_defaults || config.origin != ConfigOrigin::Default)
        .filter_map(|(name, config)| Some((name.clone(), config.value.clone()?)))
        .collect())
}

fn copied<'a>(
    source: &'a TopicConfigs,
    filter: &ConfigPropertyFilter,
) -> Result<Vec<(&'a String, &'a TopicConfig)>, JavaRegexError> {
    let mut copied = Vec::new();
    for (name, config) in source {
        let own = !config.read_only && !config.sensitive && config.origin != ConfigOrigin::StaticBroker;
        if own && filter.should_replicate_config_property(name)? {
            copied.push((name, config));
        }
    }
    Ok(copied)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(value: &str, origin: ConfigOrigin) -> TopicConfig {
        TopicConfig { value: Some(value.to_owned()), origin, read_only: false, sensitive: false }
    }

    fn configs(entries: &[(&str, &str, ConfigOrigin)]) -> TopicConfigs {
        entries.iter().map(|(name, value, origin)| ((*name).to_owned(), config(value, *origin))).collect()
    }

    fn filter(copies_source_defaults: bool) -> ConfigPropertyFilter {
        ConfigPropertyFilter::new(&["min\\..*".to_owned()], copies_source_defaults).unwrap()
    }

    fn set(name: &str, value: &str, was: Option<&str>) -> ConfigChange {
        ConfigChange { name: name.into(), value: Some(value.into()), was: was.map(str::to_owned) }
    }

    fn delete(name: &str, was: &str) -> ConfigChange {
        ConfigChange { name: name.into(), value: None, was: Some(was.into()) }
    }

    use ConfigOrigin::{Default, Other, StaticBroker, Topic};

    #[test]
    fn only_what_differs_is_changed() {
        let source = configs(&[
            ("retention.ms", "1", Topic),
            ("segment.ms", "2", Topic),
            ("cleanup.policy", "compact", Topic),
            ("compression.type", "zstd", Other),
        ]);
        let target = configs(&[
            ("retention.ms", "1", Topic),
            ("segment.ms", "9", Topic),
            ("cleanup.policy", "compact", Default),
            ("compression.type", "producer", Default),
        ]);

        let changes = config_changes(&source, &target, &filter(false)).unwrap();

        assert_eq!(
            changes,
            [
                // The same value, but only by the target's default, which may change.
                set("cleanup.policy", "compact", None),
                set("compression.type", "zstd", None),
                set("segment.ms", "2", Some("9")),
            ]
        );
    }

    #[test]
    fn what_is_default_on_the_source_goes_back_to_the_default_of_the_target() {
        let source = configs(&[("retention.ms", "604800000", Default), ("segment.ms", "5", Default)]);
        let target = configs(&[("retention.ms", "1", Topic), ("segment.ms", "7", StaticBroker)]);

        assert_eq!(config_changes(&source, &target, &filter(false)).unwrap(), [delete("retention.ms", "1")]);
    }

    #[test]
    fn defaults_of_the_source_are_set_if_they_are_wanted() {
        let source = configs(&[("retention.ms", "604800000", Default)]);

        let changes = config_changes(&source, &configs(&[("retention.ms", "1", Topic)]), &filter(true)).unwrap();

        assert_eq!(changes, [set("retention.ms", "604800000", Some("1"))]);
    }

    #[test]
    fn what_belongs_to_the_source_cluster_is_left_alone() {
        let mut source = configs(&[("a", "1", StaticBroker), ("min.insync.replicas", "2", Topic)]);
        source.insert("b".into(), TopicConfig { read_only: true, ..config("1", Topic) });
        source.insert("c".into(), TopicConfig { sensitive: true, value: None, ..config("", Topic) });
        let target = configs(&[("a", "9", Topic), ("min.insync.replicas", "1", Topic)]);

        assert_eq!(config_changes(&source, &target, &filter(true)).unwrap(), []);
        assert!(configs_at_creation(&source, &filter(true)).unwrap().is_empty());
    }

    #[test]
    fn a_topic_is_created_with_what_is_set_and_with_defaults_if_they_are_wanted() {
        let source = configs(&[("retention.ms", "1", Topic), ("segment.ms", "2", Default), ("x", "3", Other)]);
        let names = |filter| configs_at_creation(&source, &filter).unwrap().into_keys().collect::<Vec<_>>();

        assert_eq!(names(filter(false)), ["retention.ms", "x"]);
        assert_eq!(names(filter(true)), ["retention.ms", "segment.ms", "x"]);
    }

    #[test]
    fn an_override_that_only_the_target_has_is_left_alone_and_one_that_the_source_has_lost_goes() {
        let mut memory = ConfigMemory::default();
        let target = configs(&[("retention.ms", "1", Topic), ("segment.ms", "9", Topic)]);
        let set_at_source = configs(&[("retention.ms", "1", Topic), ("segment.ms", "5", Default)]);
        let drift = vec![delete("segment.ms", "9")];

        let before = memory.plan(&set_at_source, &target, &filter(false)).unwrap();
        let lost = configs(&[("retention.ms", "604800000", Default), ("segment.ms", "5", Default)]);
        let after = memory.plan(&lost, &target, &filter(false)).unwrap();

        assert_eq!(before, ConfigPlan { changes: vec![], drift: drift.clone() });
        assert_eq!(after, ConfigPlan { changes: vec![delete("retention.ms", "1")], drift });
        // It is wanted until the target has taken it.
        assert_eq!(memory.plan(&lost, &target, &filter(false)).unwrap(), after);
        memory.written(&after.changes);
        assert_eq!(memory.plan(&lost, &target, &filter(false)).unwrap().changes, []);
    }

    #[test]
    fn an_override_goes_too_if_the_files_of_the_source_brokers_shine_through() {
        let mut memory = ConfigMemory::default();
        let target = configs(&[("retention.ms", "1", Topic), ("segment.ms", "2", Topic)]);
        let set_at_source = configs(&[("retention.ms", "1", Topic), ("segment.ms", "7", StaticBroker)]);
        memory.plan(&set_at_source, &target, &filter(false)).unwrap();

        let lost = configs(&[("retention.ms", "-1", StaticBroker), ("segment.ms", "7", StaticBroker)]);
        let plan = memory.plan(&lost, &target, &filter(false)).unwrap();

        assert_eq!(plan, ConfigPlan { changes: vec![delete("retention.ms", "1")], drift: vec![] });
    }

    #[test]
    fn an_override_that_was_seen_in_an_earlier_life_goes_with_that_of_the_source() {
        let mut memory = ConfigMemory::default();
        memory.remember(["retention.ms".to_owned()].into());
        let source = configs(&[("retention.ms", "9", Default)]);

        let plan = memory.plan(&source, &configs(&[("retention.ms", "1000", Topic)]), &filter(false)).unwrap();

        assert_eq!((&*plan.changes, &*plan.drift), (&[delete("retention.ms", "1000")][..], &[][..]));
        memory.written(&plan.changes);
        assert!(memory.own().is_empty());
    }

    #[test]
    fn a_value_that_somebody_puts_back_is_drift_until_the_source_changes_again() {
        let mut memory = ConfigMemory::default();
        let source = |value| configs(&[("retention.ms", value, Topic)]);
        let target = source("9");

        let first = memory.plan(&source("1"), &target, &filter(false)).unwrap();
        memory.written(&first.changes);
        let put_back = memory.plan(&source("1"), &target, &filter(false)).unwrap();
        let changed = memory.plan(&source("2"), &target, &filter(false)).unwrap();

        assert_eq!(first.changes, [set("retention.ms", "1", Some("9"))]);
        assert_eq!(put_back, ConfigPlan { changes: vec![], drift: first.changes });
        assert_eq!(changed.changes, [set("retention.ms", "2", Some("9"))]);
    }

    #[test]
    fn nothing_is_left_to_change_after_the_changes() {
        let source = configs(&[("a", "1", Topic), ("b", "2", Default), ("c", "3", Other)]);
        for copies_defaults in [false, true] {
            let filter = filter(copies_defaults);
            let mut target = configs(&[("a", "9", Topic), ("b", "9", Topic), ("c", "9", Default)]);
            for change in config_changes(&source, &target, &filter).unwrap() {
                let config = change.value.map_or(config("default", Default), |value| config(&value, Topic));
                target.insert(change.name, config);
            }

            assert_eq!(config_changes(&source, &target, &filter).unwrap(), []);
        }
    }
}
