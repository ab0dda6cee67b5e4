//! `/admin/loggers`: levels while the worker runs (KIP-495, KIP-976).

use axum::http::StatusCode;
use connect_herder::command::Command;
use serde_json::{Map, Value as Json, json};

use crate::call::{Answer, Call, json as answer};
use crate::connectors::done;
use crate::error::RestError;

/// `GET /admin/loggers`.
pub(crate) async fn list(call: Call) -> Answer {
    let mut loggers = call.service.loggers();
    loggers.sort_by(|a, b| a.name.cmp(&b.name));
    let body: Map<String, Json> = loggers
        .into_iter()
        .map(|logger| (logger.name, json!({"level": logger.level, "last_modified": logger.last_modified_ms})))
        .collect();
    Ok(answer(StatusCode::OK, &Json::Object(body)))
}

/// `GET /admin/loggers/{l}`.
pub(crate) async fn get(call: Call) -> Answer {
    let name = call.param(0);
    let logger = call
        .service
        .loggers()
        .into_iter()
        .find(|logger| logger.name == name || logger.name == "root" && name.eq_ignore_ascii_case("root"))
        .ok_or_else(|| RestError::not_found(format!("Logger {name} not found.")))?;
    Ok(answer(StatusCode::OK, &json!({"level": logger.level, "last_modified": logger.last_modified_ms})))
}

/// `PUT /admin/loggers/{l}`, on this worker or with `scope=cluster` on all.
pub(crate) async fn set(call: Call) -> Answer {
    let body = call.object_body()?;
    let level = match body.get("level") {
        Some(Json::String(level)) => level.clone(),
        Some(level @ (Json::Number(_) | Json::Bool(_))) => level.to_string(),
        Some(Json::Array(_) | Json::Object(_)) => return Err(RestError::bad_request("\"level\" must be a string.")),
        None | Some(Json::Null) => {
            return Err(RestError::bad_request("Desired 'level' parameter was not specified in request."));
        }
    };
    let logger = call.param(0);
    if !call.service.is_logger_level(&level) {
        // 404 for a wrong level is Java's answer, and tools expect it.
        return Err(RestError::not_found(format!("invalid log level '{level}'.")));
    }
    if call.query("scope").is_some_and(|scope| scope.eq_ignore_ascii_case("cluster")) {
        let command = Command::SetClusterLoggerLevel { logger: logger.to_owned(), level };
        return done(call.submit_or_forward(command).await?, StatusCode::NO_CONTENT);
    }
    let changed = call.service.set_logger_level(logger, &level).unwrap_or_default();
    Ok(answer(StatusCode::OK, &json!(changed)))
}
