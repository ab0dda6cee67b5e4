use super::testing::*;
use super::*;

const NO_DELAY: Settings = Settings { max_delay_ms: 0 };
const PROTOCOLS: [Subprotocol; 3] = [Subprotocol::Eager, Subprotocol::Compatible, Subprotocol::Sessioned];

/// A leader that has read up to `leader_offset`, and members that said they have read so far.
fn view(leader_offset: i64, member_offsets: &[(&str, i64)]) -> AssignView {
    let with_url = |id: &str, offset| WorkerMetadata { url: format!("http://{id}/"), ..member(work([]), offset) };
    AssignView {
        members: member_offsets.iter().map(|(id, offset)| ((*id).into(), with_url(id, *offset))).collect(),
        leader: "m1".into(),
        configured: Configured { offset: ConfigOffset(leader_offset), connectors: [("a".into(), 1)].into() },
        generation: Generation(3),
        last_completed_generation: Generation::NONE,
        released: ConnectorsAndTasks::default(),
    }
}

#[test]
fn a_leader_that_has_read_less_than_a_member_assigns_nothing() {
    for protocol in PROTOCOLS {
        let view = view(4, &[("m1", 4), ("m2", 7)]);

        let (round, memory) = assign(protocol, &view, Memory::default(), Now(0), &NO_DELAY);

        for assignment in round.assignments.values() {
            assert_eq!(assignment.error, AssignmentError::ConfigMismatch);
            assert_eq!(assignment.config_offset, ConfigOffset(7));
            assert!(assignment.assigned.is_empty() && assignment.revoked.is_empty());
        }
        assert_eq!(round.assignments.len(), 2);
        assert_eq!(memory, Memory::default());
        assert_eq!(round.ownership, Ownership::default());
    }
}

#[test]
fn the_assignment_carries_the_offset_that_it_was_made_from() {
    for protocol in PROTOCOLS {
        // The leader read on after it had joined.
        let view = view(9, &[("m1", 4), ("m2", 7)]);

        let (round, _) = assign(protocol, &view, Memory::default(), Now(0), &NO_DELAY);

        assert!(round.assignments.values().all(|assignment| assignment.config_offset == ConfigOffset(9)));
        assert!(round.assignments.values().all(|assignment| !assignment.failed()));
    }
}

#[test]
fn every_member_learns_who_leads_and_where() {
    for protocol in PROTOCOLS {
        let (round, _) = assign(protocol, &view(1, &[("m1", 1), ("m2", 1)]), Memory::default(), Now(0), &NO_DELAY);

        for assignment in round.assignments.values() {
            assert_eq!((assignment.leader.as_str(), assignment.leader_url.as_str()), ("m1", "http://m1/"));
        }
    }
}

#[test]
fn the_leader_knows_where_everything_runs() {
    for protocol in PROTOCOLS {
        let (round, _) = assign(protocol, &view(1, &[("m1", 1), ("m2", 1)]), Memory::default(), Now(0), &NO_DELAY);

        assert_eq!(round.ownership.connector_url(&"a".into()), Some("http://m1/"));
        let expected = if protocol == Subprotocol::Eager { "http://m2/" } else { "http://m1/" };
        assert_eq!(round.ownership.task_url(&TaskId::new("a", 0)), Some(expected));
        assert_eq!(round.ownership.connector_url(&"b".into()), None);
        assert_eq!(round.ownership.task_url(&TaskId::new("a", 1)), None);
    }
}

#[test]
fn work_that_has_to_be_stopped_has_no_owner() {
    let mut view = view(1, &[("m2", 1)]);
    view.members.insert("m1".into(), member(work(["a", "a-0"]), 1));
    view.members.insert("m3".into(), member(work(["a-0"]), 1));

    let (round, _) = assign(Subprotocol::Sessioned, &view, Memory::default(), Now(0), &NO_DELAY);

    assert_eq!(round.ownership.task_url(&TaskId::new("a", 0)), None);
    assert_eq!(round.ownership.connector_url(&"a".into()), Some("http://w/"));
}

#[test]
fn a_group_without_members_gets_no_assignment() {
    for protocol in PROTOCOLS {
        let (round, _) = assign(protocol, &view(1, &[]), Memory::default(), Now(0), &NO_DELAY);

        assert!(round.assignments.is_empty());
    }
}

#[test]
fn a_member_without_allocation_runs_nothing() {
    let mut view = view(1, &[("m1", 1)]);
    view.members.get_mut("m1").unwrap().allocation = None;

    let (round, _) = assign(Subprotocol::Sessioned, &view, Memory::default(), Now(0), &NO_DELAY);

    assert_eq!(names(&round.assignments["m1"].assigned), ["a", "a-0"]);
}

#[test]
fn what_is_configured_comes_from_the_config_topic() {
    let mut state = ClusterConfigState::new();
    state.apply(0, "connector-a", Some(br#"{"properties":{}}"#));
    state.apply(1, "task-a-0", Some(br#"{"properties":{}}"#));
    state.apply(2, "commit-a", Some(br#"{"tasks":1}"#));
    state.apply(3, "connector-b", Some(br#"{"properties":{}}"#));
    state.apply(4, "commit-b", Some(br#"{"tasks":2}"#));

    let configured = Configured::from(&state);

    assert_eq!(configured.offset, ConfigOffset(5));
    // The tasks of `b` are not there: inconsistent.
    assert_eq!(configured.connectors, [("a".into(), 1), ("b".into(), 0)].into());
}
