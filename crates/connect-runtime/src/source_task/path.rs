//! Which way a batch takes to the target: as it is, or decoded and encoded anew. One pure function, with a reason.

use std::fmt;

use kafka_wire::batch::{RecordBatch, TimestampType};

/// The way of one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// The header is stamped anew, the payload is neither decompressed, read nor copied.
    Pass,
    /// The records are decoded and encoded again.
    Rewrite(Reason),
}

/// Why a batch can't pass as it is. Each row is what Apache Kafka 4.3 accepts or rejects, tried in `tests/specs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It begins before the position: those records are on the target already.
    Start,
    /// Compaction has removed records; a broker takes only batches without holes.
    Holes,
    /// The records' time is in the header: brokers refuse such batches or lose the time.
    LogAppendTime,
    /// Message format 0 or 1, which brokers no longer take.
    OldFormat,
    /// The target takes no batch of this size.
    TooLarge,
    /// It was small, and shares a batch with its neighbours.
    Merged,
    /// The connector has transforms.
    Transforms,
    /// The connector's key or value converter changes bytes.
    Converters,
}

impl Reason {
    /// Every reason, in the order of [`Self::index`].
    pub const ALL: [Self; 8] = [
        Self::Start,
        Self::Holes,
        Self::LogAppendTime,
        Self::OldFormat,
        Self::TooLarge,
        Self::Merged,
        Self::Transforms,
        Self::Converters,
    ];

    /// A number for counters.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Start => "start",
            Reason::Holes => "holes",
            Reason::LogAppendTime => "log_append_time",
            Reason::OldFormat => "old_format",
            Reason::TooLarge => "too_large",
            Reason::Merged => "merged",
            Reason::Transforms => "transforms",
            Reason::Converters => "converters",
        })
    }
}

/// The way of a batch of which records from `first_wanted` on are wanted.
#[must_use]
pub fn path(batch: &RecordBatch, first_wanted: i64) -> Path {
    if batch.base_offset() < first_wanted {
        Path::Rewrite(Reason::Start)
    } else if !batch.is_dense() {
        Path::Rewrite(Reason::Holes)
    } else if batch.timestamp_type() == TimestampType::LogAppendTime {
        Path::Rewrite(Reason::LogAppendTime)
    } else {
        Path::Pass
    }
}
