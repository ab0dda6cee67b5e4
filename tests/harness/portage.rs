//! Our own program, built from this workspace.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use crate::process::Process;
use crate::workspace;

/// The `portage` program. The first call of a process builds it, in the profile of the specs themselves, so that no spec
/// meets an old one; `PORTAGE_BIN` names another program to test instead.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("PORTAGE_BIN") {
        Some(path) => path.into(),
        None => build(),
    })
}

fn build() -> PathBuf {
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // `cargo test` has said where *our* manifest is; build scripts that ask for it (ring's does) would run again for that,
    // and everything on top of them be built again, each time.
    cargo.env_remove("CARGO_MANIFEST_DIR").env_remove("CARGO_MANIFEST_PATH");
    cargo.current_dir(workspace::root()).args(["build", "--quiet", "--package", "portage", "--profile", profile]);
    cargo.arg("--target-dir").arg(workspace::target());
    let built = cargo.stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("cannot run cargo: {e}"));
    assert!(built.status.success(), "portage does not build:\n{}", String::from_utf8_lossy(&built.stderr));
    workspace::target().join(if profile == "dev" { "debug" } else { profile }).join("portage")
}

/// Runs `portage` with these arguments to its end.
pub fn run(arguments: &[&str]) -> Output {
    let mut portage = Command::new(binary());
    portage.args(arguments).stdin(Stdio::null());
    portage.output().unwrap_or_else(|e| panic!("cannot run portage: {e}"))
}

/// Starts `portage` with these arguments, on the leash; its output is in the log.
pub fn spawn(name: &str, arguments: &[&str]) -> Process {
    let log = workspace::service_dir(name).join("portage.log");
    Process::spawn(name, Command::new(binary()).args(arguments), &log)
}
