//! A member of a group of any type, with opaque bytes: the classic protocol (JoinGroup, SyncGroup, Heartbeat, LeaveGroup).
//!
//! The member does what it is told and reports what happened; it decides nothing. One side sends [`GroupMember::join`],
//! [`sync`](GroupMember::sync) and [`leave`](GroupMember::leave), the other side receives [`GroupEvent`]s. Heartbeats run by
//! themselves between a join and the loss of membership.
//!
//! ```text
//!  join ──► Joined ──sync──► Synced ── heartbeats ──► RebalanceNeeded ──join──► Joined …
//!                                                 └──► Lost ──join──► …
//! ```
//!
//! | file | idea |
//! |---|---|
//! | `actor` | the states above, and what interrupts what |
//! | `stats` | what a member counts, for metrics |
//! | `requests` | one request and its answer each |
//! | `verdict` | what an error code means for a member (pure) |

mod actor;
mod requests;
mod stats;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::cluster::Cluster;
use actor::Actor;
pub use stats::{GroupStats, Timing};

/// Who joins what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSettings {
    /// `group.id`.
    pub group_id: String,
    /// The type of the group, such as `connect`.
    pub protocol_type: String,
    /// `session.timeout.ms`: the coordinator removes a member that has been silent for so long.
    pub session_timeout: Duration,
    /// `rebalance.timeout.ms`: how long the coordinator waits for members to join again.
    pub rebalance_timeout: Duration,
    /// `heartbeat.interval.ms`.
    pub heartbeat_interval: Duration,
}

/// What happened to the membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupEvent {
    /// A join has completed; [`GroupMember::sync`] must follow, with assignments from the leader and nothing from others.
    Joined {
        /// The new generation.
        generation: i32,
        /// This member's id.
        member_id: String,
        /// The leader's id.
        leader_id: String,
        /// The protocol that all members have in common.
        protocol: String,
        /// Members and their metadata for that protocol; empty for followers.
        members: Vec<(String, Bytes)>,
    },
    /// The leader's assignment for this member.
    Synced {
        /// The generation it belongs to.
        generation: i32,
        /// The bytes.
        assignment: Bytes,
    },
    /// Everyone is to join again. Heartbeats go on meanwhile.
    RebalanceNeeded,
    /// The coordinator does not answer; the membership may still be good. Repeated with every failed heartbeat, and told a
    /// heartbeat interval before the session can end, should a heartbeat still be waiting for its answer.
    CoordinatorUnknown {
        /// For how long it has not been heard of.
        unheard: Duration,
    },
    /// The coordinator answers a heartbeat again, after [`GroupEvent::CoordinatorUnknown`]; nothing was lost.
    CoordinatorKnown,
    /// The membership has ended without being asked to; a join starts anew.
    Lost {
        /// Why.
        reason: String,
    },
    /// Joining can't work until something is changed.
    Fatal {
        /// Why, and what to do.
        reason: String,
    },
}

/// A member, or someone who wants to become one. Dropping it leaves the group without saying so.
#[derive(Debug)]
pub struct GroupMember {
    commands: mpsc::UnboundedSender<Command>,
    stats: Arc<GroupStats>,
}

#[derive(Debug)]
enum Command {
    Join(Vec<(String, Bytes)>),
    Sync { generation: i32, assignments: Vec<(String, Bytes)> },
    Leave(oneshot::Sender<()>),
}

impl GroupMember {
    /// Makes a member that has not joined yet, and the stream of what happens to it. Must be called within a runtime.
    #[must_use]
    pub fn start(cluster: Cluster, settings: GroupSettings) -> (Self, mpsc::UnboundedReceiver<GroupEvent>) {
        let (commands, received) = mpsc::unbounded_channel();
        let (events, happened) = mpsc::unbounded_channel();
        let stats = Arc::<GroupStats>::default();
        tokio::spawn(Actor::new(cluster, settings, received, events, Arc::clone(&stats)).run());
        (Self { commands, stats }, happened)
    }

    /// What it has counted so far.
    #[must_use]
    pub fn stats(&self) -> &Arc<GroupStats> {
        &self.stats
    }

    /// Joins, or joins again, with these protocols and their metadata, most wanted first. A join that is under way is
    /// completed first and not reported.
    pub fn join(&self, protocols: Vec<(String, Bytes)>) {
        self.send(Command::Join(protocols));
    }

    /// Completes the join of that generation: the leader's assignments by member id, nothing from others. Ignored when no
    /// join waits for it, or one of another generation does.
    pub fn sync(&self, generation: i32, assignments: Vec<(String, Bytes)>) {
        self.send(Command::Sync { generation, assignments });
    }

    /// Leaves the group. Returns when the coordinator knows, or after a few seconds when it can't be reached.
    pub async fn leave(&self) {
        let (done, left) = oneshot::channel();
        self.send(Command::Leave(done));
        // An actor that has ended has left.
        let _ = left.await;
    }

    fn send(&self, command: Command) {
        // The actor ends only when this handle does.
        let _ = self.commands.send(command);
    }
}
