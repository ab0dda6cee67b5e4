//! What to commit on the target in the name of a group (KIP-545; Java: `MirrorCheckpointTask.syncGroupOffset`).
//!
//! Three promises: an offset on the target never decreases; nothing is written for a group that has members there; a failure
//! to learn the group's state or offsets is never taken for a new group. (Java keeps the first two, but on a failure, or when
//! a group becomes empty between two calls, it writes all offsets without looking.) Whoever writes must still expect
//! `UNKNOWN_MEMBER_ID`: a member may have come since.

use std::collections::BTreeMap;

use crate::record::Checkpoint;
use crate::topic_partition::TopicPartition;

/// A group's state on the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetGroup {
    /// It exists and has no members.
    Empty,
    /// It does not exist.
    Dead,
    /// It has members, or is getting them.
    Active {
        /// Kafka's word for its state.
        state: String,
    },
    /// Its state could not be learned.
    Unknown {
        /// Why.
        error: String,
    },
}

impl TargetGroup {
    /// The group of this state in a DescribeGroups answer.
    #[must_use]
    pub fn from_state(state: &str) -> Self {
        match state {
            "Empty" => Self::Empty,
            "Dead" => Self::Dead,
            state => Self::Active { state: state.to_owned() },
        }
    }
}

/// What a group has committed on the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetOffsets {
    /// These offsets, and none for other partitions. Negative ones count as none: some clients commit -1 to reset.
    Known(BTreeMap<TopicPartition, i64>),
    /// They could not be learned.
    Unknown {
        /// Why.
        error: String,
    },
}

/// An offset to commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetToCommit {
    /// The next offset to read.
    pub offset: i64,
    /// The group's own words, as it committed them on the source.
    pub metadata: String,
}

/// What becomes of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupSync {
    /// These offsets are committed.
    Commit(BTreeMap<TopicPartition, OffsetToCommit>),
    /// Nothing is.
    Skip(SkipReason),
}

/// Why nothing is committed for a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SkipReason {
    /// No offset of the group has been translated yet.
    NoCheckpoint,
    /// The group is at work on the target.
    Active {
        /// Kafka's word for its state.
        state: String,
    },
    /// The group's state on the target could not be learned.
    StateUnknown {
        /// Why.
        error: String,
    },
    /// The group's offsets on the target could not be learned.
    OffsetsUnknown {
        /// Why.
        error: String,
    },
    /// The target has all of the translated offsets, or higher ones.
    UpToDate,
    /// The target's topics are not those that the translated offsets are about, or not known to be.
    OtherTopic,
}

impl GroupSync {
    /// Commits on topics that `is_meant` only: one that was deleted and created again holds other records at the same offsets.
    #[must_use]
    pub fn on_topics(self, is_meant: impl Fn(&str) -> bool) -> Self {
        let Self::Commit(mut offsets) = self else { return self };
        offsets.retain(|partition, _| is_meant(&partition.topic));
        if offsets.is_empty() { Self::Skip(SkipReason::OtherTopic) } else { Self::Commit(offsets) }
    }
}

/// Decides for one group. `checkpoints` are its translated offsets, by partition of the target.
#[must_use]
pub fn plan_group_sync(
    checkpoints: &BTreeMap<TopicPartition, Checkpoint>,
    group: &TargetGroup,
    offsets: &TargetOffsets,
) -> GroupSync {
    let committed = match (group, offsets) {
        _ if checkpoints.is_empty() => return GroupSync::Skip(SkipReason::NoCheckpoint),
        (TargetGroup::Active { state }, _) => {
            return GroupSync::Skip(SkipReason::Active { state: state.clone() });
        }
        (TargetGroup::Unknown { error }, _) => {
            return GroupSync::Skip(SkipReason::StateUnknown { error: error.clone() });
        }
        (TargetGroup::Empty | TargetGroup::Dead, TargetOffsets::Unknown { error }) => {
            return GroupSync::Skip(SkipReason::OffsetsUnknown { error: error.clone() });
        }
        (TargetGroup::Empty | TargetGroup::Dead, TargetOffsets::Known(committed)) => committed,
    };
    let to_commit: BTreeMap<_, _> = checkpoints
        .iter()
        .filter(|(partition, checkpoint)| {
            let current = committed.get(partition).copied().filter(|offset| *offset >= 0);
            never_rewind(current, checkpoint.downstream)
        })
        .map(|(partition, checkpoint)| {
            let metadata = checkpoint.metadata.clone();
            (partition.clone(), OffsetToCommit { offset: checkpoint.downstream, metadata })
        })
        .collect();
    if to_commit.is_empty() { GroupSync::Skip(SkipReason::UpToDate) } else { GroupSync::Commit(to_commit) }
}

/// Whether an offset may be committed over the current one.
fn never_rewind(current: Option<i64>, proposed: i64) -> bool {
    proposed >= 0 && current.is_none_or(|current| current < proposed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn partition(number: i32) -> TopicPartition {
        TopicPartition::new("A.t", number)
    }

    fn checkpoints(offsets: &[(i32, i64)]) -> BTreeMap<TopicPartition, Checkpoint> {
        offsets
            .iter()
            .map(|(number, downstream)| {
                let checkpoint = Checkpoint {
                    group: "g".into(),
                    topic_partition: partition(*number),
                    upstream: 1000,
                    downstream: *downstream,
                    metadata: "words".into(),
                };
                (partition(*number), checkpoint)
            })
            .collect()
    }

    fn known(offsets: &[(i32, i64)]) -> TargetOffsets {
        TargetOffsets::Known(offsets.iter().map(|(number, offset)| (partition(*number), *offset)).collect())
    }

    fn committed(sync: &GroupSync) -> Vec<(i32, i64)> {
        match sync {
            GroupSync::Commit(offsets) => {
                offsets.iter().map(|(partition, offset)| (partition.partition, offset.offset)).collect()
            }
            GroupSync::Skip(_) => Vec::new(),
        }
    }

    #[test]
    fn a_group_that_does_not_exist_gets_all_offsets_with_its_words() {
        let sync = plan_group_sync(&checkpoints(&[(0, 5), (1, 0)]), &TargetGroup::Dead, &known(&[]));

        assert_eq!(committed(&sync), [(0, 5), (1, 0)]);
        let GroupSync::Commit(offsets) = sync else { panic!("{sync:?}") };
        assert_eq!(offsets[&partition(0)].metadata, "words");
    }

    #[test]
    fn nothing_is_committed_on_a_topic_that_the_checkpoints_are_not_about() {
        let mut translated = checkpoints(&[(0, 5), (1, 7)]);
        let other =
            Checkpoint { topic_partition: TopicPartition::new("A.other", 0), ..translated[&partition(0)].clone() };
        translated.insert(other.topic_partition.clone(), other);
        let sync = || plan_group_sync(&translated, &TargetGroup::Dead, &known(&[]));

        assert_eq!(committed(&sync().on_topics(|topic| topic == "A.t")), [(0, 5), (1, 7)]);
        assert_eq!(committed(&sync().on_topics(|topic| topic == "A.other")), [(0, 5)]);
        assert_eq!(sync().on_topics(|_| false), GroupSync::Skip(SkipReason::OtherTopic));
        let skipped = GroupSync::Skip(SkipReason::UpToDate);
        assert_eq!(skipped.clone().on_topics(|_| false), skipped);
    }

    #[test]
    fn offsets_on_the_target_do_not_decrease() {
        let translated = checkpoints(&[(0, 5), (1, 5), (2, 5), (3, 5)]);

        let sync = plan_group_sync(&translated, &TargetGroup::Empty, &known(&[(0, 4), (1, 5), (2, 6)]));

        assert_eq!(committed(&sync), [(0, 5), (3, 5)]);
    }

    #[test]
    fn an_offset_of_minus_one_counts_as_none() {
        let sync = plan_group_sync(&checkpoints(&[(0, 0)]), &TargetGroup::Empty, &known(&[(0, -1)]));

        assert_eq!(committed(&sync), [(0, 0)]);
    }

    #[test]
    fn every_group_that_is_not_synced_has_a_reason() {
        let translated = checkpoints(&[(0, 5)]);
        let reason = |checkpoints: &BTreeMap<_, _>, group: &TargetGroup, offsets: &TargetOffsets| match plan_group_sync(
            checkpoints,
            group,
            offsets,
        ) {
            GroupSync::Skip(reason) => reason,
            GroupSync::Commit(offsets) => panic!("{offsets:?}"),
        };
        let error = || "timeout".to_owned();

        assert_eq!(reason(&BTreeMap::new(), &TargetGroup::Dead, &known(&[])), SkipReason::NoCheckpoint);
        assert_eq!(
            reason(&translated, &TargetGroup::from_state("Stable"), &known(&[])),
            SkipReason::Active { state: "Stable".into() }
        );
        assert_eq!(
            reason(&translated, &TargetGroup::Unknown { error: error() }, &known(&[])),
            SkipReason::StateUnknown { error: error() }
        );
        assert_eq!(
            reason(&translated, &TargetGroup::Empty, &TargetOffsets::Unknown { error: error() }),
            SkipReason::OffsetsUnknown { error: error() }
        );
        assert_eq!(reason(&translated, &TargetGroup::Empty, &known(&[(0, 9)])), SkipReason::UpToDate);
    }

    #[test]
    fn a_state_that_is_not_known_counts_as_active() {
        assert_eq!(TargetGroup::from_state("Empty"), TargetGroup::Empty);
        assert_eq!(TargetGroup::from_state("Dead"), TargetGroup::Dead);
        for state in ["Stable", "PreparingRebalance", "Assigning", "NewState", ""] {
            assert_eq!(TargetGroup::from_state(state), TargetGroup::Active { state: state.into() });
        }
    }

    fn any_group() -> impl Strategy<Value = TargetGroup> {
        let error = || "e".to_owned();
        prop::sample::select(vec![
            TargetGroup::Empty,
            TargetGroup::Dead,
            TargetGroup::from_state("Stable"),
            TargetGroup::Unknown { error: error() },
        ])
    }

    proptest! {
        #[test]
        fn no_offset_decreases_and_no_active_group_is_touched(
            translated in prop::collection::vec((0..5_i32, -2..20_i64), 0..8),
            current in prop::option::of(prop::collection::vec((0..5_i32, -2..20_i64), 0..8)),
            group in any_group(),
        ) {
            let offsets = match &current {
                Some(current) => known(current),
                None => TargetOffsets::Unknown { error: "e".into() },
            };

            let sync = plan_group_sync(&checkpoints(&translated), &group, &offsets);

            if let GroupSync::Commit(to_commit) = sync {
                prop_assert!(matches!(group, TargetGroup::Empty | TargetGroup::Dead));
                let TargetOffsets::Known(current) = &offsets else { panic!("written without knowing the offsets") };
                prop_assert!(!to_commit.is_empty());
                for (partition, offset) in to_commit {
                    prop_assert!(offset.offset >= 0);
                    prop_assert!(current.get(&partition).is_none_or(|current| *current < offset.offset));
                }
            }
        }
    }
}
