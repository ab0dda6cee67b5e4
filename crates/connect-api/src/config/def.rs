//! The declaration of keys, and the report over a config.

use std::borrow::Cow;

use super::parse::parse_value;
use super::typed::{Parsed, TypedConfig};
use super::validator::Validator;
use super::{ConfigMap, ConfigProblem};

/// The type of a key's value (Java: `ConfigDef.Type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigType {
    /// `true` or `false`, in any case.
    Boolean,
    /// Text.
    String,
    /// 32-bit signed integer.
    Int,
    /// 16-bit signed integer.
    Short,
    /// 64-bit signed integer.
    Long,
    /// 64-bit floating point number.
    Double,
    /// Comma-separated list.
    List,
    /// A class name.
    Class,
    /// Text that is never shown.
    Password,
}

impl ConfigType {
    /// Java's name of the type, as in `ConfigKeyInfo.type`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ConfigType::Boolean => "BOOLEAN",
            ConfigType::String => "STRING",
            ConfigType::Int => "INT",
            ConfigType::Short => "SHORT",
            ConfigType::Long => "LONG",
            ConfigType::Double => "DOUBLE",
            ConfigType::List => "LIST",
            ConfigType::Class => "CLASS",
            ConfigType::Password => "PASSWORD",
        }
    }
}

/// How much a user should care about a key; the most important comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Importance {
    /// Look at it first.
    High,
    /// Look at it sometimes.
    Medium,
    /// Leave it.
    Low,
}

impl Importance {
    /// Java's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Importance::High => "HIGH",
            Importance::Medium => "MEDIUM",
            Importance::Low => "LOW",
        }
    }
}

/// How wide a form field should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// Not said.
    None,
    /// A few characters.
    Short,
    /// A word or two.
    Medium,
    /// A line.
    Long,
}

impl Width {
    /// Java's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Width::None => "NONE",
            Width::Short => "SHORT",
            Width::Medium => "MEDIUM",
            Width::Long => "LONG",
        }
    }
}

/// What a key is when the config does not name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DefaultValue {
    /// The key must be given (Java: `NO_DEFAULT_VALUE`).
    Required,
    /// Null.
    Null,
    /// This text, as Java prints it (`ConfigDef.convertToString`).
    Is(Cow<'static, str>),
}

impl DefaultValue {
    /// A default given as text.
    #[must_use]
    pub const fn is(text: &'static str) -> Self {
        DefaultValue::Is(Cow::Borrowed(text))
    }
}

/// One declared key (Java: `ConfigDef.ConfigKey`). Built with [`ConfigKey::new`] and the methods after it.
#[derive(Debug, Clone)]
pub struct ConfigKey {
    /// The name.
    pub name: Cow<'static, str>,
    /// The type.
    pub kind: ConfigType,
    /// The default.
    pub default: DefaultValue,
    /// Rules beyond the type.
    pub validator: Option<Validator>,
    /// How much a user should care.
    pub importance: Importance,
    /// Words for people.
    pub documentation: Cow<'static, str>,
    /// The group it is shown in.
    pub group: Option<Cow<'static, str>>,
    /// Its place in the group; -1 without a group.
    pub order_in_group: i32,
    /// How wide its form field should be.
    pub width: Width,
    /// The name in forms; the key's name unless said otherwise.
    pub display_name: Cow<'static, str>,
    /// Keys whose values depend on it.
    pub dependents: Vec<Cow<'static, str>>,
    /// Values that a form may offer.
    pub recommended: Vec<String>,
}

impl ConfigKey {
    /// A key without group, validator or recommendations.
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        kind: ConfigType,
        default: DefaultValue,
        importance: Importance,
        documentation: impl Into<Cow<'static, str>>,
    ) -> Self {
        let name = name.into();
        Self {
            display_name: name.clone(),
            name,
            kind,
            default,
            validator: None,
            importance,
            documentation: documentation.into(),
            group: None,
            order_in_group: -1,
            width: Width::None,
            dependents: Vec::new(),
            recommended: Vec::new(),
        }
    }

    /// With a rule.
    #[must_use]
    pub fn valid(mut self, validator: Validator) -> Self {
        self.validator = Some(validator);
        self
    }

    /// Shown in a group, with width and display name; [`ConfigDef::define`] numbers it.
    #[must_use]
    pub fn shown(
        mut self,
        group: impl Into<Cow<'static, str>>,
        width: Width,
        display_name: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.group = Some(group.into());
        self.width = width;
        self.display_name = display_name.into();
        self
    }

    /// With this place in its group, where that is not the next one.
    #[must_use]
    pub fn placed(mut self, order_in_group: i32) -> Self {
        self.order_in_group = order_in_group;
        self
    }

    /// With a width and a name in forms, and no group.
    #[must_use]
    pub fn displayed(mut self, width: Width, display_name: impl Into<Cow<'static, str>>) -> Self {
        self.width = width;
        self.display_name = display_name.into();
        self
    }

    /// With values that a form may offer.
    #[must_use]
    pub fn recommends(mut self, values: impl IntoIterator<Item = String>) -> Self {
        self.recommended = values.into_iter().collect();
        self
    }

    /// With keys whose values depend on it.
    #[must_use]
    pub fn depended_on_by(mut self, keys: &[&'static str]) -> Self {
        self.dependents = keys.iter().map(|key| Cow::Borrowed(*key)).collect();
        self
    }

    /// The default as the REST API shows it; `None` for required and null.
    #[must_use]
    pub fn default_text(&self) -> Option<&str> {
        match &self.default {
            DefaultValue::Is(text) => Some(text),
            DefaultValue::Required | DefaultValue::Null => None,
        }
    }
}

/// The declared keys of a plugin, in order of declaration (Java: `ConfigDef`).
#[derive(Debug, Clone, Default)]
pub struct ConfigDef {
    keys: Vec<ConfigKey>,
    groups: Vec<Cow<'static, str>>,
}

impl ConfigDef {
    /// No keys.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key. A key of the same name is replaced in its place. A key with a group and no place of its own (-1)
    /// comes after those of the group.
    #[must_use]
    pub fn define(mut self, mut key: ConfigKey) -> Self {
        if let Some(group) = &key.group {
            if !self.groups.contains(group) {
                self.groups.push(group.clone());
            }
            if key.order_in_group < 0 {
                let last = self.keys.iter().filter(|other| other.group == key.group).map(|other| other.order_in_group);
                key.order_in_group = last.max().unwrap_or(0) + 1;
            }
        }
        match self.keys.iter_mut().find(|other| other.name == key.name) {
            Some(other) => *other = key,
            None => self.keys.push(key),
        }
        self
    }

    /// Adds all keys of another definition.
    #[must_use]
    pub fn merge(self, other: ConfigDef) -> Self {
        other.keys.into_iter().fold(self, ConfigDef::define)
    }

    /// The keys, in order.
    #[must_use]
    pub fn keys(&self) -> &[ConfigKey] {
        &self.keys
    }

    /// The keys in the order of a form (Java: `ConfigDef.sortedConfigs`): by group and place, then what must be given, what is
    /// important, and names.
    #[must_use]
    pub fn sorted(&self) -> Vec<&ConfigKey> {
        let group = |key: &ConfigKey| self.groups.iter().position(|group| Some(group) == key.group.as_ref());
        let mut keys: Vec<&ConfigKey> = self.keys.iter().collect();
        keys.sort_by_key(|key| {
            let has_default = key.default != DefaultValue::Required;
            (group(key), key.order_in_group, has_default, key.importance, key.name.clone())
        });
        keys
    }

    /// The groups, in order of first use.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(AsRef::as_ref)
    }

    /// The key of a name.
    #[must_use]
    pub fn key(&self, name: &str) -> Option<&ConfigKey> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// The report over a config: one entry for every declared key, in order (Java: `ConfigDef.validate`).
    #[must_use]
    pub fn validate(&self, config: &ConfigMap) -> Vec<ConfigValue> {
        self.keys.iter().map(|key| self.validate_key(key, config)).collect()
    }

    fn validate_key(&self, key: &ConfigKey, config: &ConfigMap) -> ConfigValue {
        let given = config.get(key.name.as_ref()).map(String::as_str);
        let (value, error) = match parse_key(key, given) {
            Ok(parsed) => (parsed.to_text(), None),
            Err(problem) => (given.map(str::to_owned), Some(problem.message)),
        };
        ConfigValue {
            name: key.name.to_string(),
            value,
            recommended: key.recommended.clone(),
            errors: error.into_iter().collect(),
            visible: true,
        }
    }

    /// The typed values of a config, or all that is wrong with it. Keys that are not declared are left alone.
    pub fn parse(&self, config: &ConfigMap) -> Result<TypedConfig, Vec<ConfigProblem>> {
        let mut typed = TypedConfig::default();
        let mut problems = Vec::new();
        for key in &self.keys {
            match parse_key(key, config.get(key.name.as_ref()).map(String::as_str)) {
                Ok(parsed) => typed.insert(key.name.to_string(), parsed),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() { Ok(typed) } else { Err(problems) }
    }
}

/// The report's entry for one key (Java: `ConfigValue`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigValue {
    /// The key.
    pub name: String,
    /// The value as text: what was given or the default; `[hidden]` for passwords.
    pub value: Option<String>,
    /// Values that a form may offer.
    pub recommended: Vec<String>,
    /// What is wrong with it.
    pub errors: Vec<String>,
    /// Whether a form should show it.
    pub visible: bool,
}

fn parse_key(key: &ConfigKey, given: Option<&str>) -> Result<Parsed, ConfigProblem> {
    let problem = |message: String| ConfigProblem::new(key.name.clone(), message);
    let text = match (given, &key.default) {
        (Some(text), _) => Some(text),
        (None, DefaultValue::Is(text)) => Some(text.as_ref()),
        (None, DefaultValue::Null) => None,
        (None, DefaultValue::Required) => {
            return Err(problem(format!(
                "Missing required configuration \"{}\" which has no default value.",
                key.name
            )));
        }
    };
    let parsed = match text {
        Some(text) => parse_value(&key.name, text, key.kind).map_err(problem)?,
        None => Parsed::Null,
    };
    if let Some(validator) = &key.validator {
        validator.check(&key.name, &parsed).map_err(problem)?;
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn def() -> ConfigDef {
        ConfigDef::new()
            .define(ConfigKey::new("name", ConfigType::String, DefaultValue::Required, Importance::High, ""))
            .define(
                ConfigKey::new("tasks.max", ConfigType::Int, DefaultValue::is("1"), Importance::High, "")
                    .valid(Validator::at_least(1))
                    .shown("Common", Width::Short, "Tasks max"),
            )
            .define(ConfigKey::new("secret", ConfigType::Password, DefaultValue::Null, Importance::Low, ""))
    }

    fn config(entries: &[(&str, &str)]) -> ConfigMap {
        entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn every_declared_key_has_an_entry_whatever_the_config() {
        let report = def().validate(&config(&[("tasks.max", "many"), ("other", "x")]));

        let names: Vec<_> = report.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["name", "tasks.max", "secret"]);
        assert_eq!(report[0].errors, ["Missing required configuration \"name\" which has no default value."]);
        assert_eq!(report[1].errors, ["Invalid value many for configuration tasks.max: Not a number of type INT"]);
        assert_eq!(report[1].value.as_deref(), Some("many"));
    }

    #[test]
    fn a_value_outside_its_range_is_named() {
        let problems = def().parse(&config(&[("name", "m"), ("tasks.max", "0")])).unwrap_err();

        assert_eq!(
            problems,
            [ConfigProblem::new("tasks.max", "Invalid value 0 for configuration tasks.max: Value must be at least 1")]
        );
    }

    #[test]
    fn defaults_stand_in_and_passwords_are_hidden() {
        let given = config(&[("name", " m "), ("secret", "s3cret")]);

        let report = def().validate(&given);
        let typed = def().parse(&given).unwrap();

        assert_eq!(report[2].value.as_deref(), Some("[hidden]"));
        assert_eq!(typed.string("name"), "m");
        assert_eq!(typed.int("tasks.max"), 1);
        assert_eq!(typed.optional_string("secret"), Some("s3cret"));
        assert!(!format!("{typed:?}").contains("s3cret"));
    }

    #[test]
    fn in_a_form_what_must_be_given_comes_first() {
        let key =
            |name: &'static str, default, importance| ConfigKey::new(name, ConfigType::String, default, importance, "");
        let def = ConfigDef::new()
            .define(key("grouped", DefaultValue::Required, Importance::High).shown("G", Width::None, "grouped"))
            .define(key("low", DefaultValue::Null, Importance::Low))
            .define(key("b", DefaultValue::Null, Importance::High))
            .define(key("a", DefaultValue::Null, Importance::High))
            .define(key("required", DefaultValue::Required, Importance::Low));

        let names: Vec<_> = def.sorted().iter().map(|key| key.name.as_ref()).collect();
        assert_eq!(names, ["required", "a", "b", "low", "grouped"]);
    }

    #[test]
    fn keys_of_a_group_are_numbered_in_order() {
        let def =
            def().define(ConfigKey::new("next", ConfigType::String, DefaultValue::Null, Importance::Low, "").shown(
                "Common",
                Width::None,
                "Next",
            ));

        assert_eq!(def.key("tasks.max").unwrap().order_in_group, 1);
        assert_eq!(def.key("next").unwrap().order_in_group, 2);
        assert_eq!(def.key("name").unwrap().order_in_group, -1);
    }
}
