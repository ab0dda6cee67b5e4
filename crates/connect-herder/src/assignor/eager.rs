//! Everything is dealt out anew at every rebalance (Java: `EagerAssignor`).
//!
//! All members have stopped all they had before they joined. Connectors go round the members by name, then the tasks go on
//! where the connectors ended: since most connectors do little themselves, members with one connector more than others
//! should not get one task more as well.

use std::collections::BTreeMap;

use super::{AssignView, Round, Unit};
use crate::ids::MemberId;

/// Shares out all there is to do. The leader must have read as far as any member.
pub(super) fn assign(view: &AssignView) -> Round {
    let mut shares: BTreeMap<MemberId, Vec<Unit>> = view.members.keys().map(|id| (id.clone(), Vec::new())).collect();
    // In order: connectors by name, then tasks by connector and number.
    let units = view.configured.units();
    let owners: Vec<(Unit, MemberId)> = units.into_iter().zip(view.members.keys().cloned().cycle()).collect();
    for (unit, member) in &owners {
        shares.entry(member.clone()).or_default().push(unit.clone());
    }
    Round {
        assignments: shares.into_iter().map(|(id, share)| (id, view.assignment(share.into_iter().collect()))).collect(),
        ownership: view.ownership(owners),
    }
}

#[cfg(test)]
mod tests;
