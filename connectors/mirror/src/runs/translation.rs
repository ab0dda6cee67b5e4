//! The answers to "a reader goes on at this source offset: where is that on the target?".

/// Where a reader of the source goes on at the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Translation {
    /// Here: nothing is read twice, nothing is missed.
    Exact(i64),
    /// The reader is ahead of the mirror. It will be exact once the mirror has caught up.
    NotYetMirrored {
        /// The source offset up to which the mirror has come.
        mirrored_to: i64,
        /// A target offset that misses nothing. `None`: none is known.
        earliest: Option<i64>,
    },
    /// Not known exactly.
    Unknown {
        /// Why.
        reason: UnknownReason,
        /// A position that misses nothing, but may repeat records. `None`: none is known.
        earliest: Option<i64>,
    },
}

/// Why a translation is not exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownReason {
    /// No map of the partition has been read.
    NoMap,
    /// The map is about a source or target topic that has been deleted since; one of the same name exists now.
    Recreated,
    /// The offset is older than the map, and copies from before it may exist on the target.
    BeforeMap {
        /// The source offset at which the map begins.
        from: i64,
    },
    /// The next record that was copied lies in a part of the source about which the map says nothing.
    Hole {
        /// The first source offset of that part.
        from: i64,
        /// The source offset after it.
        to: i64,
    },
    /// The reader has read all that the map knows, but the target holds records that the map does not know (the mirror was
    /// killed, or somebody else writes there). Exact again with the next record that crosses.
    Unrecorded,
    /// The map points behind the end of the target's log: the target has lost records.
    BehindTargetEnd {
        /// Where the map points.
        target: i64,
        /// The target's log end.
        end: i64,
    },
}

/// What a target partition holds now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetLog {
    /// The first offset.
    pub start: i64,
    /// The offset after the last record.
    pub end: i64,
}

impl Translation {
    /// The target offset, if it is exact.
    #[must_use]
    pub const fn exact(self) -> Option<i64> {
        match self {
            Self::Exact(target) => Some(target),
            Self::NotYetMirrored { .. } | Self::Unknown { .. } => None,
        }
    }

    /// A target offset that misses nothing: the exact one, or an earlier one.
    #[must_use]
    pub const fn safe(self) -> Option<i64> {
        match self {
            Self::Exact(target) => Some(target),
            Self::NotYetMirrored { earliest, .. } | Self::Unknown { earliest, .. } => earliest,
        }
    }

    /// The same answer, held against what the target has now.
    ///
    /// Below the log start everything is deleted, so that the log start is exact in its place. Behind the log end there
    /// is nothing: the target has lost records, and the log end is the latest position that misses nothing.
    #[must_use]
    pub fn within(self, log: TargetLog) -> Self {
        let clamp = |offset: i64| offset.min(log.end).max(log.start);
        match self {
            Self::Exact(target) if target > log.end => Self::Unknown {
                reason: UnknownReason::BehindTargetEnd { target, end: log.end },
                earliest: Some(clamp(target)),
            },
            Self::Exact(target) => Self::Exact(target.max(log.start)),
            Self::NotYetMirrored { mirrored_to, earliest } => {
                Self::NotYetMirrored { mirrored_to, earliest: earliest.map(clamp) }
            }
            Self::Unknown { reason, earliest } => Self::Unknown { reason, earliest: earliest.map(clamp) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: TargetLog = TargetLog { start: 10, end: 20 };

    #[test]
    fn below_the_log_start_the_log_start_is_exact() {
        assert_eq!(Translation::Exact(5).within(LOG), Translation::Exact(10));
        assert_eq!(Translation::Exact(20).within(LOG), Translation::Exact(20));
    }

    #[test]
    fn behind_the_log_end_nothing_is_exact() {
        let answer = Translation::Exact(21).within(LOG);

        assert_eq!(answer.exact(), None);
        assert_eq!(answer.safe(), Some(20));
    }

    #[test]
    fn a_safe_position_stays_inside_the_log() {
        let unknown = |earliest| Translation::Unknown { reason: UnknownReason::NoMap, earliest };

        assert_eq!(unknown(Some(3)).within(LOG).safe(), Some(10));
        assert_eq!(unknown(None).within(LOG).safe(), None);
        assert_eq!(Translation::NotYetMirrored { mirrored_to: 1, earliest: Some(30) }.within(LOG).safe(), Some(20));
    }
}
