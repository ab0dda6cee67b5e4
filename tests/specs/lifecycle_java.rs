//! A group that changes from our workers to Java's and back, on the same three storage topics.
//!
//! - A Java worker that starts after ours has stopped shows the same connectors, configs, task configs and offsets, runs
//!   them, and mirrors what was written meanwhile once.
//! - The same holds for one of ours that starts after Java's.
//! - Both store the position of a partition under the same key, byte for byte, in the same partition of the offsets topic.

use std::collections::{BTreeMap, BTreeSet};

use harness::{Rest, Runtime, WorkerConfig, clusters, eventually};
use serde_json::{Value, json};

use crate::lifecycle::{Config, Runs, SOON, arrive, end_offset, run, runs, shows, stored_offset, write};

/// What a group shows of its connectors that must not depend on who shows it. Statuses name the worker, and generations
/// of configs their topic ids: see the specs for those.
async fn shown(rest: &Rest, connectors: &[&str]) -> BTreeMap<String, Value> {
    let mut shown = BTreeMap::new();
    for path in ["/connectors?expand=info".to_owned(), "/connectors?expand=status".to_owned()].into_iter().chain(
        connectors.iter().flat_map(|name| {
            ["", "/config", "/tasks", "/status", "/offsets", "/topics"].map(|part| format!("/connectors/{name}{part}"))
        }),
    ) {
        let mut answer = rest.get(&path).await.expect(200);
        without_place_and_order(&mut answer);
        shown.insert(path, answer);
    }
    shown
}

/// Takes out which worker it is, and puts lists into an order: Java's come from sets.
fn without_place_and_order(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("worker_id");
            fields.values_mut().for_each(without_place_and_order);
            fields.sort_keys();
        }
        Value::Array(items) => {
            items.iter_mut().for_each(without_place_and_order);
            items.sort_by_key(Value::to_string);
        }
        _ => {}
    }
}

/// From one worker to the next, with records written before, between and after.
async fn handover(name: &str, from: Runtime, to: Runtime) {
    let pair = clusters().await;
    let topic = format!("{name}-orders");
    let (remote, offsets) = (format!("{name}.{topic}"), format!("{name}-offsets"));
    let beats = format!("{name}-beats");
    pair.source.create_topic(&topic, 2).await;
    for partition in [0, 1] {
        write(&pair.source, &topic, partition, 0, 100).await;
    }
    let group = WorkerConfig::new(&pair.target, name);
    let first = group.start(from).await;
    let mirror = Config::mirror(name, &pair.source, &pair.target, &format!("{name}-.*")).with("tasks.max", "2");
    run(first.rest(), name, &mirror).await;
    run(first.rest(), &beats, &Config::heartbeat(name, &pair.target)).await;
    arrive(&pair.target, &remote, 0, 100).await;
    arrive(&pair.target, &remote, 1, 100).await;
    let connectors = [name, &beats];
    for connector in connectors {
        let path = format!("/connectors/{connector}/offsets");
        shows(first.rest(), &path, "an offset", |shown| shown["offsets"] != json!([])).await;
    }
    eventually("all that is mirrored is stored", SOON, async || {
        match stored_offset(&pair.target, &offsets, name, &topic).await {
            Some(99) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let before = shown(first.rest(), &connectors).await;
    first.stop().await;
    for partition in [0, 1] {
        write(&pair.source, &topic, partition, 100, 150).await;
    }

    let second = group.start(to).await;
    for connector in connectors {
        runs(second.rest(), connector).await;
    }

    for partition in [0, 1] {
        let mirrored = arrive(&pair.target, &remote, partition, 150).await;
        assert_eq!(Runs::of(&mirrored), Runs::once(150), "partition {partition}");
    }
    let heartbeats = end_offset(&pair.target, "heartbeats", 0).await;
    eventually("hearts beat", SOON, async || match end_offset(&pair.target, "heartbeats", 0).await {
        more if more > heartbeats => Ok(()),
        same => Err(same.to_string()),
    })
    .await;
    eventually("the new position is stored", SOON, async || {
        match stored_offset(&pair.target, &offsets, name, &topic).await {
            Some(149) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let mut after = shown(second.rest(), &connectors).await;
    let path = format!("/connectors/{name}/offsets");
    let moved = [before[&path].clone(), after.remove(&path).unwrap()].map(|offsets| positions(&offsets));
    assert_eq!(moved, [positions_are(name, &topic, 99), positions_are(name, &topic, 149)]);
    let before: BTreeMap<_, _> = before.into_iter().filter(|(key, _)| *key != path).collect();
    assert_eq!(before, after);
    second.stop().await;

    // Nobody has a name of his own for the same thing, and nobody puts it elsewhere.
    let mut places: BTreeMap<String, BTreeSet<(Vec<u8>, i32)>> = BTreeMap::new();
    let mut writes = 0;
    for record in pair.target.consume(&offsets).await {
        let key = record.record.key.unwrap().to_vec();
        let (connector, partition): (String, BTreeMap<String, Value>) = serde_json::from_slice(&key).unwrap();
        places.entry(format!("{connector} {partition:?}")).or_default().insert((key, record.partition));
        writes += 1;
    }
    assert_eq!(places.len(), 3, "two partitions and a heart: {places:?}");
    assert!(places.values().all(|keys| keys.len() == 1), "{places:?}");
    assert!(writes >= 6, "both have written: {writes}");
}

/// Partition and offset of what `/offsets` shows. Ours stores more beside the offset, which Java does not know.
fn positions(offsets: &Value) -> Vec<(Value, Value)> {
    let offsets = offsets["offsets"].as_array().unwrap();
    let mut positions: Vec<_> =
        offsets.iter().map(|entry| (entry["partition"].clone(), entry["offset"]["offset"].clone())).collect();
    positions.sort_by_key(|(partition, _)| partition.to_string());
    positions
}

fn positions_are(name: &str, topic: &str, offset: i64) -> Vec<(Value, Value)> {
    let partition = |partition: i32| json!({"cluster": name, "partition": partition, "topic": topic});
    [0, 1].map(|number| (partition(number), json!(offset))).into()
}

#[tokio::test]
async fn java_goes_on_where_portage_has_stopped() {
    handover("to-java", Runtime::Portage, Runtime::Java).await;
}

#[tokio::test]
async fn portage_goes_on_where_java_has_stopped() {
    handover("from-java", Runtime::Java, Runtime::Portage).await;
}
