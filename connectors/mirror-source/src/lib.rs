//! MirrorSource: reads topics of a source cluster and hands their record batches, as they are, to the worker of the target
//! cluster (Java: `MirrorSourceConnector`, `MirrorSourceTask`).
//!
//! | file | idea |
//! |---|---|
//! | [`plan`] | which topics are mirrored, and what the target lacks (pure) |
//! | `connector` | splits partitions into tasks, keeps the target in step |
//! | `flow` | looks at both clusters, creates what the target lacks |
//! | `provenance` | tells which topics have come from the target under their own names |
//! | `topic_configs`, `topic_acls` | keep configs and ACLs in step |
//! | `copied_configs` | which configs and ACLs were copied, kept over lives of the connector |
//! | [`findings`], `report` | what is not in step, for log and status |
//! | `task` | fetches, hands out batches, keeps positions (`task::start`: how it begins; `task::loss`: what it does about losses) |
//! | [`partition_runs`] | what a task knows of where one partition's records are on the target (pure) |
//! | `offset_runs`, `runs_writer` | the topic of offset runs: read at the start, written as runs become known |
//! | `syncs` | offset syncs on their way to their topic |
//! | `internal_topics` | creates these topics |
//! | [`numbers`] | what is shown of each partition: MirrorMaker 2's metrics, and the lag |
//! | [`strands`] | how a task is split over several threads (pure) |
//! | [`throttle`] | how fast a task may read (pure) |
//! | [`unread`] | since when something may be unread, and whether deletes are gone (pure) |
//! | [`losses`] | what is done when the source log does not fit the position any more (pure) |
//! | `loss_book` | losses until somebody acknowledges them |
//!
//! **Invariant:** no mutable state shared between tasks.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod clients;
mod connector;
mod copied_configs;
pub mod findings;
mod flow;
mod internal_topics;
mod loss_book;
pub mod losses;
pub mod numbers;
mod offset_runs;
pub mod partition_runs;
pub mod plan;
mod provenance;
mod report;
mod runs_writer;
pub mod strands;
mod syncs;
mod task;
pub mod throttle;
mod topic_acls;
mod topic_configs;
pub mod unread;

use std::sync::Arc;

use connect_api::ConnectError;
use connect_api::config::{ConfigDef, ConfigMap, ConfigProblem};
use connect_api::plugin::DynSourcePlugin;
use connect_api::record::{SourceOffset, SourcePartition};
use connect_api::source::{ConnectorContext, ExactlyOnceSupport, SourcePlugin, SourceTaskContext};
use kafka_client::Budget;
use mirror::alter_offsets::validate_source_offsets;

use connector::MirrorSourceConnector;
use task::MirrorSourceTask;

/// The plug-in.
pub struct MirrorSource {
    budget: Budget,
}

/// The plug-in of a worker whose tasks together hold at most `budget` between two brokers. An object already here, so that the
/// connector is compiled in its own crate.
#[must_use]
pub fn plugin(budget: Budget) -> Arc<dyn DynSourcePlugin> {
    Arc::new(MirrorSource { budget })
}

impl SourcePlugin for MirrorSource {
    type Connector = MirrorSourceConnector;
    type Task = MirrorSourceTask;

    fn class(&self) -> &'static str {
        "org.apache.kafka.connect.mirror.MirrorSourceConnector"
    }

    fn version(&self) -> &'static str {
        "4.3.0"
    }

    fn config_def(&self) -> ConfigDef {
        mirror::config_def::source_config_def()
    }

    fn validate(&self, config: &ConfigMap) -> Vec<ConfigProblem> {
        let mut problems = mirror::config::validate_source(config);
        problems.extend(clients::problems(config));
        problems
    }

    fn exactly_once_support(&self, config: &ConfigMap) -> Option<ExactlyOnceSupport> {
        Some(mirror::config::source_exactly_once(config))
    }

    fn alter_offsets(
        &self,
        _: &ConfigMap,
        offsets: &[(SourcePartition, Option<SourceOffset>)],
    ) -> Result<bool, ConnectError> {
        validate_source_offsets(offsets).map(|()| true)
    }

    fn split_task(&self, config: &ConfigMap, parts: usize) -> Vec<ConfigMap> {
        strands::split(config, parts)
    }

    async fn start(
        &self,
        config: ConfigMap,
        context: Arc<dyn ConnectorContext>,
    ) -> Result<MirrorSourceConnector, ConnectError> {
        MirrorSourceConnector::start(config, context).await
    }

    async fn start_task(
        &self,
        config: ConfigMap,
        context: Arc<dyn SourceTaskContext>,
    ) -> Result<MirrorSourceTask, ConnectError> {
        MirrorSourceTask::start(config, context, self.budget.clone()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_clients_are_checked_before_the_start() {
        let given = [
            ("source.cluster.bootstrap.servers", "a"),
            ("target.cluster.bootstrap.servers", "b:9092"),
            ("source.consumer.isolation.level", "read_all"),
            ("target.cluster.security.protocol", "TLS"),
            ("producer.acks", "some"),
        ];
        let mut config: ConfigMap = given.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let problems = |config: &ConfigMap| {
            let problems = plugin(Budget::new(Budget::MIN_BYTES)).validate(config);
            problems.into_iter().map(|problem| problem.key).collect::<Vec<_>>()
        };

        let at_first = problems(&config);
        config.insert("source.cluster.bootstrap.servers".to_owned(), "a:9092".to_owned());
        config.remove("target.cluster.security.protocol");

        assert_eq!(at_first, ["source.cluster.bootstrap.servers", "target.cluster.security.protocol"]);
        assert_eq!(problems(&config), ["source.consumer.isolation.level", "producer.acks"]);
    }
}
