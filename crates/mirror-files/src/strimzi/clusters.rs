//! One cluster of a resource: how it is reached, and as whom.

use super::{Context, SECRETS_PROVIDER, oauth, required, required_text};
use crate::finding::{FileError, Finding};
use crate::settings::Settings;
use crate::yaml::Node;

const PLAIN_MODULE: &str = "org.apache.kafka.common.security.plain.PlainLoginModule";
const SCRAM_MODULE: &str = "org.apache.kafka.common.security.scram.ScramLoginModule";

/// A cluster of the file.
pub(super) struct Cluster<'a> {
    pub(super) alias: String,
    pub(super) node: &'a Node,
}

impl<'a> Cluster<'a> {
    pub(super) fn new(node: &'a Node) -> Result<Self, FileError> {
        let (alias, _) = required_text(node, "alias")?;
        Ok(Self { alias: alias.to_owned(), node })
    }

    /// `config` as it is.
    pub(super) fn config(&self, context: &mut Context) -> Result<Settings, FileError> {
        self.node.field("config").map_or(Ok(Settings::default()), |config| texts(config, context))
    }

    /// Address and security of its clients, in Kafka's keys without a prefix, secrets as references.
    pub(super) fn client(&self, context: &mut Context) -> Result<Settings, FileError> {
        let mut client = Settings::default();
        let (servers, line) = required_text(self.node, "bootstrapServers")?;
        client.put("bootstrap.servers", servers, Some(line));
        let tls = self.node.field("tls");
        let certificates = tls.and_then(|tls| tls.field("trustedCertificates"));
        if let Some(certificates) = certificates.filter(|list| !list.items().is_empty()) {
            let bundle = trusted(certificates, &self.alias, context)?;
            client.put("ssl.truststore.certificates", bundle, Some(certificates.line));
            client.put("ssl.truststore.type", "PEM", Some(certificates.line));
        }
        let sasl = match self.node.field("authentication") {
            Some(authentication) => authenticate(authentication, &self.alias, &mut client, context)?,
            None => false,
        };
        let protocol = match (sasl, tls.is_some()) {
            (false, false) => "PLAINTEXT",
            (false, true) => "SSL",
            (true, false) => "SASL_PLAINTEXT",
            (true, true) => "SASL_SSL",
        };
        client.put("security.protocol", protocol, tls.map(|tls| tls.line));
        context.oauth_urls.extend(oauth::urls(&client));
        Ok(client)
    }
}

/// The reference by which Strimzi names a key of a secret.
fn reference(context: &Context, secret: &str, key: &str) -> String {
    format!("${{{SECRETS_PROVIDER}:{}/{secret}:{key}}}", context.namespace)
}

/// The reference to certificates of secrets, put together under the name that Strimzi's operator gives the bundle.
pub(super) fn trusted(certificates: &Node, name: &str, context: &mut Context) -> Result<String, FileError> {
    let (secret, key) = (format!("{}-connect-tls-trusted-certs", context.name), format!("{name}.crt"));
    for certificate in certificates.items() {
        let (from, line) = required_text(certificate, "secretName")?;
        let wanted = certificate.field("certificate").or_else(|| certificate.field("pattern"));
        let wanted = wanted.and_then(Node::text).ok_or_else(|| {
            FileError::at(line, format!("{from}: certificate or pattern is missing, as in certificate: ca.crt"))
        })?;
        context.secrets.bundle(&secret, &key, from, wanted, line);
    }
    Ok(reference(context, &secret, &key))
}

/// Puts the client's identity into its settings. Whether it is one of SASL.
fn authenticate(node: &Node, alias: &str, client: &mut Settings, context: &mut Context) -> Result<bool, FileError> {
    let (kind, line) = required_text(node, "type")?;
    let at = Some(line);
    let mechanism = match kind {
        "tls" => {
            let pair = required(node, "certificateAndKey")?;
            client.put("ssl.keystore.certificate.chain", secret(pair, "secretName", "certificate", context)?, at);
            client.put("ssl.keystore.key", secret(pair, "secretName", "key", context)?, at);
            client.put("ssl.keystore.type", "PEM", at);
            return Ok(false);
        }
        "custom" => {
            let config = node.field("config").map(|config| texts(config, context)).transpose()?;
            client.extend(config.unwrap_or_default());
            return Ok(node.field("sasl").and_then(Node::text) == Some("true"));
        }
        "plain" => "PLAIN",
        "scram-sha-256" => "SCRAM-SHA-256",
        "scram-sha-512" => "SCRAM-SHA-512",
        "oauth" => {
            oauth::derive(node, alias, client, context)?;
            return Ok(true);
        }
        other => {
            let message = format!(
                "authentication type {other} is not known; known are tls, scram-sha-256, scram-sha-512, plain, oauth and custom"
            );
            return Err(FileError::at(line, message));
        }
    };
    let (user, _) = required_text(node, "username")?;
    let password = secret(required(node, "passwordSecret")?, "secretName", "password", context)?;
    let module = if kind == "plain" { PLAIN_MODULE } else { SCRAM_MODULE };
    client.put("sasl.mechanism", mechanism, at);
    let user = quoted(user);
    client.put("sasl.jaas.config", format!("{module} required username=\"{user}\" password=\"{password}\";"), at);
    Ok(true)
}

/// A text between the quotes of a JAAS option.
pub(super) fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// A reference to the key of a secret that two fields name; it is noted that it has to exist.
pub(super) fn secret(node: &Node, secret: &str, key: &str, context: &mut Context) -> Result<String, FileError> {
    let ((secret, line), (key, _)) = (required_text(node, secret)?, required_text(node, key)?);
    context.secrets.need(secret, key, line);
    Ok(reference(context, secret, key))
}

/// A map of settings. Numbers and booleans are text, as Connect takes them.
pub(super) fn texts(node: &Node, context: &mut Context) -> Result<Settings, FileError> {
    let mut settings = Settings::default();
    for (key, value) in node.fields() {
        match value.text() {
            Some(text) => settings.put(key.name.as_str(), text, Some(key.line)),
            None if value.items().is_empty() && value.fields().is_empty() => context.findings.push(Finding::warning(
                Some(key.line),
                format!("{} has no value and is left out", key.name),
                "give it one, or remove the line",
            )),
            None => {
                let message = format!("{} must be one text, as in {}: \"a,b\"", key.name, key.name);
                return Err(FileError::at(key.line, message));
            }
        }
    }
    Ok(settings)
}
