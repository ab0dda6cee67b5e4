//! The records of the config topic, as values (Java: `KafkaConfigBackingStore`).
//!
//! Keys are text, values JSON without schema. What is written is byte for byte what Java writes, field order included;
//! what is read may also come from older workers, from hand, or from another converter.

use std::fmt;
use std::sync::Arc;

use connect_api::ConfigMap;
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::ids::{ConnectorName, TaskId};
use crate::json;
use crate::restart::RestartRequest;

const TARGET_STATE: &str = "target-state-";
const CONNECTOR: &str = "connector-";
const TASK: &str = "task-";
const COMMIT: &str = "commit-";
const RESTART: &str = "restart-connector-";
const TASK_COUNT: &str = "tasks-fencing-";
const SESSION_KEY: &str = "session-key";
const LOGGER: &str = "logger-cluster-";

/// One record of the config topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigRecord {
    /// What a connector should be doing; `None` takes it back. Any worker writes it.
    TargetState {
        /// The connector.
        connector: ConnectorName,
        /// The state.
        state: Option<TargetState>,
    },
    /// A connector's config; `None` deletes the connector.
    Connector {
        /// The connector.
        connector: ConnectorName,
        /// Its config, references unresolved.
        config: Option<Arc<ConfigMap>>,
    },
    /// A task's config, in force from the next [`Commit`](Self::Commit) on.
    Task {
        /// The task.
        task: TaskId,
        /// Its config, references unresolved.
        config: Arc<ConfigMap>,
    },
    /// The task configs written since the last commit are complete.
    Commit {
        /// The connector.
        connector: ConnectorName,
        /// How many tasks it has now.
        tasks: u32,
    },
    /// Whoever runs a part of this connector restarts it as the request says (KIP-745).
    Restart(RestartRequest),
    /// The producers of earlier tasks have been fenced; so many tasks may run now (KIP-618).
    TaskCount {
        /// The connector.
        connector: ConnectorName,
        /// The number of tasks.
        tasks: u32,
    },
    /// The key that workers sign their requests to each other with (KIP-507).
    SessionKey(SessionKey),
    /// A log level for every worker of the cluster (KIP-976).
    LoggerLevel {
        /// The logger's name.
        logger: String,
        /// The level, as the user typed it.
        level: String,
    },
}

/// What a connector should be doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TargetState {
    /// Running.
    Started,
    /// Instance and tasks stay where they are, but do nothing.
    Paused,
    /// No tasks; offsets may be changed (KIP-875).
    Stopped,
}

impl TargetState {
    /// Java's name of it: `STARTED`, `PAUSED` or `STOPPED`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "STARTED",
            Self::Paused => "PAUSED",
            Self::Stopped => "STOPPED",
        }
    }

    /// The state of that name, capitals only, as Java wants it.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Started, Self::Paused, Self::Stopped].into_iter().find(|state| state.as_str() == name)
    }
}

impl fmt::Display for TargetState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The key that workers sign their requests to each other with (KIP-507). The key itself is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionKey {
    /// The key, base64. Secret.
    pub key_base64: String,
    /// The algorithm it was made for, in Java's words: `HmacSHA256`.
    pub algorithm: String,
    /// When it was made, milliseconds since 1970 by the leader's clock.
    pub created_ms: i64,
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionKey")
            .field("key_base64", &"[hidden]")
            .field("algorithm", &self.algorithm)
            .field("created_ms", &self.created_ms)
            .finish()
    }
}

/// Why a record says nothing. It is skipped; the log goes on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadRecord {
    /// The value is not JSON. Java does not even count such a record in its config offset, so neither do we.
    #[error("its value is not JSON: {0}")]
    NotJson(String),
    /// The key is of none of the eight kinds.
    #[error("its key is of no known kind")]
    UnknownKey,
    /// A tombstone where there has to be a value.
    #[error("it has no value")]
    NoValue,
    /// A field is missing, or of the wrong type or range.
    #[error("its field {field:?} is not {expected}")]
    BadField {
        /// The field.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
    },
}

impl ConfigRecord {
    /// Reads a record.
    ///
    /// # Errors
    /// [`BadRecord::NotJson`] comes before all else; the other errors mean that the record counts, but says nothing.
    pub fn decode(key: &str, value: Option<&[u8]>) -> Result<Self, BadRecord> {
        let value = json::parse(value).map_err(|error| BadRecord::NotJson(error.to_string()))?;
        // The order matters nowhere, as no prefix is the beginning of another; it is Java's.
        if let Some(connector) = key.strip_prefix(TARGET_STATE) {
            let state = value.map(|value| target_state(&value)).transpose()?;
            return Ok(Self::TargetState { connector: connector.into(), state });
        }
        if let Some(connector) = key.strip_prefix(CONNECTOR) {
            let config = value.map(|value| properties(&value)).transpose()?;
            return Ok(Self::Connector { connector: connector.into(), config });
        }
        let required = || value.as_ref().ok_or(BadRecord::NoValue);
        if let Some(task) = key.strip_prefix(TASK) {
            return Ok(Self::Task { task: task_id(task)?, config: properties(required()?)? });
        }
        if let Some(connector) = key.strip_prefix(COMMIT) {
            return Ok(Self::Commit { connector: connector.into(), tasks: count(required()?, "tasks")? });
        }
        if let Some(connector) = key.strip_prefix(RESTART) {
            return restart(connector, required()?).map(Self::Restart);
        }
        if let Some(connector) = key.strip_prefix(TASK_COUNT) {
            return Ok(Self::TaskCount { connector: connector.into(), tasks: count(required()?, "task-count")? });
        }
        if key == SESSION_KEY {
            return session_key(required()?).map(Self::SessionKey);
        }
        if let Some(logger) = key.strip_prefix(LOGGER) {
            let level = text(required()?, "level")?;
            return Ok(Self::LoggerLevel { logger: logger.to_owned(), level });
        }
        Err(BadRecord::UnknownKey)
    }

    /// The record's key.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::TargetState { connector, .. } => format!("{TARGET_STATE}{connector}"),
            Self::Connector { connector, .. } => format!("{CONNECTOR}{connector}"),
            Self::Task { task, .. } => format!("{TASK}{task}"),
            Self::Commit { connector, .. } => format!("{COMMIT}{connector}"),
            Self::Restart(request) => format!("{RESTART}{}", request.connector),
            Self::TaskCount { connector, .. } => format!("{TASK_COUNT}{connector}"),
            Self::SessionKey(_) => SESSION_KEY.to_owned(),
            Self::LoggerLevel { logger, .. } => format!("{LOGGER}{logger}"),
        }
    }

    /// The record's value, as Java writes it; `None` is a tombstone.
    #[must_use]
    pub fn value(&self) -> Option<String> {
        let value = match self {
            Self::TargetState { state: None, .. } | Self::Connector { config: None, .. } => return None,
            // Workers before 3.5 know no STOPPED and no `state.v2`; to them it is a pause.
            Self::TargetState { state: Some(state), .. } => {
                let v1 = if *state == TargetState::Stopped { TargetState::Paused } else { *state };
                json!({"state": v1.as_str(), "state.v2": state.as_str()})
            }
            Self::Connector { config: Some(config), .. } | Self::Task { config, .. } => {
                let properties = config.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str())));
                json!({"properties": properties.collect::<Map<_, _>>()})
            }
            Self::Commit { tasks, .. } => json!({"tasks": tasks}),
            Self::Restart(request) => {
                json!({"include-tasks": request.include_tasks, "only-failed": request.only_failed})
            }
            Self::TaskCount { tasks, .. } => json!({"task-count": tasks}),
            Self::SessionKey(key) => {
                json!({"key": key.key_base64, "algorithm": key.algorithm, "creation-timestamp": key.created_ms})
            }
            Self::LoggerLevel { level, .. } => json!({"level": level}),
        };
        Some(json::write(&value))
    }

    /// Key and value, ready to be produced.
    #[must_use]
    pub fn encode(&self) -> (String, Option<String>) {
        (self.key(), self.value())
    }
}

/// The two tombstones that delete a connector. Its task configs, commits and counts stay in the topic, as with Java.
#[must_use]
pub fn delete_connector(connector: &ConnectorName) -> [ConfigRecord; 2] {
    [
        ConfigRecord::Connector { connector: connector.clone(), config: None },
        ConfigRecord::TargetState { connector: connector.clone(), state: None },
    ]
}

/// `connector-0`, split at the last hyphen, since names may have hyphens too.
fn task_id(text: &str) -> Result<TaskId, BadRecord> {
    let (connector, task) = text.rsplit_once('-').ok_or(BadRecord::UnknownKey)?;
    let task = task.parse::<i32>().ok().and_then(|task| u32::try_from(task).ok()).ok_or(BadRecord::UnknownKey)?;
    Ok(TaskId::new(connector, task))
}

fn target_state(value: &Value) -> Result<TargetState, BadRecord> {
    // `state.v2` wins; workers before 3.5 write `state` alone. A state that we do not know is not looked up in the other.
    let name = match value.get("state.v2") {
        Some(Value::String(name)) => name.clone(),
        _ => text(value, "state")?,
    };
    TargetState::parse(&name).ok_or(BadRecord::BadField { field: "state", expected: "STARTED, PAUSED or STOPPED" })
}

/// A null property is as good as none; what is not text (from hand, no worker writes it) counts as its text.
fn properties(value: &Value) -> Result<Arc<ConfigMap>, BadRecord> {
    let Some(Value::Object(properties)) = value.get("properties") else {
        return Err(BadRecord::BadField { field: "properties", expected: "an object" });
    };
    let text = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(json::write(other)),
    };
    Ok(Arc::new(properties.iter().filter_map(|(key, value)| Some((key.clone(), text(value)?))).collect()))
}

fn restart(connector: &str, value: &Value) -> Result<RestartRequest, BadRecord> {
    if !value.is_object() {
        return Err(BadRecord::BadField { field: "only-failed", expected: "in an object" });
    }
    let flag = |field| value.get(field).and_then(Value::as_bool).unwrap_or(false);
    let (only_failed, include_tasks) = (flag("only-failed"), flag("include-tasks"));
    Ok(RestartRequest { connector: connector.into(), only_failed, include_tasks })
}

fn session_key(value: &Value) -> Result<SessionKey, BadRecord> {
    Ok(SessionKey {
        key_base64: text(value, "key")?,
        algorithm: text(value, "algorithm")?,
        created_ms: value
            .get("creation-timestamp")
            .and_then(Value::as_i64)
            .ok_or(BadRecord::BadField { field: "creation-timestamp", expected: "an integer" })?,
    })
}

fn text(value: &Value, field: &'static str) -> Result<String, BadRecord> {
    match value.get(field) {
        Some(Value::String(text)) => Ok(text.clone()),
        _ => Err(BadRecord::BadField { field, expected: "text" }),
    }
}

/// A number of tasks: Java's `int`, and not below zero.
fn count(value: &Value, field: &'static str) -> Result<u32, BadRecord> {
    let number = value.get(field).and_then(Value::as_i64).and_then(|number| i32::try_from(number).ok());
    number.and_then(|number| u32::try_from(number).ok()).ok_or(BadRecord::BadField { field, expected: "a count" })
}

#[cfg(test)]
mod tests;
