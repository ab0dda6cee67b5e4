//! Tokens in the words of Strimzi's login module (`oauth.*` options of `sasl.jaas.config`), which its images give to clients:
//! `sasl.login.callback.handler.class=io.strimzi.kafka.oauth.client.JaasClientOauthLoginCallbackHandler`.
//!
//! In its order: an access token, a refresh token, name and password, a client's secret, a client's assertion. TLS towards the
//! token endpoint has options of its own (`oauth.ssl.*`); what the client's `ssl.*` say holds for brokers only.

use std::time::Duration;

use super::jaas::Jaas;
use super::jaas_error;
use super::oauth::Origin;
use super::token_endpoint::{Endpoint, Given, Url};
use crate::config::security::tls;
use crate::config::{ConfigError, Properties, Reader, Secret};
use crate::tls::Tls;

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Where tokens come from. `allowed` says of a URL whether whoever runs the worker has allowed it.
pub(super) fn origin(jaas: &Jaas, allowed: impl Fn(&str) -> Result<(), ConfigError>) -> Result<Origin, ConfigError> {
    let option = |name: &str| jaas.option(&format!("oauth.{name}")).filter(|value| !value.expose().is_empty()).cloned();
    let file = |name: &str| match option(name) {
        None => Ok(None),
        Some(path) => {
            allowed(&format!("file://{}", path.expose()))?;
            Ok(Some(path.expose().into()))
        }
    };
    if let Some(token) = option("access.token") {
        return Ok(Origin::Given(token));
    }
    if let Some(path) = file("access.token.location")? {
        return Ok(Origin::File(path));
    }
    let url = option("token.endpoint.uri").ok_or_else(|| jaas_error("option oauth.token.endpoint.uri is missing"))?;
    allowed(url.expose())?;
    let Ok(Url::Http(url)) = Url::parse(url.expose()) else {
        return Err(jaas_error("oauth.token.endpoint.uri must be a URL of http or https"));
    };
    let id = option("client.id").ok_or_else(|| jaas_error("option oauth.client.id is missing"))?;
    let secret = option("client.secret");
    let mut form = Vec::new();
    if let Some(token) = option("refresh.token") {
        form.extend([("grant_type", Given::from("refresh_token")), ("refresh_token", token.into())]);
    } else if let Some(name) = option("password.grant.username") {
        let password = option("password.grant.password").unwrap_or_default();
        form.extend([
            ("grant_type", Given::from("password")),
            ("username", name.into()),
            ("password", password.into()),
        ]);
    } else {
        let grant = option("client.credentials.grant.type").unwrap_or_else(|| Secret::new("client_credentials"));
        form.push(("grant_type", grant.into()));
        let location = file("client.assertion.location")?;
        if secret.is_none() {
            let assertion = match (option("client.assertion"), location) {
                (Some(assertion), _) => Given::Text(assertion),
                (None, Some(path)) => Given::File(path),
                (None, None) => {
                    return Err(jaas_error(
                        "one of oauth.client.secret, oauth.refresh.token, oauth.access.token, oauth.client.assertion and \
                         oauth.password.grant.username must be given",
                    ));
                }
            };
            let kind = option("client.assertion.type").unwrap_or_else(|| Secret::new(ASSERTION));
            form.extend([("client_assertion", assertion), ("client_assertion_type", kind.into())]);
        }
    }
    let basic = secret.map(|secret| (id.expose().to_owned(), secret));
    if basic.is_none() {
        form.push(("client_id", id.into()));
    }
    for name in ["scope", "audience"] {
        form.extend(option(name).map(|value| (name, value.into())));
    }
    let lifetime_max = option("max.token.expiry.seconds").and_then(|text| text.expose().trim().parse().ok());
    Ok(Origin::Endpoint(Box::new(Endpoint {
        url,
        basic,
        form,
        urlencode: false,
        tls: Some(Tls::new(own_tls(jaas)?)),
        lifetime_max: lifetime_max.filter(|seconds| *seconds > 0).map(Duration::from_secs),
    })))
}

/// `oauth.ssl.*` as Kafka's `ssl.*`.
fn own_tls(jaas: &Jaas) -> Result<crate::config::security::Tls, ConfigError> {
    let options = jaas.options_with("oauth.").filter(|(name, _)| name.starts_with("ssl."));
    let mut settings: Properties = options.map(|(name, value)| (name.to_owned(), value.expose().to_owned())).collect();
    if let Some(kind) = settings.get_mut("ssl.truststore.type") {
        *kind = kind.to_ascii_uppercase();
    }
    tls(&Reader(&settings)).map_err(|error| jaas_error(format!("oauth.{error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(options: &str) -> Result<Origin, ConfigError> {
        let module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";
        let jaas = Jaas::parse(&format!("{module} required {options};")).unwrap();
        origin(&jaas, |url| match url {
            "https://idp/token" | "file:///run/token" => Ok(()),
            other => Err(ConfigError::invalid("url", other, "it is not in the list")),
        })
    }

    fn form(options: &str) -> Vec<(&'static str, String)> {
        let Ok(Origin::Endpoint(endpoint)) = of(options) else { panic!("{options}") };
        let text = |given: Given| match given {
            Given::Text(text) => text.expose().to_owned(),
            Given::File(path) => path.display().to_string(),
        };
        endpoint.form.into_iter().map(|(name, given)| (name, text(given))).collect()
    }

    const AT: &str = r#"oauth.token.endpoint.uri="https://idp/token" oauth.client.id="c""#;

    #[test]
    fn a_client_proves_itself_by_what_its_options_hold() {
        let named = |pairs: &[(&'static str, &str)]| {
            pairs.iter().map(|(name, text)| (*name, (*text).to_owned())).collect::<Vec<_>>()
        };

        assert_eq!(
            form(&format!(r#"{AT} oauth.client.secret="s" oauth.scope="a b" oauth.audience="kafka""#)),
            named(&[("grant_type", "client_credentials"), ("scope", "a b"), ("audience", "kafka")])
        );
        assert_eq!(
            form(&format!(r#"{AT} oauth.refresh.token="r""#)),
            named(&[("grant_type", "refresh_token"), ("refresh_token", "r"), ("client_id", "c")])
        );
        assert_eq!(
            form(&format!(r#"{AT} oauth.password.grant.username="u" oauth.password.grant.password="p""#)),
            named(&[("grant_type", "password"), ("username", "u"), ("password", "p"), ("client_id", "c")])
        );
        assert_eq!(
            form(&format!(r#"{AT} oauth.client.assertion="jwt""#)),
            named(&[
                ("grant_type", "client_credentials"),
                ("client_assertion", "jwt"),
                ("client_assertion_type", ASSERTION),
                ("client_id", "c")
            ])
        );
        assert!(matches!(of(r#"oauth.access.token="t""#), Ok(Origin::Given(token)) if token.expose() == "t"));
        assert!(matches!(of(r#"oauth.access.token.location="/run/token""#), Ok(Origin::File(_))));
    }

    #[test]
    fn what_is_missing_or_not_allowed_is_named_and_no_secret_is() {
        for (options, word) in [
            (AT.to_owned(), "oauth.client.secret"),
            (r#"oauth.client.id="c""#.to_owned(), "oauth.token.endpoint.uri"),
            (
                r#"oauth.token.endpoint.uri="https://idp/token" oauth.client.secret="s3cret""#.to_owned(),
                "oauth.client.id",
            ),
            (AT.replace("idp", "elsewhere"), "not in the list"),
            (r#"oauth.access.token.location="/etc/passwd""#.to_owned(), "not in the list"),
            (format!(r#"{AT} oauth.client.secret="s3cret" oauth.ssl.truststore.type="weird""#), "ssl.truststore.type"),
        ] {
            let error = of(&options).unwrap_err().to_string();
            assert!(error.contains(word) && !error.contains("s3cret"), "{options}: {error}");
        }
    }
}
