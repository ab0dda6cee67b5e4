//! Keeping a map small: old runs give way to holes.
//!
//! A partition with a hole in every batch (transactions, compaction) grows a run for each. The newer half of the bound stays
//! exact. Of the older runs, so many are kept that what a reader repeats is a small part of its distance from the end (some
//! percent with thousands of runs; MirrorMaker's own store keeps 64 points and repeats up to the whole distance). A dropped
//! run becomes a hole: a reader in it goes back to the end of the run before, and misses nothing.

use kafka_wire::runs::OffsetRun;

use super::map::{Hole, PartitionMap};

impl PartitionMap {
    /// Drops runs whose copies the target has deleted (`target_start` is its log start). A reader from before the map then
    /// goes on where they ended: nothing older is left.
    pub fn forget_target_before(&mut self, target_start: i64) {
        let runs = self.runs();
        let gone = runs.partition_point(|run| run.target_end() <= target_start);
        let Some(last_gone) = gone.checked_sub(1).and_then(|index| runs.get(index)).copied() else {
            return;
        };
        self.from = last_gone.source_end();
        self.target_from = Some(last_gone.target_end());
        self.runs = self.runs.iter().skip(gone).copied().collect();
        self.holes.retain(|hole| hole.to > last_gone.source_end());
        self.nothing_before = true;
    }

    /// Drops old runs until at most `max` are left, at least 8. Linear in the runs where something has to go; the caller
    /// calls it when the bound is passed, which happens once in about `max` / 4 runs.
    pub fn thin(&mut self, max: usize) {
        let max = max.max(8);
        if let Some(redo) = self.redo_mut() {
            redo.thin(max);
        }
        if self.runs.len() <= max {
            return;
        }
        let older = self.runs.len() - max / 2;
        let mut ratio = ratio(self.runs(), older, max / 4);
        loop {
            let (kept, dropped) = split(self.runs(), older, ratio);
            if kept.len() <= max {
                self.runs = kept.into_iter().collect();
                self.holes.extend(dropped.iter().map(|run| Hole { from: run.source(), to: run.source_end() }));
                self.join_holes();
                return;
            }
            ratio *= ratio;
        }
    }

    /// Sorts the holes and joins those between which no run lies.
    pub(super) fn join_holes(&mut self) {
        self.holes.sort_by_key(|hole| hole.from);
        let mut joined: Vec<Hole> = Vec::with_capacity(self.holes.len());
        for hole in &self.holes {
            let runs = self.runs();
            match joined.last_mut() {
                Some(last)
                    if runs.partition_point(|run| run.source_end() <= last.to)
                        == runs.partition_point(|run| run.source_end() <= hole.from) =>
                {
                    last.to = hole.to;
                }
                _ => joined.push(*hole),
            }
        }
        self.holes = joined;
    }
}

/// By how much the distance from the end has to grow from one kept run to the next but one, so that at most `slots` of the
/// first `older` runs are kept.
fn ratio(runs: &[OffsetRun], older: usize, slots: usize) -> f64 {
    let end = runs.last().map_or(0, OffsetRun::target_end);
    let distance = |run: Option<&OffsetRun>| run.map_or(1.0, |run| ((end - run.target()).max(1)) as f64);
    let span = distance(runs.first()) / distance(runs.get(older));
    // More than 1, or nothing would go.
    span.max(1.0).powf(2.0 / slots.max(1) as f64).max(1.0 + 1e-9)
}

/// Which runs stay and which go, both ascending. The runs from `older` on stay, and the first. From new to old, a run goes if
/// the end of the one before it is near enough to stand in for it.
fn split(runs: &[OffsetRun], older: usize, ratio: f64) -> (Vec<OffsetRun>, Vec<OffsetRun>) {
    let end = runs.last().map_or(0, OffsetRun::target_end);
    let (old, new) = runs.split_at(older.min(runs.len()));
    let mut last_kept = new.first();
    let (mut kept, mut dropped) = (Vec::with_capacity(runs.len()), Vec::new());
    for (index, run) in old.iter().enumerate().rev() {
        let before = index.checked_sub(1).and_then(|before| old.get(before));
        let reach = last_kept.map_or(0.0, |kept| (end - kept.target()) as f64 * ratio);
        match before {
            Some(before) if (end - before.target_end()) as f64 <= reach => dropped.push(*run),
            _ => {
                kept.push(*run);
                last_kept = Some(run);
            }
        }
    }
    kept.reverse();
    dropped.reverse();
    kept.extend_from_slice(new);
    (kept, dropped)
}

#[cfg(test)]
mod tests {
    use super::super::map::Begin;
    use super::super::translation::Translation;
    use super::*;

    /// A record, then a marker, again and again: one run each.
    fn transactional(records: i64) -> PartitionMap {
        let mut map = PartitionMap::new(Begin { source: 0, source_end: 0, target_start: 0, target_end: 0 });
        for record in 0..records {
            map.push(OffsetRun::new(record * 2, record, 1).unwrap());
        }
        map
    }

    #[test]
    fn the_newer_half_stays_exact_and_the_rest_never_points_past_a_record() {
        let exact = transactional(1000);
        let mut map = exact.clone();

        map.thin(100);

        assert!(map.runs().len() <= 100);
        for source in 0..2000 {
            let (thin, truth) = (map.translate(source), exact.translate(source));
            assert!(thin.safe().unwrap() <= truth.exact().unwrap(), "{source}: {thin:?} {truth:?}");
            if source >= 1900 {
                assert_eq!(thin, truth, "{source}");
            }
        }
    }

    #[test]
    fn thinning_as_it_grows_keeps_precision_near_the_end() {
        let mut map = transactional(0);
        for record in 0..20_000 {
            map.push(OffsetRun::new(record * 2, record, 1).unwrap());
            if map.runs().len() > 200 {
                map.thin(200);
            }
        }

        let repeated = |behind: i64| (20_000 - behind) - map.translate((20_000 - behind) * 2).safe().unwrap();

        assert_eq!(repeated(0), 0);
        assert_eq!(repeated(99), 0);
        for behind in 0..20_000 {
            assert!(repeated(behind) <= behind / 3, "{behind} behind repeats {}", repeated(behind));
        }
        assert!(map.holes.len() <= map.runs().len());
    }

    #[test]
    fn long_runs_outlive_short_ones() {
        let mut map = transactional(0);
        map.push(OffsetRun::new(0, 0, 1_000_000).unwrap());
        for record in 0..100 {
            map.push(OffsetRun::new(1_000_001 + record * 2, 1_000_000 + record, 1).unwrap());
        }

        map.thin(16);

        assert_eq!(map.translate(999_999), Translation::Exact(999_999));
        assert!(map.runs().len() <= 16);
    }

    #[test]
    fn what_the_target_has_deleted_is_forgotten() {
        let mut map = transactional(100);

        map.forget_target_before(40);

        assert_eq!(map.runs().len(), 60);
        assert_eq!(map.translate(10), Translation::Exact(40));
        assert_eq!(map.translate(80), Translation::Exact(40));
        assert_eq!(map.translate(100), Translation::Exact(50));
    }

    #[test]
    fn nothing_is_forgotten_while_the_target_has_it_all() {
        let mut map = transactional(100);
        let before = map.clone();

        map.forget_target_before(0);

        assert_eq!(map, before);
    }
}
