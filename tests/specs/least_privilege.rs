//! The table of permissions in README, "Security", is enough: a worker with exactly-once support whose principals may do just
//! what stands there mirrors records, settings and ACLs, moves a group, beats its heart, and is refused nothing.

use harness::{Acl, GroupOffset, Listener, Runtime, Sasl, WorkerConfig, eventually, lab, workspace};
use serde_json::{Value, json};

use crate::lifecycle::{MIRROR_HEARTBEAT, MIRROR_SOURCE, SOON, arrive, numbers, runs, write};

const PASSWORD: &str = "least-privilege";
const CHECKPOINT: &str = "org.apache.kafka.connect.mirror.MirrorCheckpointConnector";

/// The principal of a side.
fn user(side: &str) -> String {
    format!("at-the-{side}")
}

/// The rows of README's table: `| source | Topic | orders… | Read, DescribeConfigs | … |`. A name that ends in `…` is a prefix.
fn table() -> Vec<Acl> {
    let readme = std::fs::read_to_string(workspace::root().join("README.md")).unwrap();
    let (_, table) = readme.split_once("| cluster | resource | name | operations |").expect("README has the table");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let words = |row: &str| row.split('|').map(|cell| cell.trim().replace('`', "")).collect::<Vec<_>>();
    rows.flat_map(|row| {
        let words = words(row);
        let [_, side, resource, name, operations, ..] = &words[..] else { panic!("{row}") };
        let principal = format!("User:{}", user(side));
        let allow = |operation: &str| {
            let (resource, operation) = (screaming(resource), screaming(operation.trim()));
            match name.strip_suffix('…') {
                Some(prefix) => Acl::allow(&principal, &operation, &resource, prefix).prefixed(),
                None if resource == "CLUSTER" => Acl::allow(&principal, &operation, &resource, "kafka-cluster"),
                None => Acl::allow(&principal, &operation, &resource, name),
            }
        };
        operations.split(',').map(allow).collect::<Vec<_>>()
    })
    .collect()
}

/// `DescribeConfigs` as `DESCRIBE_CONFIGS`.
fn screaming(word: &str) -> String {
    let mut text = String::new();
    for (at, letter) in word.char_indices() {
        if at > 0 && letter.is_uppercase() {
            text.push('_');
        }
        text.extend(letter.to_uppercase());
    }
    text
}

#[tokio::test]
async fn the_permissions_of_the_readme_are_enough() {
    let lab = lab().await;
    let (source, target) = tokio::join!(
        lab.cluster("least-source").authorizer().start(),
        lab.cluster("least-target").authorizer().start()
    );
    let acls = table();
    assert!(acls.len() > 20, "{acls:?}");
    for (side, cluster) in [("source", &source), ("target", &target)] {
        cluster.set_scram_password(&user(side), "SCRAM-SHA-512", PASSWORD).await;
        let of_side: Vec<Acl> = acls.iter().filter(|acl| acl.principal.ends_with(side)).cloned().collect();
        cluster.create_acls(&of_side).await;
    }
    source.create_acls(&[Acl::allow("User:app", "READ", "TOPIC", "orders")]).await;
    source.create_topic_with("orders", 1, &[("retention.ms", "123456789")]).await;
    write(&source, "orders", 0, 0, 30).await;
    source.create_topic("heartbeats", 1).await;
    write(&source, "heartbeats", 0, 0, 1).await;
    source.set_group_offsets("readers", &[GroupOffset::new("orders", 0, 17)]).await;

    let client = |side: &str| {
        let cluster = if side == "source" { &source } else { &target };
        cluster.sasl_client(Listener::SaslSsl, &Sasl::Scram512(user(side), PASSWORD.to_owned()))
    };
    // As in Java, connectors' producers have settings of their own.
    let of_producers = client("target").iter().map(|(key, value)| (format!("producer.{key}"), value.clone())).collect();
    let worker = WorkerConfig::new(&target, "portage")
        .with_all(client("target"))
        .with_all(of_producers)
        .with("exactly.once.source.support", "enabled")
        .start(Runtime::Portage)
        .await;
    let config = |class: &str| {
        let mut config = json!({
            "connector.class": class,
            "source.cluster.alias": "origin",
            "target.cluster.alias": "destination",
            "topics": "orders",
            "groups": "readers",
            "replication.factor": "1",
            "offset-syncs.topic.replication.factor": "1",
            "checkpoints.topic.replication.factor": "1",
            "heartbeats.topic.replication.factor": "1",
            "sync.group.offsets.enabled": "true",
            "sync.group.offsets.interval.seconds": "1",
            "emit.checkpoints.interval.seconds": "1",
            "refresh.topics.interval.seconds": "1",
            "refresh.groups.interval.seconds": "1",
            "sync.topic.configs.interval.seconds": "1",
            "sync.topic.acls.interval.seconds": "1",
        });
        for side in ["source", "target"] {
            for (key, value) in client(side) {
                config[format!("{side}.cluster.{key}")] = json!(value);
            }
        }
        config
    };
    for (name, class) in [("mirror", MIRROR_SOURCE), ("checkpoints", CHECKPOINT), ("hearts", MIRROR_HEARTBEAT)] {
        worker.rest().put_connector(name, &config(class)).await;
        runs(worker.rest(), name).await;
    }

    assert_eq!(arrive(&target, "origin.orders", 0, 30).await, numbers(0, 30));
    eventually("the group moves", SOON, async || match target.group_offset("readers", "origin.orders", 0).await {
        Some(17) => Ok(()),
        other => Err(format!("{other:?}: {}", worker.process().log_tail())),
    })
    .await;
    arrive(&target, "heartbeats", 0, 1).await;
    arrive(&target, "origin.heartbeats", 0, 1).await;
    let copied = Acl::allow("User:app", "READ", "TOPIC", "origin.orders");
    eventually("the ACL is copied", SOON, async || {
        let found = target.acls().await.contains(&copied);
        if found { Ok(()) } else { Err(worker.process().log_tail()) }
    })
    .await;
    // One more partition, and another setting.
    source.grow_topic("orders", 2).await;
    source.set_topic_config("orders", &[("retention.ms", Some("987654321"))]).await;
    eventually("the setting is copied", SOON, async || {
        let settings = target.topic_config("origin.orders").await;
        let found = settings.get("retention.ms").is_some_and(|value| value == "987654321");
        if found { Ok(()) } else { Err(format!("{settings:?}: {}", worker.process().log_tail())) }
    })
    .await;
    write(&source, "orders", 1, 0, 5).await;
    arrive(&target, "origin.orders", 1, 5).await;

    // Records may be read a moment before their worker has heard that they may.
    eventually("the transaction is counted", SOON, async || {
        let metrics = worker.rest().get("/metrics").await.expect_text();
        let counted = "kafka_connect_source_task_transaction_size_avg{connector=\"mirror\"";
        if metrics.contains(counted) { Ok(()) } else { Err(metrics) }
    })
    .await;
    let statuses: Value = worker.rest().get("/connectors?expand=status").await.expect(200);
    for shown in [worker.process().log(), statuses.to_string()] {
        let refused = shown.lines().find(|line| line.contains("AUTHORIZATION_FAILED") || line.contains("uthorized"));
        assert!(refused.is_none(), "{}", refused.unwrap_or_default());
    }
    assert_eq!(worker.stop().await.code(), Some(0), "{}", worker.process().log_tail());
}
