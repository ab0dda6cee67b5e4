//! A wire with a delay: what is written on one side can be read on the other so many milliseconds later.
//!
//! TCP lets a sender have as many bytes under way as the receiver has room for. On a wire that ends at a proxy of the same
//! machine nobody would notice, so the proxy keeps to that window itself: no more bytes are on their way to the client, or
//! delivered and not acknowledged half a round trip later. There is no loss, and no limit to what a wire carries.

use std::io::Result;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, sleep_until};

const CHUNK_BYTES: usize = 32 << 10;
/// More than anybody fills.
pub(crate) const WIDE_BYTES: u64 = 1 << 28;

/// A proxy in front of one port, on a thread of its own. It ends with the process.
pub(crate) struct Proxy {
    wire: Arc<Wire>,
}

struct Wire {
    one_way_ms: AtomicU64,
    /// Of connections that are made from now on.
    window_bytes: AtomicU64,
}

impl Wire {
    fn one_way(&self) -> Duration {
        Duration::from_millis(self.one_way_ms.load(Relaxed))
    }
}

impl Proxy {
    /// Listens on `port` and hands everything on to `to`, without a delay at first.
    pub(crate) fn start(port: u16, to: u16) -> Self {
        let wire = Arc::new(Wire { one_way_ms: AtomicU64::new(0), window_bytes: AtomicU64::new(WIDE_BYTES) });
        let its = Arc::clone(&wire);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(accept(port, to, its)).unwrap_or_else(|error| panic!("proxy on port {port}: {error}"));
        });
        Self { wire }
    }

    /// From now on a question and its answer take so long together.
    pub(crate) fn round_trip(&self, time: Duration) {
        self.wire.one_way_ms.store(time.as_millis() as u64 / 2, Relaxed);
    }

    /// Who connects from now on has room for so many bytes.
    pub(crate) fn window(&self, bytes: u64) {
        self.wire.window_bytes.store(bytes, Relaxed);
    }
}

async fn accept(port: u16, to: u16, wire: Arc<Wire>) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (near, _) = listener.accept().await?;
        let wire = Arc::clone(&wire);
        tokio::spawn(async move {
            let Ok(far) = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], to))).await else { return };
            let _ = (near.set_nodelay(true), far.set_nodelay(true));
            let window = wire.window_bytes.load(Relaxed);
            let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
            tokio::spawn(carry(near_read, far_write, Arc::clone(&wire), WIDE_BYTES));
            carry(far_read, near_write, wire, window).await;
        });
    }
}

/// Bytes under way, their room in the window, and when they arrive.
type Chunk = (Instant, Vec<u8>, Option<OwnedSemaphorePermit>);

/// One direction, until one side ends.
async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, wire: Arc<Wire>, window: u64) {
    let (under_way, mut arriving) = mpsc::unbounded_channel::<Chunk>();
    let (delivered, mut acknowledged) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(window as usize));
    let read = async {
        // Dropped with the end of what can be read, so that the other loops end.
        let under_way = under_way;
        loop {
            let mut chunk = Vec::with_capacity(CHUNK_BYTES);
            if !matches!(from.read_buf(&mut chunk).await, Ok(1..)) {
                return;
            }
            let taken = Arc::clone(&room).acquire_many_owned((chunk.len() as u32).min(window as u32)).await.ok();
            if under_way.send((Instant::now() + wire.one_way(), chunk, taken)).is_err() {
                return;
            }
        }
    };
    let write = async {
        let delivered = delivered;
        while let Some((at, chunk, taken)) = arriving.recv().await {
            sleep_until(at).await;
            if to.write_all(&chunk).await.is_err() {
                arriving.close();
                return;
            }
            let _ = delivered.send((Instant::now() + wire.one_way(), taken));
        }
    };
    let acknowledge = async {
        while let Some((at, taken)) = acknowledged.recv().await {
            sleep_until(at).await;
            drop(taken);
        }
    };
    tokio::join!(read, write, acknowledge);
}
