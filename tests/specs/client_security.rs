//! Our client at the listeners of a secured Kafka.
//!
//! - It gets in by TLS, mTLS and SASL (PLAIN, SCRAM-SHA-256 and -512, OAUTHBEARER), in the clear and over TLS, and the
//!   broker knows it as who it is.
//! - It does not talk to a broker of an authority that it does not trust.
//! - Wrong or missing certificates and wrong passwords fail at once and for good, and no message repeats a password.
//! - It authenticates again on the same connection before its session ends (KIP-368).
//! - Certificates may be PEM in files, PEM in the configuration, or PKCS#12; a JKS store is answered with a command that,
//!   run as it stands, makes a store that works.
//! - A dead bootstrap server is passed over; a listener of another protocol ends in an error, not in waiting.

use std::process::Command;
use std::time::Duration;

use harness::{
    Acl, CLIENT_PRINCIPAL, KafkaCluster, Listener, Properties, SHORT_SESSION_MS, Sasl, USER, free_port,
    secured_cluster, workspace,
};
use kafka_client::ClientError;
use kafka_wire::batch::{Codec, Record, Stamp, encode};

use crate::raw::RawClient;

pub(crate) const STORE_PASSWORD: &str = "store-secret";

/// A topic of the secured cluster that only `principal` may write to.
async fn topic_of(topic: &str, principal: &str) -> &'static KafkaCluster {
    let cluster = secured_cluster().await;
    cluster.create_topic(topic, 1).await;
    cluster.create_acls(&[Acl::allow(principal, "WRITE", "TOPIC", topic)]).await;
    cluster
}

fn with(mut client: Properties, settings: &[(&str, &str)]) -> Properties {
    client.extend(settings.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())));
    client
}

async fn writes(client: &RawClient, topic: &str) {
    let record = Record { value: Some("v".into()), ..Record::default() };
    let batch = encode(&[record], Codec::None, Stamp::NONE).unwrap();
    client.offer(topic, batch).await.unwrap();
}

async fn gets_in(properties: &Properties, topic: &str) {
    let client = RawClient::connect(properties).await.unwrap_or_else(|error| panic!("{error} with {properties:?}"));
    writes(&client, topic).await;
}

/// What keeps `properties` out: for good, so that nobody tries again.
async fn kept_out(properties: &Properties) -> ClientError {
    let Err(error) = RawClient::connect(properties).await else { panic!("got in with {properties:?}") };
    assert!(!error.is_retriable(), "{error}");
    error
}

#[tokio::test]
async fn tls_without_a_certificate_is_anonymous() {
    let cluster = topic_of("security-anonymous", "User:ANONYMOUS").await;

    gets_in(&cluster.client(Listener::Ssl), "security-anonymous").await;
}

#[tokio::test]
async fn a_client_certificate_names_the_client() {
    let cluster = topic_of("security-mtls", CLIENT_PRINCIPAL).await;

    gets_in(&cluster.client(Listener::Mtls), "security-mtls").await;
}

#[tokio::test]
async fn every_sasl_mechanism_names_the_user() {
    let cluster = topic_of("security-sasl", &format!("User:{USER}")).await;

    for sasl in Sasl::all() {
        for listener in [Listener::SaslPlaintext, Listener::SaslSsl] {
            gets_in(&cluster.sasl_client(listener, &sasl), "security-sasl").await;
        }
    }
}

#[tokio::test]
async fn a_broker_of_another_authority_is_not_talked_to() {
    let cluster = secured_cluster().await;
    let stranger = cluster.certificates().path("stranger-ca.pem");

    let error = kept_out(&with(cluster.client(Listener::Ssl), &[("ssl.truststore.location", &stranger)])).await;

    assert!(matches!(error, ClientError::Tls { .. }), "{error}");
}

#[tokio::test]
async fn a_client_without_the_right_certificate_is_refused() {
    let cluster = secured_cluster().await;
    let none = with(cluster.client(Listener::Ssl), &[("bootstrap.servers", &cluster.bootstrap_at(Listener::Mtls))]);
    let stranger = cluster.certificates().path("stranger.pem");
    let stranger = with(cluster.client(Listener::Mtls), &[("ssl.keystore.location", &stranger)]);

    for properties in [none, stranger] {
        let error = kept_out(&properties).await;

        assert!(error.to_string().contains("ssl.keystore"), "{error}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_not_repeated() {
    let cluster = secured_cluster().await;
    let (user, wrong) = (USER.to_owned(), "not-the-password".to_owned());
    let mechanisms = [
        Sasl::Plain(user.clone(), wrong.clone()),
        Sasl::Scram256(user.clone(), wrong.clone()),
        Sasl::Scram512(user, wrong.clone()),
        Sasl::Scram512("nobody".to_owned(), wrong.clone()),
    ];

    for sasl in mechanisms {
        let error = kept_out(&cluster.sasl_client(Listener::SaslSsl, &sasl)).await;

        assert!(matches!(&error, ClientError::Auth { mechanism, .. } if mechanism == sasl.mechanism()), "{error}");
        assert!(!format!("{error} {error:?}").contains(&wrong), "{error}");
    }
}

#[tokio::test]
async fn a_session_is_renewed_on_the_same_connection() {
    let cluster = topic_of("security-sessions", &format!("User:{USER}")).await;
    let mut clients = Vec::new();
    for sasl in Sasl::all() {
        let client = RawClient::connect(&cluster.sasl_client(Listener::SaslPlaintext, &sasl)).await.unwrap();
        writes(&client, "security-sessions").await;
        clients.push((client.connections_opened(), client));
    }

    // Time itself is what is tested here: more than two sessions, busy for one and idle past the end of another.
    let session = Duration::from_millis(SHORT_SESSION_MS.into());
    let busy = [session / 10; 12];
    for pause in busy.into_iter().chain([session + session / 4]) {
        tokio::time::sleep(pause).await;
        for (_, client) in &clients {
            writes(client, "security-sessions").await;
        }
    }

    for (opened, client) in clients {
        assert_eq!(client.connections_opened(), opened);
    }
}

#[tokio::test]
async fn certificates_may_stand_in_the_configuration() {
    let cluster = topic_of("security-inline", CLIENT_PRINCIPAL).await;
    let certificates = cluster.certificates();
    let (servers, ca) = (cluster.bootstrap_at(Listener::Mtls), &certificates.ca);
    let inline = [
        ("bootstrap.servers", servers.as_str()),
        ("security.protocol", "SSL"),
        ("ssl.truststore.type", "PEM"),
        ("ssl.truststore.certificates", ca),
        ("ssl.keystore.type", "PEM"),
        ("ssl.keystore.certificate.chain", &certificates.client.certificate),
        ("ssl.keystore.key", &certificates.client.key),
    ];

    gets_in(&with(Properties::new(), &inline), "security-inline").await;
}

/// Runs `keytool` with arguments as a shell takes them.
fn keytool(arguments: &str) {
    let keytool = Command::new("sh").args(["-c", &format!("keytool {arguments}")]).output().unwrap();
    assert!(keytool.status.success(), "keytool {arguments}: {}", String::from_utf8_lossy(&keytool.stdout));
}

/// A store of this type that trusts the cluster's authority.
pub(crate) fn truststore(cluster: &KafkaCluster, store_type: &str) -> String {
    let store = workspace::service_dir("truststore").join(format!("trust.{}", store_type.to_lowercase()));
    let (store, ca) = (store.display().to_string(), cluster.certificates().path("ca.pem"));
    keytool(&format!(
        "-importcert -noprompt -alias ca -file {ca} -keystore {store} -storetype {store_type} -storepass {STORE_PASSWORD}"
    ));
    store
}

fn trusting(cluster: &KafkaCluster, store_type: &str, store: &str) -> Properties {
    let settings = [
        ("ssl.truststore.type", store_type),
        ("ssl.truststore.location", store),
        ("ssl.truststore.password", STORE_PASSWORD),
    ];
    with(cluster.client(Listener::Ssl), &settings)
}

#[tokio::test]
async fn a_pkcs12_truststore_is_read() {
    let cluster = topic_of("security-pkcs12", "User:ANONYMOUS").await;
    let store = truststore(cluster, "PKCS12");

    gets_in(&trusting(cluster, "PKCS12", &store), "security-pkcs12").await;
}

#[tokio::test]
async fn a_jks_truststore_is_answered_with_the_command_that_converts_it() {
    let cluster = topic_of("security-jks", "User:ANONYMOUS").await;
    let store = truststore(cluster, "JKS");

    let error = kept_out(&trusting(cluster, "JKS", &store)).await.to_string();

    let (_, command) = error.split_once("keytool ").unwrap_or_else(|| panic!("{error}"));
    keytool(&format!("{command} -noprompt -srcstorepass {STORE_PASSWORD} -deststorepass {STORE_PASSWORD}"));
    let (_, converted) = command.split_once("-destkeystore ").unwrap();
    let converted = converted.split(' ').next().unwrap();
    gets_in(&trusting(cluster, "PKCS12", converted), "security-jks").await;
}

#[tokio::test]
async fn a_dead_bootstrap_server_is_passed_over() {
    let cluster = topic_of("security-bootstrap", &format!("User:{USER}")).await;
    let [plain, ..] = Sasl::all();
    let servers = format!("127.0.0.1:{},{}", free_port(), cluster.bootstrap_at(Listener::SaslSsl));
    let properties = with(cluster.sasl_client(Listener::SaslSsl, &plain), &[("bootstrap.servers", &servers)]);

    // The client begins at a random one.
    for _ in 0..5 {
        gets_in(&properties, "security-bootstrap").await;
    }
}

#[tokio::test]
async fn a_listener_of_another_protocol_ends_in_an_error() {
    let cluster = secured_cluster().await;
    let soon = ("default.api.timeout.ms", "3000");
    let [tls_at_plain, plain_at_tls] = [(Listener::Ssl, Listener::Plaintext), (Listener::Plaintext, Listener::Ssl)]
        .map(|(client, at)| with(cluster.client(client), &[("bootstrap.servers", &cluster.bootstrap_at(at)), soon]));

    for properties in [tls_at_plain, plain_at_tls] {
        let Err(error) = RawClient::connect(&properties).await else { panic!("got in with {properties:?}") };

        assert!(matches!(error, ClientError::Connect { .. }), "{error}");
    }
}
