//! A group of three whose workers are replaced one by one while records keep coming: Java's by ours, and ours by Java's.
//!
//! - Connectors and tasks move to the newcomers; in between, workers of both kinds share them, whoever leads.
//! - Configs and target states are the same after it, and no record is lost.

use std::collections::BTreeSet;

use harness::{Runtime, Worker, WorkerConfig, clusters};
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
    let stream = Stream::start(&pair.source, "rolling-orders").await;

    for runtime in [Runtime::Portage, Runtime::Java] {
        for _ in 0..3 {
            let newcomer = group.start(runtime).await;
            let leaving = members.remove(0);
            leaving.stop().await;
            runs(newcomer.rest(), "rolling").await;
            runs(newcomer.rest(), "rolling-beats").await;
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
    println!("{written} records, {} of them twice", mirrored.len() - written);
}
