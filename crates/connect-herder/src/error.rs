//! Why the herder refuses. No word of HTTP: `connect-rest` maps each variant to a status, in one place.

use thiserror::Error;

/// An answer other than the one that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HerderError {
    /// The thing asked for does not exist. Java: `NotFoundException`.
    #[error("{0}")]
    NotFound(String),
    /// The thing to be made exists. Java: `AlreadyExistsException`.
    #[error("{0}")]
    AlreadyExists(String),
    /// The request itself is wrong. Java: `BadRequestException`.
    #[error("{0}")]
    BadRequest(String),
    /// Not now: a rebalance is under way or expected. Java: `RebalanceNeededException`, `StaleConfigException`.
    #[error("{0}")]
    Conflict(String),
    /// Only the leader may do this. Java: `NotLeaderException`.
    #[error("only the leader can do this")]
    NotLeader {
        /// The leader's REST address with trailing slash, if known.
        leader_url: Option<String>,
    },
    /// Only the worker that runs it may do this. Java: `NotAssignedException`.
    #[error("this worker does not own it")]
    NotAssigned {
        /// The owner's REST address with trailing slash, if known.
        owner_url: Option<String>,
    },
    /// The caller may not do this.
    #[error("{0}")]
    Forbidden(String),
    /// The worker is not ready for this yet, or a cluster it needs does not answer.
    #[error("{0}")]
    Unavailable(String),
    /// The request took too long; the text names what the worker was doing.
    #[error("{0}")]
    Timeout(String),
    /// Something failed that is not the caller's doing.
    #[error("{0}")]
    Internal(String),
}
