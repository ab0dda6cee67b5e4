//! Reading answers.
use bytes::Bytes;

use crate::error::ClientError;
use crate::proto::{self, KafkaRequest};

/// Reads the answer to an `R` of `version` out of `frame`.
pub(super) fn checked<R: KafkaRequest>(frame: Bytes, version: i16) -> Result<R::Response, ClientError> {
    proto::decode::<R>(frame, version)
}
