//! What Connect workers say to each other inside of the group protocol (Java: `ConnectProtocol`,
//! `IncrementalCooperativeConnectProtocol`).
//!
//! To the broker it is opaque: every member sends its [`WorkerMetadata`] with the join, once for each [`Subprotocol`] that
//! it speaks; the leader answers with an [`Assignment`] for every member.
//!
//! Versions: 0 is eager (everything is revoked before a rebalance), 1 incremental cooperative (KIP-415), 2 the same with
//! signed requests between workers (KIP-507). Bytes of later versions are read as version 2, what is missing at the end
//! gets its default, and what is too much is not looked at.

pub mod assignment;
pub mod metadata;

use std::fmt;

use kafka_wire::primitives::ReadError;
use thiserror::Error;

pub use assignment::{Assignment, AssignmentError, ConnectorsAndTasks};
pub use metadata::WorkerMetadata;

/// The group's protocol type.
pub const PROTOCOL_TYPE: &str = "connect";

/// A way to share out the work. The broker elects the first one, by the members' preference, that all members speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subprotocol {
    /// Version 0, `default`: everyone stops everything before every rebalance.
    Eager,
    /// Version 1, `compatible`: only what moves is stopped (KIP-415).
    Compatible,
    /// Version 2, `sessioned`: as version 1, and requests between workers are signed (KIP-507).
    Sessioned,
}

impl Subprotocol {
    /// The name that the broker knows it by.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Eager => "default",
            Self::Compatible => "compatible",
            Self::Sessioned => "sessioned",
        }
    }

    /// The protocol of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Eager, Self::Compatible, Self::Sessioned].into_iter().find(|protocol| protocol.name() == name)
    }

    /// What a worker with this `connect.protocol` (`eager`, `compatible`, `sessioned`; case does not matter) prefers most.
    #[must_use]
    pub fn from_config(value: &str) -> Option<Self> {
        [("eager", Self::Eager), ("compatible", Self::Compatible), ("sessioned", Self::Sessioned)]
            .into_iter()
            .find_map(|(name, protocol)| name.eq_ignore_ascii_case(value).then_some(protocol))
    }

    /// What a worker that prefers this one offers, most wanted first.
    #[must_use]
    pub const fn offered(self) -> &'static [Self] {
        match self {
            Self::Eager => &[Self::Eager],
            Self::Compatible => &[Self::Compatible, Self::Eager],
            Self::Sessioned => &[Self::Sessioned, Self::Compatible, Self::Eager],
        }
    }

    /// The version in front of its bytes.
    #[must_use]
    pub const fn version(self) -> i16 {
        match self {
            Self::Eager => 0,
            Self::Compatible => 1,
            Self::Sessioned => 2,
        }
    }
}

impl fmt::Display for Subprotocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why bytes of another member can't be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// They end too early, or a length in them is wrong.
    #[error(transparent)]
    Malformed(#[from] ReadError),
    /// A version below zero.
    #[error("version {0} of the Connect protocol does not exist")]
    Version(i16),
    /// A task number below -1, which stands for the connector itself.
    #[error("connector {connector:?} can't have a task {task}")]
    Task {
        /// The connector.
        connector: String,
        /// The number.
        task: i32,
    },
}

#[cfg(test)]
mod tests;
