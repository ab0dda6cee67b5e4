//! Log lines to standard error, with levels that can be changed while the worker runs.
//!
//! Levels come from `--log-level`, then from a log4j file (`--log-config`), then from `RUST_LOG`; later ones win, and
//! `/admin/loggers` after all of them.

mod log4j_file;
mod log4j_lines;

use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::Arc;

use connect_runtime::loggers::{Level, Loggers, ROOT};
use tracing::warn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt, reload};

use crate::cli::LogFormat;
pub(crate) use log4j_file::levels_of as log4j_levels;
use log4j_lines::Log4jLines;

/// Sets up logging for the process. What can't be understood is left out, and said.
pub(crate) fn init(format: LogFormat, level: &str, config: Option<&Path>) -> Arc<Loggers> {
    let (filter, handle) = reload::Layer::new(EnvFilter::new("info"));
    let lines = match format {
        LogFormat::Plain => fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal()).boxed(),
        LogFormat::Json => fmt::layer().json().flatten_event(true).with_writer(io::stderr).boxed(),
        LogFormat::Log4j => fmt::layer().event_format(Log4jLines).with_writer(io::stderr).with_ansi(false).boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
    let known = Level::parse(level);
    if known.is_none() {
        warn!(level, "unknown log level, using info");
    }
    let loggers = Loggers::new(known.unwrap_or(Level::Info), move |directives| {
        if let Ok(filter) = EnvFilter::try_new(directives) {
            // Fails only when the subscriber is gone, and then there is nobody left to log.
            let _ = handle.reload(filter);
        }
    });
    let from_file = config.map(|file| match log4j_file::levels(file) {
        Ok(levels) => levels,
        Err(error) => {
            warn!(%error, "the log config can't be read and is left out");
            Vec::new()
        }
    });
    let from_environment = std::env::var("RUST_LOG").map(|text| rust_log(&text)).unwrap_or_default();
    for (logger, level) in from_file.into_iter().flatten().chain(from_environment) {
        if !loggers.configure(&logger, &level) {
            warn!(logger, level, "unknown log level, left as it is");
        }
    }
    Arc::new(loggers)
}

/// Loggers and levels of `RUST_LOG`, such as `info,kafka_client=debug`.
fn rust_log(text: &str) -> Vec<(String, String)> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let pairs = parts.map(|part| part.split_once('=').unwrap_or((ROOT, part)));
    pairs.map(|(logger, level)| (logger.replace("::", "."), level.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_log_is_a_list_of_loggers_and_levels() {
        let pair = |logger: &str, level: &str| (logger.to_owned(), level.to_owned());

        let levels = rust_log("warn, connect_runtime::driver=debug,");

        assert_eq!(levels, [pair("root", "warn"), pair("connect_runtime.driver", "debug")]);
    }
}
