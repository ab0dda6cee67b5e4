//! An OAuth token endpoint: one POST with client credentials (RFC 6749, 4.4), one JSON answer.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Exchange;
use crate::config::Secret;
use crate::connection::ByteStream;
use crate::error::ClientError;
use crate::tls::Tls;

/// The whole exchange; Java waits 10 s to connect and 10 s to read.
const PATIENCE: Duration = Duration::from_secs(20);
/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Why there is no token.
#[derive(Debug)]
pub(super) enum TokenError {
    /// It may be there later.
    Unavailable(String),
    /// We will not get one with these credentials.
    Refused(String),
}

impl TokenError {
    pub(super) fn into_client_error(self, exchange: &Exchange<'_>) -> ClientError {
        match self {
            TokenError::Refused(reason) => exchange.refused(reason),
            TokenError::Unavailable(reason) => ClientError::Connect { broker: exchange.connection.name(), reason },
        }
    }
}

/// `sasl.oauthbearer.token.endpoint.url`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Url {
    File(PathBuf),
    Http(HttpUrl),
}

/// An `http` or `https` URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HttpUrl {
    tls: bool,
    host: String,
    port: u16,
    path: String,
}

impl Url {
    pub(super) fn parse(text: &str) -> Result<Url, &'static str> {
        if let Some(path) = text.strip_prefix("file://") {
            return if path.starts_with('/') {
                Ok(Url::File(path.into()))
            } else {
                Err("a file URL needs a full path")
            };
        }
        let (tls, rest) = match text.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => return Err("must be an http, https or file URL"),
        };
        let (authority, path) = rest.find(['/', '?']).map_or((rest, ""), |at| rest.split_at(at));
        let bad_path = |c: char| c.is_ascii_control() || c == ' ' || c == '#' || !c.is_ascii();
        if authority.contains('@') || path.chars().any(bad_path) {
            return Err("a URL with user, fragment or unescaped characters is not accepted");
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().map_err(|_| "the port is no number")?),
            _ => (authority, if tls { 443 } else { 80 }),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if bare.is_empty() || bare.contains(bad_path) {
            return Err("the URL names no host");
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Url::Http(HttpUrl { tls, host: bare.to_owned(), port, path }))
    }
}

/// Where tokens are given out, and to whom.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) url: HttpUrl,
    /// The client's id and secret, for the header of the request.
    pub(super) basic: Option<(String, Secret)>,
    /// Fields of the request.
    pub(super) form: Vec<(&'static str, Given)>,
    /// `sasl.oauthbearer.header.urlencode`.
    pub(super) urlencode: bool,
    /// Other than that of the connections to brokers.
    pub(super) tls: Option<Tls>,
    /// A token is asked for anew after this time at the latest.
    pub(super) lifetime_max: Option<Duration>,
}

/// The text of a field.
#[derive(Debug)]
pub(super) enum Given {
    /// As it is.
    Text(Secret),
    /// What a file holds when a token is asked for.
    File(PathBuf),
}

impl From<Secret> for Given {
    fn from(text: Secret) -> Self {
        Given::Text(text)
    }
}

impl From<&str> for Given {
    fn from(text: &str) -> Self {
        Given::Text(Secret::new(text))
    }
}

/// A token, and for how long.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) token: Secret,
    pub(super) expires_in: Option<Duration>,
}

impl Endpoint {
    pub(super) async fn fetch(&self, tls: &Tls) -> Result<Fresh, TokenError> {
        let unavailable = |reason: String| {
            TokenError::Unavailable(format!("token endpoint {}:{}: {reason}", self.url.host, self.url.port))
        };
        let answer = timeout(PATIENCE, self.post(tls)).await.map_err(|_| unavailable("no answer".to_owned()))?;
        let (status, body) = answer.map_err(|error| unavailable(error.to_string()))?;
        match status {
            200..=299 => parse(&body).ok_or_else(|| unavailable("the answer holds no access_token".to_owned())),
            // What a server says to wrong credentials may quote them: only the registered fields are repeated.
            400..=499 if status != 429 => Err(TokenError::Refused(format!(
                "the token endpoint {}:{} answered {status}{}",
                self.url.host,
                self.url.port,
                error_text(&body)
            ))),
            _ => Err(unavailable(format!("answered {status}{}", error_text(&body)))),
        }
    }

    async fn post(&self, tls: &Tls) -> Result<(u16, Bytes), Box<dyn std::error::Error + Send + Sync>> {
        let socket = TcpStream::connect((self.url.host.as_str(), self.url.port)).await?;
        let socket: Box<dyn ByteStream> = if self.url.tls {
            Box::new(self.tls.as_ref().unwrap_or(tls).connect(&self.url.host, socket).await?)
        } else {
            Box::new(socket)
        };
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await?;
        let driver = tokio::spawn(connection);
        let mut request = hyper::Request::post(&self.url.path)
            .header(HOST, format!("{}:{}", self.url.host, self.url.port))
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(self.form().await?)))?;
        if let Some((id, secret)) = &self.basic {
            request.headers_mut().insert(AUTHORIZATION, self.authorization(id, secret).parse()?);
        }
        let answer = async {
            let response = sender.send_request(request).await?;
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await?.to_bytes();
            Ok((status, body))
        }
        .await;
        driver.abort();
        answer
    }

    fn authorization(&self, id: &str, secret: &Secret) -> String {
        let part = |text: &str| if self.urlencode { urlencode(text) } else { text.to_owned() };
        let pair = format!("{}:{}", part(id), part(secret.expose()));
        format!("Basic {}", BASE64.encode(pair))
    }

    async fn form(&self) -> std::io::Result<String> {
        let mut form = String::new();
        for (name, given) in &self.form {
            let text = match given {
                Given::Text(text) => urlencode(text.expose()),
                Given::File(path) => urlencode(tokio::fs::read_to_string(path).await?.trim()),
            };
            if !form.is_empty() {
                form.push('&');
            }
            form.push_str(&format!("{name}={text}"));
        }
        Ok(form)
    }
}

fn parse(body: &[u8]) -> Option<Fresh> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    // Java falls back to id_token as well.
    let token = answer.get("access_token").or_else(|| answer.get("id_token"))?.as_str()?;
    let expires_in = answer.get("expires_in").and_then(Value::as_u64).map(Duration::from_secs);
    Some(Fresh { token: Secret::new(token), expires_in })
}

fn error_text(body: &[u8]) -> String {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let field = |name: &str| answer.get(name).and_then(Value::as_str).map(|text| text.chars().take(200).collect());
    let words: Vec<String> = ["error", "error_description"].into_iter().filter_map(field).collect();
    if words.is_empty() { String::new() } else { format!(": {}", words.join(", ")) }
}

/// `application/x-www-form-urlencoded`.
fn urlencode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => out.push(byte as char),
            b' ' => out.push('+'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn urls_are_taken_apart_and_strange_ones_refused() {
        let http = |tls, host: &str, port, path: &str| {
            Ok(Url::Http(HttpUrl { tls, host: host.to_owned(), port, path: path.to_owned() }))
        };
        assert_eq!(Url::parse("https://idp.example/a/b?c=d"), http(true, "idp.example", 443, "/a/b?c=d"));
        assert_eq!(Url::parse("http://idp.example:8080"), http(false, "idp.example", 8080, "/"));
        assert_eq!(Url::parse("http://[::1]:81/t"), http(false, "::1", 81, "/t"));
        assert_eq!(Url::parse("file:///run/token"), Ok(Url::File("/run/token".into())));
        for bad in [
            "",
            "idp",
            "ftp://x/",
            "http://",
            "http://u:p@x/",
            "http://x/a b",
            "http://x/#f",
            "http://x:y/",
            "file://x",
        ] {
            assert!(Url::parse(bad).is_err(), "{bad}");
        }
    }

    async fn answered(answer: &'static str) -> (Result<Fresh, TokenError>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = HttpUrl {
            tls: false,
            host: "127.0.0.1".to_owned(),
            port: listener.local_addr().unwrap().port(),
            path: "/token".to_owned(),
        };
        let endpoint = Endpoint {
            url,
            basic: Some(("id".to_owned(), Secret::new("s3cret"))),
            form: vec![("grant_type", "client_credentials".into()), ("scope", "a b".into())],
            urlencode: false,
            tls: None,
            lifetime_max: None,
        };
        let server = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"scope=a+b") {
                assert_ne!(socket.read_buf(&mut request).await.unwrap(), 0);
            }
            socket.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(request).unwrap()
        });
        let result = endpoint.fetch(&Tls::for_tests()).await;
        (result, server.await.unwrap())
    }

    #[tokio::test]
    async fn a_token_is_asked_for_with_client_credentials() {
        let (fresh, request) =
            answered("HTTP/1.1 200 OK\r\nContent-Length: 39\r\n\r\n{\"access_token\":\"t.o.k\",\"expires_in\":9}")
                .await;

        let request = request.to_ascii_lowercase();
        assert!(request.starts_with("post /token http/1.1\r\n"), "{request}");
        assert!(request.contains("authorization: basic awq6cznjcmv0\r\n"), "{request}");
        assert!(request.ends_with("grant_type=client_credentials&scope=a+b"), "{request}");
        let fresh = fresh.unwrap();
        assert_eq!(fresh.token.expose(), "t.o.k");
        assert_eq!(fresh.expires_in, Some(Duration::from_secs(9)));
    }

    #[tokio::test]
    async fn a_refusal_is_final_and_a_server_in_trouble_is_not() {
        let refused = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 26\r\n\r\n{\"error\":\"invalid_client\"}";
        let trouble = "HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n";

        let (refused, _) = answered(refused).await;
        let (trouble, _) = answered(trouble).await;

        assert!(matches!(refused, Err(TokenError::Refused(reason)) if reason.ends_with("401: invalid_client")));
        assert!(matches!(trouble, Err(TokenError::Unavailable(reason)) if reason.ends_with("503")));
    }
}
