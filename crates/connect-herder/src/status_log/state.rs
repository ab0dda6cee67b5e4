//! The statuses of the cluster as the status topic tells them (Java: `KafkaStatusBackingStore`).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::record::{BadStatus, State, Status, StatusRecord, TopicStatus};
use crate::ids::ConnectorName;

/// What the status topic says. A clone is a snapshot: it costs a reference count and never changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatusState {
    connectors: Arc<BTreeMap<ConnectorName, Arc<Entry>>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Entry {
    connector: Option<Status>,
    tasks: BTreeMap<u32, Status>,
    topics: BTreeMap<String, TopicStatus>,
}

impl Entry {
    const EMPTY: &'static Self = &Self { connector: None, tasks: BTreeMap::new(), topics: BTreeMap::new() };
}

impl StatusState {
    /// Nothing is known.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next record. Records of one key have to come in order, as one partition has them.
    ///
    /// # Errors
    /// The record says nothing and was skipped; for the log.
    pub fn apply(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), BadStatus> {
        match StatusRecord::decode(key, value)? {
            StatusRecord::Connector { connector, status: Some(status) } => {
                self.entry(&connector).connector = Some(status);
            }
            StatusRecord::Connector { connector, status: None } => {
                // A deleted connector takes its tasks along; their own tombstones may come later.
                self.change(&connector, |entry| {
                    entry.connector = None;
                    entry.tasks.clear();
                });
            }
            StatusRecord::Task { task, status: Some(status) } => {
                let tasks = &mut self.entry(&task.connector).tasks;
                if !tasks.get(&task.task).is_some_and(|known| is_stale(&status, known)) {
                    tasks.insert(task.task, status);
                }
            }
            StatusRecord::Task { task, status: None } => {
                self.change(&task.connector, |entry| {
                    entry.tasks.remove(&task.task);
                });
            }
            StatusRecord::Topic { connector, topic, status: Some(status) } => {
                self.entry(&connector).topics.insert(topic, status);
            }
            StatusRecord::Topic { connector, topic, status: None } => {
                self.change(&connector, |entry| {
                    entry.topics.remove(&topic);
                });
            }
        }
        Ok(())
    }

    /// The entry of a name, to be changed; copied first if a snapshot shares it.
    fn entry(&mut self, connector: &ConnectorName) -> &mut Entry {
        let entries = Arc::make_mut(&mut self.connectors);
        Arc::make_mut(entries.entry(connector.clone()).or_default())
    }

    /// Takes something away; an entry with nothing left goes too.
    fn change(&mut self, connector: &ConnectorName, change: impl FnOnce(&mut Entry)) {
        if !self.connectors.contains_key(connector) {
            return;
        }
        let entry = self.entry(connector);
        change(entry);
        if entry == Entry::EMPTY {
            Arc::make_mut(&mut self.connectors).remove(connector);
        }
    }

    fn get(&self, connector: &ConnectorName) -> &Entry {
        self.connectors.get(connector).map_or(Entry::EMPTY, AsRef::as_ref)
    }

    /// The status of a connector instance.
    #[must_use]
    pub fn connector(&self, connector: &ConnectorName) -> Option<&Status> {
        self.get(connector).connector.as_ref()
    }

    /// The statuses of a connector's tasks, by number.
    #[must_use]
    pub fn tasks(&self, connector: &ConnectorName) -> &BTreeMap<u32, Status> {
        &self.get(connector).tasks
    }

    /// The topics that a connector uses, by name.
    #[must_use]
    pub fn topics(&self, connector: &ConnectorName) -> &BTreeMap<String, TopicStatus> {
        &self.get(connector).topics
    }

    /// The connectors with a status, their own or a task's, by name.
    pub fn connectors(&self) -> impl Iterator<Item = &ConnectorName> {
        let with_status = |entry: &Entry| entry.connector.is_some() || !entry.tasks.is_empty();
        self.connectors.iter().filter(move |(_, entry)| with_status(entry)).map(|(name, _)| name)
    }
}

/// Whether a task's new status is the last word of a worker that does not know yet that another has taken over.
///
/// When rebalances follow each other closely, the old owner may say UNASSIGNED after the new one said RUNNING
/// (KAFKA-12525). Java ignores the UNASSIGNED of the running worker itself as well, and shows RUNNING on it after it has
/// gone; we believe that worker, since its own records come in order.
fn is_stale(new: &Status, known: &Status) -> bool {
    new.state == State::Unassigned
        && known.state == State::Running
        && known.generation >= new.generation
        && known.worker_id != new.worker_id
}

/// Whether a status may be written where it must not hide the word of a newer owner (Java: `putSafe`).
///
/// For UNASSIGNED and FAILED, which a worker also says of what it has lost. Fine if nothing is known, or what is known
/// comes from the same worker, or from no later generation.
#[must_use]
pub fn can_write_safely(known: Option<&Status>, new: &Status) -> bool {
    known.is_none_or(|known| known.worker_id == new.worker_id || known.generation <= new.generation)
}

#[cfg(test)]
mod tests;
