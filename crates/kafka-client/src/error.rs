//! What can go wrong between us and a cluster. Whether trying again may help is in the type
//! ([`ClientError::is_retriable`]); the texts name the broker, the API and the value, and never a secret.

use std::time::Duration;

use kafka_protocol::messages::ApiKey;
use thiserror::Error;

use crate::codes::{Class, ErrorCode};
use crate::config::ConfigError;

/// Why a call to a cluster failed. Cheap to clone, so that everyone who waited on one connection
/// gets the same reason.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum ClientError {
    /// No connection could be made (name, network, time).
    #[error("cannot connect to {broker}: {reason}")]
    Connect {
        /// `host:port (id N)` of the broker, or the bootstrap list.
        broker: String,
        /// What failed, with the `client.id`.
        reason: String,
    },
    /// The broker refused who we say we are, or we refused the broker (SCRAM server signature).
    #[error("authentication with {broker} failed ({mechanism}): {reason}")]
    Auth {
        /// The broker.
        broker: String,
        /// `sasl.mechanism`, or `TLS` for a refused client certificate.
        mechanism: String,
        /// The broker's words, or ours.
        reason: String,
    },
    /// The TLS handshake failed; retrying with the same certificates will not help.
    #[error("tls with {broker} failed: {reason}")]
    Tls {
        /// The broker.
        broker: String,
        /// The reason of rustls.
        reason: String,
    },
    /// No answer in time. The request may or may not have been executed.
    #[error("{what} timed out after {elapsed_ms} ms")]
    Timeout {
        /// What was waited for, and of whom.
        what: String,
        /// How long, in milliseconds.
        elapsed_ms: u64,
    },
    /// The connection ended while the request was waiting. It may or may not have been executed.
    #[error("connection to {broker} closed: {reason}")]
    Closed {
        /// The broker.
        broker: String,
        /// Why.
        reason: String,
    },
    /// The broker answered with an error code.
    #[error("{api} failed with {code}{}", message.as_deref().map(|m| format!(": {m}")).unwrap_or_default())]
    Broker {
        /// The API, and the topic, group or id it was about where there is one.
        api: String,
        /// The code.
        code: ErrorCode,
        /// The broker's own words.
        message: Option<String>,
    },
    /// Broker and client share no version of the API.
    #[error("{broker} does not support {api:?} in versions {min}-{max} that this client speaks")]
    UnsupportedVersion {
        /// The broker.
        broker: String,
        /// The API.
        api: ApiKey,
        /// Lowest version we speak.
        min: i16,
        /// Highest version we speak.
        max: i16,
    },
    /// Bytes that are not what the protocol says, or a request that cannot be written in the negotiated version.
    #[error("{api:?}: {reason}")]
    Protocol {
        /// The API.
        api: ApiKey,
        /// What was wrong.
        reason: String,
    },
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl ClientError {
    /// An error code that a broker answered with to `api` (a name that may hold topic, group or id).
    pub fn broker(api: impl Into<String>, code: impl Into<ErrorCode>, message: Option<&str>) -> ClientError {
        ClientError::Broker { api: api.into(), code: code.into(), message: message.map(str::to_owned) }
    }

    /// `what` was not done within `elapsed`.
    pub fn timeout(what: impl Into<String>, elapsed: Duration) -> ClientError {
        ClientError::Timeout { what: what.into(), elapsed_ms: elapsed.as_millis().try_into().unwrap_or(u64::MAX) }
    }

    /// A message that breaks the protocol.
    pub fn protocol(api: ApiKey, reason: impl ToString) -> ClientError {
        ClientError::Protocol { api, reason: reason.to_string() }
    }

    /// The broker's code, if it is one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            ClientError::Broker { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// What to do about it, in the terms of the code table.
    pub fn class(&self) -> Class {
        match self {
            // The broker may be gone for good: another one may lead or coordinate by now.
            ClientError::Connect { .. } | ClientError::Closed { .. } | ClientError::Timeout { .. } => {
                Class::RefreshMetadata
            }
            ClientError::Broker { code, .. } => code.class(),
            // Trying again locks accounts and cannot change a certificate.
            ClientError::Auth { .. } | ClientError::Tls { .. } => Class::Fatal,
            ClientError::UnsupportedVersion { .. } | ClientError::Protocol { .. } | ClientError::Config(_) => {
                Class::Fatal
            }
        }
    }

    /// Whether trying again, perhaps after a refresh, can help.
    pub fn is_retriable(&self) -> bool {
        !matches!(self.class(), Class::Fatal | Class::Ok)
    }
}
