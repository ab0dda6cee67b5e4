//! The connector instances and tasks that the driver has started and not yet stopped.
//!
//! A stop is answered always, and by whoever waits for the unit to end: so it does not matter whether the unit was running,
//! had failed before, or was never there.

use std::collections::HashMap;
use std::future::Future;

use connect_api::{ConfigMap, ConnectError, PluginRegistry};
use connect_herder::Event;
use connect_herder::config_log::TargetState;
use connect_herder::ids::{ConnectorName, TaskId};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;
use tracing::warn;

use super::Tools;
use crate::connector::{ConnectorSpec, RunningConnector};
use crate::task::{RunningTask, TaskNews, TaskPlan};
use crate::validation;

pub(crate) struct Units {
    connectors: HashMap<ConnectorName, RunningConnector>,
    tasks: HashMap<TaskId, RunningTask>,
    news: UnboundedSender<TaskNews>,
    /// Stops that are under way.
    stopping: JoinSet<()>,
}

impl Units {
    pub(crate) fn new(news: UnboundedSender<TaskNews>) -> Self {
        Self { connectors: HashMap::new(), tasks: HashMap::new(), news, stopping: JoinSet::new() }
    }

    pub(crate) fn start_connector(
        &mut self,
        tools: &Tools,
        name: ConnectorName,
        config: ConfigMap,
        target: TargetState,
    ) {
        let plugin = match plugin(&tools.plugins, &config) {
            Ok(plugin) => plugin,
            Err(error) => return tools.report(Event::ConnectorStarted { name, result: Err(error) }),
        };
        let resolver = tools.worker.resolver();
        let spec = ConnectorSpec { name: name.clone(), plugin, config, target, resolver };
        let running = RunningConnector::start(spec, tools.events.clone());
        if self.connectors.insert(name.clone(), running).is_some_and(|former| former.is_running()) {
            warn!(connector = %name, "connector instance was started while one was running; the former one stops");
        }
    }

    pub(crate) fn stop_connector(&mut self, tools: &Tools, name: ConnectorName) {
        let running = self.connectors.remove(&name);
        self.stop(tools, Event::ConnectorStopped { name }, running.map(RunningConnector::stop));
    }

    pub(crate) fn compute_task_configs(&self, tools: &Tools, name: ConnectorName, tasks_max: usize) {
        let asked = self.connectors.get(&name).is_some_and(|running| running.ask_for_task_configs(tasks_max));
        if !asked {
            let error = ConnectError::retriable(format!("connector {name} does not run on this worker"));
            tools.report(Event::TaskConfigs { name, result: Err(error) });
        }
    }

    pub(crate) fn start_task(
        &mut self,
        tools: &Tools,
        id: TaskId,
        connector_config: ConfigMap,
        task_config: ConfigMap,
        target: TargetState,
    ) {
        let plugin = match plugin(&tools.plugins, &connector_config) {
            Ok(plugin) => plugin,
            Err(error) => return tools.report(Event::TaskStarted { task: id, result: Err(error) }),
        };
        let (environment, body) = (tools.environment.clone(), tools.task_body);
        let plan = TaskPlan { id: id.clone(), plugin, connector_config, task_config, target, environment, body };
        let running = RunningTask::start(plan, self.news.clone());
        if self.tasks.insert(id.clone(), running).is_some_and(|former| former.is_running()) {
            warn!(connector = %id.connector, task = id.task, "task was started while it was running; the former one stops");
        }
    }

    pub(crate) fn stop_task(&mut self, tools: &Tools, task: TaskId) {
        let running = self.tasks.remove(&task);
        self.stop(tools, Event::TaskStopped { task }, running.map(RunningTask::stop));
    }

    pub(crate) fn set_task_target(&self, task: &TaskId, target: TargetState) {
        if let Some(running) = self.tasks.get(task) {
            running.set_target(target);
        }
    }

    fn stop(&mut self, tools: &Tools, stopped: Event, stop: Option<impl Future<Output = ()> + Send + 'static>) {
        while self.stopping.try_join_next().is_some() {}
        let events = tools.events.clone();
        self.stopping.spawn(async move {
            if let Some(stop) = stop {
                stop.await;
            }
            let _ = events.send(stopped);
        });
    }

    /// Stops whatever still runs, all at the same time, and waits for it.
    pub(crate) async fn stop_all(mut self) {
        for (_, running) in self.tasks.drain() {
            self.stopping.spawn(running.stop());
        }
        for (_, running) in self.connectors.drain() {
            self.stopping.spawn(running.stop());
        }
        while self.stopping.join_next().await.is_some() {}
    }
}

/// The plug-in of a config's class.
fn plugin(
    plugins: &PluginRegistry,
    config: &ConfigMap,
) -> Result<std::sync::Arc<dyn connect_api::plugin::DynSourcePlugin>, ConnectError> {
    let class = config.get("connector.class").map_or("", |class| class.trim());
    let plugin = plugins.source(class);
    plugin.cloned().ok_or_else(|| ConnectError::config(validation::unknown_class(plugins, class).to_string()))
}
