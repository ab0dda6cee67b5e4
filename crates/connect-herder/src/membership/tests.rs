use super::*;
use crate::protocol::AssignmentError;

fn work(connectors: &[&str], tasks: &[u32]) -> ConnectorsAndTasks {
    ConnectorsAndTasks {
        connectors: connectors.iter().map(|name| (*name).into()).collect(),
        tasks: tasks.iter().map(|task| TaskId::new("m", *task)).collect(),
    }
}

fn assignment(assigned: ConnectorsAndTasks, revoked: ConnectorsAndTasks) -> Assignment {
    Assignment {
        error: AssignmentError::None,
        leader: "a".into(),
        leader_url: "http://a:1/".to_owned(),
        config_offset: ConfigOffset(5),
        assigned,
        revoked,
        delay_ms: 0,
    }
}

fn member(me: &str, protocol: Subprotocol, assigned: Assignment) -> Membership {
    let mut membership = Membership::new(Subprotocol::Sessioned);
    round(&mut membership, me, protocol, 1, assigned);
    membership
}

fn round(membership: &mut Membership, me: &str, protocol: Subprotocol, generation: i32, assigned: Assignment) {
    membership.join("http://a:1/", ConfigOffset(5));
    assert!(membership.joined(Generation(generation), me.into(), Some(protocol)));
    assert!(membership.synced(Now(0), Generation(generation), assigned));
}

#[test]
fn an_assignment_of_the_config_we_know_is_resolved() {
    let mut membership =
        member("a", Subprotocol::Sessioned, assignment(work(&["m"], &[0]), ConnectorsAndTasks::default()));

    assert_eq!(membership.next(ConfigOffset(5), Now(0)), Next::Resolve);
    membership.resolve();

    assert!(membership.is_settled());
    assert_eq!(membership.next(ConfigOffset(5), Now(0)), Next::Nothing);
}

#[test]
fn a_worker_that_is_behind_reads_to_the_end_and_one_that_is_ahead_joins_again() {
    let mut membership =
        member("b", Subprotocol::Sessioned, assignment(work(&["m"], &[0]), ConnectorsAndTasks::default()));

    assert_eq!(membership.next(ConfigOffset(4), Now(0)), Next::ReadToEnd);
    assert_eq!(membership.next(ConfigOffset(6), Now(0)), Next::Rejoin);

    membership.caught_up();
    assert_eq!(membership.next(ConfigOffset(5), Now(0)), Next::Resolve);
    assert_eq!(membership.next(ConfigOffset(4), Now(0)), Next::Rejoin);
}

#[test]
fn cooperative_assignments_are_merged_with_what_we_have() {
    let mut membership =
        member("b", Subprotocol::Sessioned, assignment(work(&["m"], &[0, 1]), ConnectorsAndTasks::default()));
    membership.resolve();

    round(&mut membership, "b", Subprotocol::Sessioned, 2, assignment(work(&[], &[2]), work(&["m"], &[0])));

    assert_eq!(membership.assigned(), Some(&work(&[], &[1, 2])));
    membership.resolve();
    assert!(membership.wants_join(), "what was revoked is handed out in another round");
}

#[test]
fn an_eager_assignment_is_everything() {
    let mut membership =
        member("b", Subprotocol::Eager, assignment(work(&["m"], &[0, 1]), ConnectorsAndTasks::default()));

    round(&mut membership, "b", Subprotocol::Eager, 2, assignment(work(&[], &[2]), ConnectorsAndTasks::default()));

    assert_eq!(membership.assigned(), Some(&work(&[], &[2])));
}

#[test]
fn a_failed_assignment_makes_the_leader_read_and_everyone_join_again() {
    let failed = Assignment {
        error: AssignmentError::ConfigMismatch,
        ..assignment(ConnectorsAndTasks::default(), ConnectorsAndTasks::default())
    };
    let mut leader = member("a", Subprotocol::Sessioned, failed.clone());
    let follower = member("b", Subprotocol::Sessioned, failed);

    assert_eq!(leader.next(ConfigOffset(5), Now(0)), Next::ReadToEnd);
    leader.caught_up();
    assert_eq!(leader.next(ConfigOffset(5), Now(0)), Next::Rejoin);
    assert_eq!(follower.next(ConfigOffset(5), Now(0)), Next::Rejoin);
}

#[test]
fn words_of_an_earlier_generation_are_not_heard() {
    let mut membership = Membership::new(Subprotocol::Sessioned);
    membership.join("http://a:1/", ConfigOffset(5));
    membership.joined(Generation(2), "a".into(), Some(Subprotocol::Sessioned));

    let stale = assignment(work(&["m"], &[0]), ConnectorsAndTasks::default());

    assert!(!membership.synced(Now(0), Generation(1), stale));
    assert!(!membership.joined(Generation(1), "a".into(), None));
}

#[test]
fn after_the_scheduled_delay_the_worker_joins_again() {
    let delayed =
        Assignment { delay_ms: 100, ..assignment(ConnectorsAndTasks::default(), ConnectorsAndTasks::default()) };
    let mut membership = member("a", Subprotocol::Sessioned, delayed);
    membership.resolve();

    assert_eq!(membership.next_timeout(), Some(Now(100)));
    assert_eq!(membership.next(ConfigOffset(5), Now(99)), Next::Nothing);
    assert_eq!(membership.next(ConfigOffset(5), Now(100)), Next::Rejoin);
}
