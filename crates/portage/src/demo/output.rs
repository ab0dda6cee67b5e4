//! Saying what happens: lines of text, lines of JSON, or the live screen.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::options::{Demo, Format};
use super::picture::{Picture, thousands};
use super::screen::Screen;
use super::verdict::Verdict;
use super::workers::Workers;

/// A line of progress is printed this often where there is no screen.
const PAUSE: Duration = Duration::from_secs(1);

/// Where it goes.
pub(crate) struct Output {
    style: Style,
    shown: Option<Instant>,
}

enum Style {
    Lines,
    Json,
    /// The screen comes when everything is up.
    Live(Option<Screen>),
}

impl Output {
    pub(crate) fn new(options: &Demo) -> Self {
        let style = match options.output {
            Format::Json => Style::Json,
            Format::Text if io::stdout().is_terminal() => Style::Live(None),
            Format::Text | Format::Plain => Style::Lines,
        };
        Self { style, shown: None }
    }

    /// Keys are read only where the screen tells of them.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.style, Style::Live(_))
    }

    pub(crate) fn clusters(&mut self, source: &str, target: &str) {
        self.say(
            || vec![format!("source cluster {source}, target cluster {target}: embedded, real protocol, in memory")],
            || json!({ "event": "clusters", "source": source, "target": target }),
        );
    }

    pub(crate) fn workers(&mut self, workers: &Workers) {
        let addresses: Vec<&str> = workers.addresses().collect();
        self.say(
            || vec![format!("workers {}: up, REST on these addresses", addresses.join(", "))],
            || json!({ "event": "workers", "workers": addresses }),
        );
    }

    pub(crate) fn started(&mut self, workers: &Workers, source: &str, target: &str) {
        let commands = commands(workers, source, target);
        if let Style::Live(screen) = &mut self.style {
            *screen = Some(Screen::open(source, target, commands));
            return;
        }
        let lines = || {
            let mut lines =
                vec!["connectors mirror-source, mirror-checkpoint, mirror-heartbeat: created; try:".to_owned()];
            lines.extend(commands.iter().map(|command| format!("  {command}")));
            lines
        };
        self.say(lines, || json!({ "event": "started", "try": commands }));
    }

    pub(crate) fn show(&mut self, picture: &Picture) {
        if let Style::Live(screen) = &mut self.style {
            if let Some(screen) = screen {
                screen.draw(picture);
            }
            return;
        }
        if self.shown.is_some_and(|shown| shown.elapsed() < PAUSE) {
            return;
        }
        self.shown = Some(Instant::now());
        self.say(|| vec![line(picture)], || progress(picture));
    }

    pub(crate) fn judging(&mut self) {
        if let Style::Live(screen) = &mut self.style {
            // Gives the terminal back.
            screen.take();
        }
        self.say(
            || vec!["applications stopped; waiting for the mirror, then reading both sides back".to_owned()],
            || json!({ "event": "judging" }),
        );
    }

    pub(crate) fn verdict(&mut self, verdict: &Verdict) {
        self.say(|| verdict.lines(), || verdict.to_json());
    }

    /// What went wrong, on standard error.
    pub(crate) fn failed(&mut self, error: &str) {
        if let Style::Live(screen) = &mut self.style {
            screen.take();
        }
        match self.style {
            Style::Json => eprintln!("{}", json!({ "event": "failed", "error": error })),
            Style::Lines | Style::Live(_) => eprintln!("the demo failed: {error}"),
        }
    }

    fn say(&self, lines: impl FnOnce() -> Vec<String>, value: impl FnOnce() -> Value) {
        let lines = match &self.style {
            Style::Json => vec![value().to_string()],
            Style::Lines | Style::Live(_) => lines(),
        };
        let mut out = io::stdout().lock();
        for line in lines {
            // Whoever closed the pipe does not want to hear it; the exit code says the rest.
            let _ = writeln!(out, "{line}");
        }
        let _ = out.flush();
    }
}

/// Commands that work as they stand.
fn commands(workers: &Workers, source: &str, target: &str) -> Vec<String> {
    let addresses: Vec<&str> = workers.addresses().collect();
    let (first, last) = (addresses.first().unwrap_or(&""), addresses.last().unwrap_or(&""));
    vec![
        format!("curl -s 'http://{first}/connectors?expand=status'"),
        format!("curl -s http://{last}/connectors/mirror-source/offsets"),
        format!("curl -s -X PUT http://{last}/connectors/mirror-source/pause"),
        format!("curl -s -X PUT http://{last}/connectors/mirror-source/resume"),
        format!("curl -s http://{first}/metrics"),
        format!("kcat -b {source} -L"),
        format!("kcat -b {target} -C -t source.orders -c 3"),
    ]
}

/// One line for one moment.
fn line(picture: &Picture) -> String {
    let groups: Vec<String> = picture
        .groups
        .iter()
        .map(|group| {
            format!(
                "{} {}/{} translated, {} behind",
                group.name,
                group.translated,
                group.partitions,
                group.source - group.target
            )
        })
        .collect();
    let (tasks, of) = picture.running(true);
    format!(
        "{:>5.1} s  written {} ({:.0}/s)  mirrored {:.1} % ({:.0}/s)  lag {} records, {:.1} s  workers {}/{}  tasks {tasks}/{of}  {}{}",
        picture.elapsed.as_secs_f64(),
        thousands(picture.written),
        picture.written_per_s,
        picture.progress() * 100.0,
        picture.mirrored_per_s,
        thousands(picture.lag_records()),
        picture.lag.as_secs_f64(),
        picture.workers.iter().filter(|worker| worker.pid.is_some()).count(),
        picture.workers.len(),
        groups.join("; "),
        if picture.full { "  memory nearly full: nothing more is written" } else { "" },
    )
}

fn progress(picture: &Picture) -> Value {
    let groups: Vec<Value> = picture
        .groups
        .iter()
        .map(|group| {
            json!({
                "group": group.name,
                "source_position": group.source,
                "target_position": group.target,
                "partitions": group.partitions,
                "translated": group.translated,
            })
        })
        .collect();
    let units: Vec<Value> = picture
        .placement
        .iter()
        .map(|unit| json!({ "name": unit.name, "task": unit.is_task, "state": unit.state, "worker": unit.worker }))
        .collect();
    let workers: Vec<Value> =
        picture.workers.iter().map(|worker| json!({ "address": worker.address, "pid": worker.pid })).collect();
    json!({
        "event": "progress",
        "elapsed_ms": u64::try_from(picture.elapsed.as_millis()).unwrap_or(u64::MAX),
        "written": picture.written,
        "mirrored": picture.mirrored,
        "written_per_s": picture.written_per_s.round(),
        "mirrored_per_s": picture.mirrored_per_s.round(),
        "lag_records": picture.lag_records(),
        "lag_ms": u64::try_from(picture.lag.as_millis()).unwrap_or(u64::MAX),
        "memory_full": picture.full,
        "workers": workers,
        "placement": units,
        "groups": groups,
    })
}
