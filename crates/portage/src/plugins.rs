//! Every plug-in of this worker. Another connector is one crate and one line.

use connect_api::PluginRegistry;
use kafka_client::Budget;

/// The list. `budget` bounds what all tasks together hold between two brokers.
pub(crate) fn plugins(budget: &Budget) -> PluginRegistry {
    PluginRegistry::default()
        .with_source(mirror_source::plugin(budget.clone()))
        .with_source(mirror_checkpoint::plugin())
        .with_source(mirror_heartbeat::plugin())
}
