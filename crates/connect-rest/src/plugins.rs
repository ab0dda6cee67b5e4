//! `/connector-plugins`: what this worker can run, and what it needs to know.

use axum::http::StatusCode;
use connect_api::PluginKind;
use connect_api::config::ConfigValue;
use connect_herder::service::PluginInfo;
use serde_json::{Value as Json, json};

use crate::body::NULL_VALUE;
use crate::call::{Answer, Call, json as answer};
use crate::entities;
use crate::error::RestError;

/// `GET /connector-plugins`, connectors only unless asked otherwise.
pub(crate) async fn list(call: Call) -> Answer {
    let connectors_only = call.flag("connectorsOnly", true);
    let mut plugins = call.service.plugins();
    plugins.retain(|plugin| !connectors_only || plugin.kind == PluginKind::Source);
    plugins.sort_by(|a, b| (rank(a.kind), &a.class).cmp(&(rank(b.kind), &b.class)));
    let plugins: Vec<Json> = plugins.iter().map(entities::plugin).collect();
    Ok(answer(StatusCode::OK, &json!(plugins)))
}

/// Java's order of the kinds.
fn rank(kind: PluginKind) -> usize {
    let order = ["sink", "source", "transformation", "predicate", "converter", "header_converter"];
    order.iter().position(|known| *known == kind.as_str()).unwrap_or(order.len())
}

/// `GET /connector-plugins/{p}/config`.
pub(crate) async fn config(call: Call) -> Answer {
    let class = call.param(0);
    if let Some(plugin) = call.service.plugins().into_iter().find(|plugin| goes_by(plugin, class)) {
        check_version(&plugin, call.query("version"))?;
    }
    let keys = call.service.plugin_config(class)?;
    Ok(answer(StatusCode::OK, &json!(keys.iter().map(entities::config_key).collect::<Vec<_>>())))
}

fn goes_by(plugin: &PluginInfo, name: &str) -> bool {
    plugin.class == name || simple_name(&plugin.class) == simple_name(name) && !name.contains('.')
}

/// `version=` of KIP-891: there is one version of each plugin.
fn check_version(plugin: &PluginInfo, wanted: Option<&str>) -> Result<(), RestError> {
    let (Some(wanted), own) = (wanted, plugin.version.as_str()) else { return Ok(()) };
    if wanted == "latest" || wanted == own || wanted == format!("[{own}]") {
        return Ok(());
    }
    Err(RestError::bad_request(format!(
        "Plugin {} not found that matches the version range [{wanted},{wanted}], available versions: [{own}]",
        plugin.class
    )))
}

/// `PUT /connector-plugins/{p}/config/validate`. Answers 200 also for a wrong config: the errors are the answer.
pub(crate) async fn validate(call: Call) -> Answer {
    let (config, nulls) = call.config_body_and_nulls()?;
    let wanted = call.param(0);
    let Some(class) = config.get("connector.class").map(|class| class.trim().to_owned()) else {
        return Err(RestError::bad_request(format!(
            "Connector config contains no connector type: set connector.class to {wanted}"
        )));
    };
    if simple_name(&class) != simple_name(wanted) {
        return Err(RestError::bad_request(format!(
            "Included connector type {class} does not match request type {wanted}"
        )));
    }
    let mut report = call.service.validate(&class, config).await?;
    for name in nulls {
        match report.configs.iter_mut().find(|(_, value)| value.name == name) {
            Some((_, value)) => value.errors.push(NULL_VALUE.to_owned()),
            None => report.configs.insert(0, (None, null_value(name))),
        }
    }
    Ok(answer(StatusCode::OK, &entities::config_report(&report)))
}

fn null_value(name: String) -> ConfigValue {
    ConfigValue { name, value: None, recommended: Vec::new(), errors: vec![NULL_VALUE.to_owned()], visible: true }
}

/// Connectors go by their class, its simple name, and that without `Connector`.
fn simple_name(class: &str) -> &str {
    let name = class.rsplit('.').next().unwrap_or(class);
    name.strip_suffix("Connector").unwrap_or(name)
}
