//! OAUTHBEARER (RFC 7628; KIP-255, KIP-768, KIP-1139): a bearer token from a file, from a token
//! endpoint, or an unsecured one of our own making for tests and development clusters.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64_URL;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::jaas::{Jaas, Module};
use super::strimzi_oauth;
use super::token_endpoint::{Endpoint, Given, TokenError, Url};
use super::{Answer, Exchange, jaas_error};
use crate::config::security::OAuth;
use crate::config::{ConfigError, Secret, is_oauth_url_allowed};
use crate::error::ClientError;

/// Separates the parts of a message.
const SEPARATOR: char = '\u{1}';
/// Lifetime of an unsecured token, in seconds.
const UNSECURED_LIFETIME_S: f64 = 3600.0;
/// The largest token file that is read.
const TOKEN_BYTES_MAX: u64 = 64 * 1024;

/// Where tokens come from.
#[derive(Debug)]
pub(super) struct TokenSource {
    origin: Origin,
    extensions: BTreeMap<String, Secret>,
    cached: tokio::sync::Mutex<Option<Cached>>,
}

#[derive(Debug)]
pub(super) enum Origin {
    Unsecured { claims: Map<String, Value>, lifetime_s: f64 },
    File(PathBuf),
    Endpoint(Box<Endpoint>),
    Given(Secret),
}

/// A token of an endpoint, used until most of its life is over.
#[derive(Debug)]
struct Cached {
    token: Secret,
    until: Instant,
}

impl TokenSource {
    pub(super) fn new(jaas: Option<&Jaas>, oauth: &OAuth) -> Result<TokenSource, ConfigError> {
        if jaas.is_some_and(|jaas| jaas.module != Module::OAuthBearer) {
            return Err(jaas_error("the mechanism OAUTHBEARER needs OAuthBearerLoginModule"));
        }
        let option = |name: &str| jaas.and_then(|jaas| jaas.option(name)).map(|value| value.expose().to_owned());
        let extensions = |prefix: &'static str| -> BTreeMap<String, Secret> {
            let options = jaas.into_iter().flat_map(|jaas| jaas.options_with(prefix));
            options.map(|(name, value)| (name.to_owned(), value.clone())).collect()
        };
        if oauth.strimzi {
            let jaas = jaas.ok_or(ConfigError::Missing("sasl.jaas.config"))?;
            let origin = strimzi_oauth::origin(jaas, |url| allowed("sasl.jaas.config", url))?;
            return Ok(TokenSource {
                origin,
                extensions: extensions("oauth.sasl.extension."),
                cached: Default::default(),
            });
        }
        let Some(url) = &oauth.token_endpoint else {
            let jaas = jaas.ok_or(ConfigError::Missing("sasl.jaas.config"))?;
            let extensions = extensions("unsecuredLoginExtension_");
            return Ok(TokenSource { origin: unsecured(jaas)?, extensions, cached: Default::default() });
        };
        // CVE-2025-27817: a configuration must not make us read any file or call any host.
        allowed("sasl.oauthbearer.token.endpoint.url", url)?;
        let key = "sasl.oauthbearer.token.endpoint.url";
        let origin = match Url::parse(url).map_err(|reason| ConfigError::invalid(key, url, reason))? {
            Url::File(path) => Origin::File(path),
            Url::Http(url) => Origin::Endpoint(Box::new(Endpoint {
                url,
                basic: Some((
                    oauth
                        .client_id
                        .clone()
                        .or_else(|| option("clientId"))
                        .ok_or(ConfigError::Missing("sasl.oauthbearer.client.credentials.client.id"))?,
                    oauth
                        .client_secret
                        .clone()
                        .or_else(|| option("clientSecret").map(Secret::new))
                        .ok_or(ConfigError::Missing("sasl.oauthbearer.client.credentials.client.secret"))?,
                )),
                form: [("grant_type", Given::from("client_credentials"))]
                    .into_iter()
                    .chain(
                        oauth
                            .scope
                            .clone()
                            .or_else(|| option("scope"))
                            .map(|scope| ("scope", Secret::new(scope).into())),
                    )
                    .collect(),
                urlencode: oauth.header_urlencode,
                tls: None,
                lifetime_max: None,
            })),
        };
        Ok(TokenSource { origin, extensions: extensions("extension_"), cached: Default::default() })
    }

    /// The first message of a conversation, with a token that is good for a while.
    pub(super) async fn first_message(&self, tls: &crate::tls::Tls) -> Result<Secret, TokenError> {
        let token = match &self.origin {
            Origin::Unsecured { claims, lifetime_s } => Secret::new(unsecured_jws(claims, *lifetime_s, now_s())),
            Origin::File(path) => read_token(path).await?,
            Origin::Given(token) => token.clone(),
            Origin::Endpoint(endpoint) => self.cached(endpoint, tls).await?,
        };
        let well_formed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~' | '+' | '/' | '=');
        if token.expose().is_empty() || !token.expose().chars().all(well_formed) {
            return Err(TokenError::Refused("the token holds characters that a bearer token cannot have".to_owned()));
        }
        let mut message = format!("n,,{SEPARATOR}auth=Bearer {}", token.expose());
        for (name, value) in &self.extensions {
            // Writing to a string cannot fail.
            let _ = write!(message, "{SEPARATOR}{name}={}", value.expose());
        }
        message.extend([SEPARATOR, SEPARATOR]);
        Ok(Secret::new(message))
    }

    async fn cached(&self, endpoint: &Endpoint, tls: &crate::tls::Tls) -> Result<Secret, TokenError> {
        let mut cached = self.cached.lock().await;
        if let Some(cached) = cached.as_ref().filter(|cached| cached.until > Instant::now()) {
            return Ok(cached.token.clone());
        }
        let fresh = endpoint.fetch(tls).await?;
        let lifetime = fresh.expires_in.or_else(|| lifetime(fresh.token.expose(), now_s()));
        let lifetime = lifetime.map(|lifetime| lifetime.min(endpoint.lifetime_max.unwrap_or(Duration::MAX)));
        *cached = lifetime.map(|lifetime| Cached {
            token: fresh.token.clone(),
            // sasl.login.refresh.window.factor
            until: Instant::now() + lifetime.mul_f64(0.8),
        });
        Ok(fresh.token)
    }
}

/// Sends the token. A broker that refuses it explains so in JSON and wants one more byte before it
/// ends the conversation (RFC 7628, 3.2.3).
pub(super) async fn run(exchange: &Exchange<'_>, message: Secret) -> Result<Answer, ClientError> {
    let answer = exchange.send(message.expose().as_bytes().to_vec()).await?;
    if answer.bytes.is_empty() {
        return Ok(answer);
    }
    let reason = String::from_utf8_lossy(&answer.bytes).into_owned();
    exchange.send(vec![SEPARATOR as u8]).await?;
    Err(exchange.refused(format!("the token was refused: {reason}")))
}

/// Where tokens come from is not for a connector alone to say.
fn allowed(key: &'static str, url: &str) -> Result<(), ConfigError> {
    if is_oauth_url_allowed(url) {
        return Ok(());
    }
    let reason = "the worker does not allow this URL; whoever runs it has to add it to the worker's \
                  portage.sasl.oauthbearer.allowed.urls, or to \
                  -Dorg.apache.kafka.sasl.oauthbearer.allowed.urls in its KAFKA_OPTS";
    Err(ConfigError::invalid(key, url, reason))
}

/// Options of Java's `OAuthBearerUnsecuredLoginCallbackHandler`.
fn unsecured(jaas: &Jaas) -> Result<Origin, ConfigError> {
    let mut claims = Map::new();
    for (name, value) in jaas.options_with("unsecuredLoginStringClaim_") {
        claims.insert(name.to_owned(), json!(value.expose()));
    }
    for (name, value) in jaas.options_with("unsecuredLoginNumberClaim_") {
        let number: f64 =
            value.expose().parse().map_err(|_| jaas_error(format!("unsecuredLoginNumberClaim_{name} is no number")))?;
        claims.insert(name.to_owned(), json!(number));
    }
    for (name, value) in jaas.options_with("unsecuredLoginListClaim_") {
        // The first character is the separator, as in Java: ",a,b" or "|a|b".
        let items: Vec<&str> = match value.expose().chars().next() {
            Some(separator) => value.expose()[separator.len_utf8()..].split(separator).collect(),
            None => Vec::new(),
        };
        claims.insert(name.to_owned(), json!(items));
    }
    if let Some(reserved) = ["iat", "exp"].into_iter().find(|name| claims.contains_key(*name)) {
        return Err(jaas_error(format!("claim {reserved} is set by the client")));
    }
    let principal = jaas.option("unsecuredLoginPrincipalClaimName").map_or("sub", |name| name.expose());
    if !claims.contains_key(principal) {
        return Err(jaas_error(format!(
            "OAUTHBEARER needs sasl.oauthbearer.token.endpoint.url, or the option unsecuredLoginStringClaim_{principal}"
        )));
    }
    let lifetime_s = match jaas.option("unsecuredLoginLifetimeSeconds") {
        None => UNSECURED_LIFETIME_S,
        Some(value) => value
            .expose()
            .parse()
            .ok()
            .filter(|seconds: &f64| seconds.is_finite() && *seconds > 0.0)
            .ok_or_else(|| jaas_error("unsecuredLoginLifetimeSeconds is no number of seconds"))?,
    };
    Ok(Origin::Unsecured { claims, lifetime_s })
}

/// A JWS without signature (RFC 7515, appendix A.5). Only a development cluster accepts it.
fn unsecured_jws(claims: &Map<String, Value>, lifetime_s: f64, now_s: f64) -> String {
    let mut claims = claims.clone();
    claims.insert("iat".to_owned(), json!(now_s));
    claims.insert("exp".to_owned(), json!(now_s + lifetime_s));
    let payload = Value::Object(claims).to_string();
    format!("{}.{}.", BASE64_URL.encode(r#"{"alg":"none"}"#), BASE64_URL.encode(payload))
}

async fn read_token(path: &PathBuf) -> Result<Secret, TokenError> {
    let failed = |reason: String| TokenError::Unavailable(format!("token file {}: {reason}", path.display()));
    let size = tokio::fs::metadata(path).await.map_err(|error| failed(error.to_string()))?.len();
    if size > TOKEN_BYTES_MAX {
        return Err(failed(format!("{size} bytes are too many for a token")));
    }
    let text = tokio::fs::read_to_string(path).await.map_err(|error| failed(error.to_string()))?;
    Ok(Secret::new(text.trim()))
}

/// How long a JWT is good for, if it says so. Read, not verified: that is the broker's part.
fn lifetime(token: &str, now_s: f64) -> Option<Duration> {
    let payload = BASE64_URL.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    let left = claims.get("exp")?.as_f64()? - now_s;
    // A century bounds what a made-up claim can do to the arithmetic.
    (left > 0.0).then(|| Duration::from_secs_f64(left.min(3.2e9)))
}

fn now_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::allow_oauth_urls;

    fn oauth(url: Option<&str>) -> OAuth {
        OAuth {
            token_endpoint: url.map(str::to_owned),
            client_id: Some("id".to_owned()),
            client_secret: Some(Secret::new("s3cret")),
            scope: None,
            header_urlencode: false,
            strimzi: false,
        }
    }

    fn jaas(options: &str) -> Jaas {
        let module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";
        Jaas::parse(&format!("{module} required {options};")).unwrap()
    }

    #[test]
    fn an_unsecured_token_holds_the_claims_of_the_options_and_its_times() {
        let options = r#"unsecuredLoginStringClaim_sub="alice" unsecuredLoginListClaim_scope="|a|b"
            unsecuredLoginNumberClaim_n="7" unsecuredLoginLifetimeSeconds="10""#;
        let Origin::Unsecured { claims, lifetime_s } = unsecured(&jaas(options)).unwrap() else { unreachable!() };

        let token = unsecured_jws(&claims, lifetime_s, 100.0);

        let parts: Vec<&str> = token.split('.').collect();
        let claims: Value = serde_json::from_slice(&BASE64_URL.decode(parts[1]).unwrap()).unwrap();
        assert_eq!(claims, json!({"sub": "alice", "scope": ["a", "b"], "n": 7.0, "iat": 100.0, "exp": 110.0}));
        assert_eq!(parts[2], "", "there is no signature");
        assert_eq!(lifetime(&token, 104.0), Some(Duration::from_secs(6)));
    }

    #[test]
    fn an_unsecured_token_needs_a_principal_and_its_times_cannot_be_forged() {
        assert!(unsecured(&jaas("")).unwrap_err().to_string().contains("unsecuredLoginStringClaim_sub"));
        let options = r#"unsecuredLoginStringClaim_sub="a" unsecuredLoginNumberClaim_exp="1""#;
        assert!(unsecured(&jaas(options)).unwrap_err().to_string().contains("claim exp"));
    }

    #[test]
    fn only_an_allowed_url_is_used() {
        allow_oauth_urls(["https://idp.example/token".to_owned()]);

        assert!(TokenSource::new(None, &oauth(Some("https://idp.example/token"))).is_ok());
        for url in ["https://idp.example/", "https://idp.example/token/", "file:///etc/passwd"] {
            let error = TokenSource::new(None, &oauth(Some(url))).unwrap_err();
            assert!(error.to_string().contains("portage.sasl.oauthbearer.allowed.urls"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_token_file_is_read_anew_for_every_conversation_and_checked() {
        let path = std::env::temp_dir().join(format!("token-{}", uuid::Uuid::new_v4()));
        let url = format!("file://{}", path.display());
        allow_oauth_urls([url.clone()]);
        let source = TokenSource::new(None, &oauth(Some(&url))).unwrap();
        let tls = crate::tls::Tls::for_tests();

        std::fs::write(&path, "first.token.x\n").unwrap();
        assert_eq!(source.first_message(&tls).await.unwrap().expose(), "n,,\u{1}auth=Bearer first.token.x\u{1}\u{1}");
        std::fs::write(&path, "a\u{1}b").unwrap();
        assert!(matches!(source.first_message(&tls).await, Err(TokenError::Refused(_))));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(source.first_message(&tls).await, Err(TokenError::Unavailable(_))));
    }
}
