//! `cargo xtask tidy`: the rules that no compiler checks, read off the files under version control.
//!
//! [`crates`] holds who may depend on whom, [`kernel`] where there is no clock and no I/O, [`errors`] that every ERROR says what to do, [`text`] what no file may say
//! and that links lead somewhere. Long files are reported; they are not wrong. A test runs it too.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::root;

mod crates;
mod errors;
mod kernel;
mod text;

/// A file longer than this may be hiding a second idea.
const LONG_FILE_LINES: usize = 400;

/// A file under version control: its path from the root, and its text.
pub(crate) struct File {
    path: PathBuf,
    text: String,
}

impl File {
    fn has_extension(&self, extension: &str) -> bool {
        self.path.extension().is_some_and(|found| found == extension)
    }
}

pub(crate) fn tidy() -> Result<(), String> {
    let files = files(&root())?;
    for file in files.iter().filter(|file| file.has_extension("rs")) {
        let lines = file.text.lines().count();
        if lines > LONG_FILE_LINES {
            eprintln!("note: {} has {lines} lines", file.path.display());
        }
    }
    let faults = faults(&files);
    if faults.is_empty() {
        return Ok(());
    }
    Err(format!("not tidy:\n  {}", faults.join("\n  ")))
}

fn faults(files: &[File]) -> Vec<String> {
    let mut faults = crates::faults(files);
    faults.extend(errors::faults(files));
    faults.extend(kernel::faults(files));
    faults.extend(text::faults(files));
    faults
}

/// All text files that git knows and that are there.
fn files(root: &Path) -> Result<Vec<File>, String> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root).output();
    let listed = listed.map_err(|e| format!("cannot run git: {e}"))?;
    if !listed.status.success() {
        return Err(format!("git ls-files: {}", String::from_utf8_lossy(&listed.stderr)));
    }
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let paths = listed.split('\0').filter(|path| !path.is_empty()).map(PathBuf::from);
    Ok(paths.filter_map(|path| Some(File { text: fs::read_to_string(root.join(&path)).ok()?, path })).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_tidy() {
        let files = files(&root()).unwrap();

        assert_eq!(faults(&files), Vec::<String>::new());
    }
}
