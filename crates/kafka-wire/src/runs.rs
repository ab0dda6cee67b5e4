//! Which source offset is which target offset, exactly, as a short list.
//!
//! A mirror copies a partition in order, so that `n` records from source offset `s` on become `n` records from target offset
//! `d` on: a *run*. Runs that continue each other merge, and what is left are the places where something was skipped: a
//! compacted record, a transaction marker, a restart. The list is ascending in both offsets at once; so is the translation.

/// `count` records, from `source` on in the source partition, from `target` on in the target partition, without holes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OffsetRun {
    source: i64,
    target: i64,
    count: i64,
}

/// Offsets or a count that no run can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{count} records from source offset {source_offset} to target offset {target_offset} are no run")]
pub struct BadRun {
    /// The source offset that was given.
    pub source_offset: i64,
    /// The target offset that was given.
    pub target_offset: i64,
    /// The count that was given.
    pub count: i64,
}

impl OffsetRun {
    /// A run of at least one record, with offsets that neither are negative nor overflow.
    pub fn new(source: i64, target: i64, count: i64) -> Result<Self, BadRun> {
        let fits = |start: i64| start >= 0 && start.checked_add(count).is_some();
        if count > 0 && fits(source) && fits(target) {
            Ok(Self { source, target, count })
        } else {
            Err(BadRun { source_offset: source, target_offset: target, count })
        }
    }

    /// Source offset of the first record.
    #[must_use]
    pub const fn source(&self) -> i64 {
        self.source
    }

    /// Target offset of the first record.
    #[must_use]
    pub const fn target(&self) -> i64 {
        self.target
    }

    /// Number of records; at least 1.
    #[must_use]
    pub const fn count(&self) -> i64 {
        self.count
    }

    /// Source offset after the last record.
    #[must_use]
    pub const fn source_end(&self) -> i64 {
        self.source + self.count
    }

    /// Target offset after the last record.
    #[must_use]
    pub const fn target_end(&self) -> i64 {
        self.target + self.count
    }

    /// The first `count` records of it; `None` when that is none.
    fn first(self, count: i64) -> Option<Self> {
        (count > 0).then_some(Self { count: count.min(self.count), ..self })
    }
}

/// Where a reader of the source partition goes on in the target partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// Nothing is known of this partition yet.
    Empty,
    /// The record at this source offset is there, at `target`.
    Exact {
        /// Its target offset.
        target: i64,
    },
    /// No record of this source offset was copied (there was none, or it was a marker or filtered out). The next one that was
    /// is at `target`: reading from there misses nothing and repeats nothing.
    Skipped {
        /// Source offset of the next record that was copied.
        next_source: i64,
        /// Its target offset.
        target: i64,
    },
    /// Everything copied so far has been read. The next copied record will be at `target` or later.
    AfterLast {
        /// Source offset after the last copied record; the one asked for is this or higher.
        source_end: i64,
        /// Target offset after the last copied record.
        target: i64,
    },
    /// Older than the first run: what came before was not recorded here, so nothing exact can be said.
    BeforeFirst {
        /// Source offset of the first run.
        first_source: i64,
        /// Target offset of the first run.
        target: i64,
    },
}

impl Lookup {
    /// The offset to commit for the reader, when it is exact: nothing repeated, nothing missed.
    #[must_use]
    pub const fn exact(self) -> Option<i64> {
        match self {
            Self::Exact { target } | Self::Skipped { target, .. } | Self::AfterLast { target, .. } => Some(target),
            Self::Empty | Self::BeforeFirst { .. } => None,
        }
    }
}

/// What [`OffsetRuns::push`] did with a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It continued the last run in both offsets, and was merged with it.
    Merged,
    /// It stands at the end as a run of its own.
    Appended,
    /// It began at or before what was known already: `records` of the old mapping were dropped in favour of it. Records were
    /// copied twice (after a crash), or the target lost its end (truncation, re-creation).
    Replaced {
        /// Records whose old mapping was dropped.
        records: i64,
    },
}

/// The runs of one partition, ascending and disjoint in source and in target offsets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffsetRuns {
    runs: Vec<OffsetRun>,
}

impl OffsetRuns {
    /// No runs.
    #[must_use]
    pub const fn new() -> Self {
        Self { runs: Vec::new() }
    }

    /// Adds the newest run. Whatever it contradicts is dropped: the last copy of a record is the one that counts.
    pub fn push(&mut self, run: OffsetRun) -> Pushed {
        let dropped = self.drop_from(run.source, run.target);
        let merged = match self.runs.last_mut() {
            Some(last) if last.source_end() == run.source && last.target_end() == run.target => {
                last.count += run.count;
                true
            }
            _ => {
                self.runs.push(run);
                false
            }
        };
        match (dropped, merged) {
            (1.., _) => Pushed::Replaced { records: dropped },
            (_, true) => Pushed::Merged,
            (_, false) => Pushed::Appended,
        }
    }

    /// Drops what lies at or after `source` or at or after `target`; returns the number of records dropped.
    fn drop_from(&mut self, source: i64, target: i64) -> i64 {
        let mut dropped: i64 = 0;
        while let Some(last) = self.runs.last_mut() {
            let kept = last.count.min(source - last.source).min(target - last.target);
            if kept == last.count {
                break;
            }
            // Both ends of all runs are ascending, so the records dropped are fewer than there are offsets.
            dropped += last.count - kept.max(0);
            match last.first(kept) {
                Some(rest) => {
                    *last = rest;
                    break;
                }
                None => drop(self.runs.pop()),
            }
        }
        dropped
    }

    /// Forgets what lies before source offset `source`, for when the source's retention has passed it.
    pub fn forget_before(&mut self, source: i64) {
        let gone = self.runs.partition_point(|run| run.source_end() <= source);
        self.runs.drain(..gone);
        if let Some(first) = self.runs.first_mut()
            && first.source < source
        {
            let cut = source - first.source;
            *first = OffsetRun { source, target: first.target + cut, count: first.count - cut };
        }
    }

    /// Where a reader whose next source offset is `source` goes on in the target. Logarithmic in the number of runs.
    #[must_use]
    pub fn lookup(&self, source: i64) -> Lookup {
        let (Some(first), Some(last)) = (self.runs.first(), self.runs.last()) else {
            return Lookup::Empty;
        };
        if source < first.source {
            return Lookup::BeforeFirst { first_source: first.source, target: first.target };
        }
        match self.runs.get(self.runs.partition_point(|run| run.source_end() <= source)) {
            Some(run) if run.source <= source => Lookup::Exact { target: run.target + (source - run.source) },
            Some(next) => Lookup::Skipped { next_source: next.source, target: next.target },
            None => Lookup::AfterLast { source_end: last.source_end(), target: last.target_end() },
        }
    }

    /// Number of runs.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.runs.len()
    }

    /// No run has been pushed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The runs, ascending.
    pub fn iter(&self) -> std::slice::Iter<'_, OffsetRun> {
        self.runs.iter()
    }

    /// The newest run.
    #[must_use]
    pub fn last(&self) -> Option<OffsetRun> {
        self.runs.last().copied()
    }
}

impl<'a> IntoIterator for &'a OffsetRuns {
    type Item = &'a OffsetRun;
    type IntoIter = std::slice::Iter<'a, OffsetRun>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromIterator<OffsetRun> for OffsetRuns {
    fn from_iter<I: IntoIterator<Item = OffsetRun>>(runs: I) -> Self {
        let mut all = Self::new();
        for run in runs {
            all.push(run);
        }
        all
    }
}

#[cfg(test)]
mod tests;
