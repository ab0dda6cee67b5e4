//! How a task is split over several threads: by partitions, dealt round, so that those of a topic spread evenly (pure).

use connect_api::ConnectError;
use connect_api::config::ConfigMap;
use mirror::TopicPartition;
use mirror::assignment::{ASSIGNED_PARTITIONS, decode_partitions, encode_partitions, round_robin};

use crate::throttle::Limits;

/// The configs of at most `parts` strands of a task, each with partitions and limits of its own, together all of the task's.
/// A config that can't be read stays whole: whoever starts it says what is wrong.
#[must_use]
pub fn split(config: &ConfigMap, parts: usize) -> Vec<ConfigMap> {
    let (Ok(mut partitions), Ok(limits)) = (assigned(config), Limits::from_config(config)) else {
        return vec![config.clone()];
    };
    if parts < 2 || partitions.len() < 2 {
        return vec![config.clone()];
    }
    // What a task was given later stands behind.
    partitions.sort();
    let strand = |own: &Vec<TopicPartition>| {
        let mut strand = config.clone();
        strand.insert(ASSIGNED_PARTITIONS.to_owned(), encode_partitions(own));
        limits.share(&mut strand, own, &partitions);
        strand
    };
    round_robin(&partitions, parts).iter().map(strand).collect()
}

/// The partitions of a task.
pub(crate) fn assigned(config: &ConfigMap) -> Result<Vec<TopicPartition>, ConnectError> {
    let assigned = config.get(ASSIGNED_PARTITIONS).map(String::as_str).unwrap_or_default();
    decode_partitions(assigned).map_err(|error| ConnectError::config(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::throttle::{THROTTLE, THROTTLE_TOPICS};

    fn task(assigned: &str) -> ConfigMap {
        let pairs =
            [(ASSIGNED_PARTITIONS, assigned), (THROTTLE, "1000"), (THROTTLE_TOPICS, "a:90,b:10"), ("name", "m")];
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
    }

    fn of(strands: &[ConfigMap], key: &str) -> Vec<String> {
        strands.iter().map(|strand| strand[key].clone()).collect()
    }

    #[test]
    fn the_partitions_of_each_topic_are_spread_evenly() {
        let strands = split(&task("a-0,b-1,a-2,a-1,b-0,a-3"), 2);

        assert_eq!(of(&strands, ASSIGNED_PARTITIONS), ["a-0,a-2,b-0", "a-1,a-3,b-1"]);
        assert_eq!(of(&strands, "name"), ["m", "m"]);
    }

    #[test]
    fn limits_are_split_with_the_partitions() {
        let strands = split(&task("a-0,a-1,a-2,b-0"), 3);

        assert_eq!(of(&strands, ASSIGNED_PARTITIONS), ["a-0,b-0", "a-1", "a-2"]);
        assert_eq!(of(&strands, THROTTLE), ["500", "250", "250"]);
        assert_eq!(of(&strands, THROTTLE_TOPICS), ["a:30,b:10", "a:30", "a:30"]);
    }

    #[test]
    fn there_are_no_more_strands_than_partitions_and_one_is_the_task_as_it_is() {
        assert_eq!(split(&task("a-0,a-1"), 64).len(), 2);
        for (assigned, parts) in [("a-0", 4), ("", 4), ("a-1,a-0", 1), ("no partition", 4)] {
            assert_eq!(split(&task(assigned), parts), [task(assigned)]);
        }
    }
}
