//! An OAuth token endpoint on loopback: client credentials in, a token out that Kafka's unsecured validator takes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Serves until it is dropped with the runtime of the spec.
#[derive(Debug)]
pub struct TokenServer {
    url: String,
    forms: Arc<Mutex<Vec<String>>>,
}

impl TokenServer {
    /// An endpoint that gives tokens for `subject` to whoever knows id and secret, and 401 to others.
    pub async fn start(id: &str, secret: &str, subject: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap_or_else(|e| panic!("cannot listen: {e}"));
        let port = listener.local_addr().unwrap_or_else(|e| panic!("no address: {e}")).port();
        let forms = Arc::default();
        let (expected, subject, seen) =
            (STANDARD.encode(format!("{id}:{secret}")), subject.to_owned(), Arc::clone(&forms));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                // A client that goes away has its reasons.
                let _ = answer(socket, &expected, &subject, &seen).await;
            }
        });
        Self { url: format!("http://127.0.0.1:{port}/token"), forms }
    }

    /// For `sasl.oauthbearer.token.endpoint.url`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the tokens were asked for, one form for each that was given.
    pub fn forms(&self) -> Vec<String> {
        self.forms.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A token without signature for this subject, good for an hour.
pub fn unsecured_token(subject: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_else(|e| panic!("the clock: {e}")).as_secs();
    let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    format!("{}.{}.", part(json!({"alg": "none"})), part(json!({"sub": subject, "iat": now, "exp": now + 3600})))
}

async fn answer(
    mut socket: TcpStream,
    expected: &str,
    subject: &str,
    forms: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut request = Vec::new();
    let (head, form) = loop {
        if socket.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&request);
        if let Some((head, form)) = text.split_once("\r\n\r\n")
            && form.len() >= content_length(head)
        {
            break (head.to_owned(), form.to_owned());
        }
    };
    let known = head.lines().any(|line| line.ends_with(&format!("Basic {expected}")));
    let (status, body) = if known && form.starts_with("grant_type=client_credentials") {
        forms.lock().unwrap_or_else(PoisonError::into_inner).push(form);
        ("200 OK", json!({"access_token": unsecured_token(subject), "expires_in": 3600}))
    } else {
        ("401 Unauthorized", json!({"error": "invalid_client"}))
    };
    let body = body.to_string();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
    socket.write_all((head + &body).as_bytes()).await
}

fn content_length(head: &str) -> usize {
    let length =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    length.unwrap_or(0)
}
