//! Exact offset translation: for every record that has crossed, where it is on the target.
//!
//! A mirror copies a partition in order, so the whole mapping is a short list of runs ([`kafka_wire::runs`]). A
//! [`PartitionMap`] adds to them what makes an answer trustworthy: from where to where the source is accounted for, which
//! parts of that are *holes* about which nothing is known (a crash between copying and writing the map, or old history
//! thinned out to stay small), and where on the target the next copy will land. [`PartitionMap::translate`] answers
//! [`Translation::Exact`] only when the list covers the question.
//!
//! **Promise:** no answer, exact or not, lies past the copy of a record that the reader has not read. What is lost, late,
//! torn or thinned turns into an earlier position, never into a later one. An exact answer repeats nothing either, save
//! records that at-least-once delivery has put on the target twice.
//!
//! Reading order: `translation` (the answers), `map` (the value), `thin` (keeping it small), `chunk` (its form in the topic
//! `portage-offset-runs.<alias>.internal`), `log` (writing changes), `store` (reading them back).

mod chunk;
mod log;
mod map;
#[cfg(test)]
mod model_tests;
mod store;
mod thin;
mod translation;

pub use chunk::{RunsKey, RunsRecord, RunsRecordError, TopicIds};
pub use log::TrackedMap;
pub use map::{Begin, PartitionMap};
pub use store::{RunsStore, StoredMap};
pub use translation::{TargetLog, Translation, UnknownReason};

/// Runs that a partition keeps by default before old ones are thinned out: about 100 KiB.
pub const DEFAULT_MAX_RUNS: usize = 4096;
