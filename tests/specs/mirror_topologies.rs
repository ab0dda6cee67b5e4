//! More than one flow between clusters.
//!
//! - Active/active with the default policy: each side gets the other's topics under its alias, and nothing comes back.
//! - Fan-in and fan-out over three clusters: each target gets what it asks for from each source, under the source's alias, and
//!   the heartbeats of a flow say on the next cluster which way they came. Offset syncs are kept on the source if that is
//!   wanted, and groups are translated by them.
//! - Over two hops a topic carries both aliases, and so does the topic of heartbeats: it tells the path.
//! - With the identity policy in both directions, a topic that has come from a cluster is not mirrored back to it, which the
//!   status says; also if both flows start at the same moment: one of them gives way, and the topic stops growing.

use std::collections::BTreeSet;
use std::time::Duration;

use harness::{GroupOffset, KafkaCluster, Record, Runtime, Worker, WorkerConfig, clusters, eventually, lab};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::delivery::{named, texts, worker};
use crate::lifecycle::Config;

const SOON: Duration = Duration::from_secs(60);

/// The worker beside the source cluster, for flows back.
async fn worker_at_source() -> &'static Worker {
    static WORKER: OnceCell<Worker> = OnceCell::const_new();
    WORKER
        .get_or_init(async || WorkerConfig::new(&clusters().await.source, "topologies").start(Runtime::Portage).await)
        .await
}

/// A flow from the cluster `from` to the one beside the worker.
async fn flow(worker: &Worker, from: (&str, &KafkaCluster), to: (&str, &KafkaCluster), settings: &[(&str, &str)]) {
    let mut config = Config::flow("Source", from, to).with("refresh.topics.interval.seconds", "1");
    for (key, value) in settings {
        config = config.with(key, value);
    }
    worker.rest().put_connector(&name(from.0, to.0), config.json()).await;
}

fn name(from: &str, to: &str) -> String {
    format!("{from}-to-{to}")
}

async fn runs(worker: &Worker, from: &str, to: &str) {
    let name = name(from, to);
    eventually(&format!("{name} runs"), SOON, async || worker.rest().connector_runs(&name).await).await;
}

async fn holds(cluster: &KafkaCluster, topic: &str, wanted: &[&str]) {
    eventually(&format!("{topic} of {} holds {wanted:?}", cluster.name()), SOON, async || {
        cluster.try_topic(topic).await.map_err(|error| error.to_string())?;
        let read = texts(&cluster.consume(topic).await);
        if read == wanted { Ok(()) } else { Err(format!("{read:?}")) }
    })
    .await;
}

/// The topics of a cluster with this word in their names.
async fn topics_with(cluster: &KafkaCluster, word: &str) -> BTreeSet<String> {
    cluster.topics().await.into_iter().filter(|topic| topic.contains(word)).collect()
}

#[tokio::test]
async fn active_active_brings_nothing_back() {
    let pair = clusters().await;
    let (east, west) = (("aa-east", &pair.source), ("aa-west", &pair.target));
    for (cluster, text) in [(east.1, "from east"), (west.1, "from west")] {
        cluster.create_topic("aa-orders", 1).await;
        cluster.produce("aa-orders", 0, &[Record::value(text)]).await;
    }
    let (there, back) = (worker().await, worker_at_source().await);
    let topics = [("topics", ".*aa-orders")];

    flow(there, east, west, &topics).await;
    flow(back, west, east, &topics).await;

    holds(west.1, "aa-east.aa-orders", &["from east"]).await;
    holds(east.1, "aa-west.aa-orders", &["from west"]).await;
    // Both have looked again since: a topic that came later is there.
    for cluster in [east.1, west.1] {
        cluster.create_topic("more-aa-orders", 1).await;
        cluster.produce("more-aa-orders", 0, &[Record::value("more")]).await;
    }
    holds(west.1, "aa-east.more-aa-orders", &["more"]).await;
    holds(east.1, "aa-west.more-aa-orders", &["more"]).await;
    for (cluster, other) in [(west.1, "aa-east"), (east.1, "aa-west")] {
        let wanted = ["aa-orders", "more-aa-orders"].map(|topic| [topic.to_owned(), format!("{other}.{topic}")]);
        assert_eq!(topics_with(cluster, "aa-orders").await, wanted.into_iter().flatten().collect());
    }
    holds(west.1, "aa-east.aa-orders", &["from east"]).await;
}

#[tokio::test]
async fn three_clusters_fan_in_and_out_and_heartbeats_tell_the_path() {
    let (pair, lab) = (clusters().await, lab().await);
    let third = lab.cluster("third").start().await;
    let (a, b, c) = (("tri-a", &pair.source), ("tri-b", &pair.target), ("tri-c", &third));
    for (alias, cluster) in [a, b] {
        cluster.create_topic("tri-orders", 1).await;
        cluster.produce("tri-orders", 0, &named(alias, 3)).await;
    }
    let at_c = WorkerConfig::new(&third, "tri").with("offset.flush.interval.ms", "300").start(Runtime::Portage).await;
    let at_b = worker().await;
    let heartbeat = Config::flow("Heartbeat", a, b);
    at_b.rest().put_connector("tri-heartbeat", heartbeat.json()).await;
    let at_source = ("offset-syncs.topic.location", "source");

    let orders = ("topics", "tri-orders");
    let hops = ("topics", r"tri-orders|tri-a\.tri-orders");
    flow(at_b, a, b, &[orders]).await;
    flow(&at_c, a, c, &[orders, at_source]).await;
    flow(&at_c, b, c, &[hops, ("heartbeats.replication.enabled", "true")]).await;

    let [of_a, of_b] = [a.0, b.0].map(|alias| [0, 1, 2].map(|number| format!("{alias}{number}")));
    for (cluster, topic, wanted) in [
        (b.1, "tri-a.tri-orders", &of_a),
        (c.1, "tri-a.tri-orders", &of_a),
        (c.1, "tri-b.tri-orders", &of_b),
        (c.1, "tri-b.tri-a.tri-orders", &of_a),
    ] {
        holds(cluster, topic, &wanted.each_ref().map(String::as_str)).await;
    }
    eventually("the heartbeat of a->b has come to c by b", SOON, async || {
        c.1.try_topic("tri-b.heartbeats").await.map_err(|error| error.to_string())?;
        let beats = c.1.consume("tri-b.heartbeats").await;
        let ours = |key: &[u8]| key == b"\x00\x05tri-a\x00\x05tri-b";
        if beats.iter().any(|beat| beat.record.key.as_deref().is_some_and(ours)) {
            Ok(())
        } else {
            Err(format!("{} beats", beats.len()))
        }
    })
    .await;

    let syncs = "mm2-offset-syncs.tri-c.internal";
    assert!(a.1.topics().await.contains(&syncs.to_owned()));
    let internal: Vec<String> =
        topics_with(c.1, "offset-syncs").await.into_iter().filter(|topic| topic.contains("tri-a")).collect();
    assert!(internal.is_empty(), "{internal:?}");
    a.1.set_group_offsets("tri-group", &[GroupOffset::new("tri-orders", 0, 3)]).await;
    let checkpoint = Config::flow("Checkpoint", a, c)
        .prompt()
        .with("groups", "tri-group")
        .with("topics", "tri-orders")
        .with("offset-syncs.topic.location", "source")
        .with("portage.offset.translation", "mm2");
    at_c.rest().put_connector("tri-checkpoint", checkpoint.json()).await;
    eventually("the group is translated by the syncs on the source", SOON, async || {
        match c.1.group_offset("tri-group", "tri-a.tri-orders", 0).await {
            Some(3) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

#[tokio::test]
async fn over_two_hops_names_and_heartbeats_tell_the_path() {
    let pair = clusters().await;
    // The cluster at the end of the path is the one at its beginning, under another name.
    let (first, second, third) = (("hop-a", &pair.source), ("hop-b", &pair.target), ("hop-c", &pair.source));
    first.1.create_topic("hop-orders", 1).await;
    first.1.produce("hop-orders", 0, &[Record::value("far")]).await;
    let arguments = json!({"topic": "heartbeats", "partitions": 1, "replicationFactor": 1});
    if let Err(error) = first.1.try_call("topic.create", arguments).await {
        assert!(error.is("TopicExistsException"), "{error}");
    }
    first.1.produce("heartbeats", 0, &[Record::new("hop", "beats")]).await;
    let (there, back) = (worker().await, worker_at_source().await);

    flow(there, first, second, &[("topics", "hop-orders,heartbeats")]).await;
    flow(back, second, third, &[("topics", r"hop-a\..*")]).await;

    holds(third.1, "hop-b.hop-a.hop-orders", &["far"]).await;
    eventually("the heartbeat has come the whole way", SOON, async || {
        third.1.try_topic("hop-b.hop-a.heartbeats").await.map_err(|error| error.to_string())?;
        let beats = third.1.consume("hop-b.hop-a.heartbeats").await;
        let ours = beats.iter().any(|beat| beat.record.key.as_deref() == Some(b"hop"));
        if ours { Ok(()) } else { Err(format!("{beats:?}")) }
    })
    .await;
}

const IDENTITY: (&str, &str) =
    ("replication.policy.class", "org.apache.kafka.connect.mirror.IdentityReplicationPolicy");

/// Waits until a connector has no task, and says why.
async fn has_given_way(worker: &Worker, connector: &str, topic: &str) {
    let rest = worker.rest();
    eventually(&format!("{connector} has given way"), SOON, async || {
        // Before it has started, there is none.
        let status = rest.get(&format!("/connectors/{connector}/status")).await.json();
        let said = status["connector"]["trace"].as_str().unwrap_or_default();
        let named = said.contains(&format!("topic {topic}: is mirrored from")) && said.contains("not mirrored back");
        let tasks = status["tasks"].as_array().map(Vec::len);
        if named && tasks == Some(0) { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn what_came_from_a_cluster_under_its_own_name_does_not_go_back() {
    let pair = clusters().await;
    let (a, b) = (("id-a", &pair.source), ("id-b", &pair.target));
    let topic = "id-orders";
    a.1.create_topic(topic, 1).await;
    a.1.produce(topic, 0, &named("v", 2)).await;
    let (there, back) = (worker().await, worker_at_source().await);
    let settings = [("topics", topic), IDENTITY];
    flow(there, a, b, &settings).await;
    runs(there, a.0, b.0).await;
    holds(b.1, topic, &["v0", "v1"]).await;
    let runs_topic = "portage-offset-runs.id-a.internal";
    eventually("the runs are written", SOON, async || match b.1.consume(runs_topic).await.len() {
        0 => Err("none"),
        _ => Ok(()),
    })
    .await;

    flow(back, b, a, &settings).await;

    has_given_way(back, &name(b.0, a.0), topic).await;
    a.1.produce(topic, 0, &[Record::value("new")]).await;
    holds(b.1, topic, &["v0", "v1", "new"]).await;
    holds(a.1, topic, &["v0", "v1", "new"]).await;
}

#[tokio::test]
async fn of_two_flows_that_keep_names_and_start_together_one_gives_way() {
    let pair = clusters().await;
    let (a, b) = (("race-a", &pair.source), ("race-b", &pair.target));
    let topic = "race-orders";
    for cluster in [a.1, b.1] {
        cluster.create_topic(topic, 1).await;
        cluster.produce(topic, 0, &named("v", 1)).await;
    }
    let (there, back) = (worker().await, worker_at_source().await);
    let settings = [("topics", topic), IDENTITY];

    tokio::join!(flow(there, a, b, &settings), flow(back, b, a, &settings));

    has_given_way(back, &name(b.0, a.0), topic).await;
    runs(there, a.0, b.0).await;
    let before = a.1.end_offsets(topic).await[0];
    a.1.produce(topic, 0, &[Record::value("last")]).await;
    eventually("the last record arrives", SOON, async || {
        let read = texts(&b.1.consume(topic).await);
        if read.last().is_some_and(|last| last == "last") { Ok(()) } else { Err(format!("{} records", read.len())) }
    })
    .await;
    assert_eq!(a.1.end_offsets(topic).await, [before + 1]);
    let tasks: Value = back.rest().get(&format!("/connectors/{}/tasks", name(b.0, a.0))).await.expect(200);
    assert_eq!(tasks, json!([]));
}
