//! The task behind a [`Producer`](super::Producer): it knows all lines, groups what is ready by leader, and hands requests to
//! the links. All decisions about one partition are its [`Line`]'s; this is the traffic around them.
//!
//! ```text
//!  Producer handles ──Command──►  driver ──Dispatch──► link of broker 1 ──► connection
//!                                 │    ▲                link of broker 2 ──► connection
//!        Delivery ◄──oneshot──────┘    └──Event── answers, metadata, producer ids
//! ```
//!
//! A partition is at any time in at most one of: the ready queue of a broker, the timers, the set that waits for a leader.
//! It is put there by `route`, which is called whenever something about it has changed; nothing ever scans all of them.

mod broker;
mod requests;
mod transactions;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use kafka_wire::batch::RecordBatch;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::warn;

use super::error::ProduceError;
use super::link::{self, Reply};
use super::options::ProducerOptions;
use super::progress::Progress;
use super::state::{Ack, Identity, Line, Outcome, Rules, Ticket};
use super::transaction::{Added, Scope};
use super::{Stalled, coordinator};
use crate::budget::BudgetPermit;
use crate::cluster::{Cluster, Metadata};
use crate::codes::ErrorCode;
use crate::error::ClientError;
use broker::Broker;

/// From the handles to the driver.
pub(super) enum Command {
    Send {
        topic: Arc<str>,
        partition: i32,
        job: Job,
    },
    Reset {
        topic: Arc<str>,
        partition: i32,
    },
    /// Answered when everything sent before has been settled.
    Flush(oneshot::Sender<()>),
    Stalled(oneshot::Sender<Vec<Stalled>>),
    /// Begin a transaction.
    Begin(oneshot::Sender<Result<(), ProduceError>>),
    /// No more batches in this transaction. Answers whether it may be committed, and if there is anything in it.
    Seal(oneshot::Sender<Result<bool, ProduceError>>),
    /// Give up what has not been sent. Answered when the rest is settled, with whether the broker knows of the transaction.
    Abandon(oneshot::Sender<bool>),
    /// The transaction is over, or a new identity begins.
    Ended {
        identity: Identity,
    },
    Stop,
}

/// A batch on its way.
pub(super) struct Job {
    pub(super) batch: RecordBatch,
    pub(super) reply: oneshot::Sender<Result<Ack, ProduceError>>,
    /// Bytes of the budget, until the batch is settled.
    pub(super) permit: BudgetPermit,
    /// Of [`Progress`]; set by the driver.
    pub(super) generation: u64,
}

/// From what the driver started.
pub(super) enum Event {
    Replied { node_id: i32, request: u64, reply: Reply },
    Refreshed(Result<(), ClientError>),
    Identity(Result<Identity, ClientError>),
    Added(Added),
}

struct Partition {
    topic: Arc<str>,
    index: i32,
    line: Line<Job>,
    /// In the ready queue of a broker.
    queued: bool,
    /// When its timer wakes it.
    timer_at_ms: Option<u64>,
}

pub(super) struct Driver {
    cluster: Cluster,
    options: Arc<ProducerOptions>,
    identity: Identity,
    started: Instant,
    commands: mpsc::UnboundedReceiver<Command>,
    events: mpsc::UnboundedReceiver<Event>,
    events_from: mpsc::UnboundedSender<Event>,
    updates: watch::Receiver<Arc<Metadata>>,
    metadata: Arc<Metadata>,
    partitions: Vec<Partition>,
    index: HashMap<Arc<str>, BTreeMap<i32, usize>>,
    brokers: BTreeMap<i32, Broker>,
    leaderless: BTreeSet<usize>,
    /// At most one per partition.
    timers: BTreeSet<(u64, usize)>,
    /// When what waits for company has waited long enough.
    company_until_ms: Option<u64>,
    requests: HashMap<u64, Vec<(usize, Ticket)>>,
    next_request: u64,
    refreshing: bool,
    /// Refreshes in a row that did not help.
    refreshes: u32,
    fetching_identity: bool,
    /// Lines that wait for a new producer id.
    without_identity: BTreeSet<usize>,
    progress: Progress,
    scope: Option<Scope>,
    /// Who waits for an abandoned transaction to come to rest.
    abandoning: Option<oneshot::Sender<bool>>,
}

impl Driver {
    pub(super) fn new(
        cluster: Cluster,
        options: Arc<ProducerOptions>,
        identity: Identity,
        commands: mpsc::UnboundedReceiver<Command>,
    ) -> Self {
        let (events_from, events) = mpsc::unbounded_channel();
        let mut updates = cluster.subscribe();
        let metadata = Arc::clone(&updates.borrow_and_update());
        Self {
            scope: options.transactional_id.as_deref().map(Scope::new),
            cluster,
            options,
            identity,
            started: Instant::now(),
            commands,
            events,
            events_from,
            updates,
            metadata,
            partitions: Vec::new(),
            index: HashMap::new(),
            brokers: BTreeMap::new(),
            leaderless: BTreeSet::new(),
            timers: BTreeSet::new(),
            company_until_ms: None,
            requests: HashMap::new(),
            next_request: 0,
            refreshing: false,
            refreshes: 0,
            fetching_identity: false,
            without_identity: BTreeSet::new(),
            progress: Progress::default(),
            abandoning: None,
        }
    }

    /// Works until it is stopped or all handles are gone; what is not settled then is dropped, and its waiters learn that
    /// the producer is closed.
    pub(super) async fn run(mut self) {
        loop {
            let timer = self.timers.first().map(|(at_ms, _)| *at_ms).into_iter().chain(self.company_until_ms).min();
            let timer = timer.map(|at_ms| self.started + Duration::from_millis(at_ms));
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(Command::Stop) | None => return,
                    Some(command) => self.command(command),
                },
                Some(event) = self.events.recv() => self.event(event),
                Ok(()) = self.updates.changed() => self.metadata_changed(),
                () = sleep_until(timer.unwrap_or_else(Instant::now)), if timer.is_some() => self.fire(),
            }
            // Whatever else is there already, so that a burst of batches shares requests.
            for _ in 0..BURST {
                match (self.events.try_recv(), self.commands.try_recv()) {
                    (Err(_), Err(_)) => break,
                    (_, Ok(Command::Stop)) => return,
                    (event, command) => {
                        if let Ok(event) = event {
                            self.event(event);
                        }
                        if let Ok(command) = command {
                            self.command(command);
                        }
                    }
                }
            }
            self.dispatch();
        }
    }

    fn now_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Send { topic, partition, job } => self.send(&topic, partition, job),
            Command::Reset { topic, partition } => {
                if let Some(p) = self.known(&topic, partition) {
                    self.partitions[p].line.reset();
                }
            }
            Command::Flush(reply) => self.progress.wait(reply),
            Command::Stalled(reply) => {
                let _ = reply.send(self.stalled());
            }
            Command::Begin(reply) => {
                let begun = self.scope.as_mut().map_or(Err(ProduceError::Closed), Scope::begin);
                let _ = reply.send(begun);
            }
            Command::Seal(reply) => {
                let sealed = self.scope.as_mut().map_or(Err(ProduceError::Closed), Scope::seal);
                let _ = reply.send(sealed);
            }
            Command::Abandon(reply) => self.abandon(reply),
            Command::Ended { identity } => self.ended(identity),
            // Seen by `run` before it comes here.
            Command::Stop => {}
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Replied { node_id, request, reply } => self.replied(node_id, request, reply),
            Event::Refreshed(result) => {
                self.refreshing = false;
                match result {
                    Err(error) if self.refreshes == 1 => {
                        let client_id = self.cluster.config().client_id();
                        warn!(client_id, %error, "metadata could not be refreshed, trying again");
                    }
                    Ok(()) if self.leaderless.is_empty() => self.refreshes = 0,
                    _ => {}
                }
                self.metadata_changed();
            }
            Event::Identity(result) => self.identity_came(result),
            Event::Added(added) => self.partitions_added(added),
        }
    }

    fn known(&self, topic: &str, partition: i32) -> Option<usize> {
        self.index.get(topic)?.get(&partition).copied()
    }

    fn partition(&mut self, topic: &Arc<str>, index: i32) -> usize {
        if let Some(p) = self.known(topic, index) {
            return p;
        }
        let p = self.partitions.len();
        let rules = Rules {
            transactional: self.scope.is_some(),
            retry_backoff_ms: self.options.retry_backoff.as_millis() as u64,
            retry_backoff_max_ms: self.options.retry_backoff_max.as_millis() as u64,
        };
        self.partitions.push(Partition {
            topic: Arc::clone(topic),
            index,
            line: Line::new(rules, self.identity),
            queued: false,
            timer_at_ms: None,
        });
        self.index.entry(Arc::clone(topic)).or_default().insert(index, p);
        p
    }

    fn send(&mut self, topic: &Arc<str>, index: i32, mut job: Job) {
        if let Some(refusal) = self.scope.as_ref().and_then(Scope::refusal) {
            let _ = job.reply.send(Err(refusal));
            return;
        }
        let p = self.partition(topic, index);
        job.generation = self.progress.begin();
        let deadline_ms = self.now_ms().saturating_add(self.options.delivery_timeout.as_millis() as u64);
        let records = job.batch.record_count() as i32;
        match self.partitions[p].line.push(job, records, deadline_ms) {
            Ok(()) => self.route(p),
            Err(job) => self.settle(p, vec![(job, Outcome::Skipped { maybe_written: false })]),
        }
    }

    /// Puts a partition where it has to wait for its next step. Called whenever something about it has changed.
    fn route(&mut self, p: usize) {
        let now_ms = self.now_ms();
        let partition = &self.partitions[p];
        if partition.queued || partition.line.len() == 0 {
            return;
        }
        if let Some(at_ms) = partition.line.next_deadline_ms() {
            self.set_timer(p, at_ms);
        }
        if self.scope.as_mut().is_some_and(|scope| !scope.admits(p)) {
            return self.announce_partitions();
        }
        let partition = &self.partitions[p];
        if partition.line.wants_identity() {
            self.without_identity.insert(p);
            return self.fetch_identity();
        }
        let Some((leader, _)) = self.metadata.leader(&partition.topic, partition.index) else {
            // New, or somebody else who shares the cluster handle has lost interest in it.
            self.cluster.track([&*partition.topic]);
            self.leaderless.insert(p);
            return self.refresh();
        };
        match partition.line.sendable_at(leader, now_ms) {
            None => {}
            Some(at_ms) if at_ms > now_ms => self.set_timer(p, at_ms),
            Some(_) => {
                let bytes = partition.line.first_to_send().map_or(0, |job| job.batch.len());
                self.partitions[p].queued = true;
                self.broker(leader).push_ready(p, bytes);
            }
        }
    }

    fn broker(&mut self, node_id: i32) -> &mut Broker {
        self.brokers.entry(node_id).or_insert_with(|| {
            let (link, requests) = mpsc::unbounded_channel();
            let timeout = self.options.request_timeout;
            tokio::spawn(link::run(self.cluster.clone(), node_id, timeout, requests, self.events_from.clone()));
            Broker::new(link)
        })
    }

    /// Wakes the partition at `at_ms`, if not earlier.
    fn set_timer(&mut self, p: usize, at_ms: u64) {
        let timer = &mut self.partitions[p].timer_at_ms;
        if timer.is_some_and(|earlier| earlier <= at_ms) {
            return;
        }
        if let Some(later) = timer.replace(at_ms) {
            self.timers.remove(&(later, p));
        }
        self.timers.insert((at_ms, p));
    }

    fn fire(&mut self) {
        let now_ms = self.now_ms();
        while let Some(&(at_ms, p)) = self.timers.first()
            && at_ms <= now_ms
        {
            self.timers.pop_first();
            self.partitions[p].timer_at_ms = None;
            let mut settled = Vec::new();
            self.partitions[p].line.expire(now_ms, &mut settled);
            self.settle(p, settled);
            self.route(p);
        }
    }

    fn metadata_changed(&mut self) {
        self.metadata = Arc::clone(&self.updates.borrow_and_update());
        for p in std::mem::take(&mut self.leaderless) {
            // Fresh metadata, so this is not the answer from before somebody has granted something.
            if let Some(code) = self.why_leaderless(p).filter(|code| !code.is_retriable()) {
                let mut settled = Vec::new();
                self.partitions[p].line.refuse(code, &mut settled);
                self.settle(p, settled);
            }
            self.route(p);
        }
    }

    /// What metadata say about a partition without a leader; `None` if they were not asked yet.
    fn why_leaderless(&self, p: usize) -> Option<ErrorCode> {
        let Partition { topic, index, .. } = &self.partitions[p];
        let topic = self.metadata.topics.get(&**topic)?;
        Some(match topic.partitions.get(index) {
            _ if !topic.error.is_ok() => topic.error,
            None => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            Some(_) => ErrorCode::LEADER_NOT_AVAILABLE,
        })
    }

    /// Asks for new metadata, unless that is under way. After a refresh there is a pause, longer each time it did not help,
    /// so that a partition without a leader does not become a busy loop.
    fn refresh(&mut self) {
        if std::mem::replace(&mut self.refreshing, true) {
            return;
        }
        let ProducerOptions { retry_backoff, retry_backoff_max, .. } = *self.options;
        let pause = retry_backoff.saturating_mul(1 << self.refreshes.min(16)).min(retry_backoff_max);
        self.refreshes = self.refreshes.saturating_add(1);
        let (cluster, events) = (self.cluster.clone(), self.events_from.clone());
        tokio::spawn(async move {
            let result = cluster.refresh().await.map(drop);
            sleep(pause).await;
            let _ = events.send(Event::Refreshed(result));
        });
    }

    fn fetch_identity(&mut self) {
        if std::mem::replace(&mut self.fetching_identity, true) {
            return;
        }
        let (cluster, events) = (self.cluster.clone(), self.events_from.clone());
        tokio::spawn(async move {
            let result = coordinator::idempotent(&cluster).await;
            let _ = events.send(Event::Identity(result));
        });
    }

    fn identity_came(&mut self, result: Result<Identity, ClientError>) {
        self.fetching_identity = false;
        match result {
            Ok(identity) => {
                for p in std::mem::take(&mut self.without_identity) {
                    if self.partitions[p].line.wants_identity() {
                        self.partitions[p].line.renewed(identity);
                    }
                    self.route(p);
                }
            }
            Err(error) => {
                warn!(client_id = self.cluster.config().client_id(), %error, "no new producer id, trying again");
                // It took `default.api.timeout.ms` to fail, or the broker refused; either way a timer brings us back.
                let again_ms = self.now_ms() + self.options.retry_backoff_max.as_millis() as u64;
                for p in std::mem::take(&mut self.without_identity) {
                    self.set_timer(p, again_ms);
                }
            }
        }
    }

    fn stalled(&self) -> Vec<Stalled> {
        let stalled = |(p, partition): (usize, &Partition)| {
            let line = &partition.line;
            let (attempts, last_code) = match line.stuck() {
                None if self.leaderless.contains(&p) => (0, self.why_leaderless(p)),
                stuck => stuck?,
            };
            let leader = self.metadata.leader(&partition.topic, partition.index);
            Some(Stalled {
                topic: Arc::clone(&partition.topic),
                partition: partition.index,
                attempts,
                last_code,
                silence: leader.and_then(|(node_id, _)| self.brokers.get(&node_id)?.silence.clone()),
                batches: line.len(),
            })
        };
        self.partitions.iter().enumerate().filter_map(stalled).collect()
    }
}

/// Commands and events taken in before sending.
const BURST: usize = 1024;
