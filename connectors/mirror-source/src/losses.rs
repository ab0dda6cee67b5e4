//! What is done when the source log does not fit the saved position any more. Nothing is lost silently: each case is named
//! with its exact range, and by default everything that still exists is mirrored (design decision 7).

use std::fmt;

use connect_api::ConnectError;
use connect_api::config::ConfigMap;
use kafka_client::fetcher::{PartitionEvent, Position};
use uuid::Uuid;

/// `portage.on.data.loss`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDataLoss {
    /// Mirror all that still exists, loudly.
    Continue,
    /// Stop the partition until someone decides.
    Stop,
}

impl OnDataLoss {
    /// Reads the key; `continue` by default.
    pub fn from_config(config: &ConfigMap) -> Result<Self, ConnectError> {
        match config.get("portage.on.data.loss").map(|value| value.trim()) {
            None | Some("continue") => Ok(OnDataLoss::Continue),
            Some("stop") => Ok(OnDataLoss::Stop),
            Some(other) => {
                Err(ConnectError::config(format!("invalid portage.on.data.loss {other}: must be continue or stop")))
            }
        }
    }
}

/// One way in which a log and a position can fail to fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// What happened.
    pub kind: LossKind,
    /// Where mirroring goes on if it does.
    pub go_on_at: Position,
}

/// What happened to a source log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LossKind {
    /// Retention or DeleteRecords has removed records that were not mirrored yet.
    Truncated {
        /// The first record that is gone.
        from: i64,
        /// The first record that is still there.
        to: i64,
    },
    /// The log has been cut off and written anew below the position (unclean election, lost disk).
    Diverged {
        /// Where the old and the new history part, if the broker knows.
        common_end: Option<i64>,
        /// The position, in the old history.
        position: i64,
    },
    /// The topic has been deleted and created again.
    Recreated {
        /// The id before.
        old_id: Uuid,
        /// The id now.
        new_id: Uuid,
    },
}

impl Loss {
    /// How many offsets are gone, if that is known.
    #[must_use]
    pub fn records(&self) -> u64 {
        match self.kind {
            LossKind::Truncated { from, to } => to.saturating_sub(from).unsigned_abs(),
            LossKind::Diverged { .. } | LossKind::Recreated { .. } => 0,
        }
    }
}

impl fmt::Display for LossKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LossKind::Truncated { from, to } => write!(
                f,
                "records with offsets {from} to {} were deleted at the source before they were mirrored",
                to - 1
            ),
            LossKind::Diverged { common_end: Some(end), position } => write!(
                f,
                "the source log was cut off at offset {end} and written anew; offsets {end} to {} on the target are of the \
                 history that is gone",
                position - 1
            ),
            LossKind::Diverged { common_end: None, position } => {
                write!(
                    f,
                    "the source log ends before offset {position}, up to which it had been mirrored: it was cut off"
                )
            }
            LossKind::Recreated { old_id, new_id } => write!(
                f,
                "the source topic was deleted and created again (id {old_id} before, {new_id} now); what the target holds \
                 is of the old topic"
            ),
        }
    }
}

/// The loss behind an event of the fetcher, if it is one.
#[must_use]
pub fn loss(event: &PartitionEvent) -> Option<Loss> {
    match event {
        PartitionEvent::OutOfRange { position, log_start, .. } if position < log_start => Some(Loss {
            kind: LossKind::Truncated { from: *position, to: *log_start },
            go_on_at: Position::offset(*log_start),
        }),
        // Above the end of a log that was never seen shorter: another history. All of it is new to the target.
        PartitionEvent::OutOfRange { position, .. } => Some(Loss {
            kind: LossKind::Diverged { common_end: None, position: *position },
            go_on_at: Position::earliest(),
        }),
        PartitionEvent::Diverged { position, common_end, .. } => Some(Loss {
            kind: LossKind::Diverged { common_end: *common_end, position: *position },
            go_on_at: common_end.map_or(Position::earliest(), Position::offset),
        }),
        PartitionEvent::TopicRecreated { old_id, new_id } => Some(Loss {
            kind: LossKind::Recreated { old_id: *old_id, new_id: *new_id },
            go_on_at: Position::earliest().with_topic_id(*new_id),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deleted_records_are_a_loss_with_an_exact_range() {
        let event = PartitionEvent::OutOfRange { position: 10, log_start: 50, log_end: 60, resumed_at: None };

        let loss = loss(&event).unwrap();

        assert_eq!(loss.kind, LossKind::Truncated { from: 10, to: 50 });
        assert_eq!(loss.go_on_at, Position::offset(50));
        assert!(loss.kind.to_string().contains("10 to 49"), "{}", loss.kind);
    }

    #[test]
    fn a_recreated_topic_is_mirrored_from_its_first_record() {
        let (old_id, new_id) = (Uuid::from_u128(1), Uuid::from_u128(2));

        let loss = loss(&PartitionEvent::TopicRecreated { old_id, new_id }).unwrap();

        assert_eq!(loss.go_on_at, Position::earliest().with_topic_id(new_id));
    }

    #[test]
    fn a_cut_log_goes_on_where_the_histories_part() {
        let event = PartitionEvent::Diverged {
            position: 100,
            leader_epoch: Some(3),
            common_epoch: Some(2),
            common_end: Some(70),
            resumed_at: None,
        };

        assert_eq!(loss(&event).unwrap().go_on_at, Position::offset(70));
    }

    #[test]
    fn what_passes_by_itself_is_no_loss() {
        for event in [PartitionEvent::TopicGone, PartitionEvent::AuthorizationFailed, PartitionEvent::Recovered] {
            assert_eq!(loss(&event), None);
        }
    }

    #[test]
    fn an_unknown_policy_is_named() {
        let config = ConfigMap::from([("portage.on.data.loss".to_owned(), "ignore".to_owned())]);

        let error = OnDataLoss::from_config(&config).unwrap_err();

        assert!(error.message().contains("ignore") && error.message().contains("continue or stop"), "{error}");
    }
}
