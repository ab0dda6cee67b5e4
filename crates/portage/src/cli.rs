//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// A Kafka Connect worker in Rust that hosts the MirrorMaker 2 connectors.
#[derive(Debug, Parser)]
#[command(name = "portage", version, about, max_term_width = 100)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,

    /// How log lines look.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Plain)]
    pub(crate) log_format: LogFormat,

    /// The level of all loggers until it is changed over /admin/loggers: trace, debug, info, warn, error or off.
    #[arg(long, global = true, value_name = "LEVEL", default_value = "info")]
    pub(crate) log_level: String,
}

/// Log line formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// One line of text an event.
    Plain,
    /// One JSON object an event.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a distributed Connect worker: the same file as connect-distributed.sh takes.
    ///
    /// The worker joins the group `group.id` on `bootstrap.servers`, keeps connectors in the three storage topics there and
    /// serves Kafka's Connect REST API on `listeners` (http://:8083). SIGTERM stops it in order; a second one at once.
    Worker {
        /// The worker's properties file, such as worker.properties.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}
