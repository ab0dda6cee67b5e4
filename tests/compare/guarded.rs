//! Workers that are guarded, Java's and ours: basic auth by file, CORS, headers of answers, no `/admin`, no topics remembered, few
//! client settings allowed to connectors; and both have exactly-once support.

use std::time::Duration;

use harness::{Rest, Runtime, Worker, WorkerConfig, clusters, eventually, workspace};

use serde_json::json;

use crate::script::{Ask, Topics, ask, send};
use crate::{Report, mirror};

const ORIGIN: &str = "https://console.example";

pub(crate) async fn compare(report: &mut Report) {
    let (java, ours) = tokio::join!(start(Runtime::Java, "guarded-java"), start(Runtime::Portage, "guarded-ours"));
    for ask in anonymous() {
        report.compare(&ask, java.rest(), ours.rest()).await;
    }
    let (known_java, known_ours) = (known(java.rest()), known(ours.rest()));
    let pair = clusters().await;
    let topics = Topics { source: pair.source.bootstrap(), target: pair.target.bootstrap() };
    for ask in authenticated().into_iter().chain(restricted(&topics)) {
        report.compare(&ask, &known_java, &known_ours).await;
    }
    tokio::join!(java.stop(), ours.stop());
}

fn known(rest: &Rest) -> Rest {
    rest.clone().basic_auth("ann", "pass:word")
}

async fn start(runtime: Runtime, group: &str) -> Worker {
    let folder = workspace::service_dir(group);
    let (jaas, users) = (folder.join("jaas.conf"), folder.join("users.properties"));
    let module = "org.apache.kafka.connect.rest.basic.auth.extension.PropertyFileLoginModule";
    let text = format!("KafkaConnect {{\n  {module} required\n  file=\"{}\";\n}};\n", users.display());
    for (path, text) in [(&jaas, text.as_str()), (&users, "ann=pass:word\nbob=\n")] {
        std::fs::write(path, text).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    }
    let option = format!("-Djava.security.auth.login.config={}", jaas.display());
    let extension = "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension";
    let worker = WorkerConfig::new(&clusters().await.target, group)
        .with("rest.extension.classes", extension)
        .with("access.control.allow.origin", ORIGIN)
        .with("access.control.allow.methods", "GET,PUT")
        .with("response.http.headers.config", "set X-Frame-Options:DENY, \"add Cache-Control:no-cache, no-store\"")
        .with("admin.listeners", "")
        .with("topic.tracking.enable", "false")
        .with("connector.client.config.override.policy", "Principal")
        .with("exactly.once.source.support", "enabled")
        // Java's launcher reads the one, our worker the other.
        .with_env("JDK_JAVA_OPTIONS", &option)
        .with_env("KAFKA_OPTS", &format!("-Xmx1g {option}"))
        .spawn(runtime);
    let rest = known(worker.rest());
    eventually(&format!("{group} is ready"), Duration::from_secs(90), async || {
        match rest.try_send("GET", "/health", None).await {
            Ok(answer) if answer.status == 200 => Ok(()),
            other => Err(format!("{other:?}; log: {}", worker.process().log_tail())),
        }
    })
    .await;
    worker
}

fn anonymous() -> Vec<Ask> {
    let basic = |credentials: &str| ask("GET", "/connectors").header("Authorization", credentials);
    let mut asks: Vec<Ask> = ["/", "/health", "/connectors", "/connector-plugins", "/nonsense", "/admin/loggers"]
        .map(|path| ask("GET", path))
        .into();
    asks.extend([
        basic("Basic"),
        basic("Basic !"),
        // ann:wrong, bob:, nobody:, ann
        basic("Basic YW5uOndyb25n"),
        basic("Basic bm9ib2R5Og=="),
        basic("Basic YW5u"),
        basic("Bearer YW5uOnBhc3M6d29yZA=="),
        basic("basic YW5uOnBhc3M6d29yZA=="),
        send("PUT", "/connectors/x/config", "{"),
        ask("PUT", "/connectors/x/pause"),
        // Signed instead.
        send("POST", "/connectors/x/tasks", "[]"),
        ask("PUT", "/connectors/x/fence"),
        ask("GET", "/connectors/x/tasks"),
        // A browser asks first, and has no password then.
        preflight(ORIGIN, "PUT"),
        preflight(ORIGIN, "DELETE"),
        preflight("https://evil.example", "PUT"),
        ask("OPTIONS", "/connectors"),
    ]);
    asks
}

fn preflight(origin: &str, method: &str) -> Ask {
    ask("OPTIONS", "/connectors").header("Origin", origin).header("Access-Control-Request-Method", method)
}

fn authenticated() -> Vec<Ask> {
    vec![
        ask("GET", "/"),
        ask("GET", "/connectors"),
        ask("GET", "/nonsense"),
        ask("GET", "/connectors/x"),
        ask("GET", "/admin/loggers"),
        ask("GET", "/admin/loggers/root"),
        ask("GET", "/connectors").header("Origin", ORIGIN),
        ask("GET", "/connectors").header("Origin", "https://evil.example"),
        ask("PUT", "/connectors/x/pause").header("Origin", ORIGIN),
        preflight(ORIGIN, "PUT"),
        preflight(ORIGIN, "GET").header("Access-Control-Request-Headers", "content-type, authorization"),
        preflight("https://evil.example", "PUT"),
    ]
}

/// What this worker allows and what it does not.
fn restricted(topics: &Topics) -> Vec<Ask> {
    let class = "org.apache.kafka.connect.mirror.MirrorSourceConnector";
    let mut asks = vec![ask("GET", "/connectors/x/topics"), ask("PUT", "/connectors/x/topics/reset")];
    for changes in [
        json!({"exactly.once.support": "required"}),
        json!({"exactly.once.support": "required", "source.consumer.isolation.level": "read_committed"}),
        json!({"exactly.once.support": "REQUIRED", "consumer.isolation.level": "read_committed"}),
        json!({"transaction.boundary": "connector"}),
        json!({"transaction.boundary": "interval", "transaction.boundary.interval.ms": "-1"}),
        json!({"transaction.boundary": "Interval", "transaction.boundary.interval.ms": "100"}),
        json!({"offsets.storage.topic": ""}),
        json!({"producer.override.linger.ms": "5"}),
        json!({"producer.override.sasl.jaas.config": "x", "producer.override.security.protocol": "PLAINTEXT"}),
        json!({"admin.override.client.id": "x", "consumer.override.client.id": "x"}),
    ] {
        let mut config = mirror(topics);
        config["name"] = json!("a");
        for (key, value) in changes.as_object().into_iter().flatten() {
            config[key] = value.clone();
        }
        let path = format!("/connector-plugins/{class}/config/validate");
        asks.push(send("PUT", &path, &config).note(&changes));
    }
    asks
}
