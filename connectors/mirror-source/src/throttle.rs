//! How fast a task may read: `portage.throttle.bytes.per.second` for the connector, `portage.throttle.topics` for single
//! topics (pure; `now` is an argument).
//!
//! A limit belongs to the connector as a whole. Each task gets the part of it that it has of the partitions, in its config, so
//! that tasks on different workers need not talk to each other. Bytes are those of the batches as they cross the wire.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use connect_api::ConnectError;
use connect_api::config::ConfigMap;
use mirror::TopicPartition;
use tokio::time::Instant;

/// The limit of the connector, or of a task.
pub const THROTTLE: &str = "portage.throttle.bytes.per.second";
/// The limits of single topics: `topic:bytes`, separated by commas.
pub const THROTTLE_TOPICS: &str = "portage.throttle.topics";

/// Limits in bytes a second.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    all: Option<u64>,
    topics: BTreeMap<String, u64>,
}

impl Limits {
    /// Reads both keys.
    pub fn from_config(config: &ConfigMap) -> Result<Self, ConnectError> {
        let text = |key: &str| config.get(key).map(|value| value.trim()).filter(|value| !value.is_empty());
        let all = match text(THROTTLE) {
            None | Some("-1") => None,
            Some(value) => Some(bytes(value).ok_or_else(|| invalid(THROTTLE, value))?),
        };
        let pairs = text(THROTTLE_TOPICS).unwrap_or_default().split(',').map(str::trim).filter(|pair| !pair.is_empty());
        let topics = pairs.map(|pair| {
            let limit =
                pair.split_once(':').and_then(|(topic, value)| Some((topic.trim().to_owned(), bytes(value.trim())?)));
            limit.ok_or_else(|| invalid(THROTTLE_TOPICS, pair))
        });
        Ok(Self { all, topics: topics.collect::<Result<_, _>>()? })
    }

    /// Writes into a task's config what of these limits is its own: it has `own` of all `partitions`.
    pub fn share(&self, config: &mut ConfigMap, own: &[TopicPartition], partitions: &[TopicPartition]) {
        if let Some(all) = self.all {
            config.insert(THROTTLE.to_owned(), part(all, own.len(), partitions.len()).to_string());
        }
        let count = |of: &[TopicPartition], topic: &str| of.iter().filter(|tp| &*tp.topic == topic).count();
        let shares = self.topics.iter().filter_map(|(topic, limit)| {
            let own = count(own, topic);
            (own > 0).then(|| format!("{topic}:{}", part(*limit, own, count(partitions, topic))))
        });
        if !self.topics.is_empty() {
            config.insert(THROTTLE_TOPICS.to_owned(), shares.collect::<Vec<_>>().join(","));
        }
    }
}

fn bytes(value: &str) -> Option<u64> {
    value.parse().ok().filter(|bytes| *bytes > 0)
}

fn invalid(key: &str, value: &str) -> ConnectError {
    let wanted = if key == THROTTLE { "bytes a second" } else { "topic:bytes a second, separated by commas" };
    ConnectError::config(format!("invalid {key} {value}: must be {wanted}, as whole numbers of at least 1"))
}

fn part(limit: u64, own: usize, of: usize) -> u64 {
    let part = u128::from(limit) * own as u128 / of.max(1) as u128;
    u64::try_from(part).unwrap_or(limit).max(1)
}

/// What a task has read, and when it may go on.
#[derive(Debug)]
pub struct Throttle {
    all: Option<Account>,
    topics: BTreeMap<String, Account>,
    /// Topics that rest, by when they may go on.
    resting: BTreeSet<(Instant, Arc<str>)>,
}

#[derive(Debug)]
struct Account {
    bytes_per_s: u64,
    /// What has been read so far is paid for from then on.
    settled_at: Instant,
}

impl Throttle {
    /// Nothing has been read yet.
    #[must_use]
    pub fn new(limits: &Limits, now: Instant) -> Self {
        let account = |bytes_per_s: u64| Account { bytes_per_s, settled_at: now };
        let topics = limits.topics.iter().map(|(topic, limit)| (topic.clone(), account(*limit))).collect();
        Self { all: limits.all.map(account), topics, resting: BTreeSet::new() }
    }

    /// `read` bytes of `topic` have come. Whether the topic has to rest now.
    pub fn pay(&mut self, topic: &Arc<str>, read: usize, now: Instant) -> bool {
        if let Some(all) = &mut self.all {
            all.pay(read, now);
        }
        let Some(account) = self.topics.get_mut(&**topic) else { return false };
        account.pay(read, now);
        let rests = account.settled_at > now;
        if rests {
            self.resting.retain(|(_, resting)| resting != topic);
            self.resting.insert((account.settled_at, Arc::clone(topic)));
        }
        rests
    }

    /// When anything may be read.
    #[must_use]
    pub fn open_at(&self) -> Option<Instant> {
        self.all.as_ref().map(|all| all.settled_at)
    }

    /// When the first resting topic may go on.
    #[must_use]
    pub fn rested_at(&self) -> Option<Instant> {
        self.resting.first().map(|(at, _)| *at)
    }

    /// A topic that has rested long enough.
    pub fn rested(&mut self, now: Instant) -> Option<Arc<str>> {
        self.resting.first().filter(|(at, _)| *at <= now)?;
        self.resting.pop_first().map(|(_, topic)| topic)
    }
}

impl Account {
    fn pay(&mut self, read: usize, now: Instant) {
        let seconds = read as f64 / self.bytes_per_s as f64;
        // A century is as good as never, and can be added to a moment.
        self.settled_at = self.settled_at.max(now) + Duration::from_secs_f64(seconds.min(3e9));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(all: &str, topics: &str) -> Result<Limits, ConnectError> {
        let pairs = [(THROTTLE, all), (THROTTLE_TOPICS, topics)];
        Limits::from_config(&pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into())
    }

    fn partitions(topic: &str, count: i32) -> Vec<TopicPartition> {
        (0..count).map(|partition| TopicPartition::new(topic, partition)).collect()
    }

    #[test]
    fn each_task_gets_its_part_of_the_limit() {
        let limits = limits("1000", "a:90,b:7").unwrap();
        let all = [partitions("a", 3), partitions("c", 7)].concat();
        let mut config = ConfigMap::default();

        limits.share(&mut config, &all[..2], &all);

        assert_eq!((&*config[THROTTLE], &*config[THROTTLE_TOPICS]), ("200", "a:60"));
    }

    #[test]
    fn without_limits_a_task_has_none() {
        let mut config = ConfigMap::default();

        limits("-1", "").unwrap().share(&mut config, &partitions("a", 1), &partitions("a", 2));

        assert!(config.is_empty());
    }

    #[test]
    fn what_is_no_limit_is_named() {
        for (all, topics) in [("fast", ""), ("0", ""), ("", "a"), ("", "a:b")] {
            let error = limits(all, topics).unwrap_err().to_string();
            assert!(error.contains("portage.throttle.") && error.contains(if all.is_empty() { topics } else { all }));
        }
    }

    #[test]
    fn what_was_read_is_paid_for_in_time() {
        let begin = Instant::now();
        let mut throttle = Throttle::new(&limits("1000", "").unwrap(), begin);

        assert!(!throttle.pay(&"a".into(), 500, begin));
        assert!(!throttle.pay(&"a".into(), 500, begin));

        assert_eq!(throttle.open_at(), Some(begin + Duration::from_secs(1)));
    }

    #[test]
    fn a_limited_topic_rests_alone_and_comes_back() {
        let begin = Instant::now();
        let mut throttle = Throttle::new(&limits("", "slow:100").unwrap(), begin);
        let (slow, fast): (Arc<str>, Arc<str>) = ("slow".into(), "fast".into());

        assert!(throttle.pay(&slow, 200, begin));
        assert!(!throttle.pay(&fast, 1_000_000, begin));

        let later = begin + Duration::from_secs(2);
        assert_eq!((throttle.open_at(), throttle.rested_at()), (None, Some(later)));
        assert_eq!(throttle.rested(begin), None);
        assert_eq!(throttle.rested(later), Some(slow));
        assert_eq!(throttle.rested_at(), None);
    }
}
