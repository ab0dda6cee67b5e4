//! One request, taken apart: what every handler gets.

use std::sync::Arc;

use axum::http::{HeaderMap, Method};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use connect_herder::command::Command;
use connect_herder::ids::ConnectorName;
use connect_herder::service::HerderService;
use connect_herder::view::{ClusterView, Stage};
use serde_json::Value as Json;

use crate::error::RestError;
use crate::forward::Forwarder;

/// The parts of a request, and what is needed to answer it.
pub(crate) struct Call {
    pub(crate) service: Arc<dyn HerderService>,
    pub(crate) forwarder: Arc<Forwarder>,
    /// What the client speaks: `http` or `https`.
    pub(crate) scheme: &'static str,
    pub(crate) method: Method,
    /// The path as sent, percent-encoded, without trailing slash.
    pub(crate) path: String,
    /// Path parameters, decoded, in order.
    pub(crate) params: Vec<String>,
    /// Query parameters, decoded, in order; a name may occur more than once.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What a handler answers with.
pub(crate) type Answer = Result<Response, RestError>;

impl Call {
    /// A path parameter. Routes and handlers agree on how many there are.
    pub(crate) fn param(&self, index: usize) -> &str {
        self.params.get(index).map_or("", String::as_str)
    }

    /// The connector named in the path.
    pub(crate) fn connector(&self) -> ConnectorName {
        ConnectorName::from(self.param(0))
    }

    /// The snapshot to answer from.
    pub(crate) fn view(&self) -> Arc<ClusterView> {
        self.service.view()
    }

    /// Waits until the worker has read its topics and is a member of its group: before that its snapshot tells of nothing.
    /// Java queues such requests, too; the herder says after 90 s what it is busy with.
    pub(crate) async fn started(&self) -> Result<(), RestError> {
        if matches!(self.view().stage, Stage::Starting(_)) {
            self.service.submit(Command::Ping).await?;
        }
        Ok(())
    }

    /// The last value of a query parameter.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A boolean query parameter. Clients in Python send `True` and `False`; anything else is false, as in Java.
    pub(crate) fn flag(&self, name: &str, default: bool) -> bool {
        self.query(name).map_or(default, |value| value.trim().eq_ignore_ascii_case("true"))
    }

    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// `200` (or another status) with compact JSON.
pub(crate) fn json(status: axum::http::StatusCode, body: &Json) -> Response {
    (status, [(axum::http::header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// A status without a body.
pub(crate) fn empty(status: axum::http::StatusCode) -> Response {
    status.into_response()
}
