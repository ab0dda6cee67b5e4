//! The kernel of the worker: decides what the cluster should do, and does nothing itself.
//!
//! [`herder::Herder::apply`] takes the time and one [`Event`] and answers with [`Action`]s; the shell (`connect-runtime`)
//! performs them and reports back with more events. State is a fold of the config and status topics, the group's words,
//! and what has been started here.
//!
//! Reading order: [`ids`], [`command`], [`event`], [`action`], then [`herder`] and the machines it routes to.
//!
//! **Invariant:** no clock, no I/O, no locks, no async.
#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod action;
pub mod command;
pub mod error;
pub mod event;
pub mod ids;
pub mod service;
pub mod view;

pub use action::Action;
pub use command::{Command, Outcome, Reply};
pub use error::HerderError;
pub use event::{Event, GroupEvent};
