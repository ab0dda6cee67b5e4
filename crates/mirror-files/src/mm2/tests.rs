use super::*;
use crate::properties;

fn mm2(text: &str) -> Mm2 {
    let given = properties::read(text.as_bytes()).unwrap();
    let resolved = given.to_config();
    Mm2::new(given, resolved).unwrap()
}

const TWO_CLUSTERS: &str =
    "clusters = A, B\nA.bootstrap.servers = a:1\nB.bootstrap.servers = b:1\nA->B.enabled = true\n";

fn with(more: &str) -> Mm2 {
    mm2(&format!("{TWO_CLUSTERS}{more}"))
}

fn names(flows: &[Flow]) -> Vec<&str> {
    flows.iter().map(|flow| flow.name.as_str()).collect()
}

fn flow(mm2: &Mm2, name: &str) -> Flow {
    mm2.flows(&[]).unwrap().into_iter().find(|flow| flow.name == name).unwrap()
}

fn connector(mm2: &Mm2, class: &str) -> Settings {
    flow(mm2, "A->B").connectors.into_iter().find(|connector| connector.name == class).unwrap().settings
}

#[test]
fn a_pair_has_a_group_if_it_is_enabled_or_beats() {
    let beating = with("");
    let silent = with("emit.heartbeats.enabled = false\n");
    let one_beats = with("emit.heartbeats.enabled = false\nB->A.emit.heartbeats.enabled = true\n");
    let one_is_silent = with("B->A.emit.heartbeats.enabled = false\n");

    assert_eq!(names(&beating.flows(&[]).unwrap()), ["A->B", "B->A"]);
    assert_eq!(names(&silent.flows(&[]).unwrap()), ["A->B"]);
    assert_eq!(names(&one_beats.flows(&[]).unwrap()), ["A->B", "B->A"]);
    assert_eq!(names(&one_is_silent.flows(&[]).unwrap()), ["A->B"]);
}

#[test]
fn only_flows_to_the_wanted_targets_run_and_a_stranger_is_named() {
    let mm2 = with("");

    assert_eq!(names(&mm2.flows(&["B".into()]).unwrap()), ["A->B"]);
    let error = mm2.flows(&["C".into()]).unwrap_err();
    assert!(error.message.contains('C') && error.message.contains("A, B"), "{error}");
    assert!(mm2_without_flows().flows(&[]).is_err());
}

fn mm2_without_flows() -> Mm2 {
    mm2("clusters = A, B\nemit.heartbeats.enabled = false\n")
}

#[test]
fn group_topics_and_converters_are_named_as_java_names_them() {
    let worker = flow(&with(""), "A->B").worker;

    for (key, value) in [
        ("bootstrap.servers", "b:1"),
        ("client.id", "A->B"),
        ("group.id", "A-mm2"),
        ("offset.storage.topic", "mm2-offsets.A.internal"),
        ("status.storage.topic", "mm2-status.A.internal"),
        ("config.storage.topic", "mm2-configs.A.internal"),
        ("header.converter", BYTE_ARRAY_CONVERTER),
        ("producer.bootstrap.servers", "b:1"),
    ] {
        assert_eq!(worker.get(key), Some(value), "{key}");
    }
}

#[test]
fn a_worker_key_is_given_for_its_cluster_and_without_one_only_where_java_looks() {
    let worker = flow(
        &with("B.offset.flush.interval.ms = 5\noffset.flush.timeout.ms = 6\nstatus.storage.replication.factor = 1\nportage.memory.bytes = 7\n"),
        "A->B",
    )
    .worker;

    assert_eq!(worker.get("offset.flush.interval.ms"), Some("5"));
    assert_eq!(worker.get("offset.flush.timeout.ms"), None);
    assert_eq!(worker.get("status.storage.replication.factor"), Some("1"));
    assert_eq!(worker.get("portage.memory.bytes"), Some("7"));
}

#[test]
fn security_of_all_reaches_every_client_and_that_of_a_cluster_wins() {
    let mm2 = with("security.protocol = SSL\nB.security.protocol = PLAINTEXT\nB.consumer.ssl.protocol = x\n");
    let source = connector(&mm2, "MirrorSourceConnector");

    assert_eq!(source.get("source.cluster.security.protocol"), Some("SSL"));
    assert_eq!(source.get("source.consumer.security.protocol"), Some("SSL"));
    assert_eq!(source.get("target.cluster.security.protocol"), Some("PLAINTEXT"));
    assert_eq!(source.get("target.producer.security.protocol"), Some("PLAINTEXT"));
    assert_eq!(source.get("target.consumer.ssl.protocol"), Some("x"));
    assert_eq!(source.get("security.protocol"), Some("SSL"));
}

#[test]
fn a_flow_inherits_what_connectors_declare_and_its_own_keys_win() {
    let mm2 = with("tasks.max = 4\ntopics = a\nA->B.topics = b\nsync.group.offsets.enabled = true\nnonsense = 1\n");
    let source = connector(&mm2, "MirrorSourceConnector");

    assert_eq!(source.get("tasks.max"), Some("4"));
    assert_eq!((source.get("topics"), source.line("topics")), (Some("b"), Some(7)));
    assert_eq!(source.get("sync.group.offsets.enabled"), Some("true"));
    assert_eq!(source.get("nonsense"), None);
    assert_eq!(source.get("name"), Some("MirrorSourceConnector"));
    assert_eq!(source.get("connector.class"), Some("org.apache.kafka.connect.mirror.MirrorSourceConnector"));
    assert_eq!(source.get("source.cluster.alias"), Some("A"));
    assert_eq!(source.get("enabled"), Some("true"));
}

#[test]
fn the_connectors_of_a_pair_that_only_beats_are_not_enabled() {
    let flow = flow(&with(""), "B->A");

    assert!(flow.connectors.iter().all(|connector| connector.settings.get("enabled") == Some("false")));
    assert_eq!(flow.worker.get("group.id"), Some("B-mm2"));
}

#[test]
fn references_stay_in_configs_and_decide_flows_once_they_are_resolved() {
    let text = format!(
        "{TWO_CLUSTERS}config.providers = env\nB->A.enabled = ${{env:BACK}}\nemit.heartbeats.enabled = false\n"
    );
    let given = properties::read(text.as_bytes()).unwrap();
    let mut resolved = given.to_config();
    resolved.insert("B->A.enabled".into(), "true".into());

    let flow = flow(&Mm2::new(given, resolved).unwrap(), "B->A");

    assert_eq!(flow.connectors[0].settings.get("enabled"), Some("${env:BACK}"));
    assert_eq!(flow.connectors[0].settings.get("config.providers"), Some("env"));
    assert_eq!(flow.worker.get("config.providers"), Some("env"));
}

#[test]
fn the_workers_listen_only_if_they_are_told_to() {
    let listening = with("dedicated.mode.enable.internal.rest = true\nlisteners = http://127.0.0.1:0\n");

    assert_eq!(with("listeners = http://x:1\n").internal_rest(), None);
    assert_eq!(listening.internal_rest().unwrap()["listeners"], "http://127.0.0.1:0");
}

#[test]
fn without_a_list_of_clusters_there_is_nothing_to_do() {
    let given = properties::read(b"A.bootstrap.servers = a:1\n").unwrap();
    let error = Mm2::new(given.clone(), given.to_config()).unwrap_err();

    assert!(error.message.contains("clusters"), "{error}");
}
