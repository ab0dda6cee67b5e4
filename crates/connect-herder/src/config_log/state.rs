//! The state of the cluster as the config topic tells it (Java: `KafkaConfigBackingStore`, `ClusterConfigState`).
//!
//! [`ClusterConfigState::apply`] takes the records in order, one by one. Task configs count only from their commit on: until
//! then they are *deferred*, so that nobody ever runs half of a new set.
//!
//! The topic is compacted, so a reader may find a commit whose task configs are gone (a later write of them never got its
//! own commit). Such a connector is *inconsistent*: it has no tasks until its owner publishes them again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use connect_api::ConfigMap;

use super::record::{BadRecord, ConfigRecord, SessionKey, TargetState};
use crate::ids::{ConfigOffset, ConnectorName, TaskId};
use crate::restart::RestartRequest;

/// What the config topic says, up to an offset. A clone is a snapshot: it costs a few reference counts and never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterConfigState {
    offset: ConfigOffset,
    session_key: Option<Arc<SessionKey>>,
    connectors: Arc<BTreeMap<ConnectorName, Arc<Entry>>>,
}

/// All that is known of one name. Outlives the connector: some of it counts again when the name is used again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Entry {
    config: Option<Arc<ConfigMap>>,
    /// The config that the committed tasks were made from.
    applied_config: Option<Arc<ConfigMap>>,
    target_state: Option<TargetState>,
    task_count: Option<u32>,
    task_configs: BTreeMap<u32, Arc<ConfigMap>>,
    /// Task configs that wait for their commit. Java counts a generation for a commit without tasks only if there have
    /// ever been any, hence the `Option`.
    deferred: Option<BTreeMap<u32, Arc<ConfigMap>>>,
    /// A commit that came while there was no connector config.
    orphaned_commit: Option<u32>,
    inconsistent: bool,
    task_config_generation: Option<u32>,
    task_count_record: Option<u32>,
    pending_fencing: bool,
}

/// What a record has changed. While the topic is read for the first time, nobody needs to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigChange {
    /// A connector has a config.
    ConnectorUpdated {
        /// The connector.
        connector: ConnectorName,
        /// It had none before.
        created: bool,
    },
    /// A connector has none any more; or never had, and now has no trace.
    ConnectorRemoved(ConnectorName),
    /// A set of task configs has been committed.
    TasksUpdated {
        /// The connector.
        connector: ConnectorName,
        /// Its tasks with a config of this set; none if there are none, or the connector is inconsistent.
        tasks: Vec<TaskId>,
        /// Those of them that this set changes nothing for: the set before had the same config for them, made from the same
        /// connector config.
        unchanged: BTreeSet<u32>,
    },
    /// An existing connector should do something else than before.
    TargetStateChanged(ConnectorName),
    /// Workers sign their requests with another key.
    SessionKeyUpdated,
    /// Whoever runs a part of this restarts it. Old ones, read at the start, are to be ignored.
    RestartRequested(RestartRequest),
    /// A log level for every worker. Old ones, read at the start, are to be ignored.
    LoggerLevel {
        /// The logger's name.
        logger: String,
        /// The level, as the user typed it.
        level: String,
    },
    /// The record says nothing.
    Ignored {
        /// Its key.
        key: String,
        /// Why; for the log.
        reason: BadRecord,
    },
}

impl Default for ClusterConfigState {
    fn default() -> Self {
        Self { offset: ConfigOffset::EMPTY, session_key: None, connectors: Arc::default() }
    }
}

impl ClusterConfigState {
    /// The state before the first record.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the record at `offset`. Records have to come in order; holes between them are fine. Answers with what has
    /// changed, at most one thing.
    pub fn apply(&mut self, offset: i64, key: &str, value: Option<&[u8]>) -> Vec<ConfigChange> {
        let record = ConfigRecord::decode(key, value);
        // Workers agree on the config when their offsets are equal, so what counts has to count everywhere: also records
        // that say nothing, but not those that Java fails to convert.
        if !matches!(record, Err(BadRecord::NotJson(_))) {
            self.offset = ConfigOffset(offset.saturating_add(1));
        }
        let change = match record {
            Ok(record) => self.apply_record(record),
            Err(reason) => Some(ConfigChange::Ignored { key: key.to_owned(), reason }),
        };
        change.into_iter().collect()
    }

    fn apply_record(&mut self, record: ConfigRecord) -> Option<ConfigChange> {
        match record {
            ConfigRecord::TargetState { connector, state } => {
                let changed = self.entry(&connector).set_target_state(state);
                changed.then_some(ConfigChange::TargetStateChanged(connector))
            }
            ConfigRecord::Connector { connector, config: Some(config) } => {
                let created = self.entry(&connector).set_config(config);
                Some(ConfigChange::ConnectorUpdated { connector, created })
            }
            ConfigRecord::Connector { connector, config: None } => {
                self.entry(&connector).remove_config();
                Some(ConfigChange::ConnectorRemoved(connector))
            }
            ConfigRecord::Task { task, config } => {
                self.entry(&task.connector).deferred.get_or_insert_default().insert(task.task, config);
                None
            }
            ConfigRecord::Commit { connector, tasks } => {
                let (updated, unchanged) = self.entry(&connector).commit(tasks)?;
                let tasks = updated.into_iter().map(|task| TaskId::new(connector.clone(), task)).collect();
                Some(ConfigChange::TasksUpdated { connector, tasks, unchanged })
            }
            ConfigRecord::TaskCount { connector, tasks } => {
                let entry = self.entry(&connector);
                entry.task_count_record = Some(tasks);
                entry.pending_fencing = false;
                None
            }
            ConfigRecord::SessionKey(key) => {
                self.session_key = Some(Arc::new(key));
                Some(ConfigChange::SessionKeyUpdated)
            }
            ConfigRecord::Restart(request) => Some(ConfigChange::RestartRequested(request)),
            ConfigRecord::LoggerLevel { logger, level } => Some(ConfigChange::LoggerLevel { logger, level }),
        }
    }

    /// The entry of a name, to be changed; copied first if a snapshot shares it.
    fn entry(&mut self, connector: &ConnectorName) -> &mut Entry {
        let entries = Arc::make_mut(&mut self.connectors);
        Arc::make_mut(entries.entry(connector.clone()).or_default())
    }

    fn get(&self, connector: &ConnectorName) -> Option<&Entry> {
        self.connectors.get(connector).map(AsRef::as_ref)
    }

    /// How far the topic has been read.
    #[must_use]
    pub fn offset(&self) -> ConfigOffset {
        self.offset
    }

    /// The key that workers sign their requests with, if there is one yet.
    #[must_use]
    pub fn session_key(&self) -> Option<&Arc<SessionKey>> {
        self.session_key.as_ref()
    }

    /// Whether there is such a connector.
    #[must_use]
    pub fn contains(&self, connector: &ConnectorName) -> bool {
        self.connector_config(connector).is_some()
    }

    /// The connectors, by name.
    pub fn connectors(&self) -> impl Iterator<Item = &ConnectorName> {
        self.connectors.iter().filter(|(_, entry)| entry.config.is_some()).map(|(name, _)| name)
    }

    /// A connector's config, references unresolved.
    #[must_use]
    pub fn connector_config(&self, connector: &ConnectorName) -> Option<&Arc<ConfigMap>> {
        self.get(connector)?.config.as_ref()
    }

    /// The config that the connector's present task configs were made from; `None` if there are none, or nobody knows.
    #[must_use]
    pub fn applied_connector_config(&self, connector: &ConnectorName) -> Option<&Arc<ConfigMap>> {
        self.get(connector)?.applied_config.as_ref()
    }

    /// What the connector should be doing. Every connector has a target state; `None` for a name without.
    #[must_use]
    pub fn target_state(&self, connector: &ConnectorName) -> Option<TargetState> {
        self.get(connector)?.target_state
    }

    /// The tasks that are to run, by number: none for an inconsistent connector.
    pub fn tasks(&self, connector: &ConnectorName) -> impl Iterator<Item = TaskId> + use<> {
        let entry = self.get(connector).filter(|entry| !entry.inconsistent);
        let connector = connector.clone();
        (0..entry.and_then(|entry| entry.task_count).unwrap_or(0)).map(move |task| TaskId::new(connector.clone(), task))
    }

    /// A task's config as last committed, references unresolved. There may be one for a task that is no more.
    #[must_use]
    pub fn task_config(&self, task: &TaskId) -> Option<&Arc<ConfigMap>> {
        self.get(&task.connector)?.task_configs.get(&task.task)
    }

    /// The number of tasks of the last commit, also of an inconsistent connector.
    #[must_use]
    pub fn task_count(&self, connector: &ConnectorName) -> u32 {
        self.get(connector).and_then(|entry| entry.task_count).unwrap_or(0)
    }

    /// How many producers of earlier tasks there may be to fence (KIP-618).
    #[must_use]
    pub fn task_count_record(&self, connector: &ConnectorName) -> Option<u32> {
        self.get(connector)?.task_count_record
    }

    /// Counts the sets of task configs that *this process* has seen committed, from 0. Not to be compared with others'.
    #[must_use]
    pub fn task_config_generation(&self, connector: &ConnectorName) -> Option<u32> {
        self.get(connector)?.task_config_generation
    }

    /// Whether producers of earlier tasks have to be fenced before exactly-once tasks of this connector start.
    #[must_use]
    pub fn is_pending_fencing(&self, connector: &ConnectorName) -> bool {
        self.get(connector).is_some_and(|entry| entry.pending_fencing)
    }

    /// The names for which [`is_pending_fencing`](Self::is_pending_fencing) holds, among them some of former connectors.
    pub fn connectors_pending_fencing(&self) -> impl Iterator<Item = &ConnectorName> {
        self.connectors.iter().filter(|(_, entry)| entry.pending_fencing).map(|(name, _)| name)
    }

    /// Whether the connector's task configs are incomplete, so that it has no tasks until they are published again.
    #[must_use]
    pub fn is_inconsistent(&self, connector: &ConnectorName) -> bool {
        self.get(connector).is_some_and(|entry| entry.config.is_some() && entry.inconsistent)
    }

    /// The connectors whose task configs are incomplete.
    pub fn inconsistent_connectors(&self) -> impl Iterator<Item = &ConnectorName> {
        self.connectors().filter(|name| self.is_inconsistent(name))
    }

    /// Whether these task configs, as the connector has just made them, have to be published: they differ from the
    /// committed ones, those are incomplete, or they were made from another connector config (tasks see that one too).
    #[must_use]
    pub fn task_configs_changed(&self, connector: &ConnectorName, configs: &[ConfigMap]) -> bool {
        let Some(entry) = self.get(connector) else {
            return true;
        };
        let committed = (0..entry.task_count.unwrap_or(0)).map(|task| entry.task_configs.get(&task).map(AsRef::as_ref));
        entry.inconsistent || entry.applied_config != entry.config || !committed.eq(configs.iter().map(Some))
    }
}

impl Entry {
    /// Answers whether someone has to be told: not about a connector that is yet to come, nor about one that goes.
    fn set_target_state(&mut self, state: Option<TargetState>) -> bool {
        // A connector always has a target state.
        let default = self.config.is_some().then_some(TargetState::Started);
        let before = std::mem::replace(&mut self.target_state, state.or(default));
        self.config.is_some() && state.is_some() && before != state
    }

    /// Answers whether the connector is new.
    fn set_config(&mut self, config: Arc<ConfigMap>) -> bool {
        let created = self.config.replace(config).is_none();
        self.target_state.get_or_insert(TargetState::Started);
        if let Some(tasks) = self.orphaned_commit.take() {
            // The config that these tasks were made from has been compacted away. Either the connector has been changed
            // since, and they are still its tasks, or it has been deleted and made anew, and they are not: nobody can
            // tell. So they do not run, and the owner publishes them again.
            self.task_count = Some(tasks);
            self.inconsistent = tasks > 0;
        }
        created
    }

    fn remove_config(&mut self) {
        self.config = None;
        self.applied_config = None;
        self.task_count = None;
        self.task_configs.clear();
        self.deferred = None;
        self.orphaned_commit = None;
        self.inconsistent = false;
    }

    /// Answers with the tasks of the set and with those that it changes nothing for, or `None` if there is no connector to
    /// have them.
    fn commit(&mut self, tasks: u32) -> Option<(Vec<u32>, BTreeSet<u32>)> {
        // New tasks must not start before the producers of the old ones have been fenced.
        self.pending_fencing = true;
        if self.config.is_none() {
            self.remove_config();
            self.orphaned_commit = Some(tasks);
            return None;
        }
        let had_tasks = self.deferred.is_some();
        // Whatever becomes of them, the next commit needs a whole new set.
        let deferred = self.deferred.as_mut().map(std::mem::take).unwrap_or_default();
        let before = self.comparable_tasks();
        self.task_count = Some(tasks);
        // More than that many is fine: there were more tasks once, and their last configs are still in the topic.
        self.inconsistent = !(0..tasks).all(|task| deferred.contains_key(&task));
        if self.inconsistent {
            return Some((Vec::new(), BTreeSet::new()));
        }
        let updated = deferred.keys().copied().collect();
        let same = |task: &u32| *task < before && self.task_configs.get(task) == deferred.get(task);
        let unchanged = (0..tasks).filter(same).collect();
        self.task_configs.extend(deferred);
        if had_tasks {
            self.task_config_generation = Some(self.task_config_generation.map_or(0, |generation| generation + 1));
        }
        self.applied_config = self.config.clone();
        Some((updated, unchanged))
    }

    /// The number of tasks that a new set may leave as they are: tasks see the connector's config, too.
    fn comparable_tasks(&self) -> u32 {
        let intact = !self.inconsistent && self.applied_config == self.config;
        self.task_count.filter(|_| intact).unwrap_or(0)
    }
}

#[cfg(test)]
mod compaction;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;
