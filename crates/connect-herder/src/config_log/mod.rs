//! The config topic: what its records look like, and the cluster state that they fold to.
//!
//! [`record`] knows the eight kinds of records, byte for byte as Java Connect 4.3 writes them. [`state`] folds them, one by
//! one, into a [`ClusterConfigState`]; clones of that are the snapshots that everyone else reads.

pub mod record;
pub mod state;

pub use record::{BadRecord, ConfigRecord, SessionKey, TargetState};
pub use state::{ClusterConfigState, ConfigChange};
