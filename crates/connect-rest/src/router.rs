//! Folds [`ROUTES`] into a router, and bounds what a client may send.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawPathParams, State};
use axum::http::{Method, Request, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter};
use connect_herder::service::HerderService;
use http_body_util::{BodyExt, Limited};

use crate::call::{Answer, Call};
use crate::error::RestError;
use crate::flows::Namespace;
use crate::forward::Forwarder;
use crate::guard::{self, Guards};
use crate::media;
use crate::options::RestOptions;
use crate::routes::{ROUTES, Route};

#[derive(Clone)]
struct Shared {
    service: Arc<dyn HerderService>,
    forwarder: Arc<Forwarder>,
    options: Arc<RestOptions>,
    scheme: &'static str,
}

/// The API over a service. `scheme` is what the listener speaks.
pub(crate) fn router(service: Arc<dyn HerderService>, options: RestOptions, scheme: &'static str) -> TrimmedRouter {
    let surface = options.surface;
    let routes: Vec<&'static Route> = ROUTES.iter().filter(|route| surface.has(route.path)).collect();
    router_of(service, options, scheme, &routes)
}

/// These routes over a service.
pub(crate) fn router_of(
    service: Arc<dyn HerderService>,
    options: RestOptions,
    scheme: &'static str,
    routes: &[&'static Route],
) -> TrimmedRouter {
    let guards = Arc::new(Guards::new(&options));
    let forwarder = Arc::new(Forwarder::new(options.peer_tls.clone()));
    let shared = Shared { service, forwarder, options: Arc::new(options), scheme };
    let mut by_path: BTreeMap<&str, MethodRouter<Shared>> = BTreeMap::new();
    for route in routes {
        let methods = by_path.remove(route.path).unwrap_or_default();
        by_path.insert(route.path, methods.on(filter(&route.method), handler(route)));
    }
    let router = by_path.into_iter().fold(Router::new(), |router, (path, methods)| {
        let allowed = allowed(path);
        let methods = methods
            .options(move || async move { answer_options(&allowed) })
            .fallback(|| async { RestError::plain(StatusCode::METHOD_NOT_ALLOWED) });
        router.route(path, methods)
    });
    let router = router.fallback(|| async { RestError::plain(StatusCode::NOT_FOUND) }).with_state(shared);
    TrimmedRouter(router.layer(axum::middleware::from_fn_with_state(guards, guard::guard)))
}

fn filter(method: &Method) -> MethodFilter {
    // ROUTES name standard methods only.
    MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::TRACE)
}

fn allowed(path: &str) -> String {
    let mut methods: Vec<&str> =
        ROUTES.iter().filter(|route| route.path == path).map(|route| route.method.as_str()).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.push("OPTIONS");
    methods.join(", ")
}

/// As Java answers OPTIONS: the methods as a header and as text.
fn answer_options(allowed: &str) -> Response {
    let headers = [(header::ALLOW, allowed), (header::CONTENT_TYPE, "text/plain")];
    (headers, allowed.to_owned()).into_response()
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
    let body = read_body(body, &shared.options).await?;
    media::check(&parts.method, &parts.headers, !body.is_empty(), route.answers_json())?;
    let namespace = parts.extensions.get::<Namespace>().map(|namespace| namespace.0.clone());
    let call = Call {
        service: shared.service,
        forwarder: shared.forwarder,
        scheme: shared.scheme,
        method: parts.method,
        path: format!("{}{}", namespace.unwrap_or_default(), parts.uri.path()),
        params: params.iter().map(|(_, value)| value.to_owned()).collect(),
        query: query(&parts.uri)?,
        headers: parts.headers,
        body,
    };
    if route.needs_state() {
        call.started().await?;
    }
    (route.handler)(call).await
}

async fn read_body(body: Body, options: &RestOptions) -> Result<bytes::Bytes, RestError> {
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
