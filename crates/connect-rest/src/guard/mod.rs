//! What stands before every route: CORS for browsers, basic auth by file, headers that every answer carries.

pub mod basic_auth;
mod cors;
mod jaas;
mod response_headers;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Method, Request, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

pub use basic_auth::{BasicAuth, BasicAuthError};
pub use cors::Cors;
pub use response_headers::{ResponseHeaders, ResponseHeadersError};

use crate::error::RestError;
use crate::options::RestOptions;

/// The guards of one listener.
pub(crate) struct Guards {
    cors: Option<Cors>,
    response_headers: ResponseHeaders,
    basic_auth: Option<Arc<BasicAuth>>,
}

impl Guards {
    pub(crate) fn new(options: &RestOptions) -> Self {
        Self {
            cors: options.cors.clone(),
            response_headers: options.response_headers.clone(),
            basic_auth: options.basic_auth.clone(),
        }
    }
}

/// Lets a request through, or answers itself.
pub(crate) async fn guard(State(guards): State<Arc<Guards>>, request: Request<Body>, next: Next) -> Response {
    let cross_origin = guards.cors.as_ref().map(|cors| cors.judge(request.method(), request.headers()));
    let mut response = if guards.lets_in(&request) { next.run(request).await } else { unauthorized() };
    if let Some(cross_origin) = cross_origin {
        cross_origin.add_to(response.headers_mut());
    }
    guards.response_headers.add_to(response.headers_mut(), chrono::Utc::now());
    response
}

impl Guards {
    /// Requests of other workers bring a signature instead of a password, and it is checked later.
    fn lets_in(&self, request: &Request<Body>) -> bool {
        let Some(basic_auth) = &self.basic_auth else { return true };
        is_internal(request.method(), request.uri().path()) || basic_auth.accepts(request.headers())
    }
}

/// `POST connectors/{c}/tasks` and `PUT connectors/{c}/fence`: what Java exempts, too.
fn is_internal(method: &Method, path: &str) -> bool {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let last = if *method == Method::POST {
        "tasks"
    } else if *method == Method::PUT {
        "fence"
    } else {
        return false;
    };
    matches!(parts[..], ["connectors", _, what] if what == last)
}

fn unauthorized() -> Response {
    let mut response = RestError::new(StatusCode::UNAUTHORIZED, "User cannot access the resource.").into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_two_signed_calls_are_exempt() {
        assert!(is_internal(&Method::POST, "/connectors/a%2Fb/tasks"));
        assert!(is_internal(&Method::PUT, "/connectors/x/fence/"));
        for (method, path) in [
            (Method::GET, "/connectors/x/tasks"),
            (Method::PUT, "/connectors/x/tasks"),
            (Method::POST, "/connectors/x/fence"),
            (Method::POST, "/connectors/x/tasks/0/restart"),
            (Method::POST, "/connectors/tasks"),
            (Method::POST, "/admin/connectors/x/tasks"),
        ] {
            assert!(!is_internal(&method, path), "{method} {path}");
        }
    }
}
