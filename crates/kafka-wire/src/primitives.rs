//! The primitive types of Kafka's protocol: big-endian integers, varints, strings, byte arrays, arrays.
//!
//! For the small protocols above Kafka's own messages (Connect's group protocol, MirrorMaker's records) and for the records
//! of a batch. [`Reader`] borrows what it reads and never goes out of bounds; its errors say what was expected and at which
//! byte. [`Writer`] remembers the first thing that did not fit and says so in [`Writer::finish`], so that writing code
//! needs no `?` per field.

mod large;
mod reader;
mod writer;

pub use large::{LargeLength, LargeVarints};
pub use reader::{ReadError, Reader};
pub use writer::{WriteError, Writer, varint_len, varlong_len};

#[cfg(test)]
mod tests;
