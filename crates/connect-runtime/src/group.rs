//! The worker's membership in its group: the driver's port on one side, [`GroupMember`] on the other.

use std::time::Duration;

use bytes::Bytes;
use connect_herder::ids::{Generation, MemberId};
use connect_herder::protocol::PROTOCOL_TYPE;
use connect_herder::{Event, GroupEvent};
use kafka_client::group::{self, GroupMember, GroupSettings};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tracing::{debug, warn};

use crate::driver::ports::GroupRequest;
use crate::worker_config::WorkerConfig;

/// A member hears with a heartbeat that another one has left, and its work waits until then. So heartbeats are not further
/// apart than this, also where `heartbeat.interval.ms` (3 s) would have it so.
const HEARTBEAT_MAX: Duration = Duration::from_secs(1);

/// What the group is told about this worker.
pub(crate) fn settings(worker: &WorkerConfig) -> GroupSettings {
    GroupSettings {
        group_id: worker.group_id().to_owned(),
        protocol_type: PROTOCOL_TYPE.to_owned(),
        session_timeout: worker.session_timeout(),
        rebalance_timeout: worker.rebalance_timeout(),
        heartbeat_interval: heartbeat_interval(worker),
    }
}

/// How far apart heartbeats are.
pub(crate) fn heartbeat_interval(worker: &WorkerConfig) -> Duration {
    worker.heartbeat_interval().min(HEARTBEAT_MAX)
}

/// Does what the driver asks, in order, and tells it what happens, until the driver is gone.
pub(crate) async fn serve(
    member: GroupMember,
    mut happened: UnboundedReceiver<group::GroupEvent>,
    mut requests: UnboundedReceiver<GroupRequest>,
    events: UnboundedSender<Event>,
) {
    loop {
        tokio::select! {
            request = requests.recv() => match request {
                Some(request) => obey(&member, request).await,
                None => return,
            },
            Some(event) = happened.recv() => {
                // The driver may be gone: then nobody needs to know.
                let _ = events.send(Event::Group(translated(event)));
            }
        }
    }
}

async fn obey(member: &GroupMember, request: GroupRequest) {
    match request {
        GroupRequest::Join { protocols } => member.join(protocols),
        GroupRequest::Sync { generation, assignments } => {
            let assignments = assignments.into_iter().map(|(id, bytes)| (id.as_str().to_owned(), bytes));
            member.sync(generation.0, assignments.collect());
        }
        GroupRequest::Leave => member.leave().await,
    }
}

/// The client's words in the herder's.
fn translated(event: group::GroupEvent) -> GroupEvent {
    match event {
        group::GroupEvent::Joined { generation, member_id, leader_id, protocol, members } => GroupEvent::Joined {
            generation: Generation(generation),
            member_id: member_id.into(),
            leader_id: leader_id.into(),
            protocol,
            members: members.into_iter().map(|(id, bytes): (String, Bytes)| (MemberId::from(id), bytes)).collect(),
        },
        group::GroupEvent::Synced { generation, assignment } => {
            GroupEvent::Synced { generation: Generation(generation), assignment }
        }
        group::GroupEvent::RebalanceNeeded => {
            debug!("the coordinator wants everyone to join again");
            GroupEvent::RebalanceNeeded
        }
        group::GroupEvent::CoordinatorUnknown { unheard } => {
            GroupEvent::CoordinatorUnknown { unheard_ms: unheard.as_millis().try_into().unwrap_or(u64::MAX) }
        }
        group::GroupEvent::CoordinatorKnown => GroupEvent::CoordinatorKnown,
        group::GroupEvent::Lost { reason } => {
            warn!(error = %reason, "membership in the group was lost; joining anew");
            GroupEvent::Lost { reason }
        }
        group::GroupEvent::Fatal { reason } => GroupEvent::Fatal { reason },
    }
}
