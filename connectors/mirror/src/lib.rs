//! MirrorMaker 2's vocabulary and arithmetic, as pure functions and values.
//!
//! **Invariant:** no clients, no async, no clock. Whatever the connectors have to *decide* is decided here and can be tested
//! without a broker; whatever they have to *do* is theirs.
//!
//! Reading order:
//!
//! - names: [`policy`] (topics after they have crossed), [`filter`] on [`java_regex`] (which of them cross);
//! - bytes: [`record`] (MirrorMaker's own topics), [`source_offsets`] and [`alter_offsets`] (the offsets topic);
//! - configuration: [`config_def`] (keys), [`config`] (rules and clients), [`assignment`] (shares of tasks);
//! - offsets: [`offset_sync_writer`] and [`offset_sync_store`] (as Java translates), [`runs`] (exactly),
//!   [`side_by_side`] (exactly, what others have mirrored),
//!   [`checkpoint_view`] and [`group_sync`] (what is written for groups);
//! - topics: [`config_sync`], [`acl_sync`] with [`principal_rules`].
//!
//! Facts about Java are held by vectors made with the classes of Kafka 4.3.0: `golden/` here, and `offset_sync_*.json` in the
//! workspace's `tests/golden/`.
#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod acl_sync;
pub mod alter_offsets;
pub mod assignment;
pub mod checkpoint_view;
pub mod config;
pub mod config_def;
pub mod config_sync;
pub mod filter;
pub mod group_sync;
pub mod java_regex;
mod java_text;
pub mod offset_sync_store;
pub mod offset_sync_writer;
pub mod policy;
pub mod principal_rules;
pub mod record;
pub mod runs;
pub mod side_by_side;
pub mod source_offsets;
pub mod topic_partition;

pub use offset_sync_store::OffsetSyncStore;
pub use offset_sync_writer::OffsetSyncWriter;
pub use policy::ReplicationPolicy;
pub use record::{Checkpoint, Heartbeat, OffsetSync};
pub use source_offsets::SavedPosition;
pub use topic_partition::{TopicId, TopicPartition};
