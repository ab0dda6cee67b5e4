//! The config keys of the three connectors, as data (Java: `MirrorSourceConfig`, `MirrorCheckpointConfig`,
//! `MirrorHeartbeatConfig`, each with what `MirrorConnectorConfig` and the clients declare).
//!
//! Names, types, defaults, importance and order are those of Kafka 4.3.0 (`golden/config_defs.json`); the words are our own.
//! The common keys of all connectors (`name`, `tasks.max`, converters, …) are the worker's to add. Keys of our own start with
//! `portage.` and come last.

mod checkpoint;
mod common;
mod heartbeat;
mod security;
mod source;

use connect_api::ConfigDef;
use connect_api::config::{ConfigKey, ConfigType, DefaultValue, Importance};

pub use checkpoint::{checkpoint_config_def, checkpoint_task_config_def};
pub(crate) use common::FORWARDING_ADMIN_CLASS;
pub use heartbeat::heartbeat_config_def;
pub use security::client_security_keys;
pub(crate) use security::is_client_security_key;
pub use source::{source_config_def, source_task_config_def};

/// Key of what to do when records of the source are lost before they could be mirrored: `continue` or `stop`.
pub const ON_DATA_LOSS: &str = "portage.on.data.loss";

/// Key of up to when losses have been dealt with: milliseconds since 1970, as a loss in the status says.
pub const DATA_LOSS_ACKNOWLEDGED: &str = "portage.data.loss.acknowledged";

/// Key of whether topics that came from the target under the same name are mirrored back.
pub const MIRROR_BACK: &str = "portage.mirror.back";

/// Key of whether ACLs that the source has revoked are removed from the target.
pub const ACL_REMOVAL: &str = "portage.sync.topic.acls.remove";

/// Key of who a principal of the source is on the target (see [`principal_rules`](crate::principal_rules)).
pub const ACL_PRINCIPALS: &str = "portage.sync.topic.acls.principal.rules";

/// Key of how committed offsets are translated: `exact`, or `mm2` for MirrorMaker's own approximation.
pub const OFFSET_TRANSLATION: &str = "portage.offset.translation";

/// A row of a table of keys: name, type, default (`None`: null), importance, words.
type Row = (&'static str, ConfigType, Option<&'static str>, Importance, &'static str);

fn define(def: ConfigDef, rows: &[Row]) -> ConfigDef {
    rows.iter().fold(def, |def, row| def.define(key(row)))
}

fn key((name, kind, default, importance, words): &Row) -> ConfigKey {
    ConfigKey::new(*name, *kind, default.map_or(DefaultValue::Null, DefaultValue::is), *importance, *words)
}

#[cfg(test)]
mod tests {
    use connect_api::config::Validator;
    use connect_api::{ConfigKey, ConfigMap};
    use serde_json::Value;

    use super::*;

    fn validator_class(key: &ConfigKey) -> Option<&'static str> {
        // The classes of Java that a validator of ours stands for.
        match key.validator? {
            Validator::NoDuplicates | Validator::SomeWithoutDuplicates | Validator::SomeOf(_) => Some("ValidList"),
            Validator::OneOf(_) => Some("ValidString"),
            Validator::OneOfIgnoringCase(_) => Some("CaseInsensitiveValidString"),
            Validator::Range { .. } | Validator::Check(_) => Some("Range"),
            Validator::NonEmpty | Validator::NonEmptyWithoutControlChars => Some("NonEmptyString"),
            Validator::UniqueAliases => Some("LambdaValidator"),
        }
    }

    fn row(key: &ConfigKey) -> Value {
        let default = match &key.default {
            DefaultValue::Required => Some("<required>"),
            DefaultValue::Null => None,
            DefaultValue::Is(text) => Some(text.as_ref()),
        };
        serde_json::json!([key.name, key.kind.as_str(), default, key.importance.as_str(), validator_class(key)])
    }

    #[test]
    fn the_keys_are_those_of_java_in_their_order() {
        let golden: Value = serde_json::from_str(include_str!("../../golden/config_defs.json")).unwrap();
        for (name, def) in [
            ("source", source_config_def()),
            ("checkpoint", checkpoint_config_def()),
            ("heartbeat", heartbeat_config_def()),
            ("source_task", source_task_config_def()),
            ("checkpoint_task", checkpoint_task_config_def()),
        ] {
            let ours: Vec<Value> = def.keys().iter().filter(|key| !key.name.starts_with("portage.")).map(row).collect();

            assert_eq!(Value::Array(ours), golden[name], "{name}");
        }
    }

    #[test]
    fn every_default_passes_its_own_rule() {
        let config = ConfigMap::from([
            ("source.cluster.alias".to_owned(), "A".to_owned()),
            ("task.assigned.partitions".to_owned(), "t-0".to_owned()),
            ("task.assigned.groups".to_owned(), "g".to_owned()),
        ]);
        for def in [source_task_config_def(), checkpoint_task_config_def(), heartbeat_config_def()] {
            assert_eq!(def.parse(&config).map(|_| ()), Ok(()));
        }
    }

    #[test]
    fn every_key_has_words() {
        for def in [source_task_config_def(), checkpoint_task_config_def(), heartbeat_config_def()] {
            for key in def.keys() {
                assert!(key.documentation.ends_with('.'), "{}", key.name);
            }
        }
    }

    #[test]
    fn values_outside_their_range_are_refused_in_the_words_of_java() {
        let config = ConfigMap::from([
            ("source.cluster.alias".to_owned(), "A".to_owned()),
            ("sasl.login.refresh.window.factor".to_owned(), "0.4".to_owned()),
            ("offset-syncs.topic.location".to_owned(), "middle".to_owned()),
            ("metric.names.formats".to_owned(), "old".to_owned()),
            ("topics".to_owned(), "a, b ,a".to_owned()),
            ("groups.exclude".to_owned(), "a,,b".to_owned()),
            (ON_DATA_LOSS.to_owned(), "panic".to_owned()),
            ("portage.task.threads".to_owned(), "0".to_owned()),
        ]);

        let both = source_config_def().merge(checkpoint_config_def());
        let mut problems = both.parse(&config).unwrap_err();
        problems.sort_by(|a, b| a.key.cmp(&b.key));

        let messages: Vec<_> = problems.iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "Configuration 'groups.exclude' values must not be empty.",
                "Invalid value old for configuration metric.names.formats: String must be one of: legacy, new",
                "Invalid value middle for configuration offset-syncs.topic.location: String must be one of: source, target",
                "Invalid value panic for configuration portage.on.data.loss: String must be one of: continue, stop",
                "Invalid value 0 for configuration portage.task.threads: Value must be at least 1",
                "Invalid value 0.4 for configuration sasl.login.refresh.window.factor: Value must be at least 0.5",
                "Configuration 'topics' values must not be duplicated.",
            ]
        );
    }
}
