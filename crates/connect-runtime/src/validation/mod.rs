//! The report over a connector config, made without touching a broker (Java: `AbstractHerder.validateConnectorConfig`).

mod common;
mod policy;

use std::collections::BTreeMap;

use connect_api::config::{ConfigDef, ConfigProblem, ConfigType, ConfigValue};
use connect_api::{ConfigMap, PluginRegistry};
use connect_herder::error::HerderError;
use connect_herder::service::ConfigReport;

use crate::worker_config::WorkerConfig;

pub use common::source_connector_def;

const BYTE_ARRAY_CONVERTER: &str = "ByteArrayConverter";

/// All keys of a connector class: the common ones, then its own.
#[must_use]
pub fn connector_def(own: ConfigDef) -> ConfigDef {
    source_connector_def().merge(own)
}

/// Checks a config with references unresolved; the values in the report are the given ones.
///
/// `class` is the plugin asked for; the config's own `connector.class` must mean the same one.
pub fn validate(
    registry: &PluginRegistry,
    worker: &WorkerConfig,
    class: &str,
    config: &ConfigMap,
) -> Result<ConfigReport, HerderError> {
    let plugin = registry.source(class).ok_or_else(|| unknown_class(registry, class))?;
    let resolved = worker.resolver().resolve(config).map_err(|error| HerderError::BadRequest(error.to_string()))?;
    let def = connector_def(plugin.config_def());

    let mut problems = plugin.validate(&resolved);
    problems.extend(policy::check_overrides(worker, config));
    problems.extend(check_record_path(worker, &resolved));
    problems.extend(check_worker_limits(&resolved));
    problems.extend(check_providers(worker, config));
    let mut by_key = group_by_key(problems);

    let groups = def.groups().map(str::to_owned).collect();
    let mut configs = Vec::with_capacity(def.keys().len());
    for (key, mut value) in def.keys().iter().zip(def.validate(&resolved)) {
        // What was given is shown as it was given: a reference stays a reference, unless it stands within a password.
        if let Some(raw) = config.get(&value.name).filter(|raw| raw.contains("${") && key.kind != ConfigType::Password)
        {
            value.value = Some(raw.clone());
        }
        value.errors.extend(by_key.remove(&value.name).unwrap_or_default());
        // A converter's version can be chosen where the converter is (Java: `ConverterPluginVersionRecommender`).
        if let Some(converter) = value.name.strip_suffix(".plugin.version").filter(|key| key.ends_with(".converter")) {
            value.visible = config.contains_key(converter);
        }
        configs.push((Some(key.clone()), value));
    }
    // Keys that nobody declares are named for what is wrong with them, and without their values, as in Java: one of them may
    // be a client's password (`source.cluster.sasl.jaas.config`).
    configs.extend(by_key.into_iter().map(|(name, errors)| (None, undeclared(name, errors))));
    Ok(ConfigReport { name: plugin.class().to_owned(), groups, configs })
}

/// The sentence with which a wrong config is refused, or nothing if it is right.
pub fn refuse_if_wrong(report: &ConfigReport) -> Result<(), HerderError> {
    if report.error_count() == 0 {
        return Ok(());
    }
    let errors: Vec<&str> = report.errors().collect();
    Err(HerderError::BadRequest(format!(
        "Connector configuration is invalid and contains the following {} error(s):\n{}\nYou can also find the above list \
         of errors at the endpoint `/connector-plugins/{{connectorType}}/config/validate`",
        errors.len(),
        errors.join("\n")
    )))
}

/// Java's sentence for a class that no plugin has.
#[must_use]
pub fn unknown_class(registry: &PluginRegistry, class: &str) -> HerderError {
    let available: Vec<String> = registry
        .sources()
        .iter()
        .map(|plugin| {
            format!(
                "PluginDesc{{klass=class {0}, name='{0}', version='{1}', type=source}}",
                plugin.class(),
                plugin.version()
            )
        })
        .collect();
    HerderError::BadRequest(format!(
        "Failed to find any class that implements Connector and which name matches {class}, available connectors are: {}",
        available.join(", ")
    ))
}

/// What stands between task and producer: keys and values must pass as bytes in this version.
fn check_record_path(worker: &WorkerConfig, config: &ConfigMap) -> Vec<ConfigProblem> {
    let mut problems = Vec::new();
    for key in ["key.converter", "value.converter"] {
        let (class, whose) = match config.get(key) {
            Some(class) => (class.as_str(), ""),
            None => (worker.get(key).unwrap_or(""), " (the worker's default)"),
        };
        if class.trim().rsplit('.').next() != Some(BYTE_ARRAY_CONVERTER) {
            problems.push(ConfigProblem::new(
                key,
                format!(
                    "Invalid value {class} for configuration {key}{whose}: records are mirrored as bytes; set it to \
                     org.apache.kafka.connect.converters.ByteArrayConverter"
                ),
            ));
        }
    }
    for key in ["transforms", "predicates", "topic.creation.groups"] {
        if config.get(key).is_some_and(|value| !value.trim().is_empty()) {
            problems.push(ConfigProblem::new(
                key,
                format!(
                    "Invalid value {} for configuration {key}: not supported by this version of Portage",
                    config[key]
                ),
            ));
        }
    }
    problems
}

fn check_worker_limits(config: &ConfigMap) -> Vec<ConfigProblem> {
    let mut problems = Vec::new();
    let mut refuse = |key: &str, message: &str| problems.push(ConfigProblem::new(key, message));
    if config.get("exactly.once.support").is_some_and(|value| value.trim().eq_ignore_ascii_case("required")) {
        refuse("exactly.once.support", "This worker does not have exactly-once source support enabled.");
    }
    if let Some(topic) = config.get("offsets.storage.topic") {
        let reason = "a separate offsets topic is not supported by this version of Portage; remove it";
        refuse(
            "offsets.storage.topic",
            &format!("Invalid value {topic} for configuration offsets.storage.topic: {reason}"),
        );
    }
    problems
}

/// A connector can't bring config providers. That it names those of its worker, as MirrorMaker's dedicated mode stores it, is
/// no harm.
fn check_providers(worker: &WorkerConfig, config: &ConfigMap) -> Option<ConfigProblem> {
    const KEY: &str = "config.providers";
    let providers = config.get(KEY).filter(|value| !value.trim().is_empty())?;
    let mut settings = config.iter().filter(|(key, _)| key.starts_with(KEY));
    if settings.all(|(key, value)| worker.get(key) == Some(value.as_str())) {
        return None;
    }
    let reason = "a connector can't bring config providers; declare them in the worker's configuration";
    Some(ConfigProblem::new(KEY, format!("Invalid value {providers} for configuration {KEY}: {reason}")))
}

fn group_by_key(problems: Vec<ConfigProblem>) -> BTreeMap<String, Vec<String>> {
    let mut by_key: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for problem in problems {
        by_key.entry(problem.key).or_default().push(problem.message);
    }
    by_key
}

fn undeclared(name: String, errors: Vec<String>) -> ConfigValue {
    ConfigValue { name, value: None, recommended: Vec::new(), errors, visible: true }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_plugin::{CLASS, TestPlugin, Witness, config};
    use crate::test_world::worker_config;

    fn report(worker: &[(&str, &str)], keys: &[(&str, &str)]) -> ConfigReport {
        let registry = PluginRegistry::default().with_source(TestPlugin(Witness::default()));
        validate(&registry, &worker_config(worker), CLASS, &config(keys)).unwrap()
    }

    #[test]
    fn a_connector_may_name_the_providers_of_its_worker_and_no_others() {
        const CLASS_KEY: &str = "config.providers.env.class";
        let class = "org.apache.kafka.common.config.provider.EnvVarConfigProvider";
        let providers = [("config.providers", "env"), (CLASS_KEY, class)];
        let with = |more: &[(&str, &str)]| {
            let keys: Vec<_> = [("name", "m")].into_iter().chain(more.iter().copied()).collect();
            let errors: Vec<_> = report(&providers, &keys).errors().map(str::to_owned).collect();
            errors.iter().any(|error| error.contains("can't bring config providers"))
        };

        assert!(!with(&providers));
        assert!(with(&[("config.providers", "file")]));
        assert!(with(&[providers[0], providers[1], ("config.providers.env.param.allowlist.pattern", ".*")]));
    }

    #[test]
    fn a_key_that_nobody_declares_is_shown_only_when_it_is_wrong_and_without_its_value() {
        let policy = [("connector.client.config.override.policy", "None")];
        let keys = [
            ("name", "m"),
            ("source.cluster.sasl.jaas.config", "secret"),
            ("producer.override.sasl.jaas.config", "secret"),
        ];

        let report = report(&policy, &keys);

        let undeclared: Vec<_> = report.configs.iter().filter(|(key, _)| key.is_none()).collect();
        assert_eq!(undeclared.len(), 1);
        assert_eq!(undeclared[0].1.name, "producer.override.sasl.jaas.config");
        assert_eq!(undeclared[0].1.errors.len(), 1);
        assert!(!format!("{report:?}").contains("secret"), "{report:?}");
    }
}
