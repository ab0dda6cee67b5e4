//! `security.protocol`, `ssl.*` and `sasl.*`, typed. Files are not read here but when connecting, so
//! that a certificate can be renewed under the same path.

use super::{ConfigError, Properties, Reader, Secret};
use crate::auth::jaas::Jaas;

/// What a connection starts with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Security {
    /// Settings of TLS; used if `tls_enabled`, and for `https` token endpoints.
    pub(crate) tls: Tls,
    pub(crate) tls_enabled: bool,
    pub(crate) sasl: Option<Sasl>,
}

/// `ssl.*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tls {
    pub(crate) trust: Option<Material>,
    pub(crate) keys: Option<Keys>,
    /// `ssl.endpoint.identification.algorithm` is not empty.
    pub(crate) verify_hostname: bool,
    pub(crate) tls12: bool,
    pub(crate) tls13: bool,
    pub(crate) cipher_suites: Vec<String>,
}

/// Certificates or keys: in a file or written into the configuration as PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Material {
    File { key: &'static str, path: String, password: Option<Secret> },
    Inline { key: &'static str, pem: Secret },
}

/// Our own certificate and key (mTLS).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Keys {
    Store { store: Material, key_password: Option<Secret> },
    Pem { chain: Material, key: Material, key_password: Option<Secret> },
}

/// `sasl.*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sasl {
    pub(crate) mechanism: Mechanism,
    pub(crate) jaas: Option<Jaas>,
    pub(crate) oauth: OAuth,
}

/// A SASL mechanism that we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mechanism {
    Plain,
    ScramSha256,
    ScramSha512,
    OAuthBearer,
}

impl Mechanism {
    /// Its registered name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
            Mechanism::ScramSha512 => "SCRAM-SHA-512",
            Mechanism::OAuthBearer => "OAUTHBEARER",
        }
    }
}

/// `sasl.oauthbearer.*` as far as tokens are fetched with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OAuth {
    pub(crate) token_endpoint: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) client_secret: Option<Secret>,
    pub(crate) scope: Option<String>,
    pub(crate) header_urlencode: bool,
    /// The options of `sasl.jaas.config` are those of Strimzi's login.
    pub(crate) strimzi: bool,
}

const STRIMZI_HANDLER: &str = "io.strimzi.kafka.oauth.client.JaasClientOauthLoginCallbackHandler";

/// Classes of Kafka's and Strimzi's that stand for what is built in here. Others cannot be loaded.
const CALLBACK_HANDLERS: &[&str] = &[
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler",
    "org.apache.kafka.common.security.oauthbearer.secured.OAuthBearerLoginCallbackHandler",
    "org.apache.kafka.common.security.oauthbearer.internals.unsecured.OAuthBearerUnsecuredLoginCallbackHandler",
    STRIMZI_HANDLER,
];
const JWT_RETRIEVERS: &[&str] = &[
    "org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever",
    "org.apache.kafka.common.security.oauthbearer.ClientCredentialsJwtRetriever",
    "org.apache.kafka.common.security.oauthbearer.FileJwtRetriever",
];

impl Security {
    pub(super) fn parse(props: &Properties) -> Result<Security, ConfigError> {
        let reader = Reader(props);
        let (tls_enabled, sasl_enabled) = reader.choice(
            "security.protocol",
            &[
                ("PLAINTEXT", (false, false)),
                ("SSL", (true, false)),
                ("SASL_PLAINTEXT", (false, true)),
                ("SASL_SSL", (true, true)),
            ],
        )?;
        for key in ["ssl.engine.factory.class", "sasl.login.class", "sasl.client.callback.handler.class"] {
            only(&reader, key, &[])?;
        }
        only(&reader, "sasl.login.callback.handler.class", CALLBACK_HANDLERS)?;
        only(&reader, "sasl.oauthbearer.jwt.retriever.class", JWT_RETRIEVERS)?;
        Ok(Security { tls: tls(&reader)?, tls_enabled, sasl: if sasl_enabled { Some(sasl(&reader)?) } else { None } })
    }
}

/// Java loads classes by name; we have a few of them built in and cannot load any other.
fn only(reader: &Reader<'_>, key: &str, known: &[&str]) -> Result<(), ConfigError> {
    match reader.text(key) {
        Some(class) if !known.contains(&class) => Err(ConfigError::invalid(
            key,
            class,
            match known {
                [] => "Java classes cannot be loaded; remove the key".to_owned(),
                known => format!("Java classes cannot be loaded; built in are {}", known.join(", ")),
            },
        )),
        _ => Ok(()),
    }
}

/// `ssl.*` alone.
pub(crate) fn tls(reader: &Reader<'_>) -> Result<Tls, ConfigError> {
    let secret = |key: &str| reader.text(key).map(Secret::new);
    let inline = |key: &'static str| secret(key).map(|pem| Material::Inline { key, pem });
    let file = |key: &'static str, password: &str| {
        reader.text(key).map(|path| Material::File { key, path: path.to_owned(), password: secret(password) })
    };
    let exclusive = |location: &'static str, pem: &'static str| match (reader.text(location), reader.text(pem)) {
        (Some(path), Some(_)) => {
            Err(ConfigError::invalid(location, path, format!("it cannot be given together with {pem}")))
        }
        _ => Ok(()),
    };
    exclusive("ssl.truststore.location", "ssl.truststore.certificates")?;
    exclusive("ssl.keystore.location", "ssl.keystore.key")?;
    for key in ["ssl.truststore.type", "ssl.keystore.type"] {
        // JKS stays acceptable as a word, because it is the default: what counts is the file.
        reader.choice(key, &[("JKS", ()), ("PKCS12", ()), ("PEM", ())])?;
    }
    let key_password = secret("ssl.key.password");
    let keys = match (inline("ssl.keystore.certificate.chain"), inline("ssl.keystore.key")) {
        (Some(chain), Some(key)) => Some(Keys::Pem { chain, key, key_password }),
        (None, None) => {
            file("ssl.keystore.location", "ssl.keystore.password").map(|store| Keys::Store { store, key_password })
        }
        (Some(_), None) => return Err(ConfigError::Missing("ssl.keystore.key")),
        (None, Some(_)) => return Err(ConfigError::Missing("ssl.keystore.certificate.chain")),
    };
    let protocols = reader.list("ssl.enabled.protocols");
    let enabled = |name: &str| protocols.is_empty() || protocols.iter().any(|p| p.eq_ignore_ascii_case(name));
    let (tls12, tls13) = (enabled("TLSv1.2"), enabled("TLSv1.3"));
    if !tls12 && !tls13 {
        let value = protocols.join(",");
        return Err(ConfigError::invalid("ssl.enabled.protocols", &value, "must hold TLSv1.2 or TLSv1.3"));
    }
    // Here an empty value has a meaning of its own.
    let verify_hostname = match reader.0.get("ssl.endpoint.identification.algorithm").map(|value| value.trim()) {
        None => true,
        Some("") => false,
        Some(word) if word.eq_ignore_ascii_case("https") => true,
        Some(word) => {
            let reason = "must be https, or empty to accept any host name";
            return Err(ConfigError::invalid("ssl.endpoint.identification.algorithm", word, reason));
        }
    };
    Ok(Tls {
        trust: inline("ssl.truststore.certificates")
            .or_else(|| file("ssl.truststore.location", "ssl.truststore.password")),
        keys,
        verify_hostname,
        tls12,
        tls13,
        cipher_suites: reader.list("ssl.cipher.suites"),
    })
}

fn sasl(reader: &Reader<'_>) -> Result<Sasl, ConfigError> {
    let mechanism = match reader.text("sasl.mechanism").unwrap_or("GSSAPI") {
        "PLAIN" => Mechanism::Plain,
        "SCRAM-SHA-256" => Mechanism::ScramSha256,
        "SCRAM-SHA-512" => Mechanism::ScramSha512,
        "OAUTHBEARER" => Mechanism::OAuthBearer,
        other => {
            let reason = "must be PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER \
                          (Kafka's default GSSAPI, that is Kerberos, is not supported)";
            return Err(ConfigError::invalid("sasl.mechanism", other, reason));
        }
    };
    let jaas = reader
        .text("sasl.jaas.config")
        .map(Jaas::parse)
        .transpose()
        .map_err(|reason| ConfigError::invalid("sasl.jaas.config", "[hidden]", reason))?;
    if jaas.is_none() && mechanism != Mechanism::OAuthBearer {
        return Err(ConfigError::Missing("sasl.jaas.config"));
    }
    let owned = |key: &str| reader.text(key).map(str::to_owned);
    let oauth = OAuth {
        token_endpoint: owned("sasl.oauthbearer.token.endpoint.url"),
        client_id: owned("sasl.oauthbearer.client.credentials.client.id"),
        client_secret: reader.text("sasl.oauthbearer.client.credentials.client.secret").map(Secret::new),
        scope: owned("sasl.oauthbearer.scope"),
        header_urlencode: reader.choice("sasl.oauthbearer.header.urlencode", &[("false", false), ("true", true)])?,
        strimzi: reader.text("sasl.login.callback.handler.class") == Some(STRIMZI_HANDLER),
    };
    let sasl = Sasl { mechanism, jaas, oauth };
    // Everything that can be wrong with it without a broker is said now.
    crate::auth::Credentials::new(&sasl)?;
    Ok(sasl)
}
