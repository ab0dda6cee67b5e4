//! What an error code means for a member of a group.

use crate::codes::ErrorCode;
use crate::error::ClientError;

/// What to do after a failed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Wait a little, look the coordinator up again, and repeat.
    Again,
    /// The coordinator has given us an id: repeat with it at once (KIP-394).
    TakeId,
    /// The coordinator does not know us: repeat without an id.
    Anew,
    /// The group is being rebalanced: join again.
    Rejoin,
    /// Our generation has passed: join again with the same id.
    Stale,
    /// Nothing but a change of something else helps.
    Fatal(String),
}

/// Judges an error of JoinGroup, SyncGroup or Heartbeat.
pub(super) fn verdict(error: &ClientError, group_id: &str) -> Verdict {
    let Some(code) = error.code() else {
        // No answer: the coordinator may be another one by now. A refusal to talk to us at all stays one.
        return if error.is_retriable() { Verdict::Again } else { Verdict::Fatal(error.to_string()) };
    };
    match code {
        ErrorCode::MEMBER_ID_REQUIRED => Verdict::TakeId,
        ErrorCode::UNKNOWN_MEMBER_ID => Verdict::Anew,
        ErrorCode::REBALANCE_IN_PROGRESS => Verdict::Rejoin,
        ErrorCode::ILLEGAL_GENERATION => Verdict::Stale,
        ErrorCode::GROUP_AUTHORIZATION_FAILED => {
            Verdict::Fatal(format!("no permission for group {group_id}: the principal needs the operation Read on it"))
        }
        ErrorCode::INCONSISTENT_GROUP_PROTOCOL => Verdict::Fatal(format!(
            "group {group_id} exists with another type or without a protocol in common: choose another group.id, or the \
             same connect.protocol as its other members"
        )),
        ErrorCode::INVALID_SESSION_TIMEOUT => Verdict::Fatal(format!(
            "the coordinator of group {group_id} does not allow this session.timeout.ms: it must lie between the broker's \
             group.min.session.timeout.ms and group.max.session.timeout.ms"
        )),
        _ if error.is_retriable() => Verdict::Again,
        _ => Verdict::Fatal(format!("group {group_id}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(code: ErrorCode) -> Verdict {
        verdict(&ClientError::broker("JoinGroup", code, None), "g")
    }

    #[test]
    fn a_coordinator_that_moves_or_loads_is_waited_for() {
        for code in
            [ErrorCode::COORDINATOR_LOAD_IN_PROGRESS, ErrorCode::COORDINATOR_NOT_AVAILABLE, ErrorCode::NOT_COORDINATOR]
        {
            assert_eq!(judge(code), Verdict::Again, "{code}");
        }
        let lost = ClientError::Closed { broker: "b".into(), reason: "reset".into() };
        assert_eq!(verdict(&lost, "g"), Verdict::Again);
    }

    #[test]
    fn a_forgotten_member_starts_anew_and_a_late_one_joins_again() {
        assert_eq!(judge(ErrorCode::UNKNOWN_MEMBER_ID), Verdict::Anew);
        assert_eq!(judge(ErrorCode::ILLEGAL_GENERATION), Verdict::Stale);
        assert_eq!(judge(ErrorCode::REBALANCE_IN_PROGRESS), Verdict::Rejoin);
        assert_eq!(judge(ErrorCode::MEMBER_ID_REQUIRED), Verdict::TakeId);
    }

    #[test]
    fn what_only_people_can_change_says_what_to_change() {
        let Verdict::Fatal(reason) = judge(ErrorCode::GROUP_AUTHORIZATION_FAILED) else { panic!("not fatal") };
        assert!(reason.contains("group g") && reason.contains("Read"), "{reason}");
        assert!(matches!(judge(ErrorCode::INCONSISTENT_GROUP_PROTOCOL), Verdict::Fatal(_)));
    }
}
