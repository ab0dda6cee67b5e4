//! One committed offset of the source to one offset of the target: exactly where runs know it, by offset syncs where they do
//! not, and never past a record that the group has not read.

use mirror::offset_sync_store::Translated;
use mirror::runs::{TargetLog, Translation, UnknownReason};

/// `portage.offset.translation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Runs, then offset syncs.
    Exact,
    /// Offset syncs, as MirrorMaker does.
    Mm2,
}

/// The answer for one partition of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Here.
    At {
        /// The target offset.
        offset: i64,
        /// Nothing is read twice there. Not said of offsets that come from syncs.
        exact: bool,
    },
    /// No offset is known.
    Nowhere(NotTranslated),
}

/// Why a committed offset has no counterpart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTranslated {
    /// The topics of offset syncs and runs have not been read to their ends yet.
    NotReady,
    /// Nothing of the partition has been mirrored, as far as is known; or the target has no such topic.
    NotMirrored,
    /// The group is further behind than anything that is known.
    TooOld,
    /// One of the two topics has been deleted and created again since it was mirrored.
    Recreated,
}

impl Answer {
    /// The target offset, if there is one.
    #[must_use]
    pub const fn offset(self) -> Option<i64> {
        match self {
            Self::At { offset, .. } => Some(offset),
            Self::Nowhere(_) => None,
        }
    }
}

/// Puts together what runs and offset syncs say. `log` is what the target partition holds now, if it exists.
#[must_use]
pub fn answer(mode: Mode, by_runs: Translation, by_syncs: Translated, log: Option<TargetLog>) -> Answer {
    let by_sync_alone = match by_syncs {
        Translated::Offset(offset) => Answer::At { offset, exact: false },
        Translated::TooOld => Answer::Nowhere(NotTranslated::TooOld),
        Translated::NoSync => Answer::Nowhere(NotTranslated::NotMirrored),
        Translated::NotReady => Answer::Nowhere(NotTranslated::NotReady),
    };
    if mode == Mode::Mm2 {
        return by_sync_alone;
    }
    let Some(log) = log else { return Answer::Nowhere(NotTranslated::NotMirrored) };
    let by_runs = by_runs.within(log);
    match by_runs {
        Translation::Exact(offset) => return Answer::At { offset, exact: true },
        // Syncs of the topics as they were mean nothing for the topics as they are.
        Translation::Unknown { reason: UnknownReason::Recreated, .. } => {
            return Answer::Nowhere(NotTranslated::Recreated);
        }
        Translation::NotYetMirrored { .. } | Translation::Unknown { .. } => {}
    }
    // A sync that points behind the end is about records that the target does not have any more, or about another topic of
    // this name: what has been written since may be anything.
    let valid = by_syncs.offset().filter(|offset| *offset <= log.end).map(|offset| offset.max(log.start));
    // Neither of them is past an unread record: the later one repeats less.
    match by_runs.safe().max(valid) {
        Some(offset) => Answer::At { offset, exact: false },
        None if by_syncs.offset().is_some() => Answer::Nowhere(NotTranslated::NotMirrored),
        None => by_sync_alone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: Option<TargetLog> = Some(TargetLog { start: 10, end: 300 });
    const NO_MAP: Translation = Translation::Unknown { reason: UnknownReason::NoMap, earliest: None };

    fn at(offset: i64, exact: bool) -> Answer {
        Answer::At { offset, exact }
    }

    #[test]
    fn runs_come_first_and_stay_inside_the_log() {
        assert_eq!(answer(Mode::Exact, Translation::Exact(250), Translated::Offset(101), LOG), at(250, true));
        assert_eq!(answer(Mode::Exact, Translation::Exact(3), Translated::NoSync, LOG), at(10, true));
    }

    #[test]
    fn where_runs_know_nothing_the_later_of_the_safe_offsets_counts() {
        let hole = |earliest| Translation::Unknown { reason: UnknownReason::Hole { from: 1, to: 2 }, earliest };

        assert_eq!(answer(Mode::Exact, NO_MAP, Translated::Offset(101), LOG), at(101, false));
        assert_eq!(answer(Mode::Exact, hole(Some(50)), Translated::Offset(101), LOG), at(101, false));
        assert_eq!(answer(Mode::Exact, hole(Some(150)), Translated::Offset(101), LOG), at(150, false));
        assert_eq!(answer(Mode::Exact, hole(Some(150)), Translated::TooOld, LOG), at(150, false));
        assert_eq!(answer(Mode::Exact, NO_MAP, Translated::TooOld, LOG), Answer::Nowhere(NotTranslated::TooOld));
    }

    #[test]
    fn syncs_that_point_behind_the_end_of_the_target_mean_nothing() {
        let nowhere = answer(Mode::Exact, NO_MAP, Translated::Offset(301), LOG);

        assert_eq!(nowhere, Answer::Nowhere(NotTranslated::NotMirrored));
        assert_eq!(answer(Mode::Exact, NO_MAP, Translated::Offset(300), LOG), at(300, false));
    }

    #[test]
    fn a_topic_created_anew_has_no_counterpart_until_it_is_mirrored() {
        let recreated = Translation::Unknown { reason: UnknownReason::Recreated, earliest: None };

        let nowhere = answer(Mode::Exact, recreated, Translated::Offset(101), LOG);

        assert_eq!(nowhere, Answer::Nowhere(NotTranslated::Recreated));
        let absent = answer(Mode::Exact, Translation::Exact(5), Translated::Offset(101), None);
        assert_eq!(absent, Answer::Nowhere(NotTranslated::NotMirrored));
    }

    #[test]
    fn as_mirror_maker_only_syncs_count() {
        assert_eq!(answer(Mode::Mm2, Translation::Exact(250), Translated::Offset(101), LOG), at(101, false));
        let none = answer(Mode::Mm2, Translation::Exact(250), Translated::NoSync, None);
        assert_eq!(none, Answer::Nowhere(NotTranslated::NotMirrored));
    }
}
