//! Two logs side by side: where a reader of the source goes on at the target, found by comparing records.
//!
//! Runs know what Portage has mirrored. What somebody else has (Java's MirrorMaker before us, a task that was killed before it
//! wrote its runs down) shows in the records themselves: a copy has the timestamp, key, value and headers of its original,
//! and copies ascend with their originals. So a piece of each log around a committed offset tells which record is which:
//! records that occur once in both pieces are *twins*; from twins on, neighbours that agree are twins, too. A mirror that was
//! killed copies some records twice: neighbours are followed backwards first, which finds the second copies, behind which
//! nothing is repeated.
//!
//! **Promise:** a position that is found never lies past the copy of a record from the committed offset on. Where the pieces do
//! not force an answer it is earlier, and not called exact; where they contradict each other there is none.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use kafka_wire::batch::Record;

/// A record as it is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Its offset.
    pub offset: i64,
    /// Its timestamp, in milliseconds.
    pub timestamp_ms: i64,
    /// A hash of its key, value and headers.
    pub content: u64,
}

impl Sample {
    /// Of a record.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        let mut hasher = DefaultHasher::new();
        (&record.key, &record.value, record.headers.len()).hash(&mut hasher);
        for header in &record.headers {
            (&header.key, &header.value).hash(&mut hasher);
        }
        Self { offset: record.offset, timestamp_ms: record.timestamp, content: hasher.finish() }
    }
}

/// A piece of a log: all records that it has there, ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Piece {
    /// The records.
    pub samples: Vec<Sample>,
    /// The log has nothing behind them.
    pub to_end: bool,
    /// The broker has given them their timestamps (`message.timestamp.type=LogAppendTime`).
    pub append_time: bool,
}

/// A position at the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Located {
    /// The target offset.
    pub offset: i64,
    /// Nothing is read twice there.
    pub exact: bool,
}

/// A piece of the source and the piece of the target that may hold its copies.
///
/// The target's piece has to begin before the copy of the source's first record, or at it.
#[derive(Debug)]
pub struct SideBySide {
    source: Piece,
    target: Piece,
    /// Ascending on both sides.
    twins: Vec<Twin>,
    /// How many of a record's look-alikes, itself included, the pieces have: of each record of the source's piece, and of each of
    /// the target's.
    of_here: Vec<Count>,
    of_there: Vec<Count>,
}

/// How many records of one content the source's piece has, and how many the target's has.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    here: usize,
    there: usize,
    /// The place of the target's last one.
    last_there: usize,
}

/// A record and its copy, by their places in the pieces.
#[derive(Debug, Clone, Copy)]
struct Twin {
    here: usize,
    there: usize,
    /// It is a copy of this record, not of one that looks like it.
    sure: bool,
}

impl SideBySide {
    /// Compares. Linear in the records.
    #[must_use]
    pub fn new(source: Piece, target: Piece) -> Self {
        // The target's own times say nothing of the originals.
        let digest = |sample: &Sample| (sample.content, if target.append_time { 0 } else { sample.timestamp_ms });
        let here: Vec<Digest> = source.samples.iter().map(digest).collect();
        let there: Vec<Digest> = target.samples.iter().map(digest).collect();
        let mut twins = unique_twins(&here, &there);
        if !twins.is_sorted_by(|a, b| a.1 < b.1) {
            // Copies ascend with their originals: these are no copies, or not of this topic.
            twins.clear();
        }
        let twins = with_neighbours(&twins, &here, &there, source.to_end && target.to_end);
        let counts = counts(&here, &there);
        let of =
            |digests: &[Digest]| digests.iter().map(|digest| counts.get(digest).copied().unwrap_or_default()).collect();
        let (of_here, of_there) = (of(&here), of(&there));
        Self { source, target, twins, of_here, of_there }
    }

    /// Where a reader that goes on at `committed` on the source goes on at the target, whose log ends at `target_end`. `None`:
    /// the pieces do not say.
    #[must_use]
    pub fn locate(&self, committed: i64, target_end: i64) -> Option<Located> {
        let next = self.source.samples.partition_point(|sample| sample.offset < committed);
        let at = |there: usize, exact| self.target.samples.get(there).map(|s| Located { offset: s.offset, exact });
        let behind = self.twins.partition_point(|twin| twin.here < next);
        let following = self.twins.get(behind);
        if let Some(twin) = following
            && twin.here == next
        {
            return at(twin.there, twin.sure);
        }
        let last = self.twins.get(behind.checked_sub(1)?)?;
        match following {
            // What lies between was not copied, unless it was copied elsewhere.
            Some(twin) if twin.there == last.there + 1 || self.come_again(last.there + 1, twin.there) => {
                at(twin.there, twin.sure && self.of_here[next..twin.here].iter().all(|count| count.there == 0))
            }
            None if self.target.to_end && last.there + 1 == self.target.samples.len() => {
                // The next copy comes to the end of the target. If it may be one of a record that has been read, not exactly.
                Some(Located { offset: target_end, exact: last.sure && last.here + 1 == next })
            }
            _ => at(last.there, false).map(|last| Located { offset: last.offset + 1, exact: false }),
        }
    }

    /// All of these records of the target have a second copy from `to` on, which is no copy of a look-alike.
    fn come_again(&self, from: usize, to: usize) -> bool {
        self.of_there[from..to].iter().all(|count| count.here == 1 && count.last_there >= to)
    }
}

type Digest = (u64, i64);

/// Records that occur once on each side, in the order of the source.
fn unique_twins(here: &[Digest], there: &[Digest]) -> Vec<(usize, usize)> {
    let at_source = unique(here);
    let mut twins: Vec<(usize, usize)> =
        unique(there).into_iter().filter_map(|(digest, there)| Some(((*at_source.get(&digest)?)?, there?))).collect();
    twins.sort_unstable();
    twins
}

/// The place of each digest; `None` if it has several.
fn unique(digests: &[Digest]) -> HashMap<Digest, Option<usize>> {
    let mut places = HashMap::with_capacity(digests.len());
    for (index, digest) in digests.iter().enumerate() {
        places.entry(*digest).and_modify(|place| *place = None).or_insert(Some(index));
    }
    places
}

/// Twins, and those of their neighbours that agree. Of look-alikes between two twins the source may have more than the target:
/// some were not copied (an aborted transaction that was tried again), and nobody knows which. Counted from the twin behind
/// them, they are the latest that they can be; counted from the twin before them, they could be anything.
fn with_neighbours(twins: &[(usize, usize)], here: &[Digest], there: &[Digest], to_ends: bool) -> Vec<Twin> {
    let mut all: Vec<Twin> = Vec::with_capacity(twins.len());
    let mut start = None;
    for end in twins.iter().copied().map(Some).chain([None]) {
        let (from_i, from_j) = start.map_or((0, 0), |(i, j)| (i + 1, j + 1));
        let (to_i, to_j) = end.unwrap_or((here.len(), there.len()));
        let counts = counts(&here[from_i..to_i], &there[from_j..to_j]);
        let count = |digest: &Digest| counts.get(digest).copied().unwrap_or_default();
        // Two ends are twins if all before them are.
        let same_tail = start.is_some() && to_ends && here[from_i..to_i] == there[from_j..to_j];
        // Between two twins a record that the target does not have was not copied, and is passed over.
        let (mut i, mut j) = (to_i, to_j);
        let mut backwards = Vec::new();
        while i > from_i && j > from_j && (end.is_some() || same_tail) {
            let of = count(&here[i - 1]);
            if here[i - 1] == there[j - 1] {
                (i, j) = (i - 1, j - 1);
                backwards.push(Twin { here: i, there: j, sure: of.here <= of.there });
            } else if of.there == 0 {
                i -= 1;
            } else {
                break;
            }
        }
        let (mut on_i, mut on_j) = (from_i, from_j);
        while on_i < i && on_j < j && start.is_some() {
            let of = count(&here[on_i]);
            if here[on_i] == there[on_j] && of.here == 1 {
                all.push(Twin { here: on_i, there: on_j, sure: true });
                (on_i, on_j) = (on_i + 1, on_j + 1);
            } else if of.there == 0 && end.is_some() {
                on_i += 1;
            } else {
                break;
            }
        }
        all.extend(backwards.into_iter().rev());
        all.extend(end.map(|(here, there)| Twin { here, there, sure: true }));
        start = end;
    }
    all
}

/// How many of each digest both lists have.
fn counts(here: &[Digest], there: &[Digest]) -> HashMap<Digest, Count> {
    let mut counts: HashMap<Digest, Count> = HashMap::with_capacity(here.len());
    for digest in here {
        counts.entry(*digest).or_default().here += 1;
    }
    for (place, digest) in there.iter().enumerate() {
        let count = counts.entry(*digest).or_default();
        count.there += 1;
        count.last_there = place;
    }
    counts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn samples(records: &[(i64, u64)]) -> Vec<Sample> {
        records.iter().map(|(offset, content)| Sample { offset: *offset, timestamp_ms: 7, content: *content }).collect()
    }

    /// Records by offset, each log to its end.
    fn logs(source: &[(i64, u64)], target: &[(i64, u64)]) -> SideBySide {
        let piece = |records| Piece { samples: samples(records), to_end: true, append_time: false };
        SideBySide::new(piece(source), piece(target))
    }

    fn numbered(contents: impl IntoIterator<Item = u64>) -> Vec<(i64, u64)> {
        (0..).zip(contents).collect()
    }

    fn exact(offset: i64) -> Option<Located> {
        Some(Located { offset, exact: true })
    }

    fn near(offset: i64) -> Option<Located> {
        Some(Located { offset, exact: false })
    }

    #[test]
    fn every_record_is_found_at_its_copy_and_the_end_at_the_end() {
        let both = logs(&[(750, 1), (751, 2), (760, 3)], &[(0, 1), (1, 2), (2, 3)]);

        for (committed, found) in [(0, 0), (750, 0), (751, 1), (752, 2), (760, 2), (761, 5), (900, 5)] {
            assert_eq!(both.locate(committed, 5), exact(found), "{committed}");
        }
    }

    #[test]
    fn records_that_were_not_copied_are_passed_over() {
        let both = logs(&numbered([1, 2, 90, 91, 3]), &numbered([1, 2, 3]));

        assert_eq!(both.locate(2, 3), exact(2));
        assert_eq!(both.locate(3, 3), exact(2));
    }

    #[test]
    fn copies_whose_originals_are_gone_do_not_disturb() {
        let both = logs(&[(0, 1), (6, 7), (9, 10)], &numbered(1..=10));

        assert_eq!(both.locate(6, 10), exact(6));
        assert_eq!(both.locate(7, 10), exact(9));
    }

    #[test]
    fn behind_a_second_copy_nothing_is_repeated() {
        let both = logs(&numbered(1..=7), &numbered([1, 2, 3, 4, 5, 3, 4, 5, 6, 7]));

        assert_eq!(both.locate(1, 10), exact(1));
        assert_eq!(both.locate(2, 10), exact(5));
        assert_eq!(both.locate(4, 10), exact(7));
        assert_eq!(both.locate(5, 10), exact(8));
    }

    #[test]
    fn second_copies_are_found_though_records_between_them_were_not_copied() {
        // 90 to 93 belong to transactions that were aborted; the mirror was killed behind 5 and began again at 2.
        let source = [1, 2, 90, 3, 91, 92, 4, 5, 93, 6, 7];
        let both = logs(&numbered(source), &numbered([1, 2, 3, 4, 5, 2, 3, 4, 5, 6, 7]));

        for (committed, found) in [(0, 0), (1, 5), (2, 6), (3, 6), (4, 7), (6, 7), (7, 8), (8, 9), (9, 9), (11, 11)] {
            assert_eq!(both.locate(committed, 11), exact(found), "{committed}");
        }
    }

    #[test]
    fn records_that_look_alike_are_told_apart_by_their_neighbours() {
        let both = logs(&numbered([5, 5, 5, 1, 5, 5]), &numbered([5, 5, 5, 1, 5, 5]));

        for committed in 0..6 {
            assert_eq!(both.locate(committed, 6), exact(committed));
        }
        assert_eq!(logs(&numbered([5, 5, 5]), &numbered([5, 5, 5])).locate(1, 3), None);
    }

    #[test]
    fn what_is_not_mirrored_yet_comes_to_the_end() {
        let both = logs(&numbered(1..=6), &numbered(1..=4));

        assert_eq!(both.locate(4, 4), exact(4));
        assert_eq!(both.locate(5, 4), near(4));
    }

    #[test]
    fn an_end_that_was_not_seen_is_no_end() {
        let source = Piece { samples: samples(&numbered(1..=4)), to_end: true, append_time: false };
        let target = Piece { samples: samples(&numbered(1..=4)), to_end: false, append_time: false };

        assert_eq!(SideBySide::new(source, target).locate(4, 100), near(4));
    }

    #[test]
    fn logs_that_contradict_each_other_say_nothing() {
        assert_eq!(logs(&numbered([1, 2, 3]), &numbered([2, 1, 3])).locate(1, 3), None);
        assert_eq!(logs(&numbered([1, 2, 3]), &numbered([7, 8])).locate(1, 2), None);
    }

    #[test]
    fn times_of_the_target_itself_are_not_compared() {
        let source = Piece { samples: samples(&numbered(1..=4)), to_end: true, append_time: false };
        let mut target = Piece { append_time: true, ..source.clone() };
        target.samples.iter_mut().for_each(|sample| sample.timestamp_ms += 1000);

        let both = SideBySide::new(source.clone(), target.clone());

        assert_eq!(both.locate(2, 4), exact(2));
        target.append_time = false;
        assert_eq!(SideBySide::new(source, target).locate(2, 4), None);
    }

    /// What happens to a record on its way.
    #[derive(Debug, Clone, Copy)]
    enum Fate {
        Copied,
        NotCopied,
        /// The mirror is killed behind it, and begins so many records earlier.
        Killed(usize),
    }

    fn fates() -> impl Strategy<Value = Vec<(Fate, u64)>> {
        let fate = prop_oneof![
            12 => Just(Fate::Copied),
            3 => Just(Fate::NotCopied),
            1 => (1..6_usize).prop_map(Fate::Killed),
        ];
        prop::collection::vec((fate, 0..12_u64), 1..60)
    }

    /// Originals, and the indices of the originals that the target's records are copies of.
    fn mirror(fates: &[(Fate, u64)]) -> (Vec<(i64, u64)>, Vec<usize>) {
        let mut copies = Vec::new();
        for (index, (fate, _)) in fates.iter().enumerate() {
            match fate {
                Fate::NotCopied => {}
                Fate::Copied => copies.push(index),
                Fate::Killed(back) => {
                    copies.push(index);
                    let again = index.saturating_sub(*back)..=index;
                    copies.extend(again.filter(|index| !matches!(fates[*index].0, Fate::NotCopied)));
                }
            }
        }
        ((0..).zip(fates.iter().map(|(_, content)| *content)).collect(), copies)
    }

    proptest! {
        #[test]
        fn no_record_that_has_not_been_read_is_passed_even_if_many_look_alike(fates in fates(), mirrored in 0..80_usize) {
            let (source, mut copies) = mirror(&fates);
            copies.truncate(mirrored);
            let target: Vec<(i64, u64)> = numbered(copies.iter().map(|index| source[*index].1));
            let end = target.len() as i64;
            let both = logs(&source, &target);

            for committed in 0..=source.len() {
                let Some(found) = both.locate(committed as i64, end) else { continue };
                prop_assert!(found.offset <= end);
                let ahead: Vec<u64> = target[found.offset as usize..].iter().map(|(_, content)| *content).collect();
                // What the reader still wants and the target has must come, in this order.
                let mut wanted = source[committed..].iter().enumerate()
                    .filter(|(index, _)| copies.contains(&(committed + index)))
                    .map(|(_, (_, content))| *content)
                    .peekable();
                for content in ahead {
                    wanted.next_if_eq(&content);
                }
                prop_assert_eq!(wanted.next(), None, "{} at {:?}: {:?}, {:?}", committed, found, source, target);
            }
        }

        #[test]
        fn whatever_has_been_deleted_on_either_side_an_exact_position_is_the_next_record(
            fates in fates(), here in prop::collection::vec(any::<bool>(), 60),
            there in prop::collection::vec(any::<bool>(), 480), deletes in any::<bool>(),
        ) {
            let fates: Vec<(Fate, u64)> = fates.iter().zip(0..).map(|((fate, _), content)| (*fate, content)).collect();
            let (source, copies) = mirror(&fates);
            let target: Vec<(i64, u64)> = numbered(copies.iter().map(|index| source[*index].1));
            // Compaction and retention take the older one of two copies first.
            let kept = |log: &[(i64, u64)], kept: &[bool]| -> Vec<(i64, u64)> {
                let taken = |index: usize| deletes && !kept[index];
                let stays = |(index, (_, content)): &(usize, &(i64, u64))| {
                    !(*index..log.len()).any(|later| log[later].1 == *content && taken(later))
                };
                log.iter().enumerate().filter(stays).map(|(_, record)| *record).collect()
            };
            let (left, copies_left) = (kept(&source, &here), kept(&target, &there));
            let end = target.len() as i64;
            let both = logs(&left, &copies_left);

            for committed in 0..=source.len() as i64 {
                let Some(found) = both.locate(committed, end) else { continue };
                let unread = left.iter().filter(|(offset, _)| *offset >= committed);
                for (_, content) in unread {
                    let there = copies_left.iter().rfind(|(_, copy)| copy == content);
                    prop_assert!(there.is_none_or(|(offset, _)| *offset >= found.offset), "{} at {:?}: {:?}, {:?}", committed, found, left, copies_left);
                }
                if found.exact && let Some((_, content)) = copies_left.iter().find(|(offset, _)| *offset >= found.offset) {
                    let next = left.iter().find(|(offset, next)| {
                        *offset >= committed && copies_left.iter().any(|(_, copy)| copy == next)
                    });
                    prop_assert_eq!(next.map(|(_, next)| next), Some(content), "{} at {:?}: {:?}, {:?}", committed, found, left, copies_left);
                }
            }
        }
    }
}
