//! What a task does when something is lost: says so, remembers it with the stored offsets, goes on or not.

use std::sync::Arc;

use connect_api::record::{Payload, SourceBatch};
use mirror::{SavedPosition, TopicId};
use tracing::error;

use super::MirrorSourceTask;
use crate::clients;
use crate::losses::{LossKind, OnDataLoss, Seen};

impl MirrorSourceTask {
    /// Something is lost. Says so and remembers it; whether to go on, as the policy says.
    pub(super) fn goes_on_after(&mut self, tag: usize, loss: LossKind) -> bool {
        let tp = self.partitions[tag].tp.clone();
        let (topic, partition, reason) = (&*tp.topic, tp.partition, loss.reason());
        self.partitions[tag].ledger.lost(loss.records());
        if self.on_data_loss == OnDataLoss::Stop {
            error!(
                topic,
                partition,
                reason,
                "data loss at the source, partition stopped; set portage.on.data.loss=continue or reset its offset: {loss}"
            );
            let remedy = "set portage.on.data.loss=continue, or reset the connector's offset of this partition";
            let message = format!("{loss}; {remedy}");
            self.losses.note(tag, clients::now_ms(), loss);
            self.stop_partition(tag, None, message);
            return false;
        }
        error!(
            topic,
            partition,
            reason,
            "data loss at the source, going on with what exists; see what readers of the target miss: {loss}"
        );
        self.losses.note(tag, clients::now_ms(), loss);
        // Whatever was wrong with the log that is gone.
        self.faults.remove(&tag);
        self.report();
        true
    }

    /// The log does not fit the position any more: goes on with what there is, or not.
    pub(super) fn lost(&mut self, tag: usize, loss: LossKind) -> Option<SourceBatch> {
        if !self.goes_on_after(tag, loss.clone()) {
            return None;
        }
        self.note(tag, &loss);
        let tp = self.partitions[tag].tp.clone();
        self.fetcher.seek(tp, loss.go_on_at());
        self.partitions[tag].leader_epoch = None;
        match loss {
            LossKind::Truncated { to: next, .. } | LossKind::Diverged { common_end: Some(next), .. } => {
                self.partitions[tag].seen.position = Some(next);
                Some(self.marker(tag, next, None))
            }
            LossKind::Diverged { common_end: None, .. } | LossKind::Recreated { .. } => {
                let partition = &mut self.partitions[tag];
                if let LossKind::Recreated { new_id, .. } = loss {
                    partition.topic_id = TopicId::new(*new_id.as_bytes());
                }
                partition.seen = Seen::default();
                partition.marks_position = true;
                None
            }
            LossKind::TargetLost { .. } | LossKind::Tombstones { .. } => None,
        }
    }

    /// The target has lost copies. What they were copies of may be gone at the source, so nothing is read again unless
    /// somebody asks for it.
    pub(super) fn target_lost(&mut self, tag: usize, loss: LossKind) {
        let partition = &self.partitions[tag];
        error!(
            topic = &*partition.remote_topic,
            partition = partition.tp.partition,
            reason = loss.reason(),
            "data loss on the target, mirroring goes on; reset the connector's offset of this partition to have the records again: {loss}"
        );
        self.losses.note(tag, clients::now_ms(), loss);
        self.reported = false;
        let (position, leader_epoch, stopped) = (partition.seen.position, partition.leader_epoch, partition.stopped);
        // Stored also if no record follows.
        if let Some(next) = position.filter(|_| !stopped) {
            let mark = self.marker(tag, next, leader_epoch);
            self.marks.push(mark);
        }
    }

    /// A batch without records: stores that the next record to read is `next`, and what has been lost before it.
    pub(super) fn marker(&mut self, tag: usize, next: i64, leader_epoch: Option<i32>) -> SourceBatch {
        if let Some(runs) = self.runs.as_mut().and_then(|runs| runs.partition(tag)) {
            runs.handed_out();
        }
        let partition = &mut self.partitions[tag];
        partition.ledger.handed_out_old_format(next);
        let seen_ms = partition.unread.since_ms();
        let saved = SavedPosition { offset: next - 1, topic_id: partition.topic_id, leader_epoch, seen_ms };
        SourceBatch {
            tag,
            topic: Arc::clone(&partition.remote_topic),
            partition: partition.tp.partition,
            source_partition: partition.source_partition.clone(),
            source_offset: self.losses.remembered_with(tag, saved.to_source_offset()),
            payload: Payload::Records(Vec::new()),
            first_wanted: next,
            hold: None,
        }
    }

    /// What a loss means for the offsets that were known.
    fn note(&mut self, tag: usize, loss: &LossKind) {
        let Some(runs) = self.runs.as_mut().and_then(|runs| runs.partition(tag)) else { return };
        match loss {
            LossKind::Truncated { to, .. } => runs.read_to(*to),
            LossKind::Diverged { common_end, .. } => runs.rewound(common_end.unwrap_or(0)),
            LossKind::Recreated { new_id, .. } => runs.recreated(TopicId::new(*new_id.as_bytes())),
            LossKind::TargetLost { .. } | LossKind::Tombstones { .. } => {}
        }
    }
}
