//! Which requests this client speaks, in which versions, and how they are framed.
//!
//! kafka-protocol's `Request` trait needs its broker half, so this is our own: one line per API with
//! the versions we speak. A version above what we understand is never negotiated. Caps worth knowing:
//!
//! * Produce stops at 12: 13 addresses topics by id, and a mirror that follows a re-created target
//!   topic by name is what Kafka's own producer was until 4.1. The caller compares ids in metadata.
//! * Fetch goes to 18: from 13 on topics are addressed by id, so that a re-created source topic is
//!   an error (`UNKNOWN_TOPIC_ID`) instead of somebody else's records.
//! * ListOffsets stops at 9, before answers that may come late (`timeout_ms`, KIP-1075).
//! * EndTxn, AddPartitionsToTxn, AddOffsetsToTxn, TxnOffsetCommit and InitProducerId stay below the
//!   versions that switch to transactions v2 (KIP-890) or two-phase commit (KIP-939).

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{self, ApiKey, RequestHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};

use crate::connection::decode;
use crate::error::ClientError;

/// The APIs by name.
pub use kafka_protocol::messages::ApiKey as Api;

/// A request this client can send: its API, the versions we speak, and the answer it gets.
pub trait KafkaRequest: Encodable + HeaderVersion + Send + 'static {
    /// The API.
    const API: ApiKey;
    /// Lowest version we speak.
    const MIN_VERSION: i16;
    /// Highest version we speak.
    const MAX_VERSION: i16;
    /// The answer.
    type Response: Decodable + HeaderVersion + Send + 'static;

    /// How long the broker asks us to stay quiet (KIP-219), in milliseconds.
    fn throttle_time_ms(response: &Self::Response) -> i32;

    /// The whole request frame, see [`frame_start`]. A method of each request, as is [`KafkaRequest::read`], so that
    /// its generated code is compiled once, here, and not again by every crate that sends one.
    #[doc(hidden)]
    fn frame(&self, version: i16, client_id: &str) -> Result<BytesMut, ClientError>;

    /// The answer of `version` out of a frame, whose lengths are not believed before they are seen.
    #[doc(hidden)]
    fn read(frame: Bytes, version: i16) -> Result<Self::Response, ClientError>;
}

macro_rules! requests {
    ($( $api:ident $min:literal ..= $max:literal $request:ident => $response:ident $(, $throttle:ident)? ; )*) => {
        $(
            impl KafkaRequest for messages::$request {
                const API: ApiKey = ApiKey::$api;
                const MIN_VERSION: i16 = $min;
                const MAX_VERSION: i16 = $max;
                type Response = messages::$response;
                fn throttle_time_ms(_response: &Self::Response) -> i32 {
                    0 $( + _response.$throttle )?
                }
                fn frame(&self, version: i16, client_id: &str) -> Result<BytesMut, ClientError> {
                    whole_frame(self, version, client_id)
                }
                fn read(frame: Bytes, version: i16) -> Result<Self::Response, ClientError> {
                    decode::checked::<Self>(frame, version)
                }
            }
        )*
        /// The versions of `api` that we speak, `None` if we do not speak it at all.
        pub fn spoken_versions(api: ApiKey) -> Option<(i16, i16)> {
            match api {
                $( ApiKey::$api => Some(($min, $max)), )*
                _ => None,
            }
        }
        #[cfg(test)]
        const SPOKEN: &[ApiKey] = &[ $( ApiKey::$api ),* ];
    };
}

requests! {
    Produce 3..=12 ProduceRequest => ProduceResponse, throttle_time_ms;
    Fetch 4..=18 FetchRequest => FetchResponse, throttle_time_ms;
    ListOffsets 1..=9 ListOffsetsRequest => ListOffsetsResponse, throttle_time_ms;
    Metadata 1..=13 MetadataRequest => MetadataResponse, throttle_time_ms;
    OffsetCommit 2..=9 OffsetCommitRequest => OffsetCommitResponse, throttle_time_ms;
    OffsetFetch 1..=9 OffsetFetchRequest => OffsetFetchResponse, throttle_time_ms;
    FindCoordinator 0..=6 FindCoordinatorRequest => FindCoordinatorResponse, throttle_time_ms;
    JoinGroup 0..=9 JoinGroupRequest => JoinGroupResponse, throttle_time_ms;
    Heartbeat 0..=4 HeartbeatRequest => HeartbeatResponse, throttle_time_ms;
    LeaveGroup 0..=5 LeaveGroupRequest => LeaveGroupResponse, throttle_time_ms;
    SyncGroup 0..=5 SyncGroupRequest => SyncGroupResponse, throttle_time_ms;
    DescribeGroups 0..=6 DescribeGroupsRequest => DescribeGroupsResponse, throttle_time_ms;
    ListGroups 0..=5 ListGroupsRequest => ListGroupsResponse, throttle_time_ms;
    SaslHandshake 1..=1 SaslHandshakeRequest => SaslHandshakeResponse;
    ApiVersions 0..=3 ApiVersionsRequest => ApiVersionsResponse, throttle_time_ms;
    CreateTopics 2..=7 CreateTopicsRequest => CreateTopicsResponse, throttle_time_ms;
    DeleteTopics 1..=6 DeleteTopicsRequest => DeleteTopicsResponse, throttle_time_ms;
    DeleteRecords 0..=2 DeleteRecordsRequest => DeleteRecordsResponse, throttle_time_ms;
    InitProducerId 0..=5 InitProducerIdRequest => InitProducerIdResponse, throttle_time_ms;
    OffsetForLeaderEpoch 2..=4 OffsetForLeaderEpochRequest => OffsetForLeaderEpochResponse, throttle_time_ms;
    AddPartitionsToTxn 0..=3 AddPartitionsToTxnRequest => AddPartitionsToTxnResponse, throttle_time_ms;
    AddOffsetsToTxn 0..=4 AddOffsetsToTxnRequest => AddOffsetsToTxnResponse, throttle_time_ms;
    EndTxn 0..=4 EndTxnRequest => EndTxnResponse, throttle_time_ms;
    TxnOffsetCommit 0..=4 TxnOffsetCommitRequest => TxnOffsetCommitResponse, throttle_time_ms;
    DescribeAcls 1..=3 DescribeAclsRequest => DescribeAclsResponse, throttle_time_ms;
    CreateAcls 1..=3 CreateAclsRequest => CreateAclsResponse, throttle_time_ms;
    DeleteAcls 1..=3 DeleteAclsRequest => DeleteAclsResponse, throttle_time_ms;
    DescribeConfigs 1..=4 DescribeConfigsRequest => DescribeConfigsResponse, throttle_time_ms;
    SaslAuthenticate 0..=2 SaslAuthenticateRequest => SaslAuthenticateResponse;
    CreatePartitions 0..=3 CreatePartitionsRequest => CreatePartitionsResponse, throttle_time_ms;
    DeleteGroups 0..=2 DeleteGroupsRequest => DeleteGroupsResponse, throttle_time_ms;
    IncrementalAlterConfigs 0..=1 IncrementalAlterConfigsRequest => IncrementalAlterConfigsResponse, throttle_time_ms;
    DescribeProducers 0..=0 DescribeProducersRequest => DescribeProducersResponse, throttle_time_ms;
    DescribeCluster 0..=2 DescribeClusterRequest => DescribeClusterResponse, throttle_time_ms;
    ConsumerGroupDescribe 0..=1 ConsumerGroupDescribeRequest => ConsumerGroupDescribeResponse, throttle_time_ms;
}

/// Offset of the correlation id in a frame: after size, API key and version.
pub(crate) const CORRELATION_ID_AT: usize = 8;

/// Starts a request frame: room for the size, then the header with correlation id 0.
/// Size and correlation id are filled in when the request takes its place in the queue.
pub(crate) fn frame_start(
    api: ApiKey,
    version: i16,
    header_version: i16,
    client_id: &str,
) -> Result<BytesMut, ClientError> {
    let header = RequestHeader::default()
        .with_request_api_key(api as i16)
        .with_request_api_version(version)
        .with_client_id(Some(StrBytes::from_string(client_id.to_owned())));
    let mut frame = BytesMut::with_capacity(256);
    frame.put_i32(0);
    header.encode(&mut frame, header_version).map_err(|e| ClientError::protocol(api, format!("{e:#}")))?;
    Ok(frame)
}

fn whole_frame<R: KafkaRequest>(request: &R, version: i16, client_id: &str) -> Result<BytesMut, ClientError> {
    let mut frame = frame_start(R::API, version, R::header_version(version), client_id)?;
    request.encode(&mut frame, version).map_err(|e| ClientError::protocol(R::API, format!("{e:#}")))?;
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_version_is_spoken_that_the_messages_do_not_have() {
        for &api in SPOKEN {
            let (min, max) = spoken_versions(api).unwrap();
            let valid = api.valid_versions();
            assert!(valid.min <= min && min <= max && max <= valid.max, "{api:?}: {min}-{max} of {valid}");
        }
    }
}
