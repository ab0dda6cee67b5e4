//! The ways into a broker, and the client properties for each.

use crate::{Certificates, KafkaCluster, Properties};

/// A listener of the brokers. [`Plaintext`](Listener::Plaintext) is always there; the others are with
/// [`secured`](crate::ClusterBuilder::secured).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Listener {
    /// No encryption, no authentication: `User:ANONYMOUS`, who is a super user.
    Plaintext,
    /// TLS; a client certificate is not asked for.
    Ssl,
    /// TLS; a client certificate is required.
    Mtls,
    /// SASL in the clear. Sessions here end after [`SHORT_SESSION_MS`] unless the client authenticates again (KIP-368).
    SaslPlaintext,
    /// SASL over TLS.
    SaslSsl,
    /// As [`Plaintext`](Listener::Plaintext), by way of the broker's [`Proxy`](crate::Proxy); with
    /// [`proxied`](crate::ClusterBuilder::proxied).
    Proxied,
}

/// `connections.max.reauth.ms` of [`Listener::SaslPlaintext`].
pub const SHORT_SESSION_MS: u32 = 2_000;

/// The user that every SASL mechanism knows.
pub const USER: &str = "alice";
/// The password of [`USER`].
pub const PASSWORD: &str = "alice-secret";

impl Listener {
    pub(super) const SECURED: [Self; 4] = [Self::Ssl, Self::Mtls, Self::SaslPlaintext, Self::SaslSsl];

    /// As it is called in the broker's configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Ssl => "SSL",
            Self::Mtls => "MTLS",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
            Self::Proxied => "PROXIED",
        }
    }

    /// `security.protocol` of it.
    pub fn protocol(self) -> &'static str {
        match self {
            Self::Mtls => "SSL",
            Self::Proxied => "PLAINTEXT",
            _ => self.name(),
        }
    }

    fn is_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::Mtls | Self::SaslSsl)
    }
}

/// How to log in by SASL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sasl {
    /// PLAIN with user and password.
    Plain(String, String),
    /// SCRAM-SHA-256 with user and password.
    Scram256(String, String),
    /// SCRAM-SHA-512 with user and password.
    Scram512(String, String),
    /// OAUTHBEARER with an unsecured token for this subject.
    OAuthBearer(String),
}

impl Sasl {
    /// Every mechanism, as [`USER`] with the right password.
    pub fn all() -> [Self; 4] {
        let (user, password) = (USER.to_owned(), PASSWORD.to_owned());
        [
            Self::Plain(user.clone(), password.clone()),
            Self::Scram256(user.clone(), password.clone()),
            Self::Scram512(user.clone(), password),
            Self::OAuthBearer(user),
        ]
    }

    /// `sasl.mechanism`.
    pub fn mechanism(&self) -> &'static str {
        match self {
            Self::Plain(..) => "PLAIN",
            Self::Scram256(..) => "SCRAM-SHA-256",
            Self::Scram512(..) => "SCRAM-SHA-512",
            Self::OAuthBearer(..) => "OAUTHBEARER",
        }
    }

    /// `sasl.jaas.config`, as people write it.
    pub fn jaas(&self) -> String {
        match self {
            Self::Plain(user, password) => format!("{PLAIN} required username=\"{user}\" password=\"{password}\";"),
            Self::Scram256(user, password) | Self::Scram512(user, password) => {
                format!("{SCRAM} required username=\"{user}\" password=\"{password}\";")
            }
            Self::OAuthBearer(subject) => format!("{OAUTH} required unsecuredLoginStringClaim_sub=\"{subject}\";"),
        }
    }
}

const PLAIN: &str = "org.apache.kafka.common.security.plain.PlainLoginModule";
const SCRAM: &str = "org.apache.kafka.common.security.scram.ScramLoginModule";
const OAUTH: &str = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";

impl KafkaCluster {
    /// Properties of a client at `listener`, in Kafka's words: for the oracle, for our client, for a worker.
    /// At [`Listener::Mtls`] it shows the client's certificate; at the SASL ones add [`sasl`](Self::sasl_client)'s.
    pub fn client(&self, listener: Listener) -> Properties {
        let mut client = Properties::from([("bootstrap.servers".to_owned(), self.bootstrap_at(listener))]);
        if listener.protocol() != "PLAINTEXT" {
            client.insert("security.protocol".to_owned(), listener.protocol().to_owned());
        }
        if listener.is_tls() {
            client.insert("ssl.truststore.type".to_owned(), "PEM".to_owned());
            client.insert("ssl.truststore.location".to_owned(), self.certificates().path("ca.pem"));
        }
        if listener == Listener::Mtls {
            client.insert("ssl.keystore.type".to_owned(), "PEM".to_owned());
            client.insert("ssl.keystore.location".to_owned(), self.certificates().path("client.pem"));
        }
        client
    }

    /// Properties of a client at `listener` that logs in as `sasl` says.
    pub fn sasl_client(&self, listener: Listener, sasl: &Sasl) -> Properties {
        let mut client = self.client(listener);
        client.insert("sasl.mechanism".to_owned(), sasl.mechanism().to_owned());
        client.insert("sasl.jaas.config".to_owned(), sasl.jaas());
        client
    }
}

/// What a broker needs to know for the secured listeners.
pub(super) fn secured_properties(certificates: &Certificates) -> Properties {
    let user = format!("{PLAIN} required user_{USER}=\"{PASSWORD}\";");
    let scram = format!("{SCRAM} required;");
    let oauth = format!("{OAUTH} required unsecuredLoginStringClaim_sub=\"broker\";");
    let mut properties = vec![
        ("ssl.keystore.type".to_owned(), "PEM".to_owned()),
        ("ssl.keystore.location".to_owned(), certificates.path("broker.pem")),
        ("ssl.truststore.type".to_owned(), "PEM".to_owned()),
        ("ssl.truststore.location".to_owned(), certificates.path("ca.pem")),
        ("listener.name.mtls.ssl.client.auth".to_owned(), "required".to_owned()),
        ("sasl.enabled.mechanisms".to_owned(), "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER".to_owned()),
    ];
    for listener in ["sasl_plaintext", "sasl_ssl"] {
        for (mechanism, jaas) in
            [("plain", &user), ("scram-sha-256", &scram), ("scram-sha-512", &scram), ("oauthbearer", &oauth)]
        {
            properties.push((format!("listener.name.{listener}.{mechanism}.sasl.jaas.config"), jaas.clone()));
        }
    }
    for mechanism in ["plain", "scram-sha-256", "scram-sha-512", "oauthbearer"] {
        properties.push((
            format!("listener.name.sasl_plaintext.{mechanism}.connections.max.reauth.ms"),
            SHORT_SESSION_MS.to_string(),
        ));
    }
    properties.into_iter().collect()
}
