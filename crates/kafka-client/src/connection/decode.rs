//! Reading answers from a broker that is not trusted.
//!
//! The generated decoders reserve memory for as many elements as an array says it has, before they
//! have seen one: sixteen bytes can ask for terabytes, which ends the process (CVE-2026-111108 and
//! CVE-2026-111115 are this mistake elsewhere). So every answer is read through a [`Probe`], which hands
//! out the same bytes but refuses a length that the frame cannot hold.
//!
//! The probe sees reads, not fields. What it knows: in flexible versions lengths are unsigned varints,
//! read byte by byte, and in the others int32s. A length of bytes is followed at once by a read of that
//! many bytes; a large number that is not is the count of an array (or, in old versions, a large id).

use bytes::{Buf, Bytes, TryGetError};
use kafka_protocol::messages::{ApiKey, ResponseHeader};
use kafka_protocol::protocol::buf::{ByteBuf, NotEnoughBytesError};
use kafka_protocol::protocol::{Decodable, HeaderVersion};
use kafka_wire::primitives::LargeVarints;

use crate::error::ClientError;
use crate::proto::KafkaRequest;

/// An int32 so large is doubted as [`LargeVarints`] are, though it may be a plain number, such as the id of a broker.
const INT32_DOUBTFUL: i32 = 1 << 22;
/// The most fields of one answer. Bounds memory, since a decoded field is larger than its bytes.
const FIELDS_MAX: u32 = 1 << 24;

/// Reads the answer to an `R` of `version` out of `frame`. Records stay slices of it.
pub(crate) fn checked<R: KafkaRequest>(frame: Bytes, version: i16) -> Result<R::Response, ClientError> {
    let flexible = R::header_version(version) >= 2;
    let mut probe = Probe::new(frame.clone(), flexible);
    let response = read::<R>(&mut probe, version)?;
    if probe.doubtful.is_none() {
        return Ok(response);
    }
    // The last field was a number that looked like a length, and the decoder was told another.
    read::<R>(&mut Probe { trusting: true, ..Probe::new(frame, flexible) }, version)
}

fn read<R: KafkaRequest>(probe: &mut Probe, version: i16) -> Result<R::Response, ClientError> {
    let malformed = |e| ClientError::protocol(R::API, format!("malformed response in version {version}: {e:#}"));
    ResponseHeader::decode(probe, R::Response::header_version(version)).map_err(malformed)?;
    if R::API == ApiKey::Fetch && version >= 7 {
        // Throttle time and error code come before the session id, which is a random number.
        probe.trusted_above = probe.bytes.len().checked_sub(4 + 2 + 4).unwrap_or(usize::MAX);
    }
    R::Response::decode(probe, version).map_err(malformed)
}

/// The bytes of a frame, with doubts about lengths.
struct Probe {
    bytes: Bytes,
    flexible: bool,
    /// No doubts at all: the frame has been read before.
    trusting: bool,
    /// No doubts about int32s that begin with more than this many bytes left.
    trusted_above: usize,
    fields: u32,
    varints: LargeVarints,
    /// A large length: what the decoder was told instead, and the truth.
    doubtful: Option<(usize, usize)>,
}

impl Probe {
    fn new(bytes: Bytes, flexible: bool) -> Probe {
        Probe {
            bytes,
            flexible,
            trusting: false,
            trusted_above: usize::MAX,
            fields: 0,
            varints: LargeVarints::default(),
            doubtful: None,
        }
    }

    /// Comes before every read but that of bytes, which alone may follow a doubtful length.
    fn count(&mut self) -> Result<(), TryGetError> {
        self.fields += 1;
        match self.doubtful {
            Some((_, truth)) => Err(self.error(truth)),
            None if self.fields > FIELDS_MAX => Err(self.error(usize::MAX)),
            None => Ok(()),
        }
    }

    fn error(&self, requested: usize) -> TryGetError {
        TryGetError { requested, available: self.bytes.remaining() }
    }
}

impl Buf for Probe {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }

    /// Booleans and varints. A boolean is 0 or 1, which ends a varint at once; one that is not makes
    /// what follows look longer than it is, and is refused for that.
    fn try_get_u8(&mut self) -> Result<u8, TryGetError> {
        self.count()?;
        let byte = self.bytes.try_get_u8()?;
        if self.trusting {
            return Ok(byte);
        }
        let bytes = &mut self.bytes;
        let Some(large) = self.varints.take(byte, || bytes.try_get_u8())? else { return Ok(byte) };
        // It is told too much or too little, and only a read of exactly that many bytes will be believed.
        self.doubtful = Some((large.told, large.truth));
        Ok(1)
    }

    fn try_get_i32(&mut self) -> Result<i32, TryGetError> {
        self.count()?;
        let trusted = self.trusting || self.bytes.remaining() > self.trusted_above;
        let value = self.bytes.try_get_i32()?;
        if self.flexible || trusted || value < INT32_DOUBTFUL {
            return Ok(value);
        }
        self.doubtful = Some((1, value as usize));
        Ok(1)
    }

    fn try_get_i8(&mut self) -> Result<i8, TryGetError> {
        self.count()?;
        self.bytes.try_get_i8()
    }

    fn try_get_i16(&mut self) -> Result<i16, TryGetError> {
        self.count()?;
        self.bytes.try_get_i16()
    }

    fn try_get_u16(&mut self) -> Result<u16, TryGetError> {
        self.count()?;
        self.bytes.try_get_u16()
    }

    fn try_get_u32(&mut self) -> Result<u32, TryGetError> {
        self.count()?;
        self.bytes.try_get_u32()
    }

    fn try_get_i64(&mut self) -> Result<i64, TryGetError> {
        self.count()?;
        self.bytes.try_get_i64()
    }

    fn try_get_f64(&mut self) -> Result<f64, TryGetError> {
        self.count()?;
        self.bytes.try_get_f64()
    }

    fn try_copy_to_slice(&mut self, target: &mut [u8]) -> Result<(), TryGetError> {
        self.count()?;
        self.bytes.try_copy_to_slice(target)
    }
}

impl ByteBuf for Probe {
    fn peek_bytes(&mut self, range: std::ops::Range<usize>) -> Bytes {
        self.bytes.slice(range)
    }

    fn get_bytes(&mut self, size: usize) -> Bytes {
        self.bytes.split_to(size)
    }

    fn try_get_bytes(&mut self, size: usize) -> Result<Bytes, NotEnoughBytesError> {
        self.fields += 1;
        let size = match self.doubtful.take() {
            Some((told, truth)) if size == told => truth,
            Some(_) => return Err(NotEnoughBytesError),
            None => size,
        };
        if size > self.bytes.remaining() || self.fields > FIELDS_MAX {
            return Err(NotEnoughBytesError);
        }
        Ok(self.bytes.split_to(size))
    }
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, BytesMut};
    use kafka_protocol::messages::{FetchRequest, MetadataRequest, OffsetFetchRequest};

    use super::*;

    fn metadata(version: i16, body: &[u8]) -> Result<(), ClientError> {
        checked::<MetadataRequest>(frame(version, body), version).map(|_| ())
    }

    /// Correlation id, no tags if the version has them, body.
    fn frame(version: i16, body: &[u8]) -> Bytes {
        let mut frame = BytesMut::new();
        frame.put_i32(7);
        if version >= 9 {
            frame.put_u8(0);
        }
        frame.put_slice(body);
        frame.freeze()
    }

    #[test]
    fn a_count_that_the_frame_cannot_hold_is_refused_before_it_is_believed() {
        // Throttle time, then 2^31-1 brokers, in old and new writing.
        let old = [&[0, 0, 0, 0][..], &i32::MAX.to_be_bytes(), &[0; 64]].concat();
        let new = [&[0, 0, 0, 0][..], &[0xff, 0xff, 0xff, 0xff, 0x0f], &[0; 64]].concat();
        // The same count behind bytes that try to put the probe out of step.
        let sly = [&[0, 0, 0, 0][..], &[0x80, 0x80, 0x80, 0x80, 0x08], &[0; 64]].concat();

        assert!(metadata(4, &old).is_err());
        assert!(metadata(12, &new).is_err());
        assert!(metadata(12, &sly).is_err());
    }

    /// A Fetch answer with `bytes` of records, written as version 11 (int32 lengths) or 12 (varints).
    fn fetch(version: i16, bytes: usize) -> Bytes {
        let mut body = BytesMut::new();
        let array = |body: &mut BytesMut| if version >= 12 { body.put_u8(2) } else { body.put_i32(1) };
        body.put_i32(0); // throttle time
        body.put_i16(0);
        body.put_i32(0x7fff_fffe); // session id: a random number
        array(&mut body);
        if version >= 12 {
            body.put_slice(&[2, b't'])
        } else {
            body.put_slice(&[0, 1, b't'])
        }
        array(&mut body);
        body.put_i32(0); // partition
        body.put_i16(0);
        body.put_i64(10);
        body.put_i64(10);
        body.put_i64(0);
        if version >= 12 {
            body.put_u8(0)
        } else {
            body.put_i32(-1)
        } // aborted transactions
        body.put_i32(-1); // preferred replica
        if version >= 12 {
            let mut length = bytes + 1;
            while length >= 0x80 {
                body.put_u8(length as u8 | 0x80);
                length >>= 7;
            }
            body.put_u8(length as u8);
        } else {
            body.put_i32(bytes as i32);
        }
        body.put_bytes(9, bytes);
        if version >= 12 {
            body.put_slice(&[0, 0, 0]);
        }
        let mut frame = BytesMut::from(&[0, 0, 0, 7][..]);
        if version >= 12 {
            frame.put_u8(0);
        }
        frame.put_slice(&body);
        frame.freeze()
    }

    #[test]
    fn records_of_any_size_are_a_slice_of_the_frame() {
        let around = |n: usize| [n - 2, n - 1, n, n + 1];
        let sizes = [0, 1, 127, 128].into_iter().chain(around(1 << 14)).chain(around(1 << 21)).chain(around(1 << 22));
        for bytes in sizes {
            for version in [11, 12] {
                let frame = fetch(version, bytes);
                let range = frame.as_ptr_range();

                let response = checked::<FetchRequest>(frame, version).unwrap();

                let records = response.responses[0].partitions[0].records.clone().unwrap();
                assert_eq!(records.len(), bytes, "version {version}");
                assert!(bytes == 0 || range.contains(&records.as_ptr()));
            }
        }
    }

    #[test]
    fn a_length_of_bytes_beyond_the_frame_is_refused() {
        for version in [11, 12] {
            let frame = fetch(version, (1 << 22) + 5);
            let cut = frame.slice(..frame.len() - 100);
            assert!(checked::<FetchRequest>(cut, version).is_err());
        }
    }

    #[test]
    fn no_bytes_make_it_panic_or_ask_for_much_memory() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for _ in 0..20_000 {
            let length = (random() % 200) as usize;
            // Mostly the bytes that matter to lengths.
            let byte =
                |r: u64| if r & 1 == 0 { [0, 1, 2, 0x7f, 0x80, 0xff][(r >> 8) as usize % 6] } else { (r >> 8) as u8 };
            let bytes: Bytes = (0..length).map(|_| byte(random())).collect();
            let _ = checked::<MetadataRequest>(bytes.clone(), (random() % 13 + 1) as i16);
            let _ = checked::<FetchRequest>(bytes.clone(), (random() % 15 + 4) as i16);
            let _ = checked::<OffsetFetchRequest>(bytes, (random() % 9 + 1) as i16);
        }
    }
}
