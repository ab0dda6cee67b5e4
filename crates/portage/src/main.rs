//! `portage`: a Kafka Connect worker that hosts the MirrorMaker 2 connectors.
//!
//! This crate parses the command line and wires the others; it decides nothing.

mod cli;
mod config;
mod demo;
mod generate;
mod health;
mod java_options;
mod logging;
mod mirror;
mod peers;
mod plugins;
mod rest;
mod signals;
mod worker;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use cli::{Cli, Command, ConfigCommand, Mirror};

fn main() -> ExitCode {
    let cli = match Cli::try_parse_from(arguments(std::env::args_os().collect())) {
        Ok(cli) => cli,
        Err(error) => {
            // Nobody is left to hear that this could not be written.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { exit::FAILED } else { exit::OK });
        }
    };
    let loggers = || logging::init(cli.log_format, &cli.log_level, cli.log_config.as_deref());
    ExitCode::from(match cli.command {
        Command::Worker { file, set, until_stdin_closes } => {
            wait(worker::run(file.as_deref(), set, loggers(), until_stdin_closes))
        }
        Command::Demo(options) => wait(async { demo::run(options, &loggers()).await }),
        Command::Mirror(Mirror { file, options }) => wait(mirror::run(&file, &options.into(), loggers())),
        Command::Config(ConfigCommand::Show { file, origin }) => {
            config::show(&file.file, &file.options.into(), file.output, origin)
        }
        Command::Config(ConfigCommand::Check { file, connect }) => {
            wait(config::check(&file.file, &file.options.into(), file.output, connect))
        }
        Command::Health { worker, url, user, timeout_ms } => {
            wait(health::check(worker.as_deref(), url, user, Duration::from_millis(timeout_ms)))
        }
        Command::Completions { shell } => generate::completions(shell),
        Command::Man { dir } => generate::man(dir.as_deref()),
    })
}

/// Runs something to its end.
fn wait(run: impl Future<Output = u8>) -> u8 {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start: {error}");
            return exit::NOT_STARTED;
        }
    };
    let code = runtime.block_on(run);
    // Plug-in code that has been abandoned must not hold up the end.
    runtime.shutdown_background();
    code
}

/// Under the names of Kafka's scripts the program is what they start.
fn arguments(given: Vec<OsString>) -> Vec<OsString> {
    let name = given.first().and_then(|program| Path::new(program).file_stem()?.to_str().map(str::to_owned));
    let command = match name.as_deref() {
        Some("connect-distributed") => "worker",
        Some("connect-mirror-maker") => "mirror",
        _ => return given,
    };
    let rest = given.into_iter().skip(1);
    ["portage".into(), command.into()].into_iter().chain(rest).collect()
}

/// Exit codes, Java's where it has them.
mod exit {
    /// Ended as asked; nothing is wrong.
    pub(crate) const OK: u8 = 0;
    /// Wrong usage, the worker could not go on, or what was asked about is wrong.
    pub(crate) const FAILED: u8 = 1;
    /// The configuration can't be used.
    pub(crate) const FATAL: u8 = 2;
    /// The configuration is right, but the program can't start with it: a port is taken.
    pub(crate) const NOT_STARTED: u8 = 3;
    /// The second SIGTERM or SIGINT.
    pub(crate) const KILLED: u8 = 143;
}
