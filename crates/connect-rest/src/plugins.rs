//! `/connector-plugins`: what this worker can run, and what it needs to know.

use axum::http::StatusCode;
use connect_api::PluginKind;
use serde_json::{Value as Json, json};

use crate::call::{Answer, Call, json as answer};
use crate::entities;
use crate::error::RestError;

/// `GET /connector-plugins`, connectors only unless asked otherwise.
pub(crate) async fn list(call: Call) -> Answer {
    let connectors_only = call.flag("connectorsOnly", true);
    let plugins: Vec<Json> = call
        .service
        .plugins()
        .iter()
        .filter(|plugin| !connectors_only || plugin.kind == PluginKind::Source)
        .map(entities::plugin)
        .collect();
    Ok(answer(StatusCode::OK, &json!(plugins)))
}

/// `GET /connector-plugins/{p}/config`.
pub(crate) async fn config(call: Call) -> Answer {
    let keys = call.service.plugin_config(call.param(0))?;
    Ok(answer(StatusCode::OK, &json!(keys.iter().map(entities::config_key).collect::<Vec<_>>())))
}

/// `PUT /connector-plugins/{p}/config/validate`. Answers 200 also for a wrong config: the errors are the answer.
pub(crate) async fn validate(call: Call) -> Answer {
    let config = call.config_body()?;
    let wanted = call.param(0);
    let Some(class) = config.get("connector.class").map(|class| class.trim().to_owned()) else {
        return Err(RestError::bad_request(format!(
            "Connector config contains no connector type: set connector.class to {wanted}"
        )));
    };
    let simple = |name: &str| {
        let name = name.rsplit('.').next().unwrap_or(name);
        name.strip_suffix("Connector").unwrap_or(name).to_owned()
    };
    if simple(&class) != simple(wanted) {
        return Err(RestError::bad_request(format!(
            "Included connector type {class} does not match request type {wanted}"
        )));
    }
    let report = call.service.validate(&class, config).await?;
    Ok(answer(StatusCode::OK, &entities::config_report(&report)))
}
