//! A mirror is created, looked at, changed, paused, stopped, its offsets changed, restarted, deleted; others begin in other states.

use harness::Response;
use serde_json::{Value, json};

use super::{Ask, Topics, ask, changed, in_state, offset, send};
use crate::mirror;

pub(super) fn life(topics: &Topics) -> Vec<Ask> {
    let config = mirror(topics);
    let two = |state| move |answer: &Response| in_state(answer, state, 2);
    vec![
        send("POST", "/connectors", json!({"name": "m", "config": config})),
        ask("GET", "/connectors/m/status").until(two("RUNNING")),
        ask("GET", "/connectors/m/tasks/0/status"),
        ask("GET", "/connectors/m/tasks/1/status/"),
        ask("GET", "/connectors/m/tasks/2/status"),
        send("POST", "/connectors", json!({"name": "m", "config": config})),
        send("POST", "/connectors", json!({"name": " m ", "config": config})),
        ask("GET", "/connectors/m"),
        ask("HEAD", "/connectors/m"),
        ask("GET", "/connectors/m/config"),
        ask("GET", "/connectors/m/tasks"),
        ask("GET", "/connectors"),
        ask("GET", "/connectors?expand=info"),
        ask("GET", "/connectors?expand=status"),
        ask("GET", "/connectors?expand=info&expand=status"),
        ask("GET", "/connectors?expand=info,status"),
        ask("GET", "/connectors?expand=nonsense"),
        ask("GET", "/connectors/m/topics").until(|answer| answer.body.contains("origin.compared")),
        ask("PUT", "/connectors/m/topics/reset"),
        ask("GET", "/connectors/m/topics").until(|answer| !answer.body.contains("compared")),
        ask("GET", "/connectors/m/offsets").until(|answer| answer.body.matches("partition\":{").count() == 2),
        ask("DELETE", "/connectors/m/offsets"),
        send("PATCH", "/connectors/m/offsets", offset("compared", 0, 1)),
        send("PUT", "/connectors/m/config", &config),
        send("PUT", "/connectors/m/config", changed(config.clone(), json!({"tasks.max": 1, "extra": true}))),
        ask("GET", "/connectors/m/status").until(|answer| in_state(answer, "RUNNING", 1)),
        ask("GET", "/connectors/m/config"),
        ask("GET", "/connectors/m/tasks"),
        send("PATCH", "/connectors/m/config", json!({"tasks.max": 2, "extra": null, "more": 1.5, "flag": false})),
        ask("GET", "/connectors/m/status").until(two("RUNNING")),
        ask("GET", "/connectors/m/config"),
        send("PATCH", "/connectors/m/config", json!({})),
        send("PATCH", "/connectors/m/config", json!({"connector.class": null})),
        send("PATCH", "/connectors/m/config", json!({"name": "other"})),
        // So that what follows is about the same config.
        send("PATCH", "/connectors/m/config", json!({"name": "m"})),
        send("PATCH", "/connectors/m/config", json!({"tasks.max": "many"})),
        send("PATCH", "/connectors/m/config", json!({"a": {"b": 1}})),
        ask("PUT", "/connectors/m/pause"),
        ask("GET", "/connectors/m/status").until(two("PAUSED")),
        ask("PUT", "/connectors/m/pause"),
        send("PATCH", "/connectors/m/offsets", offset("compared", 0, 1)),
        ask("DELETE", "/connectors/m/offsets"),
        ask("GET", "/connectors?expand=status"),
        send("PATCH", "/connectors/m/config", json!({"flag": true})),
        ask("GET", "/connectors/m/status").until(two("PAUSED")),
        ask("GET", "/connectors/m/config"),
        send("PATCH", "/connectors/m/config", json!({"flag": false})),
        ask("GET", "/connectors/m/status").until(two("PAUSED")),
        ask("POST", "/connectors/m/tasks/0/restart"),
        ask("GET", "/connectors/m/status").until(two("PAUSED")),
        ask("POST", "/connectors/m/restart?includeTasks=true"),
        ask("GET", "/connectors/m/status").until(two("PAUSED")),
        ask("PUT", "/connectors/m/resume"),
        ask("GET", "/connectors/m/status").until(two("RUNNING")),
        ask("PUT", "/connectors/m/resume/"),
        ask("PUT", "/connectors/m/stop"),
        stopped(),
        ask("GET", "/connectors/m"),
        ask("GET", "/connectors/m/tasks"),
        ask("PUT", "/connectors/m/stop"),
        ask("POST", "/connectors/m/tasks/0/restart"),
        ask("GET", "/connectors/m/tasks/0/status").until(|answer| answer.status == 404),
        ask("GET", "/connectors?expand=status&expand=info"),
        ask("POST", "/connectors/m/restart?includeTasks=true&onlyFailed=true"),
        ask("POST", "/connectors/m/restart"),
        stopped(),
        send("PUT", "/connectors/m/config", changed(config.clone(), json!({"tasks.max": 1, "flag": false}))),
        ask("GET", "/connectors/m/tasks"),
        stopped(),
        send("PUT", "/connectors/m/config", changed(config, json!({"more": 1.5, "flag": false}))),
        stopped(),
        // From stopped to paused: it has tasks again only when it is resumed.
        ask("PUT", "/connectors/m/pause"),
        ask("GET", "/connectors/m/status").until(|answer| in_state(answer, "PAUSED", 0)),
        ask("GET", "/connectors/m/tasks"),
        ask("PUT", "/connectors/m/stop"),
        stopped(),
    ]
}

fn stopped() -> Ask {
    ask("GET", "/connectors/m/status").until(|answer| in_state(answer, "STOPPED", 0))
}

pub(super) fn offsets() -> Vec<Ask> {
    let patch = |body: Value| send("PATCH", "/connectors/m/offsets", body);
    let entry = |partition: Value, offset: Value| json!({"offsets": [{"partition": partition, "offset": offset}]});
    let known = json!({"cluster": "origin", "topic": "compared", "partition": 0});
    vec![
        ask("GET", "/connectors/m/offsets"),
        patch(offset("compared", 0, 1)),
        ask("GET", "/connectors/m/offsets"),
        patch(offset("compared", 7, 100)),
        patch(json!({"offsets": []})),
        patch(entry(known.clone(), json!(null))),
        // Java lists what it knew, and then reads what it is now: at first a partition without an offset.
        ask("GET", "/connectors/m/offsets").until(|answer| !answer.body.contains("\"offset\":null")),
        patch(entry(known.clone(), json!({"offset": -1}))),
        patch(entry(known.clone(), json!({"offset": "1"}))),
        patch(entry(known.clone(), json!({}))),
        patch(entry(known.clone(), json!({"other": 1}))),
        patch(entry(json!({"foo": 1}), json!({"offset": 1}))),
        patch(entry(json!({}), json!({"offset": 1}))),
        patch(entry(json!({"cluster": "origin", "topic": "compared", "partition": -1}), json!({"offset": 1}))),
        patch(entry(json!({"cluster": "origin", "topic": "compared", "partition": "0"}), json!({"offset": 1}))),
        patch(entry(json!({"cluster": "origin", "topic": "", "partition": 0}), json!({"offset": 1}))),
        patch(entry(json!({"cluster": "origin", "topic": 5, "partition": 0}), json!({"offset": 1}))),
        patch(entry(json!({"cluster": "elsewhere", "topic": "t", "partition": 0}), json!({"offset": 1}))),
        patch(json!({"offsets": [{"offset": {"offset": 1}}]})),
        patch(json!({"offsets": [{"partition": known}]})),
        patch(json!({"offsets": [{"partition": known, "offset": {"offset": 1}, "extra": 1}]})),
        ask("DELETE", "/connectors/m/offsets"),
        ask("DELETE", "/connectors/m/offsets/"),
        ask("GET", "/connectors/m/offsets"),
        ask("PUT", "/connectors/m/resume"),
        ask("GET", "/connectors/m/status").until(|answer| in_state(answer, "RUNNING", 2)),
    ]
}

pub(super) fn restarts() -> Vec<Ask> {
    let runs = || ask("GET", "/connectors/m/status").until(|answer| in_state(answer, "RUNNING", 2));
    vec![
        ask("POST", "/connectors/m/restart"),
        runs(),
        ask("POST", "/connectors/m/restart?includeTasks=false&onlyFailed=false"),
        runs(),
        ask("POST", "/connectors/m/restart?includeTasks=true"),
        runs(),
        ask("POST", "/connectors/m/restart?includeTasks=True&onlyFailed=False"),
        runs(),
        ask("POST", "/connectors/m/restart?includeTasks=true&onlyFailed=true"),
        ask("POST", "/connectors/m/restart?onlyFailed=true"),
        ask("POST", "/connectors/m/restart?includeTasks=nonsense"),
        runs(),
        ask("POST", "/connectors/m/tasks/1/restart"),
        runs(),
        ask("POST", "/connectors/m/tasks/9/restart"),
        ask("POST", "/connectors/m/tasks/-1/restart"),
        ask("POST", "/connectors/m/tasks/0/restart?forward=false"),
        ask("POST", "/connectors/m/restart?forward=true"),
        runs(),
    ]
}

pub(super) fn initial_states(topics: &Topics) -> Vec<Ask> {
    let create = |name: &str, state: Value| {
        let body = json!({"name": name, "config": mirror(topics), "initial_state": state});
        send("POST", "/connectors", body).note(&json!([name, state]))
    };
    let shows = |name: &str, state: &'static str, tasks: usize| {
        ask("GET", &format!("/connectors/{name}/status")).until(move |answer| in_state(answer, state, tasks))
    };
    vec![
        create("begins-paused", json!("PAUSED")),
        shows("begins-paused", "PAUSED", 2),
        create("begins-stopped", json!("stopped")),
        shows("begins-stopped", "STOPPED", 0),
        create("begins-null", json!(null)),
        shows("begins-null", "RUNNING", 2),
        create("begins-wrong", json!("DONE")),
        create("begins-number", json!(1)),
        create("begins-unassigned", json!("UNASSIGNED")),
        ask("GET", "/connectors").until(|answer| answer.body.matches("begins").count() == 3),
        ask("DELETE", "/connectors/begins-paused"),
        ask("DELETE", "/connectors/begins-stopped"),
        ask("DELETE", "/connectors/begins-null"),
    ]
}

pub(super) fn the_end() -> Vec<Ask> {
    vec![
        ask("DELETE", "/connectors/m?forward=false"),
        ask("GET", "/connectors/m").until(|answer| answer.status == 404),
        ask("GET", "/connectors/m/status").until(|answer| answer.status == 404),
        ask("GET", "/connectors/m/tasks/0/status").until(|answer| answer.status == 404),
        ask("DELETE", "/connectors/m"),
        ask("GET", "/connectors").until(|answer| answer.body == "[]"),
        ask("GET", "/health"),
    ]
}
