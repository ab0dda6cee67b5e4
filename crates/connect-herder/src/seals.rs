//! Which connectors' task configs a new reader of the config topic might miss, and what to do about it.
//!
//! The topic is compacted. Someone who reads it anew finds, of every key, the last record; so of a connector's config, its
//! task configs and their commit he finds a whole only if the commit came last. If a config was written again after it, or
//! task configs without a commit, then he takes the connector for *inconsistent*: without tasks. Those who have lived
//! through the records know the tasks, and see no reason to publish them again. (Java has this gap: which worker leads
//! then decides whether the connector has tasks.)
//!
//! So the commit *seals* the records before it. An instance that starts publishes its tasks if there is no seal, even if
//! they have not changed; and a leader to whom a connector is inconsistent for a while has its instance restarted.

use std::collections::{BTreeMap, BTreeSet};

use crate::config_log::ClusterConfigState;
use crate::config_log::TargetState;
use crate::ids::{ConnectorName, Now};

/// How long an inconsistent connector gets to publish its tasks by itself, at first and at most.
const PATIENCE_MS: u64 = 10_000;
const PATIENCE_MAX_MS: u64 = 600_000;

/// What is sealed, and what is being repaired.
#[derive(Debug, Clone, Default)]
pub struct Seals {
    broken: BTreeSet<ConnectorName>,
    repairs: BTreeMap<ConnectorName, Repair>,
}

#[derive(Debug, Clone, Copy)]
struct Repair {
    at: Now,
    patience_ms: u64,
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

    /// The connectors whose instance has to be restarted now, for the leader.
    pub fn take_repairs(&mut self, config: &ClusterConfigState, now: Now) -> Vec<ConnectorName> {
        let wanted = |name: &&ConnectorName| config.target_state(name) == Some(TargetState::Started);
        let inconsistent: BTreeSet<_> = config.inconsistent_connectors().filter(wanted).cloned().collect();
        self.repairs.retain(|name, _| inconsistent.contains(name));
        let mut due = Vec::new();
        for name in inconsistent {
            let first = Repair { at: Now(now.0.saturating_add(PATIENCE_MS)), patience_ms: PATIENCE_MS };
            let repair = self.repairs.entry(name.clone()).or_insert(first);
            if repair.at <= now {
                repair.patience_ms = repair.patience_ms.saturating_mul(2).min(PATIENCE_MAX_MS);
                repair.at = Now(now.0.saturating_add(repair.patience_ms));
                due.push(name);
            }
        }
        due
    }

    /// Nothing is to be repaired by this worker.
    pub fn forget_repairs(&mut self) {
        self.repairs.clear();
    }

    /// When the next restart is due.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Now> {
        self.repairs.values().map(|repair| repair.at).min()
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
}
