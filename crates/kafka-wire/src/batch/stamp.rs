//! Another producer's identity on the same payload.
//!
//! The target broker wants base offset 0, our producer id, epoch and sequence, and no traces of the source's cleaner. All of
//! that is in the first 61 bytes. The checksum is *carried* over the change ([`super::crc`]) and not computed anew, so a bit
//! that went wrong in the payload on its way through us is still found by the target broker.

use bytes::{Bytes, BytesMut};

use super::crc::shift;
use super::view::{CRC_START, DELETE_HORIZON_BIT, HEADER_LEN, RecordBatch, TRANSACTIONAL_BIT};

/// The identity that a producer puts on a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// From InitProducerId; -1 for none.
    pub producer_id: i64,
    /// From InitProducerId; -1 for none.
    pub producer_epoch: i16,
    /// Sequence number of the first record; -1 for none.
    pub base_sequence: i32,
    /// Part of a transaction. Brokers refuse it without a producer id.
    pub transactional: bool,
}

impl Stamp {
    /// A producer that is neither idempotent nor transactional.
    pub const NONE: Self = Self { producer_id: -1, producer_epoch: -1, base_sequence: -1, transactional: false };
}

/// A batch in two pieces, ready for a vectored write: the header is new, the payload is the source's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamped {
    /// The 61 header bytes.
    pub header: [u8; HEADER_LEN],
    /// The records, as they came.
    pub payload: Bytes,
}

impl Stamped {
    /// Length in bytes, header included; never 0, so there is no `is_empty`.
    #[must_use]
    #[allow(clippy::len_without_is_empty)]
    pub const fn len(&self) -> usize {
        HEADER_LEN + self.payload.len()
    }

    /// The batch in one piece; copies the payload.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut whole = BytesMut::with_capacity(self.len());
        whole.extend_from_slice(&self.header);
        whole.extend_from_slice(&self.payload);
        whole.freeze()
    }
}

impl RecordBatch {
    /// The same records under another identity: base offset 0, leader epoch -1, `stamp`'s producer fields and transactional
    /// bit, delete horizon bit cleared, checksum carried. The payload is neither read nor copied; nothing is allocated.
    ///
    /// Says nothing about whether the target will take the batch: holes in the offsets ([`is_dense`](Self::is_dense)),
    /// control batches and append-time stamps are the caller's to keep away.
    #[must_use]
    pub fn restamp(&self, stamp: Stamp) -> Stamped {
        let mut header = self.header();
        let before = crc32c::crc32c(&header[CRC_START..]);

        let transactional = if stamp.transactional { TRANSACTIONAL_BIT } else { 0 };
        let attributes = self.attributes() & !(TRANSACTIONAL_BIT | DELETE_HORIZON_BIT) | transactional;
        header[0..8].copy_from_slice(&0_i64.to_be_bytes());
        header[12..16].copy_from_slice(&(-1_i32).to_be_bytes());
        header[21..23].copy_from_slice(&attributes.to_be_bytes());
        header[43..51].copy_from_slice(&stamp.producer_id.to_be_bytes());
        header[51..53].copy_from_slice(&stamp.producer_epoch.to_be_bytes());
        header[53..57].copy_from_slice(&stamp.base_sequence.to_be_bytes());

        let payload = self.payload();
        // A batch's length field has 31 bits, so the payload's length fits.
        let crc = self.crc() ^ shift(before ^ crc32c::crc32c(&header[CRC_START..]), payload.len() as u32);
        header[17..21].copy_from_slice(&crc.to_be_bytes());
        Stamped { header, payload }
    }
}
