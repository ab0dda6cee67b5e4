//! MirrorMaker 2 in dedicated mode is replaced by ours and ours by it, in the middle of a stream, on the same internal topics:
//! connectors, positions, offset syncs and checkpoints are what the one before has left.
//!
//! - Our worker runs the connectors that Java's has stored, from the positions that Java's has stored; Java's goes on with ours.
//!   No record is lost, none is mirrored twice.
//! - Every group translates exactly, also where Java has mirrored before us and there are no runs: in transactions, among
//!   aborted records, at both ends. How far off Java was is printed beside it.
//! - Java's checkpoint connector goes on translating by our offset syncs.

use std::collections::BTreeMap;
use std::time::Duration;

use harness::{
    Consumed, GroupOffset, KafkaCluster, MirrorMaker, Pair, Properties, Record, Runtime, WorkerConfig, clusters,
    eventually,
};

use tokio::task::JoinSet;

use crate::lifecycle::{Runs, Stream, end_offset, runs, stop, texts};

const SOON: Duration = Duration::from_secs(90);
const TOPIC: &str = "swap-orders";
const REMOTE: &str = "swap.swap-orders";

fn mm2_properties(pair: &Pair) -> Properties {
    let settings = [
        ("clusters", "swap,target"),
        ("swap.bootstrap.servers", &*pair.source.bootstrap()),
        ("target.bootstrap.servers", &*pair.target.bootstrap()),
        ("swap.consumer.isolation.level", "read_committed"),
        ("target.offset.flush.interval.ms", "500"),
        ("swap->target.enabled", "true"),
        ("swap->target.topics", "swap-.*"),
        ("swap->target.groups", "swap-.*"),
        ("swap->target.emit.heartbeats.enabled", "false"),
        ("target->swap.emit.heartbeats.enabled", "false"),
        ("heartbeats.replication.enabled", "false"),
        ("sync.topic.acls.enabled", "false"),
        ("sync.group.offsets.enabled", "true"),
        ("sync.group.offsets.interval.seconds", "1"),
        ("emit.checkpoints.interval.seconds", "1"),
        ("refresh.groups.interval.seconds", "1"),
        ("offset-syncs.topic.location", "target"),
    ];
    MirrorMaker::properties(settings)
}

/// Starts MirrorMaker and waits until it has mirrored `count` records of partition 0.
async fn java(pair: &Pair, name: &str, count: i64) -> MirrorMaker {
    let mirror_maker = MirrorMaker::start(Runtime::Java, name, &mm2_properties(pair));
    eventually(&format!("{name} has mirrored {count} records"), SOON, async || {
        assert!(mirror_maker.process().exited().is_none(), "{}", mirror_maker.process().log_tail());
        match end_offset(&pair.target, REMOTE, 0).await {
            end if end >= count => Ok(()),
            end => Err(format!("{end} are there")),
        }
    })
    .await;
    mirror_maker
}

async fn on_target(pair: &Pair, group: &str, partition: i32) -> Option<i64> {
    pair.target.group_offset(group, REMOTE, partition).await
}

/// The offsets of the groups of [`commit`], by partition and source offset.
async fn on_target_all(pair: &'static Pair, places: &[(i32, i64)]) -> BTreeMap<(i32, i64), Option<i64>> {
    let look = async move |place: (i32, i64)| {
        (place, on_target(pair, &format!("swap-{}-{}", place.0, place.1), place.0).await)
    };
    let looks: JoinSet<_> = places.iter().copied().map(look).collect();
    looks.join_all().await.into_iter().collect()
}

/// What an application reads of a partition, by offset.
async fn readable(cluster: &KafkaCluster, topic: &str, partition: i32) -> BTreeMap<i64, String> {
    let read = cluster.read(topic).partition(partition).all().await;
    read.iter().map(|read: &Consumed| (read.offset, read.text())).collect()
}

fn next(log: &BTreeMap<i64, String>, from: i64) -> Option<&String> {
    log.range(from..).next().map(|(_, text)| text)
}

/// Two thousand records in partition 0; in partition 1 forty transactions, every third of them aborted.
async fn fill(cluster: &KafkaCluster) {
    cluster.create_topic(TOPIC, 2).await;
    let plain = cluster.producer().open().await;
    for batch in 0..20 {
        let records: Vec<Record> = (0..100).map(|i| Record::value((batch * 100 + i).to_string())).collect();
        plain.send(TOPIC, 0, &records).await;
    }
    let transacted = cluster.producer().transactional("swap-producer").codec("lz4").open().await;
    for round in 0..40 {
        transacted.begin().await;
        let records: Vec<Record> = (0..=round % 5).map(|i| Record::value(format!("{round}/{i}"))).collect();
        transacted.send(TOPIC, 1, &records).await;
        if round % 3 == 1 { transacted.abort().await } else { transacted.commit().await }
    }
}

/// Commits an offset for a group of its own, named after it.
async fn commit(pair: &'static Pair, partition: i32, offset: i64) -> String {
    let group = format!("swap-{partition}-{offset}");
    pair.source.set_group_offsets(&group, &[GroupOffset::new(TOPIC, partition, offset)]).await;
    group
}

#[tokio::test]
async fn java_then_portage_then_java_in_the_middle_of_a_stream() {
    let pair = clusters().await;
    fill(&pair.source).await;
    let transacted_end = pair.source.end_offsets(TOPIC).await[1];
    let places: Vec<(i32, i64)> = (0..2000)
        .step_by(37)
        .chain([1, 1999, 2000])
        .map(|offset| (0, offset))
        .chain((0..=transacted_end).map(|offset| (1, offset)))
        .collect();
    let commits: JoinSet<String> = places.iter().map(|(partition, offset)| commit(pair, *partition, *offset)).collect();
    commits.join_all().await;
    let stream = Stream::start(&pair.source, TOPIC).await;

    let first = java(pair, "swap-first", 2500).await;
    eventually("Java has translated the groups at the ends", SOON, async || {
        let ends =
            [on_target(pair, "swap-0-2000", 0).await, on_target(pair, &format!("swap-1-{transacted_end}"), 1).await];
        if ends.iter().all(Option::is_some) { Ok(()) } else { Err(format!("{ends:?}")) }
    })
    .await;
    let by_java = on_target_all(pair, &places).await;
    first.process().terminate(Duration::from_secs(30)).await;
    let mirrored_by_java = end_offset(&pair.target, REMOTE, 0).await;

    let group = WorkerConfig::new(&pair.target, "swap-mm2")
        .with("config.storage.topic", "mm2-configs.swap.internal")
        .with("offset.storage.topic", "mm2-offsets.swap.internal")
        .with("status.storage.topic", "mm2-status.swap.internal")
        .with("offset.flush.interval.ms", "500");
    let ours = group.start(Runtime::Portage).await;
    for connector in ["MirrorSourceConnector", "MirrorCheckpointConnector"] {
        runs(ours.rest(), connector).await;
    }
    eventually("ours goes on", SOON, async || match end_offset(&pair.target, REMOTE, 0).await {
        end if end > mirrored_by_java + 100 => Ok(()),
        end => Err(format!("{end} after {mirrored_by_java}")),
    })
    .await;
    let both = async |partition| {
        (readable(&pair.source, TOPIC, partition).await, readable(&pair.target, REMOTE, partition).await)
    };
    let logs = [both(0).await, both(1).await];
    let next_records = |((partition, offset), translated): (&(i32, i64), &Option<i64>)| {
        let (here, there) = &logs[usize::try_from(*partition).unwrap()];
        match translated {
            Some(translated) if next(here, *offset) == next(there, *translated) => None,
            other => Some(format!("{partition}-{offset} goes on at {other:?}")),
        }
    };
    let exact = eventually("all groups read the same next record on both sides", SOON, async || {
        let translated = on_target_all(pair, &places).await;
        let wrong: Vec<String> = translated.iter().filter_map(next_records).collect();
        if wrong.is_empty() { Ok(translated) } else { Err(wrong.join(", ")) }
    })
    .await;
    let (mut repeated, mut unknown) = (0, 0);
    for (place, by_java) in by_java {
        match (by_java, exact[&place]) {
            (Some(by_java), Some(exact)) => repeated += exact - by_java,
            _ => unknown += 1,
        }
    }
    println!(
        "{} offsets mirrored by Java, all exact with ours; Java itself repeats {repeated} and has no answer for {unknown}",
        places.len()
    );
    let between = end_offset(&pair.target, REMOTE, 0).await;
    stop(&ours).await;

    let second = java(pair, "swap-second", between + 100).await;
    let written = stream.stop().await;
    let at_end = commit(pair, 0, end_offset(&pair.source, TOPIC, 0).await).await;
    let end = i64::try_from(2000 + written).unwrap();
    eventually("all has been mirrored", SOON, async || match end_offset(&pair.target, REMOTE, 0).await {
        there if there >= end => Ok(()),
        there => Err(format!("{there} of {end}")),
    })
    .await;
    eventually("Java translates on", SOON, async || match on_target(pair, &at_end, 0).await {
        Some(at) if at >= between => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    second.process().terminate(Duration::from_secs(30)).await;

    let values = texts(&pair.target.read(REMOTE).partition(0).all().await);
    assert_eq!(Runs::of(&values[..2000]), Runs::once(2000));
    assert_eq!(Runs::of(&values[2000..]), Runs::once(written));
    let transacted = readable(&pair.target, REMOTE, 1).await;
    assert!(transacted.values().eq(readable(&pair.source, TOPIC, 1).await.values()), "{transacted:?}");
}
