//! `portage mirror kafkamirrormaker2.yaml`: Strimzi's resource without Kubernetes, on brokers that speak TLS.
//!
//! - The complete example of the migration story that people find first (v1beta2): three topics keep their names, groups
//!   arrive exactly, all by mTLS with secrets of a directory; the connectors have Strimzi's names, and neither the REST API nor
//!   the config topic nor the log shows a key.
//! - A v1 resource with a Secret in the same file, SCRAM over TLS and PLAIN; a connector that shall be stopped is, and what the
//!   file has no more goes.
//! - The annotations by which Strimzi's operator lists and alters offsets work from and into ConfigMaps of the file and of a
//!   directory: what was listed is what is stored, and what was altered is mirrored again from there.
//! - Replication factors that are above the number of brokers are found before, with their lines.
//! - A secret that is not there is named with its line, by exit code 2.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use harness::{
    GroupOffset, Identity, KafkaCluster, Listener, PASSWORD, Process, Rest, USER, eventually, free_port, lab, portage,
    workspace,
};
use serde_json::{Value, json};

use crate::lifecycle::{SOON, all_in_state, arrive, encoded, live, numbers, runs, shows, write};

const BLOG: &str = include_str!("../../crates/mirror-files/golden/blog-kafkamirrormaker2.yaml");
const FLOW: &str = "origin-cluster->destination-cluster";

/// The blog's file for these clusters of one broker each, in a hurry. Nothing else is changed.
fn blog(source: &KafkaCluster, target: &KafkaCluster) -> String {
    BLOG.replace("origin-cluster-kafka-bootstrap:9093", &source.bootstrap_at(Listener::Mtls))
        .replace("destination-cluster-kafka-bootstrap:9093", &target.bootstrap_at(Listener::Mtls))
        .replace("replication.factor: 3", "replication.factor: 1")
        .replace("interval.seconds: 60", "interval.seconds: 1")
        .replace(
            "sync.group.offsets.enabled: true",
            "sync.group.offsets.enabled: true\n          sync.group.offsets.interval.seconds: 1\n          \
             emit.checkpoints.interval.seconds: 1",
        )
}

fn secret(dir: &Path, name: &str, keys: &[(&str, &str)]) {
    fs::create_dir_all(dir.join(name)).unwrap();
    for (key, text) in keys {
        fs::write(dir.join(name).join(key), text).unwrap();
    }
}

fn user(dir: &Path, name: &str, identity: &Identity) {
    secret(dir, name, &[("user.crt", &identity.certificate), ("user.key", &identity.key)]);
}

/// A running `portage mirror` and its REST API.
fn mirror(name: &str, text: &str, secrets: &Path) -> (Process, Rest) {
    let folder = workspace::service_dir(name);
    let file = folder.join("kafkamirrormaker2.yaml");
    fs::write(&file, text).unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let mut command = Command::new(portage::binary());
    command.arg("mirror").arg(&file).arg("--secrets-dir").arg(secrets).arg("--config-maps-dir").arg(secrets);
    command.args(["--set", &format!("listeners=http://{address}"), "--set", "offset.flush.interval.ms=500"]);
    command.args(["--set", "status.storage.replication.factor=1", "--set", "scheduled.rebalance.max.delay.ms=0"]);
    (Process::spawn(name, &mut command, &folder.join("portage.log")), Rest::new(&address))
}

async fn stop(process: &Process) {
    let ended = process.terminate(SOON).await;
    assert_eq!(ended.code(), Some(0), "{}", process.log_tail());
}

async fn group_is_at(cluster: &KafkaCluster, group: &str, topic: &str, offset: i64) {
    eventually(&format!("{group} is at {offset}"), SOON, async || match cluster.group_offset(group, topic, 0).await {
        Some(at) if at == offset => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

#[tokio::test]
async fn strimzis_resource_runs_without_kubernetes() {
    let lab = lab().await;
    let (source, target) =
        tokio::join!(lab.cluster("origin").secured().start(), lab.cluster("destination").secured().start());
    let secrets = workspace::service_dir("strimzi-secrets");
    secret(&secrets, "origin-cluster-ca-cert", &[("ca.crt", &source.certificates().ca)]);
    secret(&secrets, "destination-cluster-ca-cert", &[("ca.crt", &target.certificates().ca)]);
    user(&secrets, "admin-user-1", &source.certificates().client);
    user(&secrets, "admin-user-2", &target.certificates().client);
    let topics = ["animals", "orders", "payments"];
    for topic in topics {
        source.create_topic(topic, 1).await;
        write(&source, topic, 0, 0, 50).await;
    }

    too_many_replicas(&source, &target, &secrets);
    blog_example(&source, &target, &topics, &secrets).await;
    v1_resource(&source, &target).await;
}

/// What the blog's file has three replicas of can't be on one broker, and `config check --connect` says so.
fn too_many_replicas(source: &KafkaCluster, target: &KafkaCluster, secrets: &Path) {
    let file = workspace::service_dir("strimzi-check").join("kafkamirrormaker2.yaml");
    fs::write(&file, blog(source, target).replace("replication.factor: 1", "replication.factor: 3")).unwrap();
    let (file, secrets) = (file.display().to_string(), secrets.display().to_string());

    let checked = portage::run(&["config", "check", &file, "--secrets-dir", &secrets, "--connect", "-o", "json"]);

    let said: Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!(checked.status.code(), Some(1), "{said}");
    let errors = said["findings"].as_array().unwrap().iter().filter(|finding| finding["severity"] == "error");
    let lines: Vec<i64> = errors.filter_map(|finding| finding["line"].as_i64()).collect();
    for key in [
        "          replication.factor: 3",
        "heartbeats.topic.replication.factor",
        "checkpoints.topic.replication.factor",
    ] {
        let line = blog(source, target).lines().position(|line| line.contains(&key.replace('3', "1"))).unwrap() + 1;
        assert!(lines.contains(&i64::try_from(line).unwrap()), "{key} in line {line}: {said}");
    }
}

async fn blog_example(source: &KafkaCluster, target: &KafkaCluster, topics: &[&str], secrets: &Path) {
    let (process, rest) = mirror("strimzi-blog", &blog(source, target), secrets);
    for topic in topics {
        assert_eq!(arrive(target, topic, 0, 50).await, numbers(0, 50));
    }
    source.set_group_offsets("zoo", &[GroupOffset::new("animals", 0, 17)]).await;
    group_is_at(target, "zoo", "animals", 17).await;

    let mut names: Vec<String> = serde_json::from_value(rest.get("/connectors").await.expect(200)).unwrap();
    names.sort();
    let classes = ["MirrorCheckpointConnector", "MirrorHeartbeatConnector", "MirrorSourceConnector"];
    assert_eq!(names, classes.map(|class| format!("{FLOW}.{class}")));
    let source_connector = encoded(&format!("{FLOW}.MirrorSourceConnector"));
    runs(&rest, &source_connector).await;
    let config = rest.get(&format!("/connectors/{source_connector}/config")).await.expect(200);
    assert_eq!(config["source.cluster.ssl.keystore.key"], json!("${strimzisecrets:default/admin-user-1:user.key}"));
    assert_eq!(config["tasks.max"], json!("3"));
    let stored = live(target, "mirrormaker2-cluster-configs").await;
    for shown in [format!("{stored:?}"), config.to_string(), process.log()] {
        assert!(!shown.contains("PRIVATE KEY") && !shown.contains("BEGIN CERT"), "{shown}");
    }
    assert!(process.log().contains("replication.policy.class is given to the source connector only"));
    stop(&process).await;
}

async fn v1_resource(source: &KafkaCluster, target: &KafkaCluster) {
    source.create_topic("v1-orders", 1).await;
    write(source, "v1-orders", 0, 0, 20).await;
    let certificate = target.certificates().ca.lines().collect::<Vec<_>>().join("\n    ");
    let text = |heartbeats_before: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: creds}}\nstringData:\n  password: {PASSWORD}\n  ca.crt: |\n    {certificate}\n---\n\
             kind: KafkaMirrorMaker2\nmetadata: {{name: v1}}\nspec:\n  target:\n    alias: b\n    bootstrapServers: {}\n    groupId: v1\n    \
             configStorageTopic: v1-configs\n    offsetStorageTopic: v1-offsets\n    statusStorageTopic: v1-status\n    \
             config: {{config.storage.replication.factor: 1, offset.storage.replication.factor: 1}}\n    \
             tls: {{trustedCertificates: [{{secretName: creds, pattern: \"*.crt\"}}]}}\n    \
             authentication: {{type: scram-sha-512, username: {USER}, passwordSecret: {{secretName: creds, password: password}}}}\n  \
             mirrors:\n    - source:\n        alias: a\n        bootstrapServers: {}\n        \
             authentication: {{type: plain, username: {USER}, passwordSecret: {{secretName: creds, password: password}}}}\n      \
             topicsPattern: v1-orders\n      sourceConnector:\n        config: {{replication.factor: 1, offset-syncs.topic.replication.factor: 1}}\n        \
             autoRestart: {{enabled: true, maxRestarts: 3}}\n      \
             {heartbeats_before}\n",
            target.bootstrap_at(Listener::SaslSsl),
            source.bootstrap_at(Listener::SaslPlaintext),
        )
    };
    let nowhere = workspace::service_dir("strimzi-no-secrets");
    let checkpoints = "checkpointConnector: {state: stopped, config: {checkpoints.topic.replication.factor: 1}}";
    let (process, rest) = mirror("strimzi-v1", &text(checkpoints), &nowhere);
    assert_eq!(arrive(target, "a.v1-orders", 0, 20).await, numbers(0, 20));
    all_in_state(&rest, &encoded("a->b.MirrorCheckpointConnector"), "STOPPED", 0).await;
    assert!(!process.log().contains(PASSWORD), "{}", process.log());
    stop(&process).await;

    let (process, rest) = mirror("strimzi-v1-less", &text(""), &nowhere);
    shows(&rest, "/connectors", "one connector", |names| *names == json!(["a->b.MirrorSourceConnector"])).await;
    write(source, "v1-orders", 0, 20, 30).await;
    assert_eq!(arrive(target, "a.v1-orders", 0, 30).await, numbers(0, 30));
    stop(&process).await;
    offsets_by_annotation(target, &text(""), &nowhere).await;
}

/// Lists the offsets of the stopped source connector, and sends it back by twenty records.
async fn offsets_by_annotation(target: &KafkaCluster, running: &str, dir: &Path) {
    let annotated = |action: &str| {
        let annotations = format!(
            "metadata:\n  name: v1\n  annotations:\n    strimzi.io/connector-offsets: {action}\n    \
             strimzi.io/mirrormaker-connector: a->b.MirrorSourceConnector\n"
        );
        let connector = "sourceConnector:\n        state: stopped\n        listOffsets: {toConfigMap: {name: listed}}\n        \
                         alterOffsets: {fromConfigMap: {name: altered}}\n";
        running.replace("metadata: {name: v1}\n", &annotations).replace("sourceConnector:\n", connector)
    };
    let listed = dir.join("listed/a--b.MirrorSourceConnector.json");
    let (process, _) = mirror("strimzi-v1-list", &annotated("list"), dir);
    let offsets = eventually("the offsets are listed", SOON, async || {
        fs::read_to_string(&listed).map_err(|error| format!("{error}: {}", process.log_tail()))
    })
    .await;
    let offsets: Value = serde_json::from_str(&offsets).unwrap();
    assert_eq!(offsets["offsets"][0]["partition"], json!({"cluster": "a", "partition": 0, "topic": "v1-orders"}));
    assert_eq!(offsets["offsets"][0]["offset"]["offset"], json!(29));
    stop(&process).await;

    let altered = r#"{"offsets": [{"partition": {"cluster": "a", "partition": 0, "topic": "v1-orders"}, "offset": {"offset": 9}}]}"#;
    let config_map = format!(
        "kind: ConfigMap\nmetadata: {{name: altered}}\ndata:\n  a--b.MirrorSourceConnector.json: |\n    {altered}\n---\n{}",
        annotated("alter")
    );
    let (process, rest) = mirror("strimzi-v1-alter", &config_map, dir);
    let path = format!("/connectors/{}/offsets", encoded("a->b.MirrorSourceConnector"));
    shows(&rest, &path, "the altered offset", |stored| stored["offsets"][0]["offset"]["offset"] == 9).await;
    stop(&process).await;

    let (process, _) = mirror("strimzi-v1-again", running, dir);
    let again = arrive(target, "a.v1-orders", 0, 50).await;
    assert_eq!(again, [numbers(0, 30), numbers(10, 30)].concat());
    stop(&process).await;
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_named_with_its_line() {
    let nowhere = workspace::service_dir("strimzi-nowhere");
    let (process, _) = mirror("strimzi-refused", BLOG, &nowhere);

    let ended = process.wait(Duration::from_secs(30)).await;

    assert_eq!(ended.code(), Some(2), "{}", process.log());
    for word in ["admin-user-1", "origin-cluster-ca-cert", "line=20"] {
        assert!(process.log().contains(word), "{word}: {}", process.log());
    }
}
