//! `portage mirror mm2.properties` in the place of `connect-mirror-maker.sh`, with the same file.
//!
//! - Portage goes on where Java's MirrorMaker has stopped, and Java where Portage has: every record arrives once, positions are
//!   stored in the same topic under the same keys, and connector configs are the same.
//! - What Portage mirrors in between, it translates exactly.
//! - A Java node and one of ours, with their internal REST, are one cluster: a topic that comes later is mirrored, and the listener
//!   answers nothing but what workers ask of each other, and how they are.
//! - Three nodes with exactly-once support are one cluster: records that keep coming while nodes are killed are there once for
//!   readers of committed records, and a topic that comes later is mirrored by those that are left.
//! - The smallest file that makes sense does what it does under Java: heartbeats have groups of their own on either side. It
//!   listens nowhere, but for monitoring where `portage.metrics.listeners` says.
//! - A file that can't work is refused with its line, by exit code 2.

use harness::{
    GroupOffset, MirrorMaker, Pair, Properties, Rest, Runtime, clusters, eventually, free_port, portage, workspace,
};
use serde_json::{Value, json};

use crate::lifecycle::{Runs, SOON, Stream, arrive, end_offset, live, stored_offset, texts, write};

const SOURCE: &str = "MirrorSourceConnector";

/// An `mm2.properties` with one flow, from the cluster that is called `alias`. The topics stand in a file beside it.
fn one_flow(alias: &str, pair: &Pair) -> Properties {
    let secrets = workspace::service_dir(alias).join("topics.properties");
    std::fs::write(&secrets, format!("pattern={alias}-.*\n")).unwrap();
    let flow = format!("{alias}->{alias}-target");
    let settings = [
        ("clusters".to_owned(), format!("{alias}, {alias}-target")),
        (format!("{alias}.bootstrap.servers"), pair.source.bootstrap()),
        (format!("{alias}-target.bootstrap.servers"), pair.target.bootstrap()),
        (format!("{alias}-target.offset.flush.interval.ms"), "500".to_owned()),
        (format!("{alias}-target.scheduled.rebalance.max.delay.ms"), "0".to_owned()),
        (format!("{flow}.enabled"), "true".to_owned()),
        (format!("{flow}.emit.heartbeats.enabled"), "true".to_owned()),
        (format!("{flow}.topics"), format!("${{file:{}:pattern}}", secrets.display())),
        (format!("{flow}.groups"), format!("{alias}-.*")),
        ("config.providers".to_owned(), "file".to_owned()),
        (
            "config.providers.file.class".to_owned(),
            "org.apache.kafka.common.config.provider.FileConfigProvider".to_owned(),
        ),
    ];
    let common = [
        ("tasks.max", "2"),
        ("emit.heartbeats.enabled", "false"),
        ("heartbeats.replication.enabled", "false"),
        ("sync.topic.acls.enabled", "false"),
        ("sync.group.offsets.enabled", "true"),
        ("sync.group.offsets.interval.seconds", "1"),
        ("emit.checkpoints.interval.seconds", "1"),
        ("refresh.topics.interval.seconds", "1"),
        ("refresh.groups.interval.seconds", "1"),
    ];
    settings.into_iter().chain(MirrorMaker::properties(common)).collect()
}

/// Every config of a connector that has been written, in order.
async fn configs_written(pair: &Pair, alias: &str) -> Vec<(String, Value)> {
    let records = pair.target.consume(&format!("mm2-configs.{alias}.internal")).await.into_iter();
    let written = records.filter_map(|read| {
        let key = String::from_utf8_lossy(&read.record.key?).into_owned();
        Some((key, serde_json::from_slice(&read.record.value?).ok()?))
    });
    written.filter(|(key, _)| key.starts_with("connector-")).collect()
}

async fn stored(pair: &Pair, alias: &str, topic: &str, offset: i64) {
    eventually("the position is stored", SOON, async || {
        match stored_offset(&pair.target, &format!("mm2-offsets.{alias}.internal"), SOURCE, topic).await {
            Some(at) if at >= offset => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

#[tokio::test]
async fn portage_goes_on_where_mirror_maker_stopped_and_back() {
    let (alias, pair) = ("dedicated", clusters().await);
    let (topic, remote) = (format!("{alias}-orders"), format!("{alias}.{alias}-orders"));
    pair.source.create_topic(&topic, 2).await;
    write(&pair.source, &topic, 1, 0, 100).await;
    let file = one_flow(alias, pair);
    let stream = Stream::start(&pair.source, &topic).await;

    let java = MirrorMaker::start(Runtime::Java, "dedicated-java", &file);
    arrive(&pair.target, &remote, 1, 100).await;
    arrive(&pair.target, &remote, 0, 1).await;
    stored(pair, alias, &topic, 0).await;
    java.process().terminate(SOON).await;
    let written = configs_written(pair, alias).await;
    assert_eq!(written.len(), 3, "{written:?}");
    let before = end_offset(&pair.target, &remote, 0).await;
    write(&pair.source, &topic, 1, 100, 150).await;

    let ours = MirrorMaker::start(Runtime::Portage, "dedicated-portage", &file);
    assert_eq!(Runs::of(&arrive(&pair.target, &remote, 1, 150).await), Runs::once(150));
    arrive(&pair.target, &remote, 0, usize::try_from(before).unwrap() + 100).await;
    let group = format!("{alias}-readers");
    pair.source.set_group_offsets(&group, &[GroupOffset::new(&topic, 1, 123)]).await;
    eventually("the group is on the target", SOON, async || match pair.target.group_offset(&group, &remote, 1).await {
        Some(123) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    let ended = ours.process().terminate(SOON).await;
    assert_eq!(ended.code(), Some(0), "{}", ours.process().log_tail());
    assert_eq!(configs_written(pair, alias).await, written);
    write(&pair.source, &topic, 1, 150, 200).await;

    let java = MirrorMaker::start(Runtime::Java, "dedicated-java-again", &file);
    assert_eq!(Runs::of(&arrive(&pair.target, &remote, 1, 200).await), Runs::once(200));
    let count = stream.stop().await;
    assert_eq!(Runs::of(&arrive(&pair.target, &remote, 0, count).await), Runs::once(count));
    java.process().terminate(SOON).await;

    // Java writes configs with references anew at each start, for it compares them with resolved ones. They are the same.
    let again = configs_written(pair, alias).await;
    assert!(again.iter().all(|config| written.contains(config)), "{again:?}");
    let offsets = live(&pair.target, &format!("mm2-offsets.{alias}.internal")).await;
    let of_topic = offsets.keys().filter(|key| key.starts_with(&format!("[\"{SOURCE}\",")) && key.contains(&topic));
    assert_eq!(of_topic.count(), 2, "one key a partition: {offsets:?}");
}

#[tokio::test]
async fn a_java_node_and_ours_are_one_cluster() {
    let pair = clusters().await;
    // Aliases may be odd: they are part of the address that nodes ask each other at.
    let odd = |text: String| text.replace("two-nodes-target", "odd~+x");
    let mut java = one_flow("two-nodes", pair);
    java = java.into_iter().map(|(key, value)| (odd(key), odd(value))).collect();
    java.insert("dedicated.mode.enable.internal.rest".to_owned(), "true".to_owned());
    java.insert("offset-syncs.topic.location".to_owned(), "target".to_owned());
    let mut ours = java.clone();
    let address = format!("127.0.0.1:{}", free_port());
    ours.insert("listeners".to_owned(), format!("http://{address}"));
    java.insert("listeners".to_owned(), format!("http://127.0.0.1:{}", free_port()));
    pair.source.create_topic("two-nodes-early", 1).await;
    write(&pair.source, "two-nodes-early", 0, 0, 10).await;

    let java = MirrorMaker::start(Runtime::Java, "two-nodes-java", &java);
    let portage = MirrorMaker::start(Runtime::Portage, "two-nodes-portage", &ours);
    arrive(&pair.target, "two-nodes.two-nodes-early", 0, 10).await;
    // Whoever the leader is and wherever the connector runs: tasks are made for it.
    pair.source.create_topic("two-nodes-late", 1).await;
    write(&pair.source, "two-nodes-late", 0, 0, 10).await;
    arrive(&pair.target, "two-nodes.two-nodes-late", 0, 10).await;

    let rest = Rest::new(&address);
    let tasks = "connectors/MirrorSourceConnector/tasks";
    let unsigned = rest.post(&format!("/two-nodes/odd%7E%2Bx/{tasks}"), &json!([])).await;
    assert!(matches!(unsigned.status, 400 | 403), "{unsigned:?}");
    assert_eq!(rest.post(&format!("/two-nodes/elsewhere/{tasks}"), &json!([])).await.status, 404);
    assert_eq!(rest.get("/connectors").await.status, 404);
    let healthy = portage::run(&["health", "--url", &rest.url()]);
    assert_eq!(healthy.status.code(), Some(0), "{}", String::from_utf8_lossy(&healthy.stderr));

    assert_eq!(portage.process().terminate(SOON).await.code(), Some(0), "{}", portage.process().log_tail());
    write(&pair.source, "two-nodes-late", 0, 10, 20).await;
    arrive(&pair.target, "two-nodes.two-nodes-late", 0, 20).await;
    java.process().terminate(SOON).await;
}

#[tokio::test]
async fn three_nodes_with_exactly_once_support_are_one_cluster() {
    let (alias, pair) = ("exact-nodes", clusters().await);
    let (topic, remote) = (format!("{alias}-orders"), format!("{alias}.{alias}-orders"));
    let mut file = one_flow(alias, pair);
    for (key, value) in [
        (format!("{alias}-target.exactly.once.source.support"), "enabled"),
        (format!("{alias}.consumer.isolation.level"), "read_committed"),
        (format!("{alias}-target.session.timeout.ms"), "3000"),
        (format!("{alias}-target.heartbeat.interval.ms"), "500"),
        ("dedicated.mode.enable.internal.rest".to_owned(), "true"),
        ("offset-syncs.topic.location".to_owned(), "target"),
    ] {
        file.insert(key, value.to_owned());
    }
    let node = |number: usize| {
        let mut file = file.clone();
        file.insert("listeners".to_owned(), format!("http://127.0.0.1:{}", free_port()));
        MirrorMaker::start(Runtime::Portage, &format!("{alias}-{number}"), &file)
    };
    let committed = async |topic: &str, count: usize| {
        eventually(&format!("{count} records are committed in {topic}"), SOON, async || {
            pair.target.try_topic(topic).await.map_err(|error| error.to_string())?;
            let values = texts(&pair.target.read(topic).partition(0).all().await);
            if values.len() >= count { Ok(values) } else { Err(format!("{} are", values.len())) }
        })
        .await
    };
    pair.source.create_topic(&topic, 2).await;
    let stream = Stream::start(&pair.source, &topic).await;

    let nodes: Vec<MirrorMaker> = (0..3).map(node).collect();
    let mut seen = committed(&remote, 100).await.len();
    for node in &nodes[..2] {
        node.process().kill();
        seen = committed(&remote, seen + 100).await.len();
    }
    let late = format!("{alias}-late");
    pair.source.create_topic(&late, 1).await;
    write(&pair.source, &late, 0, 0, 10).await;
    committed(&format!("{alias}.{late}"), 10).await;
    let written = stream.stop().await;

    assert_eq!(Runs::of(&committed(&remote, written).await), Runs::once(written));
    let batches = pair.target.batches(&remote, 0).await;
    assert!(batches.iter().all(|batch| batch.transactional), "{:?}", batches.first());
    assert_eq!(nodes[2].process().terminate(SOON).await.code(), Some(0), "{}", nodes[2].process().log_tail());
}

#[tokio::test]
async fn the_smallest_file_mirrors_one_way_and_beats_both_ways() {
    let pair = clusters().await;
    let monitored = format!("127.0.0.1:{}", free_port());
    let settings = [
        ("portage.metrics.listeners", format!("http://{monitored}")),
        ("clusters", "small-a, small-b".to_owned()),
        ("small-a.bootstrap.servers", pair.source.bootstrap()),
        ("small-b.bootstrap.servers", pair.target.bootstrap()),
        ("small-a->small-b.enabled", "true".to_owned()),
        ("topics", "small-.*".to_owned()),
        ("sync.topic.acls.enabled", "false".to_owned()),
        // The topic of heartbeats may come after the first look.
        ("refresh.topics.interval.seconds", "1".to_owned()),
    ];
    let factors = [
        "checkpoints.topic",
        "heartbeats.topic",
        "offset-syncs.topic",
        "config.storage",
        "offset.storage",
        "status.storage",
    ];
    let factors = factors.map(|of| (format!("{of}.replication.factor"), "1".to_owned()));
    let mut file: Properties =
        settings.map(|(key, value)| (key.to_owned(), value)).into_iter().chain(factors).collect();
    file.insert("replication.factor".to_owned(), "1".to_owned());
    pair.source.create_topic("small-orders", 1).await;
    write(&pair.source, "small-orders", 0, 0, 10).await;

    let ours = MirrorMaker::start(Runtime::Portage, "dedicated-small", &file);

    arrive(&pair.target, "small-a.small-orders", 0, 10).await;
    // Hearts beat in the cluster that is only a source, and from there on to the target.
    arrive(&pair.target, "small-a.heartbeats", 0, 2).await;
    let groups = [pair.source.groups().await, pair.target.groups().await];
    for (groups, group) in groups.iter().zip(["small-b-mm2", "small-a-mm2"]) {
        assert!(groups.iter().any(|(name, _)| name == group), "{group}: {groups:?}");
    }
    assert!(pair.source.topics().await.contains(&"mm2-configs.small-b.internal".to_owned()));
    let monitoring = Rest::new(&monitored);
    monitoring.get("/health").await.expect(200);
    let metrics = monitoring.get("/small-a/small-b/metrics").await.expect_text();
    assert!(metrics.contains("portage_mirror_records_total{"), "{metrics}");
    assert_eq!(monitoring.get("/small-a/small-b/connectors").await.status, 404);
    assert!(!ours.process().log().contains("ERROR"), "{}", ours.process().log());
    assert_eq!(ours.process().terminate(SOON).await.code(), Some(0), "{}", ours.process().log_tail());
}

#[tokio::test]
async fn a_file_that_cannot_work_is_refused_with_its_line() {
    let file = workspace::service_dir("dedicated-refused").join("mm2.properties");
    let path = file.display().to_string();
    for (text, line, word) in [
        ("A.bootstrap.servers=a:1\n", None, "clusters"),
        ("clusters=A,A\n", Some("line 1"), "twice"),
        (
            "clusters=A,B\nA.bootstrap.servers=a:1\nB.bootstrap.servers=b:1\nB.session.timeout.ms=soon\n",
            Some("line 4"),
            "soon",
        ),
        ("clusters=A,B\nemit.heartbeats.enabled=false\n", None, "A->B.enabled"),
    ] {
        std::fs::write(&file, text).unwrap();
        let output = portage::run(&["mirror", &path]);
        let said = String::from_utf8_lossy(&output.stderr);

        assert_eq!(output.status.code(), Some(2), "{text}: {said}");
        assert!(said.contains(word) && line.is_none_or(|line| said.contains(line)), "{text}: {said}");
    }
}
