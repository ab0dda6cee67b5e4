//! Values that have passed their [`ConfigDef`](super::ConfigDef).

use std::collections::BTreeMap;
use std::fmt;

/// One parsed value. `Debug` never shows a password.
#[derive(Clone, PartialEq)]
pub enum Parsed {
    /// Not given, and null by default.
    Null,
    /// A boolean.
    Boolean(bool),
    /// A short, int or long.
    Int(i64),
    /// A double.
    Double(f64),
    /// Text, trimmed.
    String(String),
    /// A class name, trimmed.
    Class(String),
    /// A secret.
    Password(String),
    /// A list, items trimmed.
    List(Vec<String>),
}

impl Parsed {
    /// The value as the REST API shows it (Java: `ConfigDef.convertToString`); passwords are `[hidden]`.
    #[must_use]
    pub fn to_text(&self) -> Option<String> {
        match self {
            Parsed::Null => None,
            Parsed::Boolean(value) => Some(value.to_string()),
            Parsed::Int(value) => Some(value.to_string()),
            Parsed::Double(value) => Some(value.to_string()),
            Parsed::String(text) | Parsed::Class(text) => Some(text.clone()),
            Parsed::Password(_) => Some("[hidden]".to_owned()),
            Parsed::List(items) => Some(items.join(",")),
        }
    }
}

impl fmt::Debug for Parsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_text().as_deref().unwrap_or("null"))
    }
}

/// The parsed values of a config, by key.
///
/// The getters panic on a key that was not declared with that type: a mistake in the program, not in the config.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TypedConfig(BTreeMap<String, Parsed>);

impl TypedConfig {
    pub(super) fn insert(&mut self, key: String, value: Parsed) {
        self.0.insert(key, value);
    }

    /// The value of a key, if it is declared.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Parsed> {
        self.0.get(key)
    }

    /// A boolean.
    #[must_use]
    pub fn boolean(&self, key: &str) -> bool {
        match self.0.get(key) {
            Some(Parsed::Boolean(value)) => *value,
            other => undeclared(key, "a boolean", other),
        }
    }

    /// A short, int or long.
    #[must_use]
    pub fn int(&self, key: &str) -> i64 {
        match self.0.get(key) {
            Some(Parsed::Int(value)) => *value,
            other => undeclared(key, "a number", other),
        }
    }

    /// Text, a class name or a password that has a value.
    #[must_use]
    pub fn string(&self, key: &str) -> &str {
        match self.optional_string(key) {
            Some(text) => text,
            None => undeclared(key, "text", None),
        }
    }

    /// Text, a class name or a password, if it has a value.
    #[must_use]
    pub fn optional_string(&self, key: &str) -> Option<&str> {
        match self.0.get(key) {
            Some(Parsed::String(text) | Parsed::Class(text) | Parsed::Password(text)) => Some(text),
            Some(Parsed::Null) => None,
            other => undeclared(key, "text", other),
        }
    }

    /// A list.
    #[must_use]
    pub fn list(&self, key: &str) -> &[String] {
        match self.0.get(key) {
            Some(Parsed::List(items)) => items,
            Some(Parsed::Null) => &[],
            other => undeclared(key, "a list", other),
        }
    }
}

fn undeclared(key: &str, wanted: &str, found: Option<&Parsed>) -> ! {
    panic!("config key {key} is not declared as {wanted} (found {found:?})")
}
