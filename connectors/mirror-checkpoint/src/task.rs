//! One task: hands the checkpoints of its rounds to the worker, in Java's bytes (Java: `MirrorCheckpointTask`).

use connect_api::ConnectError;
use connect_api::config::ConfigMap;
use connect_api::data::Value;
use connect_api::record::{Polled, SourceRecord};
use connect_api::source::SourceTask;
use mirror::source_offsets::{checkpoint_partition, meaningless_offset};
use mirror::{Checkpoint, ReplicationPolicy};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::warn;

use crate::parse;
use crate::rounds::Rounds;

/// A running task.
pub struct MirrorCheckpointTask {
    topic: Arc<str>,
    news: mpsc::Receiver<Vec<Checkpoint>>,
    /// Rounds go on while the worker is busy with earlier checkpoints; they end with the task.
    rounds: JoinHandle<()>,
}

impl MirrorCheckpointTask {
    pub(crate) async fn start(config: ConfigMap) -> Result<Self, ConnectError> {
        let typed = parse(&config)?;
        let policy =
            ReplicationPolicy::from_config(&config).map_err(|error| ConnectError::config(error.to_string()))?;
        let topic = policy.checkpoints_topic(typed.string("source.cluster.alias")).into();
        let rounds = Rounds::start(config, &typed).await?;
        let (told, news) = mpsc::channel(1);
        Ok(Self { topic, news, rounds: tokio::spawn(rounds.run(told)) })
    }

    fn record(&self, checkpoint: &Checkpoint, now_ms: i64) -> Option<SourceRecord> {
        let encoded = match checkpoint.encode() {
            Ok(encoded) => encoded,
            Err(error) => {
                warn!(group = checkpoint.group, %error, "checkpoint can't be written");
                return None;
            }
        };
        Some(SourceRecord {
            source_partition: checkpoint_partition(&checkpoint.group, &checkpoint.topic_partition),
            source_offset: meaningless_offset(),
            topic: Arc::clone(&self.topic),
            partition: Some(0),
            key_schema: None,
            key: Value::Bytes(encoded.key),
            value_schema: None,
            value: Value::Bytes(encoded.value),
            timestamp_ms: Some(now_ms),
            headers: Vec::new(),
        })
    }
}

impl SourceTask for MirrorCheckpointTask {
    async fn poll(&mut self) -> Result<Polled, ConnectError> {
        let Some(checkpoints) = self.news.recv().await else {
            return Err(ConnectError::fatal("the rounds of the checkpoint task have ended; restart the task"));
        };
        let now_ms = chrono::Utc::now().timestamp_millis();
        Ok(Polled::Records(checkpoints.iter().filter_map(|checkpoint| self.record(checkpoint, now_ms)).collect()))
    }

    async fn stop(self) {}
}

impl Drop for MirrorCheckpointTask {
    fn drop(&mut self) {
        self.rounds.abort();
    }
}
