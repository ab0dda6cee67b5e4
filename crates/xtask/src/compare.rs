//! `cargo xtask compare …`: the same to Java's and to ours, and every difference. `rest` are requests to a worker, `mm2` is all that
//! a mirror leaves on its target.

use crate::run::cargo;
use crate::setup;

pub(crate) fn rest() -> Result<(), String> {
    setup::install_what_is_missing()?;
    cargo(&["run", "--package", "system-tests", "--bin", "compare"])
}

pub(crate) fn mm2() -> Result<(), String> {
    setup::install_what_is_missing()?;
    cargo(&["run", "--package", "system-tests", "--bin", "compare-mm2"])
}
