//! The two clusters of a flow and what is mirrored between them: looks, and creates what the target lacks.

use std::collections::{BTreeMap, BTreeSet};

use connect_api::ConnectError;
use connect_api::config::ConfigMap;
use kafka_client::admin::{Admin, NewTopic};
use kafka_client::{ClientError, ErrorCode};
use mirror::config::ClientRole;
use mirror::config_def::MIRROR_BACK;
use mirror::config_sync::configs_at_creation;
use mirror::filter::ConfigPropertyFilter;
use tracing::info;

use crate::clients;
use crate::findings::Findings;
use crate::plan::{Missing, Selection, Topics};
use crate::provenance;
use crate::topic_configs::described;

/// What a look at both clusters has found.
pub(crate) struct Look {
    /// The topics to mirror.
    pub(crate) topics: Topics,
    /// What the target lacks for them.
    pub(crate) missing: Missing,
    /// What is left out, and why.
    pub(crate) findings: Findings,
}

/// The clusters of a connector.
pub(crate) struct Flow {
    pub(crate) selection: Selection,
    pub(crate) property_filter: ConfigPropertyFilter,
    /// `portage.mirror.back`.
    pub(crate) mirrors_back: bool,
    /// `None`: the target's default.
    pub(crate) replication_factor: Option<i16>,
    pub(crate) source: Admin,
    pub(crate) target: Admin,
}

impl Flow {
    /// What is to be mirrored, and what the target lacks for it.
    pub(crate) async fn look(&self, config: &ConfigMap) -> Result<Look, ConnectError> {
        let source = topics(&self.source, ClientRole::SourceAdmin).await?;
        let target = topics(&self.target, ClientRole::TargetAdmin).await?;
        let from_target = if self.mirrors_back {
            BTreeSet::new()
        } else {
            provenance::from_target(config, &self.selection, &source, &target).await?
        };
        let mut selected = self.selection.select(source).map_err(|error| ConnectError::config(error.to_string()))?;
        let mut findings = Findings::default();
        for topic in from_target.iter().filter(|topic| selected.remove(*topic).is_some()) {
            let sentence = format!(
                "is mirrored from {target} to {source} under the same name and would grow for ever: not mirrored back; set \
                 {MIRROR_BACK}=true if that flow has ended",
                target = self.selection.target_alias,
                source = self.selection.source_alias,
            );
            findings.of_topic(&sentence, topic);
        }
        let missing = Missing::find(&self.selection, &selected, &target);
        Ok(Look { topics: selected, missing, findings })
    }

    /// Creates what the target lacks, topics with the configs of their sources (KAFKA-12254). A topic that can't be created
    /// is named and does not hold up the others; it is tried again at the next refresh.
    pub(crate) async fn create(&self, missing: &Missing, findings: &mut Findings) -> Result<(), ConnectError> {
        let refused = |error: ClientError| clients::refused(ClientRole::TargetAdmin, &error);
        if !missing.topics.is_empty() {
            let topics = self.new_topics(missing, findings).await?;
            for (topic, result) in self.target.create_topics(&topics, false).await.map_err(refused)? {
                match result {
                    Ok(_) => info!(topic, "target topic created"),
                    Err(error) if error.code == ErrorCode::TOPIC_ALREADY_EXISTS => {}
                    Err(error) if error.code == ErrorCode::TOPIC_AUTHORIZATION_FAILED => {
                        findings.of_topic("can't be created on the target: the principal needs Create on it", &topic);
                    }
                    Err(error) => findings.of_topic(&format!("can't be created on the target: {error}"), &topic),
                }
            }
        }
        if !missing.partitions.is_empty() {
            let totals: BTreeMap<String, i32> = missing.partitions.iter().cloned().collect();
            for (topic, result) in self.target.create_partitions(&totals, false).await.map_err(refused)? {
                match result {
                    Ok(()) => info!(topic, partitions = totals.get(&topic), "target partitions added"),
                    Err(error) if error.code == ErrorCode::INVALID_PARTITIONS => {}
                    Err(error) if error.code == ErrorCode::TOPIC_AUTHORIZATION_FAILED => {
                        findings.of_topic("can't get more partitions: the principal needs Alter on it", &topic);
                    }
                    Err(error) => findings.of_topic(&format!("can't get more partitions: {error}"), &topic),
                }
            }
        }
        Ok(())
    }

    async fn new_topics(&self, missing: &Missing, findings: &mut Findings) -> Result<Vec<NewTopic>, ConnectError> {
        let names: Vec<String> = missing.topics.iter().map(|(topic, _, _)| topic.clone()).collect();
        let described =
            described(&self.source, &names).await.map_err(|error| clients::refused(ClientRole::SourceAdmin, &error))?;
        let mut topics = Vec::with_capacity(missing.topics.len());
        for (topic, remote, partitions) in &missing.topics {
            let configs = match described.get(topic) {
                Some(Ok(configs)) => configs_at_creation(configs, &self.property_filter)
                    .map_err(|error| ConnectError::config(format!("config.properties.exclude: {error}")))?,
                Some(Err(error)) => {
                    findings.of_topic(&format!("was created with default configs: {error}"), remote);
                    BTreeMap::new()
                }
                None => BTreeMap::new(),
            };
            topics.push(NewTopic {
                name: remote.clone(),
                partitions: Some(*partitions),
                replication_factor: self.replication_factor,
                configs,
            });
        }
        Ok(topics)
    }
}

async fn topics(admin: &Admin, role: ClientRole) -> Result<Topics, ConnectError> {
    let listed = admin.list_topics().await.map_err(|error| clients::refused(role, &error))?;
    let count = |partitions: usize| i32::try_from(partitions).unwrap_or(i32::MAX);
    Ok(listed.into_iter().map(|(name, topic)| (name, count(topic.partitions))).collect())
}
