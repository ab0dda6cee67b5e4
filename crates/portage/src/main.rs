//! `portage`: a Kafka Connect worker that hosts the MirrorMaker 2 connectors.
//!
//! This crate parses the command line and wires the others; it decides nothing.

mod cli;
mod demo;
mod logging;
mod mirror;
mod peers;
mod plugins;
mod signals;
mod worker;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command, Mirror};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let loggers = logging::init(cli.log_format, &cli.log_level);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start: {error}");
            return ExitCode::from(exit::FATAL);
        }
    };
    let code = match cli.command {
        Command::Worker { file, until_stdin_closes } => {
            runtime.block_on(worker::run(&file, loggers, until_stdin_closes))
        }
        Command::Demo(options) => runtime.block_on(demo::run(options, &loggers)),
        Command::Mirror(Mirror { file, options }) => runtime.block_on(mirror::run(&file, &options.into(), loggers)),
    };
    // Plug-in code that has been abandoned must not hold up the end.
    runtime.shutdown_background();
    ExitCode::from(code)
}

/// Exit codes, Java's where it has them. Usage errors (clap) are 2.
mod exit {
    /// Ended as asked.
    pub(crate) const OK: u8 = 0;
    /// The worker could not go on.
    pub(crate) const FAILED: u8 = 1;
    /// The configuration can't be used.
    pub(crate) const FATAL: u8 = 2;
    /// The configuration is right, but the program can't start with it: a port is taken.
    pub(crate) const NOT_STARTED: u8 = 3;
    /// The second SIGTERM or SIGINT.
    pub(crate) const KILLED: u8 = 143;
}
