//! `cargo xtask kafka up|status|down`: two real clusters for experiments by hand.
//!
//! The specs' harness starts them, in a background program (`kafka-dev`) that owns the brokers: when it ends, they end.
//! `target/kafka-dev/state` holds its pid and, once the brokers answer, their addresses.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::run::{cargo, root, run};
use crate::setup;

pub(crate) fn up() -> Result<(), String> {
    if running().is_some() {
        return status();
    }
    setup::install_what_is_missing()?;
    cargo(&["build", "--quiet", "--package", "system-tests", "--bin", "kafka-dev"])?;
    let folder = folder()?;
    fs::create_dir_all(&folder).map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
    let _ = fs::remove_file(folder.join("state"));
    let log = folder.join("log");
    let output = fs::File::create(&log).map_err(|e| format!("cannot write {}: {e}", log.display()))?;
    let errors = output.try_clone().map_err(|e| format!("cannot write {}: {e}", log.display()))?;
    let mut keeper = Command::new(programs()?.join("kafka-dev"));
    // A group of its own: it stays when this command, or the terminal's Ctrl-C, is over.
    keeper.arg(&folder).current_dir(root()).process_group(0).stdin(Stdio::null()).stdout(output).stderr(errors);
    let mut keeper = keeper.spawn().map_err(|e| format!("cannot start kafka-dev: {e}"))?;
    wait_until_up(&mut keeper).map_err(|e| format!("{e}; see {}", log.display()))?;
    status()
}

pub(crate) fn status() -> Result<(), String> {
    match running() {
        Some((_, addresses)) => print!("{addresses}"),
        None => println!("not running; `cargo xtask kafka up` starts two clusters"),
    }
    Ok(())
}

pub(crate) fn down() -> Result<(), String> {
    if let Some((pid, _)) = running() {
        run("kill", Command::new("kill").arg(pid))?;
    }
    let _ = fs::remove_file(folder()?.join("state"));
    Ok(())
}

fn wait_until_up(keeper: &mut Child) -> Result<(), String> {
    while running().is_none() {
        if let Ok(Some(status)) = keeper.try_wait() {
            return Err(format!("kafka-dev ended ({status})"));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// The pid of the program that keeps the clusters, and what it wrote about them.
fn running() -> Option<(String, String)> {
    let state = fs::read_to_string(folder().ok()?.join("state")).ok()?;
    let (pid, addresses) = state.split_once('\n')?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    (name.trim() == "kafka-dev").then(|| (pid.to_owned(), addresses.to_owned()))
}

fn folder() -> Result<PathBuf, String> {
    let programs = programs()?;
    let target = programs.parent().ok_or_else(|| "this program lies in no target folder".to_owned())?;
    Ok(target.join("kafka-dev"))
}

/// Where cargo puts programs; this one is among them.
fn programs() -> Result<PathBuf, String> {
    let program = std::env::current_exe().map_err(|e| format!("where is this program? {e}"))?;
    program.parent().map(PathBuf::from).ok_or_else(|| "this program lies in no folder".to_owned())
}
