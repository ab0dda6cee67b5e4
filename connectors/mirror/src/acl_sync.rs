//! Which ACLs remote topics get (Java: `MirrorSourceConnector.syncTopicAcls`).
//!
//! Whoever may read a topic may read its remote topic; nobody but the mirror is to write there. What MirrorMaker leaves out
//! or mangles is copied with its meaning: rules for names that begin alike, and for all topics (`*`). ACLs are only added,
//! unless the config asks for removal; what the target has beyond the source is [`AclChanges::stale`] and shows in reports.

use std::collections::BTreeSet;
use std::fmt;

use crate::java_regex::JavaRegexError;
use crate::policy::ReplicationPolicy;
use crate::principal_rules::PrincipalRules;

/// An ACL. Kinds are Kafka's numbers on the wire (KIP-140, KIP-290), so that new ones pass unharmed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Acl {
    /// What kind of thing it is about: [`RESOURCE_TOPIC`] or others.
    pub resource_type: i8,
    /// The thing's name.
    pub resource_name: String,
    /// How the name is meant: [`PATTERN_LITERAL`], [`PATTERN_PREFIXED`] or others.
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
/// Number of literal names among pattern types. The name `*` means every topic.
pub const PATTERN_LITERAL: i8 = 3;
/// Number of beginnings of names among pattern types.
pub const PATTERN_PREFIXED: i8 = 4;
/// Number of ALL among operations.
pub const OPERATION_ALL: i8 = 2;
/// Number of READ among operations.
pub const OPERATION_READ: i8 = 3;
/// Number of WRITE among operations.
pub const OPERATION_WRITE: i8 = 4;
/// Number of ALLOW among permissions.
pub const PERMISSION_ALLOW: i8 = 3;

const EVERY_TOPIC: &str = "*";

/// Why an ACL of the source is not copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotCopied {
    /// It is not about a topic.
    NoTopic,
    /// Its name is meant in a way that this program does not know.
    UnknownPattern,
    /// It allows to write: only the mirror writes remote topics.
    Write,
    /// No topic that it is about is mirrored.
    TopicNotMirrored,
    /// The rules for principals have none for its principal.
    PrincipalNotMapped,
}

/// What the ACLs of remote topics depend on.
#[derive(Debug)]
pub struct AclFlow<'a> {
    /// How topics are named on the target.
    pub policy: &'a ReplicationPolicy,
    /// The alias of the source.
    pub source_alias: &'a str,
    /// The topics of the source that are mirrored.
    pub mirrored: &'a BTreeSet<String>,
    /// Who a principal of the source is on the target.
    pub principals: &'a PrincipalRules,
}

impl AclFlow<'_> {
    /// The ACLs of remote topics that correspond to one of the source, mostly one. Allowing everything becomes allowing to
    /// read. The inner error says why there is none; the outer is a rule that takes too long on the principal.
    ///
    /// A rule for all topics becomes one for all remote topics of the source. With the identity policy these have no name in
    /// common, so that it becomes one rule for each: others on the target are none of the source's business.
    pub fn remote_acls(&self, acl: &Acl) -> Result<Result<Vec<Acl>, NotCopied>, JavaRegexError> {
        let allows = acl.permission == PERMISSION_ALLOW;
        if acl.resource_type != RESOURCE_TOPIC {
            return Ok(Err(NotCopied::NoTopic));
        }
        if allows && acl.operation == OPERATION_WRITE {
            return Ok(Err(NotCopied::Write));
        }
        let names = match self.remote_names(acl) {
            Ok(names) => names,
            Err(why) => return Ok(Err(why)),
        };
        let Some(principal) = self.principals.apply(&acl.principal)? else {
            return Ok(Err(NotCopied::PrincipalNotMapped));
        };
        let operation = if allows && acl.operation == OPERATION_ALL { OPERATION_READ } else { acl.operation };
        let remote = |(pattern_type, resource_name)| Acl {
            resource_name,
            pattern_type,
            principal: principal.clone(),
            operation,
            ..acl.clone()
        };
        Ok(Ok(names.into_iter().map(remote).collect()))
    }

    fn remote_names(&self, acl: &Acl) -> Result<Vec<(i8, String)>, NotCopied> {
        let remote = |topic: &str| self.policy.remote_topic(self.source_alias, topic);
        let name = acl.resource_name.as_str();
        match acl.pattern_type {
            PATTERN_LITERAL if name == EVERY_TOPIC && self.policy.is_identity() => {
                Ok(self.mirrored.iter().map(|topic| (PATTERN_LITERAL, remote(topic))).collect())
            }
            // The beginning of all remote names. An empty one (no alias, no separator) would be no pattern.
            PATTERN_LITERAL if name == EVERY_TOPIC => Ok(match remote("") {
                prefix if prefix.is_empty() => vec![(PATTERN_LITERAL, EVERY_TOPIC.to_owned())],
                prefix => vec![(PATTERN_PREFIXED, prefix)],
            }),
            PATTERN_LITERAL if self.mirrored.contains(name) => Ok(vec![(PATTERN_LITERAL, remote(name))]),
            PATTERN_PREFIXED if self.mirrored.iter().any(|topic| topic.starts_with(name)) => {
                Ok(vec![(PATTERN_PREFIXED, remote(name))])
            }
            PATTERN_LITERAL | PATTERN_PREFIXED => Err(NotCopied::TopicNotMirrored),
            _ => Err(NotCopied::UnknownPattern),
        }
    }
}

/// What to do about the ACLs of remote topics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AclChanges {
    /// Those that the target lacks.
    pub missing: BTreeSet<Acl>,
    /// Those that were copied, or would have been, and have gone from the source since.
    pub stale: BTreeSet<Acl>,
}

/// Compares what the source wants now, and what has been copied of what it `ever_wanted`, with what the target has.
#[must_use]
pub fn acl_changes(wanted: &BTreeSet<Acl>, ever_wanted: &BTreeSet<Acl>, target: &BTreeSet<Acl>) -> AclChanges {
    AclChanges {
        missing: wanted.difference(target).cloned().collect(),
        stale: ever_wanted.difference(wanted).filter(|acl| target.contains(acl)).cloned().collect(),
    }
}

impl fmt::Display for Acl {
    /// `User:alice may READ topic A.orders`, in Kafka's words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let allows = if self.permission == PERMISSION_ALLOW { "may" } else { "may not" };
        let topic = if self.pattern_type == PATTERN_PREFIXED { "topics that begin with" } else { "topic" };
        write!(f, "{} {allows} {} {topic} {}", self.principal, operation_name(self.operation), self.resource_name)
    }
}

fn operation_name(operation: i8) -> &'static str {
    const NAMES: [&str; 16] = [
        "UNKNOWN",
        "ANY",
        "ALL",
        "READ",
        "WRITE",
        "CREATE",
        "DELETE",
        "ALTER",
        "DESCRIBE",
        "CLUSTER_ACTION",
        "DESCRIBE_CONFIGS",
        "ALTER_CONFIGS",
        "IDEMPOTENT_WRITE",
        "CREATE_TOKENS",
        "DESCRIBE_TOKENS",
        "TWO_PHASE_COMMIT",
    ];
    usize::try_from(operation).ok().and_then(|index| NAMES.get(index)).copied().unwrap_or(NAMES[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENY: i8 = 2;
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

    fn prefixed(prefix: &str, operation: i8, permission: i8) -> Acl {
        Acl { pattern_type: PATTERN_PREFIXED, ..acl(prefix, operation, permission) }
    }

    fn under(policy: &ReplicationPolicy, rules: &str, acl: &Acl) -> Result<Vec<Acl>, NotCopied> {
        let mirrored = BTreeSet::from(["orders".to_owned(), "payments".to_owned()]);
        let principals = rules.parse().unwrap();
        let flow = AclFlow { policy, source_alias: "A", mirrored: &mirrored, principals: &principals };
        flow.remote_acls(acl).unwrap()
    }

    fn remote(acl: &Acl) -> Result<Vec<Acl>, NotCopied> {
        under(&ReplicationPolicy::default(), "DEFAULT", acl)
    }

    #[test]
    fn who_may_read_may_read_the_remote_topic() {
        let read = acl("orders", OPERATION_READ, PERMISSION_ALLOW);

        assert_eq!(remote(&read), Ok(vec![acl("A.orders", OPERATION_READ, PERMISSION_ALLOW)]));
    }

    #[test]
    fn allowing_everything_becomes_allowing_to_read() {
        let all = acl("orders", OPERATION_ALL, PERMISSION_ALLOW);

        assert_eq!(remote(&all), Ok(vec![acl("A.orders", OPERATION_READ, PERMISSION_ALLOW)]));
    }

    #[test]
    fn denials_stay_as_they_are() {
        for operation in [OPERATION_ALL, OPERATION_WRITE, OPERATION_READ] {
            assert_eq!(remote(&acl("orders", operation, DENY)), Ok(vec![acl("A.orders", operation, DENY)]));
            assert_eq!(remote(&prefixed("ord", operation, DENY)), Ok(vec![prefixed("A.ord", operation, DENY)]));
        }
    }

    #[test]
    fn nobody_gets_to_write_and_other_things_are_not_copied() {
        assert_eq!(remote(&acl("orders", OPERATION_WRITE, PERMISSION_ALLOW)), Err(NotCopied::Write));
        assert_eq!(remote(&prefixed("ord", OPERATION_WRITE, PERMISSION_ALLOW)), Err(NotCopied::Write));
        assert_eq!(remote(&acl("secret", OPERATION_READ, PERMISSION_ALLOW)), Err(NotCopied::TopicNotMirrored));
        assert_eq!(remote(&prefixed("sec", OPERATION_READ, PERMISSION_ALLOW)), Err(NotCopied::TopicNotMirrored));
        let group = Acl { resource_type: GROUP, ..acl("orders", OPERATION_READ, PERMISSION_ALLOW) };
        assert_eq!(remote(&group), Err(NotCopied::NoTopic));
    }

    #[test]
    fn a_rule_for_beginnings_of_names_and_one_for_all_topics_keep_their_meaning() {
        let every = acl("*", OPERATION_ALL, PERMISSION_ALLOW);

        assert_eq!(
            remote(&prefixed("pay", OPERATION_READ, PERMISSION_ALLOW)),
            Ok(vec![prefixed("A.pay", OPERATION_READ, PERMISSION_ALLOW)])
        );
        assert_eq!(remote(&every), Ok(vec![prefixed("A.", OPERATION_READ, PERMISSION_ALLOW)]));
    }

    #[test]
    fn with_the_identity_policy_names_stay_and_all_topics_are_all_that_are_mirrored() {
        let policy = ReplicationPolicy::identity(Some("A"));
        let read = acl("orders", OPERATION_READ, PERMISSION_ALLOW);

        assert_eq!(under(&policy, "DEFAULT", &read), Ok(vec![read]));
        assert_eq!(
            under(&policy, "DEFAULT", &acl("*", OPERATION_ALL, DENY)),
            Ok(vec![acl("orders", OPERATION_ALL, DENY), acl("payments", OPERATION_ALL, DENY)])
        );
    }

    #[test]
    fn principals_are_mapped_and_those_without_a_rule_get_nothing() {
        let read = acl("orders", OPERATION_READ, PERMISSION_ALLOW);
        let policy = ReplicationPolicy::default();

        let mapped = under(&policy, "RULE:User:(.*)/User:$1@dr/", &read).unwrap();

        assert_eq!(mapped[0].principal, "User:alice@dr");
        assert_eq!(under(&policy, "RULE:User:bob/User:bert/", &read), Err(NotCopied::PrincipalNotMapped));
    }

    #[test]
    fn only_what_the_target_lacks_is_missing_and_only_what_was_wanted_is_stale() {
        let on = |topic: &str| acl(topic, OPERATION_READ, PERMISSION_ALLOW);
        let (kept, new, revoked, foreign) = (on("A.t"), on("A.new"), on("A.gone"), on("A.by-hand"));

        let changes = acl_changes(
            &[kept.clone(), new.clone()].into(),
            &[kept.clone(), revoked.clone(), on("A.never-copied")].into(),
            &[kept, revoked.clone(), foreign].into(),
        );

        assert_eq!(changes, AclChanges { missing: [new].into(), stale: [revoked].into() });
    }

    #[test]
    fn an_acl_is_a_sentence() {
        assert_eq!(
            prefixed("A.", OPERATION_READ, DENY).to_string(),
            "User:alice may not READ topics that begin with A."
        );
    }
}
