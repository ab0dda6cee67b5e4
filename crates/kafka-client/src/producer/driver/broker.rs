//! What the driver keeps for one broker: partitions that are ready for it, requests under way, and whether the next one waits.
//!
//! Each request costs both sides the same, whatever it carries, so several partitions are to share one. A broker that is asked
//! for little gets every batch at once. While two requests are under way, a third one that would be less than half full waits
//! for the partitions that were in those: a reply, their batches, or `linger.ms` let it go.

use std::collections::VecDeque;

use tokio::sync::mpsc;
use tracing::{info, warn};

use super::super::link::{Dispatch, Reply};
use crate::error::ClientError;

/// With fewer requests under way, the next one goes at once.
const UNDER_WAY_ENOUGH: usize = 2;

pub(super) struct Broker {
    pub(super) link: mpsc::UnboundedSender<Dispatch>,
    /// Partitions, and the bytes that each would put into a request.
    ready: VecDeque<(usize, usize)>,
    ready_bytes: usize,
    under_way: Vec<u64>,
    sent_at_ms: u64,
    /// Why the last request had no answer.
    pub(super) silence: Option<ClientError>,
}

impl Broker {
    pub(super) fn new(link: mpsc::UnboundedSender<Dispatch>) -> Self {
        Self { link, ready: VecDeque::new(), ready_bytes: 0, under_way: Vec::new(), sent_at_ms: 0, silence: None }
    }

    /// A partition has a batch for this broker.
    pub(super) fn push_ready(&mut self, partition: usize, bytes: usize) {
        self.ready.push_back((partition, bytes));
        self.ready_bytes += bytes;
    }

    /// The partition whose turn it is.
    pub(super) fn pop_ready(&mut self) -> Option<usize> {
        let (partition, bytes) = self.ready.pop_front()?;
        self.ready_bytes -= bytes;
        Some(partition)
    }

    /// Its batch did not fit any more.
    pub(super) fn put_back(&mut self, partition: usize, bytes: usize) {
        self.ready.push_front((partition, bytes));
        self.ready_bytes += bytes;
    }

    pub(super) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Requests under way, by number.
    pub(super) fn under_way(&self) -> &[u64] {
        &self.under_way
    }

    pub(super) fn sent(&mut self, request: u64, now_ms: u64) {
        self.under_way.push(request);
        self.sent_at_ms = now_ms;
    }

    /// Until when what is ready waits for company, if company may come and it would fill less than half of a request.
    pub(super) fn waits_until_ms(
        &self,
        request_bytes: usize,
        linger_ms: u64,
        may_come: impl FnOnce(&[u64]) -> bool,
    ) -> Option<u64> {
        let waits = self.under_way.len() >= UNDER_WAY_ENOUGH && self.ready_bytes < request_bytes / 2;
        (waits && may_come(&self.under_way)).then_some(self.sent_at_ms + linger_ms)
    }

    /// What came of a request. Tells whoever reads logs when silence begins and ends.
    pub(super) fn heard(&mut self, node_id: i32, request: u64, reply: Reply) {
        self.under_way.retain(|other| *other != request);
        let silence = match reply {
            Reply::Answered(_) => None,
            Reply::Lost(error) | Reply::NotSent(error) => Some(error),
        };
        match (&self.silence, &silence) {
            (None, Some(error)) => warn!(node_id, %error, "produce requests fail, trying again"),
            (Some(_), None) => info!(node_id, "produce requests are answered again"),
            _ => {}
        }
        self.silence = silence;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broker(ready: &[usize], under_way: &[u64]) -> Broker {
        let mut broker = Broker::new(mpsc::unbounded_channel().0);
        ready.iter().enumerate().for_each(|(partition, bytes)| broker.push_ready(partition, *bytes));
        under_way.iter().for_each(|request| broker.sent(*request, 70));
        broker
    }

    #[test]
    fn a_small_request_waits_behind_two_if_company_may_come() {
        let until = |broker: &Broker, may_come| broker.waits_until_ms(1_000, 5, |_| may_come);

        assert_eq!(until(&broker(&[100, 200], &[1, 2]), true), Some(75));
        assert_eq!(until(&broker(&[100, 200], &[1, 2]), false), None);
        assert_eq!(until(&broker(&[100, 400], &[1, 2]), true), None, "half full");
        assert_eq!(until(&broker(&[100], &[1]), true), None, "one under way");
    }

    #[test]
    fn what_leaves_the_queue_is_not_counted_any_more() {
        let mut broker = broker(&[100, 400], &[1, 2]);

        assert_eq!(broker.pop_ready(), Some(0));
        assert_eq!(broker.waits_until_ms(1_000, 5, |_| true), Some(75));
        broker.put_back(0, 100);

        assert_eq!((broker.pop_ready(), broker.pop_ready(), broker.pop_ready()), (Some(0), Some(1), None));
        assert_eq!(broker.ready_bytes, 0);
    }
}
