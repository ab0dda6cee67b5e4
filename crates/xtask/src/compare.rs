//! `cargo xtask compare rest`: the same requests to Java's worker and to ours, and every difference.

use crate::run::cargo;
use crate::setup;

pub(crate) fn rest() -> Result<(), String> {
    setup::install_what_is_missing()?;
    cargo(&["run", "--package", "system-tests", "--bin", "compare"])
}
