//! The worker of a resource: it runs beside the target cluster.

use super::clusters::Cluster;
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

/// `autoRestart` of the connectors. Portage restarts by worker, not by connector: what one of them asks for, all get; and what
/// none of them mentions stays Portage's own default.
pub(super) fn restarts(spec: &Node, worker: &mut Settings) {
    let mirrors = spec.field("mirrors").map(Node::items).unwrap_or_default();
    let connectors = mirrors.iter().flat_map(Node::fields).filter(|(key, _)| key.name.ends_with("Connector"));
    let asked: Vec<&Node> = connectors.filter_map(|(_, node)| node.field("autoRestart")).collect();
    let off = |node: &Node| node.field("enabled").and_then(Node::text) == Some("false");
    if let Some(first) = asked.first().filter(|_| asked.iter().all(|node| off(node))) {
        worker.put("portage.restart.enabled", "false", Some(first.line));
    }
    let attempts = asked.iter().filter(|node| !off(node)).filter_map(|node| node.field("maxRestarts"));
    let most = attempts.max_by_key(|node| node.text().and_then(|text| text.parse::<u64>().ok()));
    if let Some((most, text)) = most.and_then(|node| Some((node, node.text()?))) {
        worker.put("portage.restart.max.attempts", text, Some(most.line));
    }
}

/// `spec.logging` as loggers with levels: names as in `log4j.properties` and `log4j2.properties`.
pub(super) fn levels(logging: &Node, findings: &mut Vec<Finding>) -> Vec<(String, String)> {
    if logging.field("type").and_then(Node::text) == Some("external") {
        findings.push(Finding::note(
            Some(logging.line),
            "logging of type external names a ConfigMap, and there are none outside of Kubernetes",
            "use type inline, or --log-level",
        ));
        return Vec::new();
    }
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
