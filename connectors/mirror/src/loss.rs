//! Whether a source log still is the one that was read, and what is lost if it is not.
//!
//! Offsets alone cannot tell: a topic that was created anew, or a log that was cut off and written on, has records at the same
//! offsets, and Java MirrorMaker goes on behind them without a word. So a stored position carries the topic's id (KIP-516) and
//! the leader epoch of its last record (KIP-101, KIP-320), and is held against the log before anything is read. In order:
//!
//! 1. another topic id: the topic was created anew ([`LossKind::Recreated`]);
//! 2. the epoch of the last record ends before the position: the log was cut off there and written on
//!    ([`LossKind::Diverged`]);
//! 3. the position is before the log start: retention was faster ([`LossKind::Truncated`]);
//! 4. the position is behind the log end: the log was cut off, nobody knows where ([`LossKind::CutOff`]).
//!
//! What is not known (offsets that Java stored, old brokers) is not held against the log.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::source_offsets::SavedPosition;
use crate::topic_partition::TopicId;

/// A source partition as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceLog {
    /// The topic's id, if the cluster has ids.
    pub topic_id: Option<TopicId>,
    /// The log start offset.
    pub start: i64,
    /// The log end offset.
    pub end: i64,
    /// Where the saved leader epoch ends, or the last one before it (OffsetForLeaderEpoch); `None` if not asked or not known.
    pub epoch_end: Option<i64>,
}

/// Where mirroring starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At this offset; nothing is lost.
    Resume(i64),
    /// Something is lost.
    Lost(Loss),
}

/// A loss, and where mirroring goes on if it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// What happened.
    pub kind: LossKind,
    /// The offset from which on everything that still exists is mirrored. Never skips a record of the log as it is now;
    /// may repeat some where nobody knows better.
    pub go_on_at: i64,
}

/// What happened to a source log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LossKind {
    /// The topic was deleted and created again. Of the old topic, all records from `position` on are lost, if there were any.
    Recreated {
        /// The id before.
        old_id: TopicId,
        /// The id now.
        new_id: TopicId,
        /// The next offset to read, in the old topic.
        position: i64,
    },
    /// The log was cut off at `common_end` and written on. Records from there to before `position` are on the target, but no
    /// longer on the source.
    Diverged {
        /// The offset up to which both histories are the same.
        common_end: i64,
        /// The next offset to read, in the old history.
        position: i64,
    },
    /// Records from `from` to before `to` were deleted before they were mirrored.
    Truncated {
        /// The first offset that is gone.
        from: i64,
        /// The first offset that is there.
        to: i64,
    },
    /// The log was cut off somewhere before `position`, and ends at `log_end` now.
    CutOff {
        /// The next offset to read, in the old history.
        position: i64,
        /// Where the log ends.
        log_end: i64,
    },
}

/// What to do about a loss (config key `portage.on.data.loss`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnDataLoss {
    /// Mirror all that still exists, and say what is lost.
    #[default]
    Continue,
    /// Stop the partition until somebody decides.
    Stop,
}

/// A policy that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("invalid portage.on.data.loss {0}: must be continue or stop")]
pub struct BadPolicy(String);

impl FromStr for OnDataLoss {
    type Err = BadPolicy;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim() {
            "continue" => Ok(Self::Continue),
            "stop" => Ok(Self::Stop),
            other => Err(BadPolicy(other.to_owned())),
        }
    }
}

impl Start {
    /// The offset at which to read under a policy; `None` stops the partition.
    #[must_use]
    pub fn position(self, on_data_loss: OnDataLoss) -> Option<i64> {
        match (self, on_data_loss) {
            (Start::Resume(offset), _) => Some(offset),
            (Start::Lost(loss), OnDataLoss::Continue) => Some(loss.go_on_at),
            (Start::Lost(_), OnDataLoss::Stop) => None,
        }
    }
}

/// Holds a saved position against the log.
#[must_use]
pub fn check_position(saved: &SavedPosition, log: &SourceLog) -> Start {
    let position = saved.next();
    let lost = |kind, go_on_at: i64| Start::Lost(Loss { kind, go_on_at });
    if let (Some(old_id), Some(new_id)) = (saved.topic_id, log.topic_id)
        && old_id != new_id
    {
        return lost(LossKind::Recreated { old_id, new_id, position }, log.start);
    }
    if let Some(common_end) = log.epoch_end.filter(|end| saved.leader_epoch.is_some() && *end < position) {
        return lost(LossKind::Diverged { common_end, position }, common_end.max(log.start));
    }
    if position < log.start {
        return lost(LossKind::Truncated { from: position, to: log.start }, log.start);
    }
    if position > log.end {
        return lost(LossKind::CutOff { position, log_end: log.end }, log.start);
    }
    Start::Resume(position)
}

impl fmt::Display for LossKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LossKind::Recreated { old_id, new_id, .. } => write!(
                f,
                "the source topic was deleted and created again (id {old_id} before, {new_id} now); what the target holds is \
                 of the old topic"
            ),
            LossKind::Diverged { common_end, position } => write!(
                f,
                "the source log was cut off at offset {common_end} and written anew; offsets {common_end} to {} on the target \
                 are of the history that is gone",
                position - 1
            ),
            LossKind::Truncated { from, to } => write!(
                f,
                "records with offsets {from} to {} were deleted at the source before they were mirrored",
                to - 1
            ),
            LossKind::CutOff { position, log_end } => write!(
                f,
                "the source log ends at offset {log_end}, and had been mirrored up to {position}: it was cut off, and may have \
                 been written anew"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(text: &str) -> Option<TopicId> {
        text.parse().ok()
    }

    const OLD: &str = "ASNFZ4mrze_-3LqYdlQyEA";
    const NEW: &str = "ASNFZ4mrze_-3LqYdlQyEQ";

    /// Read up to 99, in epoch 3.
    fn saved() -> SavedPosition {
        SavedPosition { offset: 99, topic_id: id(OLD), leader_epoch: Some(3) }
    }

    fn log(start: i64, end: i64) -> SourceLog {
        SourceLog { topic_id: id(OLD), start, end, epoch_end: Some(end) }
    }

    fn loss(saved: &SavedPosition, log: &SourceLog) -> Loss {
        match check_position(saved, log) {
            Start::Lost(loss) => loss,
            Start::Resume(offset) => panic!("resumed at {offset}"),
        }
    }

    #[test]
    fn a_log_that_only_grew_is_read_on() {
        assert_eq!(check_position(&saved(), &log(0, 100)), Start::Resume(100));
        assert_eq!(check_position(&saved(), &log(100, 500)), Start::Resume(100));
    }

    #[test]
    fn a_topic_created_anew_is_mirrored_from_its_first_record_even_if_it_is_longer() {
        let longer = SourceLog { topic_id: id(NEW), ..log(0, 150) };

        let loss = loss(&saved(), &longer);

        assert_eq!(loss.go_on_at, 0);
        assert!(matches!(loss.kind, LossKind::Recreated { position: 100, .. }), "{loss:?}");
    }

    #[test]
    fn a_log_written_anew_goes_on_where_the_histories_part() {
        let rewritten = SourceLog { epoch_end: Some(60), ..log(0, 200) };

        let loss = loss(&saved(), &rewritten);

        assert_eq!(loss, Loss { kind: LossKind::Diverged { common_end: 60, position: 100 }, go_on_at: 60 });
        assert!(loss.kind.to_string().contains("offsets 60 to 99 on the target"), "{}", loss.kind);
    }

    #[test]
    fn a_log_written_anew_that_has_lost_the_parting_begins_at_its_start() {
        let rewritten = SourceLog { epoch_end: Some(60), ..log(80, 200) };

        assert_eq!(loss(&saved(), &rewritten).go_on_at, 80);
    }

    #[test]
    fn retention_that_was_faster_leaves_an_exact_range() {
        let loss = loss(&saved(), &log(140, 200));

        assert_eq!(loss, Loss { kind: LossKind::Truncated { from: 100, to: 140 }, go_on_at: 140 });
        assert!(loss.kind.to_string().contains("offsets 100 to 139"), "{}", loss.kind);
    }

    #[test]
    fn a_log_that_is_shorter_for_unknown_reasons_is_mirrored_from_its_start() {
        let unknown = SourceLog { epoch_end: None, ..log(10, 60) };

        assert_eq!(
            loss(&saved(), &unknown),
            Loss { kind: LossKind::CutOff { position: 100, log_end: 60 }, go_on_at: 10 }
        );
    }

    #[test]
    fn a_position_that_java_stored_is_judged_by_offsets_alone() {
        let of_java = SavedPosition::of_offset(99);
        let rewritten = SourceLog { topic_id: id(NEW), epoch_end: Some(60), ..log(0, 200) };

        assert_eq!(check_position(&of_java, &rewritten), Start::Resume(100));
    }

    #[test]
    fn the_policy_decides_whether_a_loss_stops_the_partition() {
        let resumed = check_position(&saved(), &log(0, 100));
        let lost = check_position(&saved(), &log(140, 200));

        assert_eq!(resumed.position(OnDataLoss::Stop), Some(100));
        assert_eq!(lost.position(OnDataLoss::Stop), None);
        assert_eq!(lost.position(OnDataLoss::Continue), Some(140));
        assert_eq!("stop".parse(), Ok(OnDataLoss::Stop));
        assert!("ignore".parse::<OnDataLoss>().unwrap_err().to_string().contains("continue or stop"));
    }

    proptest! {
        #[test]
        fn mirroring_goes_on_inside_the_log_and_skips_no_record_of_it_silently(
            offset in 0..200_i64, start in 0..200_i64, length in 0..200_i64,
            epoch_end in prop::option::of(0..400_i64), same_topic: bool,
        ) {
            let saved = SavedPosition { offset, ..saved() };
            let topic_id = if same_topic { id(OLD) } else { id(NEW) };
            let log = SourceLog { topic_id, start, end: start + length, epoch_end };

            match check_position(&saved, &log) {
                Start::Resume(position) => {
                    prop_assert_eq!(position, offset + 1);
                    prop_assert!(same_topic && (start..=log.end).contains(&position));
                    prop_assert!(epoch_end.is_none_or(|end| end >= position));
                }
                Start::Lost(loss) => {
                    prop_assert!(loss.go_on_at >= start);
                    let common = match loss.kind {
                        LossKind::Diverged { common_end, .. } => common_end,
                        LossKind::Truncated { .. } | LossKind::CutOff { .. } | LossKind::Recreated { .. } => start,
                    };
                    prop_assert!(loss.go_on_at <= common.max(start));
                }
            }
        }
    }
}
