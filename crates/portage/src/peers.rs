//! Requests between workers: what the runtime wants to ask, over the HTTP client of the REST crate.

use axum::http::Method;
use connect_api::BoxFuture;
use connect_herder::error::HerderError;
use connect_rest::{HttpPeers, encode_segment};
use connect_runtime::peer::{PeerClient, PeerRequest};

/// Other workers over HTTP.
#[derive(Default)]
pub(crate) struct Peers(HttpPeers);

impl PeerClient for Peers {
    fn put_task_configs(&self, request: PeerRequest) -> BoxFuture<'_, Result<(), HerderError>> {
        self.send(Method::POST, "tasks", request)
    }

    fn fence(&self, request: PeerRequest) -> BoxFuture<'_, Result<(), HerderError>> {
        self.send(Method::PUT, "fence", request)
    }
}

impl Peers {
    fn send<'a>(&'a self, method: Method, what: &str, request: PeerRequest) -> BoxFuture<'a, Result<(), HerderError>> {
        let path = format!("connectors/{}/{what}", encode_segment(request.connector.as_str()));
        Box::pin(async move {
            let signature = request.signature.as_ref().map(|signature| (&*signature.mac_base64, &*signature.algorithm));
            self.0.send_signed(&request.url, method, &path, request.body, signature).await
        })
    }
}
