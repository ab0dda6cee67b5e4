//! What the operating system says of this process, under the names that every Prometheus client uses for it. Linux only;
//! elsewhere nothing is shown.

use std::fs;

use connect_api::metrics::{Family, Metric};

/// Of `/proc/self/stat`, in units that Linux fixes for user space on every architecture it has today.
const TICKS_PER_SECOND: f64 = 100.0;

pub(super) fn tell(sink: &mut dyn FnMut(Metric<'_>)) {
    const CPU: Family = Family::counter("process_cpu_seconds_total", "User and system CPU time of the process.");
    const RESIDENT: Family = Family::gauge("process_resident_memory_bytes", "Resident memory of the process.");
    const THREADS: Family = Family::gauge("process_threads", "Threads of the process.");
    const FILES: Family = Family::gauge("process_open_fds", "Open file descriptors of the process.");
    let Ok(stat) = fs::read_to_string("/proc/self/stat") else { return };
    if let Some((ticks, threads)) = cpu_and_threads(&stat) {
        sink(CPU.number(&[], ticks / TICKS_PER_SECOND));
        sink(THREADS.number(&[], threads));
    }
    if let Some(resident) = fs::read_to_string("/proc/self/status").ok().as_deref().and_then(resident_bytes) {
        sink(RESIDENT.number(&[], resident));
    }
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        sink(FILES.count(&[], files.count() as u64));
    }
}

/// The program's name may hold spaces and parentheses; what follows the last one has a fixed order.
fn cpu_and_threads(stat: &str) -> Option<(f64, f64)> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some((number(11)? + number(12)?, number(17)?))
}

fn resident_bytes(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_program_confuses_nobody() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 99 0 0 0 250 50 0 0 20 0 9 0 1 2 3";

        assert_eq!(cpu_and_threads(stat), Some((300.0, 9.0)));
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2_097_152.0));
    }
}
