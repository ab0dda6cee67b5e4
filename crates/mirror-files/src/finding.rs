//! What is wrong with a file: where, and what to do about it.

use std::fmt;

use thiserror::Error;

/// A file that can't be used at all.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}{message}", place(.line))]
pub struct FileError {
    /// The line, from 1, if there is one to blame.
    pub line: Option<usize>,
    /// What is wrong and what to do.
    pub message: String,
}

impl FileError {
    /// An error of a line.
    pub fn at(line: impl Into<Option<usize>>, message: impl Into<String>) -> Self {
        Self { line: line.into(), message: message.into() }
    }
}

fn place(line: &Option<usize>) -> String {
    line.map(|line| format!("line {line}: ")).unwrap_or_default()
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It will not work, or not as anybody wants.
    Error,
    /// It may surprise.
    Warning,
    /// Good to know.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        })
    }
}

/// One thing that a file's owner should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The line, from 1; `None` for what stands nowhere.
    pub line: Option<usize>,
    /// What it is.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

impl Finding {
    /// Something that will not work.
    pub fn error(line: Option<usize>, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { severity: Severity::Error, line, what: what.into(), remedy: remedy.into() }
    }

    /// Something that may surprise.
    pub fn warning(line: Option<usize>, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, line, what: what.into(), remedy: remedy.into() }
    }

    /// Something good to know.
    pub fn note(line: Option<usize>, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { severity: Severity::Note, line, what: what.into(), remedy: remedy.into() }
    }
}
