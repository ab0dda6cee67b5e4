//! The embedded cluster of `portage demo`, judged by clients that are not ours: kcat (librdkafka) and Apache Kafka's tools.
//! It serves the demo and fast tests; nothing here is evidence about Kafka.
//!
//! - kcat writes, lists and reads, by itself and as a member of a consumer group.
//! - Java's tools create a topic with settings, write it in transactions, read it committed in a group, describe both, change
//!   the topic's settings, and reset the group.
//! - The kcat commands that the demo names work as they stand.

use std::process::Stdio;
use std::time::Duration;

use harness::{portage, tools};
use kafka_embedded::{EmbeddedKafka, Options};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

async fn embedded() -> EmbeddedKafka {
    EmbeddedKafka::start(Options::default()).await.unwrap()
}

async fn tool(class: &str, arguments: &[&str]) -> String {
    tools::run(class, arguments).await.expect_success()
}

async fn create(kafka: &EmbeddedKafka, topic: &str, partitions: &str) {
    let client = rskafka::client::ClientBuilder::new(vec![kafka.bootstrap()]).build().await.unwrap();
    let partitions = partitions.parse().unwrap();
    client.controller_client().unwrap().create_topic(topic, partitions, 1, 5_000).await.unwrap();
}

/// What kcat prints.
async fn kcat(arguments: &[&str], input: &str) -> String {
    let mut kcat = Command::new("kcat");
    kcat.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut kcat = kcat.spawn().expect("kcat is needed; on Debian: apt-get install -y kcat");
    let mut stdin = kcat.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    let ended =
        tokio::time::timeout(Duration::from_secs(30), kcat.wait_with_output()).await.expect("kcat ends").unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8_lossy(&ended.stdout).into_owned()
}

#[tokio::test]
async fn kcat_writes_lists_and_reads() {
    let kafka = embedded().await;
    create(&kafka, "t", "1").await;
    let servers = kafka.bootstrap();

    kcat(
        &["-b", &servers, "-P", "-t", "t", "-K", ":", "-H", "h=1", "-X", "enable.idempotence=true", "-z", "lz4"],
        "a:1\nb:2\n",
    )
    .await;
    let listed = kcat(&["-b", &servers, "-L"], "").await;
    let read = kcat(&["-b", &servers, "-C", "-t", "t", "-e", "-q", "-f", "%o %k=%s %h\n"], "").await;
    let in_a_group = kcat(
        &["-b", &servers, "-G", "g", "-c", "2", "-q", "-f", "%k=%s\n", "-X", "auto.offset.reset=earliest", "t"],
        "",
    )
    .await;

    assert!(listed.contains("topic \"t\" with 1 partitions"), "{listed}");
    assert_eq!(read, "0 a=1 h=1\n1 b=2 h=1\n");
    assert_eq!(in_a_group, "a=1\nb=2\n");
}

#[tokio::test]
async fn apache_kafkas_tools_work() {
    let kafka = embedded().await;
    let servers = kafka.bootstrap();
    let at = ["--bootstrap-server", &servers];
    let with = |more: &[&'static str]| [&at[..], more].concat();
    let created = tool(
        tools::TOPICS,
        &with(&[
            "--create",
            "--topic",
            "j",
            "--partitions",
            "2",
            "--config",
            "retention.ms=1000",
            "--config",
            "max.message.bytes=2000000",
        ]),
    )
    .await;
    assert!(created.contains("Created topic j"), "{created}");

    let bootstrap = format!("bootstrap.servers={servers}");
    let perf = ["--topic", "j", "--num-records", "500", "--record-size", "50", "--throughput", "-1"];
    let transactions = ["--transactional-id", "tx", "--transaction-duration-ms", "50", "--producer-props", &bootstrap];
    let written = tool(tools::PRODUCER_PERFORMANCE, &[&perf[..], &transactions[..]].concat()).await;
    assert!(written.contains("500 records sent"), "{written}");

    let read = with(&[
        "--topic",
        "j",
        "--group",
        "g",
        "--from-beginning",
        "--max-messages",
        "500",
        "--isolation-level",
        "read_committed",
        "--timeout-ms",
        "30000",
    ]);
    let read = tool(tools::CONSOLE_CONSUMER, &read).await;
    assert!(read.contains("Processed a total of 500 messages"), "{read}");

    let (of_topic, of_group) = (with(&["--describe", "--topic", "j"]), with(&["--describe", "--group", "g"]));
    let (topic, group) = tokio::join!(tool(tools::TOPICS, &of_topic), tool(tools::CONSUMER_GROUPS, &of_group));
    assert!(topic.contains("PartitionCount: 2") && topic.contains("max.message.bytes=2000000"), "{topic}");
    let lags: Vec<&str> = group.lines().filter(|line| line.starts_with("g ")).collect();
    assert_eq!(lags.len(), 2, "{group}");

    let alter =
        with(&["--entity-type", "topics", "--entity-name", "j", "--alter", "--add-config", "retention.ms=7000"]);
    let reset = with(&["--group", "g", "--topic", "j", "--reset-offsets", "--to-earliest", "--execute"]);
    let (altered, reset) = tokio::join!(tool(tools::CONFIGS, &alter), tool(tools::CONSUMER_GROUPS, &reset));
    assert!(altered.contains("Completed updating config for topic j"), "{altered}");
    assert_eq!(reset.lines().filter(|line| line.split_whitespace().next_back() == Some("0")).count(), 2, "{reset}");
    let of_configs = with(&["--entity-type", "topics", "--entity-name", "j", "--describe"]);
    let list = with(&["--list"]);
    let (configs, groups) = tokio::join!(tool(tools::CONFIGS, &of_configs), tool(tools::CONSUMER_GROUPS, &list));
    assert!(configs.contains("retention.ms=7000"), "{configs}");
    assert!(groups.lines().any(|line| line == "g"), "{groups}");
}

#[tokio::test]
async fn the_kcat_commands_that_the_demo_names_work() {
    let mut demo = Command::new(portage::binary());
    demo.args(["demo", "--source-port", "0", "--target-port", "0", "--rest-port", "0", "--workers", "1"]);
    demo.args(["--rate", "1000", "-o", "json"]).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut demo = demo.spawn().unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    let (mut named, mut tried) = (Vec::new(), 0);
    while let Some(line) = lines.next_line().await.unwrap() {
        let event: Value = serde_json::from_str(&line).unwrap();
        named.extend(event["try"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned));
        if event["mirrored"].as_u64() > Some(100) && tried == 0 {
            for command in named.iter().filter_map(|command| command.strip_prefix("kcat ")) {
                assert!(!kcat(&command.split(' ').collect::<Vec<_>>(), "").await.is_empty(), "{command}");
                tried += 1;
            }
            let pid = demo.id().unwrap().to_string();
            assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().await.unwrap().success());
        }
    }

    assert_eq!(tried, 2, "{named:?}");
    assert!(demo.wait().await.unwrap().success());
}
