//! The status topic, for the driver: statuses in, events out.
//!
//! A status is sent until it is in the topic or overtaken ([`Outbox`]). Nobody waits for it; but
//! [`serve`](StatusTopic::serve) ends only when none is left, so that a worker's last words get out.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use connect_herder::Event;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::sleep;
use tracing::warn;

use super::outbox::Outbox;
use super::{LogHandle, LogRecord};
use crate::driver::ports::StatusWrite;

/// How many statuses go at a time.
const WRITES_MAX: usize = 500;
/// The pause after a failure.
const BACKOFF: Duration = Duration::from_millis(300);

/// The status topic's outgoing side.
#[derive(Clone, Default)]
pub(crate) struct StatusTopic {
    outbox: Arc<Mutex<Outbox>>,
}

impl StatusTopic {
    /// Turns what is read into events.
    pub(crate) fn deliver(&self, events: UnboundedSender<Event>) -> impl FnMut(LogRecord) + Send + 'static {
        let outbox = Arc::clone(&self.outbox);
        move |LogRecord { offset, key, value, .. }| match key.as_deref().map(std::str::from_utf8) {
            Some(Ok(key)) => {
                lock(&outbox).saw(key, value.as_deref());
                let _ = events.send(Event::StatusRecord { key: key.to_owned(), value });
            }
            _ => warn!(offset, "status record without a key of text is ignored"),
        }
    }

    /// Writes what the driver sends, until the driver is gone and everything has been written.
    pub(crate) async fn serve(self, log: LogHandle, mut writes: UnboundedReceiver<StatusWrite>) {
        loop {
            while let Ok(write) = writes.try_recv() {
                self.put(write);
            }
            let batch = lock(&self.outbox).take(WRITES_MAX);
            if batch.is_empty() {
                match writes.recv().await {
                    Some(write) => self.put(write),
                    None => return,
                }
                continue;
            }
            self.send(&log, batch).await;
        }
    }

    fn put(&self, (key, value): StatusWrite) {
        lock(&self.outbox).put(key, value);
    }

    async fn send(&self, log: &LogHandle, batch: Vec<StatusWrite>) {
        let records = batch.iter().map(|(key, value)| (key.clone().into(), value.clone().map(Bytes::from))).collect();
        let result = log.append(records).await;
        {
            let mut outbox = lock(&self.outbox);
            for (key, _) in &batch {
                outbox.settle(key, result.is_ok());
            }
        }
        if let Err(error) = result {
            warn!(%error, records = batch.len(), "statuses could not be written; trying again");
            sleep(BACKOFF).await;
        }
    }
}

fn lock(outbox: &Mutex<Outbox>) -> MutexGuard<'_, Outbox> {
    // Nothing in there panics half-way.
    outbox.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use connect_api::ConnectError;
    use tokio::sync::mpsc::unbounded_channel;

    use super::super::log::LogRequest;
    use super::*;

    fn status(key: &str, value: &str) -> StatusWrite {
        (key.to_owned(), Some(value.to_owned()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_status_is_sent_again_until_it_is_in_the_topic() {
        let (log, mut end) = LogHandle::new();
        let (writes, written) = unbounded_channel();
        let served = tokio::spawn(StatusTopic::default().serve(log, written));

        writes.send(status("status-connector-m", "1")).unwrap();
        let Some(LogRequest::Append { done, .. }) = end.recv().await else { panic!("no append") };
        done.send(Err(ConnectError::retriable("not enough replicas"))).unwrap();

        let Some(LogRequest::Append { records, done }) = end.recv().await else { panic!("no append") };
        assert_eq!(records, [(Bytes::from("status-connector-m"), Some(Bytes::from("1")))]);
        drop(writes);
        assert!(!served.is_finished());
        done.send(Ok(0)).unwrap();
        served.await.unwrap();
    }

    #[tokio::test]
    async fn what_comes_while_one_batch_is_under_way_goes_with_the_next() {
        let (log, mut end) = LogHandle::new();
        let (writes, written) = unbounded_channel();
        tokio::spawn(StatusTopic::default().serve(log, written));
        writes.send(status("a", "1")).unwrap();
        let Some(LogRequest::Append { done, .. }) = end.recv().await else { panic!("no append") };

        writes.send(status("b", "1")).unwrap();
        writes.send(status("a", "2")).unwrap();
        writes.send(status("a", "3")).unwrap();
        done.send(Ok(0)).unwrap();

        let Some(LogRequest::Append { records, .. }) = end.recv().await else { panic!("no append") };
        let texts: Vec<_> = records.iter().map(|(key, value)| (key.as_ref(), value.as_deref().unwrap())).collect();
        assert_eq!(texts, [(&b"b"[..], &b"1"[..]), (b"a", b"3")]);
    }
}
