//! The program as people and scripts call it, beside its two long-running commands.
//!
//! - `--set` wins over the environment, the environment over the file, and `config show --origin` says which it was.
//! - Secrets are not shown.
//! - `health` says 0 of a worker that is ready, and 1 of none.
//! - Completions and man pages name every subcommand; wrong usage is exit code 1.

use std::fs;
use std::process::{Command, Output};

use harness::{portage, workspace};

use crate::lifecycle::worker;

fn portage(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(portage::binary()).args(arguments).envs(environment.iter().copied()).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_command_line_wins_over_the_environment_and_that_over_the_file() {
    let file = workspace::service_dir("precedence").join("worker.properties");
    let lines =
        "group.id=g\nsession.timeout.ms=1\nheartbeat.interval.ms=2\nrebalance.timeout.ms=3\nssl.key.password=s3cret\n";
    fs::write(&file, lines).unwrap();
    let file = file.display().to_string();
    let environment = [("CONNECT_SESSION_TIMEOUT_MS", "10"), ("CONNECT_HEARTBEAT_INTERVAL_MS", "20")];

    let shown = portage(&["config", "show", &file, "--origin", "--set", "session.timeout.ms=100"], &environment);

    let shown = text(&shown);
    for line in [
        "# --set\nsession.timeout.ms=100\n",
        "# CONNECT_* of the environment\nheartbeat.interval.ms=20\n",
        "# line 4\nrebalance.timeout.ms=3\n",
        "ssl.key.password=[hidden]\n",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    let refused =
        portage(&["worker", &file, "--set", "session.timeout.ms=soon"], &[("CONNECT_SESSION_TIMEOUT_MS", "later")]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("soon") && !said.contains("later"), "{said}");
}

#[tokio::test]
async fn a_worker_that_is_ready_is_healthy_and_none_is_not() {
    let url = worker().await.rest().url();

    let healthy = portage(&["health", "--url", &url], &[]);
    let nobody = portage(&["health", "--url", "http://127.0.0.1:1"], &[]);

    assert_eq!(healthy.status.code(), Some(0), "{}", String::from_utf8_lossy(&healthy.stderr));
    assert!(text(&healthy).contains("healthy"));
    assert_eq!(nobody.status.code(), Some(1));
}

#[test]
fn completions_and_man_pages_name_every_subcommand() {
    let subcommands = ["worker", "mirror", "config", "health", "completions", "man"];
    for shell in ["bash", "zsh", "fish"] {
        let completions = portage(&["completions", shell], &[]);
        assert!(subcommands.iter().all(|name| text(&completions).contains(name)), "{shell}");
    }
    let folder = workspace::service_dir("man");
    let written = portage(&["man", "--dir", &folder.display().to_string()], &[]);
    assert_eq!(written.status.code(), Some(0));
    for name in subcommands {
        assert!(folder.join(format!("portage-{name}.1")).exists(), "{name}");
    }
    assert!(text(&portage(&["man"], &[])).contains(".TH portage 1"));
    assert_eq!(portage(&["wrong"], &[]).status.code(), Some(1));
    assert_eq!(portage(&["--help"], &[]).status.code(), Some(0));
}
