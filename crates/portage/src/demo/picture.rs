//! What the demo looks like at one moment, as a value that can be shown in any way.

use std::time::Duration;

/// One moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Picture {
    /// Since the traffic began.
    pub(crate) elapsed: Duration,
    /// Records on the source that are to be mirrored.
    pub(crate) written: u64,
    /// Of these, how many are on the target.
    pub(crate) mirrored: u64,
    /// Over the last seconds.
    pub(crate) written_per_s: f64,
    /// Over the last seconds.
    pub(crate) mirrored_per_s: f64,
    /// How old the oldest record is that is not mirrored yet.
    pub(crate) lag: Duration,
    /// The clusters' memory is nearly full, and nothing more is written.
    pub(crate) full: bool,
    pub(crate) workers: Vec<WorkerState>,
    /// Connectors and tasks, as the group says.
    pub(crate) placement: Vec<Unit>,
    pub(crate) groups: Vec<GroupState>,
}

/// A worker process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WorkerState {
    pub(crate) address: String,
    /// Its process id, if it lives.
    pub(crate) pid: Option<u32>,
}

/// A connector or a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    /// As in `mirror-source`, or `mirror-source-0` for a task.
    pub(crate) name: String,
    pub(crate) is_task: bool,
    /// Kafka's word: RUNNING, FAILED, …
    pub(crate) state: String,
    /// Whose it is.
    pub(crate) worker: String,
}

/// How far a group is on both sides, in records since the first that was mirrored, all partitions together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GroupState {
    pub(crate) name: &'static str,
    pub(crate) source: i64,
    pub(crate) target: i64,
    pub(crate) partitions: usize,
    /// Partitions that have an offset on the target.
    pub(crate) translated: usize,
}

impl Picture {
    /// Records that are not mirrored yet.
    pub(crate) fn lag_records(&self) -> u64 {
        self.written - self.mirrored.min(self.written)
    }

    /// 0 to 1.
    pub(crate) fn progress(&self) -> f64 {
        if self.written == 0 { 0.0 } else { self.mirrored.min(self.written) as f64 / self.written as f64 }
    }

    /// Everything that is written is mirrored, and every group has offsets on the target.
    pub(crate) fn is_caught_up(&self) -> bool {
        let translated = |group: &GroupState| group.translated == group.partitions;
        self.written > 0 && self.lag_records() == 0 && !self.groups.is_empty() && self.groups.iter().all(translated)
    }

    /// How many connectors or tasks run, and how many there are.
    pub(crate) fn running(&self, tasks: bool) -> (usize, usize) {
        let units = || self.placement.iter().filter(|unit| unit.is_task == tasks);
        (units().filter(|unit| unit.state == "RUNNING").count(), units().count())
    }
}

/// `1,234,567`
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped() {
        let grouped: Vec<String> = [0, 999, 1_000, 12_345, 1_234_567].map(thousands).into();

        assert_eq!(grouped, ["0", "999", "1,000", "12,345", "1,234,567"]);
    }

    #[test]
    fn it_is_caught_up_when_records_and_groups_are_there() {
        let group = GroupState { name: "g", source: 5, target: 3, partitions: 2, translated: 2 };
        let picture = Picture { written: 10, mirrored: 10, groups: vec![group.clone()], ..Picture::default() };
        assert!(picture.is_caught_up());

        let behind = Picture { mirrored: 9, ..picture.clone() };
        let untranslated = Picture { groups: vec![GroupState { translated: 1, ..group }], ..picture };
        assert!(!behind.is_caught_up() && !untranslated.is_caught_up() && !Picture::default().is_caught_up());
    }
}
