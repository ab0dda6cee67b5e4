//! The listener: folds [`ROUTES`] into a router, bounds what a client may send, and serves until told to stop.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawPathParams, State};
use axum::http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter};
use connect_herder::service::HerderService;
use http_body_util::{BodyExt, Limited};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tracing::{debug, warn};

use crate::call::{Answer, Call};
use crate::error::RestError;
use crate::flows::{self, FlowServices, Namespace};
use crate::forward::Forwarder;
use crate::routes::{ROUTES, Route};

/// What clients may do. Explicit, so that a slow or greedy one can't harm the worker.
#[derive(Debug, Clone, Copy)]
pub struct RestOptions {
    /// The largest request body, in bytes; the config topic takes no larger record anyway.
    pub body_bytes_max: usize,
    /// How long a client may take to send its header or its body.
    pub read_timeout: Duration,
}

impl Default for RestOptions {
    fn default() -> Self {
        Self { body_bytes_max: 1 << 20, read_timeout: Duration::from_secs(30) }
    }
}

/// A bound listener that is not served yet, so that its port is known before the worker is made.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

/// Binds a listener.
pub async fn bind(host: &str, port: u16) -> io::Result<Server> {
    let listener = TcpListener::bind((host, port)).await?;
    let address = listener.local_addr()?;
    Ok(Server { listener, address })
}

impl Server {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` resolves, then lets running requests end.
    pub async fn serve(self, service: Arc<dyn HerderService>, options: RestOptions, stop: impl Future<Output = ()>) {
        self.serve_router(router(service, options), options, stop).await;
    }

    /// Serves the workers of MirrorMaker's dedicated mode to each other until `stop` resolves.
    pub async fn serve_flows(self, flows: FlowServices, options: RestOptions, stop: impl Future<Output = ()>) {
        self.serve_router(flows::router(flows, options), options, stop).await;
    }

    async fn serve_router(self, router: TrimmedRouter, options: RestOptions, stop: impl Future<Output = ()>) {
        let graceful = GracefulShutdown::new();
        tokio::pin!(stop);
        loop {
            let stream = tokio::select! {
                () = &mut stop => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        // Out of file handles, most likely: wait for some to come back instead of spinning.
                        warn!(%error, "cannot accept a REST connection");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                },
            };
            let mut builder = hyper::server::conn::http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(options.read_timeout).max_buf_size(64 << 10);
            let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router.clone()));
            let watched = graceful.watch(connection);
            tokio::spawn(async move {
                if let Err(error) = watched.await {
                    debug!(%error, "REST connection ended");
                }
            });
        }
        if tokio::time::timeout(Duration::from_secs(5), graceful.shutdown()).await.is_err() {
            warn!("REST requests were still running at shutdown");
        }
    }
}

#[derive(Clone)]
struct Shared {
    service: Arc<dyn HerderService>,
    forwarder: Arc<Forwarder>,
    options: RestOptions,
}

/// The whole API over a service.
pub(crate) fn router(service: Arc<dyn HerderService>, options: RestOptions) -> TrimmedRouter {
    router_of(service, options, &ROUTES.iter().collect::<Vec<_>>())
}

/// These routes over a service.
pub(crate) fn router_of(
    service: Arc<dyn HerderService>,
    options: RestOptions,
    routes: &[&'static Route],
) -> TrimmedRouter {
    let shared = Shared { service, forwarder: Arc::default(), options };
    let mut by_path: BTreeMap<&str, MethodRouter<Shared>> = BTreeMap::new();
    for route in routes {
        let methods = by_path.remove(route.path).unwrap_or_default();
        by_path.insert(route.path, methods.on(filter(&route.method), handler(route)));
    }
    let router = by_path.into_iter().fold(Router::new(), |router, (path, methods)| {
        let allowed = allowed(path);
        let methods = methods
            .options(move || async move { ([(header::ALLOW, allowed)], StatusCode::OK) })
            .fallback(|| async { RestError::plain(StatusCode::METHOD_NOT_ALLOWED) });
        router.route(path, methods)
    });
    TrimmedRouter(router.fallback(|| async { RestError::plain(StatusCode::NOT_FOUND) }).with_state(shared))
}

fn filter(method: &Method) -> MethodFilter {
    // ROUTES name standard methods only.
    MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::TRACE)
}

fn allowed(path: &str) -> HeaderValue {
    let mut methods: Vec<&str> =
        ROUTES.iter().filter(|route| route.path == path).map(|route| route.method.as_str()).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.push("OPTIONS");
    HeaderValue::from_str(&methods.join(",")).unwrap_or(HeaderValue::from_static("OPTIONS"))
}

fn handler(
    route: &'static Route,
) -> impl Fn(State<Shared>, RawPathParams, Request<Body>) -> std::pin::Pin<Box<dyn Future<Output = Response> + Send>>
+ Clone
+ Send
+ Sync
+ 'static {
    move |State(shared), params, request| {
        Box::pin(async move {
            match answer(route, shared, params, request).await {
                Ok(response) => response,
                Err(error) => error.into_response(),
            }
        })
    }
}

async fn answer(route: &Route, shared: Shared, params: RawPathParams, request: Request<Body>) -> Answer {
    let (parts, body) = request.into_parts();
    let body = read_body(body, shared.options).await?;
    let namespace = parts.extensions.get::<Namespace>().map(|namespace| namespace.0.clone());
    let call = Call {
        service: shared.service,
        forwarder: shared.forwarder,
        method: parts.method,
        path: format!("{}{}", namespace.unwrap_or_default(), parts.uri.path()),
        params: params.iter().map(|(_, value)| value.to_owned()).collect(),
        query: query(&parts.uri)?,
        headers: parts.headers,
        body,
    };
    (route.handler)(call).await
}

async fn read_body(body: Body, options: RestOptions) -> Result<bytes::Bytes, RestError> {
    let limited = Limited::new(body, options.body_bytes_max).collect();
    match tokio::time::timeout(options.read_timeout, limited).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(RestError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("The request body is larger than {} bytes.", options.body_bytes_max),
        )),
        Ok(Err(error)) => Err(RestError::bad_request(format!("The request body could not be read: {error}"))),
        Err(_) => Err(RestError::new(StatusCode::REQUEST_TIMEOUT, "The request body did not arrive in time.")),
    }
}

fn query(uri: &Uri) -> Result<Vec<(String, String)>, RestError> {
    axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map(|query| query.0)
        .map_err(|error| RestError::bad_request(format!("The query string can't be read: {error}")))
}

/// A router that takes paths with or without trailing slashes, as Java does.
#[derive(Clone)]
pub(crate) struct TrimmedRouter(Router);

impl TrimmedRouter {
    pub(crate) fn new(router: Router) -> Self {
        Self(router)
    }
}

impl<B> tower::Service<Request<B>> for TrimmedRouter
where
    Router: tower::Service<Request<B>, Response = Response, Error = std::convert::Infallible>,
    B: Send + 'static,
{
    type Response = Response;
    type Error = std::convert::Infallible;
    type Future = <Router as tower::Service<Request<B>>>::Future;

    fn poll_ready(&mut self, context: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
        tower::Service::<Request<B>>::poll_ready(&mut self.0, context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if let Some(trimmed) = trimmed(request.uri()) {
            *request.uri_mut() = trimmed;
        }
        self.0.call(request)
    }
}

fn trimmed(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let trimmed = path.trim_end_matches('/');
    if trimmed.len() == path.len() || trimmed.is_empty() {
        return None;
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{trimmed}{query}").parse().ok()
}
