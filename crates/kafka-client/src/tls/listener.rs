//! TLS for HTTP listeners of our own, and for requests to workers that have the same: the REST API's `ssl.*` keys.
//!
//! Both sides come of one set of settings, as in Java: the keystore is what a listener shows and what a client presents, the
//! truststore is what either believes.

use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ServerConfig};

use super::{Current, provider, roots, store, unusable_key, unusable_versions, versions};
use crate::config::security::{Tls as Settings, tls as parse};
use crate::config::{ConfigError, Properties, Reader};

/// `ssl.client.auth`: what a listener wants of its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// No certificate.
    None,
    /// A certificate that is believed, or none.
    Requested,
    /// A certificate that is believed.
    Required,
}

/// TLS of listeners. Files are read again when they have changed.
pub struct ListenerTls {
    settings: Settings,
    client_auth: ClientAuth,
    server: Current<ServerConfig>,
    client: Current<ClientConfig>,
}

impl ListenerTls {
    /// From `ssl.*` keys without any prefix. Everything is read once, so that a mistake shows now.
    ///
    /// # Errors
    /// A value that can't be used, a file that can't be read, no keystore, or no truststore to check clients by.
    pub fn new(properties: &Properties, client_auth: ClientAuth) -> Result<Self, ConfigError> {
        let settings = parse(&Reader(properties))?;
        let tls = Self { settings, client_auth, server: Current::default(), client: Current::default() };
        tls.server()?;
        tls.client()?;
        Ok(tls)
    }

    /// For accepting connections.
    ///
    /// # Errors
    /// As [`new`](Self::new); not for files that could be used before.
    pub fn server(&self) -> Result<Arc<ServerConfig>, ConfigError> {
        self.server.get(&self.settings, |settings| build(settings, self.client_auth))
    }

    /// For connecting to another worker with the same settings.
    ///
    /// # Errors
    /// As [`server`](Self::server).
    pub fn client(&self) -> Result<Arc<ClientConfig>, ConfigError> {
        self.client.get(&self.settings, super::build)
    }
}

impl std::fmt::Debug for ListenerTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ListenerTls").field("client_auth", &self.client_auth).finish_non_exhaustive()
    }
}

fn build(settings: &Settings, client_auth: ClientAuth) -> Result<ServerConfig, ConfigError> {
    let keys = settings.keys.as_ref().ok_or(ConfigError::Missing("ssl.keystore.location"))?;
    let provider = Arc::new(provider(&settings.cipher_suites)?);
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&versions(settings))
        .map_err(|error| unusable_versions(&error))?;
    let builder = if client_auth == ClientAuth::None {
        builder.with_no_client_auth()
    } else {
        // Not the roots of the web: anybody can have a certificate of those.
        let trust = settings.trust.as_ref().ok_or(ConfigError::Missing("ssl.truststore.location"))?;
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(Some(trust))?), provider);
        let verifier = match client_auth {
            ClientAuth::Requested => verifier.allow_unauthenticated(),
            _ => verifier,
        };
        let verifier = verifier
            .build()
            .map_err(|error| ConfigError::invalid("ssl.truststore.location", "[hidden]", error.to_string()))?;
        builder.with_client_cert_verifier(verifier)
    };
    let identity = store::identity(keys)?;
    let key = identity.config_key;
    let mut config =
        builder.with_single_cert(identity.chain, identity.key).map_err(|error| unusable_key(key, &error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
