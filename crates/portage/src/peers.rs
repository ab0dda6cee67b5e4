//! Requests between workers: what the runtime wants to ask, over the HTTP client of the REST crate.

use connect_api::BoxFuture;
use connect_herder::error::HerderError;
use connect_rest::{ClientTls, HttpPeers};
use connect_runtime::peer::{PeerClient, PeerRequest};

/// Other workers over HTTP.
#[derive(Default)]
pub(crate) struct Peers {
    http: HttpPeers,
    /// Where below its address a worker of this group is found.
    path: String,
}

impl Peers {
    /// Over HTTPS with these settings, where their addresses say so.
    pub(crate) fn new(tls: Option<ClientTls>) -> Self {
        Self { http: tls.map_or_else(HttpPeers::default, HttpPeers::with_tls), path: String::new() }
    }

    /// The workers of one flow of MirrorMaker's dedicated mode, which share their addresses with those of others.
    pub(crate) fn below(self, path: String) -> Self {
        Self { path, ..self }
    }

    fn url(&self, request: &PeerRequest) -> String {
        format!("{}/{}", request.url.trim_end_matches('/'), self.path)
    }
}

impl PeerClient for Peers {
    fn put_task_configs(&self, request: PeerRequest) -> BoxFuture<'_, Result<(), HerderError>> {
        Box::pin(async move {
            let (url, signature) = (self.url(&request), signature(&request));
            self.http.put_task_configs(&url, request.connector.as_str(), request.body.clone(), signature).await
        })
    }

    fn fence(&self, request: PeerRequest) -> BoxFuture<'_, Result<(), HerderError>> {
        Box::pin(async move {
            let (url, signature) = (self.url(&request), signature(&request));
            self.http.fence(&url, request.connector.as_str(), request.body.clone(), signature).await
        })
    }
}

fn signature(request: &PeerRequest) -> Option<(&str, &str)> {
    request.signature.as_ref().map(|signature| (&*signature.mac_base64, &*signature.algorithm))
}

/// Workers that can't be asked: MirrorMaker's dedicated mode without its internal REST.
pub(crate) struct NoPeers;

impl PeerClient for NoPeers {
    fn put_task_configs(&self, _: PeerRequest) -> BoxFuture<'_, Result<(), HerderError>> {
        Box::pin(std::future::ready(Err(unable())))
    }

    fn fence(&self, _: PeerRequest) -> BoxFuture<'_, Result<(), HerderError>> {
        Box::pin(std::future::ready(Err(unable())))
    }
}

fn unable() -> HerderError {
    HerderError::Unavailable(
        "this node can't reach the leader of its group, which has to store the new task configs: with more than one node set \
         dedicated.mode.enable.internal.rest=true and listeners on each"
            .to_owned(),
    )
}
