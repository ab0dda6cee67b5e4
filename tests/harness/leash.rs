//! Nothing outlives the test process, however it ends: not after a panic, not after `kill -9`.
//!
//! One small shell per test process holds the pids of everything that was started. It reads them from a pipe; when the
//! pipe closes, and it closes with the test process, the shell kills what is left and takes the data folders away.
//! It sits in a process group of its own, so that the Ctrl-C that ends the tests does not end it before its work.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::workspace;

const SCRIPT: &str = r#"
held=" "
while read -r verb pid; do
    case $verb in
    hold) held="$held$pid " ;;
    drop) case "$held" in *" $pid "*) held="${held%% $pid *} ${held#* $pid }" ;; esac ;;
    esac
done
for pid in $held; do kill -9 "$pid" 2>/dev/null; done
rm -rf "$1"/*/data
"#;

/// Kill `pid` when this test process ends.
pub(crate) fn hold(pid: u32) {
    tell(&format!("hold {pid}\n"));
}

/// `pid` has ended; its number may soon mean another process.
pub(crate) fn release(pid: u32) {
    tell(&format!("drop {pid}\n"));
}

fn tell(line: &str) {
    static KEEPER: OnceLock<Mutex<Child>> = OnceLock::new();
    let keeper = KEEPER.get_or_init(|| Mutex::new(start()));
    let mut keeper = keeper.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(stdin) = &mut keeper.stdin {
        // A keeper that is gone was killed by hand: then there is nobody to tell.
        let _ = stdin.write_all(line.as_bytes());
    }
}

/// It is never waited for: its work begins when this process is no more.
fn start() -> Child {
    Command::new("sh")
        .args(["-c", SCRIPT, "leash"])
        .arg(workspace::run_dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap_or_else(|e| panic!("cannot start sh, which stops what the specs start: {e}"))
}
