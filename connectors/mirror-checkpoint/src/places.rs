//! Reads around places that are in question, on both sides, and says where they are on the target.

use std::collections::BTreeMap;

use connect_api::ConnectError;
use connect_api::config::ConfigMap;
use kafka_client::admin::{Admin, Isolation, OffsetSpec};
use kafka_client::fetcher::FetcherOptions;
use kafka_client::{Cluster, TopicPartition};
use mirror::config::ClientRole;
use mirror::runs::{RunsKey, TargetLog, TopicIds};
use mirror::side_by_side::{Located, Piece, SideBySide};
use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use crate::clients;
use crate::pieces::{self, Span, Until};

/// Source offsets that are read before a committed one, and records behind it.
pub(crate) const BEFORE: i64 = 64;
const BEHIND: usize = 64;
/// Read before a committed offset if there is no record nearer: a long transaction, or holes of compaction.
const FAR_BEFORE: i64 = 10_000;
/// Small answers: a few records are wanted.
const FETCH_BYTES: i32 = 256 << 10;

/// Committed offsets of one partition, near to each other, ascending.
pub(crate) struct Window {
    pub(crate) key: RunsKey,
    pub(crate) ids: TopicIds,
    pub(crate) committed: Vec<i64>,
    /// The target's log.
    pub(crate) log: TargetLog,
    /// See [`Question`](crate::comparison::Question).
    pub(crate) floor: Option<i64>,
}

/// What the records around a committed offset said.
pub(crate) struct Found {
    pub(crate) key: RunsKey,
    pub(crate) ids: TopicIds,
    pub(crate) committed: i64,
    /// `None`: nothing.
    pub(crate) located: Option<Located>,
    /// The target's end at the time.
    pub(crate) target_end: i64,
}

/// Who reads.
pub(crate) struct Places {
    config: ConfigMap,
    sides: Option<(Side, Side)>,
    refused: bool,
}

#[derive(Clone)]
struct Side {
    cluster: Cluster,
    options: FetcherOptions,
}

impl Places {
    pub(crate) fn new(config: ConfigMap) -> Self {
        Self { config, sides: None, refused: false }
    }

    /// Tells what was found, turn by turn, and gives itself back.
    pub(crate) async fn read(
        mut self,
        turns: Vec<Vec<Window>>,
        source: Admin,
        target: Admin,
        tell: mpsc::UnboundedSender<Found>,
    ) -> Self {
        for turn in turns {
            match self.compare(&turn, &source, &target, &tell).await {
                Ok(()) => self.refused = false,
                Err(error) => {
                    if !std::mem::replace(&mut self.refused, true) {
                        warn!(%error, "records can't be compared; offsets that were mirrored by others stay approximate");
                    }
                    break;
                }
            }
        }
        self
    }

    async fn compare(
        &mut self,
        windows: &[Window],
        source: &Admin,
        target: &Admin,
        tell: &mpsc::UnboundedSender<Found>,
    ) -> Result<(), ConnectError> {
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
            for committed in &window.committed {
                let located = both.as_ref().and_then(|both| both.locate(*committed, end(window)));
                offsets += 1;
                exact += usize::from(located.is_some_and(|located| located.exact));
                let Window { key, ids, log, .. } = window;
                let (topic, partition, committed) = (&*key.source.topic, key.source.partition, *committed);
                debug!(topic, partition, committed, ?located, "records compared");
                let found = Found { key: key.clone(), ids: *ids, committed, located, target_end: log.end };
                // Nobody asks any more: the task is about to end.
                let _ = tell.send(found);
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
    pub(crate) fn first(&self) -> i64 {
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
