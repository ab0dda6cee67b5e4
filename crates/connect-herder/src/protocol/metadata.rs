//! What a member tells the leader when it joins.

use bytes::Bytes;
use kafka_wire::primitives::{Reader, WriteError, Writer};

use super::assignment::{Assignment, version};
use super::{DecodeError, Subprotocol};
use crate::ids::ConfigOffset;

/// A member, as it shows itself to the leader (Java: `ExtendedWorkerState`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerMetadata {
    /// Its REST address, with trailing slash.
    pub url: String,
    /// How far it has read the config topic.
    pub config_offset: ConfigOffset,
    /// The whole of what it runs now: nothing revoked, the delay of its last assignment. `None` before the first one, or
    /// after it has given up everything; not sent by version 0.
    pub allocation: Option<Assignment>,
}

impl WorkerMetadata {
    /// The bytes for a protocol.
    ///
    /// # Errors
    /// The address, or a name in the allocation, is longer than 32,767 bytes.
    pub fn encode(&self, protocol: Subprotocol) -> Result<Bytes, WriteError> {
        let mut writer = Writer::new();
        writer.i16(protocol.version()).string(&self.url).i64(self.config_offset.0);
        if protocol != Subprotocol::Eager {
            // The allocation carries the version once more, as it is an assignment in full.
            let allocation = self.allocation.as_ref().map(|allocation| allocation.encode(protocol)).transpose()?;
            writer.nullable_bytes(allocation.as_deref());
        }
        writer.finish().map(Bytes::from)
    }

    /// Reads what a member sent, whatever the version.
    ///
    /// # Errors
    /// The bytes are no metadata.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        version(&mut reader)?;
        Ok(Self {
            url: reader.string()?.to_owned(),
            config_offset: ConfigOffset(reader.i64()?),
            allocation: match reader.remaining() {
                0 => None,
                _ => reader.nullable_bytes()?.map(Assignment::decode).transpose()?,
            },
        })
    }
}
