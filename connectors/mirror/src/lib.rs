//! MirrorMaker 2's vocabulary and arithmetic, as pure functions and values.
//!
//! **Invariant:** no clients, no async, no clock.
#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod policy;
pub mod topic_partition;

pub use policy::ReplicationPolicy;
pub use topic_partition::{TopicId, TopicPartition};
