//! When to try again, how long to wait before, and what to look up meanwhile: pure decisions, made
//! from the table of error codes. The loop that follows them is [`super::Cluster::retry`].

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use crate::codes::Class;
use crate::config::ClientConfig;
use crate::error::ClientError;

/// Exponential growth with a jitter of a fifth, as Kafka's clients do (KIP-144, KIP-580).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first pause.
    pub first: Duration,
    /// The longest pause, before jitter.
    pub max: Duration,
}

impl Backoff {
    /// `retry.backoff.ms` and `retry.backoff.max.ms`.
    pub fn retries(config: &ClientConfig) -> Backoff {
        Backoff { first: config.retry_backoff(), max: config.retry_backoff_max() }
    }

    /// `reconnect.backoff.ms` and `reconnect.backoff.max.ms`.
    pub fn reconnects(config: &ClientConfig) -> Backoff {
        Backoff { first: config.reconnect_backoff(), max: config.reconnect_backoff_max() }
    }

    /// The pause after `failures` failures (the first is 1). `chance` is in `0.0..1.0`.
    pub fn pause(self, failures: u32, chance: f64) -> Duration {
        let doubled = self.first.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
        // Kafka lets the first pause win when it is configured above the maximum.
        doubled.min(self.max.max(self.first)).mul_f64(0.8 + 0.4 * chance.clamp(0.0, 1.0))
    }
}

/// A random number in `0.0..1.0`, good enough for jitter.
pub(crate) fn chance() -> f64 {
    (RandomState::new().hash_one(0) >> 11) as f64 / (1_u64 << 53) as f64
}

/// What to do after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Report it.
    GiveUp,
    /// Look up what may have moved, wait, try again.
    Again {
        /// How long to wait.
        pause: Duration,
        /// What to refresh before.
        refresh: Refresh,
    },
}

/// What may have moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresh {
    /// Nothing: the same broker again.
    Nothing,
    /// Leaders, ids, brokers.
    Metadata,
    /// The coordinator.
    Coordinator,
}

/// Decides after failure number `failures` (the first is 1) with `left` until the deadline.
pub fn decide(error: &ClientError, failures: u32, left: Duration, backoff: Backoff, chance: f64) -> Decision {
    let refresh = match error.class() {
        Class::Ok | Class::Fatal => return Decision::GiveUp,
        Class::Retriable => Refresh::Nothing,
        Class::RefreshMetadata => Refresh::Metadata,
        Class::RefreshCoordinator => Refresh::Coordinator,
    };
    let pause = backoff.pause(failures, chance);
    if pause >= left { Decision::GiveUp } else { Decision::Again { pause, refresh } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes::ErrorCode;

    const BACKOFF: Backoff = Backoff { first: Duration::from_millis(100), max: Duration::from_millis(1000) };

    fn after(code: ErrorCode, failures: u32, left_ms: u64) -> Decision {
        decide(&ClientError::broker("Test", code, None), failures, Duration::from_millis(left_ms), BACKOFF, 0.5)
    }

    fn again(pause_ms: u64, refresh: Refresh) -> Decision {
        Decision::Again { pause: Duration::from_millis(pause_ms), refresh }
    }

    #[test]
    fn pauses_double_up_to_the_maximum_and_vary_by_a_fifth() {
        let pauses: Vec<u128> = (1..=6).map(|failures| BACKOFF.pause(failures, 0.5).as_millis()).collect();

        assert_eq!(pauses, [100, 200, 400, 800, 1000, 1000]);
        assert_eq!(BACKOFF.pause(1, 0.0).as_millis(), 80);
        assert_eq!(BACKOFF.pause(1, 1.0).as_millis(), 120);
        assert_eq!(BACKOFF.pause(u32::MAX, 0.5).as_millis(), 1000);
    }

    #[test]
    fn the_class_of_the_code_decides_what_is_refreshed() {
        assert_eq!(after(ErrorCode::REQUEST_TIMED_OUT, 1, 9000), again(100, Refresh::Nothing));
        assert_eq!(after(ErrorCode::NOT_LEADER_OR_FOLLOWER, 2, 9000), again(200, Refresh::Metadata));
        assert_eq!(after(ErrorCode::NOT_COORDINATOR, 3, 9000), again(400, Refresh::Coordinator));
        assert_eq!(after(ErrorCode::TOPIC_AUTHORIZATION_FAILED, 1, 9000), Decision::GiveUp);
    }

    #[test]
    fn no_pause_goes_beyond_the_deadline() {
        assert_eq!(after(ErrorCode::REQUEST_TIMED_OUT, 1, 101), again(100, Refresh::Nothing));
        assert_eq!(after(ErrorCode::REQUEST_TIMED_OUT, 1, 100), Decision::GiveUp);
    }

    #[test]
    fn refused_credentials_are_not_tried_again() {
        let refused =
            ClientError::Auth { broker: "b".to_owned(), mechanism: "PLAIN".to_owned(), reason: "no".to_owned() };

        assert_eq!(decide(&refused, 1, Duration::MAX, BACKOFF, 0.5), Decision::GiveUp);
    }
}
