//! What the leader has to remember from one rebalance to the next (the fields of Java's `IncrementalCooperativeAssignor`).

use std::collections::BTreeSet;

use super::Unit;
use crate::ids::{Generation, MemberId, Now};

/// The leader's memory. Starts empty; a worker that becomes leader knows nothing of what its predecessor remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// All that was assigned after the last round, and what was waiting for a member to come back.
    pub(super) assignment: BTreeSet<Unit>,
    /// What the last round revoked.
    pub(super) revoked: BTreeSet<Unit>,
    /// Who took part in the last round.
    pub(super) members: BTreeSet<MemberId>,
    /// The generation of the last round.
    pub(super) generation: Generation,
    /// Members that had nothing to do while lost work was waiting: perhaps those that lost it. In the order they came.
    pub(super) candidates: Vec<MemberId>,
    /// When waiting ends; `None` while nothing waits.
    pub(super) scheduled_rebalance: Option<Now>,
    /// The last round took work away from someone in order to balance.
    pub(super) revoked_in_previous: bool,
    /// How many such rounds there have been in a row.
    pub(super) successive_revocations: u32,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            assignment: BTreeSet::new(),
            revoked: BTreeSet::new(),
            members: BTreeSet::new(),
            generation: Generation::NONE,
            candidates: Vec::new(),
            scheduled_rebalance: None,
            revoked_in_previous: false,
            successive_revocations: 0,
        }
    }
}

impl Memory {
    /// When lost work that waits for its member is given to others; `None` while nothing waits. For people to see.
    #[must_use]
    pub fn scheduled_rebalance(&self) -> Option<Now> {
        self.scheduled_rebalance
    }

    /// Nothing waits any more.
    pub(super) fn stop_waiting(&mut self) {
        self.candidates.clear();
        self.scheduled_rebalance = None;
    }
}
