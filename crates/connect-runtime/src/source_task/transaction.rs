//! Where the transactions of an exactly-once task begin and end (KIP-618). Pure; `now` is an argument.
//!
//! With the boundary `poll` Java commits after every poll. Here a poll hands out what one partition had, so what can be polled
//! without waiting goes into the same transaction, for at most [`POLL_MERGE`]: a commit costs two round trips and a record
//! in every partition that was written to.

use std::time::Duration;

use connect_api::{ConfigMap, ConnectError};
use tokio::time::Instant;

/// How long a transaction with the boundary `poll` goes on taking what is there.
const POLL_MERGE: Duration = Duration::from_millis(100);

/// `transaction.boundary`. `connector` is refused with the config: no connector of this worker defines its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boundary {
    /// When nothing is left to poll at once.
    Poll,
    /// After this time.
    Interval(Duration),
}

impl Boundary {
    /// Reads `transaction.boundary` and `transaction.boundary.interval.ms`, whose default is the worker's
    /// `offset.flush.interval.ms`.
    pub fn from_config(config: &ConfigMap, flush_interval: Duration) -> Result<Self, ConnectError> {
        let boundary = config.get("transaction.boundary").map_or("poll", |text| text.trim()).to_ascii_lowercase();
        match boundary.as_str() {
            "poll" => Ok(Self::Poll),
            "interval" => match config.get("transaction.boundary.interval.ms").map(|text| text.trim().parse()) {
                None => Ok(Self::Interval(flush_interval)),
                Some(Ok(ms)) => Ok(Self::Interval(Duration::from_millis(ms))),
                Some(Err(_)) => Err(ConnectError::config(
                    "transaction.boundary.interval.ms must be a whole number of milliseconds, at least 0",
                )),
            },
            other => Err(ConnectError::config(format!(
                "transaction.boundary {other} is none of poll and interval, which this connector can have"
            ))),
        }
    }
}

/// The transaction of now, if there is one.
#[derive(Debug)]
pub struct Transaction {
    boundary: Boundary,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open(Instant),
    /// Takes nothing more.
    Ending,
}

impl Transaction {
    /// None yet.
    #[must_use]
    pub fn new(boundary: Boundary) -> Self {
        Self { boundary, state: State::Closed }
    }

    /// Whether one has begun and not ended.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state != State::Closed
    }

    /// Whether it takes nothing more and waits for its acknowledgements.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.state == State::Ending
    }

    /// It has begun.
    pub fn begin(&mut self, now: Instant) {
        self.state = State::Open(now);
    }

    /// From when on it is to end if nothing can be polled at once; `None` if there is nothing to end.
    #[must_use]
    pub fn ends_at(&self) -> Option<Instant> {
        match (self.state, self.boundary) {
            (State::Open(since), Boundary::Poll) => Some(since),
            (State::Open(since), Boundary::Interval(interval)) => Some(since + interval),
            (State::Closed | State::Ending, _) => None,
        }
    }

    /// Whether it has to end whatever could be polled.
    #[must_use]
    pub fn is_over(&self, now: Instant) -> bool {
        match (self.state, self.boundary) {
            (State::Open(since), Boundary::Poll) => now >= since + POLL_MERGE,
            (State::Open(since), Boundary::Interval(interval)) => now >= since + interval,
            (State::Closed | State::Ending, _) => false,
        }
    }

    /// It takes nothing more.
    pub fn end(&mut self) {
        if self.is_open() {
            self.state = State::Ending;
        }
    }

    /// It is committed.
    pub fn closed(&mut self) {
        self.state = State::Closed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(entries: &[(&str, &str)]) -> ConfigMap {
        entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_boundary_is_read_as_java_does() {
        let read = |entries: &[_]| Boundary::from_config(&config(entries), Duration::from_secs(60));

        assert_eq!(read(&[]), Ok(Boundary::Poll));
        assert_eq!(read(&[("transaction.boundary", "POLL")]), Ok(Boundary::Poll));
        let interval = ("transaction.boundary", "Interval");
        assert_eq!(read(&[interval]), Ok(Boundary::Interval(Duration::from_secs(60))));
        let ms = ("transaction.boundary.interval.ms", "5");
        assert_eq!(read(&[interval, ms]), Ok(Boundary::Interval(Duration::from_millis(5))));
        assert!(read(&[interval, ("transaction.boundary.interval.ms", "-1")]).is_err());
        assert!(read(&[("transaction.boundary", "connector")]).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_poll_transaction_may_end_at_once_and_must_after_a_while() {
        let (mut transaction, now) = (Transaction::new(Boundary::Poll), Instant::now());
        assert_eq!(transaction.ends_at(), None);

        transaction.begin(now);
        assert_eq!(transaction.ends_at(), Some(now));
        assert!(!transaction.is_over(now));
        assert!(transaction.is_over(now + POLL_MERGE));

        transaction.end();
        assert!(transaction.is_open() && transaction.is_ending() && transaction.ends_at().is_none());
        transaction.closed();
        assert!(!transaction.is_open());
    }

    #[tokio::test(start_paused = true)]
    async fn an_interval_counts_from_the_first_record() {
        let interval = Duration::from_secs(3);
        let (mut transaction, now) = (Transaction::new(Boundary::Interval(interval)), Instant::now());

        transaction.begin(now);

        assert_eq!(transaction.ends_at(), Some(now + interval));
        assert!(!transaction.is_over(now));
        assert!(transaction.is_over(now + interval));
    }

    #[test]
    fn what_has_not_begun_does_not_end() {
        let mut transaction = Transaction::new(Boundary::Poll);

        transaction.end();

        assert!(!transaction.is_open() && !transaction.is_over(Instant::now()));
    }
}
