//! The worker's three topics: config, status, offsets. They are the database; memory is a fold of them.
//!
//! Each is a [`LogHandle`] in front of an actor that owns the topic's log: appends are in order, and whoever reads to the end
//! has had every record up to there. [`topics`] makes them and refuses what would lose data; [`config_topic`] and
//! [`status_topic`] serve the driver; [`OffsetStore`] serves tasks and the REST API, for connectors with an offsets topic of
//! their own through [`connector_offsets`].

pub(crate) mod config_topic;
pub(crate) mod connector_offsets;
pub(crate) mod kafka_log;
pub(crate) mod leader_writes;
pub(crate) mod log;
mod offset_key;
mod offset_view;
mod offsets;
mod outbox;
pub(crate) mod status_topic;
pub(crate) mod topics;

pub(crate) use log::{LogEnd, LogHandle, LogRecord};
pub use offsets::OffsetStore;
pub(crate) use offsets::fold_offsets;
