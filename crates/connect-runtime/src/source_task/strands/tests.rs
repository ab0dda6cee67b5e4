use connect_herder::config_log::TargetState;
use connect_herder::ids::TaskId;
use kafka_client::Budget;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;

use super::*;
use crate::source_task::TaskEnvironment;
use crate::storage::OffsetStore;
use crate::test_plugin::{TestPlugin, Witness, config};
use crate::test_world::worker_config;

struct Scene {
    stop: watch::Sender<bool>,
    events: UnboundedReceiver<TaskEvent>,
    task: JoinHandle<Result<(), ConnectError>>,
}

/// A task with a strand for each of these, of which each does what it is called.
fn started(strands: &[&str]) -> Scene {
    let (stop, stop_seen) = watch::channel(false);
    let (events, heard) = unbounded_channel();
    let (offsets, _) = OffsetStore::new();
    let worker = Arc::new(worker_config(&[("task.shutdown.graceful.timeout.ms", "5000")]));
    let spec = TaskSpec {
        id: TaskId::new("m", 0),
        strand: Strand::whole(),
        plugin: Arc::new(TestPlugin(Witness::default())),
        connector_config: config(&[]),
        task_config: config(&[]),
        environment: Arc::new(TaskEnvironment::new(worker, offsets, Budget::default())),
        target: watch::channel(TargetState::Started).1,
        stop: stop_seen,
        events,
    };
    let strand = |(number, does): (usize, &&str)| TaskSpec {
        strand: spec.strand.part(number, strands.len()),
        task_config: config(&[("does", does)]),
        ..spec.clone()
    };
    let strands = strands.iter().enumerate().map(strand).collect();
    let task = tokio::spawn(run(spec, strands, |spec| Box::pin(behave(spec))));
    Scene { stop, events: heard, task }
}

async fn behave(mut spec: TaskSpec) -> Result<(), ConnectError> {
    let number = spec.strand.number;
    spec.events.send(TaskEvent::Faults(Some(format!("{number} stands still")))).unwrap();
    let does = spec.task_config["does"].clone();
    if does == "fails to start" {
        return Err(ConnectError::config("no such cluster"));
    }
    spec.events.send(TaskEvent::Started).unwrap();
    match does.as_str() {
        "fails" => return Err(ConnectError::fatal("the source is gone")),
        "panics" => panic!("as asked"),
        "ends" => return Ok(()),
        "never stops" => std::future::pending().await,
        _ => stopped(&mut spec.stop).await,
    }
    spec.events.send(TaskEvent::TopicUsed(format!("of {number}"))).unwrap();
    Ok(())
}

impl Scene {
    /// How it ended, and what it has said up to then.
    async fn ended(self) -> (Result<(), ConnectError>, Vec<String>) {
        let Scene { mut events, task, .. } = self;
        let result = task.await.unwrap();
        let mut said = Vec::new();
        while let Some(event) = events.recv().await {
            said.push(format!("{event:?}"));
        }
        (result, said)
    }
}

#[tokio::test]
async fn strands_start_say_and_stop_as_one_task() {
    let mut scene = started(&["", ""]);
    let (first, second) = (scene.events.recv().await, scene.events.recv().await);
    scene.stop.send_replace(true);

    let (result, mut said) = scene.ended().await;

    assert!(matches!(first, Some(TaskEvent::Started)), "{first:?}");
    assert!(
        matches!(&second, Some(TaskEvent::Faults(Some(text))) if text == "0 stands still\n1 stands still"),
        "{second:?}"
    );
    said.sort();
    assert_eq!(said, [r#"TopicUsed("of 0")"#, r#"TopicUsed("of 1")"#]);
    assert_eq!(result, Ok(()));
}

#[tokio::test]
async fn one_that_fails_stops_the_others_and_fails_the_task() {
    for (does, why) in [
        ("fails", "the source is gone"),
        ("panics", "task m-0 panicked: as asked"),
        ("ends", "a strand of the task ended without being asked to"),
    ] {
        let (result, said) = started(&["", does, ""]).ended().await;

        assert_eq!(result.unwrap_err().message(), why);
        for stopped in [r#"TopicUsed("of 0")"#, r#"TopicUsed("of 2")"#] {
            assert!(said.iter().any(|said| said == stopped), "{said:?}");
        }
    }
}

#[tokio::test]
async fn a_task_of_which_one_can_t_start_has_not_started() {
    let (result, said) = started(&["", "fails to start"]).ended().await;

    assert_eq!(result.unwrap_err().message(), "no such cluster");
    assert_eq!(said, [r#"TopicUsed("of 0")"#]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_task_does_not_wait_for_ever() {
    let (result, _) = started(&["never stops", "fails"]).ended().await;

    assert_eq!(result.unwrap_err().message(), "the source is gone");
}

#[test]
fn faults_are_those_of_all_and_said_when_they_change() {
    let mut said = Said::new(2);
    let mut hear =
        |strand, event| said.hear(strand, event).iter().map(|event| format!("{event:?}")).collect::<Vec<_>>();
    let faults = |text: &str| TaskEvent::Faults(Some(text.to_owned()).filter(|text| !text.is_empty()));

    assert!(hear(0, TaskEvent::Started).is_empty());
    assert!(hear(0, faults("")).is_empty());
    assert_eq!(hear(1, TaskEvent::Started), ["Started", "Faults(None)"]);
    assert!(hear(1, faults("")).is_empty());
    assert_eq!(hear(1, faults("b")), [r#"Faults(Some("b"))"#]);
    assert_eq!(hear(0, faults("a")), [r#"Faults(Some("a\nb"))"#]);
    assert_eq!(hear(1, faults("")), [r#"Faults(Some("a"))"#]);
    assert_eq!(hear(0, faults("")), ["Faults(None)"]);
}

#[test]
fn nothing_is_left_when_all_strands_have_said_so() {
    for of in [1, 2, MOST] {
        let whole = Strand::whole();
        let strands: Vec<Strand> = (0..of).map(|number| whole.part(number, of)).collect();

        let answers: Vec<bool> =
            strands.iter().flat_map(|strand| [strand.nothing_left(), strand.nothing_left()]).collect();

        assert_eq!(answers.iter().filter(|answer| **answer).count(), 2, "{of}");
        assert!(answers[2 * of - 2..].iter().all(|answer| *answer));
    }
}

#[test]
fn a_task_has_as_many_threads_as_are_asked_for_or_its_part_of_half_the_cores() {
    for (asked, tasks_max, cores, wanted) in [
        ("", "", 0, 1),
        ("", "", 2, 1),
        ("", "1", 4, 2),
        ("", "1", 8, 4),
        ("", "1", 64, 4),
        ("", "2", 8, 2),
        ("", "8", 8, 1),
        ("2", "", 1, 2),
        ("1", "", 8, 1),
        ("65", "", 8, 64),
    ] {
        let pairs = [(TASK_THREADS, asked), ("tasks.max", tasks_max)];
        let connector = config(&pairs.map(|(key, value)| (key, value)));

        assert_eq!(threads(&connector, cores), wanted, "{asked:?} {tasks_max:?} {cores}");
    }
}
