//! Every plug-in of this worker. Another connector is one crate and one line.

use connect_api::PluginRegistry;
use kafka_client::Budget;
use mirror_checkpoint::MirrorCheckpoint;
use mirror_heartbeat::MirrorHeartbeat;
use mirror_source::MirrorSource;

/// The list. `budget` bounds what all tasks together hold between two brokers.
pub(crate) fn plugins(budget: &Budget) -> PluginRegistry {
    PluginRegistry::default()
        .with_source(MirrorSource::new(budget.clone()))
        .with_source(MirrorCheckpoint)
        .with_source(MirrorHeartbeat)
}
