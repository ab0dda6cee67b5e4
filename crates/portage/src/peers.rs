//! Requests between workers: what the runtime wants to ask, over the HTTP client of the REST crate.

use connect_api::BoxFuture;
use connect_herder::error::HerderError;
use connect_rest::HttpPeers;
use connect_runtime::peer::{PeerClient, PeerRequest};

/// Other workers over HTTP.
#[derive(Default)]
pub(crate) struct Peers(HttpPeers);

impl PeerClient for Peers {
    fn put_task_configs(&self, request: PeerRequest) -> BoxFuture<'_, Result<(), HerderError>> {
        Box::pin(async move {
            let signature = signature(&request);
            self.0.put_task_configs(&request.url, request.connector.as_str(), request.body.clone(), signature).await
        })
    }

    fn fence(&self, request: PeerRequest) -> BoxFuture<'_, Result<(), HerderError>> {
        Box::pin(async move {
            let signature = signature(&request);
            self.0.fence(&request.url, request.connector.as_str(), request.body.clone(), signature).await
        })
    }
}

fn signature(request: &PeerRequest) -> Option<(&str, &str)> {
    request.signature.as_ref().map(|signature| (&*signature.mac_base64, &*signature.algorithm))
}
