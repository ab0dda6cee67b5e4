//! The worker's shell: does what the herder decides, and tells it what happened.
//!
//! [`worker_config`] reads the worker's file, [`config_providers`] the references in it, [`validation`] judges connector
//! configs.
//!
//! **Invariant:** takes no decisions that the kernel (`connect-herder`) could take.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod config_providers;
pub mod validation;
pub mod worker_config;
