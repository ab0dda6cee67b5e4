use connect_api::ConfigMap;
use connect_herder::HerderError;
use connect_herder::config_log::{ConfigRecord, SessionKey, TargetState};
use connect_herder::ids::{ConfigOffset, ConnectorName};
use connect_herder::protocol::{Assignment, AssignmentError, ConnectorsAndTasks};
use connect_herder::service::HerderService;
use connect_herder::status_log::State;
use connect_herder::view::ClusterView;
use connect_herder::{Command, Reply};
use serde_json::json;

use super::ports::GroupRequest;
use crate::test_plugin::config;
use crate::test_world::{TestWorker, World};

fn put(name: &str, keys: &[(&str, &str)]) -> Command {
    let mut config: ConfigMap = config(keys);
    config.insert("name".to_owned(), name.to_owned());
    Command::PutConnector { name: name.into(), config, initial_state: None, replace: false }
}

fn connector_is(view: &ClusterView, name: &str, state: State) -> bool {
    view.status.connector(&name.into()).is_some_and(|status| status.state == state)
}

fn task_is(view: &ClusterView, name: &str, task: u32, state: State) -> bool {
    view.status.tasks(&name.into()).get(&task).is_some_and(|status| status.state == state)
}

async fn running(world: &World, keys: &[(&str, &str)]) -> TestWorker {
    let mut worker = world.worker(&[]);
    worker.service.submit(put("m", keys)).await.unwrap();
    worker.sees(|view| connector_is(view, "m", State::Running) && task_is(view, "m", 0, State::Running)).await;
    worker
}

#[tokio::test(start_paused = true)]
async fn a_connector_that_is_created_runs_with_its_tasks() {
    let world = World::default();

    let worker = running(&world, &[]).await;

    assert_eq!(world.config_keys(), ["session-key", "connector-m", "task-m-0", "commit-m"]);
    assert_eq!(world.witness.log(), ["start", "start task 0"]);
    let version = worker.service.view().status.connector(&"m".into()).unwrap().version.clone();
    assert_eq!(version.as_deref(), Some("1.0"));
}

#[tokio::test(start_paused = true)]
async fn whoever_got_an_answer_finds_it_in_the_view() {
    let world = World::default();
    let worker = world.worker(&[]);

    let reply = worker.service.submit(put("m", &[])).await;

    assert!(matches!(reply, Ok(Reply::Created(_))), "{reply:?}");
    assert!(worker.service.view().config.contains(&"m".into()));
}

#[tokio::test(start_paused = true)]
async fn a_restarted_worker_takes_up_its_work_from_the_topics() {
    let world = World::default();
    running(&world, &[]).await.shut_down().await.0.unwrap();
    let written = world.config_keys();

    let mut worker = world.worker(&[]);
    worker.sees(|view| connector_is(view, "m", State::Running) && task_is(view, "m", 0, State::Running)).await;

    let tasks = world.witness.log().iter().filter(|line| *line == "start task 0").count();
    assert_eq!(tasks, 2);
    assert_eq!(world.config_keys(), written, "nothing new had to be written");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_ends_stops_everything_says_so_and_leaves() {
    let world = World::default();
    let worker = running(&world, &[]).await;

    let (ended, group) = worker.shut_down().await;

    assert_eq!(ended, Ok(()));
    assert_eq!(group.last(), Some(&GroupRequest::Leave));
    let log = world.witness.log();
    assert!(log.contains(&"stop task".to_owned()) && log.contains(&"stop".to_owned()), "{log:?}");
    for key in ["status-connector-m", "status-task-m-0"] {
        let status: serde_json::Value = serde_json::from_str(&World::newest(&world.status, key).unwrap()).unwrap();
        assert_eq!(status["state"], "UNASSIGNED", "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_panics_is_failed_and_the_worker_goes_on() {
    let world = World::default();
    let mut worker = world.worker(&[]);

    worker.service.submit(put("m", &[("task", "panic")])).await.unwrap();
    worker.sees(|view| task_is(view, "m", 0, State::Failed)).await;

    let trace = worker.service.view().status.tasks(&"m".into())[&0].trace.clone().unwrap();
    let first = "org.apache.kafka.connect.errors.ConnectException: task m-0 panicked: poll panicked as asked";
    assert_eq!(trace, first);
    assert_eq!(worker.service.submit(Command::Ping).await, Ok(Reply::Done));
}

/// KAFKA-9374.
#[tokio::test(start_paused = true)]
async fn a_connector_that_hangs_holds_up_nobody() {
    let world = World::default();
    let mut worker = world.worker(&[]);

    worker.service.submit(put("stuck", &[("start", "hang")])).await.unwrap();
    worker.service.submit(put("m", &[])).await.unwrap();

    worker.sees(|view| task_is(view, "m", 0, State::Running)).await;
    assert_eq!(worker.service.submit(Command::Ping).await, Ok(Reply::Done));
    worker.shut_down().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_wrong_config_is_refused_with_its_errors() {
    let worker = World::default().worker(&[]);

    let unknown = worker.service.submit(put("m", &[("transforms", "t")])).await;

    match unknown {
        Err(HerderError::BadRequest(sentence)) => {
            assert!(
                sentence.starts_with("Connector configuration is invalid and contains the following 1 error(s):\n")
            );
        }
        other => panic!("{other:?} is no refusal"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_reaches_the_tasks_without_a_rebalance() {
    let world = World::default();
    let mut worker = running(&world, &[]).await;
    let generation = worker.service.view().group.generation;

    let pause = Command::SetTargetState { name: "m".into(), state: TargetState::Paused };
    worker.service.submit(pause).await.unwrap();
    worker.sees(|view| connector_is(view, "m", State::Paused) && task_is(view, "m", 0, State::Paused)).await;

    assert_eq!(worker.service.view().group.generation, generation);
}

#[tokio::test(start_paused = true)]
async fn topics_that_are_used_are_remembered_unless_nobody_wants_to_know() {
    for (tracking, remembered) in [("true", true), ("false", false)] {
        let world = World::default();
        let mut worker = world.worker(&[("topic.tracking.enable", tracking)]);

        worker.service.submit(put("m", &[("topic", "t1")])).await.unwrap();
        worker.sees(|view| task_is(view, "m", 0, State::Running)).await;
        worker.shut_down().await.0.unwrap();

        let record = World::newest(&world.status, "status-topic-t1:connector-m");
        assert_eq!(record.is_some(), remembered, "tracking {tracking}");
    }
}

#[tokio::test(start_paused = true)]
async fn offsets_of_a_stopped_connector_can_be_changed_and_read_back() {
    let world = World::default();
    let mut worker = running(&world, &[]).await;
    let name = ConnectorName::from("m");
    worker.service.submit(Command::StopConnector(name.clone())).await.unwrap();
    worker.sees(|view| connector_is(view, "m", State::Stopped) && !view.group.rebalancing).await;
    let fields = |value: serde_json::Value| value.as_object().unwrap().clone();
    let partition = connect_api::SourcePartition::new(fields(json!({"topic": "t1", "partition": 0, "cluster": "src"})));
    let offset = connect_api::SourceOffset::new(fields(json!({"offset": 7})));

    let offsets = Some(vec![(partition, Some(offset.clone()))]);
    let reply = worker.service.submit(Command::AlterOffsets { name: name.clone(), offsets }).await;

    let done = "The offsets for this connector have been altered successfully";
    assert_eq!(reply, Ok(Reply::Message(done.to_owned())));
    let java_key = r#"["m",{"cluster":"src","partition":0,"topic":"t1"}]"#;
    assert_eq!(World::newest(&world.offsets, java_key).as_deref(), Some(r#"{"offset":7}"#));
    assert_eq!(worker.service.offsets(&name).await.unwrap()[0].1, offset);

    let reply = worker.service.submit(Command::AlterOffsets { name: name.clone(), offsets: None }).await;
    assert_eq!(reply, Ok(Reply::Message("The offsets for this connector have been reset successfully".to_owned())));
    assert_eq!(worker.service.offsets(&name).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_follower_sends_task_configs_to_the_leader_signed() {
    const KEY: &str = "AXr/Rjr96VcN/fjgGeDT6jn3iLQ9OduqZcAotV+iZLc=";
    let key = SessionKey { key_base64: KEY.to_owned(), algorithm: "HmacSHA256".to_owned(), created_ms: 0 };
    let connector = ConfigRecord::Connector { connector: "m".into(), config: Some(config(&[("name", "m")]).into()) };
    let assigned_by_other = Some(Assignment {
        error: AssignmentError::None,
        leader: "other".into(),
        leader_url: "http://leader:8083/".to_owned(),
        config_offset: ConfigOffset(2),
        assigned: ConnectorsAndTasks { connectors: vec!["m".into()], tasks: Vec::new() },
        revoked: ConnectorsAndTasks::default(),
        delay_ms: 0,
    });
    let world = World { assigned_by_other, ..World::default() }
        .with_config(ConfigRecord::SessionKey(key).encode())
        .with_config(connector.encode());
    let mut worker = world.worker(&[]);

    worker.sees(|view| connector_is(view, "m", State::Running)).await;
    while world.sent.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }

    let request = world.sent.lock().unwrap()[0].clone();
    assert_eq!((request.url.as_str(), request.connector.as_str()), ("http://leader:8083/", "m"));
    let configs: Vec<ConfigMap> = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(configs[0]["task.class"], "example.TestSourceTask");
    let signature = request.signature.unwrap();
    let verify = |body| worker.service.verify_signature(body, Some(&signature.mac_base64), Some(&signature.algorithm));
    assert_eq!(verify(&request.body), Ok(()));
    assert!(verify(b"[]").is_err());
}

#[tokio::test(start_paused = true)]
async fn after_its_end_a_worker_refuses_requests_at_once() {
    let world = World::default();
    let worker = running(&world, &[]).await;
    let service = worker.service.clone();
    worker.shut_down().await.0.unwrap();

    let shutting_down = HerderError::Internal("Worker is shutting down".to_owned());
    assert_eq!(service.submit(Command::Ping).await, Err(shutting_down));
}
