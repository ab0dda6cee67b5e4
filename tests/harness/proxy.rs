//! A proxy in front of a broker that knows Kafka's frames: it cuts, slows down, loses and changes what passes.
//!
//! The [`proxied`](crate::ClusterBuilder::proxied) listener of a cluster advertises the ports of its brokers' proxies, so
//! whoever comes in there stays there: bootstrap, group, data. The oracle goes another way and sees all that happens.
//!
//! ```no_run
//! # use harness::{Fate, Line, lab};
//! # async fn spec() {
//! let lab = lab().await;
//! let cluster = lab.cluster("far").proxied().start().await;
//! let proxy = cluster.broker(1).proxy();
//! proxy.set(Line { answers: false, ..Line::default() }); // requests arrive, and nobody hears of it
//! proxy.set(Line::default());
//! let _lost = proxy.on_answer(0, |answer| if answer.client_id == "mine" { Fate::HangUp } else { Fate::Pass });
//! # }
//! ```
//!
//! What is held back is not lost: as on a network that is cut, it arrives when it is whole again, on connections that have
//! lasted that long.

use std::collections::{BTreeMap, HashMap};
use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

/// How the way to a broker is; good by default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Whether requests arrive.
    pub requests: bool,
    /// Whether answers do.
    pub answers: bool,
    /// So much later each answer of a connection leaves, one after the other: a slow broker.
    pub delay: Duration,
    /// So many bytes of a connection arrive in a second, either way.
    pub bytes_per_second: u64,
}

impl Line {
    /// Nothing passes.
    pub const CUT: Self = Self { requests: false, answers: false, delay: Duration::ZERO, bytes_per_second: u64::MAX };
}

impl Default for Line {
    fn default() -> Self {
        Self { requests: true, answers: true, ..Self::CUT }
    }
}

/// A request or an answer on its way.
#[derive(Debug)]
pub struct Frame {
    /// Of which API.
    pub api_key: i16,
    /// In which version.
    pub version: i16,
    /// Who asks.
    pub client_id: String,
    /// All of it but its size, the header first. It may be changed.
    pub bytes: Vec<u8>,
}

/// What becomes of a [`Frame`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on, changed or not.
    Pass,
    /// It does not arrive, and its connection is closed.
    HangUp,
}

/// Frames of an API and what becomes of them, as long as this is kept.
#[must_use = "it holds as long as it is kept"]
#[derive(Debug)]
pub struct Ruled {
    number: u64,
    shared: Arc<Shared>,
}

impl Drop for Ruled {
    fn drop(&mut self) {
        self.shared.rules().remove(&self.number);
    }
}

struct Rule {
    way: Way,
    api_key: i16,
    decide: Box<dyn FnMut(&mut Frame) -> Fate + Send>,
}

/// The proxy of one broker, on a thread of its own.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    _ends: oneshot::Sender<()>,
}

#[derive(Default)]
struct Shared {
    line: watch::Sender<Line>,
    rules: Mutex<BTreeMap<u64, Rule>>,
    numbers: AtomicU64,
    /// Requests that came, by API.
    came: Mutex<BTreeMap<i16, u64>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Request,
    Answer,
}

impl Proxy {
    /// Listens on `port` of loopback and hands on to `to`.
    pub(crate) fn start(port: u16, to: u16) -> Self {
        let shared = Arc::new(Shared::default());
        let (ends, ended) = oneshot::channel::<()>();
        let its = Arc::clone(&shared);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                tokio::select! {
                    failed = accept(port, to, its) => failed.unwrap_or_else(|error| panic!("proxy on port {port}: {error}")),
                    _ = ended => {}
                }
            });
        });
        Self { port, shared, _ends: ends }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on the way is like this, also for what waits.
    pub fn set(&self, line: Line) {
        self.shared.line.send_replace(line);
    }

    /// Asks about every request of this API.
    pub fn on_request(&self, api_key: i16, decide: impl FnMut(&mut Frame) -> Fate + Send + 'static) -> Ruled {
        self.rule(Rule { way: Way::Request, api_key, decide: Box::new(decide) })
    }

    /// Asks about every answer of this API: the broker has done what was asked.
    pub fn on_answer(&self, api_key: i16, decide: impl FnMut(&mut Frame) -> Fate + Send + 'static) -> Ruled {
        self.rule(Rule { way: Way::Answer, api_key, decide: Box::new(decide) })
    }

    fn rule(&self, rule: Rule) -> Ruled {
        let number = self.shared.numbers.fetch_add(1, Ordering::Relaxed);
        self.shared.rules().insert(number, rule);
        Ruled { number, shared: Arc::clone(&self.shared) }
    }

    /// How many requests of this API have come, whatever became of them.
    pub fn came(&self, api_key: i16) -> u64 {
        self.shared.came().get(&api_key).copied().unwrap_or(0)
    }

    /// How many requests have come.
    pub fn all_that_came(&self) -> u64 {
        self.shared.came().values().sum()
    }
}

impl Shared {
    fn rules(&self) -> MutexGuard<'_, BTreeMap<u64, Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn came(&self) -> MutexGuard<'_, BTreeMap<i16, u64>> {
        self.came.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What all rules make of it.
    fn fate(&self, way: Way, frame: &mut Frame) -> Fate {
        let (api_key, mut rules) = (frame.api_key, self.rules());
        let mut rules = rules.values_mut().filter(|rule| rule.way == way && rule.api_key == api_key);
        if rules.any(|rule| (rule.decide)(frame) == Fate::HangUp) { Fate::HangUp } else { Fate::Pass }
    }

    /// Hands a frame on when the line lets it.
    async fn hand_on(&self, way: Way, bytes: &[u8], to: &mut OwnedWriteHalf) -> Result<()> {
        let mut line = self.line.subscribe();
        let open = |line: &Line| if way == Way::Request { line.requests } else { line.answers };
        let line = line.wait_for(open).await.map_err(Error::other)?.clone();
        if way == Way::Answer {
            tokio::time::sleep(line.delay).await;
        }
        let size = u32::try_from(bytes.len()).map_err(Error::other)?;
        to.write_all(&size.to_be_bytes()).await?;
        to.write_all(bytes).await?;
        if line.bytes_per_second < u64::MAX {
            tokio::time::sleep(Duration::from_secs_f64(bytes.len() as f64 / line.bytes_per_second as f64)).await;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("line", &self.line).field("came", &self.came).finish_non_exhaustive()
    }
}

async fn accept(port: u16, to: u16, shared: Arc<Shared>) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (near, _) = listener.accept().await?;
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            // Nobody there: the connection is closed, as the kernel would refuse it.
            let Ok(far) = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], to))).await else { return };
            let _ = (near.set_nodelay(true), far.set_nodelay(true));
            let ((from_client, to_client), (from_broker, to_broker)) = (near.into_split(), far.into_split());
            let asked = Asked::default();
            // Both directions end with the first that does.
            tokio::select! {
                _ = requests(from_client, to_broker, &shared, &asked) => {}
                _ = answers(from_broker, to_client, &shared, &asked) => {}
            }
        });
    }
}

/// What was asked on a connection and is not answered, by correlation id.
type Asked = Mutex<HashMap<i32, (i16, i16, String)>>;

async fn requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, shared: &Shared, asked: &Asked) -> Result<()> {
    loop {
        let bytes = read(&mut from).await?;
        let (api_key, version, correlation_id, client_id) =
            request_header(&bytes).ok_or_else(|| Error::new(ErrorKind::InvalidData, "no request header"))?;
        *shared.came().entry(api_key).or_default() += 1;
        asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(correlation_id, (api_key, version, client_id.clone()));
        let mut frame = Frame { api_key, version, client_id, bytes };
        if shared.fate(Way::Request, &mut frame) == Fate::HangUp {
            return Ok(());
        }
        shared.hand_on(Way::Request, &frame.bytes, &mut to).await?;
    }
}

async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, shared: &Shared, asked: &Asked) -> Result<()> {
    loop {
        let mut bytes = read(&mut from).await?;
        let correlation_id = bytes.first_chunk().map_or(-1, |id| i32::from_be_bytes(*id));
        let question = asked.lock().unwrap_or_else(PoisonError::into_inner).remove(&correlation_id);
        if let Some((api_key, version, client_id)) = question {
            let mut frame = Frame { api_key, version, client_id, bytes };
            if shared.fate(Way::Answer, &mut frame) == Fate::HangUp {
                return Ok(());
            }
            bytes = frame.bytes;
        }
        shared.hand_on(Way::Answer, &bytes, &mut to).await?;
    }
}

async fn read(from: &mut OwnedReadHalf) -> Result<Vec<u8>> {
    let size = from.read_u32().await?;
    let mut bytes = vec![0; size as usize];
    from.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// API, version, correlation id and client id: where they stand in every version of the header.
fn request_header(bytes: &[u8]) -> Option<(i16, i16, i32, String)> {
    let int16 = |at: usize| Some(i16::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
    let correlation_id = i32::from_be_bytes(*bytes.get(4..)?.first_chunk()?);
    let length = usize::try_from(int16(8)?).unwrap_or(0);
    let client_id = String::from_utf8_lossy(bytes.get(10..10 + length)?).into_owned();
    Some((int16(0)?, int16(2)?, correlation_id, client_id))
}
