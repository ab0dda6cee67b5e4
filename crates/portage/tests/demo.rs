//! `portage demo`, without a terminal and on one: it runs, the commands it names work, keys do what they say, and its verdict
//! is measured.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

fn demo(arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_portage"))
        .arg("demo")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

const FREE_PORTS: [&str; 6] = ["--source-port", "0", "--target-port", "0", "--rest-port", "0"];

fn with_free_ports<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&FREE_PORTS[..], more].concat()
}

/// What it says, line by line, while it runs.
fn events(demo: &mut Child) -> impl Iterator<Item = Value> + use<> {
    let lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap())
}

#[test]
fn it_mirrors_for_a_while_and_finds_an_exact_copy() {
    let mut demo = demo(&with_free_ports(&["--duration", "5s", "--rate", "2000", "-o", "json"]));
    let (mut tried, mut last) = (0, Value::Null);
    for event in events(&mut demo) {
        for command in event["try"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if let Some(curl) = command.strip_prefix("curl -s ") {
                let answered =
                    Command::new("sh").args(["-c", &format!("curl -sS --fail --retry 5 {curl}")]).output().unwrap();
                assert!(answered.status.success(), "{command}: {}", String::from_utf8_lossy(&answered.stderr));
                tried += 1;
            }
        }
        last = event;
    }

    assert!(demo.wait().unwrap().success(), "{last}");
    assert!(tried >= 4, "{tried}");
    assert_eq!((last["event"].as_str(), last["good"].as_bool()), (Some("verdict"), Some(true)), "{last}");
    assert!(last["records"].as_u64().unwrap() > 1_000, "{last}");
    assert_eq!((last["group_offsets"].as_u64(), last["group_offsets_exact"].as_u64()), (Some(16), Some(16)), "{last}");
}

#[test]
fn the_work_of_a_killed_worker_moves_and_nothing_is_lost() {
    let mut demo = demo(&with_free_ports(&["--rate", "2000", "-o", "json"]));
    let running = |event: &Value, not_on: &str| {
        let units = event["placement"].as_array().into_iter().flatten();
        units.filter(|unit| unit["state"] == "RUNNING" && unit["worker"] != not_on).count()
    };
    let (mut victim, mut moved, mut last) = (String::new(), false, Value::Null);
    for (seen, event) in events(&mut demo).enumerate() {
        assert!(seen < 120, "two minutes without an end: {event}");
        // Three connectors, seven tasks.
        if victim.is_empty() && running(&event, "") == 10 && event["mirrored"].as_u64() > Some(1_000) {
            let units = event["placement"].as_array().unwrap();
            let unit = units.iter().find(|unit| unit["name"] == "mirror-source-0").unwrap();
            victim = unit["worker"].as_str().unwrap().to_owned();
            let workers = event["workers"].as_array().unwrap();
            let worker = workers.iter().find(|worker| worker["address"] == victim).unwrap();
            signal("KILL", worker["pid"].as_u64().unwrap());
        } else if !victim.is_empty() && !moved && running(&event, &victim) == 10 {
            moved = true;
            signal("TERM", demo.id().into());
        }
        last = event;
    }

    assert!(demo.wait().unwrap().success() && moved, "{last}");
    assert_eq!((last["good"].as_bool(), last["workers_killed"].as_u64()), (Some(true), Some(1)), "{last}");
    assert_eq!((last["lost"].as_u64(), last["differing"].as_u64()), (Some(0), Some(0)), "{last}");
}

fn signal(name: &str, pid: u64) {
    let sent = Command::new("sh").args(["-c", &format!("kill -s {name} {pid}")]).status().unwrap();
    assert!(sent.success(), "{name} to {pid}");
}

/// What the demo draws on a terminal, which `script` (util-linux) makes for it.
struct Terminal {
    script: Child,
    drawn: String,
}

impl Terminal {
    fn open(arguments: &[&str]) -> Self {
        let demo = format!("{} demo {}", env!("CARGO_BIN_EXE_portage"), arguments.join(" "));
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--command", &demo, "/dev/null"]).stdin(Stdio::piped());
        Self { script: script.stdout(Stdio::piped()).spawn().unwrap(), drawn: String::new() }
    }

    fn press(&mut self, key: &str) {
        self.script.stdin.as_mut().unwrap().write_all(key.as_bytes()).unwrap();
    }

    /// Reads until a whole frame holds what is wanted. Four frames are drawn each second.
    fn shows(&mut self, wanted: impl Fn(&str) -> bool) {
        let mut bytes = [0; 4096];
        loop {
            let mut frames = self.drawn.rsplit("\x1b[H");
            if frames.nth(1).is_some_and(&wanted) {
                return self.drawn.clear();
            }
            assert!(self.drawn.matches("\x1b[H").count() < 480, "two minutes without it: {}", self.drawn);
            let read = self.script.stdout.as_mut().unwrap().read(&mut bytes).unwrap();
            assert!(read > 0, "ended: {}", self.drawn);
            self.drawn.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
    }

    /// What comes after the last frame, and whether the exit code is 0.
    fn rest(mut self) -> (String, bool) {
        let mut rest = Vec::new();
        self.script.stdout.take().unwrap().read_to_end(&mut rest).unwrap();
        (String::from_utf8_lossy(&rest).into_owned(), self.script.wait().unwrap().success())
    }
}

#[test]
fn on_a_terminal_keys_kill_a_worker_start_it_again_and_end_with_the_verdict() {
    let mut terminal = Terminal::open(&with_free_ports(&["--rate", "2000"]));
    let all_run = |frame: &str| frame.contains("connectors 3/3 RUNNING, tasks 7/7 RUNNING");
    let dead = |frame: &str| frame.contains("dead\x1b[0m");

    terminal.shows(|frame| all_run(frame) && !dead(frame));
    terminal.press("k");
    terminal.shows(|frame| dead(frame) && frame.contains("its work moves after"));
    terminal.shows(|frame| dead(frame) && frame.contains("its work has moved to the others") && all_run(frame));
    terminal.press("r");
    terminal.shows(|frame| !dead(frame));
    terminal.press("q");
    let (rest, good) = terminal.rest();

    assert!(good && rest.contains("a complete copy") | rest.contains("an exact copy"), "{rest}");
    assert!(rest.contains("0 lost") && rest.contains("workers killed: 1"), "{rest}");
}

#[test]
fn it_ends_when_what_was_asked_for_is_mirrored() {
    let mut demo =
        demo(&with_free_ports(&["--exit-when-caught-up", "--records", "5000", "--workers", "1", "-o", "json"]));

    let last = events(&mut demo).last().unwrap();

    assert!(demo.wait().unwrap().success(), "{last}");
    assert_eq!((last["good"].as_bool(), last["records"].as_u64()), (Some(true), Some(5000)), "{last}");
}

#[test]
fn a_port_that_is_in_use_is_named_with_the_way_out() {
    let held = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = held.local_addr().unwrap().port().to_string();

    let ended = demo(&["--source-port", &port, "--target-port", "0", "--rest-port", "0"]).wait_with_output().unwrap();

    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains(&port) && said.contains("in use") && said.contains("--source-port"), "{said}");
}
