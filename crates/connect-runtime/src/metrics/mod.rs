//! What `/metrics` shows: the numbers that Java's Connect and MirrorMaker 2 show as JMX beans, under the names that people's
//! dashboards have for them, and Portage's own.
//!
//! | file | idea |
//! |---|---|
//! | [`profile`](mod@profile) | one number, several names: which exporter's, which labels (pure) |
//! | [`exposition`](mod@exposition) | Prometheus' text format, bounded (pure) |
//! | [`counts`](mod@counts) | what the control plane has seen: starts, failures, restarts, rebalances (pure) |
//! | `worker`, `tasks`, `producer` | Connect's beans of the worker and of its tasks, and their producers' |
//! | `own` | Portage's own numbers |
//! | `process` | what the operating system says of this process |
//!
//! Nothing is pushed: tasks and plug-ins count in atomics of their own, and are asked when somebody looks.

pub mod counts;
pub mod exposition;
mod own;
mod process;
mod producer;
pub mod profile;
mod tasks;
mod worker;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use connect_api::PluginRegistry;
use connect_api::metrics::{Metric, MetricSource};
use connect_herder::ids::{ConnectorName, TaskId};
use connect_herder::view::ClusterView;
use connect_herder::{Action, Event};
use kafka_client::group::GroupStats;

use crate::source_task::TaskEnvironment;
use counts::Counts;
use exposition::Exposition;
pub(crate) use producer::DataProducer;
use profile::Profile;

/// What a worker keeps for its metrics: whom to ask, and what the control plane has seen.
#[derive(Default)]
pub struct Metrics {
    published: Mutex<Vec<Published>>,
    group: Mutex<Weak<GroupStats>>,
    counts: Mutex<Counts>,
}

struct Published {
    of: Of,
    numbers: Weak<dyn MetricSource>,
}

/// Whose numbers they are.
#[derive(Clone)]
struct Of {
    connector: ConnectorName,
    /// `None`: the connector instance's.
    task: Option<u32>,
    strand: usize,
}

impl Metrics {
    /// Asks a connector instance for its numbers from now on, for as long as it holds them.
    pub fn publish_connector(&self, connector: &ConnectorName, numbers: &Arc<dyn MetricSource>) {
        self.publish(Of { connector: connector.clone(), task: None, strand: 0 }, numbers);
    }

    /// Asks a task's strand for its numbers from now on, for as long as it holds them.
    pub fn publish_task(&self, task: &TaskId, strand: usize, numbers: &Arc<dyn MetricSource>) {
        self.publish(Of { connector: task.connector.clone(), task: Some(task.task), strand }, numbers);
    }

    fn publish(&self, of: Of, numbers: &Arc<dyn MetricSource>) {
        let mut published = lock(&self.published);
        published.retain(|known| known.numbers.strong_count() > 0);
        published.push(Published { of, numbers: Arc::downgrade(numbers) });
    }

    /// Shows what this member of the group counts, for as long as there is one.
    pub(crate) fn publish_member(&self, stats: &Arc<GroupStats>) {
        *lock(&self.group) = Arc::downgrade(stats);
    }

    /// The herder hears of something.
    pub(crate) fn heard(&self, event: &Event) {
        lock(&self.counts).heard(event);
    }

    /// The herder wants something done.
    pub(crate) fn done(&self, action: &Action) {
        lock(&self.counts).done(action);
    }

    /// The herder's view has changed.
    pub(crate) fn seen(&self, view: &ClusterView, now_ms: i64) {
        lock(&self.counts).seen(view, now_ms);
    }

    /// Everyone who has published, oldest first, without holding the lock while they are asked.
    fn published(&self) -> Vec<(Of, Arc<dyn MetricSource>)> {
        let published = lock(&self.published);
        let alive = published.iter().filter_map(|known| {
            let numbers = known.numbers.upgrade()?;
            Some((known.of.clone(), numbers))
        });
        alive.collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Neither a list nor counters can be left half changed by a panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the numbers of a worker come from.
pub(crate) struct Look<'a> {
    pub(crate) environment: &'a TaskEnvironment,
    pub(crate) plugins: &'a PluginRegistry,
    pub(crate) view: &'a ClusterView,
    pub(crate) now_ms: i64,
}

impl Look<'_> {
    /// All metrics in the names of `profiles`, as Prometheus reads them. At most `series_max` series of a name.
    pub(crate) fn render(&self, profiles: &[Profile], series_max: usize) -> String {
        let mut exposition = Exposition::new(profiles, series_max);
        let mut sink = |metric: Metric<'_>| exposition.add(&metric);
        {
            let metrics = &self.environment.metrics;
            let counts = lock(&metrics.counts);
            worker::tell(self, &counts, &mut sink);
            own::tell(self, &counts, &mut sink);
        }
        tasks::tell(self, &mut sink);
        process::tell(&mut sink);
        for (of, numbers) in self.environment.metrics.published() {
            let task = of.task.map(|task| task.to_string());
            numbers.collect(self.now_ms, &mut |metric| {
                exposition.add_of(of.connector.as_str(), task.as_deref(), of.strand, &metric);
            });
        }
        exposition.finish()
    }
}

/// One bean with its labels, to tell its attributes.
struct Bean<'a> {
    domain: &'static str,
    bean: &'static str,
    labels: &'a [(&'static str, &'a str)],
}

type Sink<'a> = &'a mut dyn FnMut(Metric<'_>);

impl Bean<'_> {
    fn number(&self, sink: Sink<'_>, attribute: &'static str, value: f64, help: &'static str) {
        let family = connect_api::metrics::Family::bean(self.domain, self.bean, attribute, help);
        sink(family.number(self.labels, value));
    }

    #[allow(clippy::cast_precision_loss, reason = "exact up to 2^53, as every number in Prometheus")]
    fn count(&self, sink: Sink<'_>, attribute: &'static str, value: u64, help: &'static str) {
        self.number(sink, attribute, value as f64, help);
    }

    fn word(&self, sink: Sink<'_>, attribute: &'static str, value: &str, help: &'static str) {
        let family = connect_api::metrics::Family::bean(self.domain, self.bean, attribute, help);
        sink(family.word(self.labels, value));
    }
}
