//! Who is here: ApiVersions, Metadata, DescribeCluster, FindCoordinator. It is always this one broker.

use kafka_protocol::ResponseError as E;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, BrokerId, DescribeClusterRequest, DescribeClusterResponse,
    FindCoordinatorRequest, FindCoordinatorResponse, MetadataRequest, MetadataResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use crate::control::Call;
use crate::dispatch;
use crate::state::{State, Topic, text};
use crate::{Broker, NODE_ID};

/// What stands where authorized operations were not asked for, or are not known.
const NO_OPERATIONS: i32 = i32::MIN;

impl Broker {
    fn host(&self) -> StrBytes {
        text(self.address.ip().to_string())
    }

    fn port(&self) -> i32 {
        i32::from(self.address.port())
    }

    pub(crate) async fn api_versions(&self, _call: &Call, _request: ApiVersionsRequest) -> ApiVersionsResponse {
        dispatch::api_versions()
    }

    pub(crate) async fn metadata(&self, call: &Call, request: MetadataRequest) -> MetadataResponse {
        let state = self.state();
        // In version 0, no topics meant all topics.
        let all = match &request.topics {
            None => true,
            Some(topics) => topics.is_empty() && call.version == 0,
        };
        let topics = if all {
            state.topics.iter().map(|(name, topic)| describe(name, topic)).collect()
        } else {
            request.topics.iter().flatten().map(|wanted| state.describe(wanted)).collect()
        };
        let broker = MetadataResponseBroker::default()
            .with_node_id(BrokerId(NODE_ID))
            .with_host(self.host())
            .with_port(self.port());
        MetadataResponse::default()
            .with_brokers(vec![broker])
            .with_cluster_id(Some(text(&self.options.cluster_id)))
            .with_controller_id(BrokerId(NODE_ID))
            .with_topics(topics)
            .with_cluster_authorized_operations(NO_OPERATIONS)
    }

    pub(crate) async fn describe_cluster(
        &self,
        _call: &Call,
        request: DescribeClusterRequest,
    ) -> DescribeClusterResponse {
        let broker = DescribeClusterBroker::default()
            .with_broker_id(BrokerId(NODE_ID))
            .with_host(self.host())
            .with_port(self.port());
        DescribeClusterResponse::default()
            .with_cluster_id(text(&self.options.cluster_id))
            .with_controller_id(BrokerId(NODE_ID))
            .with_endpoint_type(request.endpoint_type)
            .with_brokers(vec![broker])
            .with_cluster_authorized_operations(NO_OPERATIONS)
    }

    pub(crate) async fn find_coordinator(
        &self,
        call: &Call,
        request: FindCoordinatorRequest,
    ) -> FindCoordinatorResponse {
        // Groups and transactional ids; share groups are not known here.
        let error = if matches!(request.key_type, 0 | 1) { 0 } else { E::InvalidRequest.code() };
        if call.version < 4 {
            return FindCoordinatorResponse::default()
                .with_error_code(error)
                .with_node_id(BrokerId(NODE_ID))
                .with_host(self.host())
                .with_port(self.port());
        }
        let coordinators = request.coordinator_keys.into_iter().map(|key| {
            Coordinator::default()
                .with_key(key)
                .with_error_code(error)
                .with_node_id(BrokerId(NODE_ID))
                .with_host(self.host())
                .with_port(self.port())
        });
        FindCoordinatorResponse::default().with_coordinators(coordinators.collect())
    }
}

impl State {
    fn describe(&self, wanted: &MetadataRequestTopic) -> MetadataResponseTopic {
        let unnamed = TopicName::default();
        let name = self.name_of(wanted.name.as_ref().unwrap_or(&unnamed), wanted.topic_id);
        let known = name.as_ref().map_err(|error| *error);
        let known = known.and_then(|name| match self.topics.get(name) {
            Some(topic) => Ok(describe(name, topic)),
            None => Err(E::UnknownTopicOrPartition),
        });
        known.unwrap_or_else(|error| {
            MetadataResponseTopic::default()
                .with_error_code(error.code())
                .with_name(wanted.name.clone())
                .with_topic_id(wanted.topic_id)
                .with_topic_authorized_operations(NO_OPERATIONS)
        })
    }
}

fn describe(name: &str, topic: &Topic) -> MetadataResponseTopic {
    let me = vec![BrokerId(NODE_ID)];
    let partitions = (0..).zip(&topic.partitions).map(|(index, log)| {
        MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(BrokerId(NODE_ID))
            .with_leader_epoch(log.epoch())
            .with_replica_nodes(me.clone())
            .with_isr_nodes(me.clone())
    });
    MetadataResponseTopic::default()
        .with_name(Some(TopicName(text(name))))
        .with_topic_id(topic.id)
        .with_partitions(partitions.collect())
        .with_topic_authorized_operations(NO_OPERATIONS)
}
