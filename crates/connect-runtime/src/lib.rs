//! The worker's shell: does what the herder decides, and tells it what happened.
//!
//! Reading order: [`worker`] (the whole of it), `driver` (the loop), `connector` and `task` (what runs), [`source_task`]
//! (what happens inside of a task), [`record_path`] (what may happen to a record), [`storage`] (the three topics), `backstage` and `group` (how they and the group come
//! up), [`service`] (what the REST API sees).
//!
//! [`worker_config`] reads the worker's file, [`config_providers`] the references in it, [`validation`] judges connector
//! configs; [`loggers`] are log levels, [`metrics`] what `/metrics` shows, [`signature`] and [`peer`] requests between workers.
//!
//! **Invariant:** takes no decisions that the kernel (`connect-herder`) could take.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod backstage;
pub mod config_providers;
mod connector;
mod driver;
mod group;
mod herder_settings;
pub mod loggers;
pub mod metrics;
pub mod peer;
mod plugin_call;
pub mod record_path;
pub mod service;
pub mod signature;
pub mod source_task;
pub mod storage;
mod task;
pub mod topic_creation;
pub mod validation;
pub mod worker;
pub mod worker_config;

#[cfg(test)]
mod test_plugin;
#[cfg(test)]
mod test_world;
