//! What a process has used, from `/proc`.

use std::fs;

/// Clock ticks a second: what Linux shows to programs on every machine we know.
const TICKS_PER_SECOND: f64 = 100.0;

/// Reads one process.
pub(crate) struct Meter {
    pid: u32,
}

impl Meter {
    pub(crate) fn of(pid: u32) -> Self {
        Self { pid }
    }

    /// CPU seconds so far, user and system, all threads.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        ticks_as_seconds(&self.read("stat"))
    }

    /// The most resident memory it ever had.
    pub(crate) fn peak_rss_bytes(&self) -> u64 {
        let status = self.read("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap_or(0) * 1024
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.pid)).expect("the worker runs")
    }
}

/// User and system time, from the line that Linux keeps of a process or thread.
pub(crate) fn ticks_as_seconds(stat: &str) -> f64 {
    // The name in parentheses may hold blanks; the fields after it do not.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / TICKS_PER_SECOND
}
