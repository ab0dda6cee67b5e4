//! How work is split into tasks, and how a share is written into a task config.

use thiserror::Error;

use crate::topic_partition::TopicPartition;

/// Deals partitions out: partition i goes to task i mod n, with n the smaller of `tasks_max` and the number of partitions
/// (Java: `MirrorSourceConnector.taskConfigs`). Empty without partitions.
#[must_use]
pub fn round_robin(partitions: &[TopicPartition], tasks_max: usize) -> Vec<Vec<TopicPartition>> {
    let tasks = tasks_max.min(partitions.len());
    (0..tasks).map(|task| partitions.iter().skip(task).step_by(tasks).cloned().collect()).collect()
}

/// `task.assigned.partitions`: `topic-partition`, comma-separated (Java: `MirrorSourceConfig.taskConfigForTopicPartitions`).
#[must_use]
pub fn encode_partitions(partitions: &[TopicPartition]) -> String {
    partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// An entry of `task.assigned.partitions` that is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("invalid task.assigned.partitions entry {0}: expected topic-partition")]
pub struct BadAssignment(String);

/// Reads `task.assigned.partitions`. The number is what stands behind the last `-`: topic names may hold more of them.
pub fn decode_partitions(text: &str) -> Result<Vec<TopicPartition>, BadAssignment> {
    text.split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .map(|entry| {
            let bad = || BadAssignment(entry.to_owned());
            let (topic, partition) = entry.rsplit_once('-').ok_or_else(bad)?;
            let partition = partition.parse().ok().filter(|number: &i32| *number >= 0).ok_or_else(bad)?;
            Ok(TopicPartition::new(topic, partition))
        })
        .collect()
}

/// Splits groups into contiguous chunks whose sizes differ by at most one, the larger first (Java:
/// `ConnectorUtils.groupPartitions`). Empty without groups.
#[must_use]
pub fn chunks<T: Clone>(items: &[T], tasks_max: usize) -> Vec<Vec<T>> {
    let tasks = tasks_max.min(items.len());
    let mut rest = items;
    (0..tasks)
        .map(|task| {
            let size = rest.len().div_ceil(tasks - task);
            let (chunk, after) = rest.split_at(size);
            rest = after;
            chunk.to_vec()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn partitions(count: i32) -> Vec<TopicPartition> {
        (0..count).map(|partition| TopicPartition::new("t-x", partition)).collect()
    }

    #[test]
    fn a_share_survives_its_text_also_with_dashes_in_the_topic() {
        let share = partitions(3);

        assert_eq!(encode_partitions(&share), "t-x-0,t-x-1,t-x-2");
        assert_eq!(decode_partitions(&encode_partitions(&share)).unwrap(), share);
        assert_eq!(decode_partitions("").unwrap(), []);
    }

    #[test]
    fn what_is_no_partition_is_named() {
        for text in ["t", "t-", "t-x", "t--1x"] {
            assert!(decode_partitions(text).unwrap_err().to_string().contains(text), "{text}");
        }
    }

    #[test]
    fn chunks_are_contiguous_and_the_larger_come_first() {
        assert_eq!(chunks(&[1, 2, 3, 4, 5], 3), [vec![1, 2], vec![3, 4], vec![5]]);
        assert_eq!(chunks(&[1], 3), [vec![1]]);
        assert!(chunks::<i32>(&[], 3).is_empty());
    }

    proptest! {
        #[test]
        fn every_partition_has_exactly_one_task_and_shares_differ_by_one(count in 0..60i32, tasks_max in 1..20usize) {
            let all = partitions(count);

            let shares = round_robin(&all, tasks_max);

            prop_assert_eq!(shares.len(), tasks_max.min(all.len()));
            let mut dealt: Vec<_> = shares.iter().flatten().cloned().collect();
            dealt.sort();
            let mut sorted = all.clone();
            sorted.sort();
            prop_assert_eq!(dealt, sorted);
            let sizes = shares.iter().map(Vec::len);
            prop_assert!(sizes.clone().max().unwrap_or(0) - sizes.min().unwrap_or(0) <= 1);
        }
    }
}
