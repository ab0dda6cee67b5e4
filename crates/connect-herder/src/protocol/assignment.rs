//! What the leader tells a member: what to start and what to stop.

use std::collections::HashMap;

use bytes::Bytes;
use kafka_wire::primitives::{Reader, WriteError, Writer};

use super::{DecodeError, Subprotocol};
use crate::ids::{ConfigOffset, ConnectorName, MemberId, TaskId};

/// Stands for the connector itself among the numbers of its tasks.
const CONNECTOR_TASK: i32 = -1;

/// Connectors and tasks, in an order that has a meaning: revocation takes the first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectorsAndTasks {
    /// Connector instances.
    pub connectors: Vec<ConnectorName>,
    /// Tasks.
    pub tasks: Vec<TaskId>,
}

impl ConnectorsAndTasks {
    /// Whether there is neither a connector nor a task.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.connectors.is_empty() && self.tasks.is_empty()
    }
}

/// The leader's answer to a member (Java: `ExtendedAssignment`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Whether the leader could assign at all.
    pub error: AssignmentError,
    /// The leader.
    pub leader: MemberId,
    /// The leader's REST address, with trailing slash.
    pub leader_url: String,
    /// The config that this was made from. A member whose own offset differs must not act on it.
    pub config_offset: ConfigOffset,
    /// To start: all of its work in version 0, what is new in later ones.
    pub assigned: ConnectorsAndTasks,
    /// To stop, before anything else, and then to join again. Always empty in version 0.
    pub revoked: ConnectorsAndTasks,
    /// Join again after so long; 0 for "no need". Always 0 in version 0.
    pub delay_ms: u32,
}

/// The error of an assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssignmentError {
    /// None.
    None,
    /// The leader knows less of the config than a member: read to the end and join again.
    ConfigMismatch,
    /// One that we do not know. To be treated as the other.
    Other(i16),
}

impl AssignmentError {
    const fn code(self) -> i16 {
        match self {
            Self::None => 0,
            Self::ConfigMismatch => 1,
            Self::Other(code) => code,
        }
    }

    const fn from_code(code: i16) -> Self {
        match code {
            0 => Self::None,
            1 => Self::ConfigMismatch,
            other => Self::Other(other),
        }
    }
}

impl Assignment {
    /// Whether the leader could not assign, so that there is nothing to do but to join again.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.error != AssignmentError::None
    }

    /// The bytes for a protocol.
    ///
    /// # Errors
    /// A name or the address is longer than 32,767 bytes.
    pub fn encode(&self, protocol: Subprotocol) -> Result<Bytes, WriteError> {
        let mut writer = Writer::new();
        writer
            .i16(protocol.version())
            .i16(self.error.code())
            .string(self.leader.as_str())
            .string(&self.leader_url)
            .i64(self.config_offset.0);
        write_work(&mut writer, &self.assigned);
        if protocol != Subprotocol::Eager {
            write_work(&mut writer, &self.revoked);
            writer.i32(i32::try_from(self.delay_ms).unwrap_or(i32::MAX));
        }
        writer.finish().map(Bytes::from)
    }

    /// Reads what the leader sent, or a member as its allocation, whatever the version.
    ///
    /// # Errors
    /// The bytes are no assignment.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        version(&mut reader)?;
        Ok(Self {
            error: AssignmentError::from_code(reader.i16()?),
            leader: reader.string()?.into(),
            leader_url: reader.string()?.to_owned(),
            config_offset: ConfigOffset(reader.i64()?),
            assigned: read_work(&mut reader)?,
            revoked: read_work(&mut reader)?,
            delay_ms: match reader.remaining() {
                0 => 0,
                // Java takes a delay below zero for none.
                _ => u32::try_from(reader.i32()?).unwrap_or(0),
            },
        })
    }
}

/// The version in front of everything. Later ones are read as the latest that we know.
pub(super) fn version(reader: &mut Reader<'_>) -> Result<i16, DecodeError> {
    match reader.i16()? {
        version @ ..0 => Err(DecodeError::Version(version)),
        version => Ok(version),
    }
}

/// One element a connector, with its own -1 first. An array without elements is empty and never null: a Java worker would
/// take a null for a list that it can't add to, and die of it at the next rebalance.
fn write_work(writer: &mut Writer, work: &ConnectorsAndTasks) {
    let mut elements: Vec<(&ConnectorName, Vec<i32>)> = Vec::new();
    let mut positions: HashMap<&ConnectorName, usize> = HashMap::new();
    let connectors = work.connectors.iter().map(|connector| (connector, CONNECTOR_TASK));
    // Numbers above Java's `int` can't come from anywhere: config record and wire have none.
    let tasks = work.tasks.iter().map(|id| (&id.connector, i32::try_from(id.task).unwrap_or(i32::MAX)));
    for (connector, task) in connectors.chain(tasks) {
        let position = *positions.entry(connector).or_insert_with(|| {
            elements.push((connector, Vec::new()));
            elements.len() - 1
        });
        elements[position].1.push(task);
    }
    writer.array(&elements, |writer, (connector, tasks)| {
        writer.string(connector.as_str()).array(tasks, |writer, task| {
            writer.i32(*task);
        });
    });
}

/// Null, and the end of the bytes, are read as empty.
fn read_work(reader: &mut Reader<'_>) -> Result<ConnectorsAndTasks, DecodeError> {
    let mut work = ConnectorsAndTasks::default();
    if reader.remaining() == 0 {
        return Ok(work);
    }
    reader.nullable_array(|reader| {
        let connector = ConnectorName::from(reader.string()?);
        reader.array(|reader| {
            match reader.i32()? {
                CONNECTOR_TASK => work.connectors.push(connector.clone()),
                task => match u32::try_from(task) {
                    Ok(task) => work.tasks.push(TaskId::new(connector.clone(), task)),
                    Err(_) => return Err(DecodeError::Task { connector: connector.to_string(), task }),
                },
            }
            Ok(())
        })
    })?;
    Ok(work)
}
