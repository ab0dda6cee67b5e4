//! Commands: refusals with Java's words, writes in Java's order, one answer each.

use super::*;
use crate::command::Reply;
use crate::config_log::record::delete_connector;
use crate::restart::RestartRequest;

fn not_found(text: &str) -> HerderError {
    HerderError::NotFound(text.into())
}

fn put(name: &str, pairs: &[(&str, &str)], replace: bool) -> Command {
    Command::PutConnector { name: name.into(), config: config(pairs), initial_state: None, replace }
}

fn restart(name: &str, only_failed: bool, include_tasks: bool) -> Command {
    Command::RestartConnectorAndTasks(RestartRequest { connector: name.into(), only_failed, include_tasks })
}

fn target(name: &str, state: TargetState) -> ConfigRecord {
    ConfigRecord::TargetState { connector: name.into(), state: Some(state) }
}

#[test]
fn what_does_not_exist_is_refused_in_java_s_words() {
    let mut bench = Bench::leading(&connector_and_tasks("m", 1));
    let set_paused = Command::SetTargetState { name: "x".into(), state: TargetState::Paused };

    let cases = [
        (Command::DeleteConnector("x".into()), "Connector x not found"),
        (Command::PatchConnector { name: "x".into(), patch: BTreeMap::new() }, "Connector x not found"),
        (Command::PutTaskConfigs { name: "x".into(), configs: vec![] }, "Connector x not found"),
        (set_paused, "Unknown connector x"),
        (Command::StopConnector("x".into()), "Unknown connector x"),
        (Command::RestartConnector("x".into()), "Unknown connector: x"),
        (restart("x", true, true), "Unknown connector: x"),
        (Command::RestartTask(TaskId::new("x", 9)), "Unknown connector: x"),
        (Command::RestartTask(TaskId::new("m", 9)), "Unknown task: m-9"),
    ];

    for (number, (command, text)) in (1..).zip(cases) {
        let actions = bench.command(command.clone());
        // Task configs are refused once their turn has come.
        let actions = match &actions[..] {
            [Action::ReadConfigToEnd { op, .. }] => bench.apply(Event::ConfigReadToEnd { op: *op, result: Ok(()) }),
            _ => actions,
        };
        assert_eq!(actions, [refusal(number, not_found(text))], "{command:?}");
    }
}

#[test]
fn what_exists_is_not_created_again() {
    let mut bench = Bench::leading(&[connector("m")]);

    let refused = refusal(1, HerderError::AlreadyExists("Connector m already exists".into()));

    assert_eq!(bench.command(put("m", &[], false)), [refused]);
}

#[test]
fn a_follower_names_the_leader() {
    let mut bench = Bench::following(&connector_and_tasks("m", 1), work(&[], &[]));
    let leader = || HerderError::NotLeader { leader_url: Some(LEADER_URL.into()) };

    let commands = [
        put("n", &[], false),
        Command::PatchConnector { name: "m".into(), patch: BTreeMap::new() },
        Command::DeleteConnector("m".into()),
        Command::StopConnector("m".into()),
        restart("m", false, true),
        Command::RestartConnector("m".into()),
        Command::RestartTask(TaskId::new("m", 0)),
        Command::PutTaskConfigs { name: "m".into(), configs: vec![] },
        Command::AlterOffsets { name: "m".into(), offsets: None },
        Command::FenceZombies("m".into()),
    ];

    for (number, command) in (1..).zip(commands) {
        assert_eq!(bench.command(command.clone()), [refusal(number, leader())], "{command:?}");
    }
}

#[test]
fn commands_wait_while_the_group_rebalances() {
    let mut bench = Bench::leading(&[connector("m")]);
    bench.group(GroupEvent::RebalanceNeeded);

    assert_eq!(bench.command(Command::DeleteConnector("m".into())), []);
    let actions = bench.round_alone();

    assert_eq!(kinds(&actions), ["write"]);
}

#[test]
fn a_command_that_waits_too_long_is_told_what_the_worker_does() {
    let mut bench = Bench::leading(&[]);
    bench.now = 1_500;
    bench.group(GroupEvent::RebalanceNeeded);
    bench.now = 2_000;
    bench.command(Command::Ping);

    assert_eq!(bench.herder.next_timeout(), Some(at(92_000)));
    let text = "Request timed out. The worker is currently ensuring membership in the cluster, which began at \
                1970-01-01T00:00:01.500Z.";

    assert_eq!(bench.tick_at(92_000), [refusal(1, HerderError::Timeout(text.into()))]);
    assert_eq!(kinds(&bench.round_alone()), [""; 0], "and is not answered again");
}

#[test]
fn a_command_that_has_been_answered_is_not_carried_out_any_more() {
    let mut bench = Bench::leading(&[]);
    let checks = bench.command(put("m", &[], false));
    assert_eq!(kinds(&bench.tick_at(90_000)), ["reply"]);

    let actions = bench.apply(Event::Validated { op: validate_op(&checks), result: Ok(()) });

    assert_eq!(actions, []);
}

#[test]
fn a_config_with_errors_is_not_stored() {
    let mut bench = Bench::leading(&[]);
    let error = HerderError::BadRequest("Connector configuration is invalid".into());

    let checks = bench.command(put("m", &[], false));
    let actions = bench.apply(Event::Validated { op: validate_op(&checks), result: Err(error.clone()) });

    assert_eq!(actions, [refusal(1, error)]);
}

#[test]
fn an_initial_state_is_written_before_the_config_in_the_same_batch() {
    let mut bench = Bench::leading(&[]);
    let initial_state = Some(TargetState::Stopped);

    let checks =
        bench.command(Command::PutConnector { name: "m".into(), config: config(&[]), initial_state, replace: false });
    let writes = bench.apply(Event::Validated { op: validate_op(&checks), result: Ok(()) });

    let keys: Vec<_> = written(&writes).1.into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["target-state-m", "connector-m"]);
}

#[test]
fn of_two_creations_of_one_name_the_second_is_refused() {
    let mut bench = Bench::leading(&[]);
    let first = bench.command(put("m", &[], false));
    let second = bench.command(put("m", &[("a", "b")], false));

    let writes = bench.apply(Event::Validated { op: validate_op(&first), result: Ok(()) });
    assert_eq!(bench.apply(Event::Validated { op: validate_op(&second), result: Ok(()) }), [], "one write at a time");
    let actions = bench.write(&writes);
    assert_eq!(kinds(&actions), ["reply", "join"]);
    let actions = bench.round_alone();

    let refused = refusal(2, HerderError::AlreadyExists("Connector m already exists".into()));
    assert!(actions.contains(&refused), "{actions:?}");
}

#[test]
fn the_config_that_a_connector_has_restarts_its_instance_and_is_not_written_again() {
    let mut bench = Bench::leading(&[connector_with("m", &[("a", "b"), ("name", "m")])]);
    let checks = bench.command(put("m", &[("a", "b")], true));

    let reads = bench.apply(Event::Validated { op: validate_op(&checks), result: Ok(()) });
    assert_eq!(kinds(&reads), ["read"], "another leader may just have written another one");
    let writes = bench.apply(Event::ConfigReadToEnd { op: read_op(&reads), result: Ok(()) });

    let request = RestartRequest { connector: "m".into(), only_failed: false, include_tasks: false };
    assert_eq!(written(&writes).1, [ConfigRecord::Restart(request).encode()]);
    let actions = bench.write(&writes);
    let [Action::Reply { outcome: Ok(Reply::Updated(info)), .. }, ..] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!(info.config, config(&[("a", "b"), ("name", "m")]));
}

#[test]
fn a_config_that_another_leader_has_just_replaced_is_written() {
    let mut bench = Bench::leading(&[connector_with("m", &[("a", "b"), ("name", "m")])]);
    let checks = bench.command(put("m", &[("a", "b")], true));
    let reads = bench.apply(Event::Validated { op: validate_op(&checks), result: Ok(()) });

    bench.records(&[connector_with("m", &[("a", "c"), ("name", "m")])]);
    let actions = bench.apply(Event::ConfigReadToEnd { op: read_op(&reads), result: Ok(()) });

    assert_eq!(written(&actions[..1]).1, [connector_with("m", &[("a", "b"), ("name", "m")]).encode()]);
}

#[test]
fn a_patch_changes_and_removes_keys() {
    let mut bench = Bench::leading(&[connector_with("m", &[("a", "1"), ("b", "2"), ("name", "m")])]);
    let patch = BTreeMap::from([("a".into(), None), ("b".into(), Some("3".into())), ("c".into(), Some("4".into()))]);

    let checks = bench.command(Command::PatchConnector { name: "m".into(), patch });

    let expected = config(&[("b", "3"), ("c", "4"), ("name", "m")]);
    assert_eq!(checks, [Action::Validate { op: validate_op(&checks), config: expected }]);
}

#[test]
fn a_write_that_fails_is_told() {
    let mut bench = Bench::leading(&[connector("m")]);
    let (op, _) = written(&bench.command(Command::DeleteConnector("m".into())));
    let error = HerderError::Unavailable("no".into());

    assert_eq!(bench.apply(Event::ConfigWritten { op, result: Err(error.clone()) }), [refusal(1, error)]);
}

#[test]
fn a_write_that_is_not_read_back_in_time_is_told() {
    let mut bench = Bench::leading(&[connector("m")]);
    let (op, _) = written(&bench.command(Command::DeleteConnector("m".into())));
    bench.apply(Event::ConfigWritten { op, result: Ok(ConfigOffset(99)) });

    let text = "Failed to write to config topic; this may be due to a transient error and the request can be safely \
                retried";

    assert_eq!(bench.tick_at(30_000), [refusal(1, HerderError::Internal(text.into()))]);
}

#[test]
fn pause_and_resume_are_written_by_whoever_is_asked_and_not_read_back() {
    let mut bench = Bench::following(&[connector("m")], work(&[], &[]));

    let writes = bench.command(Command::SetTargetState { name: "m".into(), state: TargetState::Paused });
    let (op, records) = written(&writes);
    assert_eq!(records, [target("m", TargetState::Paused).encode()]);
    assert!(matches!(&writes[..], [Action::WriteConfig { privileged: false, .. }]));

    let actions = bench.apply(Event::ConfigWritten { op, result: Ok(ConfigOffset(7)) });
    assert_eq!(actions, [reply(1, Ok(Reply::Done))]);
}

#[test]
fn stop_writes_no_tasks_and_then_the_target_state() {
    let mut bench = Bench::leading(&connector_and_tasks("m", 2));

    let writes = bench.command(Command::StopConnector("m".into()));

    let commit = ConfigRecord::Commit { connector: "m".into(), tasks: 0 };
    assert_eq!(written(&writes).1, [commit.encode(), target("m", TargetState::Stopped).encode()]);
    let actions = bench.write(&writes);
    assert!(actions.contains(&reply(1, Ok(Reply::Done))), "{actions:?}");
}

#[test]
fn task_configs_are_committed_after_they_have_been_read_back() {
    let mut bench = Bench::leading(&[connector("m")]);
    let configs = vec![config(&[("n", "0")]), config(&[("n", "1")])];

    let reads = bench.command(Command::PutTaskConfigs { name: "m".into(), configs });
    let writes = bench.apply(Event::ConfigReadToEnd { op: read_op(&reads), result: Ok(()) });
    let keys: Vec<_> = written(&writes).1.into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["task-m-0", "task-m-1"]);
    let writes = bench.write(&writes);
    assert_eq!(written(&writes).1, [ConfigRecord::Commit { connector: "m".into(), tasks: 2 }.encode()]);

    assert_eq!(bench.write(&writes)[0], reply(1, Ok(Reply::Done)));
}

#[test]
fn task_configs_overtaken_by_others_are_not_committed() {
    let mut bench = Bench::leading(&[connector("m")]);
    let reads = bench.command(Command::PutTaskConfigs { name: "m".into(), configs: vec![config(&[])] });
    bench.apply(Event::ConfigReadToEnd { op: read_op(&reads), result: Ok(()) });

    // Another worker that believes it is the leader.
    let event = |bench: &mut Bench, record: ConfigRecord| {
        let (key, value) = record.encode();
        let (offset, value) = (bench.end, value.map(Bytes::from));
        bench.end += 1;
        bench.apply(Event::ConfigRecord { offset, key, value, timestamp_ms: 0 })
    };
    let [task, commit] = &tasks("m", 1)[..] else { panic!("a task and a commit") };
    assert_eq!(event(&mut bench, task.clone()), []);
    let actions = event(&mut bench, commit.clone());

    let text = "other task configs of connector m were written at the same time; try again";
    assert_eq!(actions, [refusal(1, HerderError::Conflict(text.into()))]);
}

#[test]
fn a_stopped_connector_takes_no_tasks() {
    let mut bench = Bench::leading(&[connector("m"), target("m", TargetState::Stopped)]);

    let reads = bench.command(Command::PutTaskConfigs { name: "m".into(), configs: vec![config(&[])] });
    let actions = bench.apply(Event::ConfigReadToEnd { op: read_op(&reads), result: Ok(()) });

    let text = "Cannot submit non-empty set of task configs for stopped connector m";
    assert_eq!(actions, [refusal(1, HerderError::BadRequest(text.into()))]);
}

#[test]
fn offsets_of_a_connector_that_is_not_stopped_stay() {
    let mut bench = Bench::leading(&connector_and_tasks("m", 1));

    let reads = bench.command(Command::AlterOffsets { name: "m".into(), offsets: None });
    let actions = bench.apply(Event::ConfigReadToEnd { op: read_op(&reads), result: Ok(()) });

    let text = "Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the \
                specified connector by issuing a 'PUT' request to the '/connectors/m/stop' endpoint";
    assert_eq!(actions, [refusal(1, HerderError::BadRequest(text.into()))]);
}

#[test]
fn offsets_of_a_stopped_connector_are_changed_and_the_plugin_has_the_last_word() {
    let mut bench = Bench::leading(&[connector("m"), target("m", TargetState::Stopped)]);

    let reads = bench.command(Command::AlterOffsets { name: "m".into(), offsets: None });
    let actions = bench.apply(Event::ConfigReadToEnd { op: read_op(&reads), result: Ok(()) });
    let [Action::AlterOffsets { op, name, config: sent, offsets: None }] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!((name, sent), (&"m".into(), &config(&[])));

    let actions = bench.apply(Event::OffsetsAltered { op: *op, result: Ok("done".into()) });
    assert_eq!(actions, [reply(1, Ok(Reply::Message("done".into())))]);
}

#[test]
fn topics_are_forgotten_if_that_is_allowed() {
    let topic = |bench: &mut Bench| {
        let value = r#"{"topic":{"name":"t","connector":"m","task":0,"discoverTimestamp":1}}"#;
        bench.status("status-topic-t:connector-m", value);
    };
    let mut bench = Bench::leading(&[]);
    topic(&mut bench);
    let tombstone = Action::WriteStatus { key: "status-topic-t:connector-m".into(), value: None };
    assert_eq!(bench.command(Command::ResetTopics("m".into())), [tombstone, reply(1, Ok(Reply::Done))]);

    let mut bench = Bench::leading_with(Settings { topic_tracking_reset: false, ..settings() }, &[]);
    let refused = refusal(1, HerderError::Forbidden("Topic tracking reset is disabled.".into()));
    assert_eq!(bench.command(Command::ResetTopics("m".into())), [refused]);

    let mut bench = Bench::leading_with(Settings { topic_tracking: false, ..settings() }, &[]);
    let refused = refusal(1, HerderError::Forbidden("Topic tracking is disabled.".into()));
    assert_eq!(bench.command(Command::ResetTopics("m".into())), [refused]);
}

#[test]
fn a_cluster_wide_log_level_is_set_by_every_worker_that_reads_it() {
    let mut bench = Bench::leading(&[]);

    let writes = bench.command(Command::SetClusterLoggerLevel { logger: "x".into(), level: "debug".into() });
    let (op, records) = written(&writes);
    assert_eq!(bench.apply(Event::ConfigWritten { op, result: Ok(ConfigOffset(9)) }), [reply(1, Ok(Reply::Done))]);

    let (key, value) = records[0].clone();
    let record = Event::ConfigRecord { offset: bench.end, key, value: value.map(Bytes::from), timestamp_ms: 0 };
    assert_eq!(bench.apply(record), [Action::SetLoggerLevel { logger: "x".into(), level: "debug".into() }]);
}

#[test]
fn a_deleted_connector_is_refused_to_the_delete_behind() {
    let mut bench = Bench::leading(&[connector("m")]);
    let writes = bench.command(Command::DeleteConnector("m".into()));
    assert_eq!(bench.command(Command::DeleteConnector("m".into())), []);

    bench.write(&writes);
    assert_eq!(bench.round_alone(), [stop_connector("m")]);
    bench.apply(Event::ConnectorStopped { name: "m".into() });
    let actions = bench.round_alone();

    assert_eq!(written(&writes).1, delete_connector(&"m".into()).map(|record| record.encode()));
    assert!(actions.contains(&refusal(2, not_found("Connector m not found"))), "{actions:?}");
}
