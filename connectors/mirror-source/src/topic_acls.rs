//! Copies who may read a topic to its remote topic (Java: `MirrorSourceConnector.syncTopicAcls`): reads both sides, adds
//! what is missing, and removes what the source has revoked if the config asks for that.

use std::collections::{BTreeMap, BTreeSet};

use connect_api::ConnectError;
use connect_api::config::{ConfigMap, TypedConfig};
use kafka_client::admin::{
    AclBinding, AclFilter, AclOperation, AclPermission, Admin, BrokerError, PatternType, ResourceType,
};
use kafka_client::{ClientError, ErrorCode};
use mirror::acl_sync::{Acl, AclChanges, AclFlow, NotCopied, RESOURCE_TOPIC, acl_changes};
use mirror::config::{ClientRole, principal_rules};
use mirror::config_def::ACL_REMOVAL;
use mirror::principal_rules::PrincipalRules;
use serde_json::json;
use tracing::info;

use crate::clients;
use crate::copied_configs::Names;
use crate::findings::Findings;
use crate::flow::Flow;

const ALL_OF_TOPICS: AclFilter = AclFilter { resource_type: ResourceType::Topic, ..AclFilter::ANY };

/// What is kept from one look to the next.
pub(crate) struct AclSync {
    principals: PrincipalRules,
    removes: bool,
    /// What of the source has been copied, by this life or an earlier one, and not been dealt with since it was revoked.
    copied: BTreeSet<Acl>,
    /// Names that have had ACLs in `copied`.
    names: BTreeSet<String>,
    /// It has been said that the source has no authorizer.
    said_without: bool,
}

/// ACLs of the source, with those that remote topics should have for them.
type Remote = BTreeMap<Acl, Vec<Acl>>;

impl AclSync {
    pub(crate) fn from_config(config: &ConfigMap, typed: &TypedConfig) -> Result<Self, ConnectError> {
        Ok(Self {
            principals: principal_rules(config).map_err(|problem| ConnectError::config(problem.message))?,
            removes: typed.boolean(ACL_REMOVAL),
            copied: BTreeSet::new(),
            names: BTreeSet::new(),
            said_without: false,
        })
    }

    /// What an earlier life has copied. Topics and principals are what the config says now: an ACL of the target is only ever called
    /// revoked if it would be copied today.
    pub(crate) fn remember(&mut self, names: &Names) {
        for (name, acls) in names {
            self.names.insert(name.clone());
            self.copied.extend(acls.iter().filter_map(|text| from_text(name, text)));
        }
    }

    /// What of the source has been copied, for the next life.
    pub(crate) fn seen(&self) -> Names {
        let mut seen: Names = self.names.iter().map(|name| (name.clone(), BTreeSet::new())).collect();
        for acl in &self.copied {
            seen.entry(acl.resource_name.clone()).or_default().insert(to_text(acl));
        }
        seen
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
        let now = self.remote(flow, topics, &source, &mut findings)?;
        let before = self.remote(flow, topics, &self.copied, &mut Findings::default())?;
        if now.is_empty() && before.is_empty() {
            return Ok(findings);
        }
        let target = match described(&flow.target).await {
            Ok(acls) => acls,
            Err(error) => {
                name_target(&error, &mut findings)?;
                return Ok(findings);
            }
        };
        let all = |remote: &Remote| remote.values().flatten().cloned().collect::<BTreeSet<Acl>>();
        let AclChanges { missing, mut stale } = acl_changes(&all(&now), &all(&before), &target);
        let added = add(flow, missing, &mut findings).await?;
        let mut removed = 0;
        if self.removes {
            let gone = remove(flow, &stale, &mut findings).await?;
            removed = gone.len();
            stale.retain(|acl| !gone.contains(acl));
        } else {
            for acl in &stale {
                findings.general(format!("ACL is revoked at the source and still on the target: {acl}"));
            }
        }
        let still_there = before.into_iter().filter(|(_, remote)| remote.iter().any(|acl| stale.contains(acl)));
        self.copied = still_there.chain(now).map(|(acl, _)| acl).collect();
        self.names.extend(self.copied.iter().map(|acl| acl.resource_name.clone()));
        if added + removed > 0 {
            info!(added, removed, "acls of remote topics changed as at the source");
        }
        Ok(findings)
    }

    /// The ACLs that remote topics should have.
    fn remote(
        &self,
        flow: &Flow,
        topics: &[String],
        source: &BTreeSet<Acl>,
        findings: &mut Findings,
    ) -> Result<Remote, ConnectError> {
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
        let mut remote = Remote::new();
        for acl in source {
            match acl_flow.remote_acls(acl).map_err(wrong)? {
                Ok(acls) => {
                    remote.insert(acl.clone(), acls);
                }
                Err(NotCopied::PrincipalNotMapped) => {
                    findings.general(format!("no principal rule for {}: its ACLs are not copied", acl.principal));
                }
                Err(_) => {}
            }
        }
        Ok(remote)
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

/// An ACL as it is noted beside the name that it is about: pattern, principal, host, operation, permission.
fn to_text(acl: &Acl) -> String {
    json!([acl.pattern_type, acl.principal, acl.host, acl.operation, acl.permission]).to_string()
}

/// What cannot be read says nothing.
fn from_text(name: &str, text: &str) -> Option<Acl> {
    let (pattern_type, principal, host, operation, permission) = serde_json::from_str(text).ok()?;
    let resource_name = name.to_owned();
    Some(Acl { resource_type: RESOURCE_TOPIC, resource_name, pattern_type, principal, host, operation, permission })
}

/// Those that are removed.
async fn remove(flow: &Flow, stale: &BTreeSet<Acl>, findings: &mut Findings) -> Result<BTreeSet<Acl>, ConnectError> {
    let mut removed = BTreeSet::new();
    if stale.is_empty() {
        return Ok(removed);
    }
    let filters: Vec<AclFilter> = stale.iter().map(exactly).collect();
    let results = match flow.target.delete_acls(&filters).await {
        Ok(results) => results,
        Err(error) => {
            name_target(&error, findings)?;
            return Ok(removed);
        }
    };
    for (acl, result) in stale.iter().zip(results) {
        match result {
            Ok(_) => {
                info!(%acl, "acl removed from the target");
                removed.insert(acl.clone());
            }
            Err(error) => name_refusal(findings, "removed from", acl, &error),
        }
    }
    Ok(removed)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acl_is_recalled_as_it_was_noted() {
        let acl = Acl {
            resource_type: RESOURCE_TOPIC,
            resource_name: "orders".to_owned(),
            pattern_type: 3,
            principal: "User:\"CN=a,O=b\"".to_owned(),
            host: "*".to_owned(),
            operation: 3,
            permission: 3,
        };

        assert_eq!(from_text("orders", &to_text(&acl)), Some(acl));
        assert_eq!(from_text("orders", "[3]"), None);
    }
}
