//! Names and numbers with their own types, so that one cannot be passed for another.

use std::fmt;
use std::sync::Arc;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

text_id!(
    /// A connector's name.
    ConnectorName
);
text_id!(
    /// A member id of the group, as the coordinator gave it.
    MemberId
);
text_id!(
    /// A worker as statuses name it: `host:port` of its advertised REST address.
    WorkerId
);

/// A task: the connector it belongs to, and its number. Printed as `connector-0`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId {
    /// The connector.
    pub connector: ConnectorName,
    /// The number, from 0.
    pub task: u32,
}

impl TaskId {
    /// A task of a connector.
    pub fn new(connector: impl Into<ConnectorName>, task: u32) -> Self {
        Self { connector: connector.into(), task }
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.connector, self.task)
    }
}

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number_id!(
    /// A generation of the group.
    Generation(i32)
);
number_id!(
    /// How far the config topic has been read: the offset of the last *data* record plus one, -1 for an empty log.
    ///
    /// Never the log end offset: transaction markers are not counted, and workers compare it with `==`.
    ConfigOffset(i64)
);
number_id!(
    /// A request that waits for an answer of the herder.
    RequestId(u64)
);
number_id!(
    /// An action whose outcome comes back as an event.
    OpId(u64)
);
number_id!(
    /// A moment on a monotonic clock, in milliseconds. The kernel never asks for the time: it is told.
    Now(u64)
);

impl ConfigOffset {
    /// Nothing has been read.
    pub const EMPTY: Self = Self(-1);
}

impl Generation {
    /// Not in a group.
    pub const NONE: Self = Self(-1);
}
