//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::config::Output;
use crate::demo::Demo;
use crate::mirror::load::Options;

/// A Kafka Connect worker in Rust that hosts the MirrorMaker 2 connectors.
#[derive(Debug, Parser)]
#[command(name = "portage", version, about, max_term_width = 100, after_help = TEACH)]
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

    /// A log4j or log4j2 properties file; its levels are used (Java's logger names are known), appenders are not.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) log_config: Option<PathBuf>,
}

const TEACH: &str = "\
First steps:
  portage demo                               see it work, with nothing else needed
  portage config check mm2.properties        what is wrong with a file, and what to do
  portage config show mm2.properties         the worker and connector configs that it comes to
  portage mirror mm2.properties              instead of connect-mirror-maker.sh
  portage mirror kafkamirrormaker2.yaml --secrets-dir /etc/secrets
                                             instead of Strimzi's operator
  portage worker worker.properties           instead of connect-distributed.sh
  curl -s localhost:8083/connectors?expand=status
                                             what a worker runs
  curl -s -X PUT -H 'Content-Type: application/json' -d '{\"level\":\"DEBUG\"}' \\
       localhost:8083/admin/loggers/org.apache.kafka.connect.mirror
                                             more about mirroring in the log, at once

Exit codes: 0 ended as asked, or nothing wrong; 1 wrong usage, can't go on, errors found, not healthy;
2 the configuration can't be used; 3 it can't start (a port is taken); 143 ended by a second signal.";

const WORKER_TEACH: &str = "\
A key's value comes from the first of these that has one:
  --set offset.flush.interval.ms=5000
  CONNECT_OFFSET_FLUSH_INTERVAL_MS=5000      in the environment: . is _, - is __, _ is ___
  offset.flush.interval.ms=5000              in FILE
  Kafka's default
With CONNECT_BOOTSTRAP_SERVERS and what else a worker needs in the environment, FILE may be left out.
${file:/path:key}, ${dir:/path:file} and ${env:NAME} are read by config.providers, as in Java.";

const MIRROR_TEACH: &str = "\
Examples:
  portage config check mm2.properties --connect     first: what is wrong with the file, and what the clusters say to it
  portage mirror mm2.properties                     all flows
  portage mirror mm2.properties --clusters B        the flows to B, near B
  portage mirror kafkamirrormaker2.yaml --secrets-dir /etc/secrets --set listeners=http://127.0.0.1:8083

A key's value comes from --set, then from FILE, then from MirrorMaker's, Strimzi's and Kafka's defaults.

Offsets of a KafkaMirrorMaker2, as under Strimzi's operator: annotate it with strimzi.io/connector-offsets: list (or alter or
reset, with state: stopped) and strimzi.io/mirrormaker-connector: NAME, and start. The ConfigMaps that listOffsets and
alterOffsets name are documents of FILE, or files of --config-maps-dir.";

/// Log line formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// One line of text an event.
    Plain,
    /// One JSON object an event.
    Json,
    /// The pattern of Kafka Connect's log4j file: [date] LEVEL [connector|task-0] text (logger).
    Log4j,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a distributed Connect worker: the same file as connect-distributed.sh takes.
    ///
    /// The worker joins the group `group.id` on `bootstrap.servers`, keeps connectors in the three storage topics there and
    /// serves Kafka's Connect REST API on `listeners` (http://:8083). SIGTERM stops it in order; a second one at once.
    #[command(after_help = WORKER_TEACH)]
    Worker {
        /// The worker's properties file, such as worker.properties.
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,

        /// Another value for a key. May be given more than once.
        #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
        set: Vec<(String, String)>,

        /// Stop in order when standard input closes, too: for a parent that must not leave workers behind.
        #[arg(long, hide = true)]
        until_stdin_closes: bool,
    },

    /// See it work, with nothing else needed: two embedded clusters, three workers, live traffic, and a measured verdict.
    ///
    /// Ends with q, Ctrl-C, --duration or --exit-when-caught-up; then both sides are read back and compared. The exit code is
    /// 0 only if the target holds an exact copy and every group's offset points to the same next record.
    Demo(Demo),
    Mirror(Mirror),
    /// Look at a configuration file: what it comes to, and what is wrong with it.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Ask a running worker whether it is ready: for health checks of containers (exit code 0 or 1).
    Health {
        /// The worker's file: it is asked where other workers would ask it, over TLS with the file's ssl.* keys.
        #[arg(long, value_name = "FILE")]
        worker: Option<PathBuf>,

        /// The worker's address. Without a path it is /health, without a port 8083 [default: that of FILE, else
        /// http://127.0.0.1:8083/health].
        #[arg(long, value_name = "URL")]
        url: Option<String>,

        /// A name that basic auth knows; its password is in the environment, as PORTAGE_HEALTH_PASSWORD.
        #[arg(long, value_name = "NAME")]
        user: Option<String>,

        /// How long it may take, in milliseconds.
        #[arg(long, value_name = "MS", default_value_t = 5000)]
        timeout_ms: u64,
    },
    /// Write completions for a shell to standard output.
    ///
    /// For bash: portage completions bash > /usr/share/bash-completion/completions/portage
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Write the man page to standard output.
    Man {
        /// Write a page for each subcommand into this folder instead.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

/// `portage config …`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Show the worker and connector configs that a file comes to. Secrets are hidden, references to them are not.
    Show {
        #[command(flatten)]
        file: ConfigFile,

        /// Say where each value comes from.
        #[arg(long)]
        origin: bool,
    },
    /// Find the mistakes of a file: keys that nobody reads, values that can't be, loops, policies that differ, …
    ///
    /// Each is named with its line and what to do about it. Exit code 1 if there are errors, 2 if the file can't be read.
    Check {
        #[command(flatten)]
        file: ConfigFile,

        /// Ask the clusters, too: whether they answer, have brokers enough for the replication factors, have topics and groups
        /// of these names, and whether copies can take what they shall hold. Nothing is changed there.
        #[arg(long)]
        connect: bool,
    },
}

/// A file to look at.
#[derive(Debug, Args)]
pub(crate) struct ConfigFile {
    /// An mm2.properties, a kafkamirrormaker2.yaml, or a worker.properties.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    #[command(flatten)]
    pub(crate) options: MirrorOptions,

    /// How to answer.
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
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
#[command(after_help = MIRROR_TEACH)]
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

    /// Where ConfigMaps are that the file names: DIR/<config map>/<key>. Listed offsets are written there, otherwise to
    /// standard output (KafkaMirrorMaker2).
    #[arg(long, value_name = "DIR")]
    pub(crate) config_maps_dir: Option<PathBuf>,

    /// Another value for a key: of mm2.properties, or of the worker of a KafkaMirrorMaker2. May be given more than once.
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    pub(crate) set: Vec<(String, String)>,
}

impl From<MirrorOptions> for Options {
    fn from(options: MirrorOptions) -> Self {
        let MirrorOptions { clusters, secrets_dir, config_maps_dir, set } = options;
        Self { clusters, secrets_dir, config_maps_dir, set: set.into_iter().collect() }
    }
}

/// `key=value`.
fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE, as in listeners=http://127.0.0.1:8083")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}
