//! The map of one partition: runs, holes, and the frame they stand in.

#[cfg(test)]
mod tests;

use kafka_wire::runs::{OffsetRun, OffsetRuns};

use super::translation::{Translation, UnknownReason};

/// What is known when a task starts on a partition, before it writes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begin {
    /// The source offset at which it will read.
    pub source: i64,
    /// The source's log end: nothing from there on has been copied by anyone.
    pub source_end: i64,
    /// The target's log start.
    pub target_start: i64,
    /// The target's log end.
    pub target_end: i64,
}

impl Begin {
    /// No copy of a record from `source` on is on the target. Even with exactly-once that is not sure otherwise: a user may
    /// have set the stored offset back.
    const fn nothing_ahead(&self) -> bool {
        self.source >= self.source_end || self.target_start >= self.target_end
    }
}

/// Source offsets from `from` to before `to` about which nothing is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Hole {
    pub(super) from: i64,
    pub(super) to: i64,
}

/// Everything known about where the records of one source partition are in one target partition.
///
/// Between `from` and `to` the source is accounted for: a record is in a run, or in a hole, or was not copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionMap {
    pub(super) runs: OffsetRuns,
    /// Ascending, disjoint, none overlapping a run, at least one run between two of them.
    pub(super) holes: Vec<Hole>,
    pub(super) from: i64,
    pub(super) to: i64,
    /// No copy of a record from `from` on lies below it.
    pub(super) target_from: Option<i64>,
    /// No copy of a record from `to` on lies below it.
    pub(super) target_to: Option<i64>,
    /// All copies of records from before `to` lie below `target_to`.
    pub(super) tail_exact: bool,
    /// No copy of a record from before `from` lies below `target_from`, or what lies there is deleted.
    pub(super) nothing_before: bool,
    /// One of the topics was created anew, or the target has lost copies: offset syncs may be about records that are gone.
    pub(super) anew: bool,
    /// Second copies on their way.
    redo: Option<Redo>,
}

/// Records that are copied once more because nobody knows, or nobody committed, that they were copied. Second copies count
/// when they have passed the first: until then some records have their only copy where the first ones lie.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Redo {
    copies: Box<PartitionMap>,
    /// First copies that are not in the map: all are of records before this source offset (the source's log end when the
    /// task started) and lie below this target offset (the target's log end then). `None`: all are in the map.
    unnoted: Option<(i64, i64)>,
}

impl PartitionMap {
    /// The map of a partition that has not been mirrored before, as far as is known.
    #[must_use]
    pub fn new(begin: Begin) -> Self {
        let known = begin.nothing_ahead();
        let target = known.then_some(begin.target_end);
        let empty = begin.target_start >= begin.target_end;
        let mut map = Self::framed(begin.source, begin.source, target, target, known, empty);
        if !known {
            map.redo = Some(Redo::of_unnoted(begin));
        }
        map
    }

    pub(super) fn framed(
        from: i64,
        to: i64,
        target_from: Option<i64>,
        target_to: Option<i64>,
        tail_exact: bool,
        nothing_before: bool,
    ) -> Self {
        let (runs, holes) = (OffsetRuns::new(), Vec::new());
        Self { runs, holes, from, to, target_from, target_to, tail_exact, nothing_before, anew: false, redo: None }
    }

    /// The map of a partition that has been mirrored before, when one of its topics was another one.
    #[must_use]
    pub fn anew(begin: Begin) -> Self {
        Self { anew: true, ..Self::new(begin) }
    }

    /// Whether one of the topics was created anew, or the target has lost copies, so that older offset syncs mean nothing: they
    /// may point past records that lie where others were.
    #[must_use]
    pub const fn is_anew(&self) -> bool {
        self.anew
    }

    /// A task takes the partition up again, with the map as it was last written.
    ///
    /// Source offsets between the map's end and the task's start were copied without being written down: they become a
    /// hole, unless the target has not grown since. A start before the map begins makes the map begin anew.
    pub fn resume(&mut self, begin: Begin) {
        if begin.source < self.from {
            *self = Self { anew: self.anew, ..Self::new(begin) };
            return;
        }
        self.redo = None;
        if self.target_to.is_some_and(|target| target > begin.target_end) {
            self.drop_target_from(begin.target_end);
        }
        let grown = self.target_to.is_none_or(|target| target < begin.target_end);
        if begin.source > self.to {
            if grown {
                self.add_hole(Hole { from: self.to, to: begin.source });
            }
            self.to = begin.source;
        }
        if begin.nothing_ahead() {
            self.target_to = Some(begin.target_end);
            self.tail_exact = true;
        } else if grown {
            self.tail_exact = false;
            self.redo = Some(Redo::of_unnoted(begin));
        }
    }

    /// Adds the newest acknowledged run. What lies between the end of the map and the run was read and not copied.
    ///
    /// A run that begins before the end of the map is a second copy; second copies count when they have passed the first.
    pub fn push(&mut self, run: OffsetRun) {
        if run.source() < self.from {
            let anew = self.anew;
            *self = Self { anew, ..Self::framed(run.source(), run.source(), None, None, false, false) };
        }
        if self.redo.is_none() && run.source() < self.to {
            self.redo = Some(Redo::of_noted(run.source(), run.target()));
        }
        match &mut self.redo {
            Some(redo) => redo.copies.append(run),
            None => self.append(run),
        }
        self.settle();
    }

    /// The source has been read up to `source` (exclusive), and what was not pushed was not copied.
    pub fn advance(&mut self, source: i64) {
        let map = self.redo.as_mut().map_or(&mut self.to, |redo| &mut redo.copies.to);
        *map = source.max(*map);
        self.settle();
    }

    /// The source has lost what it held from `source` on (truncation, divergence), and offsets there name other records now.
    /// A task that finds so when it starts calls this after [`Self::resume`].
    pub fn rewind(&mut self, source: i64) {
        if let Some(redo) = &mut self.redo {
            redo.copies.rewind(source);
        }
        if source >= self.to {
            return;
        }
        self.drop_holes_from(source);
        self.runs = clipped(&self.runs, OffsetRun::source, source);
        self.to = source;
        if source < self.from {
            self.from = source;
            self.target_from = self.target_to;
        }
    }

    /// Where a reader that goes on at `committed` on the source goes on at the target. Logarithmic in runs and holes.
    #[must_use]
    pub fn translate(&self, committed: i64) -> Translation {
        if committed > self.to {
            return Translation::NotYetMirrored { mirrored_to: self.to, earliest: self.target_to };
        }
        if committed < self.from {
            // Not the first run: records from before the map that were copied twice may lie between.
            return match self.target_from.filter(|_| self.nothing_before) {
                Some(target) => Translation::Exact(target),
                None => Translation::Unknown { reason: UnknownReason::BeforeMap { from: self.from }, earliest: None },
            };
        }
        let runs = self.runs();
        let next_run = runs.get(runs.partition_point(|run| run.source_end() <= committed));
        let next_hole = self.holes.get(self.holes.partition_point(|hole| hole.to <= committed));
        match (next_run, next_hole) {
            (Some(run), None) => exactly(run, committed),
            (Some(run), Some(hole)) if run.source() < hole.from => exactly(run, committed),
            (_, Some(hole)) => Translation::Unknown {
                reason: UnknownReason::Hole { from: hole.from, to: hole.to },
                earliest: self.target_before(hole.from),
            },
            (None, None) => match self.target_to.filter(|_| self.tail_exact) {
                Some(target) => Translation::Exact(target),
                None => Translation::Unknown { reason: UnknownReason::Unrecorded, earliest: self.target_to },
            },
        }
    }

    /// The source offset from which on the source is accounted for.
    #[must_use]
    pub const fn mirrored_from(&self) -> i64 {
        self.from
    }

    /// The source offset up to which the source is accounted for (exclusive).
    #[must_use]
    pub const fn mirrored_to(&self) -> i64 {
        self.to
    }

    /// The target offset up to which the map knows copies (exclusive), if it knows any.
    #[must_use]
    pub const fn target_end(&self) -> Option<i64> {
        self.target_to
    }

    /// The runs, ascending.
    #[must_use]
    pub fn runs(&self) -> &[OffsetRun] {
        self.runs.iter().as_slice()
    }

    /// The number of source offsets about which the map says nothing, between its begin and its end.
    #[must_use]
    pub fn unknown_offsets(&self) -> i64 {
        self.holes.iter().map(|hole| hole.to - hole.from).sum()
    }

    /// A target offset below which no copy of a record from source offset `source` on lies.
    pub(super) fn target_before(&self, source: i64) -> Option<i64> {
        let runs = self.runs();
        let before = runs.partition_point(|run| run.source_end() <= source);
        let last = before.checked_sub(1).and_then(|index| runs.get(index));
        last.map(OffsetRun::target_end).or(self.target_from)
    }

    /// Adds a hole behind all others, joined to the last one if no run lies between.
    pub(super) fn add_hole(&mut self, hole: Hole) {
        let last_run_end = self.runs.last().map_or(self.from, |run| run.source_end());
        match self.holes.last_mut() {
            Some(last) if last.to >= last_run_end => last.to = hole.to,
            _ => self.holes.push(hole),
        }
    }

    fn append(&mut self, run: OffsetRun) {
        self.runs.push(run);
        self.target_from = self.target_from.map(|from| from.min(run.target()));
        self.to = run.source_end();
        self.target_to = Some(run.target_end());
        self.tail_exact = true;
    }

    /// Lets the second copies count once they have passed the first.
    fn settle(&mut self) {
        let to = self.to;
        let Some(redo) = self.redo.take_if(|redo| redo.copies.to >= to && redo.passed()) else {
            return;
        };
        self.drop_holes_from(redo.copies.from);
        if let Some((_, target_end)) = redo.unnoted {
            self.target_to = Some(target_end);
            self.tail_exact = true;
        }
        for run in &redo.copies.runs {
            self.append(*run);
        }
        self.holes.extend_from_slice(&redo.copies.holes);
        self.join_holes();
        self.to = redo.copies.to;
    }

    /// Second copies on their way, to be thinned like the map itself.
    pub(super) fn redo_mut(&mut self) -> Option<&mut PartitionMap> {
        self.redo.as_mut().map(|redo| &mut *redo.copies)
    }

    fn drop_holes_from(&mut self, source: i64) {
        self.holes.retain_mut(|hole| {
            hole.to = hole.to.min(source);
            hole.from < hole.to
        });
    }

    /// The target has lost its records from `target` on: those copies are gone.
    fn drop_target_from(&mut self, target: i64) {
        self.runs = clipped(&self.runs, OffsetRun::target, target);
        self.target_from = self.target_from.map(|from| from.min(target));
        self.target_to = Some(target);
        self.anew = true;
        // Holes keep their lower bounds: what they hid lies at or after the run before them.
        self.tail_exact = self.holes.is_empty();
    }
}

impl Redo {
    /// The target has grown beyond the map, and some of what it holds may be copies of records that will be copied again.
    fn of_unnoted(begin: Begin) -> Self {
        let unnoted = Some((begin.source_end, begin.target_end));
        Self { unnoted, ..Self::of_noted(begin.source, begin.target_end) }
    }

    /// All first copies are in the map.
    fn of_noted(source: i64, target: i64) -> Self {
        let copies = PartitionMap::framed(source, source, Some(target), Some(target), true, false);
        Self { copies: Box::new(copies), unnoted: None }
    }

    /// The second copies have passed all first copies that are not in the map.
    fn passed(&self) -> bool {
        self.unnoted.is_none_or(|(source_end, _)| self.copies.to >= source_end)
    }
}

/// At the record, or at the next one that was copied.
fn exactly(run: &OffsetRun, source: i64) -> Translation {
    Translation::Exact(run.target() + (source - run.source()).max(0))
}

/// The runs below an offset, measured at the start that `start` reads.
fn clipped(runs: &OffsetRuns, start: impl Fn(&OffsetRun) -> i64, end: i64) -> OffsetRuns {
    runs.iter()
        .filter_map(|run| OffsetRun::new(run.source(), run.target(), run.count().min(end - start(run))).ok())
        .collect()
}
