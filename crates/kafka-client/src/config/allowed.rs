//! Which OAuth URLs the clients of this process may use: none but those that whoever runs it has allowed (Java: the system
//! property `org.apache.kafka.sasl.oauthbearer.allowed.urls`).
//!
//! A list of the process and not of a client: a configuration that could bring its own would make the process read any file
//! and call any host for whoever may write configurations (CVE-2025-27817).

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

static ALLOWED: RwLock<BTreeSet<String>> = RwLock::new(BTreeSet::new());

/// Allows these `sasl.oauthbearer.token.endpoint.url`, spelled as there, to all clients of this process, from now on.
pub fn allow_oauth_urls(urls: impl IntoIterator<Item = String>) {
    // A panic while holding the lock can't leave the set half changed.
    ALLOWED.write().unwrap_or_else(PoisonError::into_inner).extend(urls);
}

pub(crate) fn is_oauth_url_allowed(url: &str) -> bool {
    ALLOWED.read().unwrap_or_else(PoisonError::into_inner).contains(url)
}
