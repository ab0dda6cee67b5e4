//! The REST API of a real worker: Java's codes, words and shapes, and what they do to what is mirrored.
//!
//! - A connector is created once (201 with its address, then 409), changed by PUT and PATCH, and deleted, after which
//!   nobody knows it any more.
//! - Its config is shown as it was sent, numbers and booleans as text, with its name; lists can be expanded.
//! - While it is paused nothing is written, also by a worker that was started meanwhile; resumed, it goes on.
//! - While it is stopped it has no tasks; resumed, it goes on.
//! - Restarts answer 204 in the old form and 202 with the plan in the new one, and what is in the plan restarts.
//! - A connector can begin its life paused or stopped.
//! - Names may be anything that can be encoded in a path.
//! - A client's mistakes are answered with their status and a sentence, in JSON.
//! - The plug-ins go by their Java names.

use harness::{Response, Runtime, WorkerConfig, clusters, eventually};
use serde_json::{Value, json};

use crate::lifecycle::{
    Config, MIRROR_HEARTBEAT, MIRROR_SOURCE, Runs, SOON, all_in_state, arrive, encoded, end_offset, gone, run, runs,
    shows, states, stop, stored_states, worker, write,
};

/// A mirror of a topic of its own between the shared clusters, both called by its name.
async fn mirror(name: &str, partitions: u32) -> Config {
    let pair = clusters().await;
    pair.source.create_topic(name, partitions).await;
    Config::mirror("origin", &pair.source, &pair.target, name)
}

/// The body of every refusal.
fn refused(answer: &Response, status: u16, message: &str) {
    let said = answer.expect(status);
    assert_eq!(answer.headers.get("content-type").map(String::as_str), Some("application/json"), "{said}");
    assert_eq!(said["error_code"], status, "{said}");
    let words = said["message"].as_str().unwrap_or_default();
    assert!(words.contains(message), "{words:?} instead of {message:?}");
    assert_eq!(said.as_object().map(serde_json::Map::len), Some(2), "{said}");
}

#[tokio::test]
async fn a_connector_is_created_changed_and_deleted() {
    let rest = worker().await.rest();
    let config = mirror("rest-life", 2).await;
    let body = json!({"name": "rest-life", "config": config.json()});

    let created = rest.post("/connectors", &body).await;

    let wanted = json!({"name": "rest-life", "config": config.named("rest-life"), "tasks": [], "type": "source"});
    assert_eq!(created.expect(201), wanted);
    assert_eq!(created.headers["location"], format!("{}/connectors/rest-life", rest.url()));
    refused(&rest.post("/connectors", &body).await, 409, "Connector rest-life already exists");
    runs(rest, "rest-life").await;

    let two = config.clone().with("tasks.max", "2");
    let changed = rest.put("/connectors/rest-life/config", two.json()).await;
    assert_eq!(changed.expect(200)["config"], two.named("rest-life"));
    all_in_state(rest, "rest-life", "RUNNING", 2).await;
    let info = rest.get("/connectors/rest-life").await.expect(200);
    assert_eq!(info["tasks"], json!([{"connector": "rest-life", "task": 0}, {"connector": "rest-life", "task": 1}]));

    let patch = json!({"tasks.max": 1, "emit.offset-syncs.enabled": null, "client.id": "patched"});
    let patched = rest.patch("/connectors/rest-life/config", &patch).await.expect(200);
    let mut wanted = config.clone().with("tasks.max", "1").with("client.id", "patched").named("rest-life");
    wanted.as_object_mut().unwrap().remove("emit.offset-syncs.enabled");
    assert_eq!(patched["config"], wanted);
    all_in_state(rest, "rest-life", "RUNNING", 1).await;
    assert_eq!(rest.get("/connectors/rest-life/config").await.expect(200), wanted);

    let deleted = rest.delete("/connectors/rest-life").await;
    assert_eq!((deleted.status, deleted.body.as_str()), (204, ""));
    gone(rest, "rest-life").await;
    refused(&rest.get("/connectors/rest-life").await, 404, "Connector rest-life not found");
    refused(&rest.get("/connectors/rest-life/tasks/0/status").await, 404, "No status found for task rest-life-0");
    refused(&rest.delete("/connectors/rest-life").await, 404, "Connector rest-life not found");
    assert!(!rest.get("/connectors").await.expect(200).as_array().unwrap().contains(&json!("rest-life")));
}

#[tokio::test]
async fn a_config_is_shown_as_it_was_sent_with_its_name() {
    let rest = worker().await.rest();
    let mut sent = mirror("rest-config", 1).await.json().clone();
    sent["tasks.max"] = json!(1);
    sent["sync.topic.configs.enabled"] = json!(false);
    sent["some.key.of.mine"] = json!(" kept: äöü ${not:a:reference} ");

    let created = rest.put("/connectors/rest-config/config", &sent).await;

    sent["tasks.max"] = json!("1");
    sent["sync.topic.configs.enabled"] = json!("false");
    sent["name"] = json!("rest-config");
    assert_eq!(created.expect(201)["config"], sent);
    assert_eq!(created.headers["location"], format!("{}/connectors/rest-config", rest.url()));
    assert_eq!(rest.get("/connectors/rest-config/config").await.expect(200), sent);
    runs(rest, "rest-config").await;
    let tasks = rest.get("/connectors/rest-config/tasks").await.expect(200);
    assert_eq!(tasks[0]["id"], json!({"connector": "rest-config", "task": 0}));
    assert_eq!(tasks[0]["config"]["task.assigned.partitions"], "rest-config-0");
    assert_eq!(tasks[0]["config"]["task.class"], "org.apache.kafka.connect.mirror.MirrorSourceTask");
}

#[tokio::test]
async fn a_list_of_connectors_can_be_expanded() {
    let rest = worker().await.rest();
    run(rest, "rest-expanded", &mirror("rest-expanded", 1).await).await;

    let names = rest.get("/connectors").await.expect(200);
    let status = rest.get("/connectors?expand=status").await.expect(200);
    let both = rest.get("/connectors?expand=info&expand=status&expand=nonsense").await.expect(200);

    assert!(names.as_array().unwrap().contains(&json!("rest-expanded")));
    let one_status = rest.get("/connectors/rest-expanded/status").await.expect(200);
    let one_info = rest.get("/connectors/rest-expanded").await.expect(200);
    assert_eq!(status["rest-expanded"], json!({"status": one_status}));
    assert_eq!(both["rest-expanded"], json!({"info": one_info, "status": one_status}));
    let worker_id = rest.url().replace("http://", "");
    let unit = json!({"state": "RUNNING", "worker_id": worker_id, "version": "4.3.0"});
    let task = json!({"id": 0, "state": "RUNNING", "worker_id": worker_id, "version": "4.3.0"});
    assert_eq!(one_status, json!({"name": "rest-expanded", "connector": unit, "tasks": [task], "type": "source"}));
    assert_eq!(rest.get("/connectors/rest-expanded/tasks/0/status").await.expect(200), task);
}

#[tokio::test]
async fn a_paused_connector_writes_nothing_and_stays_paused_over_a_restart() {
    let pair = clusters().await;
    let group = WorkerConfig::new(&pair.target, "paused");
    let first = group.start(Runtime::Portage).await;
    run(first.rest(), "paused", &mirror("paused", 1).await).await;
    write(&pair.source, "paused", 0, 0, 10).await;
    arrive(&pair.target, "origin.paused", 0, 10).await;

    let paused = first.rest().put("/connectors/paused/pause", &Value::Null).await;

    assert_eq!((paused.status, paused.body.as_str()), (202, ""));
    all_in_state(first.rest(), "paused", "PAUSED", 1).await;
    write(&pair.source, "paused", 0, 10, 20).await;
    // Whatever it still held it would have written before its end.
    stop(&first).await;
    assert_eq!(end_offset(&pair.target, "origin.paused", 0).await, 10);
    let second = group.start(Runtime::Portage).await;
    // Others are mirrored by then.
    run(second.rest(), "not-paused", &mirror("not-paused", 1).await).await;
    write(&pair.source, "not-paused", 0, 0, 10).await;
    arrive(&pair.target, "origin.not-paused", 0, 10).await;
    all_in_state(second.rest(), "paused", "PAUSED", 1).await;
    assert_eq!(end_offset(&pair.target, "origin.paused", 0).await, 10);

    assert_eq!(second.rest().put("/connectors/paused/resume", &Value::Null).await.status, 202);
    all_in_state(second.rest(), "paused", "RUNNING", 1).await;
    let mirrored = arrive(&pair.target, "origin.paused", 0, 20).await;
    assert_eq!(Runs::of(&mirrored), Runs::once(20));
}

#[tokio::test]
async fn a_stopped_connector_has_no_tasks_until_it_is_resumed() {
    let (rest, pair) = (worker().await.rest(), clusters().await);
    run(rest, "rest-stopped", &mirror("rest-stopped", 2).await.with("tasks.max", "2")).await;
    write(&pair.source, "rest-stopped", 0, 0, 10).await;
    arrive(&pair.target, "origin.rest-stopped", 0, 10).await;

    let stopped = rest.put("/connectors/rest-stopped/stop", &Value::Null).await;

    assert_eq!((stopped.status, stopped.body.as_str()), (204, ""));
    all_in_state(rest, "rest-stopped", "STOPPED", 0).await;
    assert_eq!(rest.get("/connectors/rest-stopped/tasks").await.expect(200), json!([]));
    assert_eq!(rest.get("/connectors/rest-stopped").await.expect(200)["tasks"], json!([]));
    write(&pair.source, "rest-stopped", 0, 10, 20).await;
    assert_eq!(rest.put("/connectors/rest-stopped/resume", &Value::Null).await.status, 202);
    all_in_state(rest, "rest-stopped", "RUNNING", 2).await;
    let mirrored = arrive(&pair.target, "origin.rest-stopped", 0, 20).await;
    assert_eq!(Runs::of(&mirrored), Runs::once(20));
}

#[tokio::test]
async fn restarts_answer_with_their_plan_and_restart_what_is_in_it() {
    let (rest, pair) = (worker().await.rest(), clusters().await);
    run(rest, "rest-restarted", &mirror("rest-restarted", 2).await.with("tasks.max", "2")).await;
    let restarts =
        async || restarts(&["connector-rest-restarted", "task-rest-restarted-0", "task-rest-restarted-1"]).await;
    let restarted = async |wanted: [usize; 3]| {
        eventually(&format!("{wanted:?} restarts are recorded"), SOON, async || match restarts().await {
            seen if seen == wanted => Ok(()),
            seen => Err(format!("{seen:?}")),
        })
        .await;
        all_in_state(rest, "rest-restarted", "RUNNING", 2).await;
    };
    let post = async |path: &str| rest.send("POST", &format!("/connectors/{path}"), None).await;

    let old = post("rest-restarted/restart").await;
    assert_eq!((old.status, old.body.as_str()), (204, ""));
    restarted([1, 0, 0]).await;

    let plan = post("rest-restarted/restart?includeTasks=true").await.expect(202);
    assert_eq!(states(&plan), ["RESTARTING"; 3], "{plan}");
    assert_eq!((&plan["name"], &plan["type"]), (&json!("rest-restarted"), &json!("source")));
    restarted([2, 1, 1]).await;

    let plan = post("rest-restarted/restart?includeTasks=true&onlyFailed=true").await.expect(202);
    assert_eq!(states(&plan), ["RUNNING"; 3], "{plan}");

    let task = post("rest-restarted/tasks/1/restart").await;
    assert_eq!((task.status, task.body.as_str()), (204, ""));
    restarted([2, 1, 2]).await;

    refused(&post("rest-restarted/tasks/9/restart").await, 404, "Unknown task: rest-restarted-9");
    refused(&post("rest-unknown/restart").await, 404, "Unknown connector: rest-unknown");
    refused(&post("rest-unknown/restart?includeTasks=true").await, 404, "Unknown connector: rest-unknown");
    refused(&post("rest-unknown/tasks/0/restart").await, 404, "Unknown connector: rest-unknown");
    write(&pair.source, "rest-restarted", 1, 0, 10).await;
    arrive(&pair.target, "origin.rest-restarted", 1, 10).await;
}

/// How often each of these has been RESTARTING, as the status topic tells.
async fn restarts(units: &[&str; 3]) -> [usize; 3] {
    let log = clusters().await.target.consume("lifecycle-status").await;
    units.map(|unit| {
        let key = format!("status-{unit}");
        let of_unit = log.iter().filter(|read| read.record.key.as_deref() == Some(key.as_bytes()));
        of_unit.filter(|read| read.record.value.is_some() && read.text().contains("\"RESTARTING\"")).count()
    })
}

#[tokio::test]
async fn a_connector_can_begin_paused_or_stopped() {
    let rest = worker().await.rest();
    for (name, initial, shown) in [("begins-paused", "paused", "PAUSED"), ("begins-stopped", "STOPPED", "STOPPED")] {
        let config = mirror(name, 1).await;
        let body = json!({"name": name, "config": config.json(), "initial_state": initial});

        rest.post("/connectors", &body).await.expect(201);

        all_in_state(rest, name, shown, 0).await;
        assert_eq!(rest.put(&format!("/connectors/{name}/resume"), &Value::Null).await.status, 202);
        runs(rest, name).await;
        let (_, states) = stored_states(&clusters().await.target, "lifecycle-status").await;
        assert!(!states.is_empty());
    }
    let config = mirror("begins-runs", 1).await;
    let body = json!({"name": "begins-runs", "config": config.json(), "initial_state": "running"});
    rest.post("/connectors", &body).await.expect(201);
    runs(rest, "begins-runs").await;
    let body = json!({"name": "begins-wrong", "config": config.json(), "initial_state": "DONE"});
    refused(&rest.post("/connectors", &body).await, 400, "not \"DONE\"");
}

#[tokio::test]
async fn names_may_be_anything_that_can_be_encoded() {
    let (rest, pair) = (worker().await.rest(), clusters().await);
    let config = Config::heartbeat("names", &pair.target);
    let names =
        ["a->b", "a/b", "a b", "ünï-名前", "100%", "a%2Fb", "a+b", "a?b=c&d#e", "a:b;c,d", "'\"quoted\"'", "{x}"];

    for name in names {
        let body = json!({"name": name, "config": config.json(), "initial_state": "STOPPED"});
        let created = rest.post("/connectors", &body).await;

        assert_eq!(created.expect(201)["name"], name);
        let path = format!("/connectors/{}", encoded(name));
        assert_eq!(created.headers["location"], format!("{}{path}", rest.url()));
        assert_eq!(rest.get(&path).await.expect(200)["name"], name);
        assert_eq!(rest.get(&format!("{path}/config")).await.expect(200), config.named(name));
        let status = shows(rest, &format!("{path}/status"), "STOPPED", |status| states(status) == ["STOPPED"]).await;
        assert_eq!(status["name"], name);
        assert!(rest.get("/connectors").await.expect(200).as_array().unwrap().contains(&json!(name)));
        assert_eq!(rest.put(&format!("{path}/config"), config.json()).await.status, 200);
        assert_eq!(rest.delete(&path).await.status, 204);
        gone(rest, name).await;
    }

    for (name, why) in [("", "String may not be empty"), ("a\u{7}b", "control sequences")] {
        let body = json!({"name": name, "config": config.json()});
        refused(&rest.post("/connectors", &body).await, 400, why);
    }
}

#[tokio::test]
async fn mistakes_are_answered_in_json() {
    let rest = worker().await.rest();
    let config = mirror("rest-mistakes", 1).await;
    let other_name = config.named("other");
    let cases = [
        ("GET", "/nonsense", None, 404, "HTTP 404 Not Found"),
        ("GET", "/connectors/x/tasks-config", None, 404, "HTTP 404 Not Found"),
        ("DELETE", "/connectors", None, 405, "HTTP 405 Method Not Allowed"),
        ("POST", "/connectors/x/status", None, 405, "HTTP 405 Method Not Allowed"),
        ("POST", "/connectors", Some("{\"name\":"), 400, "not valid JSON"),
        ("POST", "/connectors", Some(""), 400, "no body"),
        ("POST", "/connectors", Some("[]"), 400, "an array"),
        ("POST", "/connectors", Some("{\"name\":\"x\"}"), 400, "config is missing"),
        ("POST", "/connectors", Some("{\"name\":\"x\",\"config\":{},\"colour\":1}"), 400, "colour"),
        ("PUT", "/connectors/x/config", Some("{\"a\":{\"b\":1}}"), 400, "\"a\""),
        ("PUT", "/connectors/x/config", Some("{\"a\":null}"), 400, "Null value can not be supplied"),
        ("PUT", "/connectors/x/config", Some("{\"tasks.max\":\"1\"}"), 400, "contains no connector type"),
        ("PUT", "/connectors/x/config", Some(&other_name.to_string()), 400, "configuration (other) doesn't match"),
        ("PATCH", "/connectors/x/config", Some("{}"), 404, "Connector x not found"),
        ("GET", "/connectors/x", None, 404, "Connector x not found"),
        ("GET", "/connectors/x/config", None, 404, "Connector x not found"),
        ("GET", "/connectors/x/tasks", None, 404, "Connector x not found"),
        ("GET", "/connectors/x/status", None, 404, "No status found for connector x"),
        ("GET", "/connectors/x/tasks/one/status", None, 404, "HTTP 404 Not Found"),
        ("PUT", "/connectors/x/pause", None, 404, "Unknown connector x"),
        ("PUT", "/connectors/x/resume", None, 404, "Unknown connector x"),
        ("PUT", "/connectors/x/stop", None, 404, "x"),
        ("DELETE", "/connectors/x", None, 404, "Connector x not found"),
        ("GET", "/connector-plugins/Nope/config", None, 404, "Unknown plugin Nope."),
    ];

    for (method, path, body, status, message) in cases {
        refused(&rest.send(method, path, body).await, status, message);
    }

    let text = rest.clone().header("Content-Type", "text/plain");
    refused(&text.post("/connectors", config.json()).await, 415, "HTTP 415 Unsupported Media Type");
    assert_eq!(rest.get("/connectors/").await.status, 200, "a slash at the end does not matter");
}

#[tokio::test]
async fn plugins_go_by_their_java_names() {
    let rest = worker().await.rest();

    let plugins = rest.get("/connector-plugins").await.expect(200);

    let source = |class: &str| json!({"class": class, "type": "source", "version": "4.3.0"});
    for class in [MIRROR_SOURCE, MIRROR_HEARTBEAT] {
        assert!(plugins.as_array().unwrap().contains(&source(class)), "{plugins}");
        let keys = rest.get(&format!("/connector-plugins/{class}/config")).await.expect(200);
        assert!(keys.as_array().unwrap().iter().any(|key| key["name"] == "source.cluster.alias"));
    }
    let root = rest.get("/").await.expect(200);
    assert_eq!((&root["version"], &root["kafka_cluster_id"]), (&json!("4.3.0"), &json!(clusters().await.target.id())));
}
