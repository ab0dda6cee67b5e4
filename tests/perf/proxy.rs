//! A wire with a delay: what is written on one side can be read on the other so many milliseconds later, as many bytes as
//! anybody likes. It stands in for distance only: no loss, no limit to what is under way.

use std::io::Result;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

const CHUNK_BYTES: usize = 256 << 10;

/// A proxy in front of one port, on a thread of its own. It ends with the process.
pub(crate) struct Proxy {
    one_way_ms: Arc<AtomicU64>,
}

impl Proxy {
    /// Listens on `port` and hands everything on to `to`, without a delay at first.
    pub(crate) fn start(port: u16, to: u16) -> Self {
        let one_way_ms = Arc::new(AtomicU64::new(0));
        let delay = Arc::clone(&one_way_ms);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(accept(port, to, delay)).unwrap_or_else(|error| panic!("proxy on port {port}: {error}"));
        });
        Self { one_way_ms }
    }

    /// From now on a question and its answer take so long together.
    pub(crate) fn round_trip(&self, time: Duration) {
        self.one_way_ms.store(time.as_millis() as u64 / 2, Relaxed);
    }
}

async fn accept(port: u16, to: u16, delay: Arc<AtomicU64>) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (near, _) = listener.accept().await?;
        let delay = Arc::clone(&delay);
        tokio::spawn(async move {
            let Ok(far) = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], to))).await else { return };
            let _ = (near.set_nodelay(true), far.set_nodelay(true));
            let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
            tokio::spawn(carry(near_read, far_write, Arc::clone(&delay)));
            carry(far_read, near_write, delay).await;
        });
    }
}

/// One direction, until one side ends.
async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, delay: Arc<AtomicU64>) {
    let (under_way, mut arriving) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let read = async move {
        loop {
            let mut chunk = Vec::with_capacity(CHUNK_BYTES);
            let arrives = match from.read_buf(&mut chunk).await {
                Ok(1..) => Instant::now() + Duration::from_millis(delay.load(Relaxed)),
                _ => return,
            };
            if under_way.send((arrives, chunk)).is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some((at, chunk)) = arriving.recv().await {
            sleep_until(at).await;
            if to.write_all(&chunk).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(read, write);
}
