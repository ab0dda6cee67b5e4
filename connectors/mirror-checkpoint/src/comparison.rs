//! Offsets that neither runs nor offset syncs answer exactly, because somebody else mirrored them or because what was known is
//! lost: a little of both logs is read there, and the records say it ([`mirror::side_by_side`]).
//!
//! Reading is bounded: so many places in a round, so many records in each. What was found exactly is kept while it is asked
//! for, the rest is looked at again when the target has grown.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use connect_api::ConnectError;
use connect_api::config::ConfigMap;
use kafka_client::admin::{Admin, Isolation, OffsetSpec};
use kafka_client::fetcher::FetcherOptions;
use kafka_client::{Cluster, TopicPartition};
use mirror::config::ClientRole;
use mirror::runs::{RunsKey, TargetLog, TopicIds};
use mirror::side_by_side::{Located, Piece, SideBySide};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::clients;
use crate::pieces::{self, Span, Until};
use crate::translator::Answer;

/// Source offsets that are read before a committed one, and records behind it.
pub(crate) const BEFORE: i64 = 64;
const BEHIND: usize = 64;
/// Read before a committed offset if there is no record nearer: a long transaction, or holes of compaction.
const FAR_BEFORE: i64 = 10_000;
/// Committed offsets that lie no further apart than this are looked at together.
const TOGETHER: i64 = 1000;
/// Partitions that are read at once, and how often in a round.
const PARTITIONS: usize = 64;
const TURNS: usize = 8;
/// What was not found is looked for again when the target has grown, but not sooner: at first soon, because a mirror may just
/// be catching up, then so often.
const AGAIN_AT_FIRST: Duration = Duration::from_secs(1);
const AGAIN: Duration = Duration::from_secs(10);
/// A reader that seems to be ahead of the mirror is waited for so long: mostly the mirror comes.
const AHEAD: Duration = Duration::from_secs(5);
/// Small answers: a few records are wanted.
const FETCH_BYTES: i32 = 256 << 10;

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
    /// The group has read what the runs do not have yet.
    pub(crate) ahead: bool,
}

/// What the logs said.
pub(crate) struct Comparison {
    config: ConfigMap,
    sides: Option<(Side, Side)>,
    known: HashMap<RunsKey, Known>,
    refused: bool,
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
}

#[derive(Clone)]
struct Side {
    cluster: Cluster,
    options: FetcherOptions,
}

/// Committed offsets of one partition, near to each other, ascending.
struct Window {
    key: RunsKey,
    committed: Vec<i64>,
    log: TargetLog,
    floor: Option<i64>,
}

impl Comparison {
    pub(crate) fn new(config: ConfigMap) -> Self {
        Self { config, sides: None, known: HashMap::new(), refused: false }
    }

    /// Looks at what has not been found yet, as much as fits into a round. What is not asked for is forgotten.
    pub(crate) async fn look(&mut self, questions: Vec<Question>, source: &Admin, target: &Admin) {
        let turns = turns(windows(self.due(questions)));
        for turn in turns {
            match self.compare(&turn, source, target).await {
                Ok(()) => self.refused = false,
                Err(error) => {
                    if !std::mem::replace(&mut self.refused, true) {
                        warn!(%error, "records can't be compared; offsets that were mirrored by others stay approximate");
                    }
                    return;
                }
            }
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

    fn due(&mut self, questions: Vec<Question>) -> Vec<Question> {
        let now = Instant::now();
        let mut before = std::mem::take(&mut self.known);
        let mut due = Vec::new();
        for question in questions {
            let Question { ids, committed, log, .. } = question;
            if self.known.get(&question.key).is_some_and(|known| known.places.contains_key(&committed)) {
                // Several groups stand there.
                continue;
            }
            let place = before.get_mut(&question.key).filter(|known| known.ids == ids);
            let place = place.and_then(|known| known.places.remove(&committed)).unwrap_or(Place {
                located: None,
                since: now,
                looked: None,
                target_end: 0,
            });
            let known =
                self.known.entry(question.key.clone()).or_insert_with(|| Known { ids, places: BTreeMap::new() });
            known.places.insert(committed, place);
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
        due
    }

    async fn compare(&mut self, windows: &[Window], source: &Admin, target: &Admin) -> Result<(), ConnectError> {
        let (here, there) = self.sides().await?;
        let pieces = originals(windows, source, here).await?;
        // Where an open transaction of the target begins, or its log ends.
        let wanted = windows.iter().map(|window| (window.at_target(), OffsetSpec::Latest)).collect();
        let ends = list(target, ClientRole::CheckpointTargetAdmin, &wanted, Isolation::ReadCommitted).await?;
        let end =
            |window: &Window| ends.get(&window.at_target()).map_or(window.log.end, |end| window.log.end.min(*end));
        let spans = copies(windows, &pieces, target, &end).await?;
        let mut copies = pieces::read(there.cluster, there.options, &spans).await;
        let (mut offsets, mut exact) = (0, 0);
        for (window, original) in windows.iter().zip(pieces) {
            let copy = copies.remove(&window.at_target());
            let both = original.zip(copy).map(|(original, copy)| SideBySide::new(original, copy));
            let Some(known) = self.known.get_mut(&window.key) else { continue };
            for committed in &window.committed {
                let Some(place) = known.places.get_mut(committed) else { continue };
                place.located = both.as_ref().and_then(|both| both.locate(*committed, end(window)));
                place.looked = Some(Instant::now());
                place.target_end = window.log.end;
                offsets += 1;
                exact += usize::from(place.located.is_some_and(|located| located.exact));
                let (topic, partition, committed) =
                    (&*window.key.source.topic, window.key.source.partition, *committed);
                debug!(topic, partition, committed, located = ?place.located, "records compared");
            }
        }
        info!(partitions = windows.len(), offsets, exact, "offsets looked for by comparing records");
        Ok(())
    }

    async fn sides(&mut self) -> Result<(Side, Side), ConnectError> {
        if let Some(sides) = &self.sides {
            return Ok(sides.clone());
        }
        let here = Side::connect(&self.config, ClientRole::ReplicationConsumer).await?;
        let there = Side::connect(&self.config, ClientRole::CheckpointsTargetConsumer).await?;
        // Copies of an aborted transaction (a task that was killed, exactly once) are no copies: they come again.
        let there = Side { options: FetcherOptions { isolation: Isolation::ReadCommitted, ..there.options }, ..there };
        Ok(self.sides.insert((here, there)).clone())
    }
}

impl Side {
    async fn connect(config: &ConfigMap, role: ClientRole) -> Result<Self, ConnectError> {
        let cluster = clients::connect(config, role).await?;
        let options = FetcherOptions::from_config(cluster.config());
        let options = options.map_err(|error| ConnectError::config(format!("{role}: {error}")))?;
        Ok(Self { cluster, options: FetcherOptions { partition_max_bytes: FETCH_BYTES, ..options } })
    }
}

impl Window {
    fn first(&self) -> i64 {
        self.committed.first().copied().unwrap_or_default()
    }

    fn last(&self) -> i64 {
        self.committed.last().copied().unwrap_or_default()
    }

    fn at_source(&self) -> TopicPartition {
        TopicPartition::new(&*self.key.source.topic, self.key.source.partition)
    }

    fn at_target(&self) -> TopicPartition {
        TopicPartition::new(self.key.target_topic.as_str(), self.key.source.partition)
    }
}

fn windows(mut questions: Vec<Question>) -> Vec<Window> {
    questions.sort_by(|a, b| (&a.key, a.committed).cmp(&(&b.key, b.committed)));
    let mut windows: Vec<Window> = Vec::new();
    for Question { key, committed, log, floor, .. } in questions {
        match windows.last_mut().filter(|window| window.key == key && committed - window.first() <= TOGETHER) {
            Some(window) => window.committed.push(committed),
            None => windows.push(Window { key, committed: vec![committed], log, floor }),
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

/// The source's pieces.
async fn originals(windows: &[Window], source: &Admin, side: Side) -> Result<Vec<Option<Piece>>, ConnectError> {
    let list = async |spec: OffsetSpec| {
        let wanted = windows.iter().map(|window| (window.at_source(), spec)).collect();
        list(source, ClientRole::CheckpointSourceAdmin, &wanted, side.options.isolation).await
    };
    let (starts, ends) = tokio::try_join!(list(OffsetSpec::Earliest), list(OffsetSpec::Latest))?;
    let span = |window: &Window, before: i64| {
        let partition = window.at_source();
        let (start, log_end) = (*starts.get(&partition)?, *ends.get(&partition)?);
        let until = Until::Behind { offset: window.last(), count: BEHIND };
        Some((partition, Span { from: (window.first() - before).max(start), log_end, until }))
    };
    let near = windows.iter().filter_map(|window| span(window, BEFORE)).collect();
    let mut pieces = pieces::read(side.cluster.clone(), side.options.clone(), &near).await;
    let empty = |window: &&Window| pieces.get(&window.at_source()).is_some_and(|piece| piece.samples.is_empty());
    let far: BTreeMap<_, _> = windows.iter().filter(empty).filter_map(|window| span(window, FAR_BEFORE)).collect();
    if !far.is_empty() {
        pieces.extend(pieces::read(side.cluster, side.options, &far).await);
    }
    Ok(windows.iter().map(|window| pieces.remove(&window.at_source())).collect())
}

/// Where the copies of the pieces are, at the earliest.
async fn copies(
    windows: &[Window],
    pieces: &[Option<Piece>],
    target: &Admin,
    end: &(impl Fn(&Window) -> i64 + Sync),
) -> Result<BTreeMap<TopicPartition, Span>, ConnectError> {
    let originals = || {
        windows.iter().zip(pieces).filter_map(|(window, piece)| {
            let samples = &piece.as_ref()?.samples;
            Some((window, samples.first()?, samples.last()?))
        })
    };
    // Copies keep their times. Those of earlier records may be the same or later: it is a lower bound.
    let timed = originals().filter(|(_, first, _)| first.timestamp_ms >= 0);
    let wanted =
        timed.map(|(window, first, _)| (window.at_target(), OffsetSpec::AtOrAfter(first.timestamp_ms))).collect();
    let by_time = list(target, ClientRole::CheckpointTargetAdmin, &wanted, Isolation::ReadUncommitted).await?;
    let spans = originals().map(|(window, first, last)| {
        let (start, end) = (window.log.start, end(window));
        // The floor is about the offsets just before the committed one.
        let floor = window.floor.filter(|_| first.offset >= window.first() - BEFORE);
        let partition = window.at_target();
        let from =
            floor.max(by_time.get(&partition).copied()).map_or(start, |floor| floor.clamp(start, end.max(start)));
        (partition, Span { from, log_end: end, until: Until::Content { content: last.content, more: BEHIND } })
    });
    Ok(spans.collect())
}

async fn list(
    admin: &Admin,
    role: ClientRole,
    wanted: &BTreeMap<TopicPartition, OffsetSpec>,
    isolation: Isolation,
) -> Result<BTreeMap<TopicPartition, i64>, ConnectError> {
    let listed = admin.list_offsets(wanted, isolation).await.map_err(|error| clients::refused(role, &error))?;
    Ok(listed.into_iter().filter_map(|(partition, listed)| Some((partition, listed.ok()?.offset?))).collect())
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
        assert_eq!(comparison.due(vec![question(0, 10), question(0, 20), question(1, 5)]).len(), 3);
        let key = question(0, 10).key;
        for (committed, exact) in [(10, true), (20, false)] {
            let place = comparison.known.get_mut(&key).unwrap().places.get_mut(&committed).unwrap();
            place.located = Some(Located { offset: committed, exact });
            place.looked = Instant::now().checked_sub(AGAIN);
            place.target_end = 8000;
        }

        let due = comparison.due(vec![question(0, 10), question(0, 10), question(0, 20), question(0, 20)]);

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

        assert!(comparison.due(vec![Question { ahead: true, ..question(0, 10) }]).is_empty());
        let place = comparison.known.values_mut().next().unwrap().places.get_mut(&10).unwrap();
        place.since = Instant::now().checked_sub(AHEAD).unwrap();

        assert_eq!(comparison.due(vec![Question { ahead: true, ..question(0, 10) }]).len(), 1);
    }
}
