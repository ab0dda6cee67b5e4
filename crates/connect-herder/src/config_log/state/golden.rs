//! Random topics, and what Kafka 4.3's own `KafkaConfigBackingStore` made of them (`golden/ConfigFolds.java`).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;

const NAMES: [&str; 2] = ["a", "b-1"];

#[test]
fn every_fold_is_the_one_that_java_makes() {
    let topics = include_str!("../../../golden/config_folds.jsonl");

    for (number, topic) in topics.lines().enumerate() {
        replay(number, &serde_json::from_str(topic).unwrap());
    }
}

fn replay(number: usize, topic: &Value) {
    let mut state = ClusterConfigState::new();
    // Where we do otherwise: Java forgets a commit that comes before its connector, and never forgets that a connector
    // was inconsistent when it is deleted.
    let mut orphaned = BTreeSet::new();
    let mut removed = BTreeSet::new();

    for record in topic["records"].as_array().unwrap() {
        let key = record[1].as_str().unwrap();

        let changes = state.apply(record[0].as_i64().unwrap(), key, record[2].as_str().map(str::as_bytes));

        match changes.as_slice() {
            [ConfigChange::ConnectorRemoved(connector)] => _ = removed.insert(connector.to_string()),
            [ConfigChange::TasksUpdated { connector, .. }] => _ = orphaned.remove(connector.as_str()),
            [] => _ = key.strip_prefix("commit-").map(|name| orphaned.insert(name.to_owned())),
            _ => {}
        }
        let heard: Vec<String> = changes.iter().filter_map(told).collect();
        assert_eq!(json!(heard), record[3], "topic {number}, {record}");
    }

    let mut expected = topic["snapshot"].clone();
    let mut actual = dump(&state);
    for name in NAMES {
        for dump in [&mut expected, &mut actual] {
            let entry = dump[name].as_object_mut().unwrap();
            if orphaned.contains(name) {
                entry.retain(|field, _| !["count", "inconsistent", "pending_fencing"].contains(&field.as_str()));
            } else if removed.contains(name) {
                entry.retain(|field, _| field != "inconsistent");
            }
        }
    }
    assert_eq!(actual, expected, "topic {number}: {topic}");
}

/// What Java's listener is told.
fn told(change: &ConfigChange) -> Option<String> {
    Some(match change {
        ConfigChange::ConnectorUpdated { connector, .. } => format!("updated {connector}"),
        ConfigChange::ConnectorRemoved(connector) => format!("removed {connector}"),
        ConfigChange::TasksUpdated { tasks, .. } => {
            let tasks: Vec<String> = tasks.iter().map(ToString::to_string).collect();
            format!("tasks [{}]", tasks.join(", "))
        }
        ConfigChange::TargetStateChanged(connector) => format!("target {connector}"),
        ConfigChange::SessionKeyUpdated => "session-key".to_owned(),
        ConfigChange::RestartRequested(request) => {
            format!("restart {} {} {}", request.connector, request.only_failed, request.include_tasks)
        }
        ConfigChange::LoggerLevel { logger, level } => format!("logger {logger} {level}"),
        ConfigChange::Ignored { .. } => return None,
    })
}

fn dump(state: &ClusterConfigState) -> Value {
    let mut all = json!({
        "offset": state.offset().0,
        "session_key_created": state.session_key().map(|key| key.created_ms),
    });
    for name in NAMES {
        let connector = ConnectorName::from(name);
        let config = |task: u32| Some((task.to_string(), json!(state.task_config(&TaskId::new(name, task))?.as_ref())));
        all[name] = json!({
            "config": state.connector_config(&connector).map(AsRef::as_ref),
            "applied": state.applied_connector_config(&connector).map(AsRef::as_ref),
            "target": state.target_state(&connector).map(TargetState::as_str),
            "tasks": state.tasks(&connector).map(|id| id.task).collect::<Vec<_>>(),
            "count": state.task_count(&connector),
            "inconsistent": state.is_inconsistent(&connector),
            "generation": state.task_config_generation(&connector),
            "count_record": state.task_count_record(&connector),
            "pending_fencing": state.is_pending_fencing(&connector),
            "task_configs": (0..5).filter_map(config).collect::<serde_json::Map<_, _>>(),
        });
    }
    all
}
