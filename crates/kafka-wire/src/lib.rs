//! Kafka's bytes as values: record batches, offset runs, the murmur2 partitioner, and the primitive types of the protocol.
//!
//! Everything here is a pure function of bytes: no sockets, no async, no clock, and **no panic on any input**. Lengths are
//! checked before anything is sliced or reserved, and decompression is bounded by a limit of the caller's.
//!
//! Reading order: [`batch`] (a batch, looked at, restamped, split off, decoded, encoded), [`runs`] (which source offset is
//! which target offset), [`murmur2`](mod@murmur2) (which partition a key belongs to), [`primitives`] (big-endian reading and
//! writing for the small protocols above Kafka's).
#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod batch;
pub mod murmur2;
pub mod primitives;
pub mod runs;

pub use murmur2::{murmur2, partition_for_key};
