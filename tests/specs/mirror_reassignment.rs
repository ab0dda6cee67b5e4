//! Topics come while others are mirrored.
//!
//! - A new partition goes to one task; the others keep their shares, and are not restarted.
//! - What the tasks were in the middle of goes on without a repetition and without a gap.

use harness::{clusters, eventually};
use serde_json::Value;

use crate::delivery::{ARRIVES, Flow, named};
use crate::lifecycle::Stream;

/// How often each of the two tasks has stopped, by what its worker has said in the status topic.
async fn stops() -> [usize; 2] {
    let said = clusters().await.target.consume("delivery-status").await;
    [0, 1].map(|task| {
        let key = format!("status-task-shares-{task}");
        let of_task = said.iter().filter(|read| read.record.key.as_deref() == Some(key.as_bytes()));
        let states = of_task.filter_map(|read| serde_json::from_slice::<Value>(read.record.value.as_deref()?).ok());
        states.filter(|status| status["state"] == "UNASSIGNED").count()
    })
}

#[tokio::test]
async fn a_new_topic_restarts_one_task_and_repeats_nothing() {
    let source = &clusters().await.source;
    let old = ["shares-a", "shares-b"];
    for topic in old {
        source.create_topic(topic, 1).await;
    }
    let flow = Flow::new("shares", "shares-.*").await.with("tasks.max", "2");
    flow.start().await;
    assert_eq!(flow.shares().await, ["shares-a-0", "shares-b-0"]);
    let streams = (Stream::start(source, old[0]).await, Stream::start(source, old[1]).await);

    assert_eq!(stops().await, [0, 0]);
    for (new, shares, stopped) in [
        ("shares-c", ["shares-a-0,shares-c-0", "shares-b-0"], [1, 0]),
        ("shares-d", ["shares-a-0,shares-c-0", "shares-b-0,shares-d-0"], [1, 1]),
    ] {
        source.create_topic(new, 1).await;
        source.produce(new, 0, &named(new, 3)).await;
        eventually(&format!("{new} has a task"), ARRIVES, async || match flow.shares().await {
            now if now == shares => Ok(()),
            now => Err(format!("{now:?}")),
        })
        .await;
        flow.arrives(new).await;
        assert_eq!(stops().await, stopped, "only the task with the new partition has been restarted");
    }

    streams.0.stop().await;
    streams.1.stop().await;
    for topic in old {
        flow.arrives(topic).await;
    }
}
