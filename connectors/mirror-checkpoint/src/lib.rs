//! MirrorCheckpoint: follows the consumer groups of a source cluster and says where each of them would go on reading on the
//! target (Java: `MirrorCheckpointConnector`, `MirrorCheckpointTask`), exactly where MirrorSource keeps offset runs.
//!
//! | file | idea |
//! |---|---|
//! | `connector` | creates the topic of checkpoints, finds groups, splits them into tasks |
//! | `groups` | which groups there are, and what they have committed |
//! | [`left_out`] | which groups are not followed, and why |
//! | [`translator`] | one committed offset to one target offset (pure) |
//! | `feeds` | follows the topics of offset syncs and offset runs, restores checkpoints |
//! | `logs` | what source and target topics are now: ids, beginnings, ends |
//! | `comparison`, `places`, `pieces` | what others have mirrored: a little of both logs, read and compared |
//! | `rounds` | the work of a task: fetch, translate, write checkpoints, commit on the target |
//! | `settled` | what needs no new answer |
//! | `group_offsets` | commits on the target, if nobody is at work there |
//! | [`numbers`] | what is shown of each group |
//! | `task` | hands the checkpoints of the rounds to the worker |
//!
//! **Invariant:** no mutable state shared between tasks.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod clients;
mod comparison;
mod connector;
mod feeds;
mod group_offsets;
mod groups;
pub mod left_out;
mod logs;
pub mod numbers;
mod pieces;
mod places;
mod rounds;
mod settled;
mod task;
pub mod translator;

use std::sync::Arc;

use connect_api::ConnectError;
use connect_api::config::{ConfigDef, ConfigMap, ConfigProblem, TypedConfig};
use connect_api::plugin::DynSourcePlugin;
use connect_api::record::{SourceOffset, SourcePartition};
use connect_api::source::{ConnectorContext, SourcePlugin, SourceTaskContext};
use mirror::alter_offsets::validate_checkpoint_offsets;
use mirror::config_def::checkpoint_config_def;

use connector::MirrorCheckpointConnector;
use task::MirrorCheckpointTask;

/// The plug-in.
pub struct MirrorCheckpoint;

/// The plug-in as an object, so that the connector is compiled in its own crate.
#[must_use]
pub fn plugin() -> Arc<dyn DynSourcePlugin> {
    Arc::new(MirrorCheckpoint)
}

impl SourcePlugin for MirrorCheckpoint {
    type Connector = MirrorCheckpointConnector;
    type Task = MirrorCheckpointTask;

    fn class(&self) -> &'static str {
        "org.apache.kafka.connect.mirror.MirrorCheckpointConnector"
    }

    fn version(&self) -> &'static str {
        "4.3.0"
    }

    fn config_def(&self) -> ConfigDef {
        checkpoint_config_def()
    }

    fn validate(&self, config: &ConfigMap) -> Vec<ConfigProblem> {
        let mut problems = mirror::config::validate_checkpoint(config);
        problems.extend(clients::problems(config));
        problems
    }

    fn alter_offsets(
        &self,
        _: &ConfigMap,
        offsets: &[(SourcePartition, Option<SourceOffset>)],
    ) -> Result<bool, ConnectError> {
        validate_checkpoint_offsets(offsets).map(|()| true)
    }

    async fn start(
        &self,
        config: ConfigMap,
        context: Arc<dyn ConnectorContext>,
    ) -> Result<MirrorCheckpointConnector, ConnectError> {
        MirrorCheckpointConnector::start(config, context).await
    }

    async fn start_task(
        &self,
        config: ConfigMap,
        context: Arc<dyn SourceTaskContext>,
    ) -> Result<MirrorCheckpointTask, ConnectError> {
        MirrorCheckpointTask::start(config, &*context).await
    }
}

fn parse(config: &ConfigMap) -> Result<TypedConfig, ConnectError> {
    checkpoint_config_def().parse(config).map_err(ConnectError::config_problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_clients_are_checked_before_the_start() {
        let given = [
            ("source.cluster.alias", "a"),
            ("source.cluster.bootstrap.servers", "a:1"),
            ("target.cluster.bootstrap.servers", "b:1"),
            ("source.consumer.isolation.level", "read_all"),
            ("target.admin.request.timeout.ms", "soon"),
        ];
        let config = given.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();

        let keys: Vec<_> = plugin().validate(&config).into_iter().map(|problem| problem.key).collect();

        assert_eq!(keys, ["target.admin.request.timeout.ms", "source.consumer.isolation.level"]);
    }
}
