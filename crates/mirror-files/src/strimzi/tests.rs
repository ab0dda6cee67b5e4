use std::collections::BTreeMap;

use super::*;
use crate::finding::Severity;
use crate::flow::{Connector, RunState};

/// The resource of the migration story that people find first, in the shape of its time.
const BLOG: &str = include_str!("../../golden/blog-kafkamirrormaker2.yaml");

const V1: &str = r#"
apiVersion: v1
kind: Secret
metadata:
  name: users
data:
  password: czNjcmV0
stringData:
  ca.crt: PEM
---
apiVersion: kafka.strimzi.io/v1
kind: KafkaMirrorMaker2
metadata:
  name: mm
  namespace: ns
spec:
  replicas: 1
  target:
    alias: b
    bootstrapServers: b:9092
    groupId: mm-group
    configStorageTopic: mm-c
    offsetStorageTopic: mm-o
    statusStorageTopic: mm-s
    config:
      config.storage.replication.factor: -1
      group.id: other
    authentication:
      type: scram-sha-512
      username: u
      passwordSecret:
        secretName: users
        password: password
    tls:
      trustedCertificates:
        - secretName: users
          pattern: "*.crt"
  mirrors:
    - source:
        alias: a
        bootstrapServers: a:9092
        authentication:
          type: plain
          username: "p\"q"
          passwordSecret: { secretName: users, password: password }
        config:
          request.timeout.ms: 7
      sourceConnector:
        tasksMax: 2
        config:
          source.cluster.request.timeout.ms: 8
          topics: x
        autoRestart: { enabled: true, maxRestarts: 5 }
      checkpointConnector:
        state: stopped
        config: {}
        alterOffsets: { fromConfigMap: { name: m } }
      topicsPattern: "orders|payments"
      groupsExcludePattern: "console.*"
---
kind: KafkaUser
metadata: { name: someone }
"#;

fn connectors(resource: &Resource) -> BTreeMap<&str, &Connector> {
    resource.flow.connectors.iter().map(|connector| (connector.name.as_str(), connector)).collect()
}

fn said(resource: &Resource) -> String {
    resource
        .findings
        .iter()
        .map(|finding| format!("{}: {} - {}\n", finding.severity, finding.what, finding.remedy))
        .collect()
}

#[test]
fn the_resource_of_the_blog_becomes_strimzis_worker_and_three_connectors() {
    let resource = read(BLOG).unwrap();
    let worker = &resource.flow.worker;
    let connectors = connectors(&resource);

    for (key, value) in [
        ("bootstrap.servers", "destination-cluster-kafka-bootstrap:9093"),
        ("group.id", "mirrormaker2-cluster"),
        ("config.storage.topic", "mirrormaker2-cluster-configs"),
        ("offset.storage.topic", "mirrormaker2-cluster-offsets"),
        ("status.storage.topic", "mirrormaker2-cluster-status"),
        ("config.storage.replication.factor", "1"),
        ("security.protocol", "SSL"),
        ("producer.security.protocol", "SSL"),
        ("admin.ssl.keystore.key", "${strimzisecrets:default/admin-user-2:user.key}"),
        ("header.converter", "org.apache.kafka.connect.converters.ByteArrayConverter"),
    ] {
        assert_eq!(worker.get(key), Some(value), "{key}");
    }
    let names: Vec<&&str> = connectors.keys().collect();
    let flow = "origin-cluster->destination-cluster";
    assert_eq!(
        names,
        [
            &&*format!("{flow}.MirrorCheckpointConnector"),
            &&*format!("{flow}.MirrorHeartbeatConnector"),
            &&*format!("{flow}.MirrorSourceConnector"),
        ]
    );
    let source = &connectors[&*format!("{flow}.MirrorSourceConnector")].settings;
    for (key, value) in [
        ("name", &*format!("{flow}.MirrorSourceConnector")),
        ("tasks.max", "3"),
        ("topics", ".*"),
        ("groups", ".*"),
        ("source.cluster.alias", "origin-cluster"),
        ("source.cluster.bootstrap.servers", "origin-cluster-kafka-bootstrap:9093"),
        ("source.cluster.security.protocol", "SSL"),
        ("source.cluster.ssl.keystore.certificate.chain", "${strimzisecrets:default/admin-user-1:user.crt}"),
        (
            "source.cluster.ssl.truststore.certificates",
            "${strimzisecrets:default/kafka-mirror-connect-tls-trusted-certs:origin-cluster.crt}",
        ),
        ("target.cluster.config.storage.topic", "mirrormaker2-cluster-configs"),
        ("replication.policy.class", "io.strimzi.kafka.connect.mirror.IdentityReplicationPolicy"),
        ("sync.topic.acls.enabled", "false"),
    ] {
        assert_eq!(source.get(key), Some(value), "{key}");
    }
    assert_eq!(source.line("topics"), Some(66));
    assert_eq!(resource.levels, [("root".to_owned(), "INFO".to_owned())]);
    assert!(
        said(&resource).contains("not used here: version, replicas, readinessProbe, livenessProbe"),
        "{}",
        said(&resource)
    );
}

#[test]
fn one_policy_holds_for_all_connectors_of_a_mirror_and_the_file_is_blamed_for_saying_it_once() {
    let resource = read(BLOG).unwrap();
    let key = "replication.policy.class";

    assert!(resource.flow.connectors.iter().all(|connector| connector.settings.get(key).is_some()));
    let blamed = resource.findings.iter().find(|finding| finding.what.contains(key)).unwrap();
    assert_eq!((blamed.severity, blamed.line), (Severity::Warning, Some(56)));
}

#[test]
fn a_v1_resource_becomes_strimzis_worker_and_two_connectors() {
    let resource = read(V1).unwrap();
    let worker = &resource.flow.worker;
    let connectors = connectors(&resource);
    let (source, checkpoint) =
        (&connectors["a->b.MirrorSourceConnector"], &connectors["a->b.MirrorCheckpointConnector"]);

    for (key, value) in [
        ("group.id", "mm-group"),
        ("offset.storage.topic", "mm-o"),
        ("config.storage.replication.factor", "-1"),
        ("security.protocol", "SASL_SSL"),
        ("sasl.mechanism", "SCRAM-SHA-512"),
        ("config.providers", "strimzienv,strimzifile,strimzidir,strimzisecrets"),
    ] {
        assert_eq!(worker.get(key), Some(value), "{key}");
    }
    assert_eq!(
        worker.get("sasl.jaas.config"),
        Some(
            "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"u\" \
             password=\"${strimzisecrets:ns/users:password}\";"
        )
    );
    let settings = &source.settings;
    assert_eq!(settings.get("source.cluster.security.protocol"), Some("SASL_PLAINTEXT"));
    assert!(settings.get("source.cluster.sasl.jaas.config").unwrap().contains(r#"username="p\"q""#));
    assert_eq!(settings.get("source.cluster.request.timeout.ms"), Some("8"), "the connector wins");
    assert_eq!(settings.get("topics"), Some("orders|payments"), "the pattern wins");
    assert_eq!(settings.get("groups.exclude"), Some("console.*"));
    assert_eq!(settings.get("portage.restart.max.attempts"), Some("5"));
    assert_eq!(checkpoint.settings.get("portage.restart.max.attempts"), None, "each connector has its own");
    assert_eq!((source.state, checkpoint.state), (Some(RunState::Running), Some(RunState::Stopped)));
    assert_eq!(connectors.len(), 2);
    let said = said(&resource);
    for word in [
        "KafkaUser someone is not used",
        "group.id in the config of b",
        "alterOffsets is not done",
        "connector-offsets: alter",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
}

#[test]
fn secrets_of_the_file_are_known_and_what_has_to_exist_is_listed() {
    let secrets = read(V1).unwrap().secrets;

    assert_eq!(secrets.given()["users"]["password"], "s3cret");
    assert_eq!(secrets.given()["users"]["ca.crt"], "PEM");
    let bundle = &secrets.bundles()[&("mm-connect-tls-trusted-certs".to_owned(), "b.crt".to_owned())];
    assert_eq!(bundle.iter().map(|part| (&*part.secret, &*part.key)).collect::<Vec<_>>(), [("users", "*.crt")]);
    assert!(secrets.needed().any(|needed| needed.key == "password"));
    assert!(!format!("{secrets:?}").contains("s3cret"));
}

#[test]
fn in_v1beta2_the_cluster_wins_over_the_connector() {
    let text = BLOG
        .replace("replication.factor: 3\n          offset-syncs", "source.cluster.alias: x\n          offset-syncs");
    let resource = read(&text).unwrap();

    let connectors = connectors(&resource);
    let source = &connectors["origin-cluster->destination-cluster.MirrorSourceConnector"].settings;
    assert_eq!(source.get("source.cluster.alias"), Some("origin-cluster"));
}

#[test]
fn a_resource_that_cannot_run_is_refused_at_its_line() {
    for (from, to, line, word) in [
        (
            "connectCluster: \"destination-cluster\"",
            "connectCluster: nowhere",
            9,
            "origin-cluster, destination-cluster",
        ),
        ("targetCluster: \"destination-cluster\"", "targetCluster: origin-cluster", 48, "must be the connectCluster"),
        ("sourceCluster: \"origin-cluster\"", "sourceCluster: ghost", 47, "ghost"),
        ("type: tls", "type: kerberos", 18, "scram-sha-512"),
        ("certificate: ca.crt", "certificat: ca.crt", 15, "certificate or pattern is missing"),
        ("tasksMax: 3", "state: resting", 50, "paused"),
    ] {
        let error = read(&BLOG.replacen(from, to, 1)).unwrap_err();

        assert!(error.message.contains(word), "{to}: {error}");
        assert_eq!(error.line, Some(line), "{to}: {error}");
    }
    assert!(read("kind: Service\n").unwrap_err().message.contains("no KafkaMirrorMaker2"));
    assert!(read(&format!("{BLOG}---\n{BLOG}")).unwrap_err().message.contains("second"));
}

#[test]
fn oauth_is_said_in_the_words_of_strimzis_login() {
    let oauth = "type: oauth\n          tokenEndpointUri: https://t/token\n          clientId: c\n          \
                 clientSecret: { secretName: users, key: password }\n          scope: s\n          audience: x\n          \
                 refreshToken: { secretName: users, key: password }\n          httpRetries: 3\n          audiance: y\n          \
                 tlsTrustedCertificates: [{ secretName: users, certificate: ca.crt }]";
    let resource = read(&V1.replace("type: plain", oauth)).unwrap();

    let source = &connectors(&resource)["a->b.MirrorSourceConnector"].settings;
    assert_eq!(source.get("source.cluster.sasl.mechanism"), Some("OAUTHBEARER"));
    assert_eq!(
        source.get("source.cluster.sasl.login.callback.handler.class"),
        Some("io.strimzi.kafka.oauth.client.JaasClientOauthLoginCallbackHandler")
    );
    let jaas = source.get("source.cluster.sasl.jaas.config").unwrap();
    for option in [
        "oauth.token.endpoint.uri=\"https://t/token\"",
        "oauth.client.id=\"c\"",
        "oauth.client.secret=\"${strimzisecrets:ns/users:password}\"",
        "oauth.refresh.token=\"${strimzisecrets:ns/users:password}\"",
        "oauth.scope=\"s\"",
        "oauth.audience=\"x\"",
        "oauth.ssl.truststore.certificates=\"${strimzisecrets:ns/mm-connect-tls-trusted-certs:a-oauth.crt}\"",
    ] {
        assert!(jaas.contains(option), "{option}: {jaas}");
    }
    let allowed = resource.flow.worker.get("portage.sasl.oauthbearer.allowed.urls");
    assert_eq!(allowed, Some("https://t/token"), "the file's own endpoints are allowed");
    let said = said(&resource);
    assert!(
        said.contains("note: httpRetries")
            && said.contains("audiance of authentication type oauth is not used; did you mean audience?"),
        "{said}"
    );
}

#[test]
fn offsets_are_done_when_the_resource_is_annotated() {
    let asked = |action: &str| {
        let annotations = format!(
            "  namespace: ns\n  annotations:\n    strimzi.io/connector-offsets: {action}\n    \
             strimzi.io/mirrormaker-connector: a->b.MirrorCheckpointConnector"
        );
        V1.replace("  namespace: ns", &annotations)
    };
    let key = "a--b.MirrorCheckpointConnector.json";

    let alter = read(&asked("alter")).unwrap().offsets.unwrap();
    assert_eq!(alter.connector, "a->b.MirrorCheckpointConnector");
    assert!(matches!(alter.action, OffsetsAction::Alter(from) if from.config_map == "m" && from.key == key));
    assert_eq!(read(&asked("reset")).unwrap().offsets.unwrap().action, OffsetsAction::Reset);
    assert!(read(&asked("list")).unwrap_err().message.contains("listOffsets.toConfigMap.name"));
    assert!(read(&asked("forget")).unwrap_err().message.contains("list, alter or reset"));
    let running = read(&asked("alter").replace("state: stopped", "state: running")).unwrap();
    assert_eq!(running.offsets, None);
    assert!(said(&running).contains("it is not stopped"), "{}", said(&running));
    let nobody = asked("reset").replace("connector: a->b.MirrorCheckpointConnector", "connector: x");
    assert!(read(&nobody).unwrap_err().message.contains("a->b.MirrorSourceConnector"));
}

#[test]
fn a_config_map_of_the_file_may_hold_the_log_levels() {
    let logging = "logging:\n    type: external\n    valueFrom:\n      configMapKeyRef: { name: logs, key: log4j2.properties }\n  target:";
    let text = format!(
        "{}---\nkind: ConfigMap\nmetadata: {{name: logs}}\ndata:\n  log4j2.properties: |\n    rootLogger.level=DEBUG\n",
        V1.replace("target:", logging)
    );
    let resource = read(&text).unwrap();

    let wanted = resource.external_levels.unwrap();
    assert_eq!(resource.config_maps[&wanted.config_map][&wanted.key], "rootLogger.level=DEBUG\n");
}

#[test]
fn an_unknown_field_is_named_with_what_was_meant() {
    let resource = read(&BLOG.replace("topicsPattern:", "topicPattern:").replace("tasksMax", "taskMax")).unwrap();
    let said = said(&resource);

    assert!(said.contains("topicPattern; did you mean topicsPattern?"), "{said}");
    assert!(said.contains("taskMax; did you mean tasksMax?"), "{said}");
}

#[test]
fn levels_are_read_in_every_way_that_log4j_had() {
    let logging = "logging:\n  type: inline\n  loggers:\n    rootLogger.level: WARN\n    log4j.logger.org.apache.kafka.connect: \
                   DEBUG, x\n    logger.m.name: org.m\n    logger.m.level: TRACE\n";
    let document = &yaml::read(logging).unwrap()[0];
    let levels = worker::levels(document.field("logging").unwrap());

    let expected = [("root", "WARN"), ("org.apache.kafka.connect", "DEBUG"), ("org.m", "TRACE")];
    assert_eq!(levels, expected.map(|(logger, level)| (logger.to_owned(), level.to_owned())));
}

#[test]
fn a_file_that_was_cut_off_or_garbled_makes_no_panic() {
    for text in [BLOG, V1] {
        let cuts = (0..text.len()).filter(|at| text.is_char_boundary(*at));
        for cut in cuts.step_by(3) {
            let (head, tail) = text.split_at(cut);
            for garbled in [head.to_owned(), tail.to_owned(), format!("{head}: [{{&a *a\n\t- {tail}")] {
                if let Ok(resource) = read(&garbled) {
                    assert!(!resource.flow.connectors.is_empty());
                }
            }
        }
    }
}

#[test]
fn yaml_is_told_from_properties() {
    assert!(is_kubernetes(BLOG) && is_kubernetes(V1) && is_kubernetes("{\"kind\": \"x\"}"));
    assert!(!is_kubernetes("clusters: A, B\nA->B.enabled: true\n"));
}
