//! Refusals as HTTP: the one place where a [`HerderError`] becomes a status.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use connect_herder::error::HerderError;
use serde_json::json;

/// A status and the sentence for people, as `{"error_code":…,"message":…}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestError {
    /// The status, which is also the `error_code`.
    pub status: StatusCode,
    /// The sentence.
    pub message: String,
}

impl RestError {
    /// An error of a status.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 404.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// An error whose message is the status itself, as Java words it: `HTTP 404 Not Found`.
    pub fn plain(status: StatusCode) -> Self {
        Self::new(status, format!("HTTP {} {}", status.as_u16(), status.canonical_reason().unwrap_or_default()))
    }
}

impl From<HerderError> for RestError {
    fn from(error: HerderError) -> Self {
        match error {
            HerderError::NotFound(message) => Self::new(StatusCode::NOT_FOUND, message),
            HerderError::AlreadyExists(message) | HerderError::Conflict(message) => {
                Self::new(StatusCode::CONFLICT, message)
            }
            HerderError::BadRequest(message) => Self::new(StatusCode::BAD_REQUEST, message),
            HerderError::Forbidden(message) => Self::new(StatusCode::FORBIDDEN, message),
            HerderError::Unavailable(message) => Self::new(StatusCode::SERVICE_UNAVAILABLE, message),
            HerderError::Timeout(message) | HerderError::Internal(message) => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
            }
            // Reached only when the request must not be forwarded any further.
            HerderError::NotLeader { .. } | HerderError::NotAssigned { .. } => {
                Self::new(StatusCode::CONFLICT, CONFLICTING_OPERATION)
            }
        }
    }
}

/// Java's sentence for a request that has been forwarded twice.
pub(crate) const CONFLICTING_OPERATION: &str =
    "Cannot complete request because of a conflicting operation (e.g. worker rebalance)";

impl IntoResponse for RestError {
    fn into_response(self) -> Response {
        let body = json!({"error_code": self.status.as_u16(), "message": self.message}).to_string();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
