//! What a topic is, its remote topic stays: configs and ACLs after creation.
//!
//! - A config that is set, changed or taken away at the source is so on the target an interval later; excluded ones are not. So it is
//!   with one that is taken away while the connector is stopped.
//! - An override that only the target has is left alone, and so is a value that somebody has put back; the connector's status
//!   names both.
//! - With `use.defaults.from=source`, what is default at the source is set on the target.
//! - Whoever may read a topic may read its remote topic: rules for names, for beginnings of names and for all topics (`*`).
//!   Allowing everything becomes allowing to read, allowing to write is not copied, denials are.
//! - Principals are mapped by rules. What is revoked at the source stays on the target and is named, or goes, as the config says; also
//!   what is revoked while the connector is stopped. A rule that goes revokes nothing.
//! - A target without an authorizer, and permissions that the mirror lacks, are named in the status with the ACL that is needed.

use std::collections::BTreeSet;

use harness::{Acl, KafkaCluster, Listener, Properties, Sasl, USER, clusters, eventually, secured_cluster};

use crate::delivery::{ARRIVES, Flow, worker};
use crate::lifecycle::all_in_state;

const SECOND: &str = "1";

fn settings(settings: &[(&str, &str)]) -> Properties {
    settings.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Waits until the connector's status has all of these words, or none where there are none.
async fn says(flow: &Flow, words: &[&str]) {
    eventually(&format!("{} says {words:?}", flow.name), ARRIVES, async || {
        let status = flow.status().await;
        let said = status["connector"]["trace"].as_str().unwrap_or_default();
        let right = if words.is_empty() { said.is_empty() } else { words.iter().all(|word| said.contains(word)) };
        if right && status["connector"]["state"] == "RUNNING" { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
}

async fn configs_become(cluster: &KafkaCluster, topic: &str, wanted: &[(&str, &str)]) {
    let wanted = settings(wanted);
    eventually(&format!("{topic} has {wanted:?}"), ARRIVES, async || {
        let now = cluster.topic_config(topic).await;
        if now == wanted { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
}

#[tokio::test]
async fn configs_follow_the_source_and_what_only_the_target_has_stays() {
    let pair = clusters().await;
    let topic = "step-configs";
    let at_first = [("retention.ms", "1000000"), ("segment.ms", "2000000"), ("min.insync.replicas", "1")];
    pair.source.create_topic_with(topic, 1, &at_first).await;
    let flow = Flow::new("step-configs-flow", topic).await.with("sync.topic.configs.interval.seconds", SECOND);
    flow.start().await;
    let remote = flow.remote(topic);
    configs_become(&pair.target, &remote, &at_first[..2]).await;
    says(&flow, &[]).await;

    // An override of the target's own, and a value that somebody there wants back whatever the source says.
    pair.target.set_topic_config(&remote, &[("max.message.bytes", Some("2000000"))]).await;
    pair.source.set_topic_config(topic, &[("retention.ms", Some("3000000")), ("segment.ms", None)]).await;
    pair.source.set_topic_config(topic, &[("unclean.leader.election.enable", Some("true"))]).await;
    configs_become(&pair.target, &remote, &[("max.message.bytes", "2000000"), ("retention.ms", "3000000")]).await;
    pair.target.set_topic_config(&remote, &[("retention.ms", Some("1"))]).await;
    says(
        &flow,
        &[
            "topic step-configs-flow.step-configs: max.message.bytes is \"2000000\" on the target and not set at the source",
            "retention.ms is \"1\" on the target and \"3000000\" at the source",
        ],
    )
    .await;
    let metrics = worker().await.rest().get("/metrics").await.expect_text();
    let drift = |line: &&str| line.starts_with("portage_mirror_findings{") && line.contains("step-configs-flow");
    let drift: Vec<&str> = metrics.lines().filter(drift).filter(|line| line.contains("about=\"configs\"")).collect();
    assert!(matches!(drift[..], [line] if line.ends_with(" 2")), "{drift:?}");

    // A later look has been there when this arrives, and has left both as they are.
    pair.source.set_topic_config(topic, &[("cleanup.policy", Some("compact"))]).await;
    let left = [("cleanup.policy", "compact"), ("max.message.bytes", "2000000"), ("retention.ms", "1")];
    configs_become(&pair.target, &remote, &left).await;
    pair.source.set_topic_config(topic, &[("retention.ms", Some("4000000"))]).await;
    let left = [("cleanup.policy", "compact"), ("max.message.bytes", "2000000"), ("retention.ms", "4000000")];
    configs_become(&pair.target, &remote, &left).await;

    let rest = worker().await.rest();
    eventually("what was copied is noted", ARRIVES, async || {
        let noted = pair.target.consume("portage-copied-configs.step-configs-flow.internal").await;
        let last = noted.last().map(|read| read.text()).unwrap_or_default();
        if last.contains("cleanup.policy") && last.contains("retention.ms") { Ok(()) } else { Err(last) }
    })
    .await;
    rest.put("/connectors/step-configs-flow/stop", &serde_json::Value::Null).await;
    all_in_state(rest, "step-configs-flow", "STOPPED", 0).await;
    pair.source.set_topic_config(topic, &[("retention.ms", None)]).await;
    rest.put("/connectors/step-configs-flow/resume", &serde_json::Value::Null).await;
    configs_become(&pair.target, &remote, &[("cleanup.policy", "compact"), ("max.message.bytes", "2000000")]).await;
}

#[tokio::test]
async fn defaults_of_the_source_are_set_if_they_are_wanted() {
    let pair = clusters().await;
    let topic = "step-defaults";
    pair.source.create_topic_with(topic, 1, &[("segment.ms", "1000000")]).await;
    let flow = Flow::new("step-defaults-flow", topic).await.with("sync.topic.configs.interval.seconds", SECOND);
    let flow = flow.with("use.defaults.from", "source");

    flow.start().await;
    pair.source.set_topic_config(topic, &[("segment.ms", None)]).await;

    eventually("the source's default is set", ARRIVES, async || {
        let now = pair.target.topic_config(&flow.remote(topic)).await;
        match now.get("segment.ms").map(String::as_str) {
            Some("604800000") => Ok(()),
            _ => Err(format!("{now:?}")),
        }
    })
    .await;
}

/// A flow from the secured cluster to itself.
async fn secured_flow(name: &str, topics: &str) -> Flow {
    let secured = secured_cluster().await;
    Flow::new(name, topics)
        .await
        .with("source.cluster.bootstrap.servers", &secured.bootstrap())
        .with("target.cluster.bootstrap.servers", &secured.bootstrap())
        .with("sync.topic.acls.interval.seconds", SECOND)
}

/// The ACLs of the remote topics of a flow.
async fn remote_acls(flow: &Flow) -> BTreeSet<String> {
    let acls = secured_cluster().await.acls().await;
    acls.iter().filter(|acl| acl.name.starts_with(&format!("{}.", flow.name))).map(shown).collect()
}

fn shown(acl: &Acl) -> String {
    let Acl { principal, operation, resource, name, pattern, permission } = acl;
    format!("{permission} {principal} {operation} {resource} {pattern} {name}")
}

async fn acls_become<const N: usize>(flow: &Flow, wanted: [Acl; N]) {
    let wanted: BTreeSet<String> = wanted.iter().map(shown).collect();
    eventually(&format!("{} has its ACLs", flow.name), ARRIVES, async || {
        let now = remote_acls(flow).await;
        if now == wanted { Ok(()) } else { Err(format!("{now:#?}\nand not\n{wanted:#?}")) }
    })
    .await;
}

#[tokio::test]
async fn who_may_read_a_topic_may_read_its_remote_topic() {
    let secured = secured_cluster().await;
    let topic = "step-acls";
    secured.create_topic(topic, 1).await;
    let reads = Acl::allow("User:reader", "READ", "TOPIC", topic);
    let starts = Acl::allow("User:starter", "READ", "TOPIC", "step-ac").prefixed();
    secured
        .create_acls(&[
            reads.clone(),
            starts.clone(),
            Acl::allow("User:writer", "WRITE", "TOPIC", topic),
            Acl::allow("User:owner", "ALL", "TOPIC", topic),
            Acl::allow("User:outcast", "ALL", "TOPIC", topic).deny(),
            Acl::allow("User:step-auditor", "DESCRIBE", "TOPIC", "*"),
            Acl::allow("User:reader", "READ", "GROUP", topic),
            Acl::allow("User:reader", "READ", "TOPIC", "step-elsewhere"),
            Acl::allow("User:starter", "READ", "TOPIC", "step-elsewhere").prefixed(),
        ])
        .await;
    let kept = secured_flow("step-acls-kept", topic).await;
    let removed = secured_flow("step-acls-removed", topic).await;
    let removed = removed.with("portage.sync.topic.acls.remove", "true").with(
        "portage.sync.topic.acls.principal.rules",
        "RULE:User:(reader|starter)/User:$1@dr/,RULE:User:owner/User:CN=o/",
    );

    tokio::join!(kept.start(), removed.start());

    let name = kept.remote(topic);
    let on_all = |acl: Acl| Acl { name: format!("{}.", kept.name), ..acl.prefixed() };
    let copied = |acl: &Acl, flow: &Flow| Acl { name: flow.remote(&acl.name), ..acl.clone() };
    let lasting = [
        Acl::allow("User:owner", "READ", "TOPIC", &name),
        Acl::allow("User:outcast", "ALL", "TOPIC", &name).deny(),
        on_all(Acl::allow("User:step-auditor", "DESCRIBE", "TOPIC", "")),
    ];
    let [owner, outcast, auditor] = lasting.clone();
    acls_become(&kept, [owner, outcast, auditor, copied(&reads, &kept), copied(&starts, &kept)]).await;
    let name = removed.remote(topic);
    let owner = Acl::allow("User:CN=o", "READ", "TOPIC", &name);
    let reader = Acl::allow("User:reader@dr", "READ", "TOPIC", &name);
    let starter = Acl { principal: "User:starter@dr".to_owned(), ..copied(&starts, &removed) };
    acls_become(&removed, [owner.clone(), reader, starter.clone()]).await;
    says(&removed, &["no principal rule for User:outcast: its ACLs are not copied"]).await;

    secured.delete_acl(&reads).await;

    acls_become(&removed, [owner.clone(), starter]).await;
    says(
        &kept,
        &["revoked at the source and still on the target: User:reader may READ topic step-acls-kept.step-acls"],
    )
    .await;
    // While both are stopped. Then the rule for the owner goes, which is no revocation.
    let rest = worker().await.rest();
    for flow in [&kept, &removed] {
        rest.put(&format!("/connectors/{}/stop", flow.name), &serde_json::Value::Null).await;
        all_in_state(rest, &flow.name, "STOPPED", 0).await;
    }
    secured.delete_acl(&starts).await;
    for flow in [&kept, &removed] {
        rest.put(&format!("/connectors/{}/resume", flow.name), &serde_json::Value::Null).await;
    }
    acls_become(&removed, [owner.clone()]).await;
    let removed = removed.with("portage.sync.topic.acls.principal.rules", "RULE:User:(reader|starter)/User:$1@dr/");
    removed.start().await;
    says(
        &kept,
        &[
            "revoked at the source and still on the target: User:reader may READ topic step-acls-kept.step-acls",
            "still on the target: User:starter may READ topics that begin with step-acls-kept.step-ac",
        ],
    )
    .await;
    says(&removed, &["no principal rule for User:owner: its ACLs are not copied"]).await;
    acls_become(&removed, [owner]).await;
    let [owner, outcast, auditor] = lasting;
    acls_become(&kept, [owner, outcast, auditor, copied(&reads, &kept), copied(&starts, &kept)]).await;
}

#[tokio::test]
async fn what_keeps_the_target_from_being_in_step_is_named() {
    let secured = secured_cluster().await;
    let topic = "step-denied";
    secured.create_topic_with(topic, 1, &[("retention.ms", "1000000")]).await;
    secured.create_acls(&[Acl::allow("User:reader", "READ", "TOPIC", topic)]).await;
    let open = secured_flow("step-open", topic).await;
    let open = open.with("target.cluster.bootstrap.servers", &clusters().await.target.bootstrap());
    let mut denied = secured_flow("step-denied-flow", topic).await.with("sync.topic.configs.interval.seconds", SECOND);
    secured.create_topic(&denied.remote(topic), 1).await;
    let user = Sasl::Scram512(USER.to_owned(), harness::PASSWORD.to_owned());
    for (key, value) in secured.sasl_client(Listener::SaslSsl, &user) {
        denied = denied.with(&format!("target.admin.{key}"), &value);
    }
    // May see the topic, and nothing else.
    let principal = format!("User:{USER}");
    secured.create_acls(&[Acl::allow(&principal, "DESCRIBE", "TOPIC", &denied.remote(topic))]).await;

    tokio::join!(open.start(), denied.start());

    says(&open, &["the source has ACLs and the target has no authorizer"]).await;
    says(
        &denied,
        &[
            "topic step-denied-flow.step-denied: its configs can't be read on the target: the principal needs DescribeConfigs",
            "ACLs can't be kept in step on the target: the principal needs Describe and Alter on the cluster there",
        ],
    )
    .await;
    let on_topic = |operation: &str| Acl::allow(&principal, operation, "TOPIC", &denied.remote(topic));
    secured.create_acls(&[on_topic("DESCRIBE_CONFIGS")]).await;
    says(&denied, &["its configs can't be changed on the target: the principal needs AlterConfigs on it"]).await;
    let on_cluster = |operation: &str| Acl::allow(&principal, operation, "CLUSTER", "kafka-cluster");
    secured.create_acls(&[on_topic("ALTER_CONFIGS"), on_cluster("DESCRIBE"), on_cluster("ALTER")]).await;

    says(&denied, &[]).await;
    configs_become(secured, &denied.remote(topic), &[("retention.ms", "1000000")]).await;
    for operation in ["DESCRIBE", "ALTER"] {
        secured.delete_acl(&on_cluster(operation)).await;
    }
}
