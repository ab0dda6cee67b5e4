//! Where this test process keeps its things: `target/specs/<run>/<name>/`, one folder per thing it starts.
//!
//! Logs stay after the run, for whoever reads a failure; data folders go with the process (see [`crate::leash`]).
//! Folders of earlier runs are swept when a run starts, all but the newest few.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// So many runs keep their logs, the present one not counted.
const OLD_RUNS_KEPT: usize = 3;

/// The workspace's root folder.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Cargo's target folder, the one this program was built into.
pub fn target() -> &'static Path {
    static TARGET: OnceLock<PathBuf> = OnceLock::new();
    TARGET.get_or_init(|| {
        let program = std::env::current_exe().unwrap_or_default();
        // Cargo marks its target folder; a program run from elsewhere falls back to the usual place.
        let marked = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
        marked.map_or_else(|| root().join("target"), Path::to_path_buf)
    })
}

/// The folder of this test process. The first call makes it and tells a panicking spec to name it.
pub fn run_dir() -> &'static Path {
    static RUN: OnceLock<PathBuf> = OnceLock::new();
    RUN.get_or_init(|| {
        let runs = target().join("specs");
        sweep(&runs);
        let run = runs.join(format!("run-{}", std::process::id()));
        let _ = fs::remove_dir_all(&run);
        fs::create_dir_all(&run).unwrap_or_else(|e| panic!("cannot make {}: {e}", run.display()));
        name_logs_on_panic(run.clone());
        run
    })
}

/// A fresh folder for a thing called `name`, with an empty `data` folder in it.
pub fn service_dir(name: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = run_dir().join(format!("{number:02}-{name}"));
    fs::create_dir_all(folder.join("data")).unwrap_or_else(|e| panic!("cannot make {}: {e}", folder.display()));
    folder
}

fn name_logs_on_panic(run: PathBuf) {
    let print_panic = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        print_panic(info);
        eprintln!("logs of this run: {}", run.display());
    }));
}

fn sweep(runs: &Path) {
    let Ok(entries) = fs::read_dir(runs) else { return };
    let mut old: Vec<_> = entries
        .flatten()
        .filter(|entry| !is_running(&entry.path()))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    old.sort();
    for (_, folder) in old.iter().rev().skip(OLD_RUNS_KEPT) {
        let _ = fs::remove_dir_all(folder);
    }
}

fn is_running(run: &Path) -> bool {
    let name = run.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.strip_prefix("run-").is_some_and(|pid| Path::new("/proc").join(pid).exists())
}
