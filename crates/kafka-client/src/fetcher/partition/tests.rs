use bytes::{Bytes, BytesMut};
use kafka_wire::batch::{Codec, Record, Stamp, encode, split};

use super::*;

const RULES: Rules = Rules {
    isolation: Isolation::ReadUncommitted,
    offset_reset: OffsetReset::None,
    partition_max_bytes: 1 << 20,
    retry_backoff: Duration::from_millis(100),
    retry_backoff_max: Duration::from_millis(1000),
};
const OLD: Uuid = Uuid::from_u128(1);
const NEW: Uuid = Uuid::from_u128(2);
const LEADER: i32 = 7;

fn view(topic_id: Uuid) -> View {
    View::Known { topic_id, leader: Some((LEADER, 3)) }
}

/// A partition at offset 100, read so far under epoch 2, whose leader is known.
fn at_100(rules: Rules, now: Instant) -> Partition {
    let mut partition = Partition::new(rules, 1, Position::offset(100).with_leader_epoch(2));
    assert_eq!(partition.view(view(OLD), now), Step::default());
    partition
}

fn batch(offset: i64, records: usize) -> FetchedEntry {
    let record = Record { value: Some(Bytes::from_static(b"v")), ..Record::default() };
    let mut bytes = BytesMut::from(&encode(&vec![record; records], Codec::None, Stamp::NONE).unwrap()[..]);
    bytes[0..8].copy_from_slice(&offset.to_be_bytes());
    bytes[12..16].copy_from_slice(&3_i32.to_be_bytes());
    split(bytes.freeze()).next().unwrap().unwrap()
}

fn answer(entries: Vec<FetchedEntry>) -> Answer {
    Answer {
        code: ErrorCode::NONE,
        high_watermark: 500,
        last_stable_offset: 500,
        log_start_offset: 0,
        diverging: None,
        preferred_replica: None,
        aborted: Vec::new(),
        entries,
        damage: None,
    }
}

fn error(code: ErrorCode) -> Answer {
    Answer { code, ..answer(Vec::new()) }
}

fn after(now: Instant, ms: u64) -> Instant {
    now + Duration::from_millis(ms)
}

#[test]
fn only_what_is_behind_has_unread_batches() {
    let now = Instant::now();
    let mut partition = at_100(RULES, now);
    assert_eq!(partition.unread_batch_bytes(), None, "nothing is known yet");

    partition.fetched(answer(vec![batch(100, 1), batch(101, 3)]), now);
    let bytes = u32::try_from(batch(101, 3).byte_len()).unwrap();
    let room = partition.unread_batch_bytes().unwrap();
    assert!((bytes..bytes + bytes / 16).contains(&room), "{room} for {bytes}");

    partition.fetched(Answer { high_watermark: 105, ..answer(vec![batch(104, 1)]) }, now);
    assert_eq!(partition.unread_batch_bytes(), None);
}

#[test]
fn what_comes_moves_the_position_and_its_epoch() {
    let now = Instant::now();
    let mut partition = at_100(RULES, now);
    assert_eq!(partition.want(LEADER, now).map(|want| (want.fetch_offset, want.last_fetched_epoch)), Some((100, 2)));
    assert_eq!(partition.want(LEADER + 1, now), None);

    let progress = partition.fetched(answer(vec![batch(100, 10)]), now).progress.unwrap();

    assert_eq!((progress.position_before, progress.filtered.next_position), (100, 110));
    assert_eq!(partition.want(LEADER, now).map(|want| (want.fetch_offset, want.last_fetched_epoch)), Some((110, 3)));
}

#[test]
fn an_answer_without_news_is_no_progress() {
    let now = Instant::now();
    let mut partition = at_100(RULES, now);
    assert!(partition.fetched(answer(Vec::new()), now).progress.is_some(), "the watermarks are news");

    assert_eq!(partition.fetched(answer(Vec::new()), now), Step::default());
}

#[test]
fn earliest_is_asked_for_and_then_fetched_from() {
    let now = Instant::now();
    let mut partition = Partition::new(RULES, 1, Position::earliest());
    partition.view(view(OLD), now);
    assert_eq!(partition.want(LEADER, now), None);
    assert_eq!(partition.ask(now), Some((LEADER, 3, Question::Where(OffsetReset::Earliest))));
    assert_eq!(partition.ask(now), None, "an answer is under way");

    let step = partition.replied(Ok(Reply::Where { offset: 40, leader_epoch: Some(1) }), now);

    assert_eq!(step.events, [PartitionEvent::Positioned { offset: 40, leader_epoch: Some(1) }]);
    assert_eq!(partition.want(LEADER, now).map(|want| want.fetch_offset), Some(40));
}

#[test]
fn a_position_that_retention_has_passed_is_reported_with_the_range() {
    let now = Instant::now();
    for (offset_reset, resumed_at) in [(OffsetReset::None, None), (OffsetReset::Earliest, Some(150))] {
        let mut partition = at_100(Rules { offset_reset, ..RULES }, now);
        partition.fetched(error(ErrorCode::OFFSET_OUT_OF_RANGE), now);
        assert_eq!(partition.ask(now), Some((LEADER, 3, Question::Range)));

        let step = partition.replied(Ok(Reply::Range { log_start: 150, log_end: 200 }), now);

        let expected = PartitionEvent::OutOfRange { position: 100, log_start: 150, log_end: 200, resumed_at };
        assert_eq!(step.events, [expected]);
        assert_eq!(partition.want(LEADER, now).map(|want| want.fetch_offset), resumed_at);
    }
}

#[test]
fn a_position_above_the_end_is_a_diverged_log() {
    let now = Instant::now();
    let mut partition = at_100(RULES, now);
    partition.fetched(error(ErrorCode::OFFSET_OUT_OF_RANGE), now);
    partition.ask(now);
    partition.replied(Ok(Reply::Range { log_start: 0, log_end: 80 }), now);
    assert_eq!(partition.ask(now), Some((LEADER, 3, Question::EpochEnd(2))));

    let step = partition.replied(Ok(Reply::EpochEnd(Some((2, 60)))), now);

    let expected = PartitionEvent::Diverged {
        position: 100,
        leader_epoch: Some(2),
        common_epoch: Some(2),
        common_end: Some(60),
        resumed_at: None,
    };
    assert_eq!(step.events, [expected]);
    assert_eq!(partition.want(LEADER, now), None, "stopped until a seek");
}

#[test]
fn a_leader_that_finds_another_history_stops_the_partition_or_resumes_where_they_part() {
    let now = Instant::now();
    for (offset_reset, resumed_at) in [(OffsetReset::None, None), (OffsetReset::Latest, Some(60))] {
        let mut partition = at_100(Rules { offset_reset, ..RULES }, now);

        let step = partition.fetched(Answer { diverging: Some((1, 60)), ..answer(Vec::new()) }, now);

        assert!(
            matches!(step.events[..], [PartitionEvent::Diverged { common_end: Some(60), resumed_at: r, .. }] if r == resumed_at),
            "{step:?}"
        );
        assert_eq!(partition.want(LEADER, now).map(|want| want.fetch_offset), resumed_at);
    }
}

#[test]
fn a_leader_that_lags_behind_its_own_high_watermark_is_asked_again() {
    let now = Instant::now();
    let mut partition = Partition::new(RULES, 1, Position::offset(100));
    partition.view(view(OLD), now);
    partition.fetched(error(ErrorCode::OFFSET_OUT_OF_RANGE), now);
    partition.ask(now);

    let step = partition.replied(Ok(Reply::Range { log_start: 0, log_end: 100 }), now);

    assert_eq!(step, Step::default());
    assert_eq!(partition.want(LEADER, now), None);
    assert!(partition.want(LEADER, after(now, 100)).is_some());
}

#[test]
fn another_topic_id_is_believed_the_second_time() {
    let now = Instant::now();
    let mut partition = at_100(RULES, now);

    assert_eq!(partition.view(view(NEW), now).events, []);
    assert_eq!(partition.want(LEADER, now), None, "not from a topic that may be another one");
    let step = partition.view(view(NEW), now);

    assert_eq!(step.events, [PartitionEvent::TopicRecreated { old_id: OLD, new_id: NEW }]);
    assert_eq!(partition.view(view(NEW), now), Step::default(), "reported once");
}

#[test]
fn metadata_that_lag_behind_are_not_a_recreated_topic() {
    let now = Instant::now();
    let mut partition = at_100(RULES, now);

    partition.view(view(NEW), now);
    assert_eq!(partition.view(view(OLD), now).events, []);

    assert!(partition.want(LEADER, now).is_some());
}

#[test]
fn a_position_saved_under_another_topic_id_is_not_read_from() {
    let now = Instant::now();
    let mut partition = Partition::new(RULES, 1, Position::offset(100).with_topic_id(OLD));

    partition.view(view(NEW), now);
    assert!(matches!(partition.view(view(NEW), now).events[..], [PartitionEvent::TopicRecreated { .. }]));
}

#[test]
fn a_topic_is_gone_when_metadata_have_not_known_it_for_a_while() {
    let now = Instant::now();
    let mut partition = at_100(RULES, now);
    let missing = View::Error(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);

    assert_eq!(partition.view(missing, now).events, []);
    assert_eq!(partition.view(missing, after(now, 1000)).events, []);
    assert_eq!(partition.view(missing, after(now, 2000)).events, [PartitionEvent::TopicGone]);
    assert_eq!(partition.view(missing, after(now, 9000)).events, []);

    partition.view(view(OLD), after(now, 10_000));
    let step = partition.fetched(answer(vec![batch(100, 1)]), after(now, 10_000));
    assert_eq!(step.events, [PartitionEvent::Recovered]);
}

#[test]
fn damage_is_fetched_again_over_new_connections_and_then_reported() {
    let now = Instant::now();
    let mut partition = at_100(RULES, now);
    let damaged = || Answer { damage: Some("crc".to_owned()), ..answer(vec![batch(100, 10)]) };

    let first = partition.fetched(damaged(), now);
    assert!(first.reconnect && first.progress.is_some(), "what is before the damage is delivered");
    for _ in 0..2 {
        let again = partition.fetched(Answer { damage: Some("crc".to_owned()), ..answer(Vec::new()) }, now);
        assert!(again.reconnect && again.events.is_empty());
    }
    let last = partition.fetched(Answer { damage: Some("crc".to_owned()), ..answer(Vec::new()) }, now);

    assert_eq!(last.events, [PartitionEvent::Corrupt { offset: 110, reason: "crc".to_owned() }]);
}

#[test]
fn a_short_trouble_is_not_reported_and_a_long_one_once() {
    let now = Instant::now();
    let mut partition = at_100(RULES, now);

    let first = partition.fetched(error(ErrorCode::NOT_LEADER_OR_FOLLOWER), now);
    assert!(first.refresh && first.events.is_empty());
    assert_eq!(partition.want(LEADER, after(now, 99)), None);
    assert!(partition.want(LEADER, after(now, 100)).is_some());

    let later = partition.fetched(error(ErrorCode::NOT_LEADER_OR_FOLLOWER), after(now, 5000));
    assert!(matches!(later.events[..], [PartitionEvent::Unavailable { .. }]));
    let latest = partition.fetched(error(ErrorCode::NOT_LEADER_OR_FOLLOWER), after(now, 6000));
    assert_eq!(latest.events, []);
    let good = partition.fetched(answer(vec![batch(100, 1)]), after(now, 7000));
    assert_eq!(good.events, [PartitionEvent::Recovered]);
}

#[test]
fn a_denied_topic_is_reported_once_and_tried_slowly() {
    let now = Instant::now();
    let mut partition = at_100(RULES, now);

    let denied = || error(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    assert_eq!(partition.fetched(denied(), now).events, [PartitionEvent::AuthorizationFailed]);
    assert_eq!(partition.want(LEADER, after(now, 4999)), None);
    assert!(partition.want(LEADER, after(now, 5000)).is_some());
    assert_eq!(partition.fetched(denied(), after(now, 5000)).events, []);
}

#[test]
fn a_preferred_replica_is_read_until_it_fails() {
    let now = Instant::now();
    let mut partition = at_100(RULES, now);
    partition.fetched(Answer { preferred_replica: Some(9), ..answer(Vec::new()) }, now);
    assert!(partition.want(LEADER, now).is_none() && partition.want(9, now).is_some());

    partition.fetched(error(ErrorCode::OFFSET_OUT_OF_RANGE), now);

    assert!(partition.want(LEADER, after(now, 100)).is_some(), "the replica lags behind, the leader has it");
}

#[test]
fn a_broker_that_does_not_compare_epochs_is_asked_once_per_leader_epoch() {
    let now = Instant::now();
    let mut partition = at_100(RULES, now);
    assert!(partition.validate_first());
    assert_eq!(partition.ask(now), Some((LEADER, 3, Question::EpochEnd(2))));

    partition.replied(Ok(Reply::EpochEnd(Some((2, 100)))), now);
    assert!(!partition.validate_first());

    partition.view(View::Known { topic_id: OLD, leader: Some((LEADER, 4)) }, now);
    assert!(partition.validate_first());
}
