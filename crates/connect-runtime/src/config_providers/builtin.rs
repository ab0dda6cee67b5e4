//! Kafka's three providers: a properties file, a directory of files, the environment; and one for secrets of Kubernetes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fancy_regex::Regex;

use super::SecretSource;
use crate::worker_config::read_properties;

/// Strimzi's provider, which asks Kubernetes.
const STRIMZI_SECRETS: &str = "io.strimzi.kafka.KubernetesSecretConfigProvider";
const PACKAGE: &str = "org.apache.kafka.common.config.provider.";

/// A provider as the worker declares it.
pub(super) enum Provider {
    /// `path` is a properties file, `key` one of its keys.
    File { allowed: AllowedPaths },
    /// `path` is a directory, `key` a file in it.
    Directory { allowed: AllowedPaths },
    /// `key` is a variable of the environment.
    Env { allowed: Option<Regex> },
    /// `path` is a Kubernetes secret, `key` one of its keys.
    Secrets(Arc<dyn SecretSource>),
}

impl Provider {
    pub(super) fn new(
        class: &str,
        params: &BTreeMap<String, String>,
        secrets: Option<&Arc<dyn SecretSource>>,
    ) -> Result<Self, String> {
        if class == STRIMZI_SECRETS {
            return secrets.cloned().map(Provider::Secrets).ok_or_else(|| {
                format!("{STRIMZI_SECRETS} asks Kubernetes, which this worker can't; give it secrets by --secrets-dir")
            });
        }
        let allowed = || AllowedPaths::parse(params.get("allowed.paths").map(String::as_str));
        match class.strip_prefix(PACKAGE) {
            Some("FileConfigProvider") => Ok(Provider::File { allowed: allowed()? }),
            Some("DirectoryConfigProvider") => Ok(Provider::Directory { allowed: allowed()? }),
            Some("EnvVarConfigProvider") => {
                let pattern = params.get("allowlist.pattern");
                let allowed = pattern.map(|pattern| {
                    Regex::new(&format!(r"\A(?:{pattern})\z"))
                        .map_err(|error| format!("allowlist.pattern {pattern}: {error}"))
                });
                Ok(Provider::Env { allowed: allowed.transpose()? })
            }
            _ => Err(format!(
                "unknown config provider class {class}; known are {PACKAGE}FileConfigProvider, \
                 {PACKAGE}DirectoryConfigProvider and {PACKAGE}EnvVarConfigProvider"
            )),
        }
    }

    /// The text of a key, `None` if there is none or it may not be read.
    pub(super) fn get(&self, path: &str, key: &str) -> Result<Option<String>, String> {
        match self {
            Provider::File { allowed } => {
                if path.is_empty() || !allowed.allows(Path::new(path)) {
                    return Ok(None);
                }
                let mut properties = read_properties(Path::new(path)).map_err(|error| error.to_string())?;
                Ok(properties.remove(key))
            }
            Provider::Directory { allowed } => {
                let file = Path::new(path).join(key);
                let plain_name = !key.is_empty() && !key.contains('/') && key != "..";
                if path.is_empty() || !plain_name || !file.is_file() || !allowed.allows(&file) {
                    return Ok(None);
                }
                std::fs::read_to_string(&file)
                    .map(Some)
                    .map_err(|error| format!("cannot read {}: {error}", file.display()))
            }
            Provider::Secrets(secrets) => secrets.get(path, key).map(Some),
            Provider::Env { .. } if !path.is_empty() => {
                Err(format!("path is not supported for EnvVarConfigProvider, invalid value {path}"))
            }
            Provider::Env { allowed } => {
                let permitted = match allowed {
                    None => true,
                    Some(pattern) => pattern.is_match(key).unwrap_or(false),
                };
                Ok(if permitted { std::env::var(key).ok() } else { None })
            }
        }
    }
}

/// `allowed.paths`: where files may be; links are followed before the check. Nothing given allows everything, as in Java.
pub(super) struct AllowedPaths(Option<Vec<PathBuf>>);

impl AllowedPaths {
    fn parse(text: Option<&str>) -> Result<Self, String> {
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Ok(Self(None)) };
        let paths = text.split(',').map(|path| {
            let path = Path::new(path.trim());
            match path.canonicalize() {
                Ok(canonical) if path.is_absolute() => Ok(canonical),
                _ => Err(format!("allowed.paths: {} must be an absolute path that exists", path.display())),
            }
        });
        Ok(Self(Some(paths.collect::<Result<_, _>>()?)))
    }

    fn allows(&self, path: &Path) -> bool {
        match (&self.0, path.canonicalize()) {
            (None, _) => true,
            (Some(allowed), Ok(real)) => allowed.iter().any(|root| real.starts_with(root)),
            (Some(_), Err(_)) => false,
        }
    }
}
