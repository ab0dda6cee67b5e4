//! The losses of a task's partitions until somebody acknowledges them: kept with the stored offsets, so that they outlive the
//! task, and shown as numbers.

use std::sync::{Arc, Mutex, PoisonError};

use connect_api::SourceOffset;
use connect_api::metrics::{Family, Metric, MetricSource};
use kafka_client::TopicPartition;

use crate::losses::{Loss, LossKind, remembered, remembering};

/// Losses of one partition that are kept; earlier ones are in the log.
const KEPT: usize = 16;

static UNACKNOWLEDGED: Family = Family::gauge(
    "portage_data_losses_unacknowledged",
    "Losses of source records that nobody has acknowledged with portage.data.loss.acknowledged.",
);

/// See the module. Partitions go by their tags.
pub(crate) struct LossBook {
    acknowledged_ms: Option<i64>,
    open: Vec<Vec<Loss>>,
    numbers: Arc<LossNumbers>,
}

impl LossBook {
    pub(crate) fn new<'a>(
        acknowledged_ms: Option<i64>,
        partitions: impl Iterator<Item = (&'a TopicPartition, Option<&'a SourceOffset>)>,
    ) -> Self {
        let (mut open, mut numbers) = (Vec::new(), Vec::new());
        for (tp, stored) in partitions {
            let mut losses = stored.map(remembered).unwrap_or_default();
            losses.retain(|loss| acknowledged_ms.is_none_or(|until| loss.noticed_ms > until));
            let (topic, partition) = (Arc::clone(&tp.topic), tp.partition.to_string());
            numbers.push(OfPartition { topic, partition, open: losses.len() });
            open.push(losses);
        }
        Self { acknowledged_ms, open, numbers: Arc::new(LossNumbers(Mutex::new(numbers))) }
    }

    /// For the worker's metrics.
    pub(crate) fn numbers(&self) -> Arc<dyn MetricSource> {
        Arc::clone(&self.numbers) as Arc<dyn MetricSource>
    }

    /// A loss has been noticed.
    pub(crate) fn note(&mut self, tag: usize, noticed_ms: i64, kind: LossKind) {
        // An acknowledgement from the future is a clock that differs: a loss is never acknowledged before it is noticed.
        let noticed_ms = self.acknowledged_ms.map_or(noticed_ms, |until| noticed_ms.max(until + 1));
        let Some(open) = self.open.get_mut(tag) else { return };
        if open.len() == KEPT {
            open.remove(0);
        }
        open.push(Loss { noticed_ms, kind });
        self.numbers.open(tag, open.len());
    }

    /// Those of a partition that nobody has acknowledged.
    pub(crate) fn open(&self, tag: usize) -> &[Loss] {
        self.open.get(tag).map_or(&[], Vec::as_slice)
    }

    /// An offset to store for a partition.
    pub(crate) fn remembered_with(&self, tag: usize, offset: SourceOffset) -> SourceOffset {
        remembering(offset, self.open(tag))
    }
}

struct OfPartition {
    topic: Arc<str>,
    partition: String,
    open: usize,
}

/// Locked when something is lost and when somebody looks, not while records move.
struct LossNumbers(Mutex<Vec<OfPartition>>);

impl LossNumbers {
    fn open(&self, tag: usize, open: usize) {
        // A panic while holding the lock can't leave a number half written.
        let mut partitions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(partition) = partitions.get_mut(tag) {
            partition.open = open;
        }
    }
}

impl MetricSource for LossNumbers {
    fn collect(&self, _: i64, sink: &mut dyn FnMut(Metric<'_>)) {
        let partitions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for OfPartition { topic, partition, open } in partitions.iter().filter(|partition| partition.open > 0) {
            let labels = [("topic", &**topic), ("partition", partition.as_str())];
            sink(UNACKNOWLEDGED.count(&labels, *open as u64));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truncated(noticed_ms: i64) -> Loss {
        Loss { noticed_ms, kind: LossKind::Truncated { from: 1, to: 2 } }
    }

    fn book(acknowledged_ms: Option<i64>, stored: Option<&SourceOffset>) -> LossBook {
        LossBook::new(acknowledged_ms, std::iter::once((&TopicPartition::new("t", 3), stored)))
    }

    fn told(book: &LossBook) -> Vec<String> {
        let mut told = Vec::new();
        book.numbers().collect(0, &mut |metric| told.push(format!("{:?} {:?}", metric.labels, metric.value)));
        told
    }

    #[test]
    fn a_loss_outlives_its_task_until_it_is_acknowledged() {
        let mut first = book(None, None);
        first.note(0, 100, truncated(0).kind);
        let stored = first.remembered_with(0, mirror::SavedPosition::of_offset(1).to_source_offset());

        assert_eq!(book(None, Some(&stored)).open(0), [truncated(100)]);
        assert_eq!(book(Some(99), Some(&stored)).open(0), [truncated(100)]);
        assert_eq!(book(Some(100), Some(&stored)).open(0), []);
    }

    #[test]
    fn a_loss_is_not_acknowledged_before_it_is_noticed() {
        let mut book = book(Some(1_000), None);

        book.note(0, 100, truncated(0).kind);

        assert_eq!(book.open(0), [truncated(1_001)]);
    }

    #[test]
    fn losses_are_counted_while_they_are_open_and_the_oldest_give_way() {
        let mut book = book(None, None);
        assert!(told(&book).is_empty());

        for _ in 0..20 {
            book.note(0, 100, truncated(0).kind);
        }

        assert_eq!(told(&book), [r#"[("topic", "t"), ("partition", "3")] Number(16.0)"#]);
    }
}
