//! Kafka's error codes: one table with the name of every code of Kafka 4.3 (`Errors.java`), what a
//! client should do about it, and why. Everything that retries asks this table and nothing else.

use std::fmt;

/// What a client should do when it meets a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// No error.
    Ok,
    /// Ask the same broker again after a pause.
    Retriable,
    /// Our view of leaders, topic ids or brokers is old: refresh metadata, then ask again.
    RefreshMetadata,
    /// The coordinator moved or is not there yet: look it up again, then ask again.
    RefreshCoordinator,
    /// Asking again cannot help.
    Fatal,
}

/// An error code as it is on the wire.
///
/// Codes this client does not know are kept, named `UNKNOWN_CODE`, and treated as fatal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ErrorCode(pub i16);

struct Row {
    code: i16,
    name: &'static str,
    class: Class,
    reason: &'static str,
}

macro_rules! table {
    ($( $constant:ident = $code:literal, $class:ident, $reason:literal; )*) => {
        /// The codes by name.
        #[allow(missing_docs)] // the name is Kafka's and `reason()` is the documentation
        impl ErrorCode {
            $( pub const $constant: ErrorCode = ErrorCode($code); )*
        }
        const TABLE: &[Row] = &[
            $( Row { code: $code, name: stringify!($constant), class: Class::$class, reason: $reason }, )*
        ];
    };
}

table! {
    UNKNOWN_SERVER_ERROR = -1, Fatal, "the broker failed in a way it has no name for; Java does not retry it either";
    NONE = 0, Ok, "no error";
    OFFSET_OUT_OF_RANGE = 1, Fatal, "the position is outside the log; a policy has to choose a new one";
    CORRUPT_MESSAGE = 2, Retriable, "the bytes were damaged on the way; the copy we hold may still be good";
    UNKNOWN_TOPIC_OR_PARTITION = 3, RefreshMetadata, "the topic is new, gone, or its partition has moved off this broker";
    INVALID_FETCH_SIZE = 4, Fatal, "the request asks for a negative size";
    LEADER_NOT_AVAILABLE = 5, RefreshMetadata, "an election is under way";
    NOT_LEADER_OR_FOLLOWER = 6, RefreshMetadata, "the leader has moved";
    REQUEST_TIMED_OUT = 7, Retriable, "the broker could not finish in the time the request gave it";
    BROKER_NOT_AVAILABLE = 8, Fatal, "only seen by tools; Java does not retry it";
    REPLICA_NOT_AVAILABLE = 9, RefreshMetadata, "the replica has moved; fetch from the leader";
    MESSAGE_TOO_LARGE = 10, Fatal, "the batch is larger than the topic allows; it has to be split";
    STALE_CONTROLLER_EPOCH = 11, Fatal, "between brokers only";
    OFFSET_METADATA_TOO_LARGE = 12, Fatal, "the metadata string of a commit is too long";
    NETWORK_EXCEPTION = 13, RefreshMetadata, "a broker lost its own connection on our behalf; the node may be gone";
    COORDINATOR_LOAD_IN_PROGRESS = 14, Retriable, "the right coordinator, still reading its log";
    COORDINATOR_NOT_AVAILABLE = 15, RefreshCoordinator, "the coordinator's partition has no leader yet";
    NOT_COORDINATOR = 16, RefreshCoordinator, "the coordinator has moved";
    INVALID_TOPIC_EXCEPTION = 17, Fatal, "the name is not legal, or the topic must not be written to";
    RECORD_LIST_TOO_LARGE = 18, Fatal, "the batch is larger than a segment";
    NOT_ENOUGH_REPLICAS = 19, Retriable, "fewer in-sync replicas than min.insync.replicas; nothing was appended";
    NOT_ENOUGH_REPLICAS_AFTER_APPEND = 20, Retriable, "appended, but the in-sync set shrank meanwhile";
    INVALID_REQUIRED_ACKS = 21, Fatal, "acks is not -1, 0 or 1";
    ILLEGAL_GENERATION = 22, Fatal, "the group has moved on; the member has to rejoin";
    INCONSISTENT_GROUP_PROTOCOL = 23, Fatal, "the member shares no protocol with the group";
    INVALID_GROUP_ID = 24, Fatal, "the group id is not legal";
    UNKNOWN_MEMBER_ID = 25, Fatal, "the group has forgotten the member; it has to rejoin under a new id";
    INVALID_SESSION_TIMEOUT = 26, Fatal, "outside group.min/max.session.timeout.ms of the broker";
    REBALANCE_IN_PROGRESS = 27, Fatal, "the member has to rejoin, the same request cannot succeed";
    INVALID_COMMIT_OFFSET_SIZE = 28, Fatal, "the commit is larger than the broker stores";
    TOPIC_AUTHORIZATION_FAILED = 29, Fatal, "an ACL is missing on the topic";
    GROUP_AUTHORIZATION_FAILED = 30, Fatal, "an ACL is missing on the group";
    CLUSTER_AUTHORIZATION_FAILED = 31, Fatal, "an ACL is missing on the cluster";
    INVALID_TIMESTAMP = 32, Fatal, "a record's time is outside what the topic allows";
    UNSUPPORTED_SASL_MECHANISM = 33, Fatal, "the listener does not offer sasl.mechanism";
    ILLEGAL_SASL_STATE = 34, Fatal, "a request out of order with authentication";
    UNSUPPORTED_VERSION = 35, Fatal, "the broker does not speak this version of the API, or lacks the feature";
    TOPIC_ALREADY_EXISTS = 36, Fatal, "for most callers as good as done";
    INVALID_PARTITIONS = 37, Fatal, "fewer than one, or fewer than there are";
    INVALID_REPLICATION_FACTOR = 38, Fatal, "more replicas asked for than there are brokers";
    INVALID_REPLICA_ASSIGNMENT = 39, Fatal, "the assignment names brokers that are not there";
    INVALID_CONFIG = 40, Fatal, "a configuration value was refused";
    NOT_CONTROLLER = 41, RefreshMetadata, "the controller has moved";
    INVALID_REQUEST = 42, Fatal, "the broker could not make sense of the request";
    UNSUPPORTED_FOR_MESSAGE_FORMAT = 43, Fatal, "the topic's message format is too old";
    POLICY_VIOLATION = 44, Fatal, "a policy plug-in of the broker refused";
    OUT_OF_ORDER_SEQUENCE_NUMBER = 45, Fatal, "a batch is missing before this one; the producer has to start a new epoch";
    DUPLICATE_SEQUENCE_NUMBER = 46, Fatal, "appended already, too long ago to tell where; the producer decides";
    INVALID_PRODUCER_EPOCH = 47, Fatal, "a newer producer has taken over; aborting and a new epoch may follow";
    INVALID_TXN_STATE = 48, Fatal, "the transaction is not in a state that allows this";
    INVALID_PRODUCER_ID_MAPPING = 49, Fatal, "the transactional id has another producer id by now";
    INVALID_TRANSACTION_TIMEOUT = 50, Fatal, "above transaction.max.timeout.ms of the broker";
    CONCURRENT_TRANSACTIONS = 51, Retriable, "the previous transaction is still being completed (Java's producer retries it by hand)";
    TRANSACTION_COORDINATOR_FENCED = 52, Fatal, "between brokers only";
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53, Fatal, "an ACL is missing on the transactional id, or a transactional batch came without one";
    SECURITY_DISABLED = 54, Fatal, "the broker has no authorizer, so there are no ACLs";
    OPERATION_NOT_ATTEMPTED = 55, Fatal, "another item of the batch failed first; the caller may send the rest again";
    KAFKA_STORAGE_ERROR = 56, RefreshMetadata, "a disk of the broker failed or is full; the leader will move or recover";
    LOG_DIR_NOT_FOUND = 57, Fatal, "no such log directory";
    SASL_AUTHENTICATION_FAILED = 58, Fatal, "the credentials were refused; retrying may lock the account";
    UNKNOWN_PRODUCER_ID = 59, Fatal, "the broker has forgotten the producer; it has to start a new epoch";
    REASSIGNMENT_IN_PROGRESS = 60, Fatal, "partitions cannot be added while they are being moved";
    DELEGATION_TOKEN_AUTH_DISABLED = 61, Fatal, "the broker has no delegation tokens";
    DELEGATION_TOKEN_NOT_FOUND = 62, Fatal, "no such delegation token";
    DELEGATION_TOKEN_OWNER_MISMATCH = 63, Fatal, "the token belongs to someone else";
    DELEGATION_TOKEN_REQUEST_NOT_ALLOWED = 64, Fatal, "tokens cannot be asked for over this connection";
    DELEGATION_TOKEN_AUTHORIZATION_FAILED = 65, Fatal, "an ACL is missing on the token";
    DELEGATION_TOKEN_EXPIRED = 66, Fatal, "the token's time is over";
    INVALID_PRINCIPAL_TYPE = 67, Fatal, "the principal type is not supported";
    NON_EMPTY_GROUP = 68, Fatal, "the group has members; its offsets cannot be altered or the group deleted";
    GROUP_ID_NOT_FOUND = 69, Fatal, "no such group";
    FETCH_SESSION_ID_NOT_FOUND = 70, Retriable, "the broker evicted the fetch session; a full fetch opens a new one";
    INVALID_FETCH_SESSION_EPOCH = 71, Retriable, "the fetch session is out of step; a full fetch opens a new one";
    LISTENER_NOT_FOUND = 72, RefreshMetadata, "the leader has not published the listener we use yet";
    TOPIC_DELETION_DISABLED = 73, Fatal, "delete.topic.enable is false";
    FENCED_LEADER_EPOCH = 74, RefreshMetadata, "our leader epoch is older than the broker's";
    UNKNOWN_LEADER_EPOCH = 75, RefreshMetadata, "our leader epoch is newer than the broker's; it has to catch up";
    UNSUPPORTED_COMPRESSION_TYPE = 76, Fatal, "the request version cannot carry the codec of the partition";
    STALE_BROKER_EPOCH = 77, Fatal, "between brokers only";
    OFFSET_NOT_AVAILABLE = 78, Retriable, "a new leader does not know its high watermark yet";
    MEMBER_ID_REQUIRED = 79, Fatal, "join again with the member id in the answer (KIP-394)";
    PREFERRED_LEADER_NOT_AVAILABLE = 80, RefreshMetadata, "the preferred leader is down";
    GROUP_MAX_SIZE_REACHED = 81, Fatal, "the group takes no more members";
    FENCED_INSTANCE_ID = 82, Fatal, "another member has taken this group.instance.id";
    ELIGIBLE_LEADERS_NOT_AVAILABLE = 83, RefreshMetadata, "no replica may become leader now";
    ELECTION_NOT_NEEDED = 84, RefreshMetadata, "the leader is already the one asked for";
    NO_REASSIGNMENT_IN_PROGRESS = 85, Fatal, "there is no reassignment to cancel";
    GROUP_SUBSCRIBED_TO_TOPIC = 86, Fatal, "offsets of a subscribed topic cannot be deleted";
    INVALID_RECORD = 87, Fatal, "the broker validated the batch and refused it";
    UNSTABLE_OFFSET_COMMIT = 88, Retriable, "a transaction over these offsets is still open";
    THROTTLING_QUOTA_EXCEEDED = 89, Retriable, "the controller mutation quota is used up (KIP-599)";
    PRODUCER_FENCED = 90, Fatal, "a newer producer with this transactional id exists";
    RESOURCE_NOT_FOUND = 91, Fatal, "no such resource";
    DUPLICATE_RESOURCE = 92, Fatal, "the request names a resource twice";
    UNACCEPTABLE_CREDENTIAL = 93, Fatal, "the credential does not meet the broker's rules";
    INCONSISTENT_VOTER_SET = 94, Fatal, "between controllers only";
    INVALID_UPDATE_VERSION = 95, Fatal, "the feature version is not legal";
    FEATURE_UPDATE_FAILED = 96, Fatal, "the controller could not store the feature";
    PRINCIPAL_DESERIALIZATION_FAILURE = 97, Fatal, "the brokers disagree about security settings";
    SNAPSHOT_NOT_FOUND = 98, Fatal, "between controllers only";
    POSITION_OUT_OF_RANGE = 99, Fatal, "between controllers only";
    UNKNOWN_TOPIC_ID = 100, RefreshMetadata, "the topic was deleted or re-created, or the broker has not heard of it yet";
    DUPLICATE_BROKER_REGISTRATION = 101, Fatal, "between broker and controller only";
    BROKER_ID_NOT_REGISTERED = 102, Fatal, "between broker and controller only";
    INCONSISTENT_TOPIC_ID = 103, RefreshMetadata, "the topic was re-created; our id is the old one's";
    INCONSISTENT_CLUSTER_ID = 104, Fatal, "the request is for another cluster";
    TRANSACTIONAL_ID_NOT_FOUND = 105, Fatal, "no such transactional id";
    FETCH_SESSION_TOPIC_ID_ERROR = 106, Retriable, "the fetch session mixes names and ids; a full fetch opens a new one";
    INELIGIBLE_REPLICA = 107, Fatal, "between broker and controller only";
    NEW_LEADER_ELECTED = 108, Fatal, "between broker and controller only";
    OFFSET_MOVED_TO_TIERED_STORAGE = 109, Fatal, "for followers only";
    FENCED_MEMBER_EPOCH = 110, Fatal, "the member has to give up its partitions and rejoin (KIP-848)";
    UNRELEASED_INSTANCE_ID = 111, Fatal, "the previous holder of the instance id has to leave first";
    UNSUPPORTED_ASSIGNOR = 112, Fatal, "the group does not know the assignor";
    STALE_MEMBER_EPOCH = 113, Fatal, "the member has to learn its new epoch first (KIP-848)";
    MISMATCHED_ENDPOINT_TYPE = 114, Fatal, "a controller was asked what a broker answers, or the reverse";
    UNSUPPORTED_ENDPOINT_TYPE = 115, Fatal, "the endpoint type is not supported";
    UNKNOWN_CONTROLLER_ID = 116, Fatal, "between controllers only";
    UNKNOWN_SUBSCRIPTION_ID = 117, Fatal, "telemetry only";
    TELEMETRY_TOO_LARGE = 118, Fatal, "telemetry only";
    INVALID_REGISTRATION = 119, Fatal, "between broker and controller only";
    TRANSACTION_ABORTABLE = 120, Fatal, "the transaction has to be aborted; the producer can go on (KIP-890)";
    INVALID_RECORD_STATE = 121, Fatal, "share groups only";
    SHARE_SESSION_NOT_FOUND = 122, Retriable, "share groups only";
    INVALID_SHARE_SESSION_EPOCH = 123, Retriable, "share groups only";
    FENCED_STATE_EPOCH = 124, Fatal, "share groups only";
    INVALID_VOTER_KEY = 125, Fatal, "between controllers only";
    DUPLICATE_VOTER = 126, Fatal, "between controllers only";
    VOTER_NOT_FOUND = 127, Fatal, "between controllers only";
    INVALID_REGULAR_EXPRESSION = 128, Fatal, "the subscription pattern is not legal";
    REBOOTSTRAP_REQUIRED = 129, RefreshMetadata, "the broker asks us to start again from bootstrap.servers (KIP-1102)";
    STREAMS_INVALID_TOPOLOGY = 130, Fatal, "streams groups only";
    STREAMS_INVALID_TOPOLOGY_EPOCH = 131, Fatal, "streams groups only";
    STREAMS_TOPOLOGY_FENCED = 132, Fatal, "streams groups only";
    SHARE_SESSION_LIMIT_REACHED = 133, Retriable, "share groups only";
}

impl ErrorCode {
    fn row(self) -> Option<&'static Row> {
        // The table starts at -1 and has no holes; a test holds that.
        let index = usize::try_from(i32::from(self.0) + 1).ok()?;
        TABLE.get(index).filter(|row| row.code == self.0)
    }

    /// Kafka's name for the code, `UNKNOWN_CODE` for one that Kafka 4.3 does not have.
    pub fn name(self) -> &'static str {
        self.row().map_or("UNKNOWN_CODE", |row| row.name)
    }

    /// What to do about it.
    pub fn class(self) -> Class {
        self.row().map_or(Class::Fatal, |row| row.class)
    }

    /// Why it is in that class, in one line.
    pub fn reason(self) -> &'static str {
        self.row().map_or("a code newer than Kafka 4.3", |row| row.reason)
    }

    /// Whether this is `NONE`.
    pub fn is_ok(self) -> bool {
        self == ErrorCode::NONE
    }

    /// Whether asking again, perhaps after a refresh, can help.
    pub fn is_retriable(self) -> bool {
        matches!(self.class(), Class::Retriable | Class::RefreshMetadata | Class::RefreshCoordinator)
    }

    /// `Ok` for `NONE`, otherwise the code as an error.
    pub fn ok(self) -> Result<(), ErrorCode> {
        if self.is_ok() { Ok(()) } else { Err(self) }
    }
}

impl From<i16> for ErrorCode {
    fn from(code: i16) -> Self {
        ErrorCode(code)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.row() {
            Some(row) => f.write_str(row.name),
            None => write!(f, "UNKNOWN_CODE {}", self.0),
        }
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} ({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_code_in_order_without_holes() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(i32::from(row.code), i32::try_from(index).unwrap() - 1, "{}", row.name);
            assert!(!row.reason.is_empty());
        }
        assert_eq!(TABLE.last().unwrap().code, 133);
    }

    #[test]
    fn every_i16_has_a_name_and_a_class_and_unknown_codes_are_fatal() {
        for code in i16::MIN..=i16::MAX {
            let code = ErrorCode(code);
            let known = (-1..=133).contains(&code.0);
            assert_eq!(known, code.name() != "UNKNOWN_CODE");
            assert!(known || code.class() == Class::Fatal);
        }
    }
}
