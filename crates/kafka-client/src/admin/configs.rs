//! Configurations of topics and brokers.

use std::collections::BTreeMap;

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::DescribeConfigsResourceResult;
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::{DescribeConfigsRequest, IncrementalAlterConfigsRequest};

use super::batch::{Batch, Results};
use super::kinds::ConfigSource;
use super::{Admin, BrokerError, text};
use crate::BoxFuture;
use crate::cluster::Purpose;
use crate::connection::Connection;
use crate::error::ClientError;

/// Something that has a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConfigResource {
    /// A topic, by name.
    Topic(String),
    /// A broker, by `node.id`; `None` for the cluster-wide defaults.
    Broker(Option<i32>),
    /// A group, by id (Kafka 3.8).
    Group(String),
}

/// One entry of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Its value; `None` if it has none or may not be shown.
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// Nobody has set it anywhere.
    pub is_default: bool,
    /// It cannot be altered.
    pub read_only: bool,
    /// It is a secret.
    pub sensitive: bool,
}

/// What to do to one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterConfig {
    /// The entry.
    pub name: String,
    /// What to do.
    pub op: AlterOp,
}

/// A change (KIP-339).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlterOp {
    /// Set the value.
    Set(String),
    /// Go back to the default.
    Delete,
    /// Add to a list.
    Append(String),
    /// Remove from a list.
    Subtract(String),
}

impl ConfigResource {
    fn code(&self) -> i8 {
        match self {
            ConfigResource::Topic(_) => 2,
            ConfigResource::Broker(_) => 4,
            ConfigResource::Group(_) => 32,
        }
    }

    fn name(&self) -> String {
        match self {
            ConfigResource::Topic(name) | ConfigResource::Group(name) => name.clone(),
            ConfigResource::Broker(node_id) => node_id.map(|id| id.to_string()).unwrap_or_default(),
        }
    }

    fn from_wire(code: i8, name: &str) -> Option<ConfigResource> {
        match code {
            2 => Some(ConfigResource::Topic(name.to_owned())),
            4 if name.is_empty() => Some(ConfigResource::Broker(None)),
            4 => name.parse().ok().map(|id| ConfigResource::Broker(Some(id))),
            32 => Some(ConfigResource::Group(name.to_owned())),
            _ => None,
        }
    }

    /// Brokers know their own configuration only.
    fn node_id(&self) -> Option<i32> {
        match self {
            ConfigResource::Broker(node_id) => *node_id,
            _ => None,
        }
    }
}

/// A whole configuration, entries by name.
type ConfigEntries = BTreeMap<String, ConfigEntry>;

impl Admin {
    /// The whole configurations of `resources`, entries by name.
    pub fn describe_configs<'a>(
        &'a self,
        resources: &'a [ConfigResource],
    ) -> BoxFuture<'a, Result<Results<ConfigResource, ConfigEntries>, ClientError>> {
        Box::pin(async move {
            let items = resources.iter().map(|resource| (resource.clone(), ()));
            let mut batch = Batch::new(self, "DescribeConfigs", items);
            while let Some(pending) = batch.pending() {
                let attempt = async {
                    let mut underway = Vec::new();
                    for (connection, resources) in self.by_broker(pending.keys()).await? {
                        let resource = |resource: &&ConfigResource| {
                            DescribeConfigsResource::default()
                                .with_resource_type(resource.code())
                                .with_resource_name(text(&resource.name()))
                                .with_configuration_keys(None)
                        };
                        let request =
                            DescribeConfigsRequest::default().with_resources(resources.iter().map(resource).collect());
                        underway.push(connection.start(|_| Ok(request), connection.request_timeout()).await?);
                    }
                    let mut results = Vec::new();
                    for answer in underway {
                        for result in answer.await?.results {
                            let Some(resource) = ConfigResource::from_wire(result.resource_type, &result.resource_name)
                            else {
                                continue;
                            };
                            let checked = BrokerError::check(result.error_code, result.error_message.as_ref());
                            results.push((resource, checked.map(|()| result.configs.iter().map(entry).collect())));
                        }
                    }
                    Ok(results)
                };
                let results = batch.bounded(attempt).await;
                batch.absorb(results).await?;
            }
            Ok(batch.results())
        })
    }

    /// Changes single entries and leaves the others alone.
    ///
    /// # Errors
    /// [`ClientError::UnsupportedVersion`] from brokers before Kafka 2.3.
    pub fn incremental_alter_configs<'a>(
        &'a self,
        changes: &'a BTreeMap<ConfigResource, Vec<AlterConfig>>,
        validate_only: bool,
    ) -> BoxFuture<'a, Result<Results<ConfigResource, ()>, ClientError>> {
        Box::pin(async move {
            let items = changes.iter().map(|(resource, changes)| (resource.clone(), changes));
            let mut batch = Batch::new(self, "IncrementalAlterConfigs", items);
            while let Some(pending) = batch.pending() {
                let attempt = async {
                    let mut underway = Vec::new();
                    for (connection, resources) in self.by_broker(pending.keys()).await? {
                        let resources = resources.iter().filter_map(|resource| {
                            let changes = pending.get(*resource)?;
                            Some(
                                AlterConfigsResource::default()
                                    .with_resource_type(resource.code())
                                    .with_resource_name(text(&resource.name()))
                                    .with_configs(changes.iter().map(alterable).collect()),
                            )
                        });
                        let request = IncrementalAlterConfigsRequest::default()
                            .with_resources(resources.collect())
                            .with_validate_only(validate_only);
                        underway.push(connection.start(|_| Ok(request), connection.request_timeout()).await?);
                    }
                    let mut results = Vec::new();
                    for answer in underway {
                        for result in answer.await?.responses {
                            let checked = BrokerError::check(result.error_code, result.error_message.as_ref());
                            let resource = ConfigResource::from_wire(result.resource_type, &result.resource_name);
                            results.extend(resource.map(|resource| (resource, checked)));
                        }
                    }
                    Ok(results)
                };
                let results = batch.bounded(attempt).await;
                batch.absorb(results).await?;
            }
            Ok(batch.results())
        })
    }

    /// Who has to be asked about what.
    async fn by_broker<'a>(
        &self,
        resources: impl Iterator<Item = &'a ConfigResource>,
    ) -> Result<Vec<(Connection, Vec<&'a ConfigResource>)>, ClientError> {
        let mut by_node: BTreeMap<Option<i32>, Vec<&ConfigResource>> = BTreeMap::new();
        for resource in resources {
            by_node.entry(resource.node_id()).or_default().push(resource);
        }
        let mut routed = Vec::new();
        for (node_id, resources) in by_node {
            let connection = match node_id {
                Some(node_id) => self.cluster.broker(node_id, Purpose::Control).await?,
                None => self.cluster.controller().await?,
            };
            routed.push((connection, resources));
        }
        Ok(routed)
    }
}

fn entry(config: &DescribeConfigsResourceResult) -> (String, ConfigEntry) {
    let source = ConfigSource::from_code(config.config_source);
    let entry = ConfigEntry {
        value: config.value.as_ref().map(ToString::to_string),
        source,
        is_default: source == ConfigSource::Default,
        read_only: config.read_only,
        sensitive: config.is_sensitive,
    };
    (config.name.to_string(), entry)
}

fn alterable(change: &AlterConfig) -> AlterableConfig {
    let (code, value) = match &change.op {
        AlterOp::Set(value) => (0, Some(value)),
        AlterOp::Delete => (1, None),
        AlterOp::Append(value) => (2, Some(value)),
        AlterOp::Subtract(value) => (3, Some(value)),
    };
    AlterableConfig::default()
        .with_name(text(&change.name))
        .with_config_operation(code)
        .with_value(value.map(|value| text(value)))
}
