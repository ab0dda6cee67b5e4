//! Settings that know in which line of the file they were given.

use std::collections::BTreeMap;

use connect_api::ConfigMap;

/// One value, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The text.
    pub text: String,
    /// The line of the file, from 1; `None` for what does not stand there.
    pub line: Option<usize>,
    /// Where else it comes from, such as `--set`; `None` for what is derived.
    pub place: Option<&'static str>,
}

/// A config whose values know their lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<String, Given>);

impl Settings {
    /// Sets a value; a former one is replaced.
    pub fn put(&mut self, key: impl Into<String>, text: impl Into<String>, line: Option<usize>) {
        self.0.insert(key.into(), Given { text: text.into(), line, place: None });
    }

    /// Sets values that do not come from the file; former ones are replaced.
    pub fn put_all(&mut self, values: impl IntoIterator<Item = (String, String)>, place: &'static str) {
        let values = values.into_iter();
        self.0.extend(values.map(|(key, text)| (key, Given { text, line: None, place: Some(place) })));
    }

    /// Sets a derived value unless there is one.
    pub fn put_if_absent(&mut self, key: &str, text: impl Into<String>) {
        self.give(key, &Given { text: text.into(), line: None, place: None });
    }

    /// Sets a value with its line unless there is one.
    pub fn give(&mut self, key: &str, given: &Given) {
        self.0.entry(key.to_owned()).or_insert_with(|| given.clone());
    }

    /// Takes over all values of another one; they win.
    pub fn extend(&mut self, other: Settings) {
        self.0.extend(other.0);
    }

    /// A value with its line.
    #[must_use]
    pub fn given(&self, key: &str) -> Option<&Given> {
        self.0.get(key)
    }

    /// A value.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(|given| given.text.as_str())
    }

    /// Where a value was given.
    #[must_use]
    pub fn line(&self, key: &str) -> Option<usize> {
        self.0.get(key).and_then(|given| given.line)
    }

    /// Whether a value is `true`, as Kafka reads booleans.
    #[must_use]
    pub fn is_true(&self, key: &str) -> bool {
        self.get(key).is_some_and(|text| text.trim().eq_ignore_ascii_case("true"))
    }

    /// All values, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Given)> {
        self.0.iter().map(|(key, given)| (key.as_str(), given))
    }

    /// Values whose keys are longer than a prefix, without it.
    #[must_use]
    pub fn below(&self, prefix: &str) -> Settings {
        self.filtered(|key| key.strip_prefix(prefix).filter(|rest| !rest.is_empty()).map(str::to_owned))
    }

    /// Values whose keys begin with a prefix, as they are.
    #[must_use]
    pub fn with_prefix(&self, prefix: &str) -> Settings {
        self.filtered(|key| key.starts_with(prefix).then(|| key.to_owned()))
    }

    /// Values under the keys that `rename` gives them, without those to which it gives none.
    #[must_use]
    pub fn filtered(&self, rename: impl Fn(&str) -> Option<String>) -> Settings {
        let renamed = self.0.iter().filter_map(|(key, given)| Some((rename(key)?, given.clone())));
        Settings(renamed.collect())
    }

    /// Keys and texts, for whoever runs them.
    #[must_use]
    pub fn to_config(&self) -> ConfigMap {
        self.0.iter().map(|(key, given)| (key.clone(), given.text.clone())).collect()
    }
}
