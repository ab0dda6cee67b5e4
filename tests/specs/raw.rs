//! Our client at its lowest: batches as bytes, offered to a partition as they are, and the broker's word on each.

use std::time::Duration;

use bytes::Bytes;
use harness::{KafkaCluster, Listener, Properties};
use kafka_client::connection::{ProduceFrame, ProducePartition, ProduceTopic};
use kafka_client::{ClientConfig, ClientError, Cluster, CoordinatorKind, ErrorCode};
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, EndTxnRequest, FetchRequest, InitProducerIdRequest, ProducerId, TopicName,
    TransactionalId,
};
use kafka_protocol::protocol::StrBytes;
use kafka_wire::batch::{RecordBatch, Stamp, Stamped};

const TIMEOUT: Duration = Duration::from_secs(30);
/// Where the checksum of a batch is, and where what it covers begins.
const CRC_AT: usize = 17;
const CRC_START: usize = 21;

/// Our client, connected to one cluster.
pub(crate) struct RawClient {
    cluster: Cluster,
}

/// Why a broker refused a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Kafka's error code.
    pub(crate) code: i16,
    /// The records it complains about, by index.
    pub(crate) records: Vec<i32>,
}

/// A producer id of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
}

impl Identity {
    pub(crate) fn stamp(self, base_sequence: i32) -> Stamp {
        Stamp { producer_id: self.id, producer_epoch: self.epoch, base_sequence, transactional: false }
    }
}

impl RawClient {
    /// As the super user of `cluster`.
    pub(crate) async fn to(cluster: &KafkaCluster) -> Self {
        Self::connect(&cluster.client(Listener::Plaintext)).await.unwrap()
    }

    /// As `properties` say, in Kafka's words.
    pub(crate) async fn connect(properties: &Properties) -> Result<Self, ClientError> {
        Ok(Self { cluster: Cluster::connect(ClientConfig::parse(properties)?).await? })
    }

    /// Connections that were ready for use at some time.
    pub(crate) fn connections_opened(&self) -> u64 {
        self.cluster.stats().connections_opened
    }

    /// Offers a batch to partition 0; the offset it got.
    pub(crate) async fn offer(&self, topic: &str, batch: impl AsRef<[u8]>) -> Result<i64, Refused> {
        self.offer_in(None, topic, batch.as_ref()).await
    }

    pub(crate) async fn offer_stamped(&self, topic: &str, batch: &Stamped) -> Result<i64, Refused> {
        self.offer(topic, batch.to_bytes()).await
    }

    async fn offer_in(&self, transactional_id: Option<&str>, topic: &str, batch: &[u8]) -> Result<i64, Refused> {
        let (header, payload) = batch.split_at(61);
        let partition =
            ProducePartition { index: 0, header: header.try_into().unwrap(), payload: Bytes::copy_from_slice(payload) };
        let frame = ProduceFrame {
            acks: -1,
            transactional_id: transactional_id.map(str::to_owned),
            timeout_ms: 30_000,
            topics: vec![ProduceTopic { name: topic.to_owned(), partitions: vec![partition] }],
        };
        let (leader, _) = self.cluster.leader(topic, 0).await.unwrap();
        let answer = leader.start_produce(frame, TIMEOUT).await.unwrap().await.unwrap();
        let answer = &answer.responses[0].partition_responses[0];
        if answer.error_code == 0 {
            return Ok(answer.base_offset);
        }
        let records = answer.record_errors.iter().map(|error| error.batch_index).collect();
        Err(Refused { code: answer.error_code, records })
    }

    /// A fresh producer id, without a transactional id.
    pub(crate) async fn identity(&self) -> Identity {
        let broker = self.cluster.any().await.unwrap();
        let request = InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_transaction_timeout_ms(60_000)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let answer = broker.call(request).await.unwrap();
        assert_eq!(answer.error_code, 0);
        Identity { id: answer.producer_id.0, epoch: answer.producer_epoch }
    }

    /// What the broker answers to a fetch of partition 0 from `offset`.
    pub(crate) async fn fetch(&self, topic: &str, offset: i64) -> Bytes {
        let (leader, _) = self.cluster.leader(topic, 0).await.unwrap();
        let id = self.cluster.metadata().topic_id(topic).unwrap();
        let partition = FetchPartition::default().with_fetch_offset(offset).with_partition_max_bytes(1 << 20);
        let request = FetchRequest::default().with_max_bytes(1 << 20).with_max_wait_ms(5_000).with_min_bytes(1);
        let request =
            request.with_topics(vec![FetchTopic::default().with_topic_id(id).with_partitions(vec![partition])]);
        let answer = leader.call(request).await.unwrap();
        let answer = &answer.responses[0].partitions[0];
        assert_eq!(answer.error_code, 0, "Fetch");
        answer.records.clone().unwrap()
    }

    /// Offers `batch` to partition 0 in a transaction of its own, which is then committed or aborted.
    pub(crate) async fn offer_in_transaction(&self, id: &str, topic: &str, batch: &RecordBatch, commit: bool) {
        let transactional_id = TransactionalId(StrBytes::from_string(id.to_owned()));
        let topic_name = TopicName(StrBytes::from_string(topic.to_owned()));
        let deadline = tokio::time::Instant::now() + TIMEOUT;
        let coordinator = |what, request: InitProducerIdRequest| {
            self.cluster.retry_coordinator(what, CoordinatorKind::Transaction, id, deadline, move |connection| {
                let request = request.clone();
                async move {
                    let answer = connection.call(request).await?;
                    match answer.error_code {
                        0 => Ok((connection, answer)),
                        code => Err(ClientError::broker("InitProducerId", ErrorCode(code), None)),
                    }
                }
            })
        };
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(transactional_id.clone()))
            .with_transaction_timeout_ms(60_000)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let (coordinator, us) = coordinator("InitProducerId", request).await.unwrap();

        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(transactional_id.clone())
            .with_v3_and_below_producer_id(us.producer_id)
            .with_v3_and_below_producer_epoch(us.producer_epoch)
            .with_v3_and_below_topics(vec![
                AddPartitionsToTxnTopic::default().with_name(topic_name).with_partitions(vec![0]),
            ]);
        let added = coordinator.call(request).await.unwrap();
        let code = added.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code;
        assert_eq!(code, 0, "AddPartitionsToTxn");

        let stamp = Stamp {
            producer_id: us.producer_id.0,
            producer_epoch: us.producer_epoch,
            base_sequence: 0,
            transactional: true,
        };
        self.offer_in(Some(id), topic, &batch.restamp(stamp).to_bytes()).await.unwrap();

        let request = EndTxnRequest::default()
            .with_transactional_id(transactional_id)
            .with_producer_id(us.producer_id)
            .with_producer_epoch(us.producer_epoch)
            .with_committed(commit);
        let ended = coordinator.call(request).await.unwrap();
        assert_eq!(ended.error_code, 0, "EndTxn");
    }
}

/// The bytes of `batch` with `change` made to them; the checksum is left as it was.
pub(crate) fn changed(batch: &[u8], change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut bytes = batch.to_vec();
    change(&mut bytes);
    bytes
}

/// The bytes of `batch` with `change` made to them and a checksum that says nothing happened.
pub(crate) fn forged(batch: &[u8], change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut bytes = changed(batch, change);
    let crc = crc32c::crc32c(&bytes[CRC_START..]);
    bytes[CRC_AT..CRC_START].copy_from_slice(&crc.to_be_bytes());
    bytes
}
