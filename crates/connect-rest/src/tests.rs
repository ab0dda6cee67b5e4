//! The router with a service that answers from a script: words, codes and headers are Java's, or better where README
//! says so.

use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use connect_api::config::ConfigKey;
use connect_api::source::BoxFuture;
use connect_api::{ConfigMap, PluginKind};
use connect_herder::command::{Command, Outcome, Reply};
use connect_herder::config_log::{ClusterConfigState, TargetState};
use connect_herder::error::HerderError;
use connect_herder::ids::{ConnectorName, Generation, WorkerId};
use connect_herder::service::{ConfigReport, HerderService, LoggerLevel, PluginInfo, SignatureError, StoredOffsets};
use connect_herder::status_log::StatusState;
use connect_herder::view::{ClusterView, ConnectorInfo, GroupView, Stage};
use http_body_util::BodyExt;
use serde_json::{Value as Json, json};
use tower::ServiceExt;

use crate::flows::{self, FlowServices};
use crate::options::RestOptions;
use crate::router::router;

struct Script {
    view: ClusterView,
    outcome: Outcome,
    commands: Mutex<Vec<Command>>,
}

impl HerderService for Script {
    fn view(&self) -> Arc<ClusterView> {
        Arc::new(self.view.clone())
    }

    fn submit(&self, command: Command) -> BoxFuture<'_, Outcome> {
        self.commands.lock().unwrap().push(command);
        Box::pin(std::future::ready(self.outcome.clone()))
    }

    fn kafka_cluster_id(&self) -> Option<String> {
        Some("kLuSt3r".into())
    }

    fn plugins(&self) -> Vec<PluginInfo> {
        vec![PluginInfo {
            class: "org.apache.kafka.connect.mirror.MirrorSourceConnector".into(),
            kind: PluginKind::Source,
            version: "4.3.0".into(),
        }]
    }

    fn metrics(&self, profiles: Option<&str>) -> Result<String, HerderError> {
        match profiles {
            None => Ok("portage_build_info 1\n".to_owned()),
            Some(unknown) => Err(HerderError::BadRequest(format!("unknown metrics profile '{unknown}'"))),
        }
    }

    fn plugin_config(&self, class: &str) -> Result<Vec<ConfigKey>, HerderError> {
        Err(HerderError::NotFound(format!("Unknown plugin {class}.")))
    }

    fn validate(&self, class: &str, _: ConfigMap) -> BoxFuture<'_, Result<ConfigReport, HerderError>> {
        let report = ConfigReport { name: class.to_owned(), groups: vec!["Common".into()], configs: vec![] };
        Box::pin(std::future::ready(Ok(report)))
    }

    fn offsets(&self, _: &ConnectorName) -> BoxFuture<'_, Result<StoredOffsets, HerderError>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn connector_kind(&self, _: &str) -> &'static str {
        "source"
    }

    fn topic_tracking(&self) -> bool {
        true
    }

    fn is_logger_level(&self, level: &str) -> bool {
        level == "DEBUG"
    }

    fn loggers(&self) -> Vec<LoggerLevel> {
        vec![LoggerLevel { name: "root".into(), level: "INFO".into(), last_modified_ms: None }]
    }

    fn set_logger_level(&self, logger: &str, _: &str) -> Option<Vec<String>> {
        Some(vec![logger.to_owned()])
    }

    fn verify_signature(&self, _: &[u8], signature: Option<&str>, _: Option<&str>) -> Result<(), SignatureError> {
        match signature {
            None => Err(SignatureError::Malformed("Internal request missing required signature".into())),
            Some("right") => Ok(()),
            Some(_) => Err(SignatureError::Invalid),
        }
    }
}

fn view() -> ClusterView {
    let mut config = ClusterConfigState::new();
    let class = "org.apache.kafka.connect.mirror.MirrorSourceConnector";
    let records = [
        ("connector-a->b.x", json!({"properties": {"connector.class": class, "name": "a->b.x"}})),
        ("task-a->b.x-0", json!({"properties": {"task.index": "0"}})),
        ("commit-a->b.x", json!({"tasks": 1})),
    ];
    for (offset, (key, value)) in records.iter().enumerate() {
        config.apply(offset as i64, key, Some(value.to_string().as_bytes()));
    }
    let mut status = StatusState::new();
    let state = json!({"state": "RUNNING", "trace": null, "worker_id": "w:1", "generation": 1, "version": "4.3.0"});
    for key in ["status-connector-a->b.x", "status-task-a->b.x-0"] {
        status.apply(key, Some(state.to_string().as_bytes())).unwrap();
    }
    ClusterView {
        config,
        status,
        worker_id: WorkerId::from("w:1"),
        group: GroupView {
            generation: Generation(1),
            member_id: None,
            leader_id: None,
            leader_url: None,
            protocol: None,
            connectors: Vec::new(),
            tasks: Vec::new(),
            rebalancing: false,
        },
        stage: Stage::Ready,
    }
}

struct Rest {
    script: Arc<Script>,
}

fn rest(outcome: Outcome) -> Rest {
    Rest { script: Arc::new(Script { view: view(), outcome, commands: Mutex::default() }) }
}

impl Rest {
    async fn send(&self, request: Request<Body>) -> (StatusCode, Json, axum::http::HeaderMap) {
        let options = RestOptions { body_bytes_max: 1024, ..RestOptions::default() };
        let service: Arc<dyn HerderService> = self.script.clone();
        let response = router(service, options, "http").oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts.status, serde_json::from_slice(&body).unwrap_or(Json::Null), parts.headers)
    }

    async fn call(&self, method: &str, path: &str, body: &str) -> (StatusCode, Json) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json")
            .header("host", "connect:8083")
            .body(Body::from(body.to_owned()))
            .unwrap();
        let (status, body, _) = self.send(request).await;
        (status, body)
    }

    fn commands(&self) -> Vec<Command> {
        std::mem::take(&mut self.script.commands.lock().unwrap())
    }
}

fn error(code: u16, message: &str) -> (StatusCode, Json) {
    (StatusCode::from_u16(code).unwrap(), json!({"error_code": code, "message": message}))
}

fn info(name: &str) -> ConnectorInfo {
    ConnectorInfo { name: name.into(), config: ConfigMap::new(), tasks: Vec::new(), kind: "source" }
}

#[tokio::test]
async fn the_root_reports_the_kafka_version_that_tools_switch_on() {
    let (status, body) = rest(Ok(Reply::Done)).call("GET", "/", "").await;

    assert_eq!(status, StatusCode::OK);
    assert_eq!((&body["version"], &body["kafka_cluster_id"]), (&json!("4.3.0"), &json!("kLuSt3r")));
}

#[tokio::test]
async fn unknown_paths_and_methods_answer_in_json() {
    let rest = rest(Ok(Reply::Done));

    assert_eq!(rest.call("GET", "/nope", "").await, error(404, "HTTP 404 Not Found"));
    assert_eq!(rest.call("DELETE", "/connectors", "").await, error(405, "HTTP 405 Method Not Allowed"));
    assert_eq!(rest.call("GET", "/connectors/x/tasks/one/status", "").await, error(404, "HTTP 404 Not Found"));
}

#[tokio::test]
async fn a_connector_is_found_by_every_spelling_of_its_name() {
    let rest = rest(Ok(Reply::Done));

    for path in ["/connectors/a-%3Eb.x", "/connectors/a%2D%3Eb.x/", "/connectors/a-%3eb%2ex"] {
        let (status, body) = rest.call("GET", path, "").await;

        assert_eq!(status, StatusCode::OK, "{path}");
        assert_eq!(body["name"], "a->b.x");
        assert_eq!(body["tasks"], json!([{"connector": "a->b.x", "task": 0}]));
    }
}

#[tokio::test]
async fn what_does_not_exist_is_refused_in_javas_words() {
    let rest = rest(Ok(Reply::Done));

    assert_eq!(rest.call("GET", "/connectors/x", "").await, error(404, "Connector x not found"));
    assert_eq!(rest.call("GET", "/connectors/x/status", "").await, error(404, "No status found for connector x"));
    assert_eq!(rest.call("GET", "/connectors/x/tasks/9/status", "").await, error(404, "No status found for task x-9"));
    assert_eq!(rest.call("GET", "/connectors/x/topics", "").await, (StatusCode::OK, json!({"x": {"topics": []}})));
    assert_eq!(rest.call("GET", "/admin/loggers/nope", "").await, error(404, "Logger nope not found."));
}

#[tokio::test]
async fn lists_expand_to_what_was_asked_for() {
    let rest = rest(Ok(Reply::Done));

    assert_eq!(rest.call("GET", "/connectors", "").await.1, json!(["a->b.x"]));
    assert_eq!(rest.call("GET", "/connectors?expand=nope", "").await.1, json!({"a->b.x": {}}));
    let (_, both) = rest.call("GET", "/connectors/?expand=status&expand=info", "").await;
    assert_eq!(both["a->b.x"]["status"]["connector"]["state"], "RUNNING");
    assert_eq!(both["a->b.x"]["info"]["type"], "source");
    assert_eq!(
        both["a->b.x"]["status"]["tasks"][0],
        json!({"id": 0, "state": "RUNNING", "worker_id": "w:1", "version": "4.3.0"})
    );
}

#[tokio::test]
async fn creating_coerces_values_fills_in_the_name_and_tells_where_it_is() {
    let rest = rest(Ok(Reply::Created(info("a b"))));
    let body = json!({"name": " a b ", "config": {"tasks.max": 2, "enabled": true}, "initial_state": "paused"});
    let request = Request::post("/connectors")
        .header("content-type", "application/json; charset=utf-8")
        .header("host", "connect:8083")
        .body(Body::from(body.to_string()))
        .unwrap();

    let (status, _, headers) = rest.send(request).await;

    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(headers["location"], "http://connect:8083/connectors/a%20b");
    let config = [("enabled", "true"), ("name", "a b"), ("tasks.max", "2")];
    assert_eq!(
        rest.commands(),
        [Command::PutConnector {
            name: "a b".into(),
            config: config.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            initial_state: Some(TargetState::Paused),
            replace: false,
        }]
    );
}

#[tokio::test]
async fn a_clients_mistake_is_a_400_that_names_it() {
    let rest = rest(Ok(Reply::Done));
    let cases = [
        ("", "The request has no body; a JSON document is expected."),
        ("{", "The request body is not valid JSON: EOF while parsing an object at line 1 column 1"),
        ("[]", "A JSON object is expected, not an array."),
        ("{}", "Connector config is missing."),
        (r#"{"name":"n","config":{"a":null}}"#, "Null value can not be supplied as the configuration value. (key a)"),
        (
            r#"{"name":"n","config":{"a":[1]}}"#,
            "The value of \"a\" must be a string, a number or a boolean, not an array.",
        ),
        (
            r#"{"name":"n","config":{"name":"m"}}"#,
            "Connector name configuration (m) doesn't match connector name in the URL (n)",
        ),
        (
            r#"{"name":"n","config":{},"x":1}"#,
            "Unrecognized field \"x\"; known are \"name\", \"config\" and \"initial_state\".",
        ),
    ];

    for (body, message) in cases {
        assert_eq!(rest.call("POST", "/connectors", body).await, error(400, message), "{body}");
    }
    assert!(rest.commands().is_empty());
}

#[tokio::test]
async fn a_body_of_another_type_or_beyond_the_limit_is_refused() {
    let rest = rest(Ok(Reply::Done));
    let xml = Request::post("/connectors").header("content-type", "text/xml").body(Body::from("<a/>")).unwrap();

    assert_eq!(rest.send(xml).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let big = format!(r#"{{"name":"{}"}}"#, "n".repeat(2000));
    assert_eq!(rest.call("POST", "/connectors", &big).await, error(413, "The request body is larger than 1024 bytes."));
}

#[tokio::test]
async fn steering_answers_with_javas_codes() {
    let rest = rest(Ok(Reply::Done));

    assert_eq!(rest.call("PUT", "/connectors/x/pause", "").await.0, StatusCode::ACCEPTED);
    assert_eq!(rest.call("PUT", "/connectors/x/resume", "").await.0, StatusCode::ACCEPTED);
    assert_eq!(rest.call("PUT", "/connectors/x/stop", "").await.0, StatusCode::NO_CONTENT);
    assert_eq!(rest.call("DELETE", "/connectors/x", "").await.0, StatusCode::NO_CONTENT);
    assert_eq!(rest.call("POST", "/connectors/x/restart", "").await.0, StatusCode::NO_CONTENT);
    assert_eq!(rest.call("POST", "/connectors/x/tasks/0/restart", "").await.0, StatusCode::NO_CONTENT);
    assert_eq!(rest.call("PUT", "/connectors/x/topics/reset", "").await.0, StatusCode::ACCEPTED);
    rest.commands();
    rest.call("POST", "/connectors/x/restart?includeTasks=True&onlyFailed=False", "").await;
    let [Command::RestartConnectorAndTasks(request)] = &rest.commands()[..] else { panic!("no restart") };
    assert!(request.include_tasks && !request.only_failed);
}

#[tokio::test]
async fn a_request_is_forwarded_twice_at_most() {
    let rest = rest(Err(HerderError::NotLeader { leader_url: Some("http://127.0.0.1:1/".into()) }));

    assert_eq!(
        rest.call("DELETE", "/connectors/x?forward=false", "").await,
        error(409, "Cannot complete request because of a conflicting operation (e.g. worker rebalance)")
    );
    let (status, body) = rest.call("DELETE", "/connectors/x?forward=true", "").await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    let message = body["message"].as_str().unwrap();
    assert!(message.contains("http://127.0.0.1:1/connectors/x?forward=false"), "{message}");
}

#[tokio::test]
async fn without_a_leader_the_client_is_asked_to_wait() {
    let rest = rest(Err(HerderError::NotLeader { leader_url: None }));

    assert_eq!(
        rest.call("DELETE", "/connectors/x", "").await,
        error(
            409,
            "Cannot complete request momentarily due to no known leader URL, likely because a rebalance was underway."
        )
    );
}

#[tokio::test]
async fn internal_calls_need_the_groups_signature() {
    let rest = rest(Ok(Reply::Done));
    let signed = |signature: &str| {
        Request::post("/connectors/x/tasks")
            .header("content-type", "application/json")
            .header("x-connect-authorization", signature)
            .body(Body::from("[]"))
            .unwrap()
    };

    assert_eq!(
        rest.call("POST", "/connectors/x/tasks", "[]").await,
        error(400, "Internal request missing required signature")
    );
    assert_eq!(rest.send(signed("wrong")).await.0, StatusCode::FORBIDDEN);
    assert!(rest.commands().is_empty());
    assert_eq!(rest.send(signed("right")).await.0, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_flow_is_found_by_its_aliases_and_answers_internal_calls_and_about_its_health() {
    let rest = rest(Ok(Reply::Done));
    let service: Arc<dyn HerderService> = rest.script.clone();
    let flow = ("us west".to_owned(), "b".to_owned());
    let router = flows::router(FlowServices::from([(flow, service)]), &RestOptions::default(), "http");
    let status = async |method: &str, path: &str| {
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        let request = request.header("x-connect-authorization", "right").body(Body::from("[]")).unwrap();
        router.clone().oneshot(request).await.unwrap().status()
    };

    assert_eq!(status("POST", "/us%20west/b/connectors/x/tasks").await, StatusCode::NO_CONTENT);
    assert_eq!(status("PUT", "/us%20west/b/connectors/x/fence").await, StatusCode::NO_CONTENT);
    for path in ["/health", "/us%20west/b/health", "/us%20west/b/metrics"] {
        assert_eq!(status("GET", path).await, StatusCode::OK, "{path}");
    }
    for path in ["/b/us%20west/connectors/x/tasks", "/us%20west/b/connectors", "/us%20west/b", "/", "/connectors"] {
        assert_eq!(status("POST", path).await, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn one_flow_that_is_not_healthy_is_enough() {
    let (well, ill) = (rest(Ok(Reply::Done)), rest(Ok(Reply::Done)));
    let mut starting = view();
    starting.stage = Stage::Starting("joining the group".to_owned());
    let ill = Script { view: starting, outcome: ill.script.outcome.clone(), commands: Mutex::default() };
    let services: [(&str, Arc<dyn HerderService>); 2] = [("a", Arc::new(ill)), ("z", well.script.clone())];
    let flows = services.map(|(source, service)| ((source.to_owned(), "b".to_owned()), service));
    let router = flows::router(FlowServices::from(flows), &RestOptions::default(), "http");
    let request = Request::get("/health").body(Body::empty()).unwrap();

    let answer = router.oneshot(request).await.unwrap();

    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn log_levels_are_set_and_a_wrong_one_is_a_404_as_in_java() {
    let rest = rest(Ok(Reply::Done));

    assert_eq!(
        rest.call("GET", "/admin/loggers", "").await.1,
        json!({"root": {"level": "INFO", "last_modified": null}})
    );
    assert_eq!(rest.call("PUT", "/admin/loggers/a.b", r#"{"level":"DEBUG"}"#).await, (StatusCode::OK, json!(["a.b"])));
    assert_eq!(
        rest.call("PUT", "/admin/loggers/a.b", r#"{"level":"XX"}"#).await,
        error(404, "invalid log level 'XX'.")
    );
    assert_eq!(
        rest.call("PUT", "/admin/loggers/a.b?scope=cluster", r#"{"level":"DEBUG"}"#).await.0,
        StatusCode::NO_CONTENT
    );
}

#[tokio::test]
async fn metrics_are_text_for_prometheus_and_a_wrong_profile_is_named() {
    let rest = rest(Ok(Reply::Done));
    let get = |path: &str| Request::get(path).body(Body::empty()).unwrap();

    let (status, _, headers) = rest.send(get("/metrics")).await;
    let (refused, body, _) = rest.send(get("/metrics?profile=jmx")).await;

    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!((refused, &body["message"]), (StatusCode::BAD_REQUEST, &json!("unknown metrics profile 'jmx'")));
}

#[tokio::test]
async fn options_lists_the_methods_of_a_path() {
    let rest = rest(Ok(Reply::Done));
    let request = Request::options("/connectors/x/config").body(Body::empty()).unwrap();

    let (status, _, headers) = rest.send(request).await;

    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["allow"], "GET, PUT, PATCH, HEAD, OPTIONS");
}

#[tokio::test]
async fn while_the_worker_starts_what_depends_on_its_topics_waits() {
    let why = "Request timed out. The worker is currently awaiting startup.";
    let mut script = rest(Err(HerderError::Timeout(why.to_owned())));
    Arc::get_mut(&mut script.script).unwrap().view.stage = Stage::Starting("awaiting startup".to_owned());

    for path in ["/connectors", "/connectors?expand=status", "/connectors/a-%3Eb.x/status", "/connectors/x/topics"] {
        assert_eq!(script.call("GET", path, "").await, error(500, why), "{path}");
        assert_eq!(script.commands(), [Command::Ping], "{path}");
    }

    assert_eq!(script.call("GET", "/health", "").await.0, StatusCode::SERVICE_UNAVAILABLE);
    for path in ["/", "/connector-plugins", "/admin/loggers"] {
        assert_eq!(script.call("GET", path, "").await.0, StatusCode::OK, "{path}");
    }
    assert!(script.commands().is_empty());
}
