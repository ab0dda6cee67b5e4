//! What happens when the config topic can't be read in time (Java: `readConfigToEnd`, `backoff`).
//!
//! A worker that can't follow the config must not be in the way of those who can: it leaves the group, waits, and joins
//! again only after a read to the end has worked. An eager worker waits long; the others wait a little, five times, and
//! then give up what they still run.

use crate::ids::{Now, OpId};
use crate::protocol::Subprotocol;
use crate::settings::Settings;

const RETRIES: u32 = 5;

/// Reads of the config topic that a member needs before it can go on.
#[derive(Debug, Clone)]
pub struct CatchUp {
    reading: Option<OpId>,
    failed: bool,
    retries_left: u32,
    not_before: Option<Now>,
}

/// What follows a read that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFailure {
    /// Leave the group and wait.
    BackOff,
    /// Leave the group and stop all work.
    GiveUpWork,
}

impl Default for CatchUp {
    fn default() -> Self {
        Self { reading: None, failed: false, retries_left: RETRIES, not_before: None }
    }
}

impl CatchUp {
    /// A read is under way.
    pub fn reading(&mut self, op: OpId) {
        self.reading = Some(op);
    }

    /// Whether a read is under way.
    #[must_use]
    pub fn is_reading(&self) -> bool {
        self.reading.is_some()
    }

    /// A read has ended. Answers whether it is the one under way.
    pub fn ended(&mut self, op: OpId) -> bool {
        let ours = self.reading == Some(op);
        if ours {
            self.reading = None;
        }
        ours
    }

    /// Nobody waits for the read under way any more.
    pub fn abandon(&mut self) {
        self.reading = None;
    }

    /// The read has worked.
    pub fn succeeded(&mut self) {
        self.failed = false;
        self.retries_left = RETRIES;
        self.not_before = None;
    }

    /// The read has failed.
    pub fn failed(&mut self, now: Now, protocol: Option<Subprotocol>, settings: &Settings) -> AfterFailure {
        self.failed = true;
        let wait_ms = if protocol == Some(Subprotocol::Eager) {
            settings.worker_unsync_backoff_ms
        } else if let Some(fraction) = (settings.scheduled_rebalance_max_delay_ms / 10).checked_div(self.retries_left) {
            self.retries_left -= 1;
            u64::from(fraction)
        } else {
            self.retries_left = RETRIES;
            self.not_before = None;
            return AfterFailure::GiveUpWork;
        };
        self.not_before = Some(Now(now.0.saturating_add(wait_ms)));
        AfterFailure::BackOff
    }

    /// Whether a read has to work before anything else may happen in the group, and it is time to try.
    #[must_use]
    pub fn must_read(&self, now: Now) -> bool {
        self.failed && self.reading.is_none() && self.not_before.is_none_or(|at| at <= now)
    }

    /// Whether this worker must stay out of the group for now.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.failed
    }

    /// When the next read is to be tried.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Now> {
        self.not_before.filter(|_| self.failed && self.reading.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings::new("w:1", "http://w:1/")
    }

    #[test]
    fn a_cooperative_worker_waits_five_times_and_then_gives_up_its_work() {
        let mut catch_up = CatchUp::default();
        let mut waits = Vec::new();

        while catch_up.failed(Now(0), Some(Subprotocol::Sessioned), &settings()) == AfterFailure::BackOff {
            waits.push(catch_up.next_timeout().unwrap().0);
        }

        assert_eq!(waits, [6_000, 7_500, 10_000, 15_000, 30_000]);
        assert!(catch_up.must_read(Now(0)), "and starts over");
    }

    #[test]
    fn an_eager_worker_waits_long() {
        let mut catch_up = CatchUp::default();

        catch_up.failed(Now(0), Some(Subprotocol::Eager), &settings());

        assert!(!catch_up.must_read(Now(299_999)));
        assert!(catch_up.must_read(Now(300_000)));
    }

    #[test]
    fn a_read_that_works_opens_the_group_again() {
        let mut catch_up = CatchUp::default();
        catch_up.failed(Now(0), Some(Subprotocol::Sessioned), &settings());
        catch_up.reading(OpId(7));

        assert!(!catch_up.ended(OpId(6)));
        assert!(catch_up.ended(OpId(7)));
        catch_up.succeeded();

        assert!(!catch_up.is_blocked());
    }
}
