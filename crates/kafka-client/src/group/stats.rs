//! What a member has counted, for metrics: joins, syncs and heartbeats, and how long their answers took.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Counters of one member, over all its memberships.
#[derive(Debug, Default)]
pub struct GroupStats {
    /// JoinGroup, as far as it was answered with a generation.
    pub join: Timing,
    /// SyncGroup, as far as it was answered with an assignment.
    pub sync: Timing,
    /// Heartbeats that were answered.
    pub heartbeat: Timing,
}

/// How often something was done, and how long it took.
#[derive(Debug, Default)]
pub struct Timing {
    count: AtomicU64,
    total_ms: AtomicU64,
    max_ms: AtomicU64,
    last_ms: AtomicU64,
}

impl Timing {
    pub(super) fn took(&self, elapsed: Duration) {
        let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        self.count.fetch_add(1, Relaxed);
        self.total_ms.fetch_add(elapsed_ms, Relaxed);
        self.max_ms.fetch_max(elapsed_ms, Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last_ms.store(u64::try_from(now.as_millis()).unwrap_or(u64::MAX), Relaxed);
    }

    /// How often it was done.
    pub fn count(&self) -> u64 {
        self.count.load(Relaxed)
    }

    /// The average and the longest time, in milliseconds; `None` if it has never been done.
    #[allow(clippy::cast_precision_loss, reason = "an average of milliseconds")]
    pub fn average_and_max_ms(&self) -> Option<(f64, u64)> {
        let count = self.count();
        (count > 0).then(|| (self.total_ms.load(Relaxed) as f64 / count as f64, self.max_ms.load(Relaxed)))
    }

    /// When it was done last, in milliseconds since 1970; `None` if it has never been done.
    pub fn last_ms(&self) -> Option<u64> {
        Some(self.last_ms.load(Relaxed)).filter(|last_ms| *last_ms > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_counted() {
        let timing = Timing::default();
        assert_eq!((timing.count(), timing.average_and_max_ms(), timing.last_ms()), (0, None, None));

        timing.took(Duration::from_millis(10));
        timing.took(Duration::from_millis(30));

        assert_eq!((timing.count(), timing.average_and_max_ms()), (2, Some((20.0, 30))));
        assert!(timing.last_ms().is_some());
    }
}
