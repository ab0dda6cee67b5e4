//! Which groups of the source are not followed, and why. The last look's answer is kept whole.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use connect_api::metrics::{Family, Metric, MetricSource};

const GROUPS: Family =
    Family::gauge("portage_groups_left_out", "Groups of the source that have no checkpoints, by the reason.");
const GROUP: Family = Family::gauge(
    "portage_group_left_out",
    "1 for a group of the source that has no checkpoints although the filter accepts it, with the reason.",
);

/// Why a group is not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeftOut {
    /// `groups` and `groups.exclude` leave it out.
    Filtered,
    /// Its members are no consumers: Connect's workers, share and streams groups.
    NoConsumers,
    /// It has not committed anything.
    NoOffsets,
    /// It has committed, but on no topic that `topics` and `topics.exclude` accept.
    NoMirroredTopic,
    /// Its offsets could not be read.
    Refused {
        /// Why: mostly a missing permission.
        error: String,
    },
}

impl LeftOut {
    /// As the word of a label.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Filtered => "filtered",
            Self::NoConsumers => "no_consumers",
            Self::NoOffsets => "no_offsets",
            Self::NoMirroredTopic => "no_mirrored_topic",
            Self::Refused { .. } => "refused",
        }
    }
}

/// What the last look at the source's groups found.
#[derive(Debug)]
pub struct GroupsLeftOut {
    source: String,
    target: String,
    groups: Mutex<BTreeMap<String, LeftOut>>,
}

impl GroupsLeftOut {
    /// Nothing has been looked at yet.
    #[must_use]
    pub fn new(source: &str, target: &str) -> Self {
        Self { source: source.to_owned(), target: target.to_owned(), groups: Mutex::default() }
    }

    /// A look has ended.
    pub fn found(&self, groups: BTreeMap<String, LeftOut>) {
        *self.lock() = groups;
    }

    /// Why a group is not followed; `None` if it is, or does not exist.
    #[must_use]
    pub fn reason(&self, group: &str) -> Option<LeftOut> {
        self.lock().get(group).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, LeftOut>> {
        // It is only ever replaced as a whole.
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MetricSource for GroupsLeftOut {
    fn collect(&self, _: i64, sink: &mut dyn FnMut(Metric<'_>)) {
        let (source, target) = (("source", &*self.source), ("target", &*self.target));
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for (group, reason) in &*self.lock() {
            *counts.entry(reason.word()).or_default() += 1;
            // There may be any number of console consumers.
            if *reason != LeftOut::Filtered {
                sink(GROUP.count(&[source, target, ("group", group), ("reason", reason.word())], 1));
            }
        }
        for (reason, count) in counts {
            sink(GROUPS.count(&[source, target, ("reason", reason)], count));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_group_has_its_reason_and_each_reason_its_number() {
        let left_out = GroupsLeftOut::new("a", "b");
        let refused = LeftOut::Refused { error: "GROUP_AUTHORIZATION_FAILED".to_owned() };
        let groups = [("console-1", LeftOut::Filtered), ("console-2", LeftOut::Filtered), ("secret", refused.clone())];

        left_out.found(groups.map(|(group, reason)| (group.to_owned(), reason)).into());

        assert_eq!(left_out.reason("secret"), Some(refused));
        assert_eq!(left_out.reason("other"), None);
        let mut told = Vec::new();
        left_out.collect(0, &mut |metric| {
            told.push(metric.labels.iter().skip(2).map(|(_, value)| (*value).to_owned()).collect::<Vec<_>>().join(" "));
        });
        assert_eq!(told, ["secret refused", "filtered", "refused"]);
    }
}
