//! Proving who we are: SASL PLAIN, SCRAM and OAUTHBEARER over Kafka's SaslHandshake and
//! SaslAuthenticate (KIP-43, KIP-152), the first time and again before the session ends (KIP-368).

pub(crate) mod jaas;
mod oauth;
mod scram;
mod strimzi_oauth;
mod token_endpoint;

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::{SaslAuthenticateRequest, SaslHandshakeRequest};
use kafka_protocol::protocol::StrBytes;

use crate::codes::ErrorCode;
use crate::config::security::{Mechanism, Sasl};
use crate::config::{ConfigError, Secret};
use crate::connection::Connection;
use crate::error::ClientError;
use jaas::Jaas;

/// What we prove it with. Made from the configuration without any I/O.
#[derive(Debug)]
pub(crate) struct Credentials {
    mechanism: Mechanism,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Plain { username: Secret, password: Secret },
    Scram(scram::Scram),
    OAuth(Box<oauth::TokenSource>),
}

impl Credentials {
    /// Checks that the configuration holds what the mechanism needs.
    pub(crate) fn new(sasl: &Sasl) -> Result<Credentials, ConfigError> {
        let jaas = sasl.jaas.as_ref();
        let password = || -> Result<(Secret, Secret), ConfigError> {
            let jaas = jaas.ok_or(ConfigError::Missing("sasl.jaas.config"))?;
            // Java's PLAIN and SCRAM modules do the same thing, so either is accepted for either mechanism.
            if jaas.module == jaas::Module::OAuthBearer {
                return Err(jaas_error(format!("OAuthBearerLoginModule does not fit {}", sasl.mechanism.name())));
            }
            Ok((required(jaas, "username")?, required(jaas, "password")?))
        };
        let scram = |hash| -> Result<Kind, ConfigError> {
            let (username, password) = password()?;
            let token_auth = jaas.and_then(|jaas| jaas.option("tokenauth")).is_some_and(|v| v.expose() == "true");
            Ok(Kind::Scram(scram::Scram { hash, username, password, token_auth }))
        };
        let kind = match sasl.mechanism {
            Mechanism::Plain => {
                let (username, password) = password()?;
                Kind::Plain { username, password }
            }
            Mechanism::ScramSha256 => scram(scram::Hash::Sha256)?,
            Mechanism::ScramSha512 => scram(scram::Hash::Sha512)?,
            Mechanism::OAuthBearer => Kind::OAuth(Box::new(oauth::TokenSource::new(jaas, &sasl.oauth)?)),
        };
        Ok(Credentials { mechanism: sasl.mechanism, kind })
    }

    /// Authenticates `connection`. Returns how long the broker accepts it, `None` for as long as the
    /// connection lasts.
    ///
    /// # Errors
    /// [`ClientError::Auth`] when one side refuses the other; retriable errors when the network or a
    /// token endpoint failed.
    pub(crate) async fn authenticate(
        &self,
        connection: &Connection,
        tls: &crate::tls::Tls,
    ) -> Result<Option<Duration>, ClientError> {
        let exchange = Exchange { connection, mechanism: self.mechanism };
        // Before the handshake: a slow token endpoint must not hold up a half-open authentication.
        let token = match &self.kind {
            Kind::OAuth(source) => Some(source.first_message(tls).await.map_err(|e| e.into_client_error(&exchange))?),
            _ => None,
        };
        exchange.handshake().await?;
        let last = match &self.kind {
            Kind::Plain { username, password } => {
                let message = format!("\0{}\0{}", username.expose(), password.expose());
                exchange.send(message.into_bytes()).await?
            }
            Kind::Scram(scram) => scram.run(&exchange).await?,
            Kind::OAuth(_) => oauth::run(&exchange, token.unwrap_or_default()).await?,
        };
        Ok(u64::try_from(last.session_lifetime_ms).ok().filter(|ms| *ms > 0).map(Duration::from_millis))
    }
}

/// An option that must be there and must not hold the separator of PLAIN.
fn required(jaas: &Jaas, option: &str) -> Result<Secret, ConfigError> {
    match jaas.option(option) {
        Some(value) if value.expose().is_empty() => Err(jaas_error(format!("option {option} is empty"))),
        Some(value) if value.expose().contains('\0') => Err(jaas_error(format!("option {option} holds a NUL"))),
        Some(value) => Ok(value.clone()),
        None => Err(jaas_error(format!("option {option} is missing"))),
    }
}

fn jaas_error(reason: impl Into<String>) -> ConfigError {
    ConfigError::invalid("sasl.jaas.config", "[hidden]", reason)
}

/// The broker's part of a conversation.
struct Answer {
    bytes: Bytes,
    session_lifetime_ms: i64,
}

/// One conversation with one broker.
struct Exchange<'a> {
    connection: &'a Connection,
    mechanism: Mechanism,
}

impl Exchange<'_> {
    fn refused(&self, reason: impl Into<String>) -> ClientError {
        ClientError::Auth {
            broker: self.connection.name(),
            mechanism: self.mechanism.name().to_owned(),
            reason: reason.into(),
        }
    }

    async fn handshake(&self) -> Result<(), ClientError> {
        let request = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(self.mechanism.name()));
        let response = self.connection.call_ungated(request).await?;
        match ErrorCode(response.error_code) {
            ErrorCode::NONE => Ok(()),
            ErrorCode::UNSUPPORTED_SASL_MECHANISM => {
                let offered: Vec<&str> = response.mechanisms.iter().map(|m| &**m).collect();
                Err(self.refused(format!("the listener offers {}; set sasl.mechanism", offered.join(", "))))
            }
            ErrorCode::ILLEGAL_SASL_STATE => {
                Err(self.refused("the listener does not use SASL; set security.protocol to PLAINTEXT or SSL"))
            }
            code => Err(ClientError::broker("SaslHandshake", code, None)),
        }
    }

    async fn send(&self, bytes: Vec<u8>) -> Result<Answer, ClientError> {
        let request = SaslAuthenticateRequest::default().with_auth_bytes(bytes.into());
        let response = self.connection.call_ungated(request).await?;
        match ErrorCode(response.error_code) {
            ErrorCode::NONE => {
                Ok(Answer { bytes: response.auth_bytes, session_lifetime_ms: response.session_lifetime_ms })
            }
            ErrorCode::SASL_AUTHENTICATION_FAILED => {
                Err(self.refused(response.error_message.as_deref().unwrap_or("credentials refused")))
            }
            code => Err(ClientError::broker("SaslAuthenticate", code, response.error_message.as_deref())),
        }
    }
}
