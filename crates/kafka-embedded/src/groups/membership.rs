//! JoinGroup, SyncGroup, Heartbeat, LeaveGroup: requests to and answers from [`Group`].

use kafka_protocol::ResponseError as E;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse,
    SyncGroupRequest, SyncGroupResponse,
};
use tokio::time::Instant;
use uuid::Uuid;

use super::Group;
use super::rebalance::{Answer, Joining};
use crate::Broker;
use crate::control::Call;
use crate::state::{State, code};

impl Broker {
    pub(crate) async fn join_group(&self, call: &Call, request: JoinGroupRequest) -> JoinGroupResponse {
        let refused = |error: E| JoinGroupResponse::default().with_error_code(error.code()).with_generation_id(-1);
        let group_id = request.group_id.to_string();
        if group_id.is_empty() {
            return refused(E::InvalidGroupId);
        }
        if request.session_timeout_ms <= 0 {
            return refused(E::InvalidSessionTimeout);
        }
        let how = Joining {
            version: call.version,
            client_id: &call.client_id,
            fresh_id: format!("{}-{}", call.client_id, Uuid::new_v4()),
            initial_delay: self.options.group_initial_rebalance_delay,
        };
        let answer = {
            let mut state = self.state();
            let group = state.groups.entry(group_id).or_insert_with(Group::new);
            group.join(Instant::now(), request, how)
        };
        match answer {
            Answer::Now(response) => response,
            // Nobody answers a member that has joined once more, or was dropped.
            Answer::Later(response) => response.await.unwrap_or_else(|_| refused(E::UnknownMemberId)),
        }
    }

    pub(crate) async fn sync_group(&self, _call: &Call, request: SyncGroupRequest) -> SyncGroupResponse {
        let refused = |error: E| SyncGroupResponse::default().with_error_code(error.code());
        let answer = match self.state().groups.get_mut(&*request.group_id.0) {
            Some(group) => group.sync(Instant::now(), &request),
            None => Answer::Now(refused(E::UnknownMemberId)),
        };
        match answer {
            Answer::Now(response) => response,
            Answer::Later(response) => response.await.unwrap_or_else(|_| refused(E::UnknownMemberId)),
        }
    }

    pub(crate) async fn heartbeat(&self, _call: &Call, request: HeartbeatRequest) -> HeartbeatResponse {
        let mut state = self.state();
        let alive = match state.groups.get_mut(&*request.group_id.0) {
            Some(group) => {
                let instance = request.group_instance_id.as_deref();
                group.heartbeat(Instant::now(), &request.member_id, instance, request.generation_id)
            }
            None => Err(E::UnknownMemberId),
        };
        HeartbeatResponse::default().with_error_code(code(&alive))
    }

    pub(crate) async fn leave_group(&self, call: &Call, request: LeaveGroupRequest) -> LeaveGroupResponse {
        let (mut state, now) = (self.state(), Instant::now());
        let mut leave = |member: &str, instance: Option<&str>| match state.groups.get_mut(&*request.group_id.0) {
            Some(group) => group.leave(now, member, instance),
            None => Err(E::UnknownMemberId),
        };
        if call.version < 3 {
            return LeaveGroupResponse::default().with_error_code(code(&leave(&request.member_id, None)));
        }
        let members = request.members.iter().map(|member| {
            let left = leave(&member.member_id, member.group_instance_id.as_deref());
            MemberResponse::default()
                .with_member_id(member.member_id.clone())
                .with_group_instance_id(member.group_instance_id.clone())
                .with_error_code(code(&left))
        });
        let members = members.collect();
        LeaveGroupResponse::default().with_members(members)
    }
}

impl State {
    /// Looks at every group's clock.
    pub(crate) fn expire_members(&mut self, now: Instant) {
        for group in self.groups.values_mut() {
            group.expire(now);
        }
    }
}
