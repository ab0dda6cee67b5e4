//! What the herder is told of the worker config and the plug-ins.

use std::collections::BTreeMap;
use std::time::Duration;

use connect_api::PluginRegistry;
use connect_herder::protocol::Subprotocol;
use connect_herder::settings::{AutoRestart, ConnectorPlugin, Settings};

use crate::worker_config::WorkerConfig;

/// The settings of a herder that begins now.
pub(crate) fn settings(worker: &WorkerConfig, plugins: &PluginRegistry) -> Settings {
    let defaults = Settings::new(worker.worker_id(), worker.advertised_url());
    let grace = worker.session_timeout().saturating_sub(crate::group::heartbeat_interval(worker));
    Settings {
        protocol: Subprotocol::from_config(&worker.connect_protocol()).unwrap_or(defaults.protocol),
        scheduled_rebalance_max_delay_ms: u32::try_from(millis(worker.scheduled_rebalance_max_delay()))
            .unwrap_or(u32::MAX),
        worker_sync_timeout_ms: millis(worker.worker_sync_timeout()),
        worker_unsync_backoff_ms: millis(worker.worker_unsync_backoff()),
        coordinator_grace_ms: millis(grace),
        session_key_ttl_ms: millis(worker.key_ttl()),
        session_key_algorithm: worker.key_generation_algorithm().to_owned(),
        session_key_bytes: worker.key_size_bits().map(|bits| bits.div_ceil(8) as usize),
        topic_tracking: worker.topic_tracking(),
        topic_tracking_reset: worker.topic_tracking_allow_reset(),
        exactly_once: worker.exactly_once(),
        restart: restart(worker),
        connectors: connectors(plugins),
        epoch_ms: chrono::Utc::now().timestamp_millis(),
        ..defaults
    }
}

fn restart(worker: &WorkerConfig) -> AutoRestart {
    worker.restart_policy().map_or(AutoRestart { enabled: false, ..AutoRestart::default() }, |policy| AutoRestart {
        enabled: true,
        max_attempts: policy.attempts_max,
        backoff_ms: millis(policy.backoff),
        backoff_max_ms: millis(policy.backoff_max),
    })
}

/// Connectors by every name under which [`PluginRegistry::source`] finds them.
fn connectors(plugins: &PluginRegistry) -> BTreeMap<String, ConnectorPlugin> {
    let mut connectors = BTreeMap::new();
    for plugin in plugins.sources() {
        let full = plugin.class();
        let simple = full.rsplit('.').next().unwrap_or(full);
        for name in [full, simple, simple.strip_suffix("Connector").unwrap_or(simple)] {
            connectors.entry(name.to_owned()).or_insert(ConnectorPlugin { version: plugin.version().to_owned() });
        }
    }
    connectors
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::test_plugin::{CLASS, TestPlugin, Witness};

    #[test]
    fn the_herder_knows_every_name_under_which_the_registry_finds_a_plug_in() {
        let plugins = PluginRegistry::default().with_source(Arc::new(TestPlugin(Witness::default())));

        for name in [CLASS, "TestSourceConnector", "TestSource"] {
            assert!(plugins.source(name).is_some() && connectors(&plugins).contains_key(name), "{name}");
        }
    }
}
