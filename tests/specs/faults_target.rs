//! A target that has no room, that wants to be asked slowly, and whose topics somebody takes away.
//!
//! - A target broker whose disk is full, and that halts over it, is waited for within `portage.memory.bytes`: when it has room and
//!   is started again, everything arrives, nothing twice, and nobody has to touch the worker.
//! - A controller that throttles (a mutation quota) is asked again when it says so: dozens of topics and partitions are created in the
//!   end, and the log stays short.
//! - What a target has lost with a topic is sent again from the source if somebody resets the offsets of that topic, and of no other:
//!   groups follow it there.
//! - Records that somebody else writes into a copy move no group past a record of its own, nor before one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use harness::{Fate, GroupOffset, Listener, Runtime, WorkerConfig, clusters, eventually, lab, proxied_cluster, tools};
use kafka_protocol::messages::ApiKey;
use serde_json::{Value, json};

use crate::delivery::named;
use crate::fairness::{flood, sum};
use crate::lifecycle::{Config, SOON, all_in_state, end_offset, run, runs, write};
use crate::lifecycle_failure::task_starts;
use crate::mirror_losses::{OLD, both, holds, says, start, texts};

#[tokio::test]
async fn a_target_whose_disk_is_full_is_waited_for() {
    const BUDGET: usize = 8 << 20;
    const RECORDS: usize = 2_000;
    let (lab, pair) = (lab().await, clusters().await);
    let target = lab.cluster("full").room_bytes(12 << 20).start().await;
    pair.source.create_topic("full-orders", 2).await;
    let group = WorkerConfig::new(&target, "full").with("portage.memory.bytes", &BUDGET.to_string());
    // It is away for some seconds, and is not to be taken for lost.
    let worker = group.with("session.timeout.ms", "60000").start(Runtime::Portage).await;
    run(worker.rest(), "full", &Config::mirror("from", &pair.source, &target, "full-orders")).await;

    write(&pair.source, "full-orders", 1, 0, 100).await;
    flood(&pair.source, "full-orders", 0, RECORDS).await;
    eventually("the broker halts", SOON, async || if target.broker(1).is_running() { Err("it runs") } else { Ok(()) })
        .await;

    let log = std::fs::read_to_string(target.broker(1).log_path()).unwrap();
    assert!(log.contains("File too large"), "it halted for another reason: {}", target.broker(1).log_path().display());
    write(&pair.source, "full-orders", 1, 100, 200).await;
    let read = || sum(worker.rest(), "portage_mirror_bytes_total", "full");
    let mut last = (0.0, 0);
    eventually("nothing more is read", SOON, async || {
        let (read, used) = (read().await, sum(worker.rest(), "portage_memory_used_bytes", "").await);
        assert!(used <= BUDGET as f64, "{used} bytes held");
        last = if (read - last.0).abs() < 1.0 { (read, last.1 + 1) } else { (read, 0) };
        if last.1 > 5 { Ok(()) } else { Err(format!("{read} bytes read")) }
    })
    .await;
    target.broker(1).kill();
    target.broker(1).give_room();
    target.broker(1).start().await;

    let all = [i64::try_from(RECORDS).unwrap(), 200];
    eventually("everything has arrived", SOON, async || {
        let ends = (end_offset(&target, "from.full-orders", 0).await, end_offset(&target, "from.full-orders", 1).await);
        if ends.0 >= all[0] && ends.1 >= all[1] { Ok(()) } else { Err(format!("{ends:?}")) }
    })
    .await;
    assert_eq!(target.end_offsets("from.full-orders").await, all, "nothing is there twice");
    runs(worker.rest(), "full").await;
    assert_eq!(task_starts(&worker), 1, "{}", worker.process().log_tail());
    let sent = pair.source.consume("full-orders").await;
    let arrived = target.consume("from.full-orders").await;
    crate::delivery::assert_same(&sent, &arrived);
}

#[tokio::test]
async fn a_controller_that_throttles_is_asked_again_when_it_says_so() {
    const TOPICS: usize = 20;
    let (source, target) = (&clusters().await.source, proxied_cluster().await);
    for topic in 0..TOPICS {
        source.create_topic(&format!("paced-{topic}"), 3).await;
        write(source, &format!("paced-{topic}"), 2, 0, 5).await;
    }
    // Four partitions a second, and what eleven seconds allow at once.
    let client = "from->target|paced|replication-target-admin";
    let servers = target.bootstrap();
    let quota = ["--alter", "--add-config", "controller_mutation_rate=4", "--entity-type", "clients", "--entity-name"];
    let arguments = [&["--bootstrap-server", &servers][..], &quota, &[client]].concat();
    tools::run(tools::CONFIGS, &arguments).await.expect_success();
    let asked = Arc::new(AtomicUsize::new(0));
    let counts = [ApiKey::CreateTopics, ApiKey::CreatePartitions].map(|api| {
        let asked = Arc::clone(&asked);
        target.broker(1).proxy().on_request(api as i16, move |frame| {
            asked.fetch_add(usize::from(frame.client_id == client), Ordering::Relaxed);
            Fate::Pass
        })
    });
    let worker = WorkerConfig::new(target, "paced").start(Runtime::Portage).await;
    let config = Config::mirror("from", source, target, "paced-.*")
        .with("target.cluster.bootstrap.servers", &target.bootstrap_at(Listener::Proxied));

    worker.rest().put_connector("paced", config.json()).await;

    let all_have = async |partitions: usize| {
        eventually(&format!("{TOPICS} topics have {partitions} partitions"), SOON, async || {
            let mut have = Vec::new();
            for topic in 0..TOPICS {
                let topic = target.try_topic(&format!("from.paced-{topic}")).await;
                have.push(topic.map_or(0, |topic| topic.partitions.len()));
            }
            if have.iter().all(|have| *have == partitions) { Ok(()) } else { Err(format!("{have:?}")) }
        })
        .await;
    };
    all_have(3).await;
    for topic in 0..TOPICS {
        source.grow_topic(&format!("paced-{topic}"), 4).await;
        write(source, &format!("paced-{topic}"), 3, 0, 5).await;
    }
    all_have(4).await;
    for topic in 0..TOPICS {
        let ends = eventually("all records have arrived", SOON, async || {
            let ends = target.end_offsets(&format!("from.paced-{topic}")).await;
            if ends.iter().sum::<i64>() >= 10 { Ok(ends) } else { Err(format!("paced-{topic}: {ends:?}")) }
        })
        .await;
        assert_eq!(ends, [0, 0, 5, 5]);
    }
    runs(worker.rest(), "paced").await;
    drop(counts);
    let asked = asked.load(Ordering::Relaxed);
    let log = worker.process().log();
    let complaints = log.lines().filter(|line| line.contains("connector=paced")).filter(|line| {
        line.contains(" ERROR ") || (line.contains(" WARN ") && !line.contains("INVALID_REPLICATION_FACTOR"))
    });
    let complaints: Vec<&str> = complaints.collect();
    println!("{} partitions at 4 a second: asked {asked} times, {} lines in the log", 4 * TOPICS, complaints.len());
    assert!(asked > 2, "nobody was throttled");
    assert!(asked < 60 && complaints.len() < 20, "asked {asked} times; {complaints:#?}");
    worker.rest().delete("/connectors/paced").await;
}

#[tokio::test]
async fn what_a_target_has_lost_is_sent_again_if_somebody_resets_the_offsets_of_that_topic() {
    let pair = clusters().await;
    let (source, target, name) = (&pair.source, &pair.target, "again");
    for topic in ["again-lost", "again-kept"] {
        source.create_topic(topic, 1).await;
        source.produce(topic, 0, &named("old", OLD)).await;
    }
    source.set_group_offsets("again-app", &[GroupOffset::new("again-lost", 0, 4)]).await;
    let worker = WorkerConfig::new(target, "again-workers").with("offset.flush.interval.ms", "200");
    let worker = worker.start(Runtime::Portage).await;
    let rest = worker.rest();
    start(&worker, source, name, &[]).await;
    for topic in ["again-lost", "again-kept"] {
        holds(name, topic, 0, &both(OLD, 0)).await;
    }
    target.delete_topic("again.again-lost").await;
    eventually("the topic is there again", SOON, async || {
        target.try_topic("again.again-lost").await.map(|_| ()).map_err(|error| error.to_string())
    })
    .await;
    source.produce("again-lost", 0, &named("new", 3)).await;
    says(&worker, name, "again-lost-0", "the target has lost what it held at offsets 0 to 9").await;
    holds(name, "again-lost", 0, &texts("new", 3)).await;

    // As the log says: stopped, its offset forgotten, resumed. What has come since the loss comes a second time.
    rest.put("/connectors/again/stop", &Value::Null).await.expect(204);
    all_in_state(rest, name, "STOPPED", 0).await;
    let partition = json!({"cluster": name, "topic": "again-lost", "partition": 0});
    let forget = json!({"offsets": [{"partition": partition, "offset": null}]});
    rest.patch("/connectors/again/offsets", &forget).await.expect(200);
    rest.put("/connectors/again/resume", &Value::Null).await.expect(202);

    let again = [texts("new", 3), both(OLD, 3)].concat();
    holds(name, "again-lost", 0, &again).await;
    holds(name, "again-kept", 0, &both(OLD, 0)).await;
    let checkpoints =
        Config::flow("Checkpoint", (name, source), ("target", target)).prompt().with("groups", "again-app");
    run(rest, "again-groups", &checkpoints).await;
    stands("again-app", "again.again-lost", 3 + 4).await;
}

/// Waits until a group of the target stands before this offset of partition 0.
async fn stands(group: &str, topic: &str, wanted: i64) {
    eventually(&format!("{group} stands at {wanted} of {topic}"), SOON, async || {
        match clusters().await.target.group_offset(group, topic, 0).await {
            Some(offset) if offset == wanted => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

#[tokio::test]
async fn groups_stand_before_the_same_record_although_somebody_else_writes_into_the_copy() {
    let pair = clusters().await;
    let (source, target, name) = (&pair.source, &pair.target, "foreign");
    source.create_topic("foreign-orders", 1).await;
    source.produce("foreign-orders", 0, &named("old", OLD)).await;
    for (group, offset) in [("foreign-early", 4), ("foreign-late", 12)] {
        source.set_group_offsets(group, &[GroupOffset::new("foreign-orders", 0, offset)]).await;
    }
    let worker = WorkerConfig::new(target, "foreign-workers").start(Runtime::Portage).await;
    start(&worker, source, name, &[]).await;
    holds(name, "foreign-orders", 0, &both(OLD, 0)).await;

    target.produce("foreign.foreign-orders", 0, &named("other", 3)).await;
    source.produce("foreign-orders", 0, &named("new", 5)).await;

    holds(name, "foreign-orders", 0, &[both(OLD, 0), texts("other", 3), texts("new", 5)].concat()).await;
    let groups = Config::flow("Checkpoint", (name, source), ("target", target)).prompt().with("groups", "foreign-.*");
    run(worker.rest(), "foreign-groups", &groups).await;
    stands("foreign-early", "foreign.foreign-orders", 4).await;
    stands("foreign-late", "foreign.foreign-orders", 3 + 12).await;
}
