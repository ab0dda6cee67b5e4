//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::demo::Demo;

use crate::mirror::load::Options;

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

        /// Stop in order when standard input closes, too: for a parent that must not leave workers behind.
        #[arg(long, hide = true)]
        until_stdin_closes: bool,
    },

    /// See it work, with nothing else needed: two embedded clusters, three workers, live traffic, and a measured verdict.
    ///
    /// Ends with q, Ctrl-C, --duration or --exit-when-caught-up; then both sides are read back and compared. The exit code is
    /// 0 only if the target holds an exact copy and every group's offset points to the same next record.
    Demo(Demo),
    /// Mirror clusters as a file says: an mm2.properties, or a KafkaMirrorMaker2 of Strimzi.
    Mirror(Mirror),
}

/// Mirror clusters as a file says: an mm2.properties, or a KafkaMirrorMaker2 of Strimzi.
///
/// Which of the two it is shows in the file itself.
///
/// mm2.properties, as connect-mirror-maker.sh takes it: each flow A->B is a worker of the group `A-mm2` on B, with
/// MirrorMaker's own topic and connector names. It can take over from connect-mirror-maker.sh, and back.
///
/// KafkaMirrorMaker2 (v1beta2 or v1), without Kubernetes: one worker beside the target cluster, with Strimzi's group, topics and
/// connectors, and the REST API on port 8083. Secrets are read from Secret documents of the file, and from --secrets-dir.
///
/// SIGTERM stops everything in order; a second one at once.
#[derive(Debug, Args)]
pub(crate) struct Mirror {
    /// The file, such as mm2.properties or kafkamirrormaker2.yaml.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    #[command(flatten)]
    pub(crate) options: MirrorOptions,
}

/// What may be said beside a file.
#[derive(Debug, Args)]
pub(crate) struct MirrorOptions {
    /// Run only the flows to these target clusters: those near to this machine (mm2.properties).
    #[arg(long, value_name = "ALIAS", num_args = 1..)]
    pub(crate) clusters: Vec<String>,

    /// Where the keys of secrets are files: DIR/<secret>/<key>, or DIR/<namespace>/<secret>/<key> (KafkaMirrorMaker2).
    #[arg(long, value_name = "DIR")]
    pub(crate) secrets_dir: Option<PathBuf>,

    /// Another value for a key: of mm2.properties, or of the worker of a KafkaMirrorMaker2. May be given more than once.
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    pub(crate) set: Vec<(String, String)>,
}

impl From<MirrorOptions> for Options {
    fn from(options: MirrorOptions) -> Self {
        Self { clusters: options.clusters, secrets_dir: options.secrets_dir, set: options.set.into_iter().collect() }
    }
}

/// `key=value`.
fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE, as in listeners=http://127.0.0.1:8083")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}
