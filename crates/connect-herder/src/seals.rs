//! Which connectors' task configs a new reader of the config topic might miss, and what to do about it.
//!
//! The topic is compacted. Someone who reads it anew finds, of every key, the last record; so of a connector's config, its
//! task configs and their commit he finds a whole only if the commit came last. If a config was written again after it, or
//! task configs without a commit, then he takes the connector for *inconsistent*: without tasks. Those who have lived
//! through the records know the tasks, and see no reason to publish them again. (Java has this gap: which worker leads
//! then decides whether the connector has tasks.)
//!
//! So the commit *seals* the records before it, and a connector without a seal gets one: whenever its instance has made its
//! tasks, they are published even if they have not changed; an instance that runs and finds the seal broken for a while (a
//! set of task configs without a commit, by a leader that died) is asked for its tasks; and a leader to whom a connector is
//! inconsistent for a while has its instance restarted.

use std::collections::{BTreeMap, BTreeSet};

use crate::config_log::ClusterConfigState;
use crate::config_log::TargetState;
use crate::ids::{ConnectorName, Now};

/// How long a connector without a seal has until its instance is asked for its tasks: whoever is about to commit does it in
/// this time. How long an inconsistent one has until it is restarted.
const RESEAL_PATIENCE_MS: u64 = 5_000;
const REPAIR_PATIENCE_MS: u64 = 10_000;
/// Both are doubled after each try, up to this.
const PATIENCE_MAX_MS: u64 = 600_000;

/// What is sealed, and what is being repaired.
#[derive(Debug, Clone)]
pub struct Seals {
    broken: BTreeSet<ConnectorName>,
    reseals: Tries,
    repairs: Tries,
}

/// Connectors that something is tried for, later every time.
#[derive(Debug, Clone)]
struct Tries {
    patience_ms: u64,
    next: BTreeMap<ConnectorName, Try>,
}

#[derive(Debug, Clone, Copy)]
struct Try {
    at: Now,
    patience_ms: u64,
}

impl Default for Seals {
    fn default() -> Self {
        Self {
            broken: BTreeSet::new(),
            reseals: Tries::new(RESEAL_PATIENCE_MS),
            repairs: Tries::new(REPAIR_PATIENCE_MS),
        }
    }
}

impl Seals {
    /// A record of the config topic.
    pub fn record(&mut self, key: &str) {
        if let Some(name) = key.strip_prefix("commit-") {
            self.broken.remove(name);
        } else if let Some(name) = key.strip_prefix("connector-") {
            self.broken.insert(name.into());
        } else if let Some((name, _)) = key.strip_prefix("task-").and_then(|task| task.rsplit_once('-')) {
            self.broken.insert(name.into());
        }
    }

    /// Whether a new reader might miss the connector's tasks.
    #[must_use]
    pub fn is_broken(&self, name: &ConnectorName) -> bool {
        self.broken.contains(name)
    }

    /// The connectors whose instance has to be asked for its tasks now, of those that run here.
    pub fn take_reseals(&mut self, runs_here: impl Fn(&ConnectorName) -> bool, now: Now) -> Vec<ConnectorName> {
        self.reseals.take_due(self.broken.iter().filter(|name| runs_here(name)).cloned().collect(), now)
    }

    /// The connectors whose instance has to be restarted now, for the leader.
    pub fn take_repairs(&mut self, config: &ClusterConfigState, now: Now) -> Vec<ConnectorName> {
        let wanted = |name: &&ConnectorName| config.target_state(name) == Some(TargetState::Started);
        self.repairs.take_due(config.inconsistent_connectors().filter(wanted).cloned().collect(), now)
    }

    /// No connector is to be restarted by this worker.
    pub fn forget_repairs(&mut self) {
        self.repairs.next.clear();
    }

    /// When there is something to do, if nothing else happens.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Now> {
        [&self.reseals, &self.repairs].into_iter().flat_map(|tries| tries.next.values()).map(|next| next.at).min()
    }
}

impl Tries {
    fn new(patience_ms: u64) -> Self {
        Self { patience_ms, next: BTreeMap::new() }
    }

    /// Of the connectors that still need it, those whose time has come.
    fn take_due(&mut self, in_need: BTreeSet<ConnectorName>, now: Now) -> Vec<ConnectorName> {
        self.next.retain(|name, _| in_need.contains(name));
        let mut due = Vec::new();
        for name in in_need {
            let first = Try { at: Now(now.0.saturating_add(self.patience_ms)), patience_ms: self.patience_ms };
            let next = self.next.entry(name.clone()).or_insert(first);
            if next.at <= now {
                next.patience_ms = next.patience_ms.saturating_mul(2).min(PATIENCE_MAX_MS);
                next.at = Now(now.0.saturating_add(next.patience_ms));
                due.push(name);
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_seals_what_came_before() {
        let mut seals = Seals::default();
        let broken = |seals: &Seals| seals.is_broken(&"a-b".into());

        seals.record("connector-a-b");
        assert!(broken(&seals));
        seals.record("task-a-b-0");
        seals.record("commit-a-b");
        assert!(!broken(&seals));
        seals.record("target-state-a-b");
        assert!(!broken(&seals));

        seals.record("task-a-b-1");
        assert!(broken(&seals));
    }

    #[test]
    fn an_inconsistent_connector_is_repaired_after_a_while_and_then_later_every_time() {
        let mut config = ClusterConfigState::new();
        config.apply(0, "commit-m", Some(br#"{"tasks":2}"#));
        config.apply(1, "connector-m", Some(br#"{"properties":{}}"#));
        let mut seals = Seals::default();

        assert_eq!(seals.take_repairs(&config, Now(0)), []);
        assert_eq!(seals.next_timeout(), Some(Now(10_000)));
        assert_eq!(seals.take_repairs(&config, Now(10_000)), ["m".into()]);
        assert_eq!(seals.next_timeout(), Some(Now(30_000)));

        config.apply(2, "target-state-m", Some(br#"{"state":"PAUSED"}"#));
        assert_eq!(seals.take_repairs(&config, Now(30_000)), []);
        assert_eq!(seals.next_timeout(), None);
    }

    #[test]
    fn an_instance_is_asked_for_its_tasks_only_if_nobody_seals_them_in_time() {
        let mut seals = Seals::default();
        let here = |name: &ConnectorName| name.as_str() != "elsewhere";
        for key in ["task-m-0", "connector-n", "connector-elsewhere"] {
            seals.record(key);
        }

        assert_eq!(seals.take_reseals(here, Now(0)), []);
        assert_eq!(seals.next_timeout(), Some(Now(5_000)));
        seals.record("commit-n");
        assert_eq!(seals.take_reseals(here, Now(5_000)), ["m".into()]);
        assert_eq!(seals.next_timeout(), Some(Now(15_000)), "later every time");
        seals.record("commit-m");
        assert_eq!(seals.take_reseals(here, Now(15_000)), []);

        assert_eq!(seals.next_timeout(), None);
    }
}
