//! The specs against real Apache Kafka: one file per subject, each opening with the facts it holds us to.
//!
//! `cargo xtask test` runs them; so does `cargo test -p system-tests`, with Java and Maven installed. Specs share a pair
//! of clusters unless they break things: see the `harness` crate's first page for how to write one.

#![allow(clippy::unwrap_used, reason = "tests")]

mod accepts;
mod client_security;
mod command_line;
mod dedicated;
mod delivery;
mod delivery_bytes;
mod delivery_kills;
mod delivery_logs;
mod delivery_topics;
mod embedded;
mod exactly_once;
mod fairness;
mod faults;
mod faults_answers;
mod faults_network;
mod faults_target;
mod groups_sync;
mod harness_facts;
mod harness_java;
mod least_privilege;
mod lifecycle;
mod lifecycle_bad_input;
mod lifecycle_failure;
mod lifecycle_group;
mod lifecycle_java;
mod lifecycle_outages;
mod lifecycle_panics;
mod lifecycle_rest;
mod lifecycle_restart;
mod lifecycle_rolling;
mod mess;
mod metrics_prometheus;
mod mirror_in_step;
mod mirror_losses;
mod mirror_losses_exact;
mod mirror_losses_target;
mod mirror_reassignment;
mod mirror_tombstones;
mod mirror_topologies;
mod oauth;
mod offsets;
mod offsets_random;
mod offsets_redone;
mod packaging;
mod raw;
mod record_path;
mod rest_guarded;
mod secrets;
mod strands;
mod strimzi;
mod takeover;
