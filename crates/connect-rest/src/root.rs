//! `/` and `/health`.

use axum::http::StatusCode;
use connect_herder::command::Command;
use connect_herder::view::Stage;
use serde_json::json;

use crate::call::{Answer, Call, json as answer};

/// The Kafka version whose REST API this is: tools switch features on it.
pub(crate) const KAFKA_VERSION: &str = "4.3.0";

/// `GET /`.
pub(crate) async fn server_info(call: Call) -> Answer {
    let body = json!({
        "version": KAFKA_VERSION,
        "commit": concat!("portage-", env!("CARGO_PKG_VERSION")),
        "kafka_cluster_id": call.service.kafka_cluster_id(),
    });
    Ok(answer(StatusCode::OK, &body))
}

/// `GET /health` (KIP-1017): 200 healthy, 503 starting, 500 unhealthy. Answers from the first millisecond.
pub(crate) async fn health(call: Call) -> Answer {
    let (status, word, message) = match call.view().stage.clone() {
        Stage::Starting(stage) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "starting",
            format!("Worker is still starting up. The worker is currently {stage}."),
        ),
        Stage::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping", "Worker is shutting down.".to_owned()),
        Stage::Ready | Stage::Impaired(_) => {
            let answer = tokio::time::timeout(std::time::Duration::from_secs(10), call.service.submit(Command::Ping));
            let stage = call.view().stage.clone();
            match (answer.await, stage) {
                (_, Stage::Impaired(why)) => (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "unhealthy",
                    format!(
                        "Worker was unable to handle this request and may be unable to handle other requests. The worker is \
                         currently {why}."
                    ),
                ),
                (Ok(Ok(_)), _) => (
                    StatusCode::OK,
                    "healthy",
                    "Worker has completed startup and is ready to handle requests.".to_owned(),
                ),
                (Ok(Err(error)), _) => (StatusCode::INTERNAL_SERVER_ERROR, "unhealthy", error.to_string()),
                (Err(_), _) => (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "unhealthy",
                    "Worker was unable to handle this request and may be unable to handle other requests.".to_owned(),
                ),
            }
        }
    };
    Ok(answer(status, &json!({"status": word, "message": message})))
}
