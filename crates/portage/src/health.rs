//! `portage health`: what a container's health check asks. No HTTP client: one request, one answer, std alone.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use crate::exit;

/// Asks a worker whether it is ready; answers with the exit code.
pub(crate) fn check(url: &str, timeout: Duration) -> u8 {
    match ask(url, timeout) {
        Ok((200, body)) => {
            println!("{body}");
            exit::OK
        }
        Ok((status, body)) => {
            eprintln!("{url} answers {status}: {body}");
            exit::FAILED
        }
        Err(error) => {
            eprintln!("{url} does not answer: {error}");
            exit::FAILED
        }
    }
}

fn ask(url: &str, timeout: Duration) -> io::Result<(u16, String)> {
    let (authority, path) = parts(url)?;
    let deadline = Instant::now() + timeout;
    let mut stream = connect(&authority, deadline)?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    stream.set_write_timeout(Some(left(deadline)?))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while answer.len() < 1 << 20 {
        stream.set_read_timeout(Some(left(deadline)?))?;
        match stream.read(&mut buffer)? {
            0 => break,
            read => answer.extend_from_slice(&buffer[..read]),
        }
    }
    parse(&String::from_utf8_lossy(&answer)).ok_or_else(|| io::Error::other("the answer is no HTTP"))
}

/// `host:port` and path of an address. Without a path it is that of the health check.
fn parts(url: &str) -> io::Result<(String, String)> {
    let rest = match url.split_once("://") {
        None => url,
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
        Some((scheme, _)) => {
            return Err(io::Error::other(format!(
                "{scheme} is not supported here; give the worker an http listener on 127.0.0.1"
            )));
        }
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let with_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let authority = if with_port { authority.to_owned() } else { format!("{authority}:8083") };
    Ok((authority, if path.is_empty() { "/health".to_owned() } else { format!("/{path}") }))
}

fn connect(authority: &str, deadline: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::other("the name has no address");
    for address in authority.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, left(deadline)?) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

fn parse(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn worker(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|error| panic!("{error}"));
        let url =
            listener.local_addr().map(|address| format!("http://{address}")).unwrap_or_else(|error| panic!("{error}"));
        std::thread::spawn(move || {
            if let Ok((mut stream, _)) = listener.accept() {
                let mut buffer = [0; 1024];
                let read = stream.read(&mut buffer).unwrap_or_default();
                if buffer[..read].starts_with(b"GET /health ") {
                    let _ = stream.write_all(answer.as_bytes());
                }
            }
        });
        url
    }

    #[test]
    fn only_200_is_healthy() {
        let timeout = Duration::from_secs(10);

        assert_eq!(check(&worker("HTTP/1.1 200 OK\r\n\r\n{}"), timeout), exit::OK);
        assert_eq!(check(&worker("HTTP/1.1 503 Service Unavailable\r\n\r\n{}"), timeout), exit::FAILED);
        assert_eq!(check(&worker("nonsense"), timeout), exit::FAILED);
        assert_eq!(check("127.0.0.1:1", timeout), exit::FAILED);
        assert_eq!(check("https://127.0.0.1:1", timeout), exit::FAILED);
    }

    #[test]
    fn an_address_may_leave_out_scheme_port_and_path() {
        let parts = |url| parts(url).ok();
        let pair = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));

        assert_eq!(parts("http://w:1/health/ready"), pair("w:1", "/health/ready"));
        assert_eq!(parts("localhost"), pair("localhost:8083", "/health"));
        assert_eq!(parts("http://[::1]:9/"), pair("[::1]:9", "/health"));
    }
}
