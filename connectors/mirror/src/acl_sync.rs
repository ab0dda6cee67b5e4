//! Which ACLs a remote topic gets (Java: `MirrorSourceConnector.syncTopicAcls`).
//!
//! Whoever may read a topic may read its remote topic; nobody but the mirror is to write there. ACLs are only ever added: what
//! is revoked on the source stays on the target, as in Java.

use std::collections::BTreeSet;

use crate::policy::ReplicationPolicy;

/// An ACL. Kinds are Kafka's numbers on the wire (KIP-140, KIP-290), so that new ones pass unharmed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Acl {
    /// What kind of thing it is about: [`RESOURCE_TOPIC`] or others.
    pub resource_type: i8,
    /// The thing's name.
    pub resource_name: String,
    /// How the name is meant: [`PATTERN_LITERAL`] or others.
    pub pattern_type: i8,
    /// Who: `User:alice`.
    pub principal: String,
    /// From where.
    pub host: String,
    /// What: [`OPERATION_READ`], [`OPERATION_WRITE`], [`OPERATION_ALL`] or others.
    pub operation: i8,
    /// Whether it allows ([`PERMISSION_ALLOW`]) or denies.
    pub permission: i8,
}

/// Number of topics among resource types.
pub const RESOURCE_TOPIC: i8 = 2;
/// Number of literal names among pattern types.
pub const PATTERN_LITERAL: i8 = 3;
/// Number of ALL among operations.
pub const OPERATION_ALL: i8 = 2;
/// Number of READ among operations.
pub const OPERATION_READ: i8 = 3;
/// Number of WRITE among operations.
pub const OPERATION_WRITE: i8 = 4;
/// Number of ALLOW among permissions.
pub const PERMISSION_ALLOW: i8 = 3;

/// Why an ACL of the source is not copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotCopied {
    /// It is not about a topic.
    NoTopic,
    /// It is about all topics whose names begin alike.
    NoLiteralName,
    /// It allows to write: only the mirror writes remote topics.
    Write,
    /// The topic is not mirrored.
    TopicNotMirrored,
}

/// The ACL of the remote topic that corresponds to one of the source. Allowing everything becomes allowing to read. `mirrored`
/// says whether a topic of the source is mirrored.
pub fn remote_acl(
    acl: &Acl,
    policy: &ReplicationPolicy,
    source_alias: &str,
    mirrored: impl Fn(&str) -> bool,
) -> Result<Acl, NotCopied> {
    let allows = acl.permission == PERMISSION_ALLOW;
    if acl.resource_type != RESOURCE_TOPIC {
        return Err(NotCopied::NoTopic);
    }
    if acl.pattern_type != PATTERN_LITERAL {
        return Err(NotCopied::NoLiteralName);
    }
    if allows && acl.operation == OPERATION_WRITE {
        return Err(NotCopied::Write);
    }
    if !mirrored(&acl.resource_name) {
        return Err(NotCopied::TopicNotMirrored);
    }
    Ok(Acl {
        resource_name: policy.remote_topic(source_alias, &acl.resource_name),
        operation: if allows && acl.operation == OPERATION_ALL { OPERATION_READ } else { acl.operation },
        ..acl.clone()
    })
}

/// The ACLs to create: those of remote topics that the target does not have, each once.
pub fn missing_acls(wanted: impl IntoIterator<Item = Acl>, target: &[Acl]) -> BTreeSet<Acl> {
    let there: BTreeSet<&Acl> = target.iter().collect();
    wanted.into_iter().filter(|acl| !there.contains(acl)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENY: i8 = 2;
    const PREFIXED: i8 = 4;
    const GROUP: i8 = 3;

    fn acl(topic: &str, operation: i8, permission: i8) -> Acl {
        Acl {
            resource_type: RESOURCE_TOPIC,
            resource_name: topic.into(),
            pattern_type: PATTERN_LITERAL,
            principal: "User:alice".into(),
            host: "*".into(),
            operation,
            permission,
        }
    }

    fn remote(acl: &Acl) -> Result<Acl, NotCopied> {
        remote_acl(acl, &ReplicationPolicy::default(), "A", |topic| topic != "secret")
    }

    #[test]
    fn who_may_read_may_read_the_remote_topic() {
        let read = acl("orders", OPERATION_READ, PERMISSION_ALLOW);

        assert_eq!(remote(&read), Ok(acl("A.orders", OPERATION_READ, PERMISSION_ALLOW)));
    }

    #[test]
    fn allowing_everything_becomes_allowing_to_read() {
        let all = acl("orders", OPERATION_ALL, PERMISSION_ALLOW);

        assert_eq!(remote(&all), Ok(acl("A.orders", OPERATION_READ, PERMISSION_ALLOW)));
    }

    #[test]
    fn denials_stay_as_they_are() {
        for operation in [OPERATION_ALL, OPERATION_WRITE, OPERATION_READ] {
            assert_eq!(remote(&acl("orders", operation, DENY)), Ok(acl("A.orders", operation, DENY)));
        }
    }

    #[test]
    fn nobody_gets_to_write_and_other_things_are_not_copied() {
        assert_eq!(remote(&acl("orders", OPERATION_WRITE, PERMISSION_ALLOW)), Err(NotCopied::Write));
        assert_eq!(remote(&acl("secret", OPERATION_READ, PERMISSION_ALLOW)), Err(NotCopied::TopicNotMirrored));
        let group = Acl { resource_type: GROUP, ..acl("orders", OPERATION_READ, PERMISSION_ALLOW) };
        assert_eq!(remote(&group), Err(NotCopied::NoTopic));
        let prefixed = Acl { pattern_type: PREFIXED, ..acl("ord", OPERATION_READ, PERMISSION_ALLOW) };
        assert_eq!(remote(&prefixed), Err(NotCopied::NoLiteralName));
    }

    #[test]
    fn with_the_identity_policy_the_name_stays() {
        let policy = ReplicationPolicy::identity(Some("A"));
        let read = acl("orders", OPERATION_READ, PERMISSION_ALLOW);

        assert_eq!(remote_acl(&read, &policy, "A", |_| true), Ok(read));
    }

    #[test]
    fn only_what_the_target_lacks_is_created_and_only_once() {
        let (read, deny) = (acl("A.t", OPERATION_READ, PERMISSION_ALLOW), acl("A.t", OPERATION_READ, DENY));

        let missing = missing_acls([read.clone(), deny.clone(), deny.clone()], &[read]);

        assert_eq!(missing, BTreeSet::from([deny]));
    }
}
