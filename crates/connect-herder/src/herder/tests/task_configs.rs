//! Sets of task configs: how they are published and published again, and what a new one does to the tasks that run.

use connect_api::ConnectError;

use super::units::{RUNNING, owner, task};
use super::*;
use crate::restart::RestartRequest;
use crate::settings::ExactlyOnce;

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
pub(super) fn runs_three() -> Bench {
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

/// The instance has been asked for its tasks and wants those that it has. Answers with what follows.
fn wants_the_same(bench: &mut Bench) -> Vec<Action> {
    bench.apply(Event::TaskConfigs { name: "m".into(), result: Ok(vec![config(&[])]) })
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
fn a_set_of_task_configs_that_the_owner_did_not_want_is_replaced() {
    let mut bench = owner();
    let foreign = ConfigRecord::Task { task: task(), config: config(&[("stale", "yes")]).into() };
    let commit = ConfigRecord::Commit { connector: "m".into(), tasks: 1 };

    let actions = bench.records_and_tick(&[foreign, commit]);

    assert_eq!(kinds(&actions), ["stop task", "ask for task configs"]);
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
