//! Three workers, and what becomes of the group when one of them breaks.
//!
//! - A follower is killed, and then the leader: all work runs elsewhere after session time-out and delay, nothing is lost.
//! - With `scheduled.rebalance.max.delay.ms` the lost work waits for that long, and runs elsewhere session time-out, delay and
//!   3 s after the kill at the latest; a worker that comes meanwhile gets it, and nothing else moves.
//! - A worker that is told to stop hands its work over at once, whatever that delay is.
//! - The leader is killed while it writes configs: what it has acknowledged is there, and all workers agree on the rest.
//! - A worker that is frozen for longer than its session loses its work to the others, and does not get in their way when
//!   it wakes up: nothing is lost, and in the end everything runs once.
//! - A rebalance does not restart the tasks that stay where they are.
//! - A connector whose source never answers keeps nobody else waiting, and can be deleted.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use harness::{KafkaCluster, Rest, Runtime, Signal, Worker, WorkerConfig, clusters, eventually};
use serde_json::{Value, json};

use crate::lifecycle::{Config, Runs, SOON, Stream, arrive, first_occurrences, gone, id, run, shows, states, workers};

/// A new group of three; the first one leads it.
pub(crate) async fn three(target: &KafkaCluster, name: &str) -> [Worker; 3] {
    three_of(&soon_missed(target, name)).await
}

/// A group that notices within 3 s that a worker is gone.
pub(crate) fn soon_missed(target: &KafkaCluster, name: &str) -> WorkerConfig {
    WorkerConfig::new(target, name).with("session.timeout.ms", "3000").with("heartbeat.interval.ms", "500")
}

/// The first three workers of a group; the first one leads it.
pub(crate) async fn three_of(group: &WorkerConfig) -> [Worker; 3] {
    let leader = group.start(Runtime::Portage).await;
    let (one, two) = tokio::join!(group.start(Runtime::Portage), group.start(Runtime::Portage));
    [leader, one, two]
}

/// Waits until exactly these run all of a connector, all of them something.
async fn run_by(rest: &Rest, name: &str, who: &[&Worker]) -> Value {
    shows(rest, &format!("/connectors/{name}/status"), "work on these workers", |status| all_by(status, who)).await
}

/// Whether exactly these run all of a connector, all of them something.
fn all_by(status: &Value, who: &[&Worker]) -> bool {
    let ids: BTreeSet<String> = who.iter().map(|worker| id(worker)).collect();
    let running = states(status).iter().all(|state| *state == "RUNNING");
    running && workers(status).into_iter().map(str::to_owned).collect::<BTreeSet<_>>() == ids
}

/// How many tasks a status gives to a worker.
fn owned(status: &Value, worker: &Worker) -> usize {
    let tasks = status["tasks"].as_array().unwrap();
    tasks.iter().filter(|task| task["worker_id"] == json!(id(worker))).count()
}

/// Waits until exactly these run all of a connector, each as many tasks: no rebalance is to come.
async fn run_evenly_by(rest: &Rest, name: &str, who: &[&Worker], each: usize) -> Value {
    shows(rest, &format!("/connectors/{name}/status"), "work shared evenly", |status| {
        all_by(status, who) && who.iter().all(|worker| owned(status, worker) == each)
    })
    .await
}

/// How often a worker has started a task, by its log.
pub(crate) fn task_starts(worker: &Worker) -> usize {
    worker.process().log().matches("task started").count()
}

/// Waits until all that was written has arrived, each record first in its turn; gives what has arrived.
pub(crate) async fn all_arrive(target: &KafkaCluster, topic: &str, written: usize) -> Vec<String> {
    eventually("everything has arrived", SOON, async || {
        let values = arrive(target, topic, 0, written).await;
        let first = first_occurrences(&values);
        if first == Runs::once(written) { Ok(values) } else { Err(format!("{first:?} of {written}")) }
    })
    .await
}

/// A mirror all of whose topics can be made on one broker, so that nothing holds its tasks up.
pub(crate) fn quick(name: &str, source: &KafkaCluster, target: &KafkaCluster, topic: &str) -> Config {
    Config::mirror(name, source, target, topic)
        .with("emit.offset-syncs.enabled", "true")
        .with("offset-syncs.topic.replication.factor", "1")
}

/// How long it takes from now until these workers run all of a connector: `within` this at most.
async fn taken_over(what: &str, rest: &Rest, name: &str, who: &[&Worker], within: Duration) -> Duration {
    let since = Instant::now();
    let path = format!("/connectors/{name}/status");
    eventually(&format!("{what}: all work runs elsewhere"), within, async || {
        let status = rest.get(&path).await;
        if status.status == 200 && all_by(&status.json(), who) { Ok(()) } else { Err(status.body) }
    })
    .await;
    println!("{what}: all work runs elsewhere after {} ms", since.elapsed().as_millis());
    since.elapsed()
}

const SESSION: Duration = Duration::from_secs(3);
/// What may pass beside the time-outs that were configured.
const AND_THAT_IS_ALL: Duration = Duration::from_secs(3);

#[tokio::test]
async fn the_work_of_killed_workers_runs_elsewhere_and_loses_nothing() {
    let pair = clusters().await;
    pair.source.create_topic("killing-orders", 3).await;
    let [leader, one, two] = three(&pair.target, "killing").await;
    let config = quick("killing", &pair.source, &pair.target, "killing-orders").with("tasks.max", "3");
    run(leader.rest(), "killing", &config).await;
    run_by(leader.rest(), "killing", &[&leader, &one, &two]).await;
    let stream = Stream::start(&pair.source, "killing-orders").await;

    let bound = SESSION + AND_THAT_IS_ALL;
    one.process().kill();
    let what = "a follower killed, session 3,000 ms, delay 0";
    taken_over(what, leader.rest(), "killing", &[&leader, &two], bound).await;
    leader.process().kill();
    let what = "the leader killed, session 3,000 ms, delay 0";
    taken_over(what, two.rest(), "killing", &[&two], bound).await;

    let written = stream.stop().await;
    all_arrive(&pair.target, "killing.killing-orders", written).await;
}

#[tokio::test]
async fn lost_work_waits_for_a_worker_to_come_back_as_long_as_configured() {
    const DELAY: Duration = Duration::from_secs(5);
    let pair = clusters().await;
    pair.source.create_topic("waiting-orders", 3).await;
    let group = soon_missed(&pair.target, "waiting").with("scheduled.rebalance.max.delay.ms", "5000");
    let [leader, one, two] = three_of(&group).await;
    let config = quick("waiting", &pair.source, &pair.target, "waiting-orders").with("tasks.max", "3");
    run(leader.rest(), "waiting", &config).await;
    run_by(leader.rest(), "waiting", &[&leader, &one, &two]).await;
    let stream = Stream::start(&pair.source, "waiting-orders").await;
    let bound = SESSION + DELAY + AND_THAT_IS_ALL;

    let before = task_starts(&leader) + task_starts(&two);
    one.process().kill();
    let back = group.start(Runtime::Portage).await;
    let what = "a follower killed and another one started, session 3,000 ms, delay 5,000 ms";
    taken_over(what, leader.rest(), "waiting", &[&leader, &back, &two], bound).await;
    assert_eq!(task_starts(&leader) + task_starts(&two), before, "what was not lost stays as it is");

    back.process().kill();
    let what = "a follower killed, session 3,000 ms, delay 5,000 ms";
    let took = taken_over(what, leader.rest(), "waiting", &[&leader, &two], bound).await;
    // The delay begins when the loss is noticed.
    assert!(took >= DELAY, "{took:?}");

    let written = stream.stop().await;
    all_arrive(&pair.target, "waiting.waiting-orders", written).await;
}

#[tokio::test]
async fn a_worker_that_is_told_to_stop_hands_over_at_once() {
    let pair = clusters().await;
    pair.source.create_topic("handed-orders", 3).await;
    // Kafka's own defaults: a lost worker is waited for five minutes.
    let group = WorkerConfig::new(&pair.target, "handed")
        .with("session.timeout.ms", "10000")
        .with("heartbeat.interval.ms", "3000")
        .with("scheduled.rebalance.max.delay.ms", "300000");
    let leader = group.start(Runtime::Portage).await;
    let (one, two) = tokio::join!(group.start(Runtime::Portage), group.start(Runtime::Portage));
    let config = quick("handed", &pair.source, &pair.target, "handed-orders").with("tasks.max", "3");
    run(leader.rest(), "handed", &config).await;
    run_by(leader.rest(), "handed", &[&leader, &one, &two]).await;
    let stream = Stream::start(&pair.source, "handed-orders").await;

    for (what, leaving, staying) in [
        ("a follower told to stop, delay 300,000 ms", &one, vec![&leader, &two]),
        ("the leader told to stop, delay 300,000 ms", &leader, vec![&two]),
    ] {
        let since = Instant::now();
        leaving.process().signal(Signal::Term);
        let ends = async {
            assert_eq!(leaving.process().wait(AND_THAT_IS_ALL).await.code(), Some(0));
            since.elapsed().as_millis()
        };
        let moves = taken_over(what, two.rest(), "handed", &staying, AND_THAT_IS_ALL);
        let (ended, _) = tokio::join!(ends, moves);
        println!("{what}: exit code 0 after {ended} ms");
    }

    let written = stream.stop().await;
    let mirrored = all_arrive(&pair.target, "handed.handed-orders", written).await;
    assert_eq!(mirrored.len(), written, "what is stopped in order repeats nothing");
}

#[tokio::test]
async fn what_a_leader_has_acknowledged_before_it_was_killed_is_there() {
    let pair = clusters().await;
    let [leader, one, two] = three(&pair.target, "mid-write").await;
    let config = Config::mirror("mid-write", &pair.source, &pair.target, "nothing-at-all");
    let writing = {
        let (rest, config) = (leader.rest().clone(), config.clone());
        tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            for number in 0.. {
                let name = format!("mid-write-{number}");
                let config = config.clone().with("number", &number.to_string());
                let body = json!({"name": name, "initial_state": "STOPPED", "config": config.json()});
                match rest.try_send("POST", "/connectors", Some(&body.to_string())).await {
                    Ok(answer) if answer.status == 201 => acknowledged.push((name, config)),
                    Ok(answer) => panic!("{} {}", answer.status, answer.body),
                    // It is dead.
                    Err(_) => break,
                }
            }
            acknowledged
        })
    };
    shows(one.rest(), "/connectors", "some of them", |names| names.as_array().unwrap().len() >= 5).await;

    leader.process().kill();

    let acknowledged = writing.await.unwrap();
    let here = shows(one.rest(), "/connectors?expand=info&expand=status", "all that was acknowledged", |shown| {
        acknowledged.iter().all(|(name, _)| shown.get(name).is_some())
    })
    .await;
    for (name, config) in &acknowledged {
        assert_eq!(here[name]["info"]["config"], config.named(name));
    }
    // One more may have been written without an answer. Whoever leads now has taken over: a new one can be created.
    eventually("a connector can be created", SOON, async || {
        let body = json!({"name": "mid-write-after", "initial_state": "STOPPED", "config": config.json()});
        match one.rest().post("/connectors", &body).await.status {
            201 | 409 => Ok(()),
            other => Err(other.to_string()),
        }
    })
    .await;
    let names = |shown: &Value| shown.as_array().unwrap().iter().map(Value::to_string).collect::<BTreeSet<_>>();
    let all = shows(one.rest(), "/connectors", "the new one", |shown| {
        shown.as_array().unwrap().contains(&json!("mid-write-after"))
    })
    .await;
    assert!((acknowledged.len() + 1..=acknowledged.len() + 2).contains(&names(&all).len()), "{all}");
    shows(two.rest(), "/connectors", "the same", |shown| names(shown) == names(&all)).await;
}

#[tokio::test]
async fn a_frozen_worker_wakes_up_to_a_group_that_went_on() {
    let pair = clusters().await;
    pair.source.create_topic("frozen-orders", 6).await;
    let [leader, sleeper, other] = three(&pair.target, "frozen").await;
    let config = Config::mirror("frozen", &pair.source, &pair.target, "frozen-orders").with("tasks.max", "6");
    run(leader.rest(), "frozen", &config).await;
    run_by(leader.rest(), "frozen", &[&leader, &sleeper, &other]).await;
    let stream = Stream::start(&pair.source, "frozen-orders").await;

    sleeper.process().signal(Signal::Stop);
    run_by(leader.rest(), "frozen", &[&leader, &other]).await;
    sleeper.process().signal(Signal::Cont);

    run_by(leader.rest(), "frozen", &[&leader, &sleeper, &other]).await;
    run_evenly_by(sleeper.rest(), "frozen", &[&leader, &sleeper, &other], 2).await;
    let written = stream.stop().await;
    let mirrored = eventually("everything has arrived", SOON, async || {
        let values = arrive(&pair.target, "frozen.frozen-orders", 0, written).await;
        let first = first_occurrences(&values);
        if first == Runs::once(written) { Ok(values) } else { Err(format!("{first:?} of {written}")) }
    })
    .await;
    assert!(mirrored.len() >= written);
}

#[tokio::test]
async fn tasks_that_stay_where_they_are_are_not_restarted_by_a_rebalance() {
    let pair = clusters().await;
    pair.source.create_topic("staying-orders", 6).await;
    let [leader, one, two] = three(&pair.target, "staying").await;
    let config = Config::mirror("staying", &pair.source, &pair.target, "staying-orders").with("tasks.max", "6");
    run(leader.rest(), "staying", &config).await;
    run_evenly_by(leader.rest(), "staying", &[&leader, &one, &two], 2).await;
    let starts = [task_starts(&leader), task_starts(&one)];

    two.process().kill();

    let after = run_by(leader.rest(), "staying", &[&leader, &one]).await;
    for (worker, starts) in [(&leader, starts[0]), (&one, starts[1])] {
        let gained = owned(&after, worker) - 2;
        eventually("the log says what was started", SOON, async || match task_starts(worker) - starts {
            more if more >= gained => Ok(()),
            more => Err(format!("{more} of {gained}")),
        })
        .await;
        assert_eq!(task_starts(worker) - starts, gained, "only what is new here was started");
    }
}

#[tokio::test]
async fn a_connector_that_hangs_in_its_start_keeps_nobody_waiting() {
    let pair = clusters().await;
    pair.source.create_topic("hanging-orders", 1).await;
    let group = WorkerConfig::new(&pair.target, "hanging");
    let worker = group.start(Runtime::Portage).await;
    // It takes connections, as its backlog does, and never says a word.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = Config::mirror("hanging", &pair.source, &pair.target, "hanging-orders");
    let hanging = config.clone().with("source.cluster.bootstrap.servers", &silent.local_addr().unwrap().to_string());
    worker.rest().put_connector("hanging", hanging.json()).await;

    run(worker.rest(), "healthy", &config).await;

    // As long as nothing has come of the start, there is no status (404), as in Java.
    let status = worker.rest().get("/connectors/hanging/status").await;
    assert_ne!(status.json()["connector"]["state"], "RUNNING", "{}", status.body);
    worker.rest().put_connector("hanging", hanging.with("tasks.max", "2").json()).await;
    assert_eq!(worker.rest().delete("/connectors/hanging").await.status, 204);
    gone(worker.rest(), "hanging").await;
    crate::lifecycle::stop(&worker).await;
}
