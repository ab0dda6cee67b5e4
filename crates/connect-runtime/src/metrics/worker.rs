//! Connect's beans of the worker: `connect-worker-metrics`, `connect-worker-rebalance-metrics`,
//! `connect-coordinator-metrics`, `connector-metrics`.

use std::collections::{BTreeMap, BTreeSet};

use connect_herder::ids::ConnectorName;
use connect_herder::status_log::State;
use kafka_client::group::GroupStats;

use super::counts::{Counts, Starts};
use super::{Bean, Look, Sink, lock};

const DOMAIN: &str = "kafka.connect";

pub(super) fn tell(look: &Look<'_>, counts: &Counts, sink: Sink<'_>) {
    worker(look, counts, sink);
    rebalances(look, counts, sink);
    coordinator(look, counts, sink);
    for connector in &look.view.group.connectors {
        connector_instance(look, connector, sink);
    }
    tasks_by_connector(look, sink);
}

fn worker(look: &Look<'_>, counts: &Counts, sink: Sink<'_>) {
    let bean = Bean { domain: DOMAIN, bean: "connect-worker-metrics", labels: &[] };
    let group = &look.view.group;
    bean.count(sink, "connector-count", group.connectors.len() as u64, "Connector instances of this worker.");
    bean.count(sink, "task-count", group.tasks.len() as u64, "Tasks of this worker.");
    let (help, part) = ("Starts since the worker began.", "The part of the starts since the worker began.");
    let Starts { succeeded, failed } = counts.connector_starts;
    let (good, bad) = counts.connector_starts.shares();
    bean.count(sink, "connector-startup-attempts-total", succeeded + failed, help);
    bean.count(sink, "connector-startup-success-total", succeeded, help);
    bean.count(sink, "connector-startup-failure-total", failed, help);
    bean.number(sink, "connector-startup-success-percentage", good, part);
    bean.number(sink, "connector-startup-failure-percentage", bad, part);
    let Starts { succeeded, failed } = counts.task_starts;
    let (good, bad) = counts.task_starts.shares();
    bean.count(sink, "task-startup-attempts-total", succeeded + failed, help);
    bean.count(sink, "task-startup-success-total", succeeded, help);
    bean.count(sink, "task-startup-failure-total", failed, help);
    bean.number(sink, "task-startup-success-percentage", good, part);
    bean.number(sink, "task-startup-failure-percentage", bad, part);
}

#[allow(clippy::cast_precision_loss, reason = "milliseconds")]
fn rebalances(look: &Look<'_>, counts: &Counts, sink: Sink<'_>) {
    let bean = Bean { domain: DOMAIN, bean: "connect-worker-rebalance-metrics", labels: &[] };
    let (group, seen) = (&look.view.group, &counts.rebalances);
    bean.word(sink, "connect-protocol", group.protocol.as_deref().unwrap_or("none"), "The elected protocol.");
    bean.word(sink, "leader-name", group.leader_url.as_deref().unwrap_or("none"), "The leader's address.");
    bean.number(sink, "epoch", f64::from(group.generation.0), "The generation of the group.");
    bean.count(sink, "rebalancing", u64::from(group.rebalancing), "1 while a rebalance is under way.");
    bean.count(sink, "completed-rebalances-total", seen.completed, "Rebalances of this worker.");
    if let Some(average_ms) = seen.average_ms() {
        bean.number(sink, "rebalance-avg-time-ms", average_ms, "The average time of a rebalance.");
        bean.number(sink, "rebalance-max-time-ms", seen.max_ms as f64, "The longest time of a rebalance.");
    }
    if let Some(ended_ms) = seen.last_ended_ms {
        let since_ms = (look.now_ms - ended_ms).max(0) as f64;
        bean.number(sink, "time-since-last-rebalance-ms", since_ms, "The time since the last rebalance ended.");
    }
}

#[allow(clippy::cast_precision_loss, reason = "milliseconds")]
fn coordinator(look: &Look<'_>, counts: &Counts, sink: Sink<'_>) {
    let client_id = look.environment.worker.get("client.id").filter(|id| !id.is_empty());
    let client_id = client_id.map_or_else(|| format!("connect-{}", look.view.worker_id), str::to_owned);
    let labels = [("client-id", &*client_id)];
    let bean = Bean { domain: DOMAIN, bean: "connect-coordinator-metrics", labels: &labels };
    let (group, seen) = (&look.view.group, &counts.rebalances);
    bean.count(sink, "assigned-connectors", group.connectors.len() as u64, "Connector instances assigned here.");
    bean.count(sink, "assigned-tasks", group.tasks.len() as u64, "Tasks assigned here.");
    let member = lock(&look.environment.metrics.group).upgrade();
    if let Some(member) = member {
        protocol(&bean, &member, look.now_ms, sink);
    }
    bean.count(sink, "rebalance-total", seen.completed, "Rebalances of this worker.");
    bean.number(sink, "rebalance-latency-total", seen.total_ms as f64, "Milliseconds that rebalances took together.");
    if let (Some(average_ms), Some(ended_ms)) = (seen.average_ms(), seen.last_ended_ms) {
        bean.number(sink, "rebalance-latency-avg", average_ms, "The average time of a rebalance, in milliseconds.");
        bean.number(sink, "rebalance-latency-max", seen.max_ms as f64, "The longest rebalance, in milliseconds.");
        let ago = ((look.now_ms - ended_ms).max(0) / 1000) as f64;
        bean.number(sink, "last-rebalance-seconds-ago", ago, "Seconds since the last rebalance ended.");
    }
}

/// What the group's protocol has cost this member.
#[allow(clippy::cast_precision_loss, reason = "milliseconds")]
fn protocol(bean: &Bean<'_>, member: &GroupStats, now_ms: i64, sink: Sink<'_>) {
    bean.count(sink, "join-total", member.join.count(), "Times that this worker joined the group.");
    if let Some((average_ms, max_ms)) = member.join.average_and_max_ms() {
        bean.number(sink, "join-time-avg", average_ms, "The average time of a join, in milliseconds.");
        bean.count(sink, "join-time-max", max_ms, "The longest join, in milliseconds.");
    }
    bean.count(sink, "sync-total", member.sync.count(), "Times that this worker was given its assignment.");
    if let Some((average_ms, max_ms)) = member.sync.average_and_max_ms() {
        bean.number(sink, "sync-time-avg", average_ms, "The average wait for an assignment, in milliseconds.");
        bean.count(sink, "sync-time-max", max_ms, "The longest wait for an assignment, in milliseconds.");
    }
    bean.count(sink, "heartbeat-total", member.heartbeat.count(), "Heartbeats that were answered.");
    if let Some((_, max_ms)) = member.heartbeat.average_and_max_ms() {
        bean.count(sink, "heartbeat-response-time-max", max_ms, "The longest answer to a heartbeat, in milliseconds.");
    }
    if let Some(last_ms) = member.heartbeat.last_ms() {
        let ago = ((now_ms as f64 - last_ms as f64) / 1000.0).max(0.0).floor();
        bean.number(sink, "last-heartbeat-seconds-ago", ago, "Seconds since the last heartbeat was answered.");
    }
}

fn connector_instance(look: &Look<'_>, connector: &ConnectorName, sink: Sink<'_>) {
    let labels = [("connector", connector.as_str())];
    let bean = Bean { domain: DOMAIN, bean: "connector-metrics", labels: &labels };
    let state = look.view.status.connector(connector).map_or(State::Unassigned, |status| status.state);
    bean.word(sink, "status", &state.as_str().to_lowercase(), "The state of the connector instance.");
    let class = look.view.config.connector_config(connector).and_then(|config| config.get("connector.class").cloned());
    let Some(class) = class else { return };
    bean.word(sink, "connector-class", &class, "The class of the connector.");
    if let Some(plugin) = look.plugins.source(&class) {
        bean.word(sink, "connector-type", "source", "The type of the connector.");
        bean.word(sink, "connector-version", plugin.version(), "The version of the connector.");
    }
}

/// How many tasks of each connector are in which state, of those that are here: the sum over all workers is right.
fn tasks_by_connector(look: &Look<'_>, sink: Sink<'_>) {
    let mut by_connector: BTreeMap<&ConnectorName, Vec<State>> = BTreeMap::new();
    for connector in look.view.group.connectors.iter().collect::<BTreeSet<_>>() {
        by_connector.insert(connector, Vec::new());
    }
    for task in &look.view.group.tasks {
        let status = look.view.status.tasks(&task.connector).get(&task.task);
        by_connector.entry(&task.connector).or_default().push(status.map_or(State::Unassigned, |status| status.state));
    }
    const HELP: &str = "Tasks of the connector on this worker, by state.";
    for (connector, states) in by_connector {
        let labels = [("connector", connector.as_str())];
        let bean = Bean { domain: DOMAIN, bean: "connect-worker-metrics", labels: &labels };
        let of = |wanted: State| states.iter().filter(|state| **state == wanted).count() as u64;
        bean.count(sink, "connector-total-task-count", states.len() as u64, "Tasks of the connector on this worker.");
        bean.count(sink, "connector-running-task-count", of(State::Running), HELP);
        bean.count(sink, "connector-paused-task-count", of(State::Paused), HELP);
        bean.count(sink, "connector-failed-task-count", of(State::Failed), HELP);
        bean.count(sink, "connector-unassigned-task-count", of(State::Unassigned), HELP);
        bean.count(sink, "connector-destroyed-task-count", of(State::Destroyed), HELP);
        bean.count(sink, "connector-restarting-task-count", of(State::Restarting), HELP);
    }
}
