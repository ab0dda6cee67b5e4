//! A fresh worker reads a topic that has been compacted, an old one has read it all. They have to agree, or the fresh one
//! has to know that something is missing.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::super::record::delete_connector;
use super::*;

/// What a leader writes in one go, or does not finish to write.
#[derive(Debug, Clone)]
enum Write {
    Connector(&'static str, u8),
    Delete(&'static str),
    Tasks(&'static str, Vec<u8>),
    /// The leader fails after these tasks; there is no commit.
    TasksInterrupted(&'static str, Vec<u8>),
    Stop(&'static str),
    Target(&'static str, TargetState),
    Fencing(&'static str, u32),
    SessionKey(i64),
    Restart(&'static str),
}

const NAMES: [&str; 2] = ["a", "b"];

fn write() -> impl Strategy<Value = Write> {
    let name = || prop::sample::select(NAMES.to_vec());
    let tasks = || prop::collection::vec(any::<u8>(), 0..4);
    let target = prop::sample::select(vec![TargetState::Started, TargetState::Paused, TargetState::Stopped]);
    prop_oneof![
        3 => (name(), any::<u8>()).prop_map(|(name, version)| Write::Connector(name, version)),
        1 => name().prop_map(Write::Delete),
        4 => (name(), tasks()).prop_map(|(name, tasks)| Write::Tasks(name, tasks)),
        2 => (name(), tasks()).prop_map(|(name, tasks)| Write::TasksInterrupted(name, tasks)),
        1 => name().prop_map(Write::Stop),
        1 => (name(), target).prop_map(|(name, target)| Write::Target(name, target)),
        1 => (name(), 0..4_u32).prop_map(|(name, tasks)| Write::Fencing(name, tasks)),
        1 => any::<i64>().prop_map(Write::SessionKey),
        1 => name().prop_map(Write::Restart),
    ]
}

fn config(value: u8) -> Arc<ConfigMap> {
    Arc::new([("v".to_owned(), value.to_string())].into())
}

fn task_records(name: &str, configs: &[u8]) -> Vec<ConfigRecord> {
    let record =
        |(task, value): (u32, &u8)| ConfigRecord::Task { task: TaskId::new(name, task), config: config(*value) };
    (0..).zip(configs).map(record).collect()
}

fn records(write: Write, state: &ClusterConfigState) -> Vec<ConfigRecord> {
    let exists = |name: &str| state.contains(&name.into());
    let commit = |name: &str, tasks: usize| ConfigRecord::Commit { connector: name.into(), tasks: tasks as u32 };
    let target = |name: &str, state| ConfigRecord::TargetState { connector: name.into(), state: Some(state) };
    match write {
        Write::Connector(name, version) => {
            vec![ConfigRecord::Connector { connector: name.into(), config: Some(config(version)) }]
        }
        Write::SessionKey(created_ms) => {
            let (key_base64, algorithm) = ("AAAA".to_owned(), "HmacSHA256".to_owned());
            vec![ConfigRecord::SessionKey(SessionKey { key_base64, algorithm, created_ms })]
        }
        // A leader writes the rest only for a connector that exists.
        Write::Delete(name) if exists(name) => delete_connector(&name.into()).to_vec(),
        Write::Tasks(name, tasks) if exists(name) => {
            let mut records = task_records(name, &tasks);
            records.push(commit(name, tasks.len()));
            records
        }
        Write::TasksInterrupted(name, tasks) if exists(name) => task_records(name, &tasks),
        Write::Stop(name) if exists(name) => vec![commit(name, 0), target(name, TargetState::Stopped)],
        Write::Target(name, state) if exists(name) => vec![target(name, state)],
        Write::Fencing(name, tasks) if exists(name) => vec![ConfigRecord::TaskCount { connector: name.into(), tasks }],
        Write::Restart(name) if exists(name) => {
            let (only_failed, include_tasks) = (true, true);
            vec![ConfigRecord::Restart(RestartRequest { connector: name.into(), only_failed, include_tasks })]
        }
        _ => Vec::new(),
    }
}

type Log = Vec<(i64, String, Option<String>)>;

fn append(log: &mut Log, state: &mut ClusterConfigState, records: Vec<ConfigRecord>) {
    for record in records {
        // A transaction marker now and then.
        let offset = log.last().map_or(0, |(offset, ..)| offset + 1 + i64::from(log.len().is_multiple_of(5)));
        let (key, value) = record.encode();
        state.apply(offset, &key, value.as_deref().map(str::as_bytes));
        log.push((offset, key, value));
    }
}

/// What is left when the first `cleaned` records have been compacted, and tombstones among the first `expired` have expired.
fn compact(log: &Log, cleaned: usize, expired: usize) -> Log {
    let latest: HashMap<&str, usize> =
        log[..cleaned].iter().enumerate().map(|(at, (_, key, _))| (key.as_str(), at)).collect();
    let survives = |at: usize, key: &str, value: &Option<String>| {
        at >= cleaned || (latest[key] == at && (value.is_some() || at >= expired))
    };
    let survivors = log.iter().enumerate().filter(|(at, (_, key, value))| survives(*at, key, value));
    survivors.map(|(_, record)| record.clone()).collect()
}

fn fold(log: &Log) -> ClusterConfigState {
    let mut state = ClusterConfigState::new();
    for (offset, key, value) in log {
        state.apply(*offset, key, value.as_deref().map(str::as_bytes));
    }
    state
}

fn tasks(state: &ClusterConfigState, name: &ConnectorName) -> Vec<Option<Arc<ConfigMap>>> {
    state.tasks(name).map(|task| state.task_config(&task).cloned()).collect()
}

proptest! {
    #[test]
    fn a_compacted_topic_says_the_same_or_that_it_does_not_know(
        writes in prop::collection::vec(write(), 1..25),
        cleaned in any::<prop::sample::Index>(),
        expired in any::<prop::sample::Index>(),
    ) {
        let (mut log, mut lived_through) = (Log::new(), ClusterConfigState::new());
        for write in std::iter::once(Write::Connector("a", 0)).chain(writes) {
            let records = records(write, &lived_through);
            append(&mut log, &mut lived_through, records);
        }
        // The last record is always there.
        let cleaned = cleaned.index(log.len());
        let compacted = compact(&log, cleaned, expired.index(cleaned + 1));

        let mut fresh = fold(&compacted);

        prop_assert_eq!(fresh.offset(), lived_through.offset());
        prop_assert_eq!(fresh.session_key(), lived_through.session_key());
        for name in NAMES.map(ConnectorName::from) {
            prop_assert_eq!(fresh.connector_config(&name), lived_through.connector_config(&name));
            prop_assert_eq!(fresh.target_state(&name), lived_through.target_state(&name));
            prop_assert_eq!(fresh.task_count_record(&name), lived_through.task_count_record(&name));
            prop_assert_eq!(fresh.is_pending_fencing(&name), lived_through.is_pending_fencing(&name));
            prop_assert!(!lived_through.is_inconsistent(&name));
            if !fresh.is_inconsistent(&name) {
                prop_assert_eq!(tasks(&fresh, &name), tasks(&lived_through, &name), "{:?}", compacted);
            }
            prop_assert!(tasks(&fresh, &name).iter().all(Option::is_some));

            // Publishing again heals.
            if fresh.contains(&name) && fresh.is_inconsistent(&name) {
                let published = [7, 8];
                prop_assert!(fresh.task_configs_changed(&name, &published.map(|value| config(value).as_ref().clone())));
                let again = records(Write::Tasks(if name.as_str() == "a" { "a" } else { "b" }, published.to_vec()), &fresh);
                append(&mut log, &mut fresh, again);
                prop_assert_eq!(tasks(&fresh, &name), published.map(|value| Some(config(value))));
            }
        }
    }
}

/// So that the property above is about something.
#[test]
fn compaction_here_removes_what_kafka_removes() {
    let record = |offset: i64, key: &str, value: Option<&str>| (offset, key.to_owned(), value.map(str::to_owned));
    let log =
        vec![record(0, "a", Some("1")), record(1, "b", Some("1")), record(2, "a", None), record(3, "b", Some("2"))];
    let left =
        |cleaned, expired| -> HashSet<i64> { compact(&log, cleaned, expired).into_iter().map(|(at, ..)| at).collect() };

    assert_eq!(left(0, 0), [0, 1, 2, 3].into());
    assert_eq!(left(3, 0), [1, 2, 3].into());
    assert_eq!(left(3, 3), [1, 3].into());
    assert_eq!(left(4, 0), [2, 3].into());
}
