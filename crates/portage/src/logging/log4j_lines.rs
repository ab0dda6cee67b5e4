//! Lines in the pattern of Kafka Connect's own log4j file, for tools that read it:
//! `[2026-11-22 20:47:24,123] INFO [orders|task-0] task started (connect_runtime.source_task)`.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// The format.
pub(super) struct Log4jLines;

impl<S, N> FormatEvent<S, N> for Log4jLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        let now = chrono::Local::now().format("%Y-%m-%d %H:%M:%S,%3f");
        write!(writer, "[{now}] {} ", metadata.level())?;
        for span in ctx.event_scope().into_iter().flatten() {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<N>>().map_or("", |fields| fields.fields.as_str());
            if let Some(context) = connector_context(span.name(), fields) {
                write!(writer, "[{context}] ")?;
                break;
            }
        }
        ctx.field_format().format_fields(writer.by_ref(), event)?;
        writeln!(writer, " ({})", metadata.target().replace("::", "."))
    }
}

/// Java's `connector.context` (KIP-449) of a span: `orders|task-0`, `orders|worker`.
fn connector_context(span: &str, fields: &str) -> Option<String> {
    let fields = fields.strip_prefix("connector=")?;
    match span {
        "task" => fields.rsplit_once(" task=").map(|(connector, task)| format!("{connector}|task-{task}")),
        "connector" => Some(format!("{fields}|worker")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing::{info, info_span};
    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn a_line_has_time_level_context_text_and_logger() {
        let lines = Lines::default();
        let layer =
            tracing_subscriber::fmt::layer().event_format(Log4jLines).with_writer(lines.clone()).with_ansi(false);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let worker = info_span!("worker", worker_id = "a:8083");
            let task = info_span!(parent: &worker, "task", connector = %"a->b task=x", task = 3);
            task.in_scope(|| info!(partitions = 2, "mirroring"));
            worker.in_scope(|| info!("worker stopped"));
        });

        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let (first, second) = text.trim_end().split_once('\n').unwrap();
        let (time, rest) = first.split_once("] ").unwrap();
        assert!(chrono::NaiveDateTime::parse_from_str(&time[1..], "%Y-%m-%d %H:%M:%S,%3f").is_ok(), "{time}");
        assert_eq!(rest, "INFO [a->b task=x|task-3] mirroring partitions=2 (portage.logging.log4j_lines.tests)");
        assert!(second.ends_with("INFO worker stopped (portage.logging.log4j_lines.tests)"), "{second}");
    }
}
