//! The broker's half of the classic group protocol: one group, one coordinator.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::event::GroupEvent;
use crate::ids::{Generation, MemberId};

pub(super) const SESSION_TIMEOUT_MS: u64 = 10_000;
/// The reason of a `Lost` that answers a join.
pub(super) const JOIN_REFUSED: &str = "join of an unknown member";
const REBALANCE_TIMEOUT_MS: u64 = 60_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Empty,
    /// Waiting for everyone to join, until then at the latest.
    Preparing(u64),
    /// Waiting for the leader's assignments.
    Completing,
    Stable,
}

#[derive(Debug)]
struct Member {
    /// Who it is, for the answers: worker and life.
    who: (usize, u32),
    protocols: Vec<(String, Bytes)>,
    /// Has joined the round that is being prepared.
    joined: bool,
    /// Has asked for its assignment and waits.
    syncing: bool,
    assignment: Bytes,
    heard_of: u64,
}

/// The group. Answers are collected in `out`, for whoever they are.
#[derive(Debug)]
pub(super) struct Coordinator {
    state: State,
    generation: i32,
    protocol: String,
    leader: Option<MemberId>,
    members: BTreeMap<MemberId, Member>,
    next_member: u64,
    pub(super) out: Vec<((usize, u32), GroupEvent)>,
    pub(super) completed: Vec<String>,
}

/// What a worker says to the coordinator.
#[derive(Debug, Clone)]
pub(super) enum Request {
    Join { member: Option<MemberId>, protocols: Vec<(String, Bytes)> },
    Sync { member: MemberId, generation: Generation, assignments: Vec<(MemberId, Bytes)> },
    Heartbeat { member: MemberId, generation: Generation },
    Leave { member: MemberId },
}

impl Coordinator {
    pub(super) fn new() -> Self {
        Self {
            state: State::Empty,
            generation: 0,
            protocol: String::new(),
            leader: None,
            members: BTreeMap::new(),
            next_member: 0,
            out: Vec::new(),
            completed: Vec::new(),
        }
    }

    /// Takes a request. Answers now or later come through `out`.
    pub(super) fn request(&mut self, now: u64, who: (usize, u32), request: Request) {
        match request {
            Request::Join { member, protocols } => self.join(now, who, member, protocols),
            Request::Sync { member, generation, assignments } => self.sync(now, who, &member, generation, assignments),
            Request::Heartbeat { member, generation } => self.heartbeat(now, who, &member, generation),
            Request::Leave { member } => {
                if self.members.remove(&member).is_some() {
                    self.prepare(now);
                }
            }
        }
        self.maybe_complete(now);
    }

    fn lost(&mut self, who: (usize, u32), reason: &str) {
        self.out.push((who, GroupEvent::Lost { reason: reason.to_owned() }));
    }

    fn join(&mut self, now: u64, who: (usize, u32), member: Option<MemberId>, protocols: Vec<(String, Bytes)>) {
        let id = match member {
            Some(id) if !self.members.contains_key(&id) => return self.lost(who, JOIN_REFUSED),
            Some(id) => id,
            None => {
                self.next_member += 1;
                MemberId::from(format!("w{}-{}", who.0, self.next_member))
            }
        };
        let is_leader = self.leader.as_ref() == Some(&id);
        let same = self.members.get(&id).is_some_and(|known| known.protocols == protocols);
        // A follower that has nothing new to say, or has missed the answer, gets it (again) without a new round.
        if same && !self.members[&id].joined {
            match self.state {
                State::Stable if !is_leader => return self.answer_join(now, &id),
                State::Completing => return self.answer_join(now, &id),
                _ => {}
            }
        }
        let assignment = self.members.get(&id).map(|known| known.assignment.clone()).unwrap_or_default();
        self.members.insert(id, Member { who, protocols, joined: true, syncing: false, assignment, heard_of: now });
        self.prepare(now);
    }

    fn prepare(&mut self, now: u64) {
        if !matches!(self.state, State::Preparing(_)) {
            self.state = State::Preparing(now + REBALANCE_TIMEOUT_MS);
            let waiting: Vec<_> = self.members.values_mut().filter(|member| member.syncing).collect();
            for member in waiting {
                member.syncing = false;
                self.out.push((member.who, GroupEvent::RebalanceNeeded));
            }
        }
    }

    fn maybe_complete(&mut self, now: u64) {
        let State::Preparing(until) = self.state else {
            return;
        };
        if now >= until {
            self.members.retain(|_, member| member.joined);
        }
        if self.members.is_empty() {
            self.state = State::Empty;
            self.leader = None;
            return;
        }
        if self.members.values().all(|member| member.joined) {
            self.complete(now);
        }
    }

    fn complete(&mut self, now: u64) {
        self.generation += 1;
        self.state = State::Completing;
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
        }
        if self.leader.as_ref().is_none_or(|leader| !self.members.contains_key(leader)) {
            self.leader = self.members.keys().next().cloned();
        }
        let speaks = |member: &Member, protocol: &str| member.protocols.iter().any(|(name, _)| name == protocol);
        let common = ["sessioned", "compatible", "default"]
            .into_iter()
            .find(|protocol| self.members.values().all(|member| speaks(member, protocol)));
        self.protocol = common.unwrap_or("default").to_owned();
        self.completed.push(format!(
            "g{} {} {}",
            self.generation,
            self.protocol,
            self.members.keys().map(MemberId::as_str).collect::<Vec<_>>().join(" ")
        ));
        for id in self.members.keys().cloned().collect::<Vec<_>>() {
            self.answer_join(now, &id);
        }
    }

    fn answer_join(&mut self, now: u64, id: &MemberId) {
        let metadata = |member: &Member| {
            let found = member.protocols.iter().find(|(name, _)| *name == self.protocol);
            found.map(|(_, bytes)| bytes.clone()).unwrap_or_default()
        };
        let members = if self.leader.as_ref() == Some(id) {
            self.members.iter().map(|(id, member)| (id.clone(), metadata(member))).collect()
        } else {
            Vec::new()
        };
        let event = GroupEvent::Joined {
            generation: Generation(self.generation),
            member_id: id.clone(),
            leader_id: self.leader.clone().unwrap_or_else(|| id.clone()),
            protocol: self.protocol.clone(),
            members,
        };
        let Some(member) = self.members.get_mut(id) else { return };
        member.joined = false;
        member.heard_of = now;
        self.out.push((member.who, event));
    }

    fn sync(
        &mut self,
        now: u64,
        who: (usize, u32),
        id: &MemberId,
        generation: Generation,
        assignments: Vec<(MemberId, Bytes)>,
    ) {
        let Some(member) = self.members.get_mut(id).filter(|_| generation.0 == self.generation) else {
            return self.lost(who, "sync of an unknown member");
        };
        member.heard_of = now;
        match self.state {
            State::Empty => self.lost(who, "sync of an unknown member"),
            State::Preparing(_) => self.out.push((who, GroupEvent::RebalanceNeeded)),
            State::Stable => self.answer_sync(id),
            State::Completing => {
                member.syncing = true;
                if self.leader.as_ref() == Some(id) {
                    for (id, assignment) in assignments {
                        if let Some(member) = self.members.get_mut(&id) {
                            member.assignment = assignment;
                        }
                    }
                    self.state = State::Stable;
                    let waiting = self.members.iter().filter(|(_, member)| member.syncing);
                    for id in waiting.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
                        self.answer_sync(&id);
                    }
                }
            }
        }
    }

    fn answer_sync(&mut self, id: &MemberId) {
        if let Some(member) = self.members.get_mut(id) {
            member.syncing = false;
            let (generation, assignment) = (Generation(self.generation), member.assignment.clone());
            self.out.push((member.who, GroupEvent::Synced { generation, assignment }));
        }
    }

    fn heartbeat(&mut self, now: u64, who: (usize, u32), id: &MemberId, generation: Generation) {
        let Some(member) = self.members.get_mut(id).filter(|_| generation.0 == self.generation) else {
            return self.lost(who, "heartbeat of an unknown member");
        };
        member.heard_of = now;
        if matches!(self.state, State::Preparing(_)) && !member.joined {
            self.out.push((who, GroupEvent::RebalanceNeeded));
        }
    }

    /// Time passes: whoever has not been heard of is out.
    pub(super) fn tick(&mut self, now: u64) {
        let before = self.members.len();
        // A member that waits for the others to join is not expected to say anything.
        self.members.retain(|_, member| member.joined || now < member.heard_of + SESSION_TIMEOUT_MS);
        if self.members.len() < before {
            self.prepare(now);
        }
        self.maybe_complete(now);
    }

    /// The coordinator has moved or was down: everyone's session begins anew.
    pub(super) fn moved(&mut self, now: u64) {
        for member in self.members.values_mut() {
            member.heard_of = now;
        }
    }

    /// Whether the group is at rest with these many members.
    pub(super) fn is_stable_with(&self, members: usize) -> bool {
        self.state == State::Stable && self.members.len() == members
    }

    pub(super) fn describe(&self) -> String {
        format!(
            "{:?} g{} {:?}",
            self.state,
            self.generation,
            self.members.keys().map(MemberId::as_str).collect::<Vec<_>>()
        )
    }
}
