//! What a fetcher has to say about a partition, other than its records.

use uuid::Uuid;

use crate::codes::ErrorCode;
use crate::error::ClientError;

/// Something happened to a partition. Where it says that the partition *stops*, nothing more comes of it until
/// [`Fetcher::seek`](super::Fetcher::seek) (or an [`OffsetReset`](super::OffsetReset), then `resumed_at` is where it goes on).
/// In all other cases the fetcher keeps trying by itself.
#[derive(Clone, Debug, PartialEq)]
pub enum PartitionEvent {
    /// A position asked for as earliest or latest is this offset.
    Positioned {
        /// The position.
        offset: i64,
        /// Leader epoch there, if the broker tells.
        leader_epoch: Option<i32>,
    },
    /// Stops: the log does not have the position any more. `[position, log_start)` was deleted by retention or by
    /// DeleteRecords before it was read; or the position is above the end of a log whose epochs are not known.
    OutOfRange {
        /// Where we wanted to read.
        position: i64,
        /// First offset of the log.
        log_start: i64,
        /// Offset after the last record of the log.
        log_end: i64,
        /// Where reading goes on, if it does.
        resumed_at: Option<i64>,
    },
    /// Stops: the log was truncated below the position, and what was read from `common_end` on is not in it any more
    /// (unclean election, lost disk). What follows there is another history.
    Diverged {
        /// Where we wanted to read.
        position: i64,
        /// Leader epoch of the last record read.
        leader_epoch: Option<i32>,
        /// The last epoch that the log and we have in common, if the leader knows.
        common_epoch: Option<i32>,
        /// Where its records end.
        common_end: Option<i64>,
        /// Where reading goes on, if it does.
        resumed_at: Option<i64>,
    },
    /// Stops: the topic was deleted and created again.
    TopicRecreated {
        /// The topic that the position is of.
        old_id: Uuid,
        /// The one that has its name now.
        new_id: Uuid,
    },
    /// The topic (or the partition) does not exist. It goes on by itself if the topic comes back under its old id.
    TopicGone,
    /// We may not read the topic. Tried again every few seconds.
    AuthorizationFailed,
    /// Stops: what is at `offset` was damaged in four fetches over three connections.
    Corrupt {
        /// Where the damaged batch begins.
        offset: i64,
        /// What is wrong with it.
        reason: String,
    },
    /// The broker refuses to serve the partition with an error that does not pass by itself. Tried again every few seconds.
    Failed {
        /// The error.
        code: ErrorCode,
    },
    /// The partition has not been served for some seconds. It is tried on.
    Unavailable {
        /// Why.
        error: ClientError,
    },
    /// What was reported by `TopicGone`, `AuthorizationFailed`, `Failed` or `Unavailable` is over.
    Recovered,
}
