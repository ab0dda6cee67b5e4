//! What a broker takes: the answers are those that Apache Kafka 4.3 gives to the same bytes.

use bytes::Bytes;
use kafka_protocol::ResponseError as E;
use kafka_wire::batch::{BatchError, DecodeLimits, RecordBatch, TimestampType};

use super::Rules;

/// Why a batch is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) error: E,
    pub(crate) message: String,
    /// Indices of the records that are to blame, if single ones are.
    pub(crate) records: Vec<i32>,
}

impl Refused {
    pub(crate) fn new(error: E, message: impl Into<String>) -> Self {
        Self { error, message: message.into(), records: Vec::new() }
    }
}

/// Checks the records of one partition of a produce request: exactly one batch, whole, dense, from offset 0.
///
/// The records inside are looked at where Kafka's answer depends on them, in compacted topics.
pub(crate) fn accept(records: &Bytes, rules: &Rules) -> Result<RecordBatch, Refused> {
    let invalid = |message: String| Err(Refused::new(E::InvalidRecord, message));
    let batch = match RecordBatch::parse(records.clone()) {
        Ok(batch) => batch,
        Err(error @ (BatchError::TrailingBytes { .. } | BatchError::UnsupportedMagic { .. })) => {
            return invalid(error.to_string());
        }
        Err(error) => return Err(Refused::new(E::CorruptMessage, error.to_string())),
    };
    if let Err(error) = batch.verify_crc() {
        return Err(Refused::new(E::CorruptMessage, error.to_string()));
    }
    if batch.base_offset() != 0 {
        return invalid(format!("the base offset is {}, and must be 0", batch.base_offset()));
    }
    if batch.is_control() {
        return invalid("clients may not write control batches".to_owned());
    }
    if !batch.is_dense() || batch.record_count() == 0 {
        return invalid(format!("{} records in {} offsets", batch.record_count(), batch.last_offset_delta() + 1));
    }
    if let Err(error) = batch.codec() {
        return Err(Refused::new(E::UnsupportedCompressionType, error.to_string()));
    }
    if batch.len() > rules.batch_bytes_max {
        let message = format!("a batch of {} bytes; max.message.bytes is {}", batch.len(), rules.batch_bytes_max);
        return Err(Refused::new(E::MessageTooLarge, message));
    }
    if batch.is_transactional() && batch.producer_id() < 0 {
        return Err(Refused::new(E::TransactionalIdAuthorizationFailed, "a transactional batch without a producer id"));
    }
    if rules.append_time && batch.timestamp_type() == TimestampType::LogAppendTime {
        return Err(Refused::new(E::InvalidTimestamp, "the broker stamps this topic, not the producer"));
    }
    if rules.compacted {
        check_keys(&batch)?;
    }
    Ok(batch)
}

fn check_keys(batch: &RecordBatch) -> Result<(), Refused> {
    let records = batch.decode(&DecodeLimits::default());
    let records = records.map_err(|error| Refused::new(E::CorruptMessage, error.to_string()))?;
    let keyless = (0_i32..).zip(&records).filter(|(_, record)| record.key.is_none());
    let keyless: Vec<i32> = keyless.map(|(index, _)| index).collect();
    if keyless.is_empty() {
        return Ok(());
    }
    let message = "Compacted topic cannot accept message without key".to_owned();
    Err(Refused { error: E::InvalidRecord, message, records: keyless })
}
