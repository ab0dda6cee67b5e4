//! One connection to one broker: requests go out in the order they were started, answers come back in
//! the same order, and any number up to a bound may be under way.
//!
//! ```text
//!  start() ──queue lock: correlation id, place in line──► writer task ──vectored──► socket
//!  Pending ◄──oneshot── reader task (slices frames out of one buffer, FIFO) ◄────── socket
//! ```
//!
//! Promises: every request ends, by its answer, its timeout or the connection's end; a request that
//! timed out ends the connection, because its answer would still be in front of all others; nothing
//! is retried here. Versions were negotiated and authentication done before anybody else gets it.

pub(crate) mod decode;
mod io;
mod produce;
mod setup;
mod shared;
mod spare;
mod stats;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::ApiKey;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::BoxFuture;
use crate::error::ClientError;
use crate::proto::{self, KafkaRequest};

pub use produce::{BatchHeader, PendingProduce, ProduceFrame, ProducePartition, ProduceTopic};
pub(crate) use setup::{ByteStream, Connector};
pub(crate) use shared::lock;
use shared::{Outgoing, Shared, finish_size};
pub use stats::{NodeSnapshot, Stats, StatsSnapshot};

/// Requests under way on one connection; more wait their turn. Far above what the layers above use
/// (a producer keeps five), so that it only bounds mistakes.
const IN_FLIGHT_MAX: usize = 100;

/// Where a broker is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// `node.id`, negative for an address of the bootstrap list.
    pub node_id: i32,
    /// Name or address, as advertised.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{open}{}{close}:{} (id {})", self.host, self.port, self.node_id)
    }
}

impl Endpoint {
    /// The address with the client id, so that a message tells whose connection it was.
    pub(crate) fn seen_by(&self, client_id: &str) -> String {
        if client_id.is_empty() { self.to_string() } else { format!("{self} [client {client_id}]") }
    }
}

/// A connection to a broker. Clones share it; it is closed when the last is dropped.
#[derive(Clone)]
pub struct Connection(Arc<Handle>);

/// Closes the connection when nobody can use it any more; the two tasks hold only the inside.
struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close("no longer used");
    }
}

impl Connection {
    /// Sends `request` in the highest version both sides speak and waits for the answer, at most
    /// `request.timeout.ms`.
    ///
    /// # Errors
    /// See [`ClientError`]; error codes inside the answer are the caller's business.
    pub async fn call<R: KafkaRequest>(&self, request: R) -> Result<R::Response, ClientError> {
        self.call_with(|_| Ok(request), self.0.0.request_timeout).await
    }

    /// Like [`Connection::call`], for requests whose fields depend on the version: `fill` is told
    /// which one it will be. kafka-protocol refuses to write a field that the version does not have.
    pub async fn call_with<R: KafkaRequest>(
        &self,
        fill: impl FnOnce(i16) -> Result<R, ClientError> + Send,
        timeout: Duration,
    ) -> Result<R::Response, ClientError> {
        self.start(fill, timeout).await?.await
    }

    /// Writes a request now and leaves the answer for later. Requests started one after the other on
    /// a connection are written, executed and answered in that order. `timeout` begins when the request
    /// takes its place in line: waiting out a throttle (KIP-219) and re-authentication come before.
    pub async fn start<R: KafkaRequest>(
        &self,
        fill: impl FnOnce(i16) -> Result<R, ClientError> + Send,
        timeout: Duration,
    ) -> Result<Pending<R::Response>, ClientError> {
        let version = self.require::<R>(i16::MAX)?;
        let frame = fill(version)?.frame(version, &self.0.0.client_id)?;
        Ok(self.enqueue(R::API, frame, Vec::new(), timeout).await?.read_as::<R>(version))
    }

    /// The version in which requests of `api` are sent, `None` if there is no common one.
    pub fn version_of(&self, api: ApiKey) -> Option<i16> {
        let (min, max) = proto::spoken_versions(api)?;
        let (broker_min, broker_max) = *self.0.0.versions.get()?.get(&(api as i16))?;
        let version = max.min(broker_max);
        (version >= min.max(broker_min)).then_some(version)
    }

    /// `node.id` of the broker, negative for a bootstrap address.
    pub fn node_id(&self) -> i32 {
        self.0.0.endpoint.node_id
    }

    /// Where the broker is.
    pub fn endpoint(&self) -> &Endpoint {
        &self.0.0.endpoint
    }

    /// `request.timeout.ms`.
    pub fn request_timeout(&self) -> Duration {
        self.0.0.request_timeout
    }

    /// Whether it has ended; the next request would fail.
    pub fn is_closed(&self) -> bool {
        self.0.0.queue().closed.is_some()
    }

    /// Ends it; requests under way fail with `reason`.
    pub fn close(&self, reason: &str) {
        self.0.0.close(reason);
    }

    /// The negotiated version of `R`, not above `cap`.
    fn require<R: KafkaRequest>(&self, cap: i16) -> Result<i16, ClientError> {
        self.version_of(R::API).map(|version| version.min(cap)).ok_or_else(|| ClientError::UnsupportedVersion {
            broker: self.0.0.name(),
            api: R::API,
            min: R::MIN_VERSION,
            max: R::MAX_VERSION,
        })
    }

    /// The answer is still in bytes, so that this is compiled once and not for every kind of request.
    fn enqueue(
        &self,
        api: ApiKey,
        frame: BytesMut,
        chunks: Vec<Bytes>,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<Answer, ClientError>> {
        Box::pin(async move {
            self.wait_out_throttle().await;
            self.reauthenticate_if_due().await?;
            let _gate = self.0.0.gate.read().await;
            self.enqueue_ungated(api, frame, chunks, timeout).await
        })
    }

    async fn enqueue_ungated(
        &self,
        api: ApiKey,
        frame: BytesMut,
        chunks: Vec<Bytes>,
        timeout: Duration,
    ) -> Result<Answer, ClientError> {
        let started = Instant::now();
        let deadline = started + timeout;
        let shared = &self.0.0;
        let place = match timeout_at(deadline, shared.places.clone().acquire_owned()).await {
            Ok(Ok(place)) => place,
            // The semaphore is never closed, so this is the deadline.
            Ok(Err(_)) | Err(_) => return Err(shared.timed_out(api, started)),
        };
        let answer = shared.push(api, frame, chunks, place)?;
        let connection = self.clone();
        let waiting = self.clone();
        let frame = Box::pin(async move {
            match timeout_at(deadline, answer).await {
                Ok(Ok(frame)) => frame,
                Ok(Err(_)) => Err(waiting.0.0.closed_error("dropped")),
                Err(_) => {
                    let error = waiting.0.0.timed_out(api, started);
                    // Its answer may still come, in front of all others.
                    waiting.0.0.close(&error.to_string());
                    Err(error)
                }
            }
        });
        Ok(Answer { connection, frame })
    }

    /// For the one request that is not answered: Produce with `acks=0`.
    async fn enqueue_unanswered(&self, mut frame: BytesMut, chunks: Vec<Bytes>) -> Result<(), ClientError> {
        self.wait_out_throttle().await;
        self.reauthenticate_if_due().await?;
        let shared = &self.0.0;
        let _gate = shared.gate.read().await;
        let place = shared.places.clone().acquire_owned().await.map_err(|_| shared.closed_error("dropped"))?;
        finish_size(ApiKey::Produce, &mut frame, &chunks)?;
        let queue = shared.queue();
        if let Some(error) = &queue.closed {
            return Err(error.clone());
        }
        let _ = queue.writer.send(Outgoing { head: frame.freeze(), chunks, place: Some(place) });
        shared.stats.request();
        Ok(())
    }

    /// KIP-368: shows our credentials again before the broker stops accepting the old ones. No other
    /// request is sent meanwhile; answers to earlier ones may still come.
    async fn reauthenticate_if_due(&self) -> Result<(), ClientError> {
        if !self.0.0.is_session_over() {
            return Ok(());
        }
        // In a task of its own, because whoever waits may give up, and half of it confuses the broker.
        let connection = self.clone();
        let renewal = tokio::spawn(async move { connection.reauthenticate().await });
        renewal.await.unwrap_or_else(|_| Err(self.0.0.closed_error("authentication ended early")))
    }

    async fn reauthenticate(&self) -> Result<(), ClientError> {
        let shared = &self.0.0;
        let _gate = shared.gate.write().await;
        // Somebody else may have done it while we waited for the gate.
        if !shared.is_session_over() {
            return Ok(());
        }
        let renewed = setup::authenticate(self).await;
        if let Err(error) = &renewed {
            shared.close_with(error.clone());
        }
        renewed
    }

    /// A request of authentication itself, which must not wait for it.
    pub(crate) async fn call_ungated<R: KafkaRequest>(&self, request: R) -> Result<R::Response, ClientError> {
        let version = self.require::<R>(i16::MAX)?;
        let frame = request.frame(version, &self.0.0.client_id)?;
        self.enqueue_ungated(R::API, frame, Vec::new(), self.0.0.request_timeout).await?.read_as::<R>(version).await
    }

    /// The broker's address with the client id.
    pub(crate) fn name(&self) -> String {
        self.0.0.name()
    }

    /// KIP-219: after an answer with a throttle time the client stays quiet that long.
    async fn wait_out_throttle(&self) {
        let until = *lock(&self.0.0.throttled_until);
        if let Some(until) = until.filter(|until| *until > Instant::now()) {
            sleep_until(until).await;
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("broker", &self.0.0.endpoint).field("closed", &self.is_closed()).finish()
    }
}

/// An answer on its way, which nobody has told yet how to read.
struct Answer {
    connection: Connection,
    frame: BoxFuture<'static, Result<Bytes, ClientError>>,
}

impl Answer {
    fn read_as<R: KafkaRequest>(self, version: i16) -> Pending<R::Response> {
        let read = |connection: &Connection, version, frame| {
            let response = R::read(frame, version).inspect_err(|error| connection.0.0.close(&error.to_string()))?;
            connection.0.0.throttle(R::throttle_time_ms(&response));
            Ok(response)
        };
        Pending { answer: self, version, read }
    }

    /// For a request that is not answered.
    fn none(connection: Connection) -> Answer {
        Answer { connection, frame: Box::pin(std::future::ready(Ok(Bytes::new()))) }
    }
}

/// An answer on its way. Dropping it forgets the answer; the request is executed all the same.
#[must_use = "a request without anyone waiting for its answer is rarely meant"]
pub struct Pending<T> {
    answer: Answer,
    version: i16,
    read: fn(&Connection, i16, Bytes) -> Result<T, ClientError>,
}

impl<T> Future for Pending<T> {
    type Output = Result<T, ClientError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let frame = ready!(self.answer.frame.as_mut().poll(context))?;
        Poll::Ready((self.read)(&self.answer.connection, self.version, frame))
    }
}
