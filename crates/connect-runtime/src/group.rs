//! The worker's membership in its group: the driver's port on one side, [`GroupMember`] on the other.

use std::time::Duration;

use bytes::Bytes;
use connect_herder::ids::{Generation, MemberId};
use connect_herder::protocol::PROTOCOL_TYPE;
use connect_herder::{Event, GroupEvent};
use kafka_client::group::{self, GroupMember, GroupSettings};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::driver::clock::reached;
use crate::driver::ports::GroupRequest;
use crate::worker_config::WorkerConfig;

/// What the group is told about this worker.
pub(crate) fn settings(worker: &WorkerConfig) -> GroupSettings {
    GroupSettings {
        group_id: worker.group_id().to_owned(),
        protocol_type: PROTOCOL_TYPE.to_owned(),
        session_timeout: worker.session_timeout(),
        rebalance_timeout: worker.rebalance_timeout(),
        heartbeat_interval: worker.heartbeat_interval(),
    }
}

/// Does what the driver asks, in order, and tells it what happens, until the driver is gone.
pub(crate) async fn serve(
    member: GroupMember,
    heartbeat_interval: Duration,
    mut happened: UnboundedReceiver<group::GroupEvent>,
    mut requests: UnboundedReceiver<GroupRequest>,
    events: UnboundedSender<Event>,
) {
    let tell = |event| {
        // The driver may be gone: then nobody needs to know.
        let _ = events.send(Event::Group(event));
    };
    let mut pulse = Pulse::new(heartbeat_interval);
    loop {
        tokio::select! {
            request = requests.recv() => match request {
                Some(request) => {
                    pulse.asked();
                    obey(&member, request).await;
                }
                None => return,
            },
            Some(event) = happened.recv() => {
                pulse.heard(&event, Instant::now());
                tell(translated(event));
            }
            () = reached(pulse.silent_at) => {
                pulse.silent_at = None;
                tell(GroupEvent::CoordinatorKnown);
            }
        }
    }
}

async fn obey(member: &GroupMember, request: GroupRequest) {
    match request {
        GroupRequest::Join { protocols } => member.join(protocols),
        GroupRequest::Sync { assignments } => {
            member.sync(assignments.into_iter().map(|(id, bytes)| (id.as_str().to_owned(), bytes)).collect());
        }
        GroupRequest::Leave => member.leave().await,
    }
}

/// Whether heartbeats work again. The client tells of each one that fails and of none that works, so two intervals without
/// a word after a failure mean that they do. Only while nothing but heartbeats is under way: a join is silent for longer.
struct Pulse {
    patience: Duration,
    beating: bool,
    /// When the silence will have been long enough.
    silent_at: Option<Instant>,
}

impl Pulse {
    fn new(heartbeat_interval: Duration) -> Self {
        Self { patience: heartbeat_interval * 2, beating: false, silent_at: None }
    }

    fn asked(&mut self) {
        self.beating = false;
        self.silent_at = None;
    }

    fn heard(&mut self, event: &group::GroupEvent, now: Instant) {
        self.beating = match event {
            group::GroupEvent::Synced { .. } => true,
            group::GroupEvent::CoordinatorUnknown => self.beating,
            _ => false,
        };
        let failing = self.beating && *event == group::GroupEvent::CoordinatorUnknown;
        self.silent_at = failing.then_some(now + self.patience);
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
        group::GroupEvent::CoordinatorUnknown => GroupEvent::CoordinatorUnknown,
        group::GroupEvent::Lost { reason } => {
            warn!(error = %reason, "membership in the group was lost; joining anew");
            GroupEvent::Lost { reason }
        }
        group::GroupEvent::Fatal { reason } => GroupEvent::Fatal { reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(3);

    fn synced() -> group::GroupEvent {
        group::GroupEvent::Synced { generation: 1, assignment: Bytes::new() }
    }

    #[test]
    fn silence_after_a_failed_heartbeat_means_that_the_coordinator_is_back() {
        let (mut pulse, now) = (Pulse::new(INTERVAL), Instant::now());
        pulse.heard(&synced(), now);
        assert_eq!(pulse.silent_at, None);

        pulse.heard(&group::GroupEvent::CoordinatorUnknown, now);
        assert_eq!(pulse.silent_at, Some(now + 2 * INTERVAL));

        pulse.heard(&group::GroupEvent::CoordinatorUnknown, now + INTERVAL);
        assert_eq!(pulse.silent_at, Some(now + 3 * INTERVAL), "the next failure begins the silence anew");
    }

    #[test]
    fn the_silence_of_a_join_means_nothing() {
        let lost = group::GroupEvent::Lost { reason: "session expired".to_owned() };
        for ends_beating in [group::GroupEvent::RebalanceNeeded, lost] {
            let (mut pulse, now) = (Pulse::new(INTERVAL), Instant::now());
            pulse.heard(&synced(), now);

            pulse.heard(&ends_beating, now);
            pulse.heard(&group::GroupEvent::CoordinatorUnknown, now);

            assert_eq!(pulse.silent_at, None, "{ends_beating:?}");
        }
    }

    #[test]
    fn a_join_of_our_own_ends_the_wait_too() {
        let (mut pulse, now) = (Pulse::new(INTERVAL), Instant::now());
        pulse.heard(&synced(), now);
        pulse.heard(&group::GroupEvent::CoordinatorUnknown, now);

        pulse.asked();
        assert_eq!(pulse.silent_at, None);

        pulse.heard(&group::GroupEvent::CoordinatorUnknown, now);
        assert_eq!(pulse.silent_at, None);
    }
}
