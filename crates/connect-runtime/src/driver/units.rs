//! The connector instances and tasks that the driver has started and not yet stopped.
//!
//! A stop is answered always, and by whoever waits for the unit to end: so it does not matter whether the unit was running,
//! had failed before, or was never there. The answer takes the channel that the unit's own words take, and comes after them:
//! a word of a former run that overtook it would be taken for one of the next.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

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
        let (resolver, metrics) = (tools.worker.resolver(), Arc::clone(&tools.environment.metrics));
        let spec = ConnectorSpec { name: name.clone(), plugin, config, target, resolver, metrics };
        let running = RunningConnector::start(spec, tools.events.clone());
        if self.connectors.insert(name.clone(), running).is_some_and(|former| former.is_running()) {
            warn!(connector = %name, "connector instance was started while one was running; the former one stops");
        }
    }

    pub(crate) fn stop_connector(&mut self, tools: &Tools, name: ConnectorName) {
        let (running, events) = (self.connectors.remove(&name), tools.events.clone());
        self.stop(running.map(RunningConnector::stop), move || {
            let _ = events.send(Event::ConnectorStopped { name });
        });
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
            Err(error) => return self.tell(Event::TaskStarted { task: id, result: Err(error) }),
        };
        let (environment, body) = (tools.environment.clone(), tools.task_body);
        let plan = TaskPlan { id: id.clone(), plugin, connector_config, task_config, target, environment, body };
        let running = RunningTask::start(plan, self.news.clone());
        if self.tasks.insert(id.clone(), running).is_some_and(|former| former.is_running()) {
            warn!(connector = %id.connector, task = id.task, "task was started while it was running; the former one stops");
        }
    }

    pub(crate) fn stop_task(&mut self, task: TaskId) {
        let (running, news) = (self.tasks.remove(&task), self.news.clone());
        self.stop(running.map(RunningTask::stop), move || {
            let _ = news.send(TaskNews::Event(Event::TaskStopped { task }));
        });
    }

    fn tell(&self, event: Event) {
        // The loop that would hear it may have ended.
        let _ = self.news.send(TaskNews::Event(event));
    }

    pub(crate) fn set_task_target(&self, task: &TaskId, target: TargetState) {
        if let Some(running) = self.tasks.get(task) {
            running.set_target(target);
        }
    }

    fn stop(
        &mut self,
        stop: Option<impl Future<Output = ()> + Send + 'static>,
        stopped: impl FnOnce() + Send + 'static,
    ) {
        while self.stopping.try_join_next().is_some() {}
        self.stopping.spawn(async move {
            if let Some(stop) = stop {
                stop.await;
            }
            stopped();
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
) -> Result<Arc<dyn connect_api::plugin::DynSourcePlugin>, ConnectError> {
    let class = config.get("connector.class").map_or("", |class| class.trim());
    let plugin = plugins.source(class);
    plugin.cloned().ok_or_else(|| ConnectError::config(validation::unknown_class(plugins, class).to_string()))
}

#[cfg(test)]
mod tests {
    use connect_api::BoxFuture;
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;
    use crate::source_task::{TaskEvent, TaskSpec};
    use crate::test_plugin::config;
    use crate::test_world::World;

    fn with_last_words(mut spec: TaskSpec) -> BoxFuture<'static, Result<(), ConnectError>> {
        Box::pin(async move {
            let _ = spec.stop.wait_for(|stop| *stop).await;
            spec.events.send(TaskEvent::Faults(Some("last words".to_owned()))).unwrap();
            Ok(())
        })
    }

    #[tokio::test]
    async fn that_a_task_has_stopped_is_said_after_its_last_words_and_always() {
        let (news, mut said) = unbounded_channel();
        let (mut tools, task) = (World::default().tools(&[]).0, TaskId::new("m", 0));
        tools.task_body = with_last_words;
        let mut units = Units::new(news);
        units.start_task(&tools, task.clone(), config(&[]), config(&[]), TargetState::Started);

        units.stop_task(task.clone());
        units.stop_task(task.clone());
        units.stop_all().await;

        let mut events = Vec::new();
        while let Some(TaskNews::Event(event)) = said.recv().await {
            events.push(event);
        }
        let stopped = Event::TaskStopped { task: task.clone() };
        let faults = Event::TaskFaults { task, text: Some("last words".to_owned()) };
        // The second stop finds nothing to wait for.
        assert_eq!(events, [stopped.clone(), faults, stopped]);
    }
}
