//! Keys of an `mm2.properties` that nobody reads: typing mistakes, and keys in the wrong place.

use std::collections::BTreeSet;

use mirror::config::removed_keys;
use mirror::config_def::client_security_keys;

use crate::finding::Finding;
use crate::mm2::{INTERNAL_REST, Mm2, WORKER_PREFIXES, inherited_keys};
use crate::nearest::did_you_mean;
use crate::settings::Given;

/// The keys that others declare.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    /// Of a worker.
    pub worker: BTreeSet<String>,
    /// Of Kafka's clients.
    pub client: BTreeSet<String>,
    /// Of the three connectors, with what every source connector has.
    pub connector: BTreeSet<String>,
}

/// What a connector may also be told.
const CONNECTOR_PREFIXES: [&str; 12] = [
    "producer.",
    "consumer.",
    "admin.",
    "source.",
    "target.",
    "config.providers",
    "transforms.",
    "predicates.",
    "topic.creation.",
    "metrics.",
    "portage.",
    "use.defaults.from",
];
/// What a cluster may also be told, for the worker that runs beside it.
const CLUSTER_PREFIXES: [&str; 6] =
    ["config.storage.", "offset.storage.", "status.storage.", "sasl.oauthbearer.", "metrics.", "portage."];
/// Top-level keys beside those of connectors, clients and workers.
const TOP_LEVEL: [&str; 9] = [
    "clusters",
    INTERNAL_REST,
    "listeners",
    "rest.advertised.host.name",
    "rest.advertised.port",
    "rest.advertised.listener",
    "access.control.allow.origin",
    "access.control.allow.methods",
    "use.defaults.from",
];

/// What is to be said about the keys of a file.
#[must_use]
pub fn unread(mm2: &Mm2, words: &Vocabulary) -> Vec<Finding> {
    let top_level = top_level();
    let checker = Checker { mm2, words, top_level };
    let mut findings: Vec<Finding> = mm2.given().iter().filter_map(|(key, given)| checker.check(key, given)).collect();
    let cluster_without_address = |alias: &&String| {
        let key = format!("{alias}.bootstrap.servers");
        mm2.given().get(&key).is_none() && mm2.given().get("bootstrap.servers").is_none()
    };
    for alias in mm2.clusters().iter().filter(cluster_without_address) {
        let what = format!("{alias}.bootstrap.servers is missing");
        findings.push(Finding::error(
            mm2.given().line("clusters"),
            what,
            format!("add {alias}.bootstrap.servers = host:9092"),
        ));
    }
    if mm2.internal_rest().is_none() {
        findings.push(Finding::note(
            None,
            format!("{INTERNAL_REST} is not set: one node works, of several only the leader can change tasks"),
            format!("set {INTERNAL_REST} = true and listeners if you run more than one node"),
        ));
    }
    findings
}

struct Checker<'a> {
    mm2: &'a Mm2,
    words: &'a Vocabulary,
    top_level: BTreeSet<String>,
}

impl Checker<'_> {
    fn check(&self, key: &str, given: &Given) -> Option<Finding> {
        let clusters = self.mm2.clusters();
        if given.text.starts_with("->") && clusters.iter().any(|alias| alias == key) {
            let flow = format!("{key}{}", given.text.split_whitespace().collect::<String>());
            return Some(Finding::error(
                given.line,
                format!("{key} {}: blanks end the key", given.text),
                format!("write {flow}"),
            ));
        }
        if let Some((source, rest)) = key.split_once("->") {
            let target = longest(clusters, rest);
            return match target.filter(|_| clusters.iter().any(|alias| alias == source)) {
                Some(target) => self.of_flow(&rest[target.len() + 1..], key, given),
                None => {
                    let known = clusters.join(", ");
                    let what = format!("{key} names a cluster that is not in clusters = {known}");
                    Some(Finding::error(given.line, what, "correct the alias, or add the cluster"))
                }
            };
        }
        match longest(clusters, key) {
            Some(alias) => self.of_cluster(&key[alias.len() + 1..], alias, given),
            None => self.of_all(key, given),
        }
    }

    fn of_flow(&self, key: &str, full: &str, given: &Given) -> Option<Finding> {
        let known = self.words.connector.contains(key)
            || self.words.client.contains(key)
            || CONNECTOR_PREFIXES.iter().any(|prefix| key.starts_with(prefix));
        (!known).then(|| unknown(full, key, given, self.words.connector.iter()))
    }

    fn of_cluster(&self, key: &str, alias: &str, given: &Given) -> Option<Finding> {
        let client = ["producer.", "consumer.", "admin."].iter().find_map(|prefix| key.strip_prefix(prefix));
        let known = match client {
            Some(key) => self.words.client.contains(key) || key.starts_with("override."),
            None => {
                self.words.worker.contains(key)
                    || self.words.client.contains(key)
                    || self.words.connector.contains(key)
                    || CLUSTER_PREFIXES.iter().any(|prefix| key.starts_with(prefix))
            }
        };
        let words = self.words.client.iter().chain(&self.words.worker);
        (!known).then(|| unknown(&format!("{alias}.{key}"), client.unwrap_or(key), given, words))
    }

    fn of_all(&self, key: &str, given: &Given) -> Option<Finding> {
        let read = self.top_level.contains(key)
            || WORKER_PREFIXES.iter().chain(&["config.providers", "portage."]).any(|prefix| key.starts_with(prefix));
        if read {
            return None;
        }
        let config = [(key.to_owned(), given.text.clone())].into();
        if let Some(removed) = removed_keys(&config).pop() {
            return Some(Finding::warning(given.line, removed.message, "remove the key or rename it"));
        }
        let example = self.mm2.clusters().last().map_or("B", String::as_str);
        let of_a_client = ["producer.", "consumer.", "admin."].iter().any(|prefix| key.starts_with(prefix));
        if of_a_client || self.words.worker.contains(key) || self.words.client.contains(key) {
            let what = format!("{key} has no effect without a cluster in front, as in Java");
            return Some(Finding::warning(given.line, what, format!("write {example}.{key}")));
        }
        Some(unknown(key, key, given, self.top_level.iter().chain(&self.words.connector)))
    }
}

fn unknown<'a>(full: &str, key: &str, given: &Given, words: impl Iterator<Item = &'a String>) -> Finding {
    let meant = did_you_mean(key, words.map(String::as_str));
    Finding::warning(given.line, format!("unknown key {full}{meant}"), "nobody reads it: correct or remove it")
}

/// The longest of the aliases that a key is below.
fn longest<'a>(clusters: &'a [String], key: &str) -> Option<&'a str> {
    let below = |alias: &&String| key.strip_prefix(alias.as_str()).is_some_and(|rest| rest.starts_with('.'));
    clusters.iter().filter(below).max_by_key(|alias| alias.len()).map(String::as_str)
}

fn top_level() -> BTreeSet<String> {
    let mut keys = inherited_keys();
    keys.extend(client_security_keys().chain(TOP_LEVEL).map(str::to_owned));
    keys
}
