//! Which secrets a file has, needs, and makes of others.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::finding::FileError;
use crate::yaml::Node;

/// Where the texts of secrets come from. `Debug` shows names only.
#[derive(Clone, Default)]
pub struct Secrets {
    /// Secrets of the file itself.
    given: BTreeMap<String, BTreeMap<String, String>>,
    /// Secrets that Strimzi's operator makes of others: all matching keys of these, one after the other.
    bundles: BTreeMap<(String, String), Vec<Reference>>,
    needed: Vec<Reference>,
}

/// A key of a secret, and where it is asked for. The key may be a pattern with `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The secret.
    pub secret: String,
    /// The key, or a pattern of keys.
    pub key: String,
    /// The line.
    pub line: usize,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let given = self.given.iter().map(|(secret, keys)| (secret, keys.keys().collect::<Vec<_>>()));
        f.debug_map().entries(given).finish()
    }
}

impl Secrets {
    /// The secrets of the file, by name and key.
    #[must_use]
    pub fn given(&self) -> &BTreeMap<String, BTreeMap<String, String>> {
        &self.given
    }

    /// Keys that are made of others: each of all these, one after the other.
    #[must_use]
    pub fn bundles(&self) -> &BTreeMap<(String, String), Vec<Reference>> {
        &self.bundles
    }

    /// Every key that has to exist.
    pub fn needed(&self) -> impl Iterator<Item = &Reference> {
        self.needed.iter().chain(self.bundles.values().flatten())
    }

    pub(super) fn need(&mut self, secret: &str, key: &str, line: usize) {
        self.needed.push(Reference { secret: secret.to_owned(), key: key.to_owned(), line });
    }

    pub(super) fn bundle(&mut self, secret: &str, key: &str, from: &str, pattern: &str, line: usize) {
        let part = Reference { secret: from.to_owned(), key: pattern.to_owned(), line };
        let parts = self.bundles.entry((secret.to_owned(), key.to_owned())).or_default();
        if !parts.contains(&part) {
            parts.push(part);
        }
    }

    /// Takes over a `Secret` document.
    pub(super) fn read(&mut self, document: &Node) -> Result<(), FileError> {
        let name = document.field("metadata").and_then(|metadata| metadata.field("name")).and_then(Node::text);
        let name = name.ok_or_else(|| FileError::at(document.line, "the Secret has no metadata.name"))?;
        let keys = self.given.entry(name.to_owned()).or_default();
        for (key, value) in document.field("data").map(Node::fields).unwrap_or_default() {
            let text = value.text().unwrap_or_default();
            let decoded = STANDARD.decode(text.split_whitespace().collect::<String>());
            let decoded = decoded.ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let wrong = || FileError::at(key.line, format!("{} of Secret {name} is no base64 of a text", key.name));
            keys.insert(key.name.clone(), decoded.ok_or_else(wrong)?);
        }
        for (key, value) in document.field("stringData").map(Node::fields).unwrap_or_default() {
            keys.insert(key.name.clone(), value.text().unwrap_or_default().to_owned());
        }
        Ok(())
    }
}
