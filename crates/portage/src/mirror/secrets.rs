//! Secrets of Kubernetes without Kubernetes: those of the file itself, and those of a directory, `DIR/<secret>/<key>` or
//! `DIR/<namespace>/<secret>/<key>`, as they are mounted into containers.

use std::path::{Path, PathBuf};

use connect_runtime::config_providers::SecretSource;
use mirror_files::Finding;
use mirror_files::strimzi::Secrets;

/// Where a resource's secrets come from.
pub(super) struct SecretTexts {
    secrets: Secrets,
    dir: Option<PathBuf>,
}

impl SecretTexts {
    pub(super) fn new(secrets: Secrets, dir: Option<&Path>) -> Self {
        Self { secrets, dir: dir.map(Path::to_owned) }
    }

    /// Every key that the resource needs and nobody has.
    pub(super) fn missing(&self) -> Vec<Finding> {
        let needed = self.secrets.needed();
        let missing = needed.filter_map(|needed| {
            let wrong = self.texts(None, &needed.secret, &needed.key).err()?;
            let remedy = match &self.dir {
                Some(dir) => format!("put it into {}", dir.join(&needed.secret).join(&needed.key).display()),
                None => "add the Secret to the file, or name the directory of secrets with --secrets-dir".to_owned(),
            };
            Some(Finding::error(Some(needed.line), wrong, remedy))
        });
        missing.collect()
    }

    /// The texts of all keys that match, one after the other.
    fn texts(&self, namespace: Option<&str>, secret: &str, key: &str) -> Result<String, String> {
        // References may come over REST: they must not lead out of the directory.
        let plain = |name: &str| !name.is_empty() && !name.starts_with('.') && !name.contains('/');
        if ![secret, key].into_iter().chain(namespace).all(plain) {
            return Err(format!("{secret}/{key} is no name of a secret's key"));
        }
        let mut texts = self.given(secret, key);
        for folder in self.folders(namespace, secret) {
            if texts.is_empty() {
                texts = read_matching(&folder, key)?;
            }
        }
        if texts.is_empty() { Err(format!("there is no secret {secret} with key {key}")) } else { Ok(texts.join("\n")) }
    }

    fn given(&self, secret: &str, key: &str) -> Vec<String> {
        let keys = self.secrets.given().get(secret).into_iter().flatten();
        keys.filter(|(name, _)| matches(key, name)).map(|(_, text)| text.clone()).collect()
    }

    fn folders(&self, namespace: Option<&str>, secret: &str) -> Vec<PathBuf> {
        let of_namespace = self.dir.iter().zip(namespace).map(|(dir, namespace)| dir.join(namespace).join(secret));
        of_namespace.chain(self.dir.iter().map(|dir| dir.join(secret))).collect()
    }
}

impl SecretSource for SecretTexts {
    fn get(&self, path: &str, key: &str) -> Result<String, String> {
        let (namespace, secret) = match path.split_once('/') {
            Some((namespace, secret)) => (Some(namespace), secret),
            None => (None, path),
        };
        match self.secrets.bundles().get(&(secret.to_owned(), key.to_owned())) {
            None => self.texts(namespace, secret, key),
            Some(parts) => {
                let parts = parts.iter().map(|part| self.texts(namespace, &part.secret, &part.key));
                Ok(parts.collect::<Result<Vec<_>, _>>()?.join("\n"))
            }
        }
    }
}

/// The files of a folder whose names match, in the order of their names; none if there is no folder.
fn read_matching(folder: &Path, key: &str) -> Result<Vec<String>, String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(Vec::new()) };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| !name.starts_with('.') && matches(key, name)).collect();
    names.sort();
    let read = |name: &String| {
        let file = folder.join(name);
        std::fs::read_to_string(&file).map_err(|error| format!("cannot read {}: {error}", file.display()))
    };
    names.iter().map(read).collect()
}

/// Whether a name is of a pattern in which `*` stands for anything.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(name) = name.strip_prefix(head) else { return false };
    (0..=name.len()).filter(|at| name.is_char_boundary(*at)).any(|at| matches(rest, &name[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "kind: Secret\nmetadata: {name: given}\nstringData: {a.crt: A, key: K}\n---\nkind: KafkaMirrorMaker2\n\
        metadata: {name: m}\nspec:\n  target:\n    alias: b\n    bootstrapServers: b:1\n    groupId: g\n    configStorageTopic: c\n    \
        offsetStorageTopic: o\n    statusStorageTopic: s\n    tls:\n      trustedCertificates:\n        - {secretName: given, pattern: '*.crt'}\n        \
        - {secretName: mounted, certificate: ca.crt}\n  mirrors:\n    - source: {alias: a, bootstrapServers: 'a:1'}\n      sourceConnector: {}\n";

    fn texts(dir: Option<&Path>) -> SecretTexts {
        SecretTexts::new(mirror_files::strimzi::read(FILE).unwrap_or_else(|error| panic!("{error}")).secrets, dir)
    }

    #[test]
    fn certificates_of_several_secrets_are_one_bundle() {
        let dir = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        std::fs::create_dir(dir.path().join("mounted")).unwrap_or_else(|error| panic!("{error}"));
        std::fs::write(dir.path().join("mounted/ca.crt"), "M").unwrap_or_else(|error| panic!("{error}"));

        let texts = texts(Some(dir.path()));

        assert!(texts.missing().is_empty());
        assert_eq!(texts.get("ns/m-connect-tls-trusted-certs", "b.crt"), Ok("A\nM".to_owned()));
        assert_eq!(texts.get("given", "key"), Ok("K".to_owned()));
        assert_eq!(texts.get("ns/mounted", "*"), Ok("M".to_owned()));
    }

    #[test]
    fn what_nobody_has_is_missed_at_its_line() {
        let missing = texts(None).missing();

        assert_eq!(missing.len(), 1);
        assert!(missing[0].what.contains("mounted") && missing[0].remedy.contains("--secrets-dir"), "{missing:?}");
        assert!(missing[0].line.is_some());
    }

    #[test]
    fn references_lead_nowhere_else() {
        let texts = texts(Some(Path::new("/")));

        for (path, key) in
            [("etc", "../hostname"), ("..", "x"), ("a/..", "hostname"), ("../etc", "hostname"), ("a/b/c", "k")]
        {
            assert!(texts.get(path, key).is_err(), "{path} {key}");
        }
    }
}
