//! What a test may do to a cluster by hand, which brokers do by themselves or by misfortune.

use std::io;

use kafka_protocol::ResponseError as E;

use crate::EmbeddedKafka;

/// What compaction does with records without a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tombstones {
    /// They stay, as before `delete.retention.ms` is over.
    Keep,
    /// They go, as after it.
    Drop,
}

impl EmbeddedKafka {
    /// Compacts a topic now, whatever its settings say.
    ///
    /// # Errors
    /// There is no such topic, or a batch in it can't be read.
    pub fn compact(&self, topic: &str, tombstones: Tombstones) -> io::Result<()> {
        let mut state = self.broker.state();
        let topic = state.topics.get_mut(topic).ok_or_else(|| failed(topic, E::UnknownTopicOrPartition))?;
        for log in &mut topic.partitions {
            log.compact(tombstones == Tombstones::Drop).map_err(|error| failed("compaction", error))?;
        }
        Ok(())
    }

    /// Gives a partition a new leader epoch. With `truncate_to`, the records from that offset on are lost, as by an unclean
    /// election; offsets inside a batch lose the whole batch.
    ///
    /// # Errors
    /// There is no such partition.
    pub fn elect_leader(&self, topic: &str, partition: i32, truncate_to: Option<i64>) -> io::Result<()> {
        self.broker.state().log(topic, partition).map_err(|error| failed(topic, error))?.elect(truncate_to);
        self.broker.records_changed();
        Ok(())
    }

    /// First and next offset of every partition of a topic; empty if there is no such topic.
    #[must_use]
    pub fn offsets(&self, topic: &str) -> Vec<(i64, i64)> {
        let state = self.broker.state();
        let logs = state.topics.get(topic).map_or(&[][..], |topic| &topic.partitions[..]);
        logs.iter().map(|log| (log.start(), log.end())).collect()
    }

    /// Bytes of all record batches, and of those that may be there.
    #[must_use]
    pub fn memory(&self) -> (usize, usize) {
        let state = self.broker.state();
        let used = state.topics.values().flat_map(|topic| &topic.partitions).map(|log| log.bytes()).sum();
        (used, self.broker.options.memory_bytes_max)
    }
}

fn failed(what: &str, error: E) -> io::Error {
    io::Error::other(format!("{what}: {error}"))
}
