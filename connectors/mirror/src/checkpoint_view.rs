//! The checkpoints that are known, and which new one is worth writing (Java: `CheckpointStore`,
//! `MirrorCheckpointTask.checkpointIsMoreRecent`, `renameTopicPartition`).

use std::collections::{BTreeMap, HashMap};

use crate::policy::ReplicationPolicy;
use crate::record::Checkpoint;
use crate::topic_partition::TopicPartition;

/// Why a checkpoint is written, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emission {
    /// Written: the first of its group and partition.
    First,
    /// Written: the group has gone back on the source, and the target follows.
    UpstreamRewind,
    /// Written: it is further on at the target.
    Advanced,
    /// Not written: it says what the last one says.
    Repeated,
    /// Not written: the group has not gone back, so neither does its checkpoint.
    WouldGoBack,
}

impl Emission {
    /// Whether the checkpoint is written.
    #[must_use]
    pub const fn is_written(self) -> bool {
        matches!(self, Self::First | Self::UpstreamRewind | Self::Advanced)
    }
}

/// The last checkpoint of every group and partition.
#[derive(Debug, Clone, Default)]
pub struct CheckpointView {
    groups: HashMap<String, BTreeMap<TopicPartition, Checkpoint>>,
}

impl CheckpointView {
    /// Takes in a checkpoint that was read from the topic, or has been written.
    pub fn apply(&mut self, checkpoint: Checkpoint) {
        let partitions = match self.groups.get_mut(&checkpoint.group) {
            Some(partitions) => partitions,
            None => self.groups.entry(checkpoint.group.clone()).or_default(),
        };
        partitions.insert(checkpoint.topic_partition.clone(), checkpoint);
    }

    /// Whether a new checkpoint is written. A checkpoint goes back only if its group has.
    #[must_use]
    pub fn emission(&self, checkpoint: &Checkpoint) -> Emission {
        let last = self.groups.get(&checkpoint.group).and_then(|known| known.get(&checkpoint.topic_partition));
        match last {
            None => Emission::First,
            Some(last) if checkpoint.upstream < last.upstream => Emission::UpstreamRewind,
            Some(last) if checkpoint.downstream > last.downstream => Emission::Advanced,
            Some(last) if checkpoint.downstream == last.downstream => Emission::Repeated,
            Some(_) => Emission::WouldGoBack,
        }
    }

    /// The checkpoints of a group, by partition of the target.
    #[must_use]
    pub fn of_group(&self, group: &str) -> Option<&BTreeMap<TopicPartition, Checkpoint>> {
        self.groups.get(group)
    }

    /// The groups that have a checkpoint.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.keys().map(String::as_str)
    }

    /// Forgets the checkpoint of a group if it lies behind the end of the partition's log: it is about records that the target
    /// does not have any more, and what is written there now has not been read.
    pub fn forget_beyond(&mut self, group: &str, partition: &TopicPartition, log_end: i64) {
        if let Some(known) = self.groups.get_mut(group)
            && known.get(partition).is_some_and(|last| last.downstream > log_end)
        {
            known.remove(partition);
        }
    }

    /// Forgets the checkpoints of a topic of the target: it, or its source, has been created anew.
    pub fn forget_topic(&mut self, topic: &str) {
        for partitions in self.groups.values_mut() {
            partitions.retain(|partition, _| &*partition.topic != topic);
        }
        self.groups.retain(|_, partitions| !partitions.is_empty());
    }
}

/// The topic of the target in which a group goes on that reads `topic` on the source: its remote topic, or, if the topic came
/// from the target, the topic that it was there.
#[must_use]
pub fn checkpoint_topic(policy: &ReplicationPolicy, source_alias: &str, target_alias: &str, topic: &str) -> String {
    if policy.topic_source(topic) == Some(target_alias) {
        policy.original_topic(topic).to_owned()
    } else {
        policy.remote_topic(source_alias, topic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(group: &str, upstream: i64, downstream: i64) -> Checkpoint {
        let topic_partition = TopicPartition::new("A.t", 0);
        Checkpoint { group: group.into(), topic_partition, upstream, downstream, metadata: String::new() }
    }

    fn after(upstream: i64, downstream: i64) -> Emission {
        let mut view = CheckpointView::default();
        view.apply(checkpoint("g", 100, 50));
        view.emission(&checkpoint("g", upstream, downstream))
    }

    #[test]
    fn the_first_checkpoint_is_written() {
        assert_eq!(CheckpointView::default().emission(&checkpoint("g", 0, 0)), Emission::First);
    }

    #[test]
    fn a_checkpoint_that_is_further_on_is_written() {
        assert_eq!(after(120, 51), Emission::Advanced);
        assert_eq!(after(100, 51), Emission::Advanced);
    }

    #[test]
    fn a_checkpoint_goes_back_only_with_its_group() {
        assert_eq!(after(99, 10), Emission::UpstreamRewind);
        assert_eq!(after(99, 90), Emission::UpstreamRewind);
        assert_eq!(after(120, 49), Emission::WouldGoBack);
        assert_eq!(after(120, 50), Emission::Repeated);
        assert!(!after(120, 49).is_written() && !after(120, 50).is_written() && after(99, 10).is_written());
    }

    #[test]
    fn the_last_checkpoint_counts_for_each_group() {
        let mut view = CheckpointView::default();
        view.apply(checkpoint("g", 100, 50));
        view.apply(checkpoint("h", 1, 1));
        view.apply(checkpoint("g", 90, 45));

        let known = view.of_group("g").unwrap();

        assert_eq!(known.values().map(|checkpoint| checkpoint.downstream).collect::<Vec<_>>(), [45]);
        view.forget_topic("A.t");
        assert_eq!(view.groups().count(), 0);
    }

    #[test]
    fn a_checkpoint_behind_the_end_of_the_log_is_forgotten() {
        let mut view = CheckpointView::default();
        view.apply(checkpoint("g", 100, 50));
        let partition = TopicPartition::new("A.t", 0);

        view.forget_beyond("g", &partition, 50);
        assert_eq!(view.emission(&checkpoint("g", 100, 10)), Emission::WouldGoBack);
        view.forget_beyond("g", &partition, 49);

        assert_eq!(view.emission(&checkpoint("g", 100, 10)), Emission::First);
    }

    #[test]
    fn a_topic_that_came_from_the_target_leads_back_to_what_it_was_there() {
        let policy = ReplicationPolicy::default();

        assert_eq!(checkpoint_topic(&policy, "A", "B", "orders"), "A.orders");
        assert_eq!(checkpoint_topic(&policy, "A", "B", "B.orders"), "orders");
        assert_eq!(checkpoint_topic(&policy, "A", "B", "C.orders"), "A.C.orders");
        assert_eq!(checkpoint_topic(&ReplicationPolicy::identity(Some("A")), "A", "B", "orders"), "orders");
    }
}
