//! Rounds of the group: what has to be true before work starts, and what makes the worker join again.

use super::*;

fn revoked(bench: &Bench, revoked: ConnectorsAndTasks) -> Assignment {
    Assignment { revoked, ..bench.assignment(ConnectorsAndTasks::default()) }
}

#[test]
fn revoked_work_stops_before_the_worker_joins_again() {
    let mut bench = Bench::following(&connector_and_tasks("m", 2), work(&[], &[("m", 0), ("m", 1)]));
    bench.group(GroupEvent::RebalanceNeeded);

    let actions = bench.round(revoked(&bench, work(&[], &[("m", 0)])));
    assert_eq!(actions, [stop_task("m", 0)]);
    let actions = bench.apply(Event::TaskStopped { task: TaskId::new("m", 0) });

    let [Action::WriteStatus { .. }, Action::Join { protocols }] = &actions[..] else { panic!("{actions:?}") };
    let allocation = WorkerMetadata::decode(&protocols[0].1).unwrap().allocation.unwrap();
    assert_eq!(allocation.assigned, work(&[], &[("m", 1)]));
    assert!(allocation.revoked.is_empty());
}

#[test]
fn a_task_taken_away_and_given_back_while_it_stops_starts_when_it_has_stopped() {
    let mut bench = Bench::following(&connector_and_tasks("m", 1), work(&[], &[("m", 0)]));
    bench.group(GroupEvent::RebalanceNeeded);
    bench.round(revoked(&bench, work(&[], &[("m", 0)])));

    // The coordinator goes on without us: it can't, since we have not joined. But it may give us up and back.
    bench.group(GroupEvent::Lost { reason: "expired".into() });
    let actions = bench.apply(Event::TaskStopped { task: TaskId::new("m", 0) });
    assert_eq!(kinds(&actions), ["status", "join"]);
    let actions = bench.round(bench.assignment(work(&[], &[("m", 0)])));

    assert_eq!(kinds(&actions), ["start task"]);
}

#[test]
fn a_worker_behind_the_assignment_reads_to_the_end_before_it_starts_anything() {
    let mut bench = Bench::following(&[connector("m")], ConnectorsAndTasks::default());
    bench.group(GroupEvent::RebalanceNeeded);
    let assignment = Assignment { config_offset: ConfigOffset(2), ..bench.assignment(work(&["m"], &[])) };

    let reads = bench.round(assignment);
    assert_eq!(reads, [Action::ReadConfigToEnd { op: read_op(&reads), timeout_ms: 3_000 }]);
    bench.record("session-key", None);
    let actions = bench.apply(Event::ConfigReadToEnd { op: read_op(&reads), result: Ok(()) });

    assert_eq!(kinds(&actions), ["start connector"]);
}

#[test]
fn a_worker_ahead_of_the_assignment_joins_again() {
    let mut bench = Bench::following(&[connector("m")], ConnectorsAndTasks::default());
    bench.group(GroupEvent::RebalanceNeeded);
    let assignment = Assignment { config_offset: ConfigOffset(0), ..bench.assignment(work(&["m"], &[])) };

    assert_eq!(kinds(&bench.round(assignment)), ["join"]);
}

#[test]
fn a_read_that_fails_makes_the_worker_leave_and_read_before_it_comes_back() {
    let mut bench = Bench::following(&[connector("m")], ConnectorsAndTasks::default());
    bench.group(GroupEvent::RebalanceNeeded);
    let assignment = Assignment { config_offset: ConfigOffset(9), ..bench.assignment(ConnectorsAndTasks::default()) };
    let op = read_op(&bench.round(assignment));
    let failed = || Err(HerderError::Unavailable("no".into()));

    assert_eq!(bench.apply(Event::ConfigReadToEnd { op, result: failed() }), [Action::Leave]);
    assert_eq!(bench.herder.next_timeout(), Some(at(6_000)), "a fifth of a tenth of the delay");
    let op = read_op(&bench.tick_at(6_000));

    assert_eq!(kinds(&bench.apply(Event::ConfigReadToEnd { op, result: Ok(()) })), ["join"]);
}

#[test]
fn after_the_delay_of_its_assignment_the_worker_joins_again() {
    let mut bench = Bench::following(&[], ConnectorsAndTasks::default());
    bench.group(GroupEvent::RebalanceNeeded);
    let assignment = Assignment { delay_ms: 5_000, ..bench.assignment(ConnectorsAndTasks::default()) };

    assert_eq!(bench.round(assignment), []);
    assert_eq!(bench.herder.next_timeout(), Some(at(5_000)));

    assert_eq!(kinds(&bench.tick_at(5_000)), ["join"]);
}

#[test]
fn a_group_that_is_lost_is_joined_again_with_what_still_runs() {
    let mut bench = Bench::following(&connector_and_tasks("m", 1), work(&[], &[("m", 0)]));

    let actions = bench.group(GroupEvent::Lost { reason: "expired".into() });

    let [Action::Join { protocols }] = &actions[..] else { panic!("{actions:?}") };
    let allocation = WorkerMetadata::decode(&protocols[0].1).unwrap().allocation.unwrap();
    assert_eq!(allocation.assigned, work(&[], &[("m", 0)]));
}

const UNKNOWN: GroupEvent = GroupEvent::CoordinatorUnknown { unheard_ms: 0 };

#[test]
fn work_stops_at_once_when_the_coordinator_has_not_been_heard_of_for_a_session() {
    let mut bench = Bench::following(&connector_and_tasks("m", 1), work(&[], &[("m", 0)]));
    bench.now = 20_000;

    assert_eq!(bench.group(GroupEvent::CoordinatorUnknown { unheard_ms: 7_000 }), [stop_task("m", 0)]);

    // It is not starting anew: what it knows can be asked for.
    assert!(matches!(bench.herder.view().stage, crate::view::Stage::Impaired(_)));
    assert_eq!(bench.herder.next_timeout(), None);
}

#[test]
fn work_stops_in_time_also_if_the_membership_is_lost_meanwhile() {
    let mut bench = Bench::following(&connector_and_tasks("m", 1), work(&[], &[("m", 0)]));
    bench.now = 10_000;
    bench.group(GroupEvent::CoordinatorUnknown { unheard_ms: 3_000 });

    bench.group(GroupEvent::Lost { reason: "no answer".into() });

    assert_eq!(bench.herder.next_timeout(), Some(at(14_000)));
    assert_eq!(bench.tick_at(14_000), [stop_task("m", 0)]);
}

#[test]
fn work_stops_when_the_coordinator_stays_unknown_but_not_before() {
    let mut bench = Bench::following(&connector_and_tasks("m", 1), work(&[], &[("m", 0)]));

    assert_eq!(bench.group(UNKNOWN), []);
    bench.now = 5_000;
    assert_eq!(bench.group(UNKNOWN), []);
    assert_eq!(bench.herder.next_timeout(), Some(at(7_000)));

    assert_eq!(bench.tick_at(7_000), [stop_task("m", 0)]);
    let actions = bench.apply(Event::TaskStopped { task: TaskId::new("m", 0) });
    let Some(Action::Join { protocols }) = actions.last() else { panic!("{actions:?}") };
    assert_eq!(WorkerMetadata::decode(&protocols[0].1).unwrap().allocation, None);
}

#[test]
fn a_coordinator_that_comes_back_in_time_changes_nothing() {
    let mut bench = Bench::following(&connector_and_tasks("m", 1), work(&[], &[("m", 0)]));
    bench.group(UNKNOWN);

    assert_eq!(bench.group(GroupEvent::CoordinatorKnown), []);

    assert_eq!(bench.herder.next_timeout(), None);
}

#[test]
fn an_eager_worker_stops_everything_before_it_joins() {
    let eager = Settings { protocol: Subprotocol::Eager, ..settings() };
    let mut bench = Bench::new(eager);
    bench.start(&[connector("m")]);
    let actions = bench.round_alone_of(Subprotocol::Eager);
    assert_eq!(actions, [start_connector("m", &[], TargetState::Started)]);

    assert_eq!(bench.group(GroupEvent::RebalanceNeeded), [stop_connector("m")]);
    let actions = bench.apply(Event::ConnectorStopped { name: "m".into() });

    assert_eq!(kinds(&actions), ["status", "join"]);
    assert_eq!(bench.round_alone_of(Subprotocol::Eager), [start_connector("m", &[], TargetState::Started)]);
}

#[test]
fn the_leader_gives_a_member_that_talks_nonsense_nothing_to_do() {
    let mut bench = Bench::leading(&[connector("m")]);
    bench.group(GroupEvent::RebalanceNeeded);
    let metadata = WorkerMetadata { url: MY_URL.into(), config_offset: ConfigOffset(bench.end), allocation: None };
    let members = vec![
        ("me".into(), metadata.encode(Subprotocol::Sessioned).unwrap()),
        ("stranger".into(), Bytes::from_static(b"\xff\xff\xff")),
    ];

    let actions = bench.joined("me", Subprotocol::Sessioned, members);

    let [Action::Sync { assignments, .. }] = &actions[..] else { panic!("{actions:?}") };
    let (_, bytes) = assignments.iter().find(|(id, _)| id.as_str() == "stranger").unwrap();
    assert!(Assignment::decode(bytes).unwrap().assigned.is_empty());
}

#[test]
fn a_join_that_is_answered_twice_is_synced_twice() {
    let mut bench = Bench::following(&[], ConnectorsAndTasks::default());
    bench.group(GroupEvent::RebalanceNeeded);

    let first = bench.joined("leader", Subprotocol::Sessioned, vec![]);
    let second = bench.joined("leader", Subprotocol::Sessioned, vec![]);

    assert_eq!((kinds(&first), kinds(&second)), (vec!["sync"], vec!["sync"]));
}

#[test]
fn words_of_the_group_that_come_too_late_are_not_heard() {
    let mut bench = Bench::following(&[connector("m")], ConnectorsAndTasks::default());
    let stale = bench.assignment(work(&["m"], &[])).encode(Subprotocol::Sessioned).unwrap();

    assert_eq!(bench.synced(stale), []);
    assert_eq!(bench.joined("leader", Subprotocol::Sessioned, vec![]), []);
}

#[test]
fn an_assignment_that_can_t_be_read_makes_the_worker_join_again() {
    let mut bench = Bench::following(&[], ConnectorsAndTasks::default());
    bench.group(GroupEvent::RebalanceNeeded);
    bench.joined("leader", Subprotocol::Sessioned, vec![]);

    assert_eq!(kinds(&bench.synced(Bytes::new())), ["join"]);
}

#[test]
fn work_that_was_deleted_but_not_revoked_stops_and_is_given_back() {
    let mut bench = Bench::following(&[connector("m")], work(&["m"], &[]));
    bench.records(&crate::config_log::record::delete_connector(&"m".into()));
    assert_eq!(kinds(&bench.tick()), ["join"]);

    // A new leader remembers nothing, and so revokes nothing.
    let actions = bench.round(bench.assignment(ConnectorsAndTasks::default()));
    assert_eq!(actions, [stop_connector("m")]);
    let actions = bench.apply(Event::ConnectorStopped { name: "m".into() });
    assert_eq!(kinds(&actions), ["status", "join"]);

    let again = bench.round(bench.assignment(ConnectorsAndTasks::default()));
    assert_eq!(again, [], "once is enough");
}

#[test]
fn a_config_topic_that_begins_anew_deletes_nothing() {
    let mut bench = Bench::following(&connector_and_tasks("m", 1), work(&["m"], &[("m", 0)]));
    let (key, _) = connector("m").encode();

    let tombstone = Event::ConfigRecord { offset: 0, key, value: None, timestamp_ms: 0 };

    assert_eq!(bench.apply(tombstone), []);
    assert_eq!(bench.tick(), []);
    assert!(bench.herder.view().config.contains(&"m".into()));
    assert!(matches!(bench.herder.view().stage, crate::view::Stage::Impaired(_)));
    let pause = Command::SetTargetState { name: "m".into(), state: TargetState::Paused };
    let actions = bench.command(pause);
    assert!(matches!(&actions[..], [Action::Reply { outcome: Err(HerderError::Unavailable(_)), .. }]), "{actions:?}");
}

#[test]
fn a_group_that_can_t_be_joined_ends_the_worker() {
    let mut bench = Bench::leading(&[]);

    let actions = bench.group(GroupEvent::Fatal { reason: "not authorized".into() });

    assert_eq!(actions, [Action::Fail { reason: "not authorized".into() }]);
}
