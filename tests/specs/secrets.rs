//! What nobody may see: a worker that has secrets in every place logs all that it can (TRACE), is asked and fails in many ways,
//! and shows none of them.
//!
//! - Secrets of the worker's file (JAAS, a PKCS#12 store's password), of its users' file, and those that a connector refers to by
//!   `${file:…}` are in no log line, no answer, no metric, no record of the three storage topics, and not in `config show` or
//!   `config check`.
//! - A secret that stands in a connector's config as it is, is where Java has it, too: in that config, and nowhere else.
//! - What is refused is not repeated: neither a config with a secret in it, nor a body that is no JSON, nor a wrong password.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use harness::{
    Acl, KafkaCluster, Listener, Rest, Runtime, Sasl, Worker, WorkerConfig, eventually, portage, secured_cluster,
    workspace,
};
use serde_json::{Value, json};

use crate::client_security::{STORE_PASSWORD, truststore};
use crate::lifecycle::{MIRROR_HEARTBEAT, MIRROR_SOURCE, SOON, runs, texts};

const EXTENSION: &str = "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension";
const SCRAM: &str = "org.apache.kafka.common.security.scram.ScramLoginModule";
const USER: &str = "keeper";

/// The worker's password at the brokers, in its file.
const OF_WORKER: &str = "w0rker-p4ss";
/// A user's of the REST API.
const OF_REST: &str = "r3st-p4ss";
/// What a connector refers to; it is the worker's at the brokers, for another user.
const REFERRED: &str = "ref3rred-p4ss";
/// In connector configs as they are; none of these opens anything.
const INLINE: &str = "inl1ne-p4ss";
const REFUSED: &str = "r3fused-p4ss";
const GUESSED: &str = "gu3ssed-p4ss";

fn jaas(user: &str, password: &str) -> String {
    format!("{SCRAM} required username=\"{user}\" password=\"{password}\";")
}

async fn start(cluster: &KafkaCluster) -> (Worker, Rest, String) {
    let folder = workspace::service_dir("secrets");
    for (user, password) in [(USER, OF_WORKER), ("referred", REFERRED)] {
        cluster.set_scram_password(user, "SCRAM-SHA-512", password).await;
        let all = ["TOPIC", "GROUP", "TRANSACTIONAL_ID"].map(|of| Acl::allow(&format!("User:{user}"), "ALL", of, "*"));
        cluster.create_acls(&all).await;
        cluster.create_acls(&[Acl::allow(&format!("User:{user}"), "ALL", "CLUSTER", "kafka-cluster")]).await;
    }
    let (users, rest_jaas, store) =
        (folder.join("users.properties"), folder.join("rest_jaas.conf"), truststore(cluster, "PKCS12"));
    let module = "org.apache.kafka.connect.rest.basic.auth.extension.PropertyFileLoginModule";
    std::fs::write(&users, format!("{USER}={OF_REST}\n")).unwrap();
    let section = format!("KafkaConnect {{ {module} required file=\"{}\"; }};", users.display());
    std::fs::write(&rest_jaas, section).unwrap();
    let referred = folder.join("referred.properties");
    std::fs::write(&referred, format!("password={REFERRED}\n")).unwrap();
    let mut client = cluster.sasl_client(Listener::SaslSsl, &Sasl::Scram512(USER.to_owned(), OF_WORKER.to_owned()));
    for (key, value) in [("type", "PKCS12"), ("location", &store), ("password", STORE_PASSWORD)] {
        client.insert(format!("ssl.truststore.{key}"), value.to_owned());
    }
    // As in Java, connectors' producers have settings of their own.
    let of_producers = client.iter().map(|(key, value)| (format!("producer.{key}"), value.clone())).collect();
    let worker = WorkerConfig::new(cluster, "secrets")
        .with_all(client)
        .with_all(of_producers)
        .with("rest.extension.classes", EXTENSION)
        .with("portage.rest.jaas.file", &rest_jaas.display().to_string())
        .with("portage.restart.backoff.ms", "200")
        .with("config.providers", "file")
        .with("config.providers.file.class", "org.apache.kafka.common.config.provider.FileConfigProvider")
        .with_env("CONNECT_LOG4J_ROOT_LOGLEVEL", "TRACE")
        .spawn(Runtime::Portage);
    let rest = Rest::new(worker.rest().address()).basic_auth(USER, OF_REST);
    eventually("the worker is ready", SOON, async || match rest.try_send("GET", "/health", None).await {
        Ok(answer) if answer.status == 200 => Ok(()),
        other => Err(format!("{other:?}: {}", worker.process().log_tail())),
    })
    .await;
    (worker, rest, referred.display().to_string())
}

/// A connector whose clients at the target say who they are by this JAAS line.
fn config(class: &str, cluster: &KafkaCluster, line: &str) -> Value {
    let mut config = json!({
        "connector.class": class,
        "source.cluster.alias": "secrets",
        "target.cluster.alias": "there",
        "heartbeats.topic.replication.factor": "1",
        "topics": "secrets-.*",
        "replication.factor": "1",
        "offset-syncs.topic.replication.factor": "1",
        "heartbeats.replication.enabled": "false",
        "sync.topic.acls.enabled": "false",
        "errors.log.enable": "true",
        "errors.log.include.messages": "true",
    });
    for side in ["source", "target"] {
        for (key, text) in cluster.sasl_client(Listener::SaslSsl, &Sasl::Scram512(String::new(), String::new())) {
            config[format!("{side}.cluster.{key}")] = json!(text);
        }
        config[format!("{side}.cluster.sasl.jaas.config")] = json!(line);
    }
    config
}

#[tokio::test]
async fn a_worker_full_of_secrets_shows_none() {
    let cluster = secured_cluster().await;
    let (worker, rest, file) = start(cluster).await;
    let mut answers = Vec::new();

    // One that works, with references; one whose password is wrong, and is in its config.
    let referring = jaas("referred", &format!("${{file:{file}:password}}"));
    cluster.create_topic("secrets-orders", 1).await;
    rest.put_connector("good", &config(MIRROR_SOURCE, cluster, &referring)).await;
    runs(&rest, "good").await;
    rest.put_connector("wrong", &config(MIRROR_HEARTBEAT, cluster, &jaas(USER, INLINE))).await;
    eventually("the wrong password is refused", SOON, async || {
        let status = rest.get("/connectors/wrong/status").await.json();
        let failed = status["connector"]["trace"].is_string();
        if failed { Ok(()) } else { Err(format!("{status}: {}", worker.process().log_tail())) }
    })
    .await;

    // What is refused: a JAAS line that is not closed, an endpoint that is not allowed, a class that does not exist.
    let mut refused = config(MIRROR_HEARTBEAT, cluster, &format!("{SCRAM} required password=\"{REFUSED}"));
    answers.push(rest.put("/connectors/refused/config", &refused).await);
    refused["target.cluster.sasl.mechanism"] = json!("OAUTHBEARER");
    refused["target.cluster.sasl.oauthbearer.token.endpoint.url"] = json!("https://127.0.0.1:1/token");
    refused["target.cluster.sasl.oauthbearer.client.credentials.client.id"] = json!("id");
    refused["target.cluster.sasl.oauthbearer.client.credentials.client.secret"] = json!(REFUSED);
    answers.push(rest.put("/connectors/refused/config", &refused).await);
    refused["connector.class"] = json!("com.example.None");
    answers.push(rest.put("/connectors/refused/config", &refused).await);
    for answer in &answers {
        assert!((400..=500).contains(&answer.status), "{answer:?}");
    }
    let body = format!("{{\"sasl.jaas.config\": \"{REFUSED}\", }}");
    answers.push(rest.send("PUT", "/connectors/refused/config", Some(&body)).await);
    assert_eq!(answers.last().unwrap().status, 400);
    let stranger = Rest::new(worker.rest().address()).basic_auth(USER, GUESSED);
    answers.push(stranger.get("/connectors").await);
    assert_eq!(answers.last().unwrap().status, 401);
    let plugin = "/connector-plugins/MirrorHeartbeatConnector/config/validate";
    let mut inline = config(MIRROR_HEARTBEAT, cluster, &jaas(USER, INLINE));
    inline["name"] = json!("validated");
    inline["ssl.key.password"] = json!(INLINE);
    inline["sasl.jaas.config"] = json!(jaas(USER, INLINE));
    answers.push(rest.put(plugin, &inline).await);

    for path in [
        "/connectors?expand=status",
        "/connectors/good/config",
        "/connectors/good/tasks",
        "/connectors/good/status",
        "/connectors/wrong/status",
        "/connectors/wrong/offsets",
        "/metrics?profile=native,strimzi-jmx,strimzi-reporter",
        "/admin/loggers",
        "/connector-plugins",
        "/",
    ] {
        answers.push(rest.get(path).await);
    }
    let file = worker.process().log_path().with_file_name("worker.properties").display().to_string();
    let mut shown = vec![("the log".to_owned(), worker.process().log())];
    shown.extend(answers.into_iter().map(|answer| ("an answer".to_owned(), format!("{answer:?}"))));
    for command in [
        &["config", "show", &file, "--origin"][..],
        &["config", "show", &file, "-o", "json"],
        &["config", "check", &file],
    ] {
        let output = portage::run(command);
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        shown.push((command.join(" "), text));
    }
    for topic in ["status", "offsets"] {
        let records = cluster.read(&format!("secrets-{topic}")).all().await;
        shown.push((format!("the {topic} topic"), texts(&records).join("\n")));
    }
    let basic = STANDARD.encode(format!("{USER}:{OF_REST}"));
    for (place, text) in &shown {
        for secret in [OF_WORKER, STORE_PASSWORD, OF_REST, &basic, REFERRED, INLINE, REFUSED, GUESSED] {
            let found = text.lines().find(|line| line.contains(secret));
            assert!(found.is_none(), "{secret} is in {place}: {}", found.unwrap_or_default());
        }
    }
    assert!(shown[0].1.contains("DEBUG"), "the log holds all there is");
    let configs = texts(&cluster.read("secrets-configs").all().await).join("\n");
    assert!(configs.contains(INLINE) && !configs.contains(REFERRED) && !configs.contains(OF_WORKER));
    assert_eq!(worker.stop().await.code(), Some(0), "{}", worker.process().log_tail());
}
