use super::*;

/// A config topic that is written and read at once.
#[derive(Default)]
struct Topic {
    state: ClusterConfigState,
    next: i64,
}

impl Topic {
    fn put(&mut self, key: &str, value: impl Into<Option<&'static str>>) -> Vec<ConfigChange> {
        let offset = self.next;
        self.next += 1;
        self.state.apply(offset, key, value.into().map(str::as_bytes))
    }

    fn connector(&mut self, version: &'static str) -> Vec<ConfigChange> {
        let value = match version {
            "v1" => r#"{"properties":{"v":"1"}}"#,
            _ => r#"{"properties":{"v":"2"}}"#,
        };
        self.put("connector-a", value)
    }

    fn task(&mut self, task: u32, value: &'static str) -> Vec<ConfigChange> {
        let offset = self.next;
        self.next += 1;
        let value = format!(r#"{{"properties":{{"t":"{value}"}}}}"#);
        self.state.apply(offset, &format!("task-a-{task}"), Some(value.as_bytes()))
    }

    fn commit(&mut self, tasks: u32) -> Vec<ConfigChange> {
        let offset = self.next;
        self.next += 1;
        self.state.apply(offset, "commit-a", Some(format!(r#"{{"tasks":{tasks}}}"#).as_bytes()))
    }

    fn tasks(&self) -> Vec<String> {
        let text = |task: TaskId| self.state.task_config(&task).map_or("?", |config| config["t"].as_str()).to_owned();
        self.state.tasks(&a()).map(text).collect()
    }
}

/// Connector `a` with tasks `x` and `y`.
fn running() -> Topic {
    let mut topic = Topic::default();
    topic.connector("v1");
    topic.task(0, "x");
    topic.task(1, "y");
    topic.commit(2);
    topic
}

fn updated<const N: usize>(tasks: Vec<TaskId>, unchanged: [u32; N]) -> ConfigChange {
    ConfigChange::TasksUpdated { connector: a(), tasks, unchanged: unchanged.into() }
}

fn a() -> ConnectorName {
    "a".into()
}

fn map(key: &str, value: &str) -> ConfigMap {
    [(key.to_owned(), value.to_owned())].into()
}

#[test]
fn an_empty_topic_has_been_read_up_to_minus_one() {
    assert_eq!(ClusterConfigState::new().offset(), ConfigOffset(-1));
}

#[test]
fn the_offset_is_one_after_the_last_record_whatever_that_says() {
    let mut state = ClusterConfigState::new();

    state.apply(3, "connector-a", Some(br#"{"properties":{}}"#));
    assert_eq!(state.offset(), ConfigOffset(4));
    state.apply(5, "nobody-knows-this", Some(b"{}"));
    assert_eq!(state.offset(), ConfigOffset(6));
    state.apply(7, "commit-a", None);
    assert_eq!(state.offset(), ConfigOffset(8));
}

#[test]
fn a_record_that_is_not_json_is_not_counted() {
    let mut state = ClusterConfigState::new();
    state.apply(3, "session-key", None);

    let changes = state.apply(4, "connector-a", Some(b"{"));

    assert_eq!(state.offset(), ConfigOffset(4));
    assert!(matches!(changes.as_slice(), [ConfigChange::Ignored { reason: BadRecord::NotJson(_), .. }]));
}

#[test]
fn task_configs_count_from_their_commit_on() {
    let mut topic = running();

    assert_eq!(topic.task(0, "x2"), []);
    assert_eq!(topic.task(1, "y2"), []);
    assert_eq!(topic.tasks(), ["x", "y"]);

    let tasks = [TaskId::new("a", 0), TaskId::new("a", 1)].to_vec();
    assert_eq!(topic.commit(2), [updated(tasks, [])]);
    assert_eq!(topic.tasks(), ["x2", "y2"]);
}

#[test]
fn a_set_names_the_tasks_that_it_does_not_change() {
    let mut topic = running();
    let commit = |topic: &mut Topic, tasks: &[&'static str]| {
        for (task, value) in (0..).zip(tasks) {
            topic.task(task, value);
        }
        match topic.commit(tasks.len() as u32).as_slice() {
            [ConfigChange::TasksUpdated { unchanged, .. }] => unchanged.iter().copied().collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        }
    };

    assert_eq!(commit(&mut topic, &["x", "y2", "z"]), [0]);
    assert_eq!(commit(&mut topic, &["x", "y2"]), [0, 1]);
    assert_eq!(
        commit(&mut topic, &["x", "y2", "z"]),
        [0, 1],
        "2 was not in the set before, though it was once the same"
    );

    topic.connector("v2");
    assert_eq!(commit(&mut topic, &["x", "y2", "z"]), [0; 0], "they see the connector's config, too");
    assert_eq!(commit(&mut topic, &["x", "y2", "z"]), [0, 1, 2]);

    topic.commit(0);
    assert_eq!(commit(&mut topic, &["x", "y2", "z"]), [0; 0], "there were none");

    topic.put("connector-a", None);
    topic.connector("v2");
    assert_eq!(commit(&mut topic, &["x", "y2", "z"]), [0; 0], "another connector of that name");

    topic.commit(3);
    assert!(topic.state.is_inconsistent(&a()));
    assert_eq!(commit(&mut topic, &["x", "y2", "z"]), [0; 0], "nobody knows what the set before was");
}

#[test]
fn a_connector_may_have_no_tasks() {
    let mut topic = running();

    topic.commit(0);

    assert_eq!(topic.tasks(), [""; 0]);
    assert_eq!(topic.state.task_count(&a()), 0);
    assert!(!topic.state.is_inconsistent(&a()));
}

#[test]
fn configs_of_former_tasks_do_no_harm() {
    // Two tasks became one; the first write of task 0, and the first commit, have been compacted away.
    let mut topic = Topic::default();
    topic.connector("v1");
    topic.task(1, "y");
    topic.task(0, "x2");
    topic.commit(1);

    assert_eq!(topic.tasks(), ["x2"]);
}

#[test]
fn a_commit_without_all_its_tasks_leaves_the_connector_inconsistent() {
    // The write of task 0 that belongs to this commit has been compacted away: there was a later one, without commit.
    let mut topic = Topic::default();
    topic.connector("v1");
    topic.task(1, "y");
    assert_eq!(topic.commit(2), [updated([].into(), [])]);
    topic.task(0, "x2");

    assert!(topic.state.is_inconsistent(&a()));
    assert_eq!(topic.state.inconsistent_connectors().collect::<Vec<_>>(), [&a()]);
    assert_eq!(topic.tasks(), [""; 0]);
    assert_eq!(topic.state.task_count(&a()), 2, "the count is known");
    assert!(topic.state.is_pending_fencing(&a()));
    assert_eq!(topic.state.task_config_generation(&a()), None);
}

#[test]
fn an_inconsistent_connector_needs_a_whole_new_set() {
    let mut topic = Topic::default();
    topic.connector("v1");
    topic.task(1, "y");
    topic.commit(2);

    topic.task(0, "x");
    topic.commit(2);
    assert!(topic.state.is_inconsistent(&a()), "task 1 went with the commit that it was written for");

    topic.task(0, "x");
    topic.task(1, "y2");
    topic.commit(2);
    assert!(!topic.state.is_inconsistent(&a()));
    assert_eq!(topic.tasks(), ["x", "y2"]);
}

#[test]
fn a_connector_that_is_made_anew_is_not_inconsistent() {
    let mut topic = Topic::default();
    topic.connector("v1");
    topic.commit(2);
    topic.put("connector-a", None);
    assert_eq!(topic.state.inconsistent_connectors().count(), 0);

    topic.connector("v1");

    assert!(!topic.state.is_inconsistent(&a()));
}

#[test]
fn a_deleted_connector_leaves_nothing_that_runs() {
    let mut topic = running();

    assert_eq!(topic.put("connector-a", None), [ConfigChange::ConnectorRemoved(a())]);

    assert!(!topic.state.contains(&a()));
    assert_eq!(topic.state.connectors().count(), 0);
    assert_eq!(topic.tasks(), [""; 0]);
    assert_eq!(topic.state.task_config(&TaskId::new("a", 0)), None);
    assert_eq!(topic.state.applied_connector_config(&a()), None);
}

#[test]
fn a_new_connector_of_an_old_name_starts_without_tasks() {
    let mut topic = running();
    topic.task(0, "left over");
    topic.put("connector-a", None);
    topic.put("target-state-a", None);

    assert_eq!(topic.connector("v2"), [ConfigChange::ConnectorUpdated { connector: a(), created: true }]);

    assert_eq!(topic.tasks(), [""; 0]);
    topic.commit(1);
    assert!(topic.state.is_inconsistent(&a()), "what was left over does not count");
}

#[test]
fn fencing_outlives_the_connector() {
    let mut topic = running();
    topic.put("tasks-fencing-a", r#"{"task-count":2}"#);
    topic.commit(0);
    topic.put("connector-a", None);

    assert_eq!(topic.state.task_count_record(&a()), Some(2));
    assert!(topic.state.is_pending_fencing(&a()));
}

#[test]
fn tasks_have_to_be_fenced_after_every_commit() {
    let mut topic = running();
    assert!(topic.state.is_pending_fencing(&a()));
    assert_eq!(topic.state.task_count_record(&a()), None);

    topic.put("tasks-fencing-a", r#"{"task-count":2}"#);
    assert!(!topic.state.is_pending_fencing(&a()));
    assert_eq!(topic.state.task_count_record(&a()), Some(2));

    topic.commit(0);
    assert_eq!(topic.state.connectors_pending_fencing().collect::<Vec<_>>(), [&a()]);
}

#[test]
fn generations_count_the_sets_that_were_committed() {
    let mut topic = running();
    assert_eq!(topic.state.task_config_generation(&a()), Some(0));
    topic.commit(0);
    assert_eq!(topic.state.task_config_generation(&a()), Some(1));
    topic.commit(2);
    assert_eq!(topic.state.task_config_generation(&a()), Some(1), "incomplete");

    let mut never_any = Topic::default();
    never_any.connector("v1");
    never_any.commit(0);
    assert_eq!(never_any.state.task_config_generation(&a()), None, "as in Java");
}

#[test]
fn the_applied_config_is_the_one_at_the_commit() {
    let mut topic = running();

    assert_eq!(topic.connector("v2"), [ConfigChange::ConnectorUpdated { connector: a(), created: false }]);

    assert_eq!(topic.state.connector_config(&a()).unwrap()["v"], "2");
    assert_eq!(topic.state.applied_connector_config(&a()).unwrap()["v"], "1");
    assert_eq!(topic.tasks(), ["x", "y"], "they go on");
}

#[test]
fn a_connector_is_started_unless_someone_says_otherwise() {
    let mut topic = Topic::default();
    assert_eq!(topic.state.target_state(&a()), None);
    topic.connector("v1");
    assert_eq!(topic.state.target_state(&a()), Some(TargetState::Started));

    assert_eq!(topic.put("target-state-a", r#"{"state":"PAUSED"}"#), [ConfigChange::TargetStateChanged(a())]);
    assert_eq!(topic.put("target-state-a", None), []);
    assert_eq!(topic.state.target_state(&a()), Some(TargetState::Started));
}

#[test]
fn an_initial_state_comes_before_its_connector() {
    let mut topic = Topic::default();

    let told = topic.put("target-state-a", r#"{"state":"PAUSED","state.v2":"STOPPED"}"#);
    topic.connector("v1");

    assert_eq!(told, []);
    assert_eq!(topic.state.target_state(&a()), Some(TargetState::Stopped));
}

#[test]
fn a_target_state_that_is_the_same_is_not_told() {
    let mut topic = running();

    assert_eq!(topic.put("target-state-a", r#"{"state":"STARTED","state.v2":"STARTED"}"#), []);
    assert_eq!(topic.put("target-state-a", r#"{"state":"nonsense"}"#).len(), 1);
    assert_eq!(topic.state.target_state(&a()), Some(TargetState::Started));
}

#[test]
fn the_latest_session_key_counts() {
    let mut topic = Topic::default();
    assert_eq!(topic.state.session_key(), None);

    for _ in 0..2 {
        let told = topic.put("session-key", r#"{"key":"AXr/","algorithm":"HmacSHA256","creation-timestamp":1}"#);
        assert_eq!(told, [ConfigChange::SessionKeyUpdated]);
    }
    topic.put("session-key", r#"{"key":"BBBB","algorithm":"HmacSHA256","creation-timestamp":2}"#);

    assert_eq!(topic.state.session_key().unwrap().key_base64, "BBBB");
    assert!(!format!("{:?}", topic.state).contains("BBBB"), "and is not printed");
}

#[test]
fn requests_are_passed_on_and_not_kept() {
    let mut topic = Topic::default();
    let nothing = topic.state.clone();

    let restart = topic.put("restart-connector-a", r#"{"include-tasks":true,"only-failed":false}"#);
    let level = topic.put("logger-cluster-x", r#"{"level":"debug"}"#);

    let request = RestartRequest { connector: a(), only_failed: false, include_tasks: true };
    assert_eq!(restart, [ConfigChange::RestartRequested(request)]);
    assert_eq!(level, [ConfigChange::LoggerLevel { logger: "x".to_owned(), level: "debug".to_owned() }]);
    assert_eq!(topic.state.connectors, nothing.connectors);
}

#[test]
fn a_snapshot_does_not_change() {
    let mut topic = running();
    let snapshot = topic.state.clone();

    topic.put("connector-a", None);
    topic.put("session-key", r#"{"key":"AXr/","algorithm":"HmacSHA256","creation-timestamp":1}"#);

    assert!(snapshot.contains(&a()));
    assert_eq!(snapshot.tasks(&a()).count(), 2);
    assert_eq!(snapshot.session_key(), None);
    assert_eq!(snapshot.offset(), ConfigOffset(4));
}

#[test]
fn tasks_whose_connector_config_was_compacted_away_do_not_run_and_are_not_forgotten() {
    // The connector was changed, or deleted and made anew, after its last commit.
    let mut topic = Topic::default();
    topic.task(0, "x");
    assert_eq!(topic.commit(1), []);
    assert!(!topic.state.is_inconsistent(&a()), "there is no such connector");

    topic.connector("v2");

    assert!(topic.state.is_inconsistent(&a()));
    assert_eq!(topic.tasks(), [""; 0]);
    assert_eq!(topic.state.task_count(&a()), 1);
    assert!(topic.state.is_pending_fencing(&a()));
    assert!(topic.state.task_configs_changed(&a(), &[map("t", "x")]), "so that its owner publishes them again");
}

#[test]
fn no_tasks_are_no_tasks_even_if_the_connector_config_was_compacted_away() {
    // A stopped connector that was changed while it was stopped.
    let mut topic = Topic::default();
    topic.commit(0);
    topic.connector("v2");

    assert!(!topic.state.is_inconsistent(&a()));
    assert_eq!(topic.tasks(), [""; 0]);
}

#[test]
fn a_deleted_connector_takes_its_orphaned_commit_along() {
    let mut topic = Topic::default();
    topic.commit(1);
    topic.put("connector-a", None);
    topic.connector("v1");

    assert!(!topic.state.is_inconsistent(&a()));
}

#[test]
fn task_configs_have_to_be_published_when_anything_differs() {
    let topic = running();
    let same = [map("t", "x"), map("t", "y")];

    assert!(!topic.state.task_configs_changed(&a(), &same));
    assert!(topic.state.task_configs_changed(&a(), &same[..1]), "fewer");
    assert!(topic.state.task_configs_changed(&a(), &[&same[..], &same[..1]].concat()), "more");
    assert!(topic.state.task_configs_changed(&a(), &[map("t", "y"), map("t", "x")]), "others");
    assert!(topic.state.task_configs_changed(&"b".into(), &[]), "unknown");

    let mut changed = running();
    changed.connector("v2");
    assert!(changed.state.task_configs_changed(&a(), &same), "the connector's config");

    let mut inconsistent = running();
    inconsistent.task(0, "x");
    inconsistent.commit(2);
    assert!(inconsistent.state.task_configs_changed(&a(), &same), "they are the same as ever, but nobody runs them");
}
