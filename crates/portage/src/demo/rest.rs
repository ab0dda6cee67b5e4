//! As much HTTP as the demo needs to speak to its own workers: one connection a request, JSON in and out.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Long enough for a rebalance, short enough to notice a worker that hangs.
const TIMEOUT: Duration = Duration::from_secs(15);
/// More than any answer about three connectors.
const ANSWER_BYTES_MAX: u64 = 4 << 20;

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

pub(crate) async fn get(address: &str, path: &str) -> io::Result<Answer> {
    send(address, "GET", path, "").await
}

pub(crate) async fn put(address: &str, path: &str, json: &str) -> io::Result<Answer> {
    send(address, "PUT", path, json).await
}

async fn send(address: &str, method: &str, path: &str, body: &str) -> io::Result<Answer> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
        parse(&String::from_utf8_lossy(&answer))
    };
    timeout(TIMEOUT, exchange).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Our own server sends whole bodies with their length, never chunks.
fn parse(answer: &str) -> io::Result<Answer> {
    let parts = answer.split_once("\r\n\r\n").and_then(|(head, body)| {
        let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        Some(Answer { status, body: body.to_owned() })
    });
    parts.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not an HTTP answer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_status_and_a_body() {
        let answer = parse("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").unwrap();

        assert_eq!((answer.status, answer.body.as_str()), (200, "{}"));
        assert!(parse("HTTP/1.1 200 OK\r\n").is_err());
        assert!(parse("").is_err());
    }
}
