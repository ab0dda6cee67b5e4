//! Kafka's client configuration, with Kafka's names, defaults and meanings.
//!
//! [`ClientConfig::parse`] takes any string map. What concerns connections, security and retries is
//! typed here; the keys of producers and consumers are known (so they are not reported as mistakes)
//! and left to the layers above, through [`ClientConfig::get`].

mod allowed;
mod keys;
mod secret;
pub(crate) mod security;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

pub use allowed::allow_oauth_urls;
pub(crate) use allowed::is_oauth_url_allowed;
pub use keys::{KNOWN as KNOWN_KEYS, is_secret};
pub use secret::Secret;
use security::Security;

/// Configuration as Kafka's users write it.
pub type Properties = BTreeMap<String, String>;

/// A configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// A required key is absent.
    #[error("missing required configuration \"{0}\" which has no default value")]
    Missing(&'static str),
    /// A value that cannot be read. The value of a secret key is not repeated.
    #[error("invalid value {value} for configuration {key}: {reason}")]
    Invalid {
        /// The key.
        key: String,
        /// The value, or `[hidden]`.
        value: String,
        /// What is expected, and what to do.
        reason: String,
    },
}

impl ConfigError {
    pub(crate) fn invalid(key: &str, value: &str, reason: impl Into<String>) -> ConfigError {
        ConfigError::Invalid { key: key.to_owned(), value: value.to_owned(), reason: reason.into() }
    }
}

/// A key that no Kafka client knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownKey {
    /// The key.
    pub key: String,
    /// What was probably meant.
    pub did_you_mean: Option<&'static str>,
}

/// Kafka's client keys, typed. Cheap to clone. `Debug` hides secrets.
#[derive(Clone)]
pub struct ClientConfig {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    raw: Properties,
    unknown: Vec<UnknownKey>,
    client_id: String,
    bootstrap: Vec<(String, u16)>,
    request_timeout: Duration,
    api_timeout: Duration,
    retry_backoff: Duration,
    retry_backoff_max: Duration,
    reconnect_backoff: Duration,
    reconnect_backoff_max: Duration,
    setup_timeout: Duration,
    setup_timeout_max: Duration,
    metadata_max_age: Duration,
    connections_max_idle: Option<Duration>,
    send_buffer_bytes: Option<u32>,
    receive_buffer_bytes: Option<u32>,
    rebootstrap: bool,
    security: Security,
}

impl ClientConfig {
    /// Reads `props`. Keys nobody knows are collected, not refused: see [`ClientConfig::unknown_keys`].
    ///
    /// # Errors
    /// The first key whose value is missing or cannot be read.
    pub fn parse(props: &Properties) -> Result<ClientConfig, ConfigError> {
        let reader = Reader(props);
        // All addresses of a name are tried either way. The second way also asks for a server's canonical
        // name, which only Kerberos needs.
        let lookups = [("use_all_dns_ips", ()), ("resolve_canonical_bootstrap_servers_only", ())];
        reader.choice("client.dns.lookup", &lookups)?;
        let inner = Inner {
            unknown: props
                .keys()
                .filter(|key| !keys::is_known(key))
                .map(|key| UnknownKey { key: key.clone(), did_you_mean: keys::did_you_mean(key) })
                .collect(),
            client_id: reader.text("client.id").unwrap_or_default().to_owned(),
            bootstrap: bootstrap_servers(reader.required("bootstrap.servers")?)?,
            request_timeout: reader.millis("request.timeout.ms", 30_000)?,
            api_timeout: reader.millis("default.api.timeout.ms", 60_000)?,
            retry_backoff: reader.millis("retry.backoff.ms", 100)?,
            retry_backoff_max: reader.millis("retry.backoff.max.ms", 1_000)?,
            reconnect_backoff: reader.millis("reconnect.backoff.ms", 50)?,
            reconnect_backoff_max: reader.millis("reconnect.backoff.max.ms", 1_000)?,
            setup_timeout: reader.millis("socket.connection.setup.timeout.ms", 10_000)?,
            setup_timeout_max: reader.millis("socket.connection.setup.timeout.max.ms", 30_000)?,
            metadata_max_age: reader.millis("metadata.max.age.ms", 300_000)?,
            connections_max_idle: reader.optional_millis("connections.max.idle.ms", 540_000)?,
            send_buffer_bytes: reader.buffer_bytes("send.buffer.bytes")?,
            receive_buffer_bytes: reader.buffer_bytes("receive.buffer.bytes")?,
            rebootstrap: reader.choice("metadata.recovery.strategy", &[("rebootstrap", true), ("none", false)])?,
            security: Security::parse(props)?,
            raw: props.clone(),
        };
        Ok(ClientConfig { inner: Arc::new(inner) })
    }

    /// Keys that no Kafka client knows, with what was probably meant.
    pub fn unknown_keys(&self) -> &[UnknownKey] {
        &self.inner.unknown
    }

    /// The value of `key` as it was written. It may be a secret.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.inner.raw.get(key).map(|value| value.trim())
    }

    /// `client.id`, empty by default.
    pub fn client_id(&self) -> &str {
        &self.inner.client_id
    }

    /// The same configuration under another `client.id`.
    #[must_use]
    pub fn with_client_id(mut self, client_id: impl Into<String>) -> ClientConfig {
        let client_id = client_id.into();
        let inner = Arc::make_mut(&mut self.inner);
        inner.raw.insert("client.id".to_owned(), client_id.clone());
        inner.client_id = client_id;
        self
    }

    /// `bootstrap.servers`, as host and port.
    pub fn bootstrap_servers(&self) -> &[(String, u16)] {
        &self.inner.bootstrap
    }

    /// `request.timeout.ms` (30 s): how long one request may go unanswered.
    pub fn request_timeout(&self) -> Duration {
        self.inner.request_timeout
    }

    /// `default.api.timeout.ms` (60 s): how long a call that may take several requests lasts at most.
    pub fn api_timeout(&self) -> Duration {
        self.inner.api_timeout
    }

    /// `retry.backoff.ms` (100): the first pause before asking again.
    pub fn retry_backoff(&self) -> Duration {
        self.inner.retry_backoff
    }

    /// `retry.backoff.max.ms` (1 s): the longest pause before asking again.
    pub fn retry_backoff_max(&self) -> Duration {
        self.inner.retry_backoff_max
    }

    /// `reconnect.backoff.ms` (50): the first pause before connecting to a broker again.
    pub fn reconnect_backoff(&self) -> Duration {
        self.inner.reconnect_backoff
    }

    /// `reconnect.backoff.max.ms` (1 s).
    pub fn reconnect_backoff_max(&self) -> Duration {
        self.inner.reconnect_backoff_max
    }

    /// `socket.connection.setup.timeout.ms` (10 s): TCP, TLS, version negotiation and SASL together;
    /// doubled with every failure up to [`ClientConfig::setup_timeout_max`].
    pub fn setup_timeout(&self) -> Duration {
        self.inner.setup_timeout
    }

    /// `socket.connection.setup.timeout.max.ms` (30 s).
    pub fn setup_timeout_max(&self) -> Duration {
        self.inner.setup_timeout_max
    }

    /// `metadata.max.age.ms` (5 min).
    pub fn metadata_max_age(&self) -> Duration {
        self.inner.metadata_max_age
    }

    /// `connections.max.idle.ms` (9 min); `None` for a negative value, which means never.
    pub fn connections_max_idle(&self) -> Option<Duration> {
        self.inner.connections_max_idle
    }

    /// `send.buffer.bytes`; `None` (and -1) leaves it to the system.
    pub fn send_buffer_bytes(&self) -> Option<u32> {
        self.inner.send_buffer_bytes
    }

    /// `receive.buffer.bytes`; `None` (and -1) leaves it to the system.
    pub fn receive_buffer_bytes(&self) -> Option<u32> {
        self.inner.receive_buffer_bytes
    }

    pub(crate) fn security(&self) -> &Security {
        &self.inner.security
    }

    /// `metadata.recovery.strategy` is `rebootstrap` (KIP-899): when no known broker answers, start
    /// again from `bootstrap.servers`.
    pub fn rebootstrap(&self) -> bool {
        self.inner.rebootstrap
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (key, value) in &self.inner.raw {
            // An unknown key may be a secret with a typing mistake in its name.
            let shown = if is_secret(key) || !keys::is_known(key) { "[hidden]" } else { value };
            map.entry(key, &shown);
        }
        map.finish()
    }
}

/// Reads single values; an empty value counts as absent, as it does for Kafka's optional strings.
pub(crate) struct Reader<'a>(pub(crate) &'a Properties);

impl<'a> Reader<'a> {
    pub(crate) fn text(&self, key: &str) -> Option<&'a str> {
        self.0.get(key).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    pub(crate) fn required(&self, key: &'static str) -> Result<&'a str, ConfigError> {
        self.text(key).ok_or(ConfigError::Missing(key))
    }

    pub(crate) fn number(&self, key: &str, default: i64) -> Result<i64, ConfigError> {
        match self.text(key) {
            None => Ok(default),
            Some(value) => value.parse().map_err(|_| ConfigError::invalid(key, value, "must be a whole number")),
        }
    }

    /// A comma-separated list; absent is empty.
    pub(crate) fn list(&self, key: &str) -> Vec<String> {
        let items = self.text(key).into_iter().flat_map(|list| list.split(','));
        items.map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }

    fn millis(&self, key: &str, default: i64) -> Result<Duration, ConfigError> {
        let value = self.number(key, default)?;
        u64::try_from(value)
            .map(Duration::from_millis)
            .map_err(|_| ConfigError::invalid(key, &value.to_string(), "must be at least 0"))
    }

    fn optional_millis(&self, key: &str, default: i64) -> Result<Option<Duration>, ConfigError> {
        Ok(u64::try_from(self.number(key, default)?).ok().map(Duration::from_millis))
    }

    fn buffer_bytes(&self, key: &str) -> Result<Option<u32>, ConfigError> {
        match self.number(key, -1)? {
            -1 => Ok(None),
            value => u32::try_from(value)
                .map(Some)
                .map_err(|_| ConfigError::invalid(key, &value.to_string(), "must be -1 (system default) or a size")),
        }
    }

    /// One of a few words, in any case; the first is the default.
    pub(crate) fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Result<T, ConfigError> {
        let value = self.text(key).unwrap_or(choices[0].0);
        choices.iter().find(|(word, _)| word.eq_ignore_ascii_case(value)).map(|(_, choice)| *choice).ok_or_else(|| {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            ConfigError::invalid(key, value, format!("must be one of {}", words.join(", ")))
        })
    }
}

/// `host:port,host:port`; IPv6 addresses stand in brackets.
fn bootstrap_servers(list: &str) -> Result<Vec<(String, u16)>, ConfigError> {
    let invalid = |server: &str| {
        ConfigError::invalid("bootstrap.servers", server, "must be host:port, with IPv6 addresses in brackets")
    };
    let servers: Vec<(String, u16)> = list
        .split(',')
        .map(str::trim)
        .filter(|server| !server.is_empty())
        .map(|server| {
            // Kafka allows a protocol name in front: PLAINTEXT://host:port.
            let address = server.split_once("://").map_or(server, |(_, rest)| rest);
            let (host, port) = address.rsplit_once(':').ok_or_else(|| invalid(server))?;
            let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
            let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(|| invalid(server))?;
            if host.is_empty() || (host.contains(':') && !address.starts_with('[')) {
                return Err(invalid(server));
            }
            Ok((host.to_owned(), port))
        })
        .collect::<Result<_, _>>()?;
    if servers.is_empty() {
        return Err(ConfigError::invalid("bootstrap.servers", list, "must name at least one host:port"));
    }
    Ok(servers)
}
