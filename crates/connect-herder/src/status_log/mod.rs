//! The status topic: what its records look like, and what they fold to.
//!
//! [`record`] knows the three kinds of records, byte for byte as Java Connect 4.3 writes them. [`state`] folds them into a
//! [`StatusState`], the only source of `GET …/status` and `GET …/topics`. Statuses are for people: nothing that a worker
//! does may depend on them, except what a restart of failed units selects.

pub mod record;
pub mod state;

pub use record::{BadStatus, State, Status, StatusRecord, TopicStatus};
pub use state::{StatusState, can_write_safely};
