//! Members of a group: how they come, go, and hear of a coordinator that hangs.

use super::*;

async fn next(events: &mut tokio::sync::mpsc::UnboundedReceiver<GroupEvent>) -> GroupEvent {
    tokio::time::timeout(TIMEOUT, events.recv()).await.expect("an event in time").unwrap()
}

fn settings(session_timeout: Duration, heartbeat_interval: Duration) -> GroupSettings {
    GroupSettings {
        group_id: "workers".to_owned(),
        protocol_type: "connect".to_owned(),
        session_timeout,
        rebalance_timeout: Duration::from_secs(10),
        heartbeat_interval,
    }
}

fn protocols() -> Vec<(String, Bytes)> {
    vec![("compatible".to_owned(), Bytes::from("me"))]
}

#[tokio::test]
async fn workers_form_a_group_and_one_that_leaves_is_noticed() {
    let kafka = kafka().await;
    let settings = settings(Duration::from_secs(6), Duration::from_millis(100));
    let (first, mut first_events) = GroupMember::start(cluster(&kafka).await, settings.clone());
    first.join(protocols());
    let GroupEvent::Joined { member_id: first_id, leader_id, .. } = next(&mut first_events).await else { panic!() };
    assert_eq!(first_id, leader_id);
    first.sync(1, vec![(first_id.clone(), Bytes::from("alone"))]);
    assert_eq!(next(&mut first_events).await, GroupEvent::Synced { generation: 1, assignment: Bytes::from("alone") });

    let (second, mut second_events) = GroupMember::start(cluster(&kafka).await, settings);
    second.join(protocols());
    assert_eq!(next(&mut first_events).await, GroupEvent::RebalanceNeeded);
    first.join(protocols());
    let GroupEvent::Joined { members, .. } = next(&mut first_events).await else { panic!() };
    assert_eq!(members.len(), 2);
    let GroupEvent::Joined { member_id: second_id, .. } = next(&mut second_events).await else { panic!() };
    second.sync(2, Vec::new());
    first.sync(2, vec![(second_id, Bytes::from("yours"))]);
    assert_eq!(next(&mut second_events).await, GroupEvent::Synced { generation: 2, assignment: Bytes::from("yours") });

    let described = cluster(&kafka).await.admin().describe_groups(&["workers"]).await.unwrap();
    let described = described["workers"].as_ref().unwrap();
    assert_eq!((described.state.as_str(), described.protocol_type.as_str()), ("Stable", "connect"));
    assert_eq!(described.members.len(), 2);

    assert!(matches!(next(&mut first_events).await, GroupEvent::Synced { generation: 2, .. }));
    second.leave().await;
    assert_eq!(next(&mut first_events).await, GroupEvent::RebalanceNeeded);
}

#[tokio::test]
async fn that_a_heartbeat_hangs_is_told_before_the_session_ends() {
    let kafka = kafka().await;
    let settings = settings(Duration::from_secs(3), Duration::from_secs(1));
    let (member, mut events) = GroupMember::start(cluster(&kafka).await, settings.clone());
    kafka.control(ApiKey::Heartbeat, |_| Fault::Delay(TIMEOUT));
    member.join(protocols());
    let GroupEvent::Joined { member_id, .. } = next(&mut events).await else { panic!() };
    member.sync(1, vec![(member_id, Bytes::from("alone"))]);
    assert!(matches!(next(&mut events).await, GroupEvent::Synced { .. }));

    // Sent after a second, it would fail after four.
    let GroupEvent::CoordinatorUnknown { unheard } = next(&mut events).await else { panic!() };

    assert!(unheard < settings.session_timeout, "{unheard:?}");
}
