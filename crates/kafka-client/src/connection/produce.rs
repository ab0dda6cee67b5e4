//! Produce requests, framed by hand: kafka-protocol would copy every batch into the frame. Here the
//! batches stay where they are (usually inside the response they were fetched with) and are written
//! with one vectored write.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, ProduceRequest, ProduceResponse};

use super::{Answer, Connection, Pending};
use crate::error::ClientError;
use crate::proto;

/// The header of a record batch up to and including the record count.
pub type BatchHeader = [u8; 61];

/// A Produce request whose batches are not copied.
#[derive(Debug, Clone)]
pub struct ProduceFrame {
    /// `-1` all in-sync replicas, `1` the leader, `0` no answer at all.
    pub acks: i16,
    /// For transactional batches.
    pub transactional_id: Option<String>,
    /// How long the broker may wait for replicas, in milliseconds.
    pub timeout_ms: i32,
    /// What to append.
    pub topics: Vec<ProduceTopic>,
}

/// One topic of a [`ProduceFrame`].
#[derive(Debug, Clone)]
pub struct ProduceTopic {
    /// Name.
    pub name: String,
    /// At most one batch per partition: brokers refuse more.
    pub partitions: Vec<ProducePartition>,
}

/// One batch for one partition: the (restamped) header and the payload as it is.
#[derive(Debug, Clone)]
pub struct ProducePartition {
    /// Partition.
    pub index: i32,
    /// The first 61 bytes of the batch.
    pub header: BatchHeader,
    /// Everything after them.
    pub payload: Bytes,
}

/// The answer to a [`ProduceFrame`].
pub type PendingProduce = Pending<ProduceResponse>;

/// The highest version that may carry transactional batches without switching the transaction to
/// KIP-890's second protocol, in which Produce itself adds partitions.
const TRANSACTIONAL_VERSION_MAX: i16 = 11;
/// First version with compact arrays and tagged fields.
const FLEXIBLE_VERSION: i16 = 9;

impl Connection {
    /// Writes a Produce request now; the answer comes later. With `acks` 0 there is none, and an
    /// empty one is given as soon as the request is in line.
    ///
    /// # Errors
    /// As for [`Connection::start`].
    pub async fn start_produce(&self, frame: ProduceFrame, timeout: Duration) -> Result<PendingProduce, ClientError> {
        let cap = if frame.transactional_id.is_some() { TRANSACTIONAL_VERSION_MAX } else { i16::MAX };
        let version = self.require::<ProduceRequest>(cap)?;
        let acks = frame.acks;
        let header_version = ApiKey::Produce.request_header_version(version);
        let mut head = proto::frame_start(ApiKey::Produce, version, header_version, &self.0.0.client_id)?;
        let chunks = frame.write(&mut head, version)?;
        if acks == 0 {
            self.enqueue_unanswered(head, chunks).await?;
            let answer = Answer::none(self.clone());
            return Ok(Pending { answer, version, read: |_, _, _| Ok(ProduceResponse::default()) });
        }
        Ok(self.enqueue(ApiKey::Produce, head, chunks, timeout).await?.read_as::<ProduceRequest>(version))
    }
}

impl ProduceFrame {
    /// Writes everything up to the first payload into `head` and returns the pieces that follow.
    fn write(self, head: &mut BytesMut, version: i16) -> Result<Vec<Bytes>, ClientError> {
        let flexible = version >= FLEXIBLE_VERSION;
        let mut chunks = Vec::new();
        let mut piece = BytesMut::new();
        put_string(head, self.transactional_id.as_deref(), flexible)?;
        head.put_i16(self.acks);
        head.put_i32(self.timeout_ms);
        put_length(head, self.topics.len(), flexible)?;
        for topic in self.topics {
            put_string(&mut piece, Some(&topic.name), flexible)?;
            put_length(&mut piece, topic.partitions.len(), flexible)?;
            for partition in topic.partitions {
                piece.put_i32(partition.index);
                put_length(&mut piece, partition.header.len() + partition.payload.len(), flexible)?;
                piece.put_slice(&partition.header);
                chunks.push(piece.split().freeze());
                chunks.push(partition.payload);
                put_no_tags(&mut piece, flexible);
            }
            put_no_tags(&mut piece, flexible);
        }
        put_no_tags(&mut piece, flexible);
        if !piece.is_empty() {
            chunks.push(piece.freeze());
        }
        Ok(chunks)
    }
}

fn put_string(buffer: &mut BytesMut, text: Option<&str>, flexible: bool) -> Result<(), ClientError> {
    match (text, flexible) {
        (None, true) => buffer.put_u8(0),
        (None, false) => buffer.put_i16(-1),
        (Some(text), true) => {
            put_length(buffer, text.len(), true)?;
            buffer.put_slice(text.as_bytes());
        }
        (Some(text), false) => {
            let length = i16::try_from(text.len()).map_err(|_| too_long("string"))?;
            buffer.put_i16(length);
            buffer.put_slice(text.as_bytes());
        }
    }
    Ok(())
}

/// The length of an array or of bytes: an int32, or the length plus one as an unsigned varint.
fn put_length(buffer: &mut BytesMut, length: usize, flexible: bool) -> Result<(), ClientError> {
    let length = i32::try_from(length).map_err(|_| too_long("array"))?;
    if !flexible {
        buffer.put_i32(length);
        return Ok(());
    }
    let mut value = length.unsigned_abs() + 1;
    while value >= 0x80 {
        buffer.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    buffer.put_u8(value as u8);
    Ok(())
}

fn put_no_tags(buffer: &mut BytesMut, flexible: bool) {
    if flexible {
        buffer.put_u8(0);
    }
}

fn too_long(what: &str) -> ClientError {
    ClientError::protocol(ApiKey::Produce, format!("{what} is too long"))
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::TopicName;
    use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
    use kafka_protocol::protocol::{Encodable, StrBytes};

    use super::*;

    fn ours(transactional_id: Option<&str>, version: i16) -> Vec<u8> {
        let partition = |index, payload: &'static [u8]| ProducePartition {
            index,
            header: [7; 61],
            payload: Bytes::from_static(payload),
        };
        let frame = ProduceFrame {
            acks: -1,
            transactional_id: transactional_id.map(str::to_owned),
            timeout_ms: 30_000,
            topics: vec![
                ProduceTopic { name: "a".to_owned(), partitions: vec![partition(0, b"one"), partition(3, &[9; 200])] },
                ProduceTopic { name: "bb".to_owned(), partitions: vec![partition(1, b"")] },
            ],
        };
        let mut head = BytesMut::new();
        let chunks = frame.write(&mut head, version).unwrap();
        chunks.iter().fold(head.to_vec(), |mut all, chunk| {
            all.extend_from_slice(chunk);
            all
        })
    }

    fn theirs(transactional_id: Option<&'static str>, version: i16) -> Vec<u8> {
        let partition = |index, payload: &[u8]| {
            PartitionProduceData::default()
                .with_index(index)
                .with_records(Some(Bytes::from([&[7; 61][..], payload].concat())))
        };
        let topic = |name, partitions| {
            TopicProduceData::default()
                .with_name(TopicName(StrBytes::from_static_str(name)))
                .with_partition_data(partitions)
        };
        let request = ProduceRequest::default()
            .with_acks(-1)
            .with_transactional_id(transactional_id.map(|id| StrBytes::from_static_str(id).into()))
            .with_timeout_ms(30_000)
            .with_topic_data(vec![
                topic("a", vec![partition(0, b"one"), partition(3, &[9; 200])]),
                topic("bb", vec![partition(1, b"")]),
            ]);
        let mut bytes = BytesMut::new();
        request.encode(&mut bytes, version).unwrap();
        bytes.to_vec()
    }

    #[test]
    fn a_hand_framed_request_is_what_the_generated_code_writes() {
        for version in 3..=12 {
            assert_eq!(ours(None, version), theirs(None, version), "version {version}");
            assert_eq!(ours(Some("t"), version), theirs(Some("t"), version), "version {version}");
        }
    }
}
