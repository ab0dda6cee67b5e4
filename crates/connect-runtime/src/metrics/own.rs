//! Portage's own numbers of a worker and its tasks. Those of the connectors come from the connectors.

use std::sync::atomic::Ordering::Relaxed;

use connect_api::metrics::Family;

use super::counts::Counts;
use super::{Look, Sink};
use crate::source_task::path::Reason;
use crate::source_task::stats::TaskStats;

const BUILD: Family = Family::gauge("portage_build_info", "The version of this worker, as a label of a 1.");
const LEADER: Family = Family::gauge("portage_worker_is_leader", "1 if this worker leads its group.");
const MEMORY_USED: Family =
    Family::gauge("portage_memory_used_bytes", "Record bytes that are between two brokers, of all tasks.");
const MEMORY_LIMIT: Family = Family::gauge("portage_memory_limit_bytes", "portage.memory.bytes.");
const THREADS: Family =
    Family::gauge("portage_task_threads", "Threads that the partitions of the task are split over.");
const RECORDS: Family = Family::counter("portage_task_records_total", "Records that the target has acknowledged.");
const BYTES: Family =
    Family::counter("portage_task_bytes_total", "Bytes of record batches sent to the target, compressed as they are.");
const BATCHES: Family = Family::counter(
    "portage_task_batches_total",
    "Batches by the path they took: pass (as they are) or rewrite, and then for which reason.",
);
const FAILURES: Family = Family::counter("portage_failures_total", "Connectors and tasks that failed on this worker.");
const RESTARTS: Family =
    Family::counter("portage_restarts_total", "Failed connectors and tasks that were started again on this worker.");
const REBALANCES: Family = Family::counter("portage_rebalances_total", "Rebalances that this worker took part in.");

pub(super) fn tell(look: &Look<'_>, counts: &Counts, sink: Sink<'_>) {
    sink(BUILD.count(&[("version", env!("CARGO_PKG_VERSION"))], 1));
    sink(LEADER.count(&[], u64::from(look.view.group.is_leader())));
    sink(MEMORY_USED.count(&[], look.environment.budget.in_use()));
    sink(MEMORY_LIMIT.count(&[], u64::try_from(look.environment.worker.memory_bytes()).unwrap_or(0)));
    sink(REBALANCES.count(&[], counts.rebalances.completed));
    for connector in look.view.config.connectors() {
        let labels = [("connector", connector.as_str())];
        sink(FAILURES.count(&labels, counts.failures.get(connector).copied().unwrap_or(0)));
        sink(RESTARTS.count(&labels, counts.restarts.get(connector).copied().unwrap_or(0)));
    }
    for entry in &look.environment.stats {
        let (id, strands) = entry.pair();
        let sum = |count: &dyn Fn(&TaskStats) -> u64| strands.iter().map(|stats| count(stats)).sum();
        let task = id.task.to_string();
        let of = [("connector", id.connector.as_str()), ("task", &*task)];
        sink(THREADS.count(&of, strands.len() as u64));
        sink(RECORDS.count(&of, sum(&|stats| stats.written.total())));
        sink(BYTES.count(&of, sum(&|stats| stats.bytes_sent.load(Relaxed))));
        sink(BATCHES.count(&[of[0], of[1], ("path", "pass"), ("reason", "")], sum(&TaskStats::passed)));
        for reason in Reason::ALL {
            let word = reason.to_string();
            let labels = [of[0], of[1], ("path", "rewrite"), ("reason", &*word)];
            sink(BATCHES.count(&labels, sum(&|stats| stats.rewritten(reason))));
        }
    }
}
