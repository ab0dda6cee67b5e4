//! The actor behind a [`LogHandle`](super::LogHandle): a [`KafkaLog`], asked over a channel.

use std::sync::Arc;
use std::time::Duration;

use connect_api::ConnectError;
use kafka_client::fetcher::{FetcherOptions, Isolation};
use kafka_client::log::KafkaLog;
use kafka_client::producer::{ProduceError, ProducerOptions};
use kafka_client::{ClientConfig, ClientError, Cluster};
use tokio::sync::mpsc;
use tracing::debug;

use super::log::LogRequest;
use super::{LogEnd, LogRecord};
use crate::plugin_call::Guarded;

/// Opens a storage topic over connections of its own, under this `client.id`, and begins to read it.
///
/// `give_up_after` is how long one append may take; Java never gives up, which holds up whatever comes behind. With
/// [`Isolation::ReadCommitted`] nothing of open or aborted transactions is delivered.
///
/// # Errors
/// The topic can't be opened, perhaps not yet.
pub(crate) async fn open(
    client: &ClientConfig,
    client_id: String,
    topic: &str,
    give_up_after: Duration,
    isolation: Isolation,
    mut deliver: impl FnMut(LogRecord) + Send + 'static,
) -> Result<KafkaLog, ProduceError> {
    let cluster = Cluster::connect(client.clone().with_client_id(client_id)).await?;
    let config = cluster.config().clone();
    let fetcher = FetcherOptions { isolation, ..FetcherOptions::from_config(&config).map_err(ClientError::from)? };
    // Order is what a log is; the producer keeps it, and idempotence keeps retries from repeating.
    let options = ProducerOptions::from_config(&config).map_err(ClientError::from)?;
    let producer = ProducerOptions { acks: -1, transactional_id: None, delivery_timeout: give_up_after, ..options };
    let deliver = move |record: kafka_client::log::LogRecord| {
        let kafka_client::log::LogRecord { offset, timestamp_ms, key, value, .. } = record;
        deliver(LogRecord { offset, timestamp_ms, key, value });
    };
    KafkaLog::open(cluster, topic, fetcher, producer, Box::new(deliver)).await
}

/// Serves a log until nobody asks any more. Appends are made one after the other, reads beside them.
pub(crate) async fn serve(log: KafkaLog, mut end: LogEnd) {
    let log = Arc::new(log);
    let (appends, appending) = mpsc::unbounded_channel();
    let appender = Guarded::spawn(append(Arc::clone(&log), appending));
    while let Some(request) = end.recv().await {
        match request {
            LogRequest::Append { .. } => {
                let _ = appends.send(request);
            }
            LogRequest::ReadToEnd { mut done } => {
                let log = Arc::clone(&log);
                tokio::spawn(async move {
                    tokio::select! {
                        read = log.read_to_end() => {
                            let _ = done.send(read.map_err(|error| ConnectError::retriable(error.to_string())));
                        }
                        // Whoever asked has given up.
                        () = done.closed() => {}
                    }
                });
            }
        }
    }
    drop(appends);
    let _ = appender.await;
}

async fn append(log: Arc<KafkaLog>, mut appends: mpsc::UnboundedReceiver<LogRequest>) {
    while let Some(request) = appends.recv().await {
        let LogRequest::Append { records, done } = request else { continue };
        let count = records.len();
        let appended = log.append(records).await;
        debug!(records = count, offset = appended.as_ref().ok(), "appended");
        let _ = done.send(appended.map_err(|error| ConnectError::retriable(error.to_string())));
    }
}
