//! What the leader of the group has to remember and look after.

use crate::assignor::{Memory, Ownership};
use crate::config_log::SessionKey;
use crate::ids::Now;
use crate::settings::Settings;

/// How long after a session key could not be made or written it is tried again.
const SESSION_KEY_RETRY_MS: u64 = 1_000;

/// The leader's state. A worker that does not lead has it too, as it was when it led last.
#[derive(Debug, Clone, Default)]
pub struct Leadership {
    /// What the assignor remembers from round to round.
    pub memory: Memory,
    /// Who runs what, since the last round; empty while a rebalance is under way.
    pub ownership: Ownership,
    session_key: KeyRotation,
}

/// Where the next session key is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum KeyRotation {
    /// Nothing is under way.
    #[default]
    Idle,
    /// One is being made or written; after this moment we no longer believe it.
    UnderWay(Now),
    /// It has failed.
    BackOff(Now),
}

impl Leadership {
    /// Someone else leads.
    pub fn resign(&mut self) {
        self.ownership = Ownership::default();
        self.session_key = KeyRotation::Idle;
    }

    /// Whether a new session key has to be made now (KIP-507): there is none, it is too old, or it was made for other
    /// settings.
    #[must_use]
    pub fn needs_session_key(&self, key: Option<&SessionKey>, now: Now, settings: &Settings) -> bool {
        match self.session_key {
            KeyRotation::UnderWay(until) | KeyRotation::BackOff(until) if now < until => false,
            _ => key.is_none_or(|key| {
                key.algorithm != settings.session_key_algorithm
                    || settings.session_key_bytes.is_some_and(|bytes| bytes != decoded_length(&key.key_base64))
                    || expiry(key, settings).is_some_and(|at| at <= now)
            }),
        }
    }

    /// A key is being made, or on its way into the config topic.
    pub fn session_key_under_way(&mut self, now: Now, settings: &Settings) {
        self.session_key = KeyRotation::UnderWay(Now(now.0.saturating_add(settings.config_write_timeout_ms)));
    }

    /// The key is in the config topic, or it could not be written.
    pub fn session_key_written(&mut self, now: Now, worked: bool) {
        self.session_key = if worked {
            KeyRotation::Idle
        } else {
            KeyRotation::BackOff(Now(now.0.saturating_add(SESSION_KEY_RETRY_MS)))
        };
    }

    /// When to look again.
    #[must_use]
    pub fn session_key_timeout(&self, key: Option<&SessionKey>, now: Now, settings: &Settings) -> Option<Now> {
        match self.session_key {
            KeyRotation::UnderWay(until) | KeyRotation::BackOff(until) if now < until => Some(until),
            _ => key.and_then(|key| expiry(key, settings)),
        }
    }
}

/// When a key is too old, on this worker's monotonic clock.
fn expiry(key: &SessionKey, settings: &Settings) -> Option<Now> {
    let ttl_ms = i64::try_from(settings.session_key_ttl_ms).unwrap_or(i64::MAX);
    let at = key.created_ms.saturating_add(ttl_ms).saturating_sub(settings.epoch_ms);
    (ttl_ms > 0).then(|| Now(u64::try_from(at).unwrap_or(0)))
}

/// How many bytes this much base64 is.
fn decoded_length(base64: &str) -> usize {
    base64.trim_end_matches('=').len() * 3 / 4
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings { session_key_ttl_ms: 1_000, session_key_bytes: Some(32), epoch_ms: 5_000, ..Settings::new("w", "u") }
    }

    fn key(created_ms: i64) -> SessionKey {
        SessionKey {
            key_base64: "AXr/Rjr96VcN/fjgGeDT6jn3iLQ9OduqZcAotV+iZLc=".to_owned(),
            algorithm: "HmacSHA256".to_owned(),
            created_ms,
        }
    }

    #[test]
    fn a_key_is_made_when_there_is_none_or_it_is_old_or_other() {
        let leadership = Leadership::default();
        let needs =
            |key: Option<&SessionKey>, settings: &Settings| leadership.needs_session_key(key, Now(999), settings);

        assert!(needs(None, &settings()));
        assert!(!needs(Some(&key(5_000)), &settings()));
        assert!(needs(Some(&key(4_999)), &settings()));
        assert!(needs(Some(&key(5_000)), &Settings { session_key_bytes: Some(64), ..settings() }));
        assert!(needs(Some(&key(5_000)), &Settings { session_key_algorithm: "HmacSHA512".into(), ..settings() }));
    }

    #[test]
    fn without_a_time_to_live_a_key_does_not_age() {
        let eternal = Settings { session_key_ttl_ms: 0, ..settings() };

        assert!(!Leadership::default().needs_session_key(Some(&key(0)), Now(1_000_000), &eternal));
        assert_eq!(Leadership::default().session_key_timeout(Some(&key(0)), Now(0), &eternal), None);
    }

    #[test]
    fn a_key_that_could_not_be_written_is_made_again_after_a_while() {
        let mut leadership = Leadership::default();

        leadership.session_key_under_way(Now(0), &settings());
        assert!(!leadership.needs_session_key(None, Now(1), &settings()));
        leadership.session_key_written(Now(1), false);

        assert!(!leadership.needs_session_key(None, Now(1_000), &settings()));
        assert!(leadership.needs_session_key(None, Now(1_001), &settings()));
        assert_eq!(leadership.session_key_timeout(None, Now(1), &settings()), Some(Now(1_001)));
    }
}
