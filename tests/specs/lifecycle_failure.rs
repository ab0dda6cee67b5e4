//! Three workers, and what becomes of the group when something breaks.
//!
//! - The leader is killed while it writes configs: what it has acknowledged is there, and all workers agree on the rest.
//! - A worker that is frozen for longer than its session loses its work to the others, and does not get in their way when
//!   it wakes up: nothing is lost, and in the end everything runs once.
//! - A rebalance does not restart the tasks that stay where they are.
//! - The brokers of the storage topics and of the group are away for longer than a session: everything goes on by itself.
//! - A connector whose source never answers keeps nobody else waiting, and can be deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use harness::{KafkaCluster, Rest, Runtime, Signal, Worker, WorkerConfig, clusters, eventually, lab};
use serde_json::{Value, json};

use crate::lifecycle::{
    Config, Runs, SOON, Stream, arrive, end_offset, first_occurrences, gone, id, run, runs, shows, states, workers,
    write,
};

/// A new group of three; the first one leads it.
async fn three(target: &KafkaCluster, name: &str) -> [Worker; 3] {
    let group = WorkerConfig::new(target, name).with("session.timeout.ms", "3000").with("heartbeat.interval.ms", "500");
    let leader = group.start(Runtime::Portage).await;
    let (one, two) = tokio::join!(group.start(Runtime::Portage), group.start(Runtime::Portage));
    [leader, one, two]
}

/// Waits until exactly these run all of a connector, all of them something.
async fn run_by(rest: &Rest, name: &str, who: &[&Worker]) -> Value {
    let ids: BTreeSet<String> = who.iter().map(|worker| id(worker)).collect();
    shows(rest, &format!("/connectors/{name}/status"), "work on these workers", |status| {
        let running = states(status).iter().all(|state| *state == "RUNNING");
        running && workers(status).into_iter().map(str::to_owned).collect::<BTreeSet<_>>() == ids
    })
    .await
}

/// How often a worker has started a task, by its log.
fn task_starts(worker: &Worker) -> usize {
    worker.process().log().matches("task started").count()
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
    let status = run_by(sleeper.rest(), "frozen", &[&leader, &sleeper, &other]).await;
    let mut load = BTreeMap::new();
    for worker in status["tasks"].as_array().unwrap() {
        *load.entry(worker["worker_id"].as_str().unwrap()).or_insert(0) += 1;
    }
    assert!(load.values().all(|tasks| *tasks == 2), "{load:?}");
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
    let before = run_by(leader.rest(), "staying", &[&leader, &one, &two]).await;
    let starts = [task_starts(&leader), task_starts(&one)];
    let owned = |status: &Value, worker: &Worker| {
        let tasks = status["tasks"].as_array().unwrap();
        tasks.iter().filter(|task| task["worker_id"] == json!(id(worker))).count()
    };

    two.process().kill();

    let after = run_by(leader.rest(), "staying", &[&leader, &one]).await;
    for (worker, starts) in [(&leader, starts[0]), (&one, starts[1])] {
        let gained = owned(&after, worker) - owned(&before, worker);
        eventually("the log says what was started", SOON, async || match task_starts(worker) - starts {
            more if more >= gained => Ok(()),
            more => Err(format!("{more} of {gained}")),
        })
        .await;
        assert_eq!(task_starts(worker) - starts, gained, "only what is new here was started");
    }
}

#[tokio::test]
async fn an_outage_of_a_minute_of_the_storage_topics_is_ridden_out() {
    let lab = lab().await;
    let target = lab.cluster("away-target").start().await;
    let pair = clusters().await;
    pair.source.create_topic("away-orders", 1).await;
    let workers = three(&target, "away").await;
    let [leader, ..] = &workers;
    let config = Config::mirror("away", &pair.source, &target, "away-orders");
    run(leader.rest(), "away", &config).await;
    let stream = Stream::start(&pair.source, "away-orders").await;
    eventually("records flow", SOON, async || match end_offset(&target, "away.away-orders", 0).await {
        0 => Err("none yet"),
        _ => Ok(()),
    })
    .await;

    target.broker(1).kill();
    let written = stream.stop().await;
    write(&pair.source, "away-orders", 0, written, written + 1_000).await;
    let written = written + 1_000;
    // That long it is away: longer than session, heartbeats and request time-outs together.
    tokio::time::sleep(Duration::from_secs(60)).await;
    target.broker(1).start().await;

    for worker in &workers {
        assert_eq!(worker.process().exited(), None, "{}", worker.process().log_tail());
        runs(worker.rest(), "away").await;
    }
    eventually("everything has arrived", SOON, async || {
        let values = arrive(&target, "away.away-orders", 0, written).await;
        let first = first_occurrences(&values);
        if first == Runs::once(written) { Ok(()) } else { Err(format!("{first:?} of {written}")) }
    })
    .await;
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
