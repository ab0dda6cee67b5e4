//! Topics come while others are mirrored.
//!
//! - A new partition goes to one task; the others keep their shares.
//! - What the tasks were in the middle of goes on without a repetition and without a gap.

use harness::{clusters, eventually};

use crate::delivery::{ARRIVES, Flow, named};
use crate::lifecycle::Stream;

#[tokio::test]
async fn a_new_topic_changes_one_share_and_repeats_nothing() {
    let source = &clusters().await.source;
    let old = ["shares-a", "shares-b"];
    for topic in old {
        source.create_topic(topic, 1).await;
    }
    let flow = Flow::new("shares", "shares-.*").await.with("tasks.max", "2");
    flow.start().await;
    assert_eq!(flow.shares().await, ["shares-a-0", "shares-b-0"]);
    let streams = (Stream::start(source, old[0]).await, Stream::start(source, old[1]).await);

    for (new, shares) in [
        ("shares-c", ["shares-a-0,shares-c-0", "shares-b-0"]),
        ("shares-d", ["shares-a-0,shares-c-0", "shares-b-0,shares-d-0"]),
    ] {
        source.create_topic(new, 1).await;
        source.produce(new, 0, &named(new, 3)).await;
        eventually(&format!("{new} has a task"), ARRIVES, async || match flow.shares().await {
            now if now == shares => Ok(()),
            now => Err(format!("{now:?}")),
        })
        .await;
        flow.arrives(new).await;
    }

    streams.0.stop().await;
    streams.1.stop().await;
    for topic in old {
        flow.arrives(topic).await;
    }
}
