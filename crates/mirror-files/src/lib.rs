//! The files people have for MirrorMaker 2, as worker and connector configs: `mm2.properties` of its dedicated mode, and
//! Strimzi's `KafkaMirrorMaker2`.
//!
//! Text in, configs and findings out. **Invariant:** no I/O, no clients, no async; secrets are never read here, only referred
//! to (`${provider:path:key}`).
//!
//! Reading order: [`settings`] (values that know their line), [`flow`] (what comes out), [`mm2`] on [`properties`], [`strimzi`] on
//! [`yaml`]; [`check`] and [`finding`] (what is wrong with a file, and the remedy).
#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod check;
pub mod finding;
pub mod flow;
pub mod mm2;
mod nearest;
pub mod properties;
pub mod settings;
pub mod strimzi;
pub mod yaml;

pub use finding::{FileError, Finding, Severity};
pub use flow::{Connector, Flow, RunState};
pub use nearest::did_you_mean;
pub use settings::Settings;
