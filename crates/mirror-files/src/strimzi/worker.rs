//! The worker of a resource: it runs beside the target cluster.

use std::collections::BTreeSet;

use super::clusters::Cluster;
use super::config_maps::ConfigMapKey;
use super::{Context, SECRETS_PROVIDER, Shape, required_text};
use crate::finding::{FileError, Finding};
use crate::settings::Settings;
use crate::yaml::Node;

const BYTE_ARRAY_CONVERTER: &str = "org.apache.kafka.connect.converters.ByteArrayConverter";
const KAFKA_PROVIDERS: &str = "org.apache.kafka.common.config.provider.";
/// The class by which the provider of secrets is declared.
const SECRETS_CLASS: &str = "io.strimzi.kafka.KubernetesSecretConfigProvider";

/// What a cluster's `config` may not set for the worker, because the operator does.
const FORBIDDEN: [&str; 8] = [
    "ssl.",
    "sasl.",
    "security.",
    "listeners",
    "plugin.path",
    "rest.",
    "bootstrap.servers",
    "consumer.interceptor.classes",
];
/// In v1 these have fields of their own.
const FORBIDDEN_IN_V1: [&str; 4] = ["group.id", "config.storage.topic", "offset.storage.topic", "status.storage.topic"];
const ALLOWED: [&str; 4] =
    ["ssl.endpoint.identification.algorithm", "ssl.cipher.suites", "ssl.protocol", "ssl.enabled.protocols"];

pub(super) fn derive(target: &Cluster, shape: &Shape, context: &mut Context) -> Result<Settings, FileError> {
    let mut worker = Settings::default();
    let client = target.client(context)?;
    for (key, given) in client.iter() {
        worker.give(key, given);
        if key != "bootstrap.servers" {
            for kind in ["producer", "consumer", "admin"] {
                worker.give(&format!("{kind}.{key}"), given);
            }
        }
    }
    if let Shape::Target = shape {
        for (field, key) in [
            ("groupId", "group.id"),
            ("configStorageTopic", "config.storage.topic"),
            ("offsetStorageTopic", "offset.storage.topic"),
            ("statusStorageTopic", "status.storage.topic"),
        ] {
            let (text, line) = required_text(target.node, field)?;
            worker.put(key, text, Some(line));
        }
    }
    let config = target.config(context)?;
    for (key, given) in config.iter() {
        let forbidden = FORBIDDEN.iter().any(|prefix| key.starts_with(prefix)) && !ALLOWED.contains(&key);
        let has_a_field = matches!(shape, Shape::Target) && FORBIDDEN_IN_V1.contains(&key);
        if forbidden || has_a_field {
            let what = format!("{key} in the config of {} does not reach the worker, as under Strimzi", target.alias);
            context.findings.push(Finding::warning(given.line, what, "remove it, and use the fields of the cluster"));
        } else {
            worker.put(key, given.text.as_str(), given.line);
        }
    }
    worker.put_if_absent("group.id", "mirrormaker2-cluster");
    for what in ["config", "offset", "status"] {
        let plural = if what == "status" { "" } else { "s" };
        worker.put_if_absent(&format!("{what}.storage.topic"), format!("mirrormaker2-cluster-{what}{plural}"));
    }
    for converter in ["key.converter", "value.converter", "header.converter"] {
        worker.put_if_absent(converter, BYTE_ARRAY_CONVERTER);
    }
    providers(&mut worker);
    Ok(worker)
}

/// Lets the clients of the worker fetch their tokens.
pub(super) fn allow(urls: &BTreeSet<String>, worker: &mut Settings) {
    const KEY: &str = "portage.sasl.oauthbearer.allowed.urls";
    if !urls.is_empty() {
        let own = worker.get(KEY).map(str::to_owned);
        let all: Vec<String> = own.into_iter().chain(urls.iter().cloned()).collect();
        worker.put(KEY, all.join(","), None);
    }
}

/// The providers that Strimzi declares, after those of the file.
fn providers(worker: &mut Settings) {
    let own = worker.get("config.providers").map(|own| format!("{own},")).unwrap_or_default();
    worker.put("config.providers", format!("{own}strimzienv,strimzifile,strimzidir,{SECRETS_PROVIDER}"), None);
    for (name, class) in [
        ("strimzienv", format!("{KAFKA_PROVIDERS}EnvVarConfigProvider")),
        ("strimzifile", format!("{KAFKA_PROVIDERS}FileConfigProvider")),
        ("strimzidir", format!("{KAFKA_PROVIDERS}DirectoryConfigProvider")),
        (SECRETS_PROVIDER, SECRETS_CLASS.to_owned()),
    ] {
        worker.put(format!("config.providers.{name}.class"), class, None);
    }
}

/// `spec.logging` as loggers with levels: names as in `log4j.properties` and `log4j2.properties`.
pub(super) fn levels(logging: &Node) -> Vec<(String, String)> {
    let loggers = logging.field("loggers").map(Node::fields).unwrap_or_default();
    let text = |name: &str| loggers.iter().find(|(key, _)| key.name == name).and_then(|(_, node)| node.text());
    let mut levels = Vec::new();
    for (key, node) in loggers {
        let level = node.text().unwrap_or_default().split(',').next().unwrap_or_default().trim().to_owned();
        let short = key.name.strip_prefix("logger.").and_then(|rest| rest.strip_suffix(".level"));
        let logger = match (key.name.as_str(), short) {
            ("connect.root.logger.level" | "log4j.rootLogger" | "rootLogger.level" | "rootLogger", _) => Some("root"),
            (_, Some(short)) => text(&format!("logger.{short}.name")),
            (name, None) => name.strip_prefix("log4j.logger."),
        };
        if let Some(logger) = logger {
            levels.push((logger.to_owned(), level));
        }
    }
    levels
}

/// What is to be said of `spec.logging`.
pub(super) fn nameless(logging: &Node) -> Option<Finding> {
    let is_external = logging.field("type").and_then(Node::text) == Some("external");
    (is_external && external(logging).is_none()).then(|| {
        let what = "logging of type external has no valueFrom.configMapKeyRef with name and key";
        Finding::warning(Some(logging.line), what, "name the ConfigMap, or use type inline")
    })
}

/// The key of the ConfigMap with which `spec.logging` of type external has its levels in a log4j file.
pub(super) fn external(logging: &Node) -> Option<ConfigMapKey> {
    logging.field("type").filter(|kind| kind.text() == Some("external"))?;
    let named = logging.field("valueFrom")?.field("configMapKeyRef")?;
    let (config_map, key) = (named.field("name")?.text()?, named.field("key")?.text()?);
    Some(ConfigMapKey { config_map: config_map.to_owned(), key: key.to_owned(), line: named.line })
}
