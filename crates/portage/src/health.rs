//! `portage health`: what a container's health check asks. With the worker's own file it finds the worker, and speaks TLS with it as
//! the other workers of the group do.

use std::io;
use std::path::Path;
use std::time::Duration;

use connect_rest::HttpPeers;
use connect_runtime::worker_config::WorkerConfig;

use crate::exit;
use crate::rest::peer_tls;
use crate::worker::properties;

/// Where the password of `--user` is; arguments can be seen by everybody on a machine.
const PASSWORD: &str = "PORTAGE_HEALTH_PASSWORD";

/// Asks a worker whether it is ready; answers with the exit code.
pub(crate) async fn check(file: Option<&Path>, url: Option<String>, user: Option<String>, timeout: Duration) -> u8 {
    let (of_file, http) = match file.map(of_worker).transpose() {
        Ok(worker) => worker.unwrap_or_else(|| ("127.0.0.1".to_owned(), HttpPeers::default())),
        Err(error) => {
            eprintln!("the worker's configuration can't be used: {error}");
            return exit::FATAL;
        }
    };
    let password = std::env::var(PASSWORD).unwrap_or_default();
    let user = user.as_deref().map(|name| (name, password.as_str()));
    let url = address(&url.unwrap_or(of_file));
    let answer = tokio::time::timeout(timeout, http.get(&url, user)).await;
    match answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
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

/// The address of the worker that a file describes, and how it is spoken to.
fn of_worker(file: &Path) -> Result<(String, HttpPeers), String> {
    let properties = properties(Some(file), Vec::new()).map_err(|error| error.to_string())?;
    let config = WorkerConfig::from_properties(properties).map_err(|error| error.to_string())?;
    let http = peer_tls(&config)?.map_or_else(HttpPeers::default, HttpPeers::with_tls);
    Ok((config.advertised_url(), http))
}

/// A whole address; without a path it is that of the health check.
fn address(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let with_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let port = if with_port { "" } else { ":8083" };
    format!("{scheme}://{authority}{port}/{}", if path.is_empty() { "health" } else { path })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
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

    #[tokio::test]
    async fn only_200_is_healthy() {
        let check = async |url: &str| check(None, Some(url.to_owned()), None, Duration::from_secs(10)).await;

        assert_eq!(check(&worker("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")).await, exit::OK);
        let starting = worker("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\n{}");
        assert_eq!(check(&starting).await, exit::FAILED);
        assert_eq!(check(&worker("nonsense")).await, exit::FAILED);
        assert_eq!(check("127.0.0.1:1").await, exit::FAILED);
        assert_eq!(check("https://127.0.0.1:1").await, exit::FAILED);
        assert_eq!(check("ftp://127.0.0.1:1").await, exit::FAILED);
    }

    #[tokio::test]
    async fn a_file_that_is_no_worker_s_can_not_be_used() {
        let missing = Path::new("/nonexistent/worker.properties");

        assert_eq!(check(Some(missing), None, None, Duration::from_secs(1)).await, exit::FATAL);
    }

    #[test]
    fn an_address_may_leave_out_scheme_port_and_path() {
        assert_eq!(address("http://w:1/health/ready"), "http://w:1/health/ready");
        assert_eq!(address("localhost"), "http://localhost:8083/health");
        assert_eq!(address("https://[::1]:9/"), "https://[::1]:9/health");
    }
}
