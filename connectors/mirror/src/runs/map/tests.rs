//! What a map answers, case by case; the promises over random histories are in `model_tests`.

use super::*;
use Translation::{Exact, NotYetMirrored};

fn run(source: i64, target: i64, count: i64) -> OffsetRun {
    OffsetRun::new(source, target, count).unwrap()
}

fn begin(source: i64, target_end: i64) -> Begin {
    Begin { source, source_end: 1_000_000, target_start: 0, target_end }
}

fn not_yet(mirrored_to: i64, earliest: i64) -> Translation {
    NotYetMirrored { mirrored_to, earliest: Some(earliest) }
}

fn unknown(reason: UnknownReason, earliest: i64) -> Translation {
    Translation::Unknown { reason, earliest: Some(earliest) }
}

#[test]
fn a_partition_without_records_translates_to_the_end_of_the_target() {
    let mut map = PartitionMap::new(begin(0, 0));
    assert_eq!(map.translate(0), Exact(0));

    // All 40 records had expired before the mirror came.
    map.advance(40);

    assert_eq!(map.translate(40), Exact(0));
    assert_eq!(map.translate(7), Exact(0));
}

#[test]
fn before_the_first_record_is_the_first_record_if_the_target_was_empty() {
    let mut map = PartitionMap::new(begin(750, 0));
    map.push(run(750, 0, 100));

    assert_eq!(map.translate(3), Exact(0));
    assert_eq!(map.translate(800), Exact(50));
    assert_eq!(map.translate(850), Exact(100));
    assert_eq!(map.translate(1000), not_yet(850, 100));
}

#[test]
fn before_the_map_nothing_is_known_if_the_target_held_records() {
    let mut map = PartitionMap::new(Begin { source_end: 850, ..begin(750, 740) });
    let tail = map.translate(750);
    map.push(run(750, 740, 99));
    let still = map.translate(750);
    map.push(run(849, 839, 1));

    // Another mirror may have copied records after 750 and been killed before it committed them: they are at 700, say,
    // and nowhere else until they have all been copied again.
    assert_eq!(tail, Translation::Unknown { reason: UnknownReason::Unrecorded, earliest: None });
    assert_eq!(still, tail);
    let reason = UnknownReason::BeforeMap { from: 750 };
    assert_eq!(map.translate(749), Translation::Unknown { reason, earliest: None });
    assert_eq!(map.translate(750), Exact(740));
    assert_eq!(map.translate(800), Exact(790));
}

#[test]
fn a_mirror_at_the_end_of_the_source_has_nothing_to_copy_again() {
    let map = PartitionMap::new(Begin { source_end: 750, ..begin(750, 740) });

    assert_eq!(map.translate(750), Exact(740));
}

#[test]
fn what_was_skipped_leads_to_the_next_copy() {
    let mut map = PartitionMap::new(begin(0, 0));
    map.push(run(0, 0, 10));
    map.push(run(11, 10, 5));
    map.advance(20);

    assert_eq!(map.translate(10), Exact(10));
    assert_eq!(map.translate(11), Exact(10));
    assert_eq!(map.translate(17), Exact(15));
    assert_eq!(map.translate(20), Exact(15));
}

#[test]
fn records_copied_without_being_written_down_leave_a_hole() {
    let mut map = PartitionMap::new(begin(0, 0));
    map.push(run(0, 0, 10));

    map.resume(Begin { source_end: 48, ..begin(30, 28) });

    let hole = UnknownReason::Hole { from: 10, to: 30 };
    assert_eq!(map.translate(9), Exact(9));
    assert_eq!(map.translate(10), unknown(hole, 10));
    assert_eq!(map.translate(29), unknown(hole, 10));
    assert_eq!(map.translate(30), unknown(UnknownReason::Unrecorded, 10));
    // Some of the 18 records that the target has and the map has not may be copies from 30 on.
    map.push(run(30, 28, 17));
    assert_eq!(map.translate(30), unknown(UnknownReason::Unrecorded, 10));
    map.push(run(47, 45, 1));
    assert_eq!(map.translate(30), Exact(28));
    assert_eq!(map.translate(32), Exact(30));
    assert_eq!(map.translate(29), unknown(hole, 10));
    assert_eq!(map.unknown_offsets(), 20);
}

#[test]
fn a_target_that_has_not_grown_leaves_no_hole() {
    let mut map = PartitionMap::new(begin(0, 0));
    map.push(run(0, 0, 10));

    map.resume(begin(30, 10));

    assert_eq!(map.translate(20), Exact(10));
    assert_eq!(map.translate(30), Exact(10));
}

#[test]
fn at_the_end_of_the_source_the_end_of_the_target_is_exact_after_a_hole() {
    let mut map = PartitionMap::new(begin(0, 0));
    map.push(run(0, 0, 10));

    map.resume(Begin { source_end: 30, ..begin(30, 29) });

    assert_eq!(map.translate(30), Exact(29));
}

#[test]
fn holes_without_a_run_between_are_one() {
    let mut map = PartitionMap::new(begin(0, 0));
    map.push(run(0, 0, 10));
    map.resume(begin(20, 15));
    map.advance(25);
    map.resume(begin(30, 17));

    assert_eq!(map.translate(22), unknown(UnknownReason::Hole { from: 10, to: 30 }, 10));
}

#[test]
fn a_second_copy_counts_when_it_is_complete() {
    let mut map = PartitionMap::new(begin(0, 0));
    map.push(run(0, 0, 100));
    // Committed up to 90; the task starts again there.
    map.resume(begin(90, 100));

    // 97 has its only copy at 97 until it is copied again.
    map.push(run(90, 100, 5));
    assert_eq!(map.translate(92), Exact(92));
    assert_eq!(map.translate(97), Exact(97));
    map.push(run(95, 105, 10));

    assert_eq!(map.translate(89), Exact(89));
    assert_eq!(map.translate(92), Exact(102));
    assert_eq!(map.translate(97), Exact(107));
    assert_eq!(map.translate(105), Exact(115));
}

#[test]
fn a_target_that_lost_its_end_is_followed() {
    let mut map = PartitionMap::new(begin(0, 0));
    map.push(run(0, 0, 100));

    map.resume(begin(100, 80));

    assert_eq!(map.translate(79), Exact(79));
    assert_eq!(map.translate(90), Exact(80));
    assert_eq!(map.translate(100), Exact(80));
}

#[test]
fn a_source_that_lost_its_end_is_followed() {
    let mut map = PartitionMap::new(begin(0, 0));
    map.push(run(0, 0, 100));

    map.rewind(60);

    assert_eq!(map.translate(59), Exact(59));
    assert_eq!(map.translate(60), Exact(100));
    assert_eq!(map.translate(70), not_yet(60, 100));
    map.push(run(60, 100, 20));
    assert_eq!(map.translate(70), Exact(110));
}

#[test]
fn a_start_before_the_map_begins_makes_it_begin_anew() {
    let mut map = PartitionMap::new(begin(50, 50));
    map.push(run(50, 50, 10));

    map.resume(begin(0, 60));

    assert_eq!(map.translate(55), NotYetMirrored { mirrored_to: 0, earliest: None });
}
