//! Fencing of zombies (KIP-618): before exactly-once tasks of a new set start, the producers of the set before must not be
//! able to write any more. The leader does it, once for a set, for whoever asks.
//!
//! The config topic says how many producers there may be: `tasks-fencing-<connector>`, written when a set may start.

use std::collections::BTreeMap;

use crate::config_log::ClusterConfigState;
use crate::ids::{ConnectorName, OpId};

/// What has to be done before the tasks of a connector may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing: it has been done for this set.
    Nothing,
    /// Only the number of tasks has to be written down: there were none before, or the one task fences itself, as it has
    /// the same transactional id.
    CountOnly,
    /// The producers of tasks 0 up to here have to be fenced first.
    Fence(u32),
}

/// What has to be done for a connector, by the config topic (Java: `DistributedHerder.doFenceZombies`).
#[must_use]
pub fn need(config: &ClusterConfigState, name: &ConnectorName) -> Need {
    if !config.is_pending_fencing(name) {
        return Need::Nothing;
    }
    match config.task_count_record(name) {
        None => Need::CountOnly,
        Some(1) if config.task_count(name) == 1 => Need::CountOnly,
        Some(count) => Need::Fence(count),
    }
}

/// The rounds of fencing that are under way, at most one for a connector. `W` is who waits.
#[derive(Debug, Clone)]
pub struct Fencings<W> {
    rounds: BTreeMap<ConnectorName, Round<W>>,
}

#[derive(Debug, Clone)]
struct Round<W> {
    op: OpId,
    generation: Option<u32>,
    waiters: Vec<W>,
}

/// How a round of fencing goes on when the producers have been fenced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fenced {
    /// The connector.
    pub name: ConnectorName,
    /// The set of task configs that it was done for.
    pub generation: Option<u32>,
}

impl<W> Default for Fencings<W> {
    fn default() -> Self {
        Self { rounds: BTreeMap::new() }
    }
}

impl<W> Fencings<W> {
    /// Waits for the round under way. Gives the waiter back if there is none.
    pub fn join(&mut self, name: &ConnectorName, waiter: W) -> Result<(), W> {
        match self.rounds.get_mut(name) {
            Some(round) => {
                round.waiters.push(waiter);
                Ok(())
            }
            None => Err(waiter),
        }
    }

    /// A round begins, for the set of task configs of this generation.
    pub fn begin(&mut self, name: ConnectorName, op: OpId, generation: Option<u32>, waiter: W) {
        self.rounds.insert(name, Round { op, generation, waiters: vec![waiter] });
    }

    /// The producers of a round have been fenced.
    #[must_use]
    pub fn fenced(&self, op: OpId) -> Option<Fenced> {
        let (name, round) = self.rounds.iter().find(|(_, round)| round.op == op)?;
        Some(Fenced { name: name.clone(), generation: round.generation })
    }

    /// Ends the round of a connector and answers with who waits for it.
    pub fn end(&mut self, name: &ConnectorName) -> Vec<W> {
        self.rounds.remove(name).map(|round| round.waiters).unwrap_or_default()
    }

    /// Ends all rounds: this worker leads no more.
    pub fn end_all(&mut self) -> Vec<W> {
        std::mem::take(&mut self.rounds).into_values().flat_map(|round| round.waiters).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(records: &[(&str, &str)]) -> ClusterConfigState {
        let mut config = ClusterConfigState::new();
        for (offset, (key, value)) in (0..).zip(records) {
            config.apply(offset, key, Some(value.as_bytes()));
        }
        config
    }

    const CONNECTOR: (&str, &str) = ("connector-m", r#"{"properties":{}}"#);
    const TASK_0: (&str, &str) = ("task-m-0", r#"{"properties":{}}"#);
    const TASK_1: (&str, &str) = ("task-m-1", r#"{"properties":{}}"#);
    const ONE: (&str, &str) = ("commit-m", r#"{"tasks":1}"#);
    const TWO: (&str, &str) = ("commit-m", r#"{"tasks":2}"#);
    const FENCED_ONE: (&str, &str) = ("tasks-fencing-m", r#"{"task-count":1}"#);
    const FENCED_TWO: (&str, &str) = ("tasks-fencing-m", r#"{"task-count":2}"#);

    #[test]
    fn what_has_to_be_done_is_java_s_table() {
        let need = |records: &[_]| need(&config(records), &"m".into());

        assert_eq!(need(&[CONNECTOR]), Need::Nothing);
        assert_eq!(need(&[CONNECTOR, TASK_0, ONE]), Need::CountOnly);
        assert_eq!(need(&[CONNECTOR, TASK_0, ONE, FENCED_ONE]), Need::Nothing);
        assert_eq!(need(&[CONNECTOR, TASK_0, ONE, FENCED_ONE, TASK_0, ONE]), Need::CountOnly);
        assert_eq!(need(&[CONNECTOR, TASK_0, ONE, FENCED_ONE, TASK_0, TASK_1, TWO]), Need::Fence(1));
        assert_eq!(need(&[CONNECTOR, TASK_0, TASK_1, TWO, FENCED_TWO, TASK_0, ONE]), Need::Fence(2));
    }

    #[test]
    fn whoever_asks_during_a_round_waits_for_it() {
        let mut fencings = Fencings::default();

        assert_eq!(fencings.join(&"m".into(), 1), Err(1));
        fencings.begin("m".into(), OpId(7), Some(3), 1);
        assert_eq!(fencings.join(&"m".into(), 2), Ok(()));

        assert_eq!(fencings.fenced(OpId(7)), Some(Fenced { name: "m".into(), generation: Some(3) }));
        assert_eq!(fencings.end(&"m".into()), [1, 2]);
        assert_eq!(fencings.fenced(OpId(7)), None);
    }
}
