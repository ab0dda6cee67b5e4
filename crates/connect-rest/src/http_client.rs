//! One HTTP/1.1 request to another worker over a connection of its own, as Java makes them: there are few, and a kept
//! connection to a worker that has gone is worse than a new one.

use std::io;
use std::time::Duration;

use axum::http::{HeaderValue, Request, Response, Uri, header};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::tls::ClientTls;

/// How long a connection, its handshake included, may take.
const CONNECT: Duration = Duration::from_secs(5);

/// Asks. The body of the answer is read by the caller, who bounds it.
pub(crate) async fn send(mut request: Request<Full<Bytes>>, tls: Option<&ClientTls>) -> io::Result<Response<Incoming>> {
    let target = request.uri().clone();
    let authority = target.authority().ok_or_else(|| io::Error::other("the address names no host"))?;
    let host = HeaderValue::from_str(authority.as_str()).map_err(io::Error::other)?;
    request.headers_mut().insert(header::HOST, host);
    // What a server is asked for is the path alone.
    *request.uri_mut() = target.path_and_query().map_or_else(|| Uri::from_static("/"), |path| path.clone().into());
    let connecting = tokio::time::timeout(CONNECT, connect(&target, tls));
    let stream = connecting.await.map_err(|_| io::Error::other(format!("no connection in {CONNECT:?}")))??;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(connection);
    sender.send_request(request).await.map_err(io::Error::other)
}

/// What bytes go over.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

async fn connect(target: &Uri, tls: Option<&ClientTls>) -> io::Result<Box<dyn Stream>> {
    let is_https = target.scheme_str() == Some("https");
    let host = target.host().unwrap_or_default().trim_matches(['[', ']']);
    let port = target.port_u16().unwrap_or(if is_https { 443 } else { 80 });
    let stream = TcpStream::connect((host, port)).await?;
    if !is_https {
        return Ok(Box::new(stream));
    }
    let tls = tls.ok_or_else(|| {
        io::Error::other("that worker speaks https and this one has no ssl.* settings; give all workers the same")
    })?;
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    Ok(Box::new(TlsConnector::from(tls.now()?).connect(name, stream).await?))
}
