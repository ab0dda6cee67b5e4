use super::factors::{Side, factors, too_large};
use super::keys::{Vocabulary, unread};
use super::*;
use crate::finding::Severity;
use crate::mm2::Mm2;
use crate::{properties, strimzi};

const START: &str = "clusters = A, B\nA.bootstrap.servers = a:1\nB.bootstrap.servers = b:1\nA->B.enabled = true\n";
const IDENTITY: &str = "org.apache.kafka.connect.mirror.IdentityReplicationPolicy";
const BLOG: &str = include_str!("../../golden/blog-kafkamirrormaker2.yaml");

fn mm2(more: &str) -> Mm2 {
    let given = properties::read(format!("{START}{more}").as_bytes()).unwrap();
    let resolved = given.to_config();
    Mm2::new(given, resolved).unwrap()
}

fn words() -> Vocabulary {
    let set = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Vocabulary {
        worker: set(&["group.id", "offset.flush.interval.ms", "bootstrap.servers"]),
        client: set(&["fetch.min.bytes", "linger.ms", "bootstrap.servers", "security.protocol"]),
        connector: set(&["topics", "topics.exclude", "enabled", "tasks.max", "replication.factor"]),
    }
}

fn of_keys(more: &str) -> Vec<Finding> {
    let findings = unread(&mm2(more), &words());
    findings.into_iter().filter(|finding| finding.severity != Severity::Note).collect()
}

fn of_flows(more: &str, severity: Severity) -> Vec<Finding> {
    let findings = flows(&mm2(more).flows(&[]).unwrap());
    findings.into_iter().filter(|finding| finding.severity == severity).collect()
}

#[test]
fn a_key_that_nobody_reads_is_named_with_its_line_and_what_was_meant() {
    for (line, said, remedy) in [
        ("topcs = x", "unknown key topcs; did you mean topics?", "correct or remove"),
        ("A->B.topics.exlude = x", "unknown key A->B.topics.exlude; did you mean topics.exclude?", "correct"),
        ("A.consumer.fetch.min.byte = 1", "did you mean fetch.min.bytes?", "correct"),
        ("offset.flush.interval.ms = 5", "has no effect without a cluster", "write B.offset.flush.interval.ms"),
        ("producer.linger.ms = 5", "has no effect without a cluster", "write B.producer.linger.ms"),
        ("A->C.enabled = true", "names a cluster that is not in clusters = A, B", "add the cluster"),
        ("A -> B.topics = x", "blanks end the key", "write A->B.topics=x"),
        ("topics.blacklist = x", "was removed in Kafka 4.0", "rename"),
    ] {
        let findings = of_keys(&format!("{line}\n"));

        assert_eq!(findings.len(), 1, "{line}: {findings:?}");
        assert_eq!(findings[0].line, Some(5), "{line}: {findings:?}");
        assert!(findings[0].what.contains(said) && findings[0].remedy.contains(remedy), "{line}: {findings:?}");
    }
}

#[test]
fn keys_that_are_read_are_not_named() {
    let more = "tasks.max = 2\nB.group.id = x\nB.producer.linger.ms = 1\nA->B.source.consumer.fetch.min.bytes = 1\nB.config.storage.segment.bytes = 1\n\
                config.providers = env\nreplication.policy.separator = _\nlisteners = http://:1\nA->B.producer.override.acks = all\n\
                portage.memory.bytes = 5000000\nsecurity.protocol = SSL\nstatus.storage.replication.factor = 1\n";

    assert_eq!(of_keys(more), []);
}

#[test]
fn a_cluster_needs_an_address() {
    let given = properties::read(b"clusters = A, B\nA.bootstrap.servers = a:1\n").unwrap();
    let findings = unread(&Mm2::new(given.clone(), given.to_config()).unwrap(), &words());

    assert!(
        findings
            .iter()
            .any(|finding| finding.what.contains("B.bootstrap.servers is missing") && finding.line == Some(1))
    );
}

#[test]
fn two_identity_flows_in_opposite_directions_are_a_loop() {
    let both = format!("B->A.enabled = true\nreplication.policy.class = {IDENTITY}\n");

    let found = of_flows(&both, Severity::Error);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].what.contains("goes round for ever"));
    assert_eq!(found[0].line, Some(6));
    let apart = of_flows(&format!("{both}A->B.topics = a.*\nB->A.topics = b.*\n"), Severity::Error);
    assert_eq!(apart, []);
    let one_way = of_flows(&format!("replication.policy.class = {IDENTITY}\n"), Severity::Error);
    assert_eq!(one_way, []);
}

#[test]
fn a_cluster_is_not_mirrored_into_itself() {
    let found = of_flows("B.bootstrap.servers = a:1\n", Severity::Error);

    assert!(found.iter().any(|finding| finding.what.contains("into itself")), "{found:?}");
}

#[test]
fn what_the_connectors_of_a_mirror_must_have_in_common_is_compared() {
    let mut resource = strimzi::read(BLOG).unwrap();
    let checkpoint =
        resource.flow.connectors.iter_mut().find(|connector| connector.name.contains("Checkpoint")).unwrap();
    checkpoint.settings.put("replication.policy.class", "other", Some(99));

    let found = flows(&[resource.flow]);

    let error = found.iter().find(|finding| finding.severity == Severity::Error).unwrap();
    assert!(error.what.contains("replication.policy.class differs") && error.what.contains("has other"), "{error:?}");
}

#[test]
fn a_default_that_one_connector_says_aloud_is_no_difference() {
    let mut resource = strimzi::read(BLOG).unwrap();
    for connector in &mut resource.flow.connectors {
        connector.settings.put("replication.policy.class", IDENTITY, None);
    }

    let found = flows(&[resource.flow]);

    assert!(found.iter().all(|finding| !finding.what.contains("differs")), "{found:?}");
    let said = strimzi::read(BLOG).unwrap().findings;
    assert!(said.iter().all(|finding| !finding.what.contains("separator")), "{said:?}");
}

#[test]
fn hints_say_what_is_missing() {
    let notes = of_flows("", Severity::Note);

    assert!(notes.iter().any(|note| note.what.contains("one task for all partitions")));
    assert!(notes.iter().any(|note| note.remedy.contains("sync.group.offsets.enabled")));
    let none = mm2("A->B.enabled = false\n");
    assert!(flows(&none.flows(&[]).unwrap()).iter().any(|finding| finding.what.contains("no flow is enabled")));
}

#[test]
fn replication_factors_are_held_against_the_brokers_of_their_cluster() {
    let flow = strimzi::read(BLOG).unwrap().flow;
    let factors = factors(&flow);

    let on_one = too_large(&factors, Side::Target, 1);
    let named: Vec<(&str, Option<usize>)> =
        on_one.iter().map(|finding| (finding.what.split(' ').next().unwrap(), finding.line)).collect();
    assert_eq!(
        named,
        [
            ("replication.factor", Some(52)),
            ("heartbeats.topic.replication.factor", Some(60)),
            ("checkpoints.topic.replication.factor", Some(63)),
        ]
    );
    assert_eq!(too_large(&factors, Side::Source, 1), []);
    assert_eq!(too_large(&factors, Side::Target, 3), []);
    let defaults = factors::factors(&mm2("").flows(&[]).unwrap()[0]);
    assert!(too_large(&defaults, Side::Source, 2).iter().any(|finding| finding.what.contains("(the default)")));
}

mod of_clusters {
    use super::*;
    use crate::check::clusters::{ClusterFacts, NoAcls, between, wanted};

    const SOURCE: &str = "MirrorSourceConnector";
    const CHECKPOINT: &str = "MirrorCheckpointConnector";

    fn connector(class: &str, more: &str) -> Connector {
        let flow = mm2(more).flows(&[]).unwrap().remove(0);
        flow.connectors.into_iter().find(|connector| connector.class() == class).unwrap()
    }

    fn facts(topics: &[(&str, &[(&str, &str)])], groups: &[(&str, &str)]) -> ClusterFacts {
        let pairs =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect();
        ClusterFacts {
            topics: topics.iter().map(|(topic, _)| (*topic).to_owned()).collect(),
            configs: topics.iter().map(|(topic, configs)| ((*topic).to_owned(), Ok(pairs(configs)))).collect(),
            groups: groups.iter().map(|(group, state)| ((*group).to_owned(), (*state).to_owned())).collect(),
            ..ClusterFacts::default()
        }
    }

    fn said(class: &str, more: &str, source: &ClusterFacts, target: &ClusterFacts) -> String {
        let findings = between(&connector(class, more), source, target);
        findings
            .iter()
            .map(|finding| format!("{}: {} - {}\n", finding.severity, finding.what, finding.remedy))
            .collect()
    }

    #[test]
    fn topics_that_nobody_has_are_missed() {
        let some = facts(&[("orders", &[])], &[]);

        assert!(said(SOURCE, "A->B.topics = payments\n", &some, &some).contains("finds no topic to mirror"));
        assert!(!said(SOURCE, "A->B.topics = ord.*\n", &some, &some).contains("finds no topic"));
    }

    #[test]
    fn a_copy_has_to_take_what_its_topic_takes() {
        let source = facts(&[("orders", &[("max.message.bytes", "2000000"), ("retention.ms", "-1")])], &[]);
        let copy = [
            ("max.message.bytes", "1000000"),
            ("retention.ms", "5"),
            ("cleanup.policy", "delete"),
            ("message.timestamp.type", "LogAppendTime"),
        ];

        let before = said(SOURCE, "", &source, &facts(&[("A.orders", &copy)], &[]));

        assert!(before.contains("A.orders only 1000000"), "{before}");
        assert!(before.contains("keeps records for 5 ms") && before.contains("lose their times"), "{before}");
        let mut small = ClusterFacts::default();
        small.broker.insert("message.max.bytes".to_owned(), "1000000".to_owned());
        assert!(said(SOURCE, "", &source, &small).contains("the target's brokers only 1000000"));
        assert_eq!(said(SOURCE, "", &source, &facts(&[("A.orders", &[("max.message.bytes", "2000000")])], &[])), "");
    }

    #[test]
    fn offset_syncs_have_to_be_kept() {
        let source = facts(&[("orders", &[]), ("mm2-offset-syncs.B.internal", &[("cleanup.policy", "delete")])], &[]);

        let found = said(SOURCE, "", &source, &ClusterFacts::default());

        assert!(found.contains("error: mm2-offset-syncs.B.internal on the source is not compacted"), "{found}");
        let at_source = wanted(&connector(SOURCE, ""), Side::Source, &source.topics, &source.topics);
        assert_eq!(at_source, ["mm2-offset-syncs.B.internal", "orders"]);
    }

    #[test]
    fn what_may_not_be_seen_is_said() {
        let mut source = facts(&[("orders", &[])], &[]);
        source.acls = Some(NoAcls::Forbidden);
        source.configs.insert("orders".to_owned(), Err("TOPIC_AUTHORIZATION_FAILED".to_owned()));
        let target = ClusterFacts { acls: Some(NoAcls::NoAuthorizer), ..ClusterFacts::default() };

        let found = said(SOURCE, "", &source, &target);

        for word in [
            "allow DESCRIBE_CONFIGS on topic orders",
            "may not see the ACLs of the source",
            "note: the target has no authorizer",
        ] {
            assert!(found.contains(word), "{word}: {found}");
        }
        assert!(!said(SOURCE, "sync.topic.acls.enabled = false\n", &source, &target).contains("ACLs"));
    }

    #[test]
    fn a_topic_that_looks_like_heartbeats_loses_its_name() {
        let source = facts(&[("my-heartbeats", &[])], &[]);

        let found =
            said(SOURCE, &format!("replication.policy.class = {IDENTITY}\n"), &source, &ClusterFacts::default());

        assert!(found.contains("my-heartbeats is taken for heartbeats"), "{found}");
    }

    #[test]
    fn groups_that_cannot_move_are_named() {
        let source = facts(&[], &[("readers", "Empty"), ("others", "Stable")]);
        let target = facts(&[], &[("readers", "Stable"), ("others", "Empty")]);

        let found = said(CHECKPOINT, "sync.group.offsets.enabled = true\n", &source, &target);

        assert!(found.contains("group readers has members on the target") && !found.contains("others"), "{found}");
        assert!(said(CHECKPOINT, "A->B.groups = none\n", &source, &target).contains("finds no group"));
    }
}
