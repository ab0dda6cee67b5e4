//! What is shipped beside the binary, as far as no engine is needed.
//!
//! - The entry script of the Strimzi image starts a worker from what the operator mounts and sets: its config with its
//!   providers, its log levels, metrics on a port of their own that shows nothing else; SIGTERM is a good end.
//! - `portage health`, which is the image's health check, says yes to a worker that is ready and no where there is none.

use std::process::Command;
use std::time::Duration;

use harness::{Listener, Process, Rest, clusters, eventually, free_port, portage, properties_text, workspace};

const SOON: Duration = Duration::from_secs(60);

/// A worker's config as Strimzi's operator writes it, and the ports that a test has to choose.
fn kafka_connect_properties(bootstrap: &str, home: &str, rest: u16, metrics: u16) -> String {
    let bytes = "org.apache.kafka.connect.converters.ByteArrayConverter";
    let keys = [
        ("bootstrap.servers", bootstrap),
        ("group.id", "packaged"),
        ("config.storage.topic", "packaged-configs"),
        ("offset.storage.topic", "packaged-offsets"),
        ("status.storage.topic", "packaged-status"),
        ("config.storage.replication.factor", "1"),
        ("offset.storage.replication.factor", "1"),
        ("status.storage.replication.factor", "1"),
        ("key.converter", bytes),
        ("value.converter", bytes),
        ("plugin.path", "/opt/kafka/plugins"),
        ("config.providers", "strimzienv,strimzifile,strimzidir"),
        ("config.providers.strimzienv.class", "org.apache.kafka.common.config.provider.EnvVarConfigProvider"),
        ("config.providers.strimzienv.param.allowlist.pattern", ".*"),
        ("config.providers.strimzifile.class", "org.apache.kafka.common.config.provider.FileConfigProvider"),
        ("config.providers.strimzifile.param.allowed.paths", home),
        ("config.providers.strimzidir.class", "org.apache.kafka.common.config.provider.DirectoryConfigProvider"),
        ("config.providers.strimzidir.param.allowed.paths", home),
        ("rest.advertised.host.name", "${strimzienv:ADVERTISED_HOSTNAME}"),
        ("listeners", &format!("http://127.0.0.1:{rest}")),
        ("portage.metrics.listeners", &format!("http://127.0.0.1:{metrics}")),
    ];
    properties_text(&keys.map(|(key, value)| (key.to_owned(), value.to_owned())).into())
}

#[tokio::test]
async fn the_strimzi_image_s_entry_script_starts_a_worker_from_what_the_operator_mounts() {
    let target = &clusters().await.target;
    let folder = workspace::service_dir("strimzi-image");
    let (rest, metrics) = (free_port(), free_port());
    let mounted = folder.join("custom-config");
    std::fs::create_dir(&mounted).unwrap();
    let home = std::fs::canonicalize(&folder).unwrap().display().to_string();
    let config = kafka_connect_properties(&target.bootstrap_at(Listener::Plaintext), &home, rest, metrics);
    std::fs::write(mounted.join("kafka-connect.properties"), config).unwrap();
    let log4j2 =
        "rootLogger.level = INFO\nlogger.mirror.name = org.apache.kafka.connect.mirror\nlogger.mirror.level = DEBUG\n";
    std::fs::write(mounted.join("log4j2.properties"), log4j2).unwrap();

    let mut script = Command::new(workspace::root().join("docker/strimzi/kafka_connect_run.sh"));
    script.env("KAFKA_HOME", &folder).env("PORTAGE", portage::binary()).env("ADVERTISED_HOSTNAME", "pod-0.connect");
    script.env("STRIMZI_CONFIG_FILE", folder.join("strimzi-connect.properties"));
    let pod = Process::spawn("strimzi-image", &mut script, &folder.join("pod.log"));

    let health = |port: u16| portage::run(&["health", "--url", &format!("http://127.0.0.1:{port}")]);
    eventually("the health check says yes", SOON, async || {
        assert!(pod.exited().is_none(), "{}", pod.log_tail());
        let answer = health(rest);
        if answer.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&answer.stderr).into_owned()) }
    })
    .await;
    assert_eq!(health(free_port()).status.code(), Some(1), "nobody is there");
    let worker = Rest::new(&format!("127.0.0.1:{rest}"));
    let loggers = worker.get("/admin/loggers").await.expect(200);
    assert_eq!(loggers["org.apache.kafka.connect.mirror"]["level"], "DEBUG");
    let monitoring = Rest::new(&format!("127.0.0.1:{metrics}"));
    assert!(monitoring.get("/metrics").await.expect_text().contains("kafka_connect_worker_connector_count 0\n"));
    assert_eq!(monitoring.get("/connectors").await.status, 404, "monitoring sees no connectors");
    assert!(pod.log().contains("worker_id=pod-0.connect:"), "{}", pod.log_tail());
    // tini, where there is one, has forwarded it; 143 would be its good end too.
    assert_eq!(pod.terminate(SOON).await.code(), Some(0));
}
