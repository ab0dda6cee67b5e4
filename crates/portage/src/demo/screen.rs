//! The live screen: plain ANSI, redrawn in place on the terminal's second page.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::picture::{Picture, Unit, WorkerState, thousands};
use super::workers::{DELAY_MS, SESSION_MS};

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const CYAN: &str = "\x1b[36m";
const OFF: &str = "\x1b[0m";

const BAR: usize = 40;

/// An open screen. Dropping it shows the terminal's first page again.
pub(crate) struct Screen {
    source: String,
    target: String,
    commands: Vec<String>,
}

impl Screen {
    pub(crate) fn open(source: &str, target: &str, commands: Vec<String>) -> Self {
        // Second page, no cursor.
        write("\x1b[?1049h\x1b[?25l");
        Self { source: source.to_owned(), target: target.to_owned(), commands }
    }

    pub(crate) fn draw(&self, picture: &Picture) {
        let mut frame = String::from("\x1b[H");
        let (columns, rows) = size();
        for (at, line) in self.lines(picture).iter().take(rows).enumerate() {
            // A line break after the last row would scroll; each line clears what an older one left behind it.
            let end = if at == 0 { "" } else { "\n" };
            let _ = write!(frame, "{end}{}\x1b[K", cut(line, columns));
        }
        frame.push_str("\x1b[J");
        write(&frame);
    }

    fn lines(&self, picture: &Picture) -> Vec<String> {
        let seconds = picture.elapsed.as_secs();
        let mut lines = vec![
            format!(
                " {BOLD}portage demo{OFF}  {DIM}{}:{:02}{OFF}   {BOLD}k{OFF} kills a worker   {BOLD}r{OFF} starts the dead   \
                 {BOLD}q{OFF} ends with a verdict",
                seconds / 60,
                seconds % 60
            ),
            String::new(),
            format!(
                " source  {CYAN}{:<16}{OFF} {:>12} records   {:>8.0}/s   {DIM}written by rskafka{OFF}",
                self.source,
                thousands(picture.written),
                picture.written_per_s
            ),
            format!(
                " target  {CYAN}{:<16}{OFF} {:>12} mirrored  {:>8.0}/s",
                self.target,
                thousands(picture.mirrored),
                picture.mirrored_per_s
            ),
            format!(
                "         {GREEN}{}{OFF} {:>6.2} %   lag {} records, {:.1} s",
                bar(picture.progress()),
                picture.progress() * 100.0,
                thousands(picture.lag_records()),
                picture.lag.as_secs_f64()
            ),
        ];
        if picture.full {
            lines.push(format!("         {YELLOW}the clusters' memory is nearly full: nothing more is written{OFF}"));
        }
        lines.push(String::new());
        lines.extend(workers(picture));
        lines.push(String::new());
        lines.extend(groups(picture));
        lines.push(String::new());
        lines.push(format!(" {BOLD}try{OFF}"));
        lines.extend(self.commands.iter().map(|command| format!("   {command}")));
        lines
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        write("\x1b[?25h\x1b[?1049l");
    }
}

fn write(text: &str) {
    let mut out = io::stdout().lock();
    // A terminal that is gone needs no picture.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Columns and rows of the terminal.
fn size() -> (usize, usize) {
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
        _ => (80, 24),
    }
}

/// As much of a line as fits; colours take no room, and the last one ends.
fn cut(line: &str, columns: usize) -> String {
    let (mut kept, mut room, mut in_colour) = (String::with_capacity(line.len()), columns, false);
    for character in line.chars() {
        if character == '\x1b' {
            in_colour = true;
        } else if in_colour {
            in_colour = !character.is_ascii_alphabetic();
        } else if room == 0 {
            kept.push_str(OFF);
            return kept;
        } else {
            room -= 1;
        }
        kept.push(character);
    }
    kept
}

fn bar(progress: f64) -> String {
    let eighths = (progress.clamp(0.0, 1.0) * (BAR * 8) as f64) as usize;
    let (full, part) = (eighths / 8, eighths % 8);
    let mut bar = "█".repeat(full);
    if full < BAR {
        bar.push([' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][part]);
        bar.push_str(&" ".repeat(BAR - full - 1));
    }
    bar
}

fn workers(picture: &Picture) -> Vec<String> {
    let ((connectors, of_connectors), (tasks, of_tasks)) = (picture.running(false), picture.running(true));
    let mut lines = vec![format!(
        " {BOLD}workers{OFF}            connectors {connectors}/{of_connectors} RUNNING, tasks {tasks}/{of_tasks} RUNNING"
    )];
    let (mut dead, mut orphans) = (false, false);
    for WorkerState { address, pid } in &picture.workers {
        let alive = pid.is_some();
        let life = if alive { format!("{GREEN}up  {OFF}") } else { format!("{RED}dead{OFF}") };
        let units: Vec<String> = picture.placement.iter().filter(|unit| unit.worker == *address).map(unit).collect();
        dead |= !alive;
        orphans |= !alive && !units.is_empty();
        lines.push(format!("   {address:<16} {life}  {}", units.join(" ")));
    }
    lines.push(match (dead, orphans) {
        (_, true) => format!(
            "   {YELLOW}its work moves after {} s of silence and {} s of waiting for its return (Connect's default: 300 s){OFF}",
            SESSION_MS / 1000,
            DELAY_MS / 1000
        ),
        (true, false) => format!("   {YELLOW}its work has moved to the others{OFF}"),
        (false, false) => String::new(),
    });
    lines
}

fn unit(unit: &Unit) -> String {
    let name = unit.name.strip_prefix("mirror-").unwrap_or(&unit.name);
    let colour = match unit.state.as_str() {
        "RUNNING" => "",
        "FAILED" => RED,
        _ => YELLOW,
    };
    if unit.is_task { format!("{colour}{name}{OFF}") } else { format!("{colour}{BOLD}[{name}]{OFF}") }
}

fn groups(picture: &Picture) -> Vec<String> {
    let mut lines = vec![format!(
        " {BOLD}groups{OFF}        {:>14} {:>14} {:>9}   partitions translated",
        "on the source", "on the target", "behind"
    )];
    for group in &picture.groups {
        let count = |position: i64| thousands(u64::try_from(position).unwrap_or(0));
        let colour = if group.translated == group.partitions { GREEN } else { YELLOW };
        lines.push(format!(
            "   {:<11} {:>14} {:>14} {:>9}   {colour}{}/{}{OFF}",
            group.name,
            count(group.source),
            count(group.target),
            count(group.source - group.target),
            group.translated,
            group.partitions
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_as_wide_whatever_it_shows() {
        for progress in [0.0, 0.001, 0.5, 0.77, 0.999, 1.0, 2.0] {
            assert_eq!(bar(progress).chars().count(), BAR, "{progress}");
        }
        assert_eq!(bar(1.0), "█".repeat(BAR));
    }

    #[test]
    fn a_line_is_cut_where_the_terminal_ends() {
        let line = format!("{BOLD}abc{OFF}def");

        assert_eq!(cut(&line, 6), line);
        assert_eq!(cut(&line, 4), format!("{BOLD}abc{OFF}d{OFF}"));
        assert_eq!(cut(&line, 2), format!("{BOLD}ab{OFF}"));
    }
}
