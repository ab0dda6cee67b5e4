use proptest::prelude::*;

use super::*;

fn status() -> Status {
    Status {
        state: State::Running,
        trace: None,
        worker_id: "127.0.0.1:38083".into(),
        generation: Generation(2),
        version: Some("4.3.0".to_owned()),
    }
}

fn decode(key: &str, value: &str) -> Result<StatusRecord, BadStatus> {
    StatusRecord::decode(key, Some(value.as_bytes()))
}

#[test]
fn a_connector_status_has_the_bytes_that_java_writes() {
    let record = StatusRecord::Connector { connector: "mirror-1".into(), status: Some(status()) };

    let (key, value) = record.encode();

    assert_eq!(key, "status-connector-mirror-1");
    assert_eq!(
        value.unwrap(),
        r#"{"state":"RUNNING","trace":null,"worker_id":"127.0.0.1:38083","generation":2,"version":"4.3.0"}"#
    );
}

#[test]
fn what_is_not_known_is_written_as_null() {
    let status = Status { state: State::Unassigned, version: None, ..status() };
    let record = StatusRecord::Task { task: TaskId::new("mirror-1", 0), status: Some(status) };

    let (key, value) = record.encode();

    assert_eq!(key, "status-task-mirror-1-0");
    assert_eq!(
        value.unwrap(),
        r#"{"state":"UNASSIGNED","trace":null,"worker_id":"127.0.0.1:38083","generation":2,"version":null}"#
    );
}

#[test]
fn a_topic_status_has_the_bytes_that_java_writes() {
    let status = TopicStatus { task: 1, discovered_ms: 1_795_361_166_754 };
    let record = StatusRecord::Topic { connector: "mirror-1".into(), topic: "src.t1".to_owned(), status: Some(status) };

    let (key, value) = record.encode();

    assert_eq!(key, "status-topic-src.t1:connector-mirror-1");
    assert_eq!(
        value.unwrap(),
        r#"{"topic":{"name":"src.t1","connector":"mirror-1","task":1,"discoverTimestamp":1795361166754}}"#
    );
}

#[test]
fn destroyed_is_a_tombstone() {
    let status = Status { state: State::Destroyed, ..status() };
    let record = StatusRecord::Task { task: TaskId::new("a", 0), status: Some(status) };

    assert_eq!(record.value(), None);
}

#[test]
fn a_worker_before_4_1_writes_no_version() {
    let record = decode("status-connector-a", r#"{"state":"FAILED","trace":"boom","worker_id":"w:1","generation":7}"#);

    let expected = Status {
        state: State::Failed,
        trace: Some("boom".to_owned()),
        worker_id: "w:1".into(),
        generation: Generation(7),
        version: None,
    };
    assert_eq!(record.unwrap(), StatusRecord::Connector { connector: "a".into(), status: Some(expected) });
}

#[test]
fn names_may_contain_what_separates_them() {
    let key = |record: Result<StatusRecord, BadStatus>| record.unwrap();
    let tombstone = |text| StatusRecord::decode(text, None);

    assert_eq!(
        key(tombstone("status-task-my-task-1-12")),
        StatusRecord::Task { task: TaskId::new("my-task-1", 12), status: None }
    );
    assert_eq!(
        key(tombstone("status-topic-a.b-c:connector-x:connector-y")),
        StatusRecord::Topic { connector: "x:connector-y".into(), topic: "a.b-c".to_owned(), status: None }
    );
}

#[test]
fn keys_that_name_nothing_are_unknown() {
    let keys = [
        "",
        "status-",
        "status-connector-",
        "status-task-",
        "status-task-a",
        "status-task-a-",
        "status-task-a-b",
        "status-task-a-2147483648",
        "status-topic-",
        "status-topic-a",
        "status-topic-:connector-a",
        "status-topic-a:connector-",
        "status-topic-a:b",
        "connector-a",
    ];
    for key in keys {
        assert_eq!(StatusRecord::decode(key, None), Err(BadStatus::UnknownKey), "{key}");
    }
}

#[test]
fn values_that_say_nothing_are_named() {
    let statuses = [
        ("not json", "not a JSON object"),
        ("null", "not a JSON object"),
        ("[]", "not a JSON object"),
        ("{}", "\"state\""),
        (r#"{"state":"DANCING","worker_id":"w","generation":1}"#, "\"state\""),
        (r#"{"state":"RUNNING","generation":1}"#, "\"worker_id\""),
        (r#"{"state":"RUNNING","worker_id":"w"}"#, "\"generation\""),
        (r#"{"state":"RUNNING","worker_id":"w","generation":"1"}"#, "\"generation\""),
        (r#"{"state":"RUNNING","worker_id":"w","generation":1,"trace":[]}"#, "\"trace\""),
    ];
    for (value, named) in statuses {
        let error = decode("status-task-a-0", value).unwrap_err().to_string();
        assert!(error.contains(named), "{value}: {error}");
    }
    for value in ["{}", r#"{"topic":{"name":"t","connector":"c","discoverTimestamp":1}}"#] {
        assert!(matches!(decode("status-topic-t:connector-c", value), Err(BadStatus::BadField { .. })), "{value}");
    }
}

#[test]
fn every_state_is_found_by_its_name() {
    use State::{Destroyed, Failed, Paused, Restarting, Running, Stopped, Unassigned};
    for state in [Unassigned, Running, Paused, Failed, Destroyed, Restarting, Stopped] {
        assert_eq!(State::parse(state.as_str()), Some(state));
    }
    assert_eq!(State::parse("running"), None);
}

proptest! {
    #[test]
    fn what_is_written_can_be_read(
        connector in "[^:]{1,12}",
        task in 0..=i32::MAX as u32,
        topic in "[a-zA-Z0-9._-]{1,12}",
        trace in prop::option::of(".{0,40}"),
        generation in any::<i32>(),
        discovered_ms in any::<i64>(),
    ) {
        let status = Status { trace, generation: Generation(generation), ..status() };
        let records = [
            StatusRecord::Connector { connector: connector.as_str().into(), status: Some(status.clone()) },
            StatusRecord::Task { task: TaskId::new(connector.as_str(), task), status: Some(status) },
            StatusRecord::Topic { connector: connector.into(), topic, status: Some(TopicStatus { task, discovered_ms }) },
        ];
        for record in records {
            let (key, value) = record.encode();
            prop_assert_eq!(StatusRecord::decode(&key, value.as_deref().map(str::as_bytes)).unwrap(), record);
        }
    }

    #[test]
    fn no_record_makes_it_panic(key in "(status-(connector|task|topic)-)?.{0,12}", value in prop::collection::vec(any::<u8>(), 0..40)) {
        let _ = StatusRecord::decode(&key, Some(&value));
        let _ = StatusRecord::decode(&key, None);
    }
}
