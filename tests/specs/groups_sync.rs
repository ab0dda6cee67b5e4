//! Groups on the target are kept in step with those on the source.
//!
//! - A group of the new protocol (KIP-848) is followed like one of the old; while it has a member on the target it is left
//!   alone, and `/metrics` says so.
//! - Groups that are left out are named with the reason: not accepted, nothing committed, only on topics that are not accepted, no
//!   permission; so are those whose topic has not been mirrored yet, which follow when it is.
//! - A reader at the end of a topic is followed to its very record, long before the worker stores source offsets; not while the
//!   checkpoint connector is paused.
//! - Hundreds of groups on dozens of topics are in step within seconds, and a commit follows within the two intervals; the
//!   times are printed.

use std::time::{Duration, Instant};

use harness::{
    Acl, GroupOffset, KafkaCluster, Listener, Pair, Rest, Runtime, Sasl, USER, WorkerConfig, clusters, eventually,
    secured_cluster,
};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::lifecycle::{self, Config, SOON, worker, write};

const KIP_848: [(&str, &str); 1] = [("group.protocol", "consumer")];
const NEVER_COMMITS: [(&str, &str); 1] = [("enable.auto.commit", "false")];

/// Both connectors of a flow whose topics and groups begin with its name.
async fn flow(rest: &Rest, pair: &Pair, name: &str) {
    for kind in ["Source", "Checkpoint"] {
        start(rest, kind, name, config(name, &pair.source, &pair.target)).await;
    }
}

async fn start(rest: &Rest, kind: &str, name: &str, config: Config) {
    let class = format!("org.apache.kafka.connect.mirror.Mirror{kind}Connector");
    lifecycle::run(rest, &format!("{name}-{kind}"), &config.with("connector.class", &class)).await;
}

fn config(name: &str, source: &KafkaCluster, target: &KafkaCluster) -> Config {
    Config::flow("Source", (name, source), ("target", target))
        .prompt()
        .with("topics", &format!("{name}-.*"))
        .with("groups", &format!("{name}-.*"))
        .with("groups.exclude", ".*-excluded")
}

/// Waits until `/metrics` has a line of this metric with all of these labels.
async fn shows(rest: &Rest, metric: &str, labels: &[&str]) {
    eventually(&format!("{metric} with {labels:?} is shown"), SOON, async || {
        let shown = rest.get("/metrics").await.body;
        let found =
            shown.lines().any(|line| line.starts_with(metric) && labels.iter().all(|label| line.contains(label)));
        if found { Ok(()) } else { Err("it is not") }
    })
    .await;
}

#[tokio::test]
async fn groups_of_the_new_protocol_and_the_reasons_of_those_that_are_left_out() {
    let (name, pair, rest) = ("kip848", clusters().await, worker().await.rest());
    let (topic, remote) = (format!("{name}-orders"), format!("{name}.{name}-orders"));
    pair.source.create_topic(&topic, 1).await;
    pair.source.create_topic("other-of-848", 1).await;
    write(&pair.source, &topic, 0, 0, 50).await;
    let (reader, busy) = (format!("{name}-reader"), format!("{name}-busy"));
    let member = pair.source.join_group_with(&reader, &[&topic], &KIP_848).await;
    let mut seen = 0;
    while seen < 50 {
        seen += member.poll().await.len();
    }
    member.commit().await;
    let at = |topic: &str, offset| [GroupOffset::new(topic, 0, offset)];
    pair.source.set_group_offsets(&busy, &at(&topic, 33)).await;
    pair.source.set_group_offsets(&format!("{name}-elsewhere"), &at("other-of-848", 0)).await;
    pair.source.set_group_offsets(&format!("{name}-excluded"), &at(&topic, 1)).await;
    let silent = format!("{name}-silent");
    let listener = pair.source.join_group_with(&silent, &["other-of-848"], &NEVER_COMMITS).await;
    eventually("the silent group has a member", SOON, async || {
        listener.poll().await;
        let groups = pair.source.groups().await;
        if groups.contains(&(silent.clone(), "Stable".to_owned())) { Ok(()) } else { Err(format!("{groups:?}")) }
    })
    .await;
    let worker = pair.target.join_group_with(&busy, &[&remote], &KIP_848).await;
    eventually("the group has a member", SOON, async || {
        worker.poll().await;
        let groups = pair.target.groups().await;
        let states: Vec<_> = groups.into_iter().filter(|(group, _)| *group == busy).collect();
        if states.iter().any(|(_, state)| state == "Stable") { Ok(()) } else { Err(format!("{states:?}")) }
    })
    .await;

    flow(rest, pair, name).await;

    let reaches = async |group: &str, offset: i64| {
        eventually(&format!("{group} is at {offset}"), SOON, async || {
            match pair.target.group_offset(group, &remote, 0).await {
                Some(at) if at == offset => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    };
    reaches(&reader, 50).await;
    shows(rest, "portage_group_sync_state", &[&busy, "state=\"active\""]).await;
    shows(rest, "portage_group_left_out", &["kip848-elsewhere", "no_mirrored_topic"]).await;
    shows(rest, "portage_group_left_out", &["kip848-silent", "no_offsets"]).await;
    shows(rest, "portage_groups_left_out", &["source=\"kip848\"", "filtered"]).await;
    assert_eq!(pair.target.group_offset(&busy, &remote, 0).await, None);
    worker.leave().await;
    reaches(&busy, 33).await;
    member.leave().await;
    listener.leave().await;
}

#[tokio::test]
async fn a_group_that_may_not_be_read_is_named_and_one_whose_topic_is_not_mirrored_yet_follows_later() {
    let (name, secured, pair, rest) =
        ("guarded-groups", secured_cluster().await, clusters().await, worker().await.rest());
    let (topic, group) = (format!("{name}-orders"), |kind: &str| format!("{name}-{kind}"));
    let user = format!("User:{USER}");
    secured.create_topic(&topic, 1).await;
    write(secured, &topic, 0, 0, 20).await;
    for kind in ["open", "closed"] {
        secured.set_group_offsets(&group(kind), &[GroupOffset::new(&topic, 0, 12)]).await;
    }
    secured
        .create_acls(&[
            // Shows all groups, but not what they have committed.
            Acl::allow(&user, "DESCRIBE", "CLUSTER", "kafka-cluster"),
            Acl::allow(&user, "DESCRIBE", "GROUP", &group("open")),
            Acl::allow(&user, "READ", "TOPIC", &topic),
        ])
        .await;
    let mut config = config(name, secured, &pair.target);
    for (key, value) in secured.sasl_client(Listener::SaslPlaintext, &Sasl::all()[0]) {
        config = config.with(&format!("source.cluster.{key}"), &value);
    }

    start(rest, "Checkpoint", name, config.clone()).await;

    shows(rest, "portage_group_left_out", &[&group("closed"), "refused"]).await;
    shows(rest, "portage_group_translation_partitions", &[&group("open"), "not_mirrored"]).await;
    start(rest, "Source", name, config).await;
    let remote = format!("{name}.{topic}");
    let at = async |group: &str| pair.target.group_offset(group, &remote, 0).await;
    eventually("the open group follows", SOON, async || match at(&group("open")).await {
        Some(12) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    assert_eq!(at(&group("closed")).await, None);
    secured.create_acls(&[Acl::allow(&user, "DESCRIBE", "GROUP", &group("closed"))]).await;
    eventually("the closed group follows", SOON, async || match at(&group("closed")).await {
        Some(12) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

#[tokio::test]
async fn a_reader_at_the_end_is_followed_long_before_source_offsets_are_stored() {
    let (name, pair) = ("prompt", clusters().await);
    let hourly = WorkerConfig::new(&pair.target, name).with("offset.flush.interval.ms", "3600000");
    let hourly = hourly.start(Runtime::Portage).await;
    let (rest, topic, remote) = (hourly.rest(), format!("{name}-orders"), format!("{name}.{name}-orders"));
    pair.source.create_topic(&topic, 1).await;
    let [reader, other] = ["prompt-reader", "beside-prompt"];
    let commit = async |group, offset| {
        pair.source.set_group_offsets(group, &[GroupOffset::new(&topic, 0, offset)]).await;
    };
    let reaches = async |group: &str, offset: i64| {
        eventually(&format!("{group} is at {offset}"), SOON, async || {
            match pair.target.group_offset(group, &remote, 0).await {
                Some(at) if at == offset => Ok(()),
                at => Err(format!("{at:?}")),
            }
        })
        .await;
    };
    commit(reader, 0).await;
    flow(rest, pair, name).await;
    let mut written = 0;
    for end in [57, 91, 133] {
        write(&pair.source, &topic, 0, written, end).await;
        written = end;
        commit(reader, i64::try_from(end).unwrap()).await;
        reaches(reader, i64::try_from(end).unwrap()).await;
    }
    shows(rest, "portage_group_translation_partitions", &[reader, "state=\"exact\""]).await;
    let stored = pair.target.consume("prompt-offsets").await;
    let stored = stored.iter().filter(|read| read.text().contains("topicId")).count();
    assert_eq!(stored, 0, "the worker has stored source offsets already");

    let beside = config(name, &pair.source, &pair.target).with("groups", other);
    commit(other, 1).await;
    start(rest, "Checkpoint", other, beside).await;
    reaches(other, 1).await;
    rest.put("/connectors/prompt-Checkpoint/pause", &Value::Null).await;
    lifecycle::all_in_state(rest, "prompt-Checkpoint", "PAUSED", 1).await;
    // A round that was being prepared is over when another connector has had two.
    for offset in [10, 20] {
        commit(other, offset).await;
        reaches(other, offset).await;
    }
    write(&pair.source, &topic, 0, written, 150).await;
    commit(reader, 150).await;
    for offset in [140, 150] {
        commit(other, offset).await;
        reaches(other, offset).await;
    }
    assert_eq!(pair.target.group_offset(reader, &remote, 0).await, Some(133));
    rest.put("/connectors/prompt-Checkpoint/resume", &Value::Null).await;
    reaches(reader, 150).await;
    hourly.stop().await;
}

const TOPICS: usize = 40;
const GROUPS: usize = 400;
/// Topics that a group reads.
const READS: usize = 5;

#[tokio::test]
async fn hundreds_of_groups_are_in_step_within_seconds() {
    let (name, pair, rest) = ("crowd", clusters().await, worker().await.rest());
    let topic = |number: usize| format!("{name}-{}", number % TOPICS);
    let reads = |group: usize| (group..group + READS).map(topic);
    let mut setup = JoinSet::new();
    for number in 0..TOPICS {
        let topic = topic(number);
        setup.spawn(async move {
            pair.source.create_topic(&topic, 1).await;
            write(&pair.source, &topic, 0, 0, 20).await;
        });
    }
    setup.join_all().await;
    let offset = |group: usize| i64::try_from(group % 21).unwrap();
    let mut setup = JoinSet::new();
    for group in 0..GROUPS {
        let offsets: Vec<_> = reads(group).map(|topic| GroupOffset::new(&topic, 0, offset(group))).collect();
        setup.spawn(async move { pair.source.set_group_offsets(&format!("{name}-{group}"), &offsets).await });
    }
    setup.join_all().await;

    let started = Instant::now();
    flow(rest, pair, name).await;
    let mut missing: Vec<usize> = (0..GROUPS).collect();
    eventually("all groups are in step", SOON, async || {
        let looks: JoinSet<_> = missing
            .iter()
            .map(|group| (*group, format!("{name}-{group}")))
            .map(|(number, group)| async move { (number, pair.target.group_offsets(&group).await) })
            .collect();
        let in_step = |(group, offsets): &(usize, Vec<GroupOffset>)| {
            offsets.len() == READS && offsets.iter().all(|at| at.offset == offset(*group))
        };
        missing = looks.join_all().await.iter().filter(|look| !in_step(look)).map(|(group, _)| *group).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("{} are not", missing.len())) }
    })
    .await;
    let all = started.elapsed();

    let (group, topic) = (format!("{name}-0"), topic(0));
    pair.source.set_group_offsets(&group, &[GroupOffset::new(&topic, 0, 17)]).await;
    let committed = Instant::now();
    eventually("the commit follows", SOON, async || {
        match pair.target.group_offset(&group, &format!("{name}.{topic}"), 0).await {
            Some(17) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let one = committed.elapsed();
    println!(
        "{GROUPS} groups on {TOPICS} topics, {READS} each: mirrored, translated and in step in {} ms; a commit followed in {} ms",
        all.as_millis(),
        Duration::as_millis(&one)
    );
}
