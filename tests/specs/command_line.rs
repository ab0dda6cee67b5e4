//! The program as people and scripts call it, beside its two long-running commands.
//!
//! - `--set` wins over the environment, the environment over the file, and `config show --origin` says which it was.
//! - Secrets are not shown.
//! - `config check --connect` names what does not fit between a file and its clusters, and changes nothing there.
//! - A resource of Strimzi is shown as the worker and the connectors that it comes to, and its mistakes with their lines.
//! - With `--log-format json` every line of the log is an object; an error says what is wrong, where, and what to do.
//! - `health` says 0 of a worker that is ready, and 1 of none.
//! - Completions and man pages name every subcommand and flag, `--help` teaches by examples; wrong usage is exit code 1.

use std::fs;
use std::process::{Command, Output};

use harness::{clusters, portage, workspace};

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
async fn a_check_of_the_clusters_names_what_does_not_fit() {
    let pair = clusters().await;
    pair.source.create_topic_with("checked-orders", 1, &[("max.message.bytes", "2000000")]).await;
    pair.source.create_topic_with("mm2-offset-syncs.checked-target.internal", 1, &[("cleanup.policy", "delete")]).await;
    let small = [("max.message.bytes", "5000"), ("message.timestamp.type", "LogAppendTime")];
    pair.target.create_topic_with("checked.checked-orders", 1, &small).await;
    let ours = async || {
        let all = [pair.source.topics().await, pair.target.topics().await].concat();
        all.into_iter().filter(|topic| topic.contains("checked")).collect::<Vec<_>>()
    };
    let before = ours().await;
    let file = workspace::service_dir("checked").join("mm2.properties");
    let text = format!(
        "clusters = checked, checked-target\nchecked.bootstrap.servers = {}\nchecked-target.bootstrap.servers = {}\n\
         checked->checked-target.enabled = true\nreplication.factor = 1\nchecked->checked-target.topics = checked-orders\n\
         checked->checked-target.groups = checked-nobody\n",
        pair.source.bootstrap(),
        pair.target.bootstrap()
    );
    fs::write(&file, &text).unwrap();
    let file = file.display().to_string();

    let said = text_of_check(&file);

    for word in [
        "error: checkpoints.topic.replication.factor of MirrorCheckpointConnector is 3 (the default)",
        "error: mm2-offset-syncs.checked-target.internal on the source is not compacted",
        "warning: checked-orders takes batches of up to 2000000 bytes, checked.checked-orders only 5000",
        "warning: checked.checked-orders has message.timestamp.type=LogAppendTime",
        "note: the source has no authorizer",
        "note: MirrorCheckpointConnector finds no group",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
    fs::write(&file, text.replace("topics = checked-orders", "topics = checked-nothing")).unwrap();
    let said = text_of_check(&file);
    assert!(said.contains("mm2.properties:6: warning: MirrorSourceConnector finds no topic to mirror"), "{said}");
    assert_eq!(ours().await, before, "nothing was created");
}

fn text_of_check(file: &str) -> String {
    let checked = portage(&["config", "check", file, "--connect"], &[]);
    assert_eq!(checked.status.code(), Some(1), "{}", text(&checked));
    text(&checked)
}

#[test]
fn a_resource_of_strimzi_is_shown_as_worker_and_connectors_and_its_mistakes_with_their_lines() {
    let file = workspace::root().join("crates/mirror-files/golden/blog-kafkamirrormaker2.yaml").display().to_string();

    let shown = text(&portage(&["config", "show", &file, "--origin"], &[]));
    let checked = portage(&["config", "check", &file, "-o", "json"], &[]);

    let flow = "origin-cluster->destination-cluster";
    let connectors = ["Source", "Checkpoint", "Heartbeat"]
        .map(|name| format!("# connector {flow}.Mirror{name}Connector, running\n"));
    for line in
        connectors.iter().map(String::as_str).chain(["group.id=mirrormaker2-cluster\n", "# line 66\ntopics=.*\n"])
    {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    assert_eq!(checked.status.code(), Some(1));
    let said: serde_json::Value = serde_json::from_slice(&checked.stdout).unwrap();
    let findings = said["findings"].as_array().unwrap();
    let of_policy = findings.iter().find(|finding| finding["what"].as_str().unwrap().contains("source connector only"));
    assert_eq!(of_policy.unwrap()["line"], 56, "{said}");
    assert!(
        findings.iter().all(|finding| finding["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty())),
        "{said}"
    );
}

#[test]
fn a_log_in_json_has_an_object_a_line_and_its_errors_say_what_to_do() {
    let file = workspace::service_dir("json-log").join("worker.properties");
    fs::write(&file, "bootstrap.servers=127.0.0.1:1\nsession.timeout.ms=soon\n").unwrap();
    let file = file.display().to_string();

    let ended = portage(&["worker", &file, "--log-format", "json"], &[]);

    assert_eq!(ended.status.code(), Some(2));
    let log = String::from_utf8_lossy(&ended.stderr).into_owned();
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let error = lines.iter().find(|line| line["level"] == "ERROR").unwrap();
    assert_eq!(error["file"], file.as_str());
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("correct it and start again") && message.contains("session.timeout.ms"), "{message}");
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
    let (bash, page) =
        (text(&portage(&["completions", "bash"], &[])), fs::read_to_string(folder.join("portage-mirror.1")));
    let page = page.unwrap().replace('\\', "");
    let help = text(&portage(&["mirror", "--help"], &[]));
    let words = help.split(|c: char| !c.is_alphanumeric() && c != '-');
    let flags: Vec<&str> = words.filter(|word| word.starts_with("--") && word.len() > 2).collect();
    assert!(flags.contains(&"--config-maps-dir") && flags.contains(&"--log-format"), "{flags:?}");
    for flag in flags {
        assert!(bash.contains(flag) && page.contains(flag), "{flag}");
    }
    assert_eq!(portage(&["wrong"], &[]).status.code(), Some(1));
    for (arguments, taught) in [
        (&["--help"][..], "First steps:"),
        (&["worker", "--help"], "CONNECT_OFFSET_FLUSH_INTERVAL_MS=5000"),
        (&["mirror", "--help"], "strimzi.io/connector-offsets"),
        (&["config", "check", "--help"], "Exit code 1 if there are errors"),
    ] {
        let help = portage(arguments, &[]);
        assert_eq!(help.status.code(), Some(0));
        assert!(text(&help).contains(taught), "{taught}: {}", text(&help));
    }
}
