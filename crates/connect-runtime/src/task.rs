//! Source tasks that run on this worker, seen from outside: start, watch, pause, stop within their time, abandon.
//!
//! What happens inside is its [`TaskBody`]'s. The driver holds a [`RunningTask`]; dropping it stops the task. What a task
//! reports comes before the end of [`RunningTask::stop`], and never after.

use std::sync::Arc;
use std::time::Duration;

use connect_api::plugin::DynSourcePlugin;
use connect_api::{BoxFuture, ConfigMap, ConnectError};
use connect_herder::config_log::TargetState;
use connect_herder::ids::TaskId;
use connect_herder::{Event, HerderError};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, timeout};
use tracing::{Instrument, info_span, warn};

use crate::plugin_call::{self, Guarded, deadline};
use crate::source_task::strands::Strand;
use crate::source_task::{Question, TaskEnvironment, TaskEvent, TaskSpec};

/// What a task is made from.
pub(crate) struct TaskPlan {
    /// The task.
    pub(crate) id: TaskId,
    /// The plug-in of its connector's class.
    pub(crate) plugin: Arc<dyn DynSourcePlugin>,
    /// Its connector's config, references unresolved.
    pub(crate) connector_config: ConfigMap,
    /// Its own config, references unresolved.
    pub(crate) task_config: ConfigMap,
    /// Whether it polls from the start.
    pub(crate) target: TargetState,
    /// What all tasks share.
    pub(crate) environment: Arc<TaskEnvironment>,
    /// What runs it.
    pub(crate) body: TaskBody,
}

/// What runs a task until it is told to stop, or has failed: [`source_task::run`](crate::source_task::run), unless a test
/// has no target to write to.
pub(crate) type TaskBody = fn(TaskSpec) -> BoxFuture<'static, Result<(), ConnectError>>;

/// What the worker hears of a task.
#[derive(Debug)]
pub(crate) enum TaskNews {
    /// For the herder.
    Event(Event),
    /// The task's connector uses a topic (KIP-558).
    TopicUsed {
        /// The task.
        task: TaskId,
        /// The topic.
        topic: String,
    },
    /// A task must not go on before the herder has answered.
    Asks {
        /// The task.
        task: TaskId,
        /// What it wants to know.
        question: Question,
        /// Where it waits.
        answer: oneshot::Sender<Result<(), HerderError>>,
    },
}

/// A task from start to stop. Dropping it stops the task and waits for nothing.
pub(crate) struct RunningTask {
    target: watch::Sender<TargetState>,
    stop: watch::Sender<bool>,
    supervisor: JoinHandle<()>,
}

impl RunningTask {
    /// Starts a task. `news` hears of [`Event::TaskStarted`] and of everything after.
    pub(crate) fn start(plan: TaskPlan, news: UnboundedSender<TaskNews>) -> Self {
        let (target, target_seen) = watch::channel(plan.target);
        let (stop, stop_seen) = watch::channel(false);
        let span = info_span!("task", connector = %plan.id.connector, task = plan.id.task);
        let supervisor = tokio::spawn(supervise(plan, target_seen, stop_seen, news).instrument(span));
        Self { target, stop, supervisor }
    }

    /// Lets it poll, or not.
    pub(crate) fn set_target(&self, target: TargetState) {
        self.target.send_replace(target);
    }

    /// Whether it has not ended yet.
    pub(crate) fn is_running(&self) -> bool {
        !self.supervisor.is_finished()
    }

    /// Stops it and waits for its end: within `task.shutdown.graceful.timeout.ms`, or abandoned.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.supervisor.await {
            warn!(%error, "task supervisor ended abnormally");
        }
    }
}

async fn supervise(
    plan: TaskPlan,
    target: watch::Receiver<TargetState>,
    mut stop: watch::Receiver<bool>,
    news: UnboundedSender<TaskNews>,
) {
    let (id, patience) = (plan.id.clone(), plan.environment.worker.task_shutdown_graceful_timeout());
    let (events, mut reports) = mpsc::unbounded_channel();
    let place = plan.environment.threads.place();
    let running = run(plan, target, stop.clone(), events);
    let mut task = Guarded::spawn_on(&place.runtime, running);
    let mut started = false;
    let begin = Instant::now();
    let ended = loop {
        tokio::select! {
            biased;
            Some(event) = reports.recv() => started |= tell(&news, &id, event),
            // Before the end: a task that was told to stop may have done so before we are told.
            () = stop_wanted(&mut stop) => return end(&id, &mut task, &mut reports, &news, patience).await,
            ended = &mut task => break ended,
        }
    };
    while let Ok(event) = reports.try_recv() {
        started |= tell(&news, &id, event);
    }
    let error = match failure(&id, ended) {
        Some(error) => error,
        // It runs on another thread: it may have been told, and have ended, between the two looks above.
        None if *stop.borrow() => return,
        None => ConnectError::fatal(format!("task {id} ended without being asked to")),
    };
    let elapsed_ms = begin.elapsed().as_millis();
    warn!(%error, elapsed_ms, "task failed");
    let event = if started {
        Event::TaskFailed { task: id, error }
    } else {
        Event::TaskStarted { task: id, result: Err(error) }
    };
    // The driver may be gone: then nobody needs to know.
    let _ = news.send(TaskNews::Event(event));
}

/// Ends when the task is to stop, or nobody holds it any more.
async fn stop_wanted(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// What made a task end, if it was not its own will.
fn failure(id: &TaskId, ended: Result<Result<(), ConnectError>, JoinError>) -> Option<ConnectError> {
    match ended {
        Ok(ended) => ended.err(),
        Err(error) => Some(plugin_call::ended(&format!("task {id}"), error)),
    }
}

/// Gives a task that knows it has to stop its time, and what it still says a hearing; abandons it when its time is up.
async fn end(
    id: &TaskId,
    task: &mut Guarded<Result<(), ConnectError>>,
    reports: &mut UnboundedReceiver<TaskEvent>,
    news: &UnboundedSender<TaskNews>,
    patience: Duration,
) {
    let stopping = async {
        loop {
            tokio::select! {
                biased;
                Some(event) = reports.recv() => tell(news, id, event),
                ended = &mut *task => break ended,
            };
        }
    };
    if let Ok(ended) = timeout(patience, stopping).await {
        if let Some(error) = failure(id, ended) {
            warn!(%error, "task failed while it stopped");
        }
        while let Ok(event) = reports.try_recv() {
            tell(news, id, event);
        }
        return;
    }
    task.abort();
    let gone = timeout(deadline::ABANDON, task).await.is_ok();
    let elapsed_ms = patience.as_millis();
    warn!(elapsed_ms, gone, "task did not stop in time and was abandoned; records since its last offset commit repeat");
}

/// Passes on what a task says. Whether it says that it runs.
fn tell(news: &UnboundedSender<TaskNews>, id: &TaskId, event: TaskEvent) -> bool {
    let started = matches!(event, TaskEvent::Started);
    let event = match event {
        TaskEvent::Started => TaskNews::Event(Event::TaskStarted { task: id.clone(), result: Ok(()) }),
        TaskEvent::Faults(text) => TaskNews::Event(Event::TaskFaults { task: id.clone(), text }),
        TaskEvent::TopicUsed(topic) => TaskNews::TopicUsed { task: id.clone(), topic },
        TaskEvent::Asks(question, answer) => TaskNews::Asks { task: id.clone(), question, answer },
    };
    let _ = news.send(event);
    started
}

async fn run(
    plan: TaskPlan,
    target: watch::Receiver<TargetState>,
    stop: watch::Receiver<bool>,
    events: UnboundedSender<TaskEvent>,
) -> Result<(), ConnectError> {
    let TaskPlan { id, plugin, connector_config, task_config, environment, body, target: _ } = plan;
    let resolver = environment.worker.resolver();
    let what = format!("config of task {id}");
    // Providers read files.
    let (connector_config, task_config) = plugin_call::call_blocking(&what, deadline::START, move || {
        Ok::<_, ConnectError>((resolver.resolve(&connector_config)?, resolver.resolve(&task_config)?))
    })
    .await??;
    let strand = Strand::whole();
    body(TaskSpec { id, strand, plugin, connector_config, task_config, environment, target, stop, events }).await
}

#[cfg(test)]
mod tests;
