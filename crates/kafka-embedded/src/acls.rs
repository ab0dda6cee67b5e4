//! ACLs: a broker without an authorizer, which says so.

use kafka_protocol::ResponseError as E;
use kafka_protocol::messages::create_acls_response::AclCreationResult;
use kafka_protocol::messages::delete_acls_response::DeleteAclsFilterResult;
use kafka_protocol::messages::{
    CreateAclsRequest, CreateAclsResponse, DeleteAclsRequest, DeleteAclsResponse, DescribeAclsRequest,
    DescribeAclsResponse,
};
use kafka_protocol::protocol::StrBytes;

use crate::Broker;
use crate::control::Call;

const CODE: i16 = E::SecurityDisabled.code();

/// Kafka's words.
fn message() -> Option<StrBytes> {
    Some(StrBytes::from_static_str("No Authorizer is configured."))
}

impl Broker {
    pub(crate) async fn describe_acls(&self, _call: &Call, _request: DescribeAclsRequest) -> DescribeAclsResponse {
        DescribeAclsResponse::default().with_error_code(CODE).with_error_message(message())
    }

    pub(crate) async fn create_acls(&self, _call: &Call, request: CreateAclsRequest) -> CreateAclsResponse {
        let refused = AclCreationResult::default().with_error_code(CODE).with_error_message(message());
        CreateAclsResponse::default().with_results(vec![refused; request.creations.len()])
    }

    pub(crate) async fn delete_acls(&self, _call: &Call, request: DeleteAclsRequest) -> DeleteAclsResponse {
        let refused = DeleteAclsFilterResult::default().with_error_code(CODE).with_error_message(message());
        DeleteAclsResponse::default().with_filter_results(vec![refused; request.filters.len()])
    }
}
