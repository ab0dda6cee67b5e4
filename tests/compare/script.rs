//! The questions, in order. They tell a story: a worker that knows nothing, mistakes, a mirror that is created, looked at,
//! changed, paused, stopped, its offsets changed, restarted, deleted; odd names; plug-ins; loggers.

use harness::Response;
use serde_json::{Value, json};

use crate::mirror;

/// Where the clusters are.
pub(crate) struct Topics {
    pub(crate) source: String,
    pub(crate) target: String,
}

type Until = Box<dyn Fn(&Response) -> bool>;

/// One request, and what to wait for before its answer is compared.
pub(crate) struct Ask {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Option<String>,
    pub(crate) until: Option<Until>,
    /// What is special about a body that is too long to show.
    note: Option<String>,
}

impl Ask {
    /// Without what would make titles differ from run to run.
    pub(crate) fn title(&self) -> String {
        let headers: String = self.headers.iter().map(|(name, value)| format!(" {name}:{value}")).collect();
        let body = self.note.as_ref().or(self.body.as_ref().filter(|body| body.len() < 80));
        let body = body.map(|body| format!(" {body}")).unwrap_or_default();
        format!("{} {}{headers}{body}", self.method, self.path)
    }

    fn note(mut self, note: &Value) -> Self {
        self.note = Some(note.to_string());
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn until(mut self, until: impl Fn(&Response) -> bool + 'static) -> Self {
        self.until = Some(Box::new(until));
        self
    }
}

pub(crate) fn ask(method: &'static str, path: &str) -> Ask {
    Ask { method, path: path.to_owned(), headers: Vec::new(), body: None, until: None, note: None }
}

pub(crate) fn send(method: &'static str, path: &str, body: impl ToString) -> Ask {
    Ask { body: Some(body.to_string()), ..ask(method, path) }
}

/// The whole story.
pub(crate) fn script(topics: &Topics) -> Vec<Ask> {
    let mut script = Vec::new();
    script.extend(nothing_there());
    script.extend(routes_and_methods());
    script.extend(bodies());
    script.extend(plugins());
    script.extend(validation(topics));
    script.extend(refused_configs(topics));
    script.extend(life(topics));
    script.extend(offsets());
    script.extend(restarts());
    script.extend(initial_states(topics));
    script.extend(names(topics));
    script.extend(other_connectors(topics));
    script.extend(loggers());
    script.extend(internal());
    script.extend(the_end());
    script
}

fn nothing_there() -> Vec<Ask> {
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

fn routes_and_methods() -> Vec<Ask> {
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

fn bodies() -> Vec<Ask> {
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

const CLASSES: [&str; 3] = [
    "org.apache.kafka.connect.mirror.MirrorSourceConnector",
    "org.apache.kafka.connect.mirror.MirrorCheckpointConnector",
    "org.apache.kafka.connect.mirror.MirrorHeartbeatConnector",
];

fn plugins() -> Vec<Ask> {
    let mut asks = vec![
        ask("GET", "/connector-plugins"),
        ask("GET", "/connector-plugins?connectorsOnly=true"),
        ask("GET", "/connector-plugins?connectorsOnly=True"),
        ask("GET", "/connector-plugins?connectorsOnly=false"),
        ask("GET", "/connector-plugins?connectorsOnly=False"),
        ask("GET", "/connector-plugins?connectorsOnly=nonsense"),
        ask("GET", "/connector-plugins/Nope/config"),
        ask("GET", "/connector-plugins/MirrorSourceConnector/config"),
        ask("GET", "/connector-plugins/MirrorSource/config"),
        ask("GET", "/connector-plugins/MirrorSource/config?version=4.3.0"),
        ask("GET", "/connector-plugins/MirrorSource/config?version=1.0.0"),
        ask("GET", "/connector-plugins/MirrorSource/config?version=latest"),
        ask("GET", "/connector-plugins/MirrorSource/config?version=nonsense"),
        ask("GET", "/connector-plugins/MirrorSource/config?version="),
    ];
    asks.extend(CLASSES.map(|class| ask("GET", &format!("/connector-plugins/{class}/config"))));
    for class in [
        "org.apache.kafka.connect.converters.ByteArrayConverter",
        "org.apache.kafka.connect.json.JsonConverter",
        "org.apache.kafka.connect.storage.StringConverter",
        "org.apache.kafka.connect.storage.SimpleHeaderConverter",
        "org.apache.kafka.connect.converters.LongConverter",
        "org.apache.kafka.connect.transforms.InsertField$Key",
        "org.apache.kafka.connect.transforms.InsertField$Value",
        "org.apache.kafka.connect.transforms.RegexRouter",
        "org.apache.kafka.connect.transforms.Filter",
        "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
        "org.apache.kafka.connect.transforms.predicates.HasHeaderKey",
        "org.apache.kafka.connect.transforms.predicates.RecordIsTombstone",
    ] {
        asks.push(ask("GET", &format!("/connector-plugins/{class}/config")));
    }
    asks
}

fn validation(topics: &Topics) -> Vec<Ask> {
    let validate = |class: &str, body: Value| send("PUT", &format!("/connector-plugins/{class}/config/validate"), body);
    let with = |class: &str, changes: Value| validate(class, changed(mirror(topics), changes.clone())).note(&changes);
    let mut asks = vec![
        send("PUT", "/connector-plugins/MirrorSource/config/validate", ""),
        send("PUT", "/connector-plugins/MirrorSource/config/validate", "{"),
        validate("MirrorSource", json!({})),
        validate("MirrorSource", json!({"connector.class": "Nope"})),
        validate("Nope", json!({"connector.class": "Nope"})),
        validate("MirrorSource", json!({"connector.class": "MirrorHeartbeat"})),
        validate("MirrorSource", json!({"connector.class": CLASSES[0], "a": null})),
        with("MirrorSourceConnector", json!({"name": "a"})),
        with("MirrorSource", json!({"name": "a"})),
        with("MirrorSource", json!({"name": ""})),
        with(CLASSES[0], json!({"name": "a", "connector.class": "MirrorSource"})),
        with(CLASSES[0], json!({"name": "a", "unknown.key": "1"})),
        with(CLASSES[0], json!({"name": "a", "tasks.max": "0"})),
        with(CLASSES[0], json!({"name": "a", "tasks.max": "many"})),
        with(CLASSES[0], json!({"name": "a", "tasks.max": 3, "emit.heartbeats.enabled": true})),
        with(CLASSES[0], json!({"name": "a", "errors.tolerance": "some"})),
        with(CLASSES[0], json!({"name": "a", "errors.retry.timeout": "soon"})),
        with(CLASSES[0], json!({"name": "a", "emit.checkpoints.enabled": "maybe"})),
        with(CLASSES[0], json!({"name": "a", "replication.factor": "many"})),
        with(CLASSES[0], json!({"name": "a", "replication.policy.class": "Nope"})),
        with(CLASSES[0], json!({"name": "a", "key.converter": "Nope"})),
        with(CLASSES[0], json!({"name": "a", "transforms": "t"})),
        with(CLASSES[0], json!({"name": "a", "transforms": "t", "transforms.t.type": "Nope"})),
        with(CLASSES[0], json!({"name": "a", "transforms": "t,t"})),
        with(CLASSES[0], json!({"name": "a", "predicates": "p"})),
        with(CLASSES[0], json!({"name": "a", "topic.creation.groups": "g"})),
        with(CLASSES[0], json!({"name": "a", "exactly.once.support": "required"})),
        with(CLASSES[0], json!({"name": "a", "exactly.once.support": "never"})),
        with(CLASSES[0], json!({"name": "a", "transaction.boundary": "connector"})),
        with(CLASSES[0], json!({"name": "a", "producer.override.linger.ms": "5"})),
        with(CLASSES[0], json!({"name": "a", "source.cluster.sasl.jaas.config": "secret"})),
        with(CLASSES[0], json!({"name": "a", "config.action.reload": "never"})),
        with(CLASSES[0], json!({"name": "a", "offset.lag.max": "-1"})),
        validate(CLASSES[0], json!({"connector.class": CLASSES[0]})),
        // How AKHQ draws its page.
        validate(CLASSES[0], json!({"connector.class": CLASSES[0], "topics": "getPlugins"})),
    ];
    for class in CLASSES {
        asks.push(validate(class, json!({"connector.class": class})));
        asks.push(with(class, json!({"connector.class": class, "name": "a"})));
    }
    asks
}

fn refused_configs(topics: &Topics) -> Vec<Ask> {
    let put =
        |changes: Value| send("PUT", "/connectors/x/config", changed(mirror(topics), changes.clone())).note(&changes);
    let create = |name: &str, changes: Value| {
        let config = changed(mirror(topics), changes.clone());
        send("POST", "/connectors", json!({"name": name, "config": config})).note(&json!([name, changes]))
    };
    vec![
        put(json!({"connector.class": null})),
        put(json!({"connector.class": "Nope"})),
        put(json!({"connector.class": ""})),
        put(json!({"tasks.max": "many"})),
        put(json!({"tasks.max": "0"})),
        put(json!({"tasks.max": "0", "errors.tolerance": "some"})),
        put(json!({"name": "y"})),
        put(json!({"source.cluster.alias": null})),
        put(json!({"key.converter": "Nope"})),
        create("x", json!({"tasks.max": "many"})),
        create("x", json!({"name": "y"})),
        create("a\u{7}b", json!({})),
        create("", json!({})),
        create("  ", json!({})),
        ask("GET", "/connectors"),
    ]
}

fn life(topics: &Topics) -> Vec<Ask> {
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
        ask("POST", "/connectors/m/restart?includeTasks=true"),
        ask("GET", "/connectors/m/status").until(two("PAUSED")),
        ask("PUT", "/connectors/m/resume"),
        ask("GET", "/connectors/m/status").until(two("RUNNING")),
        ask("PUT", "/connectors/m/resume/"),
        ask("PUT", "/connectors/m/stop"),
        ask("GET", "/connectors/m/status").until(|answer| in_state(answer, "STOPPED", 0)),
        ask("GET", "/connectors/m"),
        ask("GET", "/connectors/m/tasks"),
        ask("PUT", "/connectors/m/stop"),
        ask("POST", "/connectors/m/tasks/0/restart"),
    ]
}

fn offsets() -> Vec<Ask> {
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
        ask("GET", "/connectors/m/offsets"),
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

fn restarts() -> Vec<Ask> {
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

fn initial_states(topics: &Topics) -> Vec<Ask> {
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

fn names(topics: &Topics) -> Vec<Ask> {
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

fn other_connectors(topics: &Topics) -> Vec<Ask> {
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
        // A task that fails: its source does not answer.
        send(
            "PUT",
            "/connectors/fails/config",
            changed(config(CLASSES[0]), json!({"source.cluster.security.protocol": "NONSENSE"})),
        ),
        ask("GET", "/connectors/fails/status").until(|answer| answer.body.contains("FAILED")),
        ask("POST", "/connectors/fails/restart?onlyFailed=true"),
        ask("DELETE", "/connectors/fails"),
        ask("DELETE", "/connectors/beats"),
        ask("DELETE", "/connectors/points"),
    ]
}

fn loggers() -> Vec<Ask> {
    let set = |path: &str, body: &str| send("PUT", &format!("/admin/loggers/{path}"), body);
    let mirror = "org.apache.kafka.connect.mirror";
    vec![
        ask("GET", "/admin/loggers"),
        ask("GET", "/admin/loggers/root"),
        ask("GET", "/admin/loggers/org.nowhere"),
        ask("GET", "/admin/loggers/ROOT"),
        set("root", ""),
        set("root", "{"),
        set("root", "{}"),
        set("root", "[]"),
        set("root", "null"),
        set("root", "{\"level\":null}"),
        set("root", "{\"level\":\"LOUD\"}"),
        set("root", "{\"level\":1}"),
        set("root", "{\"level\":\"\"}"),
        set("root", "{\"level\":{}}"),
        set("org.nowhere.Thing", "{\"level\":\"DEBUG\"}"),
        ask("GET", "/admin/loggers/org.nowhere.Thing"),
        ask("GET", "/admin/loggers/org.nowhere"),
        set("org.nowhere", "{\"level\":\"warn\"}"),
        ask("GET", "/admin/loggers/org.nowhere.Thing"),
        ask("GET", "/admin/loggers/org.nowhere/"),
        set("org.nowhere?scope=worker", "{\"level\":\"INFO\"}"),
        set("org.nowhere?scope=nonsense", "{\"level\":\"TRACE\"}"),
        set("org.nowhere?scope=CLUSTER", "{\"level\":\"LOUD\"}"),
        set("org.nowhere?scope=cluster", "{\"level\":\"ERROR\",\"more\":\"1\"}"),
        ask("GET", "/admin/loggers/org.nowhere").until(|answer| answer.body.contains("ERROR")),
        ask("GET", "/admin/loggers/org.nowhere.Thing"),
        set(mirror, "{\"level\":\"DEBUG\"}"),
        ask("GET", "/admin/loggers/org.apache.kafka.connect.mirror"),
        set("root", "{\"level\":\"INFO\"}"),
        ask("GET", "/admin/loggers/root"),
        set("root?scope=cluster", "{\"level\":\"INFO\"}"),
    ]
}

fn internal() -> Vec<Ask> {
    let signed = |ask: Ask, mac: &str, algorithm: &str| {
        ask.header("X-Connect-Authorization", mac).header("X-Connect-Request-Signature-Algorithm", algorithm)
    };
    let mut asks = Vec::new();
    for (method, path) in
        [("POST", "/connectors/m/tasks"), ("PUT", "/connectors/m/fence"), ("POST", "/connectors/x/tasks")]
    {
        let body = || if method == "POST" { send(method, path, "[]") } else { ask(method, path) };
        asks.push(body());
        asks.push(body().header("X-Connect-Authorization", "AAAA"));
        asks.push(body().header("X-Connect-Request-Signature-Algorithm", "HmacSHA256"));
        asks.push(signed(body(), "AAAA", "Foo"));
        asks.push(signed(body(), "AAAA", "HmacSHA512"));
        asks.push(signed(body(), "!", "HmacSHA256"));
        asks.push(signed(body(), "AAAA", "HmacSHA256"));
        asks.push(signed(body(), "9x6gy/WwUuf4mztucScCI9Jz9K9mGjwM6ruTuRvTZjU=", "HmacSHA256"));
    }
    asks.push(send("POST", "/connectors/m/tasks", "{"));
    asks.push(send("POST", "/connectors/m/tasks", "{}"));
    asks
}

fn the_end() -> Vec<Ask> {
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

fn offset(topic: &str, partition: i32, offset: i64) -> Value {
    json!({"offsets": [{
        "partition": {"cluster": "origin", "topic": topic, "partition": partition},
        "offset": {"offset": offset},
    }]})
}

/// With these settings; null takes one away.
fn changed(mut config: Value, changes: Value) -> Value {
    if let (Some(config), Value::Object(changes)) = (config.as_object_mut(), changes) {
        for (key, value) in changes {
            match value {
                Value::Null => drop(config.remove(&key)),
                value => drop(config.insert(key, value)),
            }
        }
    }
    config
}

fn in_state(answer: &Response, state: &str, tasks: usize) -> bool {
    let Ok(status) = serde_json::from_str::<Value>(&answer.body) else { return false };
    let units = status["tasks"].as_array().map_or(&[][..], Vec::as_slice);
    status["connector"]["state"] == state && units.len() == tasks && units.iter().all(|task| task["state"] == state)
}

fn encoded(name: &str) -> String {
    name.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
