//! The state machine of a group: joining, syncing, leaving, being too late.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError as E;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::{JoinGroupRequest, JoinGroupResponse, SyncGroupRequest, SyncGroupResponse};
use kafka_protocol::protocol::StrBytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Group, Member, Phase};
use crate::state::text;

/// What a member gets: an answer, or a place to wait for it.
pub(super) enum Answer<T> {
    Now(T),
    Later(oneshot::Receiver<T>),
}

/// What joining needs to know beside the request.
pub(super) struct Joining<'a> {
    pub(super) version: i16,
    pub(super) client_id: &'a str,
    /// An id nobody has had.
    pub(super) fresh_id: String,
    pub(super) initial_delay: Duration,
}

fn join_error(error: E, member: &str) -> Answer<JoinGroupResponse> {
    Answer::Now(
        JoinGroupResponse::default().with_error_code(error.code()).with_member_id(text(member)).with_generation_id(-1),
    )
}

fn sync_error(error: E) -> SyncGroupResponse {
    SyncGroupResponse::default().with_error_code(error.code())
}

impl Group {
    pub(super) fn join(&mut self, now: Instant, request: JoinGroupRequest, how: Joining) -> Answer<JoinGroupResponse> {
        let mut id = request.member_id.to_string();
        let instance = request.group_instance_id.as_ref().map(|id| id.to_string());
        if let Err(error) = self.check_protocols(&request) {
            return join_error(error, &id);
        }
        if !id.is_empty() {
            if instance.is_some()
                && let Err(error) = self.check_instance(&id, instance.as_deref())
            {
                return join_error(error, &id);
            }
            if !self.members.contains_key(&id) && self.promised.remove(&id).is_none() {
                return join_error(E::UnknownMemberId, &id);
            }
        } else if instance.is_none() && how.version >= 4 {
            let session = Duration::from_millis(u64::try_from(request.session_timeout_ms).unwrap_or(0));
            self.promised.insert(how.fresh_id.clone(), now + session);
            return join_error(E::MemberIdRequired, &how.fresh_id);
        } else {
            id = how.fresh_id;
            self.replace_instance(instance.as_deref());
        }
        if self.is_up_to_date(&id, &request) {
            return Answer::Now(self.joined(&id));
        }
        let answer = self.enter(now, id, instance, request, how.client_id);
        self.prepare(now, how.initial_delay);
        self.complete_if_joined(now);
        Answer::Later(answer)
    }

    fn check_protocols(&self, request: &JoinGroupRequest) -> Result<(), E> {
        if request.protocols.is_empty() || request.protocol_type.is_empty() {
            return Err(E::InconsistentGroupProtocol);
        }
        let others = || self.members.iter().filter(|(id, _)| **id != *request.member_id);
        if others().next().is_none() {
            return Ok(());
        }
        let everyone_has =
            |name: &StrBytes| others().all(|(_, member)| member.protocols.iter().any(|(has, _)| has == name));
        let common = request.protocols.iter().any(|protocol| everyone_has(&protocol.name));
        if self.protocol_type.as_ref() == Some(&request.protocol_type) && common {
            Ok(())
        } else {
            Err(E::InconsistentGroupProtocol)
        }
    }

    /// A static member that comes back without an id takes the place of its former self.
    fn replace_instance(&mut self, instance: Option<&str>) {
        let Some(instance) = instance else { return };
        let old = self.members.iter().find(|(_, member)| member.instance_id.as_deref() == Some(instance));
        let Some(old) = old.map(|(id, _)| id.clone()) else { return };
        if let Some(mut member) = self.members.remove(&old) {
            let fenced = E::FencedInstanceId;
            if let Some(joining) = member.joining.take() {
                let _ = joining.send(JoinGroupResponse::default().with_error_code(fenced.code()));
            }
            if let Some(syncing) = member.syncing.take() {
                let _ = syncing.send(sync_error(fenced));
            }
        }
    }

    /// A follower that asks again without news is told what it knows; so is anyone whose answer was lost.
    fn is_up_to_date(&mut self, id: &str, request: &JoinGroupRequest) -> bool {
        let Some(member) = self.members.get(id) else { return false };
        let same = member.protocols.len() == request.protocols.len()
            && member.protocols.iter().zip(&request.protocols).all(|(a, b)| a.0 == b.name && a.1 == b.metadata);
        match self.phase {
            Phase::Stable => same && self.leader.as_deref() != Some(id),
            Phase::CompletingRebalance { .. } => same,
            Phase::Empty | Phase::PreparingRebalance { .. } => false,
        }
    }

    fn enter(
        &mut self,
        now: Instant,
        id: String,
        instance_id: Option<String>,
        request: JoinGroupRequest,
        client_id: &str,
    ) -> oneshot::Receiver<JoinGroupResponse> {
        let (joining, joined) = oneshot::channel();
        let millis = |ms: i32| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        let session_timeout = millis(request.session_timeout_ms);
        // Version 0 has no time-out for rebalances.
        let rebalance =
            if request.rebalance_timeout_ms < 0 { request.session_timeout_ms } else { request.rebalance_timeout_ms };
        self.protocol_type = Some(request.protocol_type);
        let assignment = self.members.remove(&id).map(|member| member.assignment).unwrap_or_default();
        let member = Member {
            instance_id,
            client_id: client_id.to_owned(),
            session_timeout,
            rebalance_timeout: millis(rebalance),
            protocols: request.protocols.into_iter().map(|protocol| (protocol.name, protocol.metadata)).collect(),
            assignment,
            seen: now,
            joining: Some(joining),
            syncing: None,
        };
        self.members.insert(id, member);
        joined
    }

    /// Calls everybody back.
    fn prepare(&mut self, now: Instant, initial_delay: Duration) {
        let from = match self.phase {
            Phase::PreparingRebalance { from, .. } => from,
            Phase::Empty => now + initial_delay,
            Phase::CompletingRebalance { .. } | Phase::Stable => now,
        };
        self.stop_syncing();
        self.phase = Phase::PreparingRebalance { from, until: now + self.rebalance_timeout() };
    }

    fn stop_syncing(&mut self) {
        for member in self.members.values_mut() {
            if let Some(syncing) = member.syncing.take() {
                let _ = syncing.send(sync_error(E::RebalanceInProgress));
            }
        }
    }

    fn rebalance_timeout(&self) -> Duration {
        self.members.values().map(|member| member.rebalance_timeout).max().unwrap_or_default()
    }

    /// Begins the next generation if nobody is missing, or nobody is waited for any more.
    pub(super) fn complete_if_joined(&mut self, now: Instant) {
        let Phase::PreparingRebalance { from, until } = self.phase else { return };
        let all = self.promised.is_empty() && self.members.values().all(|member| member.joining.is_some());
        if !(all && now >= from) && now < until {
            return;
        }
        self.members.retain(|_, member| member.joining.is_some());
        self.generation += 1;
        if self.members.is_empty() {
            (self.phase, self.leader, self.protocol) = (Phase::Empty, None, None);
            return;
        }
        self.protocol = self.vote();
        if self.leader.as_ref().is_none_or(|leader| !self.members.contains_key(leader)) {
            self.leader = self.members.keys().next().cloned();
        }
        self.phase = Phase::CompletingRebalance { until: now + self.rebalance_timeout() };
        for id in self.members.keys().cloned().collect::<Vec<_>>() {
            let answer = self.joined(&id);
            let Some(member) = self.members.get_mut(&id) else { continue };
            member.seen = now;
            if let Some(joining) = member.joining.take() {
                // Whoever hung up meanwhile is found out by its session.
                let _ = joining.send(answer);
            }
        }
    }

    /// The protocol that most members like best, of those that all have.
    fn vote(&self) -> Option<StrBytes> {
        let common =
            |name: &StrBytes| self.members.values().all(|member| member.protocols.iter().any(|(has, _)| has == name));
        let mut votes: Vec<(StrBytes, usize)> = Vec::new();
        for member in self.members.values() {
            let Some((favourite, _)) = member.protocols.iter().find(|(name, _)| common(name)) else { continue };
            match votes.iter_mut().find(|(name, _)| name == favourite) {
                Some((_, count)) => *count += 1,
                None => votes.push((favourite.clone(), 1)),
            }
        }
        votes.into_iter().max_by_key(|(_, count)| *count).map(|(name, _)| name)
    }

    /// What a member of this generation is told; the leader is told of everybody.
    fn joined(&self, id: &str) -> JoinGroupResponse {
        let leader = self.leader.clone().unwrap_or_default();
        let members = if leader == id {
            self.members.iter().map(|(id, member)| self.told(id, member)).collect()
        } else {
            Vec::new()
        };
        JoinGroupResponse::default()
            .with_generation_id(self.generation)
            .with_protocol_type(self.protocol_type.clone())
            .with_protocol_name(Some(self.protocol.clone().unwrap_or_default()))
            .with_leader(text(leader))
            .with_member_id(text(id))
            .with_members(members)
    }

    fn told(&self, id: &str, member: &Member) -> JoinGroupResponseMember {
        JoinGroupResponseMember::default()
            .with_member_id(text(id))
            .with_group_instance_id(member.instance_id.clone().map(text))
            .with_metadata(self.metadata(member))
    }

    /// What a member said about itself in the protocol that was chosen.
    pub(super) fn metadata(&self, member: &Member) -> Bytes {
        let chosen = member.protocols.iter().find(|(name, _)| Some(name) == self.protocol.as_ref());
        chosen.map(|(_, metadata)| metadata.clone()).unwrap_or_default()
    }

    pub(super) fn sync(&mut self, now: Instant, request: &SyncGroupRequest) -> Answer<SyncGroupResponse> {
        let id = request.member_id.to_string();
        if let Err(error) = self.check_sync(&id, request) {
            return Answer::Now(sync_error(error));
        }
        let waits = matches!(self.phase, Phase::CompletingRebalance { .. });
        let Some(member) = self.members.get_mut(&id) else { return Answer::Now(sync_error(E::UnknownMemberId)) };
        member.seen = now;
        match self.phase {
            Phase::Empty => return Answer::Now(sync_error(E::UnknownMemberId)),
            Phase::PreparingRebalance { .. } => return Answer::Now(sync_error(E::RebalanceInProgress)),
            Phase::Stable | Phase::CompletingRebalance { .. } => {}
        }
        if !waits {
            return Answer::Now(self.synced(&id));
        }
        let (syncing, synced) = oneshot::channel();
        member.syncing = Some(syncing);
        if self.leader.as_deref() == Some(&*id) {
            self.assign(now, request);
        }
        Answer::Later(synced)
    }

    fn check_sync(&self, id: &str, request: &SyncGroupRequest) -> Result<(), E> {
        self.check_member(id, request.group_instance_id.as_deref(), request.generation_id)?;
        let differs = |told: &Option<StrBytes>, known: &Option<StrBytes>| told.is_some() && told != known;
        if differs(&request.protocol_type, &self.protocol_type) || differs(&request.protocol_name, &self.protocol) {
            return Err(E::InconsistentGroupProtocol);
        }
        Ok(())
    }

    fn assign(&mut self, now: Instant, request: &SyncGroupRequest) {
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
        }
        for assigned in &request.assignments {
            if let Some(member) = self.members.get_mut(&*assigned.member_id) {
                member.assignment = assigned.assignment.clone();
            }
        }
        self.phase = Phase::Stable;
        for id in self.members.keys().cloned().collect::<Vec<_>>() {
            let answer = self.synced(&id);
            let Some(member) = self.members.get_mut(&id) else { continue };
            member.seen = now;
            if let Some(syncing) = member.syncing.take() {
                let _ = syncing.send(answer);
            }
        }
    }

    fn synced(&self, id: &str) -> SyncGroupResponse {
        SyncGroupResponse::default()
            .with_protocol_type(self.protocol_type.clone())
            .with_protocol_name(self.protocol.clone())
            .with_assignment(self.members.get(id).map(|member| member.assignment.clone()).unwrap_or_default())
    }

    pub(super) fn heartbeat(
        &mut self,
        now: Instant,
        id: &str,
        instance: Option<&str>,
        generation: i32,
    ) -> Result<(), E> {
        self.check_member(id, instance, generation)?;
        if let Some(member) = self.members.get_mut(id) {
            member.seen = now;
        }
        match self.phase {
            Phase::PreparingRebalance { .. } => Err(E::RebalanceInProgress),
            Phase::Empty | Phase::CompletingRebalance { .. } | Phase::Stable => Ok(()),
        }
    }

    pub(super) fn leave(&mut self, now: Instant, id: &str, instance: Option<&str>) -> Result<(), E> {
        let named =
            self.members.iter().find(|(_, member)| instance.is_some() && member.instance_id.as_deref() == instance);
        let id = match named {
            Some((known, _)) if !id.is_empty() && known != id => return Err(E::FencedInstanceId),
            Some((known, _)) => known.clone(),
            None => id.to_owned(),
        };
        if self.members.remove(&id).is_none() && self.promised.remove(&id).is_none() {
            return Err(E::UnknownMemberId);
        }
        self.after_removal(now);
        Ok(())
    }

    fn after_removal(&mut self, now: Instant) {
        match self.phase {
            Phase::Stable | Phase::CompletingRebalance { .. } => self.prepare(now, Duration::ZERO),
            Phase::Empty | Phase::PreparingRebalance { .. } => {}
        }
        self.complete_if_joined(now);
    }

    /// Drops members that were not heard of for a session, or that did not sync in time, and ends rebalances that are due.
    pub(super) fn expire(&mut self, now: Instant) {
        let before = self.members.len();
        let syncs_due = matches!(self.phase, Phase::CompletingRebalance { until } if now >= until);
        self.promised.retain(|_, until| now < *until);
        self.members.retain(|_, member| {
            let waits = member.joining.is_some() || member.syncing.is_some();
            waits || (!syncs_due && now.saturating_duration_since(member.seen) <= member.session_timeout)
        });
        if syncs_due && self.members.len() == before {
            // All wait, for a leader that has synced nothing: it was never heard of again.
            self.prepare(now, Duration::ZERO);
        }
        if self.members.len() < before {
            self.after_removal(now);
        }
        self.complete_if_joined(now);
    }
}
