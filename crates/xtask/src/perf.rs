//! `cargo xtask perf`: what mirroring costs on this machine, between two real brokers, in release build; and `perf micro`: how
//! many instructions the hot functions take, beside the committed baseline.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use crate::run::{self, cargo};
use crate::setup;

pub(crate) fn perf(arguments: &[&str]) -> Result<(), String> {
    if let ["micro", ref rest @ ..] = *arguments {
        return micro(rest == ["--save"]);
    }
    setup::install_what_is_missing()?;
    cargo(&["build", "--release", "--package", "kafka-client", "--example", "mirror_loop"])?;
    // The harness builds the worker in the profile that it was built in itself.
    let mut command = vec!["run", "--release", "--package", "system-tests", "--bin", "perf", "--"];
    command.extend(arguments);
    cargo(&command)
}

/// A function and its instructions, one a line.
const BASELINE: &str = "crates/kafka-wire/benches/instructions.txt";
const TIMES: u64 = 50;

/// Counts instructions, which a busy machine does not change, and shows them beside the baseline; `save` makes them the baseline.
fn micro(save: bool) -> Result<(), String> {
    setup::install("valgrind", "valgrind")?;
    cargo(&["build", "--release", "--package", "kafka-wire", "--example", "hot"])?;
    let root = run::root();
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    let hot = target.join("release/examples/hot");
    let listed = Command::new(&hot).output().map_err(|error| format!("{}: {error}", hot.display()))?;
    let baseline = std::fs::read_to_string(root.join(BASELINE)).unwrap_or_default();
    let before = |name: &str| {
        let line = baseline.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
        line.unwrap_or(f64::NAN)
    };
    let mut counted = String::new();
    println!("{:<28}{:>14}{:>14}{:>8}", "instructions", "baseline", "now", "ratio");
    for name in String::from_utf8_lossy(&listed.stdout).lines() {
        let now = (instructions(&hot, name, TIMES)? - instructions(&hot, name, 0)?) / TIMES;
        println!("{name:<28}{:>14}{now:>14}{:>8.3}", before(name), now as f64 / before(name));
        // Writing to a string can't fail.
        let _ = writeln!(counted, "{name} {now}");
    }
    match save {
        true => std::fs::write(root.join(BASELINE), counted).map_err(|error| format!("{BASELINE}: {error}")),
        false => Ok(()),
    }
}

/// What callgrind counts for one run.
fn instructions(hot: &Path, name: &str, times: u64) -> Result<u64, String> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(hot).args([name, &times.to_string()]);
    let output = valgrind.output().map_err(|error| format!("valgrind: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split("Collected : ").nth(1)?.trim().parse().ok());
    collected.ok_or_else(|| format!("callgrind has counted nothing of {name}:\n{said}"))
}
