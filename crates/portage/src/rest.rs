//! From a worker's REST keys to listeners that are bound, with TLS and guards: nothing is served before all of it is known to
//! be usable.

use std::path::Path;
use std::sync::Arc;

use connect_rest::guard::basic_auth::EXTENSION;
use connect_rest::guard::{BasicAuth, Cors, ResponseHeaders};
use connect_rest::{ClientTls, RestOptions, Server, Surface, TlsSource};
use connect_runtime::worker_config::{AdminListeners, Listener, WorkerConfig, read_properties};
use kafka_client::tls::{ClientAuth, ListenerTls};
use tracing::{info, warn};

use crate::exit;
use crate::java_options;

const MAIN: &str = "listeners.https.";
const ADMIN: &str = "admin.listeners.https.";

/// Why nothing is served: the exit code, and the sentence.
pub(crate) type NotServed = (u8, String);

/// The configuration says what can't be.
fn unusable(reason: String) -> NotServed {
    (exit::FATAL, reason)
}

/// Binds every listener, so that `/health` answers before anything else happens.
pub(crate) async fn listen(mut config: WorkerConfig) -> Result<(WorkerConfig, Vec<Server>), NotServed> {
    let admin = config.admin_listeners().clone();
    let surface = if admin == AdminListeners::Shared { Surface::All } else { Surface::WithoutAdmin };
    let options = RestOptions {
        surface,
        cors: {
            let (origins, methods) = config.cross_origin();
            Cors::new(origins, methods)
        },
        response_headers: ResponseHeaders::parse(config.response_headers())
            .map_err(|error| unusable(format!("invalid response.http.headers.config: {error}")))?,
        basic_auth: basic_auth(&config).map_err(unusable)?.map(Arc::new),
        peer_tls: peer_tls(&config).map_err(unusable)?,
        ..RestOptions::default()
    };
    let mut servers = Vec::new();
    for listener in config.listeners().to_vec() {
        let server = bind(&config, &listener, MAIN, options.clone()).await?;
        if listener.https == config.advertises_https() {
            config = config.with_bound_port(server.address().port());
        }
        servers.push(server);
    }
    if let AdminListeners::Own(listeners) = admin {
        let options = RestOptions { surface: Surface::Admin, ..options };
        for listener in listeners {
            servers.push(bind(&config, &listener, ADMIN, options.clone()).await?);
        }
    }
    servers.extend(listen_for_monitoring(&config).await?);
    Ok((config, servers))
}

/// Binds `portage.metrics.listeners`.
pub(crate) async fn listen_for_monitoring(config: &WorkerConfig) -> Result<Vec<Server>, NotServed> {
    let mut servers = Vec::new();
    for listener in config.metrics_listeners().map_err(|error| unusable(error.to_string()))? {
        servers.push(bind_metrics(&listener).await?);
    }
    Ok(servers)
}

/// A port that monitoring may reach where the REST API is closed, such as the 9404 that Strimzi's pod monitors ask.
async fn bind_metrics(listener: &Listener) -> Result<Server, NotServed> {
    if listener.https {
        return Err(unusable("portage.metrics.listeners: https is not supported; use http".to_owned()));
    }
    let (host, port) = listener.bind_address();
    let bound = connect_rest::bind(&host, port).await;
    let server = bound.map_err(|error| {
        let remedy = "change portage.metrics.listeners or end what holds the port";
        (exit::NOT_STARTED, format!("cannot listen on {host}:{port}: {error}; {remedy}"))
    })?;
    info!(address = %server.address(), "metrics are served");
    Ok(server.with_options(RestOptions { surface: Surface::Metrics, ..RestOptions::default() }))
}

/// How other workers of the group are spoken to: with the settings of our own HTTPS listeners.
pub(crate) fn peer_tls(config: &WorkerConfig) -> Result<Option<ClientTls>, String> {
    if !config.listeners().iter().any(|listener| listener.https) {
        return Ok(None);
    }
    let tls = Arc::new(tls(config, MAIN)?.0);
    Ok(Some(TlsSource::new(move || tls.client().map_err(std::io::Error::other))))
}

async fn bind(
    config: &WorkerConfig,
    listener: &Listener,
    prefix: &str,
    options: RestOptions,
) -> Result<Server, NotServed> {
    let (host, port) = listener.bind_address();
    let server = connect_rest::bind(&host, port)
        .await
        .map_err(|error| {
            let remedy = "change listeners or end what holds the port";
            (exit::NOT_STARTED, format!("cannot listen on {host}:{port}: {error}; {remedy}"))
        })?
        .with_options(options.clone());
    info!(address = %server.address(), scheme = listener.scheme(), "REST API listens");
    let (server, asks_for_certificates) = if listener.https {
        let (tls, client_auth) = tls(config, prefix).map_err(unusable)?;
        let source = TlsSource::new(move || tls.server().map_err(std::io::Error::other));
        (server.with_tls(source), client_auth == ClientAuth::Required)
    } else {
        (server, false)
    };
    if listener.is_public() && options.basic_auth.is_none() && !asks_for_certificates {
        warn!("the REST API can be reached from other machines and asks nobody for a password");
    }
    Ok(server)
}

fn tls(config: &WorkerConfig, prefix: &str) -> Result<(ListenerTls, ClientAuth), String> {
    let properties = config.listener_ssl(prefix);
    let client_auth = match properties.get("ssl.client.auth").map(|word| word.trim().to_ascii_lowercase()).as_deref() {
        None | Some("" | "none") => ClientAuth::None,
        Some("requested") => ClientAuth::Requested,
        Some("required") => ClientAuth::Required,
        Some(other) => return Err(format!("invalid ssl.client.auth: {other}: must be none, requested or required")),
    };
    let tls = ListenerTls::new(&properties, client_auth)
        .map_err(|error| format!("listeners: https can't be spoken with {prefix}ssl.* (or ssl.*): {error}"))?;
    Ok((tls, client_auth))
}

/// Basic auth, if it is wanted. Other extensions are Java classes: a worker without one of them would let in whom it would not.
fn basic_auth(config: &WorkerConfig) -> Result<Option<BasicAuth>, String> {
    let extensions = config.rest_extensions();
    if let Some(other) = extensions.iter().find(|class| *class != EXTENSION) {
        return Err(format!(
            "rest.extension.classes: {other} is a Java class that can't be loaded; built in is {EXTENSION}"
        ));
    }
    if extensions.is_empty() {
        return Ok(None);
    }
    let jaas_file = config.rest_jaas_file().map(str::to_owned).or_else(java_options::jaas_file).ok_or(
        "rest.extension.classes: basic auth needs portage.rest.jaas.file, or \
         -Djava.security.auth.login.config=FILE in KAFKA_OPTS as for Java",
    )?;
    let read = |path: &Path| read_properties(path).map_err(|error| error.to_string());
    BasicAuth::load(Path::new(&jaas_file), read).map(Some).map_err(|error| error.to_string())
}
