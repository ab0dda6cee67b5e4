//! Which APIs there are, in which versions, and who handles them.
//!
//! Versions end where a newer one would promise what is not here: OffsetCommit 10 and OffsetFetch 10 (topic ids), EndTxn 5 and
//! its like (transactions of version 2).

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::ResponseError as E;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{self, ApiKey, ApiVersionsResponse, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, Request};

use crate::Broker;
use crate::control::{Call, Fault};

/// What becomes of a request.
pub(crate) enum Reply {
    /// This is sent.
    Frame(Bytes),
    /// The client wants no answer.
    Nothing,
    /// The connection ends.
    Close,
}

macro_rules! apis {
    ($( $api:ident $min:literal ..= $max:literal $request:ident $handler:ident ; )*) => {
        /// API, lowest and highest version.
        pub(crate) const APIS: &[(ApiKey, i16, i16)] = &[ $( (ApiKey::$api, $min, $max) ),* ];

        async fn answer(broker: &Broker, call: &Call, correlation_id: i32) -> Result<Bytes, String> {
            match call.api {
                $( ApiKey::$api => {
                    let request = call.read::<messages::$request>()?;
                    let response = broker.$handler(call, request).await;
                    encode::<messages::$request>(call, correlation_id, &response)
                } )*
                _ => Err(format!("no handler for {:?}", call.api)),
            }
        }
    };
}

apis! {
    Produce 3..=13 ProduceRequest produce;
    Fetch 4..=18 FetchRequest fetch;
    ListOffsets 1..=9 ListOffsetsRequest list_offsets;
    Metadata 0..=13 MetadataRequest metadata;
    OffsetCommit 2..=9 OffsetCommitRequest offset_commit;
    OffsetFetch 1..=9 OffsetFetchRequest offset_fetch;
    FindCoordinator 0..=6 FindCoordinatorRequest find_coordinator;
    JoinGroup 0..=9 JoinGroupRequest join_group;
    Heartbeat 0..=4 HeartbeatRequest heartbeat;
    LeaveGroup 0..=5 LeaveGroupRequest leave_group;
    SyncGroup 0..=5 SyncGroupRequest sync_group;
    DescribeGroups 0..=6 DescribeGroupsRequest describe_groups;
    ListGroups 0..=5 ListGroupsRequest list_groups;
    DeleteGroups 0..=2 DeleteGroupsRequest delete_groups;
    OffsetDelete 0..=0 OffsetDeleteRequest offset_delete;
    ApiVersions 0..=4 ApiVersionsRequest api_versions;
    CreateTopics 2..=7 CreateTopicsRequest create_topics;
    DeleteTopics 1..=6 DeleteTopicsRequest delete_topics;
    CreatePartitions 0..=3 CreatePartitionsRequest create_partitions;
    DeleteRecords 0..=2 DeleteRecordsRequest delete_records;
    InitProducerId 0..=5 InitProducerIdRequest init_producer_id;
    OffsetForLeaderEpoch 2..=4 OffsetForLeaderEpochRequest offset_for_leader_epoch;
    AddPartitionsToTxn 0..=3 AddPartitionsToTxnRequest add_partitions_to_txn;
    AddOffsetsToTxn 0..=4 AddOffsetsToTxnRequest add_offsets_to_txn;
    EndTxn 0..=4 EndTxnRequest end_txn;
    TxnOffsetCommit 0..=4 TxnOffsetCommitRequest txn_offset_commit;
    DescribeConfigs 1..=4 DescribeConfigsRequest describe_configs;
    IncrementalAlterConfigs 0..=1 IncrementalAlterConfigsRequest incremental_alter_configs;
    DescribeCluster 0..=2 DescribeClusterRequest describe_cluster;
    DescribeAcls 1..=3 DescribeAclsRequest describe_acls;
    CreateAcls 1..=3 CreateAclsRequest create_acls;
    DeleteAcls 1..=3 DeleteAclsRequest delete_acls;
}

/// Handles one frame. An error means that the client can't be talked to, and ends the connection.
pub(crate) async fn handle(broker: &Broker, mut frame: Bytes) -> Result<Reply, String> {
    // API, version and correlation id: in every header there is.
    if frame.len() < 8 {
        return Err(format!("a request of {} bytes has no header", frame.len()));
    }
    let key = i16::from_be_bytes([frame[0], frame[1]]);
    let version = i16::from_be_bytes([frame[2], frame[3]]);
    let correlation_id = i32::from_be_bytes([frame[4], frame[5], frame[6], frame[7]]);
    let known = ApiKey::try_from(key).ok().and_then(|api| APIS.iter().find(|known| known.0 as i16 == api as i16));
    let Some((api, min, max)) = known.copied() else {
        return Err(format!("API {key} is not served"));
    };
    if !(min..=max).contains(&version) {
        // Only here a version may be tried, and the answer to that is always in version 0 (KIP-35).
        return match api {
            ApiKey::ApiVersions => Ok(Reply::Frame(unsupported_version(correlation_id)?)),
            _ => Err(format!("{api:?} is served in versions {min} to {max}, not {version}")),
        };
    }
    let header = RequestHeader::decode(&mut frame, api.request_header_version(version)).map_err(malformed)?;
    let client_id = header.client_id.map(|id| id.to_string()).unwrap_or_default();
    let mut call = Call::new(api, version, client_id, frame);

    let fault = broker.controls.decide(&mut call);
    match fault {
        Fault::Disconnect => return Ok(Reply::Close),
        Fault::Answer(scripted) => {
            let mut answer = start(api, version, correlation_id)?;
            let encoded = (scripted.0)(&mut answer, version);
            return Ok(if encoded { Reply::Frame(finish(answer)) } else { Reply::Close });
        }
        Fault::Delay(time) => tokio::time::sleep(time).await,
        Fault::Pass | Fault::LoseAnswer => {}
    }
    let asked = (api == ApiKey::Produce).then(|| call.request::<messages::ProduceRequest>()).flatten();
    let silent = asked.is_some_and(|request| request.acks == 0);
    let answer = answer(broker, &call, correlation_id).await?;
    Ok(match fault {
        Fault::LoseAnswer => Reply::Close,
        _ if silent => Reply::Nothing,
        _ => Reply::Frame(answer),
    })
}

fn encode<R: Request>(call: &Call, correlation_id: i32, response: &R::Response) -> Result<Bytes, String> {
    let mut frame = start(call.api, call.version, correlation_id)?;
    response.encode(&mut frame, call.version).map_err(malformed)?;
    Ok(finish(frame))
}

fn start(api: ApiKey, version: i16, correlation_id: i32) -> Result<BytesMut, String> {
    let mut frame = BytesMut::with_capacity(256);
    frame.put_i32(0);
    let header = ResponseHeader::default().with_correlation_id(correlation_id);
    header.encode(&mut frame, api.response_header_version(version)).map_err(malformed)?;
    Ok(frame)
}

fn finish(mut frame: BytesMut) -> Bytes {
    // A frame of 2 GiB would need as many bytes of batches, which fetches and requests are bounded against.
    let size = u32::try_from(frame.len() - 4).unwrap_or_default();
    frame[..4].copy_from_slice(&size.to_be_bytes());
    frame.freeze()
}

fn malformed(error: impl std::fmt::Display) -> String {
    format!("{error:#}")
}

fn unsupported_version(correlation_id: i32) -> Result<Bytes, String> {
    let mut frame = start(ApiKey::ApiVersions, 0, correlation_id)?;
    let response = api_versions().with_error_code(E::UnsupportedVersion.code());
    response.encode(&mut frame, 0).map_err(malformed)?;
    Ok(finish(frame))
}

/// The table, as it is told to clients.
pub(crate) fn api_versions() -> ApiVersionsResponse {
    let versions = APIS.iter().map(|(api, min, max)| {
        ApiVersion::default().with_api_key(*api as i16).with_min_version(*min).with_max_version(*max)
    });
    ApiVersionsResponse::default().with_api_keys(versions.collect()).with_finalized_features_epoch(-1)
}
