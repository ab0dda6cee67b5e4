//! Requests to other workers: what is asked and how it is signed. The HTTP is someone else's ([`PeerClient`]), so that this
//! crate knows none.

use bytes::Bytes;
use connect_api::{BoxFuture, ConfigMap};
use connect_herder::HerderError;
use connect_herder::ids::ConnectorName;
use connect_herder::protocol::Subprotocol;
use connect_herder::view::ClusterView;

use crate::signature::{self, MacAlgorithm, Signature};
use crate::worker_config::WorkerConfig;

/// Asks another worker, over its REST API. Implemented by `connect-rest`.
pub trait PeerClient: Send + Sync + 'static {
    /// `POST {url}connectors/{connector}/tasks` with a JSON body; 204 is the only good answer.
    ///
    /// # Errors
    /// The other worker's refusal as the matching [`HerderError`]; what never reached it as [`HerderError::Unavailable`],
    /// with the address in the sentence.
    fn put_task_configs(&self, request: PeerRequest) -> BoxFuture<'_, Result<(), HerderError>>;

    /// `PUT {url}connectors/{connector}/fence` with an empty body; 204 is the only good answer.
    ///
    /// # Errors
    /// As [`put_task_configs`](Self::put_task_configs).
    fn fence(&self, request: PeerRequest) -> BoxFuture<'_, Result<(), HerderError>>;
}

/// One request to another worker.
#[derive(Debug, Clone)]
pub struct PeerRequest {
    /// The other worker's REST address, with trailing slash.
    pub url: String,
    /// The connector it is about, not encoded.
    pub connector: ConnectorName,
    /// The body. The signature holds for exactly these bytes.
    pub body: Bytes,
    /// To be sent as headers; absent where the group does not sign.
    pub signature: Option<Signature>,
}

impl PeerRequest {
    /// Carries task configs to the leader.
    ///
    /// # Errors
    /// The group signs its requests, but there is no session key yet, or it can't be used.
    pub(crate) fn task_configs(
        worker: &WorkerConfig,
        view: &ClusterView,
        url: String,
        connector: ConnectorName,
        configs: &[ConfigMap],
    ) -> Result<Self, HerderError> {
        let body = serde_json::to_vec(configs).map_err(|error| HerderError::Internal(error.to_string()))?;
        Self::new(worker, view, url, connector, body.into())
    }

    /// Asks the leader to fence the producers of former tasks.
    ///
    /// # Errors
    /// As [`task_configs`](Self::task_configs).
    pub(crate) fn fence(
        worker: &WorkerConfig,
        view: &ClusterView,
        url: String,
        connector: ConnectorName,
    ) -> Result<Self, HerderError> {
        Self::new(worker, view, url, connector, Bytes::new())
    }

    fn new(
        worker: &WorkerConfig,
        view: &ClusterView,
        url: String,
        connector: ConnectorName,
        body: Bytes,
    ) -> Result<Self, HerderError> {
        let signature = is_signing(worker, view).then(|| sign(worker, view, &body)).transpose()?;
        Ok(Self { url, connector, body, signature })
    }
}

/// Whether requests between workers are signed: what the group has elected, or before that what this worker prefers.
pub(crate) fn is_signing(worker: &WorkerConfig, view: &ClusterView) -> bool {
    let elected = view.group.protocol.as_deref().and_then(Subprotocol::from_name);
    elected.or_else(|| Subprotocol::from_config(&worker.connect_protocol())) == Some(Subprotocol::Sessioned)
}

fn sign(worker: &WorkerConfig, view: &ClusterView, body: &[u8]) -> Result<Signature, HerderError> {
    let key = view.config.session_key().ok_or_else(|| {
        HerderError::Unavailable("the leader has not put a session key into the config topic yet".to_owned())
    })?;
    let name = worker.signature_algorithm();
    let algorithm = MacAlgorithm::find(name)
        .ok_or_else(|| HerderError::Internal(format!("inter.worker.signature.algorithm {name} is not supported")))?;
    signature::sign(key, algorithm, body).map_err(|error| HerderError::Internal(error.to_string()))
}
