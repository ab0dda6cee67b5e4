//! Connector instances and tasks: what changes of their config do to them, failures, restarts, statuses.

use connect_api::ConnectError;

use super::task_configs::runs_three;
use super::*;
use crate::command::Reply;
use crate::restart::RestartRequest;

pub(super) const RUNNING: &str =
    r#"{"state":"RUNNING","trace":null,"worker_id":"me:8083","generation":1,"version":"4.3.0"}"#;

fn target(name: &str, state: TargetState) -> ConfigRecord {
    ConfigRecord::TargetState { connector: name.into(), state: Some(state) }
}

/// A worker that follows and runs the connector and its task.
pub(super) fn owner() -> Bench {
    let mut bench = Bench::following(&connector_and_tasks("m", 1), work(&["m"], &[("m", 0)]));
    bench.connector_runs("m");
    bench.task_runs(&TaskId::new("m", 0));
    // Its task configs are those it wants.
    bench.apply(Event::TaskConfigs { name: "m".into(), result: Ok(vec![config(&[])]) });
    bench
}

pub(super) fn task() -> TaskId {
    TaskId::new("m", 0)
}

fn failed_status(unit: &str, trace: &str, generation: i32) -> Action {
    Action::WriteStatus {
        key: format!("status-{unit}"),
        value: Some(format!(
            r#"{{"state":"FAILED","trace":"{trace}","worker_id":"me:8083","generation":{generation},"version":"4.3.0"}}"#
        )),
    }
}

#[test]
fn another_config_bounces_the_instance_of_its_owner_without_a_rebalance() {
    let mut bench = owner();

    let actions = bench.records_and_tick(&[connector_with("m", &[("tasks.max", "1"), ("a", "b")])]);
    assert_eq!(actions, [stop_connector("m")]);
    let actions = bench.apply(Event::ConnectorStopped { name: "m".into() });
    assert_eq!(actions, [start_connector("m", &[("tasks.max", "1"), ("a", "b")], TargetState::Started)]);

    // The tasks see the connector's config too, so the same task configs are published again.
    bench.connector_runs("m");
    let actions = bench.apply(Event::TaskConfigs { name: "m".into(), result: Ok(vec![config(&[])]) });
    let leader_url = LEADER_URL.to_owned();
    assert_eq!(actions, [Action::ForwardTaskConfigs { name: "m".into(), leader_url, configs: vec![config(&[])] }]);
}

#[test]
fn another_config_of_someone_else_s_connector_means_nothing() {
    let mut bench = Bench::following(&connector_and_tasks("m", 1), work(&[], &[("m", 0)]));

    assert_eq!(bench.records_and_tick(&[connector_with("m", &[("a", "b")])]), []);
}

#[test]
fn a_batch_of_changes_makes_one_rebalance() {
    let mut bench = owner();

    let actions = bench.records_and_tick(&[connector("n"), connector("o"), target("n", TargetState::Paused)]);

    assert_eq!(kinds(&actions), ["join"]);
}

#[test]
fn when_a_connector_s_status_is_taken_back_the_owner_of_its_tasks_says_theirs_again() {
    // A leader who was cut off takes back late what was said of a former connector of that name.
    let mut bench = runs_three();

    assert_eq!(bench.apply(Event::StatusRecord { key: "status-connector-m".to_owned(), value: None }), []);

    assert_eq!(bench.tick(), [0, 1, 2].map(|task| status(&format!("task-m-{task}"), "RUNNING", 1)));
}

#[test]
fn pause_and_resume_reach_instance_and_tasks() {
    let mut bench = owner();

    let actions = bench.records_and_tick(&[target("m", TargetState::Paused)]);
    let set = Action::SetTaskTarget { task: task(), target: TargetState::Paused };
    assert_eq!(actions, [set, status("task-m-0", "PAUSED", 1), stop_connector("m")]);
    bench.apply(Event::ConnectorStopped { name: "m".into() });
    assert_eq!(bench.connector_runs("m"), [status("connector-m", "PAUSED", 1)], "and is not asked for task configs");

    let actions = bench.records_and_tick(&[target("m", TargetState::Started)]);
    let set = Action::SetTaskTarget { task: task(), target: TargetState::Started };
    assert_eq!(actions, [set, status("task-m-0", "RUNNING", 1), stop_connector("m")]);
    bench.apply(Event::ConnectorStopped { name: "m".into() });
    let actions = bench.connector_runs("m");
    assert_eq!(actions[0], status("connector-m", "RUNNING", 1));
    assert_eq!(kinds(&actions), ["status", "ask for task configs"]);
}

/// Two leaders have written at the same time: a connector was created stopped over one that runs.
#[test]
fn tasks_that_a_stopped_connector_still_has_wait_and_say_so() {
    let mut bench = owner();

    let actions = bench.records_and_tick(&[target("m", TargetState::Stopped)]);

    let set = Action::SetTaskTarget { task: task(), target: TargetState::Stopped };
    assert_eq!(actions, [set, status("task-m-0", "PAUSED", 1), stop_connector("m")]);
}

#[test]
fn a_failed_task_is_tried_again_later_and_says_so() {
    let mut bench = owner();
    let error = ConnectError::fatal("boom");

    let actions = bench.apply(Event::TaskFailed { task: task(), error });
    let trace = r"org.apache.kafka.connect.errors.ConnectException: boom\n\tthis worker restarts it in 1000 ms (attempt 1 of 10, portage.restart.*)";
    assert_eq!(actions, [failed_status("task-m-0", trace, 1)]);
    assert_eq!(bench.herder.next_timeout(), Some(at(1_000)));

    let actions = bench.tick_at(1_000);
    assert_eq!(actions[0], status("task-m-0", "RESTARTING", 1));
    assert_eq!(kinds(&actions), ["status", "start task"]);
}

#[test]
fn without_automatic_restarts_a_failed_task_stays_failed_as_in_java() {
    let mut off = settings();
    off.restart.enabled = false;
    let mut bench = Bench::leading_with(off, &connector_and_tasks("m", 1));
    bench.task_runs(&task());

    let actions = bench.apply(Event::TaskFailed { task: task(), error: ConnectError::fatal("boom") });

    assert_eq!(actions, [failed_status("task-m-0", "org.apache.kafka.connect.errors.ConnectException: boom", 1)]);
    assert_eq!(bench.tick_at(100_000), []);
}

#[test]
fn what_only_another_config_can_cure_is_not_tried_again() {
    let mut bench = owner();

    bench.apply(Event::TaskFailed { task: task(), error: ConnectError::config("bad regex") });

    assert_eq!(bench.herder.next_timeout(), None);
}

#[test]
fn a_failed_task_that_leaves_keeps_its_status() {
    let mut bench = owner();
    bench.apply(Event::TaskFailed { task: task(), error: ConnectError::config("bad") });
    bench.group(GroupEvent::RebalanceNeeded);

    let revoked = Assignment { revoked: work(&[], &[("m", 0)]), ..bench.assignment(ConnectorsAndTasks::default()) };

    assert_eq!(kinds(&bench.round(revoked)), ["join"]);
}

#[test]
fn a_failed_connector_leaves_its_tasks_alone_and_is_stopped_before_it_starts_again() {
    let mut bench = owner();

    let actions = bench.apply(Event::ConnectorFailed { name: "m".into(), error: ConnectError::fatal("boom") });
    assert_eq!(kinds(&actions), ["status"]);

    assert_eq!(bench.tick_at(1_000), [stop_connector("m")]);
    let actions = bench.apply(Event::ConnectorStopped { name: "m".into() });
    assert_eq!(actions[0], status("connector-m", "RESTARTING", 1));
    assert_eq!(kinds(&actions), ["status", "start connector"]);
}

#[test]
fn a_failed_connector_is_not_revived_by_pause_or_resume_but_may_stop() {
    let mut bench = owner();
    bench.apply(Event::ConnectorFailed { name: "m".into(), error: ConnectError::config("bad") });

    let actions = bench.records_and_tick(&[target("m", TargetState::Paused)]);
    assert_eq!(kinds(&actions), ["set task target", "status"]);
    let actions = bench.records_and_tick(&[target("m", TargetState::Stopped)]);

    assert_eq!(kinds(&actions), ["set task target", "status", "stop connector"]);
}

#[test]
fn a_restart_record_restarts_what_is_here_and_selected() {
    let mut bench = owner();
    let failed = RUNNING.replace("RUNNING", "FAILED");
    bench.status("status-connector-m", RUNNING);
    bench.status("status-task-m-0", &failed);
    let request = RestartRequest { connector: "m".into(), only_failed: true, include_tasks: true };

    assert_eq!(bench.records_and_tick(&[ConfigRecord::Restart(request)]), [stop_task("m", 0)]);
    let actions = bench.apply(Event::TaskStopped { task: task() });

    assert_eq!(actions[0], status("task-m-0", "RESTARTING", 1));
    assert_eq!(kinds(&actions), ["status", "start task"]);
}

#[test]
fn a_task_that_is_lost_while_it_restarts_is_not_said_to_restart_for_ever() {
    let mut bench = owner();
    bench.status("status-connector-m", RUNNING);
    bench.status("status-task-m-0", RUNNING);
    let request = RestartRequest { connector: "m".into(), only_failed: false, include_tasks: true };
    assert_eq!(bench.records_and_tick(&[ConfigRecord::Restart(request)]), [stop_connector("m"), stop_task("m", 0)]);
    bench.group(GroupEvent::CoordinatorUnknown { unheard_ms: 0 });

    // It stops so late that the worker has to give all work up.
    bench.now = 10_000;
    let actions = bench.apply(Event::TaskStopped { task: task() });

    let said = [status("task-m-0", "RESTARTING", 1), status("task-m-0", "UNASSIGNED", 1)];
    assert_eq!(actions, said);
}

#[test]
fn a_restart_of_the_instance_alone_is_answered_when_it_runs() {
    let mut bench = owner();

    assert_eq!(bench.command(Command::RestartConnector("m".into())), [stop_connector("m")]);
    let actions = bench.apply(Event::ConnectorStopped { name: "m".into() });
    assert_eq!(kinds(&actions), ["status", "start connector"]);
    let actions = bench.connector_runs("m");

    assert_eq!(actions[1], reply(1, Ok(Reply::Done)));
}

#[test]
fn a_restart_that_fails_is_told() {
    let mut bench = owner();
    bench.command(Command::RestartConnector("m".into()));
    bench.apply(Event::ConnectorStopped { name: "m".into() });

    let actions = bench.apply(Event::ConnectorStarted { name: "m".into(), result: Err(ConnectError::fatal("no")) });

    assert_eq!(actions[1], refusal(1, HerderError::Internal("Failed to start connector: m".into())));
}

#[test]
fn a_task_restart_is_answered_when_the_task_starts() {
    let mut bench = owner();

    assert_eq!(bench.command(Command::RestartTask(task())), [stop_task("m", 0)]);
    let actions = bench.apply(Event::TaskStopped { task: task() });

    assert_eq!(kinds(&actions), ["status", "start task", "reply"]);
}

#[test]
fn the_leader_names_the_owner_of_what_it_does_not_run() {
    let mut bench = Bench::new(settings());
    bench.start(&connector_and_tasks("m", 1));
    let metadata = |url: &str, allocation: Option<ConnectorsAndTasks>| {
        let allocation = allocation.map(|work| bench.assignment(work));
        let config_offset = bench.herder.config.offset();
        WorkerMetadata { url: url.into(), config_offset, allocation }.encode(Subprotocol::Sessioned).unwrap()
    };
    let members = vec![
        ("me".into(), metadata(MY_URL, None)),
        ("other".into(), metadata("http://other:8083/", Some(work(&[], &[("m", 0)])))),
    ];
    let actions = bench.joined("me", Subprotocol::Sessioned, members);
    let [Action::Sync { assignments, .. }] = &actions[..] else { panic!("{actions:?}") };
    bench.synced(assignments[0].1.clone());

    let actions = bench.command(Command::RestartTask(task()));

    let owner_url = Some("http://other:8083/".to_owned());
    assert_eq!(actions, [refusal(1, HerderError::NotAssigned { owner_url })]);
}

#[test]
fn a_status_of_a_former_owner_does_not_stay_the_last_word() {
    let mut bench = owner();
    bench.group(GroupEvent::RebalanceNeeded);
    bench.round(bench.assignment(ConnectorsAndTasks::default()));

    let late = r#"{"state":"UNASSIGNED","trace":null,"worker_id":"other:1","generation":1,"version":null}"#;
    bench.status("status-task-m-0", late);

    assert_eq!(bench.tick(), [status("task-m-0", "RUNNING", 2)]);
}

#[test]
fn faults_of_a_task_are_in_its_status_while_it_runs() {
    let mut bench = owner();

    let actions = bench.apply(Event::TaskFaults { task: task(), text: Some("t-0 stands still".into()) });

    let [Action::WriteStatus { value: Some(value), .. }] = &actions[..] else { panic!("{actions:?}") };
    assert!(value.starts_with(r#"{"state":"RUNNING","trace":"t-0 stands still""#), "{value}");
    let actions = bench.apply(Event::TaskFaults { task: task(), text: None });
    assert_eq!(actions, [status("task-m-0", "RUNNING", 1)]);
}

#[test]
fn findings_of_a_connector_are_in_its_status_while_it_runs() {
    let mut bench = owner();

    let findings = |text: Option<&str>| Event::ConnectorFindings { name: "m".into(), text: text.map(str::to_owned) };
    let actions = bench.apply(findings(Some("the target has no authorizer")));

    let [Action::WriteStatus { value: Some(value), .. }] = &actions[..] else { panic!("{actions:?}") };
    assert!(value.starts_with(r#"{"state":"RUNNING","trace":"the target has no authorizer""#), "{value}");
    assert_eq!(bench.apply(findings(None)), [status("connector-m", "RUNNING", 1)]);
}

#[test]
fn topics_of_a_deleted_connector_are_forgotten_when_its_work_has_stopped() {
    let mut bench = owner();
    let value = r#"{"topic":{"name":"t","connector":"m","task":0,"discoverTimestamp":1}}"#;
    bench.status("status-topic-t:connector-m", value);
    bench.records_and_tick(&crate::config_log::record::delete_connector(&"m".into()));
    let revoked = Assignment { revoked: work(&["m"], &[("m", 0)]), ..bench.assignment(ConnectorsAndTasks::default()) };
    bench.round(revoked);

    let actions = bench.apply(Event::TaskStopped { task: task() });

    let tombstone = Action::WriteStatus { key: "status-topic-t:connector-m".into(), value: None };
    assert_eq!(actions, [status("task-m-0", "UNASSIGNED", 2), tombstone]);
}
