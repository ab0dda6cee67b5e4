//! Reading from a cluster: record batches as they are on the brokers' disks.
//!
//! A [`Fetcher`] reads the partitions it is told to, without a group. It keeps a long poll under way to every broker that
//! leads one of them, whether or not anybody is waiting for records, until what nobody has taken yet has used up its part of
//! the [`Budget`] or two responses of a broker lie there.
//!
//! Batches are slices of the responses: nothing is decompressed or copied. With [`Isolation::ReadCommitted`], batches of
//! aborted transactions are left out whole.
//!
//! **Nothing is lost silently.** When the log and a position do not fit (retention, truncation, another topic under the same
//! name, damage), there is a [`PartitionEvent`] that says exactly how, and that partition stops until the caller seeks.
//! Brokers that are down, leaders that move and topics that are late are waited for. One partition's trouble is never
//! another's.
//!
//! | file | idea |
//! |---|---|
//! | `partition`, `event` | one partition: position, questions, what answers mean (pure) |
//! | `session` | what of all partitions goes into the next request (pure) |
//! | `filter` | what of a response is delivered (pure) |
//! | `request`, `parse`, `lookup` | the protocol |
//! | `driver` | brokers, budget, metadata |

mod driver;
mod event;
mod filter;
mod lookup;
mod options;
mod parse;
mod partition;
mod request;
mod session;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use kafka_wire::batch::FetchedEntry;
use tokio::sync::mpsc;
use tokio::time::Instant;
use uuid::Uuid;

use crate::TopicPartition;
use crate::budget::{Budget, BudgetPermit};
use crate::cluster::Cluster;
use crate::error::ClientError;
use driver::{Command, Driver, Item, Message};

pub use event::PartitionEvent;
pub use options::{FetcherOptions, Isolation, OffsetReset};

/// Where to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the record that has this offset, or the first after it.
    Offset(i64),
    /// With the first record there is.
    Earliest,
    /// With the next record to come.
    Latest,
}

/// Where to read a partition, and what the log looked like when that position was found. What is known is checked: epoch and
/// topic id are how a truncated log or a re-created topic is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Where to start.
    pub start: Start,
    /// Leader epoch of the last record before the position.
    pub leader_epoch: Option<i32>,
    /// The topic's id; any, if not given.
    pub topic_id: Option<Uuid>,
}

impl Position {
    /// At `offset`, of whatever topic has the name.
    #[must_use]
    pub const fn offset(offset: i64) -> Self {
        Self { start: Start::Offset(offset), leader_epoch: None, topic_id: None }
    }

    /// At the first record there is.
    #[must_use]
    pub const fn earliest() -> Self {
        Self { start: Start::Earliest, leader_epoch: None, topic_id: None }
    }

    /// At the next record to come.
    #[must_use]
    pub const fn latest() -> Self {
        Self { start: Start::Latest, leader_epoch: None, topic_id: None }
    }

    /// The same, and the last record read had this leader epoch.
    #[must_use]
    pub const fn with_leader_epoch(self, leader_epoch: i32) -> Self {
        Self { leader_epoch: Some(leader_epoch), ..self }
    }

    /// The same, in the topic that has this id.
    #[must_use]
    pub const fn with_topic_id(self, topic_id: Uuid) -> Self {
        Self { topic_id: Some(topic_id), ..self }
    }
}

/// What has been read of one partition.
#[derive(Debug)]
pub struct FetchedPartition {
    /// Topic.
    pub topic: Arc<str>,
    /// The topic's id; nil if the brokers have none (before 2.8).
    pub topic_id: Uuid,
    /// Partition.
    pub partition: i32,
    /// In order. The first may begin before `position_before`: records before that are not wanted. May be empty, when all
    /// that was read is markers, aborted transactions or holes, or when only the watermarks moved.
    pub batches: Vec<FetchedEntry>,
    /// Where this was read from.
    pub position_before: i64,
    /// Where reading goes on. Everything before it is in this answer or an earlier one, or is not to be delivered.
    pub next_position: i64,
    /// Leader epoch of the last batch read, to be saved with `next_position`.
    pub leader_epoch: Option<i32>,
    /// End of what all in-sync replicas have.
    pub high_watermark: i64,
    /// End of what read_committed readers can see; -1 if the broker does not tell.
    pub last_stable_offset: i64,
    /// First offset of the log; -1 if the broker does not tell.
    pub log_start_offset: i64,
    /// Batches left out because their transactions were aborted.
    pub aborted_batches: u64,
    /// The first of the offsets read that the log has no record for any more, or a little before it: compaction has been there.
    /// Markers and what is not to be delivered are not missing.
    pub first_missing: Option<i64>,
    /// When the broker's answer came. It may have waited since for somebody to take it.
    pub fetched_at: Instant,
    /// The memory of the whole response that the batches are slices of. Keep a clone with every batch that is kept.
    pub permit: BudgetPermit,
}

/// What comes out of a [`Fetcher`].
#[derive(Debug)]
pub enum Fetched {
    /// Records, or at least news of the watermarks.
    Partition(FetchedPartition),
    /// Something happened to a partition.
    Event(TopicPartition, PartitionEvent),
}

/// Reads assigned partitions; see the [module](self). Dropping it ends everything.
///
/// Fetches go over the cluster handle's own connections. Two fetchers want a [`Cluster`] each: brokers answer the requests of
/// a connection one after the other, and a long poll would hold up the other's.
pub struct Fetcher {
    commands: mpsc::UnboundedSender<Command>,
    messages: mpsc::UnboundedReceiver<Message>,
    assigned: HashMap<TopicPartition, Assigned>,
    next_version: u64,
    ready: VecDeque<(TopicPartition, u64, Item)>,
}

struct Assigned {
    /// Changes with every seek and pause: what was fetched before is not delivered any more.
    version: u64,
    /// Behind what has been delivered.
    position: Position,
    paused: bool,
}

impl Fetcher {
    /// A fetcher without partitions. Must be called within a tokio runtime.
    #[must_use]
    pub fn new(cluster: Cluster, options: FetcherOptions, budget: Budget) -> Self {
        let (commands, commanded) = mpsc::unbounded_channel();
        let (sent, messages) = mpsc::unbounded_channel();
        tokio::spawn(Driver::new(cluster, Arc::new(options), budget, commanded, sent).run());
        Self { commands, messages, assigned: HashMap::new(), next_version: 0, ready: VecDeque::new() }
    }

    /// Reads these partitions and no others. Those already read start anew at the position given.
    pub fn assign(&mut self, partitions: impl IntoIterator<Item = (TopicPartition, Position)>) {
        let before: Vec<_> = self.assigned.keys().cloned().collect();
        self.remove(&before);
        self.add(partitions);
    }

    /// Reads these partitions too.
    pub fn add(&mut self, partitions: impl IntoIterator<Item = (TopicPartition, Position)>) {
        for (tp, position) in partitions {
            self.seek(tp, position);
        }
    }

    /// Does not read these partitions any more. What was fetched of them is dropped.
    pub fn remove(&mut self, partitions: &[TopicPartition]) {
        for tp in partitions {
            self.assigned.remove(tp);
            self.command(Command::Remove { tp: tp.clone() });
        }
    }

    /// Reads a partition from `position` on, and adds it if need be. A paused one stays paused. What was fetched before and
    /// not taken is dropped.
    pub fn seek(&mut self, tp: TopicPartition, position: Position) {
        let version = self.next_version;
        self.next_version += 1;
        let paused = self.assigned.get(&tp).is_some_and(|assigned| assigned.paused);
        self.assigned.insert(tp.clone(), Assigned { version, position, paused });
        if !paused {
            self.command(Command::Set { tp, version, position });
        }
    }

    /// Reads nothing more of these partitions until they are resumed. Holds no memory for them.
    pub fn pause(&mut self, partitions: &[TopicPartition]) {
        for tp in partitions {
            if let Some(assigned) = self.assigned.get_mut(tp) {
                assigned.paused = true;
                self.command(Command::Remove { tp: tp.clone() });
            }
        }
    }

    /// Goes on behind what was delivered last. A partition that had stopped because of an event has that event again, if
    /// the reason is still there.
    pub fn resume(&mut self, partitions: &[TopicPartition]) {
        for tp in partitions {
            if let Some(assigned) = self.assigned.get_mut(tp).filter(|assigned| assigned.paused) {
                assigned.paused = false;
                let position = assigned.position;
                self.seek(tp.clone(), position);
            }
        }
    }

    /// Where a partition is read next, behind what has been delivered; `None` if it is not assigned.
    #[must_use]
    pub fn position(&self, tp: &TopicPartition) -> Option<Position> {
        self.assigned.get(tp).map(|assigned| assigned.position)
    }

    /// The next piece of news of any partition, in order within each. Waits for as long as it takes; without partitions, for
    /// ever. Cancel-safe.
    ///
    /// # Errors
    /// Only when the fetcher cannot go on at all; trouble with brokers and partitions comes as events.
    pub async fn next(&mut self) -> Result<Fetched, ClientError> {
        loop {
            while let Some((tp, version, item)) = self.ready.pop_front() {
                if let Some(fetched) = self.deliver(tp, version, item) {
                    return Ok(fetched);
                }
            }
            let Some(message) = self.messages.recv().await else {
                return Err(ClientError::Closed {
                    broker: "the fetcher".to_owned(),
                    reason: "its task has ended".to_owned(),
                });
            };
            if let Some(node_id) = message.node_id {
                self.command(Command::Taken { node_id });
            }
            self.ready.extend(message.items);
        }
    }

    fn deliver(&mut self, tp: TopicPartition, version: u64, item: Item) -> Option<Fetched> {
        let assigned = self.assigned.get_mut(&tp)?;
        if assigned.version != version || assigned.paused {
            return None;
        }
        match item {
            Item::Data(data) => {
                assigned.position = Position {
                    start: Start::Offset(data.next_position),
                    leader_epoch: match data.next_position > data.position_before {
                        true => data.leader_epoch,
                        false => assigned.position.leader_epoch,
                    },
                    topic_id: Some(data.topic_id).filter(|id| !id.is_nil()).or(assigned.position.topic_id),
                };
                Some(Fetched::Partition(data))
            }
            Item::Event(event) => {
                match event {
                    PartitionEvent::Positioned { offset, leader_epoch } => {
                        assigned.position.start = Start::Offset(offset);
                        assigned.position.leader_epoch = leader_epoch;
                    }
                    PartitionEvent::OutOfRange { resumed_at: Some(offset), .. }
                    | PartitionEvent::Diverged { resumed_at: Some(offset), .. } => {
                        assigned.position.start = Start::Offset(offset);
                        assigned.position.leader_epoch = None;
                    }
                    _ => {}
                }
                Some(Fetched::Event(tp, event))
            }
        }
    }

    fn command(&self, command: Command) {
        // Without a driver, `next` says so.
        let _ = self.commands.send(command);
    }
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher").field("partitions", &self.assigned.len()).finish_non_exhaustive()
    }
}
