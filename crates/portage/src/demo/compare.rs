//! Whether a copy is one: source and target of a partition, record by record.

use std::collections::HashMap;

/// A record: what it is called, and a hash of all that is in it (key, value, headers, timestamp).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Print {
    /// The number that its writer gave it, in its header; absent if there is none.
    pub(crate) number: Option<u64>,
    pub(crate) hash: u64,
}

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// Records of the source.
    pub(crate) records: u64,
    /// Of these, how many are not on the target.
    pub(crate) lost: u64,
    /// On the target more than once, counting the copies that are too many.
    pub(crate) repeated: u64,
    /// On the target with another content, or of no source record.
    pub(crate) differing: u64,
    /// On the target before one that comes earlier on the source.
    pub(crate) disordered: u64,
}

impl Comparison {
    pub(crate) fn add(&mut self, other: Self) {
        self.records += other.records;
        self.lost += other.lost;
        self.repeated += other.repeated;
        self.differing += other.differing;
        self.disordered += other.disordered;
    }

    /// Nothing is missing, foreign or out of order; records may be there more than once.
    pub(crate) fn is_complete(&self) -> bool {
        (self.lost, self.differing, self.disordered) == (0, 0, 0)
    }
}

/// Compares one partition.
pub(crate) fn compare(source: &[Print], target: &[Print]) -> Comparison {
    let mut found = Comparison { records: source.len() as u64, ..Comparison::default() };
    // Number to position, content, and whether it has been seen on the target.
    let mut known: HashMap<Option<u64>, (usize, u64, bool)> =
        source.iter().enumerate().map(|(at, print)| (print.number, (at, print.hash, false))).collect();
    let mut furthest = None;
    for print in target {
        let Some((at, hash, seen)) = known.get_mut(&print.number) else {
            found.differing += 1;
            continue;
        };
        if *hash != print.hash {
            found.differing += 1;
        } else if *seen {
            found.repeated += 1;
        } else if furthest.is_some_and(|furthest| *at < furthest) {
            found.disordered += 1;
        }
        *seen = true;
        furthest = furthest.max(Some(*at));
    }
    found.lost = known.values().filter(|(.., seen)| !seen).count() as u64;
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prints(numbers: &[u64]) -> Vec<Print> {
        numbers.iter().map(|number| Print { number: Some(*number), hash: number * 7 }).collect()
    }

    #[test]
    fn a_copy_is_complete_and_nothing_is_in_it_twice() {
        let source = prints(&[5, 6, 7]);

        let found = compare(&source, &source);

        assert!(found.is_complete());
        assert_eq!((found.records, found.repeated), (3, 0));
    }

    #[test]
    fn whatever_is_wrong_is_counted() {
        let source = prints(&[1, 2, 3, 4, 5]);
        let mut target = prints(&[1, 3, 2, 2, 9, 5]);
        target[5].hash += 1;

        let found = compare(&source, &target);

        let expected = Comparison { records: 5, lost: 1, repeated: 1, differing: 2, disordered: 1 };
        assert_eq!(found, expected);
        assert!(!found.is_complete());
    }

    #[test]
    fn nothing_is_no_copy() {
        assert_eq!(compare(&prints(&[1, 2]), &[]).lost, 2);
        assert_eq!(compare(&[], &prints(&[1])).differing, 1);
    }
}
