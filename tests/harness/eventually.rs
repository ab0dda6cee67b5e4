//! Waiting for a condition, never for a time.

use std::fmt::Display;
use std::panic::Location;
use std::time::{Duration, Instant};

/// First pause between two looks; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Looks until `probe` answers `Ok`, and gives that. After `timeout` it panics with `what`, the place it was called from
/// and the last `Err`, which should therefore say what was seen instead.
///
/// ```no_run
/// # use std::time::Duration;
/// # async fn spec(cluster: &harness::KafkaCluster) {
/// harness::eventually("all orders arrive", Duration::from_secs(30), async || {
///     match cluster.consume("orders").await.len() {
///         3 => Ok(()),
///         n => Err(format!("{n} of 3 are there")),
///     }
/// })
/// .await;
/// # }
/// ```
#[track_caller]
pub fn eventually<T, E: Display>(
    what: &str,
    timeout: Duration,
    mut probe: impl AsyncFnMut() -> Result<T, E>,
) -> impl Future<Output = T> {
    let called_from = Location::caller();
    let started = Instant::now();
    async move {
        let mut pause = FIRST_PAUSE;
        loop {
            let last = match probe().await {
                Ok(value) => return value,
                Err(last) => last,
            };
            assert!(started.elapsed() < timeout, "not within {timeout:?}: {what} ({called_from})\nlast seen: {last}");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}
