//! The specs against real Apache Kafka: one file per subject, each opening with the facts it holds us to.
//!
//! `cargo xtask test` runs them; so does `cargo test -p system-tests`, with Java and Maven installed. Specs share a pair
//! of clusters unless they break things: see the `harness` crate's first page for how to write one.

#![allow(clippy::unwrap_used, reason = "tests")]

mod accepts;
mod client_security;
mod harness_facts;
mod harness_java;
mod offsets;
mod raw;
