//! What answers look like: fields in Java's order, nothing more and nothing less.

use connect_api::ConfigMap;
use connect_api::config::{ConfigKey, ConfigValue, DefaultValue};
use connect_herder::ids::{ConnectorName, TaskId};
use connect_herder::service::{ConfigReport, PluginInfo, StoredOffsets};
use connect_herder::status_log::Status;
use connect_herder::view::{ClusterView, ConnectorInfo, ConnectorStateInfo, UnitState};
use serde_json::{Map, Value as Json, json};

/// `ConnectorInfo`.
pub(crate) fn connector_info(info: &ConnectorInfo) -> Json {
    json!({
        "name": info.name.as_str(),
        "config": config(&info.config),
        "tasks": info.tasks.iter().map(task_id).collect::<Vec<_>>(),
        "type": info.kind,
    })
}

/// A flat config.
pub(crate) fn config(config: &ConfigMap) -> Json {
    Json::Object(config.iter().map(|(key, value)| (key.clone(), Json::from(value.as_str()))).collect())
}

/// `{"connector":…,"task":…}`.
pub(crate) fn task_id(task: &TaskId) -> Json {
    json!({"connector": task.connector.as_str(), "task": task.task})
}

/// `ConnectorStateInfo`.
pub(crate) fn connector_state(info: &ConnectorStateInfo) -> Json {
    let tasks: Vec<Json> = info
        .tasks
        .iter()
        .map(|(id, state)| {
            let mut fields = Map::new();
            fields.insert("id".into(), json!(id));
            unit_fields(&mut fields, state);
            Json::Object(fields)
        })
        .collect();
    let mut connector = Map::new();
    unit_fields(&mut connector, &info.connector);
    json!({"name": info.name.as_str(), "connector": connector, "tasks": tasks, "type": info.kind})
}

/// `TaskState`: a task of `GET /connectors/{c}/tasks/{t}/status`.
pub(crate) fn task_state(id: u32, status: &Status) -> Json {
    let mut fields = Map::new();
    fields.insert("id".into(), json!(id));
    unit_fields(&mut fields, &unit_state(status));
    Json::Object(fields)
}

fn unit_fields(fields: &mut Map<String, Json>, unit: &UnitState) {
    fields.insert("state".into(), json!(unit.state));
    fields.insert("worker_id".into(), json!(unit.worker_id));
    if let Some(version) = &unit.version {
        fields.insert("version".into(), json!(version));
    }
    if let Some(trace) = unit.trace.as_ref().filter(|trace| !trace.is_empty()) {
        fields.insert("trace".into(), json!(trace));
    }
}

/// A status of the status topic as the API words it.
pub(crate) fn unit_state(status: &Status) -> UnitState {
    UnitState {
        state: status.state.to_string(),
        worker_id: status.worker_id.to_string(),
        version: status.version.clone(),
        trace: status.trace.clone(),
    }
}

/// The connector as the snapshot has it, `None` if it does not exist.
pub(crate) fn info_of(view: &ClusterView, name: &ConnectorName, kind: &'static str) -> Option<ConnectorInfo> {
    Some(ConnectorInfo {
        name: name.clone(),
        config: view.config.connector_config(name)?.as_ref().clone(),
        tasks: view.config.tasks(name).collect(),
        kind,
    })
}

/// The connector's statuses as the snapshot has them, `None` if there are none.
pub(crate) fn state_of(view: &ClusterView, name: &ConnectorName, kind: &'static str) -> Option<ConnectorStateInfo> {
    Some(ConnectorStateInfo {
        name: name.clone(),
        connector: unit_state(view.status.connector(name)?),
        tasks: view.status.tasks(name).iter().map(|(id, status)| (*id, unit_state(status))).collect(),
        kind,
    })
}

/// `PluginInfo`.
pub(crate) fn plugin(info: &PluginInfo) -> Json {
    json!({"class": info.class, "type": info.kind.as_str(), "version": info.version})
}

/// `ConfigKeyInfo`.
pub(crate) fn config_key(key: &ConfigKey) -> Json {
    json!({
        "name": key.name,
        "type": key.kind.as_str(),
        "required": key.default == DefaultValue::Required,
        "default_value": key.default_text(),
        "importance": key.importance.as_str(),
        "documentation": key.documentation,
        "group": key.group,
        "order_in_group": key.order_in_group,
        "width": key.width.as_str(),
        "display_name": key.display_name,
        "dependents": key.dependents,
    })
}

/// `ConfigInfos`.
pub(crate) fn config_report(report: &ConfigReport) -> Json {
    let configs: Vec<Json> = report
        .configs
        .iter()
        .map(|(key, value)| json!({"definition": key.as_ref().map(config_key), "value": config_value(value)}))
        .collect();
    json!({
        "name": report.name,
        "error_count": report.error_count(),
        "groups": report.groups,
        "configs": configs,
    })
}

fn config_value(value: &ConfigValue) -> Json {
    json!({
        "name": value.name,
        "value": value.value,
        "recommended_values": value.recommended,
        "errors": value.errors,
        "visible": value.visible,
    })
}

/// `ConnectorOffsets`.
pub(crate) fn offsets(offsets: &StoredOffsets) -> Json {
    let entries: Vec<Json> = offsets
        .iter()
        .map(|(partition, offset)| json!({"partition": partition.fields(), "offset": offset.fields()}))
        .collect();
    json!({"offsets": entries})
}
