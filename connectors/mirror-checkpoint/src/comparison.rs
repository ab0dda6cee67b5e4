//! Offsets that neither runs nor offset syncs answer exactly, because somebody else mirrored them or because what was known is
//! lost: a little of both logs is read there, and the records say it ([`mirror::side_by_side`]).
//!
//! Reading is bounded: so many places at a time, so many records in each; and it goes on beside the rounds, so that no group waits
//! for the places of others. What was found exactly is kept while it is asked for, the rest is looked at again when the target
//! has grown.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use connect_api::config::ConfigMap;
use kafka_client::admin::Admin;
use mirror::runs::{RunsKey, TargetLog, TopicIds};
use mirror::side_by_side::Located;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::places::{Found, Places, Window};
use crate::translator::Answer;

/// Committed offsets that lie no further apart than this are looked at together.
const TOGETHER: i64 = 1000;
/// Partitions that are read at once, and how often one after the other.
const PARTITIONS: usize = 64;
const TURNS: usize = 8;
/// What was not found is looked for again when the target has grown, but not sooner: at first soon, because a mirror may just
/// be catching up, then so often.
const AGAIN_AT_FIRST: Duration = Duration::from_secs(1);
const AGAIN: Duration = Duration::from_secs(10);
/// A reader that seems to be ahead of the mirror is waited for so long: mostly the mirror comes.
const AHEAD: Duration = Duration::from_secs(5);
/// A round waits so long for what is being read. What comes later is for the next one.
const WAITED_FOR: Duration = Duration::from_millis(500);

/// A committed offset that has no exact answer.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) key: RunsKey,
    pub(crate) ids: TopicIds,
    pub(crate) committed: i64,
    /// The target's log now.
    pub(crate) log: TargetLog,
    /// No copy of a record from [`BEFORE`] offsets before the committed one on lies below this.
    pub(crate) floor: Option<i64>,
    /// What the group has read is not among the runs, or not yet.
    pub(crate) ahead: bool,
}

/// What the logs said.
pub(crate) struct Comparison {
    known: HashMap<RunsKey, Known>,
    round: u64,
    /// `None`: at work.
    reader: Option<Places>,
    at_work: JoinSet<Places>,
    tell: mpsc::UnboundedSender<Found>,
    told: mpsc::UnboundedReceiver<Found>,
}

#[derive(Debug)]
struct Known {
    ids: TopicIds,
    places: BTreeMap<i64, Place>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    located: Option<Located>,
    since: Instant,
    looked: Option<Instant>,
    target_end: i64,
    /// The last round that has asked for it.
    asked: u64,
}

impl Comparison {
    pub(crate) fn new(config: ConfigMap) -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        Self { known: HashMap::new(), round: 0, reader: Some(Places::new(config)), at_work: JoinSet::new(), tell, told }
    }

    /// Looks at what has not been found yet, as much as is read at a time. `all`: what is not asked for is forgotten.
    pub(crate) async fn look(&mut self, questions: Vec<Question>, all: bool, source: &Admin, target: &Admin) {
        let due = self.due(questions, all);
        if !due.is_empty()
            && let Some(reader) = self.reader.take()
        {
            let turns = turns(windows(due));
            self.at_work.spawn(reader.read(turns, source.clone(), target.clone(), self.tell.clone()));
        }
        let until = Instant::now() + WAITED_FOR;
        while self.reader.is_none() {
            tokio::select! {
                biased;
                Some(found) = self.told.recv() => self.found(found),
                Some(reader) = self.at_work.join_next() => match reader {
                    Ok(reader) => self.reader = Some(reader),
                    Err(error) => std::panic::resume_unwind(error.into_panic()),
                },
                () = sleep_until(until) => return,
            }
        }
        while let Ok(found) = self.told.try_recv() {
            self.found(found);
        }
    }

    fn found(&mut self, found: Found) {
        let Found { key, ids, committed, located, target_end } = found;
        let known = self.known.get_mut(&key).filter(|known| known.ids == ids);
        if let Some(place) = known.and_then(|known| known.places.get_mut(&committed)) {
            *place = Place { located, looked: Some(Instant::now()), target_end, ..*place };
        }
    }

    /// The answer for an offset, or the better one that was found.
    pub(crate) fn better(&self, answer: Answer, key: &RunsKey, committed: i64, log: TargetLog) -> Answer {
        let place = self.known.get(key).and_then(|known| known.places.get(&committed));
        match place.and_then(|place| place.located).filter(|located| located.offset <= log.end) {
            // Neither is past an unread record, so the later one counts. But an offset sync that somebody wrote of a topic that
            // has been created anew since is, and the records know better.
            Some(found) if found.exact || answer.offset().is_none_or(|safe| safe <= found.offset) => {
                Answer::At { offset: found.offset.max(log.start), exact: found.exact }
            }
            _ => answer,
        }
    }

    /// `all`: what is not asked for is forgotten.
    fn due(&mut self, questions: Vec<Question>, all: bool) -> Vec<Question> {
        let now = Instant::now();
        self.round += 1;
        let round = self.round;
        let mut due = Vec::new();
        for question in questions {
            let Question { ids, committed, log, .. } = question;
            let begin = || Known { ids, places: BTreeMap::new() };
            let known = self.known.entry(question.key.clone()).or_insert_with(begin);
            if known.ids != ids {
                *known = begin();
            }
            let place = known.places.entry(committed).or_insert(Place {
                located: None,
                since: now,
                looked: None,
                target_end: 0,
                asked: 0,
            });
            if std::mem::replace(&mut place.asked, round) == round {
                // Several groups stand there.
                continue;
            }
            let is_due = match place.looked {
                None => !question.ahead || place.since + AHEAD <= now,
                Some(looked) => {
                    let exact = place.located.is_some_and(|located| located.exact);
                    let again = (looked - place.since).clamp(AGAIN_AT_FIRST, AGAIN);
                    !exact && place.target_end != log.end && looked + again <= now
                }
            };
            if is_due && log.start < log.end {
                due.push(question);
            }
        }
        if all {
            self.known.retain(|_, known| {
                known.places.retain(|_, place| place.asked == round);
                !known.places.is_empty()
            });
        }
        due
    }
}

fn windows(mut questions: Vec<Question>) -> Vec<Window> {
    questions.sort_by(|a, b| (&a.key, a.committed).cmp(&(&b.key, b.committed)));
    let mut windows: Vec<Window> = Vec::new();
    for Question { key, ids, committed, log, floor, .. } in questions {
        match windows.last_mut().filter(|window| window.key == key && committed - window.first() <= TOGETHER) {
            Some(window) => window.committed.push(committed),
            None => windows.push(Window { key, ids, committed: vec![committed], log, floor }),
        }
    }
    windows
}

/// What is read at once, turn by turn; of a partition one window in each. What is too much waits for another round.
fn turns(windows: Vec<Window>) -> Vec<Vec<Window>> {
    let mut turns: Vec<Vec<Window>> = (0..TURNS).map(|_| Vec::new()).collect();
    let mut last: Option<(RunsKey, usize)> = None;
    for window in windows {
        let after = last.take().filter(|(key, _)| *key == window.key).map_or(0, |(_, turn)| turn + 1);
        let free = (after..TURNS).find(|turn| turns[*turn].len() < PARTITIONS);
        last = Some((window.key.clone(), free.unwrap_or(TURNS)));
        if let Some(turn) = free {
            turns[turn].push(window);
        }
    }
    turns.retain(|turn| !turn.is_empty());
    turns
}

#[cfg(test)]
mod tests {
    use mirror::runs::RunsKey;

    use super::*;

    fn question(partition: i32, committed: i64) -> Question {
        let key = RunsKey { source: mirror::TopicPartition::new("t", partition), target_topic: "A.t".into() };
        let log = TargetLog { start: 0, end: 9000 };
        Question { key, ids: TopicIds::default(), committed, log, floor: Some(committed / 2), ahead: false }
    }

    #[test]
    fn offsets_near_to_each_other_are_looked_at_together() {
        let questions = [(0, 5000), (1, 7), (0, 10), (0, 900), (0, 1010), (0, 1011)];
        let windows = windows(questions.map(|(partition, committed)| question(partition, committed)).into());

        let seen: Vec<_> = windows.iter().map(|w| (w.key.source.partition, w.committed.clone(), w.floor)).collect();

        let expected: [(i32, Vec<i64>, Option<i64>); 4] = [
            (0, vec![10, 900, 1010], Some(5)),
            (0, vec![1011], Some(505)),
            (0, vec![5000], Some(2500)),
            (1, vec![7], Some(3)),
        ];
        assert_eq!(seen, expected);
    }

    #[tokio::test]
    async fn what_was_found_is_not_looked_for_again_and_what_is_not_asked_for_is_forgotten() {
        let mut comparison = Comparison::new(ConfigMap::new());
        assert_eq!(comparison.due(vec![question(0, 10), question(0, 20), question(1, 5)], true).len(), 3);
        let key = question(0, 10).key;
        for (committed, exact) in [(10, true), (20, false)] {
            let place = comparison.known.get_mut(&key).unwrap().places.get_mut(&committed).unwrap();
            place.located = Some(Located { offset: committed, exact });
            place.looked = Instant::now().checked_sub(AGAIN);
            place.target_end = 8000;
        }

        let asked = [(0, 10), (0, 10), (0, 20), (0, 20)].map(|(partition, committed)| question(partition, committed));
        let due = comparison.due(asked.into(), true);

        assert_eq!(due.iter().map(|question| question.committed).collect::<Vec<_>>(), [20]);
        assert_eq!(comparison.known.len(), 1);
        let log = TargetLog { start: 0, end: 9000 };
        let better = comparison.better(Answer::At { offset: 4, exact: false }, &key, 10, log);
        assert_eq!(better, Answer::At { offset: 10, exact: true });
        let behind_the_end =
            comparison.better(Answer::At { offset: 4, exact: false }, &key, 10, TargetLog { start: 0, end: 9 });
        assert_eq!(behind_the_end, Answer::At { offset: 4, exact: false });
    }

    #[tokio::test]
    async fn a_group_ahead_of_the_mirror_is_waited_for() {
        let mut comparison = Comparison::new(ConfigMap::new());

        assert!(comparison.due(vec![Question { ahead: true, ..question(0, 10) }], true).is_empty());
        let place = comparison.known.values_mut().next().unwrap().places.get_mut(&10).unwrap();
        place.since = Instant::now().checked_sub(AHEAD).unwrap();

        assert_eq!(comparison.due(vec![Question { ahead: true, ..question(0, 10) }], true).len(), 1);
    }
}
