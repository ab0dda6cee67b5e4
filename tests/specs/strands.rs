//! A task on several threads (`portage.task.threads`) is one task to everybody else.
//!
//! - All of its threads work, and what it mirrors is there once, in order, through a pause, a restart on other numbers of
//!   threads and a planned stop of its worker. (Kills: `delivery_kills`, `offsets_random`.)
//! - Its metrics are those of one task, and keep Prometheus' rules.
//! - Its status names the partitions that stand still, whichever thread they are on; it runs while any of its partitions can go on.

use std::collections::BTreeMap;

use harness::prometheus::check_metrics;
use harness::{Runtime, Worker, WorkerConfig, clusters, eventually};
use serde_json::json;

use crate::delivery::{ARRIVES, Flow, arrive, named, worker};
use crate::delivery_logs::noise;
use crate::lifecycle::{Config, run, runs, shows};

/// The threads for records that have done something, and for how long they have been at work, in nanoseconds.
fn at_work(worker: &Worker) -> BTreeMap<String, u64> {
    let threads = std::fs::read_dir(format!("/proc/{}/task", worker.process().pid())).unwrap();
    let threads = threads.filter_map(|thread| {
        let thread = thread.unwrap().path();
        let name = std::fs::read_to_string(thread.join("comm")).ok()?.trim().to_owned();
        let times = std::fs::read_to_string(thread.join("schedstat")).ok()?;
        let on_core = times.split_whitespace().next()?.parse().unwrap();
        (name.starts_with("records-") && on_core > 0).then_some((name, on_core))
    });
    threads.collect()
}

/// The values of a metric's lines that have all these labels.
fn values(metrics: &str, name: &str, labels: &[&str]) -> Vec<f64> {
    let lines = metrics.lines().filter(|line| line.starts_with(&format!("{name}{{")));
    let lines = lines.filter(|line| labels.iter().all(|label| line.contains(label)));
    lines.map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap()).collect()
}

#[tokio::test]
async fn a_task_on_several_threads_mirrors_as_one_does() {
    const PARTITIONS: i32 = 8;
    let pair = clusters().await;
    let (name, topic, remote) = ("strands", "strands-orders", "strands.strands-orders");
    pair.source.create_topic(topic, 8).await;
    let producer = pair.source.producer().codec("lz4").open().await;
    let write = async |what: &str| {
        for partition in 0..PARTITIONS {
            for batch in 0..4 {
                producer.send(topic, partition, &named(&format!("{what}-{batch}-"), 50)).await;
            }
        }
        pair.source.consume(topic).await
    };
    let mirror = Config::mirror(name, &pair.source, &pair.target, topic).with("emit.offset-syncs.enabled", "true");
    let mirror = mirror.with("offset-syncs.topic.replication.factor", "1");
    let workers = WorkerConfig::new(&pair.target, name);
    let worker = workers.start(Runtime::Portage).await;
    let rest = worker.rest();

    run(rest, name, &mirror.clone().with("portage.task.threads", "1")).await;
    arrive(&write("one").await, remote).await;
    assert_eq!(at_work(&worker).into_keys().collect::<Vec<_>>(), ["records-0"]);

    let mirror = mirror.with("portage.task.threads", "2");
    run(rest, name, &mirror).await;
    let labels = [r#"connector="strands""#, r#"task="0""#];
    let metrics = eventually("it has two threads", ARRIVES, async || {
        let metrics = rest.get("/metrics").await.expect_text();
        if values(&metrics, "portage_task_threads", &labels) == [2.0] { Ok(()) } else { Err(metrics) }
    });
    metrics.await;
    let before = at_work(&worker);
    let sent = write("two").await;
    arrive(&sent, remote).await;
    let after = at_work(&worker);
    assert_eq!(after.keys().collect::<Vec<_>>(), ["records-0", "records-1"]);
    for (thread, worked) in &after {
        assert!(
            before.get(thread).is_none_or(|before| before < worked),
            "{thread} has not worked: {before:?} {after:?}"
        );
    }

    let metrics = rest.get("/metrics").await.expect_text();
    check_metrics(&rest.get("/metrics?profile=native").await.expect_text());
    let since = sent.len() as f64 / 2.0;
    assert_eq!(values(&metrics, "portage_task_records_total", &labels), [since]);
    assert_eq!(values(&metrics, "kafka_connect_source_task_source_record_write_total", &labels), [since]);
    let lag = values(&metrics, "portage_mirror_lag_records", &labels);
    assert_eq!((lag.len(), lag.iter().sum::<f64>()), (8, 0.0), "{metrics}");
    for (client, told) in [
        ("kafka_producer_response_total", "connector-producer-strands-0"),
        ("kafka_consumer_response_total", "strands-0|replication-consumer"),
    ] {
        let responses = values(&metrics, client, &[told]);
        assert!(responses.len() == 1 && responses[0] > 0.0, "{client}: {responses:?}");
    }

    rest.put(&format!("/connectors/{name}/pause"), &json!({})).await;
    let paused = |status: &serde_json::Value| status["tasks"][0]["state"] == "PAUSED";
    shows(rest, &format!("/connectors/{name}/status"), "a paused task", paused).await;
    let sent = write("while it is paused").await;
    rest.put(&format!("/connectors/{name}/resume"), &json!({})).await;
    arrive(&sent, remote).await;

    assert!(worker.stop().await.success());
    let sent = write("while nobody works").await;
    let worker = workers.start(Runtime::Portage).await;
    runs(worker.rest(), name).await;
    arrive(&sent, remote).await;
}

#[tokio::test]
async fn a_task_on_several_threads_runs_while_any_of_its_partitions_can_go_on() {
    let pair = clusters().await;
    let topic = "strands-refused";
    pair.source.create_topic(topic, 4).await;
    let flow = Flow::new("strands-refused-flow", topic).await.with("sync.topic.configs.enabled", "false");
    // Partitions 0 and 2 are on one of them, 1 and 3 on the other.
    let flow = flow.with("portage.task.threads", "2").with("portage.restart.enabled", "false");
    let remote = flow.remote(topic);
    pair.target.create_topic_with(&remote, 4, &[("max.message.bytes", "20000")]).await;
    let producer = pair.source.producer().open().await;
    let refused = async |partition| producer.send(topic, partition, &noise(1, 30_000)).await;
    let stand_still = async |state: &str, partitions: &[i32]| {
        eventually(&format!("{state}, and {partitions:?} stand still"), ARRIVES, async || {
            let status = flow.status().await;
            let trace = status["tasks"][0]["trace"].as_str().unwrap_or_default();
            let named = partitions.iter().all(|partition| trace.contains(&format!("{topic}-{partition} stands still")));
            if named && status["tasks"][0]["state"] == state { Ok(()) } else { Err(status.to_string()) }
        })
        .await;
    };
    flow.start().await;

    refused(0).await;
    stand_still("RUNNING", &[0]).await;
    refused(1).await;
    stand_still("RUNNING", &[0, 1]).await;
    refused(2).await;
    stand_still("RUNNING", &[0, 1, 2]).await;
    let metrics = worker().await.rest().get("/metrics").await.expect_text();
    let stopped = values(&metrics, "portage_mirror_partition_stopped", &[&format!("topic=\"{topic}\"")]);
    assert_eq!((stopped.len(), stopped.iter().sum::<f64>()), (4, 3.0), "{metrics}");
    producer.send(topic, 3, &named("goes on", 5)).await;
    let mut taken = pair.source.consume(topic).await;
    taken.retain(|sent| sent.partition == 3);
    arrive(&taken, &remote).await;

    refused(3).await;

    eventually("the task fails", ARRIVES, async || {
        let status = flow.status().await;
        let trace = status["tasks"][0]["trace"].as_str().unwrap_or_default();
        let failed = status["tasks"][0]["state"] == "FAILED" && trace.contains("max.message.bytes");
        if failed { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
}
