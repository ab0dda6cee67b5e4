//! Where TLS settings come from: asked for each connection, because certificates are renewed while a worker runs.

use std::io;
use std::sync::Arc;

/// The TLS settings of now: rustls's `ServerConfig` for listeners, its `ClientConfig` for requests to other workers.
pub struct TlsSource<C>(Arc<dyn Fn() -> io::Result<Arc<C>> + Send + Sync>);

/// For requests to other workers.
pub type ClientTls = TlsSource<tokio_rustls::rustls::ClientConfig>;

impl<C> TlsSource<C> {
    /// From whoever knows them.
    pub fn new(source: impl Fn() -> io::Result<Arc<C>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(source))
    }

    pub(crate) fn now(&self) -> io::Result<Arc<C>> {
        (self.0)()
    }
}

impl<C> Clone for TlsSource<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C> std::fmt::Debug for TlsSource<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsSource")
    }
}
