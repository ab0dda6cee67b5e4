//! What is done when the source log does not fit the saved position any more, or the target does not hold any more what it was
//! sent. Nothing is lost silently: each case is named with its exact range, and by default everything that still exists is
//! mirrored.

use std::fmt;

use connect_api::config::ConfigMap;
use connect_api::{ConnectError, SourceOffset};
use kafka_client::fetcher::{PartitionEvent, Position};
use mirror::TopicId;
use serde_json::{Value, json};
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

/// A loss that has been noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// When, in milliseconds since 1970: what acknowledges it.
    pub noticed_ms: i64,
    /// What happened.
    pub kind: LossKind,
}

/// What happened to a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LossKind {
    /// Retention or DeleteRecords has removed records that were not mirrored yet.
    Truncated {
        /// The first offset that is gone.
        from: i64,
        /// The first offset that is still there.
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
        /// The next offset to read, in the old topic.
        position: Option<i64>,
        /// The end of the old topic when it was last seen.
        last_end: Option<i64>,
    },
    /// The target topic has been deleted and created again, or its log was cut off: copies are gone.
    TargetLost {
        /// The source offset after the last record whose copy may be gone.
        before: i64,
        /// The first target offset that is gone.
        from: i64,
        /// The target offset after the last one that is gone.
        to: i64,
    },
    /// A compacted topic was not read for longer than it keeps tombstones: deletes may be gone without a trace.
    Tombstones {
        /// The first offset that may have been one.
        from: i64,
        /// The end of the log when that was noticed.
        to: i64,
        /// For how long records may have been there unread, in milliseconds.
        unread_ms: i64,
    },
}

/// How far a task has come in a partition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// The next offset to read, if it is known.
    pub position: Option<i64>,
    /// The high watermark at the last look.
    pub end: Option<i64>,
}

impl Seen {
    /// The first and the last offset that were there and have not been read, if there are any.
    #[must_use]
    pub fn unread(self) -> Option<(i64, i64)> {
        let (position, end) = self.position.zip(self.end)?;
        (position < end).then_some((position, end - 1))
    }
}

impl LossKind {
    /// A word for counters.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            LossKind::Truncated { .. } => "truncated",
            LossKind::Diverged { .. } => "diverged",
            LossKind::Recreated { .. } => "recreated",
            LossKind::TargetLost { .. } => "target lost",
            LossKind::Tombstones { .. } => "tombstones",
        }
    }

    /// How many offsets of the source are gone that were not mirrored, as far as that is known.
    #[must_use]
    pub fn records(&self) -> u64 {
        match self {
            LossKind::Truncated { from, to } | LossKind::Recreated { position: Some(from), last_end: Some(to), .. } => {
                to.saturating_sub(*from).max(0).unsigned_abs()
            }
            LossKind::Diverged { .. }
            | LossKind::Recreated { .. }
            | LossKind::TargetLost { .. }
            | LossKind::Tombstones { .. } => 0,
        }
    }

    /// Where mirroring goes on if it does: never past a record of the log as it is now.
    #[must_use]
    pub fn go_on_at(&self) -> Position {
        match self {
            LossKind::Truncated { to: next, .. }
            | LossKind::TargetLost { before: next, .. }
            | LossKind::Tombstones { from: next, .. } => Position::offset(*next),
            LossKind::Diverged { common_end, .. } => common_end.map_or(Position::earliest(), Position::offset),
            LossKind::Recreated { new_id, .. } => Position::earliest().with_topic_id(*new_id),
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
            LossKind::Recreated { old_id, new_id, position, last_end } => {
                write!(
                    f,
                    "the source topic was deleted and created again (id {} before, {} now); what the target holds is of the \
                     old topic",
                    kafka_id(*old_id),
                    kafka_id(*new_id)
                )?;
                match (position, last_end) {
                    (Some(position), Some(end)) if position < end => {
                        write!(f, ", and its records with offsets {position} to {} were not mirrored", end - 1)
                    }
                    (Some(position), Some(_)) => write!(f, ", complete up to offset {} as last seen", position - 1),
                    (Some(position), None) => {
                        write!(f, ", and its records from offset {position} on, if any, are lost")
                    }
                    (None, _) => Ok(()),
                }
            }
            LossKind::TargetLost { before, from, to } => write!(
                f,
                "the target has lost what it held at offsets {from} to {}: its topic was deleted and created again, or its log \
                 was cut off; copies of source records before offset {before} are gone there, and are not sent again",
                to - 1
            ),
            LossKind::Tombstones { from, to, unread_ms } => write!(
                f,
                "deletes with offsets between {from} and {} may be missing: they were there unread for up to {} s, which is \
                 longer than the source topic keeps them (delete.retention.ms), and compaction has been there; the target may \
                 hold keys that the source has deleted",
                to - 1,
                unread_ms / 1000
            ),
        }
    }
}

/// A topic id as Kafka prints it.
fn kafka_id(id: Uuid) -> String {
    TopicId::new(*id.as_bytes()).map_or_else(|| "unknown".to_owned(), |id| id.to_string())
}

/// The loss behind an event of the fetcher, if it is one.
#[must_use]
pub fn loss(event: &PartitionEvent, seen: Seen) -> Option<LossKind> {
    match event {
        PartitionEvent::OutOfRange { position, log_start, .. } if position < log_start => {
            Some(LossKind::Truncated { from: *position, to: *log_start })
        }
        // Above the end of a log that was never seen shorter: another history. All of it is new to the target.
        PartitionEvent::OutOfRange { position, .. } => {
            Some(LossKind::Diverged { common_end: None, position: *position })
        }
        PartitionEvent::Diverged { position, common_end, .. } => {
            Some(LossKind::Diverged { common_end: *common_end, position: *position })
        }
        PartitionEvent::TopicRecreated { old_id, new_id } => {
            Some(LossKind::Recreated { old_id: *old_id, new_id: *new_id, position: seen.position, last_end: seen.end })
        }
        _ => None,
    }
}

/// Field of a stored source offset; Java reads over it.
const LOSSES: &str = "losses";

/// A source offset that remembers losses.
#[must_use]
pub fn remembering(offset: SourceOffset, losses: &[Loss]) -> SourceOffset {
    if losses.is_empty() {
        return offset;
    }
    let mut fields = offset.fields().clone();
    fields.insert(LOSSES.to_owned(), losses.iter().map(to_json).collect());
    SourceOffset::new(fields)
}

/// The losses that a stored source offset remembers. What cannot be read is left out: it was in the log.
#[must_use]
pub fn remembered(offset: &SourceOffset) -> Vec<Loss> {
    let losses = offset.fields().get(LOSSES).and_then(Value::as_array);
    losses.map_or(&[][..], Vec::as_slice).iter().filter_map(from_json).collect()
}

fn to_json(loss: &Loss) -> Value {
    let mut json = match &loss.kind {
        LossKind::Truncated { from, to } => json!({"from": from, "to": to}),
        LossKind::Diverged { common_end, position } => json!({"from": common_end, "to": position}),
        LossKind::Recreated { old_id, new_id, position, last_end } => {
            json!({"oldId": old_id.to_string(), "newId": new_id.to_string(), "from": position, "to": last_end})
        }
        LossKind::TargetLost { before, from, to } => json!({"before": before, "from": from, "to": to}),
        LossKind::Tombstones { from, to, unread_ms } => json!({"from": from, "to": to, "unreadMs": unread_ms}),
    };
    json["reason"] = json!(loss.kind.reason());
    json["noticed"] = json!(loss.noticed_ms);
    json
}

fn from_json(json: &Value) -> Option<Loss> {
    let number = |field: &str| json[field].as_i64();
    let id = |field: &str| json[field].as_str()?.parse::<Uuid>().ok();
    let kind = match json["reason"].as_str()? {
        "truncated" => LossKind::Truncated { from: number("from")?, to: number("to")? },
        "diverged" => LossKind::Diverged { common_end: number("from"), position: number("to")? },
        "recreated" => LossKind::Recreated {
            old_id: id("oldId")?,
            new_id: id("newId")?,
            position: number("from"),
            last_end: number("to"),
        },
        "target lost" => LossKind::TargetLost { before: number("before")?, from: number("from")?, to: number("to")? },
        "tombstones" => {
            LossKind::Tombstones { from: number("from")?, to: number("to")?, unread_ms: number("unreadMs")? }
        }
        _ => return None,
    };
    Some(Loss { noticed_ms: number("noticed")?, kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deleted_records_are_a_loss_with_an_exact_range() {
        let event = PartitionEvent::OutOfRange { position: 10, log_start: 50, log_end: 60, resumed_at: None };

        let loss = loss(&event, Seen::default()).unwrap();

        assert_eq!(loss, LossKind::Truncated { from: 10, to: 50 });
        assert_eq!(loss.go_on_at(), Position::offset(50));
        assert!(loss.to_string().contains("10 to 49"), "{loss}");
    }

    #[test]
    fn a_recreated_topic_is_mirrored_from_its_first_record() {
        let (old_id, new_id) = (Uuid::from_u128(1), Uuid::from_u128(2));

        let at =
            |position, end| loss(&PartitionEvent::TopicRecreated { old_id, new_id }, Seen { position, end }).unwrap();

        assert_eq!(at(None, None).go_on_at(), Position::earliest().with_topic_id(new_id));
        assert!(at(Some(7), Some(10)).to_string().ends_with("offsets 7 to 9 were not mirrored"));
        assert!(at(Some(10), Some(10)).to_string().ends_with("complete up to offset 9 as last seen"));
        assert!(at(Some(10), None).to_string().ends_with("from offset 10 on, if any, are lost"));
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

        assert_eq!(loss(&event, Seen::default()).unwrap().go_on_at(), Position::offset(70));
    }

    #[test]
    fn a_stored_offset_remembers_losses_and_java_reads_over_them() {
        let kinds = [
            LossKind::Truncated { from: 10, to: 50 },
            LossKind::Diverged { common_end: None, position: 9 },
            LossKind::Diverged { common_end: Some(7), position: 9 },
            LossKind::Recreated {
                old_id: Uuid::from_u128(1),
                new_id: Uuid::from_u128(2),
                position: Some(4),
                last_end: None,
            },
            LossKind::TargetLost { before: 7, from: 0, to: 9 },
            LossKind::Tombstones { from: 7, to: 9, unread_ms: 90_000_000 },
        ];
        let losses: Vec<Loss> = kinds.into_iter().map(|kind| Loss { noticed_ms: 5, kind }).collect();
        let plain = mirror::SavedPosition::of_offset(49).to_source_offset();

        let stored = remembering(plain.clone(), &losses);

        assert_eq!(remembered(&stored), losses);
        assert_eq!(stored.fields()["offset"], 49);
        assert_eq!(remembering(plain.clone(), &[]), plain);
        assert_eq!(remembered(&plain), []);
    }

    #[test]
    fn what_passes_by_itself_is_no_loss() {
        for event in [PartitionEvent::TopicGone, PartitionEvent::AuthorizationFailed, PartitionEvent::Recovered] {
            assert_eq!(loss(&event, Seen::default()), None);
        }
    }

    #[test]
    fn an_unknown_policy_is_named() {
        let config = ConfigMap::from([("portage.on.data.loss".to_owned(), "ignore".to_owned())]);

        let error = OnDataLoss::from_config(&config).unwrap_err();

        assert!(error.message().contains("ignore") && error.message().contains("continue or stop"), "{error}");
    }
}
