//! Tokens for the clients of connectors.
//!
//! - They are fetched with client credentials from an endpoint, or read from a file, if the worker allows that URL: by its own
//!   key, or by the system property that Java has for it.
//! - Strimzi's login class and its options work the same way.
//! - A connector that names another URL is refused, and told who may allow it.

use std::fs;
use std::time::Duration;

use harness::{
    Acl, Listener, Runtime, TokenServer, USER, WorkerConfig, clusters, eventually, secured_cluster, unsecured_token,
    workspace,
};
use serde_json::{Value, json};

use crate::delivery::{named, texts};

const SOON: Duration = Duration::from_secs(60);
const MODULE: &str = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";

/// A flow of the topic `oauth-orders` whose clients get their tokens from `url`.
async fn flow(name: &str, url: &str) -> Value {
    json!({
        "connector.class": "org.apache.kafka.connect.mirror.MirrorSourceConnector",
        "source.cluster.alias": name,
        "source.cluster.bootstrap.servers": secured_cluster().await.bootstrap_at(Listener::SaslPlaintext),
        "source.cluster.security.protocol": "SASL_PLAINTEXT",
        "source.cluster.sasl.mechanism": "OAUTHBEARER",
        "source.cluster.sasl.oauthbearer.token.endpoint.url": url,
        "source.cluster.sasl.jaas.config":
            format!("{MODULE} required clientId=\"mirror\" clientSecret=\"s3cret\" scope=\"kafka\";"),
        "target.cluster.bootstrap.servers": clusters().await.target.bootstrap(),
        "topics": "oauth-orders",
        "replication.factor": "1",
        "offset-syncs.topic.location": "target",
        "offset-syncs.topic.replication.factor": "1",
        "sync.topic.acls.enabled": "false",
        "heartbeats.replication.enabled": "false",
    })
}

/// The same flow with the login class of Strimzi's images, and its options.
fn in_strimzis_words(mut flow: Value, url: &str) -> Value {
    flow.as_object_mut().unwrap().remove("source.cluster.sasl.oauthbearer.token.endpoint.url");
    let handler = "io.strimzi.kafka.oauth.client.JaasClientOauthLoginCallbackHandler";
    flow["source.cluster.sasl.login.callback.handler.class"] = json!(handler);
    flow["source.cluster.sasl.jaas.config"] = json!(format!(
        "{MODULE} required oauth.token.endpoint.uri=\"{url}\" oauth.client.id=\"mirror\" oauth.client.secret=\"s3cret\" \
         oauth.scope=\"kafka\" oauth.audience=\"brokers\";"
    ));
    flow
}

#[tokio::test]
async fn connectors_get_their_tokens_where_the_worker_allows_it_and_nowhere_else() {
    let (source, target) = (secured_cluster().await, &clusters().await.target);
    source.create_topic("oauth-orders", 1).await;
    let operations = ["READ", "DESCRIBE_CONFIGS"];
    let user = format!("User:{USER}");
    source.create_acls(&operations.map(|operation| Acl::allow(&user, operation, "TOPIC", "oauth-orders"))).await;
    source.produce("oauth-orders", 0, &named("v", 3)).await;
    let endpoint = TokenServer::start("mirror", "s3cret", USER).await;
    let file = workspace::service_dir("oauth").join("token");
    fs::write(&file, unsecured_token(USER)).unwrap();
    let file = format!("file://{}", file.display());
    let worker = WorkerConfig::new(target, "oauth")
        .with("portage.sasl.oauthbearer.allowed.urls", &format!("https://elsewhere.example/token,{}", endpoint.url()))
        .with_env("KAFKA_OPTS", &format!("-Xmx1g -Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={file}"))
        .start(Runtime::Portage)
        .await;

    let [by_endpoint, by_file] = [flow("oauth-endpoint", endpoint.url()).await, flow("oauth-file", &file).await];
    let by_strimzi = in_strimzis_words(flow("oauth-strimzi", endpoint.url()).await, endpoint.url());
    for (name, config) in [("oauth-endpoint", by_endpoint), ("oauth-file", by_file), ("oauth-strimzi", by_strimzi)] {
        worker.rest().put_connector(name, &config).await;
        let remote = format!("{name}.oauth-orders");
        eventually(&format!("{remote} is there"), SOON, async || {
            target.try_topic(&remote).await.map_err(|error| error.to_string())?;
            let read = texts(&target.consume(&remote).await);
            if read == ["v0", "v1", "v2"] { Ok(()) } else { Err(format!("{read:?}")) }
        })
        .await;
    }
    let forms = endpoint.forms();
    let plain = |form: &&String| *form == "grant_type=client_credentials&scope=kafka";
    let strimzis = |form: &&String| *form == "grant_type=client_credentials&scope=kafka&audience=brokers";
    assert!(forms.iter().all(|form| plain(&form) || strimzis(&form)), "{forms:?}");
    assert!(forms.iter().any(|form| plain(&form)) && forms.iter().any(|form| strimzis(&form)), "{forms:?}");

    let other = endpoint.url().replace("/token", "/other");
    for url in [other.as_str(), "file:///etc/passwd"] {
        let refused = worker.rest().put("/connectors/oauth-refused/config", &flow("oauth-refused", url).await).await;
        assert_eq!(refused.status, 400, "{}", refused.body);
        for word in ["sasl.oauthbearer.token.endpoint.url", "portage.sasl.oauthbearer.allowed.urls", "KAFKA_OPTS"] {
            assert!(refused.body.contains(word), "{}", refused.body);
        }
        assert!(!refused.body.contains("s3cret"), "{}", refused.body);
    }
    let elsewhere = in_strimzis_words(flow("oauth-refused", endpoint.url()).await, &other);
    let refused = worker.rest().put("/connectors/oauth-refused/config", &elsewhere).await;
    assert!(
        refused.status == 400 && refused.body.contains("portage.sasl.oauthbearer.allowed.urls"),
        "{}",
        refused.body
    );
    assert!(!refused.body.contains("s3cret"), "{}", refused.body);
}
