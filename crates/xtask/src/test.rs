//! `cargo xtask test`: every test there is. The quick ones first; a failure there is not buried under the specs.

use crate::run::cargo;
use crate::setup;

/// A spec mostly waits for a broker, so there may be more of them at a time than processors.
const SPECS_AT_A_TIME: &str = "--test-threads=4";

pub(crate) fn test() -> Result<(), String> {
    setup::install_what_is_missing()?;
    cargo(&["build", "--package", "portage"])?;
    cargo(&["test", "--workspace", "--exclude", "system-tests"])?;
    cargo(&["test", "--package", "system-tests", "--doc"])?;
    cargo(&["test", "--package", "system-tests", "--test", "specs", "--", SPECS_AT_A_TIME])
}
