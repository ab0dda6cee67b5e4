//! Why a batch is not, or not for certain, in the log.

use std::sync::Arc;

use thiserror::Error;

use crate::codes::ErrorCode;
use crate::error::ClientError;

/// How a batch failed. Everything that can be tried again has been tried: none of these is retriable as it is.
///
/// After any of the first three, later batches of the same partition are [`Skipped`](Self::Skipped) until
/// [`Producer::reset_partition`](super::Producer::reset_partition), so that order is never broken behind the caller's back.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum ProduceError {
    /// The broker will never take this batch.
    #[error("{topic}-{partition} refused a batch with {code}{}: {}", text(message), code.reason())]
    Rejected {
        /// Topic.
        topic: Arc<str>,
        /// Partition.
        partition: i32,
        /// The broker's error.
        code: ErrorCode,
        /// The broker's own words.
        message: Option<String>,
        /// An earlier try went unanswered, so the batch may be in the log all the same.
        maybe_written: bool,
    },
    /// A batch before this one failed, and this one was not written because of that.
    #[error("a batch before this one of {topic}-{partition} failed; reset the partition to go on behind it")]
    Skipped {
        /// Topic.
        topic: Arc<str>,
        /// Partition.
        partition: i32,
        /// It was on its way already and went unanswered; it can be in the log only if the failed one is.
        maybe_written: bool,
    },
    /// No acknowledgement within `delivery.timeout.ms`.
    #[error("{topic}-{partition} did not acknowledge a batch within delivery.timeout.ms{}", last(*last_code))]
    TimedOut {
        /// Topic.
        topic: Arc<str>,
        /// Partition.
        partition: i32,
        /// What the last try ended with, if the broker answered.
        last_code: Option<ErrorCode>,
        /// At least one try went unanswered.
        maybe_written: bool,
    },
    /// The batch cannot be produced as it is: see [`Unfit`].
    #[error("a batch for {topic}-{partition} cannot be produced as it is: {reason}")]
    Unfit {
        /// Topic.
        topic: Arc<str>,
        /// Partition.
        partition: i32,
        /// Why not.
        reason: Unfit,
    },
    /// The transaction has failed, or none is open.
    #[error("transaction of {transactional_id}: {reason}")]
    Transaction {
        /// `transactional.id`.
        transactional_id: String,
        /// What is wrong, and what to do.
        reason: String,
        /// Another producer has taken the transactional id over: this one is of no more use.
        fenced: bool,
    },
    /// The producer was closed before the batch was acknowledged. It may have been written.
    #[error("producer closed")]
    Closed,
    /// Something else that is no single batch's fault.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// Why a batch needs to be decoded and encoded anew before it can be produced.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unfit {
    /// Brokers refuse batches with holes in their offsets, or store them with wrong offsets.
    #[error("it has {records} records on {offsets} offsets")]
    Sparse {
        /// Records in the batch.
        records: usize,
        /// Offsets it spans.
        offsets: i64,
    },
    /// Clients may not write transaction markers.
    #[error("it is a control batch")]
    Control,
    /// Brokers refuse it, or store the producer's times in place of the append time.
    #[error("its timestamps are append times of another log")]
    LogAppendTime,
    /// The records cannot be encoded.
    #[error("{0}")]
    Encode(kafka_wire::batch::BatchError),
}

fn text(message: &Option<String>) -> String {
    message.as_ref().map(|message| format!(" ({message})")).unwrap_or_default()
}

fn last(code: Option<ErrorCode>) -> String {
    code.map(|code| format!(", the last answer was {code}")).unwrap_or_default()
}
