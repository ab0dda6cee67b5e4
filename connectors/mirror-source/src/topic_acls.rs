//! Copies who may read a topic to its remote topic (Java: `MirrorSourceConnector.syncTopicAcls`): reads both sides, adds
//! what is missing, and removes what the source has revoked if the config asks for that.

use std::collections::BTreeSet;

use connect_api::ConnectError;
use connect_api::config::{ConfigMap, TypedConfig};
use kafka_client::admin::{
    AclBinding, AclFilter, AclOperation, AclPermission, Admin, BrokerError, PatternType, ResourceType,
};
use kafka_client::{ClientError, ErrorCode};
use mirror::acl_sync::{Acl, AclFlow, NotCopied, RESOURCE_TOPIC, acl_changes};
use mirror::config::{ClientRole, principal_rules};
use mirror::config_def::ACL_REMOVAL;
use mirror::principal_rules::PrincipalRules;
use tracing::info;

use crate::clients;
use crate::findings::Findings;
use crate::flow::Flow;

const ALL_OF_TOPICS: AclFilter = AclFilter { resource_type: ResourceType::Topic, ..AclFilter::ANY };

/// What is kept from one look to the next.
pub(crate) struct AclSync {
    principals: PrincipalRules,
    removes: bool,
    /// What the source has been seen to want since the connector started.
    ever_wanted: BTreeSet<Acl>,
    /// It has been said that the source has no authorizer.
    said_without: bool,
}

impl AclSync {
    pub(crate) fn from_config(config: &ConfigMap, typed: &TypedConfig) -> Result<Self, ConnectError> {
        Ok(Self {
            principals: principal_rules(config).map_err(|problem| ConnectError::config(problem.message))?,
            removes: typed.boolean(ACL_REMOVAL),
            ever_wanted: BTreeSet::new(),
            said_without: false,
        })
    }

    /// Brings the ACLs of the remote topics of `topics` in step.
    pub(crate) async fn sync(&mut self, flow: &Flow, topics: &[String]) -> Result<Findings, ConnectError> {
        let mut findings = Findings::default();
        let source = match described(&flow.source).await {
            Ok(acls) => acls,
            Err(error) => {
                self.name_source(&error, &mut findings)?;
                return Ok(findings);
            }
        };
        let wanted = self.wanted(flow, topics, &source, &mut findings)?;
        if wanted.is_empty() && self.ever_wanted.is_empty() {
            return Ok(findings);
        }
        let target = match described(&flow.target).await {
            Ok(acls) => acls,
            Err(error) => {
                name_target(&error, &mut findings)?;
                return Ok(findings);
            }
        };
        self.ever_wanted.extend(wanted.iter().cloned());
        let changes = acl_changes(&wanted, &self.ever_wanted, &target);
        let added = add(flow, changes.missing, &mut findings).await?;
        let mut removed = 0;
        if self.removes {
            removed = self.remove(flow, changes.stale, &mut findings).await?;
        } else {
            for acl in changes.stale {
                findings.general(format!("ACL is revoked at the source and still on the target: {acl}"));
            }
        }
        if added + removed > 0 {
            info!(added, removed, "acls of remote topics changed as at the source");
        }
        Ok(findings)
    }

    /// The ACLs that remote topics should have.
    fn wanted(
        &self,
        flow: &Flow,
        topics: &[String],
        source: &BTreeSet<Acl>,
        findings: &mut Findings,
    ) -> Result<BTreeSet<Acl>, ConnectError> {
        let wrong = |error| ConnectError::config(format!("{error}"));
        let mut mirrored: BTreeSet<String> = topics.iter().cloned().collect();
        for acl in source {
            // As in Java, a topic gets its ACLs before it exists.
            if acl.resource_name != "*" && flow.selection.wants(&acl.resource_name).map_err(wrong)? {
                mirrored.insert(acl.resource_name.clone());
            }
        }
        let acl_flow = AclFlow {
            policy: &flow.selection.policy,
            source_alias: &flow.selection.source_alias,
            mirrored: &mirrored,
            principals: &self.principals,
        };
        let mut wanted = BTreeSet::new();
        for acl in source {
            match acl_flow.remote_acls(acl).map_err(wrong)? {
                Ok(acls) => wanted.extend(acls),
                Err(NotCopied::PrincipalNotMapped) => {
                    findings.general(format!("no principal rule for {}: its ACLs are not copied", acl.principal));
                }
                Err(_) => {}
            }
        }
        Ok(wanted)
    }

    async fn remove(
        &mut self,
        flow: &Flow,
        stale: BTreeSet<Acl>,
        findings: &mut Findings,
    ) -> Result<usize, ConnectError> {
        if stale.is_empty() {
            return Ok(0);
        }
        let filters: Vec<AclFilter> = stale.iter().map(exactly).collect();
        let results = match flow.target.delete_acls(&filters).await {
            Ok(results) => results,
            Err(error) => {
                name_target(&error, findings)?;
                return Ok(0);
            }
        };
        let mut removed = 0;
        for (acl, result) in stale.into_iter().zip(results) {
            match result {
                Ok(_) => {
                    info!(%acl, "acl removed from the target");
                    self.ever_wanted.remove(&acl);
                    removed += 1;
                }
                Err(error) => name_refusal(findings, "removed from", &acl, &error),
            }
        }
        Ok(removed)
    }

    fn name_source(&mut self, error: &ClientError, findings: &mut Findings) -> Result<(), ConnectError> {
        match error.code() {
            Some(ErrorCode::SECURITY_DISABLED) => {
                if !std::mem::replace(&mut self.said_without, true) {
                    info!("the source has no authorizer: there are no acls to copy");
                }
            }
            Some(ErrorCode::CLUSTER_AUTHORIZATION_FAILED) => findings.general(
                "ACLs can't be read at the source: the principal needs Describe on the cluster there, or set \
                 sync.topic.acls.enabled=false",
            ),
            _ => return Err(clients::refused(ClientRole::SourceAdmin, error)),
        }
        Ok(())
    }
}

async fn add(flow: &Flow, missing: BTreeSet<Acl>, findings: &mut Findings) -> Result<usize, ConnectError> {
    if missing.is_empty() {
        return Ok(0);
    }
    let bindings: Vec<AclBinding> = missing.iter().map(binding).collect();
    let results = match flow.target.create_acls(&bindings).await {
        Ok(results) => results,
        Err(error) => {
            name_target(&error, findings)?;
            return Ok(0);
        }
    };
    let mut added = 0;
    for (acl, result) in missing.iter().zip(results) {
        match result {
            Ok(()) => {
                info!(%acl, "acl added to the target");
                added += 1;
            }
            Err(error) => name_refusal(findings, "added to", acl, &error),
        }
    }
    Ok(added)
}

fn name_target(error: &ClientError, findings: &mut Findings) -> Result<(), ConnectError> {
    match error.code() {
        Some(ErrorCode::SECURITY_DISABLED) => findings.general(
            "the source has ACLs and the target has no authorizer: set authorizer.class.name on its brokers, or \
             sync.topic.acls.enabled=false",
        ),
        Some(ErrorCode::CLUSTER_AUTHORIZATION_FAILED) => findings.general(MAY_NOT_ALTER),
        _ => return Err(clients::refused(ClientRole::TargetAdmin, error)),
    }
    Ok(())
}

const MAY_NOT_ALTER: &str = "ACLs can't be kept in step on the target: the principal needs Describe and Alter on the cluster \
                             there, or set sync.topic.acls.enabled=false";

fn name_refusal(findings: &mut Findings, what: &str, acl: &Acl, error: &BrokerError) {
    match error.code {
        ErrorCode::CLUSTER_AUTHORIZATION_FAILED => findings.general(MAY_NOT_ALTER),
        _ => findings.general(format!("ACL can't be {what} the target: {acl}: {error}")),
    }
}

async fn described(admin: &Admin) -> Result<BTreeSet<Acl>, ClientError> {
    let acls = admin.describe_acls(&ALL_OF_TOPICS).await?;
    let acl = |acl: AclBinding| Acl {
        resource_type: acl.resource_type.code(),
        resource_name: acl.resource_name,
        pattern_type: acl.pattern_type.code(),
        principal: acl.principal,
        host: acl.host,
        operation: acl.operation.code(),
        permission: acl.permission.code(),
    };
    Ok(acls.into_iter().map(acl).filter(|acl| acl.resource_type == RESOURCE_TOPIC).collect())
}

fn binding(acl: &Acl) -> AclBinding {
    AclBinding {
        resource_type: ResourceType::from_code(acl.resource_type),
        resource_name: acl.resource_name.clone(),
        pattern_type: PatternType::from_code(acl.pattern_type),
        principal: acl.principal.clone(),
        host: acl.host.clone(),
        operation: AclOperation::from_code(acl.operation),
        permission: AclPermission::from_code(acl.permission),
    }
}

/// Lets this one through and no other.
fn exactly(acl: &Acl) -> AclFilter {
    let AclBinding { resource_type, resource_name, pattern_type, principal, host, operation, permission } =
        binding(acl);
    AclFilter {
        resource_type,
        resource_name: Some(resource_name),
        pattern_type,
        principal: Some(principal),
        host: Some(host),
        operation,
        permission,
    }
}
