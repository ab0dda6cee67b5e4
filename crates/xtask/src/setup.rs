//! What the specs need beside cargo: a JDK, Maven and kcat. Installed where that is possible without asking anybody: on Debian,
//! as root. Elsewhere the message says what to install.

use std::path::Path;
use std::process::Command;

use crate::run::run;

/// A program, and the Debian package that brings it.
const NEEDED: &[(&str, &str)] = &[("javac", "openjdk-17-jdk-headless"), ("mvn", "maven"), ("kcat", "kcat")];

pub(crate) fn install_what_is_missing() -> Result<(), String> {
    install_all(NEEDED, "the specs need a JDK (17 or newer), Maven and kcat")
}

/// Installs one program, if it is missing and may be installed.
pub(crate) fn install(program: &str, package: &str) -> Result<(), String> {
    install_all(&[(program, package)], &format!("this needs {program}"))
}

fn install_all(needed: &[(&str, &str)], why: &str) -> Result<(), String> {
    let missing = needed.iter().filter(|(program, _)| !is_on_path(program));
    let packages: Vec<&str> = missing.map(|(_, package)| *package).collect();
    if packages.is_empty() {
        return Ok(());
    }
    if !is_on_path("apt-get") || !is_root() {
        return Err(format!("{why}; on Debian: apt-get install -y {}", packages.join(" ")));
    }
    run("apt-get", Command::new("apt-get").args(["update", "--quiet"]))?;
    let mut install = Command::new("apt-get");
    install.args(["install", "--yes", "--quiet", "--no-install-recommends"]).args(packages);
    run("apt-get", install.env("DEBIAN_FRONTEND", "noninteractive"))
}

fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    // The owner of our own process, without a system call of our own.
    Path::new("/proc/self").metadata().is_ok_and(|process| process.uid() == 0)
}
