//! Mistakes of people who configure: every one is named, with its value, where they look; the worker stays up and serves
//! others.
//!
//! - A cluster that can't be reached, does not let us in, or is not trusted: the connector's status says which cluster it
//!   is, where, and why.
//! - A wrong connector config is refused with the keys and values that are wrong; so is a setting of a client that makes no
//!   sense.
//! - A body that is too large is refused.
//! - No password is in a status, a refusal, a validation or the log.
//! - A worker whose cluster does not answer says so in `/health`, with what it is at, and goes on trying; what needs no cluster it
//!   answers, validation with all keys among it.
//! - Storage topics with which a worker would lose its state end it with exit code 1; its last words name the topic, the
//!   key of the worker config, and what is wrong.

use std::time::Duration;

use harness::{
    Listener, PASSWORD, Properties, Runtime, Sasl, USER, Worker, WorkerConfig, clusters, eventually, free_port,
    secured_cluster,
};
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::lifecycle::{Config, SOON, arrive, end_offset, run, write};

const WRONG_PASSWORD: &str = "not-alices-secret";

/// A worker for mistakes, on which one connector is all right.
async fn worker() -> &'static Worker {
    static WORKER: OnceCell<Worker> = OnceCell::const_new();
    WORKER
        .get_or_init(async || {
            let pair = clusters().await;
            let worker = WorkerConfig::new(&pair.target, "mistakes").start(Runtime::Portage).await;
            pair.source.create_topic("no-mistake", 1).await;
            run(worker.rest(), "no-mistake", &Config::mirror("right", &pair.source, &pair.target, "no-mistake")).await;
            worker
        })
        .await
}

/// The other connector mirrors, and the worker never ended.
async fn serves_others() {
    let pair = clusters().await;
    let before = usize::try_from(end_offset(&pair.target, "right.no-mistake", 0).await).unwrap();
    write(&pair.source, "no-mistake", 0, before, before + 1).await;
    arrive(&pair.target, "right.no-mistake", 0, before + 1).await;
    assert_eq!(worker().await.process().exited(), None);
}

/// Creates a connector that can't work, and waits until its status says why, in these words.
async fn fails(name: &str, config: &Config, words: &[&str]) {
    let rest = worker().await.rest();
    rest.put_connector(name, config.json()).await;
    let path = format!("/connectors/{name}/status");
    let trace = eventually(&format!("{name} fails"), SOON, async || {
        let status = rest.get(&path).await.body;
        let status: Value = serde_json::from_str(&status).map_err(|_| status.clone())?;
        let trace = status["connector"]["trace"].as_str().map(str::to_owned);
        trace.filter(|_| status["connector"]["state"] == "FAILED").ok_or(status.to_string())
    })
    .await;
    for word in words {
        assert!(trace.contains(word), "no {word:?} in {trace:?}");
    }
    assert!(!trace.contains(WRONG_PASSWORD), "{trace}");
    assert_eq!(rest.delete(&format!("/connectors/{name}")).await.status, 204);
}

/// With the settings of a client for the source, or the target.
fn at(cluster: &str, client: &Properties, mut config: Config) -> Config {
    for (key, value) in client {
        config = config.with(&format!("{cluster}.cluster.{key}"), value);
    }
    config
}

async fn right() -> Config {
    let pair = clusters().await;
    let config = Config::mirror("wrong", &pair.source, &pair.target, "nothing");
    // So long the connector waits for a cluster before it gives up (and is started again).
    config.with("admin.default.api.timeout.ms", "2000")
}

#[tokio::test]
async fn a_host_that_does_not_exist_is_named() {
    let servers = "no-such-host.invalid:9092";

    fails("wrong-host", &right().await.with("source.cluster.bootstrap.servers", servers), &[servers, "source"]).await;

    serves_others().await;
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_named() {
    for cluster in ["source", "target"] {
        let servers = format!("127.0.0.1:{}", free_port());
        let config = right().await.with(&format!("{cluster}.cluster.bootstrap.servers"), &servers);

        fails(&format!("wrong-port-{cluster}"), &config, &[&servers, cluster, "refused"]).await;
    }

    serves_others().await;
}

#[tokio::test]
async fn a_wrong_password_is_told_and_never_shown() {
    let cluster = secured_cluster().await;
    let user = Sasl::Scram512(USER.to_owned(), WRONG_PASSWORD.to_owned());
    let config = at("source", &cluster.sasl_client(Listener::SaslSsl, &user), right().await);

    fails("wrong-password", &config, &["source", "SCRAM-SHA-512", &cluster.bootstrap_at(Listener::SaslSsl)]).await;

    let rest = worker().await.rest();
    let invalid = config.with("tasks.max", "none");
    let refused = rest.put("/connectors/wrong-password-2/config", invalid.json()).await;
    assert_eq!(refused.status, 400);
    assert!(refused.body.contains("tasks.max") && !refused.body.contains(WRONG_PASSWORD), "{}", refused.body);
    let report = rest.put("/connector-plugins/MirrorSource/config/validate", invalid.json()).await;
    assert_eq!(report.status, 200);
    assert!(!report.body.contains(WRONG_PASSWORD), "{}", report.body);
    serves_others().await;
    assert!(!worker().await.process().log().contains(WRONG_PASSWORD));
}

#[tokio::test]
async fn a_right_password_is_never_shown_either() {
    let cluster = secured_cluster().await;
    let user = Sasl::Plain(USER.to_owned(), PASSWORD.to_owned());
    let client = cluster.sasl_client(Listener::SaslSsl, &user);
    let config = at("source", &client, right().await).with("source.cluster.bootstrap.servers", "127.0.0.1:1");

    fails("right-password", &config, &["127.0.0.1:1"]).await;

    assert!(!worker().await.process().log().contains(PASSWORD));
}

#[tokio::test]
async fn a_broker_of_another_authority_is_not_trusted() {
    let cluster = secured_cluster().await;
    let mut client = cluster.client(Listener::Ssl);
    client.insert("ssl.truststore.location".to_owned(), cluster.certificates().path("stranger-ca.pem"));

    let words = ["source", "certificate", &cluster.bootstrap_at(Listener::Ssl)];
    fails("wrong-authority", &at("source", &client, right().await), &words).await;

    serves_others().await;
}

#[tokio::test]
async fn a_wrong_setting_of_a_client_is_named() {
    let jaas = format!("com.acme.LoginModule required password=\"{WRONG_PASSWORD}\";");
    let sasl = right().await.with("source.cluster.security.protocol", "SASL_SSL");
    let cases = [
        (right().await.with("source.cluster.security.protocol", "SASL"), ["security.protocol", "SASL"]),
        (right().await.with("source.cluster.bootstrap.servers", "localhost"), ["bootstrap.servers", "localhost"]),
        (sasl.clone().with("source.cluster.sasl.mechanism", "MAGIC"), ["sasl.mechanism", "MAGIC"]),
        (
            sasl.with("source.cluster.sasl.mechanism", "PLAIN").with("source.cluster.sasl.jaas.config", &jaas),
            ["sasl.jaas.config", "com.acme.LoginModule"],
        ),
    ];

    let rest = worker().await.rest();
    for (config, words) in cases {
        let refused = rest.put("/connectors/wrong-setting/config", config.json()).await;
        assert_eq!(refused.status, 400, "{}", refused.body);
        assert!(words.iter().all(|word| refused.body.contains(word)), "not {words:?}: {}", refused.body);
        assert!(!refused.body.contains(WRONG_PASSWORD), "{}", refused.body);
    }

    serves_others().await;
    assert!(!worker().await.process().log().contains(WRONG_PASSWORD));
}

#[tokio::test]
async fn a_wrong_config_is_refused_with_its_keys_and_values() {
    let rest = worker().await.rest();
    let policy = "com.acme.OurReplicationPolicy";
    let cases = [
        ("connector.class", "com.acme.Nope", "available connectors are:"),
        ("tasks.max", "0", "at least 1"),
        ("tasks.max", "many", "many"),
        ("topics", "(", "topics"),
        ("replication.policy.class", policy, "DefaultReplicationPolicy"),
        ("replication.factor", "three", "three"),
        ("sync.topic.acls.enabled", "perhaps", "perhaps"),
        ("config.providers", "file", "config providers"),
        ("key.converter", "com.acme.Converter", "could not be found"),
        ("transforms", "mask", "transforms"),
    ];

    for (key, value, words) in cases {
        let refused = rest.put("/connectors/refused/config", right().await.with(key, value).json()).await;

        let message = refused.expect(400)["message"].as_str().unwrap().to_owned();
        assert!(message.contains(value) && message.contains(words), "{key}={value}: {message}");
    }

    let mut config = right().await.json().clone();
    config.as_object_mut().unwrap().remove("source.cluster.alias");
    let refused = rest.put("/connectors/refused/config", &config).await.expect(400);
    assert!(refused["message"].as_str().unwrap().contains("source.cluster.alias"), "{refused}");
    assert_eq!(rest.get("/connectors/refused").await.status, 404);
    serves_others().await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let rest = worker().await.rest();
    let config = right().await.with("topics", &"t".repeat(2 << 20));

    let refused = rest.put("/connectors/too-large/config", config.json()).await.expect(413);

    assert!(refused["message"].as_str().unwrap().contains("1048576 bytes"), "{refused}");
    serves_others().await;
}

#[tokio::test]
async fn a_worker_whose_cluster_does_not_answer_says_so_and_validates() {
    // It takes connections, as its backlog does, and never says a word.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nowhere = silent.local_addr().unwrap().to_string();
    let address = format!("127.0.0.1:{}", free_port());
    let worker = WorkerConfig::new(&clusters().await.target, "nowhere")
        .with("bootstrap.servers", &nowhere)
        .with("listeners", &format!("http://{address}"))
        .spawn(Runtime::Portage);
    let rest = harness::Rest::new(&address);

    // Whoever gets through gets this answer: it listens before it does anything else.
    let health = eventually("it listens", SOON, async || rest.try_send("GET", "/health", None).await).await;

    assert_eq!(health.expect(503)["status"], "starting", "{}", health.body);
    assert!(health.body.contains("connecting to the Kafka cluster"), "{}", health.body);
    let mut config = right().await.json().clone();
    for side in ["source", "target"] {
        config[format!("{side}.cluster.bootstrap.servers")] = nowhere.clone().into();
    }
    config["name"] = "m".into();
    let class = "org.apache.kafka.connect.mirror.MirrorSourceConnector";
    let report = rest.put(&format!("/connector-plugins/{class}/config/validate"), &config).await.expect(200);
    assert_eq!(report["error_count"], 0, "{report}");
    let keys = report["configs"].as_array().unwrap().iter().filter(|key| key["definition"].is_object());
    // Java's 118 for this class, and ours.
    assert!(keys.count() >= 118, "{report}");
    assert_eq!(worker.process().exited(), None);
}

/// Starts a worker of a new group, whose topics are already there, and waits for its end.
async fn ends(group: &WorkerConfig, words: &[String]) {
    let worker = group.spawn(Runtime::Portage);
    let status = worker.process().wait(Duration::from_secs(30)).await;
    let log = worker.process().log();
    let last = log.lines().last().unwrap_or_default();
    assert_eq!(status.code(), Some(1), "{last}");
    for word in words {
        assert!(last.contains(word.as_str()), "no {word:?} in {last:?}");
    }
}

#[tokio::test]
async fn a_config_topic_of_two_partitions_ends_the_worker() {
    let target = &clusters().await.target;
    target.create_topic_with("two-partitions-configs", 2, &[("cleanup.policy", "compact")]).await;

    let words = ["'two-partitions-configs'", "'config.storage.topic'", "single partition", "found 2 partitions"];
    let words = words.map(str::to_owned);
    ends(&WorkerConfig::new(target, "two-partitions"), &words).await;
}

#[tokio::test]
async fn a_storage_topic_that_is_not_compacted_ends_the_worker() {
    let target = &clusters().await.target;
    for (kind, policy) in [("config", "delete"), ("offset", "compact,delete"), ("status", "delete")] {
        let topic = format!("loses-{kind}");
        target.create_topic_with(&topic, 1, &[("cleanup.policy", policy)]).await;
        let key = format!("{kind}.storage.topic");

        let words = [format!("'{topic}'"), format!("'{key}'"), format!("'cleanup.policy={policy}'")];
        ends(&WorkerConfig::new(target, &format!("loses-{kind}s")).with(&key, &topic), &words).await;
    }
}
