//! Kafka's small enumerations: the number on the wire, the name people write.

use std::fmt;
use std::str::FromStr;

macro_rules! kinds {
    ($( $(#[$doc:meta])* $kind:ident { $( $variant:ident = $code:literal $name:literal, )* } )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs)] // the names are Kafka's
        pub enum $kind {
            $( $variant, )*
            /// A number newer than this client.
            Unknown(i8),
        }

        impl $kind {
            /// The number on the wire.
            pub fn code(self) -> i8 {
                match self {
                    $( $kind::$variant => $code, )*
                    $kind::Unknown(code) => code,
                }
            }

            /// The value with this number.
            pub fn from_code(code: i8) -> $kind {
                match code {
                    $( $code => $kind::$variant, )*
                    code => $kind::Unknown(code),
                }
            }
        }

        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $( $kind::$variant => $name, )*
                    $kind::Unknown(_) => "UNKNOWN",
                })
            }
        }

        impl FromStr for $kind {
            type Err = ();

            fn from_str(name: &str) -> Result<$kind, ()> {
                $( if name.eq_ignore_ascii_case($name) { return Ok($kind::$variant); } )*
                Err(())
            }
        }
    )*};
}

kinds! {
    /// What an ACL or a configuration is about.
    ResourceType {
        Any = 1 "ANY",
        Topic = 2 "TOPIC",
        Group = 3 "GROUP",
        Cluster = 4 "CLUSTER",
        TransactionalId = 5 "TRANSACTIONAL_ID",
        DelegationToken = 6 "DELEGATION_TOKEN",
        User = 7 "USER",
    }
    /// How the name of an ACL's resource is meant (KIP-290).
    PatternType {
        Any = 1 "ANY",
        Match = 2 "MATCH",
        Literal = 3 "LITERAL",
        Prefixed = 4 "PREFIXED",
    }
    /// What an ACL allows or denies.
    AclOperation {
        Any = 1 "ANY",
        All = 2 "ALL",
        Read = 3 "READ",
        Write = 4 "WRITE",
        Create = 5 "CREATE",
        Delete = 6 "DELETE",
        Alter = 7 "ALTER",
        Describe = 8 "DESCRIBE",
        ClusterAction = 9 "CLUSTER_ACTION",
        DescribeConfigs = 10 "DESCRIBE_CONFIGS",
        AlterConfigs = 11 "ALTER_CONFIGS",
        IdempotentWrite = 12 "IDEMPOTENT_WRITE",
        CreateTokens = 13 "CREATE_TOKENS",
        DescribeTokens = 14 "DESCRIBE_TOKENS",
        TwoPhaseCommit = 15 "TWO_PHASE_COMMIT",
    }
    /// Whether an ACL allows or denies.
    AclPermission {
        Any = 1 "ANY",
        Deny = 2 "DENY",
        Allow = 3 "ALLOW",
    }
    /// Where the value of a configuration comes from.
    ConfigSource {
        DynamicTopic = 1 "DYNAMIC_TOPIC_CONFIG",
        DynamicBroker = 2 "DYNAMIC_BROKER_CONFIG",
        DynamicDefaultBroker = 3 "DYNAMIC_DEFAULT_BROKER_CONFIG",
        StaticBroker = 4 "STATIC_BROKER_CONFIG",
        Default = 5 "DEFAULT_CONFIG",
        DynamicBrokerLogger = 6 "DYNAMIC_BROKER_LOGGER_CONFIG",
        ClientMetrics = 7 "DYNAMIC_CLIENT_METRICS_CONFIG",
        Group = 8 "DYNAMIC_GROUP_CONFIG",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_survives_and_names_are_read_back() {
        for code in i8::MIN..=i8::MAX {
            assert_eq!(AclOperation::from_code(code).code(), code);
            assert_eq!(ConfigSource::from_code(code).code(), code);
        }
        assert_eq!("transactional_id".parse(), Ok(ResourceType::TransactionalId));
        assert_eq!(PatternType::Prefixed.to_string().parse(), Ok(PatternType::Prefixed));
        assert_eq!("UNKNOWN".parse::<AclPermission>(), Err(()));
    }
}
