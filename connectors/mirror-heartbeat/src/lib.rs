//! MirrorHeartbeat: one record a second into the `heartbeats` topic of the target, so that the path of a flow and its
//! liveness can be seen (Java: `MirrorHeartbeatConnector`, `MirrorHeartbeatTask`).
#![cfg_attr(test, allow(clippy::unwrap_used))]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use connect_api::ConnectError;
use connect_api::config::{ConfigDef, ConfigMap, ConfigProblem, TypedConfig};
use connect_api::data::Value;
use connect_api::plugin::DynSourcePlugin;
use connect_api::record::{Polled, SourceOffset, SourcePartition, SourceRecord};
use connect_api::source::{ConnectorContext, SourceConnector, SourcePlugin, SourceTask, SourceTaskContext};
use kafka_client::ErrorCode;
use kafka_client::admin::{Admin, NewTopic};
use mirror::Heartbeat;
use mirror::alter_offsets::validate_heartbeat_offsets;
use mirror::config::ClientRole;
use mirror::config_def::heartbeat_config_def;
use mirror::policy::HEARTBEATS_TOPIC;
use mirror::source_offsets::{heartbeat_partition, meaningless_offset};
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

/// The plug-in.
pub struct MirrorHeartbeat;

/// The plug-in as an object, so that the connector is compiled in its own crate.
#[must_use]
pub fn plugin() -> Arc<dyn DynSourcePlugin> {
    Arc::new(MirrorHeartbeat)
}

impl SourcePlugin for MirrorHeartbeat {
    type Connector = MirrorHeartbeatConnector;
    type Task = MirrorHeartbeatTask;

    fn class(&self) -> &'static str {
        "org.apache.kafka.connect.mirror.MirrorHeartbeatConnector"
    }

    fn version(&self) -> &'static str {
        "4.3.0"
    }

    fn config_def(&self) -> ConfigDef {
        heartbeat_config_def()
    }

    fn validate(&self, config: &ConfigMap) -> Vec<ConfigProblem> {
        let mut problems = mirror::config::validate_heartbeat(config);
        problems.extend(mirror_clients::problems(config, &[ClientRole::HeartbeatsTargetAdmin]));
        problems
    }

    fn alter_offsets(
        &self,
        _: &ConfigMap,
        offsets: &[(SourcePartition, Option<SourceOffset>)],
    ) -> Result<bool, ConnectError> {
        validate_heartbeat_offsets(offsets).map(|()| true)
    }

    async fn start(
        &self,
        config: ConfigMap,
        _: Arc<dyn ConnectorContext>,
    ) -> Result<MirrorHeartbeatConnector, ConnectError> {
        let typed = parse(&config)?;
        mirror_clients::warn_of_removed_keys(&config);
        let interval = interval(&typed);
        if interval.is_some() {
            let cluster = mirror_clients::connect(&config, ClientRole::HeartbeatsTargetAdmin).await?;
            create_topic(&cluster.admin(), typed.int("heartbeats.topic.replication.factor")).await;
        }
        Ok(MirrorHeartbeatConnector { config, enabled: interval.is_some() })
    }

    async fn start_task(
        &self,
        config: ConfigMap,
        _: Arc<dyn SourceTaskContext>,
    ) -> Result<MirrorHeartbeatTask, ConnectError> {
        let typed = parse(&config)?;
        let (source, target) = (typed.string("source.cluster.alias"), typed.string("target.cluster.alias"));
        Ok(MirrorHeartbeatTask {
            source: source.to_owned(),
            target: target.to_owned(),
            partition: heartbeat_partition(source, target),
            interval: interval(&typed).unwrap_or(Duration::from_secs(1)),
            next: Instant::now(),
        })
    }
}

/// A running connector instance: there is nothing left to do once the topic exists.
pub struct MirrorHeartbeatConnector {
    config: ConfigMap,
    enabled: bool,
}

impl SourceConnector for MirrorHeartbeatConnector {
    async fn task_configs(&self, _: usize) -> Result<Vec<ConfigMap>, ConnectError> {
        Ok(if self.enabled { vec![self.config.clone()] } else { Vec::new() })
    }
}

/// A running task.
pub struct MirrorHeartbeatTask {
    source: String,
    target: String,
    partition: SourcePartition,
    interval: Duration,
    next: Instant,
}

impl SourceTask for MirrorHeartbeatTask {
    async fn poll(&mut self) -> Result<Polled, ConnectError> {
        sleep_until(self.next).await;
        self.next = Instant::now() + self.interval;
        let now_ms = chrono::Utc::now().timestamp_millis();
        let heartbeat =
            Heartbeat { source_alias: self.source.clone(), target_alias: self.target.clone(), timestamp_ms: now_ms };
        let encoded = heartbeat.encode().map_err(|error| ConnectError::fatal(error.to_string()))?;
        Ok(Polled::Records(vec![SourceRecord {
            source_partition: self.partition.clone(),
            source_offset: meaningless_offset(),
            topic: HEARTBEATS_TOPIC.into(),
            partition: Some(0),
            key_schema: None,
            key: Value::Bytes(encoded.key),
            value_schema: None,
            value: Value::Bytes(encoded.value),
            timestamp_ms: Some(now_ms),
            headers: Vec::new(),
        }]))
    }

    async fn stop(self) {}
}

fn parse(config: &ConfigMap) -> Result<TypedConfig, ConnectError> {
    heartbeat_config_def().parse(config).map_err(ConnectError::config_problems)
}

/// `None`: no heartbeats.
fn interval(typed: &TypedConfig) -> Option<Duration> {
    let seconds = u64::try_from(typed.int("emit.heartbeats.interval.seconds")).ok()?;
    typed.boolean("emit.heartbeats.enabled").then(|| Duration::from_secs(seconds.max(1)))
}

/// Creates the topic as MirrorMaker 2 does. One that exists, or that we may not create, is used as it is.
async fn create_topic(target: &Admin, replication_factor: i64) {
    let topic = NewTopic {
        name: HEARTBEATS_TOPIC.to_owned(),
        partitions: Some(1),
        replication_factor: i16::try_from(replication_factor).ok().filter(|factor| *factor > 0),
        configs: BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]),
    };
    let results = match target.create_topics(&[topic], false).await {
        Ok(results) => results,
        Err(error) => return warn!(%error, "topic heartbeats can't be created; heartbeats wait until it exists"),
    };
    for (topic, result) in results {
        match result {
            Ok(_) => info!(topic, "topic created"),
            Err(error) if error.code == ErrorCode::TOPIC_ALREADY_EXISTS => {}
            Err(error) => warn!(topic, %error, "topic can't be created; heartbeats wait until it exists"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_clients_are_checked_before_the_start() {
        let given = [
            ("source.cluster.alias", "a"),
            ("target.cluster.bootstrap.servers", "b:1"),
            ("target.cluster.security.protocol", "TLS"),
        ];
        let config = given.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();

        let keys: Vec<_> = plugin().validate(&config).into_iter().map(|problem| problem.key).collect();

        assert_eq!(keys, ["target.cluster.security.protocol"]);
    }
}
