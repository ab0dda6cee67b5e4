//! Records that were mirrored twice: what is known of the second copies is not lost with the next restart, also while a transaction
//! that nobody ends holds the end of the source back, and counts when the source does not have the records any more.

use harness::{GroupOffset, Record, Runtime, WorkerConfig, clusters, eventually};

use crate::delivery::named;
use crate::lifecycle::{Config, SOON, run};

#[tokio::test]
async fn second_copies_count_over_a_restart_while_a_transaction_stays_open() {
    let pair = clusters().await;
    let (source, target, name, topic) = (&pair.source, &pair.target, "redone", "redone-log");
    let config = |kind| Config::flow(kind, (name, source), ("target", target)).prompt().with("topics", topic);
    let mirror = config("Source").with("source.consumer.isolation.level", "read_committed");
    let ends_at = async |end| {
        eventually(&format!("the copy ends at {end}"), SOON, async || {
            target.try_topic("redone.redone-log").await.map_err(|error| error.to_string())?;
            match target.end_offsets("redone.redone-log").await[0] {
                now if now == end => Ok(()),
                now => Err(format!("it ends at {now}")),
            }
        })
        .await;
    };
    source.create_topic(topic, 1).await;
    source.produce(topic, 0, &named("record", 10)).await;
    let first = WorkerConfig::new(target, "redone-first").start(Runtime::Portage).await;
    run(first.rest(), name, &mirror).await;
    ends_at(10).await;
    assert!(first.stop().await.success());

    // What the target holds is more than what anybody has noted, as after a kill.
    target.produce("redone.redone-log", 0, &[Record::value("foreign")]).await;
    source.produce(topic, 0, &named("more", 10)).await;
    let open = source.producer().transactional(topic).open().await;
    open.begin().await;
    open.send(topic, 0, &named("open", 3)).await;
    // A worker without the offsets of the first one.
    let group = WorkerConfig::new(target, "redone-second");
    let second = group.start(Runtime::Portage).await;
    run(second.rest(), name, &mirror).await;
    ends_at(31).await;
    assert!(second.stop().await.success());
    // From now on only runs can tell where the copies are.
    source.delete_records(topic, 0, 20).await;
    source.set_group_offsets("redone-group", &[GroupOffset::new(topic, 0, 15)]).await;
    let second = group.start(Runtime::Portage).await;
    run(second.rest(), "redone-checkpoint", &config("Checkpoint").with("groups", "redone-group")).await;

    eventually("the group is at the second copy of what comes next", SOON, async || {
        match target.group_offsets("redone-group").await.first() {
            Some(at) if at.offset == 26 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    open.abort().await;
}
