//! How work is split into tasks, and how a share is written into a task config.
//!
//! The shares are Java's, so that a change of worker does not move them. The texts are Java's, too, with one extension: a
//! list of config values cannot hold every group id, because commas split it and spaces are trimmed (Java loses such groups).
//! Those ids, and ids that a worker would take for a reference to a secret (`${…}`), go to a key of our own as JSON, with
//! every `$` written as `\u0024`. A Java worker that gets the task checkpoints the other groups.

use std::collections::BTreeSet;

use connect_api::ConfigMap;
use thiserror::Error;

use crate::topic_partition::TopicPartition;

/// Task config key of the partitions of a source task.
pub const ASSIGNED_PARTITIONS: &str = "task.assigned.partitions";
/// Task config key of the groups of a checkpoint task.
pub const ASSIGNED_GROUPS: &str = "task.assigned.groups";
/// Task config key of the groups that [`ASSIGNED_GROUPS`] cannot hold, as a JSON array.
pub const ASSIGNED_GROUPS_JSON: &str = "portage.task.assigned.groups";

/// Deals partitions out: partition i goes to task i mod n, with n the smaller of `tasks_max` and the number of partitions
/// (Java: `MirrorSourceConnector.taskConfigs`). Empty without partitions. Keep their order from call to call, and tasks stay
/// as they are.
#[must_use]
pub fn round_robin(partitions: &[TopicPartition], tasks_max: usize) -> Vec<Vec<TopicPartition>> {
    let tasks = tasks_max.min(partitions.len());
    (0..tasks).map(|task| partitions.iter().skip(task).step_by(tasks).cloned().collect()).collect()
}

/// Deals partitions out as [`round_robin`] does, but leaves those that a task has where they are, so that a task is
/// changed only if it must be. Sizes differ by at most one, as there. Java deals out anew.
#[must_use]
pub fn keep_shares(
    former: &[Vec<TopicPartition>],
    partitions: &[TopicPartition],
    tasks_max: usize,
) -> Vec<Vec<TopicPartition>> {
    let tasks = tasks_max.min(partitions.len());
    if former.len() != tasks || tasks == 0 {
        return round_robin(partitions, tasks_max);
    }
    let wanted: BTreeSet<&TopicPartition> = partitions.iter().collect();
    let (least, larger) = (partitions.len() / tasks, partitions.len() % tasks);
    let mut shares: Vec<Vec<TopicPartition>> =
        former.iter().map(|share| share.iter().filter(|held| wanted.contains(held)).cloned().collect()).collect();
    // Those who have most may have one more.
    let mut by_size: Vec<usize> = (0..tasks).collect();
    by_size.sort_by_key(|task| std::cmp::Reverse(shares[*task].len()));
    let mut room = vec![least; tasks];
    by_size.iter().take(larger).for_each(|task| room[*task] += 1);
    for (share, room) in shares.iter_mut().zip(&room) {
        share.truncate(*room);
    }
    let held: BTreeSet<TopicPartition> = shares.iter().flatten().cloned().collect();
    let mut free = partitions.iter().filter(|partition| !held.contains(partition)).cloned();
    for (share, room) in shares.iter_mut().zip(room) {
        while share.len() < room {
            // There is as much room as there are partitions.
            let Some(partition) = free.next() else { break };
            share.push(partition);
        }
    }
    shares
}

/// `task.assigned.partitions`: `topic-partition`, comma-separated (Java: `MirrorSourceConfig.taskConfigForTopicPartitions`).
#[must_use]
pub fn encode_partitions(partitions: &[TopicPartition]) -> String {
    partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// An assignment in a task config that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadAssignment {
    /// An entry of `task.assigned.partitions` that is none.
    #[error("invalid {ASSIGNED_PARTITIONS} entry {0}: expected topic-partition")]
    Partition(String),
    /// The other groups are no array of texts.
    #[error("invalid {ASSIGNED_GROUPS_JSON}: expected a JSON array of group ids")]
    Groups,
}

/// Reads `task.assigned.partitions`. The number is what stands behind the last `-`: topic names may hold more of them.
pub fn decode_partitions(text: &str) -> Result<Vec<TopicPartition>, BadAssignment> {
    text.split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .map(|entry| {
            let bad = || BadAssignment::Partition(entry.to_owned());
            let (topic, partition) = entry.rsplit_once('-').filter(|(topic, _)| !topic.is_empty()).ok_or_else(bad)?;
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

/// Writes the groups of a checkpoint task into its config (Java: `MirrorCheckpointConfig.taskConfigForConsumerGroups`).
pub fn put_assigned_groups(config: &mut ConfigMap, groups: &[String]) {
    let (listed, other): (Vec<&str>, Vec<&str>) =
        groups.iter().map(String::as_str).partition(|group| fits_a_list(group));
    config.insert(ASSIGNED_GROUPS.to_owned(), listed.join(","));
    config.remove(ASSIGNED_GROUPS_JSON);
    if !other.is_empty() {
        let json = serde_json::Value::from(other).to_string();
        config.insert(ASSIGNED_GROUPS_JSON.to_owned(), json.replace('$', r"\u0024"));
    }
}

/// The groups of a checkpoint task. None if the config has none.
pub fn assigned_groups(config: &ConfigMap) -> Result<Vec<String>, BadAssignment> {
    let listed = config.get(ASSIGNED_GROUPS).map_or("", String::as_str).split(',').map(str::trim);
    let mut groups: Vec<String> = listed.filter(|group| !group.is_empty()).map(str::to_owned).collect();
    if let Some(json) = config.get(ASSIGNED_GROUPS_JSON) {
        groups.extend(serde_json::from_str::<Vec<String>>(json).map_err(|_| BadAssignment::Groups)?);
    }
    Ok(groups)
}

/// Java trims whatever it takes for space around items (all up to U+0020), and refuses empty ones.
fn fits_a_list(group: &str) -> bool {
    let trimmed = group.trim_matches(|char: char| char <= ' ' || char.is_whitespace());
    !group.is_empty() && trimmed == group && !group.contains(',') && !group.contains("${")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn partitions(count: i32) -> Vec<TopicPartition> {
        (0..count).map(|partition| TopicPartition::new("t-x", partition)).collect()
    }

    proptest! {
        #[test]
        fn kept_shares_hold_each_partition_once_evenly_and_move_no_more_than_they_must(
            before in 0..40_i32, after in 0..40_i32, tasks_max in 1..9_usize, shift in 0..5_i32,
        ) {
            let former = round_robin(&partitions(before), tasks_max);
            let now = partitions(after).split_off(usize::try_from(shift.min(after)).unwrap());

            let shares = keep_shares(&former, &now, tasks_max);

            let mut dealt: Vec<_> = shares.iter().flatten().cloned().collect();
            dealt.sort();
            prop_assert_eq!(dealt, now.clone());
            let sizes = shares.iter().map(Vec::len);
            prop_assert!(sizes.clone().max().unwrap_or(0) <= sizes.min().unwrap_or(0) + 1);
            if shift == 0 && after >= before && former.len() == shares.len() {
                for (former, share) in former.iter().zip(&shares) {
                    prop_assert!(share.starts_with(former));
                }
            }
        }
    }

    #[test]
    fn a_new_partition_changes_one_share() {
        let former = round_robin(&partitions(5), 3);

        let shares = keep_shares(&former, &partitions(6), 3);

        assert_eq!(shares[..2], former[..2]);
        assert_eq!(shares[2], [former[2].clone(), partitions(6).split_off(5)].concat());
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
        for text in ["t", "t-", "t-x", "t--1x", "-1", "t-99999999999"] {
            assert!(decode_partitions(text).unwrap_err().to_string().contains(text), "{text}");
        }
    }

    /// The example in Kafka's own comment: topics with 8, 2 and 2 partitions among 3 tasks.
    #[test]
    fn partitions_are_dealt_as_in_java() {
        let topics = [("t0", 8), ("t1", 2), ("t2", 2)];
        let all: Vec<_> = topics
            .into_iter()
            .flat_map(|(topic, count)| (0..count).map(move |number| TopicPartition::new(topic, number)))
            .collect();

        let shares: Vec<_> = round_robin(&all, 3).iter().map(|share| encode_partitions(share)).collect();

        assert_eq!(shares, ["t0-0,t0-3,t0-6,t1-1", "t0-1,t0-4,t0-7,t2-0", "t0-2,t0-5,t1-0,t2-1"]);
    }

    fn strings(items: &[&str]) -> Vec<String> {
        items.iter().map(|item| (*item).to_owned()).collect()
    }

    #[test]
    fn plain_groups_are_written_as_java_writes_them() {
        let mut config = ConfigMap::new();

        put_assigned_groups(&mut config, &strings(&["billing", "orders app", "ü"]));

        assert_eq!(config[ASSIGNED_GROUPS], "billing,orders app,ü");
        assert_eq!(config.len(), 1);
    }

    #[test]
    fn groups_that_a_list_cannot_hold_survive() {
        let mut config = ConfigMap::new();

        put_assigned_groups(&mut config, &strings(&["a,b", "plain", " c", "", "${file:/etc/secret:key}"]));

        assert_eq!(config[ASSIGNED_GROUPS], "plain");
        assert_eq!(config[ASSIGNED_GROUPS_JSON], r#"["a,b"," c","","\u0024{file:/etc/secret:key}"]"#);
        let groups = strings(&["plain", "a,b", " c", "", "${file:/etc/secret:key}"]);
        assert_eq!(assigned_groups(&config), Ok(groups));
    }

    #[test]
    fn a_new_assignment_leaves_nothing_of_the_old_one() {
        let mut config = ConfigMap::new();
        put_assigned_groups(&mut config, &strings(&["a,b"]));

        put_assigned_groups(&mut config, &strings(&["c"]));

        assert_eq!(assigned_groups(&config), Ok(strings(&["c"])));
    }

    #[test]
    fn other_groups_that_are_no_json_are_an_error() {
        let config = ConfigMap::from([(ASSIGNED_GROUPS_JSON.to_owned(), "a,b".to_owned())]);

        assert_eq!(assigned_groups(&config), Err(BadAssignment::Groups));
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

        #[test]
        fn any_group_ids_come_back_and_none_looks_like_a_reference(
            groups in prop::collection::btree_set(r"[a-c,${}:\x00-\x20\u{a0}é]{0,6}", 0..10),
        ) {
            let groups: Vec<String> = groups.into_iter().collect();
            let mut config = ConfigMap::new();

            put_assigned_groups(&mut config, &groups);

            let reference = config.values().any(|text| text.contains("${"));
            prop_assert!(!reference, "{:?}", config);
            let mut back = assigned_groups(&config).unwrap();
            back.sort();
            prop_assert_eq!(back, groups);
        }

        #[test]
        fn any_partitions_come_back(partitions in prop::collection::vec(("[a-zA-Z0-9._-]{1,20}", 0..=i32::MAX), 1..10)) {
            let partitions: Vec<_> =
                partitions.into_iter().map(|(topic, number)| TopicPartition::new(topic, number)).collect();

            prop_assert_eq!(decode_partitions(&encode_partitions(&partitions)), Ok(partitions));
        }
    }
}
