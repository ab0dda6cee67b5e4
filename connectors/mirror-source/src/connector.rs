//! The connector: finds topics, creates them on the target, splits their partitions into tasks (Java:
//! `MirrorSourceConnector`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use connect_api::ConnectError;
use connect_api::config::{ConfigMap, TypedConfig};
use connect_api::source::{ConnectorContext, SourceConnector};
use kafka_client::admin::{Admin, ConfigEntry, ConfigResource, ConfigSource, NewTopic};
use kafka_client::{ClientError, ErrorCode};
use mirror::ReplicationPolicy;
use mirror::assignment::{encode_partitions, round_robin};
use mirror::config::ClientRole;
use mirror::config_def::source_config_def;
use mirror::filter::{ConfigPropertyFilter, TopicFilter};
use tracing::{info, warn};

use crate::clients;
use crate::internal_topics;
use crate::plan::{Missing, Selection, Topics, partitions};
use crate::syncs::SyncsTopic;

/// A running connector instance.
pub struct MirrorSourceConnector {
    config: ConfigMap,
    enabled: bool,
    selection: Selection,
    property_filter: ConfigPropertyFilter,
    replication_factor: Option<i16>,
    refresh: Option<Duration>,
    source: Admin,
    target: Admin,
    /// The mirrored topics of the source, as the tasks know them.
    known: Mutex<Topics>,
    context: Arc<dyn ConnectorContext>,
}

impl MirrorSourceConnector {
    pub(crate) async fn start(config: ConfigMap, context: Arc<dyn ConnectorContext>) -> Result<Self, ConnectError> {
        let typed = source_config_def().parse(&config).map_err(|problems| {
            let sentences: Vec<_> = problems.into_iter().map(|problem| problem.message).collect();
            ConnectError::config(sentences.join("; "))
        })?;
        let wrong = |error: &dyn std::fmt::Display| ConnectError::config(error.to_string());
        let selection = Selection {
            filter: TopicFilter::from_config(&config).map_err(|error| wrong(&error))?,
            policy: ReplicationPolicy::from_config(&config).map_err(|error| wrong(&error))?,
            source_alias: typed.string("source.cluster.alias").to_owned(),
            target_alias: typed.string("target.cluster.alias").to_owned(),
            heartbeats: typed.boolean("heartbeats.replication.enabled"),
        };
        let connector = Self {
            enabled: typed.boolean("enabled"),
            property_filter: ConfigPropertyFilter::from_config(&config).map_err(|error| wrong(&error))?,
            replication_factor: i16::try_from(typed.int("replication.factor")).ok().filter(|factor| *factor > 0),
            refresh: refresh_interval(&typed),
            source: clients::connect(&config, ClientRole::SourceAdmin).await?.admin(),
            target: clients::connect(&config, ClientRole::TargetAdmin).await?.admin(),
            known: Mutex::default(),
            selection,
            config,
            context,
        };
        if connector.enabled {
            connector.create_internal_topics(typed.int("offset-syncs.topic.replication.factor")).await?;
            let (topics, missing) = connector.look().await?;
            info!(topics = topics.len(), to_create = missing.topics.len(), "topics to mirror found");
            connector.create(&missing).await?;
            *connector.known() = topics;
        }
        Ok(connector)
    }

    /// The topics for what consumer groups need: offset syncs and offset runs.
    async fn create_internal_topics(&self, replication_factor: i64) -> Result<(), ConnectError> {
        if let Some(syncs) = SyncsTopic::of(&self.config, &self.selection.policy) {
            let admin = clients::connect(&self.config, syncs.admin).await?.admin();
            internal_topics::create(&admin, &syncs.name, replication_factor).await;
        }
        let runs = ReplicationPolicy::offset_runs_topic(&self.selection.source_alias);
        internal_topics::create(&self.target, &runs, replication_factor).await;
        Ok(())
    }

    /// What is to be mirrored, and what the target lacks for it.
    async fn look(&self) -> Result<(Topics, Missing), ConnectError> {
        let source = self.topics(&self.source, ClientRole::SourceAdmin).await?;
        let target = self.topics(&self.target, ClientRole::TargetAdmin).await?;
        let selected =
            self.selection.select(source).map_err(|error| ConnectError::config(format!("topics: {error}")))?;
        let missing = Missing::find(&self.selection, &selected, &target);
        Ok((selected, missing))
    }

    async fn topics(&self, admin: &Admin, role: ClientRole) -> Result<Topics, ConnectError> {
        let listed = admin.list_topics().await.map_err(|error| clients::refused(role, &error))?;
        let count = |partitions: usize| i32::try_from(partitions).unwrap_or(i32::MAX);
        Ok(listed.into_iter().map(|(name, topic)| (name, count(topic.partitions))).collect())
    }

    /// Creates what the target lacks. A topic that can't be created is named and does not hold up the others.
    async fn create(&self, missing: &Missing) -> Result<(), ConnectError> {
        let refused = |error: ClientError| clients::refused(ClientRole::TargetAdmin, &error);
        if !missing.topics.is_empty() {
            let configs = self.configs_of(missing.topics.iter().map(|(topic, _, _)| topic.clone()).collect()).await?;
            let topics: Vec<NewTopic> = missing
                .topics
                .iter()
                .map(|(topic, remote, partitions)| NewTopic {
                    name: remote.clone(),
                    partitions: Some(*partitions),
                    replication_factor: self.replication_factor,
                    configs: configs.get(topic).cloned().unwrap_or_default(),
                })
                .collect();
            for (topic, result) in self.target.create_topics(&topics, false).await.map_err(refused)? {
                match result {
                    Ok(_) => info!(topic, "target topic created"),
                    Err(error) if error.code == ErrorCode::TOPIC_ALREADY_EXISTS => {}
                    Err(error) => {
                        warn!(topic, %error, "target topic can't be created; trying again at the next refresh")
                    }
                }
            }
        }
        if !missing.partitions.is_empty() {
            let totals: BTreeMap<String, i32> = missing.partitions.iter().cloned().collect();
            for (topic, result) in self.target.create_partitions(&totals, false).await.map_err(refused)? {
                match result {
                    Ok(()) => info!(topic, partitions = totals.get(&topic), "target partitions added"),
                    Err(error) if error.code == ErrorCode::INVALID_PARTITIONS => {}
                    Err(error) => {
                        warn!(topic, %error, "target partitions can't be added; trying again at the next refresh")
                    }
                }
            }
        }
        Ok(())
    }

    /// The topic configs with which mirrored topics are created: what is set at the source and not excluded (KAFKA-12254).
    async fn configs_of(
        &self,
        topics: Vec<String>,
    ) -> Result<BTreeMap<String, BTreeMap<String, String>>, ConnectError> {
        let resources: Vec<ConfigResource> = topics.into_iter().map(ConfigResource::Topic).collect();
        let described = self
            .source
            .describe_configs(&resources)
            .await
            .map_err(|error| clients::refused(ClientRole::SourceAdmin, &error))?;
        let mut configs = BTreeMap::new();
        for (resource, result) in described {
            let ConfigResource::Topic(topic) = resource else { continue };
            match result {
                Err(error) => warn!(topic, %error, "topic configs can't be read: the principal needs DescribeConfigs"),
                Ok(entries) => {
                    configs.insert(topic, self.copied(entries)?);
                }
            }
        }
        Ok(configs)
    }

    fn copied(&self, entries: BTreeMap<String, ConfigEntry>) -> Result<BTreeMap<String, String>, ConnectError> {
        let mut copied = BTreeMap::new();
        for (name, entry) in entries {
            let own = !entry.is_default && entry.source != ConfigSource::StaticBroker;
            let Some(value) = entry.value.filter(|_| own && !entry.read_only && !entry.sensitive) else { continue };
            let wanted = self.property_filter.should_replicate_config_property(&name);
            if wanted.map_err(|error| ConnectError::config(format!("config.properties.exclude: {error}")))? {
                copied.insert(name, value);
            }
        }
        Ok(copied)
    }

    /// Looks again; a change of what is to be mirrored makes new task configs.
    async fn refresh(&self) -> Result<(), ConnectError> {
        let (topics, missing) = self.look().await?;
        if !missing.is_empty() {
            self.create(&missing).await?;
        }
        let changed = *self.known() != topics;
        if changed {
            info!(topics = topics.len(), "topics to mirror have changed");
            *self.known() = topics;
            self.context.request_task_reconfiguration();
        }
        Ok(())
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Topics> {
        // A panic while holding the lock can't leave the map half changed.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SourceConnector for MirrorSourceConnector {
    async fn task_configs(&self, tasks_max: usize) -> Result<Vec<ConfigMap>, ConnectError> {
        if !self.enabled {
            return Ok(Vec::new());
        }
        let partitions = partitions(&self.known());
        Ok(round_robin(&partitions, tasks_max)
            .iter()
            .enumerate()
            .map(|(index, share)| {
                let mut config = self.config.clone();
                config.insert("task.assigned.partitions".to_owned(), encode_partitions(share));
                config.insert("task.index".to_owned(), index.to_string());
                config
            })
            .collect())
    }

    async fn run(&self) {
        let (Some(interval), true) = (self.refresh, self.enabled) else {
            return std::future::pending().await;
        };
        loop {
            tokio::time::sleep(interval).await;
            if let Err(error) = self.refresh().await {
                warn!(%error, "topics could not be refreshed; trying again after refresh.topics.interval.seconds");
            }
        }
    }

    async fn stop(&self) {}
}

/// `None`: never.
fn refresh_interval(typed: &TypedConfig) -> Option<Duration> {
    let seconds = u64::try_from(typed.int("refresh.topics.interval.seconds")).ok().filter(|seconds| *seconds > 0)?;
    typed.boolean("refresh.topics.enabled").then(|| Duration::from_secs(seconds))
}
