//! MirrorMaker 2's vocabulary and arithmetic, as pure functions and values.
//!
//! **Invariant:** no clients, no async, no clock.
#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod alter_offsets;
pub mod assignment;
pub mod config;
pub mod config_def;
pub mod filter;
pub mod java_regex;
mod java_text;
pub mod offset_sync_store;
pub mod offset_sync_writer;
pub mod policy;
pub mod record;
pub mod runs;
pub mod source_offsets;
pub mod topic_partition;

pub use offset_sync_store::OffsetSyncStore;
pub use offset_sync_writer::OffsetSyncWriter;
pub use policy::ReplicationPolicy;
pub use record::{Checkpoint, Heartbeat, OffsetSync};
pub use source_offsets::SavedPosition;
pub use topic_partition::{TopicId, TopicPartition};
