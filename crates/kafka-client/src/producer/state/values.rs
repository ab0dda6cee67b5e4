//! What goes into a line and what comes out of it.

use crate::codes::ErrorCode;

/// Producer id and epoch, as the broker gave them or as we bumped them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::producer) struct Identity {
    pub(in crate::producer) producer_id: i64,
    pub(in crate::producer) epoch: i16,
}

impl Identity {
    /// Neither idempotent nor transactional: batches go one by one, and a lost answer may make a duplicate.
    pub(in crate::producer) const NONE: Self = Self { producer_id: -1, epoch: -1 };

    /// The next epoch. An idempotent producer may take it by itself, for each partition apart: brokers keep the state of a
    /// producer per partition (KIP-360). `None` when a new producer id is needed.
    pub(super) fn bumped(self) -> Option<Self> {
        self.epoch.checked_add(1).filter(|&epoch| epoch < i16::MAX).map(|epoch| Self { epoch, ..self })
    }
}

/// Where an acknowledged batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Offset of the first record. `None` if the broker knows the batch but not its place any more.
    pub base_offset: Option<i64>,
    /// When the broker appended it, in ms since the epoch; only for topics with LogAppendTime.
    pub log_append_time_ms: Option<i64>,
}

/// Which batch in flight an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::producer) struct Ticket(pub(super) u64);

/// What came back for a batch in flight.
#[derive(Clone, Debug)]
pub(in crate::producer) enum Answer {
    /// The broker's answer was a success.
    Acked(Ack),
    /// The broker's answer was an error.
    Failed { code: ErrorCode, message: Option<String> },
    /// The connection ended or the time was up: written or not, nobody knows.
    Lost,
    /// The request never left.
    NotSent,
}

/// How a batch ended. Every batch pushed ends in exactly one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::producer) enum Outcome {
    Acked(Ack),
    /// The broker refused it for good.
    Rejected {
        code: ErrorCode,
        message: Option<String>,
        maybe_written: bool,
    },
    /// A batch before it failed; not sent, or refused because of that.
    Skipped {
        maybe_written: bool,
    },
    /// Not acknowledged before its deadline.
    Expired {
        last_code: Option<ErrorCode>,
        maybe_written: bool,
    },
}

/// A batch and its end.
pub(in crate::producer) type Settled<B> = (B, Outcome);

/// Options of a line that do not change.
#[derive(Clone, Copy, Debug)]
pub(in crate::producer) struct Rules {
    /// Gaps and fences end the transaction instead of being healed under a new epoch.
    pub(in crate::producer) transactional: bool,
    pub(in crate::producer) retry_backoff_ms: u64,
    pub(in crate::producer) retry_backoff_max_ms: u64,
}

impl Rules {
    /// Pause after the `attempts`-th failure in a row (from 1). Exponential and without jitter: the partitions of a broker
    /// that was away come back in one request.
    pub(super) fn backoff_ms(&self, attempts: u32) -> u64 {
        let factor = 1_u64 << attempts.saturating_sub(1).min(20);
        self.retry_backoff_ms.saturating_mul(factor).min(self.retry_backoff_max_ms.max(self.retry_backoff_ms))
    }
}
