//! Keeps the configs of remote topics like those of their sources (Java: `MirrorSourceConnector.syncTopicConfigs`): reads
//! both sides, writes the difference, names what is left different.

use std::collections::BTreeMap;

use connect_api::ConnectError;
use kafka_client::admin::{Admin, AlterConfig, AlterOp, BrokerError, ConfigResource};
use kafka_client::{ClientError, ErrorCode};
use mirror::config::ClientRole;
use mirror::config_sync::{ConfigChange, ConfigMemory, ConfigOrigin, TopicConfig, TopicConfigs};
use thiserror::Error;
use tracing::info;

use crate::clients;
use crate::copied_configs::Names;
use crate::findings::Findings;
use crate::flow::Flow;

/// Topics in one round of requests: an answer takes some kilobytes for each.
const TOPICS_AT_ONCE: usize = 200;

/// Why configs could not be kept in step at all.
#[derive(Debug, Error)]
pub(crate) enum SyncError {
    /// Trying again does not help.
    #[error(
        "the target is too old for incremental changes of topic configs (before Kafka 2.3): set \
         sync.topic.configs.enabled=false"
    )]
    TooOld,
    /// Trying again may help.
    #[error(transparent)]
    Other(ConnectError),
}

/// What has been seen and written, by topic of the source.
#[derive(Default)]
pub(crate) struct ConfigSync {
    memory: BTreeMap<String, ConfigMemory>,
}

impl ConfigSync {
    /// What the source had set when an earlier life looked.
    pub(crate) fn remember(&mut self, names: Names) {
        for (topic, names) in names {
            self.memory.entry(topic).or_default().remember(names);
        }
    }

    /// What the source has set, by topic.
    pub(crate) fn own(&self) -> Names {
        self.memory.iter().map(|(topic, memory)| (topic.clone(), memory.own().clone())).collect()
    }

    /// Brings the remote topics of `topics` in step.
    pub(crate) async fn sync(&mut self, flow: &Flow, topics: &[String]) -> Result<Findings, SyncError> {
        let mut findings = Findings::default();
        self.memory.retain(|topic, _| topics.contains(topic));
        for topics in topics.chunks(TOPICS_AT_ONCE) {
            let changes = self.compare(flow, topics, &mut findings).await?;
            self.write(flow, &changes, &mut findings).await?;
        }
        Ok(findings)
    }

    /// The changes to write, by topic of the source.
    async fn compare(
        &mut self,
        flow: &Flow,
        topics: &[String],
        findings: &mut Findings,
    ) -> Result<BTreeMap<String, Vec<ConfigChange>>, SyncError> {
        let remotes: Vec<String> = topics.iter().map(|topic| flow.selection.remote(topic)).collect();
        let refused = |role| move |error: ClientError| SyncError::Other(clients::refused(role, &error));
        let sources = described(&flow.source, topics).await.map_err(refused(ClientRole::SourceAdmin))?;
        let targets = described(&flow.target, &remotes).await.map_err(refused(ClientRole::TargetAdmin))?;
        let mut changes = BTreeMap::new();
        for (topic, remote) in topics.iter().zip(&remotes) {
            let (Some(source), Some(target)) = (sources.get(topic), targets.get(remote)) else { continue };
            let (source, target) = match (source, target) {
                (Ok(source), Ok(target)) => (source, target),
                (Err(error), _) => {
                    name(findings, "its configs can't be read at the source", topic, error);
                    continue;
                }
                (_, Err(error)) => {
                    name(findings, "its configs can't be read on the target", remote, error);
                    continue;
                }
            };
            let memory = self.memory.entry(topic.clone()).or_default();
            let plan = memory.plan(source, target, &flow.property_filter).map_err(|error| {
                SyncError::Other(ConnectError::config(format!("config.properties.exclude: {error}")))
            })?;
            for drift in plan.drift {
                findings.of_topic(&format!("{drift}, and is left so"), remote);
            }
            if !plan.changes.is_empty() {
                changes.insert(topic.clone(), plan.changes);
            }
        }
        Ok(changes)
    }

    async fn write(
        &mut self,
        flow: &Flow,
        changes: &BTreeMap<String, Vec<ConfigChange>>,
        findings: &mut Findings,
    ) -> Result<(), SyncError> {
        if changes.is_empty() {
            return Ok(());
        }
        let by_remote: BTreeMap<String, &String> =
            changes.keys().map(|topic| (flow.selection.remote(topic), topic)).collect();
        let request = by_remote
            .iter()
            .map(|(remote, topic)| (ConfigResource::Topic(remote.clone()), changes[*topic].iter().map(alter).collect()))
            .collect();
        let answers = flow.target.incremental_alter_configs(&request, false).await.map_err(|error| match error {
            ClientError::UnsupportedVersion { .. } => SyncError::TooOld,
            error => SyncError::Other(clients::refused(ClientRole::TargetAdmin, &error)),
        })?;
        for (resource, result) in answers {
            let ConfigResource::Topic(remote) = resource else { continue };
            let Some(topic) = by_remote.get(&remote) else { continue };
            match result {
                Ok(()) => {
                    for change in &changes[*topic] {
                        let (config, value, was) = (&change.name, &change.value, &change.was);
                        info!(topic = remote, config, ?value, ?was, "topic config changed as at the source");
                    }
                    self.memory.entry((*topic).clone()).or_default().written(&changes[*topic]);
                }
                Err(error) if error.code == ErrorCode::TOPIC_AUTHORIZATION_FAILED => findings.of_topic(
                    "its configs can't be changed on the target: the principal needs AlterConfigs on it",
                    &remote,
                ),
                Err(error) => {
                    findings.of_topic(&format!("its configs can't be changed on the target: {error}"), &remote);
                }
            }
        }
        Ok(())
    }
}

/// A topic that is not there (yet, or any more) is nothing to report.
fn name(findings: &mut Findings, what: &str, topic: &str, error: &BrokerError) {
    match error.code {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => {}
        ErrorCode::TOPIC_AUTHORIZATION_FAILED => {
            findings.of_topic(&format!("{what}: the principal needs DescribeConfigs on it"), topic);
        }
        _ => findings.of_topic(&format!("{what}: {error}"), topic),
    }
}

fn alter(change: &ConfigChange) -> AlterConfig {
    let op = change.value.clone().map_or(AlterOp::Delete, AlterOp::Set);
    AlterConfig { name: change.name.clone(), op }
}

/// The configs of topics, by name.
pub(crate) async fn described(
    admin: &Admin,
    topics: &[String],
) -> Result<BTreeMap<String, Result<TopicConfigs, BrokerError>>, ClientError> {
    let mut configs = BTreeMap::new();
    for topics in topics.chunks(TOPICS_AT_ONCE) {
        let resources: Vec<ConfigResource> = topics.iter().cloned().map(ConfigResource::Topic).collect();
        for (resource, result) in admin.describe_configs(&resources).await? {
            let ConfigResource::Topic(topic) = resource else { continue };
            let entries = result.map(|entries| {
                entries
                    .into_iter()
                    .map(|(name, entry)| {
                        let origin = ConfigOrigin::from_code(entry.source.code());
                        let (read_only, sensitive) = (entry.read_only, entry.sensitive);
                        (name, TopicConfig { value: entry.value, origin, read_only, sensitive })
                    })
                    .collect()
            });
            configs.insert(topic, entries);
        }
    }
    Ok(configs)
}
