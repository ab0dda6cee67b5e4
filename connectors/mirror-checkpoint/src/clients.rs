//! Which clients the connector has, by role.

use connect_api::config::{ConfigMap, ConfigProblem};
use mirror::config::ClientRole;
pub(crate) use mirror_clients::{connect, refused};

/// What is wrong with the client settings of a connector config.
pub(crate) fn problems(config: &ConfigMap) -> Vec<ConfigProblem> {
    const ROLES: [ClientRole; 7] = [
        ClientRole::CheckpointSourceAdmin,
        ClientRole::CheckpointTargetAdmin,
        ClientRole::ReplicationConsumer,
        ClientRole::CheckpointsTargetConsumer,
        ClientRole::OffsetSyncsSourceConsumer,
        ClientRole::OffsetSyncsTargetConsumer,
        ClientRole::OffsetRunsTargetConsumer,
    ];
    mirror_clients::problems(config, &ROLES)
}
