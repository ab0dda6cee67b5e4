//! Exactly-once tasks: fencing by the leader, and the question whether a task is still wanted.

use super::*;
use crate::command::Reply;
use crate::settings::ExactlyOnce;

const ASK: OpId = OpId(77);

fn exactly_once() -> Settings {
    Settings { exactly_once: ExactlyOnce::Enabled, ..settings() }
}

fn count(tasks: u32) -> ConfigRecord {
    ConfigRecord::TaskCount { connector: "m".into(), tasks }
}

/// A leader whose connector had two tasks that were fenced, and has one now.
fn leader() -> Bench {
    let records = [connector_and_tasks("m", 2), vec![count(2)], tasks("m", 1)].concat();
    Bench::leading_with(exactly_once(), &records)
}

fn read(bench: &mut Bench, actions: &[Action]) -> Vec<Action> {
    bench.apply(Event::ConfigReadToEnd { op: read_op(actions), result: Ok(()) })
}

#[test]
fn the_first_tasks_need_no_fencing_but_a_count() {
    let mut bench = Bench::leading_with(exactly_once(), &connector_and_tasks("m", 1));

    let reads = bench.apply(Event::TaskAsksToFence { task: TaskId::new("m", 0), op: ASK });
    let writes = read(&mut bench, &reads);
    assert_eq!(written(&writes).1, [count(1).encode()]);

    assert_eq!(bench.write(&writes), [Action::AnswerTask { op: ASK, result: Ok(()) }]);
}

#[test]
fn producers_of_the_tasks_before_are_fenced_once_for_all_who_ask() {
    let mut bench = leader();

    let reads = bench.apply(Event::TaskAsksToFence { task: TaskId::new("m", 0), op: ASK });
    let actions = read(&mut bench, &reads);
    let [Action::FenceZombies { op, tasks: 2, .. }] = &actions[..] else { panic!("{actions:?}") };
    let reads = bench.command(Command::FenceZombies("m".into()));
    assert_eq!(read(&mut bench, &reads), []);

    let reads = bench.apply(Event::ZombiesFenced { op: *op, result: Ok(()) });
    let writes = read(&mut bench, &reads);
    assert_eq!(written(&writes).1, [count(1).encode()]);
    let answers = [Action::AnswerTask { op: ASK, result: Ok(()) }, reply(1, Ok(Reply::Done))];
    assert_eq!(bench.write(&writes), answers);
}

#[test]
fn new_task_configs_end_a_round_of_fencing() {
    let mut bench = leader();
    let reads = bench.command(Command::FenceZombies("m".into()));
    read(&mut bench, &reads);

    let [task, commit] = &tasks("m", 1)[..] else { panic!("a task and a commit") };
    bench.records(std::slice::from_ref(task));
    let (key, value) = commit.encode();
    let value = value.map(Bytes::from);
    let actions = bench.apply(Event::ConfigRecord { offset: bench.end, key, value, timestamp_ms: 0 });

    let text = "Failed to complete zombie fencing because a new set of task configs was generated";
    assert_eq!(actions, [refusal(1, HerderError::Conflict(text.into()))]);
}

#[test]
fn a_follower_asks_the_leader() {
    let mut bench = Bench::following(&connector_and_tasks("m", 1), work(&[], &[("m", 0)]));

    let actions = bench.apply(Event::TaskAsksToFence { task: TaskId::new("m", 0), op: ASK });
    let [Action::ForwardFence { op, name, leader_url }] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!((name.as_str(), leader_url.as_str()), ("m", LEADER_URL));
    let error = HerderError::Unavailable("no".into());

    let actions = bench.apply(Event::FenceForwarded { op: *op, result: Err(error.clone()) });
    assert_eq!(actions, [Action::AnswerTask { op: ASK, result: Err(error) }]);
}

#[test]
fn a_task_that_is_still_wanted_may_go_on() {
    let mut bench = leader();
    let task = TaskId::new("m", 0);

    let reads = bench.apply(Event::TaskAsksOwnership { task, op: ASK });

    assert_eq!(read(&mut bench, &reads), [Action::AnswerTask { op: ASK, result: Ok(()) }]);
}

#[test]
fn a_task_of_a_former_set_may_not_go_on() {
    let mut bench = leader();
    let reads = bench.apply(Event::TaskAsksOwnership { task: TaskId::new("m", 0), op: ASK });
    bench.records(&tasks("m", 1));

    let actions = read(&mut bench, &reads);

    let text = "Cannot start source task m-0 with exactly-once support as the connector has already generated a new set of \
                task configs";
    assert!(actions.contains(&Action::AnswerTask { op: ASK, result: Err(HerderError::Conflict(text.into())) }));
}

#[test]
fn only_source_connectors_are_fenced() {
    let other = ConfigRecord::Connector {
        connector: "s".into(),
        config: Some(ConfigMap::from([("connector.class".to_owned(), "org.example.Sink".to_owned())]).into()),
    };
    let mut bench = Bench::leading(&[other]);

    let reads = bench.command(Command::FenceZombies("s".into()));
    let actions = read(&mut bench, &reads);

    assert_eq!(actions, [refusal(1, HerderError::BadRequest("Connector s is not a source connector".into()))]);
}

#[test]
fn offsets_of_an_exactly_once_connector_are_changed_after_fencing() {
    let stop = [
        ConfigRecord::Commit { connector: "m".into(), tasks: 0 },
        ConfigRecord::TargetState { connector: "m".into(), state: Some(TargetState::Stopped) },
    ];
    let records = [connector_and_tasks("m", 2), vec![count(2)], stop.to_vec()].concat();
    let mut bench = Bench::leading_with(exactly_once(), &records);

    let reads = bench.command(Command::AlterOffsets { name: "m".into(), offsets: None });
    let reads = read(&mut bench, &reads);
    let actions = read(&mut bench, &reads);
    let [Action::FenceZombies { op, tasks: 2, .. }] = &actions[..] else { panic!("{actions:?}") };
    let reads = bench.apply(Event::ZombiesFenced { op: *op, result: Ok(()) });
    let writes = read(&mut bench, &reads);

    assert_eq!(kinds(&bench.write(&writes)), ["alter offsets"]);
}

#[test]
fn who_becomes_leader_of_a_fenced_group_first_shuts_former_leaders_out() {
    let becomes_leader = |exactly_once| {
        let mut bench = Bench::new(Settings { exactly_once, ..settings() });
        bench.start(&[]);
        kinds(&bench.round_alone())
    };

    assert_eq!(becomes_leader(ExactlyOnce::Disabled), ["make session key"]);
    assert_eq!(becomes_leader(ExactlyOnce::Preparing), ["claim config writes", "make session key"]);
    assert_eq!(becomes_leader(ExactlyOnce::Enabled), ["claim config writes", "make session key"]);
}

#[test]
fn a_follower_claims_nothing() {
    let mut bench = Bench::new(exactly_once());
    bench.start(&[]);

    let actions = bench.round(bench.assignment(ConnectorsAndTasks::default()));

    assert!(!kinds(&actions).contains(&"claim config writes"), "{actions:?}");
}
