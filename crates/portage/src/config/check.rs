//! The mistakes of a file: each with its line and what to do about it.

use std::path::Path;

use connect_api::PluginRegistry;
use connect_runtime::validation::{connector_def, validate};
use connect_runtime::worker_config::{WorkerConfig, WorkerConfigError, worker_config_def};
use kafka_client::Budget;
use kafka_client::config::KNOWN_KEYS;
use mirror_files::check::keys::{Vocabulary, unread};
use mirror_files::{Connector, Finding, Flow, Severity, check as checks};
use serde_json::json;

use super::online::online;
use super::{Output, load, worker};
use crate::exit;
use crate::mirror::load::{Mirroring, Options};
use crate::plugins::plugins;

/// Checks a file, with `connect` also against its clusters; answers with the exit code.
pub(crate) async fn check(file: &Path, options: &Options, output: Output, connect: bool) -> u8 {
    let mirroring = match load(file, options) {
        Ok(mirroring) => mirroring,
        Err(error) => {
            let findings = [Finding::error(error.line, error.message, "correct the file")];
            print(file, &findings, output);
            return exit::FATAL;
        }
    };
    let mut findings = offline(&mirroring);
    if connect {
        findings.extend(online(&mirroring).await);
    }
    findings.sort_by(|a, b| (a.severity, a.line, &a.what).cmp(&(b.severity, b.line, &b.what)));
    findings.dedup_by(|a, b| a.line == b.line && a.what == b.what);
    print(file, &findings, output);
    let errors = findings.iter().any(|finding| finding.severity == Severity::Error);
    if errors { exit::FAILED } else { exit::OK }
}

/// All that can be said without a broker.
pub(crate) fn offline(mirroring: &Mirroring) -> Vec<Finding> {
    let registry = plugins(&Budget::new(1 << 20));
    let mut findings = mirroring.findings.clone();
    match &mirroring.mm2 {
        Some(mm2) => findings.extend(unread(mm2, &vocabulary(&registry))),
        None => findings.extend(mirroring.flows.iter().flat_map(unknown_worker_keys)),
    }
    if mirroring.flows.iter().any(|flow| !flow.connectors.is_empty()) {
        findings.extend(checks::flows(&mirroring.flows));
    }
    // Missing secrets have been named; with them everything that reads them fails, too.
    if mirroring.refusals().next().is_some() {
        return findings;
    }
    for flow in &mirroring.flows {
        match worker(mirroring, flow) {
            Ok(worker) => {
                let connectors = flow.connectors.iter();
                findings.extend(connectors.flat_map(|connector| of_connector(&registry, &worker, connector)));
            }
            Err(error) => findings.push(Finding::error(error.line, error.message, "correct the value")),
        }
    }
    findings
}

/// What the leader would say if it were given this connector.
fn of_connector(registry: &PluginRegistry, worker: &WorkerConfig, connector: &Connector) -> Vec<Finding> {
    let config = connector.settings.to_config();
    let class = config.get("connector.class").map_or("", String::as_str);
    match validate(registry, worker, class, &config) {
        Ok(report) => report
            .configs
            .iter()
            .flat_map(|(_, value)| value.errors.iter().map(move |error| (&value.name, error)))
            .map(|(key, error)| {
                Finding::error(
                    connector.settings.line(key),
                    format!("{}: {error}", connector.name),
                    "correct the value",
                )
            })
            .collect(),
        Err(error) => vec![Finding::error(None, format!("{}: {error}", connector.name), "correct the value")],
    }
}

/// Keys that no worker knows, of a file that is all a worker's.
fn unknown_worker_keys(flow: &Flow) -> Vec<Finding> {
    let properties = flow.worker.to_config();
    let unknown = match WorkerConfig::from_properties(properties) {
        Ok(config) => config.unknown_keys(),
        // The worker's own check says it.
        Err(
            WorkerConfigError::Unreadable { .. } | WorkerConfigError::Problems(_) | WorkerConfigError::Invalid { .. },
        ) => Vec::new(),
    };
    let def = worker_config_def();
    let names = || def.keys().iter().map(|key| key.name.as_ref());
    let finding = |key: String| {
        let meant = mirror_files::did_you_mean(&key, names());
        Finding::warning(
            flow.worker.line(&key),
            format!("unknown worker key {key}{meant}"),
            "nobody reads it: correct or remove it",
        )
    };
    unknown.into_iter().map(finding).collect()
}

fn vocabulary(registry: &PluginRegistry) -> Vocabulary {
    let connectors = registry.sources().iter().map(|plugin| connector_def(plugin.config_def()));
    let keys = |def: connect_api::ConfigDef| def.keys().iter().map(|key| key.name.to_string()).collect::<Vec<_>>();
    Vocabulary {
        worker: keys(worker_config_def()).into_iter().collect(),
        client: KNOWN_KEYS.iter().map(|key| (*key).to_owned()).collect(),
        connector: connectors.flat_map(keys).collect(),
    }
}

fn print(file: &Path, findings: &[Finding], output: Output) {
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings, notes) = (count(Severity::Error), count(Severity::Warning), count(Severity::Note));
    if output == Output::Json {
        let findings = findings.iter().map(|finding| {
            json!({
                "severity": finding.severity.to_string(),
                "line": finding.line,
                "what": finding.what,
                "remedy": finding.remedy,
            })
        });
        let findings: Vec<_> = findings.collect();
        println!("{:#}", json!({"findings": findings, "errors": errors, "warnings": warnings, "notes": notes}));
        return;
    }
    for Finding { severity, line, what, remedy } in findings {
        let line = line.map(|line| format!("{line}:")).unwrap_or_default();
        println!("{}:{line} {severity}: {what}\n    {remedy}", file.display());
    }
    println!("{errors} error(s), {warnings} warning(s), {notes} note(s)");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<(Severity, Option<usize>, String)> {
        let dir = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let file = dir.path().join("file");
        std::fs::write(&file, text).unwrap_or_else(|error| panic!("{error}"));
        let mirroring = load(&file, &Options::default()).unwrap_or_else(|error| panic!("{error}"));
        offline(&mirroring).into_iter().map(|finding| (finding.severity, finding.line, finding.what)).collect()
    }

    fn says(text: &str, severity: Severity, line: usize, word: &str) {
        let found = findings(text);
        let is = |(of, at, what): &(Severity, Option<usize>, String)| {
            (*of, *at) == (severity, Some(line)) && what.contains(word)
        };
        assert!(found.iter().any(is), "{word}: {found:#?}");
    }

    const MM2: &str = "clusters = A, B\nA.bootstrap.servers = a:1\nB.bootstrap.servers = b:1\nA->B.enabled = true\n";

    #[test]
    fn what_the_leader_would_refuse_is_said_with_its_line() {
        says(&format!("{MM2}A->B.topics = a(\n"), Severity::Error, 5, "topics");
        says(&format!("{MM2}replication.policy.class = com.example.Mine\n"), Severity::Error, 5, "com.example.Mine");
        says(&format!("{MM2}tasks.max = many\n"), Severity::Error, 5, "many");
        says(&format!("{MM2}B.session.timeout.ms = soon\n"), Severity::Error, 5, "soon");
        says(&format!("{MM2}B.exactly.once.source.support = maybe\n"), Severity::Error, 5, "maybe");
    }

    #[test]
    fn a_right_file_has_no_errors_and_no_warnings() {
        let found = findings(&format!(
            "{MM2}tasks.max = 2\nA->B.sync.group.offsets.enabled = true\nuse.defaults.from = source\n"
        ));

        assert!(found.iter().all(|(severity, _, _)| *severity == Severity::Note), "{found:#?}");
    }

    #[test]
    fn every_key_of_every_connector_may_stand_in_a_file() {
        let words = vocabulary(&plugins(&Budget::new(1 << 20)));
        let keys = words.connector.iter().map(|key| format!("A->B.{key} = \n")).collect::<String>();

        let found = findings(&format!("{MM2}{keys}"));

        assert!(!found.iter().any(|(_, _, what)| what.contains("unknown key")), "{found:#?}");
        assert!(words.connector.contains("tasks.max") && words.connector.contains("sync.topic.acls.enabled"));
    }

    #[test]
    fn the_keys_of_a_workers_file_are_checked_too() {
        let worker = "bootstrap.servers = a:1\ngroup.id = g\nkey.converter = x\nvalue.converter = x\nconfig.storage.topic = c\n\
                      offset.storage.topic = o\nstatus.storage.topic = s\n";

        says(
            &format!("{worker}offset.flush.intervall.ms = 1\n"),
            Severity::Warning,
            8,
            "did you mean offset.flush.interval.ms?",
        );
        says(&format!("{worker}listeners = nonsense\n"), Severity::Error, 8, "nonsense");
    }
}
