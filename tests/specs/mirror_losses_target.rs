//! What the target loses, and what goes at the source and does not come back.
//!
//! - A remote topic that is deleted, or deleted and created again, while the worker runs or while it is down: what was lost is
//!   named until it is acknowledged, and mirroring goes on into the topic that is there.
//! - A source topic that is deleted leaves its task, which goes on with the others; its copy stays.
//! - Stored offsets that are lost are named in the log, where offset runs know of copies; everything is mirrored again.

use harness::{Runtime, WorkerConfig, clusters, eventually};

use crate::delivery::named;
use crate::mirror_losses::{OLD, SOON, acknowledge, both, holds, says, start, texts};

#[tokio::test]
async fn what_the_target_has_lost_is_named_and_so_are_topics_and_offsets_that_are_gone() {
    let pair = clusters().await;
    let (source, target, name) = (&pair.source, &pair.target, "tlost");
    let topics = ["tlost-live", "tlost-down", "tlost-gone"];
    for topic in topics {
        source.create_topic(topic, 1).await;
        source.produce(topic, 0, &named("old", OLD)).await;
    }
    let group = WorkerConfig::new(target, "losses-target").with("offset.flush.interval.ms", "200");
    let worker = group.start(Runtime::Portage).await;
    start(&worker, source, name, &[]).await;
    for topic in topics {
        holds(name, topic, 0, &both(OLD, 0)).await;
    }

    target.delete_topic("tlost.tlost-live").await;
    eventually("the topic is there again", SOON, async || {
        target.try_topic("tlost.tlost-live").await.map_err(|error| error.to_string())?;
        match target.end_offsets("tlost.tlost-live").await[0] {
            0 => Ok(()),
            end => Err(format!("it ends at {end}")),
        }
    })
    .await;
    source.produce("tlost-live", 0, &named("new", 3)).await;
    let lost = "the target has lost what it held at offsets 0 to 9";
    says(&worker, name, "tlost-live-0", lost).await;
    says(&worker, name, "tlost-live-0", "copies of source records before offset 10 are gone").await;
    holds(name, "tlost-live", 0, &texts("new", 3)).await;

    source.delete_topic("tlost-gone").await;
    eventually("the others go on without the topic that is gone", SOON, async || {
        let status = worker.rest().connector_runs(name).await?;
        let tasks = worker.rest().get(&format!("/connectors/{name}/tasks")).await.expect(200);
        let shares = tasks[0]["config"]["task.assigned.partitions"].as_str().unwrap_or_default().to_owned();
        if shares == "tlost-down-0,tlost-live-0" { Ok(()) } else { Err(format!("{shares} {status}")) }
    })
    .await;
    holds(name, "tlost-gone", 0, &both(OLD, 0)).await;

    assert!(worker.stop().await.success());
    target.delete_topic("tlost.tlost-down").await;
    let worker = group.start(Runtime::Portage).await;
    says(&worker, name, "tlost-down-0", lost).await;
    says(&worker, name, "tlost-live-0", lost).await;
    source.produce("tlost-down", 0, &named("new", 3)).await;
    holds(name, "tlost-down", 0, &texts("new", 3)).await;
    acknowledge(&worker, source, name).await;
    assert!(worker.stop().await.success());

    // The offsets of another group: those of this one are lost.
    let worker = WorkerConfig::new(target, "losses-offsets").start(Runtime::Portage).await;
    start(&worker, source, name, &[]).await;
    eventually("the log says that offsets are missing", SOON, async || {
        let log = worker.process().log();
        if log.contains("partitions have no stored offset") { Ok(()) } else { Err(worker.process().log_tail()) }
    })
    .await;
}
