//! Connector instances that run on this worker.
//!
//! An instance is one tokio task that owns it from start to stop; plug-in code runs in further tasks below it
//! ([`plugin_call`]), so an instance always answers. The driver holds a [`RunningConnector`]: dropping it stops the instance.
//!
//! What an instance reports ([`Event::ConnectorStarted`], `TaskConfigs`, `ConnectorFailed`, `ReconfigurationRequested`) comes
//! before the end of [`RunningConnector::stop`], and never after.

use std::sync::{Arc, Mutex, PoisonError};

use connect_api::metrics::MetricSource;
use connect_api::plugin::DynSourcePlugin;
use connect_api::source::ConnectorContext;
use connect_api::{ConfigMap, ConnectError, DynSourceConnector};
use connect_herder::Event;
use connect_herder::config_log::TargetState;
use connect_herder::ids::ConnectorName;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tracing::{Instrument, info_span, warn};

use crate::config_providers::ConfigResolver;
use crate::metrics::Metrics;
use crate::plugin_call::{self, Guarded, deadline};

/// Findings of a connector that its status names, one a line.
const FINDINGS_SHOWN: usize = 50;

/// What an instance is made from.
pub(crate) struct ConnectorSpec {
    /// The connector.
    pub(crate) name: ConnectorName,
    /// The plug-in of its class.
    pub(crate) plugin: Arc<dyn DynSourcePlugin>,
    /// Its config, references unresolved.
    pub(crate) config: ConfigMap,
    /// An instance that is not to be started is only there to be stopped.
    pub(crate) target: TargetState,
    /// The worker's config providers.
    pub(crate) resolver: Arc<ConfigResolver>,
    /// Where it publishes its numbers.
    pub(crate) metrics: Arc<Metrics>,
}

/// A connector instance from start to stop. Dropping it stops the instance and waits for nothing.
pub(crate) struct RunningConnector {
    asks: UnboundedSender<Ask>,
    instance: JoinHandle<()>,
}

/// The wish for at most so many task configs. No more of them: stop.
struct Ask {
    tasks_max: usize,
}

impl RunningConnector {
    /// Starts an instance. `events` hears of [`Event::ConnectorStarted`] and of everything after.
    pub(crate) fn start(spec: ConnectorSpec, events: UnboundedSender<Event>) -> Self {
        let (asks, asked) = mpsc::unbounded_channel();
        let span = info_span!("connector", connector = %spec.name);
        Self { asks, instance: tokio::spawn(run(spec, asked, events).instrument(span)) }
    }

    /// Asks for task configs; the answer is an [`Event::TaskConfigs`]. Whether there is someone to ask.
    pub(crate) fn ask_for_task_configs(&self, tasks_max: usize) -> bool {
        self.asks.send(Ask { tasks_max }).is_ok()
    }

    /// Whether it has not ended yet.
    pub(crate) fn is_running(&self) -> bool {
        !self.instance.is_finished()
    }

    /// Stops the instance and waits for its end, or until the deadline for that is over.
    pub(crate) async fn stop(self) {
        drop(self.asks);
        if let Err(error) = self.instance.await {
            warn!(%error, "connector instance ended abnormally");
        }
    }
}

async fn run(spec: ConnectorSpec, mut asked: UnboundedReceiver<Ask>, events: UnboundedSender<Event>) {
    let name = spec.name.clone();
    if spec.target != TargetState::Started {
        // Nothing of the plug-in runs while the connector is paused or stopped.
        report(&events, Event::ConnectorStarted { name: name.clone(), result: Ok(()) });
        while asked.recv().await.is_some() {
            let error = ConnectError::retriable(format!("connector {name} is not started"));
            report(&events, Event::TaskConfigs { name: name.clone(), result: Err(error) });
        }
        return;
    }
    let context = Arc::new(Context {
        name: name.clone(),
        metrics: Arc::clone(&spec.metrics),
        events: Mutex::new(Some(events.clone())),
    });
    let started = tokio::select! {
        started = start(&spec, &context) => started,
        () = stopped(&mut asked) => return,
    };
    match started {
        Ok(connector) => {
            report(&events, Event::ConnectorStarted { name: name.clone(), result: Ok(()) });
            let connector: Arc<dyn DynSourceConnector> = connector.into();
            let calls = serve(&spec, &connector, &mut asked, &events).await;
            context.close();
            stop(&name, connector, calls).await;
        }
        Err(error) => {
            context.close();
            warn!(%error, "connector could not start");
            report(&events, Event::ConnectorStarted { name, result: Err(error) });
        }
    }
}

async fn start(spec: &ConnectorSpec, context: &Arc<Context>) -> Result<Box<dyn DynSourceConnector>, ConnectError> {
    let what = format!("start of connector {}", spec.name);
    let (resolver, raw) = (Arc::clone(&spec.resolver), spec.config.clone());
    // Providers read files.
    let config = plugin_call::call_blocking(&what, deadline::START, move || resolver.resolve(&raw)).await??;
    let (plugin, context) = (Arc::clone(&spec.plugin), Arc::clone(context));
    plugin_call::call(&what, deadline::START, async move { plugin.start(config, context).await }).await?
}

/// Ends when the instance is to stop. Wishes that come before it is there are forgotten: there is nobody to fulfil them.
async fn stopped(asked: &mut UnboundedReceiver<Ask>) {
    while asked.recv().await.is_some() {}
}

/// Plug-in code of an instance that is under way.
struct Calls {
    background: Option<Guarded<()>>,
    task_configs: JoinSet<Result<Vec<ConfigMap>, ConnectError>>,
}

/// Drives the instance until it is to stop.
async fn serve(
    spec: &ConnectorSpec,
    connector: &Arc<dyn DynSourceConnector>,
    asked: &mut UnboundedReceiver<Ask>,
    events: &UnboundedSender<Event>,
) -> Calls {
    let name = &spec.name;
    let running = Arc::clone(connector);
    let background = Guarded::spawn(async move { running.run().await });
    let mut calls = Calls { background: Some(background), task_configs: JoinSet::new() };
    loop {
        tokio::select! {
            ask = asked.recv() => match ask {
                Some(Ask { tasks_max }) => {
                    let call = task_configs(spec, Arc::clone(connector), tasks_max);
                    calls.task_configs.spawn(call.in_current_span());
                }
                None => return calls,
            },
            ended = ended(&mut calls.background) => {
                calls.background = None;
                if let Err(error) = ended {
                    let error = plugin_call::ended(&format!("connector {name}"), error);
                    warn!(%error, "connector failed");
                    report(events, Event::ConnectorFailed { name: name.clone(), error });
                }
            }
            Some(answer) = calls.task_configs.join_next() => {
                let what = format!("task configs of connector {name}");
                let result = answer.unwrap_or_else(|error| Err(plugin_call::ended(&what, error)));
                if let Err(error) = &result {
                    warn!(%error, "connector can't say what its tasks are to do");
                }
                report(events, Event::TaskConfigs { name: name.clone(), result });
            }
        }
    }
}

async fn ended(background: &mut Option<Guarded<()>>) -> Result<(), tokio::task::JoinError> {
    match background {
        Some(background) => background.await,
        None => std::future::pending().await,
    }
}

/// Asks for task configs, adds `task.class` and puts references back, so that no secret reaches the config topic (CVE-2019-12399).
fn task_configs(
    spec: &ConnectorSpec,
    connector: Arc<dyn DynSourceConnector>,
    tasks_max: usize,
) -> impl Future<Output = Result<Vec<ConfigMap>, ConnectError>> + Send + 'static {
    let what = format!("task configs of connector {}", spec.name);
    let (resolver, raw) = (Arc::clone(&spec.resolver), spec.config.clone());
    let class = task_class(spec.plugin.class());
    async move {
        let call = async move { connector.task_configs(tasks_max).await };
        let mut configs = plugin_call::call(&what, deadline::TASK_CONFIGS, call).await??;
        for config in &mut configs {
            config.insert("task.class".to_owned(), class.clone());
        }
        Ok(resolver.unresolve_task_configs(&raw, configs))
    }
}

/// The Java class of a connector's tasks, without which a Java worker could not take them over. Kafka's own classes go by
/// this rule, and so does every plug-in here that has a Java counterpart.
fn task_class(connector_class: &str) -> String {
    format!("{}Task", connector_class.strip_suffix("Connector").unwrap_or(connector_class))
}

/// Stops the plug-in's instance once its background work has ended, all within one deadline.
async fn stop(name: &ConnectorName, connector: Arc<dyn DynSourceConnector>, mut calls: Calls) {
    let stopping = async {
        if let Some(background) = calls.background.take() {
            background.abort();
            // Cancelled: that is what was asked for.
            let _ = background.await;
        }
        calls.task_configs.shutdown().await;
        let what = format!("stop of connector {name}");
        plugin_call::call(&what, deadline::STOP, async move { connector.stop().await }).await
    };
    match timeout(deadline::STOP, stopping).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => warn!(%error, "connector instance did not stop cleanly"),
        Err(_) => warn!("connector instance did not stop in time and was abandoned"),
    }
}

fn report(events: &UnboundedSender<Event>, event: Event) {
    // The driver may be gone: then nobody needs to know.
    let _ = events.send(event);
}

/// What the plug-in may ask for, until its instance stops.
struct Context {
    name: ConnectorName,
    metrics: Arc<Metrics>,
    events: Mutex<Option<UnboundedSender<Event>>>,
}

impl Context {
    fn report(&self, event: Event) {
        // A panic elsewhere can't leave an `Option` half-written.
        if let Some(events) = self.events.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            report(events, event);
        }
    }

    /// From here on nothing is heard of the plug-in, whatever it holds on to.
    fn close(&self) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl ConnectorContext for Context {
    fn connector(&self) -> &str {
        self.name.as_str()
    }

    fn request_task_reconfiguration(&self) {
        self.report(Event::ReconfigurationRequested { name: self.name.clone() });
    }

    fn publish(&self, numbers: Arc<dyn MetricSource>) {
        self.metrics.publish_connector(&self.name, &numbers);
    }

    fn report_findings(&self, findings: Vec<String>) {
        let mut text = findings.iter().take(FINDINGS_SHOWN).map(String::as_str).collect::<Vec<_>>().join("\n");
        if let Some(more) = findings.len().checked_sub(FINDINGS_SHOWN).filter(|more| *more > 0) {
            text.push_str(&format!("\nand {more} more: see the log"));
        }
        let text = Some(text).filter(|text| !text.is_empty());
        self.report(Event::ConnectorFindings { name: self.name.clone(), text });
    }

    fn raise_error(&self, error: ConnectError) {
        warn!(connector = %self.name, %error, "connector failed");
        self.report(Event::ConnectorFailed { name: self.name.clone(), error });
    }
}

#[cfg(test)]
mod tests;
