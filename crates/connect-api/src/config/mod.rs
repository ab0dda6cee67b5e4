//! Kafka's `ConfigDef`: the declared keys of a plugin, with types, defaults, validators and words for people.
//!
//! [`ConfigDef::validate`] is total: any string map gives a report with an entry for every declared key. Messages are
//! Java's, because tools show and match them.

mod def;
mod parse;
mod typed;
mod validator;

use std::collections::BTreeMap;

pub use def::{ConfigDef, ConfigKey, ConfigType, ConfigValue, DefaultValue, Importance, Width};
pub use parse::parse_value;
pub use typed::{Parsed, TypedConfig};
pub use validator::Validator;

/// A connector or task config: every value is text until a [`ConfigDef`] parses it.
pub type ConfigMap = BTreeMap<String, String>;

/// One thing that is wrong with one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The key.
    pub key: String,
    /// The sentence for people, in Java's words where Java has them.
    pub message: String,
}

impl ConfigProblem {
    /// A problem of a key.
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into() }
    }
}
