//! The keys that a connector config has for the plug-ins it names: transforms and predicates (Java: `ConnectorConfig.enrich`), and
//! converters of its own (`AbstractHerder.validateConverterConfig`).

use connect_api::PluginKind;
use connect_api::config::{ConfigDef, ConfigKey, ConfigMap, ConfigType, ConfigValue, DefaultValue, Importance, Width};

use crate::record_path::catalog::{self, VERSION};
use crate::record_path::{aliases, converter_config};

/// What differs between transforms and predicates.
struct Kind {
    list: &'static str,
    kind: PluginKind,
    group: &'static str,
    name: &'static str,
    noun: &'static str,
}

const KINDS: [Kind; 2] = [
    Kind {
        list: "transforms",
        kind: PluginKind::Transformation,
        group: "Transforms",
        name: "Transformation",
        noun: "transformation",
    },
    Kind { list: "predicates", kind: PluginKind::Predicate, group: "Predicates", name: "Predicate", noun: "predicate" },
];

/// The definition with the keys of the transforms and predicates that a config names.
pub(super) fn enrich(def: ConfigDef, config: &ConfigMap) -> ConfigDef {
    let mut def = def;
    for kind in &KINDS {
        let mut seen = Vec::new();
        for alias in aliases(config, kind.list) {
            if !seen.contains(&alias) {
                def = kind.keys(&alias, config).into_iter().fold(def, ConfigDef::define);
                seen.push(alias);
            }
        }
    }
    def
}

impl Kind {
    fn keys(&self, alias: &str, config: &ConfigMap) -> Vec<ConfigKey> {
        let Self { list, kind, group, name, noun } = self;
        let prefix = format!("{list}.{alias}.");
        let group = format!("{group}: {alias}");
        let class = config.get(&format!("{prefix}type")).map_or("", |class| class.trim());
        let own = catalog::config_def_of(*kind, class);
        let versions: Vec<String> = own.iter().map(|_| VERSION.to_owned()).collect();
        let version = versions.first().cloned().map_or(DefaultValue::Null, |version| DefaultValue::Is(version.into()));

        let class_text = format!("Class for the '{alias}' {noun}.");
        let class_key = ConfigKey::new("type", ConfigType::Class, DefaultValue::Required, Importance::High, class_text)
            .displayed(Width::Long, format!("{name} type for {alias}"))
            .recommends(catalog::classes(*kind));
        let version_text = format!("Version of the '{alias}' {noun}.");
        let version_key = ConfigKey::new("plugin.version", ConfigType::String, version, Importance::High, version_text)
            .displayed(Width::Long, format!("{name} version for {alias}"))
            .recommends(versions);
        let mut keys = vec![class_key, version_key];
        if let Some(own) = own {
            let implicit = if *kind == PluginKind::Transformation { implicit() } else { ConfigDef::new() };
            keys.extend(implicit.merge(own).sorted().into_iter().cloned());
        }
        let placed = keys.into_iter().zip(0..).map(|(key, place)| {
            let (width, display_name) = (key.width, key.display_name.clone());
            let name = format!("{prefix}{}", key.name).into();
            ConfigKey { name, ..key }.shown(group.clone(), width, display_name).placed(place)
        });
        placed.collect()
    }
}

/// What every transform has beside its own keys.
fn implicit() -> ConfigDef {
    let predicate = "The alias of a predicate used to determine whether to apply this transformation.";
    let negate = "Whether the configured predicate should be negated.";
    ConfigDef::new()
        .define(ConfigKey::new("predicate", ConfigType::String, DefaultValue::Null, Importance::Medium, predicate))
        .define(ConfigKey::new("negate", ConfigType::Boolean, DefaultValue::is("false"), Importance::Medium, negate))
}

/// The report's entries for a converter that the connector brings (`key.converter`), with its keys under its own. None for a class
/// that nobody knows.
pub(super) fn converter_report(key: &str, config: &ConfigMap) -> Vec<(Option<ConfigKey>, ConfigValue)> {
    let kind = if key == "header.converter" { PluginKind::HeaderConverter } else { PluginKind::Converter };
    let class = config.get(key).map_or("", |class| class.trim());
    let Some(def) = catalog::config_def_of(kind, class) else { return Vec::new() };
    let values = def.validate(&converter_config(config, key));
    let prefixed = |own: &str| format!("{key}.{own}");
    let entries = def.keys().iter().zip(values).map(|(own, value)| {
        let definition = ConfigKey { name: prefixed(&own.name).into(), ..own.clone() };
        (Some(definition), ConfigValue { name: prefixed(&value.name), ..value })
    });
    entries.collect()
}
