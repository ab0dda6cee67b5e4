//! A group of three whose workers are replaced one by one while records keep coming: Java's by ours, and ours by Java's.
//!
//! - Connectors and tasks move to the newcomers; in between, workers of both kinds share them, whoever leads.
//! - Configs and target states are the same after it, and no record is lost.
//! - No record is mirrored again behind a worker of ours that hands over its task. (Java's may: a task of its that has not
//!   ended within `task.shutdown.graceful.timeout.ms` is left behind without its offsets. How often is printed.)

use std::collections::{BTreeMap, BTreeSet};

use harness::{Consumed, KafkaCluster, Runtime, Worker, WorkerConfig, clusters};
use serde_json::Value;

use crate::lifecycle::{Config, Runs, Stream, arrive, first_occurrences, id, run, runs, shows, workers};

/// What must not change: every connector with its config and type.
async fn configured(worker: &Worker) -> Value {
    let mut infos = worker.rest().get("/connectors?expand=info").await.expect(200);
    for info in infos.as_object_mut().unwrap().values_mut() {
        // In the order of the assignment, in Java.
        info["info"].as_object_mut().unwrap().remove("tasks");
    }
    infos
}

/// Who ran a task, by the status topic: when it said RUNNING (milliseconds since 1970), and its worker id.
async fn owners(target: &KafkaCluster, task: &str) -> Vec<(i64, String)> {
    let running = |read: Consumed| {
        let status: Value = serde_json::from_slice(read.record.value.as_deref()?).ok()?;
        let of_task = read.record.key.as_deref() == Some(format!("status-task-{task}").as_bytes());
        let worker = status["worker_id"].as_str().filter(|_| of_task && status["state"] == "RUNNING")?;
        Some((read.record.timestamp_ms?, worker.to_owned()))
    };
    target.consume("rolling-status").await.into_iter().filter_map(running).collect()
}

/// The records that came again: how many each time, and who had the task before.
async fn repetitions(target: &KafkaCluster, task: &str, mirrored: &[Consumed]) -> Vec<(usize, String)> {
    let owners = owners(target, task).await;
    let number = |read: &Consumed| read.text().parse::<usize>().unwrap();
    let again = mirrored.windows(2).filter(|pair| number(&pair[1]) <= number(&pair[0]));
    let whose = again.map(|pair| {
        let last = pair[0].record.timestamp_ms.unwrap();
        let owner = owners.iter().rev().find(|(since, _)| *since <= last).or(owners.first());
        (number(&pair[0]) + 1 - number(&pair[1]), owner.unwrap().1.clone())
    });
    whose.collect()
}

#[tokio::test]
async fn three_java_workers_are_replaced_by_ours_one_by_one_and_back() {
    let pair = clusters().await;
    pair.source.create_topic("rolling-orders", 4).await;
    let group = WorkerConfig::new(&pair.target, "rolling");
    let (one, two, three) =
        tokio::join!(group.start(Runtime::Java), group.start(Runtime::Java), group.start(Runtime::Java));
    let mut members = vec![one, two, three];
    let mirror = Config::mirror("rolling", &pair.source, &pair.target, "rolling-orders").with("tasks.max", "4");
    run(members[0].rest(), "rolling", &mirror).await;
    run(members[1].rest(), "rolling-beats", &Config::heartbeat("rolling", &pair.target)).await;
    run(members[2].rest(), "rolling-paused", &mirror.clone().with("source.cluster.alias", "paused")).await;
    members[0].rest().put("/connectors/rolling-paused/pause", &Value::Null).await.expect(202);
    let before = configured(&members[0]).await;
    let mut runtimes: BTreeMap<String, Runtime> = members.iter().map(|worker| (id(worker), Runtime::Java)).collect();
    let tasks = members[0].rest().get("/connectors/rolling/tasks").await.expect(200);
    let of_stream = |task: &&Value| {
        let share = task["config"]["task.assigned.partitions"].as_str().unwrap();
        share.split(',').any(|partition| partition == "rolling-orders-0")
    };
    let task = tasks.as_array().unwrap().iter().find(of_stream).unwrap()["id"]["task"].clone();
    let stream = Stream::start(&pair.source, "rolling-orders").await;

    for runtime in [Runtime::Portage, Runtime::Java] {
        for _ in 0..3 {
            let newcomer = group.start(runtime).await;
            let leaving = members.remove(0);
            leaving.stop().await;
            runs(newcomer.rest(), "rolling").await;
            runs(newcomer.rest(), "rolling-beats").await;
            runtimes.insert(id(&newcomer), runtime);
            members.push(newcomer);
        }
        let ids: BTreeSet<String> = members.iter().map(id).collect();
        for worker in &members {
            shows(worker.rest(), "/connectors?expand=status", "work on all of the new workers", |shown| {
                let statuses = shown.as_object().unwrap().values().map(|shown| &shown["status"]);
                statuses.flat_map(workers).map(str::to_owned).collect::<BTreeSet<_>>() == ids
            })
            .await;
            let paused = worker.rest().get("/connectors/rolling-paused/status").await.expect(200);
            assert_eq!(paused["connector"]["state"], "PAUSED", "{paused}");
            assert_eq!(configured(worker).await, before);
        }
    }

    let written = stream.stop().await;
    let mirrored = arrive(&pair.target, "rolling.rolling-orders", 0, written).await;
    assert_eq!(first_occurrences(&mirrored), Runs::once(written));
    let mirrored = pair.target.read("rolling.rolling-orders").partition(0).all().await;
    for (again, owner) in repetitions(&pair.target, &format!("rolling-{task}"), &mirrored).await {
        println!("{again} of {written} records came again after {owner} ({:?}) had the task", runtimes.get(&owner));
        assert_ne!(
            runtimes.get(&owner),
            Some(&Runtime::Portage),
            "ours stores what it has written before it hands over"
        );
    }
}
