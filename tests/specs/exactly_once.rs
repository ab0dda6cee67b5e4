//! Exactly-once source support (KIP-618).
//!
//! - A worker that is killed again and again while records keep coming leaves every record on the target once, for readers
//!   of committed records.
//! - A worker that was frozen while another took its work over writes nothing more when it wakes up.
//! - A Java worker goes on where ours has stopped, in the same transactions' ids and offsets, and ours where Java's has.
//! - Batches cross transactions as they are: one batch stays one batch, in its codec.
//! - Source and target that die and come back together are ridden out: nobody has to restart anything, and every record is there
//!   once.
//! - A batch too large for its target topic is written in parts, each record once; a connector may have its own offsets
//!   topic.
//! - Offsets of a stopped connector are shown, changed and forgotten in its own topic, in a transaction; what it reads
//!   then is read again, in transactions of an interval. While a group prepares for it, leaders write in transactions and tasks do not.

use std::collections::BTreeSet;

use harness::{KafkaCluster, Record, Runtime, Signal, Worker, WorkerConfig, clusters, eventually, lab};

use serde_json::{Value, json};

use crate::lifecycle::{
    Config, Runs, SOON, Stream, all_in_state, numbers, run, runs, shows, stop, stored_offset, texts, write,
};

fn group(target: &KafkaCluster, name: &str) -> WorkerConfig {
    WorkerConfig::new(target, name)
        .with("exactly.once.source.support", "enabled")
        .with("session.timeout.ms", "3000")
        .with("heartbeat.interval.ms", "500")
}

async fn mirror(name: &str, partitions: u32) -> Config {
    let pair = clusters().await;
    pair.source.create_topic(name, partitions).await;
    Config::mirror(name, &pair.source, &pair.target, name)
        .with("exactly.once.support", "required")
        .with("source.consumer.isolation.level", "read_committed")
        .with("emit.offset-syncs.enabled", "true")
        .with("offset-syncs.topic.replication.factor", "1")
}

/// What readers of committed records see of partition 0 of what mirror `name` has written, once it is `count` records.
async fn committed(name: &str, count: usize) -> Vec<String> {
    let target = &clusters().await.target;
    let remote = format!("{name}.{name}");
    eventually(&format!("{count} records are committed in {remote}"), SOON, async || {
        target.try_topic(&remote).await.map_err(|error| error.to_string())?;
        let values = texts(&target.read(&remote).partition(0).all().await);
        if values.len() >= count { Ok(values) } else { Err(format!("{} are", values.len())) }
    })
    .await
}

#[tokio::test]
async fn a_worker_killed_again_and_again_mirrors_every_record_once() {
    let (pair, name) = (clusters().await, "exact-killed");
    let group = group(&pair.target, name);
    let config = mirror(name, 1).await;
    let stream = Stream::start(&pair.source, name).await;
    let mut worker = group.start(Runtime::Portage).await;
    run(worker.rest(), name, &config).await;

    let mut seen = 0;
    for _ in 0..3 {
        seen = committed(name, seen + 100).await.len();
        worker.process().kill();
        worker = group.start(Runtime::Portage).await;
        runs(worker.rest(), name).await;
    }
    committed(name, seen + 100).await;
    let written = stream.stop().await;

    assert_eq!(Runs::of(&committed(name, written).await), Runs::once(written));
    stop(&worker).await;
}

#[tokio::test]
async fn a_worker_that_was_frozen_writes_nothing_more_when_it_wakes_up() {
    let (pair, name) = (clusters().await, "exact-zombie");
    let group = group(&pair.target, name);
    let workers: [Worker; 2] = [group.start(Runtime::Portage).await, group.start(Runtime::Portage).await];
    let config = mirror(name, 1).await;
    let stream = Stream::start(&pair.source, name).await;
    run(workers[0].rest(), name, &config).await;
    let seen = committed(name, 100).await.len();
    let path = format!("/connectors/{name}/status");
    let task_of = |status: &Value| status["tasks"][0]["worker_id"].as_str().unwrap_or_default().to_owned();
    let status = shows(workers[0].rest(), &path, "its task", |status| !task_of(status).is_empty()).await;
    let id = |worker: &Worker| worker.rest().url().replace("http://", "");
    let (zombie, heir) = match id(&workers[0]) == task_of(&status) {
        true => (&workers[0], &workers[1]),
        false => (&workers[1], &workers[0]),
    };

    zombie.process().signal(Signal::Stop);
    shows(heir.rest(), &path, "the heir", |status| task_of(status) == id(heir)).await;
    runs(heir.rest(), name).await;
    let seen = committed(name, seen + 100).await.len();
    zombie.process().signal(Signal::Cont);
    runs(zombie.rest(), name).await;
    committed(name, seen + 100).await;
    let written = stream.stop().await;

    assert_eq!(Runs::of(&committed(name, written).await), Runs::once(written));
}

#[tokio::test]
async fn clusters_that_die_together_are_ridden_out() {
    let lab = lab().await;
    let (source, target) = tokio::join!(lab.cluster("both-a").start(), lab.cluster("both-b").start());
    source.create_topic("orders", 1).await;
    let worker = group(&target, "both").with("session.timeout.ms", "60000").start(Runtime::Portage).await;
    let config = Config::mirror("a", &source, &target, "orders")
        .with("exactly.once.support", "required")
        .with("source.consumer.isolation.level", "read_committed");
    run(worker.rest(), "both", &config).await;
    let stream = Stream::start(&source, "orders").await;
    let arrives = async |count: usize| {
        eventually(&format!("{count} records are committed"), SOON, async || {
            target.try_topic("a.orders").await.map_err(|error| error.to_string())?;
            let values = texts(&target.read("a.orders").partition(0).all().await);
            if values.len() >= count { Ok(values) } else { Err(format!("{} are", values.len())) }
        })
        .await
    };
    let seen = arrives(100).await.len();

    for cluster in [&source, &target] {
        cluster.broker(1).kill();
    }
    tokio::join!(source.broker(1).start(), target.broker(1).start());

    arrives(seen + 100).await;
    let written = stream.stop().await;
    assert_eq!(Runs::of(&arrives(written).await), Runs::once(written));
    runs(worker.rest(), "both").await;
}

#[tokio::test]
async fn java_and_portage_go_on_in_each_other_s_transactions() {
    let (pair, name) = (clusters().await, "exact-java");
    let group = group(&pair.target, name);
    let config = mirror(name, 1).await;
    let mut written = 0;
    let mut created = false;
    for runtime in [Runtime::Portage, Runtime::Java, Runtime::Portage] {
        write(&pair.source, name, 0, written, written + 50).await;
        written += 50;
        let worker = group.start(runtime).await;
        if !std::mem::replace(&mut created, true) {
            worker.rest().put_connector(name, config.json()).await;
        }
        runs(worker.rest(), name).await;

        assert_eq!(Runs::of(&committed(name, written).await), Runs::once(written), "{runtime:?}");
        // Killed, not stopped: whoever comes next has to take over.
        worker.process().kill();
    }
    let offset = stored_offset(&pair.target, &format!("{name}-offsets"), name, name).await;
    assert_eq!(offset, Some(i64::try_from(written).unwrap() - 1));
}

#[tokio::test]
async fn batches_cross_transactions_as_they_are_and_too_large_ones_in_parts() {
    let (pair, name) = (clusters().await, "exact-batches");
    let (remote, own) = (format!("{name}.{name}"), format!("{name}-own"));
    pair.target.create_topic_with(&remote, 1, &[("max.message.bytes", "6000")]).await;
    let config = mirror(name, 1).await.with("offsets.storage.topic", &own);
    let worker = group(&pair.target, name).start(Runtime::Portage).await;
    let small: Vec<Record> = (0..50).map(|number: usize| Record::value(number.to_string())).collect();
    pair.source.producer().codec("zstd").open().await.send(name, 0, &small).await;
    let large: Vec<Record> = (50..60).map(|number: usize| Record::value(format!("{number:01000}"))).collect();
    pair.source.produce(name, 0, &large).await;

    run(worker.rest(), name, &config).await;

    assert_eq!(Runs::of(&committed(name, 60).await), Runs::once(60));
    let batches = pair.target.batches(&remote, 0).await;
    let passed = batches.iter().find(|batch| batch.count == 50).expect("one batch stays one batch");
    assert_eq!((passed.codec.as_str(), passed.transactional), ("zstd", true));
    for topic in [own.clone(), format!("{name}-offsets")] {
        eventually(&format!("{topic} has the offset"), SOON, async || {
            match stored_offset(&pair.target, &topic, name, name).await {
                Some(59) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }
    stop(&worker).await;
}

#[tokio::test]
async fn offsets_are_changed_in_the_connector_s_own_topic_in_a_transaction() {
    let (pair, name) = (clusters().await, "exact-offsets");
    let own = format!("{name}-own");
    let config = mirror(name, 1)
        .await
        .with("offsets.storage.topic", &own)
        .with("transaction.boundary", "interval")
        .with("transaction.boundary.interval.ms", "300");
    let worker = group(&pair.target, name).start(Runtime::Portage).await;
    let rest = worker.rest();
    write(&pair.source, name, 0, 0, 10).await;
    run(rest, name, &config).await;
    committed(name, 10).await;
    let path = format!("/connectors/{name}/offsets");
    let offset = |shown: &Value| shown["offsets"][0]["offset"]["offset"].as_i64();
    shows(rest, &path, "the end", |shown| offset(shown) == Some(9)).await;
    // What only the worker's topic says does not count.
    assert_eq!(stored_offset(&pair.target, &own, name, name).await, Some(9));

    let halt = async || {
        rest.put(&format!("/connectors/{name}/stop"), &json!({})).await.expect(204);
        all_in_state(rest, name, "STOPPED", 0).await;
    };
    let resume = async || {
        rest.put(&format!("/connectors/{name}/resume"), &json!({})).await.expect(202);
        runs(rest, name).await;
    };
    halt().await;
    let entry = json!({"partition": {"cluster": name, "topic": name, "partition": 0}, "offset": {"offset": 4}});
    rest.patch(&path, &json!({"offsets": [entry]})).await.expect(200);
    shows(rest, &path, "4", |shown| offset(shown) == Some(4)).await;
    assert_eq!(stored_offset(&pair.target, &own, name, name).await, Some(4));
    let mut batches = Vec::new();
    for partition in 0..i32::try_from(pair.target.topic(&own).await.partitions.len()).unwrap() {
        batches.extend(pair.target.batches(&own, partition).await);
    }
    assert!(!batches.is_empty() && batches.iter().all(|batch| batch.transactional), "{batches:?}");
    resume().await;
    assert_eq!(committed(name, 15).await[10..], numbers(5, 10));

    halt().await;
    rest.delete(&path).await.expect(200);
    shows(rest, &path, "nothing", |shown| shown["offsets"] == json!([])).await;
    resume().await;
    assert_eq!(committed(name, 25).await[15..], numbers(0, 10));
    stop(&worker).await;
}

#[tokio::test]
async fn while_a_group_prepares_its_leader_writes_in_transactions_and_its_tasks_do_not() {
    let (pair, name) = (clusters().await, "exact-preparing");
    let config = mirror(name, 1).await.with("exactly.once.support", "requested");
    let group = group(&pair.target, name).with("exactly.once.source.support", "preparing");
    let worker = group.start(Runtime::Portage).await;
    write(&pair.source, name, 0, 0, 10).await;

    run(worker.rest(), name, &config).await;

    assert_eq!(committed(name, 10).await, numbers(0, 10));
    let transactional = async |topic: &str| {
        let batches = pair.target.batches(topic, 0).await;
        batches.iter().map(|batch| batch.transactional).collect::<BTreeSet<_>>()
    };
    assert!(transactional(&format!("{name}-configs")).await.contains(&true));
    assert_eq!(transactional(&format!("{name}.{name}")).await, BTreeSet::from([false]));
    stop(&worker).await;
}
