//! Kafka Connect's REST API over a [`HerderService`](connect_herder::service::HerderService).
//!
//! Reading order: [`routes`] (the API as data), then the handlers by resource, [`entities`] (what answers look like),
//! [`error`] (how refusals look), [`forward`] (what happens when another worker must do it), [`guard`] (what stands before all
//! of it).
//!
//! **Invariant:** no state of its own.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod admin;
mod body;
mod call;
mod connectors;
mod entities;
pub mod error;
mod flows;
mod forward;
pub mod guard;
mod http_client;
mod media;
mod metrics;
mod offsets;
#[cfg(test)]
mod openapi_tests;
mod options;
mod plugins;
mod root;
mod router;
pub mod routes;
mod server;
#[cfg(test)]
mod tests;
mod tls;

pub use flows::{FlowServices, flow_path};
pub use forward::HttpPeers;
pub use offsets::{offsets_from_json, offsets_to_json};
pub use options::{RestOptions, Surface};
pub use server::{Server, Serving, bind};
pub use tls::{ClientTls, TlsSource};
