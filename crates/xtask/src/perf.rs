//! `cargo xtask perf`: what mirroring costs on this machine, between two real brokers, in release build.

use crate::run::cargo;
use crate::setup;

pub(crate) fn perf() -> Result<(), String> {
    setup::install_what_is_missing()?;
    // The harness builds the worker in the profile that it was built in itself.
    cargo(&["run", "--release", "--package", "system-tests", "--bin", "perf"])
}
