//! Topics that a source connector needs, made as its config says (KIP-158: `topic.creation.*`).
//!
//! The first group whose patterns match a topic decides, then `default`. A topic that is there stays as it is. Without any of
//! these keys, or with `topic.creation.enable=false`, topics are the broker's or the connector's own business: MirrorSource
//! makes its topics itself, so this is for what transforms send elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use connect_api::ConnectError;
use connect_api::config::{ConfigMap, ConfigProblem};
use kafka_client::admin::NewTopic;
use kafka_client::{Admin, ClientConfig, Cluster, ErrorCode};
use tracing::info;

use crate::record_path::aliases;
use crate::record_path::pattern::Pattern;
use crate::source_task::TaskSpec;
use crate::worker_config::WorkerConfig;

const PREFIX: &str = "topic.creation.";
const DEFAULT: &str = "default";

/// How topics are to be made.
#[derive(Debug)]
pub struct CreationGroups(Vec<Group>);

#[derive(Debug)]
struct Group {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
    partitions: i32,
    replication_factor: i16,
    configs: BTreeMap<String, String>,
}

impl CreationGroups {
    /// Reads the groups; `None` if topics are not to be made.
    ///
    /// # Errors
    /// Everything that is wrong with them, by key.
    pub fn from_config(worker: &WorkerConfig, config: &ConfigMap) -> Result<Option<Self>, Vec<ConfigProblem>> {
        if !worker.topic_creation() || !config.keys().any(|key| key.starts_with(PREFIX)) {
            return Ok(None);
        }
        let mut problems = Vec::new();
        let default = group(config, DEFAULT, None, &mut problems);
        let named = aliases(config, "topic.creation.groups").into_iter().filter(|name| name != DEFAULT);
        let mut groups: Vec<Group> = named.map(|name| group(config, &name, Some(&default), &mut problems)).collect();
        groups.push(default);
        if problems.is_empty() { Ok(Some(Self(groups))) } else { Err(problems) }
    }

    /// How this topic is to be made. The last group takes every topic.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<NewTopic> {
        let group = self.0.iter().find(|group| {
            let among = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(name));
            among(&group.include) && !among(&group.exclude)
        })?;
        Some(NewTopic {
            name: name.to_owned(),
            partitions: (group.partitions != -1).then_some(group.partitions),
            replication_factor: (group.replication_factor != -1).then_some(group.replication_factor),
            configs: group.configs.clone(),
        })
    }
}

fn group(config: &ConfigMap, name: &str, default: Option<&Group>, problems: &mut Vec<ConfigProblem>) -> Group {
    let prefix = format!("{PREFIX}{name}.");
    let given = |key: &str| config.get(&format!("{prefix}{key}")).map(|text| text.trim());
    let mut number = |key: &str, reason: &str, default: Option<i32>| match (given(key), default) {
        (Some(text), _) => match text.parse::<i32>().ok().filter(|number| *number > 0 || *number == -1) {
            Some(number) => number,
            None => {
                let key = format!("{prefix}{key}");
                let message = format!("Invalid value {text} for configuration {key}: {reason}");
                problems.push(ConfigProblem::new(key, message));
                -1
            }
        },
        (None, Some(default)) => default,
        (None, None) => {
            let key = format!("{prefix}{key}");
            let message = format!("Missing required configuration \"{key}\" which has no default value.");
            problems.push(ConfigProblem::new(key, message));
            -1
        }
    };
    let replication_factor = number(
        "replication.factor",
        "Replication factor must be positive and not larger than the number of brokers in the Kafka cluster, or -1 to use the \
         broker's default",
        default.map(|group| i32::from(group.replication_factor)),
    );
    let partitions = number(
        "partitions",
        "Number of partitions must be positive, or -1 to use the broker's default",
        default.map(|group| group.partitions),
    );
    // The default group takes every topic, whatever its own patterns say.
    let mut patterns = |key: &str, of_default: &str| {
        let list = if default.is_none() { of_default } else { given(key).unwrap_or_default() };
        let list = list.split(',').map(str::trim).filter(|item| !item.is_empty());
        let mut patterns = Vec::new();
        for text in list {
            match Pattern::from_config(key, text) {
                Ok(pattern) => patterns.push(pattern),
                Err(problem) => problems.push(problem.under(&prefix, "")),
            }
        }
        patterns
    };
    let include = patterns("include", ".*");
    let exclude = patterns("exclude", "");
    let own = ["include", "exclude", "replication.factor", "partitions"];
    let configs = config.iter().filter_map(|(key, value)| Some((key.strip_prefix(&prefix)?.to_owned(), value.clone())));
    Group {
        include,
        exclude,
        partitions,
        replication_factor: i16::try_from(replication_factor).unwrap_or(-1),
        configs: configs.filter(|(key, _)| !own.contains(&key.as_str())).collect(),
    }
}

/// Makes the topics of one task.
pub(crate) struct TopicCreation {
    groups: CreationGroups,
    properties: BTreeMap<String, String>,
    admin: Option<Admin>,
    known: BTreeSet<Arc<str>>,
}

impl TopicCreation {
    pub(crate) fn new(spec: &TaskSpec, groups: CreationGroups) -> Self {
        let properties = spec.environment.worker.admin_properties(&spec.connector_config, &spec.id.to_string());
        Self { groups, properties, admin: None, known: BTreeSet::new() }
    }

    /// Makes a topic unless it is there, or was seen before.
    ///
    /// # Errors
    /// It can't be made.
    pub(crate) async fn ensure(&mut self, topic: &Arc<str>) -> Result<(), ConnectError> {
        if self.known.contains(topic) {
            return Ok(());
        }
        let failed = |reason: String| {
            ConnectError::fatal(format!(
                "Task failed to create new topic {topic}. Ensure that the task is authorized to create topics or that the topic exists and restart the task: {reason}"
            ))
        };
        let admin = match &self.admin {
            Some(admin) => admin,
            None => {
                let client = ClientConfig::parse(&self.properties).map_err(|error| failed(error.to_string()))?;
                let cluster = Cluster::connect(client).await.map_err(|error| failed(error.to_string()))?;
                self.admin.insert(cluster.admin())
            }
        };
        let described = admin.describe_topics(&[topic]).await.map_err(|error| failed(error.to_string()))?;
        let exists = described.into_iter().any(|(name, found)| *name == **topic && found.is_ok());
        if let (false, Some(new)) = (exists, self.groups.topic(topic)) {
            let created = admin.create_topics(&[new], false).await.map_err(|error| failed(error.to_string()))?;
            match created.into_iter().find_map(|(_, result)| result.err()) {
                Some(error) if error.code != ErrorCode::TOPIC_ALREADY_EXISTS => return Err(failed(error.to_string())),
                _ => info!(topic = &**topic, "target topic created"),
            }
        }
        self.known.insert(Arc::clone(topic));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_world::worker_config;

    fn groups(worker: &[(&str, &str)], config: &[(&str, &str)]) -> Result<Option<CreationGroups>, Vec<String>> {
        let config = config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let read = CreationGroups::from_config(&worker_config(worker), &config);
        read.map_err(|problems| problems.into_iter().map(|problem| problem.key).collect())
    }

    const DEFAULTS: [(&str, &str); 2] =
        [("topic.creation.default.replication.factor", "-1"), ("topic.creation.default.partitions", "3")];

    #[test]
    fn the_first_group_that_matches_decides_and_takes_the_rest_from_the_default() {
        let config = [
            &DEFAULTS[..],
            &[
                ("topic.creation.groups", "logs, wide"),
                ("topic.creation.logs.include", "log.*"),
                ("topic.creation.logs.exclude", "log-w.*"),
                ("topic.creation.default.exclude", "other"),
                ("topic.creation.logs.cleanup.policy", "compact"),
                ("topic.creation.wide.include", ".*-w.*"),
                ("topic.creation.wide.partitions", "9"),
            ],
        ]
        .concat();
        let groups = groups(&[], &config).unwrap().unwrap();
        let made = |name: &str| groups.topic(name).unwrap();

        assert_eq!((made("log-a").partitions, made("log-a").replication_factor), (Some(3), None));
        assert_eq!(made("log-a").configs["cleanup.policy"], "compact");
        assert_eq!((made("log-w").partitions, made("log-w").configs.len()), (Some(9), 0));
        assert_eq!(made("other").partitions, Some(3));
    }

    #[test]
    fn nothing_is_made_unless_asked_for() {
        assert!(groups(&[], &[]).unwrap().is_none());
        assert!(groups(&[("topic.creation.enable", "false")], &DEFAULTS).unwrap().is_none());
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let config = [
            ("topic.creation.groups", "g"),
            ("topic.creation.default.partitions", "0"),
            ("topic.creation.g.exclude", "("),
        ];

        let keys = [
            "topic.creation.default.replication.factor",
            "topic.creation.default.partitions",
            "topic.creation.g.exclude",
        ];
        assert_eq!(groups(&[], &config).unwrap_err(), keys);
    }
}
