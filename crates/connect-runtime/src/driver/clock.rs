//! The monotonic clock of a herder: milliseconds since the driver began, in both directions.

use std::time::Duration;

use connect_herder::ids::Now;
use tokio::time::{Instant, sleep_until};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(self) -> Now {
        Now(u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// When a moment is, or was.
    pub(crate) fn instant(self, at: Now) -> Instant {
        self.0.checked_add(Duration::from_millis(at.0)).unwrap_or_else(far)
    }
}

/// Thirty years, as tokio does it: `Instant` knows no infinity.
fn far() -> Instant {
    Instant::now() + Duration::from_secs(86_400 * 365 * 30)
}

/// Ends at an instant; never without one.
pub(crate) async fn reached(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_instant_of_a_moment_comes_when_the_clock_says_so() {
        let clock = Clock::start();

        reached(Some(clock.instant(Now(1500)))).await;

        assert_eq!(clock.now(), Now(1500));
    }

    #[tokio::test(start_paused = true)]
    async fn a_moment_beyond_all_time_does_not_panic() {
        let clock = Clock::start();

        assert!(clock.instant(Now(u64::MAX)) > Instant::now() + Duration::from_secs(86_400));
    }
}
