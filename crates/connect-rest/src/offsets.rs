//! `/connectors/{c}/offsets` (KIP-875).

use axum::http::StatusCode;
use connect_api::record::{SourceOffset, SourcePartition};
use connect_herder::command::{Command, Reply};
use connect_herder::service::StoredOffsets;
use serde_json::json;

use crate::body;
use crate::call::{Answer, Call, json as answer};
use crate::connectors::{Answered, done};
use crate::entities;
use crate::error::RestError;

/// `GET`: what is stored, in any state.
pub(crate) async fn get(call: Call) -> Answer {
    let name = call.connector();
    if !call.view().config.contains(&name) {
        return Err(RestError::not_found(format!("Connector {name} not found")));
    }
    let offsets = call.service.offsets(&name).await?;
    Ok(answer(StatusCode::OK, &entities::offsets(&offsets)))
}

/// `PATCH`: stores offsets of a stopped connector.
pub(crate) async fn alter(call: Call) -> Answer {
    let offsets = Some(body::offsets(call.object_body()?)?);
    submit(&call, offsets).await
}

/// `DELETE`: forgets every offset of a stopped connector.
pub(crate) async fn reset(call: Call) -> Answer {
    submit(&call, None).await
}

/// The changes that a text asks for, in the shape of the body of `PATCH /connectors/{c}/offsets`.
///
/// # Errors
/// What is wrong with the text.
pub fn offsets_from_json(text: &str) -> Result<Vec<(SourcePartition, Option<SourceOffset>)>, String> {
    let body = serde_json::from_str(text).map_err(|error| format!("no JSON object: {error}"))?;
    body::offsets(body).map_err(|error| error.message)
}

/// Stored offsets as `GET /connectors/{c}/offsets` shows them.
#[must_use]
pub fn offsets_to_json(offsets: &StoredOffsets) -> serde_json::Value {
    entities::offsets(offsets)
}

type Changes = Option<Vec<(SourcePartition, Option<SourceOffset>)>>;

async fn submit(call: &Call, offsets: Changes) -> Answer {
    let command = Command::AlterOffsets { name: call.connector(), offsets };
    match call.submit_or_forward(command).await? {
        Answered::Here(Reply::Message(message)) => Ok(answer(StatusCode::OK, &json!({"message": message}))),
        other => done(other, StatusCode::OK),
    }
}
