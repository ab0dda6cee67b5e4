//! Every built-in transform, predicate and converter: found by its Java class, and made of its config. The list is in [`builtins`].

mod builtins;

use connect_api::PluginKind;
use connect_api::config::{ConfigDef, ConfigMap, ConfigProblem, TypedConfig};
use connect_api::convert::{Converter, Predicate, Transformation};

use super::header::HeaderConverter;
pub use builtins::all;

/// What a header converter is when nobody says.
pub const DEFAULT_HEADER_CONVERTER: &str = "org.apache.kafka.connect.storage.SimpleHeaderConverter";

/// The key that says whether a converter is for keys, values or headers; the worker sets it.
pub const CONVERTER_TYPE: &str = "converter.type";

/// The version of Kafka whose plug-ins these are.
pub const VERSION: &str = "4.3.0";

/// A plug-in, ready for records.
pub enum Made {
    /// Changes records.
    Transformation(Box<dyn Transformation>),
    /// Decides about records.
    Predicate(Box<dyn Predicate>),
    /// Makes bytes of keys or values.
    Converter(Box<dyn Converter>),
    /// Makes bytes of header values.
    HeaderConverter(HeaderConverter),
}

/// Where something is wrong: in a plug-in's own key, or in its class (`key` empty).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    key: String,
    message: String,
}

impl Problem {
    pub(super) fn new(key: &str, message: impl Into<String>) -> Self {
        Self { key: key.to_owned(), message: message.into() }
    }

    /// The problem as the connector config has it: the plug-in's keys stand under `prefix`, its class under `class_key`.
    pub(crate) fn under(self, prefix: &str, class_key: &str) -> ConfigProblem {
        if self.key.is_empty() {
            return ConfigProblem::new(class_key.to_owned(), self.message.replace("{key}", class_key));
        }
        let key = format!("{prefix}{}", self.key);
        // Java names the whole key too.
        let named = |quote: &str, name: &str| format!("configuration {quote}{name}{quote}");
        let message = self.message.replace(&named("\"", &self.key), &named("\"", &key));
        let message = message.replace(&named("", &self.key), &named("", &key));
        // Where Java does not.
        let message = message.replace(&format!("Configuration '{}'", self.key), &format!("Configuration '{key}'"));
        ConfigProblem::new(key, message)
    }
}

type Make = fn(&TypedConfig, Side) -> Result<Made, Problem>;

/// Which part of the record a `$Key` or `$Value` class works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// `$Key`, and whatever has no side.
    Key,
    /// `$Value`.
    Value,
}

/// One built-in plug-in.
pub struct Builtin {
    /// The Java class.
    pub class: String,
    /// What it is.
    pub kind: PluginKind,
    /// Its keys.
    pub def: ConfigDef,
    side: Side,
    make: Make,
}

/// Makes the plug-in of a class, by its full or simple name.
///
/// # Errors
/// There is no such class of this kind, or its config is wrong.
pub fn make(kind: PluginKind, class: &str, config: &ConfigMap) -> Result<Made, Vec<Problem>> {
    let builtin = all().into_iter().find(|builtin| builtin.kind == kind && builtin.is(class)).ok_or_else(|| {
        let message = format!("Invalid value {class} for configuration {{key}}: Class {class} could not be found.");
        vec![Problem::new("", message)]
    })?;
    let typed = builtin.def.parse(config).map_err(|problems| {
        problems.into_iter().map(|problem| Problem::new(&problem.key, problem.message)).collect::<Vec<_>>()
    })?;
    (builtin.make)(&typed, builtin.side).map_err(|problem| vec![problem])
}

/// The keys of a built-in plug-in, by its full or simple name.
#[must_use]
pub fn config_def(class: &str) -> Option<ConfigDef> {
    all().into_iter().find(|builtin| builtin.is(class)).map(|builtin| builtin.def)
}

/// The keys of a built-in plug-in of a kind, by its full or simple name.
#[must_use]
pub fn config_def_of(kind: PluginKind, class: &str) -> Option<ConfigDef> {
    all().into_iter().find(|builtin| builtin.kind == kind && builtin.is(class)).map(|builtin| builtin.def)
}

/// All classes of a kind, by name.
#[must_use]
pub fn classes(kind: PluginKind) -> Vec<String> {
    let mut classes: Vec<String> =
        all().into_iter().filter(|builtin| builtin.kind == kind).map(|it| it.class).collect();
    classes.sort_unstable();
    classes
}

impl Builtin {
    fn is(&self, class: &str) -> bool {
        let simple = self.class.rsplit('.').next().unwrap_or(&self.class);
        let short = simple.strip_suffix("Converter");
        class == self.class || class == simple || short == Some(class)
    }
}
