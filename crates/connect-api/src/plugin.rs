//! How the worker finds plugins: one explicit list, no scanning.

use std::sync::Arc;

use crate::config::{ConfigDef, ConfigMap, ConfigProblem};
use crate::error::ConnectError;
use crate::record::{SourceOffset, SourcePartition};
use crate::source::{
    BoxFuture, ConnectorContext, DynSourceConnector, DynSourceTask, ExactlyOnceSupport, SourcePlugin, SourceTaskContext,
};

/// What a plugin is, in the words and order of `GET /connector-plugins`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PluginKind {
    /// Reads from elsewhere into Kafka.
    Source,
    /// Changes records one at a time.
    Transformation,
    /// Decides whether a transformation applies.
    Predicate,
    /// Turns Connect data into bytes.
    Converter,
    /// Turns header values into bytes.
    HeaderConverter,
}

impl PluginKind {
    /// The REST API's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            PluginKind::Source => "source",
            PluginKind::Transformation => "transformation",
            PluginKind::Predicate => "predicate",
            PluginKind::Converter => "converter",
            PluginKind::HeaderConverter => "header_converter",
        }
    }
}

/// [`SourcePlugin`] as the worker holds it.
pub trait DynSourcePlugin: Send + Sync {
    /// See [`SourcePlugin::class`].
    fn class(&self) -> &'static str;
    /// See [`SourcePlugin::version`].
    fn version(&self) -> &'static str;
    /// See [`SourcePlugin::config_def`].
    fn config_def(&self) -> ConfigDef;
    /// See [`SourcePlugin::validate`].
    fn validate(&self, config: &ConfigMap) -> Vec<ConfigProblem>;
    /// See [`SourcePlugin::exactly_once_support`].
    fn exactly_once_support(&self, config: &ConfigMap) -> Option<ExactlyOnceSupport>;
    /// See [`SourcePlugin::alter_offsets`].
    fn alter_offsets(
        &self,
        config: &ConfigMap,
        offsets: &[(SourcePartition, Option<SourceOffset>)],
    ) -> Result<bool, ConnectError>;
    /// See [`SourcePlugin::start`].
    fn start(
        &self,
        config: ConfigMap,
        context: Arc<dyn ConnectorContext>,
    ) -> BoxFuture<'_, Result<Box<dyn DynSourceConnector>, ConnectError>>;
    /// See [`SourcePlugin::split_task`].
    fn split_task(&self, config: &ConfigMap, parts: usize) -> Vec<ConfigMap>;
    /// See [`SourcePlugin::start_task`].
    fn start_task(
        &self,
        config: ConfigMap,
        context: Arc<dyn SourceTaskContext>,
    ) -> BoxFuture<'_, Result<Box<dyn DynSourceTask>, ConnectError>>;
}

impl<P: SourcePlugin> DynSourcePlugin for P {
    fn class(&self) -> &'static str {
        SourcePlugin::class(self)
    }

    fn version(&self) -> &'static str {
        SourcePlugin::version(self)
    }

    fn config_def(&self) -> ConfigDef {
        SourcePlugin::config_def(self)
    }

    fn validate(&self, config: &ConfigMap) -> Vec<ConfigProblem> {
        SourcePlugin::validate(self, config)
    }

    fn exactly_once_support(&self, config: &ConfigMap) -> Option<ExactlyOnceSupport> {
        SourcePlugin::exactly_once_support(self, config)
    }

    fn alter_offsets(
        &self,
        config: &ConfigMap,
        offsets: &[(SourcePartition, Option<SourceOffset>)],
    ) -> Result<bool, ConnectError> {
        SourcePlugin::alter_offsets(self, config, offsets)
    }

    fn start(
        &self,
        config: ConfigMap,
        context: Arc<dyn ConnectorContext>,
    ) -> BoxFuture<'_, Result<Box<dyn DynSourceConnector>, ConnectError>> {
        Box::pin(async move {
            let connector = SourcePlugin::start(self, config, context).await?;
            Ok(Box::new(connector) as Box<dyn DynSourceConnector>)
        })
    }

    fn split_task(&self, config: &ConfigMap, parts: usize) -> Vec<ConfigMap> {
        SourcePlugin::split_task(self, config, parts)
    }

    fn start_task(
        &self,
        config: ConfigMap,
        context: Arc<dyn SourceTaskContext>,
    ) -> BoxFuture<'_, Result<Box<dyn DynSourceTask>, ConnectError>> {
        Box::pin(async move {
            let task = SourcePlugin::start_task(self, config, context).await?;
            Ok(Box::new(task) as Box<dyn DynSourceTask>)
        })
    }
}

/// Every plugin of this worker, in the order in which they were registered.
#[derive(Default, Clone)]
pub struct PluginRegistry {
    sources: Vec<Arc<dyn DynSourcePlugin>>,
}

impl PluginRegistry {
    /// The same registry with one more source connector.
    #[must_use]
    pub fn with_source(mut self, plugin: Arc<dyn DynSourcePlugin>) -> Self {
        self.sources.push(plugin);
        self
    }

    /// All source connectors.
    #[must_use]
    pub fn sources(&self) -> &[Arc<dyn DynSourcePlugin>] {
        &self.sources
    }

    /// Finds a source connector as Java's plugin aliases do: by full class name, by simple name, or by simple name
    /// without the `Connector` suffix.
    #[must_use]
    pub fn source(&self, class: &str) -> Option<&Arc<dyn DynSourcePlugin>> {
        self.sources.iter().find(|plugin| {
            let full = plugin.class();
            let simple = full.rsplit('.').next().unwrap_or(full);
            class == full || class == simple || Some(class) == simple.strip_suffix("Connector")
        })
    }
}
