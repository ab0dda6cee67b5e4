//! Scripts: events in, actions out. A [`Bench`] is a worker with the topics and the group that the script plays.

mod commands;
mod fencing;
mod life;
mod rounds;
mod task_configs;
mod units;

use std::collections::BTreeMap;

use bytes::Bytes;
use connect_api::ConfigMap;

use crate::command::{Command, Outcome};
use crate::config_log::{ConfigRecord, TargetState};
use crate::event::{Event, GroupEvent};
use crate::herder::Herder;
use crate::ids::{ConfigOffset, Generation, MemberId, Now, OpId, RequestId, TaskId};
use crate::protocol::{Assignment, AssignmentError, ConnectorsAndTasks, Subprotocol, WorkerMetadata};
use crate::settings::{ConnectorPlugin, Settings};
use crate::{Action, HerderError};

const CLASS: &str = "org.example.Source";
const LEADER_URL: &str = "http://leader:8083/";
const MY_URL: &str = "http://me:8083/";

fn settings() -> Settings {
    let plugin = ConnectorPlugin { version: "4.3.0".to_owned() };
    Settings { connectors: BTreeMap::from([(CLASS.to_owned(), plugin)]), ..Settings::new("me:8083", MY_URL) }
}

fn config(pairs: &[(&str, &str)]) -> ConfigMap {
    let given = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    [("connector.class".to_owned(), CLASS.to_owned())].into_iter().chain(given).collect()
}

fn at(ms: u64) -> Now {
    Now(ms)
}

/// A herder with its surroundings.
struct Bench {
    herder: Herder,
    now: u64,
    /// The offset of the next config record.
    end: i64,
    generation: i32,
    requests: u64,
}

impl Bench {
    fn new(settings: Settings) -> Self {
        Self { herder: Herder::new(settings), now: 0, end: 0, generation: 0, requests: 0 }
    }

    /// A worker that has read these records and leads a group of one.
    fn leading(records: &[ConfigRecord]) -> Self {
        Self::leading_with(settings(), records)
    }

    fn leading_with(settings: Settings, records: &[ConfigRecord]) -> Self {
        let mut bench = Self::new(settings);
        let key = ConfigRecord::SessionKey(crate::config_log::SessionKey {
            key_base64: "a2V5".to_owned(),
            algorithm: "HmacSHA256".to_owned(),
            created_ms: 0,
        });
        bench.start(&[records, &[key]].concat());
        bench.round_alone();
        bench
    }

    /// A worker that follows `leader` and has this work.
    fn following(records: &[ConfigRecord], assigned: ConnectorsAndTasks) -> Self {
        let mut bench = Self::new(settings());
        bench.start(records);
        bench.round(bench.assignment(assigned));
        bench
    }

    fn apply(&mut self, event: Event) -> Vec<Action> {
        self.herder.apply(at(self.now), event)
    }

    fn tick(&mut self) -> Vec<Action> {
        self.apply(Event::Timer)
    }

    fn tick_at(&mut self, now: u64) -> Vec<Action> {
        self.now = now;
        self.tick()
    }

    /// Reads both topics to their ends. Answers with what follows.
    fn start(&mut self, records: &[ConfigRecord]) -> Vec<Action> {
        let op = read_op(&self.tick());
        self.records(records);
        assert_eq!(self.apply(Event::ConfigReadToEnd { op, result: Ok(()) }), []);
        self.apply(Event::StatusReadToEnd)
    }

    /// Records that appear in the config topic.
    fn records(&mut self, records: &[ConfigRecord]) {
        for record in records {
            let (key, value) = record.encode();
            self.record(&key, value);
        }
    }

    fn record(&mut self, key: &str, value: Option<String>) {
        let event = Event::ConfigRecord {
            offset: self.end,
            key: key.to_owned(),
            value: value.map(Bytes::from),
            timestamp_ms: 0,
        };
        self.end += 1;
        assert_eq!(self.apply(event), [], "records are only folded");
    }

    /// Records that appear in the config topic, and what follows from them.
    fn records_and_tick(&mut self, records: &[ConfigRecord]) -> Vec<Action> {
        self.records(records);
        self.tick()
    }

    fn status(&mut self, key: &str, value: &str) {
        let value = Some(Bytes::from(value.to_owned()));
        assert_eq!(self.apply(Event::StatusRecord { key: key.to_owned(), value }), []);
    }

    /// Puts what the herder has just written into the config topic, acknowledged and read back. Answers with what
    /// follows.
    fn write(&mut self, actions: &[Action]) -> Vec<Action> {
        let (op, records) = written(actions);
        assert_eq!(
            self.apply(Event::ConfigWritten { op, result: Ok(ConfigOffset(self.end + records.len() as i64)) }),
            []
        );
        for (key, value) in records {
            self.record(&key, value);
        }
        self.tick()
    }

    /// A round of the group in which this worker is alone, and so the leader. Answers with what follows the assignment.
    fn round_alone(&mut self) -> Vec<Action> {
        self.round_alone_of(Subprotocol::Sessioned)
    }

    fn round_alone_of(&mut self, protocol: Subprotocol) -> Vec<Action> {
        let metadata = WorkerMetadata {
            url: MY_URL.to_owned(),
            config_offset: self.herder.config.offset(),
            allocation: self.herder.membership.assigned().map(|work| self.assignment(work.clone())),
        };
        let members = vec![("me".into(), metadata.encode(protocol).unwrap())];
        let actions = self.joined("me", protocol, members);
        let [Action::Sync { assignments, .. }] = &actions[..] else { panic!("expected a sync: {actions:?}") };
        self.synced(assignments[0].1.clone())
    }

    /// A round in which someone else leads and answers with this assignment.
    fn round(&mut self, assignment: Assignment) -> Vec<Action> {
        let actions = self.joined("leader", Subprotocol::Sessioned, vec![]);
        let generation = Generation(self.generation);
        assert_eq!(actions, [Action::Sync { generation, assignments: vec![] }]);
        self.synced(assignment.encode(Subprotocol::Sessioned).unwrap())
    }

    fn joined(&mut self, leader: &str, protocol: Subprotocol, members: Vec<(MemberId, Bytes)>) -> Vec<Action> {
        self.generation += 1;
        self.group(GroupEvent::Joined {
            generation: Generation(self.generation),
            member_id: "me".into(),
            leader_id: leader.into(),
            protocol: protocol.name().to_owned(),
            members,
        })
    }

    fn synced(&mut self, assignment: Bytes) -> Vec<Action> {
        self.group(GroupEvent::Synced { generation: Generation(self.generation), assignment })
    }

    fn group(&mut self, event: GroupEvent) -> Vec<Action> {
        self.apply(Event::Group(event))
    }

    /// An assignment of the config as this worker knows it.
    fn assignment(&self, assigned: ConnectorsAndTasks) -> Assignment {
        Assignment {
            error: AssignmentError::None,
            leader: "leader".into(),
            leader_url: LEADER_URL.to_owned(),
            config_offset: self.herder.config.offset(),
            assigned,
            revoked: ConnectorsAndTasks::default(),
            delay_ms: 0,
        }
    }

    /// Asks for something. Answers with what follows.
    fn command(&mut self, command: Command) -> Vec<Action> {
        self.requests += 1;
        self.apply(Event::Command { id: RequestId(self.requests), command })
    }

    fn connector_runs(&mut self, name: &str) -> Vec<Action> {
        self.apply(Event::ConnectorStarted { name: name.into(), result: Ok(()) })
    }

    fn task_runs(&mut self, task: &TaskId) -> Vec<Action> {
        self.apply(Event::TaskStarted { task: task.clone(), result: Ok(()) })
    }
}

fn connector(name: &str) -> ConfigRecord {
    connector_with(name, &[])
}

fn connector_with(name: &str, pairs: &[(&str, &str)]) -> ConfigRecord {
    ConfigRecord::Connector { connector: name.into(), config: Some(config(pairs).into()) }
}

/// A whole set of task configs.
fn tasks(name: &str, count: u32) -> Vec<ConfigRecord> {
    let task = |task| ConfigRecord::Task { task: TaskId::new(name, task), config: config(&[]).into() };
    (0..count).map(task).chain([ConfigRecord::Commit { connector: name.into(), tasks: count }]).collect()
}

/// A connector with tasks.
fn connector_and_tasks(name: &str, count: u32) -> Vec<ConfigRecord> {
    let max = count.max(1).to_string();
    [vec![connector_with(name, &[("tasks.max", &max)])], tasks(name, count)].concat()
}

fn work(connectors: &[&str], tasks: &[(&str, u32)]) -> ConnectorsAndTasks {
    ConnectorsAndTasks {
        connectors: connectors.iter().map(|name| (*name).into()).collect(),
        tasks: tasks.iter().map(|(name, task)| TaskId::new(*name, *task)).collect(),
    }
}

fn read_op(actions: &[Action]) -> OpId {
    match actions {
        [.., Action::ReadConfigToEnd { op, .. }] => *op,
        other => panic!("expected a read: {other:?}"),
    }
}

fn written(actions: &[Action]) -> (OpId, Vec<(String, Option<String>)>) {
    match actions {
        [.., Action::WriteConfig { op, records, .. }] => (*op, records.clone()),
        other => panic!("expected a write: {other:?}"),
    }
}

fn validate_op(actions: &[Action]) -> OpId {
    match actions {
        [Action::Validate { op, .. }] => *op,
        other => panic!("expected a validation: {other:?}"),
    }
}

fn reply(request: u64, outcome: Outcome) -> Action {
    Action::Reply { id: RequestId(request), outcome }
}

fn refusal(request: u64, error: HerderError) -> Action {
    reply(request, Err(error))
}

fn status(unit: &str, state: &str, generation: i32) -> Action {
    let version = if matches!(state, "UNASSIGNED" | "RESTARTING") { "null" } else { "\"4.3.0\"" };
    Action::WriteStatus {
        key: format!("status-{unit}"),
        value: Some(format!(
            r#"{{"state":"{state}","trace":null,"worker_id":"me:8083","generation":{generation},"version":{version}}}"#
        )),
    }
}

fn start_connector(name: &str, pairs: &[(&str, &str)], target: TargetState) -> Action {
    Action::StartConnector { name: name.into(), config: config(pairs), target }
}

fn stop_connector(name: &str) -> Action {
    Action::StopConnector { name: name.into() }
}

fn stop_task(name: &str, task: u32) -> Action {
    Action::StopTask { task: TaskId::new(name, task) }
}

/// The kinds of actions, where the script is about their order.
fn kinds(actions: &[Action]) -> Vec<&'static str> {
    let kind = |action: &Action| match action {
        Action::Reply { .. } => "reply",
        Action::Join { .. } => "join",
        Action::Sync { .. } => "sync",
        Action::Leave => "leave",
        Action::WriteConfig { .. } => "write",
        Action::ReadConfigToEnd { .. } => "read",
        Action::WriteStatus { .. } => "status",
        Action::Validate { .. } => "validate",
        Action::StartConnector { .. } => "start connector",
        Action::StopConnector { .. } => "stop connector",
        Action::ComputeTaskConfigs { .. } => "ask for task configs",
        Action::ForwardTaskConfigs { .. } => "forward task configs",
        Action::StartTask { .. } => "start task",
        Action::StopTask { .. } => "stop task",
        Action::SetTaskTarget { .. } => "set task target",
        Action::AlterOffsets { .. } => "alter offsets",
        Action::FenceZombies { .. } => "fence",
        Action::ForwardFence { .. } => "forward fence",
        Action::AnswerTask { .. } => "answer task",
        Action::ClaimConfigWrites => "claim config writes",
        Action::MakeSessionKey => "make session key",
        Action::SetLoggerLevel { .. } => "set logger level",
        Action::Stopped => "stopped",
        Action::Fail { .. } => "fail",
    };
    actions.iter().map(kind).collect()
}
