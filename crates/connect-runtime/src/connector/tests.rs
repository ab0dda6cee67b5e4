use tokio::sync::mpsc::unbounded_channel;

use super::*;
use crate::test_plugin::{TestPlugin, Witness, config};

struct Scene {
    running: RunningConnector,
    events: UnboundedReceiver<Event>,
    witness: Witness,
}

fn start(keys: &[(&str, &str)], target: TargetState) -> Scene {
    let witness = Witness::default();
    let (sender, events) = unbounded_channel();
    let spec = ConnectorSpec {
        name: "m".into(),
        plugin: Arc::new(TestPlugin(witness.clone())),
        config: config(keys),
        target,
        resolver: Arc::default(),
        metrics: Arc::default(),
    };
    Scene { running: RunningConnector::start(spec, sender), events, witness }
}

impl Scene {
    async fn next(&mut self) -> Event {
        self.events.recv().await.unwrap()
    }

    async fn starts(&mut self) {
        assert_eq!(self.next().await, Event::ConnectorStarted { name: "m".into(), result: Ok(()) });
    }

    async fn fails_to_start(&mut self) -> ConnectError {
        match self.next().await {
            Event::ConnectorStarted { result: Err(error), .. } => error,
            other => panic!("{other:?} is no failed start"),
        }
    }

    async fn task_configs(&mut self, tasks_max: usize) -> Result<Vec<ConfigMap>, ConnectError> {
        assert!(self.running.ask_for_task_configs(tasks_max));
        match self.next().await {
            Event::TaskConfigs { result, .. } => result,
            other => panic!("{other:?} are no task configs"),
        }
    }
}

#[tokio::test]
async fn an_instance_starts_answers_and_stops() {
    let mut scene = start(&[("configs", "3")], TargetState::Started);
    scene.starts().await;

    let configs = scene.task_configs(2).await.unwrap();
    scene.running.stop().await;
    assert_eq!(configs.len(), 2);
    assert_eq!(configs[1]["task.class"], "example.TestSourceTask");
    assert_eq!(scene.witness.log(), ["start", "run ends", "stop"]);
}

#[tokio::test]
async fn an_instance_that_is_not_to_run_touches_nothing() {
    for target in [TargetState::Paused, TargetState::Stopped] {
        let mut scene = start(&[], target);
        scene.starts().await;

        assert!(scene.task_configs(1).await.unwrap_err().is_retriable());

        scene.running.stop().await;
        assert!(scene.witness.log().is_empty());
    }
}

#[tokio::test]
async fn a_start_that_fails_or_panics_is_reported() {
    let mut failed = start(&[("start", "fail")], TargetState::Started);
    let mut panicked = start(&[("start", "panic")], TargetState::Started);

    assert_eq!(failed.fails_to_start().await.message(), "start failed as asked");
    let error = panicked.fails_to_start().await;
    assert_eq!(error.message(), "start of connector m panicked: start panicked as asked");
    failed.running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_start_that_hangs_is_reported_after_its_deadline() {
    let mut scene = start(&[("start", "hang")], TargetState::Started);

    assert_eq!(scene.fails_to_start().await.message(), "start of connector m was not done within 300 s");
}

#[tokio::test(start_paused = true)]
async fn an_instance_can_be_stopped_while_it_starts() {
    let mut scene = start(&[("start", "hang")], TargetState::Started);
    while scene.witness.log().is_empty() {
        tokio::task::yield_now().await;
    }

    scene.running.stop().await;

    assert!(scene.events.recv().await.is_none(), "nothing is reported of an instance that has been stopped");
}

#[tokio::test]
async fn task_configs_that_fail_or_panic_are_reported_and_the_instance_goes_on() {
    let mut failing = start(&[("configs", "fail")], TargetState::Started);
    failing.starts().await;
    let mut panicking = start(&[("configs", "panic")], TargetState::Started);
    panicking.starts().await;

    assert!(failing.task_configs(1).await.unwrap_err().is_retriable());
    let error = panicking.task_configs(1).await.unwrap_err();
    assert_eq!(error.message(), "task configs of connector m panicked: task configs panicked as asked");
    assert!(failing.running.is_running() && panicking.running.is_running());
}

#[tokio::test(start_paused = true)]
async fn task_configs_that_hang_are_given_up_and_may_be_asked_for_again() {
    let mut scene = start(&[("configs", "hang")], TargetState::Started);
    scene.starts().await;

    assert!(scene.task_configs(1).await.unwrap_err().is_retriable());
}

#[tokio::test]
async fn a_panic_in_the_background_makes_the_connector_fail_but_it_answers() {
    let mut scene = start(&[("run", "panic")], TargetState::Started);
    scene.starts().await;

    match scene.next().await {
        Event::ConnectorFailed { error, .. } => assert!(error.message().contains("run panicked as asked"), "{error}"),
        other => panic!("{other:?} is no failure"),
    }
    assert_eq!(scene.task_configs(1).await.unwrap().len(), 1);
}

#[tokio::test]
async fn references_are_put_back_into_task_configs() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("p"), "s3cret").unwrap();
    let providers = [
        ("config.providers", "dir"),
        ("config.providers.dir.class", "org.apache.kafka.common.config.provider.DirectoryConfigProvider"),
    ];
    let providers = providers.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let reference = format!("${{dir:{}:p}}", directory.path().display());
    let (sender, events) = unbounded_channel();
    let witness = Witness::default();
    let spec = ConnectorSpec {
        name: "m".into(),
        plugin: Arc::new(TestPlugin(witness.clone())),
        config: config(&[("password", &reference)]),
        target: TargetState::Started,
        resolver: Arc::new(ConfigResolver::from_worker(&providers).unwrap()),
        metrics: Arc::default(),
    };
    let mut scene = Scene { running: RunningConnector::start(spec, sender), events, witness };
    scene.starts().await;

    let configs = scene.task_configs(1).await.unwrap();

    assert_eq!(configs[0]["password"], reference);
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_hangs_ends_with_its_deadline() {
    let mut scene = start(&[("stop", "hang")], TargetState::Started);
    scene.starts().await;

    scene.running.stop().await;

    assert_eq!(scene.witness.log(), ["start", "run ends", "stop"]);
}

#[tokio::test]
async fn what_the_plug_in_asks_for_is_passed_on_until_the_instance_stops() {
    let mut scene = start(&[], TargetState::Started);
    scene.starts().await;
    let context = scene.witness.context();

    context.request_task_reconfiguration();
    context.raise_error(ConnectError::fatal("the source is gone"));
    assert_eq!(scene.next().await, Event::ReconfigurationRequested { name: "m".into() });
    let error = ConnectError::fatal("the source is gone");
    assert_eq!(scene.next().await, Event::ConnectorFailed { name: "m".into(), error });

    scene.running.stop().await;
    context.request_task_reconfiguration();
    assert!(scene.events.recv().await.is_none());
}
