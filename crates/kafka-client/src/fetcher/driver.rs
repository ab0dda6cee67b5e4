//! The task behind a [`Fetcher`](super::Fetcher): it knows all partitions and one fetch session per broker, and keeps one
//! request under way to every broker that has something to be asked for. All decisions about one partition are its
//! [`Partition`]'s; this is the traffic around them.
//!
//! A fetch happens in two steps: first a connection and room in the budget, which may take long, then the request, made of
//! what the partitions want at that moment. After a response, the next fetch starts at once; after two that nobody has
//! taken, the broker rests.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::FetchResponse;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, info, warn};

use super::event::PartitionEvent;
use super::lookup::{self, Asked, Replies};
use super::options::FetcherOptions;
use super::partition::{Partition, Progress, Rules, Step, View};
use super::request;
use super::session::Session;
use super::{FetchedPartition, Position, TopicPartition, parse};
use crate::budget::{Budget, BudgetPermit, Reservation};
use crate::cluster::{Cluster, Metadata, Purpose};
use crate::codes::ErrorCode;
use crate::connection::Connection;
use crate::error::ClientError;
use crate::proto::Api;

/// Responses from one broker that nobody has taken yet, after which it rests.
const UNTAKEN_MAX: usize = 2;
/// Commands and events taken in before fetching.
const BURST: usize = 1024;
/// From this version on, brokers compare the epoch of the last record read with every fetch (KIP-595).
const EPOCHS_COMPARED_FROM: i16 = 12;

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
    Ready {
        node_id: i32,
        ready: Result<(Connection, Reservation), ClientError>,
    },
    Fetched {
        node_id: i32,
        connection: Connection,
        sent: Sent,
        result: Result<(FetchResponse, Reservation), ClientError>,
    },
    Replied {
        asked: Vec<Asked>,
        result: Result<Replies, ClientError>,
    },
    Refreshed(Result<(), ClientError>),
}

/// The partitions of a request, with the versions they had.
type Sent = BTreeMap<TopicPartition, u64>;

#[derive(Default)]
struct Broker {
    session: Session,
    /// A fetch is under way, or its preparations.
    busy: bool,
    untaken: usize,
    window: u32,
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
                self.cluster.track([&*tp.topic]);
                self.partitions.insert(tp.clone(), Partition::new(self.rules, version, position));
                self.look_at(&tp, Instant::now());
                self.questions = true;
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
            Ok(Event::Fetched { node_id, connection, sent, result }) => {
                self.fetched(node_id, &connection, &sent, result)
            }
            Ok(Event::Replied { asked, result }) => self.replied(&asked, &result),
            Ok(Event::Refreshed(result)) => self.refreshed(result),
            // Tasks are not cancelled while the driver lives, so this is a panic, and not one to go on after.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    fn broker(&mut self, node_id: i32) -> &mut Broker {
        let window = self.window_min();
        self.brokers.entry(node_id).or_insert_with(|| Broker { window, ..Broker::default() })
    }

    /// What a fetch asks for at least.
    fn window_min(&self) -> u32 {
        self.options.partition_max_bytes.max(64 << 10).unsigned_abs().min(self.window_max())
    }

    fn window_max(&self) -> u32 {
        self.options.max_bytes.unsigned_abs().min(self.budget.fetch_bytes_max())
    }

    /// Prepares a fetch from every broker that can be asked for something.
    fn fetch(&mut self) {
        let now = Instant::now();
        let may_fetch = |broker: Option<&Broker>| {
            broker.is_none_or(|broker| {
                !broker.busy && broker.untaken < UNTAKEN_MAX && broker.not_before.is_none_or(|at| at <= now)
            })
        };
        let idle: Vec<i32> =
            self.metadata.brokers.keys().copied().filter(|node_id| may_fetch(self.brokers.get(node_id))).collect();
        for node_id in idle {
            if !self.partitions.values().any(|partition| partition.want(node_id, now).is_some()) {
                continue;
            }
            let (cluster, budget, least) = (self.cluster.clone(), self.budget.clone(), self.window_min());
            let broker = self.broker(node_id);
            broker.busy = true;
            let window = broker.window;
            self.tasks.spawn(async move {
                let ready = match cluster.broker(node_id, Purpose::Fetch).await {
                    Ok(connection) => Ok((connection, budget.fetch(least, window).await)),
                    Err(error) => Err(error),
                };
                Event::Ready { node_id, ready }
            });
        }
    }

    fn ready(&mut self, node_id: i32, ready: Result<(Connection, Reservation), ClientError>) {
        let now = Instant::now();
        let version = ready.as_ref().ok().and_then(|(connection, _)| connection.version_of(Api::Fetch));
        if version.is_some_and(|version| version < EPOCHS_COMPARED_FROM) {
            for partition in self.partitions.values_mut().filter(|partition| partition.want(node_id, now).is_some()) {
                self.questions |= partition.validate_first();
            }
        }
        let wanted = self.partitions.iter().filter_map(|(tp, partition)| {
            let want = partition.want(node_id, now)?;
            // Brokers that speak of ids have them all; the metadata will say.
            (version < Some(request::IDS_FROM) || !want.topic_id.is_nil()).then(|| (tp.clone(), want))
        });
        let wanted: BTreeMap<_, _> = wanted.collect();
        let sent: Sent = wanted.keys().filter_map(|tp| Some((tp.clone(), self.partitions.get(tp)?.version))).collect();
        let (connection, reservation) = match ready {
            Ok(_) if sent.is_empty() => {
                self.broker(node_id).busy = false;
                return;
            }
            Ok(ready) => ready,
            Err(error) => return self.unreachable(node_id, &sent, &error),
        };
        let request = self.broker(node_id).session.request(wanted);
        let options = Arc::clone(&self.options);
        self.tasks.spawn(async move {
            let timeout =
                connection.request_timeout() + Duration::from_millis(options.max_wait_ms.unsigned_abs().into());
            let max_bytes = i32::try_from(reservation.bytes()).unwrap_or(i32::MAX);
            let fill = |version| Ok(request::fetch(&request, &options, max_bytes, version));
            let result = connection.call_with(fill, timeout).await.map(|response| (response, reservation));
            Event::Fetched { node_id, connection, sent, result }
        });
    }

    fn fetched(
        &mut self,
        node_id: i32,
        connection: &Connection,
        sent: &Sent,
        result: Result<(FetchResponse, Reservation), ClientError>,
    ) {
        let (response, reservation) = match result {
            Ok(result) => result,
            Err(error) => return self.unreachable(node_id, sent, &error),
        };
        let code = ErrorCode(response.error_code);
        let (bytes, reserved) = (parse::record_bytes(&response), reservation.bytes());
        let (least, most) = (self.window_min(), self.window_max());
        let broker = self.broker(node_id);
        broker.session.answered(code, response.session_id);
        if !code.is_ok() {
            debug!(node_id, error = %code, "fetch session refused");
            return self.unreachable(node_id, &Sent::new(), &ClientError::broker("Fetch", code, None));
        }
        broker.busy = false;
        broker.failures = 0;
        broker.not_before = None;
        // Asks for more when it was all used, and for less when little of it was.
        if bytes >= reserved / 4 * 3 {
            broker.window = broker.window.saturating_mul(2).min(most);
        } else if bytes < reserved / 4 {
            broker.window = (broker.window / 2).max(least);
        }

        let ids: HashMap<_, _> = sent
            .keys()
            .filter_map(|tp| Some((self.partitions.get(tp)?.topic_id(), &tp.topic)))
            .filter(|(id, _)| !id.is_nil())
            .collect();
        let name = |name: &str, id: uuid::Uuid| match ids.get(&id) {
            Some(topic) => Some(Arc::clone(topic)),
            None => sent
                .range(TopicPartition::new(name, i32::MIN)..)
                .next()
                .map(|(tp, _)| Arc::clone(&tp.topic))
                .filter(|topic| **topic == *name),
        };
        let answers = parse::answers(response, self.options.check_crcs, name);
        let permit = reservation.permit(bytes);
        let mut items = Vec::new();
        let mut reconnect = false;
        let now = Instant::now();
        for (tp, answer) in answers {
            let Some(partition) = self.partitions.get_mut(&tp).filter(|p| sent.get(&tp) == Some(&p.version)) else {
                continue;
            };
            let step = partition.fetched(answer, now);
            reconnect |= step.reconnect;
            self.take(&tp, step, Some(&permit), &mut items);
        }
        if reconnect {
            connection.close("damaged records were fetched");
            self.broker(node_id).session.lost();
        }
        let has_data = items.iter().any(|(_, _, item)| matches!(item, Item::Data(_)));
        if has_data {
            self.broker(node_id).untaken += 1;
        }
        self.send(Message { node_id: has_data.then_some(node_id), items });
    }

    /// A broker did not answer, or not as it should.
    fn unreachable(&mut self, node_id: i32, sent: &Sent, error: &ClientError) {
        let now = Instant::now();
        let Rules { retry_backoff, retry_backoff_max, .. } = self.rules;
        let broker = self.broker(node_id);
        if broker.failures == 0 {
            info!(node_id, %error, "fetch failed, trying again");
        }
        broker.busy = false;
        broker.session.lost();
        broker.failures = broker.failures.saturating_add(1);
        let pause = retry_backoff.saturating_mul(1 << (broker.failures - 1).min(16)).min(retry_backoff_max);
        broker.not_before = Some(now + pause);
        self.wake_by(now + pause);
        let mut items = Vec::new();
        for (tp, version) in sent {
            if let Some(partition) = self.partitions.get_mut(tp).filter(|partition| partition.version == *version) {
                let step = partition.unreachable(error, now);
                self.take(tp, step, None, &mut items);
            }
        }
        self.send(Message { node_id: None, items });
        self.refresh();
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
        self.questions = true;
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
        if let Some(progress) = step.progress {
            let Progress { position_before, filtered, high_watermark, last_stable_offset, log_start_offset } = progress;
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
        self.questions = true;
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
        self.questions = true;
    }

    /// Shows a partition the present metadata.
    fn look_at(&mut self, tp: &TopicPartition, now: Instant) {
        let view = match self.metadata.topics.get(&*tp.topic) {
            None => View::Unasked,
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
