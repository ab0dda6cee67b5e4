//! The world: time, messages on their way, and the shell around every herder.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::AddAssign;

use super::coordinator::{Coordinator, JOIN_REFUSED, Request};
use super::faults::Faults;
use super::instances::Instances;
use super::people::People;
use super::random::Random;
use super::topics::{ConfigTopic, StatusTopic};
use crate::command::Command;
use crate::event::{Event, GroupEvent};
use crate::herder::Herder;
use crate::ids::{ConfigOffset, Generation, MemberId, Now, OpId, RequestId};
use crate::protocol::Subprotocol;
use crate::settings::{AutoRestart, ConnectorPlugin, ExactlyOnce, Settings};
use crate::{Action, HerderError};

/// The connector class of all worlds.
pub(super) const CLASS: &str = "org.example.Source";
const HEARTBEAT_MS: u64 = 3_000;
/// How long the good part lasts: longer than every back-off and delay together.
const HEALING_MS: u64 = 1_500_000;
/// How long before the end the world has to be quiet.
const QUIET_MS: u64 = 300_000;

/// What a history was made of; to see that something happened, and that it is the same every time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) events: u64,
    pub(super) rounds: u64,
    pub(super) starts: u64,
    pub(super) commands: u64,
    pub(super) faults: u64,
    pub(super) config_records: u64,
    digest: u64,
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.events += other.events;
        self.rounds += other.rounds;
        self.starts += other.starts;
        self.commands += other.commands;
        self.faults += other.faults;
        self.config_records += other.config_records;
        self.digest ^= other.digest;
    }
}

/// Something that is going to happen. A worker's things happen only in the life in which they began.
#[derive(Debug)]
pub(super) enum Happening {
    /// An event arrives at a worker.
    Event(Event),
    /// A worker looks at its clock.
    Wake,
    /// A worker tells the coordinator that it lives.
    Heartbeat,
    /// A worker's request arrives at the coordinator.
    Group(Request),
    /// A worker's batch arrives at the config topic.
    Append { op: OpId, records: Vec<(String, Option<String>)> },
    /// What is new in the topics arrives at a worker.
    Pull,
    /// A worker's patience with a read to the end is over.
    ReadTimeout(OpId),
    /// An instance on a worker gets on.
    Instance(super::instances::Progress),
}

type Protocols = Vec<(String, bytes::Bytes)>;

/// A worker: its herder, and the shell around it.
pub(super) struct Worker {
    pub(super) herder: Herder,
    pub(super) life: u32,
    pub(super) up: bool,
    /// Frozen: what arrives waits.
    pub(super) frozen: bool,
    pub(super) thawed_at: u64,
    /// Does not reach the coordinator.
    pub(super) cut_off: bool,
    /// Does not reach the topics.
    pub(super) topics_cut_off: bool,
    pub(super) instances: Instances,
    frozen_inbox: VecDeque<Happening>,
    born: u64,
    /// How fast its clock runs, percent.
    clock: u64,
    pub(super) protocol: Subprotocol,
    member: Option<MemberId>,
    generation: Generation,
    /// The join under way, and one that came since.
    joining: Option<Protocols>,
    newer_join: Option<Protocols>,
    pub(super) joined_at: u64,
    heard_of_coordinator: u64,
    told_unknown: bool,
    pub(super) config_position: i64,
    status_position: usize,
    status_ready: bool,
    reads: Vec<(OpId, i64)>,
    status_out: Vec<(String, Option<String>)>,
    pub(super) open: BTreeSet<RequestId>,
    /// Commands on their way to it.
    pub(super) coming: BTreeSet<RequestId>,
    wake_at: Option<u64>,
    /// Words of the coordinator arrive in order: not before this.
    group_word_at: u64,
    /// Timers without time passing.
    idle_wakes: (u64, u32),
}

pub(super) struct World {
    pub(super) now: u64,
    pub(super) random: Random,
    pub(super) workers: Vec<Worker>,
    pub(super) config: ConfigTopic,
    pub(super) status: StatusTopic,
    pub(super) coordinator: Coordinator,
    pub(super) people: People,
    pub(super) faults: Faults,
    pub(super) totals: Totals,
    queue: BTreeMap<(u64, u64), (usize, u32, Happening)>,
    sequence: u64,
    print: bool,
    delay_max_ms: u32,
    exactly_once: ExactlyOnce,
}

pub(super) fn url(worker: usize) -> String {
    format!("http://w{worker}:8083/")
}

pub(super) fn worker_id(worker: usize) -> String {
    format!("w{worker}:8083")
}

impl World {
    pub(super) fn new(seed: u64, print: bool) -> Self {
        let mut random = Random::new(seed);
        let delay_max_ms = *random.pick(&[0, 5_000, 20_000]).unwrap_or(&0);
        let exactly_once = if random.chance(30) { ExactlyOnce::Enabled } else { ExactlyOnce::Disabled };
        let count = random.between(1, 4) as usize;
        let eager = random.chance(15);
        let mut world = Self {
            now: 0,
            workers: Vec::new(),
            config: ConfigTopic::default(),
            status: StatusTopic::default(),
            coordinator: Coordinator::new(),
            people: People::default(),
            faults: Faults::default(),
            totals: Totals::default(),
            queue: BTreeMap::new(),
            sequence: 0,
            print,
            delay_max_ms,
            exactly_once,
            random,
        };
        for index in 0..count {
            let protocol = match world.random.below(10) {
                0 => Subprotocol::Compatible,
                1 | 2 if eager => Subprotocol::Eager,
                _ => Subprotocol::Sessioned,
            };
            let worker = world.newborn(index, 0, protocol);
            world.workers.push(worker);
            world.say(&format!("w{index}.0"), || format!("* offers {protocol}"));
        }
        for index in 0..count {
            world.wake_up(index);
        }
        world
    }

    fn newborn(&mut self, index: usize, life: u32, protocol: Subprotocol) -> Worker {
        let plugin = ConnectorPlugin { version: "1".to_owned() };
        let settings = Settings {
            protocol,
            scheduled_rebalance_max_delay_ms: self.delay_max_ms,
            worker_unsync_backoff_ms: 30_000,
            coordinator_grace_ms: *self.random.pick(&[0, 7_000]).unwrap_or(&0),
            restart: AutoRestart { max_attempts: 1_000, ..AutoRestart::default() },
            exactly_once: self.exactly_once,
            connectors: BTreeMap::from([(CLASS.to_owned(), plugin)]),
            epoch_ms: 1_000_000 + self.now as i64,
            ..Settings::new(worker_id(index).as_str(), url(index))
        };
        Worker {
            herder: Herder::new(settings),
            life,
            up: true,
            frozen: false,
            thawed_at: 0,
            cut_off: false,
            topics_cut_off: false,
            instances: Instances::default(),
            frozen_inbox: VecDeque::new(),
            born: self.now,
            clock: self.random.between(90, 110),
            protocol,
            member: None,
            generation: Generation::NONE,
            joining: None,
            newer_join: None,
            joined_at: 0,
            heard_of_coordinator: self.now,
            told_unknown: false,
            config_position: 0,
            status_position: 0,
            status_ready: false,
            reads: Vec::new(),
            status_out: Vec::new(),
            open: BTreeSet::new(),
            coming: BTreeSet::new(),
            wake_at: None,
            group_word_at: 0,
            idle_wakes: (0, 0),
        }
    }

    /// Both parts of the history.
    pub(super) fn run(&mut self) {
        let length = self.random.between(60_000, 240_000);
        self.run_until(length, true);
        self.heal();
        let end = self.now + HEALING_MS;
        self.run_until(end, false);
        self.check_quiet(QUIET_MS);
        self.totals.config_records = self.config.from(0).len() as u64;
        self.totals.digest = self.random.next();
    }

    fn run_until(&mut self, end: u64, disturbed: bool) {
        let mut next_fault = self.now + 2_000;
        let mut next_command = self.now + 1_000;
        let mut next_tick = self.now;
        while self.now < end {
            let next = self.queue.keys().next().map_or(u64::MAX, |(at, _)| *at);
            let next_own = if disturbed { next_tick.min(next_fault).min(next_command) } else { next_tick };
            self.now = self.now.max(next.min(next_own)).min(end);
            if next_own <= self.now && next_own <= next {
                if next_tick <= self.now {
                    self.coordinator.tick(self.now);
                    self.deliver_group_answers();
                    next_tick = self.now + 500;
                } else if next_fault <= self.now {
                    self.fault();
                    next_fault = self.now + self.random.between(200, 12_000);
                } else {
                    self.command();
                    next_command = self.now + self.random.between(50, 6_000);
                }
            } else if let Some((_, (index, life, happening))) = self.queue.pop_first() {
                self.happen(index, life, happening);
            }
        }
    }

    pub(super) fn say(&self, who: &str, what: impl FnOnce() -> String) {
        if self.print {
            eprintln!("{:>10.3} {who:5} {}", self.now as f64 / 1_000.0, what());
        }
    }

    pub(super) fn name(&self, index: usize) -> String {
        format!("w{index}.{}", self.workers[index].life)
    }

    /// Lets something happen to a worker in its present life, after a while.
    pub(super) fn later(&mut self, index: usize, delay_ms: u64, happening: Happening) {
        let life = self.workers[index].life;
        self.sequence += 1;
        self.queue.insert((self.now + delay_ms, self.sequence), (index, life, happening));
    }

    /// A message: late, but not lost.
    pub(super) fn message(&mut self, index: usize, happening: Happening) {
        let delay_ms = if self.random.chance(3) { self.random.between(0, 2_000) } else { self.random.between(0, 30) };
        self.later(index, delay_ms, happening);
    }

    pub(super) fn event(&mut self, index: usize, event: Event) {
        self.message(index, Happening::Event(event));
    }

    fn happen(&mut self, index: usize, life: u32, happening: Happening) {
        let worker = &mut self.workers[index];
        if !worker.up || worker.life != life {
            return;
        }
        // What has left a worker goes on without it.
        let outside = matches!(happening, Happening::Group(_) | Happening::Append { .. });
        if worker.frozen && !outside {
            worker.frozen_inbox.push_back(happening);
            return;
        }
        match happening {
            Happening::Event(event) => self.apply(index, event),
            Happening::Wake => {
                worker.wake_at = None;
                worker.idle_wakes =
                    if worker.idle_wakes.0 == self.now { (self.now, worker.idle_wakes.1 + 1) } else { (self.now, 0) };
                assert!(worker.idle_wakes.1 < 100, "w{index} spins");
                if worker.herder.next_timeout().is_some_and(|at| at <= self.clock(index)) {
                    self.apply(index, Event::Timer);
                } else {
                    self.set_timer(index);
                }
            }
            Happening::Heartbeat => self.heartbeat(index),
            Happening::Group(request) => self.group_request(index, request),
            Happening::Append { op, records } => self.append(index, op, records),
            Happening::Pull => self.pull(index),
            Happening::ReadTimeout(op) => self.read_timeout(index, op),
            Happening::Instance(progress) => self.instance_progress(index, progress),
        }
    }

    /// A worker's own time.
    fn clock(&self, index: usize) -> Now {
        let worker = &self.workers[index];
        Now((self.now - worker.born) * worker.clock / 100)
    }

    /// One event for a herder, and everything that it wants done.
    pub(super) fn apply(&mut self, index: usize, event: Event) {
        self.totals.events += 1;
        if !matches!(event, Event::Timer | Event::StatusRecord { .. }) {
            let text = if self.print { describe_event(&event) } else { String::new() };
            self.say(&self.name(index), || format!("< {text}"));
        }
        if let Event::Command { id, .. } = &event {
            self.workers[index].coming.remove(id);
            self.workers[index].open.insert(*id);
        }
        let now = self.clock(index);
        let actions = self.workers[index].herder.apply(now, event);
        self.check_actions(index, &actions);
        for action in actions {
            self.perform(index, action);
        }
        self.set_timer(index);
    }

    fn set_timer(&mut self, index: usize) {
        let clock = self.clock(index).0;
        let worker = &mut self.workers[index];
        let Some(at) = worker.herder.next_timeout().filter(|_| worker.up) else {
            return;
        };
        let delay_ms = (at.0.saturating_sub(clock) * 100).div_ceil(worker.clock);
        if worker.wake_at.is_none_or(|wake_at| self.now + delay_ms < wake_at) {
            worker.wake_at = Some(self.now + delay_ms);
            self.later(index, delay_ms, Happening::Wake);
        }
    }

    fn wake_up(&mut self, index: usize) {
        self.set_timer(index);
        self.later(index, HEARTBEAT_MS, Happening::Heartbeat);
        self.later(index, 1, Happening::Pull);
    }

    fn perform(&mut self, index: usize, action: Action) {
        if !matches!(action, Action::WriteStatus { .. }) {
            let text = if self.print { describe_action(&action) } else { String::new() };
            self.say(&self.name(index), || format!("> {text}"));
        }
        match action {
            Action::Reply { id, outcome } => self.replied(index, id, outcome),
            Action::Join { protocols } => {
                let worker = &mut self.workers[index];
                worker.joined_at = self.now;
                if worker.joining.is_some() {
                    worker.newer_join = Some(protocols);
                } else {
                    self.join(index, protocols);
                }
            }
            Action::Sync { assignments } => {
                let worker = &self.workers[index];
                if let Some(member) = worker.member.clone().filter(|_| worker.joining.is_none()) {
                    let generation = worker.generation;
                    self.message(index, Happening::Group(Request::Sync { member, generation, assignments }));
                }
            }
            Action::Leave => {
                let worker = &mut self.workers[index];
                worker.joining = None;
                worker.newer_join = None;
                worker.generation = Generation::NONE;
                if let Some(member) = worker.member.take() {
                    // Sent, but nobody waits for an answer, and it may never arrive.
                    if !worker.cut_off {
                        let life = worker.life;
                        self.coordinator.request(self.now, (index, life), Request::Leave { member });
                        self.deliver_group_answers();
                    }
                }
            }
            Action::WriteConfig { op, records, .. } => self.message(index, Happening::Append { op, records }),
            Action::ReadConfigToEnd { op, timeout_ms } => {
                let end = self.config.last();
                self.workers[index].reads.push((op, end));
                self.later(index, timeout_ms, Happening::ReadTimeout(op));
                self.message(index, Happening::Pull);
            }
            Action::WriteStatus { key, value } => {
                self.workers[index].status_out.push((key, value));
                self.flush_statuses(index);
            }
            Action::MakeSessionKey => {
                let key_base64 = format!("key{}", self.random.below(1_000_000));
                let created_ms = 1_000_000 + self.now as i64;
                self.event(index, Event::SessionKeyMade { key_base64, created_ms });
            }
            Action::Stopped => self.stopped(index),
            Action::Fail { reason } => panic!("{} can't go on: {reason}", self.name(index)),
            Action::SetLoggerLevel { .. } => {}
            other => self.perform_work(index, other),
        }
    }

    // --- the group ---------------------------------------------------------------------------------------------------

    fn heartbeat(&mut self, index: usize) {
        self.later(index, HEARTBEAT_MS, Happening::Heartbeat);
        let now = self.now;
        let worker = &mut self.workers[index];
        if worker.cut_off {
            if !worker.told_unknown && now >= worker.heard_of_coordinator + HEARTBEAT_MS {
                worker.told_unknown = true;
                self.apply(index, Event::Group(GroupEvent::CoordinatorUnknown));
            }
            return;
        }
        worker.heard_of_coordinator = now;
        if std::mem::take(&mut worker.told_unknown) {
            self.apply(index, Event::Group(GroupEvent::CoordinatorKnown));
        }
        let worker = &self.workers[index];
        if let Some(member) = worker.member.clone().filter(|_| worker.joining.is_none()) {
            let request = Request::Heartbeat { member, generation: worker.generation };
            self.message(index, Happening::Group(request));
        }
    }

    fn join(&mut self, index: usize, protocols: Protocols) {
        let worker = &mut self.workers[index];
        worker.joining = Some(protocols.clone());
        let member = worker.member.clone();
        self.message(index, Happening::Group(Request::Join { member, protocols }));
    }

    fn group_request(&mut self, index: usize, request: Request) {
        let worker = &self.workers[index];
        let life = worker.life;
        // The shell tries again what matters.
        if worker.cut_off {
            if !matches!(request, Request::Heartbeat { .. }) && self.is_current(index, &request) {
                self.later(index, 1_000, Happening::Group(request));
            }
            return;
        }
        if self.is_current(index, &request) {
            self.coordinator.request(self.now, (index, life), request);
            self.deliver_group_answers();
        }
    }

    /// Whether the worker still waits for the answer.
    fn is_current(&self, index: usize, request: &Request) -> bool {
        let worker = &self.workers[index];
        match request {
            Request::Join { member, protocols } => {
                worker.joining.as_ref() == Some(protocols) && *member == worker.member
            }
            Request::Sync { member, generation, .. } | Request::Heartbeat { member, generation } => {
                worker.joining.is_none() && worker.member.as_ref() == Some(member) && worker.generation == *generation
            }
            Request::Leave { .. } => true,
        }
    }

    fn deliver_group_answers(&mut self) {
        for text in std::mem::take(&mut self.coordinator.completed) {
            self.totals.rounds += 1;
            self.say("--", || format!("* {text}"));
        }
        for ((index, life), event) in std::mem::take(&mut self.coordinator.out) {
            let worker = &mut self.workers[index];
            if !worker.up || worker.life != life {
                continue;
            }
            match &event {
                GroupEvent::Joined { generation, member_id, .. } => {
                    if worker.joining.take().is_none() {
                        continue;
                    }
                    worker.member = Some(member_id.clone());
                    worker.generation = *generation;
                    // What has been joined is out of date already.
                    if let Some(newer) = worker.newer_join.take() {
                        self.join(index, newer);
                        continue;
                    }
                }
                GroupEvent::Lost { reason } if reason == JOIN_REFUSED => {
                    worker.member = None;
                    if let Some(protocols) = worker.newer_join.take().or(worker.joining.take()) {
                        self.join(index, protocols);
                    }
                    continue;
                }
                // Whoever joins waits for nothing else any more.
                _ if worker.joining.is_some() => continue,
                GroupEvent::Lost { .. } => {
                    worker.member = None;
                    worker.generation = Generation::NONE;
                }
                _ => {}
            }
            self.group_event(index, event.clone());
            if self.random.chance(2) && event == GroupEvent::RebalanceNeeded {
                self.group_event(index, event);
            }
        }
    }

    fn group_event(&mut self, index: usize, event: GroupEvent) {
        let delay_ms = if self.random.chance(3) { self.random.between(0, 2_000) } else { self.random.between(0, 30) };
        let at = (self.now + delay_ms).max(self.workers[index].group_word_at);
        self.workers[index].group_word_at = at;
        self.later(index, at - self.now, Happening::Event(Event::Group(event)));
    }

    // --- the topics --------------------------------------------------------------------------------------------------

    fn append(&mut self, index: usize, op: OpId, records: Vec<(String, Option<String>)>) {
        let failed = || Err(HerderError::Internal("the config topic does not answer".to_owned()));
        let cut_off = self.workers[index].topics_cut_off;
        if cut_off && self.random.chance(50) {
            self.later(index, 3_000, Happening::Event(Event::ConfigWritten { op, result: failed() }));
            return;
        }
        for (key, _) in &records {
            self.say("--", || format!("+ {key}"));
        }
        let end = self.config.append(records, &mut self.random);
        // The records are in, but whether the writer hears of it is another question.
        let result = if cut_off { failed() } else { Ok(ConfigOffset(end)) };
        self.event(index, Event::ConfigWritten { op, result });
        for index in 0..self.workers.len() {
            self.message(index, Happening::Pull);
        }
    }

    fn flush_statuses(&mut self, index: usize) {
        if self.workers[index].topics_cut_off {
            return;
        }
        for (key, value) in std::mem::take(&mut self.workers[index].status_out) {
            self.say(&self.name(index), || format!("# {key} {}", value.as_deref().unwrap_or("-")));
            self.status.records.push((key, value.map(bytes::Bytes::from)));
        }
        for index in 0..self.workers.len() {
            self.message(index, Happening::Pull);
        }
    }

    fn pull(&mut self, index: usize) {
        if self.workers[index].topics_cut_off {
            return;
        }
        self.flush_statuses_quietly(index);
        let records = self.config.from(self.workers[index].config_position).to_vec();
        for record in records {
            self.workers[index].config_position = record.offset + 1;
            let event = Event::ConfigRecord {
                offset: record.offset,
                key: record.key,
                value: record.value,
                timestamp_ms: self.now as i64,
            };
            self.apply(index, event);
        }
        let statuses = self.status.records[self.workers[index].status_position..].to_vec();
        for (key, value) in statuses {
            self.workers[index].status_position += 1;
            self.apply(index, Event::StatusRecord { key, value });
        }
        let worker = &mut self.workers[index];
        let (position, mut done) = (worker.config_position, Vec::new());
        worker.reads.retain(|(op, end)| {
            let read = *end < position;
            if read {
                done.push(*op);
            }
            !read
        });
        let first = !std::mem::replace(&mut worker.status_ready, true);
        for op in done {
            self.apply(index, Event::ConfigReadToEnd { op, result: Ok(()) });
        }
        if first {
            self.apply(index, Event::StatusReadToEnd);
        }
    }

    fn flush_statuses_quietly(&mut self, index: usize) {
        if !self.workers[index].status_out.is_empty() {
            self.flush_statuses(index);
        }
    }

    fn read_timeout(&mut self, index: usize, op: OpId) {
        let worker = &mut self.workers[index];
        let before = worker.reads.len();
        worker.reads.retain(|(read, _)| *read != op);
        if worker.reads.len() < before {
            let result = Err(HerderError::Unavailable("the config topic can't be read".to_owned()));
            self.apply(index, Event::ConfigReadToEnd { op, result });
        }
    }

    // --- life and death ----------------------------------------------------------------------------------------------

    pub(super) fn crash(&mut self, index: usize) {
        let worker = &mut self.workers[index];
        let lost: BTreeSet<RequestId> = worker.open.union(&worker.coming).copied().collect();
        self.break_connections(&lost);
        self.workers[index].up = false;
    }

    pub(super) fn restart(&mut self, index: usize) {
        let (life, protocol) = (self.workers[index].life + 1, self.workers[index].protocol);
        self.workers[index] = self.newborn(index, life, protocol);
        self.wake_up(index);
    }

    pub(super) fn shut_down(&mut self, index: usize) {
        self.apply(index, Event::ShutDown);
    }

    fn stopped(&mut self, index: usize) {
        let name = self.name(index);
        assert!(self.workers[index].open.is_empty(), "{name} stopped with unanswered commands");
        assert!(self.workers[index].instances.is_empty(), "{name} stopped while something ran");
        self.workers[index].topics_cut_off = false;
        self.flush_statuses_quietly(index);
        let coming = std::mem::take(&mut self.workers[index].coming);
        self.break_connections(&coming);
        self.workers[index].up = false;
        if !self.faults.on {
            self.restart(index);
        }
    }

    pub(super) fn thaw(&mut self, index: usize) {
        self.workers[index].frozen = false;
        self.workers[index].thawed_at = self.now;
        let inbox = std::mem::take(&mut self.workers[index].frozen_inbox);
        let life = self.workers[index].life;
        for happening in inbox {
            self.sequence += 1;
            self.queue.insert((self.now, self.sequence), (index, life, happening));
        }
    }

    pub(super) fn command_for(&mut self, index: usize, id: RequestId, command: Command) {
        self.workers[index].coming.insert(id);
        self.totals.commands += 1;
        self.event(index, Event::Command { id, command });
    }
}

fn describe_event(event: &Event) -> String {
    match event {
        Event::ConfigRecord { offset, key, value, .. } => {
            format!("record {offset} {key} {}", if value.is_some() { "" } else { "tombstone" })
        }
        Event::Group(GroupEvent::Joined { generation, leader_id, members, .. }) => {
            let role = if members.is_empty() { "follows" } else { "leads" };
            format!("joined g{generation} {role} {leader_id}")
        }
        Event::Group(GroupEvent::Synced { generation, assignment }) => {
            let assignment = crate::protocol::Assignment::decode(assignment);
            match assignment {
                Ok(a) => format!(
                    "synced g{generation} offset {} error {:?} delay {} + {} - {}",
                    a.config_offset,
                    a.error,
                    a.delay_ms,
                    describe_work(&a.assigned),
                    describe_work(&a.revoked)
                ),
                Err(error) => format!("synced g{generation} {error}"),
            }
        }
        other => short(&format!("{other:?}")),
    }
}

fn describe_work(work: &crate::protocol::ConnectorsAndTasks) -> String {
    let connectors = work.connectors.iter().map(ToString::to_string);
    let all: Vec<String> = connectors.chain(work.tasks.iter().map(ToString::to_string)).collect();
    format!("[{}]", all.join(" "))
}

fn describe_action(action: &Action) -> String {
    match action {
        Action::Join { protocols } => {
            let metadata = protocols.first().and_then(|(_, bytes)| crate::protocol::WorkerMetadata::decode(bytes).ok());
            match metadata {
                Some(m) => {
                    let held = m.allocation.map_or("nothing".to_owned(), |a| describe_work(&a.assigned));
                    format!("join at {} with {held}", m.config_offset)
                }
                None => "join".to_owned(),
            }
        }
        Action::Sync { assignments } => format!("sync {}", assignments.len()),
        other => short(&format!("{other:?}")),
    }
}

fn short(text: &str) -> String {
    text.chars().take(240).collect()
}
