//! Connectors with odd names, connectors of the other classes, and one that fails.

use serde_json::json;

use super::{Ask, CLASSES, Topics, ask, changed, encoded, in_state, offset, send};
use crate::mirror;

pub(super) fn names(topics: &Topics) -> Vec<Ask> {
    let names = [
        "a->b",
        "a/b",
        "a b",
        "ünï-名前",
        "100%",
        "a%2Fb",
        "a+b",
        "a?b=c&d#e",
        "a:b;c,d",
        "'\"quoted\"'",
        "{x}",
        "😀",
        "a\\b",
        "..",
        "a.b.c",
        "~tilde",
        "[brackets]",
    ];
    let heartbeat = json!({
        "connector.class": CLASSES[2],
        "source.cluster.alias": "names",
        "target.cluster.alias": "target",
        "target.cluster.bootstrap.servers": topics.target,
        "heartbeats.topic.replication.factor": "1",
    });
    let mut asks = Vec::new();
    for name in names {
        let path = format!("/connectors/{}", encoded(name));
        let body = json!({"name": name, "config": heartbeat, "initial_state": "STOPPED"});
        asks.push(send("POST", "/connectors", body).note(&json!([name])));
        asks.push(ask("GET", &path));
        asks.push(ask("GET", &format!("{path}/status")).until(|answer| in_state(answer, "STOPPED", 0)));
        asks.push(send("PUT", &format!("{path}/config"), &heartbeat));
        asks.push(ask("GET", &format!("{path}/offsets")));
        asks.push(ask("DELETE", &path));
        asks.push(ask("GET", &path).until(|answer| answer.status == 404));
    }
    // Made by their address alone.
    asks.push(send("PUT", "/connectors/a%20-%3E%20b/config", &heartbeat));
    asks.push(ask("DELETE", "/connectors/a%20-%3E%20b"));
    // Bytes that are no text.
    asks.push(ask("GET", "/connectors/%FF"));
    asks.push(ask("GET", "/connectors/%zz"));
    asks.push(ask("GET", "/connectors/%00"));
    asks.push(ask("GET", "/connectors/a;b=c"));
    asks
}

pub(super) fn other_connectors(topics: &Topics) -> Vec<Ask> {
    let config = |class: &str| changed(mirror(topics), json!({"connector.class": class, "tasks.max": "1"}));
    vec![
        send("PUT", "/connectors/beats/config", config("MirrorHeartbeat")),
        ask("GET", "/connectors/beats/status").until(|answer| in_state(answer, "RUNNING", 1)),
        ask("GET", "/connectors/beats"),
        ask("GET", "/connectors/beats/tasks"),
        ask("GET", "/connectors/beats/offsets").until(|answer| answer.body.contains("partition")),
        ask("PUT", "/connectors/beats/stop"),
        ask("GET", "/connectors/beats/status").until(|answer| in_state(answer, "STOPPED", 0)),
        send("PATCH", "/connectors/beats/offsets", offset("compared", 0, 1)),
        send(
            "PATCH",
            "/connectors/beats/offsets",
            json!({"offsets": [{"partition": {"sourceClusterAlias": "origin", "targetClusterAlias": "target"},
                                "offset": {"offset": 0}}]}),
        ),
        ask("DELETE", "/connectors/beats/offsets"),
        send("PUT", "/connectors/points/config", config(CLASSES[1])),
        ask("GET", "/connectors/points/status").until(|answer| in_state(answer, "RUNNING", 0)),
        ask("GET", "/connectors/points"),
        ask("GET", "/connectors/points/tasks"),
        ask("GET", "/connectors/points/offsets"),
        ask("PUT", "/connectors/points/stop"),
        ask("GET", "/connectors/points/status").until(|answer| in_state(answer, "STOPPED", 0)),
        send(
            "PATCH",
            "/connectors/points/offsets",
            json!({"offsets": [{"partition": {"group": "g", "topic": "t", "partition": 0}, "offset": {"offset": 0}}]}),
        ),
        ask("DELETE", "/connectors/points/offsets"),
        // A task that fails, at its first record: keys here are bytes.
        send(
            "PUT",
            "/connectors/fails/config",
            changed(
                config(CLASSES[0]),
                json!({
                    "transforms": "x",
                    "transforms.x.type": "org.apache.kafka.connect.transforms.ExtractField$Key",
                    "transforms.x.field": "id",
                }),
            ),
        ),
        ask("GET", "/connectors/fails/status").until(|answer| answer.body.contains("FAILED")),
        ask("GET", "/connectors/fails/tasks/0/status"),
        ask("POST", "/connectors/fails/restart?onlyFailed=true"),
        ask("POST", "/connectors/fails/restart?onlyFailed=true&includeTasks=true"),
        ask("DELETE", "/connectors/fails"),
        ask("DELETE", "/connectors/beats"),
        ask("DELETE", "/connectors/points"),
    ]
}
