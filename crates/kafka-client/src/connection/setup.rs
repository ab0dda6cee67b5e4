//! From an address to a usable connection: resolve, connect, (TLS), agree on versions, (SASL).

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::protocol::StrBytes;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{RwLock, Semaphore, mpsc, watch};
use tokio::time::{Instant, timeout};

use super::shared::{Queue, Shared};
use super::spare::Spare;
use super::{Connection, Endpoint, Handle, IN_FLIGHT_MAX, Stats, io, lock};
use crate::auth::Credentials;
use crate::cluster::retry::chance;
use crate::codes::ErrorCode;
use crate::config::ClientConfig;
use crate::error::ClientError;
use crate::proto::KafkaRequest;
use crate::tls::{self, Tls};

/// The largest response accepted, unless `fetch.max.bytes` asks for more.
const FRAME_BYTES_MAX: usize = 100 * 1024 * 1024;
/// What a fetch response holds besides the records it was limited to, and one batch above the limit.
const FETCH_OVERHEAD_BYTES: usize = 50 * 1024 * 1024;
/// A peer that is gone without a word is noticed after about a minute and a half, even if idle.
const KEEPALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(10));

/// Anything that bytes go through both ways.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> ByteStream for S {}

/// The broker accepts our credentials for a limited time (KIP-368).
pub(super) struct Session {
    pub(super) renew_at: Instant,
}

/// How connections are secured.
pub(super) struct Security {
    /// Also for token endpoints, so it is there even if the brokers are spoken to in the clear.
    tls: Tls,
    credentials: Option<Credentials>,
}

impl Security {
    pub(super) fn has_credentials(&self) -> bool {
        self.credentials.is_some()
    }
}

/// Everything that all connections of a cluster share.
pub(crate) struct Connector {
    config: ClientConfig,
    security: Arc<Security>,
    stats: Arc<Stats>,
    spare: Spare,
    frame_bytes_max: usize,
}

impl Connector {
    pub(crate) fn new(config: ClientConfig) -> Result<Connector, ClientError> {
        let fetch_max = config.get("fetch.max.bytes").and_then(|bytes| bytes.parse::<usize>().ok()).unwrap_or(0);
        let frame_bytes_max =
            FRAME_BYTES_MAX.max(fetch_max.saturating_add(FETCH_OVERHEAD_BYTES)).min(i32::MAX as usize);
        let tls = Tls::new(config.security().tls.clone());
        if config.security().tls_enabled {
            tls.check()?;
        }
        let credentials = config.security().sasl.as_ref().map(Credentials::new).transpose()?;
        let security = Arc::new(Security { tls, credentials });
        Ok(Connector { config, security, stats: Arc::default(), spare: Spare::default(), frame_bytes_max })
    }

    pub(crate) fn config(&self) -> &ClientConfig {
        &self.config
    }

    pub(crate) fn stats(&self) -> &Arc<Stats> {
        &self.stats
    }

    /// A connection to `endpoint` that is ready for requests. The name is resolved anew every time,
    /// and each of its addresses gets `patience`.
    pub(crate) async fn open(&self, endpoint: &Endpoint, patience: Duration) -> Result<Connection, ClientError> {
        self.open_any_address(endpoint, patience).await.inspect_err(|_| self.stats.failed())
    }

    async fn open_any_address(&self, endpoint: &Endpoint, patience: Duration) -> Result<Connection, ClientError> {
        let name = endpoint.seen_by(self.config.client_id());
        let connect_error = |reason: String| ClientError::Connect { broker: name.clone(), reason };
        let mut last = connect_error("the name has no address".to_owned());
        for address in resolve(endpoint, patience).await.map_err(connect_error)? {
            match timeout(patience, self.open_address(endpoint, address)).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(OpenError::Socket(reason))) => last = connect_error(format!("{address}: {reason}")),
                Ok(Err(OpenError::Client(ClientError::Closed { reason, .. }))) => {
                    last = connect_error(format!("{address}: {reason}"));
                }
                Ok(Err(OpenError::Client(error))) if error.is_retriable() => last = error,
                Ok(Err(OpenError::Client(error))) => return Err(error),
                Err(_) => {
                    last = connect_error(format!(
                        "{address}: not ready within {} ms (socket.connection.setup.timeout.ms)",
                        patience.as_millis()
                    ));
                }
            }
        }
        Err(last)
    }

    async fn open_address(&self, endpoint: &Endpoint, address: SocketAddr) -> Result<Connection, OpenError> {
        let socket = self.connect(address).await.map_err(|error| OpenError::Socket(error.to_string()))?;
        let connection = if self.config.security().tls_enabled {
            let socket =
                self.security.tls.connect(&endpoint.host, socket).await.map_err(|error| {
                    match tls::refusal(&error) {
                        Some(reason) => OpenError::Client(ClientError::Tls {
                            broker: endpoint.seen_by(self.config.client_id()),
                            reason,
                        }),
                        None => OpenError::Socket(format!("{error}; does the listener speak TLS (security.protocol)?")),
                    }
                })?;
            let (read, write) = tokio::io::split(socket);
            self.spawn(endpoint, read, write)
        } else {
            let (read, write) = socket.into_split();
            self.spawn(endpoint, read, write)
        };
        negotiate(&connection).await?;
        authenticate(&connection).await?;
        Ok(connection)
    }

    async fn connect(&self, address: SocketAddr) -> std::io::Result<TcpStream> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // Before connecting, because the window scale is agreed on then.
        if let Some(bytes) = self.config.send_buffer_bytes() {
            socket.set_send_buffer_size(bytes)?;
        }
        if let Some(bytes) = self.config.receive_buffer_bytes() {
            socket.set_recv_buffer_size(bytes)?;
        }
        let stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        SockRef::from(&stream).set_tcp_keepalive(&KEEPALIVE)?;
        Ok(stream)
    }

    /// Starts the two tasks.
    pub(super) fn spawn(
        &self,
        endpoint: &Endpoint,
        read: impl AsyncRead + Unpin + Send + 'static,
        write: impl AsyncWrite + Unpin + Send + 'static,
    ) -> Connection {
        let (writer, frames) = mpsc::unbounded_channel();
        let (closed, on_close) = watch::channel(false);
        let shared = Arc::new(Shared {
            endpoint: endpoint.clone(),
            client_id: self.config.client_id().to_owned(),
            request_timeout: self.config.request_timeout(),
            versions: OnceLock::new(),
            queue: Mutex::new(Queue { next_correlation_id: 0, waiting: VecDeque::new(), writer, closed: None }),
            places: Arc::new(Semaphore::new(IN_FLIGHT_MAX)),
            gate: RwLock::new(()),
            security: self.security.clone(),
            session: Mutex::new(None),
            throttled_until: Mutex::new(None),
            closed,
            stats: self.stats.clone(),
            node: self.stats.node(endpoint.node_id),
            spare: self.spare.clone(),
        });
        tokio::spawn(io::write_loop(write, frames, on_close.clone(), shared.clone()));
        let idle_max = self.config.connections_max_idle();
        let (reader, frame_bytes_max) = (shared.clone(), self.frame_bytes_max);
        tokio::spawn(async move {
            reader.stats.opened();
            io::read_loop(read, on_close, reader.clone(), frame_bytes_max, idle_max).await;
            reader.stats.closed();
        });
        Connection(Arc::new(Handle(shared)))
    }
}

enum OpenError {
    Socket(String),
    Client(ClientError),
}

impl From<ClientError> for OpenError {
    fn from(error: ClientError) -> OpenError {
        OpenError::Client(error)
    }
}

/// The addresses behind a name, now.
async fn resolve(endpoint: &Endpoint, patience: Duration) -> Result<Vec<SocketAddr>, String> {
    match timeout(patience, tokio::net::lookup_host((endpoint.host.as_str(), endpoint.port))).await {
        Ok(Ok(addresses)) => Ok(addresses.collect()),
        Ok(Err(error)) => Err(format!("cannot resolve {}: {error}", endpoint.host)),
        Err(_) => Err(format!("cannot resolve {}: no answer within {} ms", endpoint.host, patience.as_millis())),
    }
}

/// Shows our credentials, if there are any, and notes when to do so again: a random moment between
/// 85 and 95 % of the time the broker gives, as in Java, so that connections do not do it in step.
pub(super) async fn authenticate(connection: &Connection) -> Result<(), ClientError> {
    let shared = &connection.0.0;
    let Some(credentials) = &shared.security.credentials else { return Ok(()) };
    let lifetime = credentials.authenticate(connection, &shared.security.tls).await?;
    *lock(&shared.session) =
        lifetime.map(|lifetime| Session { renew_at: Instant::now() + lifetime.mul_f64(0.85 + 0.1 * chance()) });
    Ok(())
}

/// Learns which APIs the broker speaks. A broker that is too old for version 3 answers
/// UNSUPPORTED_VERSION in version 0 (KIP-511) and is asked again in that one.
pub(super) async fn negotiate(connection: &Connection) -> Result<(), ClientError> {
    let mut response = ask_versions(connection, 3).await?;
    if ErrorCode(response.error_code) == ErrorCode::UNSUPPORTED_VERSION {
        response = ask_versions(connection, 0).await?;
    }
    ErrorCode(response.error_code).ok().map_err(|code| ClientError::broker("ApiVersions", code, None))?;
    let versions: HashMap<i16, (i16, i16)> =
        response.api_keys.iter().map(|api| (api.api_key, (api.min_version, api.max_version))).collect();
    // Set once: negotiation runs before anybody else has the connection.
    let _ = connection.0.0.versions.set(versions);
    Ok(())
}

async fn ask_versions(connection: &Connection, version: i16) -> Result<ApiVersionsResponse, ClientError> {
    let shared = &connection.0.0;
    let request = if version >= 3 {
        ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("portage"))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")))
    } else {
        ApiVersionsRequest::default()
    };
    let frame = request.frame(version, &shared.client_id)?;
    // Nobody else uses the connection yet, so there is a place.
    let place = shared.places.clone().acquire_owned().await.map_err(|_| shared.closed_error("dropped"))?;
    let answer = shared.push(ApiKey::ApiVersions, frame, Vec::new(), place)?;
    let frame = answer.await.map_err(|_| shared.closed_error("dropped"))??;
    // Correlation id, then the error code: a broker that does not know the version answers in version 0.
    let refused = frame.get(4..6).is_some_and(|code| code == ErrorCode::UNSUPPORTED_VERSION.0.to_be_bytes());
    ApiVersionsRequest::read(frame, if refused { 0 } else { version })
}
