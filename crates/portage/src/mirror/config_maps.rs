//! ConfigMaps of Kubernetes without Kubernetes: those of the file itself, and those of a directory, `DIR/<config map>/<key>`, as
//! they are mounted into containers. What the operator would write into one goes into the directory, or to standard output.

use std::fs;
use std::path::{Path, PathBuf};

use mirror_files::strimzi::{ConfigMapKey, ConfigMaps};

/// Where a resource's ConfigMaps are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Texts {
    given: ConfigMaps,
    dir: Option<PathBuf>,
}

impl Texts {
    pub(super) fn new(given: ConfigMaps, dir: Option<&Path>) -> Self {
        Self { given, dir: dir.map(Path::to_owned) }
    }

    /// The text of a key.
    ///
    /// # Errors
    /// Where it was looked for, and what to do.
    pub(crate) fn get(&self, wanted: &ConfigMapKey) -> Result<String, String> {
        let ConfigMapKey { config_map, key, .. } = wanted;
        if let Some(text) = self.given.get(config_map).and_then(|keys| keys.get(key)) {
            return Ok(text.clone());
        }
        match self.file(wanted) {
            Some(file) => fs::read_to_string(&file).map_err(|error| format!("cannot read {}: {error}", file.display())),
            None => Err(format!(
                "there is no ConfigMap {config_map} with key {key}: add it to the file, or name a directory of ConfigMaps with \
                 --config-maps-dir"
            )),
        }
    }

    /// Keeps a text where the operator would: in the directory, or as a document on standard output.
    ///
    /// # Errors
    /// The directory can't be written.
    pub(crate) fn put(&self, wanted: &ConfigMapKey, text: &str) -> Result<(), String> {
        let Some(file) = self.file(wanted) else {
            print!("{}", document(wanted, text));
            return Ok(());
        };
        let folder = file.parent().unwrap_or(&file);
        let written = fs::create_dir_all(folder).and_then(|()| fs::write(&file, text));
        written.map_err(|error| format!("cannot write {}: {error}", file.display()))
    }

    fn file(&self, ConfigMapKey { config_map, key, .. }: &ConfigMapKey) -> Option<PathBuf> {
        self.dir.as_ref().map(|dir| dir.join(config_map).join(key))
    }
}

/// A ConfigMap document with one key, whose text is a block: no character of it has to be escaped.
fn document(ConfigMapKey { config_map, key, .. }: &ConfigMapKey, text: &str) -> String {
    let lines: String = text.lines().map(|line| format!("    {line}\n")).collect();
    format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {config_map}\ndata:\n  {key}: |\n{lines}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> ConfigMapKey {
        ConfigMapKey { config_map: "offsets".to_owned(), key: "a--b.MirrorSourceConnector.json".to_owned(), line: 1 }
    }

    #[test]
    fn what_is_written_to_a_directory_is_read_from_it() {
        let dir = tempfile::tempdir().unwrap();
        let texts = Texts::new(ConfigMaps::new(), Some(dir.path()));

        assert!(texts.get(&key()).unwrap_err().contains("a--b.MirrorSourceConnector.json"));
        texts.put(&key(), "{}").unwrap();

        assert_eq!(texts.get(&key()), Ok("{}".to_owned()));
    }

    #[test]
    fn what_is_printed_can_be_added_to_a_file() {
        let resource = "---\nkind: KafkaMirrorMaker2\nmetadata: {name: m}\nspec:\n  target: {alias: b, bootstrapServers: 'b:1', groupId: g, \
                        configStorageTopic: c, offsetStorageTopic: o, statusStorageTopic: s}\n  mirrors:\n    \
                        - source: {alias: a, bootstrapServers: 'a:1'}\n      sourceConnector: {}\n";
        let text = "{\n  \"offsets\": []\n}\n";

        let file = format!("{}{resource}", document(&key(), text));

        let given = mirror_files::strimzi::read(&file).unwrap().config_maps;
        assert_eq!(Texts::new(given, None).get(&key()), Ok(text.to_owned()));
        assert!(Texts::default().get(&key()).unwrap_err().contains("--config-maps-dir"));
    }
}
