//! TLS by rustls, configured with Kafka's `ssl.*` keys.
//!
//! Files are read again when they have changed, so a renewed certificate is used from the next
//! connection on. Without a truststore the public roots of the web are trusted (`webpki-roots`, part
//! of this program): like the JVM's own list they do not depend on what a container image holds.

mod listener;
mod store;
#[cfg(test)]
mod tests;
mod verifier;

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, Once};
use std::time::SystemTime;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tracing::warn;

use crate::config::ConfigError;
use crate::config::security::{Keys, Material, Tls as Settings};
use crate::connection::{ByteStream, lock};

pub use listener::{ClientAuth, ListenerTls};

/// Makes TLS connections.
pub(crate) struct Tls {
    settings: Settings,
    current: Current<ClientConfig>,
}

/// What was made of the files as they were when they were read last.
struct Current<C>(Mutex<Option<Loaded<C>>>);

struct Loaded<C> {
    stamps: Vec<Option<(SystemTime, u64)>>,
    config: Arc<C>,
}

impl<C> Default for Current<C> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<C> Current<C> {
    /// The configuration for the files as they are now. If they have changed and cannot be used, what
    /// was read before stays in use: somebody may be in the middle of replacing them.
    fn get(
        &self,
        settings: &Settings,
        build: impl FnOnce(&Settings) -> Result<C, ConfigError>,
    ) -> Result<Arc<C>, ConfigError> {
        let stamps = settings.stamps();
        let mut current = lock(&self.0);
        if let Some(loaded) = current.as_ref().filter(|loaded| loaded.stamps == stamps) {
            return Ok(loaded.config.clone());
        }
        match build(settings) {
            Ok(config) => {
                let config = Arc::new(config);
                *current = Some(Loaded { stamps, config: config.clone() });
                Ok(config)
            }
            Err(error) => match current.as_ref() {
                Some(loaded) => {
                    warn!(%error, "changed certificates cannot be used, the previous ones stay in use");
                    Ok(loaded.config.clone())
                }
                None => Err(error),
            },
        }
    }
}

impl Settings {
    /// When the files were changed last.
    fn stamps(&self) -> Vec<Option<(SystemTime, u64)>> {
        let keys = match &self.keys {
            None => vec![],
            Some(Keys::Store { store, .. }) => vec![store],
            Some(Keys::Pem { chain, key, .. }) => vec![chain, key],
        };
        let stamp = |material: &Material| match material {
            Material::Inline { .. } => None,
            Material::File { path, .. } => {
                let file = std::fs::metadata(path).ok()?;
                Some((file.modified().ok()?, file.len()))
            }
        };
        self.trust.iter().chain(keys).map(stamp).collect()
    }
}

impl Tls {
    /// Nothing is read before the first connection or [`Tls::check`].
    pub(crate) fn new(settings: Settings) -> Tls {
        Tls { settings, current: Current::default() }
    }

    /// Reads certificates and keys, so that a mistake is reported before anything is connected.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        static WARNED: Once = Once::new();
        if !self.settings.verify_hostname {
            WARNED.call_once(|| {
                warn!("host names of brokers are not verified (ssl.endpoint.identification.algorithm is empty)");
            });
        }
        self.current().map(|_| ())
    }

    /// A handshake with `host` over `socket`.
    pub(crate) async fn connect<S: ByteStream>(&self, host: &str, socket: S) -> io::Result<TlsStream<S>> {
        let config = self.current().map_err(io::Error::other)?;
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        TlsConnector::from(config).connect(name, socket).await
    }

    fn current(&self) -> Result<Arc<ClientConfig>, ConfigError> {
        self.current.get(&self.settings, build)
    }

    #[cfg(test)]
    pub(crate) fn for_tests() -> Tls {
        let settings = Settings {
            trust: None,
            keys: None,
            verify_hostname: true,
            tls12: true,
            tls13: true,
            cipher_suites: Vec::new(),
        };
        Tls::new(settings)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("settings", &self.settings).finish_non_exhaustive()
    }
}

fn build(settings: &Settings) -> Result<ClientConfig, ConfigError> {
    let provider = Arc::new(provider(&settings.cipher_suites)?);
    let roots = Arc::new(roots(settings.trust.as_ref())?);
    let verifier = verifier::verifier(roots, provider.clone(), settings.verify_hostname)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions(settings))
        .map_err(|error| unusable_versions(&error))?
        // Not less safe than the default: it is rustls's own verifier, minus the name where that is configured.
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    match &settings.keys {
        None => Ok(builder.with_no_client_auth()),
        Some(keys) => {
            let identity = store::identity(keys)?;
            let key = identity.config_key;
            builder.with_client_auth_cert(identity.chain, identity.key).map_err(|error| unusable_key(key, &error))
        }
    }
}

fn versions(settings: &Settings) -> Vec<&'static SupportedProtocolVersion> {
    let both = [(settings.tls13, &rustls::version::TLS13), (settings.tls12, &rustls::version::TLS12)];
    both.into_iter().filter_map(|(enabled, version)| enabled.then_some(version)).collect()
}

fn unusable_versions(error: &rustls::Error) -> ConfigError {
    ConfigError::invalid("ssl.enabled.protocols", "(with ssl.cipher.suites)", error.to_string())
}

fn unusable_key(key: &'static str, error: &rustls::Error) -> ConfigError {
    ConfigError::invalid(key, "[hidden]", format!("the key cannot be used: {error}"))
}

/// `ssl.cipher.suites`, by the names that Java and the RFCs use.
fn provider(wanted: &[String]) -> Result<CryptoProvider, ConfigError> {
    let mut provider = ring::default_provider();
    if wanted.is_empty() {
        return Ok(provider);
    }
    let known: Vec<String> = provider.cipher_suites.iter().map(|suite| java_name(suite.suite())).collect();
    provider.cipher_suites.retain(|suite| wanted.contains(&java_name(suite.suite())));
    if provider.cipher_suites.is_empty() {
        let reason = format!("none of them is supported; supported are {}", known.join(", "));
        return Err(ConfigError::invalid("ssl.cipher.suites", &wanted.join(","), reason));
    }
    Ok(provider)
}

fn java_name(suite: rustls::CipherSuite) -> String {
    format!("{suite:?}").replace("TLS13_", "TLS_")
}

fn roots(trust: Option<&Material>) -> Result<RootCertStore, ConfigError> {
    let Some(material) = trust else {
        return Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
    };
    let mut roots = RootCertStore::empty();
    let (usable, broken) = roots.add_parsable_certificates(store::trusted(material)?);
    if usable == 0 {
        let reason = format!("it holds no certificate to trust ({broken} unreadable)");
        return Err(ConfigError::invalid(material.key(), material.name(), reason));
    }
    Ok(roots)
}

/// Whether an I/O error means that one side does not accept the other, and in which words. Retrying
/// does not help then.
pub(crate) fn refusal(error: &io::Error) -> Option<String> {
    let tls = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    let hint = match tls {
        rustls::Error::InvalidCertificate(reason) => verifier::hint(reason),
        rustls::Error::AlertReceived(alert) => match alert {
            AlertDescription::CertificateRequired => "the broker wants a client certificate: set ssl.keystore.*",
            AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied => {
                "the broker does not accept our client certificate, or wants one (ssl.keystore.*)"
            }
            AlertDescription::HandshakeFailure | AlertDescription::ProtocolVersion => {
                "no protocol version or cipher suite in common, or the broker wants a client certificate"
            }
            _ => return None,
        },
        rustls::Error::InvalidMessage(_) => "the listener does not speak TLS; check security.protocol and the port",
        rustls::Error::PeerIncompatible(_) => "no protocol version or cipher suite in common",
        rustls::Error::NoCertificatesPresented => "the broker shows no certificate",
        _ => return None,
    };
    Some(if hint.is_empty() { tls.to_string() } else { format!("{tls}; {hint}") })
}
