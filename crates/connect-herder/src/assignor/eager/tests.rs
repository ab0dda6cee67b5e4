use super::super::testing::*;
use super::super::{AssignView, Configured, Memory, Settings, assign};
use crate::ids::{ConfigOffset, Generation, MemberId, Now};
use crate::protocol::{ConnectorsAndTasks, Subprotocol};

fn dealt(members: &[&str], connectors: &[(&str, u32)]) -> Vec<(String, Vec<String>)> {
    let view = AssignView {
        members: members.iter().map(|id| (MemberId::from(*id), member(ConnectorsAndTasks::default(), 5))).collect(),
        leader: members[0].into(),
        configured: Configured {
            offset: ConfigOffset(5),
            connectors: connectors.iter().map(|(name, tasks)| ((*name).into(), *tasks)).collect(),
        },
        generation: Generation(2),
        last_completed_generation: Generation(1),
        released: ConnectorsAndTasks::default(),
    };
    let settings = Settings { max_delay_ms: 300_000 };
    let (round, memory) = assign(Subprotocol::Eager, &view, Memory::default(), Now(0), &settings);
    assert_eq!(memory, Memory::default());
    let names =
        |(id, assignment): (&MemberId, &crate::protocol::Assignment)| (id.to_string(), names(&assignment.assigned));
    round.assignments.iter().map(names).collect()
}

fn shares<const N: usize>(shares: [(&str, &[&str]); N]) -> Vec<(String, Vec<String>)> {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    shares.into_iter().map(|(id, names)| (id.to_owned(), owned(names))).collect()
}

#[test]
fn tasks_go_on_where_connectors_ended() {
    assert_eq!(
        dealt(&["m1", "m2"], &[("a", 1), ("b", 3), ("c", 0)]),
        shares([("m1", &["a", "c", "b-0", "b-2"]), ("m2", &["b", "a-0", "b-1"])]),
    );
}

#[test]
fn a_member_without_work_gets_an_empty_share() {
    assert_eq!(dealt(&["m1", "m2"], &[("a", 0)]), shares([("m1", &["a"]), ("m2", &[])]));
}

#[test]
fn one_member_gets_everything() {
    assert_eq!(dealt(&["m1"], &[("a", 2)]), shares([("m1", &["a", "a-0", "a-1"])]));
}
