//! What the users of a connection and its two tasks share: the queue of requests under way, and why it
//! has ended.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::ApiKey;
use tokio::sync::{OwnedSemaphorePermit, RwLock, Semaphore, mpsc, oneshot, watch};
use tokio::time::Instant;

use super::spare::Spare;
use super::stats::NodeBytes;
use super::{Endpoint, Stats, setup};
use crate::error::ClientError;
use crate::proto;

/// The longest a broker's throttling may keep us quiet. Kafka's own quotas stay far below.
const THROTTLE_MAX: Duration = Duration::from_secs(30);

pub(super) struct Shared {
    pub(super) endpoint: Endpoint,
    pub(super) client_id: String,
    pub(super) request_timeout: Duration,
    pub(super) versions: OnceLock<HashMap<i16, (i16, i16)>>,
    pub(super) queue: Mutex<Queue>,
    pub(super) places: Arc<Semaphore>,
    /// Held shared while a request takes its place, exclusively during re-authentication (KIP-368).
    pub(super) gate: RwLock<()>,
    pub(super) security: Arc<setup::Security>,
    pub(super) session: Mutex<Option<setup::Session>>,
    pub(super) throttled_until: Mutex<Option<Instant>>,
    pub(super) closed: watch::Sender<bool>,
    pub(super) stats: Arc<Stats>,
    pub(super) node: Arc<NodeBytes>,
    /// All connections of a client share it.
    pub(super) spare: Spare,
}

pub(super) struct Queue {
    pub(super) next_correlation_id: i32,
    pub(super) waiting: VecDeque<Waiting>,
    pub(super) writer: mpsc::UnboundedSender<Outgoing>,
    pub(super) closed: Option<ClientError>,
}

pub(super) struct Waiting {
    pub(super) correlation_id: i32,
    pub(super) reply: oneshot::Sender<Result<Bytes, ClientError>>,
    pub(super) _place: OwnedSemaphorePermit,
}

/// A frame on its way out: written as one piece, never copied together.
pub(super) struct Outgoing {
    pub(super) head: Bytes,
    pub(super) chunks: Vec<Bytes>,
    /// The place of a request that gets no answer; given back when it is written.
    pub(super) place: Option<OwnedSemaphorePermit>,
}

impl Shared {
    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }

    /// Gives the frame its correlation id and its place in line.
    pub(super) fn push(
        &self,
        api: ApiKey,
        mut frame: BytesMut,
        chunks: Vec<Bytes>,
        place: OwnedSemaphorePermit,
    ) -> Result<oneshot::Receiver<Result<Bytes, ClientError>>, ClientError> {
        let (reply, answer) = oneshot::channel();
        finish_size(api, &mut frame, &chunks)?;
        let mut queue = self.queue();
        if let Some(error) = &queue.closed {
            return Err(error.clone());
        }
        let correlation_id = queue.next_correlation_id;
        queue.next_correlation_id = correlation_id.wrapping_add(1) & i32::MAX;
        (&mut frame[proto::CORRELATION_ID_AT..]).put_i32(correlation_id);
        queue.waiting.push_back(Waiting { correlation_id, reply, _place: place });
        // The writer is there as long as the queue is not closed.
        let _ = queue.writer.send(Outgoing { head: frame.freeze(), chunks, place: None });
        self.stats.request();
        Ok(answer)
    }

    pub(super) fn close(&self, reason: &str) {
        self.close_with(ClientError::Closed { broker: self.name(), reason: reason.to_owned() });
    }

    pub(super) fn close_with(&self, error: ClientError) {
        let waiting = {
            let mut queue = self.queue();
            if queue.closed.is_some() {
                return;
            }
            queue.closed = Some(error.clone());
            std::mem::take(&mut queue.waiting)
        };
        self.closed.send_replace(true);
        for request in waiting {
            let _ = request.reply.send(Err(error.clone()));
        }
    }

    pub(super) fn closed_error(&self, reason: &str) -> ClientError {
        self.queue()
            .closed
            .clone()
            .unwrap_or_else(|| ClientError::Closed { broker: self.name(), reason: reason.to_owned() })
    }

    pub(super) fn timed_out(&self, api: ApiKey, started: Instant) -> ClientError {
        ClientError::timeout(format!("{api:?} at {}", self.name()), started.elapsed())
    }

    /// The broker's address with the client id.
    pub(super) fn name(&self) -> String {
        self.endpoint.seen_by(&self.client_id)
    }

    pub(super) fn is_session_over(&self) -> bool {
        lock(&self.session).as_ref().is_some_and(|session| session.renew_at <= Instant::now())
    }

    pub(super) fn throttle(&self, throttle_time_ms: i32) {
        if let Ok(millis @ 1..) = u64::try_from(throttle_time_ms) {
            let pause = Duration::from_millis(millis).min(THROTTLE_MAX);
            self.stats.throttled(pause);
            let mut until = lock(&self.throttled_until);
            *until = Some(until.unwrap_or_else(Instant::now).max(Instant::now() + pause));
        }
    }
}

/// Writes the size of head and chunks into the head.
pub(super) fn finish_size(api: ApiKey, head: &mut BytesMut, chunks: &[Bytes]) -> Result<(), ClientError> {
    let size = head.len() - 4 + chunks.iter().map(Bytes::len).sum::<usize>();
    let size = i32::try_from(size).map_err(|_| ClientError::protocol(api, "request is larger than 2 GiB"))?;
    (&mut head[..4]).put_i32(size);
    Ok(())
}

/// The data behind these locks is consistent at every instruction, so a panic elsewhere cannot spoil it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
