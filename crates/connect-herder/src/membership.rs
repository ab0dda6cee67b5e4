//! What the group has told us: generation, leader, and the work that is ours.
//!
//! ```text
//! Outside ──join──► Joining ──joined──► Syncing ──synced──► Member (unresolved) ──resolve──► Member
//!    ▲                 ▲                   │                        │                          │
//!    └──────lost───────┴───────────────────┴────────rejoin──────────┴──────────────────────────┘
//! ```
//!
//! An assignment only counts when this worker knows exactly the config that it was made from: behind, it reads to the end
//! first; ahead, or after an error, it joins again. Until then the round is *unresolved*, and nothing new starts.
//! In the cooperative protocols an assignment carries what is new and what is revoked, and is merged with what we have; in
//! the eager one it is everything.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::ids::{ConfigOffset, Generation, MemberId, Now, TaskId};
use crate::protocol::{Assignment, ConnectorsAndTasks, Subprotocol, WorkerMetadata};
use crate::work::Unit;

/// This worker's place in the group.
#[derive(Debug, Clone)]
pub struct Membership {
    offered: Subprotocol,
    phase: Phase,
    generation: Generation,
    member_id: Option<MemberId>,
    protocol: Option<Subprotocol>,
    /// What is ours: the last assignment, merged. Nothing is revoked in it.
    assignment: Option<Assignment>,
    last_completed: Generation,
    resolved: bool,
    caught_up: bool,
    revoked: bool,
    rejoin: bool,
    scheduled_rebalance: Option<Now>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Outside,
    Joining,
    Syncing,
    Member,
}

/// What a member has to do next about its assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    Nothing,
    /// Read the config topic to its end, and say so with [`Membership::caught_up`].
    ReadToEnd,
    /// Join again.
    Rejoin,
    /// Start the work.
    Resolve,
}

impl Membership {
    /// Not a member yet.
    #[must_use]
    pub fn new(offered: Subprotocol) -> Self {
        Self {
            offered,
            phase: Phase::Outside,
            generation: Generation::NONE,
            member_id: None,
            protocol: None,
            assignment: None,
            last_completed: Generation::NONE,
            resolved: false,
            caught_up: false,
            revoked: false,
            rejoin: true,
            scheduled_rebalance: None,
        }
    }

    /// Begins to join: the protocols to offer, with this worker's metadata for each.
    pub fn join(&mut self, url: &str, config_offset: ConfigOffset) -> Vec<(String, Bytes)> {
        self.phase = Phase::Joining;
        self.rejoin = false;
        self.scheduled_rebalance = None;
        let offer = |protocol: &Subprotocol| {
            let mut metadata =
                WorkerMetadata { url: url.to_owned(), config_offset, allocation: self.assignment.clone() };
            // Only a name of more than 32,767 bytes can't be written. Then the leader takes us for a new worker, and
            // work that others get too is revoked from us.
            let bytes = metadata.encode(*protocol).or_else(|_| {
                metadata.allocation = None;
                metadata.encode(*protocol)
            });
            Some((protocol.name().to_owned(), bytes.ok()?))
        };
        self.offered.offered().iter().filter_map(offer).collect()
    }

    /// A join has completed. Answers whether one was under way. It may do so twice: a join that was sent while the one
    /// before was being answered is answered too, and it is the later answer that has to be followed by a sync.
    pub fn joined(&mut self, generation: Generation, member_id: MemberId, protocol: Option<Subprotocol>) -> bool {
        let news = self.phase == Phase::Joining || (self.phase == Phase::Syncing && generation >= self.generation);
        if !news {
            return false;
        }
        self.phase = Phase::Syncing;
        self.generation = generation;
        self.member_id = Some(member_id);
        self.protocol = protocol;
        true
    }

    /// The assignment has come. Answers whether it belongs to the join under way.
    pub fn synced(&mut self, now: Now, generation: Generation, assignment: Assignment) -> bool {
        if self.phase != Phase::Syncing || generation != self.generation {
            return false;
        }
        self.phase = Phase::Member;
        self.resolved = false;
        self.caught_up = false;
        self.last_completed = generation;
        self.revoked = !assignment.revoked.is_empty();
        self.scheduled_rebalance = (assignment.delay_ms > 0).then(|| Now(now.0 + u64::from(assignment.delay_ms)));
        self.assignment = Some(match self.assignment.take() {
            Some(held) if self.protocol != Some(Subprotocol::Eager) => merge(held.assigned, assignment),
            _ => merge(ConnectorsAndTasks::default(), assignment),
        });
        true
    }

    /// The bytes of the assignment made no sense, or the sync did not work out.
    pub fn sync_failed(&mut self) {
        if self.phase == Phase::Syncing {
            self.phase = Phase::Member;
        }
        self.rejoin = true;
    }

    /// The group does not know us any more. What we run we keep until someone says otherwise.
    pub fn lost(&mut self) {
        self.phase = Phase::Outside;
        self.generation = Generation::NONE;
        self.member_id = None;
        self.rejoin = true;
        self.scheduled_rebalance = None;
    }

    /// All our work is given up, on our own account.
    pub fn give_up_work(&mut self) {
        self.assignment = None;
        self.resolved = false;
        self.rejoin = true;
    }

    /// All our work is given up, because the eager protocol wants it so before a rebalance. The leader we still know.
    pub fn revoke_all(&mut self) {
        if let Some(assignment) = &mut self.assignment {
            assignment.assigned = ConnectorsAndTasks::default();
        }
    }

    /// A rebalance is needed, by our own or the coordinator's word.
    pub fn want_rejoin(&mut self) {
        self.rejoin = true;
    }

    /// What to do next about the assignment, knowing the config up to `offset`.
    #[must_use]
    pub fn next(&self, offset: ConfigOffset, now: Now) -> Next {
        let Some(assignment) = &self.assignment else {
            return Next::Nothing;
        };
        if self.phase != Phase::Member || self.rejoin {
            return Next::Nothing;
        }
        if self.scheduled_rebalance.is_some_and(|at| at <= now) {
            return Next::Rejoin;
        }
        if self.resolved {
            return Next::Nothing;
        }
        let behind = offset < assignment.config_offset;
        if !self.caught_up && (behind || (assignment.failed() && self.is_leader())) {
            return Next::ReadToEnd;
        }
        // To be ahead is as bad as to be behind: others may have started other work from the same assignment.
        if assignment.failed() || offset != assignment.config_offset {
            return Next::Rejoin;
        }
        Next::Resolve
    }

    /// The config topic has been read to its end in this round.
    pub fn caught_up(&mut self) {
        self.caught_up = true;
    }

    /// The work of the assignment may start. What was revoked has to be handed out in another round.
    pub fn resolve(&mut self) {
        self.resolved = true;
        if std::mem::take(&mut self.revoked) {
            self.rejoin = true;
        }
    }

    /// Whether to join as soon as nothing stands against it.
    #[must_use]
    pub fn wants_join(&self) -> bool {
        self.rejoin && self.phase != Phase::Joining && self.phase != Phase::Syncing
    }

    /// Whether this worker is a member with a resolved assignment and no rebalance in sight: the time for requests.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.phase == Phase::Member && self.resolved && !self.rejoin
    }

    /// Whether this worker is a member whose assignment is not resolved yet.
    #[must_use]
    pub fn is_unresolved(&self) -> bool {
        self.phase == Phase::Member && !self.resolved
    }

    /// Whether this worker leads the group, by its last assignment.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.member_id.is_some() && self.member_id.as_ref() == self.leader_id()
    }

    /// The leader's member id, by the last assignment.
    #[must_use]
    pub fn leader_id(&self) -> Option<&MemberId> {
        self.assignment.as_ref().map(|assignment| &assignment.leader)
    }

    /// The leader's address, by the last assignment.
    #[must_use]
    pub fn leader_url(&self) -> Option<&str> {
        self.assignment.as_ref().map(|assignment| assignment.leader_url.as_str()).filter(|url| !url.is_empty())
    }

    /// This worker's member id.
    #[must_use]
    pub fn member_id(&self) -> Option<&MemberId> {
        self.member_id.as_ref()
    }

    /// The generation of the last join.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The generation of the last assignment.
    #[must_use]
    pub fn last_completed(&self) -> Generation {
        self.last_completed
    }

    /// The elected protocol.
    #[must_use]
    pub fn protocol(&self) -> Option<Subprotocol> {
        self.protocol
    }

    /// What is ours.
    #[must_use]
    pub fn assigned(&self) -> Option<&ConnectorsAndTasks> {
        self.assignment.as_ref().map(|assignment| &assignment.assigned)
    }

    /// What is ours, as units.
    #[must_use]
    pub fn units(&self) -> BTreeSet<Unit> {
        let Some(work) = self.assigned() else {
            return BTreeSet::new();
        };
        let connectors = work.connectors.iter().cloned().map(Unit::Connector);
        connectors.chain(work.tasks.iter().cloned().map(Unit::Task)).collect()
    }

    /// When the group wants everyone to join again.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Now> {
        self.scheduled_rebalance.filter(|_| self.phase == Phase::Member && !self.rejoin)
    }
}

/// What we keep of what we had, and what is new.
fn merge(held: ConnectorsAndTasks, assignment: Assignment) -> Assignment {
    let Assignment { assigned, revoked, .. } = &assignment;
    let connectors: BTreeSet<_> =
        held.connectors.into_iter().filter(|name| !revoked.connectors.contains(name)).collect();
    let tasks: BTreeSet<TaskId> = held.tasks.into_iter().filter(|task| !revoked.tasks.contains(task)).collect();
    let merged = ConnectorsAndTasks {
        connectors: connectors
            .into_iter()
            .chain(assigned.connectors.clone())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        tasks: tasks.into_iter().chain(assigned.tasks.clone()).collect::<BTreeSet<_>>().into_iter().collect(),
    };
    Assignment { assigned: merged, revoked: ConnectorsAndTasks::default(), ..assignment }
}

#[cfg(test)]
mod tests;
