//! `cargo xtask perf`: what mirroring costs on this machine, between two real brokers, in release build.

use crate::run::cargo;
use crate::setup;

pub(crate) fn perf(arguments: &[&str]) -> Result<(), String> {
    setup::install_what_is_missing()?;
    cargo(&["build", "--release", "--package", "kafka-client", "--example", "mirror_loop"])?;
    // The harness builds the worker in the profile that it was built in itself.
    let mut command = vec!["run", "--release", "--package", "system-tests", "--bin", "perf", "--"];
    command.extend(arguments);
    cargo(&command)
}
