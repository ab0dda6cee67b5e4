//! Log lines to standard error, with levels that can be changed while the worker runs.

use std::io::{self, IsTerminal};
use std::sync::Arc;

use connect_runtime::loggers::{Level, Loggers};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt, reload};

use crate::cli::LogFormat;

/// Sets up logging for the process. An unknown level means `info`, and says so.
pub(crate) fn init(format: LogFormat, level: &str) -> Arc<Loggers> {
    let (filter, handle) = reload::Layer::new(EnvFilter::new("info"));
    let lines = match format {
        LogFormat::Plain => fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal()).boxed(),
        LogFormat::Json => fmt::layer().json().flatten_event(true).with_writer(io::stderr).boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
    let known = Level::parse(level);
    if known.is_none() {
        tracing::warn!(level, "unknown log level, using info");
    }
    Arc::new(Loggers::new(known.unwrap_or(Level::Info), move |directives| {
        if let Ok(filter) = EnvFilter::try_new(directives) {
            // Fails only when the subscriber is gone, and then there is nobody left to log.
            let _ = handle.reload(filter);
        }
    }))
}
