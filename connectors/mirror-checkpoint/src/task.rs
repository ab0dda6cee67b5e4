//! One task: hands the checkpoints of its rounds to the worker, in Java's bytes (Java: `MirrorCheckpointTask`).

use connect_api::ConnectError;
use connect_api::config::ConfigMap;
use connect_api::data::Value;
use connect_api::record::{Polled, SourcePartition, SourceRecord};
use connect_api::source::{SourceTask, SourceTaskContext};
use mirror::source_offsets::{checkpoint_partition, meaningless_offset};
use mirror::{Checkpoint, ReplicationPolicy};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::warn;

use crate::numbers::Numbers;
use crate::parse;
use crate::rounds::Rounds;

/// A running task.
pub struct MirrorCheckpointTask {
    topic: Arc<str>,
    news: mpsc::Receiver<Vec<Checkpoint>>,
    /// Those that the worker has and the target has not, with the time they were made.
    under_way: VecDeque<(Checkpoint, i64)>,
    numbers: Arc<Numbers>,
    /// Rounds go on while the worker is busy with earlier checkpoints; they end with the task.
    rounds: JoinHandle<()>,
}

impl MirrorCheckpointTask {
    pub(crate) async fn start(config: ConfigMap, context: &dyn SourceTaskContext) -> Result<Self, ConnectError> {
        let typed = parse(&config)?;
        let policy =
            ReplicationPolicy::from_config(&config).map_err(|error| ConnectError::config(error.to_string()))?;
        let topic = policy.checkpoints_topic(typed.string("source.cluster.alias")).into();
        let rounds = Rounds::start(config, &typed).await?;
        let numbers = rounds.numbers();
        context.publish(Arc::clone(&numbers) as _);
        let (told, news) = mpsc::channel(1);
        Ok(Self { topic, news, under_way: VecDeque::new(), numbers, rounds: tokio::spawn(rounds.run(told)) })
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
        let mut records = Vec::with_capacity(checkpoints.len());
        for checkpoint in checkpoints {
            if let Some(record) = self.record(&checkpoint, now_ms) {
                records.push(record);
                self.under_way.push_back((checkpoint, now_ms));
            }
        }
        Ok(Polled::Records(records))
    }

    fn record_acked(&mut self, partition: &SourcePartition) {
        let is_this =
            |(known, _): &(Checkpoint, i64)| checkpoint_partition(&known.group, &known.topic_partition) == *partition;
        let Some(at) = self.under_way.iter().position(is_this) else { return };
        if let Some((checkpoint, made_ms)) = self.under_way.remove(at) {
            let now_ms = chrono::Utc::now().timestamp_millis();
            self.numbers.written(&checkpoint, now_ms - made_ms, now_ms);
        }
    }

    async fn stop(self) {}
}

impl Drop for MirrorCheckpointTask {
    fn drop(&mut self) {
        self.rounds.abort();
    }
}
