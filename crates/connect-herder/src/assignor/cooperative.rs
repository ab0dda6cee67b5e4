//! As little as possible moves (KIP-415; Java: `IncrementalCooperativeAssignor`).
//!
//! Members join with what they run and keep it unless told otherwise. A round
//!
//! - gives out what is new, to those with the least;
//! - takes away what is deleted, and what runs twice (it is new again in the next round);
//! - gives out at once what a member has stopped and said so, as one does that leaves in order;
//! - lets lost work wait up to [`Settings::max_delay_ms`] for the member that ran it, since that may only be restarting:
//!   members with nothing to do that show up meanwhile are *candidates*, and get the lost work in the end;
//! - takes work away from those with too much. It is given out in the next round, when it has been stopped; members that
//!   had to stop something join again at once. When this happens in round after round, it is put off for longer and longer.

use std::collections::{BTreeMap, BTreeSet};

use super::{AssignView, Kind, Memory, Round, Settings, Unit, units};
use crate::ids::{MemberId, Now};
use crate::protocol::Assignment;

/// A member's work.
struct Load {
    member: MemberId,
    /// What it runs now.
    allocated: Vec<Unit>,
    /// What it is to run after this round.
    next: Vec<Unit>,
    /// What it has to stop.
    revoked: Vec<Unit>,
}

impl Load {
    fn count(&self, kind: Kind) -> usize {
        self.next.iter().filter(|unit| unit.kind() == kind).count()
    }

    fn revoke(&mut self, units: &BTreeSet<Unit>) {
        self.next.retain(|unit| !units.contains(unit));
        self.revoked.extend(units.iter().cloned());
    }
}

/// Shares out the work. The leader must have read as far as any member.
pub(super) fn assign(view: &AssignView, mut memory: Memory, now: Now, settings: &Settings) -> (Round, Memory) {
    let mut loads: Vec<Load> = view
        .members
        .iter()
        .map(|(member, metadata)| {
            let allocated = metadata.allocation.as_ref().map(|work| units(&work.assigned)).unwrap_or_default();
            Load { member: member.clone(), next: allocated.clone(), allocated, revoked: Vec::new() }
        })
        .collect();
    let active: BTreeSet<Unit> = loads.iter().flat_map(|load| load.allocated.iter().cloned()).collect();
    let configured = view.configured.units();
    let previous = previous_assignment(&memory, view, &active);

    let deleted = &previous - &configured;
    let missing = &(&previous - &active) - &deleted;
    let released = &units(&view.released).into_iter().collect() & &missing;
    let lost = &missing - &released;
    let created = &(&(&configured - &previous) - &active) | &released;

    let to_stop = &deleted | &duplicated(&loads);
    for load in &mut loads {
        let theirs = load.allocated.iter().filter(|unit| to_stop.contains(unit)).cloned().collect();
        load.revoke(&theirs);
    }

    let lost_work = handle_lost(&lost, &mut loads, &mut memory, now, settings.max_delay_ms);
    let delay_ms = match lost_work {
        LostWork::Waits { delay_ms } => {
            memory.revoked_in_previous = false;
            delay_ms
        }
        LostWork::Placed | LostWork::Unplaced => {
            balance(&configured, &mut loads, &mut memory, now, settings.max_delay_ms)
        }
    };

    give_out(&mut loads, Kind::Connector, &created, &lost, &lost_work);
    give_out(&mut loads, Kind::Task, &created, &lost, &lost_work);

    memory.assignment = loads.iter().flat_map(|load| load.next.iter().cloned()).chain(lost).collect();
    memory.revoked = loads.iter().flat_map(|load| load.revoked.iter().cloned()).collect();
    memory.generation = view.generation;
    memory.members = view.members.keys().cloned().collect();
    (round(view, loads, delay_ms), memory)
}

/// All that was assigned, as far as the leader knows.
fn previous_assignment(memory: &Memory, view: &AssignView, active: &BTreeSet<Unit>) -> BTreeSet<Unit> {
    if !memory.revoked.is_disjoint(active) {
        // Someone has not heard of what it had to stop. What they say is the truth.
        active.clone()
    } else if memory.generation != view.last_completed_generation {
        // The leader's last round never came into force, or others have led since. Then nothing counts as lost or deleted.
        BTreeSet::new()
    } else {
        memory.assignment.clone()
    }
}

/// What more than one member runs.
fn duplicated(loads: &[Load]) -> BTreeSet<Unit> {
    let mut seen = BTreeSet::new();
    let all = loads.iter().flat_map(|load| &load.allocated);
    all.filter(|unit| !seen.insert(*unit)).cloned().collect()
}

/// What becomes of work that nobody runs any more.
enum LostWork {
    /// There is none, or candidates have got it.
    Placed,
    /// It is to be treated as if it were new.
    Unplaced,
    /// It waits.
    Waits {
        /// So long.
        delay_ms: u32,
    },
}

fn handle_lost(
    lost: &BTreeSet<Unit>,
    loads: &mut [Load],
    memory: &mut Memory,
    now: Now,
    max_delay_ms: u32,
) -> LostWork {
    if lost.is_empty() && !memory.revoked_in_previous {
        memory.stop_waiting();
        return LostWork::Placed;
    }
    let is_here = |member: &MemberId| loads.iter().any(|load| load.member == *member);
    let nobody_is_missing = memory.scheduled_rebalance.is_none() && memory.members.iter().all(is_here);
    if nobody_is_missing || max_delay_ms == 0 {
        // With everyone here, it was lost on the way: someone has not got its assignment.
        return LostWork::Unplaced;
    }
    match memory.scheduled_rebalance {
        Some(at) if now >= at => {
            let placed = give_to_candidates(lost, loads, &memory.candidates);
            memory.stop_waiting();
            // Who has waited for so long may revoke again.
            memory.revoked_in_previous = false;
            if placed { LostWork::Placed } else { LostWork::Unplaced }
        }
        scheduled => {
            for load in loads.iter().filter(|load| load.next.is_empty()) {
                if !memory.candidates.contains(&load.member) {
                    memory.candidates.push(load.member.clone());
                }
            }
            let remaining_ms = scheduled.map(|at| at.0.saturating_sub(now.0));
            let delay_ms = remaining_ms.and_then(|ms| u32::try_from(ms).ok()).unwrap_or(max_delay_ms);
            memory.scheduled_rebalance = Some(Now(now.0.saturating_add(u64::from(delay_ms))));
            LostWork::Waits { delay_ms }
        }
    }
}

/// Lost work goes round the candidates that are still here. Answers whether there were any.
fn give_to_candidates(lost: &BTreeSet<Unit>, loads: &mut [Load], candidates: &[MemberId]) -> bool {
    let find = |member: &MemberId| loads.iter().position(|load| load.member == *member);
    let here: Vec<usize> = candidates.iter().filter_map(find).collect();
    for kind in [Kind::Connector, Kind::Task] {
        for (unit, index) in lost.iter().filter(|unit| unit.kind() == kind).zip(here.iter().cycle()) {
            loads[*index].next.push(unit.clone());
        }
    }
    !here.is_empty()
}

/// Takes work away from members that have too much, or puts that off. Answers with the delay.
fn balance(configured: &BTreeSet<Unit>, loads: &mut [Load], memory: &mut Memory, now: Now, max_delay_ms: u32) -> u32 {
    let excess = excess(configured, loads);
    if excess.is_empty() {
        if memory.revoked_in_previous {
            memory.revoked_in_previous = false;
            memory.successive_revocations = 0;
        }
        return 0;
    }
    if memory.revoked_in_previous {
        memory.successive_revocations = memory.successive_revocations.saturating_add(1);
        let delay_ms = revocation_backoff_ms(memory.successive_revocations, max_delay_ms);
        if delay_ms > 0 {
            memory.scheduled_rebalance = Some(Now(now.0.saturating_add(u64::from(delay_ms))));
            return delay_ms;
        }
    }
    memory.revoked_in_previous = true;
    for (index, units) in excess {
        loads[index].revoke(&units);
    }
    0
}

/// 40 ms, 1.6 s, 64 s, and so on up to the most.
fn revocation_backoff_ms(successive: u32, max_delay_ms: u32) -> u32 {
    40_u32.saturating_pow(successive).min(max_delay_ms)
}

/// What members have too much, by their index.
fn excess(configured: &BTreeSet<Unit>, loads: &[Load]) -> BTreeMap<usize, BTreeSet<Unit>> {
    let mut excess: BTreeMap<usize, BTreeSet<Unit>> = BTreeMap::new();
    if configured.is_empty() || loads.iter().all(|load| load.next.is_empty()) {
        return excess;
    }
    for kind in [Kind::Connector, Kind::Task] {
        let total = configured.iter().filter(|unit| unit.kind() == kind).count();
        for (index, units) in excess_of(kind, total, loads) {
            excess.entry(index).or_default().extend(units);
        }
    }
    excess
}

/// Balanced, everyone has the same number (`fewest`), and some have one more.
fn excess_of(kind: Kind, total: usize, loads: &[Load]) -> Vec<(usize, Vec<Unit>)> {
    let fewest = total / loads.len();
    let mut ones_more = total % loads.len();
    let mut excess = Vec::new();
    for (index, load) in loads.iter().enumerate() {
        let count = load.count(kind);
        if count <= fewest {
            continue;
        }
        let allowed = if ones_more > 0 {
            ones_more -= 1;
            fewest + 1
        } else {
            fewest
        };
        if count > allowed {
            let units = load.next.iter().filter(|unit| unit.kind() == kind);
            excess.push((index, units.take(count - allowed).cloned().collect()));
        }
    }
    excess
}

/// Gives out what is new, and lost work that is treated so: always to those with the least, by member id.
fn give_out(loads: &mut [Load], kind: Kind, created: &BTreeSet<Unit>, lost: &BTreeSet<Unit>, lost_work: &LostWork) {
    if loads.is_empty() {
        return;
    }
    let lost = lost.iter().filter(|_| matches!(lost_work, LostWork::Unplaced));
    let mut units = created.iter().chain(lost).filter(|unit| unit.kind() == kind).cloned().peekable();
    loads.sort_by_cached_key(|load| (load.count(kind), load.member.clone()));
    while units.peek().is_some() {
        let least = loads.first().map_or(0, |load| load.count(kind));
        let level = loads.iter().take_while(|load| load.count(kind) == least).count();
        for (load, unit) in loads[..level].iter_mut().zip(units.by_ref()) {
            load.next.push(unit);
        }
    }
}

fn round(view: &AssignView, loads: Vec<Load>, delay_ms: u32) -> Round {
    let owners = loads.iter().flat_map(|load| load.next.iter().map(|unit| (unit.clone(), load.member.clone())));
    let ownership = view.ownership(owners);
    let assignments = loads.into_iter().map(|load| {
        let new = load.next.iter().filter(|unit| !load.allocated.contains(unit)).cloned().collect();
        let revoked = load.revoked.into_iter().collect();
        (load.member, Assignment { revoked, delay_ms, ..view.assignment(new) })
    });
    Round { assignments: assignments.collect(), ownership }
}

#[cfg(test)]
mod golden;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod scenarios;
