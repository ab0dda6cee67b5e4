//! Actions that are one call with one answer: validation, offsets, requests to other workers, keys.

use std::sync::Arc;
use std::time::Duration;

use connect_api::plugin::DynSourcePlugin;
use connect_api::record::{SourceOffset, SourcePartition};
use connect_api::{BoxFuture, ConfigMap, ConnectError, PluginRegistry};
use connect_herder::ids::{ConnectorName, OpId};
use connect_herder::settings::ExactlyOnce;
use connect_herder::view::ClusterView;
use connect_herder::{Event, HerderError};
use kafka_client::{ClientConfig, Cluster};
use tokio::time::timeout;
use tracing::warn;

use super::Tools;
use crate::peer::PeerRequest;
use crate::plugin_call::{call_blocking, deadline};
use crate::signature::{self, MacAlgorithm};
use crate::source_task::exactly_once;
use crate::storage::OffsetStore;
use crate::storage::connector_offsets::ConnectorOffsets;
use crate::validation;
use crate::worker_config::WorkerConfig;

/// How long another worker may take to answer (Java: `DEFAULT_REST_REQUEST_TIMEOUT_MS`).
const PEER_TIMEOUT: Duration = Duration::from_secs(90);
/// How long a round of fencing may take (Java: the same).
const FENCE_TIMEOUT: Duration = Duration::from_secs(90);

impl Tools {
    pub(super) fn report(&self, event: Event) {
        // The loop that would hear it may have ended.
        let _ = self.events.send(event);
    }

    /// Begins something whose outcome is an event.
    fn begin(&self, outcome: impl Future<Output = Event> + Send + 'static) {
        let events = self.events.clone();
        tokio::spawn(async move {
            let _ = events.send(outcome.await);
        });
    }
}

/// Checks a config as the leader does before it stores it.
pub(super) fn validate(tools: &Tools, op: OpId, config: ConfigMap) {
    let (plugins, worker) = (tools.plugins.clone(), Arc::clone(&tools.worker));
    tools.begin(async move {
        let check = move || check(&plugins, &worker, &config);
        let result = call_blocking("validation of the connector config", deadline::CHECK, check).await;
        Event::Validated { op, result: result.unwrap_or_else(|error| Err(internal(&error))) }
    });
}

fn check(plugins: &PluginRegistry, worker: &WorkerConfig, config: &ConfigMap) -> Result<(), HerderError> {
    let class = config.get("connector.class").ok_or_else(|| no_class(config))?;
    validation::refuse_if_wrong(&validation::validate(plugins, worker, class.trim(), config)?)
}

/// Java's sentence for a config without a class. It shows the whole config there; we name its keys, since it may hold
/// secrets.
pub(crate) fn no_class(config: &ConfigMap) -> HerderError {
    let keys: Vec<&str> = config.keys().map(String::as_str).collect();
    HerderError::BadRequest(format!(
        "Connector config contains no connector type: add \"connector.class\" to {{{}}}",
        keys.join(", ")
    ))
}

/// Changes stored offsets of a stopped connector, if its plug-in has nothing against it (KIP-875).
pub(super) fn alter_offsets(
    tools: &Tools,
    op: OpId,
    name: ConnectorName,
    config: ConfigMap,
    offsets: Option<Vec<(SourcePartition, Option<SourceOffset>)>>,
) {
    let plugin = tools.plugins.source(config.get("connector.class").map_or("", |class| class.trim())).cloned();
    let (plugins, resolver) = (tools.plugins.clone(), tools.worker.resolver());
    let (worker, store) = (Arc::clone(&tools.worker), tools.environment.offsets.clone());
    tools.begin(async move {
        let result = async {
            let class = config.get("connector.class").map_or("", String::as_str);
            let plugin = plugin.ok_or_else(|| validation::unknown_class(&plugins, class))?;
            let resolve = move || resolver.resolve(&config);
            let what = format!("config of connector {name}");
            let config = call_blocking(&what, deadline::CHECK, resolve).await.and_then(|resolved| resolved);
            change_offsets(&name, plugin, config.map_err(|error| internal(&error))?, &worker, &store, offsets).await
        };
        Event::OffsetsAltered { op, result: result.await }
    });
}

async fn change_offsets(
    name: &ConnectorName,
    plugin: Arc<dyn DynSourcePlugin>,
    config: ConfigMap,
    worker: &WorkerConfig,
    store: &OffsetStore,
    offsets: Option<Vec<(SourcePartition, Option<SourceOffset>)>>,
) -> Result<String, HerderError> {
    let reset = offsets.is_none();
    let own = ConnectorOffsets::open(name.as_str(), worker, store, &config).await.map_err(|error| internal(&error))?;
    let offsets = match offsets {
        Some(offsets) => OffsetStore::as_java_writes(offsets),
        None => {
            let stored = own.all().await.map_err(|error| internal(&error))?;
            stored.into_iter().map(|(partition, _)| (partition, None)).collect()
        }
    };
    let (what, checked) = (format!("check of the offsets of connector {name}"), offsets.clone());
    let checked_with = config.clone();
    let check = move || plugin.alter_offsets(&checked_with, &checked);
    let complete = call_blocking(&what, deadline::CHECK, check).await.and_then(|answer| answer);
    let complete = complete.map_err(|error| internal(&error))?;
    let written = match worker.exactly_once() {
        ExactlyOnce::Enabled => exactly_once::alter_offsets(name, worker, &config, &own, offsets).await,
        ExactlyOnce::Preparing | ExactlyOnce::Disabled => own.write(offsets).await,
    };
    written.map_err(|error| internal(&error))?;
    Ok(altered(reset, complete))
}

/// Java's sentences.
fn altered(reset: bool, complete: bool) -> String {
    match (reset, complete) {
        (false, true) => "The offsets for this connector have been altered successfully".to_owned(),
        (true, true) => "The offsets for this connector have been reset successfully".to_owned(),
        (reset, false) => {
            let done = if reset { "reset" } else { "altered" };
            format!(
                "The Connect framework-managed offsets for this connector have been {done} successfully. However, if \
                 this connector manages offsets externally, they will need to be manually {done} in the system that \
                 the connector uses."
            )
        }
    }
}

/// Sends task configs to the leader.
pub(super) fn forward_task_configs(
    tools: &Tools,
    view: &ClusterView,
    name: ConnectorName,
    leader_url: String,
    configs: &[ConfigMap],
) {
    let request = PeerRequest::task_configs(&tools.worker, view, leader_url, name.clone(), configs);
    let peers = Arc::clone(&tools.peers);
    tools.begin(async move {
        let result = match request {
            Ok(request) => in_time(request.url.clone(), peers.put_task_configs(request)).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &result {
            warn!(connector = %name, %error, "new task configs did not reach the leader; trying again");
        }
        Event::TaskConfigsForwarded { name, result }
    });
}

/// Asks the leader to fence the producers of former tasks.
pub(super) fn forward_fence(tools: &Tools, view: &ClusterView, op: OpId, name: ConnectorName, leader_url: String) {
    let request = PeerRequest::fence(&tools.worker, view, leader_url, name);
    let peers = Arc::clone(&tools.peers);
    tools.begin(async move {
        let result = match request {
            Ok(request) => in_time(request.url.clone(), peers.fence(request)).await,
            Err(error) => Err(error),
        };
        Event::FenceForwarded { op, result }
    });
}

async fn in_time(url: String, answer: BoxFuture<'_, Result<(), HerderError>>) -> Result<(), HerderError> {
    timeout(PEER_TIMEOUT, answer).await.unwrap_or_else(|_| {
        let seconds = PEER_TIMEOUT.as_secs();
        Err(HerderError::Unavailable(format!("the leader at {url} did not answer within {seconds} s")))
    })
}

/// Fences the producers of tasks 0 up to `tasks` of a connector: none of them can write any more, and what they have left open
/// is aborted (KIP-618).
pub(super) fn fence_zombies(tools: &Tools, op: OpId, name: ConnectorName, config: ConfigMap, tasks: u32) {
    let worker = Arc::clone(&tools.worker);
    tools.begin(async move {
        let fenced = timeout(FENCE_TIMEOUT, fence(&worker, &name, config, tasks)).await;
        let seconds = FENCE_TIMEOUT.as_secs();
        let result =
            fenced.unwrap_or_else(|_| Err(format!("the transaction coordinators took longer than {seconds} s")));
        let result = result.map_err(|reason| {
            HerderError::Internal(format!(
                "the producers of the former tasks of connector {name} could not be fenced: {reason}"
            ))
        });
        Event::ZombiesFenced { op, result }
    });
}

async fn fence(worker: &WorkerConfig, name: &ConnectorName, config: ConfigMap, tasks: u32) -> Result<(), String> {
    let resolver = worker.resolver();
    let what = format!("config of connector {name}");
    let config = call_blocking(&what, deadline::CHECK, move || resolver.resolve(&config))
        .await
        .and_then(|resolved| resolved)
        .map_err(|error| error.to_string())?;
    let properties = worker.admin_properties(&config, "");
    let client = ClientConfig::parse(&properties).map_err(|error| error.to_string())?;
    let client = client.with_client_id(format!("connector-worker-adminclient-{name}"));
    let cluster = Cluster::connect(client).await.map_err(|error| error.to_string())?;
    let ids: Vec<String> = (0..tasks).map(|task| worker.task_transactional_id(name.as_str(), task)).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let admin = cluster.admin().with_timeout(FENCE_TIMEOUT);
    let fenced = admin.fence_producers(&ids).await.map_err(|error| error.to_string())?;
    match fenced.into_iter().find_map(|(id, result)| Some((id, result.err()?))) {
        None => Ok(()),
        Some((id, error)) => Err(format!("transactional id {id}: {error}")),
    }
}

/// Makes a session key of the configured algorithm and size.
pub(super) fn make_session_key(tools: &Tools) -> Result<(), String> {
    let name = tools.worker.key_generation_algorithm();
    let algorithm = MacAlgorithm::find(name)
        .ok_or_else(|| format!("inter.worker.key.generation.algorithm {name} is not supported"))?;
    let bytes = tools.worker.key_size_bits().map(|bits| bits.div_ceil(8) as usize);
    let key_base64 = signature::new_session_key(algorithm, bytes)
        .map_err(|error| format!("the system gives no random numbers for a session key: {error}"))?;
    tools.report(Event::SessionKeyMade { key_base64, created_ms: chrono::Utc::now().timestamp_millis() });
    Ok(())
}

fn internal(error: &ConnectError) -> HerderError {
    HerderError::Internal(error.message().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentences_about_offsets_are_java_s() {
        assert_eq!(altered(false, true), "The offsets for this connector have been altered successfully");
        assert_eq!(altered(true, true), "The offsets for this connector have been reset successfully");
        assert!(altered(true, false).ends_with(
            "have been reset successfully. However, if this connector manages offsets externally, they will need to be \
             manually reset in the system that the connector uses."
        ));
    }
}
