//! A small source connector for this crate's tests. Its config says what it does; its [`Witness`] what happened to it.
//!
//! | key | value | effect |
//! |---|---|---|
//! | `start` | `fail` `panic` `hang` | so does the start of the instance |
//! | `run` | `panic` | so does its background work |
//! | `configs` | `fail` (retriable) `panic` `hang` | so does the call for task configs; a number: so many are made |
//! | `stop` | `hang` | so does the stop of the instance |
//! | `task` | `fail` `panic` | so does the first poll; otherwise polls wait for ever |

use std::future::pending;
use std::sync::{Arc, Mutex};

use connect_api::config::{ConfigDef, ConfigKey, ConfigType, DefaultValue, Importance};
use connect_api::source::{ConnectorContext, SourceTaskContext};
use connect_api::{
    ConfigMap, ConnectError, Polled, SourceConnector, SourceOffset, SourcePartition, SourcePlugin, SourceTask,
};

pub(crate) const CLASS: &str = "example.TestSourceConnector";

/// What happened to the connector instances and tasks of one plug-in, in order.
#[derive(Clone, Default)]
pub(crate) struct Witness(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    log: Vec<String>,
    context: Option<Arc<dyn ConnectorContext>>,
}

impl Witness {
    pub(crate) fn log(&self) -> Vec<String> {
        self.0.lock().unwrap().log.clone()
    }

    /// The context of the instance that was started last.
    pub(crate) fn context(&self) -> Arc<dyn ConnectorContext> {
        self.0.lock().unwrap().context.clone().unwrap()
    }

    fn note(&self, what: &str) {
        self.0.lock().unwrap().log.push(what.to_owned());
    }
}

pub(crate) struct TestPlugin(pub(crate) Witness);

pub(crate) struct TestConnector {
    witness: Witness,
    config: ConfigMap,
}

pub(crate) struct TestTask {
    witness: Witness,
    config: ConfigMap,
}

/// A config of the class with these keys.
pub(crate) fn config(keys: &[(&str, &str)]) -> ConfigMap {
    let all = keys.iter().copied().chain([("connector.class", CLASS)]);
    all.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn wanted<'a>(config: &'a ConfigMap, key: &str) -> &'a str {
    config.get(key).map_or("", String::as_str)
}

async fn behave(what: &str, how: &str) -> Result<(), ConnectError> {
    match how {
        "fail" => Err(ConnectError::fatal(format!("{what} failed as asked"))),
        "panic" => panic!("{what} panicked as asked"),
        "hang" => pending().await,
        _ => Ok(()),
    }
}

impl SourcePlugin for TestPlugin {
    type Connector = TestConnector;
    type Task = TestTask;

    fn class(&self) -> &'static str {
        CLASS
    }

    fn version(&self) -> &'static str {
        "1.0"
    }

    fn config_def(&self) -> ConfigDef {
        let key = |name| ConfigKey::new(name, ConfigType::String, DefaultValue::is(""), Importance::Low, "for tests");
        ["start", "run", "configs", "stop", "task"]
            .into_iter()
            .fold(ConfigDef::default(), |def, name| def.define(key(name)))
    }

    fn alter_offsets(
        &self,
        _config: &ConfigMap,
        offsets: &[(SourcePartition, Option<SourceOffset>)],
    ) -> Result<bool, ConnectError> {
        self.0.note(&format!("alter {} offsets", offsets.len()));
        Ok(true)
    }

    async fn start(
        &self,
        config: ConfigMap,
        context: Arc<dyn ConnectorContext>,
    ) -> Result<TestConnector, ConnectError> {
        self.0.note("start");
        behave("start", wanted(&config, "start")).await?;
        self.0.0.lock().unwrap().context = Some(context);
        Ok(TestConnector { witness: self.0.clone(), config })
    }

    async fn start_task(
        &self,
        config: ConfigMap,
        context: Arc<dyn SourceTaskContext>,
    ) -> Result<TestTask, ConnectError> {
        self.0.note(&format!("start task {}", context.task()));
        Ok(TestTask { witness: self.0.clone(), config })
    }
}

impl SourceConnector for TestConnector {
    async fn task_configs(&self, tasks_max: usize) -> Result<Vec<ConfigMap>, ConnectError> {
        let how = wanted(&self.config, "configs");
        if how == "fail" {
            return Err(ConnectError::retriable("the source is away"));
        }
        behave("task configs", how).await?;
        let count = how.parse().unwrap_or(1).min(tasks_max);
        let with_index =
            |index: usize| self.config.clone().into_iter().chain([("index".to_owned(), index.to_string())]);
        Ok((0..count).map(|index| with_index(index).collect()).collect())
    }

    async fn run(&self) {
        struct Gone(Witness);
        impl Drop for Gone {
            fn drop(&mut self) {
                self.0.note("run ends");
            }
        }
        let _gone = Gone(self.witness.clone());
        if behave("run", wanted(&self.config, "run")).await.is_ok() {
            pending().await
        }
    }

    async fn stop(&self) {
        self.witness.note("stop");
        let _ = behave("stop", wanted(&self.config, "stop")).await;
    }
}

impl SourceTask for TestTask {
    async fn poll(&mut self) -> Result<Polled, ConnectError> {
        behave("poll", wanted(&self.config, "task")).await?;
        pending().await
    }

    async fn stop(self) {
        self.witness.note("stop task");
    }
}
