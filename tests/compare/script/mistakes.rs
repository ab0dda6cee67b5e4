//! Before there is anything: unknown names, wrong paths and methods, and bodies that are no configs.

use serde_json::json;

use super::{Ask, ask, send};

pub(super) fn nothing_there() -> Vec<Ask> {
    vec![
        ask("GET", "/"),
        ask("GET", "/health"),
        ask("GET", "/connectors"),
        ask("GET", "/connectors?expand=status"),
        ask("GET", "/connectors?expand=info&expand=status"),
        ask("GET", "/connectors/x"),
        ask("GET", "/connectors/x/config"),
        ask("GET", "/connectors/x/status"),
        ask("GET", "/connectors/x/tasks"),
        ask("GET", "/connectors/x/tasks/0/status"),
        ask("GET", "/connectors/x/tasks/one/status"),
        ask("GET", "/connectors/x/tasks/-1/status"),
        ask("GET", "/connectors/x/tasks/99999999999/status"),
        ask("GET", "/connectors/x/topics"),
        ask("PUT", "/connectors/x/topics/reset"),
        ask("GET", "/connectors/x/offsets"),
        ask("DELETE", "/connectors/x/offsets"),
        send("PATCH", "/connectors/x/offsets", json!({"offsets": [{"partition": {"a": 1}, "offset": {"b": 1}}]})),
        send("PATCH", "/connectors/x/offsets", json!({"offsets": []})),
        ask("PUT", "/connectors/x/pause"),
        ask("PUT", "/connectors/x/resume"),
        ask("PUT", "/connectors/x/stop"),
        ask("POST", "/connectors/x/restart"),
        ask("POST", "/connectors/x/restart?includeTasks=true"),
        ask("POST", "/connectors/x/restart?onlyFailed=true"),
        ask("POST", "/connectors/x/tasks/0/restart"),
        ask("POST", "/connectors/x/tasks/one/restart"),
        ask("DELETE", "/connectors/x"),
        send("PATCH", "/connectors/x/config", json!({"tasks.max": "2"})),
    ]
}

pub(super) fn routes_and_methods() -> Vec<Ask> {
    let mut asks = vec![
        ask("GET", "/nonsense"),
        ask("GET", "/connectors/x/nonsense"),
        ask("GET", "/connectors/x/tasks-config"),
        ask("GET", "/connectors/x/tasks/0"),
        ask("GET", "/connector-plugins/x"),
        ask("GET", "/admin"),
        ask("GET", "//connectors"),
        ask("GET", "/connectors//x"),
        ask("GET", "/connectors/"),
        ask("GET", "/connectors/x/config/"),
        ask("GET", "/connector-plugins/"),
        ask("GET", "/connectors/x/tasks/0/status/"),
        ask("GET", "/health/"),
        ask("HEAD", "/"),
        ask("HEAD", "/connectors"),
        ask("HEAD", "/connectors/x"),
        ask("GET", "/connectors").header("Accept", "text/plain"),
        ask("GET", "/connectors").header("Accept", "*/*"),
        ask("GET", "/connectors").header("Accept", "application/json;q=0.8, text/html"),
        ask("GET", "/connectors").header("Upgrade", "h2c"),
        ask("GET", "/connectors?expand=nonsense"),
        ask("GET", "/connectors?expand="),
        ask("GET", "/connectors?unknown=1"),
    ];
    for (path, wrong) in [
        ("/", &["POST", "PUT", "DELETE", "PATCH"][..]),
        ("/health", &["POST"]),
        ("/connectors", &["PUT", "DELETE", "PATCH"]),
        ("/connectors/x", &["POST", "PUT", "PATCH"]),
        ("/connectors/x/config", &["POST", "DELETE"]),
        ("/connectors/x/status", &["POST", "PUT", "DELETE"]),
        ("/connectors/x/pause", &["GET", "POST"]),
        ("/connectors/x/stop", &["GET"]),
        ("/connectors/x/restart", &["GET", "PUT"]),
        ("/connectors/x/tasks", &["PUT", "DELETE"]),
        ("/connectors/x/tasks/0/status", &["PUT"]),
        ("/connectors/x/tasks/0/restart", &["GET", "PUT"]),
        ("/connectors/x/topics", &["PUT"]),
        ("/connectors/x/topics/reset", &["GET"]),
        ("/connectors/x/offsets", &["PUT", "POST"]),
        ("/connector-plugins", &["POST"]),
        ("/connector-plugins/x/config", &["PUT"]),
        ("/connector-plugins/x/config/validate", &["GET", "POST"]),
        ("/admin/loggers", &["PUT", "POST"]),
        ("/admin/loggers/root", &["POST", "DELETE"]),
    ] {
        asks.extend(wrong.iter().map(|method| ask(method, path)));
        asks.push(ask("OPTIONS", path));
    }
    asks
}

pub(super) fn bodies() -> Vec<Ask> {
    let create = |body: &str| send("POST", "/connectors", body);
    let mut asks = vec![
        ask("POST", "/connectors"),
        create(""),
        create("{\"name\":"),
        create("[]"),
        create("null"),
        create("\"text\""),
        create("{}"),
        create("{\"name\":\"x\"}"),
        create("{\"name\":\"x\",\"config\":null}"),
        create("{\"name\":\"x\",\"config\":{}}"),
        create("{\"name\":\"x\",\"config\":[]}"),
        create("{\"name\":\"x\",\"config\":\"text\"}"),
        create("{\"config\":{}}"),
        create("{\"name\":null,\"config\":{}}"),
        create("{\"name\":\"\",\"config\":{}}"),
        create("{\"name\":[],\"config\":{}}"),
        create("{\"name\":\"x\",\"config\":{},\"colour\":1}"),
        create("{\"name\":\"x\",\"config\":{\"a\":{\"b\":1}}}"),
        create("{\"name\":\"x\",\"config\":{\"a\":[1]}}"),
        create("{\"name\":\"x\",\"config\":{\"a\":null}}"),
        create("{\"name\":\"x\",\"config\":{\"name\":\"y\"}}"),
        create("{\"name\":\"x\",\"config\":{},\"initial_state\":\"DONE\"}"),
        create("{} trailing"),
        send("PUT", "/connectors/x/config", ""),
        send("PUT", "/connectors/x/config", "{"),
        send("PUT", "/connectors/x/config", "[]"),
        send("PUT", "/connectors/x/config", "null"),
        send("PUT", "/connectors/x/config", "{}"),
        send("PUT", "/connectors/x/config", "{\"a\":null}"),
        send("PUT", "/connectors/x/config", "{\"a\":{\"b\":1}}"),
        send("PUT", "/connectors/x/config", "{\"name\":\"y\"}"),
        send("PUT", "/connectors/x/config", "{\"tasks.max\":1}"),
        send("PUT", "/connectors/x/config", "{\"connector.class\":\"Nope\"}"),
        send("PATCH", "/connectors/x/config", "[]"),
        send("PATCH", "/connectors/x/config", "{"),
        send("PATCH", "/connectors/x/config", "null"),
        send("PATCH", "/connectors/x/offsets", ""),
        send("PATCH", "/connectors/x/offsets", "{"),
        send("PATCH", "/connectors/x/offsets", "{}"),
        send("PATCH", "/connectors/x/offsets", "{\"offsets\":{}}"),
        send("PATCH", "/connectors/x/offsets", "{\"offsets\":[1]}"),
        send("PATCH", "/connectors/x/offsets", "{\"offsets\":null}"),
        send("PATCH", "/connectors/x/offsets", "{\"offsets\":[],\"a\":1}"),
    ];
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-8", ""] {
        asks.push(send("PUT", "/connectors/x/config", "{\"a\":\"b\"}").header("Content-Type", content_type));
        asks.push(send("POST", "/connectors", "{\"name\":\"x\",\"config\":{}}").header("Content-Type", content_type));
    }
    asks.push(ask("PUT", "/connectors/x/pause").header("Content-Type", "text/plain"));
    asks.push(send("PUT", "/connectors/x/pause", "{\"ignored\":true}"));
    asks.push(ask("POST", "/connectors/x/restart").header("Content-Type", "text/plain"));
    asks
}
