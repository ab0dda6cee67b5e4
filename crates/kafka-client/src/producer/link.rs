//! The way to one broker: a task that writes produce requests in the order in which the driver made them, and reports what
//! came of each. It decides nothing; a request that fails is reported once and forgotten.

use std::time::Duration;

use kafka_protocol::messages::ProduceResponse;
use tokio::sync::mpsc;
use tracing::debug;

use super::driver::Event;
use crate::cluster::{Cluster, Purpose};
use crate::connection::ProduceFrame;
use crate::error::ClientError;

/// A request on its way, by the driver's number for it.
pub(super) struct Dispatch {
    pub(super) request: u64,
    pub(super) frame: ProduceFrame,
}

/// What came of a request.
pub(super) enum Reply {
    Answered(ProduceResponse),
    /// It may have been executed.
    Lost(ClientError),
    /// It never left.
    NotSent(ClientError),
}

/// Sends until `requests` ends. Requests to a broker that cannot be reached fail after the pool's back-off, so the driver's
/// limit on requests under way also limits how fast they come.
pub(super) async fn run(
    cluster: Cluster,
    node_id: i32,
    timeout: Duration,
    mut requests: mpsc::UnboundedReceiver<Dispatch>,
    events: mpsc::UnboundedSender<Event>,
) {
    while let Some(Dispatch { request, frame }) = requests.recv().await {
        let started = match cluster.broker(node_id, Purpose::Produce).await {
            Ok(connection) => connection.start_produce(frame, timeout).await,
            Err(error) => Err(error),
        };
        match started {
            // Waits apart, because the next request is to be written before this one is answered.
            Ok(pending) => {
                let events = events.clone();
                tokio::spawn(async move {
                    let reply = match pending.await {
                        Ok(response) => Reply::Answered(response),
                        Err(error) => Reply::Lost(error),
                    };
                    // Nobody listens when the producer has been closed meanwhile.
                    let _ = events.send(Event::Replied { node_id, request, reply });
                });
            }
            Err(error) => {
                debug!(node_id, %error, "produce request not sent");
                let _ = events.send(Event::Replied { node_id, request, reply: Reply::NotSent(error) });
            }
        }
    }
}
