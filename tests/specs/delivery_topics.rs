//! Which topics are mirrored, what they are called and how they look on the target; and heartbeats.
//!
//! - By default a topic is called `<alias><separator><topic>` on the target; with `IdentityReplicationPolicy` as it is. Keys that
//!   Kafka 4 has removed are accepted with a warning.
//! - `topics` and `topics.exclude` are lists of names and Java patterns, look-arounds included, that match whole names.
//! - Topics of Kafka and MirrorMaker are never mirrored, nor what came from the target, over however many hops.
//! - Topics and partitions that come later are found by the refresh and mirrored from their first record.
//! - A topic is created with the partitions of its source and the settings made there, but for the excluded ones.
//! - The source's heartbeats arrive as `<alias>.heartbeats`, with either policy and whatever `topics` says.
//! - Partitions are dealt out to `tasks.max` tasks in turn.
//! - MirrorHeartbeat writes what Java's formatter reads, byte for byte.

use std::collections::BTreeSet;

use harness::{Properties, Record, clusters, eventually, tools};
use serde_json::json;

use crate::delivery::{ARRIVES, Flow, arrive, named, worker};

const IDENTITY: &str = "org.apache.kafka.connect.mirror.IdentityReplicationPolicy";

/// The topics of the target whose names begin so.
async fn on_target(prefix: &str) -> BTreeSet<String> {
    let topics = clusters().await.target.topics().await;
    topics.into_iter().filter(|topic| topic.starts_with(prefix)).collect()
}

fn names<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

#[tokio::test]
async fn topics_are_called_as_the_policy_says() {
    let pair = clusters().await;
    let topic = "topics-named";
    pair.source.create_topic(topic, 1).await;
    pair.source.produce(topic, 0, &named("v", 3)).await;
    let identity = Flow::new("topics-identity", topic).await.with("replication.policy.class", IDENTITY);
    let separated = Flow::new("topics-separated", topic).await.with("replication.policy.separator", "__");
    // Of a file that has been handed down since Kafka 2.
    let default = Flow::new("topics-default", topic).await.with("add.source.alias.to.metrics", "true");

    tokio::join!(identity.start(), separated.start(), default.start());

    let sent = pair.source.consume(topic).await;
    for remote in [topic, "topics-separated__topics-named", "topics-default.topics-named"] {
        arrive(&sent, remote).await;
    }
    let log = worker().await.process().log();
    assert!(log.contains("add.source.alias.to.metrics was removed in Kafka 4.0 and has no effect"));
}

#[tokio::test]
async fn only_topics_that_the_patterns_mean_are_mirrored() {
    let pair = clusters().await;
    let wanted = ["pick-a1", "pick-a22", "pick-listed", "pick-look-public"];
    let others =
        ["pick-a", "pick-a3-skip", "pick-listed-not", "xpick-a1", "pick-look-secret", "pick-look-secrets", "pick-b1"];
    for topic in wanted.iter().chain(&others) {
        pair.source.create_topic(topic, 1).await;
        pair.source.produce(topic, 0, &named("v", 1)).await;
    }
    let flow =
        Flow::new("topics-picked", r"pick-a\d+.*, pick-listed ,pick-look-(?!secret).*,(?:pick-b[\d&&[^1]]+)").await;
    let flow = flow.with("topics.exclude", r".*(?<=-)skip,pick-a\p{Digit}++x");

    flow.start().await;

    for topic in wanted {
        flow.arrives(topic).await;
    }
    let remote = wanted.map(|topic| flow.remote(topic));
    assert_eq!(on_target("topics-picked.").await, names(remote.each_ref().map(String::as_str)));
}

#[tokio::test]
async fn internal_topics_and_what_came_from_the_target_are_not_mirrored() {
    let pair = clusters().await;
    let other = [
        "back.cycle",
        "far.back.cycle",
        "mm2-offset-syncs.cycle.internal",
        "cycle.checkpoints.internal",
        "__cycle",
        ".cycle",
    ];
    let wanted = ["cycle", "elsewhere.cycle", "backward.cycle", "cycle-internal"];
    for topic in wanted.iter().chain(&other) {
        pair.source.create_topic(topic, 1).await;
        pair.source.produce(topic, 0, &named("v", 1)).await;
    }
    let flow = Flow::new("topics-cycle", r".*cycle|.*cycle.*internal").await;
    let flow = flow.with("target.cluster.alias", "back").with("topics.exclude", "nothing");

    flow.start().await;

    for topic in wanted {
        flow.arrives(topic).await;
    }
    let remote = wanted.map(|topic| flow.remote(topic));
    assert_eq!(on_target("topics-cycle.").await, names(remote.each_ref().map(String::as_str)));
}

#[tokio::test]
async fn later_topics_and_partitions_are_mirrored_from_their_first_record() {
    let pair = clusters().await;
    let (first, later) = ("later-first", "later-second");
    pair.source.create_topic(first, 1).await;
    pair.source.produce(first, 0, &named("early", 3)).await;
    let flow = Flow::new("topics-later", "later-.*").await.with("refresh.topics.interval.seconds", "1");
    let flow = flow.with("tasks.max", "2");
    flow.start().await;
    flow.arrives(first).await;

    pair.source.create_topic(later, 2).await;
    pair.source.produce(later, 1, &named("new topic", 3)).await;
    pair.source.grow_topic(first, 3).await;
    for partition in 0..3 {
        pair.source.produce(first, partition, &named("new partition", 2)).await;
    }

    flow.arrives(later).await;
    flow.arrives(first).await;
    assert_eq!(pair.target.topic(&flow.remote(first)).await.partitions.len(), 3);
    assert_eq!(pair.target.topic(&flow.remote(later)).await.partitions.len(), 2);
}

#[tokio::test]
async fn a_topic_is_created_with_the_partitions_and_settings_of_its_source() {
    let pair = clusters().await;
    let (default, excluded) = ("settings-default", "settings-excluded");
    let configs = [
        ("cleanup.policy", "compact,delete"),
        ("retention.ms", "123456789012"),
        ("max.message.bytes", "2000000"),
        ("min.insync.replicas", "1"),
        ("message.timestamp.type", "CreateTime"),
        ("unclean.leader.election.enable", "true"),
    ];
    pair.source.create_topic_with(default, 4, &configs).await;
    pair.source.create_topic_with(excluded, 1, &configs).await;
    let flow = Flow::new("topics-settings", default).await;
    let other = Flow::new("topics-settings-excluded", excluded).await;
    let other = other.with("config.properties.exclude", r"retention\..*,max.message.bytes");

    tokio::join!(flow.start(), other.start());

    let settings = |names: &[&str]| {
        let own = configs.iter().filter(|(name, _)| names.contains(name));
        own.map(|&(name, value)| (name.to_owned(), value.to_owned())).collect::<Properties>()
    };
    let (remote, other_remote) = (flow.remote(default), other.remote(excluded));
    assert_eq!(pair.target.topic(&remote).await.partitions.len(), 4);
    let copied = settings(&["cleanup.policy", "retention.ms", "max.message.bytes"]);
    assert_eq!(pair.target.topic_config(&remote).await, copied);
    let copied = settings(&[
        "cleanup.policy",
        "message.timestamp.type",
        "min.insync.replicas",
        "unclean.leader.election.enable",
    ]);
    assert_eq!(pair.target.topic_config(&other_remote).await, copied);
}

#[tokio::test]
async fn the_heartbeats_of_the_source_arrive_under_its_alias() {
    let pair = clusters().await;
    let topic = "heartbeats";
    // Other specs may have made it.
    let arguments = json!({"topic": topic, "partitions": 1, "replicationFactor": 1});
    if let Err(error) = pair.source.try_call("topic.create", arguments).await {
        assert!(error.is("TopicExistsException"), "{error}");
    }
    pair.source.produce(topic, 0, &[Record::new("who", "beats")]).await;
    let heartbeats = "heartbeats.replication.enabled";
    let default = Flow::new("beats-default", "nothing-else").await.with(heartbeats, "true");
    let identity = Flow::new("beats-identity", "nothing-else").await.with(heartbeats, "true");
    let identity = identity.with("replication.policy.class", IDENTITY);

    tokio::join!(default.start(), identity.start());

    let sent = pair.source.consume(topic).await;
    arrive(&sent, "beats-default.heartbeats").await;
    arrive(&sent, "beats-identity.heartbeats").await;
}

#[tokio::test]
async fn partitions_are_dealt_out_to_the_tasks_in_turn() {
    let pair = clusters().await;
    for (topic, partitions) in [("dealt-a", 2), ("dealt-b", 3)] {
        pair.source.create_topic(topic, partitions).await;
        for partition in (0..).take(partitions as usize) {
            pair.source.produce(topic, partition, &named("v", 2)).await;
        }
    }
    let three = Flow::new("topics-dealt", "dealt-.*").await.with("tasks.max", "3");
    let many = Flow::new("topics-dealt-many", "dealt-.*").await.with("tasks.max", "20");

    tokio::join!(three.start(), many.start());

    assert_eq!(three.shares().await, ["dealt-a-0,dealt-b-1", "dealt-a-1,dealt-b-2", "dealt-b-0"]);
    assert_eq!(many.shares().await, ["dealt-a-0", "dealt-a-1", "dealt-b-0", "dealt-b-1", "dealt-b-2"]);
    for flow in [&three, &many] {
        flow.arrives("dealt-a").await;
        flow.arrives("dealt-b").await;
    }
}

/// The key of `Heartbeat("us-west", "us-east")`, as Java's `Heartbeat.serializeKey` writes it: each text behind its length.
const KEY: &[u8] = b"\x00\x07us-west\x00\x07us-east";

#[tokio::test]
async fn heartbeats_are_what_java_writes_and_reads() {
    let pair = clusters().await;
    let config = json!({
        "connector.class": "org.apache.kafka.connect.mirror.MirrorHeartbeatConnector",
        "source.cluster.alias": "us-west",
        "target.cluster.alias": "us-east",
        "source.cluster.bootstrap.servers": pair.source.bootstrap(),
        "target.cluster.bootstrap.servers": pair.target.bootstrap(),
        "heartbeats.topic.replication.factor": "1",
        "emit.heartbeats.interval.seconds": "1",
        "tasks.max": "4",
    });
    let worker = worker().await;

    worker.rest().put_connector("heart", &config).await;

    let beats = eventually("there are two heartbeats", ARRIVES, async || {
        pair.target.try_topic("heartbeats").await.map_err(|error| error.to_string())?;
        let mut beats = pair.target.consume("heartbeats").await;
        beats.retain(|beat| beat.record.key.as_deref() == Some(KEY));
        if beats.len() < 2 { Err(format!("{beats:?}")) } else { Ok(beats) }
    })
    .await;
    for beat in &beats {
        // Version 0, and the time, which is also the record's.
        let at = beat.record.timestamp_ms.unwrap();
        assert_eq!(beat.record.value.as_deref(), Some(&[&[0, 0], &at.to_be_bytes()[..]].concat()[..]));
        assert!(beat.record.headers.is_empty() && beat.partition == 0);
    }
    assert!(beats[0].record.timestamp_ms < beats[1].record.timestamp_ms);
    assert_eq!(worker.rest().connector_runs("heart").await.unwrap()["tasks"].as_array().map(Vec::len), Some(1));
    let policy = pair.target.topic_config("heartbeats").await;
    assert_eq!(policy.get("cleanup.policy").map(String::as_str), Some("compact"));

    let (servers, count) = (pair.target.bootstrap(), (beats[0].offset + 1).to_string());
    let formatter = "org.apache.kafka.connect.mirror.formatters.HeartbeatFormatter";
    let arguments =
        ["--bootstrap-server", &servers, "--topic", "heartbeats", "--from-beginning", "--max-messages", &count];
    let printed = tools::run(tools::CONSOLE_CONSUMER, &[&arguments[..], &["--formatter", formatter]].concat()).await;
    let beat = format!(
        "Heartbeat{{sourceClusterAlias=us-west, targetClusterAlias=us-east, timestamp={}}}",
        beats[0].record.timestamp_ms.unwrap()
    );
    let printed = printed.expect_success();
    assert!(printed.contains(&beat), "{beat} is not in:\n{printed}");
}
