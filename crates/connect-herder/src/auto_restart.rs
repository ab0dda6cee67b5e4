//! Restarts of what has failed, without being asked: bounded, and slower every time.
//!
//! Kafka Connect leaves FAILED things alone, and people run cron jobs against that. Here a failed unit gets another try
//! after a back-off that doubles; after too many in a row it stays FAILED. Running well for a while begins a new row.

use std::collections::BTreeMap;

use crate::ids::Now;
use crate::settings::AutoRestart;
use crate::work::Unit;

/// Every unit here that has failed lately.
#[derive(Debug, Clone, Default)]
pub struct AutoRestarts {
    units: BTreeMap<Unit, Failures>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Failures {
    /// Tries that have been scheduled in a row.
    attempts: u32,
    /// When the next try is due; `None` while it runs, or for good.
    due: Option<Now>,
    /// Since when it runs.
    running_since: Option<Now>,
}

/// A try that is going to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Its number, from 1.
    pub number: u32,
    /// How long from now.
    pub delay_ms: u64,
}

impl AutoRestarts {
    /// A unit has failed, whose connector wants restarts like this. Answers with the try that follows, if one does.
    pub fn failed(&mut self, unit: &Unit, settings: AutoRestart, now: Now) -> Option<Attempt> {
        if !settings.enabled {
            self.units.remove(unit);
            return None;
        }
        let quiet_ms = settings.backoff_max_ms.saturating_mul(10);
        let failures = self.units.entry(unit.clone()).or_default();
        if failures.running_since.take().is_some_and(|since| now.0.saturating_sub(since.0) >= quiet_ms) {
            failures.attempts = 0;
        }
        if failures.attempts >= settings.max_attempts {
            failures.due = None;
            return None;
        }
        let doubled = settings.backoff_ms.saturating_mul(1 << failures.attempts.min(32));
        let delay_ms = doubled.min(settings.backoff_max_ms);
        failures.attempts += 1;
        failures.due = Some(Now(now.0.saturating_add(delay_ms)));
        Some(Attempt { number: failures.attempts, delay_ms })
    }

    /// A unit runs.
    pub fn started(&mut self, unit: &Unit, now: Now) {
        if let Some(failures) = self.units.get_mut(unit) {
            failures.due = None;
            failures.running_since = Some(now);
        }
    }

    /// A unit has gone, or has got another config: its past no longer counts.
    pub fn forget(&mut self, unit: &Unit) {
        self.units.remove(unit);
    }

    /// Takes the units whose try is due.
    #[must_use]
    pub fn take_due(&mut self, now: Now) -> Vec<Unit> {
        let mut due = Vec::new();
        for (unit, failures) in &mut self.units {
            if failures.due.is_some_and(|at| at <= now) {
                failures.due = None;
                due.push(unit.clone());
            }
        }
        due
    }

    /// When the next try is due.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Now> {
        self.units.values().filter_map(|failures| failures.due).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(max_attempts: u32) -> AutoRestart {
        AutoRestart { enabled: true, max_attempts, backoff_ms: 100, backoff_max_ms: 300 }
    }

    fn unit() -> Unit {
        Unit::Connector("m".into())
    }

    #[test]
    fn every_try_waits_twice_as_long_up_to_the_longest() {
        let (mut restarts, settings) = (AutoRestarts::default(), settings(10));

        let delays: Vec<_> = (0..4).map(|_| restarts.failed(&unit(), settings, Now(0)).unwrap().delay_ms).collect();

        assert_eq!(delays, [100, 200, 300, 300]);
    }

    #[test]
    fn after_the_last_try_it_stays_failed() {
        let (mut restarts, settings) = (AutoRestarts::default(), settings(1));

        assert_eq!(restarts.failed(&unit(), settings, Now(0)), Some(Attempt { number: 1, delay_ms: 100 }));
        assert_eq!(restarts.take_due(Now(99)), []);
        assert_eq!(restarts.take_due(Now(100)), [unit()]);
        restarts.started(&unit(), Now(110));

        assert_eq!(restarts.failed(&unit(), settings, Now(120)), None);
        assert_eq!(restarts.next_timeout(), None);
    }

    #[test]
    fn running_well_begins_a_new_row() {
        let (mut restarts, settings) = (AutoRestarts::default(), settings(1));
        restarts.failed(&unit(), settings, Now(0));
        restarts.started(&unit(), Now(100));

        assert_eq!(restarts.failed(&unit(), settings, Now(3_100)), Some(Attempt { number: 1, delay_ms: 100 }));
    }

    #[test]
    fn a_connector_has_its_own_say() {
        let of = |key: &str, text: &str| settings(3).of(&[(key.to_owned(), text.to_owned())].into());

        assert!(!of("portage.restart.enabled", "False").enabled);
        assert_eq!(of("portage.restart.max.attempts", "7").max_attempts, 7);
        assert_eq!(of("topics", "x"), settings(3));
        assert_eq!(AutoRestarts::default().failed(&unit(), of("portage.restart.enabled", "false"), Now(0)), None);
    }
}
