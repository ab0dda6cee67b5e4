//! What a plugin author sees: the service provider interface of the worker.
//!
//! A connector is a [`SourcePlugin`]: a description (class name, version, [`ConfigDef`]) and two factories, one for the
//! [`SourceConnector`] that watches the outside world and splits the work, one for the [`SourceTask`] that moves records.
//! Authors write plain `async fn`s; the worker holds the same things as boxed objects ([`DynSourceTask`] and friends).
//!
//! Reading order: [`record`] (what crosses), [`source`] (who moves it), [`config`] (how it is described), [`plugin`] (how
//! the worker finds it), [`convert`] (what may happen on the way), [`metrics`] (numbers to show).
//!
//! **Invariant:** no async runtime, no Kafka client and no HTTP is named here.
#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod config;
pub mod convert;
pub mod data;
pub mod error;
pub mod metrics;
pub mod plugin;
pub mod record;
pub mod source;

pub use config::{ConfigDef, ConfigKey, ConfigMap};
pub use error::ConnectError;
pub use plugin::{PluginKind, PluginRegistry};
pub use record::{Ack, Polled, SourceBatch, SourceOffset, SourcePartition, SourceRecord};
pub use source::{BoxFuture, DynSourceConnector, DynSourceTask, SourceConnector, SourcePlugin, SourceTask};
