//! The listener: accepts connections, with TLS or without, and serves until told to stop.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use connect_api::source::BoxFuture;
use connect_herder::service::HerderService;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tracing::{debug, warn};

use crate::flows::{self, FlowServices};
use crate::options::RestOptions;
use crate::router::{TrimmedRouter, router};
use crate::tls::TlsSource;

/// A bound listener that is not served yet, so that its port is known before the worker is made.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<TlsSource<ServerConfig>>,
    options: RestOptions,
}

/// A server at work.
pub type Serving = BoxFuture<'static, ()>;

/// Binds a listener.
pub async fn bind(host: &str, port: u16) -> io::Result<Server> {
    let listener = TcpListener::bind((host, port)).await?;
    let address = listener.local_addr()?;
    Ok(Server { listener, address, tls: None, options: RestOptions::default() })
}

impl Server {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Speaks HTTPS, and nothing else.
    #[must_use]
    pub fn with_tls(mut self, tls: TlsSource<ServerConfig>) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Serves by these options instead of the default ones.
    #[must_use]
    pub fn with_options(mut self, options: RestOptions) -> Self {
        self.options = options;
        self
    }

    /// Serves until `stop` resolves, then lets running requests end.
    pub fn serve(self, service: Arc<dyn HerderService>, stop: impl Future<Output = ()> + Send + 'static) -> Serving {
        let router = router(service, self.options.clone(), self.scheme());
        self.serve_router(router, Box::pin(stop))
    }

    /// Serves the workers of MirrorMaker's dedicated mode to each other until `stop` resolves.
    pub fn serve_flows(self, flows: FlowServices, stop: impl Future<Output = ()> + Send + 'static) -> Serving {
        let router = flows::router(flows, &self.options, self.scheme());
        self.serve_router(router, Box::pin(stop))
    }

    fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    // The future is boxed here, so that the server is compiled in its own crate.
    fn serve_router(self, router: TrimmedRouter, mut stop: Serving) -> Serving {
        Box::pin(async move {
            let read_timeout = self.options.read_timeout;
            let graceful = GracefulShutdown::new();
            loop {
                let stream = tokio::select! {
                    () = &mut stop => break,
                    accepted = self.listener.accept() => match accepted {
                        Ok((stream, _)) => stream,
                        Err(error) => {
                            // Out of file handles, most likely: wait for some to come back instead of spinning.
                            warn!(%error, "cannot accept a REST connection");
                            tokio::time::sleep(Duration::from_millis(100)).await;
                            continue;
                        }
                    },
                };
                let connection = Connection { router: router.clone(), read_timeout, watcher: graceful.watcher() };
                let tls = self.tls.clone();
                tokio::spawn(async move {
                    match tls {
                        None => connection.serve(stream).await,
                        // The handshake waits for the client: nobody else may wait with it.
                        Some(tls) => match tokio::time::timeout(read_timeout, handshake(&tls, stream)).await {
                            Ok(Ok(stream)) => connection.serve(stream).await,
                            Ok(Err(error)) => debug!(%error, "TLS handshake failed"),
                            Err(_) => debug!("TLS handshake took too long"),
                        },
                    }
                });
            }
            if tokio::time::timeout(Duration::from_secs(5), graceful.shutdown()).await.is_err() {
                warn!("REST requests were still running at shutdown");
            }
        })
    }
}

async fn handshake(
    tls: &TlsSource<ServerConfig>,
    stream: TcpStream,
) -> io::Result<tokio_rustls::server::TlsStream<TcpStream>> {
    TlsAcceptor::from(tls.now()?).accept(stream).await
}

struct Connection {
    router: TrimmedRouter,
    read_timeout: Duration,
    watcher: Watcher,
}

impl Connection {
    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(self.read_timeout).max_buf_size(64 << 10);
        let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(self.router));
        if let Err(error) = self.watcher.watch(connection).await {
            debug!(%error, "REST connection ended");
        }
    }
}
