//! The herder: one value that decides everything about this worker's part in the cluster (Java: `DistributedHerder`).
//!
//! [`Herder::apply`] takes the time and one event, and answers with actions:
//!
//! 1. *handle* the event: hand it to the machine that it belongs to;
//! 2. *maintain*: everything that is due now, whatever the event was: config changes, the round, commands, writes, task
//!    configs, restarts, and last the work, [reconciled](crate::work::Work::reconcile);
//! 3. *check* the invariants (debug builds).
//!
//! Records of the config and status topics are only folded; what follows from them happens at the next other event, at the
//! latest at the timer, which [`Herder::next_timeout`] then sets to *now*. So a batch of records makes one rebalance, not
//! many, if the shell hands over the records that it has before the timer.
//!
//! The shell begins with [`Event::Timer`] and goes on until [`Action::Stopped`].

mod changes;
mod commands;
mod fencing;
mod jobs;
mod offsets;
mod publishing;
mod rounds;
mod session_key;
mod stage;
mod statuses;
mod units;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use connect_api::ConfigMap;

use crate::action::Action;
use crate::assignor;
use crate::auto_restart::AutoRestarts;
use crate::catch_up::CatchUp;
use crate::command::{Command, Outcome};
use crate::config_log::ClusterConfigState;
use crate::config_writer::ConfigWriter;
use crate::error::HerderError;
use crate::event::Event;
use crate::fencing::Fencings;
use crate::ids::{ConnectorName, Now, OpId, RequestId, TaskId};
use crate::leadership::Leadership;
use crate::membership::Membership;
use crate::protocol::Subprotocol;
use crate::publisher::Publisher;
use crate::replies::Replies;
use crate::settings::Settings;
use crate::status_log::StatusState;
use crate::view::{ClusterView, GroupView};
use crate::work::{Unit, Work};

use crate::seals::Seals;
use changes::Changes;
use commands::Pending;
use fencing::Waiter;
use jobs::Job;
use stage::StageLog;
use statuses::Statements;

/// How long the first read of the config topic may take (Java: `KafkaBasedLog`, 15 minutes).
const FIRST_READ_TIMEOUT_MS: u64 = 900_000;

/// How long a worker that has stopped its work waits until the status topic says so.
const LAST_WORDS_MS: u64 = 1_000;

/// A worker's decisions. See the [module](self).
#[derive(Debug)]
pub struct Herder {
    settings: Settings,
    phase: Phase,
    config: ClusterConfigState,
    /// The config topic has begun anew: what runs goes on, but nothing can be written that others would understand.
    config_topic_lost: bool,
    status: StatusState,
    changes: Changes,
    membership: Membership,
    coordinator_unknown_since: Option<Now>,
    /// Work of the last round that does not exist.
    strays: BTreeSet<Unit>,
    catch_up: CatchUp,
    leadership: Leadership,
    work: Work,
    restarts: AutoRestarts,
    publisher: Publisher,
    /// The task configs that each instance here wanted last.
    published: BTreeMap<ConnectorName, Vec<ConfigMap>>,
    seals: Seals,
    writer: ConfigWriter<Job>,
    waiting: VecDeque<(RequestId, Command)>,
    replies: Replies,
    pending: BTreeMap<OpId, Pending>,
    /// Commands that are answered when the unit has started, or could not.
    starts: Vec<(Unit, RequestId)>,
    fencings: Fencings<Waiter>,
    /// Tasks that want their predecessors fenced, while the group is not settled.
    asks: Vec<(TaskId, OpId)>,
    /// Which set of task configs a task was started from.
    task_generations: BTreeMap<TaskId, Option<u32>>,
    statements: Statements,
    /// When a worker that has stopped its work leaves at the latest.
    leave_by: Option<Now>,
    stage: StageLog,
    last_op: u64,
    tick_due: bool,
    now: Now,
    version: u64,
    out: Vec<Action>,
}

/// What the worker is at, in the large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing has happened yet.
    New,
    /// Reading the config and status topics.
    Reading { config: Option<OpId>, status: bool },
    /// In the group, or on the way into it.
    Working,
    /// Stopping everything.
    Stopping,
    /// Everything has stopped.
    Stopped,
}

impl Herder {
    /// A worker that has not begun. It does nothing until the first event.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            membership: Membership::new(settings.protocol),
            restarts: AutoRestarts::default(),
            leadership: Leadership::default(),
            phase: Phase::New,
            config: ClusterConfigState::new(),
            config_topic_lost: false,
            status: StatusState::new(),
            changes: Changes::default(),
            coordinator_unknown_since: None,
            strays: BTreeSet::new(),
            catch_up: CatchUp::default(),
            work: Work::default(),
            publisher: Publisher::default(),
            published: BTreeMap::new(),
            seals: Seals::default(),
            writer: ConfigWriter::default(),
            waiting: VecDeque::new(),
            replies: Replies::default(),
            pending: BTreeMap::new(),
            starts: Vec::new(),
            fencings: Fencings::default(),
            asks: Vec::new(),
            task_generations: BTreeMap::new(),
            statements: Statements::default(),
            leave_by: None,
            stage: StageLog::default(),
            last_op: 0,
            tick_due: true,
            now: Now(0),
            version: 0,
            out: Vec::new(),
            settings,
        }
    }

    /// Takes one event and answers with what is to be done, in order. `now` never goes back; if it does, it stands still.
    pub fn apply(&mut self, now: Now, event: Event) -> Vec<Action> {
        self.now = self.now.max(now);
        match event {
            Event::ConfigRecord { offset, key, value, .. } => self.config_record(offset, &key, value.as_deref()),
            Event::StatusRecord { key, value } => self.status_record(&key, value.as_deref()),
            event => {
                self.handle(event);
                self.maintain();
            }
        }
        self.work.check();
        std::mem::take(&mut self.out)
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::ConfigRecord { .. } | Event::StatusRecord { .. } => {}
            Event::Command { id, command } => self.accept(id, command),
            Event::ConfigReadToEnd { op, result } => self.config_read_to_end(op, result),
            Event::ConfigWritten { op, result } => self.config_written(op, result),
            Event::StatusReadToEnd => self.status_read_to_end(),
            Event::Group(event) => self.group_event(event),
            Event::Validated { op, result } => self.validated(op, result),
            Event::ConnectorStarted { name, result } => self.unit_started(Unit::Connector(name), result),
            Event::ConnectorStopped { name } => self.unit_stopped(&Unit::Connector(name)),
            Event::ConnectorFailed { name, error } => self.unit_failed(Unit::Connector(name), &error),
            Event::ReconfigurationRequested { name } => self.publisher.want(&name),
            Event::TaskConfigs { name, result } => self.task_configs(&name, result),
            Event::TaskConfigsForwarded { name, result } => self.task_configs_forwarded(&name, result),
            Event::TaskStarted { task, result } => self.unit_started(Unit::Task(task), result),
            Event::TaskStopped { task } => self.unit_stopped(&Unit::Task(task)),
            Event::TaskFailed { task, error } => self.unit_failed(Unit::Task(task), &error),
            Event::TaskFaults { task, text } => self.say_of_running(&Unit::Task(task), text),
            Event::ConnectorFindings { name, text } => self.say_of_running(&Unit::Connector(name), text),
            Event::OffsetsAltered { op, result } => self.offsets_altered(op, result),
            Event::ZombiesFenced { op, result } => self.zombies_fenced(op, result),
            Event::TaskAsksToFence { task, op } => self.task_asks_to_fence(task, op),
            Event::TaskAsksOwnership { task, op } => self.task_asks_ownership(task, op),
            Event::FenceForwarded { op, result } => self.fence_forwarded(op, result),
            Event::SessionKeyMade { key_base64, created_ms } => self.session_key_made(key_base64, created_ms),
            Event::Timer => {}
            Event::ShutDown => self.shut_down(),
        }
    }

    /// Everything that is due, whatever has just happened.
    fn maintain(&mut self) {
        self.tick_due = false;
        match self.phase {
            Phase::New => self.begin(),
            Phase::Reading { .. } | Phase::Stopped => {}
            Phase::Working => {
                self.process_changes();
                self.stop_excess();
                self.maintain_round();
                self.maintain_statuses();
                self.maintain_work_requests();
                self.run_commands();
                self.maintain_seals();
                self.maintain_publishing();
                self.maintain_asks();
                self.maintain_session_key();
                self.maintain_repairs();
                self.maintain_jobs();
                self.maintain_eager();
                self.reconcile();
                self.maintain_join();
            }
            Phase::Stopping => {
                self.reconcile();
                self.maintain_stop();
            }
        }
        self.expire_replies();
        self.update_stage();
    }

    fn begin(&mut self) {
        let op = self.next_op();
        self.phase = Phase::Reading { config: Some(op), status: false };
        self.out.push(Action::ReadConfigToEnd { op, timeout_ms: FIRST_READ_TIMEOUT_MS });
    }

    fn status_read_to_end(&mut self) {
        if let Phase::Reading { status, .. } = &mut self.phase {
            *status = true;
            self.maybe_work();
        }
    }

    fn maybe_work(&mut self) {
        if self.phase == (Phase::Reading { config: None, status: true }) {
            self.phase = Phase::Working;
        }
    }

    fn shut_down(&mut self) {
        if matches!(self.phase, Phase::Stopping | Phase::Stopped) {
            return;
        }
        self.phase = Phase::Stopping;
        self.work.assign(BTreeSet::new());
        for id in self.replies.all() {
            self.reply(id, Err(shutting_down()));
        }
    }

    /// Leaves once everything has stopped and the group can know it: what is known to have stopped, others take over at
    /// once.
    fn maintain_stop(&mut self) {
        if self.work.here().next().is_some() {
            return;
        }
        let until = *self.leave_by.get_or_insert(Now(self.now.0.saturating_add(LAST_WORDS_MS)));
        let heard = self.statements.last_words.is_empty() || self.membership.member_id().is_none();
        if heard || until <= self.now {
            self.phase = Phase::Stopped;
            self.out.extend([Action::Leave, Action::Stopped]);
        }
    }

    /// Answers a command, unless it has been answered.
    fn reply(&mut self, id: RequestId, outcome: Outcome) {
        if self.replies.close(id) {
            self.out.push(Action::Reply { id, outcome });
        }
    }

    fn expire_replies(&mut self) {
        for id in self.replies.expired(self.now) {
            let text = self.stage.timeout_text(self.settings.epoch_ms);
            self.reply(id, Err(HerderError::Timeout(text)));
        }
    }

    fn next_op(&mut self) -> OpId {
        self.last_op += 1;
        OpId(self.last_op)
    }

    fn after(&self, ms: u64) -> Now {
        Now(self.now.0.saturating_add(ms))
    }

    /// Whether leadership and assignment can be relied on: in the group, no rebalance in sight.
    fn is_settled(&self) -> bool {
        self.phase == Phase::Working && self.membership.is_settled() && self.coordinator_unknown_since.is_none()
    }

    /// When the herder wants an [`Event::Timer`] if nothing else happens before; may be in the past. `None`: never.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Now> {
        if self.tick_due {
            return Some(self.now);
        }
        let always = [self.replies.next_timeout(), self.leave_by.filter(|_| self.phase == Phase::Stopping)];
        let working = [
            self.membership.next_timeout(),
            self.coordinator_deadline(),
            self.catch_up.next_timeout(),
            self.publisher.next_timeout(),
            // They wait until the group is settled, and then an event says so.
            self.restarts.next_timeout().filter(|_| self.is_settled()),
            self.writer.next_timeout(),
            self.session_key_timeout(),
            self.seals_timeout(),
        ];
        let working = working.into_iter().filter(|_| self.phase == Phase::Working);
        always.into_iter().chain(working).flatten().min()
    }

    /// Changes whenever [`view`](Self::view) would answer something else.
    #[must_use]
    pub fn view_version(&self) -> u64 {
        self.version
    }

    /// A picture of the cluster as this worker knows it. Costs little, but more than asking whether it has
    /// [changed](Self::view_version).
    #[must_use]
    pub fn view(&self) -> ClusterView {
        let assigned = self.membership.assigned().cloned().unwrap_or_default();
        ClusterView {
            config: self.config.clone(),
            status: self.status.clone(),
            worker_id: self.settings.worker_id.clone(),
            group: GroupView {
                generation: self.membership.generation(),
                member_id: self.membership.member_id().cloned(),
                leader_id: self.membership.leader_id().cloned(),
                leader_url: self.membership.leader_url().map(str::to_owned),
                protocol: self.membership.protocol().map(|protocol| protocol.name().to_owned()),
                connectors: assigned.connectors,
                tasks: assigned.tasks,
                rebalancing: self.phase == Phase::Working && !self.membership.is_settled(),
            },
            stage: self.view_stage(),
        }
    }

    /// The settings that this worker was made with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The units that are here, and how they are. For metrics and tests.
    #[must_use]
    pub fn work(&self) -> &Work {
        &self.work
    }

    fn assignor_settings(&self) -> assignor::Settings {
        assignor::Settings { max_delay_ms: self.settings.scheduled_rebalance_max_delay_ms }
    }

    fn is_eager(&self) -> bool {
        self.membership.protocol() == Some(Subprotocol::Eager)
    }
}

fn shutting_down() -> HerderError {
    HerderError::Internal("Worker is shutting down".to_owned())
}
