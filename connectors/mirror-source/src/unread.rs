//! Since when there may be something in a partition that has not been read, and whether deletes are gone by now (pure).
//!
//! A compacted topic keeps a tombstone for `delete.retention.ms` after it was written, or longer. Who reads within that time sees each
//! of them, whatever else is compacted. Who comes later may find holes where tombstones were, and the target keeps keys that the source
//! has deleted. So it takes two things to call that a loss: time, and a hole. Times are those of this machine's clock, when answers
//! of the source came.

use mirror::config_sync::TopicConfigs;

use crate::losses::LossKind;

/// See the module.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Unread {
    /// All records that have not been read came after this; not known before the end has been reached for the first time.
    since_ms: Option<i64>,
    /// An end of the log that has not been reached yet, and when it was the end.
    ahead: Option<(i64, i64)>,
    /// How long deletes are kept for those who read.
    kept_ms: Option<i64>,
}

/// An answer of the source.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// Where reading goes on.
    pub next: i64,
    /// The end of the log.
    pub end: i64,
    /// The first offset that should have been there and was not.
    pub first_missing: Option<i64>,
    /// When it came.
    pub at_ms: i64,
}

impl Unread {
    /// `since_ms` as it was stored; `kept_ms` by [`deletes_kept_ms`].
    #[must_use]
    pub fn new(since_ms: Option<i64>, kept_ms: Option<i64>) -> Self {
        Self { since_ms, ahead: None, kept_ms }
    }

    /// To be stored with a position: all that comes behind it is not older.
    #[must_use]
    pub fn since_ms(&self) -> Option<i64> {
        self.since_ms
    }

    /// The source has answered. What has been there for too long and has holes is named once, up to the end of the log.
    pub fn read(&mut self, answer: Answer) -> Option<LossKind> {
        let Answer { next, end, first_missing, at_ms } = answer;
        let unread_ms = self.since_ms.map(|since_ms| at_ms - since_ms);
        let too_long = unread_ms.filter(|unread_ms| self.kept_ms.is_some_and(|kept_ms| *unread_ms > kept_ms));
        let missed = too_long.zip(first_missing).map(|(unread_ms, from)| {
            self.since_ms = Some(at_ms);
            LossKind::Tombstones { from, to: end.max(next), unread_ms }
        });
        if let Some((_, then_ms)) = self.ahead.take_if(|(then_end, _)| *then_end <= next) {
            self.since_ms = self.since_ms.max(Some(then_ms));
        }
        if end <= next {
            self.since_ms = self.since_ms.max(Some(at_ms));
        } else if self.ahead.is_none() {
            self.ahead = Some((end, at_ms));
        }
        missed
    }
}

/// How long a topic of this config keeps deletes for its readers; `None` if it never gives any up by compaction.
#[must_use]
pub fn deletes_kept_ms(configs: &TopicConfigs) -> Option<i64> {
    let value = |name: &str| configs.get(name).and_then(|config| config.value.as_deref());
    let compacts = value("cleanup.policy")?.split(',').any(|policy| policy.trim() == "compact");
    compacts.then(|| value("delete.retention.ms")?.trim().parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use mirror::config_sync::{ConfigOrigin, TopicConfig};

    use super::*;

    const DAY_MS: i64 = 86_400_000;

    fn answer(next: i64, end: i64, first_missing: Option<i64>, at_ms: i64) -> Answer {
        Answer { next, end, first_missing, at_ms }
    }

    #[test]
    fn holes_after_too_long_a_time_are_named_up_to_the_end() {
        let mut unread = Unread::new(Some(1_000), Some(DAY_MS));

        let missed = unread.read(answer(20, 50, Some(12), 1_001 + DAY_MS));

        assert_eq!(missed, Some(LossKind::Tombstones { from: 12, to: 50, unread_ms: DAY_MS + 1 }));
        assert_eq!(unread.read(answer(40, 60, Some(25), 1_002 + DAY_MS)), None, "named already");
        assert_eq!(unread.since_ms(), Some(1_001 + DAY_MS));
    }

    #[test]
    fn holes_in_time_and_a_long_time_without_holes_are_no_loss() {
        let at =
            |first_missing, at_ms| Unread::new(Some(1_000), Some(DAY_MS)).read(answer(50, 50, first_missing, at_ms));

        assert_eq!(at(Some(12), 1_000 + DAY_MS), None);
        assert_eq!(at(None, 1_001 + DAY_MS), None);
    }

    #[test]
    fn a_topic_that_is_not_compacted_and_a_first_look_lose_nothing() {
        assert_eq!(Unread::new(Some(0), None).read(answer(50, 50, Some(12), i64::MAX)), None);
        assert_eq!(Unread::new(None, Some(DAY_MS)).read(answer(50, 50, Some(12), i64::MAX)), None);
    }

    #[test]
    fn what_is_unread_came_after_the_time_when_the_position_was_the_end() {
        let mut unread = Unread::new(None, None);

        unread.read(answer(10, 30, None, 1));
        assert_eq!(unread.since_ms(), None, "there may be records of any age");
        unread.read(answer(20, 90, None, 2));
        unread.read(answer(30, 90, None, 3));
        assert_eq!(unread.since_ms(), Some(1), "30 was the end then");
        unread.read(answer(89, 95, None, 4));
        assert_eq!(unread.since_ms(), Some(1));
        unread.read(answer(92, 95, None, 5));
        assert_eq!(unread.since_ms(), Some(3), "90 was the end when 30 was reached");
        unread.read(answer(95, 95, None, 6));
        assert_eq!(unread.since_ms(), Some(6));
    }

    #[test]
    fn who_lags_for_longer_than_deletes_are_kept_is_told_each_time() {
        let mut unread = Unread::new(None, Some(10));
        unread.read(answer(5, 5, None, 100));

        let missed: Vec<_> =
            (1..=6).map(|i| unread.read(answer(5 + i, 100, Some(4 + i), 100 + 5 * i)).is_some()).collect();

        assert_eq!(missed, [false, false, true, false, false, true]);
    }

    #[test]
    fn only_compacted_topics_give_deletes_up() {
        let of = |policy: &str| {
            let config = |value: &str| TopicConfig {
                value: Some(value.to_owned()),
                origin: ConfigOrigin::Default,
                read_only: false,
                sensitive: false,
            };
            let entries = [("cleanup.policy", policy), ("delete.retention.ms", "86400000")];
            deletes_kept_ms(&entries.into_iter().map(|(name, value)| (name.to_owned(), config(value))).collect())
        };

        assert_eq!([of("compact"), of("compact,delete"), of("delete, compact")], [Some(DAY_MS); 3]);
        assert_eq!(of("delete"), None);
        assert_eq!(deletes_kept_ms(&TopicConfigs::new()), None);
    }
}
