//! Connect's beans of tasks: `connector-task-metrics`, `source-task-metrics`, `task-error-metrics`.

use std::sync::atomic::Ordering::Relaxed;

use connect_api::metrics::Recent;
use connect_herder::ids::TaskId;
use connect_herder::status_log::State;

use super::{Bean, Look, Sink};
use crate::record_path::catalog::VERSION;
use crate::source_task::stats::TaskStats;

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
        let (id, stats) = entry.pair();
        let task = id.task.to_string();
        let labels = [("connector", id.connector.as_str()), ("task", &*task)];
        connector_task(stats, look.now_ms, &labels, sink);
        source_task(stats, look.now_ms, &labels, sink);
        errors(stats, &labels, sink);
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

fn connector_task(stats: &TaskStats, now_ms: i64, labels: &[(&'static str, &str)], sink: Sink<'_>) {
    let bean = Bean { domain: DOMAIN, bean: "connector-task-metrics", labels };
    let paused = stats.clock.pause_ratio(now_ms);
    bean.number(sink, "running-ratio", 1.0 - paused, "The part of its life that the task ran.");
    bean.number(sink, "pause-ratio", paused, "The part of its life that the task was paused.");
    if let Some((max, avg)) = max_and_average(&stats.commit_ms, now_ms) {
        bean.number(sink, "offset-commit-max-time-ms", max, "The longest time that storing source offsets took.");
        bean.number(sink, "offset-commit-avg-time-ms", avg, "The average time that storing source offsets took.");
    }
    let (stored, failed) = (stats.commits.load(Relaxed), stats.commits_failed.load(Relaxed));
    let (stored_part, failed_part) = parts(stored, failed);
    const PART: &str = "The part of the times that source offsets were to be stored.";
    bean.number(sink, "offset-commit-success-percentage", stored_part, PART);
    bean.number(sink, "offset-commit-failure-percentage", failed_part, PART);
    if let Some((max, avg)) = max_and_average(&stats.poll_records, now_ms) {
        bean.number(sink, "batch-size-max", max, "The most records that the task handed out at a time.");
        bean.number(sink, "batch-size-avg", avg, "The records that the task handed out at a time, on average.");
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts of records")]
fn source_task(stats: &TaskStats, now_ms: i64, labels: &[(&'static str, &str)], sink: Sink<'_>) {
    let bean = Bean { domain: DOMAIN, bean: "source-task-metrics", labels };
    bean.count(sink, "source-record-poll-total", stats.polled.total(), "Records that the task has handed out.");
    bean.number(sink, "source-record-poll-rate", stats.polled.rate(now_ms), "Records handed out per second.");
    bean.count(sink, "source-record-write-total", stats.written.total(), "Records that the target has acknowledged.");
    bean.number(sink, "source-record-write-rate", stats.written.rate(now_ms), "Records acknowledged per second.");
    if let Some((max, avg)) = max_and_average(&stats.poll_ms, now_ms) {
        bean.number(sink, "poll-batch-max-time-ms", max, "The longest time until the task handed records out.");
        bean.number(sink, "poll-batch-avg-time-ms", avg, "The average time until the task handed records out.");
    }
    if let Some(summary) = stats.transaction_records.summary(now_ms) {
        let (min, max, avg) = summary.range.unwrap_or((summary.last, summary.last, summary.last as f64));
        bean.number(sink, "transaction-size-min", min as f64, "Records of the smallest transaction.");
        bean.number(sink, "transaction-size-max", max as f64, "Records of the largest transaction.");
        bean.number(sink, "transaction-size-avg", avg, "Records of a transaction, on average.");
    }
    bean.count(sink, "source-record-active-count", stats.active.load(Relaxed), "Records that are on their way.");
    if let Some((max, avg)) = max_and_average(&stats.active_recently, now_ms) {
        bean.number(sink, "source-record-active-count-max", max, "The most records that were on their way.");
        bean.number(sink, "source-record-active-count-avg", avg, "The records that were on their way, on average.");
    }
}

#[allow(clippy::cast_precision_loss, reason = "milliseconds since 1970")]
fn errors(stats: &TaskStats, labels: &[(&'static str, &str)], sink: Sink<'_>) {
    let bean = Bean { domain: DOMAIN, bean: "task-error-metrics", labels };
    let errors = &stats.errors;
    bean.count(sink, "total-record-failures", errors.failures.load(Relaxed), "Things that did not work at first.");
    bean.count(sink, "total-record-errors", errors.errors.load(Relaxed), "Records that could not be dealt with.");
    bean.count(sink, "total-records-skipped", errors.skipped.load(Relaxed), "Records left out by errors.tolerance.");
    bean.count(sink, "total-retries", errors.retries.load(Relaxed), "Times that something was tried again.");
    bean.count(sink, "total-errors-logged", errors.logged.load(Relaxed), "Errors that are in the log.");
    bean.number(sink, "last-error-timestamp", errors.last_ms() as f64, "The last error, milliseconds since 1970.");
}

/// Of the last half minute, or the last value if there was none: source offsets are stored once a minute.
#[allow(clippy::cast_precision_loss, reason = "milliseconds and counts")]
fn max_and_average(recent: &Recent, now_ms: i64) -> Option<(f64, f64)> {
    let summary = recent.summary(now_ms)?;
    Some(summary.range.map_or((summary.last as f64, summary.last as f64), |(_, max, avg)| (max as f64, avg)))
}

#[allow(clippy::cast_precision_loss, reason = "a ratio")]
fn parts(one: u64, other: u64) -> (f64, f64) {
    let all = (one + other).max(1) as f64;
    (one as f64 / all, other as f64 / all)
}
