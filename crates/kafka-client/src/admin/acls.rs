//! ACLs: describe, create, delete.

use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::{CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest};

use super::kinds::{AclOperation, AclPermission, PatternType, ResourceType};
use super::{Admin, BrokerError, text};
use crate::BoxFuture;
use crate::codes::ErrorCode;
use crate::error::ClientError;

/// Who may, or may not, do what.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AclBinding {
    /// What kind of thing it is about.
    pub resource_type: ResourceType,
    /// Its name, or the beginning of its name.
    pub resource_name: String,
    /// Which of the two.
    pub pattern_type: PatternType,
    /// `User:alice`, or `User:*`.
    pub principal: String,
    /// Address, or `*`.
    pub host: String,
    /// What.
    pub operation: AclOperation,
    /// May or may not.
    pub permission: AclPermission,
}

/// Which ACLs; absent means any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclFilter {
    /// Kind of thing.
    pub resource_type: ResourceType,
    /// Its name.
    pub resource_name: Option<String>,
    /// How the name is meant.
    pub pattern_type: PatternType,
    /// Whose.
    pub principal: Option<String>,
    /// From where.
    pub host: Option<String>,
    /// What.
    pub operation: AclOperation,
    /// May or may not.
    pub permission: AclPermission,
}

impl AclFilter {
    /// Every ACL there is.
    pub const ANY: AclFilter = AclFilter {
        resource_type: ResourceType::Any,
        resource_name: None,
        pattern_type: PatternType::Any,
        principal: None,
        host: None,
        operation: AclOperation::Any,
        permission: AclPermission::Any,
    };
}

/// What one filter has deleted.
type Deleted = Result<Vec<AclBinding>, BrokerError>;

impl Admin {
    /// The ACLs that `filter` lets through.
    ///
    /// # Errors
    /// `SECURITY_DISABLED` from a cluster without an authorizer.
    pub fn describe_acls<'a>(&'a self, filter: &'a AclFilter) -> BoxFuture<'a, Result<Vec<AclBinding>, ClientError>> {
        Box::pin(async move {
            self.cluster
                .retry("DescribeAcls", self.deadline(), || async {
                    let optional = |value: &Option<String>| value.as_deref().map(text);
                    let request = DescribeAclsRequest::default()
                        .with_resource_type_filter(filter.resource_type.code())
                        .with_resource_name_filter(optional(&filter.resource_name))
                        .with_pattern_type_filter(filter.pattern_type.code())
                        .with_principal_filter(optional(&filter.principal))
                        .with_host_filter(optional(&filter.host))
                        .with_operation(filter.operation.code())
                        .with_permission_type(filter.permission.code());
                    let response = self.cluster.any().await?.call(request).await?;
                    let message = response.error_message.as_deref();
                    ErrorCode(response.error_code)
                        .ok()
                        .map_err(|code| ClientError::broker("DescribeAcls", code, message))?;
                    let bindings = response.resources.iter().flat_map(|resource| {
                        resource.acls.iter().map(|acl| AclBinding {
                            resource_type: ResourceType::from_code(resource.resource_type),
                            resource_name: resource.resource_name.to_string(),
                            pattern_type: PatternType::from_code(resource.pattern_type),
                            principal: acl.principal.to_string(),
                            host: acl.host.to_string(),
                            operation: AclOperation::from_code(acl.operation),
                            permission: AclPermission::from_code(acl.permission_type),
                        })
                    });
                    Ok(bindings.collect())
                })
                .await
        })
    }

    /// Creates ACLs; one that exists already is no error. Results are in the order of `bindings`.
    pub fn create_acls<'a>(
        &'a self,
        bindings: &'a [AclBinding],
    ) -> BoxFuture<'a, Result<Vec<Result<(), BrokerError>>, ClientError>> {
        Box::pin(async move {
            self.cluster
                .retry("CreateAcls", self.deadline(), || async {
                    let creation = |binding: &AclBinding| {
                        AclCreation::default()
                            .with_resource_type(binding.resource_type.code())
                            .with_resource_name(text(&binding.resource_name))
                            .with_resource_pattern_type(binding.pattern_type.code())
                            .with_principal(text(&binding.principal))
                            .with_host(text(&binding.host))
                            .with_operation(binding.operation.code())
                            .with_permission_type(binding.permission.code())
                    };
                    let request = CreateAclsRequest::default().with_creations(bindings.iter().map(creation).collect());
                    let response = self.cluster.controller().await?.call(request).await?;
                    let results = response.results.iter();
                    moved_controller(
                        results.map(|r| BrokerError::check(r.error_code, r.error_message.as_ref())).collect(),
                        bindings.len(),
                    )
                })
                .await
        })
    }

    /// Deletes every ACL that one of `filters` lets through. Results are in the order of `filters`:
    /// the ACLs that were deleted.
    pub fn delete_acls<'a>(&'a self, filters: &'a [AclFilter]) -> BoxFuture<'a, Result<Vec<Deleted>, ClientError>> {
        Box::pin(async move {
            self.cluster
                .retry("DeleteAcls", self.deadline(), || async {
                    let optional = |value: &Option<String>| value.as_deref().map(text);
                    let on_wire = |filter: &AclFilter| {
                        DeleteAclsFilter::default()
                            .with_resource_type_filter(filter.resource_type.code())
                            .with_resource_name_filter(optional(&filter.resource_name))
                            .with_pattern_type_filter(filter.pattern_type.code())
                            .with_principal_filter(optional(&filter.principal))
                            .with_host_filter(optional(&filter.host))
                            .with_operation(filter.operation.code())
                            .with_permission_type(filter.permission.code())
                    };
                    let request = DeleteAclsRequest::default().with_filters(filters.iter().map(on_wire).collect());
                    let response = self.cluster.controller().await?.call(request).await?;
                    let deleted = response.filter_results.iter().map(|result| {
                        BrokerError::check(result.error_code, result.error_message.as_ref())?;
                        result
                            .matching_acls
                            .iter()
                            .map(|acl| {
                                BrokerError::check(acl.error_code, acl.error_message.as_ref())?;
                                Ok(AclBinding {
                                    resource_type: ResourceType::from_code(acl.resource_type),
                                    resource_name: acl.resource_name.to_string(),
                                    pattern_type: PatternType::from_code(acl.pattern_type),
                                    principal: acl.principal.to_string(),
                                    host: acl.host.to_string(),
                                    operation: AclOperation::from_code(acl.operation),
                                    permission: AclPermission::from_code(acl.permission_type),
                                })
                            })
                            .collect()
                    });
                    moved_controller(deleted.collect(), filters.len())
                })
                .await
        })
    }
}

/// Creating and deleting ACLs again does no harm, so a batch with a retriable result goes again whole.
fn moved_controller<T>(
    results: Vec<Result<T, BrokerError>>,
    asked: usize,
) -> Result<Vec<Result<T, BrokerError>>, ClientError> {
    if results.len() != asked {
        let code = ErrorCode::UNKNOWN_SERVER_ERROR;
        return Err(ClientError::broker("Acls", code, Some("fewer results than were asked for")));
    }
    match results.iter().find_map(|result| result.as_ref().err().filter(|error| error.code.is_retriable())) {
        Some(error) => Err(ClientError::broker("Acls", error.code, error.message.as_deref())),
        None => Ok(results),
    }
}
