//! All that the broker knows, behind one lock that nobody holds while waiting.

use std::collections::{BTreeMap, HashMap};

use kafka_protocol::ResponseError as E;
use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::Options;
use crate::groups::Group;
use crate::log::{Log, Rules};
use crate::transactions::Transactions;

/// Kafka's `partitions` and `offsets` are ints; a topic of more than this is a mistake here.
pub(crate) const PARTITIONS_MAX: i32 = 10_000;

#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) id: Uuid,
    /// What was set; the rest is default.
    pub(crate) configs: BTreeMap<String, String>,
    pub(crate) partitions: Vec<Log>,
}

impl Topic {
    pub(crate) fn config(&self, name: &str) -> &str {
        self.configs.get(name).map_or_else(|| crate::configs::default(name), String::as_str)
    }

    pub(crate) fn rules(&self) -> Rules {
        Rules {
            batch_bytes_max: self.config("max.message.bytes").parse().unwrap_or(usize::MAX),
            compacted: self.config("cleanup.policy").split(',').any(|policy| policy.trim() == "compact"),
            append_time: self.config("message.timestamp.type") == "LogAppendTime",
        }
    }
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) topics: BTreeMap<String, Topic>,
    pub(crate) groups: HashMap<String, Group>,
    pub(crate) transactions: Transactions,
    memory_bytes_max: usize,
}

impl State {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            topics: BTreeMap::new(),
            groups: HashMap::new(),
            transactions: Transactions::default(),
            memory_bytes_max: options.memory_bytes_max,
        }
    }

    /// A partition's log.
    pub(crate) fn log(&mut self, topic: &str, partition: i32) -> Result<&mut Log, E> {
        let topic = self.topics.get_mut(topic).ok_or(E::UnknownTopicOrPartition)?;
        let log = usize::try_from(partition).ok().and_then(|at| topic.partitions.get_mut(at));
        log.ok_or(E::UnknownTopicOrPartition)
    }

    /// The name that a request means: its own, or that of the id if versions have gone over to ids.
    pub(crate) fn name_of(&self, name: &TopicName, id: Uuid) -> Result<String, E> {
        if !id.is_nil() {
            let named = self.topics.iter().find(|(_, topic)| topic.id == id);
            return named.map(|(name, _)| name.clone()).ok_or(E::UnknownTopicId);
        }
        Ok(name.to_string())
    }

    /// Is there room for so many bytes more?
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        let logs = self.topics.values().flat_map(|topic| &topic.partitions);
        logs.map(Log::bytes).sum::<usize>() + bytes <= self.memory_bytes_max
    }
}

/// Text as the messages hold it.
pub(crate) fn text(text: impl Into<String>) -> StrBytes {
    StrBytes::from_string(text.into())
}

/// The code of a result.
pub(crate) fn code<T>(result: &Result<T, E>) -> i16 {
    result.as_ref().err().map_or(0, E::code)
}
