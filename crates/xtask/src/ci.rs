//! `cargo xtask ci`: what a change must pass. The tests come last, so that their summary is the last thing printed.

use crate::run::cargo;
use crate::{test, tidy};

pub(crate) fn ci() -> Result<(), String> {
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])?;
    tidy::tidy()?;
    test::test()
}
