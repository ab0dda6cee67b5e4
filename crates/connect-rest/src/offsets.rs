//! `/connectors/{c}/offsets` (KIP-875).

use axum::http::StatusCode;
use connect_herder::command::{Command, Reply};
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

type Changes = Option<Vec<(connect_api::record::SourcePartition, Option<connect_api::record::SourceOffset>)>>;

async fn submit(call: &Call, offsets: Changes) -> Answer {
    let command = Command::AlterOffsets { name: call.connector(), offsets };
    match call.submit_or_forward(command).await? {
        Answered::Here(Reply::Message(message)) => Ok(answer(StatusCode::OK, &json!({"message": message}))),
        other => done(other, StatusCode::OK),
    }
}
