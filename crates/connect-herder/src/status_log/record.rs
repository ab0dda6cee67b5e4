//! The records of the status topic, as values (Java: `KafkaStatusBackingStore`).

use std::fmt;

use serde_json::{Value, json};
use thiserror::Error;

use crate::ids::{ConnectorName, Generation, TaskId, WorkerId};
use crate::json;

const CONNECTOR: &str = "status-connector-";
const TASK: &str = "status-task-";
const TOPIC: &str = "status-topic-";
const TOPIC_CONNECTOR: &str = ":connector-";

/// One record of the status topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusRecord {
    /// How a connector instance is; `None` forgets it and its tasks.
    Connector {
        /// The connector.
        connector: ConnectorName,
        /// Its status.
        status: Option<Status>,
    },
    /// How a task is; `None` forgets it.
    Task {
        /// The task.
        task: TaskId,
        /// Its status.
        status: Option<Status>,
    },
    /// A connector uses a topic (KIP-558); `None` forgets that.
    Topic {
        /// The connector.
        connector: ConnectorName,
        /// The topic.
        topic: String,
        /// Who found out, and when.
        status: Option<TopicStatus>,
    },
}

/// How a connector instance or a task is, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// How it is.
    pub state: State,
    /// What went wrong, if something did: the error in the first line, its causes below.
    pub trace: Option<String>,
    /// The worker that says so.
    pub worker_id: WorkerId,
    /// The group's generation by that worker's knowledge.
    pub generation: Generation,
    /// The plugin's version; unknown to workers before 4.1, and while nothing runs.
    pub version: Option<String>,
}

/// How a connector instance or a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Nobody runs it at the moment.
    Unassigned,
    /// It runs.
    Running,
    /// It is there, but does nothing.
    Paused,
    /// It has ended with an error and stays so until someone restarts it.
    Failed,
    /// It has been deleted. Written as a tombstone.
    Destroyed,
    /// It is about to end and start again.
    Restarting,
    /// The connector has no tasks until it is resumed. Connectors only.
    Stopped,
}

impl State {
    /// Java's name of it, in capitals.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unassigned => "UNASSIGNED",
            Self::Running => "RUNNING",
            Self::Paused => "PAUSED",
            Self::Failed => "FAILED",
            Self::Destroyed => "DESTROYED",
            Self::Restarting => "RESTARTING",
            Self::Stopped => "STOPPED",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        use State::{Destroyed, Failed, Paused, Restarting, Running, Stopped, Unassigned};
        let all = [Unassigned, Running, Paused, Failed, Destroyed, Restarting, Stopped];
        all.into_iter().find(|state| state.as_str() == name)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// That a connector uses a topic: which of its tasks found out, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicStatus {
    /// The task's number.
    pub task: u32,
    /// Milliseconds since 1970, by the clock of the task's worker.
    pub discovered_ms: i64,
}

/// Why a record says nothing. It is skipped.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadStatus {
    /// The key is of none of the three kinds.
    #[error("its key is of no known kind")]
    UnknownKey,
    /// The value is not JSON, or not an object.
    #[error("its value is not a JSON object: {0}")]
    NotAnObject(String),
    /// A field is missing, or of the wrong type or range.
    #[error("its field {field:?} is not {expected}")]
    BadField {
        /// The field.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
    },
}

impl StatusRecord {
    /// Reads a record. A tombstone is one whatever the key; JSON's `null` is not.
    ///
    /// # Errors
    /// The record is to be skipped, and the reason logged.
    pub fn decode(key: &str, value: Option<&[u8]>) -> Result<Self, BadStatus> {
        if let Some(connector) = key.strip_prefix(CONNECTOR).filter(|name| !name.is_empty()) {
            return Ok(Self::Connector { connector: connector.into(), status: value.map(status).transpose()? });
        }
        if let Some(task) = key.strip_prefix(TASK) {
            return Ok(Self::Task { task: task_id(task)?, status: value.map(status).transpose()? });
        }
        if let Some(name) = key.strip_prefix(TOPIC) {
            let (topic, connector) = topic_and_connector(name).ok_or(BadStatus::UnknownKey)?;
            let status = value.map(topic_status).transpose()?;
            return Ok(Self::Topic { connector: connector.into(), topic: topic.to_owned(), status });
        }
        Err(BadStatus::UnknownKey)
    }

    /// The record's key.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Connector { connector, .. } => format!("{CONNECTOR}{connector}"),
            Self::Task { task, .. } => format!("{TASK}{task}"),
            Self::Topic { connector, topic, .. } => format!("{TOPIC}{topic}{TOPIC_CONNECTOR}{connector}"),
        }
    }

    /// The record's value, as Java writes it; `None` is a tombstone. `DESTROYED` is never stored.
    #[must_use]
    pub fn value(&self) -> Option<String> {
        let value = match self {
            Self::Connector { status, .. } | Self::Task { status, .. } => {
                let status = status.as_ref().filter(|status| status.state != State::Destroyed)?;
                json!({
                    "state": status.state.as_str(),
                    "trace": status.trace,
                    "worker_id": status.worker_id.as_str(),
                    "generation": status.generation.0,
                    "version": status.version,
                })
            }
            Self::Topic { connector, topic, status } => {
                let status = status.as_ref()?;
                json!({"topic": {
                    "name": topic,
                    "connector": connector.as_str(),
                    "task": status.task,
                    "discoverTimestamp": status.discovered_ms,
                }})
            }
        };
        Some(json::write(&value))
    }

    /// Key and value, ready to be produced.
    #[must_use]
    pub fn encode(&self) -> (String, Option<String>) {
        (self.key(), self.value())
    }
}

/// `connector-0`, split at the last hyphen, since names may have hyphens too.
fn task_id(text: &str) -> Result<TaskId, BadStatus> {
    let (connector, task) = text.rsplit_once('-').ok_or(BadStatus::UnknownKey)?;
    let task = task.parse::<i32>().ok().and_then(|task| u32::try_from(task).ok()).ok_or(BadStatus::UnknownKey)?;
    Ok(TaskId::new(connector, task))
}

/// `topic:connector-name`, split at the first colon, since topics have none and connectors may.
fn topic_and_connector(text: &str) -> Option<(&str, &str)> {
    let at = text.find(':')?;
    let (topic, rest) = text.split_at(at);
    let connector = rest.strip_prefix(TOPIC_CONNECTOR)?;
    (!topic.is_empty() && !connector.is_empty()).then_some((topic, connector))
}

fn object(bytes: &[u8]) -> Result<Value, BadStatus> {
    let value = json::parse(Some(bytes)).map_err(|error| BadStatus::NotAnObject(error.to_string()))?;
    value.filter(Value::is_object).ok_or_else(|| BadStatus::NotAnObject("it is something else".to_owned()))
}

fn status(bytes: &[u8]) -> Result<Status, BadStatus> {
    let value = object(bytes)?;
    let state = text(&value, "state")?.and_then(|name| State::parse(&name));
    let generation = integer(&value, "generation").and_then(|number| i32::try_from(number).ok());
    Ok(Status {
        state: state.ok_or(BadStatus::BadField { field: "state", expected: "a known state" })?,
        trace: text(&value, "trace")?,
        worker_id: required_text(&value, "worker_id")?.into(),
        generation: generation
            .map(Generation)
            .ok_or(BadStatus::BadField { field: "generation", expected: "a 32-bit integer" })?,
        version: text(&value, "version")?,
    })
}

/// Topic and connector stand in the value too, but the key decides.
fn topic_status(bytes: &[u8]) -> Result<TopicStatus, BadStatus> {
    let value = object(bytes)?;
    let value = value.get("topic").ok_or(BadStatus::BadField { field: "topic", expected: "an object" })?;
    let task = integer(value, "task").and_then(|number| u32::try_from(number).ok());
    let discovered_ms = integer(value, "discoverTimestamp");
    required_text(value, "name")?;
    required_text(value, "connector")?;
    Ok(TopicStatus {
        task: task.ok_or(BadStatus::BadField { field: "task", expected: "a task number" })?,
        discovered_ms: discovered_ms
            .ok_or(BadStatus::BadField { field: "discoverTimestamp", expected: "an integer" })?,
    })
}

/// Text, or nothing: a field that is missing (older workers) or null.
fn text(value: &Value, field: &'static str) -> Result<Option<String>, BadStatus> {
    match value.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(BadStatus::BadField { field, expected: "text" }),
    }
}

fn required_text(value: &Value, field: &'static str) -> Result<String, BadStatus> {
    text(value, field)?.ok_or(BadStatus::BadField { field, expected: "text" })
}

fn integer(value: &Value, field: &str) -> Option<i64> {
    value.get(field).and_then(Value::as_i64)
}

#[cfg(test)]
mod tests;
