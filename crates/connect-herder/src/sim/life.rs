//! Workers: a herder and the shell around it, from birth to death.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::instances::Instances;
use super::world::{CLASS, Happening, World, url, worker_id};
use crate::event::Event;
use crate::herder::Herder;
use crate::ids::{Generation, MemberId, OpId, RequestId};
use crate::protocol::Subprotocol;
use crate::settings::{AutoRestart, ConnectorPlugin, Settings};

pub(super) type Protocols = Vec<(String, bytes::Bytes)>;

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
    pub(super) frozen_inbox: VecDeque<Happening>,
    pub(super) born: u64,
    /// How fast its clock runs, percent.
    pub(super) clock: u64,
    pub(super) protocol: Subprotocol,
    pub(super) member: Option<MemberId>,
    pub(super) generation: Generation,
    /// The join under way, and one that came since.
    pub(super) joining: Option<Protocols>,
    pub(super) newer_join: Option<Protocols>,
    pub(super) joined_at: u64,
    pub(super) heard_of_coordinator: u64,
    pub(super) told_unknown: bool,
    /// The claim to the config topic that its leader's producer holds.
    pub(super) claim: Option<u64>,
    /// What it writes to the config topic arrives in order: not before this.
    pub(super) config_write_at: u64,
    pub(super) config_position: i64,
    /// The offset of the last commit of each connector that it has read.
    pub(super) commits: BTreeMap<String, i64>,
    pub(super) status_position: usize,
    pub(super) status_ready: bool,
    pub(super) reads: Vec<(OpId, i64)>,
    pub(super) status_out: Vec<(String, Option<String>)>,
    pub(super) open: BTreeSet<RequestId>,
    /// Commands on their way to it.
    pub(super) coming: BTreeSet<RequestId>,
    pub(super) wake_at: Option<u64>,
    /// Words of the coordinator arrive in order: not before this.
    pub(super) group_word_at: u64,
    /// Timers without time passing.
    pub(super) idle_wakes: (u64, u32),
}

impl World {
    pub(super) fn newborn(&mut self, index: usize, life: u32, protocol: Subprotocol) -> Worker {
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
            claim: None,
            config_write_at: 0,
            config_position: 0,
            commits: BTreeMap::new(),
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

    pub(super) fn stopped(&mut self, index: usize) {
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
}
