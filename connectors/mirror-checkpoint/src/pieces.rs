//! Reads pieces of partitions: some records from an offset on, of many partitions at once.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_client::fetcher::{Fetched, FetchedPartition, Fetcher, FetcherOptions, PartitionEvent, Position};
use kafka_client::{Budget, Cluster, TopicPartition};
use kafka_wire::batch::{BatchError, DecodeLimits, FetchedEntry, Record, TimestampType};
use mirror::side_by_side::{Piece, Sample};
use tokio::time::{Instant, timeout_at};
use tracing::{debug, warn};

/// Records of one piece, at most.
const MAX_SAMPLES: usize = 8192;
/// All pieces that are read together have to come within this time.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which piece of a partition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    /// Its first offset, which the log has.
    pub(crate) from: i64,
    /// Where the log ends.
    pub(crate) log_end: i64,
    pub(crate) until: Until,
}

/// How much of it, if it does not end before.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    /// So many records that have this offset or a higher one.
    Behind { offset: i64, count: usize },
    /// A record of this content, and so many more.
    Content { content: u64, more: usize },
}

impl Until {
    fn is_reached(self, piece: &Piece) -> bool {
        let samples = &piece.samples;
        match self {
            _ if samples.len() >= MAX_SAMPLES => true,
            Self::Behind { offset, count } => samples.len() >= count + samples.partition_point(|s| s.offset < offset),
            Self::Content { content, more } => {
                samples.iter().position(|sample| sample.content == content).is_some_and(|at| samples.len() > at + more)
            }
        }
    }
}

/// The pieces that could be read.
pub(crate) async fn read(
    cluster: Cluster,
    options: FetcherOptions,
    spans: &BTreeMap<TopicPartition, Span>,
) -> BTreeMap<TopicPartition, Piece> {
    let mut done = BTreeMap::new();
    let mut underway: BTreeMap<TopicPartition, Piece> = BTreeMap::new();
    for (partition, span) in spans {
        let at_end = span.from >= span.log_end;
        let piece = Piece { to_end: at_end, ..Piece::default() };
        if at_end { &mut done } else { &mut underway }.insert(partition.clone(), piece);
    }
    let mut fetcher = Fetcher::new(cluster, options, Budget::new(Budget::MIN_BYTES));
    fetcher.assign(underway.keys().map(|partition| (partition.clone(), Position::offset(spans[partition].from))));
    let until = Instant::now() + PATIENCE;
    while !underway.is_empty() {
        match timeout_at(until, fetcher.next()).await {
            Err(_) | Ok(Err(_)) => break,
            Ok(Ok(Fetched::Partition(fetched))) => {
                let partition = TopicPartition::new(fetched.topic.clone(), fetched.partition);
                let (Some(mut piece), Some(span)) = (underway.remove(&partition), spans.get(&partition)) else {
                    continue;
                };
                if let Err(error) = take_in(&mut piece, &fetched) {
                    warn!(topic = &*partition.topic, partition = partition.partition, %error, "batch can't be read");
                    fetcher.remove(&[partition]);
                    continue;
                }
                piece.to_end = fetched.next_position >= span.log_end;
                if piece.to_end || span.until.is_reached(&piece) {
                    fetcher.remove(std::slice::from_ref(&partition));
                    done.insert(partition, piece);
                } else {
                    underway.insert(partition, piece);
                }
            }
            Ok(Ok(Fetched::Event(partition, event))) => {
                if !matches!(event, PartitionEvent::Positioned { .. } | PartitionEvent::Recovered) {
                    debug!(topic = &*partition.topic, partition = partition.partition, ?event, "piece can't be read");
                    underway.remove(&partition);
                    fetcher.remove(&[partition]);
                }
            }
        }
    }
    done
}

fn take_in(piece: &mut Piece, fetched: &FetchedPartition) -> Result<(), BatchError> {
    for entry in &fetched.batches {
        let records = decode(entry)?;
        if let FetchedEntry::Batch(batch) = entry {
            piece.append_time |= batch.timestamp_type() == TimestampType::LogAppendTime;
        }
        let wanted = records.iter().filter(|record| record.offset >= fetched.position_before);
        piece.samples.extend(wanted.map(Sample::of));
    }
    Ok(())
}

fn decode(entry: &FetchedEntry) -> Result<Vec<Record>, BatchError> {
    let limits = DecodeLimits::default();
    match entry {
        FetchedEntry::Batch(batch) if batch.is_control() => Ok(Vec::new()),
        FetchedEntry::Batch(batch) => batch.decode(&limits),
        FetchedEntry::Legacy(set) => set.decode(&limits),
    }
}
