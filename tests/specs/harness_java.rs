//! Java Connect, MirrorMaker and the console tools as the harness starts them: what ours is compared with.
//!
//! - A Java worker runs a mirror connector between the shared clusters, and ends when it is told to.
//! - MirrorMaker in dedicated mode mirrors.
//! - A console tool tells what it printed and how it ended.

use std::time::Duration;

use harness::{MirrorMaker, Record, Runtime, WorkerConfig, clusters, eventually, tools};
use serde_json::json;

const SOON: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_java_worker_mirrors_and_stops() {
    let pair = clusters().await;
    pair.source.create_topic("java-worker-orders", 1).await;
    pair.source.produce("java-worker-orders", 0, &Record::numbered(3)).await;
    let worker = WorkerConfig::new(&pair.target, "java-worker").start(Runtime::Java).await;

    let config = json!({
        "connector.class": "org.apache.kafka.connect.mirror.MirrorSourceConnector",
        "source.cluster.alias": "source",
        "target.cluster.alias": "target",
        "source.cluster.bootstrap.servers": pair.source.bootstrap(),
        "target.cluster.bootstrap.servers": pair.target.bootstrap(),
        "topics": "java-worker-.*",
        "replication.factor": "1",
        "offset-syncs.topic.replication.factor": "1",
        "offset-syncs.topic.location": "target",
    });
    worker.rest().put_connector("java-mirror", &config).await;

    eventually("the connector runs", SOON, async || worker.rest().connector_runs("java-mirror").await).await;
    eventually("the mirror has its topic", SOON, async || pair.target.try_topic("source.java-worker-orders").await)
        .await;
    let mirrored = pair.target.read("source.java-worker-orders").at_least(3).await;
    assert_eq!(mirrored.iter().map(harness::Consumed::text).collect::<Vec<_>>(), ["0", "1", "2"]);
    assert_eq!(worker.rest().get("/connectors").await.expect(200), json!(["java-mirror"]));
    assert_eq!(worker.rest().get("/connectors/other").await.status, 404);
    worker.stop().await;
}

#[tokio::test]
async fn java_mirror_maker_mirrors() {
    let pair = clusters().await;
    pair.source.create_topic("java-mm-orders", 1).await;
    pair.source.produce("java-mm-orders", 0, &Record::numbered(2)).await;
    let settings = [
        ("clusters", "a,b"),
        ("a.bootstrap.servers", &*pair.source.bootstrap()),
        ("b.bootstrap.servers", &*pair.target.bootstrap()),
        ("a->b.enabled", "true"),
        ("a->b.topics", "java-mm-.*"),
        ("a->b.emit.heartbeats.enabled", "false"),
        ("a->b.emit.checkpoints.enabled", "false"),
        ("b->a.emit.heartbeats.enabled", "false"),
        ("offset-syncs.topic.location", "target"),
    ];

    let mirror_maker = MirrorMaker::start(Runtime::Java, "java-mm", &MirrorMaker::properties(settings));

    eventually("the mirror has its topic", SOON, async || {
        assert!(mirror_maker.process().exited().is_none(), "{}", mirror_maker.process().log_tail());
        pair.target.try_topic("a.java-mm-orders").await
    })
    .await;
    let mirrored = pair.target.read("a.java-mm-orders").at_least(2).await;
    assert_eq!(mirrored.len(), 2);
}

#[tokio::test]
async fn a_console_tool_says_what_it_saw() {
    let pair = clusters().await;
    pair.target.create_topic("console", 1).await;
    pair.target.produce("console", 0, &[Record::new("k", "one"), Record::new("k", "two")]).await;
    let servers = pair.target.bootstrap();

    let consumer = ["--bootstrap-server", &servers, "--topic", "console", "--from-beginning", "--max-messages", "2"];
    let seen = tools::run(tools::CONSOLE_CONSUMER, &consumer).await;
    let refused = tools::run(tools::TOPICS, &["--bootstrap-server", &servers, "--describe", "--topic", "absent"]).await;

    assert!(seen.expect_success().contains("\none\ntwo\n"));
    assert!(!refused.status.success());
    assert!(refused.text.contains("absent"), "{}", refused.text);
}
