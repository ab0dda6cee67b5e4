//! Which topics are mirrored, and what the target lacks (Java: `MirrorSourceConnector.shouldReplicateTopic`,
//! `computeAndCreateTopicPartitions`).

use std::collections::BTreeMap;

use mirror::filter::TopicFilter;
use mirror::java_regex::JavaRegexError;
use mirror::{ReplicationPolicy, TopicPartition};

/// Topics with their partition counts.
pub type Topics = BTreeMap<String, i32>;

/// What decides whether a topic is mirrored.
#[derive(Debug)]
pub struct Selection {
    /// `topics` and `topics.exclude`.
    pub filter: TopicFilter,
    /// How topics are named on the target.
    pub policy: ReplicationPolicy,
    /// `source.cluster.alias`.
    pub source_alias: String,
    /// `target.cluster.alias`.
    pub target_alias: String,
    /// `heartbeats.replication.enabled`: heartbeats are mirrored whatever the filter says.
    pub heartbeats: bool,
}

impl Selection {
    /// Whether a source topic is mirrored: wanted, not one of Kafka's or MirrorMaker's own, and not from the target itself.
    /// An error is a pattern that takes too long on this name.
    pub fn wants(&self, topic: &str) -> Result<bool, JavaRegexError> {
        if self.policy.is_internal_topic(topic) || self.policy.is_cycle(topic, &self.target_alias) {
            return Ok(false);
        }
        let heartbeats = self.heartbeats && self.policy.is_heartbeats_topic(topic);
        Ok(heartbeats || self.filter.should_replicate_topic(topic)?)
    }

    /// The name of a source topic on the target.
    #[must_use]
    pub fn remote(&self, topic: &str) -> String {
        self.policy.remote_topic(&self.source_alias, topic)
    }

    /// Those of the source's topics that are mirrored.
    pub fn select(&self, source: Topics) -> Result<Topics, JavaRegexError> {
        let mut selected = Topics::new();
        for (topic, partitions) in source {
            if self.wants(&topic)? {
                selected.insert(topic, partitions);
            }
        }
        Ok(selected)
    }
}

/// What the target lacks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Missing {
    /// Topics to create: source name, remote name, partitions.
    pub topics: Vec<(String, String, i32)>,
    /// Topics to enlarge: remote name, partitions they should have. Never fewer than they have.
    pub partitions: Vec<(String, i32)>,
}

impl Missing {
    /// Compares the mirrored topics of the source with all topics of the target.
    #[must_use]
    pub fn find(selection: &Selection, source: &Topics, target: &Topics) -> Self {
        let mut missing = Self::default();
        for (topic, partitions) in source {
            let remote = selection.remote(topic);
            match target.get(&remote) {
                None => missing.topics.push((topic.clone(), remote, *partitions)),
                Some(have) if have < partitions => missing.partitions.push((remote, *partitions)),
                Some(_) => {}
            }
        }
        missing
    }

    /// Whether nothing is missing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.topics.is_empty() && self.partitions.is_empty()
    }
}

/// Every partition of the topics, by topic and number: the order in which tasks share them out.
#[must_use]
pub fn partitions(topics: &Topics) -> Vec<TopicPartition> {
    let of_topic = |(topic, count): (&String, &i32)| {
        let topic = topic.clone();
        (0..*count).map(move |partition| TopicPartition::new(topic.as_str(), partition))
    };
    topics.iter().flat_map(of_topic).collect()
}

#[cfg(test)]
mod tests {
    use connect_api::ConfigMap;

    use super::*;

    fn selection(policy: ReplicationPolicy, topics: &str) -> Selection {
        let config = ConfigMap::from([("topics".to_owned(), topics.to_owned())]);
        Selection {
            filter: TopicFilter::from_config(&config).unwrap(),
            policy,
            source_alias: "a".into(),
            target_alias: "b".into(),
            heartbeats: true,
        }
    }

    fn topics(entries: &[(&str, i32)]) -> Topics {
        entries.iter().map(|(name, partitions)| ((*name).to_owned(), *partitions)).collect()
    }

    #[test]
    fn wanted_topics_are_mirrored_and_internal_ones_and_cycles_are_not() {
        let selection = selection(ReplicationPolicy::prefixed("."), "orders.*,b\\..*,__.*,mm2.*");

        let selected = selection.select(topics(&[
            ("orders", 1),
            ("orders2", 3),
            ("payments", 1),
            ("b.orders", 1),
            ("__consumer_offsets", 50),
            ("mm2-offset-syncs.b.internal", 1),
            ("heartbeats", 1),
        ]));

        let names: Vec<_> = selected.unwrap().into_keys().collect();
        assert_eq!(names, ["heartbeats", "orders", "orders2"]);
    }

    #[test]
    fn missing_topics_and_partitions_are_found_and_nothing_shrinks() {
        let selection = selection(ReplicationPolicy::prefixed("."), ".*");

        let missing = Missing::find(
            &selection,
            &topics(&[("new", 2), ("grown", 3), ("same", 1), ("larger-there", 1)]),
            &topics(&[("a.grown", 1), ("a.same", 1), ("a.larger-there", 4), ("new", 2)]),
        );

        assert_eq!(missing.topics, [("new".to_owned(), "a.new".to_owned(), 2)]);
        assert_eq!(missing.partitions, [("a.grown".to_owned(), 3)]);
    }

    #[test]
    fn partitions_are_in_order_of_topic_and_number() {
        let all: Vec<_> = partitions(&topics(&[("b", 1), ("a", 2)])).iter().map(ToString::to_string).collect();

        assert_eq!(all, ["a-0", "a-1", "b-0"]);
    }
}
