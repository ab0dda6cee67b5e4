//! What a task shows of each partition: MirrorMaker 2's metrics under their names, and how far behind the copy is.
//!
//! Batches are not looked into, so a batch counts by what its header says: records of a batch are as old as the range from its
//! first to its newest timestamp, and bytes are those of the batch on the wire. [`Ledger`] is the task's own; what it finds
//! goes into atomics that are read whenever somebody looks.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};

use connect_api::metrics::{ClientKind, Family, Meter, Metric, MetricSource, Recent};
use kafka_client::Cluster;
use kafka_wire::batch::RecordBatch;

use crate::clients::numbers;

/// How a partition is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// The alias of the source.
    pub source: String,
    /// The alias of the target.
    pub target: String,
    /// The topic on the source.
    pub source_topic: String,
    /// The topic on the target.
    pub remote_topic: String,
    /// The partition.
    pub partition: String,
}

/// What is shown of one partition.
#[derive(Debug)]
pub struct PartitionNumbers {
    labels: Labels,
    records: Meter,
    bytes: Meter,
    age_ms: Recent,
    latency_ms: Recent,
    high_watermark: AtomicI64,
    /// Where the source is read next.
    position: AtomicI64,
    /// Up to where the target has everything.
    mirrored: AtomicI64,
    /// The time of the oldest record that was read and is not on the target, else of the newest one that is.
    oldest_ms: AtomicI64,
    /// Since when there has been something to mirror; [`NEVER`] while there is nothing.
    behind_since_ms: AtomicI64,
    /// Whether it has ever had nothing to mirror.
    was_level: AtomicBool,
    stopped: AtomicBool,
    losses: AtomicU64,
    lost_records: AtomicU64,
}

const NEVER: i64 = i64::MIN;

/// What a task remembers of a partition to keep its numbers.
#[derive(Debug)]
pub struct Ledger {
    numbers: Arc<PartitionNumbers>,
    under_way: VecDeque<UnderWay>,
}

#[derive(Debug)]
struct UnderWay {
    next_offset: i64,
    /// First and newest time of its records, if they have one.
    times_ms: Option<(i64, i64)>,
}

impl Ledger {
    /// A partition of which nothing has been read.
    #[must_use]
    pub fn new(labels: Labels) -> Self {
        let at = |value| AtomicI64::new(value);
        let numbers = PartitionNumbers {
            labels,
            records: Meter::default(),
            bytes: Meter::default(),
            age_ms: Recent::default(),
            latency_ms: Recent::default(),
            high_watermark: at(NEVER),
            position: at(NEVER),
            mirrored: at(NEVER),
            oldest_ms: at(NEVER),
            behind_since_ms: at(NEVER),
            was_level: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            losses: AtomicU64::new(0),
            lost_records: AtomicU64::new(0),
        };
        Self { numbers: Arc::new(numbers), under_way: VecDeque::new() }
    }

    /// What is shown.
    #[must_use]
    pub fn numbers(&self) -> Arc<PartitionNumbers> {
        Arc::clone(&self.numbers)
    }

    /// A batch is handed to the worker.
    pub fn handed_out(&mut self, batch: &RecordBatch, now_ms: i64) {
        let times_ms = times(batch);
        if let Some((first, newest)) = times_ms {
            let (youngest, oldest) = (now_ms.saturating_sub(newest), now_ms.saturating_sub(first));
            self.numbers.age_ms.record_range(youngest, oldest, batch.record_count() as u64, now_ms);
        }
        self.numbers.bytes.add(batch.len() as u64, now_ms);
        self.hand_out(batch.next_offset(), times_ms);
    }

    /// Records that have no batch any more (message format 0 and 1) are handed to the worker.
    pub fn handed_out_old_format(&mut self, next_offset: i64) {
        self.hand_out(next_offset, None);
    }

    fn hand_out(&mut self, next_offset: i64, times_ms: Option<(i64, i64)>) {
        if let (true, Some((first, _))) = (self.under_way.is_empty(), times_ms) {
            self.numbers.oldest_ms.store(first, Relaxed);
        }
        self.under_way.push_back(UnderWay { next_offset, times_ms });
    }

    /// The source has answered a read from `from`, and is read from `position` on next.
    pub fn read(&mut self, from: i64, position: i64, high_watermark: i64, now_ms: i64) {
        self.numbers.position.store(position, Relaxed);
        self.numbers.high_watermark.store(high_watermark, Relaxed);
        if self.under_way.is_empty() {
            self.numbers.mirrored.store(position, Relaxed);
        } else if self.numbers.mirrored.load(Relaxed) == NEVER {
            self.numbers.mirrored.store(from, Relaxed);
        }
        self.note_lag(now_ms);
    }

    /// The oldest batch that was handed out is on the target, with so many records.
    pub fn acked(&mut self, records: u64, now_ms: i64) {
        let Some(done) = self.under_way.pop_front() else { return };
        self.numbers.records.add(records, now_ms);
        if let Some((first, newest)) = done.times_ms {
            let (youngest, oldest) = (now_ms.saturating_sub(newest), now_ms.saturating_sub(first));
            if records > 0 {
                self.numbers.latency_ms.record_range(youngest, oldest, records, now_ms);
            }
            let next = self.under_way.front().and_then(|next| next.times_ms).map_or(newest, |(first, _)| first);
            self.numbers.oldest_ms.store(next, Relaxed);
        }
        // What was read behind the last batch is not to be mirrored.
        let position = self.numbers.position.load(Relaxed);
        let mirrored = if self.under_way.is_empty() { position } else { done.next_offset };
        self.numbers.mirrored.store(mirrored, Relaxed);
        self.note_lag(now_ms);
    }

    /// Records are gone at the source: so many of them, if that is known.
    pub fn lost(&mut self, records: u64) {
        self.numbers.losses.fetch_add(1, Relaxed);
        self.numbers.lost_records.fetch_add(records, Relaxed);
    }

    /// Nothing more is read of it.
    pub fn stopped(&mut self) {
        self.numbers.stopped.store(true, Relaxed);
    }

    fn note_lag(&self, now_ms: i64) {
        let numbers = &*self.numbers;
        if numbers.lag_records() == Some(0) {
            numbers.behind_since_ms.store(NEVER, Relaxed);
            numbers.was_level.store(true, Relaxed);
        } else if numbers.behind_since_ms.load(Relaxed) == NEVER {
            numbers.behind_since_ms.store(now_ms, Relaxed);
        }
    }
}

/// First and newest time of a batch; records without a time have -1.
fn times(batch: &RecordBatch) -> Option<(i64, i64)> {
    let (first, newest) = (batch.base_timestamp(), batch.max_timestamp());
    (first >= 0 && newest >= 0).then(|| (first.min(newest), newest))
}

impl PartitionNumbers {
    /// Records of the source that are not on the target; holes and markers count. `None` before the source has answered.
    #[must_use]
    pub fn lag_records(&self) -> Option<u64> {
        self.behind(&self.mirrored)
    }

    fn behind(&self, offset: &AtomicI64) -> Option<u64> {
        let (end, offset) = (self.high_watermark.load(Relaxed), offset.load(Relaxed));
        (end != NEVER && offset != NEVER).then(|| u64::try_from(end.saturating_sub(offset)).unwrap_or(0))
    }

    /// For how long the copy has been behind: the age of the oldest record that is known not to be mirrored, or of the newest
    /// that is; but not longer than there has been anything to mirror, where that is known. 0 when nothing is missing.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "milliseconds")]
    pub fn lag_seconds(&self, now_ms: i64) -> Option<f64> {
        if self.lag_records()? == 0 {
            return Some(0.0);
        }
        let since = |at: &AtomicI64| match at.load(Relaxed) {
            NEVER => None,
            at_ms => Some(now_ms.saturating_sub(at_ms).max(0)),
        };
        let behind_ms = since(&self.behind_since_ms);
        let lag_ms = match since(&self.oldest_ms) {
            Some(age_ms) if self.was_level.load(Relaxed) => age_ms.min(behind_ms.unwrap_or(age_ms)),
            Some(age_ms) => age_ms,
            None => behind_ms?,
        };
        Some(lag_ms as f64 / 1000.0)
    }
}

const MIRROR: (&str, &str) = ("kafka.connect.mirror", "MirrorSourceConnector");

const fn java(attribute: &'static str, help: &'static str) -> Family {
    Family::bean(MIRROR.0, MIRROR.1, attribute, help)
}

/// Java's four statistics of one thing.
struct Range([Family; 4]);

const RECORD_COUNT: Family = java("record-count", "Records of the partition that the target has acknowledged.");
const RECORD_RATE: Family = java("record-rate", "Records of the partition acknowledged per second.");
const BYTE_COUNT: Family = java("byte-count", "Bytes of the partition's batches as they were read.");
const BYTE_RATE: Family = java("byte-rate", "Bytes of the partition's batches read per second.");
const AGE: Range = Range([
    java("record-age-ms", "The age of records when they were read, in milliseconds."),
    java("record-age-ms-min", "The least age of records when they were read."),
    java("record-age-ms-max", "The greatest age of records when they were read."),
    java("record-age-ms-avg", "The average age of records when they were read."),
]);
const LATENCY: Range = Range([
    java("replication-latency-ms", "The age of records when the target acknowledged them, in milliseconds."),
    java("replication-latency-ms-min", "The least age of records when they were acknowledged."),
    java("replication-latency-ms-max", "The greatest age of records when they were acknowledged."),
    java("replication-latency-ms-avg", "The average age of records when they were acknowledged."),
]);
const CONSUMER_LAG: Family = Family::bean(
    "kafka.consumer",
    "consumer-fetch-manager-metrics",
    "records-lag",
    "Records between the position of the consumer and the end of the partition.",
);
const LAG_RECORDS: Family =
    Family::gauge("portage_mirror_lag_records", "Offsets of the source partition that are not on the target.");
const LAG_SECONDS: Family =
    Family::gauge("portage_mirror_lag_seconds", "How long the copy has been behind; 0 when nothing is missing.");
const RECORDS: Family =
    Family::counter("portage_mirror_records_total", "Records of the partition that the target has acknowledged.");
const BYTES: Family =
    Family::counter("portage_mirror_bytes_total", "Bytes of the partition's batches, compressed as they are.");
const STOPPED: Family =
    Family::gauge("portage_mirror_partition_stopped", "1 if the partition stands still until its task is restarted.");
const LOSSES: Family = Family::counter(
    "portage_data_loss_events_total",
    "Times that records were gone at the source before they were read.",
);
const LOST: Family =
    Family::counter("portage_data_loss_records_total", "Offsets that were gone at the source before they were read.");

impl PartitionNumbers {
    fn tell(&self, now_ms: i64, client_id: &str, sink: &mut dyn FnMut(Metric<'_>)) {
        let Labels { source, target, source_topic, remote_topic, partition } = &self.labels;
        let java = [("source", &**source), ("target", target), ("topic", remote_topic), ("partition", partition)];
        sink(RECORD_COUNT.count(&java, self.records.total()));
        sink(RECORD_RATE.number(&java, self.records.rate(now_ms)));
        sink(BYTE_COUNT.count(&java, self.bytes.total()));
        sink(BYTE_RATE.number(&java, self.bytes.rate(now_ms)));
        AGE.tell(&self.age_ms, &java, now_ms, sink);
        LATENCY.tell(&self.latency_ms, &java, now_ms, sink);
        if let Some(lag) = self.behind(&self.position) {
            let labels = [("client-id", client_id), ("topic", source_topic), ("partition", partition)];
            sink(CONSUMER_LAG.count(&labels, lag));
        }

        let own = [("source", &**source), ("target", target), ("topic", source_topic), ("partition", partition)];
        if let Some(lag) = self.lag_records() {
            sink(LAG_RECORDS.count(&own, lag));
        }
        if let Some(lag) = self.lag_seconds(now_ms) {
            sink(LAG_SECONDS.number(&own, lag));
        }
        sink(RECORDS.count(&own, self.records.total()));
        sink(BYTES.count(&own, self.bytes.total()));
        sink(STOPPED.count(&own, u64::from(self.stopped.load(Relaxed))));
        sink(LOSSES.count(&own, self.losses.load(Relaxed)));
        sink(LOST.count(&own, self.lost_records.load(Relaxed)));
    }
}

impl Range {
    #[allow(clippy::cast_precision_loss, reason = "milliseconds")]
    fn tell(&self, recent: &Recent, labels: &[(&'static str, &str)], now_ms: i64, sink: &mut dyn FnMut(Metric<'_>)) {
        let Some(summary) = recent.summary(now_ms) else { return };
        let [last, min, max, avg] = &self.0;
        sink(last.number(labels, summary.last as f64));
        if let Some((least, greatest, average)) = summary.range {
            sink(min.number(labels, least as f64));
            sink(max.number(labels, greatest as f64));
            sink(avg.number(labels, average));
        }
    }
}

/// All that a task shows.
pub(crate) struct TaskNumbers {
    pub(crate) partitions: Vec<Arc<PartitionNumbers>>,
    /// The consumer's.
    pub(crate) cluster: Cluster,
}

impl MetricSource for TaskNumbers {
    fn collect(&self, now_ms: i64, sink: &mut dyn FnMut(Metric<'_>)) {
        let client_id = self.cluster.config().client_id();
        for partition in &self.partitions {
            partition.tell(now_ms, client_id, sink);
        }
        numbers(&self.cluster).tell(ClientKind::Consumer, client_id, sink);
    }
}

#[cfg(test)]
mod tests {
    use connect_api::metrics::{Name, Value};
    use kafka_wire::batch::{Codec, Record, Stamp, encode};

    use super::*;

    const NOW: i64 = 1_000_000_000;

    fn labels() -> Labels {
        let text = |text: &str| text.to_owned();
        Labels {
            source: text("a"),
            target: text("b"),
            source_topic: text("t"),
            remote_topic: text("a.t"),
            partition: text("0"),
        }
    }

    fn batch(offset: i64, times_ms: &[i64]) -> RecordBatch {
        let records: Vec<Record> = times_ms
            .iter()
            .zip(offset..)
            .map(|(timestamp, offset)| Record { offset, timestamp: *timestamp, ..Record::default() })
            .collect();
        RecordBatch::parse(encode(&records, Codec::None, Stamp::NONE).unwrap()).unwrap()
    }

    fn told(ledger: &Ledger, wanted: &str) -> Option<f64> {
        let mut found = None;
        ledger.numbers().tell(NOW, "a->b|m-0|replication-consumer", &mut |metric| {
            let (Name::Bean { attribute: name, .. } | Name::Own(name)) = metric.family.name;
            if name == wanted
                && let Value::Number(value) = metric.value
            {
                found = Some(value);
            }
        });
        found
    }

    #[test]
    fn lag_counts_what_is_not_acknowledged() {
        let mut ledger = Ledger::new(labels());
        assert_eq!(told(&ledger, "portage_mirror_lag_records"), None);

        ledger.handed_out(&batch(0, &[NOW - 9_000, NOW - 5_000]), NOW);
        ledger.handed_out(&batch(2, &[NOW - 4_000]), NOW);
        ledger.read(0, 3, 10, NOW);
        assert_eq!(told(&ledger, "portage_mirror_lag_records"), Some(10.0));
        assert_eq!(told(&ledger, "records-lag"), Some(7.0));
        assert_eq!(told(&ledger, "portage_mirror_lag_seconds"), Some(9.0));

        ledger.acked(2, NOW);
        assert_eq!(told(&ledger, "portage_mirror_lag_records"), Some(8.0));
        assert_eq!(told(&ledger, "portage_mirror_lag_seconds"), Some(4.0));
        assert_eq!(told(&ledger, "record-count"), Some(2.0));
        assert_eq!(told(&ledger, "record-age-ms-max"), Some(9_000.0));
        assert_eq!(told(&ledger, "replication-latency-ms"), Some(5_000.0));
    }

    #[test]
    fn markers_at_the_end_are_no_lag() {
        let mut ledger = Ledger::new(labels());

        ledger.handed_out(&batch(0, &[NOW]), NOW);
        ledger.read(0, 2, 2, NOW);
        ledger.acked(1, NOW);

        assert_eq!(told(&ledger, "portage_mirror_lag_records"), Some(0.0));
        assert_eq!(told(&ledger, "portage_mirror_lag_seconds"), Some(0.0));
    }

    #[test]
    fn an_old_record_in_an_idle_topic_is_not_behind_for_longer_than_it_has_been_there() {
        let mut ledger = Ledger::new(labels());
        ledger.read(0, 0, 0, NOW - 60_000);

        ledger.handed_out(&batch(0, &[7]), NOW - 2_000);
        ledger.read(0, 1, 1, NOW - 2_000);

        assert_eq!(told(&ledger, "portage_mirror_lag_seconds"), Some(2.0));
    }

    #[test]
    fn records_without_a_time_have_no_age() {
        let mut ledger = Ledger::new(labels());

        ledger.handed_out(&batch(0, &[-1]), NOW);
        ledger.read(0, 1, 5, NOW);
        ledger.acked(1, NOW);

        assert_eq!(told(&ledger, "record-age-ms"), None);
        assert_eq!(
            (told(&ledger, "record-count"), told(&ledger, "portage_mirror_lag_records")),
            (Some(1.0), Some(4.0))
        );
    }

    #[test]
    fn losses_add_up() {
        let mut ledger = Ledger::new(labels());

        ledger.lost(20);
        ledger.lost(0);
        ledger.stopped();

        assert_eq!(told(&ledger, "portage_data_loss_events_total"), Some(2.0));
        assert_eq!(told(&ledger, "portage_data_loss_records_total"), Some(20.0));
        assert_eq!(told(&ledger, "portage_mirror_partition_stopped"), Some(1.0));
    }
}
