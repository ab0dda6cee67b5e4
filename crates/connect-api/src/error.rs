//! The one error a plugin answers with: what went wrong, and whether trying again can help.

use std::fmt;

use crate::config::ConfigProblem;

/// Why a plugin could not do what the worker asked.
///
/// The first line of a task's `trace` in the status API is `<class>: <message>`, because tools parse Java's stack
/// traces that way; [`ConnectError::trace`] prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectError {
    kind: ErrorKind,
    message: String,
}

/// What the worker does next with a [`ConnectError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Trying again can help: the worker calls again after a back-off (Java: `RetriableException`).
    Retriable,
    /// The configuration is wrong: only a new one can help (Java: `ConfigException`).
    Config,
    /// The connector or task can't go on: it becomes FAILED (Java: `ConnectException`).
    Fatal,
}

impl ConnectError {
    /// An error that another try may cure.
    pub fn retriable(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Retriable, message: message.into() }
    }

    /// An error that only another configuration cures.
    pub fn config(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Config, message: message.into() }
    }

    /// The same, with all that is wrong with a configuration as one sentence.
    #[must_use]
    pub fn config_problems(problems: Vec<ConfigProblem>) -> Self {
        let sentences: Vec<_> = problems.into_iter().map(|problem| problem.message).collect();
        Self::config(sentences.join("; "))
    }

    /// An error that ends the connector or task.
    pub fn fatal(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Fatal, message: message.into() }
    }

    /// What the worker should do.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The sentence for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether another try may help.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        self.kind == ErrorKind::Retriable
    }

    /// The text for the `trace` field of a status, with Java's exception class in front.
    #[must_use]
    pub fn trace(&self) -> String {
        let class = match self.kind {
            ErrorKind::Retriable => "org.apache.kafka.connect.errors.RetriableException",
            ErrorKind::Config => "org.apache.kafka.common.config.ConfigException",
            ErrorKind::Fatal => "org.apache.kafka.connect.errors.ConnectException",
        };
        format!("{class}: {}", self.message)
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConnectError {}
