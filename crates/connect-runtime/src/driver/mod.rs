//! The driver: one task, one loop, the only owner of the [`Herder`].
//!
//! ```text
//! commands (REST) ─┐
//! storage topics  ─┤                                             ┌─► reply, view
//! group           ─┼─► Event ─► herder.apply(now, event) ─► Action ─► storage topics, group
//! connectors,tasks ┤                                             └─► connectors, tasks, calls ──┐
//! timer ───────────┘◄───────────────────────────────── outcomes ◄───────────────────────────────┘
//! ```
//!
//! The loop waits for nothing but the next event: whatever takes time is spawned or sent to whoever does it, and its outcome
//! is an event again. A view is published before anything that follows from it leaves the worker, so that whoever got an
//! answer finds it in the view.

mod calls;
pub(crate) mod clock;
pub(crate) mod ports;
mod units;

use std::collections::HashMap;
use std::sync::Arc;

use connect_api::PluginRegistry;
use connect_herder::herder::Herder;
use connect_herder::ids::{OpId, RequestId, TaskId};
use connect_herder::status_log::{StatusRecord, TopicStatus};
use connect_herder::view::{ClusterView, Stage};
use connect_herder::{Action, Command, Event, HerderError, Outcome};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::{oneshot, watch};
use tracing::debug;

use crate::loggers::Loggers;
use crate::peer::PeerClient;
use crate::source_task::{Question, TaskEnvironment};
use crate::task::{TaskBody, TaskNews};
use crate::worker_config::WorkerConfig;
use clock::Clock;
use ports::Ports;
use units::Units;

/// A command on its way to the herder, and where its answer goes.
pub(crate) type Submitted = (Command, oneshot::Sender<Outcome>);

/// What the driver listens to.
pub(crate) struct Inbox {
    /// Bounded: when the herder does not keep up, callers hear so at once.
    pub(crate) commands: mpsc::Receiver<Submitted>,
    /// Everything that happens.
    pub(crate) events: UnboundedReceiver<Event>,
    /// What the start-up is at, for as long as the herder says no more than that it waits.
    pub(crate) startup: watch::Receiver<&'static str>,
}

/// What the driver works with.
pub(crate) struct Tools {
    pub(crate) worker: Arc<WorkerConfig>,
    pub(crate) plugins: PluginRegistry,
    pub(crate) environment: Arc<TaskEnvironment>,
    pub(crate) task_body: TaskBody,
    pub(crate) peers: Arc<dyn PeerClient>,
    pub(crate) loggers: Arc<Loggers>,
    pub(crate) ports: Ports,
    /// The sending side of [`Inbox::events`].
    pub(crate) events: UnboundedSender<Event>,
}

/// Why the loop has ended: everything has stopped, or the worker can't go on.
pub(crate) type Ended = Result<(), String>;

pub(crate) struct Driver {
    herder: Herder,
    clock: Clock,
    inbox: Inbox,
    tools: Tools,
    units: Units,
    /// What tasks say, apart from [`Inbox::events`] because not all of it is for the herder.
    news: UnboundedReceiver<TaskNews>,
    /// Who waits for which answer.
    waiting: HashMap<RequestId, oneshot::Sender<Outcome>>,
    next_request: u64,
    /// Tasks that wait for an answer, by numbers of their own.
    asking: HashMap<OpId, oneshot::Sender<Result<(), HerderError>>>,
    next_ask: u64,
    view: watch::Sender<Arc<ClusterView>>,
    /// The version of the last view.
    published: Option<u64>,
}

impl Driver {
    pub(crate) fn new(herder: Herder, inbox: Inbox, tools: Tools, view: watch::Sender<Arc<ClusterView>>) -> Self {
        let (news_sender, news) = mpsc::unbounded_channel();
        let units = Units::new(news_sender);
        let clock = Clock::start();
        Self {
            herder,
            clock,
            inbox,
            tools,
            units,
            news,
            waiting: HashMap::new(),
            next_request: 0,
            asking: HashMap::new(),
            next_ask: 0,
            view,
            published: None,
        }
    }

    /// Runs until the worker has stopped, or can't go on. Nothing that it started runs any more then.
    pub(crate) async fn run(mut self) -> Ended {
        let ended = loop {
            let event = self.next().await;
            self.tools.environment.metrics.heard(&event);
            let actions = self.herder.apply(self.clock.now(), event);
            self.publish();
            if let Some(ended) = actions.into_iter().find_map(|action| self.perform(action)) {
                break ended;
            }
        };
        self.units.stop_all().await;
        ended
    }

    /// The next thing that happened. The timer comes last: all the records that are there make one change, not many.
    async fn next(&mut self) -> Event {
        loop {
            let timer = self.herder.next_timeout().map(|at| self.clock.instant(at));
            tokio::select! {
                biased;
                Some(event) = self.inbox.events.recv() => return event,
                Some(news) = self.news.recv() => match news {
                    TaskNews::Event(event) => return event,
                    TaskNews::TopicUsed { task, topic } => self.note_topic(&task, topic),
                    TaskNews::Asks { task, question, answer } => return self.ask(task, question, answer),
                },
                Some(submitted) = self.inbox.commands.recv() => return self.command(submitted),
                Ok(()) = self.inbox.startup.changed() => self.publish_always(),
                () = clock::reached(timer) => return Event::Timer,
            }
        }
    }

    fn publish(&mut self) {
        if self.published != Some(self.herder.view_version()) {
            self.publish_always();
        }
    }

    fn publish_always(&mut self) {
        self.published = Some(self.herder.view_version());
        let mut view = self.herder.view();
        if let Stage::Starting(text) = &mut view.stage {
            *text = (*self.inbox.startup.borrow_and_update()).to_owned();
        }
        self.tools.environment.metrics.seen(&view, chrono::Utc::now().timestamp_millis());
        self.view.send_replace(Arc::new(view));
    }

    fn command(&mut self, (command, answer): Submitted) -> Event {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        self.waiting.insert(id, answer);
        Event::Command { id, command }
    }

    /// A task may not go on before the herder has answered.
    fn ask(&mut self, task: TaskId, question: Question, answer: oneshot::Sender<Result<(), HerderError>>) -> Event {
        let op = OpId(self.next_ask);
        self.next_ask += 1;
        self.asking.retain(|_, answer| !answer.is_closed());
        self.asking.insert(op, answer);
        match question {
            Question::Fence => Event::TaskAsksToFence { task, op },
            Question::Ownership => Event::TaskAsksOwnership { task, op },
        }
    }

    /// Puts a topic that a connector uses into the status topic, unless it is there (KIP-558).
    fn note_topic(&self, task: &TaskId, topic: String) {
        let known = self.view.borrow().status.topics(&task.connector).contains_key(&topic);
        if known || !self.tools.worker.topic_tracking() {
            return;
        }
        let status = TopicStatus { task: task.task, discovered_ms: chrono::Utc::now().timestamp_millis() };
        let record = StatusRecord::Topic { connector: task.connector.clone(), topic, status: Some(status) };
        self.tools.ports.write_status(record.encode());
    }

    /// Does or begins one thing. `Some`: it was the last one.
    fn perform(&mut self, action: Action) -> Option<Ended> {
        let Self { tools, units, .. } = self;
        tools.environment.metrics.done(&action);
        match action {
            Action::Reply { id, outcome } => self.reply(id, outcome),
            Action::Join { protocols } => tools.ports.join(protocols),
            Action::Sync { generation, assignments } => tools.ports.sync(generation, assignments),
            Action::Leave => tools.ports.leave(),
            Action::WriteConfig { op, records, privileged } => tools.ports.write_config(op, records, privileged),
            Action::ClaimConfigWrites => tools.ports.claim_config_writes(),
            Action::ReadConfigToEnd { op, timeout_ms } => tools.ports.read_config_to_end(op, timeout_ms),
            Action::WriteStatus { key, value } => tools.ports.write_status((key, value)),
            Action::Validate { op, config } => calls::validate(tools, op, config),
            Action::StartConnector { name, config, target } => units.start_connector(tools, name, config, target),
            Action::StopConnector { name } => units.stop_connector(tools, name),
            Action::ComputeTaskConfigs { name, tasks_max } => units.compute_task_configs(tools, name, tasks_max),
            Action::ForwardTaskConfigs { name, leader_url, configs } => {
                let view = self.view.borrow().clone();
                calls::forward_task_configs(tools, &view, name, leader_url, &configs);
            }
            Action::StartTask { task, connector_config, config, target } => {
                units.start_task(tools, task, connector_config, config, target);
            }
            Action::StopTask { task } => units.stop_task(task),
            Action::SetTaskTarget { task, target } => units.set_task_target(&task, target),
            Action::AlterOffsets { op, name, config, offsets } => {
                calls::alter_offsets(tools, op, name, config, offsets)
            }
            Action::FenceZombies { op, name, config, tasks } => calls::fence_zombies(tools, op, name, config, tasks),
            Action::ForwardFence { op, name, leader_url } => {
                let view = self.view.borrow().clone();
                calls::forward_fence(tools, &view, op, name, leader_url);
            }
            Action::AnswerTask { op, result } => {
                if let Some(answer) = self.asking.remove(&op) {
                    // The task may have been stopped meanwhile.
                    let _ = answer.send(result);
                }
            }
            Action::MakeSessionKey => {
                if let Err(reason) = calls::make_session_key(tools) {
                    return Some(Err(reason));
                }
            }
            Action::SetLoggerLevel { logger, level } => {
                if tools.loggers.set(&logger, &level, chrono::Utc::now().timestamp_millis()).is_none() {
                    debug!(logger, "cluster-wide logger level is of no known name");
                }
            }
            Action::Stopped => return Some(Ok(())),
            Action::Fail { reason } => {
                // Whoever runs the worker tells people.
                debug!(error = %reason, "worker can't go on");
                return Some(Err(reason));
            }
        }
        None
    }

    fn reply(&mut self, id: RequestId, outcome: Outcome) {
        if let Some(answer) = self.waiting.remove(&id) {
            // The caller may have given up.
            let _ = answer.send(outcome);
        }
    }
}

#[cfg(test)]
mod tests;
