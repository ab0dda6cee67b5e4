//! `/connectors`: create, look at, change, steer, remove.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use connect_api::ConfigMap;
use connect_herder::command::{Command, Reply};
use connect_herder::config_log::TargetState;
use connect_herder::ids::{ConnectorName, TaskId};
use connect_herder::restart::RestartRequest;
use connect_herder::view::{ClusterView, ConnectorInfo};
use serde_json::{Map, Value as Json, json};

use crate::body;
use crate::call::{Answer, Call, empty, json as answer};
use crate::entities;
use crate::error::RestError;
use crate::forward::encode_segment;

/// `GET /connectors`, with `expand=status` and `expand=info`.
pub(crate) async fn list(call: Call) -> Answer {
    let view = call.view();
    let expands: Vec<&str> =
        call.query.iter().filter(|(key, _)| key == "expand").map(|(_, value)| value.as_str()).collect();
    if expands.is_empty() {
        let names: Vec<&str> = view.config.connectors().map(ConnectorName::as_str).collect();
        return Ok(answer(StatusCode::OK, &json!(names)));
    }
    let mut all = Map::new();
    for name in view.config.connectors() {
        if let Some(expanded) = expand(&call, &view, name, &expands) {
            all.insert(name.to_string(), expanded);
        }
    }
    Ok(answer(StatusCode::OK, &Json::Object(all)))
}

/// `None` leaves the connector out: it has no status yet, and status is what was asked for.
fn expand(call: &Call, view: &ClusterView, name: &ConnectorName, expands: &[&str]) -> Option<Json> {
    let kind = kind_of(call, view, name);
    let mut fields = Map::new();
    for what in expands {
        let value = match *what {
            "status" => entities::connector_state(&entities::state_of(view, name, kind)?),
            "info" => entities::connector_info(&entities::info_of(view, name, kind)?),
            _ => continue,
        };
        fields.insert((*what).to_owned(), value);
    }
    Some(Json::Object(fields))
}

fn kind_of(call: &Call, view: &ClusterView, name: &ConnectorName) -> &'static str {
    let class = view.config.connector_config(name).and_then(|config| config.get("connector.class").cloned());
    class.map_or("unknown", |class| call.service.connector_kind(&class))
}

/// `POST /connectors`.
pub(crate) async fn create(call: Call) -> Answer {
    let request = body::create_connector(call.object_body()?)?;
    let name = ConnectorName::from(request.name);
    let config = with_name(&name, request.config)?;
    let command = Command::PutConnector { name, config, initial_state: request.initial_state, replace: false };
    put_answer(&call, call.submit_or_forward(command).await?)
}

/// `PUT /connectors/{c}/config`.
pub(crate) async fn put_config(call: Call) -> Answer {
    let name = call.connector();
    let config = with_name(&name, call.config_body()?)?;
    let command = Command::PutConnector { name, config, initial_state: None, replace: true };
    put_answer(&call, call.submit_or_forward(command).await?)
}

/// `PATCH /connectors/{c}/config`.
pub(crate) async fn patch_config(call: Call) -> Answer {
    let name = call.connector();
    let patch = body::patch(call.object_body()?)?;
    if let Some(Some(given)) = patch.get("name") {
        same_name(&name, given)?;
    }
    put_answer(&call, call.submit_or_forward(Command::PatchConnector { name, patch }).await?)
}

fn with_name(name: &ConnectorName, mut config: ConfigMap) -> Result<ConfigMap, RestError> {
    if let Some(given) = config.get("name") {
        same_name(name, given)?;
    }
    config.insert("name".to_owned(), name.to_string());
    Ok(config)
}

fn same_name(name: &ConnectorName, given: &str) -> Result<(), RestError> {
    if given.trim() == name.as_str() {
        return Ok(());
    }
    Err(RestError::bad_request(format!(
        "Connector name configuration ({given}) doesn't match connector name in the URL ({name})"
    )))
}

/// What a leader answered: our own herder, or another worker over HTTP.
pub(crate) enum Answered {
    Here(Reply),
    Elsewhere(Response),
}

fn put_answer(call: &Call, answered: Answered) -> Answer {
    match answered {
        Answered::Elsewhere(response) => Ok(response),
        Answered::Here(Reply::Created(info)) => Ok(created(call, &info)),
        Answered::Here(Reply::Updated(info)) => Ok(answer(StatusCode::OK, &entities::connector_info(&info))),
        Answered::Here(_) => Ok(empty(StatusCode::OK)),
    }
}

fn created(call: &Call, info: &ConnectorInfo) -> Response {
    let mut response = answer(StatusCode::CREATED, &entities::connector_info(info));
    let host = call.header("host").unwrap_or("localhost");
    let location = format!("{}://{host}/connectors/{}", call.scheme, encode_segment(info.name.as_str()));
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// `GET /connectors/{c}`.
pub(crate) async fn get(call: Call) -> Answer {
    let (view, name) = existing(&call)?;
    let info = entities::info_of(&view, &name, kind_of(&call, &view, &name)).ok_or_else(|| not_found(&name))?;
    Ok(answer(StatusCode::OK, &entities::connector_info(&info)))
}

/// `GET /connectors/{c}/config`.
pub(crate) async fn get_config(call: Call) -> Answer {
    let (view, name) = existing(&call)?;
    let config = view.config.connector_config(&name).ok_or_else(|| not_found(&name))?;
    Ok(answer(StatusCode::OK, &entities::config(config)))
}

/// `GET /connectors/{c}/status`.
pub(crate) async fn status(call: Call) -> Answer {
    let (view, name) = (call.view(), call.connector());
    let state = entities::state_of(&view, &name, kind_of(&call, &view, &name))
        .ok_or_else(|| RestError::not_found(format!("No status found for connector {name}")))?;
    Ok(answer(StatusCode::OK, &entities::connector_state(&state)))
}

/// `GET /connectors/{c}/tasks`.
pub(crate) async fn tasks(call: Call) -> Answer {
    let (view, name) = existing(&call)?;
    let tasks: Vec<Json> = view
        .config
        .tasks(&name)
        .filter_map(|task| {
            let config = entities::config(view.config.task_config(&task)?);
            Some(json!({"id": entities::task_id(&task), "config": config}))
        })
        .collect();
    Ok(answer(StatusCode::OK, &json!(tasks)))
}

/// `GET /connectors/{c}/tasks/{t}/status`.
pub(crate) async fn task_status(call: Call) -> Answer {
    let (view, name, number) = (call.view(), call.connector(), task_number(&call)?);
    let found = u32::try_from(number).ok().and_then(|id| Some((id, view.status.tasks(&name).get(&id)?)));
    let (id, status) =
        found.ok_or_else(|| RestError::not_found(format!("No status found for task {name}-{number}")))?;
    Ok(answer(StatusCode::OK, &entities::task_state(id, status)))
}

/// What Java takes for the number of a task: there is none below 0, but asking for one is no mistake of form.
fn task_number(call: &Call) -> Result<i32, RestError> {
    call.param(1).parse().map_err(|_| RestError::plain(StatusCode::NOT_FOUND))
}

fn existing(call: &Call) -> Result<(std::sync::Arc<ClusterView>, ConnectorName), RestError> {
    let (view, name) = (call.view(), call.connector());
    if view.config.contains(&name) { Ok((view, name)) } else { Err(not_found(&name)) }
}

fn not_found(name: &ConnectorName) -> RestError {
    RestError::not_found(format!("Connector {name} not found"))
}

/// `DELETE /connectors/{c}`.
pub(crate) async fn delete(call: Call) -> Answer {
    let command = Command::DeleteConnector(call.connector());
    done(call.submit_or_forward(command).await?, StatusCode::NO_CONTENT)
}

/// `PUT /connectors/{c}/pause`.
pub(crate) async fn pause(call: Call) -> Answer {
    let command = Command::SetTargetState { name: call.connector(), state: TargetState::Paused };
    done(call.submit_or_forward(command).await?, StatusCode::ACCEPTED)
}

/// `PUT /connectors/{c}/resume`.
pub(crate) async fn resume(call: Call) -> Answer {
    let command = Command::SetTargetState { name: call.connector(), state: TargetState::Started };
    done(call.submit_or_forward(command).await?, StatusCode::ACCEPTED)
}

/// `PUT /connectors/{c}/stop`.
pub(crate) async fn stop(call: Call) -> Answer {
    let command = Command::StopConnector(call.connector());
    done(call.submit_or_forward(command).await?, StatusCode::NO_CONTENT)
}

/// `POST /connectors/{c}/restart`: the old form answers 204, the one of KIP-745 202 with the plan.
pub(crate) async fn restart(call: Call) -> Answer {
    let (include_tasks, only_failed) = (call.flag("includeTasks", false), call.flag("onlyFailed", false));
    let connector = call.connector();
    if !include_tasks && !only_failed {
        let command = Command::RestartConnector(connector);
        return done(call.submit_or_forward(command).await?, StatusCode::NO_CONTENT);
    }
    let request = RestartRequest { connector, only_failed, include_tasks };
    match call.submit_or_forward(Command::RestartConnectorAndTasks(request)).await? {
        Answered::Here(Reply::Restarting(plan)) => Ok(answer(StatusCode::ACCEPTED, &entities::connector_state(&plan))),
        other => done(other, StatusCode::ACCEPTED),
    }
}

/// `POST /connectors/{c}/tasks/{t}/restart`.
pub(crate) async fn restart_task(call: Call) -> Answer {
    let (name, number) = (call.connector(), task_number(&call)?);
    let Ok(id) = u32::try_from(number) else {
        let known = call.view().config.contains(&name);
        let what = if known { format!("Unknown task: {name}-{number}") } else { format!("Unknown connector: {name}") };
        return Err(RestError::not_found(what));
    };
    let command = Command::RestartTask(TaskId::new(name, id));
    done(call.submit_or_forward(command).await?, StatusCode::NO_CONTENT)
}

/// `GET /connectors/{c}/topics`. An unknown connector has used none, as in Java.
pub(crate) async fn topics(call: Call) -> Answer {
    let (view, name) = (call.view(), call.connector());
    if !call.service.topic_tracking() {
        return Err(RestError::new(StatusCode::FORBIDDEN, "Topic tracking is disabled."));
    }
    let topics: Vec<&String> = view.status.topics(&name).keys().collect();
    let mut body = Map::new();
    body.insert(name.to_string(), json!({"topics": topics}));
    Ok(answer(StatusCode::OK, &Json::Object(body)))
}

/// `PUT /connectors/{c}/topics/reset`.
pub(crate) async fn reset_topics(call: Call) -> Answer {
    let command = Command::ResetTopics(call.connector());
    done(call.submit_or_forward(command).await?, StatusCode::ACCEPTED)
}

/// `POST /connectors/{c}/tasks` (internal): another worker's connector has new task configs. Signed (KIP-507).
pub(crate) async fn put_task_configs(call: Call) -> Answer {
    call.verify_signature()?;
    let configs = body::task_configs(call.json_body()?)?;
    let command = Command::PutTaskConfigs { name: call.connector(), configs };
    done(call.submit_or_forward(command).await?, StatusCode::NO_CONTENT)
}

/// `PUT /connectors/{c}/fence` (internal): another worker is about to start exactly-once tasks. Signed.
pub(crate) async fn fence(call: Call) -> Answer {
    call.verify_signature()?;
    let command = Command::FenceZombies(call.connector());
    done(call.submit_or_forward(command).await?, StatusCode::NO_CONTENT)
}

/// A status without body, or what another worker answered.
pub(crate) fn done(answered: Answered, status: StatusCode) -> Answer {
    Ok(match answered {
        Answered::Here(_) => empty(status),
        Answered::Elsewhere(response) => response,
    })
}
