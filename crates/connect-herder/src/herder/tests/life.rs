//! From start to shutdown, for a worker that is alone.

use super::*;
use crate::command::Reply;
use crate::view::{ConnectorInfo, Stage};

#[test]
fn a_worker_reads_both_topics_before_it_joins() {
    let mut bench = Bench::new(settings());
    assert_eq!(bench.herder.next_timeout(), Some(at(0)), "the shell begins with a timer");

    let op = read_op(&bench.tick());
    assert_eq!(bench.apply(Event::StatusReadToEnd), []);
    assert!(matches!(bench.herder.view().stage, Stage::Starting(_)));
    let joins = bench.apply(Event::ConfigReadToEnd { op, result: Ok(()) });

    let [Action::Join { protocols }] = &joins[..] else { panic!("{joins:?}") };
    let names: Vec<_> = protocols.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["sessioned", "compatible", "default"]);
    let metadata = WorkerMetadata::decode(&protocols[0].1).unwrap();
    assert_eq!(metadata.config_offset, ConfigOffset::EMPTY);
    assert_eq!(metadata.allocation, None);
}

#[test]
fn a_first_read_that_fails_is_tried_again() {
    let mut bench = Bench::new(settings());
    let op = read_op(&bench.tick());

    let actions = bench.apply(Event::ConfigReadToEnd { op, result: Err(HerderError::Unavailable("no".into())) });

    assert_ne!(read_op(&actions), op);
}

#[test]
fn what_was_read_at_the_start_restarts_and_logs_nothing() {
    let mut bench = Bench::new(settings());
    let logger = ConfigRecord::LoggerLevel { logger: "x".into(), level: "DEBUG".into() };
    let restart = ConfigRecord::Restart(crate::restart::RestartRequest {
        connector: "m".into(),
        only_failed: false,
        include_tasks: true,
    });

    let actions = bench.start(&[connector_and_tasks("m", 1), vec![logger, restart]].concat());

    assert_eq!(kinds(&actions), ["join"]);
}

#[test]
fn the_leader_makes_a_session_key() {
    let mut bench = Bench::new(settings());
    bench.start(&[]);

    assert_eq!(bench.round_alone(), [Action::MakeSessionKey]);
    let actions = bench.apply(Event::SessionKeyMade { key_base64: "a2V5".into(), created_ms: 7 });

    let expected = r#"{"key":"a2V5","algorithm":"HmacSHA256","creation-timestamp":7}"#;
    assert_eq!(written(&actions).1, [("session-key".to_owned(), Some(expected.to_owned()))]);
    assert_eq!(bench.write(&actions), []);
    assert_eq!(bench.herder.next_timeout(), Some(at(3_600_007)), "until it is too old");
    assert_eq!(bench.tick_at(3_600_007), [Action::MakeSessionKey]);
}

/// The whole way of a connector, action by action.
#[test]
fn a_connector_is_created_runs_its_task_and_is_deleted() {
    let mut bench = Bench::leading(&[]);
    let config = config(&[("tasks.max", "2")]);
    let mut stored = config.clone();
    stored.insert("name".into(), "m".into());

    // Create: checked, written, read back, answered; there is more to share out.
    let checks = bench.command(Command::PutConnector { name: "m".into(), config, initial_state: None, replace: false });
    assert_eq!(checks, [Action::Validate { op: validate_op(&checks), config: stored.clone() }]);
    let writes = bench.apply(Event::Validated { op: validate_op(&checks), result: Ok(()) });
    assert_eq!(
        written(&writes).1,
        [(
            "connector-m".to_owned(),
            Some(format!(r#"{{"properties":{{"connector.class":"{CLASS}","name":"m","tasks.max":"2"}}}}"#))
        )]
    );
    let info = ConnectorInfo { name: "m".into(), config: stored.clone(), tasks: vec![], kind: "source" };
    let actions = bench.write(&writes);
    assert_eq!(actions[0], reply(1, Ok(Reply::Created(info))));
    assert_eq!(kinds(&actions), ["reply", "join"]);

    // The instance starts and is asked for task configs; these are written, then committed.
    let actions = bench.round_alone();
    assert_eq!(
        actions,
        [Action::StartConnector { name: "m".into(), config: stored.clone(), target: TargetState::Started }]
    );
    let actions = bench.connector_runs("m");
    assert_eq!(
        actions,
        [status("connector-m", "RUNNING", 2), Action::ComputeTaskConfigs { name: "m".into(), tasks_max: 2 }]
    );
    let task_config = config_of_task();
    let reads = bench.apply(Event::TaskConfigs { name: "m".into(), result: Ok(vec![task_config.clone()]) });
    let writes = bench.apply(Event::ConfigReadToEnd { op: read_op(&reads), result: Ok(()) });
    assert_eq!(written(&writes).1, [("task-m-0".to_owned(), Some(r#"{"properties":{"p":"0"}}"#.to_owned()))]);
    let writes = bench.write(&writes);
    assert_eq!(written(&writes).1, [("commit-m".to_owned(), Some(r#"{"tasks":1}"#.to_owned()))]);
    assert_eq!(kinds(&bench.write(&writes)), ["join"]);

    // The task starts.
    let task = TaskId::new("m", 0);
    let actions = bench.round_alone();
    let expected = Action::StartTask {
        task: task.clone(),
        connector_config: stored,
        config: task_config,
        target: TargetState::Started,
    };
    assert_eq!(actions, [expected]);
    assert_eq!(bench.task_runs(&task), [status("task-m-0", "RUNNING", 3)]);

    // Delete: two tombstones, a rebalance that takes the work away, and another one when it has stopped.
    let writes = bench.command(Command::DeleteConnector("m".into()));
    assert_eq!(written(&writes).1, [("connector-m".to_owned(), None), ("target-state-m".to_owned(), None)]);
    let actions = bench.write(&writes);
    assert_eq!(actions[0], reply(2, Ok(Reply::Done)));
    assert_eq!(kinds(&actions), ["reply", "join"]);
    assert_eq!(bench.round_alone(), [stop_connector("m"), stop_task("m", 0)]);
    assert_eq!(bench.apply(Event::TaskStopped { task }), [status("task-m-0", "UNASSIGNED", 4)]);
    let actions = bench.apply(Event::ConnectorStopped { name: "m".into() });
    assert_eq!(actions[0], status("connector-m", "UNASSIGNED", 4));
    assert_eq!(kinds(&actions), ["status", "join"]);
}

fn config_of_task() -> ConfigMap {
    ConfigMap::from([("p".to_owned(), "0".to_owned())])
}

#[test]
fn the_leader_forgets_the_statuses_of_what_is_deleted() {
    let mut bench = Bench::leading(&connector_and_tasks("m", 1));
    let running = r#"{"state":"RUNNING","trace":null,"worker_id":"other:1","generation":1,"version":null}"#;
    for unit in ["connector-m", "task-m-0", "task-m-1", "connector-gone", "task-gone-0"] {
        bench.status(&format!("status-{unit}"), running);
    }
    bench.group(GroupEvent::RebalanceNeeded);

    let actions = bench.round_alone();

    let tombstone = |unit: &str| Action::WriteStatus { key: format!("status-{unit}"), value: None };
    assert_eq!(actions, [tombstone("task-gone-0"), tombstone("connector-gone"), tombstone("task-m-1")]);
}

#[test]
fn shutdown_answers_what_waits_stops_what_runs_and_then_leaves() {
    let mut bench = Bench::leading(&connector_and_tasks("m", 1));
    bench.connector_runs("m");
    bench.task_runs(&TaskId::new("m", 0));
    bench.command(Command::PutConnector { name: "n".into(), config: config(&[]), initial_state: None, replace: false });

    let actions = bench.apply(Event::ShutDown);
    let sorry = || HerderError::Internal("Worker is shutting down".into());
    assert_eq!(actions, [refusal(1, sorry()), stop_connector("m"), stop_task("m", 0)]);
    assert_eq!(bench.command(Command::Ping), [refusal(2, sorry())]);
    assert_eq!(bench.apply(Event::ConnectorStopped { name: "m".into() }), [status("connector-m", "UNASSIGNED", 1)]);

    let actions = bench.apply(Event::TaskStopped { task: TaskId::new("m", 0) });
    assert_eq!(actions, [status("task-m-0", "UNASSIGNED", 1)]);

    // It leaves when others can know that its work has stopped, and waits no longer than a second for that.
    assert_eq!(bench.herder.next_timeout(), Some(at(1_000)));
    bench.status("status-connector-m", &unassigned());
    assert_eq!(bench.tick(), []);
    bench.status("status-task-m-0", &unassigned());
    assert_eq!(bench.tick(), [Action::Leave, Action::Stopped]);
    assert_eq!(bench.tick(), []);
    assert_eq!(bench.herder.next_timeout(), None);
}

fn unassigned() -> String {
    r#"{"state":"UNASSIGNED","trace":null,"worker_id":"me:8083","generation":1,"version":null}"#.to_owned()
}

#[test]
fn a_worker_leaves_though_the_status_topic_does_not_answer() {
    let mut bench = Bench::leading(&connector_and_tasks("m", 0));
    bench.connector_runs("m");
    bench.apply(Event::ShutDown);
    bench.apply(Event::ConnectorStopped { name: "m".into() });

    assert_eq!(bench.tick_at(999), []);
    assert_eq!(bench.tick_at(1_000), [Action::Leave, Action::Stopped]);
}

#[test]
fn the_leader_gives_out_at_once_what_a_worker_that_leaves_has_stopped() {
    let mut bench = Bench::leading(&connector_and_tasks("m", 1));
    bench.connector_runs("m");
    bench.apply(Event::TaskConfigs { name: "m".into(), result: Ok(vec![config(&[])]) });
    let metadata = |allocation: ConnectorsAndTasks, bench: &Bench| WorkerMetadata {
        url: MY_URL.to_owned(),
        config_offset: bench.herder.config.offset(),
        allocation: Some(bench.assignment(allocation)),
    };
    let round = |bench: &mut Bench, others: &[(&str, ConnectorsAndTasks)]| {
        bench.group(GroupEvent::RebalanceNeeded);
        let mine = bench.herder.membership.assigned().cloned().unwrap_or_default();
        let all = others.iter().cloned().chain([("me", mine)]);
        let encode = |work, bench: &Bench| metadata(work, bench).encode(Subprotocol::Sessioned).unwrap();
        let members = all.map(|(id, work)| (id.into(), encode(work, bench))).collect();
        let actions = bench.joined("me", Subprotocol::Sessioned, members);
        let [Action::Sync { assignments, .. }] = &actions[..] else { panic!("{actions:?}") };
        let bytes = assignments.iter().find(|(id, _)| id.as_str() == "me").unwrap().1.clone();
        let delay_ms = Assignment::decode(&bytes).unwrap().delay_ms;
        (delay_ms, bench.synced(bytes))
    };
    // Another member runs a task that this worker has never had.
    bench.records(&tasks("m", 2));
    let (delay_ms, _) = round(&mut bench, &[("other", work(&[], &[("m", 1)]))]);
    assert_eq!(delay_ms, 0);
    let stopped = format!(
        r#"{{"state":"UNASSIGNED","trace":null,"worker_id":"other:1","generation":{},"version":null}}"#,
        bench.generation
    );
    bench.status("status-task-m-1", &stopped);

    let (delay_ms, _) = round(&mut bench, &[]);

    assert_eq!(delay_ms, 0);
    assert!(bench.herder.membership.assigned().unwrap().tasks.contains(&TaskId::new("m", 1)));
}

#[test]
fn shutdown_of_a_worker_that_runs_nothing_ends_at_once() {
    let mut bench = Bench::new(settings());
    bench.tick();

    assert_eq!(bench.apply(Event::ShutDown), [Action::Leave, Action::Stopped]);
}

#[test]
fn a_view_has_a_new_version_when_it_would_differ() {
    let mut bench = Bench::leading(&[]);
    let before = bench.herder.view_version();

    assert_eq!(bench.tick(), []);
    assert_eq!(bench.herder.view_version(), before);
    bench.records(&[connector("m")]);

    assert_ne!(bench.herder.view_version(), before);
    assert!(bench.herder.view().config.contains(&"m".into()));
    assert!(bench.herder.view().group.is_leader());
}
