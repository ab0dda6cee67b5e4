//! A compacted topic behind a channel.
//!
//! [`LogHandle`] is what the worker's parts hold; the actor at the [`LogEnd`] owns the topic. The handle exists before the
//! topic can be reached: what is asked meanwhile waits.

use bytes::Bytes;
use connect_api::ConnectError;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

/// A key and its value; `None` is a tombstone.
pub(crate) type LogWrite = (Bytes, Option<Bytes>);

/// A record as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogRecord {
    /// Its offset in its partition.
    pub(crate) offset: i64,
    /// Its create time, milliseconds since 1970.
    pub(crate) timestamp_ms: i64,
    /// Its key; every record that we write has one.
    pub(crate) key: Option<Bytes>,
    /// Its value; `None` is a tombstone.
    pub(crate) value: Option<Bytes>,
}

/// What is asked of a log.
#[derive(Debug)]
pub(crate) enum LogRequest {
    /// Append records, after all earlier appends. Those of one partition go in one batch.
    Append {
        records: Vec<LogWrite>,
        /// Gets the highest offset, once every in-sync replica has them.
        done: oneshot::Sender<Result<i64, ConnectError>>,
    },
    /// Read to where the log ends now.
    ReadToEnd {
        /// Fires when everything up to there has been delivered.
        done: oneshot::Sender<Result<(), ConnectError>>,
    },
}

/// The holder's end of a log. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct LogHandle(UnboundedSender<LogRequest>);

/// The actor's end.
pub(crate) type LogEnd = UnboundedReceiver<LogRequest>;

impl LogHandle {
    pub(crate) fn new() -> (Self, LogEnd) {
        let (requests, end) = unbounded_channel();
        (Self(requests), end)
    }

    /// Begins to append; the answer is awaited outside, so that the order of appends is the order of calls.
    pub(crate) fn append(
        &self,
        records: Vec<LogWrite>,
    ) -> impl Future<Output = Result<i64, ConnectError>> + Send + 'static {
        let (done, answer) = oneshot::channel();
        let sent = self.0.send(LogRequest::Append { records, done });
        async move { if sent.is_ok() { answered(answer).await } else { Err(closed()) } }
    }

    /// Reads to the end as it is now.
    pub(crate) async fn read_to_end(&self) -> Result<(), ConnectError> {
        let (done, answer) = oneshot::channel();
        self.0.send(LogRequest::ReadToEnd { done }).map_err(|_| closed())?;
        answered(answer).await
    }
}

async fn answered<T>(answer: oneshot::Receiver<Result<T, ConnectError>>) -> Result<T, ConnectError> {
    answer.await.unwrap_or_else(|_| Err(closed()))
}

fn closed() -> ConnectError {
    ConnectError::retriable("the worker is shutting down")
}
