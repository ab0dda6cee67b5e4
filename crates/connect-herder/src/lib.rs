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
pub mod assignor;
pub mod auto_restart;
pub mod catch_up;
pub mod command;
pub mod config_log;
pub mod config_writer;
pub mod error;
pub mod event;
pub mod fencing;
pub mod herder;
pub mod ids;
mod json;
pub mod leadership;
pub mod membership;
pub mod protocol;
pub mod publisher;
pub mod replies;
pub mod restart;
pub mod seals;
pub mod service;
pub mod settings;
#[cfg(test)]
mod sim;
pub mod status_log;
pub mod view;
pub mod work;

pub use action::Action;
pub use command::{Command, Outcome, Reply};
pub use error::HerderError;
pub use event::{Event, GroupEvent};
