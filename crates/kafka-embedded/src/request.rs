//! Reading requests of whoever connects.
//!
//! The generated decoders reserve memory for as many elements as an array says it has, before they have seen one: sixteen
//! bytes can ask for terabytes, which ends the process. So a request is read through a [`Probe`], which never tells the
//! decoder a number that is larger than the fields a request may have. A count that was cut down so runs into that limit; a
//! length of bytes is known by the read of so many bytes that follows it at once.
//!
//! In flexible versions lengths are unsigned varints, read byte by byte, and no other number is one. In the others they are
//! int32s, as plain numbers are: if only such were cut down, the request is sound, and read once more as it is.

use bytes::{Buf, Bytes, TryGetError};
use kafka_protocol::protocol::Decodable;
use kafka_protocol::protocol::buf::{ByteBuf, NotEnoughBytesError};
use kafka_wire::primitives::LargeVarints;

/// The most fields of one request. The largest that is sent here names some thousand partitions.
const FIELDS_MAX: u32 = 1 << 20;

/// Reads an `R` of `version`. Records stay slices of `body`.
pub(crate) fn checked<R: Decodable>(body: &Bytes, version: i16, flexible: bool) -> Result<R, String> {
    let mut probe = Probe::new(body.clone(), flexible, false);
    let read = R::decode(&mut probe, version);
    if probe.fields > FIELDS_MAX {
        return Err(format!("a request has more than {FIELDS_MAX} fields, or says so"));
    }
    let request = read.map_err(|error| format!("{error:#}"))?;
    if !probe.cut && probe.doubtful.is_none() {
        return Ok(request);
    }
    if flexible {
        return Err("a length in a request is larger than what follows it".to_owned());
    }
    R::decode(&mut Probe::new(body.clone(), flexible, true), version).map_err(|error| format!("{error:#}"))
}

/// The bytes of a request, with doubts about large numbers.
struct Probe {
    bytes: Bytes,
    flexible: bool,
    /// No doubts about int32s: it has been read before.
    trusting: bool,
    fields: u32,
    varints: LargeVarints,
    /// The field before was large: what the decoder was told instead, and the truth.
    doubtful: Option<(usize, usize)>,
    /// Something was large that was no length of bytes.
    cut: bool,
}

impl Probe {
    fn new(bytes: Bytes, flexible: bool, trusting: bool) -> Self {
        Self { bytes, flexible, trusting, fields: 0, varints: LargeVarints::default(), doubtful: None, cut: false }
    }

    /// Comes with every read. Beyond the limit there is nothing left to be read.
    fn count(&mut self) {
        self.cut |= self.doubtful.take().is_some();
        self.fields += 1;
        if self.fields > FIELDS_MAX {
            self.bytes.clear();
        }
    }
}

impl Buf for Probe {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    /// The end of every read that is not below.
    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.count();
    }

    /// Booleans, and varints of flexible versions. A boolean is 0 or 1, which ends a varint at once; after one that is not,
    /// varints end earlier for the decoder than they would, never later.
    fn try_get_u8(&mut self) -> Result<u8, TryGetError> {
        let byte = self.bytes.try_get_u8()?;
        self.count();
        if !self.flexible {
            return Ok(byte);
        }
        let bytes = &mut self.bytes;
        let Some(large) = self.varints.take(byte, || bytes.try_get_u8())? else { return Ok(byte) };
        // It is told too much or too little, and only a read of exactly that many bytes will be believed.
        self.doubtful = Some((large.told, large.truth));
        Ok(1)
    }

    fn try_get_i32(&mut self) -> Result<i32, TryGetError> {
        let value = self.bytes.try_get_i32()?;
        self.count();
        if self.flexible || self.trusting || value < FIELDS_MAX.cast_signed() {
            return Ok(value);
        }
        self.doubtful = Some((FIELDS_MAX as usize, value as usize));
        Ok(FIELDS_MAX.cast_signed())
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
        let size = match self.doubtful {
            Some((told, truth)) if size == told => {
                self.doubtful = None;
                truth
            }
            _ => size,
        };
        if size > self.bytes.remaining() {
            return Err(NotEnoughBytesError);
        }
        let bytes = self.bytes.split_to(size);
        self.count();
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
    use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
    use kafka_protocol::messages::{FetchRequest, MetadataRequest, ProduceRequest};
    use kafka_protocol::protocol::Encodable;

    use super::*;

    fn written(request: &impl Encodable, version: i16) -> Bytes {
        let mut body = BytesMut::new();
        request.encode(&mut body, version).unwrap();
        body.freeze()
    }

    #[test]
    fn a_count_that_the_request_cannot_hold_is_refused_before_it_is_believed() {
        let old = Bytes::from([&i32::MAX.to_be_bytes()[..], &[0; 64]].concat());
        let new = Bytes::from([&[0xff, 0xff, 0xff, 0xff, 0x0f][..], &[0; 64]].concat());

        assert!(checked::<MetadataRequest>(&old, 4, false).is_err());
        assert!(checked::<MetadataRequest>(&new, 12, true).is_err());
    }

    #[test]
    fn a_request_of_too_many_fields_is_refused_by_name() {
        // Two million topics without a name.
        let count = 1_i32 << 21;
        let body = Bytes::from([&count.to_be_bytes()[..], &vec![0; 2 << 21]].concat());

        let refused = checked::<MetadataRequest>(&body, 4, false).unwrap_err();

        assert!(refused.contains("more than 1048576 fields"), "{refused}");
    }

    #[test]
    fn large_numbers_arrive_as_they_were_sent() {
        let partition = FetchPartition::default().with_fetch_offset(1 << 40).with_partition_max_bytes(i32::MAX);
        let topic = FetchTopic::default().with_partitions(vec![partition]);
        let request = FetchRequest::default().with_max_bytes(i32::MAX).with_min_bytes(1 << 20);
        for version in [4, 11] {
            let request = request.clone().with_topics(vec![topic.clone()]);

            let read: FetchRequest = checked(&written(&request, version), version, false).unwrap();

            assert_eq!(read, request, "version {version}");
        }
    }

    #[test]
    fn records_of_any_size_are_a_slice_of_the_request() {
        let around = |n: usize| [n - 1, n, n + 1];
        for bytes in [1, 127].into_iter().chain(around(1 << 20)).chain(around(1 << 21)) {
            for (version, flexible) in [(8, false), (9, true)] {
                let data = PartitionProduceData::default().with_records(Some(Bytes::from(vec![9; bytes])));
                let topic = TopicProduceData::default().with_partition_data(vec![data]);
                let body = written(&ProduceRequest::default().with_topic_data(vec![topic]), version);

                let read: ProduceRequest = checked(&body, version, flexible).unwrap();

                let records = read.topic_data[0].partition_data[0].records.clone().unwrap();
                assert_eq!(records.len(), bytes, "version {version}");
                assert!(body.as_ptr_range().contains(&records.as_ptr()));
                assert!(checked::<ProduceRequest>(&body.slice(..body.len() - 9), version, flexible).is_err());
            }
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
            for (api, version) in [(1, random() % 15 + 4), (0, random() % 11 + 3)] {
                let version = version as i16;
                let _ = match api {
                    1 => checked::<FetchRequest>(&bytes, version, version >= 12).map(drop),
                    _ => checked::<ProduceRequest>(&bytes, version, version >= 9).map(drop),
                };
            }
        }
    }
}
