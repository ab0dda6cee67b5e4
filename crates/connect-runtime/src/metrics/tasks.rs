//! Connect's beans of tasks: `connector-task-metrics`, `source-task-metrics`, `task-error-metrics`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use connect_api::metrics::{Meter, Recent, Summary};
use connect_herder::ids::TaskId;
use connect_herder::status_log::State;

use super::{Bean, Look, Sink};
use crate::record_path::catalog::VERSION;
use crate::source_task::stats::{ErrorStats, TaskStats};

const DOMAIN: &str = "kafka.connect";

pub(super) fn tell(look: &Look<'_>, sink: Sink<'_>) {
    // Also of tasks that have failed and count nothing any more: that is what alerts look for.
    for id in &look.view.group.tasks {
        let task = id.task.to_string();
        let labels = [("connector", id.connector.as_str()), ("task", &*task)];
        let status = look.view.status.tasks(&id.connector).get(&id.task);
        let state = status.map_or(State::Unassigned, |status| status.state);
        let bean = Bean { domain: DOMAIN, bean: "connector-task-metrics", labels: &labels };
        bean.word(sink, "status", &state.as_str().to_lowercase(), "The state of the task, as a label of a 1.");
    }
    for id in &look.view.group.tasks {
        steps(look, id, sink);
    }
    for entry in &look.environment.stats {
        let (id, strands) = entry.pair();
        let task = id.task.to_string();
        let labels = [("connector", id.connector.as_str()), ("task", &*task)];
        let together = Together { strands, now_ms: look.now_ms };
        connector_task(&together, &labels, sink);
        source_task(&together, &labels, sink);
        errors(&together, &labels, sink);
    }
}

/// What the strands of a task have counted, as one.
struct Together<'a> {
    strands: &'a [Arc<TaskStats>],
    now_ms: i64,
}

impl Together<'_> {
    fn count(&self, of: impl Fn(&TaskStats) -> &AtomicU64) -> u64 {
        self.strands.iter().map(|stats| of(stats).load(Relaxed)).sum()
    }

    fn total(&self, of: impl Fn(&TaskStats) -> &Meter) -> u64 {
        self.strands.iter().map(|stats| of(stats).total()).sum()
    }

    fn rate(&self, of: impl Fn(&TaskStats) -> &Meter) -> f64 {
        self.strands.iter().map(|stats| of(stats).rate(self.now_ms)).sum()
    }

    fn summary(&self, of: impl Fn(&TaskStats) -> &Recent) -> Option<Summary> {
        Recent::summary_of(self.strands.iter().map(|stats| of(stats)), self.now_ms)
    }

    /// Of the last half minute, or the last value if there was none: source offsets are stored once a minute.
    #[allow(clippy::cast_precision_loss, reason = "milliseconds and counts")]
    fn max_and_average(&self, of: impl Fn(&TaskStats) -> &Recent) -> Option<(f64, f64)> {
        let summary = self.summary(of)?;
        Some(summary.range.map_or((summary.last as f64, summary.last as f64), |(_, max, avg)| (max as f64, avg)))
    }

    /// The same of what the strands have at one time: the greatest sum there can have been.
    fn sum_of_max_and_average(&self, of: impl Fn(&TaskStats) -> &Recent) -> Option<(f64, f64)> {
        let each = self
            .strands
            .chunks(1)
            .filter_map(|strand| Together { strands: strand, now_ms: self.now_ms }.max_and_average(&of));
        each.reduce(|sum, one| (sum.0 + one.0, sum.1 + one.1))
    }
}

/// The transforms and predicates of a task, each as labels of a 1 (KIP-891).
fn steps(look: &Look<'_>, id: &TaskId, sink: Sink<'_>) {
    let Some(config) = look.view.config.connector_config(&id.connector) else { return };
    let task = id.task.to_string();
    for (key, kind, bean, class_is, version_is) in [
        ("transforms", "transform", "connector-transform-metrics", "transform-class", "transform-version"),
        ("predicates", "predicate", "connector-predicate-metrics", "predicate-class", "predicate-version"),
    ] {
        let aliases = config.get(key).into_iter().flat_map(|list| list.split(','));
        for alias in aliases.map(str::trim).filter(|alias| !alias.is_empty()) {
            let labels = [("connector", id.connector.as_str()), ("task", &*task), (kind, alias)];
            let bean = Bean { domain: DOMAIN, bean, labels: &labels };
            if let Some(class) = config.get(&format!("{key}.{alias}.type")) {
                bean.word(sink, class_is, class.trim(), "The class of the step, as a label of a 1.");
                bean.word(sink, version_is, VERSION, "Its version, as a label of a 1.");
            }
        }
    }
}

fn connector_task(task: &Together<'_>, labels: &[(&'static str, &str)], sink: Sink<'_>) {
    let bean = Bean { domain: DOMAIN, bean: "connector-task-metrics", labels };
    // All are paused together.
    if let Some(stats) = task.strands.first() {
        let paused = stats.clock.pause_ratio(task.now_ms);
        bean.number(sink, "running-ratio", 1.0 - paused, "The part of its life that the task ran.");
        bean.number(sink, "pause-ratio", paused, "The part of its life that the task was paused.");
    }
    if let Some((max, avg)) = task.max_and_average(|stats| &stats.commit_ms) {
        bean.number(sink, "offset-commit-max-time-ms", max, "The longest time that storing source offsets took.");
        bean.number(sink, "offset-commit-avg-time-ms", avg, "The average time that storing source offsets took.");
    }
    let (stored, failed) = (task.count(|stats| &stats.commits), task.count(|stats| &stats.commits_failed));
    let (stored_part, failed_part) = parts(stored, failed);
    const PART: &str = "The part of the times that source offsets were to be stored.";
    bean.number(sink, "offset-commit-success-percentage", stored_part, PART);
    bean.number(sink, "offset-commit-failure-percentage", failed_part, PART);
    if let Some((max, avg)) = task.max_and_average(|stats| &stats.poll_records) {
        bean.number(sink, "batch-size-max", max, "The most records that the task handed out at a time.");
        bean.number(sink, "batch-size-avg", avg, "The records that the task handed out at a time, on average.");
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts of records")]
fn source_task(task: &Together<'_>, labels: &[(&'static str, &str)], sink: Sink<'_>) {
    let bean = Bean { domain: DOMAIN, bean: "source-task-metrics", labels };
    let (polled, polled_rate) = (task.total(|stats| &stats.polled), task.rate(|stats| &stats.polled));
    let (written, written_rate) = (task.total(|stats| &stats.written), task.rate(|stats| &stats.written));
    bean.count(sink, "source-record-poll-total", polled, "Records that the task has handed out.");
    bean.number(sink, "source-record-poll-rate", polled_rate, "Records handed out per second.");
    bean.count(sink, "source-record-write-total", written, "Records that the target has acknowledged.");
    bean.number(sink, "source-record-write-rate", written_rate, "Records acknowledged per second.");
    if let Some((max, avg)) = task.max_and_average(|stats| &stats.poll_ms) {
        bean.number(sink, "poll-batch-max-time-ms", max, "The longest time until the task handed records out.");
        bean.number(sink, "poll-batch-avg-time-ms", avg, "The average time until the task handed records out.");
    }
    if let Some(summary) = task.summary(|stats| &stats.transaction_records) {
        let (min, max, avg) = summary.range.unwrap_or((summary.last, summary.last, summary.last as f64));
        bean.number(sink, "transaction-size-min", min as f64, "Records of the smallest transaction.");
        bean.number(sink, "transaction-size-max", max as f64, "Records of the largest transaction.");
        bean.number(sink, "transaction-size-avg", avg, "Records of a transaction, on average.");
    }
    let active = task.count(|stats| &stats.active);
    bean.count(sink, "source-record-active-count", active, "Records that are on their way.");
    if let Some((max, avg)) = task.sum_of_max_and_average(|stats| &stats.active_recently) {
        bean.number(sink, "source-record-active-count-max", max, "The most records that were on their way.");
        bean.number(sink, "source-record-active-count-avg", avg, "The records that were on their way, on average.");
    }
}

#[allow(clippy::cast_precision_loss, reason = "milliseconds since 1970")]
fn errors(task: &Together<'_>, labels: &[(&'static str, &str)], sink: Sink<'_>) {
    let bean = Bean { domain: DOMAIN, bean: "task-error-metrics", labels };
    let last_ms = task.strands.iter().map(|stats| stats.errors.last_ms()).max().unwrap_or(0);
    let mut count = |attribute, of: fn(&ErrorStats) -> &AtomicU64, help| {
        bean.count(sink, attribute, task.count(|stats| of(&stats.errors)), help);
    };
    count("total-record-failures", |errors| &errors.failures, "Things that did not work at first.");
    count("total-record-errors", |errors| &errors.errors, "Records that could not be dealt with.");
    count("total-records-skipped", |errors| &errors.skipped, "Records left out by errors.tolerance.");
    count("total-retries", |errors| &errors.retries, "Times that something was tried again.");
    count("total-errors-logged", |errors| &errors.logged, "Errors that are in the log.");
    bean.number(sink, "last-error-timestamp", last_ms as f64, "The last error, milliseconds since 1970.");
}

#[allow(clippy::cast_precision_loss, reason = "a ratio")]
fn parts(one: u64, other: u64) -> (f64, f64) {
    let all = (one + other).max(1) as f64;
    (one as f64 / all, other as f64 / all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_strands_of_a_task_count_is_told_as_one() {
        let strands = [Arc::<TaskStats>::default(), Arc::default()];
        let now_ms = 1_000_000;
        for (stats, records) in strands.iter().zip([10, 30]) {
            stats.polled(records, 5, now_ms);
            stats.taken(records, now_ms);
            stats.errors.failed(i64::try_from(records).unwrap());
        }
        let together = Together { strands: &strands, now_ms };
        let mut told = std::collections::BTreeMap::new();
        let mut sink = |metric: connect_api::metrics::Metric<'_>| {
            if let connect_api::metrics::Name::Bean { attribute, .. } = metric.family.name {
                assert_eq!(told.insert(attribute, format!("{:?}", metric.value)), None, "{attribute} is told twice");
            }
        };

        connector_task(&together, &[], &mut sink);
        source_task(&together, &[], &mut sink);
        errors(&together, &[], &mut sink);

        for (attribute, value) in [
            ("source-record-poll-total", "40.0"),
            ("batch-size-max", "30.0"),
            ("batch-size-avg", "20.0"),
            ("source-record-active-count", "40.0"),
            ("source-record-active-count-max", "40.0"),
            ("total-record-errors", "2.0"),
            ("last-error-timestamp", "30.0"),
        ] {
            assert_eq!(told[attribute], format!("Number({value})"), "{attribute}");
        }
    }
}
