//! Running other programs from the workspace's root, each shown before it runs.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The workspace's root folder.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// Runs `cargo` with these arguments.
pub(crate) fn cargo(arguments: &[&str]) -> Result<(), String> {
    let mut cargo = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    // `cargo run` has said where *our* manifest is; build scripts that ask for it (ring's does) would run again for that,
    // and everything on top of them be built again.
    cargo.env_remove("CARGO_MANIFEST_DIR").env_remove("CARGO_MANIFEST_PATH");
    run("cargo", cargo.args(arguments))
}

/// Runs `command`, which is shown as `name` and its arguments, to its end.
pub(crate) fn run(name: &str, command: &mut Command) -> Result<(), String> {
    let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let shown = format!("{name} {}", arguments.join(" "));
    eprintln!("$ {shown}");
    match command.current_dir(root()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{shown}` failed: {status}")),
        Err(error) => Err(format!("`{shown}` cannot be run: {error}")),
    }
}
