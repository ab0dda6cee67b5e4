//! What a task shows of each group: how long its checkpoints take to be written, as MirrorMaker 2 does, and how many of its
//! partitions can be translated, exactly or not, and why the others can't.
//!
//! Changed a few times a minute at most, so a lock does no harm here.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use connect_api::metrics::{ClientKind, Family, Metric, MetricSource, Recent};
use kafka_client::Cluster;
use mirror::Checkpoint;

use crate::translator::{Answer, NotTranslated};

const BEAN: (&str, &str) = ("kafka.connect.mirror", "MirrorCheckpointConnector");
const LATENCY: Family = Family::bean(
    BEAN.0,
    BEAN.1,
    "checkpoint-latency-ms",
    "The time from the making of a checkpoint to its acknowledgement, in milliseconds.",
);
const LATENCY_MIN: Family = Family::bean(BEAN.0, BEAN.1, "checkpoint-latency-ms-min", "The shortest such time.");
const LATENCY_MAX: Family = Family::bean(BEAN.0, BEAN.1, "checkpoint-latency-ms-max", "The longest such time.");
const LATENCY_AVG: Family = Family::bean(BEAN.0, BEAN.1, "checkpoint-latency-ms-avg", "The average such time.");
const PARTITIONS: Family = Family::gauge(
    "portage_group_translation_partitions",
    "Partitions on which a group has committed, by how well its offset is known on the target.",
);

const SYNC: Family = Family::gauge(
    "portage_group_sync_state",
    "1 for what became of a group's offsets on the target when they were looked at last.",
);

/// How one partition of a group stands, as the word of a label.
#[must_use]
pub const fn standing(answer: &Answer) -> &'static str {
    match answer {
        Answer::At { exact: true, .. } => "exact",
        // Something may be read twice.
        Answer::At { exact: false, .. } => "safe",
        Answer::Nowhere(NotTranslated::NotReady) => "not_ready",
        Answer::Nowhere(NotTranslated::NotMirrored) => "not_mirrored",
        Answer::Nowhere(NotTranslated::TooOld) => "too_old",
        Answer::Nowhere(NotTranslated::Recreated) => "recreated",
    }
}

/// What a round found: by group and [`standing`], how many partitions.
pub type Standings = BTreeMap<String, BTreeMap<&'static str, u64>>;

/// All that a task shows.
pub struct Numbers {
    source: String,
    target: String,
    admins: Vec<Cluster>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By group, topic and partition.
    latencies_ms: BTreeMap<(String, String, i32), Recent>,
    standings: Standings,
    /// What became of each group on the target.
    synced: BTreeMap<String, &'static str>,
}

impl Numbers {
    /// Those of a flow that nothing has been done for yet.
    #[must_use]
    pub fn new(source: &str, target: &str, admins: Vec<Cluster>) -> Self {
        Self { source: source.to_owned(), target: target.to_owned(), admins, state: Mutex::default() }
    }

    /// A round has ended.
    pub fn round(&self, standings: Standings) {
        self.lock().standings = standings;
    }

    /// The target's groups have been looked at.
    pub fn synced(&self, groups: BTreeMap<String, &'static str>) {
        self.lock().synced = groups;
    }

    /// A checkpoint is on the target.
    pub fn written(&self, checkpoint: &Checkpoint, elapsed_ms: i64, now_ms: i64) {
        let Checkpoint { group, topic_partition, .. } = checkpoint;
        let key = (group.clone(), topic_partition.topic.to_string(), topic_partition.partition);
        self.lock().latencies_ms.entry(key).or_default().record(elapsed_ms, now_ms);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic can't leave a map of counters half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MetricSource for Numbers {
    #[allow(clippy::cast_precision_loss, reason = "milliseconds")]
    fn collect(&self, now_ms: i64, sink: &mut dyn FnMut(Metric<'_>)) {
        let state = self.lock();
        for ((group, topic, partition), recent) in &state.latencies_ms {
            let Some(summary) = recent.summary(now_ms) else { continue };
            let partition = partition.to_string();
            let labels = [
                ("source", &*self.source),
                ("target", &self.target),
                ("group", group),
                ("topic", topic),
                ("partition", &partition),
            ];
            sink(LATENCY.number(&labels, summary.last as f64));
            if let Some((least, greatest, average)) = summary.range {
                sink(LATENCY_MIN.number(&labels, least as f64));
                sink(LATENCY_MAX.number(&labels, greatest as f64));
                sink(LATENCY_AVG.number(&labels, average));
            }
        }
        for (group, standings) in &state.standings {
            for (standing, partitions) in standings {
                let labels =
                    [("source", &*self.source), ("target", &self.target), ("group", group), ("state", standing)];
                sink(PARTITIONS.count(&labels, *partitions));
            }
        }
        for (group, state) in &state.synced {
            let labels = [("source", &*self.source), ("target", &self.target), ("group", group), ("state", state)];
            sink(SYNC.count(&labels, 1));
        }
        for cluster in &self.admins {
            mirror_clients::numbers(cluster).tell(ClientKind::Admin, cluster.config().client_id(), sink);
        }
    }
}

#[cfg(test)]
mod tests {
    use connect_api::metrics::{Name, Value};

    use super::*;

    fn told(numbers: &Numbers) -> Vec<String> {
        let mut told = Vec::new();
        numbers.collect(60_000, &mut |metric| {
            let (Name::Bean { attribute: name, .. } | Name::Own(name)) = metric.family.name;
            let labels: Vec<&str> = metric.labels.iter().skip(2).map(|(_, value)| *value).collect();
            if let Value::Number(value) = metric.value {
                told.push(format!("{name} {} {value}", labels.join(",")));
            }
        });
        told
    }

    #[test]
    fn each_group_has_a_time_of_its_own_and_says_how_its_partitions_stand() {
        let numbers = Numbers::new("a", "b", Vec::new());
        let checkpoint = Checkpoint {
            group: "g".to_owned(),
            topic_partition: mirror::TopicPartition::new("a.t", 3),
            upstream: 5,
            downstream: 5,
            metadata: String::new(),
        };

        numbers.written(&checkpoint, 12, 59_000);
        let (exact, too_old) = (Answer::At { offset: 1, exact: true }, Answer::Nowhere(NotTranslated::TooOld));
        let of_g = BTreeMap::from([(standing(&exact), 2), (standing(&too_old), 1)]);
        numbers.round(BTreeMap::from([("g".to_owned(), of_g)]));

        let told = told(&numbers);
        assert_eq!(told[0], "checkpoint-latency-ms g,a.t,3 12");
        assert!(told.contains(&"portage_group_translation_partitions g,exact 2".to_owned()), "{told:?}");
        assert!(told.contains(&"portage_group_translation_partitions g,too_old 1".to_owned()), "{told:?}");
    }
}
