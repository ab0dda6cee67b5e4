//! One assigned partition: where it is, whom it asks, and what an answer means. A value without I/O; `now` is an argument.
//!
//! ```text
//!  assign ─► ask where (earliest, latest) ─► fetching ──out of range──► ask range ─► ask divergence ─┐
//!               ▲                              │  ▲ └─ diverged, recreated, corrupt ──► stopped ◄──────┘
//!               └──────── seek ────────────────┘  └───────────── offset_reset ────────────┘
//! ```
//!
//! Nothing is lost silently: whenever the log and the position do not fit, there is a [`PartitionEvent`], and the partition
//! stops until the caller seeks, unless an [`OffsetReset`] says how to go on.

mod answers;

use std::time::Duration;

use kafka_wire::batch::FetchedEntry;
use tokio::time::Instant;
use uuid::Uuid;

use super::event::PartitionEvent;
use super::filter::{Aborted, Filtered};
use super::options::{Isolation, OffsetReset};
use super::session::Want;
use super::{Position, Start};
use crate::codes::ErrorCode;
use crate::error::ClientError;

/// A failure shorter than this is nobody's business: leaders move all the time.
const UNAVAILABLE_AFTER: Duration = Duration::from_secs(5);
/// Metadata that do not know a topic may be old; they are believed after this, and not before the second time.
const GONE_AFTER: Duration = Duration::from_secs(2);
/// Errors that only an administrator can mend are looked at again this often.
const HOPELESS_PAUSE: Duration = Duration::from_secs(5);
/// How long a preferred read replica is used before the leader is asked again (Java: `metadata.max.age.ms`).
const REPLICA_FOR: Duration = Duration::from_secs(300);
/// Fetches of a damaged batch.
const MAX_DAMAGED: u32 = 3;

/// Settings that all partitions share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) isolation: Isolation,
    pub(super) offset_reset: OffsetReset,
    pub(super) partition_max_bytes: i32,
    pub(super) retry_backoff: Duration,
    pub(super) retry_backoff_max: Duration,
}

/// What metadata say of a partition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum View {
    /// The topic was not asked for yet.
    Unasked,
    /// The topic or the partition has this error.
    Error(ErrorCode),
    /// Nil id: the brokers have no ids. No leader: an election.
    Known { topic_id: Uuid, leader: Option<(i32, i32)> },
}

/// Something to be asked of the leader, apart from fetching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// The offset at one end of the log.
    Where(OffsetReset),
    /// Both ends of the log.
    Range,
    /// Where the records of this leader epoch end.
    EpochEnd(i32),
}

/// The answer to a [`Question`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Where {
        offset: i64,
        leader_epoch: Option<i32>,
    },
    Range {
        log_start: i64,
        log_end: i64,
    },
    /// `None`: the leader does not know.
    EpochEnd(Option<(i32, i64)>),
}

/// A fetch response's part for one partition.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) code: ErrorCode,
    pub(super) high_watermark: i64,
    pub(super) last_stable_offset: i64,
    pub(super) log_start_offset: i64,
    /// Epoch and end offset of the last epoch that the leader and we have in common.
    pub(super) diverging: Option<(i32, i64)>,
    pub(super) preferred_replica: Option<i32>,
    pub(super) aborted: Vec<Aborted>,
    pub(super) entries: Vec<FetchedEntry>,
    /// What follows the entries is damaged.
    pub(super) damage: Option<String>,
}

/// What a fetch has brought.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Progress {
    pub(super) position_before: i64,
    pub(super) filtered: Filtered,
    pub(super) high_watermark: i64,
    pub(super) last_stable_offset: i64,
    pub(super) log_start_offset: i64,
}

/// What the shell is to do after an input.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Step {
    pub(super) progress: Option<Progress>,
    pub(super) events: Vec<PartitionEvent>,
    /// Metadata look old.
    pub(super) refresh: bool,
    /// The connection damages bytes, or so it seems.
    pub(super) reconnect: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Target {
    At { offset: i64, leader_epoch: Option<i32> },
    End(OffsetReset),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Fetching,
    /// To be asked.
    Ask(Question),
    /// Asked; an answer is under way.
    Asked(Question),
    /// Until the caller seeks.
    Stopped,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Partition {
    rules: Rules,
    /// The caller's number for this assignment; what belongs to an earlier one is nobody's any more.
    pub(super) version: u64,
    target: Target,
    topic_id: Option<Uuid>,
    phase: Phase,
    leader: Option<(i32, i32)>,
    replica: Option<(i32, Instant)>,
    /// The leader epoch under which the position was found good, for brokers that do not check with every fetch.
    validated: Option<i32>,
    retry_at: Option<Instant>,
    failures: u32,
    failing_since: Option<Instant>,
    /// The present trouble has been reported.
    reported: bool,
    damaged: u32,
    /// Since when, and how often, metadata have not known the topic.
    missing: Option<(Instant, u32)>,
    /// Another id that metadata have shown once.
    other_id: Option<Uuid>,
    watermarks: (i64, i64, i64),
    /// Room for the largest batch of the last answers.
    batch_bytes: u32,
}

impl Partition {
    pub(super) fn new(rules: Rules, version: u64, position: Position) -> Self {
        let target = match position.start {
            Start::Offset(offset) => Target::At { offset, leader_epoch: position.leader_epoch },
            Start::Earliest => Target::End(OffsetReset::Earliest),
            Start::Latest => Target::End(OffsetReset::Latest),
        };
        let phase = match target {
            Target::At { .. } => Phase::Fetching,
            Target::End(end) => Phase::Ask(Question::Where(end)),
        };
        Self {
            rules,
            version,
            target,
            topic_id: position.topic_id.filter(|id| !id.is_nil()),
            phase,
            leader: None,
            replica: None,
            validated: None,
            retry_at: None,
            failures: 0,
            failing_since: None,
            reported: false,
            damaged: 0,
            missing: None,
            other_id: None,
            watermarks: (-1, -1, -1),
            batch_bytes: 0,
        }
    }

    pub(super) fn topic_id(&self) -> Uuid {
        self.topic_id.unwrap_or_default()
    }

    /// When it can go on after a failure.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Nothing can be asked of anybody before metadata say more.
    pub(super) fn needs_metadata(&self) -> bool {
        (self.leader.is_none() || self.other_id.is_some()) && self.phase != Phase::Stopped
    }

    /// It has a question; see [`ask`](Self::ask).
    pub(super) fn asks(&self) -> bool {
        matches!(self.phase, Phase::Ask(_))
    }

    fn may_act(&self, now: Instant) -> bool {
        self.retry_at.is_none_or(|at| at <= now) && self.other_id.is_none()
    }

    /// The broker to fetch from now, if there is anything to fetch.
    pub(super) fn source(&self, now: Instant) -> Option<i32> {
        let (leader, _) = self.leader.filter(|_| self.phase == Phase::Fetching && self.may_act(now))?;
        Some(self.replica.filter(|(_, until)| *until > now).map_or(leader, |(replica, _)| replica))
    }

    /// What to fetch from broker `node_id` now, if anything.
    pub(super) fn want(&self, node_id: i32, now: Instant) -> Option<Want> {
        let (_, current_leader_epoch) = self.leader.filter(|_| self.source(now) == Some(node_id))?;
        let Target::At { offset, leader_epoch } = self.target else { return None };
        Some(Want {
            version: self.version,
            topic_id: self.topic_id(),
            fetch_offset: offset,
            partition_max_bytes: self.rules.partition_max_bytes,
            current_leader_epoch,
            last_fetched_epoch: leader_epoch.unwrap_or(-1),
        })
    }

    /// Room for one of its batches, if there was more to read when it was asked last.
    pub(super) fn unread_batch_bytes(&self) -> Option<u32> {
        let Target::At { offset, .. } = self.target else { return None };
        let (high_watermark, last_stable_offset, _) = self.watermarks;
        let end = if self.rules.isolation == Isolation::ReadCommitted { last_stable_offset } else { high_watermark };
        Some(self.batch_bytes).filter(|bytes| *bytes > 0 && end > offset)
    }

    /// For brokers before 2.7, which do not compare epochs with every fetch: the position is to be validated first.
    pub(super) fn validate_first(&mut self) -> bool {
        let (Target::At { leader_epoch: Some(epoch), .. }, Some((_, current))) = (self.target, self.leader) else {
            return false;
        };
        if self.validated == Some(current) || current < 0 {
            return false;
        }
        self.phase = Phase::Ask(Question::EpochEnd(epoch));
        true
    }

    /// What to ask of which broker now, with the leader epoch it is expected to have. The question counts as asked.
    pub(super) fn ask(&mut self, now: Instant) -> Option<(i32, i32, Question)> {
        let Phase::Ask(question) = self.phase else { return None };
        let (leader, leader_epoch) = self.leader.filter(|_| self.may_act(now))?;
        self.phase = Phase::Asked(question);
        Some((leader, leader_epoch, question))
    }

    /// Takes in new metadata.
    pub(super) fn view(&mut self, view: View, now: Instant) -> Step {
        let mut step = Step::default();
        match view {
            View::Unasked => step.refresh = true,
            View::Error(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION | ErrorCode::UNKNOWN_TOPIC_ID) => {
                self.leader = None;
                step.refresh = true;
                let (since, times) = self.missing.get_or_insert((now, 0));
                *times += 1;
                if *times >= 2 && now.duration_since(*since) >= GONE_AFTER {
                    self.report(PartitionEvent::TopicGone, &mut step);
                }
            }
            View::Error(code) => {
                self.leader = None;
                step.refresh = true;
                self.failed(code, now, &mut step);
            }
            View::Known { topic_id, leader } => {
                self.missing = None;
                self.known(topic_id, leader, now, &mut step);
            }
        }
        step
    }

    fn known(&mut self, topic_id: Uuid, leader: Option<(i32, i32)>, now: Instant, step: &mut Step) {
        if self.phase == Phase::Stopped {
            self.leader = leader;
            return;
        }
        match self.topic_id {
            Some(ours) if !topic_id.is_nil() && ours != topic_id => {
                step.refresh = true;
                // A broker that lags behind shows the old id after the new one: two have to say it.
                if self.other_id == Some(topic_id) {
                    self.stop(PartitionEvent::TopicRecreated { old_id: ours, new_id: topic_id }, step);
                }
                self.other_id = Some(topic_id);
            }
            _ => {
                self.other_id = None;
                self.topic_id = Some(topic_id).filter(|id| !id.is_nil()).or(self.topic_id);
            }
        }
        if self.leader != leader {
            self.leader = leader;
            self.replica = None;
        }
        if leader.is_none() {
            step.refresh = true;
            self.failed(ErrorCode::LEADER_NOT_AVAILABLE, now, step);
        }
    }

    /// The broker could not be asked.
    pub(super) fn unreachable(&mut self, error: &ClientError, now: Instant) -> Step {
        let mut step = Step { refresh: true, ..Step::default() };
        if let Phase::Asked(question) = self.phase {
            self.phase = Phase::Ask(question);
        }
        self.replica = None;
        self.pause(now);
        self.trouble(error.clone(), now, &mut step);
        step
    }

    fn stop(&mut self, event: PartitionEvent, step: &mut Step) {
        self.phase = Phase::Stopped;
        self.reported = false;
        step.events.push(event);
    }

    fn resume(&mut self, resumed_at: Option<i64>) {
        if let Some(offset) = resumed_at {
            self.target = Target::At { offset, leader_epoch: None };
            self.phase = Phase::Fetching;
        }
    }

    fn pause(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        let factor = 1_u32 << (self.failures - 1).min(16);
        let pause = self.rules.retry_backoff.saturating_mul(factor).min(self.rules.retry_backoff_max);
        self.retry_at = Some(now + pause);
    }

    /// Something is wrong that may pass by itself; reported when it does not.
    fn trouble(&mut self, error: ClientError, now: Instant, step: &mut Step) {
        let since = *self.failing_since.get_or_insert(now);
        if now.duration_since(since) >= UNAVAILABLE_AFTER {
            self.report(PartitionEvent::Unavailable { error }, step);
        }
    }

    /// Once per trouble.
    fn report(&mut self, event: PartitionEvent, step: &mut Step) {
        if !std::mem::replace(&mut self.reported, true) {
            step.events.push(event);
        }
    }

    fn recovered(&mut self, step: &mut Step) {
        self.failures = 0;
        self.retry_at = None;
        self.failing_since = None;
        if std::mem::take(&mut self.reported) {
            step.events.push(PartitionEvent::Recovered);
        }
    }
}

#[cfg(test)]
mod tests;
