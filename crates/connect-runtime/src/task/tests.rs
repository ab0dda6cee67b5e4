use kafka_client::Budget;
use tokio::sync::mpsc::unbounded_channel;

use super::*;
use crate::storage::OffsetStore;
use crate::test_plugin::{TestPlugin, Witness, config};
use crate::test_world::worker_config;

struct Scene {
    running: RunningTask,
    news: UnboundedReceiver<TaskNews>,
}

/// A task whose body does what the key `body` of its config says.
fn start(body: &str) -> Scene {
    let (sender, news) = unbounded_channel();
    let (offsets, _) = OffsetStore::new();
    let worker = Arc::new(worker_config(&[("task.shutdown.graceful.timeout.ms", "5000")]));
    let plan = TaskPlan {
        id: TaskId::new("m", 0),
        plugin: Arc::new(TestPlugin(Witness::default())),
        connector_config: config(&[]),
        task_config: config(&[("body", body)]),
        target: TargetState::Started,
        environment: Arc::new(TaskEnvironment::new(worker, offsets, Budget::default())),
        body: |spec| Box::pin(behave(spec)),
    };
    Scene { running: RunningTask::start(plan, sender), news }
}

async fn behave(mut spec: TaskSpec) -> Result<(), ConnectError> {
    let body = spec.task_config["body"].clone();
    if body == "fails to start" {
        return Err(ConnectError::config("no such cluster"));
    }
    spec.events.send(TaskEvent::Started).unwrap();
    match body.as_str() {
        "fails" => return Err(ConnectError::fatal("the source is gone")),
        "panics" => panic!("as asked"),
        "ends" => return Ok(()),
        "tells its target" => {
            spec.target.changed().await.unwrap();
            spec.events.send(TaskEvent::TopicUsed(spec.target.borrow().to_string())).unwrap();
        }
        _ => {}
    }
    let _ = spec.stop.wait_for(|stop| *stop).await;
    match body.as_str() {
        "does not stop" => std::future::pending().await,
        "fails to stop" => Err(ConnectError::fatal("the target is gone")),
        _ => {
            spec.events.send(TaskEvent::Faults(Some("last words".to_owned()))).unwrap();
            Ok(())
        }
    }
}

impl Scene {
    async fn event(&mut self) -> Event {
        match self.news.recv().await.unwrap() {
            TaskNews::Event(event) => event,
            other => panic!("{other:?} is no event"),
        }
    }

    async fn starts(&mut self) {
        assert_eq!(self.event().await, Event::TaskStarted { task: TaskId::new("m", 0), result: Ok(()) });
    }

    async fn fails(&mut self) -> ConnectError {
        match self.event().await {
            Event::TaskFailed { error, .. } => error,
            other => panic!("{other:?} is no failure"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_starts_and_stops_with_its_last_words_heard() {
    let mut scene = start("");
    scene.starts().await;

    scene.running.stop().await;

    let last = Event::TaskFaults { task: TaskId::new("m", 0), text: Some("last words".to_owned()) };
    assert!(matches!(scene.news.recv().await, Some(TaskNews::Event(event)) if event == last));
    assert!(scene.news.recv().await.is_none(), "a task that was stopped has not failed");
}

#[tokio::test]
async fn a_task_that_can_not_start_says_why() {
    let mut scene = start("fails to start");

    let result = Err(ConnectError::config("no such cluster"));
    assert_eq!(scene.event().await, Event::TaskStarted { task: TaskId::new("m", 0), result });
}

#[tokio::test]
async fn a_task_that_fails_panics_or_just_ends_has_failed() {
    for (body, message) in [
        ("fails", "the source is gone"),
        ("panics", "task m-0 panicked: as asked"),
        ("ends", "task m-0 ended without being asked to"),
    ] {
        let mut scene = start(body);
        scene.starts().await;

        assert_eq!(scene.fails().await.message(), message);
        scene.running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_does_not_stop_is_abandoned_after_its_graceful_time() {
    let mut scene = start("does not stop");
    scene.starts().await;
    let begin = Instant::now();

    scene.running.stop().await;

    assert_eq!(begin.elapsed(), Duration::from_secs(5));
    assert!(scene.news.recv().await.is_none());
}

#[tokio::test]
async fn a_failure_while_it_stops_is_no_failure_of_the_task() {
    let mut scene = start("fails to stop");
    scene.starts().await;

    scene.running.stop().await;

    assert!(scene.news.recv().await.is_none());
}

#[tokio::test]
async fn a_new_target_reaches_the_task() {
    let mut scene = start("tells its target");
    scene.starts().await;

    scene.running.set_target(TargetState::Paused);

    assert!(matches!(scene.news.recv().await, Some(TaskNews::TopicUsed { topic, .. }) if topic == "PAUSED"));
}

#[tokio::test]
async fn a_task_that_nobody_holds_stops() {
    let mut scene = start("");
    scene.starts().await;

    drop(scene.running);

    while let Some(news) = scene.news.recv().await {
        assert!(matches!(news, TaskNews::Event(Event::TaskFaults { .. })), "{news:?}");
    }
}
