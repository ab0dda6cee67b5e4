//! Connector instances and tasks: what changes of their config do to them, failures, restarts, task configs, statuses.

use connect_api::ConnectError;

use super::*;
use crate::command::Reply;
use crate::restart::RestartRequest;
use crate::settings::ExactlyOnce;

const RUNNING: &str = r#"{"state":"RUNNING","trace":null,"worker_id":"me:8083","generation":1,"version":"4.3.0"}"#;

fn target(name: &str, state: TargetState) -> ConfigRecord {
    ConfigRecord::TargetState { connector: name.into(), state: Some(state) }
}

/// A worker that follows and runs the connector and its task.
fn owner() -> Bench {
    let mut bench = Bench::following(&connector_and_tasks("m", 1), work(&["m"], &[("m", 0)]));
    bench.connector_runs("m");
    bench.task_runs(&TaskId::new("m", 0));
    // Its task configs are those it wants.
    bench.apply(Event::TaskConfigs { name: "m".into(), result: Ok(vec![config(&[])]) });
    bench
}

/// A set of task configs, one for each text.
fn set(name: &str, texts: &[&str]) -> Vec<ConfigRecord> {
    let task = |(task, text): (u32, &&str)| ConfigRecord::Task {
        task: TaskId::new(name, task),
        config: config(&[("text", text)]).into(),
    };
    let commit = ConfigRecord::Commit { connector: name.into(), tasks: texts.len() as u32 };
    (0..).zip(texts).map(task).chain([commit]).collect()
}

/// A worker that follows and runs three tasks, `a`, `b` and `c`.
fn runs_three() -> Bench {
    runs_three_with(settings())
}

fn runs_three_with(settings: Settings) -> Bench {
    let mut bench = Bench::new(settings);
    bench.start(&[vec![connector_with("m", &[("tasks.max", "3")])], set("m", &["a", "b", "c"])].concat());
    bench.round(bench.assignment(work(&[], &[("m", 0), ("m", 1), ("m", 2)])));
    for task in 0..3 {
        bench.task_runs(&TaskId::new("m", task));
    }
    bench
}

fn task() -> TaskId {
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

/// The instance has been asked for its tasks and wants those that it has. Answers with what follows.
fn wants_the_same(bench: &mut Bench) -> Vec<Action> {
    bench.apply(Event::TaskConfigs { name: "m".into(), result: Ok(vec![config(&[])]) })
}

#[test]
fn a_config_that_is_written_again_has_the_same_tasks_published_and_restarts_none() {
    // By a Java leader, or there and back in no time. Compaction would leave a new reader a commit without its config.
    let mut bench = owner();
    let again = &connector_and_tasks("m", 1)[..1];

    assert_eq!(bench.records_and_tick(again), [stop_connector("m")]);
    bench.apply(Event::ConnectorStopped { name: "m".into() });
    bench.connector_runs("m");
    assert_eq!(kinds(&wants_the_same(&mut bench)), ["forward task configs"]);
    let actions = bench.records_and_tick(&tasks("m", 1));

    assert_eq!(kinds(&actions), ["join"], "its task runs on");
}

#[test]
fn half_a_set_of_task_configs_is_followed_by_a_whole_one() {
    // Its leader has died. Compaction would take the whole set before it.
    let mut bench = owner();

    assert_eq!(bench.records_and_tick(&tasks("m", 1)[..1]), []);
    assert_eq!(bench.tick_at(4_999), [], "it may be committed yet");
    assert_eq!(kinds(&bench.tick_at(5_000)), ["ask for task configs"]);
    assert_eq!(kinds(&wants_the_same(&mut bench)), ["forward task configs"]);
    let forwarded = Event::TaskConfigsForwarded { name: "m".into(), result: Ok(()) };
    assert_eq!(bench.apply(forwarded), []);
    bench.records_and_tick(&tasks("m", 1));

    assert_eq!(bench.herder.next_timeout(), None, "once is enough");
}

#[test]
fn tasks_are_counted_by_the_config_that_they_were_made_from() {
    let mut bench = runs_three();

    // Allowed are fewer, then again as many. No set follows from that, so the tasks that start in between must not fail.
    bench.records_and_tick(&[connector_with("m", &[("tasks.max", "1")])]);
    bench.status("status-connector-m", RUNNING);
    bench.status("status-task-m-0", RUNNING);
    let request = RestartRequest { connector: "m".into(), only_failed: false, include_tasks: true };
    assert_eq!(bench.records_and_tick(&[ConfigRecord::Restart(request)]), [stop_task("m", 0)]);
    let actions = bench.apply(Event::TaskStopped { task: task() });

    assert_eq!(kinds(&actions), ["status", "start task"]);
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
fn tasks_with_new_configs_stop_before_the_rebalance_and_start_after_it() {
    let mut bench = Bench::following(&connector_and_tasks("m", 1), work(&[], &[("m", 0)]));
    bench.task_runs(&task());

    assert_eq!(bench.records_and_tick(&set("m", &["new"])), [stop_task("m", 0)]);
    let actions = bench.apply(Event::TaskStopped { task: task() });
    assert_eq!(actions[0], status("task-m-0", "UNASSIGNED", 1));
    assert_eq!(kinds(&actions), ["status", "join"]);

    let actions = bench.round(bench.assignment(ConnectorsAndTasks::default()));
    assert_eq!(kinds(&actions), ["start task"]);
}

#[test]
fn tasks_whose_configs_are_the_old_ones_run_on() {
    let mut bench = runs_three();

    let actions = bench.records_and_tick(&set("m", &["a", "b2", "c"]));
    assert_eq!(actions, [stop_task("m", 1)]);
    let actions = bench.apply(Event::TaskStopped { task: TaskId::new("m", 1) });
    assert_eq!(kinds(&actions), ["status", "join"]);

    let actions = bench.round(bench.assignment(ConnectorsAndTasks::default()));
    let [Action::StartTask { task, .. }] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!(*task, TaskId::new("m", 1));
}

#[test]
fn a_task_that_was_another_in_between_is_restarted() {
    let mut bench = runs_three();

    let actions = bench.records_and_tick(&[set("m", &["a", "b", "c2"]), set("m", &["a", "b", "c"])].concat());
    assert_eq!(actions, [stop_task("m", 2)], "someone else may have done what it will do");

    let actions = bench.records_and_tick(&[set("m", &["a"]), set("m", &["a", "b", "c"])].concat());
    assert_eq!(actions, [stop_task("m", 1)]);
}

#[test]
fn a_task_that_has_failed_gets_another_try_with_each_set() {
    let mut bench = runs_three();
    bench.apply(Event::TaskFailed { task: TaskId::new("m", 0), error: ConnectError::config("no") });

    let actions = bench.records_and_tick(&set("m", &["a", "b", "c"]));
    assert_eq!(kinds(&actions), ["join"]);

    let actions = bench.round(bench.assignment(ConnectorsAndTasks::default()));
    let [Action::StartTask { task, .. }] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!(*task, TaskId::new("m", 0));
}

#[test]
fn another_connector_config_restarts_all_tasks_once_its_set_is_there() {
    let mut bench = runs_three();

    let config = [("tasks.max", "3"), ("transforms", "t")];
    assert_eq!(bench.records_and_tick(&[connector_with("m", &config)]), []);
    let actions = bench.records_and_tick(&set("m", &["a", "b", "c"]));

    assert_eq!(actions, [stop_task("m", 0), stop_task("m", 1), stop_task("m", 2)]);
}

#[test]
fn exactly_once_tasks_all_restart_since_the_fencing_of_a_set_would_take_their_producers() {
    let settings = Settings { exactly_once: ExactlyOnce::Enabled, ..settings() };
    let mut bench = runs_three_with(settings);

    let actions = bench.records_and_tick(&set("m", &["a", "b2", "c"]));

    assert_eq!(actions, [stop_task("m", 0), stop_task("m", 1), stop_task("m", 2)]);
}

#[test]
fn when_a_connector_s_status_is_taken_back_the_owner_of_its_tasks_says_theirs_again() {
    // A leader who was cut off takes back late what was said of a former connector of that name.
    let mut bench = runs_three();

    assert_eq!(bench.apply(Event::StatusRecord { key: "status-connector-m".to_owned(), value: None }), []);

    assert_eq!(bench.tick(), [0, 1, 2].map(|task| status(&format!("task-m-{task}"), "RUNNING", 1)));
}

#[test]
fn a_set_of_task_configs_that_the_owner_did_not_want_is_replaced() {
    let mut bench = owner();
    let foreign = ConfigRecord::Task { task: task(), config: config(&[("stale", "yes")]).into() };
    let commit = ConfigRecord::Commit { connector: "m".into(), tasks: 1 };

    let actions = bench.records_and_tick(&[foreign, commit]);

    assert_eq!(kinds(&actions), ["stop task", "ask for task configs"]);
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
fn too_many_tasks_fail_the_connector() {
    let mut bench = Bench::following(&[connector_with("m", &[("tasks.max", "1")])], work(&["m"], &[]));
    bench.connector_runs("m");

    let actions = bench.apply(Event::TaskConfigs { name: "m".into(), result: Ok(vec![config(&[]), config(&[])]) });

    let [Action::WriteStatus { value: Some(value), .. }] = &actions[..] else { panic!("{actions:?}") };
    assert!(
        value.contains("The connector m has generated 2 tasks, which is greater than 1, the maximum number"),
        "{value}"
    );
    assert_eq!(bench.herder.next_timeout(), None, "and it is not tried again");
}

#[test]
fn task_configs_that_fail_are_asked_for_again_later() {
    let mut bench = Bench::following(&[connector("m")], work(&["m"], &[]));
    bench.connector_runs("m");

    let busy = Err(ConnectError::retriable("source is away"));
    assert_eq!(bench.apply(Event::TaskConfigs { name: "m".into(), result: busy }), []);
    assert_eq!(bench.herder.next_timeout(), Some(at(250)));

    assert_eq!(kinds(&bench.tick_at(250)), ["ask for task configs"]);
}

#[test]
fn task_configs_wait_for_the_end_of_a_rebalance() {
    let mut bench = Bench::following(&[connector("m")], work(&["m"], &[]));
    bench.connector_runs("m");
    bench.group(GroupEvent::RebalanceNeeded);

    assert_eq!(bench.apply(Event::TaskConfigs { name: "m".into(), result: Ok(vec![config(&[])]) }), []);
    let actions = bench.round(bench.assignment(ConnectorsAndTasks::default()));

    assert_eq!(kinds(&actions), ["forward task configs"]);
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
