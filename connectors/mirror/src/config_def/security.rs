//! The `ssl.*` and `sasl.*` keys of Kafka's clients, in their order (Java: `ConfigDef.withClientSslSupport`,
//! `withClientSaslSupport`). They are declared so that forms and files with them stay valid; which of them take effect is the
//! client's matter.

use connect_api::ConfigDef;
use connect_api::config::ConfigType::{Boolean, Class, Double, Int, List, Long, Password, Short, String};
use connect_api::config::Importance::{High, Low, Medium};
use connect_api::config::{ConfigType, Parsed, Validator};

use super::{Row, key};

/// Whether a key says how to reach a cluster, and so may stand behind a cluster's prefix
/// (Java: `MirrorClientConfig.CLIENT_CONFIG_DEF`).
pub(crate) fn is_client_security_key(name: &str) -> bool {
    matches!(name, "bootstrap.servers" | "security.protocol") || KEYS.iter().any(|(key, ..)| *key == name)
}

/// The keys that may stand behind a cluster's prefix, in no order of meaning.
pub fn client_security_keys() -> impl Iterator<Item = &'static str> {
    ["bootstrap.servers", "security.protocol"].into_iter().chain(KEYS.iter().map(|(key, ..)| *key))
}

pub(super) fn security_keys() -> ConfigDef {
    KEYS.iter().fold(ConfigDef::new(), |def, row| {
        let key = key(row);
        def.define(match rule(row.0, row.1) {
            Some(rule) => key.valid(rule),
            None => key,
        })
    })
}

fn rule(name: &str, kind: ConfigType) -> Option<Validator> {
    Some(match name {
        "sasl.login.refresh.window.factor" => Validator::Check(|value| within(value, 0.5, 1.0)),
        "sasl.login.refresh.window.jitter" => Validator::Check(|value| within(value, 0.0, 0.25)),
        "sasl.login.refresh.min.period.seconds" => Validator::between(0, 900),
        "sasl.login.refresh.buffer.seconds" => Validator::between(0, 3600),
        "sasl.oauthbearer.assertion.claim.exp.seconds" => Validator::between(0, 86_400),
        "sasl.oauthbearer.assertion.claim.nbf.seconds" => Validator::between(0, 3600),
        "sasl.oauthbearer.assertion.algorithm" => Validator::OneOfIgnoringCase(&["ES256", "RS256"]),
        _ if kind == List => Validator::NoDuplicates,
        _ => return None,
    })
}

fn within(value: &Parsed, min: f64, max: f64) -> Result<(), std::string::String> {
    match value {
        Parsed::Double(number) if *number < min => Err(format!("Value must be at least {min:?}")),
        Parsed::Double(number) if *number > max => Err(format!("Value must be no more than {max:?}")),
        _ => Ok(()),
    }
}

#[rustfmt::skip]
const KEYS: &[Row] = &[
    ("ssl.protocol", String, Some("TLSv1.3"), Medium, "The TLS version to prefer."),
    ("ssl.provider", String, None, Medium, "Java's security provider for TLS."),
    ("ssl.cipher.suites", List, Some(""), Low, "Cipher suites to allow; empty allows all that are safe."),
    ("ssl.enabled.protocols", List, Some("TLSv1.2,TLSv1.3"), Medium, "TLS versions to allow."),
    ("ssl.keystore.type", String, Some("JKS"), Medium, "Format of the key store: JKS, PKCS12 or PEM."),
    ("ssl.keystore.location", String, None, High, "File with the client's key and certificates."),
    ("ssl.keystore.password", Password, None, High, "Password of the key store."),
    ("ssl.key.password", Password, None, High, "Password of the key in the key store or in ssl.keystore.key."),
    ("ssl.keystore.key", Password, None, High, "The client's private key in PEM, instead of a key store."),
    ("ssl.keystore.certificate.chain", Password, None, High, "The client's certificates in PEM, instead of a key store."),
    ("ssl.truststore.certificates", Password, None, High, "Trusted certificates in PEM, instead of a trust store."),
    ("ssl.truststore.type", String, Some("JKS"), Medium, "Format of the trust store: JKS, PKCS12 or PEM."),
    ("ssl.truststore.location", String, None, High, "File with the certificates that are trusted."),
    ("ssl.truststore.password", Password, None, High, "Password of the trust store."),
    ("ssl.keymanager.algorithm", String, Some("SunX509"), Low, "Java's algorithm for key managers."),
    ("ssl.trustmanager.algorithm", String, Some("PKIX"), Low, "Java's algorithm for trust managers."),
    ("ssl.endpoint.identification.algorithm", String, Some("https"), Low, "How the broker's name is checked; empty turns the check off."),
    ("ssl.secure.random.implementation", String, None, Low, "Java's source of randomness for TLS."),
    ("ssl.engine.factory.class", Class, None, Low, "Java's factory of TLS engines."),
    ("sasl.kerberos.service.name", String, None, Medium, "The Kerberos name that the brokers run as."),
    ("sasl.kerberos.kinit.cmd", String, Some("/usr/bin/kinit"), Low, "Path of kinit."),
    ("sasl.kerberos.ticket.renew.window.factor", Double, Some("0.8"), Low, "Part of a ticket's life after which it is renewed."),
    ("sasl.kerberos.ticket.renew.jitter", Double, Some("0.05"), Low, "Random part of the time until renewal."),
    ("sasl.kerberos.min.time.before.relogin", Long, Some("60000"), Low, "Milliseconds between two renewals at least."),
    ("sasl.login.refresh.window.factor", Double, Some("0.8"), Low, "Part of a credential's life after which it is refreshed."),
    ("sasl.login.refresh.window.jitter", Double, Some("0.05"), Low, "Random part of the time until a refresh."),
    ("sasl.login.refresh.min.period.seconds", Short, Some("60"), Low, "Seconds that a credential is kept at least."),
    ("sasl.login.refresh.buffer.seconds", Short, Some("300"), Low, "Seconds to keep before a credential expires."),
    ("sasl.mechanism", String, Some("GSSAPI"), Medium, "SASL mechanism: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER, GSSAPI."),
    ("sasl.jaas.config", Password, None, Medium, "Login module and credentials, in the format of JAAS."),
    ("sasl.client.callback.handler.class", Class, None, Medium, "Java's handler of SASL callbacks."),
    ("sasl.login.callback.handler.class", Class, None, Medium, "Java's handler of login callbacks."),
    ("sasl.login.class", Class, None, Medium, "Java's login class."),
    ("sasl.login.connect.timeout.ms", Int, None, Low, "Milliseconds to wait for a connection to the identity provider."),
    ("sasl.login.read.timeout.ms", Int, None, Low, "Milliseconds to wait for an answer of the identity provider."),
    ("sasl.login.retry.backoff.max.ms", Long, Some("10000"), Low, "Milliseconds between two logins at most."),
    ("sasl.login.retry.backoff.ms", Long, Some("100"), Low, "Milliseconds before a login is tried again for the first time."),
    ("sasl.oauthbearer.jwt.retriever.class", Class, Some("org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever"), Medium, "What fetches tokens."),
    ("sasl.oauthbearer.jwt.validator.class", Class, Some("org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator"), Medium, "What checks tokens."),
    ("sasl.oauthbearer.scope", String, None, Medium, "The scope to ask for."),
    ("sasl.oauthbearer.client.credentials.client.id", String, None, Medium, "The client id for the grant client_credentials."),
    ("sasl.oauthbearer.client.credentials.client.secret", Password, None, Medium, "The client secret for the grant client_credentials."),
    ("sasl.oauthbearer.assertion.algorithm", String, Some("RS256"), Medium, "How assertions are signed."),
    ("sasl.oauthbearer.assertion.claim.aud", String, None, Medium, "The audience of assertions."),
    ("sasl.oauthbearer.assertion.claim.exp.seconds", Int, Some("300"), Low, "Seconds until an assertion expires."),
    ("sasl.oauthbearer.assertion.claim.iss", String, None, Medium, "The issuer of assertions."),
    ("sasl.oauthbearer.assertion.claim.jti.include", Boolean, Some("false"), Medium, "Whether assertions carry an id."),
    ("sasl.oauthbearer.assertion.claim.nbf.seconds", Int, Some("60"), Low, "Seconds before now from which an assertion is valid."),
    ("sasl.oauthbearer.assertion.claim.sub", String, None, Medium, "The subject of assertions."),
    ("sasl.oauthbearer.assertion.file", String, None, Medium, "File with a finished assertion."),
    ("sasl.oauthbearer.assertion.private.key.file", String, None, Medium, "File with the key that signs assertions."),
    ("sasl.oauthbearer.assertion.private.key.passphrase", Password, None, Medium, "Passphrase of that key."),
    ("sasl.oauthbearer.assertion.template.file", String, None, Medium, "File with headers and claims of assertions."),
    ("sasl.oauthbearer.scope.claim.name", String, Some("scope"), Low, "The claim that holds the scope."),
    ("sasl.oauthbearer.sub.claim.name", String, Some("sub"), Low, "The claim that holds the subject."),
    ("sasl.oauthbearer.token.endpoint.url", String, None, Medium, "Where tokens are fetched."),
    ("sasl.oauthbearer.jwks.endpoint.url", String, None, Medium, "Where the keys of the identity provider are fetched."),
    ("sasl.oauthbearer.jwks.endpoint.refresh.ms", Long, Some("3600000"), Low, "Milliseconds between fetching those keys."),
    ("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", Long, Some("10000"), Low, "Milliseconds between two tries to fetch them at most."),
    ("sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", Long, Some("100"), Low, "Milliseconds before the first new try to fetch them."),
    ("sasl.oauthbearer.clock.skew.seconds", Int, Some("30"), Low, "Seconds by which clocks may differ."),
    ("sasl.oauthbearer.expected.audience", List, Some(""), Low, "Audiences of which a token needs one."),
    ("sasl.oauthbearer.expected.issuer", String, None, Low, "The issuer that a token needs."),
    ("sasl.oauthbearer.header.urlencode", Boolean, Some("false"), Low, "Whether client id and secret are URL-encoded in the header."),
];
