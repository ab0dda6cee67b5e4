//! `authentication: type: oauth` of v1beta2: how a client gets its tokens, in the words of the login module that Strimzi's images
//! have. Our client knows those words, too, so the same config works under either; v1 says them itself (`type: custom`).

use super::clusters::{quoted, secret, trusted};
use super::{Context, required_text};
use crate::finding::{FileError, Finding};
use crate::nearest::did_you_mean;
use crate::settings::Settings;
use crate::yaml::Node;

const MODULE: &str = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";
const HANDLER: &str = "io.strimzi.kafka.oauth.client.JaasClientOauthLoginCallbackHandler";

/// Fields of `type: oauth` that are text, and the options that they set.
const TEXTS: [(&str, &str); 12] = [
    ("clientId", "oauth.client.id"),
    ("username", "oauth.password.grant.username"),
    ("tokenEndpointUri", "oauth.token.endpoint.uri"),
    ("scope", "oauth.scope"),
    ("audience", "oauth.audience"),
    ("grantType", "oauth.client.credentials.grant.type"),
    ("accessTokenLocation", "oauth.access.token.location"),
    ("clientAssertionLocation", "oauth.client.assertion.location"),
    ("clientAssertionType", "oauth.client.assertion.type"),
    ("maxTokenExpirySeconds", "oauth.max.token.expiry.seconds"),
    ("connectTimeoutSeconds", "oauth.connect.timeout.seconds"),
    ("readTimeoutSeconds", "oauth.read.timeout.seconds"),
];
/// Fields of it that name a secret, how they call the key, and the options.
const SECRETS: [(&str, &str, &str); 5] = [
    ("clientSecret", "key", "oauth.client.secret"),
    ("refreshToken", "key", "oauth.refresh.token"),
    ("accessToken", "key", "oauth.access.token"),
    ("passwordSecret", "password", "oauth.password.grant.password"),
    ("clientAssertion", "key", "oauth.client.assertion"),
];
const UNUSED: [&str; 5] =
    ["accessTokenIsJwt", "httpRetries", "httpRetryPauseMs", "includeAcceptHeader", "enableMetrics"];

/// Puts what the fields say into the settings of a client.
pub(super) fn derive(node: &Node, alias: &str, client: &mut Settings, context: &mut Context) -> Result<(), FileError> {
    let mut options = Vec::new();
    for (field, option) in TEXTS {
        if let Some((text, _)) = node.field(field).map(|_| required_text(node, field)).transpose()? {
            options.push((option.to_owned(), text.to_owned()));
        }
    }
    for (field, key, option) in SECRETS {
        if let Some(from) = node.field(field) {
            options.push((option.to_owned(), secret(from, "secretName", key, context)?));
        }
    }
    if node.field("disableTlsHostnameVerification").and_then(Node::text) == Some("true") {
        options.push(("oauth.ssl.endpoint.identification.algorithm".to_owned(), String::new()));
    }
    for (key, value) in node.field("saslExtensions").map(Node::fields).unwrap_or_default() {
        options.push((format!("oauth.sasl.extension.{}", key.name), value.text().unwrap_or_default().to_owned()));
    }
    if let Some(certificates) = node.field("tlsTrustedCertificates").filter(|list| !list.items().is_empty()) {
        let bundle = trusted(certificates, &format!("{alias}-oauth"), context)?;
        options.push(("oauth.ssl.truststore.certificates".to_owned(), bundle));
        options.push(("oauth.ssl.truststore.type".to_owned(), "PEM".to_owned()));
    }
    for (key, _) in node.fields() {
        context.findings.extend(unused(&key.name, key.line));
    }
    let options: String = options.iter().map(|(key, value)| format!(" {key}=\"{}\"", quoted(value))).collect();
    let at = Some(node.line);
    client.put("sasl.mechanism", "OAUTHBEARER", at);
    client.put("sasl.login.callback.handler.class", HANDLER, at);
    client.put("sasl.jaas.config", format!("{MODULE} required{options};"), at);
    Ok(())
}

/// Where a client that has these settings may get its tokens from. Whoever wrote the file runs the worker, so they are allowed;
/// what comes over REST later is not.
pub(super) fn urls(client: &Settings) -> impl Iterator<Item = String> {
    let jaas = client.get("sasl.jaas.config").unwrap_or_default();
    let option = |name: &str| {
        let (_, rest) = jaas.split_once(&format!(" {name}=\""))?;
        rest.split_once('"').map(|(value, _)| value.to_owned())
    };
    let file = |name: &str| option(name).map(|path| format!("file://{path}"));
    let urls = [
        client.get("sasl.oauthbearer.token.endpoint.url").map(str::to_owned),
        option("oauth.token.endpoint.uri"),
        file("oauth.access.token.location"),
        file("oauth.client.assertion.location"),
    ];
    urls.into_iter().flatten()
}

/// What is to be said of a field that changes nothing.
fn unused(field: &str, line: usize) -> Option<Finding> {
    const OTHERS: [&str; 4] = ["type", "disableTlsHostnameVerification", "saslExtensions", "tlsTrustedCertificates"];
    let known =
        || TEXTS.iter().map(|(field, _)| *field).chain(SECRETS.iter().map(|(field, _, _)| *field)).chain(OTHERS);
    if known().any(|known| known == field) {
        return None;
    }
    let what = format!("{field} of authentication type oauth is not used");
    Some(if UNUSED.contains(&field) {
        Finding::note(Some(line), what, "nothing to do: tokens are asked for until there is one, and not looked into")
    } else {
        let meant = did_you_mean(field, known());
        Finding::warning(Some(line), format!("{what}{meant}"), "it has no effect: correct or remove it")
    })
}
