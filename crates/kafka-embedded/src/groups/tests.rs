use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{GroupId, JoinGroupRequest, SyncGroupRequest};

use super::rebalance::{Answer, Joining};
use super::*;
use crate::state::text;

struct World {
    group: Group,
    now: Instant,
    ids: u32,
}

type Joined = oneshot::Receiver<JoinGroupResponse>;

impl World {
    fn new() -> Self {
        Self { group: Group::new(), now: Instant::now(), ids: 0 }
    }

    fn request(member: &str, protocols: &[&str]) -> JoinGroupRequest {
        let protocol = |name: &&str| {
            JoinGroupRequestProtocol::default().with_name(text(*name)).with_metadata(Bytes::from_static(b"m"))
        };
        JoinGroupRequest::default()
            .with_group_id(GroupId(text("g")))
            .with_member_id(text(member))
            .with_session_timeout_ms(10_000)
            .with_rebalance_timeout_ms(30_000)
            .with_protocol_type(text("connect"))
            .with_protocols(protocols.iter().map(protocol).collect())
    }

    fn send(&mut self, request: JoinGroupRequest) -> Answer<JoinGroupResponse> {
        self.ids += 1;
        let how =
            Joining { version: 5, client_id: "c", fresh_id: format!("m{}", self.ids), initial_delay: Duration::ZERO };
        self.group.join(self.now, request, how)
    }

    /// Joins as a member that has an id, and waits.
    fn join(&mut self, member: &str, protocols: &[&str]) -> Joined {
        match self.send(Self::request(member, protocols)) {
            Answer::Later(joined) => joined,
            Answer::Now(answer) => panic!("{answer:?}"),
        }
    }

    /// A new member's id, and its join with it.
    fn newcomer(&mut self, protocols: &[&str]) -> (String, Joined) {
        let Answer::Now(answer) = self.send(Self::request("", protocols)) else { panic!("no id was asked for") };
        assert_eq!(answer.error_code, E::MemberIdRequired.code());
        let id = answer.member_id.to_string();
        let joined = self.join(&id, protocols);
        (id, joined)
    }

    fn sync(&mut self, member: &str, generation: i32, assignments: &[&str]) -> Answer<SyncGroupResponse> {
        let assigned = |id: &&str| {
            let bytes = Bytes::from(format!("for {id}"));
            SyncGroupRequestAssignment::default().with_member_id(text(*id)).with_assignment(bytes)
        };
        let request = SyncGroupRequest::default()
            .with_member_id(text(member))
            .with_generation_id(generation)
            .with_assignments(assignments.iter().map(assigned).collect());
        self.group.sync(self.now, &request)
    }

    /// A group of two in its stable state; the leader first.
    fn stable(&mut self) -> (String, String) {
        let (leader, _) = self.newcomer(&["p"]);
        let (follower, _) = self.newcomer(&["p"]);
        let mut joined = self.join(&leader, &["p"]);
        let generation = joined.try_recv().unwrap().generation_id;
        let _ = self.sync(&leader, generation, &[&leader, &follower]);
        assert_eq!(self.group.phase, Phase::Stable);
        (leader, follower)
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.group.expire(self.now);
    }
}

fn later<T>(answer: Answer<T>) -> oneshot::Receiver<T> {
    match answer {
        Answer::Later(answer) => answer,
        Answer::Now(_) => panic!("answered at once"),
    }
}

#[test]
fn the_leader_is_told_of_everybody_and_everybody_gets_what_it_assigns() {
    let mut world = World::new();
    let (one, mut joined) = world.newcomer(&["p"]);
    assert_eq!(joined.try_recv().unwrap().members.len(), 1);

    let (two, mut second) = world.newcomer(&["p"]);
    assert!(second.try_recv().is_err(), "the first member has to come back first");
    let mut first = world.join(&one, &["p"]);

    let (first, second) = (first.try_recv().unwrap(), second.try_recv().unwrap());
    assert_eq!((first.generation_id, second.generation_id), (2, 2));
    assert_eq!((first.members.len(), second.members.len()), (2, 0));
    let mut waits = later(world.sync(&two, 2, &[]));
    let mut leads = later(world.sync(&one, 2, &[&one, &two]));
    assert_eq!(leads.try_recv().unwrap().assignment, format!("for {one}"));
    assert_eq!(waits.try_recv().unwrap().assignment, format!("for {two}"));
    assert_eq!(world.group.heartbeat(world.now, &two, None, 2), Ok(()));
    assert_eq!(world.group.heartbeat(world.now, &two, None, 1), Err(E::IllegalGeneration));
}

#[test]
fn a_member_that_leaves_makes_the_others_join_again() {
    let mut world = World::new();
    let (leader, follower) = world.stable();

    world.group.leave(world.now, &leader, None).unwrap();

    assert_eq!(world.group.heartbeat(world.now, &follower, None, 2), Err(E::RebalanceInProgress));
    let joined = world.join(&follower, &["p"]).try_recv().unwrap();
    assert_eq!((joined.generation_id, joined.leader.to_string()), (3, follower));
}

#[test]
fn a_silent_member_is_dropped_after_its_session() {
    let mut world = World::new();
    let (leader, follower) = world.stable();
    world.pass(Duration::from_secs(6));
    world.group.heartbeat(world.now, &follower, None, 2).unwrap();

    world.pass(Duration::from_secs(5));

    assert_eq!(world.group.heartbeat(world.now, &follower, None, 2), Err(E::RebalanceInProgress));
    assert_eq!(world.group.heartbeat(world.now, &leader, None, 2), Err(E::UnknownMemberId));
}

#[test]
fn a_rebalance_goes_on_without_those_who_do_not_come_back() {
    let mut world = World::new();
    let (leader, follower) = world.stable();
    let mut joined = world.join(&leader, &["p"]);
    for _ in 0..4 {
        world.pass(Duration::from_secs(7));
        assert!(joined.try_recv().is_err());
        let _ = world.group.heartbeat(world.now, &follower, None, 2);
    }

    world.pass(Duration::from_secs(3));

    assert_eq!(joined.try_recv().unwrap().members.len(), 1);
}

#[test]
fn a_leader_that_never_syncs_does_not_hold_up_the_group() {
    let mut world = World::new();
    let (leader, _) = world.newcomer(&["p"]);
    let (follower, _) = world.newcomer(&["p"]);
    world.join(&leader, &["p"]);
    let mut synced = later(world.sync(&follower, 2, &[]));

    world.pass(Duration::from_secs(31));

    assert_eq!(synced.try_recv().unwrap().error_code, E::RebalanceInProgress.code());
    assert_eq!(world.group.heartbeat(world.now, &leader, None, 2), Err(E::UnknownMemberId));
}

#[test]
fn members_agree_on_a_protocol_that_all_have() {
    let mut world = World::new();
    let (one, _) = world.newcomer(&["new", "old"]);
    let (_, _) = world.newcomer(&["old"]);

    let joined = world.join(&one, &["new", "old"]).try_recv().unwrap();
    assert_eq!(joined.protocol_name.unwrap().to_string(), "old");

    let Answer::Now(refused) = world.send(World::request("", &["other"])) else { panic!("let in") };
    assert_eq!(refused.error_code, E::InconsistentGroupProtocol.code());
}

#[test]
fn a_follower_that_asks_again_is_told_the_same_without_a_rebalance() {
    let mut world = World::new();
    let (_, follower) = world.stable();

    let Answer::Now(again) = world.send(World::request(&follower, &["p"])) else { panic!("a rebalance") };

    assert_eq!((again.error_code, again.generation_id), (0, 2));
    assert_eq!(world.group.phase, Phase::Stable);
}

#[test]
fn a_static_member_that_comes_back_fences_its_former_self() {
    let mut world = World::new();
    let with_instance = |member: &str| World::request(member, &["p"]).with_group_instance_id(Some(text("i")));
    let mut first = later(world.send(with_instance("")));
    let old = first.try_recv().unwrap().member_id.to_string();

    let mut second = later(world.send(with_instance("")));

    let new = second.try_recv().unwrap().member_id.to_string();
    assert_ne!(old, new);
    assert_eq!(world.group.heartbeat(world.now, &old, Some("i"), 1), Err(E::FencedInstanceId));
    assert_eq!(world.group.heartbeat(world.now, &new, Some("i"), 2), Ok(()));
}
