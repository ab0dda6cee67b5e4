//! Who may depend on whom: the layers of ARCHITECTURE.md as a table, held against the manifests.

use std::path::Path;

use super::File;

/// Each crate of the workspace and the crates of the workspace it may name. Arrows point down.
const LAYERS: &[(&str, &[&str])] = &[
    ("kafka-wire", &[]),
    ("kafka-wire-fuzz", &["kafka-wire"]),
    ("kafka-client", &["kafka-wire"]),
    ("kafka-embedded", &["kafka-wire"]),
    ("connect-api", &["kafka-wire"]),
    ("connect-herder", &["connect-api", "kafka-wire"]),
    ("mirror", &["connect-api", "kafka-wire"]),
    ("connect-rest", &["connect-herder", "connect-api"]),
    ("connect-runtime", &["connect-herder", "connect-api", "kafka-client", "kafka-wire"]),
    ("mirror-clients", &["connect-api", "mirror", "kafka-client"]),
    ("mirror-source", &["connect-api", "mirror", "mirror-clients", "kafka-client", "kafka-wire"]),
    ("mirror-checkpoint", &["connect-api", "mirror", "mirror-clients", "kafka-client", "kafka-wire"]),
    ("mirror-heartbeat", &["connect-api", "mirror", "mirror-clients", "kafka-client", "kafka-wire"]),
    ("mirror-files", &["connect-api", "mirror"]),
    (
        "portage",
        &[
            "connect-api",
            "connect-herder",
            "connect-runtime",
            "connect-rest",
            "kafka-client",
            "kafka-embedded",
            "kafka-wire",
            "mirror",
            "mirror-files",
            "mirror-source",
            "mirror-checkpoint",
            "mirror-heartbeat",
        ],
    ),
    // `mirror` for MirrorMaker's own arithmetic, whose error a spec prints beside ours.
    ("system-tests", &["kafka-client", "kafka-wire", "mirror"]),
    ("xtask", &[]),
];

/// For tests alone, any crate may name the first; the others are named by those whom they test.
const FOR_TESTS: &[(&str, &[&str])] = &[
    ("kafka-embedded", &[]),
    ("kafka-client", &["kafka-embedded"]),
    // One spec has a worker in its own process, with a plug-in that panics.
    ("connect-api", &["system-tests"]),
    ("connect-herder", &["system-tests"]),
    ("connect-rest", &["system-tests"]),
    ("connect-runtime", &["system-tests"]),
];

/// Crates from outside that only some of ours may name.
const RESERVED: &[(&str, &[&str])] = &[
    ("axum", &["connect-rest"]),
    // In the client for one thing: OAuth's token endpoint.
    ("hyper", &["connect-rest", "kafka-client"]),
    // In the specs it asks our connections for what no call of ours does.
    ("kafka-protocol", &["kafka-client", "kafka-embedded", "system-tests"]),
    // The independent witness: traffic of the demo, and the specs. Never the product's own data path.
    ("rskafka", &["portage", "kafka-embedded", "system-tests"]),
    (
        "tokio",
        &[
            "kafka-client",
            "kafka-embedded",
            "connect-runtime",
            "connect-rest",
            "mirror-source",
            "mirror-checkpoint",
            "mirror-heartbeat",
            "portage",
            "system-tests",
        ],
    ),
];

pub(super) fn faults(files: &[File]) -> Vec<String> {
    let mut faults = Vec::new();
    for file in files.iter().filter(|file| file.path.file_name().is_some_and(|name| name == "Cargo.toml")) {
        if let Some(name) = package_name(&file.text) {
            faults.extend(manifest_faults(&file.path, name, &file.text));
        }
    }
    faults
}

fn manifest_faults(path: &Path, name: &str, manifest: &str) -> Vec<String> {
    let path = path.display();
    let Some((_, allowed)) = LAYERS.iter().find(|(layer, _)| *layer == name) else {
        return vec![format!("{path}: {name} has no place in xtask's table of layers")];
    };
    let mut faults = Vec::new();
    for (section, dependency) in dependencies(manifest) {
        let may_test =
            |(tool, users): &(&str, &[&str])| *tool == dependency && (users.is_empty() || users.contains(&name));
        let for_tests = section == "dev-dependencies" && FOR_TESTS.iter().any(may_test);
        let ours = LAYERS.iter().any(|(layer, _)| *layer == dependency);
        if ours && !allowed.contains(&dependency) && !for_tests {
            faults.push(format!("{path}: {name} may not depend on {dependency}"));
        }
        let reserved = RESERVED.iter().find(|(crate_name, _)| *crate_name == dependency);
        if reserved.is_some_and(|(_, users)| !users.contains(&name)) {
            faults.push(format!("{path}: {dependency} is not for {name}"));
        }
    }
    faults
}

fn package_name(manifest: &str) -> Option<&str> {
    let package = manifest.split("[package]").nth(1)?;
    package.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))
}

/// Section and name of every dependency, as in `("dev-dependencies", "proptest")`.
fn dependencies(manifest: &str) -> Vec<(&str, &str)> {
    let mut section = "";
    let mut found = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']');
        } else if section.ends_with("dependencies") && section != "workspace.dependencies" {
            let name = line.split(['=', '.', ' ']).next().unwrap_or_default().trim_matches('"');
            if !name.is_empty() && !name.starts_with('#') {
                found.push((section, name));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "[package]\nname = \"mirror\"\n\n[dependencies]\nconnect-api.workspace = true\n# tokio\n\
        tokio = { workspace = true }\nkafka-client.workspace = true\n\n[dev-dependencies]\nkafka-embedded.workspace = true\n";

    #[test]
    fn a_dependency_that_points_up_or_is_reserved_is_a_fault() {
        let faults = manifest_faults(Path::new("Cargo.toml"), package_name(MANIFEST).unwrap(), MANIFEST);

        assert_eq!(
            faults,
            ["Cargo.toml: tokio is not for mirror", "Cargo.toml: mirror may not depend on kafka-client"]
        );
    }

    #[test]
    fn a_crate_without_a_place_is_a_fault() {
        let faults = manifest_faults(Path::new("Cargo.toml"), "newcomer", "[package]\nname = \"newcomer\"\n");

        assert_eq!(faults.len(), 1);
    }
}
