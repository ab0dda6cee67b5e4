use super::*;
use crate::ids::{Generation, TaskId};

fn status(state: State, worker: &str, generation: i32) -> Status {
    Status { state, trace: None, worker_id: worker.into(), generation: Generation(generation), version: None }
}

fn task(state: State, worker: &str, generation: i32) -> StatusRecord {
    StatusRecord::Task { task: TaskId::new("a", 0), status: Some(status(state, worker, generation)) }
}

fn connector(state: State, worker: &str, generation: i32) -> StatusRecord {
    StatusRecord::Connector { connector: "a".into(), status: Some(status(state, worker, generation)) }
}

fn topic(name: &str, status: Option<TopicStatus>) -> StatusRecord {
    StatusRecord::Topic { connector: "a".into(), topic: name.to_owned(), status }
}

fn fold(records: impl IntoIterator<Item = StatusRecord>) -> StatusState {
    let mut state = StatusState::new();
    for record in records {
        let (key, value) = record.encode();
        state.apply(&key, value.as_deref().map(str::as_bytes)).unwrap();
    }
    state
}

#[test]
fn the_last_status_counts() {
    let state =
        fold([connector(State::Running, "w1", 1), connector(State::Paused, "w1", 1), task(State::Running, "w2", 1)]);

    assert_eq!(state.connector(&"a".into()), Some(&status(State::Paused, "w1", 1)));
    assert_eq!(state.tasks(&"a".into())[&0], status(State::Running, "w2", 1));
    assert_eq!(state.connectors().map(ConnectorName::as_str).collect::<Vec<_>>(), ["a"]);
}

#[test]
fn an_old_owners_late_goodbye_does_not_hide_the_new_owner() {
    for generation in [4, 5] {
        let state = fold([task(State::Running, "w2", 5), task(State::Unassigned, "w1", generation)]);

        assert_eq!(state.tasks(&"a".into())[&0], status(State::Running, "w2", 5));
    }
}

#[test]
fn a_goodbye_counts_when_it_comes_from_whoever_ran_it() {
    let state = fold([task(State::Running, "w1", 5), task(State::Unassigned, "w1", 5)]);

    assert_eq!(state.tasks(&"a".into())[&0].state, State::Unassigned);
}

#[test]
fn a_goodbye_counts_when_it_is_newer_or_nobody_runs_it() {
    let newer = fold([task(State::Running, "w1", 5), task(State::Unassigned, "w2", 6)]);
    let not_running = fold([task(State::Failed, "w1", 5), task(State::Unassigned, "w2", 4)]);

    assert_eq!(newer.tasks(&"a".into())[&0].state, State::Unassigned);
    assert_eq!(not_running.tasks(&"a".into())[&0].state, State::Unassigned);
}

#[test]
fn any_other_old_word_counts() {
    let state = fold([task(State::Running, "w2", 5), task(State::Failed, "w1", 4)]);

    assert_eq!(state.tasks(&"a".into())[&0].state, State::Failed);
}

#[test]
fn a_connector_status_is_never_stale() {
    let state = fold([connector(State::Running, "w2", 5), connector(State::Unassigned, "w1", 4)]);

    assert_eq!(state.connector(&"a".into()).unwrap().state, State::Unassigned);
}

#[test]
fn a_deleted_connector_takes_its_tasks_along_but_not_its_topics() {
    let used = TopicStatus { task: 0, discovered_ms: 9 };
    let gone = StatusRecord::Connector { connector: "a".into(), status: None };

    let state =
        fold([connector(State::Running, "w1", 1), task(State::Running, "w1", 1), topic("t", Some(used.clone())), gone]);

    assert_eq!(state.connector(&"a".into()), None);
    assert!(state.tasks(&"a".into()).is_empty());
    assert_eq!(state.topics(&"a".into())["t"], used);
    assert_eq!(state.connectors().count(), 0);
}

#[test]
fn what_has_been_taken_away_leaves_no_trace() {
    let forget_task = StatusRecord::Task { task: TaskId::new("a", 0), status: None };

    let state = fold([
        task(State::Running, "w1", 1),
        topic("t", Some(TopicStatus { task: 0, discovered_ms: 9 })),
        forget_task,
        topic("t", None),
        topic("never-used", None),
    ]);

    assert_eq!(state, StatusState::new());
}

#[test]
fn a_topic_that_is_reported_again_is_there_once() {
    let first = TopicStatus { task: 0, discovered_ms: 9 };
    let again = TopicStatus { task: 1, discovered_ms: 10 };

    let state = fold([topic("t", Some(first)), topic("t", Some(again.clone()))]);

    assert_eq!(state.topics(&"a".into()), &[("t".to_owned(), again)].into());
}

#[test]
fn a_record_that_says_nothing_changes_nothing() {
    let mut state = fold([task(State::Running, "w1", 1)]);
    let before = state.clone();

    assert!(state.apply("status-task-a-0", Some(b"{")).is_err());
    assert!(state.apply("something-else", None).is_err());

    assert_eq!(state, before);
}

#[test]
fn a_snapshot_does_not_change() {
    let mut state = fold([task(State::Running, "w1", 1)]);
    let snapshot = state.clone();

    let (key, value) = task(State::Failed, "w1", 1).encode();
    state.apply(&key, value.as_deref().map(str::as_bytes)).unwrap();

    assert_eq!(snapshot.tasks(&"a".into())[&0].state, State::Running);
    assert_eq!(state.tasks(&"a".into())[&0].state, State::Failed);
}

#[test]
fn a_safe_write_never_hides_a_newer_owner() {
    let mine = status(State::Unassigned, "w1", 5);

    assert!(can_write_safely(None, &mine));
    assert!(can_write_safely(Some(&status(State::Running, "w1", 9)), &mine), "my own word");
    assert!(can_write_safely(Some(&status(State::Running, "w2", 4)), &mine), "an older one");
    assert!(can_write_safely(Some(&status(State::Running, "w2", 5)), &mine), "of the same time");
    assert!(!can_write_safely(Some(&status(State::Running, "w2", 6)), &mine), "a newer owner");
}
