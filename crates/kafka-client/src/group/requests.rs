//! The four requests of a member, each once and without retries.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{GroupId, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest};
use kafka_protocol::protocol::StrBytes;

use super::GroupSettings;
use crate::codes::ErrorCode;
use crate::connection::Connection;
use crate::error::ClientError;

/// How long LeaveGroup may take: the group finds out by itself after the session time-out.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(3);

/// Who we are in the group at the moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Membership {
    /// Empty before the coordinator has given us one.
    pub(super) member_id: String,
    pub(super) generation: i32,
    pub(super) protocol: String,
}

/// The answer to a join.
#[derive(Debug)]
pub(super) struct JoinAnswer {
    pub(super) membership: Membership,
    pub(super) leader_id: String,
    pub(super) members: Vec<(String, Bytes)>,
}

/// A refused join, and the id the coordinator may have given us with it.
#[derive(Debug)]
pub(super) struct JoinRefused {
    pub(super) error: ClientError,
    pub(super) member_id: Option<String>,
}

/// JoinGroup: answered when all members have joined, which takes up to the rebalance time-out.
pub(super) async fn join(
    connection: &Connection,
    settings: &GroupSettings,
    member_id: &str,
    protocols: &[(String, Bytes)],
) -> Result<JoinAnswer, JoinRefused> {
    let request = |version: i16| {
        let protocols = protocols.iter().map(|(name, metadata)| {
            JoinGroupRequestProtocol::default().with_name(text(name)).with_metadata(metadata.clone())
        });
        let request = JoinGroupRequest::default()
            .with_group_id(group_id(settings))
            .with_session_timeout_ms(millis(settings.session_timeout))
            .with_member_id(text(member_id))
            .with_protocol_type(text(&settings.protocol_type))
            .with_protocols(protocols.collect());
        Ok(match version {
            0 => request,
            _ => request.with_rebalance_timeout_ms(millis(settings.rebalance_timeout)),
        })
    };
    let patience = connection.request_timeout().max(settings.rebalance_timeout + Duration::from_secs(5));
    let answer =
        connection.call_with(request, patience).await.map_err(|error| JoinRefused { error, member_id: None })?;
    let member_id = answer.member_id.to_string();
    check("JoinGroup", settings, answer.error_code)
        .map_err(|error| JoinRefused { error, member_id: Some(member_id.clone()).filter(|id| !id.is_empty()) })?;
    let members = answer.members.into_iter().map(|member| (member.member_id.to_string(), member.metadata));
    Ok(JoinAnswer {
        membership: Membership {
            member_id,
            generation: answer.generation_id,
            protocol: answer.protocol_name.map(|name| name.to_string()).unwrap_or_default(),
        },
        leader_id: answer.leader.to_string(),
        members: members.collect(),
    })
}

/// SyncGroup: answered when the leader has sent its assignments.
pub(super) async fn sync(
    connection: &Connection,
    settings: &GroupSettings,
    membership: &Membership,
    assignments: &[(String, Bytes)],
) -> Result<Bytes, ClientError> {
    let request = |version: i16| {
        let assignments = assignments.iter().map(|(member_id, bytes)| {
            SyncGroupRequestAssignment::default().with_member_id(text(member_id)).with_assignment(bytes.clone())
        });
        let request = SyncGroupRequest::default()
            .with_group_id(group_id(settings))
            .with_generation_id(membership.generation)
            .with_member_id(text(&membership.member_id))
            .with_assignments(assignments.collect());
        Ok(match version {
            0..5 => request,
            _ => request
                .with_protocol_type(Some(text(&settings.protocol_type)))
                .with_protocol_name(Some(text(&membership.protocol))),
        })
    };
    let patience = connection.request_timeout().max(settings.rebalance_timeout + Duration::from_secs(5));
    let answer = connection.call_with(request, patience).await?;
    check("SyncGroup", settings, answer.error_code)?;
    Ok(answer.assignment)
}

/// Heartbeat: must be answered within the session time-out to be of any use.
pub(super) async fn heartbeat(
    connection: &Connection,
    settings: &GroupSettings,
    membership: &Membership,
) -> Result<(), ClientError> {
    let request = HeartbeatRequest::default()
        .with_group_id(group_id(settings))
        .with_generation_id(membership.generation)
        .with_member_id(text(&membership.member_id));
    let answer = connection.call_with(|_| Ok(request), settings.session_timeout).await?;
    check("Heartbeat", settings, answer.error_code)
}

/// LeaveGroup.
pub(super) async fn leave(
    connection: &Connection,
    settings: &GroupSettings,
    member_id: &str,
) -> Result<(), ClientError> {
    let request = |version: i16| {
        let request = LeaveGroupRequest::default().with_group_id(group_id(settings));
        Ok(match version {
            0..3 => request.with_member_id(text(member_id)),
            _ => request.with_members(vec![MemberIdentity::default().with_member_id(text(member_id))]),
        })
    };
    let answer = connection.call_with(request, LEAVE_TIMEOUT).await?;
    check("LeaveGroup", settings, answer.error_code)
}

fn check(api: &str, settings: &GroupSettings, code: i16) -> Result<(), ClientError> {
    if code == ErrorCode::NONE.0 {
        return Ok(());
    }
    Err(ClientError::broker(format!("{api} for group {}", settings.group_id), ErrorCode(code), None))
}

fn group_id(settings: &GroupSettings) -> GroupId {
    GroupId(text(&settings.group_id))
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
