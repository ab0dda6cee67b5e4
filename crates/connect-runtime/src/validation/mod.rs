//! The report over a connector config, made without touching a broker (Java: `AbstractHerder.validateConnectorConfig`).

mod common;
mod plugins;
mod policy;

use std::collections::BTreeMap;

use connect_api::config::{ConfigDef, ConfigKey, ConfigProblem, ConfigType, ConfigValue};
use connect_api::source::ExactlyOnceSupport;
use connect_api::{ConfigMap, PluginRegistry};
use connect_herder::error::HerderError;
use connect_herder::service::ConfigReport;
use connect_herder::settings::ExactlyOnce;

use crate::record_path::RecordPath;
use crate::topic_creation::CreationGroups;
use crate::worker_config::WorkerConfig;

pub use common::source_connector_def;

/// All keys of a connector class: the common ones, then its own.
#[must_use]
pub fn connector_def(own: ConfigDef) -> ConfigDef {
    source_connector_def().merge(own)
}

/// The same in the order in which `GET /connector-plugins/{p}/config` shows it: what is of source connectors comes last.
#[must_use]
pub fn shown_keys(own: ConfigDef) -> Vec<ConfigKey> {
    let mut keys = connector_def(own).keys().to_vec();
    keys.sort_by_key(common::is_of_sources);
    keys
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
    let def = plugins::enrich(source_connector_def(), &resolved).merge(plugin.config_def());

    let mut problems = plugin.validate(&resolved);
    problems.extend(policy::check_overrides(worker, config));
    problems.extend(policy::check_values(worker, &resolved));
    problems.extend(check_record_path(worker, &resolved));
    problems.extend(check_exactly_once(worker, plugin.exactly_once_support(&resolved), &resolved));
    problems.extend(check_providers(worker, config));
    let mut by_key = group_by_key(problems);

    let mut groups: Vec<String> = def.groups().map(str::to_owned).collect();
    let mut configs: Vec<(Option<ConfigKey>, ConfigValue)> = Vec::with_capacity(def.keys().len());
    for (key, mut value) in def.keys().iter().zip(def.validate(&resolved)) {
        // What was given is shown as it was given: a reference stays a reference, unless it stands within a password.
        if let Some(raw) = config.get(&value.name).filter(|raw| raw.contains("${") && key.kind != ConfigType::Password)
        {
            value.value = Some(raw.clone());
        }
        for error in by_key.remove(&value.name).unwrap_or_default() {
            if !value.errors.contains(&error) {
                value.errors.push(error);
            }
        }
        // A converter's version can be chosen where the converter is (Java: `ConverterPluginVersionRecommender`).
        if let Some(converter) = value.name.strip_suffix(".plugin.version").filter(|key| key.ends_with(".converter")) {
            let right = |(_, value): &(_, ConfigValue)| value.name == converter && value.errors.is_empty();
            value.visible = config.contains_key(converter) && configs.iter().any(right);
        }
        configs.push((Some(key.clone()), value));
    }
    for converter in ["header.converter", "key.converter", "value.converter"] {
        for (key, mut value) in plugins::converter_report(converter, &resolved) {
            // Java names its keys without the prefix here.
            let named = by_key.remove(&value.name).unwrap_or_default();
            if value.errors.is_empty() {
                value.errors = named;
            }
            if let Some(group) = key.as_ref().and_then(|key| key.group.as_deref())
                && !groups.iter().any(|known| known == group)
            {
                groups.push(group.to_owned());
            }
            configs.push((key, value));
        }
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

/// What stands between task and producer: transforms, predicates, converters, topics to be made.
fn check_record_path(worker: &WorkerConfig, config: &ConfigMap) -> Vec<ConfigProblem> {
    let path = RecordPath::from_config(worker, config).err();
    let topics = CreationGroups::from_config(worker, config).err();
    path.into_iter().chain(topics).flatten().collect()
}

/// KIP-618's preflight checks, in Java's words (`DistributedHerder.validateSourceConnectorConfig`).
fn check_exactly_once(
    worker: &WorkerConfig,
    support: Option<ExactlyOnceSupport>,
    config: &ConfigMap,
) -> Vec<ConfigProblem> {
    let is = |key: &str, wanted: &str| config.get(key).is_some_and(|value| value.trim().eq_ignore_ascii_case(wanted));
    let mut problems = Vec::new();
    let mut refuse = |key: &str, message: &str| problems.push(ConfigProblem::new(key, message));
    if is("exactly.once.support", "required") {
        if worker.exactly_once() != ExactlyOnce::Enabled {
            refuse("exactly.once.support", "This worker does not have exactly-once source support enabled.");
        }
        match support {
            Some(ExactlyOnceSupport::Supported) => {}
            Some(ExactlyOnceSupport::Unsupported) => refuse(
                "exactly.once.support",
                "The connector does not support exactly-once semantics with the provided configuration.",
            ),
            None => refuse(
                "exactly.once.support",
                "The connector does not implement the API required for preflight validation of exactly-once source \
                 support. Please consult the documentation for the connector to determine whether it supports \
                 exactly-once semantics, and then consider reconfiguring the connector to use the value \"requested\" for \
                 this property (which will disable this preflight check and allow the connector to be created).",
            ),
        }
    }
    if is("transaction.boundary", "connector") {
        refuse(
            "transaction.boundary",
            "The connector does not support connector-defined transaction boundaries with the given configuration. Please \
             reconfigure it to use a different transaction boundary definition.",
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
    use std::sync::Arc;

    use super::*;
    use crate::test_plugin::{CLASS, TestPlugin, Witness, config};
    use crate::test_world::worker_config;

    fn report(worker: &[(&str, &str)], keys: &[(&str, &str)]) -> ConfigReport {
        let registry = PluginRegistry::default().with_source(Arc::new(TestPlugin(Witness::default())));
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

    #[test]
    fn what_keeps_a_connector_from_exactly_once_is_said_in_java_s_words() {
        let (disabled, enabled) = (worker_config(&[]), worker_config(&[("exactly.once.source.support", "enabled")]));
        let required = config(&[("exactly.once.support", "REQUIRED")]);
        let messages = |worker, support, config: &ConfigMap| {
            let problems = check_exactly_once(worker, support, config);
            problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>()
        };
        let (supported, unsupported) = (Some(ExactlyOnceSupport::Supported), Some(ExactlyOnceSupport::Unsupported));

        assert!(messages(&enabled, supported, &required).is_empty());
        assert!(messages(&disabled, None, &config(&[])).is_empty());
        assert_eq!(
            messages(&disabled, supported, &required),
            ["This worker does not have exactly-once source support enabled."]
        );
        assert_eq!(
            messages(&enabled, unsupported, &required),
            ["The connector does not support exactly-once semantics with the provided configuration."]
        );
        assert!(messages(&enabled, None, &required)[0].contains("does not implement the API"));
        assert_eq!(messages(&enabled, supported, &config(&[("transaction.boundary", "Connector")])).len(), 1);
    }

    #[test]
    fn the_keys_of_transforms_and_predicates_are_reported_with_their_own_definitions() {
        let keys = [
            ("name", "m"),
            ("transforms", "site"),
            ("transforms.site.type", "org.apache.kafka.connect.transforms.InsertHeader"),
            ("transforms.site.value.literal", "a"),
        ];

        let report = report(&[], &keys);

        let entry = |name: &str| report.configs.iter().find(|(_, value)| value.name == name).unwrap();
        let (key, value) = entry("transforms.site.header");
        assert!(key.as_ref().is_some_and(|key| key.group.as_deref() == Some("Transforms: site")));
        let missing = "Missing required configuration \"transforms.site.header\" which has no default value.";
        assert_eq!(value.errors, [missing]);
        assert_eq!(entry("transforms.site.negate").1.value.as_deref(), Some("false"));
    }
}
