//! Runs, one by one and against a model that keeps every record for itself.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn run(source: i64, target: i64, count: i64) -> OffsetRun {
    OffsetRun::new(source, target, count).unwrap()
}

#[test]
fn runs_that_continue_each_other_in_both_offsets_merge() {
    let mut runs = OffsetRuns::new();

    assert_eq!(runs.push(run(10, 0, 5)), Pushed::Appended);
    assert_eq!(runs.push(run(15, 5, 3)), Pushed::Merged);
    assert_eq!(runs.push(run(19, 8, 1)), Pushed::Appended, "a hole in the source");
    assert_eq!(runs.push(run(20, 10, 1)), Pushed::Appended, "a hole in the target");

    let all: Vec<_> = runs.iter().copied().collect();
    assert_eq!(all, [run(10, 0, 8), run(19, 8, 1), run(20, 10, 1)]);
}

#[test]
fn a_reader_goes_on_at_the_next_record_it_has_not_seen() {
    let runs: OffsetRuns = [run(10, 100, 5), run(20, 107, 5)].into_iter().collect();

    assert_eq!(runs.lookup(9), Lookup::BeforeFirst { first_source: 10, target: 100 });
    assert_eq!(runs.lookup(10), Lookup::Exact { target: 100 });
    assert_eq!(runs.lookup(14), Lookup::Exact { target: 104 });
    assert_eq!(runs.lookup(15), Lookup::Skipped { next_source: 20, target: 107 });
    assert_eq!(runs.lookup(20), Lookup::Exact { target: 107 });
    assert_eq!(runs.lookup(25), Lookup::AfterLast { source_end: 25, target: 112 });
    assert_eq!(runs.lookup(i64::MAX), Lookup::AfterLast { source_end: 25, target: 112 });
    assert_eq!(OffsetRuns::new().lookup(0), Lookup::Empty);
}

#[test]
fn records_copied_twice_after_a_crash_are_looked_up_in_their_second_copy() {
    let mut runs: OffsetRuns = [run(0, 0, 100)].into_iter().collect();

    let pushed = runs.push(run(60, 100, 50));

    assert_eq!(pushed, Pushed::Replaced { records: 40 });
    assert_eq!(runs.lookup(59), Lookup::Exact { target: 59 });
    assert_eq!(runs.lookup(60), Lookup::Exact { target: 100 });
    assert_eq!(runs.lookup(110), Lookup::AfterLast { source_end: 110, target: 150 });
}

#[test]
fn a_target_that_lost_its_end_loses_the_mapping_of_what_it_lost() {
    let mut runs: OffsetRuns = [run(0, 0, 50), run(60, 50, 40)].into_iter().collect();

    let pushed = runs.push(run(100, 30, 10));

    assert_eq!(pushed, Pushed::Replaced { records: 60 });
    assert_eq!(runs.lookup(29), Lookup::Exact { target: 29 });
    assert_eq!(runs.lookup(30), Lookup::Skipped { next_source: 100, target: 30 });
}

#[test]
fn what_the_source_has_forgotten_can_be_forgotten_here() {
    let mut runs: OffsetRuns = [run(0, 0, 10), run(20, 10, 10)].into_iter().collect();

    runs.forget_before(25);

    assert_eq!(runs.iter().copied().collect::<Vec<_>>(), [run(25, 15, 5)]);
    runs.forget_before(100);
    assert!(runs.is_empty());
}

#[test]
fn runs_without_records_or_with_impossible_offsets_do_not_exist() {
    for (source, target, count) in
        [(0, 0, 0), (0, 0, -1), (-1, 0, 1), (0, -1, 1), (i64::MAX, 0, 1), (0, i64::MAX, 1), (1, 1, i64::MAX)]
    {
        let bad = BadRun { source_offset: source, target_offset: target, count };
        assert_eq!(OffsetRun::new(source, target, count), Err(bad));
    }
}

/// The same thing without runs: every record for itself.
#[derive(Default)]
struct Model(BTreeMap<i64, i64>);

impl Model {
    fn push(&mut self, run: OffsetRun) {
        self.0.retain(|source, target| *source < run.source && *target < run.target);
        self.0.extend((0..run.count).map(|i| (run.source + i, run.target + i)));
    }

    fn lookup(&self, source: i64) -> Lookup {
        let (Some((&first_source, &first)), Some((&last_source, &last))) =
            (self.0.first_key_value(), self.0.last_key_value())
        else {
            return Lookup::Empty;
        };
        match self.0.range(source..).next() {
            _ if source < first_source => Lookup::BeforeFirst { first_source, target: first },
            Some((&next_source, &target)) if next_source == source => Lookup::Exact { target },
            Some((&next_source, &target)) => Lookup::Skipped { next_source, target },
            None => Lookup::AfterLast { source_end: last_source + 1, target: last + 1 },
        }
    }
}

/// Runs as a mirror makes them: mostly going on, sometimes with a hole, sometimes from the beginning again.
fn any_pushes() -> impl Strategy<Value = Vec<OffsetRun>> {
    let step = prop_oneof![6 => Just(0_i64), 3 => 1..5_i64, 1 => -30..0_i64];
    proptest::collection::vec((step.clone(), step, 1..10_i64), 1..40).prop_map(|steps| {
        let (mut source, mut target) = (0, 0);
        steps
            .into_iter()
            .map(|(source_step, target_step, count)| {
                let next = run((source + source_step).max(0), (target + target_step).max(0), count);
                (source, target) = (next.source_end(), next.target_end());
                next
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn merging_and_dropping_keep_every_lookup(pushes in any_pushes()) {
        let (mut runs, mut model) = (OffsetRuns::new(), Model::default());

        for push in pushes {
            let before = model.0.len() as i64;
            let pushed = runs.push(push);
            model.push(push);

            let dropped = before + push.count - model.0.len() as i64;
            prop_assert_eq!(matches!(pushed, Pushed::Replaced { .. }), dropped > 0);
            if let Pushed::Replaced { records } = pushed {
                prop_assert_eq!(records, dropped);
            }
        }

        let end = runs.last().unwrap().source_end();
        for source in -1..end + 3 {
            prop_assert_eq!(runs.lookup(source), model.lookup(source), "{}", source);
        }
    }

    #[test]
    fn runs_stay_disjoint_ascending_and_as_few_as_possible(pushes in any_pushes()) {
        let runs: OffsetRuns = pushes.into_iter().collect();

        for (one, next) in runs.iter().zip(runs.iter().skip(1)) {
            prop_assert!(one.source_end() <= next.source && one.target_end() <= next.target);
            prop_assert!(one.source_end() < next.source || one.target_end() < next.target, "not merged");
        }
    }

    #[test]
    fn translation_never_goes_back(pushes in any_pushes()) {
        let runs: OffsetRuns = pushes.into_iter().collect();
        let end = runs.last().unwrap().source_end();

        let targets: Vec<_> = (0..end + 3).filter_map(|source| runs.lookup(source).exact()).collect();

        prop_assert!(targets.is_sorted());
    }

    #[test]
    fn forgetting_changes_no_lookup_of_what_is_kept(pushes in any_pushes(), before in 0..100_i64) {
        let whole: OffsetRuns = pushes.into_iter().collect();
        let mut rest = whole.clone();
        rest.forget_before(before);

        let end = whole.last().unwrap().source_end();
        if let Some(first) = rest.iter().next().copied() {
            for source in first.source..end + 3 {
                prop_assert_eq!(rest.lookup(source), whole.lookup(source), "{}", source);
            }
            prop_assert!(first.source >= before);
        }
        prop_assert_eq!(rest.is_empty(), end <= before);
    }
}
