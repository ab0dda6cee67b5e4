//! What a Java worker of Kafka 4.3.0 has left in its storage topics: read, folded, and written again.
//!
//! `tests/golden/worker_*.jsonl` are the topics of one worker with `exactly.once.source.support=enabled`, record by record, while
//! its connectors were created, paused, resumed, restarted, stopped and deleted over REST.
#![allow(clippy::unwrap_used, missing_docs)]

use connect_herder::config_log::{ClusterConfigState, ConfigRecord};
use connect_herder::ids::ConnectorName;
use connect_herder::status_log::StatusRecord;
use serde_json::Value;

const CONFIGS: &str = include_str!("../../../tests/golden/worker_configs.jsonl");
const STATUSES: &str = include_str!("../../../tests/golden/worker_statuses.jsonl");

/// Offset, key and value.
fn records(topic: &str) -> impl Iterator<Item = (i64, String, Option<String>)> {
    topic.lines().map(|line| {
        let record: Value = serde_json::from_str(line).unwrap();
        let text = |field: &str| record[field].as_str().map(str::to_owned);
        (record["offset"].as_i64().unwrap(), text("key").unwrap(), text("value"))
    })
}

#[test]
fn configs_are_written_again_as_they_were() {
    for (_, key, value) in records(CONFIGS) {
        let record = ConfigRecord::decode(&key, value.as_deref().map(str::as_bytes)).unwrap();
        let is_map = matches!(record, ConfigRecord::Connector { .. } | ConfigRecord::Task { .. });

        let (written_key, written) = record.encode();

        assert_eq!(written_key, key);
        if is_map {
            // Java writes properties in the order of a hash map.
            let parsed = |text: Option<String>| text.map(|text| serde_json::from_str::<Value>(&text).unwrap());
            assert_eq!(parsed(written), parsed(value), "{key}");
        } else {
            assert_eq!(written, value, "{key}");
        }
    }
}

#[test]
fn configs_fold_to_what_the_worker_had() {
    let mut state = ClusterConfigState::new();
    let mut most_tasks = 0;

    for (offset, key, value) in records(CONFIGS) {
        state.apply(offset, &key, value.as_deref().map(str::as_bytes));
        most_tasks = most_tasks.max(state.task_count(&ConnectorName::from("mirror-1")));
    }

    let connectors: Vec<String> = state.connectors().map(ToString::to_string).collect();
    let left = ConnectorName::from("heart-beat");
    assert_eq!(connectors, ["heart-beat"], "two were deleted");
    assert_eq!((most_tasks, state.task_count(&left), state.task_count_record(&left)), (2, 1, Some(1)));
    assert!(!state.is_inconsistent(&left) && !state.is_pending_fencing(&left));
    assert!(state.session_key().is_some());
}

#[test]
fn statuses_are_written_again_as_they_were() {
    for (_, key, value) in records(STATUSES) {
        let record = StatusRecord::decode(&key, value.as_deref().map(str::as_bytes)).unwrap();

        assert_eq!(record.encode(), (key, value));
    }
}
