//! One number, several names. Dashboards were made for an exporter: the JMX exporter with Strimzi's rules, or Strimzi's
//! metrics reporter. Both name the same JMX attribute differently; which to serve is the operator's choice.
//!
//! The JMX exporter hands on JMX's quoting of values that are no plain words, so its dashboards match `"…"` with the quotes
//! inside of the label.

use connect_api::metrics::{Kind, Metric, Name, Value};

/// Whose names are served (`portage.metrics.profile`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Profile {
    /// Portage's own names.
    Native,
    /// Those of the JMX exporter with Strimzi's rules for Connect and MirrorMaker 2.
    StrimziJmx,
    /// Those of Strimzi's metrics reporter.
    StrimziReporter,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Native, Self::StrimziJmx, Self::StrimziReporter];

    /// What is served unless something else is asked for.
    pub const DEFAULT: &'static str = "native,strimzi-jmx";

    /// The word in configs and queries.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::StrimziJmx => "strimzi-jmx",
            Self::StrimziReporter => "strimzi-reporter",
        }
    }

    /// Reads a list such as `native,strimzi-jmx`.
    ///
    /// # Errors
    /// An unknown word, or none at all; the sentence names the known ones.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, String> {
        let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        let mut profiles = Vec::new();
        for word in words {
            let profile = Self::ALL.into_iter().find(|profile| profile.as_str() == word);
            profiles.push(profile.ok_or_else(|| unknown(word))?);
        }
        profiles.sort_unstable();
        profiles.dedup();
        if profiles.is_empty() { Err(unknown(text)) } else { Ok(profiles) }
    }
}

fn unknown(word: &str) -> String {
    let known = Profile::ALL.map(Profile::as_str).join(", ");
    format!("unknown metrics profile '{word}': must be one or more of {known}, separated by commas")
}

/// One line of what Prometheus reads, without its value's text.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The metric's name.
    pub name: String,
    /// Its type.
    pub kind: Kind,
    /// Names and values, not escaped yet.
    pub labels: Vec<(String, String)>,
    /// The value.
    pub value: f64,
}

/// A metric in the names of a profile; nothing if the profile does not have it.
#[must_use]
pub fn series(profile: Profile, metric: &Metric<'_>) -> Vec<Series> {
    match (profile, metric.family.name) {
        (Profile::Native, Name::Own(name)) => own(name, metric).into_iter().collect(),
        (Profile::StrimziJmx, Name::Bean { domain, bean, attribute }) => {
            jmx(domain, bean, attribute, metric).into_iter().collect()
        }
        (Profile::StrimziReporter, Name::Bean { domain, bean, attribute }) => reporter(domain, bean, attribute, metric),
        _ => Vec::new(),
    }
}

fn own(name: &str, metric: &Metric<'_>) -> Option<Series> {
    let Value::Number(value) = metric.value else { return None };
    let labels = metric.labels.iter().map(|(name, value)| (name.replace('-', "_"), (*value).to_owned()));
    Some(Series { name: name.to_owned(), kind: metric.family.kind, labels: labels.collect(), value })
}

/// `kafka.connect:type=connector-task-metrics` → `kafka_connect_connector_task_…`, `kafka.consumer:type=consumer-metrics` →
/// `kafka_consumer_…`. Of words only a task's status is shown.
fn jmx(domain: &str, bean: &str, attribute: &str, metric: &Metric<'_>) -> Option<Series> {
    let labels = metric.labels.iter().map(|(name, value)| (name.replace('-', ""), jmx_value(value)));
    let mut labels: Vec<_> = labels.collect();
    let (name, value) = match metric.value {
        Value::Number(value) => (format!("{}_{}", jmx_prefix(domain, bean), words(attribute)), value),
        Value::Word(word) if bean == "connector-task-metrics" && attribute == "status" => {
            labels.push(("status".to_owned(), word.to_owned()));
            ("kafka_connect_connector_status".to_owned(), 1.0)
        }
        Value::Word(_) => return None,
    };
    Some(Series { name, kind: metric.family.kind, labels, value })
}

fn jmx_prefix(domain: &str, bean: &str) -> String {
    match bean.strip_suffix("-metrics") {
        None => format!("{}_{}", words(domain), words(bean)),
        Some(group) if domain == "kafka.connect" && !group.starts_with("connect-") => {
            format!("kafka_connect_{}", words(group))
        }
        Some(group) => format!("kafka_{}", words(group)),
    }
}

/// As `javax.management.ObjectName.quote` by Kafka's rule of when to (Java: `Sanitizer.jmxSanitize`).
fn jmx_value(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '%' | '.' | ' ' | '\t');
    if value.chars().all(plain) {
        return value.to_owned();
    }
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' | '*' | '?' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// Domain, group and attribute in full, nothing quoted; the ends that Prometheus keeps for counters and infos are taken off,
/// and words become an info.
fn reporter(domain: &str, bean: &str, attribute: &str, metric: &Metric<'_>) -> Vec<Series> {
    let mut labels: Vec<(String, String)> =
        metric.labels.iter().map(|(name, value)| (words(name), (*value).to_owned())).collect();
    let full = words(&format!("{domain}_{bean}_{attribute}"));
    let (name, value) = match metric.value {
        Value::Number(value) => (full.strip_suffix("_total").unwrap_or(&full).to_owned(), value),
        Value::Word(word) => {
            labels.push((words(attribute), word.to_owned()));
            (format!("{full}_info"), 1.0)
        }
    };
    let mut all = vec![Series { name, kind: Kind::Gauge, labels, value }];
    if (bean, attribute) == ("source-task-metrics", "source-record-active-count") {
        all.extend(active_count_by_object_name(metric, value));
    }
    all
}

/// The reporter's dashboard asks for this one number by the name of the JMX exporter's default rules.
fn active_count_by_object_name(metric: &Metric<'_>, value: f64) -> Option<Series> {
    let label = |wanted| metric.labels.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
    let (connector, task) = (label("connector")?, label("task")?);
    let object = format!(
        "kafka.connect<type=source-task-metrics, connector=\"{connector}\", task={task}><>source-record-active-count"
    );
    Some(Series {
        name: "kafka_connect_source_task_source_record_active_count".to_owned(),
        kind: Kind::Gauge,
        labels: vec![("_objectname".to_owned(), object)],
        value,
    })
}

/// As part of a metric's name.
fn words(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use connect_api::metrics::Family;

    use super::*;

    fn names(profile: Profile, domain: &'static str, bean: &'static str, attribute: &'static str) -> Vec<String> {
        let family = Family::bean(domain, bean, attribute, "");
        series(profile, &family.number(&[], 1.0)).into_iter().map(|series| series.name).collect()
    }

    #[test]
    fn beans_have_the_names_of_strimzi_s_rules_for_the_jmx_exporter() {
        let name = |domain, bean, attribute| names(Profile::StrimziJmx, domain, bean, attribute).remove(0);
        let connect = |bean, attribute| name("kafka.connect", bean, attribute);

        assert_eq!(connect("connect-worker-metrics", "task-count"), "kafka_connect_worker_task_count");
        assert_eq!(
            connect("connect-worker-rebalance-metrics", "rebalancing"),
            "kafka_connect_worker_rebalance_rebalancing"
        );
        assert_eq!(
            connect("connect-coordinator-metrics", "assigned-tasks"),
            "kafka_connect_coordinator_assigned_tasks"
        );
        assert_eq!(
            connect("connector-task-metrics", "offset-commit-avg-time-ms"),
            "kafka_connect_connector_task_offset_commit_avg_time_ms"
        );
        assert_eq!(
            connect("task-error-metrics", "total-record-failures"),
            "kafka_connect_task_error_total_record_failures"
        );
        assert_eq!(
            name("kafka.connect.mirror", "MirrorSourceConnector", "record-age-ms-max"),
            "kafka_connect_mirror_mirrorsourceconnector_record_age_ms_max"
        );
        assert_eq!(
            name("kafka.consumer", "consumer-fetch-manager-metrics", "records-lag"),
            "kafka_consumer_fetch_manager_records_lag"
        );
        assert_eq!(
            name("kafka.producer", "producer-metrics", "outgoing-byte-total"),
            "kafka_producer_outgoing_byte_total"
        );
        assert_eq!(
            name("kafka.admin.client", "admin-client-metrics", "connection-count"),
            "kafka_admin_client_connection_count"
        );
    }

    #[test]
    fn beans_have_the_names_of_strimzi_s_metrics_reporter() {
        let name = |domain, bean, attribute| names(Profile::StrimziReporter, domain, bean, attribute).remove(0);
        let connect = |bean, attribute| name("kafka.connect", bean, attribute);

        assert_eq!(connect("connect-worker-metrics", "task-count"), "kafka_connect_connect_worker_metrics_task_count");
        assert_eq!(
            connect("task-error-metrics", "total-record-failures"),
            "kafka_connect_task_error_metrics_total_record_failures"
        );
        assert_eq!(
            name("kafka.producer", "producer-metrics", "outgoing-byte-total"),
            "kafka_producer_producer_metrics_outgoing_byte"
        );
        assert_eq!(
            name("kafka.connect.mirror", "MirrorCheckpointConnector", "checkpoint-latency-ms"),
            "kafka_connect_mirror_mirrorcheckpointconnector_checkpoint_latency_ms"
        );
    }

    #[test]
    fn jmx_values_are_quoted_where_java_quotes_them() {
        assert_eq!(jmx_value("orders-3.v1"), "orders-3.v1");
        assert_eq!(jmx_value("a->b.MirrorSourceConnector"), "\"a->b.MirrorSourceConnector\"");
        assert_eq!(jmx_value("a->b|m-0|replication-consumer"), "\"a->b|m-0|replication-consumer\"");
        assert_eq!(jmx_value("x\"*:"), "\"x\\\"\\*:\"");
    }

    #[test]
    fn a_status_is_a_label_of_a_one() {
        let family = Family::bean("kafka.connect", "connector-task-metrics", "status", "");
        let labels = [("connector", "a->b"), ("task", "0")];
        let metric = family.word(&labels, "failed");

        let jmx = series(Profile::StrimziJmx, &metric).remove(0);
        let reporter = series(Profile::StrimziReporter, &metric).remove(0);

        assert_eq!((&*jmx.name, jmx.value), ("kafka_connect_connector_status", 1.0));
        assert_eq!(jmx.labels[0], ("connector".to_owned(), "\"a->b\"".to_owned()));
        assert_eq!(jmx.labels[2], ("status".to_owned(), "failed".to_owned()));
        assert_eq!(reporter.name, "kafka_connect_connector_task_metrics_status_info");
        assert!(series(Profile::Native, &metric).is_empty());
    }

    #[test]
    fn profiles_are_named_in_a_list() {
        assert_eq!(Profile::parse_list(Profile::DEFAULT), Ok(vec![Profile::Native, Profile::StrimziJmx]));
        assert_eq!(Profile::parse_list("strimzi-reporter, strimzi-reporter"), Ok(vec![Profile::StrimziReporter]));
        assert!(Profile::parse_list("jmx").unwrap_err().contains("strimzi-jmx"));
        assert!(Profile::parse_list(" , ").is_err());
    }
}
