//! Request bodies: JSON in, typed values out. A client's mistake is a 400 that says what is wrong.

use std::collections::BTreeMap;

use connect_api::ConfigMap;
use connect_api::record::{SourceOffset, SourcePartition};
use connect_herder::config_log::TargetState;
use serde_json::{Map, Value as Json};

use crate::call::Call;
use crate::error::RestError;

/// `POST /connectors`.
#[derive(Debug, PartialEq)]
pub(crate) struct CreateConnector {
    pub(crate) name: String,
    pub(crate) config: ConfigMap,
    pub(crate) initial_state: Option<TargetState>,
}

impl Call {
    /// The body as JSON.
    pub(crate) fn json_body(&self) -> Result<Json, RestError> {
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Err(RestError::bad_request("The request has no body; a JSON document is expected."));
        }
        serde_json::from_slice(&self.body)
            .map_err(|error| RestError::bad_request(format!("The request body is not valid JSON: {error}")))
    }

    /// The body as a JSON object.
    pub(crate) fn object_body(&self) -> Result<Map<String, Json>, RestError> {
        match self.json_body()? {
            Json::Object(object) => Ok(object),
            other => Err(RestError::bad_request(format!("A JSON object is expected, not {}.", kind(&other)))),
        }
    }

    /// The body as a flat config.
    pub(crate) fn config_body(&self) -> Result<ConfigMap, RestError> {
        config(self.object_body()?)
    }

    /// The body as a flat config, and the keys that have no value.
    pub(crate) fn config_body_and_nulls(&self) -> Result<(ConfigMap, Vec<String>), RestError> {
        let mut object = self.object_body()?;
        let nulls: Vec<String> =
            object.iter().filter(|(_, value)| value.is_null()).map(|(key, _)| key.clone()).collect();
        object.retain(|_, value| !value.is_null());
        Ok((config(object)?, nulls))
    }
}

/// Java's sentence for a config key without a value.
pub(crate) const NULL_VALUE: &str = "Null value can not be supplied as the configuration value.";

/// Reads the body of `POST /connectors`. A name that is missing is empty: what is wrong with that, validation says.
pub(crate) fn create_connector(mut body: Map<String, Json>) -> Result<CreateConnector, RestError> {
    let config_field = body.remove("config");
    let name_field = body.remove("name");
    let state_field = body.remove("initial_state");
    if let Some(unknown) = body.keys().next() {
        return Err(RestError::bad_request(format!(
            "Unrecognized field \"{unknown}\"; known are \"name\", \"config\" and \"initial_state\"."
        )));
    }
    let config = match config_field {
        Some(Json::Object(object)) => config(object)?,
        None | Some(Json::Null) => return Err(RestError::bad_request("Connector config is missing.")),
        Some(other) => {
            return Err(RestError::bad_request(format!("\"config\" must be an object, not {}.", kind(&other))));
        }
    };
    let name = match name_field {
        Some(Json::String(name)) => name.trim().to_owned(),
        None | Some(Json::Null) => config.get("name").map(|name| name.trim().to_owned()).unwrap_or_default(),
        Some(other) => {
            return Err(RestError::bad_request(format!("\"name\" must be a string, not {}.", kind(&other))));
        }
    };
    let initial_state = match state_field {
        None | Some(Json::Null) => None,
        Some(state) => Some(state.as_str().and_then(initial_state).ok_or_else(|| {
            RestError::bad_request(format!("\"initial_state\" must be RUNNING, PAUSED or STOPPED, not {state}."))
        })?),
    };
    Ok(CreateConnector { name, config, initial_state })
}

fn initial_state(text: &str) -> Option<TargetState> {
    match text.to_ascii_uppercase().as_str() {
        "RUNNING" => Some(TargetState::Started),
        "PAUSED" => Some(TargetState::Paused),
        "STOPPED" => Some(TargetState::Stopped),
        _ => None,
    }
}

/// A flat config: numbers and booleans become text, as clients rely on.
pub(crate) fn config(object: Map<String, Json>) -> Result<ConfigMap, RestError> {
    object
        .into_iter()
        .map(|(key, value)| match text(&key, value)? {
            Some(value) => Ok((key, value)),
            None => Err(RestError::bad_request(format!("{NULL_VALUE} (key {key})"))),
        })
        .collect()
}

/// Changes to a config: null removes a key (KIP-477).
pub(crate) fn patch(object: Map<String, Json>) -> Result<BTreeMap<String, Option<String>>, RestError> {
    object.into_iter().map(|(key, value)| Ok((key.clone(), text(&key, value)?))).collect()
}

fn text(key: &str, value: Json) -> Result<Option<String>, RestError> {
    match value {
        Json::Null => Ok(None),
        Json::String(text) => Ok(Some(text)),
        Json::Number(number) => Ok(Some(number.to_string())),
        Json::Bool(flag) => Ok(Some(flag.to_string())),
        nested @ (Json::Array(_) | Json::Object(_)) => Err(RestError::bad_request(format!(
            "The value of \"{key}\" must be a string, a number or a boolean, not {}.",
            kind(&nested)
        ))),
    }
}

/// The body of `POST /connectors/{c}/tasks` (internal): one config a task.
pub(crate) fn task_configs(body: Json) -> Result<Vec<ConfigMap>, RestError> {
    let Json::Array(items) = body else {
        return Err(RestError::bad_request(format!("A JSON array is expected, not {}.", kind(&body))));
    };
    items
        .into_iter()
        .map(|item| match item {
            Json::Object(object) => config(object),
            other => Err(RestError::bad_request(format!("A task config must be an object, not {}.", kind(&other)))),
        })
        .collect()
}

/// The body of `PATCH /connectors/{c}/offsets`: partitions with the offset to store, or null to reset.
pub(crate) fn offsets(body: Map<String, Json>) -> Result<Vec<(SourcePartition, Option<SourceOffset>)>, RestError> {
    const SHAPE: &str = "{\"offsets\":[{\"partition\":{…},\"offset\":{…}}]}";
    let wrong = |what: &str| RestError::bad_request(format!("{what}; the expected body is {SHAPE}."));
    if let Some(unknown) = body.keys().find(|key| *key != "offsets") {
        return Err(wrong(&format!("Unrecognized field \"{unknown}\"")));
    }
    let items = match body.get("offsets") {
        Some(Json::Array(items)) if !items.is_empty() => items,
        None | Some(Json::Null | Json::Array(_)) => {
            return Err(RestError::bad_request(
                "Partitions / offsets need to be provided for an alter offsets request",
            ));
        }
        Some(other) => return Err(wrong(&format!("\"offsets\" must be an array, not {}", kind(other)))),
    };
    items
        .iter()
        .map(|item| {
            let item = item.as_object().ok_or_else(|| wrong("An entry must be an object"))?;
            if let Some(unknown) = item.keys().find(|key| !matches!(key.as_str(), "partition" | "offset")) {
                return Err(wrong(&format!("Unrecognized field \"{unknown}\"")));
            }
            let partition = item
                .get("partition")
                .and_then(Json::as_object)
                .ok_or_else(|| wrong("An entry must have an object as its \"partition\""))?;
            let offset = match item.get("offset") {
                None | Some(Json::Null) => None,
                Some(Json::Object(offset)) => Some(SourceOffset::new(offset.clone())),
                Some(other) => return Err(wrong(&format!("An \"offset\" must be an object, not {}", kind(other)))),
            };
            Ok((SourcePartition::new(partition.clone()), offset))
        })
        .collect()
}

fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "an array",
        Json::Object(_) => "an object",
    }
}
