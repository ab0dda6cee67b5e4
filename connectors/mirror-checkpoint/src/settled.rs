//! What needs no new answer. An offset that was translated exactly stays where it is until its group commits another one, or one
//! of the logs is not what it was: so that is asked now and then, and not with every round.

use std::collections::HashMap;
use std::time::Duration;

use kafka_client::TopicPartition;
use tokio::time::Instant;

/// How long the logs are trusted.
const TRUSTED: Duration = Duration::from_secs(10);

/// Offsets of groups that have their places.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    offsets: HashMap<String, HashMap<TopicPartition, i64>>,
    since: Option<Instant>,
}

impl Settled {
    /// A round begins. Whether everything is to be looked at again.
    pub(crate) fn begin(&mut self, now: Instant) -> bool {
        let again = self.since.is_none_or(|since| since + TRUSTED <= now);
        if again {
            self.offsets.clear();
            self.since = Some(now);
        }
        again
    }

    /// What a group has committed and need not be looked at.
    pub(crate) fn of(&self, group: &str) -> Option<&HashMap<TopicPartition, i64>> {
        self.offsets.get(group)
    }

    /// An offset has its place.
    pub(crate) fn settle(&mut self, group: &str, source: &TopicPartition, offset: i64) {
        if !self.offsets.contains_key(group) {
            self.offsets.insert(group.to_owned(), HashMap::new());
        }
        if let Some(offsets) = self.offsets.get_mut(group) {
            offsets.insert(source.clone(), offset);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_its_place_keeps_it_until_the_logs_are_asked_again() {
        let (mut settled, now, place) = (Settled::default(), Instant::now(), TopicPartition::new("t", 0));
        assert!(settled.begin(now));

        settled.settle("g", &place, 7);

        assert!(!settled.begin(now + TRUSTED / 2));
        assert_eq!(settled.of("g").and_then(|offsets| offsets.get(&place)), Some(&7));
        assert!(settled.begin(now + TRUSTED));
        assert!(settled.of("g").is_none());
    }
}
