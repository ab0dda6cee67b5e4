//! The two tasks of a connection: one writes frames, vectored and in order; one slices responses out
//! of a growing buffer and hands each to whoever is first in line.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::shared::{Outgoing, Shared};
use crate::error::ClientError;
use crate::tls;

/// Pieces handed to one vectored write.
const SLICES_MAX: usize = 64;
/// Read at a time when nothing is known about what comes. Small, because the beginning of a large response is copied.
const READ_CHUNK: usize = 16 * 1024;
/// With less room than this a new buffer is begun: responses that somebody keeps hold on to the old one.
const READ_ROOM_MIN: usize = 1024;
/// Responses from this size on get a buffer of their own, which is used again.
const LARGE: usize = 64 * 1024;
/// An idle time for connections that have none: a century is long enough and cannot overflow.
const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Writes until the connection is closed.
pub(super) async fn write_loop(
    mut socket: impl AsyncWrite + Unpin,
    mut frames: mpsc::UnboundedReceiver<Outgoing>,
    mut closed: watch::Receiver<bool>,
    shared: Arc<Shared>,
) {
    let mut pieces: VecDeque<Bytes> = VecDeque::new();
    let work = async {
        while let Some(frame) = frames.recv().await {
            let mut places = vec![enqueue(&mut pieces, frame)];
            while pieces.len() < SLICES_MAX
                && let Ok(frame) = frames.try_recv()
            {
                places.push(enqueue(&mut pieces, frame));
            }
            write_all(&mut socket, &mut pieces, &shared).await?;
            drop(places);
        }
        Ok::<(), io::Error>(())
    };
    let ended = tokio::select! {
        ended = work => ended,
        _ = closed.wait_for(|closed| *closed) => Ok(()),
    };
    if let Err(error) = ended {
        fail(&shared, &error);
    }
    // A polite end (FIN, TLS close_notify); if it does not go out at once the socket just closes.
    let _ = tokio::time::timeout(Duration::from_millis(200), socket.shutdown()).await;
}

fn enqueue(pieces: &mut VecDeque<Bytes>, frame: Outgoing) -> Option<OwnedSemaphorePermit> {
    pieces.push_back(frame.head);
    pieces.extend(frame.chunks);
    frame.place
}

async fn write_all(
    socket: &mut (impl AsyncWrite + Unpin),
    pieces: &mut VecDeque<Bytes>,
    shared: &Shared,
) -> io::Result<()> {
    while !pieces.is_empty() {
        let slices: Vec<IoSlice<'_>> = pieces.iter().take(SLICES_MAX).map(|piece| IoSlice::new(piece)).collect();
        let mut written = socket.write_vectored(&slices).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        shared.stats.written(written);
        shared.node.written(written);
        while let Some(piece) = pieces.front_mut() {
            if piece.len() > written {
                piece.advance(written);
                break;
            }
            written -= piece.len();
            pieces.pop_front();
        }
    }
    socket.flush().await
}

/// Reads until the connection is closed or has been idle for too long.
pub(super) async fn read_loop(
    mut socket: impl AsyncRead + Unpin,
    mut closed: watch::Receiver<bool>,
    shared: Arc<Shared>,
    frame_bytes_max: usize,
    idle_max: Option<Duration>,
) {
    let idle_max = idle_max.unwrap_or(NEVER);
    let mut reader = Reader::default();
    let mut idle_at = Instant::now() + idle_max;
    let mut frames = 0_u64;
    loop {
        tokio::select! {
            frame = reader.frame(&mut socket, frame_bytes_max, &shared) => match frame {
                Ok(frame) => {
                    idle_at = Instant::now() + idle_max;
                    frames += 1;
                    if !deliver(&shared, frame) {
                        return;
                    }
                }
                // What a listener does with a client that it wanted to authenticate first.
                Err(error) if frames == 1 && !shared.security.has_credentials() => {
                    return shared.close(&format!("{error}; does the listener want SASL (security.protocol)?"));
                }
                Err(error) => return fail(&shared, &error),
            },
            _ = closed.wait_for(|closed| *closed) => return,
            () = sleep_until(idle_at) => {
                if shared.queue().waiting.is_empty() {
                    return shared.close("idle for connections.max.idle.ms");
                }
                idle_at = Instant::now() + idle_max;
            }
        }
    }
}

/// What has been read of frames that are not complete.
#[derive(Default)]
struct Reader {
    buffer: BytesMut,
    /// A large frame, and how much of it is still to come. `buffer` is empty then.
    large: Option<(Vec<u8>, usize)>,
}

impl Reader {
    /// The next frame, without its size. Cancel-safe: what has been read stays here.
    async fn frame(
        &mut self,
        socket: &mut (impl AsyncRead + Unpin),
        frame_bytes_max: usize,
        shared: &Shared,
    ) -> io::Result<Bytes> {
        loop {
            if let Some((bytes, missing)) = &mut self.large {
                while *missing > 0 {
                    *missing -= read(socket, &mut bytes.limit(*missing), shared).await?;
                }
                if let Some((bytes, _)) = self.large.take() {
                    return Ok(shared.spare.lend(bytes));
                }
            }
            if let Some(head) = self.buffer.first_chunk::<4>() {
                let size = frame_size(*head, frame_bytes_max)?;
                if self.buffer.len() >= 4 + size {
                    self.buffer.advance(4);
                    if size < LARGE {
                        shared.spare.small();
                    }
                    return Ok(self.buffer.split_to(size).freeze());
                }
                if size >= LARGE {
                    // All that is there belongs to this frame.
                    let mut bytes = shared.spare.take(size);
                    bytes.extend_from_slice(&self.buffer[4..]);
                    self.buffer.clear();
                    let missing = size - bytes.len();
                    self.large = Some((bytes, missing));
                    continue;
                }
                self.buffer.reserve(4 + size - self.buffer.len());
            } else if self.buffer.capacity() - self.buffer.len() < READ_ROOM_MIN {
                self.buffer.reserve(READ_CHUNK);
            }
            read(socket, &mut self.buffer, shared).await?;
        }
    }
}

/// Reads some bytes, at least one.
async fn read(socket: &mut (impl AsyncRead + Unpin), buffer: &mut impl BufMut, shared: &Shared) -> io::Result<usize> {
    match socket.read_buf(buffer).await? {
        0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the broker closed the connection")),
        bytes => {
            shared.stats.read(bytes);
            shared.node.read(bytes);
            Ok(bytes)
        }
    }
}

/// Reads a frame's size and refuses what cannot be one, before anything is allocated for it.
fn frame_size(head: [u8; 4], frame_bytes_max: usize) -> io::Result<usize> {
    let size = i32::from_be_bytes(head);
    match usize::try_from(size) {
        Ok(size) if size >= 4 && size <= frame_bytes_max => Ok(size),
        _ => {
            let hint = match head {
                [0x15 | 0x16, 3, _, _] => {
                    "; these are TLS bytes: this listener wants security.protocol SSL or SASL_SSL"
                }
                [b'H', b'T', b'T', b'P'] => "; this is an HTTP server, not a Kafka broker",
                _ => "; a larger response needs a smaller request (fewer topics, or a lower fetch.max.bytes)",
            };
            Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("response of {size} bytes is outside 4..={frame_bytes_max}{hint}"),
            ))
        }
    }
}

/// Ends the connection. In TLS 1.3 a broker refuses our certificate after the handshake, that is here.
fn fail(shared: &Shared, error: &io::Error) {
    match tls::refusal(error) {
        Some(reason) => shared.close_with(ClientError::Tls { broker: shared.name(), reason }),
        None => shared.close(&error.to_string()),
    }
}

/// Hands a response to the first in line; `false` if the connection is out of step and was closed.
fn deliver(shared: &Shared, frame: Bytes) -> bool {
    shared.stats.response();
    let correlation_id = frame.first_chunk::<4>().map(|id| i32::from_be_bytes(*id));
    let first = shared.queue().waiting.pop_front();
    match (first, correlation_id) {
        (Some(first), Some(id)) if first.correlation_id == id => {
            // Nobody may be waiting any more; the answer is then dropped, which is what was wanted.
            let _ = first.reply.send(Ok(frame));
            true
        }
        (first, id) => {
            let expected = first.map(|first| first.correlation_id);
            shared.close(&format!("response out of step: expected correlation id {expected:?}, got {id:?}"));
            false
        }
    }
}
