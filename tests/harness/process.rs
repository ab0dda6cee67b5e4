//! A program on the leash: started with its output in a log, signalled, waited for, killed when dropped.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::{eventually, leash};

/// What can be sent to a [`Process`]; the names are those of `kill -s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// A polite request to end.
    Term,
    /// Ctrl-C.
    Int,
    /// The end, at once.
    Kill,
    /// Freeze, as a long garbage collection or a paused virtual machine does.
    Stop,
    /// Thaw.
    Cont,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Term => "TERM",
            Self::Int => "INT",
            Self::Kill => "KILL",
            Self::Stop => "STOP",
            Self::Cont => "CONT",
        }
    }
}

/// A running (or ended) program. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: u32,
    log: PathBuf,
    child: Mutex<Child>,
}

impl Process {
    /// Starts `command` with no input and its output appended to `log`.
    pub fn spawn(name: &str, command: &mut Command, log: &Path) -> Self {
        let output = File::options().create(true).append(true).open(log);
        let output = output.unwrap_or_else(|e| panic!("cannot write {}: {e}", log.display()));
        let errors = output.try_clone().unwrap_or_else(|e| panic!("cannot write {}: {e}", log.display()));
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        Self::adopt(name, command, log)
    }

    /// Starts `command` with the streams it was given; `log` is where it says things.
    pub(crate) fn adopt(name: &str, command: &mut Command, log: &Path) -> Self {
        // An own group: Ctrl-C reaches the tests only, and the leash does the rest.
        let child = command.process_group(0).spawn();
        let child = child.unwrap_or_else(|e| panic!("cannot start {name} ({}): {e}", command.get_program().display()));
        leash::hold(child.id());
        Self { name: name.to_owned(), pid: child.id(), log: log.to_owned(), child: Mutex::new(child) }
    }

    /// The pipes of a process that was started with them; once.
    pub(crate) fn take_pipes(&self) -> (ChildStdin, ChildStdout) {
        let mut child = self.child();
        let pipes = child.stdin.take().zip(child.stdout.take());
        pipes.unwrap_or_else(|| panic!("{} has no pipes", self.name))
    }

    /// The process id, valid until the process was seen to have ended.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Where its output goes.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// All it wrote so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The end of the log, for messages.
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }

    /// Sends `signal`; does nothing to a process that has ended.
    pub fn signal(&self, signal: Signal) {
        let mut child = self.child();
        if ended(&mut child, self.pid).is_none() {
            let pid = self.pid.to_string();
            let sent = Command::new("sh").args(["-c", r#"kill -s "$1" "$2""#, "sh", signal.name(), &pid]).status();
            assert!(sent.is_ok_and(|status| status.success()), "cannot send {signal:?} to {} ({pid})", self.name);
        }
    }

    /// `kill -9`, and waits for the end.
    pub fn kill(&self) {
        let mut child = self.child();
        if ended(&mut child, self.pid).is_none() {
            let _ = child.kill();
            let _ = child.wait();
            leash::release(self.pid);
        }
    }

    /// How it ended, if it did.
    pub fn exited(&self) -> Option<ExitStatus> {
        ended(&mut self.child(), self.pid)
    }

    /// Waits for it to end by itself.
    pub async fn wait(&self, timeout: Duration) -> ExitStatus {
        eventually(&format!("{} ends", self.name), timeout, async || {
            self.exited().ok_or_else(|| format!("still running; its log ends:\n{}", self.log_tail()))
        })
        .await
    }

    /// SIGTERM, then waits for the end. Whoever needs longer than `timeout` fails the spec.
    pub async fn terminate(&self, timeout: Duration) -> ExitStatus {
        self.signal(Signal::Term);
        self.wait(timeout).await
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn ended(child: &mut Child, pid: u32) -> Option<ExitStatus> {
    let status = child.try_wait().ok().flatten()?;
    leash::release(pid);
    Some(status)
}
