//! The worker as the REST API sees it: reads from the published view, commands through a bounded queue.

use std::sync::{Arc, OnceLock};

use connect_api::config::ConfigKey;
use connect_api::{BoxFuture, ConfigMap, ConnectError, PluginKind, PluginRegistry};
use connect_herder::ids::ConnectorName;
use connect_herder::service::{ConfigReport, HerderService, LoggerLevel, PluginInfo, SignatureError, StoredOffsets};
use connect_herder::view::ClusterView;
use connect_herder::{Command, HerderError, Outcome};
use tokio::sync::{mpsc, oneshot, watch};

use crate::driver::Submitted;
use crate::loggers::{Level, Loggers};
use crate::metrics::Look;
use crate::metrics::profile::Profile;
use crate::peer;
use crate::plugin_call::{call_blocking, deadline};
use crate::record_path::catalog::{self, Builtin, VERSION};
use crate::signature;
use crate::source_task::TaskEnvironment;
use crate::storage::OffsetStore;
use crate::storage::connector_offsets::ConnectorOffsets;
use crate::validation;
use crate::worker_config::WorkerConfig;

/// How many commands may wait for the herder. It takes one in microseconds: more than a few waiting means that it hangs.
pub(crate) const COMMANDS_MAX: usize = 1024;

/// A handle of a running worker. Cheap to clone; it works from the first moment of the worker to its last, and after.
#[derive(Clone)]
pub struct Service(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) worker: Arc<WorkerConfig>,
    pub(crate) plugins: PluginRegistry,
    pub(crate) loggers: Arc<Loggers>,
    pub(crate) commands: mpsc::Sender<Submitted>,
    pub(crate) view: watch::Receiver<Arc<ClusterView>>,
    pub(crate) offsets: OffsetStore,
    pub(crate) environment: Arc<TaskEnvironment>,
    /// Known once a broker has been reached.
    pub(crate) cluster_id: Arc<OnceLock<String>>,
}

impl Service {
    pub(crate) fn new(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }

    /// Views as they come.
    #[must_use]
    pub fn views(&self) -> watch::Receiver<Arc<ClusterView>> {
        self.0.view.clone()
    }

    async fn send(&self, command: Command) -> Outcome {
        let (answer, answered) = oneshot::channel();
        self.0.commands.try_send((command, answer)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                HerderError::Unavailable(format!("the worker has {COMMANDS_MAX} requests to answer; try again later"))
            }
            mpsc::error::TrySendError::Closed(_) => shutting_down(),
        })?;
        answered.await.unwrap_or_else(|_| Err(shutting_down()))
    }
}

fn shutting_down() -> HerderError {
    HerderError::Internal("Worker is shutting down".to_owned())
}

impl HerderService for Service {
    fn view(&self) -> Arc<ClusterView> {
        self.0.view.borrow().clone()
    }

    fn submit(&self, command: Command) -> BoxFuture<'_, Outcome> {
        Box::pin(self.send(command))
    }

    fn kafka_cluster_id(&self) -> Option<String> {
        self.0.cluster_id.get().cloned()
    }

    fn plugins(&self) -> Vec<PluginInfo> {
        let sources = self.0.plugins.sources().iter().map(|plugin| PluginInfo {
            class: plugin.class().to_owned(),
            kind: PluginKind::Source,
            version: plugin.version().to_owned(),
        });
        let builtin = catalog::all().into_iter();
        let builtin =
            builtin.map(|Builtin { class, kind, .. }| PluginInfo { class, kind, version: VERSION.to_owned() });
        sources.chain(builtin).collect()
    }

    fn plugin_config(&self, class: &str) -> Result<Vec<ConfigKey>, HerderError> {
        let own = self.0.plugins.source(class).map(|plugin| validation::shown_keys(plugin.config_def()));
        let keys = own.or_else(|| catalog::config_def(class).map(|def| def.keys().to_vec()));
        keys.ok_or_else(|| HerderError::NotFound(format!("Unknown plugin {class}.")))
    }

    fn validate(&self, class: &str, config: ConfigMap) -> BoxFuture<'_, Result<ConfigReport, HerderError>> {
        let (shared, class) = (Arc::clone(&self.0), class.to_owned());
        Box::pin(async move {
            let check = move || validation::validate(&shared.plugins, &shared.worker, &class, &config);
            let report = call_blocking("validation of the connector config", deadline::CHECK, check).await;
            report.unwrap_or_else(|error| Err(HerderError::Internal(error.message().to_owned())))
        })
    }

    fn offsets(&self, name: &ConnectorName) -> BoxFuture<'_, Result<StoredOffsets, HerderError>> {
        let (shared, name) = (Arc::clone(&self.0), name.clone());
        let config = self.view().config.connector_config(&name).map(|config| config.as_ref().clone());
        Box::pin(async move {
            let stored = async {
                match config.filter(|config| ConnectorOffsets::may_be_elsewhere(&shared.worker, config)) {
                    None => shared.offsets.all(name.as_str()).await,
                    Some(config) => {
                        let resolver = shared.worker.resolver();
                        let resolve = move || resolver.resolve(&config);
                        let what = format!("config of connector {name}");
                        let config = call_blocking(&what, deadline::CHECK, resolve).await??;
                        let store = &shared.offsets;
                        ConnectorOffsets::open(name.as_str(), &shared.worker, store, &config).await?.all().await
                    }
                }
            };
            stored.await.map_err(|error: ConnectError| HerderError::Unavailable(error.message().to_owned()))
        })
    }

    fn metrics(&self, profiles: Option<&str>) -> Result<String, HerderError> {
        let shared = &self.0;
        let profiles = match profiles {
            Some(asked) => Profile::parse_list(asked).map_err(HerderError::BadRequest)?,
            None => shared.worker.metrics_profiles(),
        };
        let look = Look {
            environment: &shared.environment,
            plugins: &shared.plugins,
            view: &self.view(),
            now_ms: chrono::Utc::now().timestamp_millis(),
        };
        Ok(look.render(&profiles, shared.worker.metrics_series_max()))
    }

    fn connector_kind(&self, class: &str) -> &'static str {
        if self.0.plugins.source(class).is_some() { PluginKind::Source.as_str() } else { "unknown" }
    }

    fn topic_tracking(&self) -> bool {
        self.0.worker.topic_tracking()
    }

    fn is_logger_level(&self, level: &str) -> bool {
        Level::parse(level).is_some()
    }

    fn loggers(&self) -> Vec<LoggerLevel> {
        self.0.loggers.all()
    }

    fn set_logger_level(&self, logger: &str, level: &str) -> Option<Vec<String>> {
        self.0.loggers.set(logger, level, chrono::Utc::now().timestamp_millis())
    }

    fn verify_signature(
        &self,
        body: &[u8],
        signature: Option<&str>,
        algorithm: Option<&str>,
    ) -> Result<(), SignatureError> {
        let view = self.0.view.borrow().clone();
        if !peer::is_signing(&self.0.worker, &view) {
            return Ok(());
        }
        let key = view.config.session_key().map(AsRef::as_ref);
        signature::verify(key, self.0.worker.verification_algorithms(), body, signature, algorithm)
    }
}

#[cfg(test)]
mod tests {
    use connect_herder::herder::Herder;

    use super::*;
    use crate::herder_settings;
    use crate::test_plugin::{CLASS, TestPlugin, Witness};
    use crate::test_world::worker_config;

    /// A service whose herder never comes to its queue.
    fn service(extra: &[(&str, &str)]) -> (Service, mpsc::Receiver<Submitted>) {
        let worker = Arc::new(worker_config(extra));
        let plugins = PluginRegistry::default().with_source(Arc::new(TestPlugin(Witness::default())));
        let (commands, queue) = mpsc::channel(1);
        let herder = Herder::new(herder_settings::settings(&worker, &plugins));
        let offsets = OffsetStore::new().0;
        let budget = kafka_client::Budget::default();
        let environment = Arc::new(TaskEnvironment::new(Arc::clone(&worker), offsets.clone(), budget));
        let service = Service::new(Shared {
            worker,
            plugins,
            loggers: Arc::new(Loggers::new(Level::Info, |_| {})),
            commands,
            view: watch::channel(Arc::new(herder.view())).1,
            offsets,
            environment,
            cluster_id: Arc::default(),
        });
        (service, queue)
    }

    #[tokio::test]
    async fn when_the_queue_is_full_a_command_is_refused_at_once() {
        let (service, _queue) = service(&[]);
        let waiting = service.clone();
        let waiting = tokio::spawn(async move { waiting.submit(Command::Ping).await });
        while service.0.commands.capacity() > 0 {
            tokio::task::yield_now().await;
        }

        let refused = service.submit(Command::Ping).await;

        assert!(matches!(refused, Err(HerderError::Unavailable(_))), "{refused:?}");
        assert!(!waiting.is_finished());
    }

    #[tokio::test]
    async fn metrics_are_shown_in_the_names_that_are_asked_for() {
        let (service, _queue) = service(&[("portage.metrics.profile", "native")]);

        let native = service.metrics(None).unwrap();
        let reporter = service.metrics(Some("strimzi-reporter")).unwrap();

        assert!(native.contains("portage_memory_limit_bytes 67108864\n"), "{native}");
        assert!(!native.contains("kafka_connect_"), "{native}");
        assert!(reporter.contains("kafka_connect_connect_worker_metrics_connector_count 0\n"), "{reporter}");
        assert!(matches!(service.metrics(Some("jmx")), Err(HerderError::BadRequest(_))));
    }

    #[tokio::test]
    async fn a_plug_in_shows_the_common_keys_and_its_own_by_any_of_its_names() {
        let (service, _queue) = service(&[]);

        for class in [CLASS, "TestSource"] {
            let keys = service.plugin_config(class).unwrap();
            let has = |name| keys.iter().any(|key| key.name == name);
            assert!(has("tasks.max") && has("configs"), "{class}");
        }
        let unknown = Err(HerderError::NotFound("Unknown plugin Nope.".to_owned()));
        assert_eq!(service.plugin_config("Nope").map(drop), unknown);
    }

    #[tokio::test]
    async fn signatures_count_only_where_the_group_signs() {
        let (sessioned, _queue) = service(&[]);
        let (compatible, _queue) = service(&[("connect.protocol", "compatible")]);

        let missing = SignatureError::Malformed("Internal request missing required signature".to_owned());
        assert_eq!(sessioned.verify_signature(b"[]", None, None), Err(missing));
        assert_eq!(sessioned.verify_signature(b"[]", Some("AAAA"), Some("HmacSHA256")), Err(SignatureError::NotReady));
        assert_eq!(compatible.verify_signature(b"[]", None, None), Ok(()));
    }
}
