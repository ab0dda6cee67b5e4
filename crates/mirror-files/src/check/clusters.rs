//! Mistakes that only clusters can tell: topics that nobody has, copies that can't take what they shall hold, offset syncs that
//! are thrown away, groups that can't move. Facts in, findings out; whoever has a connection gathers the facts.

use std::collections::{BTreeMap, BTreeSet};

use connect_api::ConfigMap;
use mirror::filter::{GroupFilter, TopicFilter};
use mirror::policy::ReplicationPolicy;

use super::factors::Side;
use crate::finding::Finding;
use crate::flow::Connector;

const LOCATION: &str = "offset-syncs.topic.location";

/// What a cluster says of itself to the client that asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterFacts {
    /// The names of all topics that the client may see.
    pub topics: BTreeSet<String>,
    /// The settings of those that matter here; the reason if the client may not see them.
    pub configs: BTreeMap<String, Result<ConfigMap, String>>,
    /// The settings of a broker; empty if the client may not see them.
    pub broker: ConfigMap,
    /// States of groups.
    pub groups: BTreeMap<String, String>,
    /// Why its ACLs can't be read.
    pub acls: Option<NoAcls>,
}

/// Why there are no ACLs to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAcls {
    /// There is no authorizer.
    NoAuthorizer,
    /// The client may not.
    Forbidden,
}

/// A connector's own view of names. What is wrong with its lists and patterns, its own check says.
struct Names {
    policy: ReplicationPolicy,
    topics: TopicFilter,
    source: String,
    target: String,
}

impl Names {
    fn of(connector: &Connector) -> Option<Self> {
        let config = connector.settings.to_config();
        let alias = |side: &str| config.get(&format!("{side}.cluster.alias")).cloned().unwrap_or_default();
        Some(Self {
            policy: ReplicationPolicy::from_config(&config).ok()?,
            topics: TopicFilter::from_config(&config).ok()?,
            source: alias("source"),
            target: alias("target"),
        })
    }

    fn mirrors(&self, topic: &str) -> bool {
        let ours = self.policy.is_internal_topic(topic) || self.policy.is_cycle(topic, &self.target);
        !ours && self.topics.should_replicate_topic(topic) == Ok(true)
    }

    fn mirrored<'a>(&'a self, topics: &'a BTreeSet<String>) -> impl Iterator<Item = &'a String> {
        topics.iter().filter(|topic| self.mirrors(topic))
    }

    fn remote(&self, topic: &str) -> String {
        self.policy.remote_topic(&self.source, topic)
    }

    /// The offset syncs' topic, and where it is.
    fn offset_syncs(&self, connector: &Connector) -> (Side, String) {
        match connector.settings.get(LOCATION).map(str::trim) {
            Some("target") => (Side::Target, self.policy.offset_syncs_topic(&self.source)),
            _ => (Side::Source, self.policy.offset_syncs_topic(&self.target)),
        }
    }
}

/// The topics whose settings are to be gathered, of those that a side has: `source` are the topics of the source.
#[must_use]
pub fn wanted(connector: &Connector, side: Side, topics: &BTreeSet<String>, source: &BTreeSet<String>) -> Vec<String> {
    let Some(names) = Names::of(connector).filter(|_| connector.class() == "MirrorSourceConnector") else {
        return Vec::new();
    };
    let mut wanted: BTreeSet<String> = match side {
        Side::Source => names.mirrored(topics).cloned().collect(),
        Side::Target => names.mirrored(source).map(|topic| names.remote(topic)).collect(),
    };
    let (at, syncs) = names.offset_syncs(connector);
    wanted.extend((at == side).then_some(syncs));
    wanted.into_iter().filter(|topic| topics.contains(topic)).collect()
}

/// What is to be said of a connector between these clusters.
#[must_use]
pub fn between(connector: &Connector, source: &ClusterFacts, target: &ClusterFacts) -> Vec<Finding> {
    let Some(names) = Names::of(connector).filter(|_| super::is_enabled(connector)) else { return Vec::new() };
    match connector.class() {
        "MirrorSourceConnector" => of_source(connector, &names, source, target),
        "MirrorCheckpointConnector" => of_checkpoint(connector, source, target),
        _ => Vec::new(),
    }
}

fn of_source(connector: &Connector, names: &Names, source: &ClusterFacts, target: &ClusterFacts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let line = |key: &str| connector.settings.line(key);
    if names.mirrored(&source.topics).next().is_none() {
        findings.push(Finding::warning(
            line("topics"),
            format!(
                "{} finds no topic to mirror: the source has none of these names, or does not show them",
                connector.name
            ),
            "correct topics (topicsPattern), or allow DESCRIBE on the topics",
        ));
    }
    let syncs = names.offset_syncs(connector);
    for (side, name, facts) in [(Side::Source, "source", source), (Side::Target, "target", target)] {
        for (topic, reason) in
            facts.configs.iter().filter_map(|(topic, configs)| Some((topic, configs.as_ref().err()?)))
        {
            let what = format!("the settings of {topic} on the {name} can't be read: {reason}");
            findings.push(Finding::warning(None, what, format!("allow DESCRIBE_CONFIGS on topic {topic}")));
        }
        if syncs.0 == side
            && facts.setting(&syncs.1, "cleanup.policy").is_some_and(|policy| !policy.contains("compact"))
        {
            findings.push(Finding::error(
                line(LOCATION),
                format!("{} on the {name} is not compacted: offset syncs are thrown away after a while", syncs.1),
                format!("set cleanup.policy=compact on {}", syncs.1),
            ));
        }
        let remedy = match side {
            Side::Source => "allow DESCRIBE on the cluster there, or set sync.topic.acls.enabled = false",
            Side::Target => "allow ALTER on the cluster there, or set sync.topic.acls.enabled = false",
        };
        let syncs_acls = connector.settings.get("sync.topic.acls.enabled").is_none_or(|text| text.trim() != "false");
        match facts.acls.filter(|_| syncs_acls) {
            Some(NoAcls::NoAuthorizer) => findings.push(Finding::note(
                line("sync.topic.acls.enabled"),
                format!("the {name} has no authorizer: no ACLs are copied"),
                "set sync.topic.acls.enabled = false to say so",
            )),
            Some(NoAcls::Forbidden) => findings.push(Finding::warning(
                line("sync.topic.acls.enabled"),
                format!("{} may not see the ACLs of the {name}: they are not copied", connector.name),
                remedy,
            )),
            None => {}
        }
    }
    for topic in names.mirrored(&source.topics) {
        findings.extend(of_topic(connector, topic, &names.remote(topic), source, target));
        if names.policy.is_identity() && topic != "heartbeats" && topic.ends_with("heartbeats") {
            findings.push(Finding::warning(
                line("replication.policy.class"),
                format!("{topic} is taken for heartbeats and becomes {}, as in MirrorMaker", names.remote(topic)),
                "exclude it, or give it another name",
            ));
        }
    }
    findings
}

/// Whether the copy can hold what the topic holds.
fn of_topic(
    connector: &Connector,
    topic: &str,
    copy: &str,
    source: &ClusterFacts,
    target: &ClusterFacts,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let bytes = |facts: &ClusterFacts, topic: &str, key: &str| facts.setting(topic, key)?.parse::<i64>().ok();
    let there = bytes(target, copy, "max.message.bytes");
    // A copy that is yet to be created gets what the source overrides; the rest is its brokers'.
    let limit = there.or_else(|| target.broker.get("message.max.bytes")?.parse().ok());
    if let (Some(most), Some(limit)) = (bytes(source, topic, "max.message.bytes"), limit)
        && most > limit
    {
        let of = if there.is_some() { copy.to_owned() } else { "the target's brokers".to_owned() };
        findings.push(Finding::warning(
            connector.settings.line("topics"),
            format!("{topic} takes batches of up to {most} bytes, {of} only {limit}"),
            format!("raise max.message.bytes of {copy}: larger batches are sent in halves, a larger record stops its partition"),
        ));
    }
    let (kept, keeps) = (bytes(source, topic, "retention.ms"), bytes(target, copy, "retention.ms"));
    if let (Some(kept), Some(keeps)) = (kept, keeps)
        && keeps >= 0
        && (kept < 0 || kept > keeps)
        && target.setting(copy, "cleanup.policy").is_some_and(|policy| policy.contains("delete"))
    {
        findings.push(Finding::warning(
            connector.settings.line("sync.topic.configs.enabled"),
            format!("{copy} keeps records for {keeps} ms, {topic} for {kept}: old records go at once"),
            format!("raise retention.ms of {copy}"),
        ));
    }
    let (stamped, stamps) =
        (source.setting(topic, "message.timestamp.type"), target.setting(copy, "message.timestamp.type"));
    if stamps == Some("LogAppendTime") && stamped != stamps {
        findings.push(Finding::warning(
            None,
            format!("{copy} has message.timestamp.type=LogAppendTime: records lose their times"),
            format!("set message.timestamp.type=CreateTime on {copy}"),
        ));
    }
    findings
}

fn of_checkpoint(connector: &Connector, source: &ClusterFacts, target: &ClusterFacts) -> Vec<Finding> {
    let settings = &connector.settings;
    let Ok(filter) = GroupFilter::from_config(&settings.to_config()) else { return Vec::new() };
    let wanted = |group: &&String| filter.should_replicate_group(group) == Ok(true);
    let mut findings = Vec::new();
    if !source.groups.keys().any(|group| wanted(&group)) {
        findings.push(Finding::note(
            settings.line("groups"),
            format!("{} finds no group: the source has none of these names, or does not show them", connector.name),
            "correct groups (groupsPattern), or allow DESCRIBE on the groups",
        ));
    }
    let is_active =
        |group: &&String| target.groups.get(*group).is_some_and(|state| state != "Empty" && state != "Dead");
    for group in source.groups.keys().filter(wanted).filter(is_active) {
        if settings.is_true("sync.group.offsets.enabled") {
            let what = format!("group {group} has members on the target: its offsets are not synced while it does");
            findings.push(Finding::warning(
                settings.line("sync.group.offsets.enabled"),
                what,
                "stop its members there",
            ));
        }
    }
    findings
}

impl ClusterFacts {
    fn setting(&self, topic: &str, key: &str) -> Option<&str> {
        self.configs.get(topic)?.as_ref().ok()?.get(key).map(String::as_str)
    }
}
