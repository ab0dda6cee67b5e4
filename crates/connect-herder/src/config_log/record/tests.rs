use proptest::prelude::*;

use super::*;

fn config(entries: &[(&str, &str)]) -> Arc<ConfigMap> {
    Arc::new(entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
}

fn session_key() -> SessionKey {
    SessionKey {
        key_base64: "AXr/Rjr96VcN/fjgGeDT6jn3iLQ9OduqZcAotV+iZLc=".to_owned(),
        algorithm: "HmacSHA256".to_owned(),
        created_ms: 1_795_361_068_185,
    }
}

/// Every kind of record, with the key and value that a Kafka 4.3 worker wrote.
fn written_by_java() -> Vec<(ConfigRecord, &'static str, Option<&'static str>)> {
    let connector = || ConnectorName::from("mirror-1");
    let target = |state| ConfigRecord::TargetState { connector: connector(), state };
    vec![
        (
            ConfigRecord::SessionKey(session_key()),
            "session-key",
            Some(
                r#"{"key":"AXr/Rjr96VcN/fjgGeDT6jn3iLQ9OduqZcAotV+iZLc=","algorithm":"HmacSHA256","creation-timestamp":1795361068185}"#,
            ),
        ),
        (
            ConfigRecord::Connector {
                connector: connector(),
                config: Some(config(&[("name", "mirror-1"), ("tasks.max", "2")])),
            },
            "connector-mirror-1",
            Some(r#"{"properties":{"name":"mirror-1","tasks.max":"2"}}"#),
        ),
        (ConfigRecord::Connector { connector: connector(), config: None }, "connector-mirror-1", None),
        (
            ConfigRecord::Task { task: TaskId::new("mirror-1", 0), config: config(&[("task.index", "0")]) },
            "task-mirror-1-0",
            Some(r#"{"properties":{"task.index":"0"}}"#),
        ),
        (ConfigRecord::Commit { connector: connector(), tasks: 2 }, "commit-mirror-1", Some(r#"{"tasks":2}"#)),
        (
            target(Some(TargetState::Started)),
            "target-state-mirror-1",
            Some(r#"{"state":"STARTED","state.v2":"STARTED"}"#),
        ),
        (target(Some(TargetState::Paused)), "target-state-mirror-1", Some(r#"{"state":"PAUSED","state.v2":"PAUSED"}"#)),
        (
            target(Some(TargetState::Stopped)),
            "target-state-mirror-1",
            Some(r#"{"state":"PAUSED","state.v2":"STOPPED"}"#),
        ),
        (target(None), "target-state-mirror-1", None),
        (
            ConfigRecord::Restart(RestartRequest { connector: connector(), only_failed: false, include_tasks: true }),
            "restart-connector-mirror-1",
            Some(r#"{"include-tasks":true,"only-failed":false}"#),
        ),
        (
            ConfigRecord::TaskCount { connector: connector(), tasks: 2 },
            "tasks-fencing-mirror-1",
            Some(r#"{"task-count":2}"#),
        ),
        (
            ConfigRecord::LoggerLevel {
                logger: "org.apache.kafka.connect.runtime.WorkerSinkTask".to_owned(),
                level: "debug".to_owned(),
            },
            "logger-cluster-org.apache.kafka.connect.runtime.WorkerSinkTask",
            Some(r#"{"level":"debug"}"#),
        ),
    ]
}

fn decode(key: &str, value: &str) -> Result<ConfigRecord, BadRecord> {
    ConfigRecord::decode(key, Some(value.as_bytes()))
}

#[test]
fn every_record_has_the_bytes_that_java_writes() {
    for (record, key, value) in written_by_java() {
        assert_eq!(record.key(), key);
        assert_eq!(record.value().as_deref(), value);
        assert_eq!(ConfigRecord::decode(key, value.map(str::as_bytes)), Ok(record));
    }
}

#[test]
fn two_tombstones_delete_a_connector() {
    let records = delete_connector(&"a".into()).map(|record| record.encode());

    assert_eq!(records, [("connector-a".to_owned(), None), ("target-state-a".to_owned(), None)]);
}

#[test]
fn a_session_key_is_never_printed() {
    let printed = format!("{:?}", ConfigRecord::SessionKey(session_key()));

    assert!(!printed.contains("AXr/") && printed.contains("[hidden]"), "{printed}");
}

#[test]
fn a_target_state_of_an_old_worker_has_one_field() {
    let state = |value| match decode("target-state-a", value) {
        Ok(ConfigRecord::TargetState { state, .. }) => state,
        other => panic!("{other:?}"),
    };

    assert_eq!(state(r#"{"state":"PAUSED"}"#), Some(TargetState::Paused));
    assert_eq!(state(r#"{"state":"PAUSED","state.v2":null}"#), Some(TargetState::Paused));
    assert_eq!(state(r#"{"state":"STARTED","state.v2":7}"#), Some(TargetState::Started));
}

#[test]
fn a_target_state_that_nobody_knows_says_nothing() {
    for value in [r#"{"state":"STARTED","state.v2":"DANCING"}"#, r#"{"state":"started"}"#, r#"{"state":1}"#, "{}", "[]"]
    {
        assert!(matches!(decode("target-state-a", value), Err(BadRecord::BadField { .. })), "{value}");
    }
}

#[test]
fn restart_flags_are_false_unless_they_are_true() {
    let request = |value| match decode("restart-connector-a", value) {
        Ok(ConfigRecord::Restart(request)) => (request.only_failed, request.include_tasks),
        other => panic!("{other:?}"),
    };

    assert_eq!(request("{}"), (false, false));
    assert_eq!(request(r#"{"only-failed":true,"include-tasks":"true"}"#), (true, false));
    assert!(decode("restart-connector-a", "[]").is_err());
}

#[test]
fn properties_become_text_and_null_ones_are_none() {
    let record = decode("connector-a", r#"{"properties":{"t":"x","n":5,"b":true,"null":null,"l":[1, "2"]},"more":1}"#);

    let config = config(&[("t", "x"), ("n", "5"), ("b", "true"), ("l", r#"[1,"2"]"#)]);
    assert_eq!(record, Ok(ConfigRecord::Connector { connector: "a".into(), config: Some(config) }));
}

#[test]
fn a_task_key_is_split_at_the_last_hyphen() {
    let task = |key| match decode(key, r#"{"properties":{}}"#) {
        Ok(ConfigRecord::Task { task, .. }) => task,
        other => panic!("{other:?}"),
    };

    assert_eq!(task("task-my-task-1-12"), TaskId::new("my-task-1", 12));
    assert_eq!(task("task-x--0"), TaskId::new("x-", 0));
}

#[test]
fn keys_that_name_nothing_are_unknown() {
    for key in
        ["", "task-", "task-a", "task-a-", "task-a-x", "task-a-2147483648", "session-keys", "Connector-a", "commit"]
    {
        assert_eq!(decode(key, r#"{"properties":{}}"#), Err(BadRecord::UnknownKey), "{key}");
    }
}

#[test]
fn only_connectors_and_target_states_have_tombstones() {
    for key in ["task-a-0", "commit-a", "restart-connector-a", "tasks-fencing-a", "session-key", "logger-cluster-a"] {
        assert_eq!(ConfigRecord::decode(key, None), Err(BadRecord::NoValue), "{key}");
        assert_eq!(decode(key, "null"), Err(BadRecord::NoValue), "{key}");
    }
}

#[test]
fn a_count_is_an_integer_that_java_can_hold() {
    assert_eq!(
        decode("commit-a", r#"{"tasks":2147483647}"#),
        Ok(ConfigRecord::Commit { connector: "a".into(), tasks: 2_147_483_647 })
    );
    for tasks in ["-1", "2147483648", "1.0", "\"1\"", "null"] {
        let value = format!(r#"{{"tasks":{tasks}}}"#);
        assert!(matches!(decode("commit-a", &value), Err(BadRecord::BadField { field: "tasks", .. })), "{tasks}");
    }
}

#[test]
fn a_session_key_needs_all_its_fields() {
    let whole = r#"{"key":"AXr/","algorithm":"HmacSHA256","creation-timestamp":1}"#;
    assert!(decode("session-key", whole).is_ok());
    for (field, bad) in [("\"key\"", "\"kez\""), ("\"HmacSHA256\"", "256"), (":1}", ":\"1\"}")] {
        assert!(matches!(decode("session-key", &whole.replace(field, bad)), Err(BadRecord::BadField { .. })), "{bad}");
    }
}

#[test]
fn a_value_that_is_not_json_is_that_before_all_else() {
    for key in ["connector-a", "unknown", "task-a"] {
        assert!(matches!(decode(key, "{"), Err(BadRecord::NotJson(_))), "{key}");
    }
}

#[test]
fn an_error_does_not_show_the_value() {
    let error = decode("connector-a", r#"{"properties":{"password":hunter2}}"#).unwrap_err();

    assert!(!error.to_string().contains("hunter2"), "{error}");
}

proptest! {
    #[test]
    fn what_is_written_can_be_read(
        name in ".{0,12}",
        task in 0..=i32::MAX as u32,
        config in prop::collection::btree_map(".{0,8}", ".{0,20}", 0..5),
        created_ms in any::<i64>(),
        flags in any::<(bool, bool)>(),
        state in prop::sample::select(vec![None, Some(TargetState::Started), Some(TargetState::Paused), Some(TargetState::Stopped)]),
    ) {
        let connector = || ConnectorName::from(name.as_str());
        let config = Arc::new(config);
        let records = [
            ConfigRecord::TargetState { connector: connector(), state },
            ConfigRecord::Connector { connector: connector(), config: Some(config.clone()) },
            ConfigRecord::Task { task: TaskId::new(connector(), task), config },
            ConfigRecord::Commit { connector: connector(), tasks: task },
            ConfigRecord::Restart(RestartRequest { connector: connector(), only_failed: flags.0, include_tasks: flags.1 }),
            ConfigRecord::TaskCount { connector: connector(), tasks: task },
            ConfigRecord::SessionKey(SessionKey { key_base64: name.clone(), algorithm: name.clone(), created_ms }),
            ConfigRecord::LoggerLevel { logger: name.clone(), level: name.clone() },
        ];
        for record in records {
            let (key, value) = record.encode();
            prop_assert_eq!(ConfigRecord::decode(&key, value.as_deref().map(str::as_bytes)), Ok(record));
        }
    }

    #[test]
    fn no_record_makes_it_panic(
        key in "(target-state-|connector-|task-|commit-|restart-connector-|tasks-fencing-|session-key|logger-cluster-)?.{0,8}",
        value in prop_oneof![prop::collection::vec(any::<u8>(), 0..40), "\\{\"(properties|tasks|state)\":.{0,20}\\}".prop_map(String::into_bytes)],
    ) {
        let _ = ConfigRecord::decode(&key, Some(&value));
        let _ = ConfigRecord::decode(&key, None);
    }
}
