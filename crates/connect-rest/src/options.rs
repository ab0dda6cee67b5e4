//! What a listener serves, to whom, and within which limits.

use std::sync::Arc;
use std::time::Duration;

use crate::guard::{BasicAuth, Cors, ResponseHeaders};
use crate::tls::ClientTls;

/// What clients may do. Limits are explicit, so that a slow or greedy one can't harm the worker.
#[derive(Debug, Clone)]
pub struct RestOptions {
    /// The largest request body, in bytes; the config topic takes no larger record anyway.
    pub body_bytes_max: usize,
    /// How long a client may take to send its header or its body, or to shake hands.
    pub read_timeout: Duration,
    /// Which part of the API.
    pub surface: Surface,
    /// For browsers, pages of which other sites may ask (`access.control.allow.*`).
    pub cors: Option<Cors>,
    /// Headers of every answer (`response.http.headers.config`).
    pub response_headers: ResponseHeaders,
    /// Who may ask; everybody without.
    pub basic_auth: Option<Arc<BasicAuth>>,
    /// For requests to workers whose address is `https`.
    pub peer_tls: Option<ClientTls>,
}

/// A part of the API (`admin.listeners`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// Everything.
    All,
    /// Everything but `/admin`.
    WithoutAdmin,
    /// `/admin` alone.
    Admin,
    /// `/metrics` and `/health` alone.
    Metrics,
}

impl Surface {
    pub(crate) fn has(self, path: &str) -> bool {
        let is_admin = path.starts_with("/admin/");
        match self {
            Surface::All => true,
            Surface::WithoutAdmin => !is_admin,
            Surface::Admin => is_admin,
            Surface::Metrics => matches!(path, "/metrics" | "/health"),
        }
    }
}

impl Default for RestOptions {
    fn default() -> Self {
        Self {
            body_bytes_max: 1 << 20,
            read_timeout: Duration::from_secs(30),
            surface: Surface::All,
            cors: None,
            response_headers: ResponseHeaders::default(),
            basic_auth: None,
            peer_tls: None,
        }
    }
}
