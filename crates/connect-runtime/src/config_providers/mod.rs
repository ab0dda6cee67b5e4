//! References in configs: `${provider:path:key}` stands for text that lives elsewhere (KIP-297, KIP-421, KIP-887).
//!
//! Providers are declared by the worker only; a connector config can't bring its own. The config topic and the REST API
//! keep the reference, never the text behind it.

mod builtin;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use connect_api::{ConfigMap, ConnectError};

use builtin::Provider;

/// Where the texts of Kubernetes secrets come from when there is no Kubernetes.
pub trait SecretSource: Send + Sync {
    /// The text of a key. `path` is `secret` or `namespace/secret`.
    ///
    /// # Errors
    /// There is none; the sentence names secret, key and where they were looked for.
    fn get(&self, path: &str, key: &str) -> Result<String, String>;
}

/// The worker's providers, by the names that references use.
#[derive(Default)]
pub struct ConfigResolver {
    providers: BTreeMap<String, Provider>,
}

impl fmt::Debug for ConfigResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.providers.keys()).finish()
    }
}

impl ConfigResolver {
    /// Reads `config.providers` and `config.providers.<name>.*` from a worker's properties.
    pub fn from_worker(properties: &BTreeMap<String, String>) -> Result<Self, String> {
        Self::from_worker_with(properties, None)
    }

    /// The same; `secrets` stands in for Strimzi's provider, which would ask Kubernetes.
    pub fn from_worker_with(
        properties: &BTreeMap<String, String>,
        secrets: Option<&Arc<dyn SecretSource>>,
    ) -> Result<Self, String> {
        let names = properties.get("config.providers").map_or("", String::as_str);
        let mut providers = BTreeMap::new();
        for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let class_key = format!("config.providers.{name}.class");
            let class = properties.get(&class_key).ok_or_else(|| format!("{class_key} is missing"))?;
            let prefix = format!("config.providers.{name}.param.");
            let params = properties
                .iter()
                .filter_map(|(key, value)| Some((key.strip_prefix(&prefix)?.to_owned(), value.clone())))
                .collect();
            providers.insert(name.to_owned(), Provider::new(class.trim(), &params, secrets)?);
        }
        Ok(Self { providers })
    }

    /// Replaces every reference whose provider and key exist; others stay as they are (single pass, as in Java).
    ///
    /// A provider that can't read its source is an error that names it, but no text from it.
    pub fn resolve(&self, raw: &ConfigMap) -> Result<ConfigMap, ConnectError> {
        raw.iter().map(|(key, value)| Ok((key.clone(), self.resolve_text(value)?))).collect()
    }

    fn resolve_text(&self, text: &str) -> Result<String, ConnectError> {
        let mut resolved = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(reference) = Reference::find(rest) {
            resolved.push_str(&rest[..reference.start]);
            let found = match self.providers.get(reference.provider) {
                Some(provider) => provider.get(reference.path, reference.key).map_err(ConnectError::config)?,
                None => None,
            };
            resolved.push_str(found.as_deref().unwrap_or(&rest[reference.start..reference.end]));
            rest = &rest[reference.end..];
        }
        resolved.push_str(rest);
        Ok(resolved)
    }

    /// Puts references back into task configs before they are stored: where a connector's key holds a reference, the
    /// same key of a task config holds it too (CVE-2019-12399).
    #[must_use]
    pub fn unresolve_task_configs(&self, connector_raw: &ConfigMap, task_configs: Vec<ConfigMap>) -> Vec<ConfigMap> {
        let with_reference: BTreeSet<&str> = connector_raw
            .iter()
            .filter(|(_, value)| Reference::find(value).is_some())
            .map(|(key, _)| key.as_str())
            .collect();
        task_configs
            .into_iter()
            .map(|mut config| {
                for (key, value) in &mut config {
                    if with_reference.contains(key.as_str()) {
                        value.clone_from(&connector_raw[key]);
                    }
                }
                config
            })
            .collect()
    }
}

/// `${provider:key}` or `${provider:path:key}` in a text (Java: `ConfigTransformer.DEFAULT_PATTERN`).
#[derive(Debug, PartialEq, Eq)]
struct Reference<'a> {
    start: usize,
    end: usize,
    provider: &'a str,
    path: &'a str,
    key: &'a str,
}

impl<'a> Reference<'a> {
    fn find(text: &'a str) -> Option<Self> {
        let mut from = 0;
        loop {
            let start = from + text[from..].find("${")?;
            let end = start + text[start..].find('}')?;
            if let Some((provider, rest)) = text[start + 2..end].split_once(':') {
                let (path, key) = rest.split_once(':').unwrap_or(("", rest));
                return Some(Self { start, end: end + 1, provider, path, key });
            }
            from = start + 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, &str)]) -> ConfigMap {
        entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn file_resolver(directory: &std::path::Path) -> ConfigResolver {
        std::fs::write(directory.join("secrets.properties"), "password=s3cret\nuser=u\n").unwrap();
        ConfigResolver::from_worker(&map(&[
            ("config.providers", "file, dir"),
            ("config.providers.file.class", "org.apache.kafka.common.config.provider.FileConfigProvider"),
            ("config.providers.dir.class", "org.apache.kafka.common.config.provider.DirectoryConfigProvider"),
            ("config.providers.dir.param.allowed.paths", directory.to_str().unwrap()),
        ]))
        .unwrap()
    }

    #[test]
    fn references_are_replaced_inside_longer_text() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("secrets.properties");
        let resolver = file_resolver(directory.path());
        let raw =
            map(&[("jaas", &format!("user=${{file:{0}:user}} password=${{file:{0}:password}};", file.display()))]);

        assert_eq!(resolver.resolve(&raw).unwrap()["jaas"], "user=u password=s3cret;");
    }

    #[test]
    fn unknown_providers_and_keys_stay_as_they_are() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("secrets.properties");
        let resolver = file_resolver(directory.path());
        let raw = map(&[
            ("a", "${vault:x:y}"),
            ("b", &format!("${{file:{}:absent}}", file.display())),
            ("c", "${no-colon} $ {} ${"),
        ]);

        assert_eq!(resolver.resolve(&raw).unwrap(), raw);
    }

    #[test]
    fn a_file_of_a_directory_is_its_name_as_key() {
        let directory = tempfile::tempdir().unwrap();
        let resolver = file_resolver(directory.path());
        std::fs::write(directory.path().join("ca.crt"), "PEM").unwrap();
        let raw = map(&[("ssl", &format!("${{dir:{}:ca.crt}}", directory.path().display()))]);

        assert_eq!(resolver.resolve(&raw).unwrap()["ssl"], "PEM");
    }

    #[test]
    fn paths_outside_of_the_allowed_ones_are_not_read_also_through_links() {
        let allowed = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        std::fs::write(other.path().join("key"), "SECRET").unwrap();
        std::os::unix::fs::symlink(other.path(), allowed.path().join("link")).unwrap();
        let resolver = file_resolver(allowed.path());

        for path in [other.path().to_owned(), allowed.path().join("link"), allowed.path().join("link/../..")] {
            let raw = map(&[("k", &format!("${{dir:{}:key}}", path.display()))]);
            assert_eq!(resolver.resolve(&raw).unwrap(), raw);
        }
    }

    #[test]
    fn an_unreadable_file_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let resolver = file_resolver(directory.path());

        let error = resolver.resolve(&map(&[("k", "${file:/nonexistent/x:y}")])).unwrap_err();

        assert!(error.message().contains("/nonexistent/x"), "{error}");
    }

    #[test]
    fn task_configs_get_their_references_back() {
        let resolver = ConfigResolver::default();
        let connector = map(&[("password", "${file:/s:p}"), ("topics", ".*")]);
        let tasks = vec![map(&[("password", "s3cret"), ("topics", "a"), ("task.index", "0")])];

        let stored = resolver.unresolve_task_configs(&connector, tasks);

        assert_eq!(stored, [map(&[("password", "${file:/s:p}"), ("topics", "a"), ("task.index", "0")])]);
    }

    #[test]
    fn a_provider_of_another_class_is_refused_with_the_known_ones() {
        let error = ConfigResolver::from_worker(&map(&[
            ("config.providers", "vault"),
            ("config.providers.vault.class", "com.example.VaultProvider"),
        ]))
        .unwrap_err();

        assert!(error.contains("com.example.VaultProvider") && error.contains("FileConfigProvider"), "{error}");
    }
}
