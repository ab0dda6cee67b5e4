//! What a task has counted since it started. Written by the task's loop only, read by metrics at any time, locked never.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use connect_api::metrics::{Meter, Recent};

use super::path::{Path, Reason};

/// Counters of one task.
#[derive(Debug, Default)]
pub struct TaskStats {
    /// Records that the plug-in has handed out.
    pub polled: Meter,
    /// Records the target has acknowledged.
    pub written: Meter,
    /// Bytes of batches handed to the producer, as they cross the wire.
    pub bytes_sent: AtomicU64,
    /// Records handed out at a time.
    pub poll_records: Recent,
    /// How long the plug-in took to hand them out, in milliseconds.
    pub poll_ms: Recent,
    /// Records handed out and neither acknowledged nor given up.
    pub active: AtomicU64,
    /// The same over the last half minute.
    pub active_recently: Recent,
    /// How long it took to store source offsets, in milliseconds.
    pub commit_ms: Recent,
    /// Times that source offsets were stored.
    pub commits: AtomicU64,
    /// Times that they could not be.
    pub commits_failed: AtomicU64,
    /// Records of a committed transaction.
    pub transaction_records: Recent,
    /// What went wrong with records.
    pub errors: ErrorStats,
    /// When it ran and when it was paused.
    pub clock: PauseClock,
    passed: AtomicU64,
    rewritten: [AtomicU64; Reason::ALL.len()],
}

/// What went wrong with records (Java: `ErrorHandlingMetrics`).
#[derive(Debug, Default)]
pub struct ErrorStats {
    /// Things that were tried and did not work, also if they did later.
    pub failures: AtomicU64,
    /// Records that could not be dealt with.
    pub errors: AtomicU64,
    /// Records that were left out because `errors.tolerance` says so.
    pub skipped: AtomicU64,
    /// Times that something was tried again.
    pub retries: AtomicU64,
    /// Errors that are in the log.
    pub logged: AtomicU64,
    last_ms: AtomicI64,
}

impl ErrorStats {
    /// Something could not be done, and is in the log.
    pub fn failed(&self, now_ms: i64) {
        for counter in [&self.failures, &self.errors, &self.logged] {
            counter.fetch_add(1, Relaxed);
        }
        self.last_ms.store(now_ms, Relaxed);
    }

    /// Something did not work, and is tried again.
    pub fn retried(&self, now_ms: i64) {
        self.failures.fetch_add(1, Relaxed);
        self.retries.fetch_add(1, Relaxed);
        self.last_ms.store(now_ms, Relaxed);
    }

    /// When something went wrong last, milliseconds since 1970; 0 for never.
    #[must_use]
    pub fn last_ms(&self) -> i64 {
        self.last_ms.load(Relaxed)
    }
}

/// How much of its life a task has been paused.
#[derive(Debug, Default)]
pub struct PauseClock {
    started_ms: AtomicI64,
    /// Paused time that has ended.
    paused_ms: AtomicI64,
    /// 0 while it runs.
    paused_since_ms: AtomicI64,
}

impl PauseClock {
    /// The task runs, or is paused, from now on. The first call is its start.
    pub fn set(&self, paused: bool, now_ms: i64) {
        if self.started_ms.load(Relaxed) == 0 {
            self.started_ms.store(now_ms, Relaxed);
        }
        let since = self.paused_since_ms.load(Relaxed);
        if paused && since == 0 {
            self.paused_since_ms.store(now_ms, Relaxed);
        } else if !paused && since != 0 {
            self.paused_ms.fetch_add(now_ms - since, Relaxed);
            self.paused_since_ms.store(0, Relaxed);
        }
    }

    /// The paused part of its life so far, from 0 to 1.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "a ratio")]
    pub fn pause_ratio(&self, now_ms: i64) -> f64 {
        let life = now_ms - self.started_ms.load(Relaxed);
        let since = self.paused_since_ms.load(Relaxed);
        let paused = self.paused_ms.load(Relaxed) + if since == 0 { 0 } else { now_ms - since };
        if life <= 0 { f64::from(u8::from(since != 0)) } else { (paused as f64 / life as f64).clamp(0.0, 1.0) }
    }
}

impl TaskStats {
    /// One more batch has taken a way.
    pub fn count(&self, path: Path) {
        self.count_many(path, 1);
    }

    /// So many more batches have taken a way.
    pub fn count_many(&self, path: Path, batches: u64) {
        match path {
            Path::Pass => self.passed.fetch_add(batches, Relaxed),
            Path::Rewrite(reason) => self.rewritten[reason.index()].fetch_add(batches, Relaxed),
        };
    }

    /// The plug-in has handed records out after so many milliseconds.
    pub fn polled(&self, records: u64, elapsed_ms: i64, now_ms: i64) {
        self.polled.add(records, now_ms);
        self.poll_records.record(i64::try_from(records).unwrap_or(i64::MAX), now_ms);
        self.poll_ms.record(elapsed_ms, now_ms);
    }

    /// So many more records are on their way.
    pub fn taken(&self, records: u64, now_ms: i64) {
        let active = self.active.fetch_add(records, Relaxed) + records;
        self.active_recently.record(i64::try_from(active).unwrap_or(i64::MAX), now_ms);
    }

    /// So many records are not on their way any more.
    pub fn settled(&self, records: u64) {
        // One writer: nothing comes between the load and the store.
        self.active.store(self.active.load(Relaxed).saturating_sub(records), Relaxed);
    }

    /// Storing source offsets has ended, one way or the other, after so many milliseconds.
    pub fn committed(&self, stored: bool, elapsed_ms: i64, now_ms: i64) {
        let counter = if stored { &self.commits } else { &self.commits_failed };
        counter.fetch_add(1, Relaxed);
        self.commit_ms.record(elapsed_ms, now_ms);
    }

    /// Batches that crossed as they are.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.passed.load(Relaxed)
    }

    /// Batches that were encoded anew, for a reason.
    #[must_use]
    pub fn rewritten(&self, reason: Reason) -> u64 {
        self.rewritten[reason.index()].load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_was_paused_half_its_life_says_so() {
        let clock = PauseClock::default();
        clock.set(false, 1_000);
        clock.set(true, 2_000);
        clock.set(true, 2_500);
        assert!((clock.pause_ratio(3_000) - 0.5).abs() < 1e-9);
        clock.set(false, 3_000);

        assert!((clock.pause_ratio(5_000) - 0.25).abs() < 1e-9);
        assert!(PauseClock::default().pause_ratio(7).abs() < 1e-9);
    }

    #[test]
    fn what_is_given_up_is_not_under_way_any_more() {
        let stats = TaskStats::default();

        stats.taken(10, 0);
        stats.settled(4);
        stats.settled(100);

        assert_eq!(stats.active.load(Relaxed), 0);
        assert_eq!(stats.active_recently.summary(0).unwrap().range, Some((10, 10, 10.0)));
    }
}
