//! The workers of MirrorMaker's dedicated mode behind one listener (KIP-710; Java: `MirrorRestServer`): each below
//! `/{source}/{target}`, with nothing but what workers ask of each other, and unlike in Java `/health` and `/metrics`. `/health`
//! alone is that of all workers.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use connect_herder::service::HerderService;
use tower::ServiceExt;

use crate::error::RestError;
use crate::forward::encode_segment;
use crate::options::RestOptions;
use crate::router::{TrimmedRouter, router_of};
use crate::routes::{ROUTES, Route};

const HEALTH: &str = "/health";

/// Workers by source and target.
pub type FlowServices = BTreeMap<(String, String), Arc<dyn HerderService>>;

/// The part of a request's path that named its flow.
#[derive(Debug, Clone)]
pub(crate) struct Namespace(pub(crate) String);

/// The path of a flow's worker, to be put behind a worker's address: `us%20west/east/`.
#[must_use]
pub fn flow_path(source: &str, target: &str) -> String {
    format!("{}/{}/", encode_segment(source), encode_segment(target))
}

pub(crate) fn router(flows: FlowServices, options: &RestOptions, scheme: &'static str) -> TrimmedRouter {
    let watched = |route: &&Route| [HEALTH, "/metrics"].contains(&route.path);
    let routes = ROUTES.iter().filter(|route| route.internal || watched(route));
    let routes: Vec<&'static Route> = routes.filter(|route| options.surface.has(route.path)).collect();
    let flows = flows.into_iter().map(|(flow, service)| (flow, router_of(service, options.clone(), scheme, &routes)));
    let flows: Arc<BTreeMap<_, _>> = Arc::new(flows.collect());
    TrimmedRouter::new(Router::new().fallback(move |request: Request<Body>| {
        let flows = Arc::clone(&flows);
        async move { dispatch(&flows, request).await }
    }))
}

async fn dispatch(flows: &BTreeMap<(String, String), TrimmedRouter>, mut request: Request<Body>) -> Response {
    let path = request.uri().path().to_owned();
    if path == HEALTH {
        return health(flows, request).await;
    }
    let mut segments = path.trim_start_matches('/').splitn(3, '/');
    let (Some(source), Some(target), Some(rest)) = (segments.next(), segments.next(), segments.next()) else {
        return RestError::plain(StatusCode::NOT_FOUND).into_response();
    };
    let flow = (decode_segment(source), decode_segment(target));
    let Some(router) = flows.get(&flow) else {
        let message = format!("No replication flow found for source '{}' and target '{}'", flow.0, flow.1);
        return RestError::new(StatusCode::NOT_FOUND, message).into_response();
    };
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    match format!("/{rest}{query}").parse::<Uri>() {
        Ok(uri) => *request.uri_mut() = uri,
        Err(error) => return RestError::bad_request(format!("The path can't be read: {error}")).into_response(),
    }
    request.extensions_mut().insert(Namespace(format!("/{source}/{target}")));
    ask(router, request).await
}

/// The answer of the first worker that is not healthy, or of the last.
async fn health(flows: &BTreeMap<(String, String), TrimmedRouter>, request: Request<Body>) -> Response {
    let (parts, _) = request.into_parts();
    let mut answer = RestError::plain(StatusCode::NOT_FOUND).into_response();
    for router in flows.values() {
        answer = ask(router, Request::from_parts(parts.clone(), Body::empty())).await;
        if answer.status() != StatusCode::OK {
            break;
        }
    }
    answer
}

async fn ask(router: &TrimmedRouter, request: Request<Body>) -> Response {
    match router.clone().oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// Undoes percent-encoding; what is none stays as it is.
fn decode_segment(segment: &str) -> String {
    let bytes = segment.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = bytes.get(at + 1..at + 3).filter(|hex| bytes[at] == b'%' && hex.iter().all(u8::is_ascii_hexdigit));
        let code = code.and_then(|hex| std::str::from_utf8(hex).ok());
        match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_comes_back_from_its_path_however_it_was_encoded() {
        for alias in ["us-west", "a b/ü%?+~*", "%zz", "100%"] {
            let path = flow_path(alias, "x");
            assert_eq!(decode_segment(path.trim_end_matches("/x/")), alias);
        }
        assert_eq!(decode_segment("a%2Db%20c%7E"), "a-b c~");
        assert_eq!(decode_segment("%+1%"), "%+1%");
    }
}
