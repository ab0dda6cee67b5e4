//! A client for the Connect REST API: HTTP/1.1 by hand, one connection a request, JSON in and out.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::Identity;

/// Connect itself gives up on a request after 90 s.
const TIMEOUT: Duration = Duration::from_secs(100);

/// A client for one address. Answers of any status are answers; only a worker that cannot be spoken to panics.
#[derive(Clone, Debug)]
pub struct Rest {
    address: String,
    headers: Vec<(String, String)>,
    tls: Option<Arc<ClientConfig>>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// As in `200`.
    pub status: u16,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body, as text.
    pub body: String,
}

impl Rest {
    /// For `host:port`.
    pub fn new(address: &str) -> Self {
        Self { address: address.to_owned(), headers: Vec::new(), tls: None }
    }

    /// `http://host:port`.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.tls.is_some() { "https" } else { "http" }, self.address)
    }

    /// Over HTTPS: who believes this authority, and shows this identity if there is one.
    #[must_use]
    pub fn https(mut self, ca: &str, identity: Option<&Identity>) -> Self {
        let tls = tls(ca, identity).unwrap_or_else(|e| panic!("no client can be made of these certificates: {e}"));
        self.tls = Some(Arc::new(tls));
        self
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// With this header in every request. A content type takes the place of JSON's; an empty one is not sent at all.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With this user and password in every request (HTTP basic).
    #[must_use]
    pub fn basic_auth(self, user: &str, password: &str) -> Self {
        let credentials = STANDARD.encode(format!("{user}:{password}"));
        self.header("Authorization", &format!("Basic {credentials}"))
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Response {
        self.send("GET", path, None).await
    }

    /// POST with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.send("POST", path, Some(&body.to_string())).await
    }

    /// PUT with a JSON body.
    pub async fn put(&self, path: &str, body: &Value) -> Response {
        self.send("PUT", path, Some(&body.to_string())).await
    }

    /// PATCH with a JSON body.
    pub async fn patch(&self, path: &str, body: &Value) -> Response {
        self.send("PATCH", path, Some(&body.to_string())).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Response {
        self.send("DELETE", path, None).await
    }

    /// Any method, any body (sent as JSON, whatever it is).
    pub async fn send(&self, method: &str, path: &str, body: Option<&str>) -> Response {
        let answer = self.try_send(method, path, body).await;
        answer.unwrap_or_else(|error| panic!("{method} {}{path}: {error}", self.url()))
    }

    /// The same for workers that may be gone.
    ///
    /// # Errors
    /// No connection, no answer in time, or none that is HTTP.
    pub async fn try_send(&self, method: &str, path: &str, body: Option<&str>) -> io::Result<Response> {
        let late = |_| Err(io::Error::other(format!("no answer within {TIMEOUT:?}")));
        tokio::time::timeout(TIMEOUT, self.exchange(method, path, body)).await.unwrap_or_else(late)
    }

    /// Creates or changes a connector; panics unless it was accepted.
    pub async fn put_connector(&self, name: &str, config: &Value) -> Response {
        let answer = self.put(&format!("/connectors/{name}/config"), config).await;
        assert!(matches!(answer.status, 200 | 201), "connector {name}: {} {}", answer.status, answer.body);
        answer
    }

    /// The states of a connector and its tasks, `Ok` when all of them are `RUNNING` and there is at least one task: for
    /// [`eventually`](crate::eventually).
    ///
    /// # Errors
    /// What `/status` said instead.
    pub async fn connector_runs(&self, name: &str) -> Result<Value, String> {
        let path = format!("/connectors/{name}/status");
        let answer = self.try_send("GET", &path, None).await.map_err(|e| e.to_string())?;
        let status: Value = serde_json::from_str(&answer.body).unwrap_or(json!(null));
        let runs = |unit: &Value| unit["state"] == "RUNNING";
        let tasks = status["tasks"].as_array().map_or(&[][..], Vec::as_slice);
        if runs(&status["connector"]) && !tasks.is_empty() && tasks.iter().all(runs) {
            return Ok(status);
        }
        Err(format!("{} {}", answer.status, answer.body))
    }

    async fn exchange(&self, method: &str, path: &str, body: Option<&str>) -> io::Result<Response> {
        let worker = TcpStream::connect(&self.address).await?;
        let Some(tls) = self.tls.clone() else { return self.talk(worker, method, path, body).await };
        let host = self.address.rsplit_once(':').map_or("", |(host, _)| host).to_owned();
        let name = ServerName::try_from(host).map_err(io::Error::other)?;
        self.talk(TlsConnector::from(tls).connect(name, worker).await?, method, path, body).await
    }

    async fn talk(
        &self,
        mut worker: impl AsyncRead + AsyncWrite + Unpin,
        method: &str,
        path: &str,
        body: Option<&str>,
    ) -> io::Result<Response> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        for (name, value) in self.headers.iter().filter(|(_, value)| !value.is_empty()) {
            request += &format!("{name}: {value}\r\n");
        }
        if let Some(body) = body {
            if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
                request += "Content-Type: application/json\r\n";
            }
            request += &format!("Content-Length: {}\r\n", body.len());
        }
        request += "\r\n";
        request += body.unwrap_or_default();
        worker.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        match worker.read_to_end(&mut answer).await {
            // TLS has a farewell of its own, which not everybody says; what HTTP wants to be there is looked at below.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && !answer.is_empty() => {}
            read => drop(read?),
        }
        parse(&answer).ok_or_else(|| io::Error::other(format!("not HTTP: {:?}", String::from_utf8_lossy(&answer))))
    }
}

impl Response {
    /// The body as JSON; panics if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("no JSON ({e}): {} {}", self.status, self.body))
    }

    /// The body as text of an answer that must be a 200.
    pub fn expect_text(self) -> String {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }

    /// The body as JSON of an answer that must have this status.
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        if self.body.is_empty() { Value::Null } else { self.json() }
    }
}

fn tls(ca: &str, identity: Option<&Identity>) -> Result<ClientConfig, Box<dyn std::error::Error>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes())?)?;
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = builder.with_root_certificates(roots);
    let Some(identity) = identity else { return Ok(builder.with_no_client_auth()) };
    let chain = CertificateDer::pem_slice_iter(identity.certificate.as_bytes()).collect::<Result<Vec<_>, _>>()?;
    Ok(builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(identity.key.as_bytes())?)?)
}

fn parse(answer: &[u8]) -> Option<Response> {
    let head_len = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..head_len]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: BTreeMap<_, _> =
        lines.filter_map(|line| line.split_once(':')).map(|(k, v)| (k.to_lowercase(), v.trim().to_owned())).collect();
    let body = &answer[head_len + 4..];
    let chunked = headers.get("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
    let body = if chunked { unchunk(body)? } else { body.to_vec() };
    Some(Response { status, headers, body: String::from_utf8_lossy(&body).into_owned() })
}

fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line_len = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = std::str::from_utf8(&rest[..line_len]).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend(rest.get(line_len + 2..line_len + 2 + size)?);
        rest = rest.get(line_len + 4 + size..)?;
    }
}
