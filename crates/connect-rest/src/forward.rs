//! Requests that another worker must answer: hop to it, and the signed calls between workers (KIP-507).

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use connect_herder::command::Command;
use connect_herder::error::HerderError;
use connect_herder::service::SignatureError;
use http_body_util::{BodyExt, Full, Limited};
use serde_json::Value as Json;

use crate::call::Call;
use crate::connectors::Answered;
use crate::error::{CONFLICTING_OPERATION, RestError};
use crate::http_client;
use crate::tls::ClientTls;

const NO_LEADER_URL: &str = "Cannot complete request momentarily due to no known leader URL, likely because a rebalance was \
                             underway.";
const SIGNATURE_HEADER: &str = "x-connect-authorization";
const ALGORITHM_HEADER: &str = "x-connect-request-signature-algorithm";
/// Java's constant for requests between workers, too.
const HOP_TIMEOUT: Duration = Duration::from_secs(90);
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// A client for other workers.
#[derive(Default)]
pub(crate) struct Forwarder {
    tls: Option<ClientTls>,
}

impl Forwarder {
    pub(crate) fn new(tls: Option<ClientTls>) -> Self {
        Self { tls }
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, HeaderMap, Bytes), RestError> {
        let target = request.uri().clone();
        let unreachable = |error: &dyn std::fmt::Display| {
            RestError::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                format!("IO Error trying to forward REST request to {target}: {error}"),
            )
        };
        let exchange = async {
            let response = http_client::send(request, self.tls.as_ref()).await.map_err(|error| unreachable(&error))?;
            let (parts, body) = response.into_parts();
            let body =
                Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| unreachable(&error))?.to_bytes();
            Ok((parts.status, parts.headers, body))
        };
        tokio::time::timeout(HOP_TIMEOUT, exchange).await.unwrap_or_else(|_| Err(unreachable(&"no answer in 90 s")))
    }
}

impl Call {
    /// Hands a command to the herder; if another worker must do it, asks that one and passes its answer on.
    pub(crate) async fn submit_or_forward(&self, command: Command) -> Result<Answered, RestError> {
        match self.service.submit(command).await {
            Ok(reply) => Ok(Answered::Here(reply)),
            Err(HerderError::NotLeader { leader_url: url } | HerderError::NotAssigned { owner_url: url }) => {
                self.forward(url).await.map(Answered::Elsewhere)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn forward(&self, url: Option<String>) -> Result<Response, RestError> {
        let next_forward = match self.query("forward") {
            None => "true",
            Some(value) if value.eq_ignore_ascii_case("true") => "false",
            Some(_) => return Err(RestError::new(StatusCode::CONFLICT, CONFLICTING_OPERATION)),
        };
        let url = url.ok_or_else(|| RestError::new(StatusCode::CONFLICT, NO_LEADER_URL))?;
        let uri = self.hop_uri(&url, next_forward)?;
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static("kafka-connect"));
        if !self.body.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for name in ["authorization", SIGNATURE_HEADER, ALGORITHM_HEADER] {
            if let Some(value) = self.headers.get(name) {
                headers.insert(name, value.clone());
            }
        }
        let (status, headers, body) = self.forwarder.send(request).await?;
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        for name in [header::CONTENT_TYPE, header::LOCATION, header::RETRY_AFTER] {
            if let Some(value) = headers.get(&name) {
                response.headers_mut().insert(name, value.clone());
            }
        }
        Ok(response)
    }

    fn hop_uri(&self, url: &str, next_forward: &str) -> Result<Uri, RestError> {
        let mut query = format!("forward={next_forward}");
        for name in ["includeTasks", "onlyFailed", "scope"] {
            if let Some(value) = self.query(name) {
                query.push_str(&format!("&{name}={}", encode_segment(value)));
            }
        }
        format!("{}{}?{query}", url.trim_end_matches('/'), self.path).parse().map_err(|error| {
            RestError::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the worker at {url} has a bad address: {error}"))
        })
    }

    /// Checks that a request comes from another worker of the group.
    pub(crate) fn verify_signature(&self) -> Result<(), RestError> {
        let checked =
            self.service.verify_signature(&self.body, self.header(SIGNATURE_HEADER), self.header(ALGORITHM_HEADER));
        checked.map_err(|error| match error {
            SignatureError::Malformed(message) => RestError::bad_request(message),
            SignatureError::Invalid => {
                RestError::new(StatusCode::FORBIDDEN, "Internal request contained invalid signature.")
            }
            SignatureError::NotReady => RestError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "This worker is still starting up and has not been able to read a session key from the config topic yet",
            ),
        })
    }
}

/// Calls that workers make of each other on their own account.
#[derive(Default)]
pub struct HttpPeers {
    forwarder: Forwarder,
}

impl HttpPeers {
    /// For a group whose workers speak HTTPS with each other.
    #[must_use]
    pub fn with_tls(tls: ClientTls) -> Self {
        Self { forwarder: Forwarder::new(Some(tls)) }
    }

    /// `POST connectors/{connector}/tasks` at another worker: task configs for the leader, as a JSON array.
    ///
    /// Anything but a 2xx is an error with the other worker's own words. `signature` is the MAC over the body, base64, and
    /// its algorithm.
    pub async fn put_task_configs(
        &self,
        worker_url: &str,
        connector: &str,
        body: Bytes,
        signature: Option<(&str, &str)>,
    ) -> Result<(), HerderError> {
        self.send_signed(Method::POST, worker_url, connector, "tasks", body, signature).await
    }

    /// `PUT connectors/{connector}/fence` at another worker (KIP-618). Errors as above.
    pub async fn fence(
        &self,
        worker_url: &str,
        connector: &str,
        body: Bytes,
        signature: Option<(&str, &str)>,
    ) -> Result<(), HerderError> {
        self.send_signed(Method::PUT, worker_url, connector, "fence", body, signature).await
    }

    /// `GET url`, as this user if there is one: status and body.
    ///
    /// # Errors
    /// No answer, or none that is HTTP.
    pub async fn get(&self, url: &str, user: Option<(&str, &str)>) -> std::io::Result<(u16, String)> {
        let mut request = Request::new(Full::default());
        *request.uri_mut() = url.parse().map_err(std::io::Error::other)?;
        if let Some((name, password)) = user {
            let credentials = STANDARD.encode(format!("{name}:{password}"));
            let value = HeaderValue::from_str(&format!("Basic {credentials}")).map_err(std::io::Error::other)?;
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        let response = http_client::send(request, self.forwarder.tls.as_ref()).await?;
        let status = response.status().as_u16();
        let body =
            Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await.map_err(std::io::Error::other)?;
        Ok((status, String::from_utf8_lossy(&body.to_bytes()).trim().to_owned()))
    }

    async fn send_signed(
        &self,
        method: Method,
        worker_url: &str,
        connector: &str,
        what: &str,
        body: Bytes,
        signature: Option<(&str, &str)>,
    ) -> Result<(), HerderError> {
        let (base, connector) = (worker_url.trim_end_matches('/'), encode_segment(connector));
        let uri: Uri = format!("{base}/connectors/{connector}/{what}")
            .parse()
            .map_err(|error| HerderError::Internal(format!("the worker at {worker_url} has a bad address: {error}")))?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static("kafka-connect"));
        if let Some((signature, algorithm)) = signature {
            for (name, value) in [(SIGNATURE_HEADER, signature), (ALGORITHM_HEADER, algorithm)] {
                let value = HeaderValue::from_str(value).map_err(|error| HerderError::Internal(error.to_string()))?;
                headers.insert(name, value);
            }
        }
        let (status, _, body) =
            self.forwarder.send(request).await.map_err(|error| HerderError::Unavailable(error.message))?;
        if status.is_success() {
            return Ok(());
        }
        let message = serde_json::from_slice::<Json>(&body)
            .ok()
            .and_then(|body| body.get("message").and_then(Json::as_str).map(str::to_owned))
            .unwrap_or_else(|| RestError::plain(status).message);
        Err(match status {
            StatusCode::NOT_FOUND => HerderError::NotFound(message),
            StatusCode::FORBIDDEN => HerderError::Forbidden(message),
            StatusCode::CONFLICT => HerderError::Conflict(message),
            status if status.is_client_error() => HerderError::BadRequest(message),
            _ => HerderError::Unavailable(message),
        })
    }
}

/// Percent-encodes one segment of a path, or one value of a query.
pub(crate) fn encode_segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
