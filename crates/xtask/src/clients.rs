//! `cargo xtask clients` and `cargo xtask openapi`: other people's programs against a real worker. Needs Python and, for
//! `clients`, Go.

use crate::run::cargo;
use crate::setup;

/// A Python and a Go client of Connect.
pub(crate) fn life() -> Result<(), String> {
    clients("life")
}

/// Schemathesis with our OpenAPI document.
pub(crate) fn contract() -> Result<(), String> {
    clients("contract")
}

fn clients(what: &str) -> Result<(), String> {
    setup::install_what_is_missing()?;
    cargo(&["run", "--package", "system-tests", "--bin", "clients", "--", what])
}
