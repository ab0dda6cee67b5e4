//! The task behind a [`Fetcher`](super::Fetcher): it knows all partitions and one fetch session per broker, and keeps one
//! request under way to every broker that has something to be asked for. All decisions about one partition are its
//! [`Partition`]'s; this is the traffic around them.
//!
//! A fetch happens in two steps: first a connection and room in the budget, which may take long, then the request, made of
//! what the partitions want at that moment. After a response, the next fetch starts at once; after two that nobody has
//! taken, the broker rests.

mod fetching;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, warn};

use super::event::PartitionEvent;
use super::lookup::{self, Asked, Replies};
use super::options::FetcherOptions;
use super::partition::{Answer, Partition, Progress, Rules, Step, View};
use super::session::Session;
use super::{FetchedPartition, Position};
use crate::TopicPartition;
use crate::budget::{Budget, BudgetPermit, Reservation};
use crate::cluster::{Cluster, Metadata};
use crate::codes::ErrorCode;
use crate::connection::Connection;
use crate::error::ClientError;

/// Commands and events taken in before fetching.
const BURST: usize = 1024;
/// From the handle to the driver.
pub(super) enum Command {
    Set {
        tp: TopicPartition,
        version: u64,
        position: Position,
    },
    Remove {
        tp: TopicPartition,
    },
    /// The response of this broker is in the caller's hands.
    Taken {
        node_id: i32,
    },
}

/// From the driver to the handle.
pub(super) struct Message {
    /// The broker whose response this is; to be confirmed by [`Command::Taken`].
    pub(super) node_id: Option<i32>,
    pub(super) items: Vec<(TopicPartition, u64, Item)>,
}

pub(super) enum Item {
    Data(FetchedPartition),
    Event(PartitionEvent),
}

/// What the driver's tasks end with.
enum Event {
    Ready { node_id: i32, ready: Result<(Connection, Reservation), ClientError> },
    Fetched { node_id: i32, connection: Connection, result: Result<Response, ClientError> },
    Replied { asked: Vec<Asked>, result: Result<Replies, ClientError> },
    Refreshed(Result<(), ClientError>),
}

/// A fetch response, taken apart.
struct Response {
    code: ErrorCode,
    session_id: i32,
    /// From the request to its answer.
    elapsed: Duration,
    /// Bytes of records.
    bytes: usize,
    /// The most that there could be.
    asked: usize,
    answers: Vec<(TopicPartition, Answer)>,
    reservation: Reservation,
}

#[derive(Default)]
struct Broker {
    session: Session,
    /// A fetch is under way, or its preparations.
    busy: bool,
    untaken: usize,
    window: u32,
    /// Batches of one partition to ask for at least; 0 before anything is known.
    portion_batches: u32,
    /// Full responses in a row that took long.
    slow: u32,
    failures: u32,
    not_before: Option<Instant>,
}

pub(super) struct Driver {
    cluster: Cluster,
    options: Arc<FetcherOptions>,
    budget: Budget,
    rules: Rules,
    commands: mpsc::UnboundedReceiver<Command>,
    messages: mpsc::UnboundedSender<Message>,
    tasks: JoinSet<Event>,
    updates: watch::Receiver<Arc<Metadata>>,
    metadata: Arc<Metadata>,
    partitions: BTreeMap<TopicPartition, Partition>,
    brokers: BTreeMap<i32, Broker>,
    /// Some partition may have a question.
    questions: bool,
    refreshing: bool,
    refresh_again: bool,
    /// Refreshes in a row that did not help.
    refreshes: u32,
    wake_at: Option<Instant>,
}

impl Driver {
    pub(super) fn new(
        cluster: Cluster,
        options: Arc<FetcherOptions>,
        budget: Budget,
        commands: mpsc::UnboundedReceiver<Command>,
        messages: mpsc::UnboundedSender<Message>,
    ) -> Self {
        let mut updates = cluster.subscribe();
        let metadata = Arc::clone(&updates.borrow_and_update());
        let rules = Rules {
            isolation: options.isolation,
            offset_reset: options.offset_reset,
            partition_max_bytes: options.partition_max_bytes,
            retry_backoff: cluster.config().retry_backoff().max(Duration::from_millis(1)),
            retry_backoff_max: cluster.config().retry_backoff_max().max(Duration::from_millis(1)),
        };
        Self {
            cluster,
            options,
            budget,
            rules,
            commands,
            messages,
            tasks: JoinSet::new(),
            updates,
            metadata,
            partitions: BTreeMap::new(),
            brokers: BTreeMap::new(),
            questions: false,
            refreshing: false,
            refresh_again: false,
            refreshes: 0,
            wake_at: None,
        }
    }

    /// Works until the handle is gone. Requests under way are forgotten then.
    pub(super) async fn run(mut self) {
        loop {
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(command) => self.command(command),
                    None => return,
                },
                Some(event) = self.tasks.join_next() => self.ended(event),
                Ok(()) = self.updates.changed() => self.metadata_changed(),
                () = sleep_until(self.wake_at.unwrap_or_else(Instant::now)), if self.wake_at.is_some() => self.wake(),
            }
            for _ in 0..BURST {
                match (self.tasks.try_join_next(), self.commands.try_recv()) {
                    (None, Err(_)) => break,
                    (event, command) => {
                        if let Some(event) = event {
                            self.ended(event);
                        }
                        if let Ok(command) = command {
                            self.command(command);
                        }
                    }
                }
            }
            self.ask();
            self.fetch();
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Set { tp, version, position } => {
                self.partitions.insert(tp.clone(), Partition::new(self.rules, version, position));
                self.look_at(&tp, Instant::now());
            }
            Command::Remove { tp } => {
                self.partitions.remove(&tp);
            }
            Command::Taken { node_id } => {
                let broker = self.broker(node_id);
                broker.untaken = broker.untaken.saturating_sub(1);
            }
        }
    }

    fn ended(&mut self, event: Result<Event, tokio::task::JoinError>) {
        match event {
            Ok(Event::Ready { node_id, ready }) => self.ready(node_id, ready),
            Ok(Event::Fetched { node_id, connection, result }) => match result {
                Ok(response) => self.fetched(node_id, &connection, response),
                Err(error) => {
                    let asked = self.broker(node_id).session.asked();
                    self.unreachable(node_id, &asked, &error);
                }
            },
            Ok(Event::Replied { asked, result }) => self.replied(&asked, &result),
            Ok(Event::Refreshed(result)) => self.refreshed(result),
            // Otherwise cancelled: the runtime is being shut down, and the driver with it.
            Err(error) => {
                if let Ok(panic) = error.try_into_panic() {
                    std::panic::resume_unwind(panic);
                }
            }
        }
    }

    fn broker(&mut self, node_id: i32) -> &mut Broker {
        let window = self.window_min();
        self.brokers.entry(node_id).or_insert_with(|| Broker { window, ..Broker::default() })
    }

    /// Asks the leaders what partitions want to know.
    fn ask(&mut self) {
        if !std::mem::take(&mut self.questions) {
            return;
        }
        let now = Instant::now();
        let mut by_leader: BTreeMap<i32, Vec<Asked>> = BTreeMap::new();
        for (tp, partition) in &mut self.partitions {
            let version = partition.version;
            if let Some((leader, leader_epoch, question)) = partition.ask(now) {
                by_leader.entry(leader).or_default().push(Asked { tp: tp.clone(), version, leader_epoch, question });
            }
        }
        for (node_id, asked) in by_leader {
            let (cluster, isolation) = (self.cluster.clone(), self.options.isolation);
            self.tasks.spawn(async move {
                let result = lookup::ask(&cluster, node_id, isolation, &asked).await;
                Event::Replied { asked, result }
            });
        }
    }

    fn replied(&mut self, asked: &[Asked], result: &Result<Replies, ClientError>) {
        let now = Instant::now();
        let mut items = Vec::new();
        for Asked { tp, version, .. } in asked {
            let Some(partition) = self.partitions.get_mut(tp).filter(|partition| partition.version == *version) else {
                continue;
            };
            let step = match result {
                // A partition that the broker has not mentioned is one that it did not answer.
                Ok(replies) => {
                    partition.replied(replies.get(tp).copied().unwrap_or(Err(ErrorCode::REQUEST_TIMED_OUT)), now)
                }
                Err(error) => partition.unreachable(error, now),
            };
            self.take(tp, step, None, &mut items);
        }
        self.send(Message { node_id: None, items });
    }

    /// Does what a partition's step says.
    fn take(
        &mut self,
        tp: &TopicPartition,
        step: Step,
        permit: Option<&BudgetPermit>,
        items: &mut Vec<(TopicPartition, u64, Item)>,
    ) {
        let Some(partition) = self.partitions.get(tp) else { return };
        let (version, topic_id, retry_at) = (partition.version, partition.topic_id(), partition.retry_at());
        let asks = partition.asks();
        if let Some(progress) = step.progress {
            let Progress { position_before, filtered, high_watermark, last_stable_offset, log_start_offset } = progress;
            // Without batches, there is nothing of the response to keep.
            let permit = permit.filter(|_| !filtered.entries.is_empty());
            let data = FetchedPartition {
                topic: Arc::clone(&tp.topic),
                topic_id,
                partition: tp.partition,
                batches: filtered.entries,
                position_before,
                next_position: filtered.next_position,
                leader_epoch: filtered.leader_epoch,
                high_watermark,
                last_stable_offset,
                log_start_offset,
                aborted_batches: filtered.aborted_batches,
                first_missing: filtered.first_missing,
                fetched_at: Instant::now(),
                permit: permit.cloned().unwrap_or_default(),
            };
            items.push((tp.clone(), version, Item::Data(data)));
        }
        for event in step.events {
            debug!(topic = %tp.topic, partition = tp.partition, ?event, "partition event");
            items.push((tp.clone(), version, Item::Event(event)));
        }
        if step.refresh {
            self.refresh();
        }
        if let Some(at) = retry_at {
            self.wake_by(at);
        }
        self.questions |= asks;
    }

    fn send(&self, message: Message) {
        if !message.items.is_empty() {
            // Without a handle, `run` is about to notice.
            let _ = self.messages.send(message);
        }
    }

    fn metadata_changed(&mut self) {
        self.metadata = Arc::clone(&self.updates.borrow_and_update());
        let now = Instant::now();
        let partitions: Vec<_> = self.partitions.keys().cloned().collect();
        for tp in partitions {
            self.look_at(&tp, now);
        }
    }

    /// Shows a partition the present metadata.
    fn look_at(&mut self, tp: &TopicPartition, now: Instant) {
        let view = match self.metadata.topics.get(&*tp.topic) {
            None => {
                // New, or somebody else who shares the cluster handle has lost interest in it.
                self.cluster.track([&*tp.topic]);
                View::Unasked
            }
            Some(topic) if !topic.error.is_ok() => View::Error(topic.error),
            Some(topic) => match topic.partitions.get(&tp.partition) {
                None => View::Error(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
                Some(partition) => View::Known {
                    topic_id: topic.id,
                    leader: partition.leader.map(|leader| (leader, partition.leader_epoch)),
                },
            },
        };
        let Some(partition) = self.partitions.get_mut(tp) else { return };
        let step = partition.view(view, now);
        let mut items = Vec::new();
        self.take(tp, step, None, &mut items);
        self.send(Message { node_id: None, items });
    }

    /// Asks for new metadata, now or after the refresh that is under way.
    fn refresh(&mut self) {
        if std::mem::replace(&mut self.refreshing, true) {
            self.refresh_again = true;
            return;
        }
        self.refresh_again = false;
        let Rules { retry_backoff, retry_backoff_max, .. } = self.rules;
        let pause = retry_backoff.saturating_mul(1 << self.refreshes.min(16)).min(retry_backoff_max);
        self.refreshes = self.refreshes.saturating_add(1);
        let cluster = self.cluster.clone();
        self.tasks.spawn(async move {
            let result = cluster.refresh().await.map(drop);
            sleep(pause).await;
            Event::Refreshed(result)
        });
    }

    fn refreshed(&mut self, result: Result<(), ClientError>) {
        self.refreshing = false;
        let failed = result.is_err();
        if let Err(error) = result
            && self.refreshes == 1
        {
            warn!(client_id = self.cluster.config().client_id(), %error, "metadata could not be refreshed, trying again");
        }
        let needed = self.partitions.values().any(Partition::needs_metadata);
        if !needed && !failed {
            self.refreshes = 0;
        }
        if needed || failed || self.refresh_again {
            self.refresh();
        }
    }

    fn wake_by(&mut self, at: Instant) {
        if self.wake_at.is_none_or(|earlier| at < earlier) {
            self.wake_at = Some(at);
        }
    }

    /// A pause is over. What else there is to wait for is found anew.
    fn wake(&mut self) {
        let now = Instant::now();
        let partitions = self.partitions.values().filter_map(Partition::retry_at);
        let brokers = self.brokers.values().filter_map(|broker| broker.not_before);
        self.wake_at = partitions.chain(brokers).filter(|at| *at > now).min();
        self.questions = true;
    }
}
