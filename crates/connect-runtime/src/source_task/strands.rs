//! A task on several threads: split by partitions into *strands*, each a whole pipeline (loop, plug-in instance, fetcher,
//! producer, connections) on a thread of its own. From outside they are one task: started when all have started, failed when one
//! has failed, its faults those of all.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use connect_api::source::TASK_THREADS;
use connect_api::{BoxFuture, ConfigMap, ConnectError};
use connect_herder::settings::ExactlyOnce;
use futures_util::future::FutureExt;
use futures_util::stream::{self, BoxStream, FuturesUnordered, SelectAll, StreamExt};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinError;
use tokio::time::{Instant, sleep_until};
use tracing::{info_span, warn};

use super::stats::TaskStats;
use super::{TaskEvent, TaskSpec, stopped};
use crate::plugin_call::{self, Guarded};
use crate::task::TaskBody;

/// As many as a [`Strand`] can count.
const MOST: usize = 64;
/// Of a task whose connector does not say how many threads it is to have.
const MOST_BY_ITSELF: usize = 4;

/// Which part of its task a run is.
#[derive(Debug, Clone)]
pub struct Strand {
    pub(super) number: usize,
    of: usize,
    pub(super) stats: Arc<TaskStats>,
    /// A bit for each strand of which all partitions stand still.
    at_rest: Arc<AtomicU64>,
}

impl Strand {
    /// A task that is not split.
    pub(crate) fn whole() -> Self {
        Self { number: 0, of: 1, stats: Arc::default(), at_rest: Arc::default() }
    }

    /// The same task's strand with this number, of so many.
    fn part(&self, number: usize, of: usize) -> Self {
        Self { number, of, stats: Arc::default(), at_rest: Arc::clone(&self.at_rest) }
    }

    /// Nothing of this strand can go on. Whether that holds for all.
    pub(super) fn nothing_left(&self) -> bool {
        let own = 1 << self.number;
        let all = u64::MAX >> (MOST - self.of);
        (self.at_rest.fetch_or(own, Relaxed) | own) == all
    }
}

/// The strands of a task; the task as it is if it is not split.
pub(super) fn split(spec: &TaskSpec) -> Vec<TaskSpec> {
    // Fencing knows one transactional id a task (KIP-618).
    let exact = spec.environment.worker.exactly_once() == ExactlyOnce::Enabled;
    let threads = if exact { 1 } else { threads(&spec.connector_config, spec.environment.threads.count()) };
    let configs = if threads > 1 { spec.plugin.split_task(&spec.task_config, threads) } else { Vec::new() };
    let of = configs.len();
    if !(2..=threads).contains(&of) {
        return vec![spec.clone()];
    }
    let strand = |(number, task_config)| TaskSpec { strand: spec.strand.part(number, of), task_config, ..spec.clone() };
    configs.into_iter().enumerate().map(strand).collect()
}

/// How many threads a task may have: as its connector says (a number out of range has kept it from starting), else half the
/// cores, shared by as many tasks as there may be.
fn threads(connector: &ConfigMap, cores: usize) -> usize {
    let number = |key: &str| connector.get(key).and_then(|text| text.trim().parse::<usize>().ok());
    match number(TASK_THREADS) {
        Some(threads) => threads.clamp(1, MOST),
        None => (cores / 2 / number("tasks.max").unwrap_or(1).max(1)).clamp(1, MOST_BY_ITSELF),
    }
}

/// Runs the strands of a task until it is told to stop or one of them has failed.
pub(super) async fn run(spec: TaskSpec, strands: Vec<TaskSpec>, body: TaskBody) -> Result<(), ConnectError> {
    let (stop, stop_seen) = watch::channel(false);
    let mut said = Said::new(strands.len());
    let (mut running, mut heard) = start(strands, &stop_seen, body);
    let mut tell = |(strand, event)| {
        for event in said.hear(strand, event) {
            // Without a worker nobody needs to know.
            let _ = spec.events.send(event);
        }
    };
    let mut asked = spec.stop.clone();
    let (mut stopping, mut failure, mut deadline) = (false, None, None);
    while !running.is_empty() {
        tokio::select! {
            biased;
            Some(event) = heard.next() => tell(event),
            () = stopped(&mut asked), if !stopping => stopping = true,
            Some(ended) = running.next() => {
                let error = match ended {
                    Ok(Ok(())) if stopping => continue,
                    Ok(Ok(())) => ConnectError::fatal("a strand of the task ended without being asked to"),
                    Ok(Err(error)) => error,
                    Err(error) => plugin_call::ended(&format!("task {}", spec.id), error),
                };
                match failure {
                    None => failure = Some(error),
                    Some(_) => warn!(%error, "another strand failed while the task stopped"),
                }
                stopping = true;
                // If the task was asked to stop, whoever asked loses patience first.
                deadline.get_or_insert(Instant::now() + spec.environment.worker.task_shutdown_graceful_timeout());
            }
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                warn!("strands did not stop in time and were abandoned; records since their last offset commit repeat");
                break;
            }
        }
        if stopping {
            stop.send_if_modified(|stop| !std::mem::replace(stop, true));
        }
    }
    while let Some(Some(event)) = heard.next().now_or_never() {
        tell(event);
    }
    failure.map_or(Ok(()), Err)
}

/// The ends of strands. Dropping it ends them.
type Running = FuturesUnordered<BoxFuture<'static, Result<Result<(), ConnectError>, JoinError>>>;
/// What strands report, with their numbers.
type Heard = SelectAll<BoxStream<'static, (usize, TaskEvent)>>;

fn start(strands: Vec<TaskSpec>, stop: &watch::Receiver<bool>, body: TaskBody) -> (Running, Heard) {
    let (running, mut heard) = (Running::new(), Heard::new());
    for strand in strands {
        let number = strand.strand.number;
        let (events, mut reports) = mpsc::unbounded_channel();
        let reports = stream::poll_fn(move |context| reports.poll_recv(context));
        heard.push(reports.map(move |event| (number, event)).boxed());
        // The first has the place that the task was given.
        let place = (number > 0).then(|| strand.environment.threads.place());
        let runtime = place.as_ref().map_or_else(Handle::current, |place| place.runtime.clone());
        let span = info_span!("strand", strand = number);
        let strand = TaskSpec { stop: stop.clone(), events, ..strand };
        let strand = span.in_scope(|| Guarded::spawn_on(&runtime, body(strand)));
        running.push(Box::pin(async move {
            let ended = strand.await;
            drop(place);
            ended
        }));
    }
    (running, heard)
}

/// What the strands of a task have said, and what the task says by it (pure).
struct Said {
    started: BTreeSet<usize>,
    /// Of each strand.
    faults: Vec<Option<String>>,
    /// What the task has said of them last.
    told: Option<Option<String>>,
}

impl Said {
    fn new(strands: usize) -> Self {
        Self { started: BTreeSet::new(), faults: vec![None; strands], told: None }
    }

    fn hear(&mut self, strand: usize, event: TaskEvent) -> Vec<TaskEvent> {
        let mut says = Vec::new();
        match event {
            TaskEvent::Started => {
                if self.started.insert(strand) && self.has_started() {
                    says.push(TaskEvent::Started);
                }
            }
            TaskEvent::Faults(text) => self.faults[strand] = text,
            other => return vec![other],
        }
        // A worker listens once the task runs.
        if self.has_started() {
            let faults: Vec<&str> = self.faults.iter().flatten().map(String::as_str).collect();
            let text = Some(faults.join("\n")).filter(|text| !text.is_empty());
            if self.told.as_ref() != Some(&text) {
                self.told = Some(text.clone());
                says.push(TaskEvent::Faults(text));
            }
        }
        says
    }

    fn has_started(&self) -> bool {
        self.started.len() == self.faults.len()
    }
}

#[cfg(test)]
mod tests;
