//! What a task has counted since it started. Read by metrics at any time.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::path::{Path, Reason};

/// Counters of one task.
#[derive(Debug, Default)]
pub struct TaskStats {
    /// Records the target has acknowledged.
    pub records_acked: AtomicU64,
    /// Bytes of batches handed to the producer, as they cross the wire.
    pub bytes_sent: AtomicU64,
    passed: AtomicU64,
    rewritten: [AtomicU64; Reason::ALL.len()],
}

impl TaskStats {
    /// One more batch has taken a way.
    pub fn count(&self, path: Path) {
        match path {
            Path::Pass => self.passed.fetch_add(1, Relaxed),
            Path::Rewrite(reason) => self.rewritten[reason.index()].fetch_add(1, Relaxed),
        };
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
