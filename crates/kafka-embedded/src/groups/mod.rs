//! Groups: who is a member, who leads, and how far they have read. Of any protocol type: consumers, Connect workers.
//!
//! [`Group`] is the coordinator's classic state machine as a value; time is an argument, and whoever has to wait gets the
//! receiving end of a channel.
//!
//! ```text
//! Empty ──join──► PreparingRebalance ──all joined, or time is up──► CompletingRebalance ──leader syncs──► Stable
//!                   ▲                                                    │ join, leave, expiry              │
//!                   └────────────────────────────────────────────────────┴──────────────────────────────────┘
//! ```

mod commits;
mod listing;
mod membership;
mod rebalance;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError as E;
use kafka_protocol::messages::{JoinGroupResponse, SyncGroupResponse};
use kafka_protocol::protocol::StrBytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// A topic and a partition of it.
pub(crate) type Partition = (String, i32);

/// How far a group has read a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: StrBytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Empty,
    /// Members join until all have, or until `until`; not before `from`.
    PreparingRebalance {
        from: Instant,
        until: Instant,
    },
    /// Members sync until `until`.
    CompletingRebalance {
        until: Instant,
    },
    Stable,
}

#[derive(Debug)]
struct Member {
    instance_id: Option<String>,
    client_id: String,
    session_timeout: Duration,
    rebalance_timeout: Duration,
    protocols: Vec<(StrBytes, Bytes)>,
    assignment: Bytes,
    seen: Instant,
    joining: Option<oneshot::Sender<JoinGroupResponse>>,
    syncing: Option<oneshot::Sender<SyncGroupResponse>>,
}

/// One group.
#[derive(Debug)]
pub(crate) struct Group {
    phase: Phase,
    generation: i32,
    protocol_type: Option<StrBytes>,
    protocol: Option<StrBytes>,
    leader: Option<String>,
    members: BTreeMap<String, Member>,
    /// Ids that were given out, and until when they may be used to join.
    promised: HashMap<String, Instant>,
    offsets: BTreeMap<Partition, Committed>,
    /// Offsets of open transactions, by producer.
    held: HashMap<i64, BTreeMap<Partition, Committed>>,
}

impl Group {
    pub(crate) fn new() -> Self {
        Self {
            phase: Phase::Empty,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            promised: HashMap::new(),
            offsets: BTreeMap::new(),
            held: HashMap::new(),
        }
    }

    /// Kafka's word for the state.
    fn state(&self) -> &'static str {
        match self.phase {
            Phase::Empty => "Empty",
            Phase::PreparingRebalance { .. } => "PreparingRebalance",
            Phase::CompletingRebalance { .. } => "CompletingRebalance",
            Phase::Stable => "Stable",
        }
    }

    /// Is this a member, of this generation, and not fenced by another of its instance id?
    pub(crate) fn check_member(&self, member: &str, instance: Option<&str>, generation: i32) -> Result<(), E> {
        self.check_instance(member, instance)?;
        if !self.members.contains_key(member) {
            return Err(E::UnknownMemberId);
        }
        if generation != self.generation {
            return Err(E::IllegalGeneration);
        }
        Ok(())
    }

    fn check_instance(&self, member: &str, instance: Option<&str>) -> Result<(), E> {
        let Some(instance) = instance else { return Ok(()) };
        let holder = self.members.iter().find(|(_, known)| known.instance_id.as_deref() == Some(instance));
        match holder {
            Some((id, _)) if id != member => Err(E::FencedInstanceId),
            Some(_) => Ok(()),
            None => Err(E::UnknownMemberId),
        }
    }

    /// The topic is no more.
    pub(crate) fn forget_topic(&mut self, topic: &str) {
        self.offsets.retain(|(name, _), _| name != topic);
        for held in self.held.values_mut() {
            held.retain(|(name, _), _| name != topic);
        }
    }

    /// Keeps an offset aside for a transaction.
    pub(crate) fn hold(&mut self, producer_id: i64, partition: Partition, committed: Committed) {
        self.held.entry(producer_id).or_default().insert(partition, committed);
    }

    /// The transaction has ended.
    pub(crate) fn end_transaction(&mut self, producer_id: i64, committed: bool) {
        let held = self.held.remove(&producer_id).unwrap_or_default();
        if committed {
            self.offsets.extend(held);
        }
    }
}

#[cfg(test)]
mod tests;
