//! `/metrics`: the worker's numbers in Prometheus' text format.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;

use crate::call::{Answer, Call};

/// `GET /metrics`, `GET /metrics?profile=native,strimzi-jmx`.
pub(crate) async fn show(call: Call) -> Answer {
    let text = call.service.metrics(call.query("profile"))?;
    let headers = [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"), (CACHE_CONTROL, "no-store")];
    Ok((headers, text).into_response())
}
