//! What a broker's answer to one batch means: a table, and nothing else.
//!
//! Follows Java's `TransactionManager.canRetry` and `Errors`, with three deliberate differences. A corrupt batch is sent a
//! few times and not for ever, because the bytes are not ours to make anew. An unknown server error is final, because brokers
//! give it for batches they cannot digest. And a sequence gap is judged by the place of the batch in its line, not here.

use crate::codes::{Class, ErrorCode};

/// What to do with the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// In the log, now or by an earlier try.
    Written,
    /// Try again, in order.
    Retry {
        /// Ask for the leaders first.
        stale_metadata: bool,
        /// The leader has the batch in its log, or may have.
        maybe_written: bool,
    },
    /// The batch arrived damaged. A few tries, in case it was the network's fault.
    Damaged,
    /// A batch before this one is not in the log, as far as the broker knows.
    Gap,
    /// Somebody has used this producer id with a later epoch.
    Fenced,
    /// The broker will never take this batch.
    Rejected {
        /// The error does not exclude that the batch is in the log.
        maybe_written: bool,
    },
}

/// What the broker's error code says about a batch.
pub(super) fn verdict(code: ErrorCode) -> Verdict {
    let stale_metadata = matches!(code.class(), Class::RefreshMetadata);
    match code {
        ErrorCode::NONE | ErrorCode::DUPLICATE_SEQUENCE_NUMBER => Verdict::Written,
        ErrorCode::CORRUPT_MESSAGE => Verdict::Damaged,
        // Brokers before 2.5 forget a producer when retention deletes its last batch; the cure is that of a gap.
        ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER | ErrorCode::UNKNOWN_PRODUCER_ID => Verdict::Gap,
        ErrorCode::INVALID_PRODUCER_EPOCH | ErrorCode::PRODUCER_FENCED => Verdict::Fenced,
        ErrorCode::REQUEST_TIMED_OUT
        | ErrorCode::NETWORK_EXCEPTION
        | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND
        | ErrorCode::KAFKA_STORAGE_ERROR => Verdict::Retry { stale_metadata, maybe_written: true },
        _ if code.is_retriable() => Verdict::Retry { stale_metadata, maybe_written: false },
        _ => Verdict::Rejected { maybe_written: code == ErrorCode::UNKNOWN_SERVER_ERROR },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duplicate_is_a_success() {
        assert_eq!(verdict(ErrorCode::DUPLICATE_SEQUENCE_NUMBER), Verdict::Written);
    }

    #[test]
    fn an_append_that_was_not_replicated_may_be_in_the_log() {
        let retry = |maybe_written| Verdict::Retry { stale_metadata: false, maybe_written };

        assert_eq!(verdict(ErrorCode::NOT_ENOUGH_REPLICAS), retry(false));
        assert_eq!(verdict(ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND), retry(true));
    }

    #[test]
    fn a_moved_leader_is_a_reason_to_ask_for_the_new_one() {
        let expected = Verdict::Retry { stale_metadata: true, maybe_written: false };

        assert_eq!(verdict(ErrorCode::NOT_LEADER_OR_FOLLOWER), expected);
        assert_eq!(verdict(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION), expected);
    }

    #[test]
    fn nothing_that_the_code_table_calls_retriable_is_rejected() {
        for code in (-1..=133).map(ErrorCode).filter(|code| code.is_retriable()) {
            assert!(matches!(verdict(code), Verdict::Retry { .. } | Verdict::Damaged), "{code}");
        }
    }

    #[test]
    fn what_is_wrong_with_the_batch_itself_is_final() {
        for code in [
            ErrorCode::MESSAGE_TOO_LARGE,
            ErrorCode::TOPIC_AUTHORIZATION_FAILED,
            ErrorCode::INVALID_TIMESTAMP,
            ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
            ErrorCode::INVALID_RECORD,
        ] {
            assert_eq!(verdict(code), Verdict::Rejected { maybe_written: false }, "{code}");
        }
    }
}
