//! The config topic, for the driver: requests in, events out.
//!
//! Writes leave one by one, in the order of the driver's actions, and are reported with the position after them. Records go
//! to the driver as they are read, its own included; `ConfigReadToEnd` comes behind the last record it covers. With
//! exactly-once support what only the leader may write takes a way of its own, on which a former leader is stopped.

use std::time::Duration;

use bytes::Bytes;
use connect_api::ConnectError;
use connect_herder::ids::ConfigOffset;
use connect_herder::{Event, HerderError};
use futures_util::FutureExt as _;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::timeout;
use tracing::warn;

use super::leader_writes::LeaderWrites;
use super::{LogHandle, LogRecord};
use crate::driver::ports::ConfigRequest;

/// How long a write may take (Java: `READ_WRITE_TOTAL_TIMEOUT_MS`).
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Turns what is read into events.
pub(crate) fn deliver(events: UnboundedSender<Event>) -> impl FnMut(LogRecord) + Send + 'static {
    move |record| {
        let LogRecord { offset, timestamp_ms, key, value } = record;
        match key.as_deref().map(std::str::from_utf8) {
            Some(Ok(key)) => {
                let _ = events.send(Event::ConfigRecord { offset, key: key.to_owned(), value, timestamp_ms });
            }
            // Java counts such a record in its position, so it must not vanish: an empty key says nothing.
            _ => {
                warn!(offset, "config record without a key of text is ignored");
                let _ = events.send(Event::ConfigRecord { offset, key: String::new(), value: None, timestamp_ms });
            }
        }
    }
}

/// Serves the driver until it is gone. Without `leader` there is one way to write, whoever may.
pub(crate) async fn serve(
    log: LogHandle,
    leader: Option<LeaderWrites>,
    mut requests: UnboundedReceiver<ConfigRequest>,
    events: UnboundedSender<Event>,
) {
    while let Some(request) = requests.recv().await {
        match request {
            ConfigRequest::Claim => {
                if let Some(leader) = &leader {
                    leader.claim();
                }
            }
            ConfigRequest::Write { op, records, privileged } => {
                let records = records.into_iter().map(|(key, value)| (key.into(), value.map(Bytes::from))).collect();
                let append = match leader.as_ref().filter(|_| privileged) {
                    Some(leader) => leader.append(records).left_future(),
                    None => log.append(records).right_future(),
                };
                let events = events.clone();
                // Begun in order, and the log keeps the order; only the waiting is done apart.
                tokio::spawn(async move {
                    let written = timeout(WRITE_TIMEOUT, append).await;
                    let result = match written {
                        Ok(Ok(offset)) => Ok(ConfigOffset(offset + 1)),
                        Ok(Err(error)) => Err(write_failed(error.message())),
                        Err(_) => Err(write_failed(&format!("no answer within {} s", WRITE_TIMEOUT.as_secs()))),
                    };
                    let _ = events.send(Event::ConfigWritten { op, result });
                });
            }
            ConfigRequest::ReadToEnd { op, timeout_ms } => {
                let (log, events) = (log.clone(), events.clone());
                tokio::spawn(async move {
                    let read = timeout(Duration::from_millis(timeout_ms), log.read_to_end()).await;
                    let result = read
                        .unwrap_or_else(|_| Err(ConnectError::retriable(format!("no answer within {timeout_ms} ms"))))
                        .map_err(|error| HerderError::Unavailable(format!("the config topic can't be read: {error}")));
                    let _ = events.send(Event::ConfigReadToEnd { op, result });
                });
            }
        }
    }
}

/// Java's sentence, and the reason after it.
fn write_failed(reason: &str) -> HerderError {
    HerderError::Internal(format!(
        "Failed to write to config topic; this may be due to a transient error and the request can be safely retried: \
         {reason}"
    ))
}

#[cfg(test)]
mod tests {
    use connect_herder::ids::OpId;
    use tokio::sync::mpsc::unbounded_channel;

    use super::super::leader_writes::LeaderRequest;
    use super::super::log::LogRequest;
    use super::*;

    fn write(op: u64, key: &str) -> ConfigRequest {
        let records = vec![(key.to_owned(), Some("{}".to_owned()))];
        ConfigRequest::Write { op: OpId(op), records, privileged: true }
    }

    #[tokio::test]
    async fn a_write_is_reported_with_the_position_after_it() {
        let (log, mut end) = LogHandle::new();
        let (requests, requested) = unbounded_channel();
        let (events, mut happened) = unbounded_channel();
        tokio::spawn(serve(log, None, requested, events));

        requests.send(write(1, "a")).unwrap();
        let Some(LogRequest::Append { records, done }) = end.recv().await else { panic!("no append") };
        done.send(Ok(41)).unwrap();

        assert_eq!(records, [(Bytes::from("a"), Some(Bytes::from("{}")))]);
        let written = Event::ConfigWritten { op: OpId(1), result: Ok(ConfigOffset(42)) };
        assert_eq!(happened.recv().await.unwrap(), written);
    }

    #[tokio::test]
    async fn writes_reach_the_log_in_the_order_of_the_requests() {
        let (log, mut end) = LogHandle::new();
        let (requests, requested) = unbounded_channel();
        let (events, _happened) = unbounded_channel();
        tokio::spawn(serve(log, None, requested, events));

        for op in 0..20 {
            requests.send(write(op, &format!("k{op}"))).unwrap();
        }

        for op in 0..20 {
            let Some(LogRequest::Append { records, .. }) = end.recv().await else { panic!("no append") };
            assert_eq!(records[0].0, format!("k{op}"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_topic_that_does_not_answer_is_reported_in_time() {
        let (log, _end) = LogHandle::new();
        let (requests, requested) = unbounded_channel();
        let (events, mut happened) = unbounded_channel();
        tokio::spawn(serve(log, None, requested, events));

        requests.send(ConfigRequest::ReadToEnd { op: OpId(2), timeout_ms: 3000 }).unwrap();
        requests.send(write(1, "a")).unwrap();

        let unavailable = "the config topic can't be read: no answer within 3000 ms".to_owned();
        let read = Event::ConfigReadToEnd { op: OpId(2), result: Err(HerderError::Unavailable(unavailable)) };
        assert_eq!(happened.recv().await.unwrap(), read);
        let written = happened.recv().await.unwrap();
        assert!(matches!(written, Event::ConfigWritten { op: OpId(1), result: Err(HerderError::Internal(_)) }));
    }

    #[tokio::test]
    async fn with_exactly_once_support_what_only_the_leader_may_write_takes_its_own_way() {
        let ((log, mut end), (leader, mut leads)) = (LogHandle::new(), LeaderWrites::new());
        let (requests, requested) = unbounded_channel();
        let (events, _happened) = unbounded_channel();
        tokio::spawn(serve(log, Some(leader), requested, events));

        requests.send(ConfigRequest::Claim).unwrap();
        requests.send(write(1, "connector-m")).unwrap();
        let records = vec![("target-state-m".to_owned(), None)];
        requests.send(ConfigRequest::Write { op: OpId(2), records, privileged: false }).unwrap();

        assert!(matches!(leads.recv().await, Some(LeaderRequest::Claim)));
        let Some(LeaderRequest::Append { records, .. }) = leads.recv().await else { panic!("no append") };
        assert_eq!(records[0].0, "connector-m");
        let Some(LogRequest::Append { records, .. }) = end.recv().await else { panic!("no append") };
        assert_eq!(records, [(Bytes::from("target-state-m"), None)]);
    }

    #[test]
    fn a_record_without_a_key_still_counts() {
        let (events, mut happened) = unbounded_channel();

        deliver(events)(LogRecord { offset: 7, timestamp_ms: 5, key: None, value: Some(Bytes::new()) });

        let event = Event::ConfigRecord { offset: 7, key: String::new(), value: None, timestamp_ms: 5 };
        assert_eq!(happened.try_recv().unwrap(), event);
    }
}
