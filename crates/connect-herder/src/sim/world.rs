//! The world: time, messages on their way, and the shell around every herder.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use super::coordinator::{Coordinator, Request};
use super::faults::Faults;
use super::life::Worker;
use super::people::People;
use super::random::Random;
use super::topics::{ConfigTopic, StatusTopic};
use super::words;
use crate::Action;
use crate::command::Command;
use crate::event::Event;
use crate::ids::{Generation, Now, OpId, RequestId};
use crate::protocol::Subprotocol;
use crate::settings::ExactlyOnce;

/// The connector class of all worlds.
pub(super) const CLASS: &str = "org.example.Source";
pub(super) const HEARTBEAT_MS: u64 = 3_000;
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
    /// Tasks that a new set of task configs did not change.
    pub(super) unchanged: u64,
    /// Writes of leaders that had been overtaken.
    pub(super) fenced_writes: u64,
    /// Tasks that ran when their producers were fenced.
    pub(super) shut_out: u64,
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
        self.unchanged += other.unchanged;
        self.fenced_writes += other.fenced_writes;
        self.shut_out += other.shut_out;
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
    Append { op: OpId, records: Vec<(String, Option<String>)>, privileged: bool },
    /// A leader's claim arrives at the config topic.
    Claim,
    /// What is new in the topics arrives at a worker.
    Pull,
    /// A worker's patience with a read to the end is over.
    ReadTimeout(OpId),
    /// An instance on a worker gets on.
    Instance(super::instances::Progress),
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
    pub(super) queue: BTreeMap<(u64, u64), (usize, u32, Happening)>,
    pub(super) sequence: u64,
    print: bool,
    pub(super) delay_max_ms: u32,
    pub(super) exactly_once: ExactlyOnce,
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
        let exactly_once = match random.below(10) {
            0..3 => ExactlyOnce::Enabled,
            3 => ExactlyOnce::Preparing,
            _ => ExactlyOnce::Disabled,
        };
        let count = if random.chance(10) { random.between(5, 8) } else { random.between(1, 4) } as usize;
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
            } else if next <= self.now
                && let Some((_, (index, life, happening))) = self.queue.pop_first()
            {
                // What is due after the end stays for the next part: a timer that came early would not be set again.
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
        let outside = matches!(happening, Happening::Group(_) | Happening::Append { .. } | Happening::Claim);
        if worker.frozen && !outside {
            worker.frozen_inbox.push_back(happening);
            return;
        }
        match happening {
            Happening::Event(event) => self.apply(index, event),
            // An earlier one has been set since, and has come.
            Happening::Wake if worker.wake_at.is_none_or(|at| at > self.now) => {}
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
            Happening::Append { op, records, privileged } => self.append(index, op, records, privileged),
            Happening::Claim => self.claim(index),
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
            let text = if self.print { words::event(&event) } else { String::new() };
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

    pub(super) fn wake_up(&mut self, index: usize) {
        self.set_timer(index);
        self.later(index, HEARTBEAT_MS, Happening::Heartbeat);
        self.later(index, 1, Happening::Pull);
    }

    fn perform(&mut self, index: usize, action: Action) {
        if !matches!(action, Action::WriteStatus { .. }) {
            let text = if self.print { words::action(&action) } else { String::new() };
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
            Action::Sync { generation, assignments } => {
                let worker = &self.workers[index];
                if let Some(member) = worker.member.clone().filter(|_| worker.joining.is_none()) {
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
            Action::WriteConfig { op, records, privileged } => {
                self.send_to_config_topic(index, Happening::Append { op, records, privileged });
            }
            Action::ClaimConfigWrites => self.send_to_config_topic(index, Happening::Claim),
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

    pub(super) fn command_for(&mut self, index: usize, id: RequestId, command: Command) {
        self.workers[index].coming.insert(id);
        self.totals.commands += 1;
        self.event(index, Event::Command { id, command });
    }
}
